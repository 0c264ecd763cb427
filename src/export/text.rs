//! Text in the making. Like a [`String`], but takes bytes that are known to be text without a look at them again: for rows that are
//! written by the million that look would be a tenth of the work.

use std::fmt;

/// UTF-8, as long as each addition is.
#[derive(Debug, Default)]
pub(super) struct Text(Vec<u8>);

impl Text {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    #[inline]
    pub fn push(&mut self, character: char) {
        match u8::try_from(character) {
            Ok(ascii @ 0..128) => self.0.push(ascii),
            _ => self.push_str(character.encode_utf8(&mut [0; 4])),
        }
    }

    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Appends bytes that are whole characters of UTF-8.
    #[inline]
    pub fn push_whole(&mut self, bytes: &[u8]) {
        debug_assert!(std::str::from_utf8(bytes).is_ok(), "{bytes:?} are no text");
        self.0.extend_from_slice(bytes);
    }

    /// What was appended since it had this length.
    pub fn since(&self, start: usize) -> &str {
        std::str::from_utf8(&self.0[start..]).expect("only text was appended")
    }

    /// Takes that out.
    pub fn split_off(&mut self, start: usize) -> String {
        String::from_utf8(self.0.split_off(start)).expect("only text was appended")
    }

    /// Puts a text in where the text had this length.
    pub fn insert_str(&mut self, at: usize, text: &str) {
        self.0.splice(at..at, text.bytes());
    }

    pub fn as_str(&self) -> &str {
        self.since(0)
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn it_holds_what_was_appended() {
        let mut text = Text::default();
        text.push_str("żółw ");
        text.push('🐢');
        text.push('!');
        let start = text.len();
        write!(text, "{}-{}", 1, 2).unwrap();
        text.push_whole("é\n".as_bytes());
        assert_eq!(text.since(start), "1-2é\n");
        text.insert_str(start, "'");
        assert_eq!(text.as_str(), "żółw 🐢!'1-2é\n");
        assert_eq!(text.split_off(start), "'1-2é\n");
        assert_eq!(text.as_ref(), "żółw 🐢!".as_bytes());
        text.clear();
        assert_eq!((text.as_str(), text.len()), ("", 0));
    }
}

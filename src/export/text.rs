//! Text in the making. Like a [`String`], but takes bytes that are known to be text without a look at them again: for rows that are
//! written by the million that look would be a tenth of the work.

use std::fmt;

/// UTF-8, as long as each addition is.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The text, and after it room that may be written to at once.
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn clear(&mut self) {
        self.len = 0;
    }

    #[inline]
    pub fn push(&mut self, character: char) {
        match u8::try_from(character) {
            Ok(ascii @ 0..128) => self.push_whole(&[ascii]),
            _ => self.push_str(character.encode_utf8(&mut [0; 4])),
        }
    }

    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.push_whole(text.as_bytes());
    }

    /// Appends bytes that are whole characters of UTF-8.
    #[inline]
    pub fn push_whole(&mut self, bytes: &[u8]) {
        self.push_with(bytes.len(), |room| {
            room[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        });
    }

    /// Appends as many bytes as `fill` returns of those that it writes into room for at least `most`; they are whole characters of UTF-8.
    #[inline]
    pub fn push_with(&mut self, most: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        if self.bytes.len() - self.len < most {
            self.grow(most);
        }
        let pushed = fill(&mut self.bytes[self.len..]);
        self.len += pushed;
        debug_assert!(std::str::from_utf8(&self.bytes[self.len - pushed..self.len]).is_ok(), "no text");
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, most: usize) {
        self.bytes.resize((self.len + most).max(2 * self.len), 0);
    }

    /// What was appended since it had this length.
    pub fn since(&self, start: usize) -> &str {
        std::str::from_utf8(&self.as_ref()[start..]).expect("only text was appended")
    }

    /// Takes that out.
    pub fn split_off(&mut self, start: usize) -> String {
        let text = self.since(start).to_owned();
        self.len = start;
        text
    }

    /// Puts a text in where the text had this length.
    pub fn insert_str(&mut self, at: usize, text: &str) {
        let after = self.split_off(at);
        self.push_str(text);
        self.push_str(&after);
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
        &self.bytes[..self.len]
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

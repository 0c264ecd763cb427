//! One JSON value in a slice: where it ends, and where the members of an object lie.
//!
//! The grammar is RFC 8259, with `NaN`, `Infinity` and `-Infinity` as further numbers. Nothing is decoded: escapes are
//! checked for their form alone, so a lone surrogate, which Python writes, passes. Whether strings are UTF-8 is for the
//! caller to check.

use std::ops::Range;

/// How deep values may be nested: as deep as serde_json reads them again.
pub const MAX_DEPTH: u32 = 127;

/// Where a member of an object lies: its key without the quotes, and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The key as written, between its quotes.
    pub key: Range<usize>,
    /// The value as written.
    pub value: Range<usize>,
}

/// Where a slice stopped being JSON, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    pub at: usize,
    pub why: Why,
}

/// Why a slice is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The slice ends within the value: more bytes may mend it.
    End,
    Expected(&'static str),
    Number,
    Escape,
    Control,
    Depth,
}

pub(super) type Step<T> = Result<T, Stop>;

pub(super) const A_VALUE: &str = "a value";
pub(super) const A_KEY: &str = "a key in double quotes";
pub(super) const A_COLON: &str = "`:`";
pub(super) const COMMA_OR_LIST_END: &str = "`,` or `]`";
pub(super) const COMMA_OR_OBJECT_END: &str = "`,` or `}`";

fn stop<T>(at: usize, why: Why) -> Step<T> {
    Err(Stop { at, why })
}

/// Finds the end of the value with which `bytes` begin; of an object, `members` become its members.
///
/// A number that ends with the slice may go on after it.
pub(super) fn value(bytes: &[u8], members: &mut Vec<Member>) -> Step<usize> {
    members.clear();
    let mut scan = Scan { bytes, at: 0, depth: 0, objects: 0 };
    loop {
        if scan.begin(members)? {
            continue;
        }
        while scan.depth > 0 {
            // At depth 1 there are members only if the outermost value is an object.
            if let (1, Some(member)) = (scan.depth, members.last_mut()) {
                member.value.end = scan.at;
            }
            if scan.follow(members)? {
                break;
            }
        }
        if scan.depth == 0 {
            return Ok(scan.at);
        }
    }
}

/// Finds the key with which `bytes` begin, between its quotes, and the beginning of its value.
pub(super) fn key(bytes: &[u8]) -> Step<(Range<usize>, usize)> {
    let end = match bytes.first() {
        Some(b'"') => string(bytes, 1)?,
        Some(_) => return stop(0, Why::Expected(A_KEY)),
        None => return stop(0, Why::End),
    };
    let colon = blank(bytes, end);
    match bytes.get(colon) {
        Some(b':') => {}
        Some(_) => return stop(colon, Why::Expected(A_COLON)),
        None => return stop(colon, Why::End),
    }
    let value = blank(bytes, colon + 1);
    match value < bytes.len() {
        true => Ok((1..end - 1, value)),
        false => stop(value, Why::End),
    }
}

/// The place of the first byte from `at` on that is no whitespace.
#[inline]
pub(super) fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A walk through one value, without recursion.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
    /// One bit for each open container, the innermost lowest: whether it is an object.
    objects: u128,
}

impl Scan<'_> {
    /// Goes past a scalar or an empty container, or into a container; says whether a value follows within it.
    #[inline]
    fn begin(&mut self, members: &mut Vec<Member>) -> Step<bool> {
        let at = self.at;
        self.at = match self.bytes.get(at) {
            Some(b'"') => string(self.bytes, at + 1)?,
            Some(b'{') => return self.open(true, members),
            Some(b'[') => return self.open(false, members),
            Some(b'-' | b'0'..=b'9') => number(self.bytes, at)?,
            Some(b't') => word(self.bytes, at, b"true")?,
            Some(b'f') => word(self.bytes, at, b"false")?,
            Some(b'n') => word(self.bytes, at, b"null")?,
            Some(b'N') => word(self.bytes, at, b"NaN")?,
            Some(b'I') => word(self.bytes, at, b"Infinity")?,
            Some(_) => return stop(at, Why::Expected(A_VALUE)),
            None => return stop(at, Why::End),
        };
        Ok(false)
    }

    fn open(&mut self, object: bool, members: &mut Vec<Member>) -> Step<bool> {
        if self.depth == MAX_DEPTH {
            return stop(self.at, Why::Depth);
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        self.at = blank(self.bytes, self.at + 1);
        match (object, self.bytes.get(self.at)) {
            (true, Some(b'}')) | (false, Some(b']')) => {
                self.close();
                Ok(false)
            }
            (true, _) => self.key(members),
            (false, _) => Ok(true),
        }
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth -= 1;
        self.objects >>= 1;
    }

    /// After a value in a container: goes to the next value, or past the container's end. Says whether a value follows.
    #[inline]
    fn follow(&mut self, members: &mut Vec<Member>) -> Step<bool> {
        let object = self.objects & 1 == 1;
        self.at = blank(self.bytes, self.at);
        match (object, self.bytes.get(self.at)) {
            (_, Some(b',')) => {
                self.at = blank(self.bytes, self.at + 1);
                if object { self.key(members) } else { Ok(true) }
            }
            (true, Some(b'}')) | (false, Some(b']')) => {
                self.close();
                Ok(false)
            }
            (true, Some(_)) => stop(self.at, Why::Expected(COMMA_OR_OBJECT_END)),
            (false, Some(_)) => stop(self.at, Why::Expected(COMMA_OR_LIST_END)),
            (_, None) => stop(self.at, Why::End),
        }
    }

    /// Goes past a key and its colon.
    #[inline]
    fn key(&mut self, members: &mut Vec<Member>) -> Step<bool> {
        let from = self.at;
        let (key, value) = key(&self.bytes[from..]).map_err(|stop| Stop { at: from + stop.at, ..stop })?;
        self.at = from + value;
        if self.depth == 1 {
            members.push(Member { key: from + key.start..from + key.end, value: self.at..self.at });
        }
        Ok(true)
    }
}

/// The place after the closing quote of the string whose inside begins at `at`.
#[inline]
pub(super) fn string(bytes: &[u8], mut at: usize) -> Step<usize> {
    loop {
        // Eight bytes at a time as long as all of them are plain.
        while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let special = special(u64::from_le_bytes(*chunk));
            if special != 0 {
                at += (special.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        at = match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => escape(bytes, at)?,
            Some(0..0x20) => return stop(at, Why::Control),
            Some(_) => at + 1,
            None => return stop(at, Why::End),
        };
    }
}

/// Has the high bit of the lowest byte set that is a quote, a backslash or a control character; 0 if there is none.
///
/// Bytes above that one may be marked wrongly, by the borrow of the subtractions.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES * 0x80;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(quote) | zero(backslash) | control) & HIGH
}

/// The place after the escape that begins at `at`.
fn escape(bytes: &[u8], at: usize) -> Step<usize> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => {
            for place in at + 2..at + 6 {
                match bytes.get(place) {
                    Some(byte) if byte.is_ascii_hexdigit() => {}
                    Some(_) => return stop(at, Why::Escape),
                    None => return stop(place, Why::End),
                }
            }
            Ok(at + 6)
        }
        Some(_) => stop(at, Why::Escape),
        None => stop(at + 1, Why::End),
    }
}

/// The place after the number that begins at `start`.
fn number(bytes: &[u8], start: usize) -> Step<usize> {
    let at = start + usize::from(bytes[start] == b'-');
    let mut at = match bytes.get(at) {
        Some(b'I') => return word(bytes, at, b"Infinity"),
        Some(b'0') => match bytes.get(at + 1) {
            Some(b'0'..=b'9') => return stop(start, Why::Number),
            _ => at + 1,
        },
        _ => digits(bytes, at, start)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1, start)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(signed), start)?;
    }
    Ok(at)
}

/// The place after one or more digits at `at`, in the number that begins at `start`.
fn digits(bytes: &[u8], at: usize, start: usize) -> Step<usize> {
    let mut end = at;
    while let Some(b'0'..=b'9') = bytes.get(end) {
        end += 1;
    }
    match (end > at, bytes.get(end)) {
        (true, _) => Ok(end),
        (false, Some(_)) => stop(start, Why::Number),
        (false, None) => stop(end, Why::End),
    }
}

/// The place after `word`, which is to stand at `at`.
fn word(bytes: &[u8], at: usize, word: &[u8]) -> Step<usize> {
    let there = &bytes[at..bytes.len().min(at + word.len())];
    match (there == word, word.starts_with(there)) {
        (true, _) => Ok(at + word.len()),
        (false, true) => stop(bytes.len(), Why::End),
        (false, false) => stop(at, Why::Expected(A_VALUE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(text: &str) -> Step<usize> {
        value(text.as_bytes(), &mut Vec::new())
    }

    #[test]
    fn a_value_ends_where_it_ends() {
        for (text, end) in [
            ("null,", 4),
            ("true", 4),
            ("false]", 5),
            ("NaN", 3),
            ("Infinity ", 8),
            ("-Infinity}", 9),
            ("0", 1),
            ("-0.0e+10,", 8),
            ("12345678901234567890123456789 ", 29),
            ("1E5", 3),
            (r#""a\"b\\" x"#, 8),
            (r#""\ud800" x"#, 8),
            (r#""\ud800\u0041\udc00x" "#, 21),
            ("\"ééééééééé\"", 20),
            ("[] ", 2),
            ("[ 1 , [ ] , { } ]\n", 17),
            (r#"{"a":{"b":[1,{"c":null}]},"d":"}"} "#, 34),
        ] {
            assert_eq!(scan(text), Ok(end), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_told_with_its_place() {
        for (text, at, why) in [
            ("", 0, Why::End),
            ("nul", 3, Why::End),
            ("nule", 0, Why::Expected(A_VALUE)),
            ("-", 1, Why::End),
            ("-x", 0, Why::Number),
            ("-Info", 1, Why::Expected(A_VALUE)),
            ("+1", 0, Why::Expected(A_VALUE)),
            ("[01]", 1, Why::Number),
            ("[1.]", 1, Why::Number),
            ("1.", 2, Why::End),
            ("[1e+]", 1, Why::Number),
            ("\"abc", 4, Why::End),
            ("\"a\nb\"", 2, Why::Control),
            ("\"12345678\u{1}\"", 9, Why::Control),
            (r#""a\x""#, 2, Why::Escape),
            (r#""a\u12g4""#, 2, Why::Escape),
            (r#""a\u12"#, 6, Why::End),
            ("[1 2]", 3, Why::Expected(COMMA_OR_LIST_END)),
            ("[1}", 2, Why::Expected(COMMA_OR_LIST_END)),
            ("[1,]", 3, Why::Expected(A_VALUE)),
            ("{1:2}", 1, Why::Expected(A_KEY)),
            (r#"{"a" 1}"#, 5, Why::Expected(A_COLON)),
            (r#"{"a":1]"#, 6, Why::Expected(COMMA_OR_OBJECT_END)),
            (r#"{"a":1,}"#, 7, Why::Expected(A_KEY)),
            (r#"{"a":}"#, 5, Why::Expected(A_VALUE)),
            (r#"{"a":"#, 5, Why::End),
            ("{'a': 1}", 1, Why::Expected(A_KEY)),
        ] {
            assert_eq!(scan(text), stop(at, why), "{text}");
        }
    }

    #[test]
    fn members_are_those_of_the_outermost_object() {
        let text = r#"{ "a" : 1 , "\u0062":{"c":[2]},"c":"x" }"#;
        let mut members = Vec::new();
        value(text.as_bytes(), &mut members).unwrap();
        let shown: Vec<_> =
            members.iter().map(|member| (&text[member.key.clone()], &text[member.value.clone()])).collect();
        assert_eq!(shown, [("a", "1"), (r"\u0062", r#"{"c":[2]}"#), ("c", r#""x""#)]);
        value(br#"[{"a":1}]"#, &mut members).unwrap();
        assert_eq!(members, []);
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(scan(&deep(127)), Ok(254));
        assert_eq!(scan(&deep(128)), stop(127, Why::Depth));
        assert_eq!(scan(&"[".repeat(1_000_000)), stop(127, Why::Depth));
        assert_eq!(scan(&r#"{"a":"#.repeat(1_000_000)), stop(127 * 5, Why::Depth));
        let mixed = r#"[{"a":"#.repeat(63) + "1" + &"}]".repeat(63);
        assert_eq!(scan(&mixed), Ok(mixed.len()));
    }

    proptest! {
        /// Values of JSON, cut and changed: the scanner takes just what serde_json takes.
        #[test]
        fn the_reference_parser_agrees(
            text in r#"([\[\]{},:"\\ eE.+0-9a-]|null|true|false|"[a-z]*":|\[|\{"a":|\}|\\u00e[0-9]|\\n){0,24}"#
        ) {
            let reference: Result<&serde_json::value::RawValue, _> = serde_json::from_str(&text);
            let from = blank(text.as_bytes(), 0);
            let ours = scan(&text[from..]).map(|end| blank(text.as_bytes(), from + end) == text.len());
            prop_assert_eq!(ours == Ok(true), reference.is_ok(), "{}", text);
        }

        #[test]
        fn special_bytes_are_found_wherever_they_stand(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let plain = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            match (plain, string(&bytes, 0)) {
                (None, found) => prop_assert_eq!(found, stop(bytes.len(), Why::End)),
                (Some(at), found) if bytes[at] == b'"' => prop_assert_eq!(found, Ok(at + 1)),
                (Some(at), found) if bytes[at] < 0x20 => prop_assert_eq!(found, stop(at, Why::Control)),
                (Some(at), found) => prop_assert!(found.unwrap_or_else(|stop| stop.at) >= at),
            }
        }
    }
}

//! JSON as written → text, and values copied without their whitespace. What goes in has passed [`super::scan`].

use memchr::memchr;

use super::scan;

/// A string of JSON, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The text; a lone surrogate, which text cannot hold, is U+FFFD in it.
    pub text: &'a str,
    /// Whether there was no lone surrogate.
    pub faithful: bool,
}

/// Decodes a string: `raw` is what stands between its quotes. Without escapes nothing is copied.
pub fn decode<'a>(raw: &'a str, scratch: &'a mut String) -> Decoded<'a> {
    if memchr(b'\\', raw.as_bytes()).is_none() {
        return Decoded { text: raw, faithful: true };
    }
    scratch.clear();
    let faithful = unescape(raw, scratch);
    Decoded { text: scratch, faithful }
}

/// What stands between the quotes of a value, if it is a string.
pub fn inside(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Appends `raw` without its escapes and says whether text can hold all of it.
pub fn unescape(raw: &str, out: &mut String) -> bool {
    let (mut rest, mut faithful) = (raw, true);
    while let Some(at) = memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let Some(kind) = tail.chars().next() else { return false };
        rest = &tail[kind.len_utf8()..];
        match kind {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (decoded, after) = character(rest);
                faithful &= decoded.is_some();
                out.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = after;
            }
            other => out.push(other),
        }
    }
    out.push_str(rest);
    faithful
}

/// The character after `\u`, two escapes of it if they are a pair of surrogates, and what follows. `None` if it is a lone
/// surrogate.
fn character(rest: &str) -> (Option<char>, &str) {
    let Some((first, after)) = hex(rest) else { return (None, "") };
    if let (0xd800..0xdc00, Some(second)) = (first, after.strip_prefix("\\u"))
        && let Some((low @ 0xdc00..0xe000, end)) = hex(second)
    {
        return (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00)), end);
    }
    (char::from_u32(first), after)
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Appends a value without whitespace between its parts. `NaN`, `Infinity` and `-Infinity`, which JSON does not have,
/// become strings; all else stays as it was written.
pub fn minify(value: &str, out: &mut String) {
    let bytes = value.as_bytes();
    if !matches!(bytes.first(), Some(b'{' | b'[' | b'N' | b'I' | b'-')) {
        return out.push_str(value);
    }
    // What lies from `from` to `at` is still to be copied.
    let (mut from, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = scan::string(bytes, at + 1).unwrap_or(bytes.len()),
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&value[from..at]);
                at = scan::blank(bytes, at);
                from = at;
            }
            b'N' | b'I' | b'-' => {
                let word = not_finite(&value[at..]);
                if !word.is_empty() {
                    out.push_str(&value[from..at]);
                    out.extend(["\"", word, "\""]);
                    from = at + word.len();
                }
                at += word.len().max(1);
            }
            _ => at += 1,
        }
    }
    out.push_str(&value[from..]);
}

/// The word for a number that is not finite with which `value` begins, or nothing.
fn not_finite(value: &str) -> &'static str {
    ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| value.starts_with(word)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_decoded_and_lone_surrogates_told() {
        for (raw, text, faithful) in [
            ("plain é", "plain é", true),
            (r#"\"\\\/\b\f\n\r\tx"#, "\"\\/\u{8}\u{c}\n\r\tx", true),
            (r"\u0041\u00E9\ud83d\ude00!", "Aé😀!", true),
            (r"\ud83d", "\u{fffd}", false),
            (r"\ude00x", "\u{fffd}x", false),
            (r"\ud83d\ud83d\ude00", "\u{fffd}😀", false),
            (r"\ud83d\n", "\u{fffd}\n", false),
            (r"\ud83d\u0041", "\u{fffd}A", false),
        ] {
            assert_eq!(decode(raw, &mut String::new()), Decoded { text, faithful }, "{raw}");
        }
    }

    #[test]
    fn values_are_copied_without_whitespace_and_with_numbers_as_written() {
        for (value, short) in [
            ("1.50", "1.50"),
            (r#"" a  b ""#, r#"" a  b ""#),
            ("NaN", r#""NaN""#),
            ("-Infinity", r#""-Infinity""#),
            ("-1", "-1"),
            (
                "{ \"a b\" : [ 1 ,\t-2.0e5, NaN ,Infinity,-Infinity, null ],\r\n\"N\\\"I -\" : \"\\ud800  \" }",
                "{\"a b\":[1,-2.0e5,\"NaN\",\"Infinity\",\"-Infinity\",null],\"N\\\"I -\":\"\\ud800  \"}",
            ),
            ("[ ]", "[]"),
        ] {
            let mut out = String::new();
            minify(value, &mut out);
            assert_eq!(out, short, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let written = serde_json::to_string(&text).unwrap();
            let mut scratch = String::new();
            let decoded = decode(inside(&written).unwrap(), &mut scratch);
            prop_assert_eq!(decoded, Decoded { text: &text, faithful: true });
        }
    }
}

//! What stands for the characters that would break a format, and where such characters are.

use super::text::Text;

/// Appends bytes as two hexadecimal digits each.
pub(super) fn push_hex(bytes: &[u8], out: &mut Text) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Appends a JSON string with its quotes.
pub(super) fn push_json_string(text: &str, out: &mut Text) {
    out.push('"');
    if any_byte(text.as_bytes(), |b| (b < 0x20) | (b == b'"') | (b == b'\\')) {
        push_json_escaped(text, out);
    } else {
        out.push_str(text);
    }
    out.push('"');
}

fn push_json_escaped(text: &str, out: &mut Text) {
    if !any_byte(text.as_bytes(), |byte| byte < 0x20) {
        return push_marked(text, b'\\', [b'"', b'\\'], out);
    }
    let mut done = 0;
    let mut escape = |at: usize| {
        out.push_str(&text[done..at]);
        done = at + 1;
        match text.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            byte => {
                out.push_str("\\u00");
                push_hex(&[byte], out);
            }
        }
    };
    let bytes = text.bytes().enumerate();
    let special = bytes.filter(|(_, byte)| *byte < 0x20 || *byte == b'"' || *byte == b'\\');
    special.for_each(|(at, _)| escape(at));
    out.push_str(&text[done..]);
}

/// Appends text with a mark before each byte that is one of `marked`; all of them are ASCII. Eight bytes are looked at and copied at once;
/// what follows the first of them that is marked is copied again.
pub(super) fn push_marked<const N: usize>(text: &str, mark: u8, marked: [u8; N], out: &mut Text) {
    const MOST: usize = 128;
    let (mut rest, mut copy) = (text, [0; 2 * MOST]);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(rest.floor_char_boundary(MOST));
        let (part, mut at, mut length) = (part.as_bytes(), 0, 0);
        while let Some(eight) = part[at..].first_chunk::<8>() {
            let found = marked.iter().fold(0, |found, byte| found | equal_bytes(*eight, *byte));
            // There is room: what is left of the part needs no more than twice its length.
            copy[length..length + 8].copy_from_slice(eight);
            match (found.trailing_zeros() / 8) as usize {
                first @ 0..8 => {
                    copy[length + first..][..2].copy_from_slice(&[mark, eight[first]]);
                    (at, length) = (at + first + 1, length + first + 2);
                }
                _ => (at, length) = (at + 8, length + 8),
            }
        }
        for &byte in &part[at..] {
            copy[length] = mark;
            length += usize::from(marked.contains(&byte));
            copy[length] = byte;
            length += 1;
        }
        // Whole characters, with marks between them.
        out.push_whole(&copy[..length]);
        rest = after;
    }
}

/// The highest bit of each of eight bytes that is equal to `byte`; the first of them is the lowest.
#[inline]
fn equal_bytes(eight: [u8; 8], byte: u8) -> u64 {
    const SEVEN: u64 = u64::from_ne_bytes([0x7f; 8]);
    let differs = u64::from_le_bytes(eight) ^ u64::from_ne_bytes([byte; 8]);
    // The sums carry nothing from byte to byte.
    !(((differs & SEVEN) + SEVEN) | differs | SEVEN)
}

/// Whether a byte passes. Looks at sixteen at once without a branch, which the compiler turns into vector instructions: most cells have
/// nothing to escape, and so would be read to their end anyway.
pub(super) fn any_byte(bytes: &[u8], test: impl Fn(u8) -> bool) -> bool {
    let any = |some: &[u8]| some.iter().fold(0, |found, &byte| found | u8::from(test(byte))) != 0;
    let Some(last) = bytes.last_chunk::<16>() else { return any(bytes) };
    // The last sixteen may be looked at twice.
    bytes.as_chunks::<16>().0.iter().any(|chunk| any(chunk)) || any(last)
}

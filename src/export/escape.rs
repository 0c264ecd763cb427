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
    push_json_text(text, out);
    out.push('"');
}

/// Appends a JSON string without its quotes.
pub(super) fn push_json_text(text: &str, out: &mut Text) {
    // Beside what must be escaped, `!` and blanks, for one comparison.
    match any_byte(text.as_bytes(), |b| (b <= b'"') | (b == b'\\')) {
        true => push_json_escaped(text, out),
        false => out.push_str(text),
    }
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

/// Appends text with a sign before each byte that is one of `marked`; all of them are ASCII, and none is NUL.
pub(super) fn push_marked<const N: usize>(mut text: &str, sign: u8, marked: [u8; N], out: &mut Text) {
    // Room is made for twice as much; of a long text in pieces.
    const PIECE: usize = 64 << 10;
    while !text.is_empty() {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE));
        // Eight bytes and a sign are written at once.
        out.push_with(2 * piece.len() + 16, |room| mark(piece.as_bytes(), sign, marked, room));
        text = rest;
    }
}

fn mark<const N: usize>(text: &[u8], sign: u8, marked: [u8; N], room: &mut [u8]) -> usize {
    let (eights, last) = text.as_chunks::<8>();
    let mut length = 0;
    for eight in eights {
        length += mark_eight(*eight, sign, marked, &mut room[length..]) + 8;
    }
    let mut eight = [0; 8];
    eight[..last.len()].copy_from_slice(last);
    length + mark_eight(eight, sign, marked, &mut room[length..]) + last.len()
}

/// Writes eight bytes with their signs, and returns how many these are.
#[inline]
fn mark_eight<const N: usize>(eight: [u8; 8], sign: u8, marked: [u8; N], room: &mut [u8]) -> usize {
    let mut found = marked.iter().fold(0, |found, byte| found | equal_bytes(eight, *byte));
    let mut signs = 0;
    room[..8].copy_from_slice(&eight);
    // Each sign moves what follows it.
    while found != 0 {
        let before = found.trailing_zeros() & !7;
        let after = (u64::from_le_bytes(eight) >> before).to_le_bytes();
        let place = &mut room[signs + before as usize / 8..][..9];
        place[0] = sign;
        place[1..].copy_from_slice(&after);
        found &= found - 1;
        signs += 1;
    }
    signs
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

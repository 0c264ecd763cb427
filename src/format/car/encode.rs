//! Rows as canonical JSON: keys in order, no blanks, and of the spellings of a string the shortest.

use crate::pin::Mapping;

use super::time;

/// The texts of a row, in the order of their keys in DAG-JSON.
pub(super) const TEXTS: usize = 5;
/// Where `metadata` would be if times were texts: `created_at` stands before it.
const BEFORE_TIME: usize = 3;
const KEYS: [&str; TEXTS] = ["backend_name", "car_file_path", "cid", "metadata", "status"];

/// For each text of a row, the list of links that replaces it, if it is too long to stand there.
pub(super) type Replaced = [Option<Vec<u8>>; TEXTS];
/// Every text stands where it is.
pub(super) const AS_IT_IS: Replaced = [const { None }; TEXTS];

/// The texts of a row in the order of their keys.
pub(super) fn texts<'a>(row: &Mapping<'a>) -> [Option<&'a str>; TEXTS] {
    [row.backend_name, row.car_file_path, row.cid, row.metadata, row.status]
}

/// Appends a row as DAG-JSON.
pub(super) fn row(row: &Mapping<'_>, replaced: &Replaced, out: &mut Vec<u8>) {
    let mut separator = b'{';
    for (index, (value, links)) in texts(row).into_iter().zip(replaced).enumerate() {
        if index == BEFORE_TIME {
            out.extend_from_slice(b",\"created_at\":");
            time_or_null(row.created_at, out);
        }
        key(separator, KEYS[index], out);
        separator = b',';
        match links {
            Some(links) => out.extend_from_slice(links),
            None => text_or_null(value, out),
        }
    }
    out.push(b'}');
}

/// Appends a row as older tools wrote it.
pub(super) fn legacy_row(row: &Mapping<'_>, out: &mut Vec<u8>) {
    let texts = [("cid", row.cid), ("car_file_path", row.car_file_path), ("backend_name", row.backend_name)];
    let mut separator = b'{';
    for (name, value) in texts {
        key(separator, name, out);
        separator = b',';
        text_or_null(value, out);
    }
    key(b',', "created_at", out);
    time_or_null(row.created_at, out);
    for (name, value) in [("status", row.status), ("metadata", row.metadata)] {
        key(b',', name, out);
        text_or_null(value, out);
    }
    out.push(b'}');
}

fn key(separator: u8, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&[separator, b'"']);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn text_or_null(value: Option<&str>, out: &mut Vec<u8>) {
    match value {
        Some(value) => text(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn time_or_null(micros: Option<i64>, out: &mut Vec<u8>) {
    match micros {
        Some(micros) => {
            out.push(b'"');
            time::encode(micros, out);
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
}

/// How a byte stands in a string: 0 as it is, `u` as `\u00xx`, else as a backslash and this letter.
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut control = 0;
    while control < 32 {
        table[control] = b'u';
        control += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Appends a JSON string.
pub(super) fn text(value: &str, out: &mut Vec<u8>) {
    let mut rest = value.as_bytes();
    out.push(b'"');
    while let Some(at) = first_escaped(rest) {
        out.extend_from_slice(&rest[..at]);
        let byte = rest[at];
        match ESCAPES[usize::from(byte)] {
            b'u' => {
                let hexadecimal = |digit: u8| b"0123456789abcdef"[usize::from(digit & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hexadecimal(byte >> 4), hexadecimal(byte)]);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte stands that cannot stand in a string as it is. Most texts have none, so many bytes are looked at
/// together.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    const TOGETHER: usize = 32;
    let is_escaped = |byte: u8| (byte < 32) | (byte == b'"') | (byte == b'\\');
    let (chunks, _) = bytes.as_chunks::<TOGETHER>();
    let has_none = |chunk: &&[u8; TOGETHER]| !chunk.iter().fold(false, |any, byte| any | is_escaped(*byte));
    let clean = chunks.iter().take_while(has_none).count() * TOGETHER;
    bytes[clean..].iter().position(|byte| is_escaped(*byte)).map(|at| clean + at)
}

/// How many bytes a byte takes inside a string.
fn cost(byte: u8) -> usize {
    match ESCAPES[usize::from(byte)] {
        0 => 1,
        b'u' => 6,
        _ => 2,
    }
}

/// The length of a JSON string.
pub(super) fn text_length(value: &str) -> usize {
    2 + value.bytes().map(cost).sum::<usize>()
}

/// Splits `value` where its first part, as a JSON string, is as long as it can be within `limit` bytes.
pub(super) fn split(value: &str, limit: usize) -> (&str, &str) {
    let mut length = 2;
    let mut fits = value.len();
    for (at, byte) in value.bytes().enumerate() {
        length += cost(byte);
        if length > limit {
            fits = at;
            break;
        }
    }
    while !value.is_char_boundary(fits) {
        fits -= 1;
    }
    value.split_at(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: &str) -> String {
        let mut out = Vec::new();
        text(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_spelled_as_serde_json_spells_them() {
        for code in 0..0x3000 {
            let value = String::from(char::from_u32(code).unwrap());
            assert_eq!(encoded(&value), serde_json::to_string(&value).unwrap());
        }
    }

    #[test]
    fn a_row_has_its_keys_in_order_and_nulls() {
        let mut out = Vec::new();
        row(
            &Mapping { cid: Some("Qm"), metadata: Some("{\"a\":1}"), ..Mapping::default() },
            &AS_IT_IS,
            &mut out,
        );
        let expected = r#"{"backend_name":null,"car_file_path":null,"cid":"Qm","created_at":null,"metadata":"{\"a\":1}","status":null}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_string_is_as_long_as_it_says(value in any::<String>(), limit in 8usize..60) {
            prop_assert_eq!(encoded(&value), serde_json::to_string(&value).unwrap());
            prop_assert_eq!(encoded(&value).len(), text_length(&value));
            let (mut rest, mut joined) = (&value[..], String::new());
            while !rest.is_empty() {
                let part;
                (part, rest) = split(rest, limit);
                prop_assert!(!part.is_empty() && text_length(part) <= limit);
                joined.push_str(part);
            }
            prop_assert_eq!(joined, value);
        }
    }
}

//! The reader: places, sizes, encodings.

use std::io;

use proptest::prelude::*;

use super::*;

/// A source that gives a few bytes at a time, and an interruption now and then.
struct Slow<'a> {
    bytes: &'a [u8],
    most: usize,
    turn: usize,
}

impl io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = self.most.min(buffer.len());
        io::Read::read(&mut self.bytes, &mut buffer[..most])
    }
}

/// Walks a list of values or an object of them and shows each with its place.
fn walk(mut reader: Reader<impl io::Read>) -> Result<Vec<String>, JsonError> {
    let mut shown = Vec::new();
    let object = Kind::of(reader.first()?) == Kind::Object;
    reader.enter();
    while if object { reader.member()?.is_some() } else { reader.element()?.is_some() } {
        let entry = reader.take()?;
        let Place { line, column, offset } = entry.place();
        let key = entry.key.map(|key| format!("{key}=")).unwrap_or_default();
        shown.push(format!("{line}:{column}@{offset} {key}{}", entry.value));
    }
    reader.finish()?;
    Ok(shown)
}

/// The same whatever the window and the pieces; in the end an error as text.
fn walk_in_pieces(bytes: &[u8]) -> Result<Vec<String>, String> {
    let whole = walk(Reader::new(bytes)).map_err(|error| error.to_string());
    for (most, window) in [(1, 16), (7, 16), (7, 1 << 18), (usize::MAX, 17)] {
        let pieces = walk(Reader::with_sizes(Slow { bytes, most, turn: 0 }, window, 1 << 20));
        assert_eq!(pieces.map_err(|error| error.to_string()), whole, "{most} {window}");
    }
    whole
}

#[test]
fn entries_come_with_their_places_in_whatever_pieces_the_file_comes() {
    let text = "[1, \"é😀é\", {\"a\": [1,\n2]}\r\n, -12345678901234567890 ,\n\n  \"\\ud800\",NaN,null]\n";
    let shown = [
        "1:2@1 1",
        "1:5@4 \"é😀é\"",
        "1:12@16 {\"a\": [1,\n2]}",
        "3:3@33 -12345678901234567890",
        "5:3@60 \"\\ud800\"",
        "5:12@69 NaN",
        "5:16@73 null",
    ];
    assert_eq!(walk_in_pieces(text.as_bytes()).unwrap(), shown);
    let text = "{ \"a\" : 1,\n\"b b\":[]\n,\"\":-1.5e3}";
    assert_eq!(walk_in_pieces(text.as_bytes()).unwrap(), ["1:3@2 a=1", "2:1@11 b b=[]", "3:2@21 =-1.5e3"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    assert_eq!(walk_in_pieces(b"\xef\xbb\xbf[1,\n 2]").unwrap(), ["1:2@4 1", "2:2@8 2"]);
    assert_eq!(walk_in_pieces(b"\xef\xbb\xbf").unwrap_err(), "line 1, column 1: the file is empty");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
            .collect()
    };
    let deep = "[".repeat(200);
    let cases: [(&[u8], &str); 32] = [
        (b"", "1, column 1: the file is empty"),
        (b" \n ", "2, column 2: the file is blank"),
        (b"hello", "1, column 1: not JSON: a value was expected here"),
        (b"[", "1, column 2: the file ends here in the middle: it was cut off"),
        (b"[1,\n", "2, column 1: the file ends here in the middle: it was cut off"),
        (b"[1,\n \"ab", "2, column 5: the file ends here in the middle: it was cut off"),
        (b"[1\n", "2, column 1: the file ends here in the middle: it was cut off"),
        (b"{\"a\"", "1, column 5: the file ends here in the middle: it was cut off"),
        (b"{\"a\": ", "1, column 7: the file ends here in the middle: it was cut off"),
        (b"[\"\xc3\xa9\xc3", "1, column 5: the file ends here in the middle: it was cut off"),
        (b"[tru", "1, column 5: the file ends here in the middle: it was cut off"),
        (b"[1.", "1, column 4: the file ends here in the middle: it was cut off"),
        (b"[trux]", "1, column 2: not JSON: a value was expected here"),
        (b"[1 2]", "1, column 4: not JSON: `,` or `]` was expected here"),
        (b"[1,]", "1, column 4: not JSON: a value was expected here"),
        (b"[,1]", "1, column 2: not JSON: a value was expected here"),
        (b"{\"a\":1,}", "1, column 8: not JSON: a key in double quotes was expected here"),
        (b"{\"a\":1;}", "1, column 7: not JSON: `,` or `}` was expected here"),
        (b"{\"a\" 1}", "1, column 6: not JSON: `:` was expected here"),
        (b"{a:1}", "1, column 2: not JSON: a key in double quotes was expected here"),
        (b"[\n  '\xc3\xa9'\n]", "2, column 3: not JSON: a value was expected here"),
        (b"[\"\xc3\xa9\", {\"\xc3\xa9\":01}]", "1, column 12: not JSON: a malformed number"),
        (b"[\"a\\qb\"]", "1, column 4: not JSON: a malformed escape"),
        (b"[\"a\nb\"]", "1, column 4: not JSON: a control character in a string"),
        (b"[1] [2]", "1, column 5: the file goes on after its end"),
        (b"[1]\n\0", "2, column 1: the file goes on after its end"),
        (b"[\"caf\xe9\"]", "1, column 6: not UTF-8"),
        (b"{\"caf\xe9\": 1}", "1, column 6: not UTF-8"),
        (b"[\xff]", "1, column 2: not UTF-8"),
        (b"\x1f\x8b\x08\0\0", "1, column 1: not JSON: a value was expected here"),
        (b"PAR1\x15", "1, column 1: not JSON: a value was expected here"),
        (deep.as_bytes(), "1, column 129: nested more than 127 deep"),
    ];
    for (bytes, error) in cases {
        let shown = String::from_utf8_lossy(bytes).into_owned();
        // A scalar at the top is taken as such.
        let found = match bytes.first() {
            Some(b'h' | b'P' | 0x1f) => {
                Reader::new(bytes).take().map(|_| Vec::new()).map_err(|e| e.to_string())
            }
            _ => walk_in_pieces(bytes),
        };
        assert_eq!(found.unwrap_err(), format!("line {error}"), "{shown:?}");
    }
    for big in [false, true] {
        for text in ["\u{feff}[\"a\"]", "[1]"] {
            let error = walk_in_pieces(&utf16(text, big)).unwrap_err();
            assert_eq!(error, "line 1, column 1: the file is UTF-16, not UTF-8");
        }
    }
    let error = walk_in_pieces(&"[1]".chars().flat_map(|c| (c as u32).to_le_bytes()).collect::<Vec<_>>());
    assert_eq!(error.unwrap_err(), "line 1, column 1: the file is UTF-32, not UTF-8");
}

#[test]
fn a_value_may_be_large_but_not_too_large() {
    let text = |length: usize| format!("[1,\n\"{}\", 2]", "x".repeat(length));
    for (length, fits) in [(10, true), (998, true), (999, false), (1 << 20, false)] {
        let found = walk(Reader::with_sizes(text(length).as_bytes(), 16, 1000));
        match found {
            Ok(shown) => assert!(fits && shown.len() == 3, "{length}"),
            Err(error) => {
                assert!(!fits, "{length}: {error}");
                assert_eq!(error.to_string(), "line 2, column 1: a single value of more than 1000 bytes");
            }
        }
    }
    // A number that goes on and on is no different.
    let digits = format!("[{}]", "7".repeat(5000));
    assert!(walk(Reader::with_sizes(digits.as_bytes(), 16, 1000)).is_err());
    assert_eq!(walk(Reader::new(digits.as_bytes())).unwrap().len(), 1);
}

#[test]
fn an_error_of_the_source_is_told_as_one() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    let error = Reader::new(Broken).first().unwrap_err();
    assert!(
        matches!(error.problem, Problem::Read(ref source) if source.kind() == io::ErrorKind::PermissionDenied)
    );
}

#[test]
fn places_can_be_asked_for_in_any_order() {
    let mut reader = Reader::new(&b"{\"a\":\n{\"b\":\n1}}"[..]);
    reader.first().unwrap();
    reader.enter();
    reader.member().unwrap();
    let entry = reader.take().unwrap();
    let at = |place: Place| (place.line, place.column, place.offset);
    assert_eq!(at(entry.place_in_value(6)), (3, 1, 12));
    assert_eq!(at(entry.place()), (1, 2, 1));
    assert_eq!(at(entry.place_in_value(0)), (2, 1, 6));
    assert_eq!(at(entry.place_in_value(6)), (3, 1, 12));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused_alike_in_whatever_pieces(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = walk_in_pieces(&[b"[", &bytes[..]].concat());
    }

    #[test]
    fn changed_files_are_read_or_refused_alike_in_whatever_pieces(
        at in 0usize..120, byte in prop::sample::select(&b"\"\\[]{}:,0-.eEtnN\n\xc3\xff a"[..]), cut in 0usize..120
    ) {
        let mut bytes = "[{\"cid\": \"bafy\", \"n\": [1.5, null, true, NaN, -Infinity], \"é\": {\"\\u00e9\": \"\\\\\"}},\n [], -1e5, \"x\"]"
            .as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let cut = bytes.len() - cut % bytes.len();
        bytes.truncate(cut);
        let _ = walk_in_pieces(&bytes);
    }
}

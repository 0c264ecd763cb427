//! The size that a mapping's metadata gives.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// The size in bytes that `metadata` gives: `size_bytes`, else `size`, else the same one level down in `metadata`.
///
/// A whole number that is not negative, or its digits as a string. `None` if there is none, or `metadata` is no JSON object.
pub fn from_metadata(metadata: &str) -> Option<i64> {
    // Most metadata without a size is settled here; a backslash may hide the name of a key.
    if !metadata.contains("size") && !metadata.contains('\\') {
        return None;
    }
    let outer = Sizes::parse(metadata)?;
    outer.own().or_else(|| Sizes::parse(outer.metadata?)?.own())
}

/// The values of the keys that matter, as JSON.
#[derive(Debug, Default, PartialEq)]
struct Sizes<'a> {
    size_bytes: Option<&'a str>,
    size: Option<&'a str>,
    metadata: Option<&'a str>,
}

impl<'a> Sizes<'a> {
    fn parse(json: &'a str) -> Option<Sizes<'a>> {
        Scan { json, at: 0 }.sizes().or_else(|| Sizes::parse_any(json))
    }

    fn parse_any(json: &'a str) -> Option<Sizes<'a>> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let sizes = deserializer.deserialize_map(SizesVisitor).ok()?;
        deserializer.end().ok().map(|()| sizes)
    }

    fn set(&mut self, key: &str, value: &'a str) {
        match key {
            "size_bytes" => self.size_bytes = Some(value),
            "size" => self.size = Some(value),
            "metadata" => self.metadata = Some(value),
            _ => {}
        }
    }

    fn own(&self) -> Option<i64> {
        [self.size_bytes, self.size].into_iter().flatten().find_map(bytes)
    }
}

/// Reads JSON whose strings have no escapes, and is several times faster than a reader of all JSON. Whatever is not plainly sound is
/// left to that one.
struct Scan<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// Objects and arrays in one another.
    const DEEPEST: usize = 8;

    fn sizes(mut self) -> Option<Sizes<'a>> {
        let mut sizes = Sizes::default();
        self.blanks();
        self.object(Scan::DEEPEST, |key, value| sizes.set(key, value))?;
        self.blanks();
        (self.at == self.json.len()).then_some(sizes)
    }

    fn object(&mut self, deeper: usize, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
        self.parts(b'{', b'}', |scan| {
            let key = scan.string()?;
            scan.blanks();
            scan.take(b':')?;
            scan.blanks();
            let from = scan.at;
            scan.value(deeper)?;
            each(key, &scan.json[from..scan.at]);
            Some(())
        })
    }

    fn value(&mut self, deeper: usize) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(deeper.checked_sub(1)?, |_, _| {}),
            b'[' => {
                let deeper = deeper.checked_sub(1)?;
                self.parts(b'[', b']', |scan| scan.value(deeper))
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    /// What stands between two signs, with commas between its parts.
    fn parts(&mut self, begin: u8, end: u8, mut part: impl FnMut(&mut Scan<'a>) -> Option<()>) -> Option<()> {
        self.take(begin)?;
        self.blanks();
        if self.take(end).is_some() {
            return Some(());
        }
        loop {
            part(self)?;
            self.blanks();
            if self.take(end).is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.blanks();
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let rest = &self.json[self.at..];
        let length = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        self.at += length;
        self.take(b'"').map(|()| &rest[..length])
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b'-');
        match self.next()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.json.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        (count > 0).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.json[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    fn next(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }
}

struct SizesVisitor;

impl<'de> Visitor<'de> for SizesVisitor {
    type Value = Sizes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sizes<'de>, A::Error> {
        let mut sizes = Sizes::default();
        while let Some(Key(key)) = map.next_key()? {
            sizes.set(&key, map.next_value::<&RawValue>()?.get());
        }
        Ok(sizes)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A whole number of bytes as JSON writes it.
fn bytes(json: &str) -> Option<i64> {
    let number = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json).trim();
    match number.parse::<i64>() {
        Ok(bytes) => Some(bytes).filter(|bytes| *bytes >= 0),
        // Some tools write every number as a float; those up to 2^53 are exact.
        Err(_)
            if number
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+')) =>
        {
            let float: f64 = number.parse().ok()?;
            (float.fract() == 0.0 && float <= 9_007_199_254_740_992.0).then_some(float as i64)
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_found_where_tools_put_it() {
        for (metadata, size) in [
            (r#"{"size_bytes": 5}"#, Some(5)),
            (r#"{"size": 7, "name": "x"}"#, Some(7)),
            (r#"{"size": 7, "size_bytes": 5}"#, Some(5)),
            (r#"{"size_bytes": null, "size": 7}"#, Some(7)),
            (r#"{"metadata": {"size_bytes": 9}}"#, Some(9)),
            (r#"{"metadata": {"size": 9}, "size": 1}"#, Some(1)),
            (r#"{"size": "123"}"#, Some(123)),
            (r#"{"size": 1024.0}"#, Some(1024)),
            (r#"{"size": 1e3}"#, Some(1000)),
            (r#"{"si\u007ae": 3}"#, Some(3)),
            (r#"{"size": 9223372036854775807}"#, Some(i64::MAX)),
            (r#"{"size": 0}"#, Some(0)),
            (r#"{"size": 1, "size": 2}"#, Some(2)),
        ] {
            assert_eq!(from_metadata(metadata), size, "{metadata}");
        }
    }

    #[test]
    fn a_size_is_never_made_up() {
        for metadata in [
            "",
            "{}",
            "null",
            "[]",
            "size",
            r#"{"size": -1}"#,
            r#"{"size": 1.5}"#,
            r#"{"size": 9223372036854775808}"#,
            r#"{"size": "1 MB"}"#,
            r#"{"size": true}"#,
            r#"{"size": {"size": 1}}"#,
            r#"{"size": 1"#,
            r#"{"size": 1} x"#,
            r#"{"size": NaN}"#,
            r#"{"a": {"size": 1}}"#,
            r#"{"metadata": {"metadata": {"size": 1}}}"#,
            r#"{"size": ""}"#,
            r#"{"metadata": "{\"size\": 1}"}"#,
            r#"{"size": "1e400"}"#,
        ] {
            assert_eq!(from_metadata(metadata), None, "{metadata}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_gives_what_the_reader_of_all_json_gives(
            json in concat!(
                r#" ?\{ ?("(size|size_bytes|metadata|é|)" ?: ?"#,
                r#"(0|12|-3|007|1\.5|1\.|\.5|1e3|2E-1|1e|"4"|"x y"|""|"\\n"|"é|null|nul|true|false|\[\]|\[1, ?"a"\]|\[1,\]|\{"size": 6\}|\{\}|\{,\})"#,
                r#" ?, ?){0,3}("size": ?[0-9]{1,3})?\}?( |x)?"#,
            ),
            cut in 0..60usize,
        ) {
            for text in [&json[..], &json[..json.floor_char_boundary(cut)]] {
                if let Some(sizes) = (Scan { json: text, at: 0 }).sizes() {
                    proptest::prop_assert_eq!(Some(sizes), Sizes::parse_any(text), "{}", text);
                }
            }
        }
    }

    #[test]
    fn usual_metadata_goes_the_short_way() {
        for text in [
            r#"{"size": 190490, "name": "file-1979964.car", "tags": ["dataset", "2024"], "replication_min": 3}"#,
            "{}",
            " {\"a\" : [ { } , [ null , -1.5e+3 ] ] , \"size\" : \"12\" }\n",
            r#"{"name": "żółw", "ok": true, "no": false}"#,
        ] {
            let sizes = Scan { json: text, at: 0 }.sizes();
            assert!(sizes.is_some() && sizes == Sizes::parse_any(text), "{text}");
        }
        let deep = format!("{{\"size\": {}{}}}", "[".repeat(9), "]".repeat(9));
        assert_eq!(Scan { json: &deep, at: 0 }.sizes(), None);
    }
}

//! The size that a mapping's metadata gives.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};
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
    outer.own().or_else(|| Sizes::parse(outer.metadata?.get())?.own())
}

/// The values of the keys that matter, unparsed.
#[derive(Default)]
struct Sizes<'a> {
    size_bytes: Option<&'a RawValue>,
    size: Option<&'a RawValue>,
    metadata: Option<&'a RawValue>,
}

impl<'a> Sizes<'a> {
    fn parse(json: &'a str) -> Option<Sizes<'a>> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let sizes = deserializer.deserialize_map(SizesVisitor).ok()?;
        deserializer.end().ok().map(|()| sizes)
    }

    fn own(&self) -> Option<i64> {
        [self.size_bytes, self.size].into_iter().flatten().find_map(|value| bytes(value.get()))
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
            match key.as_ref() {
                "size_bytes" => sizes.size_bytes = Some(map.next_value()?),
                "size" => sizes.size = Some(map.next_value()?),
                "metadata" => sizes.metadata = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
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
}

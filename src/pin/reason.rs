//! The reason of a failure that a mapping's metadata gives.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The values of the keys that may say why, unparsed.
#[derive(Deserialize)]
struct Reasons<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
    #[serde(borrow)]
    status_details: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// The reason that `metadata` gives: `error`, else `reason`, else `status_details`, else the `error` one level down in
/// `metadata`. A text without its quotes, another value as it is written; blank texts and null say nothing.
///
/// `None` if there is none, or `metadata` is no JSON object.
pub fn from_metadata(metadata: &str) -> Option<String> {
    let outer: Reasons<'_> = serde_json::from_str(metadata).ok()?;
    let own = [outer.error, outer.reason, outer.status_details].into_iter().flatten().find_map(words);
    own.or_else(|| words(serde_json::from_str::<Reasons<'_>>(outer.metadata?.get()).ok()?.error?))
}

/// Whether `metadata` is one JSON object, and nothing stands behind it.
pub fn is_object(metadata: &str) -> bool {
    metadata.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(metadata).is_ok()
}

fn words(value: &RawValue) -> Option<String> {
    let text = match value.get() {
        "null" => return None,
        text if text.starts_with('"') => serde_json::from_str::<String>(text).ok()?,
        other => other.to_owned(),
    };
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_counts_that_says_something() {
        for (metadata, reason) in [
            (r#"{"error": "timed out", "reason": "other"}"#, Some("timed out")),
            (r#"{"error": " ", "reason": "no space"}"#, Some("no space")),
            (r#"{"error": null, "status_details": {"code": 7}}"#, Some(r#"{"code": 7}"#)),
            (r#"{"metadata": {"error": "t\u00fcr"}}"#, Some("tür")),
            (r#"{"metadata": "text", "error": 503}"#, Some("503")),
            (r#"{"metadata": "text"}"#, None),
            (r#"{"error": "e1"} {"b""#, None),
            (r#"["error"]"#, None),
            ("", None),
        ] {
            assert_eq!(from_metadata(metadata).as_deref(), reason, "{metadata}");
        }
    }

    #[test]
    fn an_object_ends_where_its_text_ends() {
        assert!(is_object(r#" {"a": 1} "#));
        for metadata in ["", "[]", "7", r#"{"a": 1} trailing"#, r#"{"a": 1"#, "null"] {
            assert!(!is_object(metadata), "{metadata}");
        }
    }
}

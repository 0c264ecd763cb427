//! Values as the documents of `daemon intelligent` have them.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Number, Value, json};

use super::{Contents, StatusCounts};

/// Mappings by status.
pub(super) fn statuses(by_status: &BTreeMap<String, StatusCounts>) -> Value {
    by_status
        .iter()
        .map(|(status, counts)| (status.clone(), json!(counts.pins)))
        .collect::<Map<_, _>>()
        .into()
}

/// Contents and their sizes.
pub(super) fn contents(found: Contents) -> Value {
    json!({ "contents": found.contents, "bytes": number(found.bytes), "unknown_sizes": found.unknown_sizes })
}

/// A whole number of any length.
pub(super) fn number(number: i128) -> Value {
    Number::from_i128(number).map_or(Value::Null, Value::Number)
}

/// A time as the older tool wrote it, `2024-05-01 10:00:00`, and always with its zone.
pub(super) fn date(micros: i64) -> String {
    let Some(at) = DateTime::from_timestamp_micros(micros) else { return micros.to_string() };
    let digits = if micros % 1_000_000 == 0 { SecondsFormat::Secs } else { SecondsFormat::Micros };
    at.to_rfc3339_opts(digits, false).replacen('T', " ", 1)
}

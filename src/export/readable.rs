//! Sizes and durations as people say them. Only for tables: no program should have to read `8.4 GB`.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, TimeUnit};

/// What the numbers of a column count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Bytes.
    Bytes,
    /// Time.
    Duration,
}

impl Unit {
    /// What a column counts, if its name or its type tells: `bytes`, `size_bytes`, a duration.
    pub fn of(field: &Field) -> Option<Unit> {
        let name = field.name().as_str();
        let bytes = name == "bytes" || name.ends_with("_bytes") || name.starts_with("bytes_");
        match field.data_type() {
            kind if bytes && kind.is_numeric() => Some(Unit::Bytes),
            DataType::Duration(_) => Some(Unit::Duration),
            _ => None,
        }
    }

    /// The value of a row in words; `None` if it has none, or is NULL.
    pub fn text(self, values: &ArrayRef, row: usize) -> Option<String> {
        let value = values.slice(row, 1);
        if value.is_null(0) {
            return None;
        }
        match self {
            Unit::Bytes => {
                Some(bytes(cast(&value, &DataType::Float64).ok()?.as_primitive::<Float64Type>().value(0)))
            }
            Unit::Duration => {
                let seconds = cast(&value, &DataType::Duration(TimeUnit::Second)).ok()?;
                let seconds = cast(&seconds, &DataType::Int64).ok()?;
                Some(duration(seconds.as_primitive::<Int64Type>().value(0)))
            }
        }
    }
}

fn bytes(count: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut count, mut unit) = (count, 0);
    // What would round to 1000 is one of the next unit.
    while count.abs() >= 999.95 && unit + 1 < units.len() {
        count /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{count} B"),
        unit => format!("{count:.1} {}", units[unit]),
    }
}

fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let words = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    };
    format!("{sign}{words}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DurationMicrosecondArray, Int64Array};

    use super::*;

    #[test]
    fn amounts_read_as_people_say_them() {
        for (count, words) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1_000.0, "1.0 kB"),
            (999_960.0, "1.0 MB"),
            (8_398_045_184.0, "8.4 GB"),
            (-1_500.0, "-1.5 kB"),
        ] {
            assert_eq!(bytes(count), words);
        }
        for (seconds, words) in [
            (0, "0 s"),
            (61, "1 min 1 s"),
            (7_260, "2 h 1 min"),
            (1_047_600, "12 d 3 h"),
            (-86_400, "-1 d 0 h"),
        ] {
            assert_eq!(duration(seconds), words);
        }
    }

    #[test]
    fn columns_tell_by_name_or_type() {
        let field = |name: &str, kind| Field::new(name, kind, true);
        for (column, unit) in [
            (field("size_bytes", DataType::Int64), Some(Unit::Bytes)),
            (field("bytes", DataType::Decimal128(38, 0)), Some(Unit::Bytes)),
            (field("bytes", DataType::Utf8), None),
            (field("pins", DataType::Int64), None),
            (field("age", DataType::Duration(TimeUnit::Microsecond)), Some(Unit::Duration)),
        ] {
            assert_eq!(Unit::of(&column), unit, "{column}");
        }
        let sizes: ArrayRef = Arc::new(Int64Array::from(vec![Some(2048), None]));
        assert_eq!(Unit::Bytes.text(&sizes, 0).as_deref(), Some("2.0 kB"));
        assert_eq!(Unit::Bytes.text(&sizes, 1), None);
        let ages: ArrayRef = Arc::new(DurationMicrosecondArray::from(vec![90_000_000]));
        assert_eq!(Unit::Duration.text(&ages, 0).as_deref(), Some("1 min 30 s"));
    }
}

//! A recorded time in JSON → microseconds, and whether they say all of it.

use crate::format::json::{self, Kind};
use crate::pin::time;

/// How Go writes that there is no time: 0001-01-01T00:00:00Z.
const ZERO: i64 = -62_135_596_800_000_000;

/// A recorded time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Microseconds since 1970 in UTC.
    pub micros: i64,
    /// Whether nothing was lost below the microsecond.
    pub exact: bool,
}

/// Reads a value of JSON as a time. `None` if it is none, or the zero time.
pub(super) fn read(value: &str, scratch: &mut String) -> Option<Recorded> {
    let (micros, exact) = match Kind::of_value(value) {
        Kind::Number => number(value)?,
        Kind::Text => {
            let text = json::decode(json::inside(value)?, scratch).text.trim();
            let micros = time::parse(text)?;
            // Without a dash there is no date in it, but a number that `parse` has taken.
            let is_number = !text[1..].contains('-');
            (micros, if is_number { number(text)?.1 } else { has_micros_only(text) })
        }
        _ => return None,
    };
    (micros != ZERO).then_some(Recorded { micros, exact })
}

/// An epoch number as written, and whether its unit and digits fit into microseconds.
fn number(text: &str) -> Option<(i64, bool)> {
    if let Ok(number) = text.parse::<i64>() {
        let nanoseconds = number.unsigned_abs() >= 100_000_000_000_000_000;
        return Some((time::from_integer(number)?, !nanoseconds || number % 1_000 == 0));
    }
    let number: f64 = text.parse().ok()?;
    let places = match number.abs() {
        size if size < 1e11 => 6,
        size if size < 1e14 => 3,
        _ => 0,
    };
    let plain = !text.contains(['e', 'E']) && number.abs() < 1e17;
    let fraction = text.split_once('.').map_or("", |(_, digits)| digits.trim_end_matches('0'));
    Some((time::from_float(number)?, plain && fraction.len() <= places))
}

/// Whether the seconds of an ISO time have no more than six places, but for zeros.
fn has_micros_only(text: &str) -> bool {
    let Some(point) = text.find(['.', ',']) else { return true };
    let digits = text[point + 1..].bytes().take_while(u8::is_ascii_digit);
    digits.skip(6).all(|digit| digit == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-05-01T10:00:00Z.
    const AT: i64 = 1_714_557_600_000_000;

    #[test]
    fn times_are_read_and_losses_told() {
        for (value, micros, exact) in [
            (r#""2024-05-01T10:00:00Z""#, AT, true),
            (r#"" 2024-05-01T12:00:00.25+02:00 ""#, AT + 250_000, true),
            (r#""2024-05-01T10:00:00.123456000""#, AT + 123_456, true),
            (r#""2024-05-01T10:00:00.123456789Z""#, AT + 123_456, false),
            (r#""2024-05-01""#, AT - 36_000_000_000, true),
            (r#""2024\u002d05-01T10:00:00Z""#, AT, true),
            ("1714557600", AT, true),
            ("1714557600123", AT + 123_000, true),
            ("1714557600123456", AT + 123_456, true),
            ("1714557600123456789", AT + 123_456, false),
            ("1714557600123456000", AT + 123_456, true),
            ("1714557600.123456", AT + 123_456, true),
            ("1714557600.1234567", AT + 123_457, false),
            ("1.7145576e9", AT, false),
            ("-1.5", -1_500_000, true),
            ("0", 0, true),
            (r#""1714557600""#, AT, true),
            (r#""1714557600.250""#, AT + 250_000, true),
            (r#""1714557600123456789""#, AT + 123_456, false),
            (r#""-1714557600""#, -AT, true),
        ] {
            let read = read(value, &mut String::new());
            assert_eq!(read, Some(Recorded { micros, exact }), "{value}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for value in [
            "null",
            "true",
            r#""""#,
            r#""soon""#,
            r#""0001-01-01T00:00:00Z""#,
            r#""0001-01-01 00:00""#,
            "NaN",
            "-Infinity",
            "1e300",
            "[1714557600]",
            "{}",
            r#""2024""#,
        ] {
            assert_eq!(read(value, &mut String::new()), None, "{value}");
        }
    }
}

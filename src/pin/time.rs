//! When a mapping was created: the forms in which tools have written it → microseconds since 1970 in UTC.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Timelike};

/// Reads a recorded time: ISO 8601 with or without a zone (without one it is UTC), a date alone, or an epoch number
/// written as text. `None` if it is none of these; never a guess.
pub fn parse(text: &str) -> Option<i64> {
    parse_usual(text.as_bytes()).or_else(|| parse_any(text))
}

/// `YYYY-MM-DDTHH:MM:SS` with at most six digits after it, and no zone but UTC: what nearly all tools write. `None` leaves it to
/// the general way, which agrees.
fn parse_usual(text: &[u8]) -> Option<i64> {
    let (&head, mut rest) = text.split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = head else {
        return None;
    };
    let (mut micros, mut is_number) = (0, true);
    let mut digits = |digits: &[u8]| {
        digits.iter().fold(0, |sum, digit| {
            is_number &= digit.is_ascii_digit();
            10 * sum + i64::from(digit.wrapping_sub(b'0'))
        })
    };
    let (year, month, day) = (digits(&[y1, y2, y3, y4]), digits(&[m1, m2]), digits(&[d1, d2]));
    let (hour, minute, second) = (digits(&[h1, h2]), digits(&[n1, n2]), digits(&[s1, s2]));
    if let [b'.', after @ ..] = rest {
        let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=6).contains(&length) {
            return None;
        }
        micros = digits(&after[..length]) * 10_i64.pow(6 - length as u32);
        rest = &after[length..];
    }
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_time =
        (1..=12).contains(&month) && (1..=days).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !is_number || !is_time || !matches!(rest, b"" | b"Z" | b"+00:00") {
        return None;
    }
    // Years begin in March here, so that the leap day comes last: Howard Hinnant's `days_from_civil`.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

fn parse_any(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        // Fewer than nine digits is a year, a compact date or a counter rather than an epoch.
        let whole = digits.split('.').next().unwrap_or_default();
        return if whole.len() < 9 { None } else { parse_number(text) };
    }
    parse_iso(text)
}

/// A time as RFC 3339 in UTC, with as many digits of a second as it needs.
pub fn format(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros);
    time.map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

fn parse_number(text: &str) -> Option<i64> {
    match text.parse::<i64>() {
        Ok(number) => from_integer(number),
        Err(_) => from_float(text.parse().ok()?),
    }
}

/// An epoch number in seconds, milliseconds, microseconds or nanoseconds, told apart by size: each unit's range begins
/// where the one before it passes the year 5138.
pub fn from_integer(number: i64) -> Option<i64> {
    match number.unsigned_abs() {
        0..100_000_000_000 => number.checked_mul(1_000_000),
        100_000_000_000..100_000_000_000_000 => number.checked_mul(1_000),
        100_000_000_000_000..100_000_000_000_000_000 => Some(number),
        _ => Some(number.div_euclid(1_000)),
    }
}

/// The same with a fraction. `None` for a number that is not finite.
pub fn from_float(number: f64) -> Option<i64> {
    let micros = match number.abs() {
        size if size < 1e11 => number * 1e6,
        size if size < 1e14 => number * 1e3,
        size if size < 1e17 => number,
        _ => number / 1e3,
    };
    (micros.is_finite() && micros.abs() < 9.2e18).then(|| micros.round() as i64)
}

/// `YYYY-MM-DD`, then perhaps `T` or a blank and `HH:MM[:SS[.fraction]]`, then perhaps a zone.
fn parse_iso(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let date =
        NaiveDate::from_ymd_opt(number(&bytes[..4])? as i32, number(&bytes[5..7])?, number(&bytes[8..10])?)?;
    let (time, zone_seconds) = match bytes.get(10) {
        None => (NaiveTime::MIN, 0),
        Some(b'T' | b't' | b' ') => parse_time(&bytes[11..])?,
        Some(_) => return None,
    };
    let seconds =
        date.and_hms_opt(0, 0, 0)?.and_utc().timestamp() + i64::from(time.num_seconds_from_midnight());
    let seconds = seconds - i64::from(zone_seconds);
    seconds.checked_mul(1_000_000)?.checked_add(i64::from(time.nanosecond() / 1_000))
}

/// `HH:MM[:SS[.fraction]]` and perhaps a zone: the time and the zone's seconds east of UTC.
fn parse_time(bytes: &[u8]) -> Option<(NaiveTime, i32)> {
    let (hour, minute) = match bytes {
        [h1, h2, b':', m1, m2, ..] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        _ => return None,
    };
    let mut rest = &bytes[5..];
    let (mut second, mut nanos) = (0, 0);
    if let [b':', s1, s2, tail @ ..] = rest {
        second = number(&[*s1, *s2])?;
        rest = tail;
        if let [b'.' | b',', tail @ ..] = rest {
            let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
            nanos = fraction(&tail[..digits])?;
            rest = &tail[digits..];
        }
    }
    let time = NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?;
    Some((time, parse_zone(rest.trim_ascii_start())?))
}

/// Nanoseconds from the digits after the point; digits past the ninth are dropped.
fn fraction(digits: &[u8]) -> Option<u32> {
    let kept = &digits[..digits.len().min(9)];
    match kept.is_empty() {
        true => None,
        false => Some(number(kept)? * 10u32.pow(9 - kept.len() as u32)),
    }
}

fn parse_zone(bytes: &[u8]) -> Option<i32> {
    let (sign, rest) = match bytes {
        [] | b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [h1, h2] => (number(&[*h1, *h2])?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (number(&[*h1, *h2])?, number(&[*m1, *m2])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i32)
}

fn number(digits: &[u8]) -> Option<u32> {
    let value = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    digits.iter().try_fold(0u32, |sum, byte| Some(sum * 10 + value(byte)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-05-01T10:00:00Z.
    const AT: i64 = 1_714_557_600_000_000;

    #[test]
    fn every_form_of_a_time_is_read_as_utc() {
        for (text, micros) in [
            ("2024-05-01T10:00:00Z", AT),
            ("2024-05-01T10:00:00", AT),
            ("2024-05-01 10:00:00+00:00", AT),
            ("2024-05-01T10:00Z", AT),
            ("2024-05-01T12:00:00+02:00", AT),
            ("2024-05-01T12:00:00 +0200", AT),
            ("2024-05-01T04:30:00-05:30", AT),
            ("2024-05-01 10:00:00 UTC", AT),
            (" 2024-05-01T10:00:00.5Z ", AT + 500_000),
            ("2024-05-01T10:00:00.123456789Z", AT + 123_456),
            ("2024-05-01", AT - 36_000_000_000),
            ("1969-12-31T23:59:59.5Z", -500_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
            ("1714557600", AT),
            ("1714557600.25", AT + 250_000),
            ("1714557600000", AT),
            ("1714557600000000", AT),
            ("1714557600000000000", AT),
        ] {
            assert_eq!(parse(text), Some(micros), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_not_guessed() {
        for text in [
            "",
            "-",
            ".",
            "yesterday",
            "2024",
            "20240501",
            "2024-13-01",
            "2024-02-30",
            "2024-05-01T",
            "2024-05-01T25:00:00Z",
            "2024-05-01T10:00:00Q",
            "2024-05-01T10:00:00.Z",
            "2024-05-01T10:00:00+2",
            "2024/05/01",
            "1.2.3456789012",
            "NaN",
            "2024-05-01T10:00:00+02:0é",
            "éééééééééé",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!((from_float(f64::NAN), from_float(f64::INFINITY), from_float(1e300)), (None, None, None));
    }

    proptest::proptest! {
        #[test]
        fn the_usual_form_is_read_as_the_general_way_reads_it(
            date in (0..10_000u32, 0..14u32, 0..33u32),
            clock in (0..26u32, 0..62u32, 0..62u32),
            end in "(\\.[0-9]{0,10})?(Z|\\+00:00|\\+01:00| UTC|x)?",
            other in (0..40usize, "[0-9TZ:. é-]"),
        ) {
            let ((year, month, day), (hour, minute, second)) = (date, clock);
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{end}");
            proptest::prop_assert_eq!(parse(&text), parse_any(&text), "{}", text);
            let (at, character) = other;
            let spoiled: String = text.chars().take(at).chain(character.chars()).chain(text.chars().skip(at + 1)).collect();
            proptest::prop_assert_eq!(parse(&spoiled), parse_any(&spoiled), "{}", spoiled);
        }
    }

    #[test]
    fn epoch_numbers_are_told_apart_by_size() {
        for number in [1_714_557_600, 1_714_557_600_000, 1_714_557_600_000_000, 1_714_557_600_000_000_000] {
            assert_eq!(from_integer(number), Some(AT), "{number}");
            assert_eq!(from_float(number as f64), Some(AT), "{number}");
        }
        assert_eq!((from_integer(0), from_integer(i64::MIN)), (Some(0), Some(i64::MIN.div_euclid(1000))));
        assert_eq!(from_integer(-86_400), Some(-86_400_000_000));
    }
}

//! Times in a backup: microseconds since 1970 ⇄ RFC 3339 in UTC, and ISO 8601 with a sign and six digits for the years
//! that RFC 3339 lacks.

use crate::pin;

const DAY: i64 = 86_400_000_000;
/// Days from 0000-03-01 to 1970-01-01.
const TO_1970: i64 = 719_468;
/// Days in 400 years, in 100 of which the last has no leap day, and in 4 of which the last has one.
const DAYS_400: i64 = 146_097;
const DAYS_100: i64 = 36_524;
const DAYS_4: i64 = 1_461;

/// Appends a time with as many digits of its microseconds as it needs.
pub(super) fn encode(micros: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil(micros.div_euclid(DAY));
    match year {
        0..=9999 => digits(year, 4, out),
        _ => {
            out.push(if year < 0 { b'-' } else { b'+' });
            digits(year.abs(), 6, out);
        }
    }
    let within = micros.rem_euclid(DAY);
    let seconds = within / 1_000_000;
    for (mark, number) in
        [(b'-', month), (b'-', day), (b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
    {
        out.push(mark);
        digits(number, 2, out);
    }
    let fraction = within % 1_000_000;
    if fraction != 0 {
        out.push(b'.');
        digits(fraction, 6, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

/// Reads a time in one of the forms that [`encode`] writes or that tools have written.
pub(super) fn parse(text: &str) -> Option<i64> {
    pin::time::parse(text).or_else(|| parse_expanded(text.as_bytes()))
}

/// `±YYYYYY-MM-DDTHH:MM:SS[.ffffff]Z`.
fn parse_expanded(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let rest = rest.strip_suffix(b"Z")?;
    let (whole, fraction) = match rest.get(21..)? {
        [] => (rest, &[][..]),
        [b'.', fraction @ ..] if (1..=6).contains(&fraction.len()) => (&rest[..21], fraction),
        _ => return None,
    };
    for (at, mark) in [(6, b'-'), (9, b'-'), (12, b'T'), (15, b':'), (18, b':')] {
        if whole[at] != mark {
            return None;
        }
    }
    let [month, day, hour, minute, second] =
        [7, 10, 13, 16, 19].map(|at| number(&whole[at..at + 2]).unwrap_or(99));
    let year = sign * number(&whole[..6])?;
    let days = days(year, month, day)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros = number(fraction)? * 10i64.pow(6 - fraction.len() as u32);
    let seconds = i128::from(days) * 86_400 + i128::from(hour * 3600 + minute * 60 + second);
    i64::try_from(seconds * 1_000_000 + i128::from(micros)).ok()
}

/// Year, month and day of a day since 1970. Years begin in March while counting, so that a leap day comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + TO_1970;
    let (era, rest) = (days.div_euclid(DAYS_400), days.rem_euclid(DAYS_400));
    let century = (rest / DAYS_100).min(3);
    let rest = rest - century * DAYS_100;
    let (leap, rest) = (rest / DAYS_4, rest % DAYS_4);
    let single = (rest / 365).min(3);
    let rest = rest - single * 365;
    // From March on, every five months have 153 days.
    let month = (5 * rest + 2) / 153;
    let day = rest - (153 * month + 2) / 5 + 1;
    let year = era * 400 + century * 100 + leap * 4 + single;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The day since 1970 of a date, if there is such a date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 {
        return None;
    }
    let (march_year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, within) = (march_year.div_euclid(400), march_year.rem_euclid(400));
    let start = era * DAYS_400 + within * 365 + within / 4 - within / 100 - TO_1970;
    let found = start + (153 * month_from_march + 2) / 5 + day - 1;
    (civil(found) == (year, month, day)).then_some(found)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn digits(number: i64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10i64.pow(place) % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(micros: i64) -> String {
        let mut out = Vec::new();
        encode(micros, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_have_the_digits_that_they_need() {
        for (micros, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_714_557_600_000_000, "2024-05-01T10:00:00Z"),
            (1_714_557_600_500_000, "2024-05-01T10:00:00.5Z"),
            (1_714_557_600_000_001, "2024-05-01T10:00:00.000001Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00Z"),
            (-62_167_219_200_000_001, "-000001-12-31T23:59:59.999999Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (253_402_300_800_000_000, "+010000-01-01T00:00:00Z"),
            (i64::MAX, "+294247-01-10T04:00:54.775807Z"),
            (i64::MIN, "-290308-12-21T19:59:05.224192Z"),
        ] {
            assert_eq!(text(micros), expected);
            assert_eq!(parse(expected), Some(micros), "{expected}");
        }
    }

    #[test]
    fn what_is_no_expanded_time_is_not_guessed() {
        for text in [
            "+",
            "-Z",
            "+010000-01-01T00:00:00",
            "+010000-13-01T00:00:00Z",
            "+010000-02-30T00:00:00Z",
            "+010000-01-01T24:00:00Z",
            "+010000-01-01T00:00:00.Z",
            "+010000-01-01T00:00:00.1234567Z",
            "+01000x-01-01T00:00:00Z",
            "+294247-01-10T04:00:54.775808Z",
            "-290308-12-21T19:59:05.224191Z",
            "+999999-01-01T00:00:00Z",
            "+010000-01-0éT00:00:00Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_comes_back(micros: i64, near in -100_000_000_000_000_000i64..400_000_000_000_000_000) {
            for micros in [micros, near] {
                prop_assert_eq!(parse(&text(micros)), Some(micros));
            }
        }

        #[test]
        fn dates_agree_with_chrono(days in -90_000_000i64..90_000_000) {
            use chrono::{DateTime, Datelike};
            let date = DateTime::from_timestamp(days * 86_400, 0).unwrap();
            prop_assert_eq!(civil(days), (date.year().into(), date.month().into(), date.day().into()));
        }
    }
}

//! Dates and times as text. Written by hand because chrono's formatter costs more than all the rest of a CSV row, and
//! because its range is smaller than Arrow's.

use std::fmt::Write;

use arrow::datatypes::TimeUnit;

use super::text::Text;

const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;
/// An instant without its digits.
const FORM: &[u8; 19] = b"0000-00-00T00:00:00";
/// The numbers from 0 to 99 in two digits; so many that seven bits cannot be too large.
const PAIRS: [[u8; 2]; 128] = pairs();

const fn pairs() -> [[u8; 2]; 128] {
    let (mut pairs, mut number) = ([[0; 2]; 128], 0);
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
}

/// An instant in RFC 3339, UTC. Years outside 0 to 9999 have a sign, as in ISO 8601.
pub(super) fn push_timestamp(value: i64, unit: TimeUnit, out: &mut Text) {
    let (seconds, nanos) = split(value, unit);
    let (days, clock) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year @ 0..=9999, month, day) = civil(days) else {
        push_date(days, out);
        out.push('T');
        push_clock(clock, nanos, out);
        return out.push('Z');
    };
    // The usual ones as a whole.
    let (year, clock) = (year as u32, clock as u32);
    out.push_with(FORM.len(), |room| {
        let room = &mut room[..FORM.len()];
        room.copy_from_slice(FORM);
        let mut pair = |at: usize, number: u32| {
            room[at..at + 2].copy_from_slice(&PAIRS[number as usize % PAIRS.len()]);
        };
        pair(0, year / 100);
        pair(2, year % 100);
        pair(5, month);
        pair(8, day);
        pair(11, clock / 3600);
        pair(14, clock / 60 % 60);
        pair(17, clock % 60);
        FORM.len()
    });
    push_fraction(nanos, out);
    out.push('Z');
}

/// A day, counted from 1970-01-01.
pub(super) fn push_date(days: i64, out: &mut Text) {
    let (year, month, day) = civil(days);
    match year {
        0..=9999 => push_digits(year, 4, out),
        _ => push(out, format_args!("{year:+05}")),
    }
    out.push('-');
    push_digits(month.into(), 2, out);
    out.push('-');
    push_digits(day.into(), 2, out);
}

/// A time of day. What no clock shows reads as a length of time, so that it is seen to be wrong.
pub(super) fn push_time(value: i64, unit: TimeUnit, out: &mut Text) {
    let (seconds, nanos) = split(value, unit);
    match seconds {
        0..DAY => push_clock(seconds, nanos, out),
        _ => push_duration(value, unit, out),
    }
}

/// A length of time; its days have 24 hours.
pub(super) fn push_duration(value: i64, unit: TimeUnit, out: &mut Text) {
    let per_second = per_second(unit);
    // Toward zero, unlike an instant: each part carries the sign of the whole.
    let (seconds, nanos) = (value / per_second, value % per_second * (NANOS / per_second));
    push_period(0, seconds / DAY, seconds % DAY, nanos, out);
}

/// A calendar interval, whose months, days and nanoseconds do not convert into one another.
pub(super) fn push_interval(months: i32, days: i32, nanos: i64, out: &mut Text) {
    push_period(months.into(), days.into(), nanos / NANOS, nanos % NANOS, out);
}

fn push_period(months: i64, days: i64, seconds: i64, nanos: i64, out: &mut Text) {
    let start = out.len();
    let part = |out: &mut Text, value: i64, letter: char| {
        if value != 0 {
            push(out, format_args!("{value}{letter}"));
        }
    };
    out.push('P');
    part(out, months / 12, 'Y');
    part(out, months % 12, 'M');
    part(out, days, 'D');
    if seconds != 0 || nanos != 0 {
        out.push('T');
        part(out, seconds / 3600, 'H');
        part(out, seconds / 60 % 60, 'M');
        let seconds = seconds % 60;
        if seconds != 0 || nanos != 0 {
            if seconds < 0 || nanos < 0 {
                out.push('-');
            }
            push(out, format_args!("{}", seconds.abs()));
            push_fraction(nanos.abs(), out);
            out.push('S');
        }
    }
    if out.len() == start + 1 {
        out.push_str("T0S");
    }
}

fn push_clock(seconds: i64, nanos: i64, out: &mut Text) {
    push_digits(seconds / 3600, 2, out);
    out.push(':');
    push_digits(seconds / 60 % 60, 2, out);
    out.push(':');
    push_digits(seconds % 60, 2, out);
    push_fraction(nanos, out);
}

fn push_fraction(nanos: i64, out: &mut Text) {
    let (value, digits) = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    out.push('.');
    push_digits(value, digits, out);
}

/// Whole seconds, rounded down, and the nanoseconds after them.
fn split(value: i64, unit: TimeUnit) -> (i64, i64) {
    match unit {
        TimeUnit::Second => (value, 0),
        TimeUnit::Millisecond => split_by::<1_000>(value),
        TimeUnit::Microsecond => split_by::<1_000_000>(value),
        TimeUnit::Nanosecond => split_by::<NANOS>(value),
    }
}

/// A division by a number that the compiler knows is none.
fn split_by<const PER_SECOND: i64>(value: i64) -> (i64, i64) {
    (value.div_euclid(PER_SECOND), value.rem_euclid(PER_SECOND) * (NANOS / PER_SECOND))
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => NANOS,
    }
}

/// Year, month and day in the Gregorian calendar, as Cassio Neri and Lorenz Schneider found them to be reached with few multiplications:
/// [Euclidean affine functions and their application to calendar algorithms](https://doi.org/10.1002/spe.3172).
fn civil(days: i64) -> (i64, u32, u32) {
    // Years begin in March here, so that the leap day comes last.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097) as u32;
    let quarters = 4 * day_of_era + 3;
    let (century, day_of_century) = (quarters / 146_097, quarters % 146_097 / 4);
    let product = 2_939_745 * u64::from(4 * day_of_century + 3);
    let (year_of_century, day_of_year) = ((product >> 32) as u32, product as u32 / 2_939_745 / 4);
    let line = 2_141 * day_of_year + 197_913;
    let (shifted, day) = (line >> 16, (line & 0xffff) / 2_141 + 1);
    let next_year = day_of_year >= 306;
    let year = 400 * era + i64::from(100 * century + year_of_century + u32::from(next_year));
    (year, if next_year { shifted - 12 } else { shifted }, day)
}

/// Appends a number below 10⁹, with zeros in front.
fn push_digits(value: i64, width: usize, out: &mut Text) {
    let (mut digits, mut rest) = ([b'0'; 9], value as u32);
    for digit in digits[..width].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    digits[..width].iter().for_each(|&digit| out.push(char::from(digit)));
}

fn push(out: &mut Text, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a text takes any other");
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    fn timestamp(value: i64, unit: TimeUnit) -> String {
        let mut out = Text::default();
        push_timestamp(value, unit, &mut out);
        out.as_str().to_owned()
    }

    #[test]
    fn the_ends_of_every_unit_are_instants() {
        for (value, unit, expected) in [
            (i64::MAX, TimeUnit::Nanosecond, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, TimeUnit::Nanosecond, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, TimeUnit::Microsecond, "+294247-01-10T04:00:54.775807Z"),
            (i64::MIN, TimeUnit::Millisecond, "-292275055-05-16T16:47:04.192Z"),
            (i64::MAX, TimeUnit::Second, "+292277026596-12-04T15:30:07Z"),
            (253_402_300_799, TimeUnit::Second, "9999-12-31T23:59:59Z"),
            (253_402_300_800, TimeUnit::Second, "+10000-01-01T00:00:00Z"),
            (951_782_400, TimeUnit::Second, "2000-02-29T00:00:00Z"),
        ] {
            assert_eq!(timestamp(value, unit), expected);
        }
    }

    #[test]
    fn the_ends_of_durations_and_intervals_are_whole() {
        let mut out = Text::default();
        push_duration(i64::MIN, TimeUnit::Nanosecond, &mut out);
        assert_eq!(out.as_str(), "P-106751DT-23H-47M-16.854775808S");
        out.clear();
        push_interval(i32::MIN, i32::MAX, i64::MAX, &mut out);
        assert_eq!(out.as_str(), "P-178956970Y-8M2147483647DT2562047H47M16.854775807S");
    }

    #[test]
    fn every_day_of_an_era_is_that_of_chrono() {
        use chrono::{Datelike, NaiveDate};
        let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for days in -150_000..150_000 {
            let date = first + TimeDelta::days(days);
            assert_eq!(civil(days), (date.year().into(), date.month(), date.day()));
        }
    }

    proptest! {
        #[test]
        fn instants_read_as_chrono_writes_them(micros in -9_000_000_000_000_000_i64..300_000_000_000_000_000) {
            let instant = DateTime::from_timestamp_micros(micros).expect("chrono goes that far");
            let expected = instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            prop_assert_eq!(timestamp(micros, TimeUnit::Microsecond), expected);
        }

        #[test]
        fn days_far_away_follow_one_another(days in -1_000_000_000_i64..1_000_000_000) {
            let (year, month, day) = civil(days);
            let next = civil(days + 1);
            let follows = next == (year, month, day + 1)
                || next == (year, month + 1, 1) && day >= 28
                || next == (year + 1, 1, 1) && (month, day) == (12, 31);
            prop_assert!(follows, "{next:?} after {year}-{month}-{day}");
        }

        #[test]
        fn durations_add_up(millis: i64) {
            let mut out = Text::default();
            push_duration(millis, TimeUnit::Millisecond, &mut out);
            let mut sum = TimeDelta::zero();
            let (mut number, mut in_time) = (String::new(), false);
            for c in out.as_str().chars() {
                match c {
                    'P' => {}
                    'T' => in_time = true,
                    '0'..='9' | '-' | '.' => number.push(c),
                    letter => {
                        let millis = match (letter, in_time) {
                            ('D', false) => 86_400_000,
                            ('H', true) => 3_600_000,
                            ('M', true) => 60_000,
                            ('S', true) => 1_000,
                            _ => panic!("{letter} in {out:?}"),
                        };
                        let millis = match number.split_once('.') {
                            None => number.parse::<i64>().expect("a number") * millis,
                            Some(_) => number.replace('.', "").parse().expect("a number"),
                        };
                        sum += TimeDelta::milliseconds(millis);
                        number.clear();
                    }
                }
            }
            prop_assert_eq!(sum.num_milliseconds(), millis);
        }
    }
}

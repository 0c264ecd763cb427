//! Dates and times as text. Written by hand because chrono's formatter costs more than all the rest of a CSV row, and
//! because its range is smaller than Arrow's.

use std::fmt::Write;

use arrow::datatypes::TimeUnit;

const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;

/// An instant in RFC 3339, UTC. Years outside 0 to 9999 have a sign, as in ISO 8601.
pub(super) fn push_timestamp(value: i64, unit: TimeUnit, out: &mut String) {
    let (seconds, nanos) = split(value, unit);
    push_date(seconds.div_euclid(DAY), out);
    out.push('T');
    push_clock(seconds.rem_euclid(DAY), nanos, out);
    out.push('Z');
}

/// A day, counted from 1970-01-01.
pub(super) fn push_date(days: i64, out: &mut String) {
    let (year, month, day) = civil(days);
    match year {
        0..=9999 => push_digits(year, 4, out),
        _ => push(out, format_args!("{year:+05}")),
    }
    out.push('-');
    push_digits(month, 2, out);
    out.push('-');
    push_digits(day, 2, out);
}

/// A time of day. What no clock shows reads as a length of time, so that it is seen to be wrong.
pub(super) fn push_time(value: i64, unit: TimeUnit, out: &mut String) {
    let (seconds, nanos) = split(value, unit);
    match seconds {
        0..DAY => push_clock(seconds, nanos, out),
        _ => push_duration(value, unit, out),
    }
}

/// A length of time; its days have 24 hours.
pub(super) fn push_duration(value: i64, unit: TimeUnit, out: &mut String) {
    let per_second = per_second(unit);
    // Toward zero, unlike an instant: each part carries the sign of the whole.
    let (seconds, nanos) = (
        value / per_second,
        value % per_second * (NANOS / per_second),
    );
    push_period(0, seconds / DAY, seconds % DAY, nanos, out);
}

/// A calendar interval, whose months, days and nanoseconds do not convert into one another.
pub(super) fn push_interval(months: i32, days: i32, nanos: i64, out: &mut String) {
    push_period(
        months.into(),
        days.into(),
        nanos / NANOS,
        nanos % NANOS,
        out,
    );
}

fn push_period(months: i64, days: i64, seconds: i64, nanos: i64, out: &mut String) {
    let start = out.len();
    let part = |out: &mut String, value: i64, letter: char| {
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

fn push_clock(seconds: i64, nanos: i64, out: &mut String) {
    push_digits(seconds / 3600, 2, out);
    out.push(':');
    push_digits(seconds / 60 % 60, 2, out);
    out.push(':');
    push_digits(seconds % 60, 2, out);
    push_fraction(nanos, out);
}

fn push_fraction(nanos: i64, out: &mut String) {
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
    let per_second = per_second(unit);
    let fraction = value.rem_euclid(per_second);
    (
        value.div_euclid(per_second),
        fraction * (NANOS / per_second),
    )
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => NANOS,
    }
}

/// Year, month and day in the Gregorian calendar: Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    // Years begin in March here, so that the leap day comes last.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn push_digits(value: i64, width: u32, out: &mut String) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes any text");
}

//! Lengths of time, as people write them: `30d`, `12 hours`, `1w`, `P1DT12H`.

/// The units and their microseconds. Months and years have no one length and are none of them.
const UNITS: [(&[&str], i64); 6] = [
    (&["w", "week", "weeks"], 7 * 86_400_000_000),
    (&["d", "day", "days"], 86_400_000_000),
    (&["h", "hour", "hours"], 3_600_000_000),
    (&["m", "min", "minute", "minutes"], 60_000_000),
    (&["s", "sec", "second", "seconds"], 1_000_000),
    (&["ms", "millisecond", "milliseconds"], 1_000),
];

/// Microseconds. `None` if the text is no length of time, or one beyond 64 bits.
pub(crate) fn parse(text: &str) -> Option<i64> {
    match text.strip_prefix(['P', 'p']) {
        Some(iso) => {
            let lower = iso.to_ascii_lowercase();
            let (days, time) = lower.split_once('t').unwrap_or((&lower, ""));
            let days = if days.is_empty() { Some(0) } else { sum(days, &UNITS[..2]) };
            let time = match (time.is_empty(), lower.contains('t')) {
                (true, true) => None,
                (true, false) => Some(0),
                (false, _) => sum(time, &UNITS[2..5]),
            };
            if lower.is_empty() { None } else { days?.checked_add(time?) }
        }
        None => sum(&text.to_ascii_lowercase(), &UNITS),
    }
}

/// Adds up numbers, each with its unit.
fn sum(mut text: &str, units: &[(&[&str], i64)]) -> Option<i64> {
    let mut total: i64 = 0;
    loop {
        let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
        let number: i64 = text[..digits].parse().ok()?;
        let rest = text[digits..].trim_start();
        let end = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
        let (_, micros) = units.iter().find(|(names, _)| names.contains(&&rest[..end]))?;
        total = total.checked_add(number.checked_mul(*micros)?)?;
        text = rest[end..].trim_start();
        if text.is_empty() {
            return Some(total);
        }
    }
}

/// A length of time as it can be given again.
pub(super) fn text(micros: i64) -> String {
    let exact = UNITS[1..].iter().find(|(_, size)| micros % size == 0);
    match exact {
        Some((names, size)) => format!("{}{}", micros / size, names[0]),
        None => format!("{micros} µs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_as_people_write_them() {
        for (written, seconds) in [
            ("30d", Some(2_592_000)),
            ("12 hours", Some(43_200)),
            ("1w", Some(604_800)),
            ("1d 2h", Some(93_600)),
            ("90m", Some(5_400)),
            ("5 Minutes", Some(300)),
            ("P1DT12H", Some(129_600)),
            ("PT30M", Some(1_800)),
            ("P2W", Some(1_209_600)),
            ("0s", Some(0)),
            ("", None),
            ("30", None),
            ("d", None),
            ("-1d", None),
            ("1 month", None),
            ("P", None),
            ("PT", None),
            ("P1M", None),
            ("99999999999d", None),
        ] {
            assert_eq!(parse(written), seconds.map(|seconds: i64| seconds * 1_000_000), "{written}");
            if let Some(micros) = parse(written) {
                assert_eq!(parse(&text(micros)), Some(micros), "{written}");
            }
        }
    }
}

//! Values of a configuration, as people write them.

use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use serde::Deserialize;
use wildmatch::WildMatch;

use crate::report::interval;

/// A length of time: `"30s"`, `"5m"`, `"90d"`. Never nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Period, String> {
        let micros = interval::parse(text.trim()).and_then(|micros| u64::try_from(micros).ok());
        match micros {
            Some(micros @ 1..) => Ok(Period(Duration::from_micros(micros))),
            _ => Err(format!("`{text}` is no length of time, such as 30s, 5m, 12h or 90d")),
        }
    }
}

/// A number of bytes: `"64MB"`, `"1GiB"`, `"4096"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Size, String> {
        let wrong = || format!("`{text}` is no number of bytes, such as 64MB or 1GiB");
        let trimmed = text.trim();
        let digits = trimmed.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(trimmed.len());
        let number: u64 = trimmed[..digits].parse().map_err(|_| wrong())?;
        let factor = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).filter(|bytes| *bytes > 0).map(Size).ok_or_else(wrong)
    }
}

/// A moment, in TOML with its zone: `2026-11-28T22:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "toml::value::Datetime")]
pub struct Moment(pub DateTime<Utc>);

impl TryFrom<toml::value::Datetime> for Moment {
    type Error = String;

    fn try_from(value: toml::value::Datetime) -> Result<Moment, String> {
        let text = value.to_string();
        let parsed = DateTime::parse_from_rfc3339(&text);
        parsed
            .map(|at| Moment(at.with_timezone(&Utc)))
            .map_err(|_| format!("`{text}` is no moment with its zone, such as 2026-11-28T22:00:00Z"))
    }
}

/// A part of each day in UTC, from the first time to before the second: `"22:00-02:00"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Hours {
    from: NaiveTime,
    until: NaiveTime,
}

impl Hours {
    /// Whether a moment is in it.
    pub fn hold(&self, at: DateTime<Utc>) -> bool {
        let time = at.time();
        match self.from <= self.until {
            true => self.from <= time && time < self.until,
            // Over midnight.
            false => self.from <= time || time < self.until,
        }
    }
}

impl TryFrom<String> for Hours {
    type Error = String;

    fn try_from(text: String) -> Result<Hours, String> {
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        let parts = text.split_once('-').and_then(|(from, until)| Some((time(from)?, time(until)?)));
        match parts {
            Some((from, until)) if from != until => Ok(Hours { from, until }),
            _ => Err(format!("`{text}` is no part of a day in UTC, such as 22:00-02:00")),
        }
    }
}

/// A name with `*` for any letters and `?` for one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "String")]
pub struct Pattern(WildMatch);

impl Pattern {
    /// Whether a name is one of those meant.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Pattern {
        Pattern(WildMatch::new(&text))
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it when there is time.
    #[default]
    Warning,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_sizes_and_hours_are_read_or_refused() {
        let period = |text: &str| Period::try_from(text.to_owned()).map(|period| period.0.as_millis());
        assert_eq!((period("90d"), period("1500 ms")), (Ok(7_776_000_000), Ok(1500)));
        assert!(period("0s").is_err() && period("soon").is_err() && period("-5s").is_err());
        let size = |text: &str| Size::try_from(text.to_owned()).map(|size| size.0);
        assert_eq!((size("64MB"), size("1 GiB"), size("9")), (Ok(64_000_000), Ok(1 << 30), Ok(9)));
        assert!(size("0").is_err() && size("99999999999GB").is_err() && size("1.5GB").is_err());
        let hours = |text: &str| Hours::try_from(text.to_owned());
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc);
        for (span, time, held) in [
            ("22:00-02:00", "2026-11-28T23:30:00Z", true),
            ("22:00-02:00", "2026-11-28T01:59:59Z", true),
            ("22:00-02:00", "2026-11-28T02:00:00Z", false),
            ("08:00-09:30", "2026-11-28T09:29:00+00:00", true),
            ("08:00-09:30", "2026-11-28T07:59:00Z", false),
        ] {
            assert_eq!(hours(span).unwrap().hold(at(time)), held, "{span} {time}");
        }
        assert!(hours("22-23").is_err() && hours("22:00-22:00").is_err());
    }
}

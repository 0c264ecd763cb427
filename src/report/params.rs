//! Typed parameters, bound as values, never pasted into SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::interval;
use crate::pin::{Cid, time};

/// What a parameter takes, by the word that the header uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Any text.
    Text,
    /// The text of a CID, in any version and base.
    Cid,
    /// The name of a backend of the data directory.
    Backend,
    /// A time in RFC 3339, a date, or `now`.
    Timestamp,
    /// A length of time: `30d`, `12 hours`, `P1DT12H`.
    Interval,
    /// `true` or `false`.
    Boolean,
}

/// Whether a parameter takes one value or any number of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Many {
    /// One.
    One,
    /// A list, in the header `text[]`: parted by commas, or given several times. `\,` is a comma.
    List,
}

/// The values that a parameter may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Whatever is of its kind.
    Any,
    /// Only these texts, in the header `{day, month, year}`.
    Words(Vec<String>),
    /// Whole numbers from the first to the last, in the header `{1..}`, `{0..100}` or `{..9}`.
    Range(RangeInclusive<i64>),
}

/// One parameter of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// As in SQL, without `$`: `min_copies`. On the command line it is `--min-copies`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// One value or a list.
    pub many: Many,
    /// Which of them.
    pub allowed: Allowed,
    /// The text it stands for when it is not given; `None`: it must be given.
    pub default: Option<String>,
    /// What it means.
    pub help: String,
}

/// A value of one of the kinds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// Microseconds since 1970 in UTC.
    Timestamp(i64),
    /// A length of time in microseconds.
    Interval(i64),
    /// A truth value.
    Boolean(bool),
    /// Several values of one kind, which is named because there may be none.
    List(Kind, Vec<Value>),
}

/// Values by parameter name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bindings(pub BTreeMap<String, Value>);

/// The kinds and their words.
const KINDS: [(Kind, &str); 8] = [
    (Kind::Integer, "integer"),
    (Kind::Number, "number"),
    (Kind::Text, "text"),
    (Kind::Cid, "cid"),
    (Kind::Backend, "backend"),
    (Kind::Timestamp, "timestamp"),
    (Kind::Interval, "interval"),
    (Kind::Boolean, "boolean"),
];

impl Param {
    /// Reads what was given, which is one text unless it is a list. `now` is what the text `now` stands for.
    ///
    /// # Errors
    /// In words, if a text is no value of its kind, or none that is allowed.
    pub fn read(&self, texts: &[&str], now: DateTime<Utc>) -> Result<Value, String> {
        let one = |text: &str| {
            let value = self.kind.read(text, now)?;
            self.allowed.check(text, &value)?;
            Ok(value)
        };
        match (self.many, texts) {
            (Many::One, [text]) => one(text),
            (Many::One, _) => Err("it is given twice".into()),
            (Many::List, texts) => {
                let items = texts.iter().flat_map(|text| items(text));
                Ok(Value::List(self.kind, items.map(|item| one(&item)).collect::<Result<_, String>>()?))
            }
        }
    }

    /// What it takes, as the header says it: `text[]`.
    pub fn type_name(&self) -> String {
        match self.many {
            Many::One => self.kind.to_string(),
            Many::List => format!("{}[]", self.kind),
        }
    }
}

/// The parts of a list. An empty text has none.
fn items(text: &str) -> Vec<String> {
    let (mut all, mut item, mut escaped) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            ',' if escaped => drop((item.pop(), item.push(','))),
            ',' => all.push(std::mem::take(&mut item)),
            letter => item.push(letter),
        }
        escaped = letter == '\\';
    }
    all.push(item);
    all.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

impl Allowed {
    fn check(&self, text: &str, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Allowed::Words(words), _) if !words.iter().any(|word| word == text) => {
                Err(format!("`{text}` is not one of {}", words.join(", ")))
            }
            (Allowed::Range(range), Value::Integer(number)) if !range.contains(number) => {
                Err(format!("{number} is not in {self}"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Any => Ok(()),
            Allowed::Words(words) => f.write_str(&words.join(", ")),
            Allowed::Range(range) => {
                let (least, most) = (*range.start(), *range.end());
                let bound = |number: i64, open: i64| match number == open {
                    true => String::new(),
                    false => number.to_string(),
                };
                write!(f, "{}..{}", bound(least, i64::MIN), bound(most, i64::MAX))
            }
        }
    }
}

impl FromStr for Allowed {
    type Err = String;

    /// Reads what stands between the braces of a header.
    fn from_str(text: &str) -> Result<Allowed, String> {
        let Some((least, most)) = text.split_once("..") else {
            let words: Vec<_> = text.split(',').map(|word| word.trim().to_owned()).collect();
            return match words.iter().any(String::is_empty) {
                true => Err(format!("`{{{text}}}` has a value that is empty")),
                false => Ok(Allowed::Words(words)),
            };
        };
        let bound = |text: &str, open| match text.trim() {
            "" => Ok(open),
            text => text.parse().map_err(|_| format!("`{text}` is no bound: {{1..}} or {{0..100}}")),
        };
        Ok(Allowed::Range(bound(least, i64::MIN)?..=bound(most, i64::MAX)?))
    }
}

impl Kind {
    /// Reads a text as a value of this kind. `now` is what the text `now` stands for.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn read(self, text: &str, now: DateTime<Utc>) -> Result<Value, String> {
        let trimmed = text.trim();
        let value = match self {
            Kind::Integer => trimmed.parse().ok().map(Value::Integer),
            Kind::Number => trimmed.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number),
            Kind::Text | Kind::Backend => Some(Value::Text(text.to_owned())),
            Kind::Cid => match text.parse::<Cid>() {
                Ok(_) => Some(Value::Text(text.to_owned())),
                Err(why) => return Err(format!("`{text}` is no CID: {why}")),
            },
            Kind::Timestamp if trimmed == "now" => Some(Value::Timestamp(now.timestamp_micros())),
            Kind::Timestamp => time::parse(text).map(Value::Timestamp),
            Kind::Interval => interval::parse(trimmed).map(Value::Interval),
            Kind::Boolean => trimmed.to_lowercase().parse().ok().map(Value::Boolean),
        };
        value.ok_or_else(|| match self {
            Kind::Timestamp => format!("`{text}` is no time: 2026-01-31, 2026-01-31T12:00:00Z, or now"),
            Kind::Interval => format!("`{text}` is no length of time: 30d, 12 hours, 1w, or P1DT12H"),
            Kind::Boolean => format!("`{text}` is neither true nor false"),
            Kind::Integer => format!("`{text}` is no whole number"),
            _ => format!("`{text}` is no number"),
        })
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(word: &str) -> Result<Kind, String> {
        let known = KINDS.map(|(_, word)| word).join(", ");
        let found = KINDS.iter().find(|(_, name)| *name == word);
        found.map(|(kind, _)| *kind).ok_or_else(|| format!("`{word}` is no kind of parameter: {known}"))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = KINDS.iter().find(|(kind, _)| kind == self).map_or("", |(_, word)| word);
        f.write_str(word)
    }
}

impl fmt::Display for Value {
    /// As it can be given again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(number) => write!(f, "{number}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => f.write_str(text),
            Value::Timestamp(micros) => match DateTime::from_timestamp_micros(*micros) {
                Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
                None => write!(f, "{micros}"),
            },
            Value::Interval(micros) => f.write_str(&interval::text(*micros)),
            Value::Boolean(truth) => write!(f, "{truth}"),
            Value::List(_, values) => {
                let texts = values.iter().map(|value| value.to_string().replace(',', "\\,"));
                f.write_str(&texts.collect::<Vec<_>>().join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(kind: Kind, many: Many, allowed: &str) -> Param {
        let allowed = if allowed.is_empty() { Allowed::Any } else { allowed.parse().unwrap() };
        Param { name: "p".into(), kind, many, allowed, default: None, help: String::new() }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn lists_are_parted_by_commas_or_given_several_times() {
        let list = param(Kind::Text, Many::List, "");
        for (given, wanted) in [
            (vec![""], vec![]),
            (vec!["a"], vec!["a"]),
            (vec!["a, b,,c"], vec!["a", "b", "c"]),
            (vec!["a", "b,c"], vec!["a", "b", "c"]),
            (vec!["a\\,b", "c\\d"], vec!["a,b", "c\\d"]),
        ] {
            let value = list.read(&given, DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(
                value,
                Value::List(Kind::Text, wanted.iter().map(|one| text(one)).collect()),
                "{given:?}"
            );
            let again = list.read(&[&value.to_string()], DateTime::UNIX_EPOCH);
            assert_eq!(again, Ok(value), "what is shown can be given");
        }
        let numbers = param(Kind::Integer, Many::List, "");
        assert!(numbers.read(&["1,x"], DateTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn only_what_is_allowed_is_taken() {
        for (kind, allowed, good, bad) in [
            (Kind::Text, "day, month", "day", "week"),
            (Kind::Integer, "1..", "1", "0"),
            (Kind::Integer, "..9", "-3", "10"),
            (Kind::Integer, "0..100", "100", "101"),
        ] {
            let param = param(kind, Many::One, allowed);
            assert!(param.read(&[good], DateTime::UNIX_EPOCH).is_ok(), "{good} of {allowed}");
            assert!(param.read(&[bad], DateTime::UNIX_EPOCH).is_err(), "{bad} of {allowed}");
            assert_eq!(param.allowed.to_string(), allowed);
        }
        assert!("1..x".parse::<Allowed>().is_err());
        assert!("a,,b".parse::<Allowed>().is_err());
    }
}

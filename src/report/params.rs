//! Typed parameters, bound as values, never pasted into SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

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
    /// A time in RFC 3339, a date, or `now`.
    Timestamp,
    /// `true` or `false`.
    Boolean,
}

/// One parameter of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    /// As in SQL, without `$`: `min_copies`. On the command line it is `--min-copies`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
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
    /// A truth value.
    Boolean(bool),
}

/// Values by parameter name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bindings(pub BTreeMap<String, Value>);

/// The kinds and their words.
const KINDS: [(Kind, &str); 6] = [
    (Kind::Integer, "integer"),
    (Kind::Number, "number"),
    (Kind::Text, "text"),
    (Kind::Cid, "cid"),
    (Kind::Timestamp, "timestamp"),
    (Kind::Boolean, "boolean"),
];

impl Kind {
    /// Reads a text as a value of this kind. `now` is what the text `now` stands for.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn read(self, text: &str, now: DateTime<Utc>) -> Result<Value, String> {
        let (value, wanted) = match self {
            Kind::Integer => (text.trim().parse().ok().map(Value::Integer), "whole number"),
            Kind::Number => {
                let number = text.trim().parse().ok().filter(|number: &f64| number.is_finite());
                (number.map(Value::Number), "number")
            }
            Kind::Text => (Some(Value::Text(text.to_owned())), "text"),
            Kind::Cid => match text.parse::<Cid>() {
                Ok(_) => (Some(Value::Text(text.to_owned())), "CID"),
                Err(why) => return Err(format!("`{text}` is no CID: {why}")),
            },
            Kind::Timestamp if text.trim() == "now" => {
                (Some(Value::Timestamp(now.timestamp_micros())), "time")
            }
            Kind::Timestamp => (time::parse(text).map(Value::Timestamp), "time"),
            Kind::Boolean => (text.trim().to_lowercase().parse().ok().map(Value::Boolean), "truth value"),
        };
        value.ok_or_else(|| match self {
            Kind::Timestamp => format!("`{text}` is no time: 2026-01-31, 2026-01-31T12:00:00Z, or now"),
            Kind::Boolean => format!("`{text}` is neither true nor false"),
            _ => format!("`{text}` is no {wanted}"),
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

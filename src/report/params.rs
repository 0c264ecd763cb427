//! Typed parameters, bound as values, never pasted into SQL.

use std::collections::BTreeMap;

/// What a parameter takes, by the word that the header uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Any text.
    Text,
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

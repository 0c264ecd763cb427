//! Words for calls of functions that do not take what they are given.

use datafusion::execution::SessionState;

use super::diagnose::plain;
use super::places::{find_word, place_in_tree};
use crate::error::{Error, Place};

/// What to say of a call, if the engine's `text` is about one that no function matches.
pub(super) fn refused_call(
    text: &str,
    span: Option<Place>,
    sql: &str,
    state: &SessionState,
) -> Option<Error> {
    if text.starts_with("Substring without for/from") {
        let place = span.or_else(|| place_in_tree(text)).or_else(|| find_word(sql, "substr"));
        let hint = Some("it is called as substr(text, start) or substr(text, start, length)".to_owned());
        return Some(Error::Sql { message: "substr needs to know where to start".to_owned(), place, hint });
    }
    let (before, rest) = text.split_once("No function matches the given name and argument types '")?;
    let (name, kinds) = rest.split_once("'. ")?.0.split_once('(')?;
    let kinds = in_plain_words(kinds.strip_suffix(')').unwrap_or(kinds));
    // Our own functions say it in words already.
    let own = before.split_once("failed with: ").map(|(_, own)| plain(own.trim().trim_end_matches('.')));
    let message = match own.filter(|own| own.starts_with(name)) {
        Some(own) => in_plain_words(&own),
        None if kinds.is_empty() => format!("{name} needs arguments"),
        None => format!("{name} does not take ({kinds})"),
    };
    let hint = usage(name, state).map(|usage| format!("it is called as {usage}"));
    Some(Error::Sql { message, place: span.or_else(|| find_word(sql, name)), hint })
}

/// How a function is called, as its documentation has it.
fn usage<'a>(name: &str, state: &'a SessionState) -> Option<&'a str> {
    let scalar = state.scalar_functions().get(name).and_then(|function| function.documentation());
    let aggregate = || state.aggregate_functions().get(name).and_then(|function| function.documentation());
    let window = || state.window_functions().get(name).and_then(|function| function.documentation());
    scalar.or_else(aggregate).or_else(window).map(|documentation| documentation.syntax_example.as_str())
}

/// Types as people call them: `Utf8View, Timestamp(µs, "UTC")` is `text, time`.
fn in_plain_words(text: &str) -> String {
    let (mut depth, mut words) = (0, vec![String::new()]);
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth > 0 => {}
            letter if letter.is_ascii_alphanumeric() => words.last_mut().expect("one at least").push(letter),
            letter => words.extend([letter.to_string(), String::new()]),
        }
    }
    words.iter().map(|word| in_words(word)).collect()
}

fn in_words(kind: &str) -> &str {
    match kind {
        "Utf8" | "LargeUtf8" | "Utf8View" => "text",
        "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" => "whole number",
        "Float16" | "Float32" | "Float64" => "number",
        "Decimal128" | "Decimal256" => "decimal",
        "Binary" | "LargeBinary" | "BinaryView" => "bytes",
        "Timestamp" => "time",
        "Date32" | "Date64" => "date",
        "Boolean" => "boolean",
        "Duration" => "duration",
        "Interval" => "interval",
        "Null" => "NULL",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_in_plain_words() {
        for (types, words) in [
            ("", ""),
            ("Utf8View, Timestamp(µs, \"UTC\"), List(Int64)", "text, time, List"),
            ("sum takes numbers, not BinaryView", "sum takes numbers, not bytes"),
        ] {
            assert_eq!(in_plain_words(types), words);
        }
    }
}

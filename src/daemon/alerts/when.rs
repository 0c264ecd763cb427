//! The condition of an alert: a question, and what its answer is to be.
//!
//! ```text
//! report under-replicated --min-copies 2 has rows
//! SELECT cid FROM pins WHERE status = 'failed' has more than 100 rows
//! report failures-by-backend has rows where failed_percent > 5
//! SELECT COUNT(*) FROM pins is below 1000
//! ```

use serde::Deserialize;

/// A question and what its answer is to be for the alert to fire.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct When {
    /// What is asked.
    pub question: Question,
    /// What makes the alert fire.
    pub test: Test,
    /// Both as they are written.
    pub text: String,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Question {
    /// SQL.
    Sql(String),
    /// A report by name, and its parameters as they are spelled: `min-copies` or `min_copies`, and the text.
    Report(String, Vec<(String, String)>),
}

/// What an answer may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// It has more rows than this.
    MoreRows(u64),
    /// It has no rows.
    NoRows,
    /// It has rows of which this SQL condition is true.
    RowsWhere(String),
    /// The first column of its only row compares so with a number. NULL and NaN compare with nothing: then
    /// nobody knows.
    Value(Compare, f64),
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `above`
    Above,
    /// `below`
    Below,
    /// `at least`
    AtLeast,
    /// `at most`
    AtMost,
}

impl Compare {
    /// Whether `value` is so against `limit`.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Compare::Above => value > limit,
            Compare::Below => value < limit,
            Compare::AtLeast => value >= limit,
            Compare::AtMost => value <= limit,
        }
    }
}

const USAGE: &str = "a condition is `report NAME --option VALUE …` or `SELECT …`, and then `has rows`, `has no rows`, `has more than N \
                     rows`, `has rows where CONDITION`, or `is above|below|at least|at most NUMBER`";

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<When, String> {
        let text = text.trim();
        let (question, test) = split(text).ok_or_else(|| USAGE.to_owned())?;
        let question = question.trim().trim_end_matches(';').trim_end();
        if question.is_empty() {
            return Err(USAGE.to_owned());
        }
        let question =
            match question.strip_prefix("report").filter(|rest| rest.starts_with(char::is_whitespace)) {
                Some(rest) => report(rest)?,
                None => Question::Sql(question.to_owned()),
            };
        Ok(When { question, test, text: text.to_owned() })
    }
}

/// What stands before the last words, and what these say.
fn split(text: &str) -> Option<(&str, Test)> {
    if let Some(question) = text.strip_suffix(" has rows") {
        return Some((question, Test::MoreRows(0)));
    }
    if let Some(question) = text.strip_suffix(" has no rows") {
        return Some((question, Test::NoRows));
    }
    if let Some((question, number)) =
        text.strip_suffix(" rows").and_then(|text| text.rsplit_once(" has more than "))
        && let Ok(number) = number.trim().parse()
    {
        return Some((question, Test::MoreRows(number)));
    }
    let value = || {
        let (rest, number) = text.rsplit_once(char::is_whitespace)?;
        let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
        let compare = [
            (" is above", Compare::Above),
            (" is below", Compare::Below),
            (" is at least", Compare::AtLeast),
            (" is at most", Compare::AtMost),
        ];
        let rest = rest.trim_end();
        compare
            .into_iter()
            .find_map(|(words, compare)| Some((rest.strip_suffix(words)?, Test::Value(compare, number))))
    };
    value().or_else(|| {
        let (question, condition) = text.rsplit_once(" has rows where ")?;
        Some((question, Test::RowsWhere(condition.trim().to_owned())))
    })
}

/// `NAME --option VALUE --option=VALUE --flag`, with quotes as in a shell.
fn report(text: &str) -> Result<Question, String> {
    let words = shlex::split(text).ok_or("a quote of the report's options is not closed")?;
    let mut words = words.into_iter().peekable();
    let name = words.next().ok_or_else(|| USAGE.to_owned())?;
    let mut values = Vec::new();
    while let Some(word) = words.next() {
        let option = word
            .strip_prefix("--")
            .ok_or_else(|| format!("`{word}` is no option of a report: write --NAME VALUE"))?;
        let (option, value) = match option.split_once('=') {
            Some((option, value)) => (option.to_owned(), value.to_owned()),
            None => {
                let value = words.next_if(|next| !next.starts_with("--"));
                (option.to_owned(), value.unwrap_or_else(|| "true".to_owned()))
            }
        };
        values.push((option.replace('-', "_"), value));
    }
    Ok(Question::Report(name, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn when(text: &str) -> Result<When, String> {
        When::try_from(text.to_owned())
    }

    #[test]
    fn conditions_are_a_question_and_a_test() {
        let sql = |text: &str| Question::Sql(text.into());
        let report = |name: &str, values: &[(&str, &str)]| {
            let values =
                values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Question::Report(name.into(), values)
        };
        for (text, question, test) in [
            ("SELECT 1 has rows", sql("SELECT 1"), Test::MoreRows(0)),
            ("SELECT 1;  has no rows", sql("SELECT 1"), Test::NoRows),
            ("SELECT 1 has more than 12 rows", sql("SELECT 1"), Test::MoreRows(12)),
            (
                "SELECT a IS NULL FROM b is at least -2.5",
                sql("SELECT a IS NULL FROM b"),
                Test::Value(Compare::AtLeast, -2.5),
            ),
            ("reporting has rows", sql("reporting"), Test::MoreRows(0)),
            (
                "report under-replicated --min-copies 2 has rows",
                report("under-replicated", &[("min_copies", "2")]),
                Test::MoreRows(0),
            ),
            (
                "report x --a='b c' --all --n -1 has rows where failed > 5 AND what = 'has rows'",
                report("x", &[("a", "b c"), ("all", "true"), ("n", "-1")]),
                Test::RowsWhere("failed > 5 AND what = 'has rows'".into()),
            ),
        ] {
            assert_eq!(when(text), Ok(When { question, test, text: text.into() }), "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for (text, words) in [
            ("SELECT 1", "has more than N"),
            ("has rows", "has more than N"),
            ("SELECT 1 is above x", "has more than N"),
            ("SELECT 1 is above inf", "has more than N"),
            ("report x y has rows", "`y` is no option"),
            ("report x --a 'b has rows", "not closed"),
        ] {
            let error = when(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}

//! Scripts: several statements in one text.

use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError};

use super::dialect::PinqlDialect;
use crate::error::{Error, Place, Result};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without the semicolon.
    pub sql: String,
    /// The line of the script on which it starts, counted from 1.
    pub line: u64,
    /// The column there, in characters, counted from 1.
    pub column: u64,
}

/// Splits a script into its statements, at semicolons outside of strings, quoted names and comments.
///
/// # Errors
/// If a string, a quoted name or a comment does not end.
pub fn split_statements(script: &str) -> Result<Vec<Statement>> {
    let tokens = tokenize(script).map_err(|error| Error::Sql {
        message: error.message.to_lowercase(),
        place: Some(Place { line: error.location.line, column: error.location.column }),
        hint: None,
    })?;
    let mut statements = Vec::new();
    let mut open: Option<Location> = None;
    for token in tokens {
        match token.token {
            Token::SemiColon => {
                statements.extend(open.take().map(|start| cut(script, start, Some(token.span.start))))
            }
            Token::Whitespace(_) => {}
            _ => open = open.or(Some(token.span.start)),
        }
    }
    statements.extend(open.map(|start| cut(script, start, None)));
    Ok(statements)
}

/// Whether the text ends with a semicolon that closes a statement, or is blank: then nothing more is to be typed.
pub fn is_complete(script: &str) -> bool {
    match tokenize(script) {
        Ok(tokens) => {
            let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
            last.is_none_or(|token| token.token == Token::SemiColon)
        }
        Err(_) => false,
    }
}

/// Checks that there is one statement.
pub(super) fn one_statement(sql: &str) -> Result<()> {
    let refused = |message: &str, hint: &str, place| {
        Err(Error::Sql { message: message.into(), place, hint: Some(hint.into()) })
    };
    match split_statements(sql)?.as_slice() {
        [_] => Ok(()),
        [] => refused("there is no statement", "try SELECT * FROM pins LIMIT 10", None),
        [_, second, ..] => {
            let place = Place { line: second.line, column: second.column };
            refused("more than one statement", "ask them one after the other", Some(place))
        }
    }
}

fn tokenize(script: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Tokenizer::new(&PinqlDialect, script).tokenize_with_location()
}

fn cut(script: &str, start: Location, end: Option<Location>) -> Statement {
    let end = end.map_or(script.len(), |end| offset(script, end));
    Statement {
        sql: script[offset(script, start)..end].trim_end().to_owned(),
        line: start.line,
        column: start.column,
    }
}

/// Where a place lies in the text, in bytes.
fn offset(script: &str, place: Location) -> usize {
    let line_at = match place.line {
        0 | 1 => 0,
        line => script.match_indices('\n').nth(line as usize - 2).map_or(script.len(), |(at, _)| at + 1),
    };
    let column = place.column.saturating_sub(1) as usize;
    script[line_at..].char_indices().nth(column).map_or(script.len(), |(at, _)| line_at + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_and_not_inside_of_strings_names_or_comments() {
        let script =
            "-- first; comment\nSELECT ';' AS \"a;b\"; /* ; */ ;\n\n  SELECT 'é' ,\n 2 ; SELECT 3 -- end;";
        let statements = split_statements(script).unwrap();
        let expected =
            [("SELECT ';' AS \"a;b\"", 2, 1), ("SELECT 'é' ,\n 2", 4, 3), ("SELECT 3 -- end;", 5, 6)];
        let expected = expected.map(|(sql, line, column)| Statement { sql: sql.into(), line, column });
        assert_eq!(statements, expected);
    }

    #[test]
    fn a_text_is_complete_once_its_last_statement_is_closed() {
        for (text, complete) in [
            ("", true),
            ("  \n", true),
            ("-- nothing", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("SELECT 1; -- done", true),
            ("SELECT ';", false),
            ("SELECT \";", false),
            ("/* ;", false),
            ("SELECT 1; SELECT", false),
        ] {
            assert_eq!(is_complete(text), complete, "{text:?}");
        }
    }

    #[test]
    fn an_open_string_is_an_error_with_its_place() {
        let Err(Error::Sql { place, .. }) = split_statements("SELECT 1;\nSELECT 'open") else {
            panic!("accepted")
        };
        assert_eq!(place, Some(Place { line: 2, column: 8 }));
    }
}

//! Places in a statement, for errors that DataFusion gives none.

use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::dialect::PinqlDialect;
use crate::error::Place;

/// Where the first token is that `wanted` knows.
fn find(sql: &str, wanted: impl Fn(&Token) -> bool) -> Option<Place> {
    let tokens = Tokenizer::new(&PinqlDialect, sql).tokenize_with_location().ok()?;
    let found = tokens.iter().find(|token| wanted(&token.token))?;
    Some(Place { line: found.span.start.line, column: found.span.start.column })
}

/// Where a name stands in the statement, in any case and quoted or not.
pub(super) fn find_word(sql: &str, word: &str) -> Option<Place> {
    find(sql, |token| matches!(token, Token::Word(found) if found.value.eq_ignore_ascii_case(word)))
}

/// Where it stands for the last time.
pub(super) fn find_last_word(sql: &str, word: &str) -> Option<Place> {
    let tokens = Tokenizer::new(&PinqlDialect, sql).tokenize_with_location().ok()?;
    let found = tokens.iter().rfind(
        |token| matches!(&token.token, Token::Word(found) if found.value.eq_ignore_ascii_case(word)),
    )?;
    Some(Place { line: found.span.start.line, column: found.span.start.column })
}

/// Where a number stands.
pub(super) fn find_number(sql: &str, number: &str) -> Option<Place> {
    find(sql, |token| matches!(token, Token::Number(found, _) if found == number))
}

/// Behind the last token.
pub(super) fn end_of(sql: &str) -> Option<Place> {
    let tokens = Tokenizer::new(&PinqlDialect, sql).tokenize_with_location().ok()?;
    let last = tokens.iter().rfind(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))?;
    Some(Place { line: last.span.end.line, column: last.span.end.column })
}

/// The first place in a syntax tree that is part of a message.
pub(super) fn place_in_tree(text: &str) -> Option<Place> {
    let (line, column) = text.split_once("Location(")?.1.split_once(')')?.0.split_once(',')?;
    let place = Place { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? };
    Some(place).filter(|place| place.line > 0)
}

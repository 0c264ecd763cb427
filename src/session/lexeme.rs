//! The parts of a text that someone is still typing, for those who colour or complete it: it need not be whole.

use std::ops::Range;

use datafusion::sql::sqlparser::keywords::{
    Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER, RESERVED_FOR_TABLE_ALIAS,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use super::dialect::PinqlDialect;

/// What a part of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A name or a keyword without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A parameter, such as `$name`.
    Parameter,
    /// A comment. One that goes to the end of its line ends before the line break.
    Comment,
    /// A parenthesis, a comma, an operator.
    Symbol,
    /// A string that has no end yet.
    OpenText,
    /// A name in quotes that has no end yet.
    OpenQuoted,
    /// A comment that has no end yet.
    OpenComment,
}

/// One part of a text. Blanks are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lexeme {
    /// What it is.
    pub part: Part,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// The parts of a text, in order. Whatever has no end is one part up to the end of the text.
pub fn lexemes(sql: &str) -> Vec<Lexeme> {
    let mut tokens: Vec<TokenWithSpan> = Vec::new();
    let whole = Tokenizer::new(&PinqlDialect, sql).tokenize_with_location_into_buf(&mut tokens).is_ok();
    let mut places = Places::new(sql);
    let mut lexemes = Vec::with_capacity(tokens.len() / 2);
    let mut end = 0;
    for token in &tokens {
        let start = places.offset(token.span.start);
        end = places.offset(token.span.end).max(start);
        let Some(part) = part(&token.token) else { continue };
        let text = sql[start..end].trim_end_matches(['\n', '\r']);
        let open = part == Part::Comment && text.starts_with("/*") && !text.ends_with("*/");
        let part = if open { Part::OpenComment } else { part };
        lexemes.push(Lexeme { part, range: start..start + text.len() });
    }
    if !whole {
        let rest = &sql[end..];
        let start = end + (rest.len() - rest.trim_start().len());
        lexemes.push(Lexeme { part: opened(&sql[start..]), range: start..sql.len() });
    }
    lexemes.retain(|lexeme| !lexeme.range.is_empty());
    lexemes
}

fn part(token: &Token) -> Option<Part> {
    Some(match token {
        Token::Word(word) if word.quote_style.is_some() => Part::Quoted,
        Token::Word(_) => Part::Word,
        Token::Number(..) => Part::Number,
        Token::Placeholder(_) => Part::Parameter,
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
            Part::Comment
        }
        Token::Whitespace(_) | Token::EOF => return None,
        Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_)
        | Token::TripleSingleQuotedString(_)
        | Token::TripleDoubleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::DoubleQuotedByteStringLiteral(_) => Part::Text,
        _ => Part::Symbol,
    })
}

/// What it is that a text begins and does not end.
fn opened(rest: &str) -> Part {
    let mark = rest.find(['\'', '"', '`']).map(|at| rest.as_bytes()[at]);
    match mark {
        _ if rest.starts_with("/*") => Part::OpenComment,
        _ if rest.starts_with('$') => Part::OpenText,
        Some(b'"' | b'`') => Part::OpenQuoted,
        _ => Part::OpenText,
    }
}

/// Turns places into offsets, each beyond the one before it.
struct Places<'t> {
    text: &'t str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Places<'t> {
        Places { text, at: 0, line: 1, column: 1 }
    }

    fn offset(&mut self, place: Location) -> usize {
        let mut letters = self.text[self.at..].chars();
        while (self.line, self.column) < (place.line, place.column)
            && let Some(letter) = letters.next()
        {
            self.at += letter.len_utf8();
            match letter {
                '\n' => (self.line, self.column) = (self.line + 1, 1),
                _ => self.column += 1,
            }
        }
        self.at
    }
}

/// A name as SQL takes it, in quotes only where it must be.
pub fn quote_name(name: &str) -> String {
    let simple = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter == '_' || letter.is_ascii_digit() || letter.is_ascii_lowercase());
    match simple && !is_reserved(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Whether a name without quotes is taken for something else in some places.
fn is_reserved(name: &str) -> bool {
    let Token::Word(word) = Token::make_word(name, None) else { return false };
    word.keyword != Keyword::NoKeyword
        && [RESERVED_FOR_IDENTIFIER, RESERVED_FOR_TABLE_ALIAS, RESERVED_FOR_COLUMN_ALIAS]
            .iter()
            .any(|reserved| reserved.contains(&word.keyword))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(sql: &str) -> Vec<(Part, &str)> {
        lexemes(sql).into_iter().map(|lexeme| (lexeme.part, &sql[lexeme.range])).collect()
    }

    #[test]
    fn every_part_is_told_with_its_place() {
        use Part::{Comment, Number, Parameter, Quoted, Symbol, Text, Word};
        assert_eq!(
            parts("SELECT é, \"a b\" -- why\n  FROM t WHERE x >= 1.5 AND y = 'a''b' AND z = $n;"),
            [
                (Word, "SELECT"),
                (Word, "é"),
                (Symbol, ","),
                (Quoted, "\"a b\""),
                (Comment, "-- why"),
                (Word, "FROM"),
                (Word, "t"),
                (Word, "WHERE"),
                (Word, "x"),
                (Symbol, ">="),
                (Number, "1.5"),
                (Word, "AND"),
                (Word, "y"),
                (Symbol, "="),
                (Text, "'a''b'"),
                (Word, "AND"),
                (Word, "z"),
                (Symbol, "="),
                (Parameter, "$n"),
                (Symbol, ";"),
            ]
        );
    }

    #[test]
    fn what_has_no_end_goes_to_the_end_of_the_text() {
        for (sql, part, text) in [
            ("SELECT 'ab\ncd", Part::OpenText, "'ab\ncd"),
            ("SELECT  \"ab", Part::OpenQuoted, "\"ab"),
            ("SELECT 1 /* why", Part::OpenComment, "/* why"),
            ("x = '", Part::OpenText, "'"),
            ("x = X'12", Part::OpenText, "X'12"),
        ] {
            assert_eq!(parts(sql).last(), Some(&(part, text)), "{sql:?}");
        }
        assert_eq!(parts(" \n "), []);
    }

    #[test]
    fn only_names_that_need_quotes_get_them() {
        for (name, quoted) in [
            ("pins", "pins"),
            ("s3_main", "s3_main"),
            ("S3", "\"S3\""),
            ("my-backend", "\"my-backend\""),
            ("2nd", "\"2nd\""),
            ("order", "\"order\""),
            ("a\"b", "\"a\"\"b\""),
        ] {
            assert_eq!(quote_name(name), quoted);
        }
    }
}

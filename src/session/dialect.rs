//! The SQL that is understood: sqlparser's generic dialect, with `->` and `->>` binding as in PostgreSQL.
//!
//! There, and in every example that people copy, `metadata ->> 'kind' = 'video'` compares what the arrow gives. The generic
//! dialect reads it as `metadata ->> ('kind' = 'video')`.

use std::any::TypeId;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Between comparisons (20) and `+` (30).
const ARROWS: u8 = 25;

/// The dialect of pinql.
#[derive(Debug)]
pub(super) struct PinqlDialect;

/// Parses the only statement of `sql`.
pub(super) fn parse(sql: &str) -> datafusion::common::Result<Option<Statement>> {
    let mut statements = DFParserBuilder::new(sql).with_dialect(&PinqlDialect).build()?.parse_statements()?;
    Ok(statements.pop_front())
}

/// What the generic dialect says.
macro_rules! as_generic {
    ($($method:ident)*) => {
        $(fn $method(&self) -> bool { GenericDialect {}.$method() })*
    };
}

impl Dialect for PinqlDialect {
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        matches!(parser.peek_token_ref().token, Token::Arrow | Token::LongArrow).then_some(Ok(ARROWS))
    }

    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        GenericDialect {}.is_delimited_identifier_start(letter)
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        GenericDialect {}.is_identifier_start(letter)
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        GenericDialect {}.is_identifier_part(letter)
    }

    as_generic! {
        allow_extract_custom allow_extract_single_quotes support_map_literal_syntax supports_array_join_syntax
        supports_array_typedef_with_brackets supports_bitwise_shift_operators supports_comma_separated_trim
        supports_connect_by supports_cte_without_as supports_dictionary_syntax supports_empty_projections
        supports_explain_with_utility_options supports_extract_comma_syntax supports_filter_during_aggregation
        supports_from_first_select supports_group_by_expr supports_group_by_with_modifier supports_interpolate
        supports_interval_options supports_left_associative_joins_without_parens supports_limit_by supports_limit_comma
        supports_match_against supports_match_recognize supports_multiline_comment_hints
        supports_named_fn_args_with_assignment_operator supports_nested_comments
        supports_parens_around_table_factor supports_partition_by_after_order_by supports_pipe_operator
        supports_prewhere supports_projection_trailing_commas supports_quote_delimited_string
        supports_select_format supports_select_item_multi_column_alias supports_select_wildcard_except
        supports_select_wildcard_exclude supports_select_wildcard_ilike supports_select_wildcard_rename
        supports_select_wildcard_replace supports_settings supports_string_escape_constant supports_struct_literal
        supports_try_convert supports_unicode_string_literal supports_values_as_table_factor
        supports_window_clause_named_window_reference supports_window_function_null_treatment_arg
        supports_with_fill supports_xml_expressions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_bind_tighter_than_what_compares_their_result() {
        for (sql, read) in [
            ("m ->> 'a' = 'b'", "(m ->> 'a') = 'b'"),
            ("m -> 'a' ->> 'b' LIKE 'c'", "((m -> 'a') ->> 'b') LIKE 'c'"),
            ("m ->> 'a' IN ('b')", "(m ->> 'a') IN ('b')"),
            ("m ->> 'a' IS NULL OR x", "((m ->> 'a') IS NULL) OR x"),
            ("m ->> 'a' || 'b'", "m ->> ('a' || 'b')"),
            ("m ->> 'a'::TEXT", "m ->> ('a'::TEXT)"),
        ] {
            let tree = |sql: &str| format!("{:?}", strip(parse(&format!("SELECT {sql}")).unwrap().unwrap()));
            assert_eq!(tree(sql), tree(read), "{sql}");
        }
    }

    /// The tree without parentheses and places.
    fn strip(statement: Statement) -> String {
        let text = format!("{statement:?}");
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("Nested(") {
            out.push_str(before);
            rest = after;
        }
        out.push_str(rest);
        out.chars().filter(|letter| !matches!(letter, ')' | '0'..='9' | ' ')).collect()
    }
}

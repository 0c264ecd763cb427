//! A table in GitHub's Markdown, numbers to the right.
//!
//! A value reads as itself once rendered: what Markdown would take for markup has a backslash before it, and a line
//! break is `<br>`. NULL and the empty string are both empty.

use arrow::datatypes::Schema;

use super::layout::is_number;
use super::rows::Rows;
use super::text::Text;
use super::value::Column;

/// A Markdown table.
pub(super) struct Markdown;

impl Rows for Markdown {
    type Line<'a> = &'a [Column<'a>];

    fn head(&self, schema: &Schema, out: &mut Text) {
        let fields = schema.fields();
        // Markdown knows no table without columns.
        if fields.is_empty() {
            return;
        }
        for field in fields {
            out.push_str("| ");
            push_escaped(field.name(), out);
            out.push(' ');
        }
        out.push_str("|\n");
        for field in fields {
            out.push_str(match is_number(field.data_type()) {
                true => "| ---: ",
                false => "| --- ",
            });
        }
        out.push_str("|\n");
    }

    fn line<'a>(&self, columns: &'a [Column<'a>]) -> Self::Line<'a> {
        columns
    }

    fn row(&self, columns: &Self::Line<'_>, row: usize, _first: bool, out: &mut Text) {
        if columns.is_empty() {
            return;
        }
        for column in *columns {
            out.push_str("| ");
            if !column.is_null(row) {
                let start = out.len();
                column.text(row, out);
                if !column.is_plain() {
                    let cell = out.split_off(start);
                    push_escaped(&cell, out);
                }
            }
            out.push(' ');
        }
        out.push_str("|\n");
    }
}

fn push_escaped(cell: &str, out: &mut Text) {
    let mut before = ' ';
    let mut rest = cell.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' | '\n' => out.push_str("<br>"),
            // Inside a word an underscore is only that, and `created_at` is easier to read than `created\_at`.
            '_' if before.is_alphanumeric() && rest.peek().is_some_and(|c| c.is_alphanumeric()) => {
                out.push(c);
            }
            '\\' | '|' | '`' | '*' | '_' | '~' | '[' | '<' | '&' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::super::Format;
    use super::super::sample::{batch, strings, text};
    use super::super::text::Text;
    use super::push_escaped;

    #[test]
    fn a_table_has_a_header_and_numbers_to_the_right() {
        let rows = batch(vec![
            ("backend_name", strings(&[Some("s3"), None])),
            ("copies", Arc::new(Int64Array::from(vec![Some(12), None]))),
        ]);
        insta::assert_snapshot!(text(Format::Markdown, &rows), @r"
        | backend_name | copies |
        | --- | ---: |
        | s3 | 12 |
        |  |  |
        ");
    }

    #[test]
    fn a_value_reads_as_itself_once_rendered() {
        for (value, cell) in [
            ("a|b", "a\\|b"),
            ("a\\|b", "a\\\\\\|b"),
            ("a\nb\r\nc\rd", "a<br>b<br>c<br>d"),
            ("<b>", "\\<b>"),
            ("*a* `b` ~c~ [d](e) &amp;", "\\*a\\* \\`b\\` \\~c\\~ \\[d](e) \\&amp;"),
            ("_a_ a_b __", "\\_a\\_ a_b \\_\\_"),
            (r#"{"name": "x.car"}"#, r#"{"name": "x.car"}"#),
        ] {
            let mut line = Text::default();
            push_escaped(value, &mut line);
            assert_eq!(line.as_str(), cell, "{value:?}");
        }
    }
}

//! A table in GitHub's Markdown, numbers to the right.
//!
//! A value reads as itself once rendered: what Markdown would take for markup has a backslash before it, and a line
//! break is `<br>`. NULL and the empty string are both empty.

use arrow::datatypes::Schema;

use super::layout::is_number;
use super::rows::Rows;
use super::value::Column;

/// A Markdown table.
pub(super) struct Markdown;

impl Rows for Markdown {
    fn head(&mut self, schema: &Schema, line: &mut String) {
        let fields = schema.fields();
        // Markdown knows no table without columns.
        if fields.is_empty() {
            return;
        }
        for field in fields {
            line.push_str("| ");
            push_escaped(field.name(), line);
            line.push(' ');
        }
        line.push_str("|\n");
        for field in fields {
            line.push_str(match is_number(field.data_type()) {
                true => "| ---: ",
                false => "| --- ",
            });
        }
        line.push_str("|\n");
    }

    fn row(&mut self, columns: &[Column<'_>], row: usize, line: &mut String) {
        if columns.is_empty() {
            return;
        }
        for column in columns {
            line.push_str("| ");
            if !column.is_null(row) {
                let start = line.len();
                column.text(row, line);
                if !column.is_plain() {
                    let cell = line.split_off(start);
                    push_escaped(&cell, line);
                }
            }
            line.push(' ');
        }
        line.push_str("|\n");
    }
}

fn push_escaped(cell: &str, line: &mut String) {
    let mut before = ' ';
    let mut rest = cell.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' | '\n' => line.push_str("<br>"),
            // Inside a word an underscore is only that, and `created_at` is easier to read than `created\_at`.
            '_' if before.is_alphanumeric() && rest.peek().is_some_and(|c| c.is_alphanumeric()) => {
                line.push(c);
            }
            '\\' | '|' | '`' | '*' | '_' | '~' | '[' | '<' | '&' => {
                line.push('\\');
                line.push(c);
            }
            c => line.push(c),
        }
        before = c;
    }
}

//! CSV and TSV, both with a header line always, and line feeds as line ends.
//!
//! CSV quotes as RFC 4180 says: a field with a comma, a quote, a line break, or a blank at either end. NULL is an empty
//! field and the empty string is `""`. TSV is the text format of PostgreSQL's COPY: `\t`, `\n`, `\r` and `\\` stand for
//! the characters that would break it, and NULL is `\N`.

use arrow::datatypes::Schema;

use super::rows::Rows;
use super::value::{Column, any_byte};

/// Comma-separated values.
#[derive(Default)]
pub(super) struct Csv {
    field: String,
}

impl Rows for Csv {
    fn head(&mut self, schema: &Schema, line: &mut String) {
        for (i, field) in schema.fields().iter().enumerate() {
            separate(i, ',', line);
            let start = line.len();
            line.push_str(field.name());
            self.quote_from(start, line);
        }
        line.push('\n');
    }

    fn row(&mut self, columns: &[Column<'_>], row: usize, line: &mut String) {
        for (i, column) in columns.iter().enumerate() {
            separate(i, ',', line);
            if column.is_null(row) {
                continue;
            }
            let start = line.len();
            column.text(row, line);
            if !column.is_plain() {
                self.quote_from(start, line);
            }
        }
        line.push('\n');
    }
}

impl Csv {
    /// Quotes the field that `line` holds from `start` on, if it needs it.
    fn quote_from(&mut self, start: usize, line: &mut String) {
        if !needs_quotes(&line.as_bytes()[start..]) {
            return;
        }
        self.field.clear();
        self.field.push_str(&line[start..]);
        line.truncate(start);
        line.push('"');
        for (i, part) in self.field.split('"').enumerate() {
            if i > 0 {
                line.push_str("\"\"");
            }
            line.push_str(part);
        }
        line.push('"');
    }
}

fn needs_quotes(field: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    field.is_empty()
        || blank(field.first())
        || blank(field.last())
        || any_byte(field, |b| {
            (b == b',') | (b == b'"') | (b == b'\n') | (b == b'\r')
        })
}

/// Tab-separated values.
pub(super) struct Tsv;

impl Rows for Tsv {
    fn head(&mut self, schema: &Schema, line: &mut String) {
        for (i, field) in schema.fields().iter().enumerate() {
            separate(i, '\t', line);
            let start = line.len();
            line.push_str(field.name());
            escape_from(start, line);
        }
        line.push('\n');
    }

    fn row(&mut self, columns: &[Column<'_>], row: usize, line: &mut String) {
        for (i, column) in columns.iter().enumerate() {
            separate(i, '\t', line);
            if column.is_null(row) {
                line.push_str("\\N");
                continue;
            }
            let start = line.len();
            column.text(row, line);
            if !column.is_plain() {
                escape_from(start, line);
            }
        }
        line.push('\n');
    }
}

/// Escapes the field that `line` holds from `start` on, if it needs it.
fn escape_from(start: usize, line: &mut String) {
    let special = |b| (b == b'\t') | (b == b'\n') | (b == b'\r') | (b == b'\\');
    if !any_byte(&line.as_bytes()[start..], special) {
        return;
    }
    let field = line.split_off(start);
    for c in field.chars() {
        match c {
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\\' => line.push_str("\\\\"),
            c => line.push(c),
        }
    }
}

fn separate(index: usize, separator: char, line: &mut String) {
    if index > 0 {
        line.push(separator);
    }
}

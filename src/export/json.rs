//! JSON: one array with an object a line, or an object a line without the array (NDJSON).
//!
//! Every object has every key, in the order of the columns; NULL is `null`. Integers of 64 bits and decimals are JSON
//! numbers with all their digits: read them with a parser that keeps them. An empty array is `[]`, an empty NDJSON
//! nothing at all.
//!
//! Arrow's own JSON writer is not used: it leaves out keys, cuts decimals to their declared precision, and spells times
//! and binary differently from our other formats.

use arrow::datatypes::Schema;

use crate::error::Result;

use super::Format;
use super::columns::refuse_duplicates;
use super::rows::Rows;
use super::value::{Column, push_json_string};

/// Writes one array.
pub(super) fn array(schema: &Schema) -> Result<impl Rows + use<>> {
    refuse_duplicates(Format::Json, schema)?;
    Ok(Array {
        keys: keys(schema),
        empty: true,
    })
}

/// Writes one object a line.
pub(super) fn lines(schema: &Schema) -> Result<impl Rows + use<>> {
    refuse_duplicates(Format::Ndjson, schema)?;
    Ok(Lines { keys: keys(schema) })
}

struct Array {
    keys: Vec<String>,
    empty: bool,
}

impl Rows for Array {
    fn row(&mut self, columns: &[Column<'_>], row: usize, line: &mut String) {
        // A line is ended by what follows it, because only then is it known whether a comma belongs there.
        line.push_str(if self.empty { "[\n" } else { ",\n" });
        self.empty = false;
        push_object(&self.keys, columns, row, line);
    }

    fn tail(&mut self, line: &mut String) {
        line.push_str(if self.empty { "[]\n" } else { "\n]\n" });
    }
}

struct Lines {
    keys: Vec<String>,
}

impl Rows for Lines {
    fn row(&mut self, columns: &[Column<'_>], row: usize, line: &mut String) {
        push_object(&self.keys, columns, row, line);
        line.push('\n');
    }
}

/// The keys as they stand before each value: `{"first":`, `,"second":`.
fn keys(schema: &Schema) -> Vec<String> {
    let names = schema.fields().iter().map(|field| field.name());
    names
        .enumerate()
        .map(|(i, name)| {
            let mut key = String::from(if i == 0 { "{" } else { "," });
            push_json_string(name, &mut key);
            key.push(':');
            key
        })
        .collect()
}

fn push_object(keys: &[String], columns: &[Column<'_>], row: usize, line: &mut String) {
    if keys.is_empty() {
        line.push('{');
    }
    for (key, column) in keys.iter().zip(columns) {
        line.push_str(key);
        column.json(row, line);
    }
    line.push('}');
}

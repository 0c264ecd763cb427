//! `\summarize`: what the columns of a table hold.

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use pinql::report::Bindings;
use pinql::session::quote_name;

use super::Shell;
use super::complete::in_words;
use crate::cli::failure::Outcome;
use crate::cli::rows;

/// What is asked of each column.
const ASKED: usize = 4;

impl Shell<'_> {
    /// Shows the type, the number of NULLs and of different values, the least and the greatest of each column.
    pub(super) fn summarize(&mut self, table: &str) -> Outcome<()> {
        let (columns, _) =
            self.engine.collect(&format!("SELECT * FROM {table} LIMIT 0"), &Bindings::default())?;
        let (_, batches) = self.engine.collect(&question(table, &columns), &Bindings::default())?;
        let values = batches.first().map(texts).unwrap_or_default();
        let rows: u64 =
            values.first().cloned().flatten().and_then(|rows| rows.parse().ok()).unwrap_or_default();
        let of = |column: usize, asked: usize| values.get(1 + column * ASKED + asked).cloned().flatten();
        let number = |column, asked| of(column, asked).and_then(|text| text.parse::<u64>().ok());
        let all = || 0..columns.fields().len();
        let summary = vec![
            rows::text("column", columns.fields().iter().map(|field| Some(field.name().clone()))),
            rows::text("type", columns.fields().iter().map(|field| Some(in_words(field.data_type())))),
            rows::number(
                "nulls",
                all().map(|column| Some(rows.saturating_sub(number(column, 0).unwrap_or(rows)))),
            ),
            rows::number("different", all().map(|column| number(column, 1))),
            rows::text("least", all().map(|column| of(column, 2))),
            rows::text("greatest", all().map(|column| of(column, 3))),
        ];
        rows::write(summary, &self.output)?;
        self.ui.note(&format!(
            "({}; different values are estimated, within a few per cent)",
            pinql::pin::counted(rows, "row", "rows")
        ));
        Ok(())
    }
}

/// One row with the count of all rows, then four values of each column.
fn question(table: &str, columns: &Schema) -> String {
    let of_column = columns.fields().iter().map(|field| {
        let name = quote_name(field.name());
        let nested = field.data_type().is_nested();
        let shown = |value: String| match field.data_type() {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                format!("encode({value}, 'hex')")
            }
            _ => format!("CAST({value} AS VARCHAR)"),
        };
        match nested {
            // What has no order and no hash is only counted.
            true => format!("COUNT({name}), NULL, NULL, NULL"),
            false => format!(
                "COUNT({name}), approx_distinct({name}), {}, {}",
                shown(format!("min({name})")),
                shown(format!("max({name})"))
            ),
        }
    });
    let asked: Vec<String> = std::iter::once("COUNT(*)".to_owned()).chain(of_column).collect();
    let named = asked.join(", ");
    format!("SELECT {named} FROM {table}")
}

/// The values of a lone row as text.
fn texts(batch: &RecordBatch) -> Vec<Option<String>> {
    let text = |values: &ArrayRef| {
        let text = cast(values, &DataType::Utf8).ok()?;
        text.as_string_opt::<i32>()?.iter().next().flatten().map(String::from)
    };
    batch.columns().iter().map(text).collect()
}

//! The loop of all formats that write one row after another: CSV, TSV, JSON, NDJSON, Markdown.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;

use super::columns::refuse_others;
use super::output::{BUFFER, Output, Sink};
use super::value::Column;
use super::{Encoder, Format, Written};

/// How one format writes rows. Each call appends to `line` and ends what it appends.
pub(super) trait Rows {
    /// What comes before the first row.
    fn head(&mut self, _schema: &Schema, _line: &mut String) {}

    /// One row.
    fn row(&mut self, columns: &[Column<'_>], row: usize, line: &mut String);

    /// What comes after the last row.
    fn tail(&mut self, _line: &mut String) {}
}

/// Starts an answer: writes the head, so that an empty answer has one.
pub(super) fn encoder<'w, R: Rows + 'w>(
    format: Format,
    out: Sink<'w>,
    schema: SchemaRef,
    mut rows: R,
) -> Result<Box<dyn Encoder + 'w>> {
    let mut out = Output::new(out);
    let mut lines = String::new();
    rows.head(&schema, &mut lines);
    out.put(&lines)?;
    Ok(Box::new(RowEncoder { format, schema, rows, out, lines, written: 0 }))
}

struct RowEncoder<'w, R> {
    format: Format,
    schema: SchemaRef,
    rows: R,
    out: Output<'w>,
    /// So many that they go past the buffer of the output.
    lines: String,
    written: u64,
}

impl<R: Rows> Encoder for RowEncoder<'_, R> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(self.format, &self.schema, batch)?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
        self.lines.clear();
        for row in 0..batch.num_rows() {
            self.rows.row(&columns, row, &mut self.lines);
            if self.lines.len() >= BUFFER {
                self.out.put(&self.lines)?;
                self.lines.clear();
            }
        }
        self.out.put(&self.lines)?;
        self.written += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.lines.clear();
        self.rows.tail(&mut self.lines);
        self.out.put(&self.lines)?;
        self.out.flush()?;
        Ok(Written { rows: self.written, shown: self.written })
    }
}

//! The loop of all formats that write one row after another: CSV, TSV, JSON, NDJSON, Markdown.

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;

use super::columns::refuse_others;
use super::output::{Output, Sink};
use super::value::Column;
use super::{Encoder, Format, Written};

/// Rows that are written at once, by each of two threads.
const PIECE: usize = 2048;
/// Fewer rows are not worth a thread.
const FEW: usize = 256;
/// Bytes of a piece at most, and the row that goes beyond.
const PIECE_BYTES: usize = 4 << 20;

/// How one format writes rows. Each call appends to `line` and ends what it appends.
pub(super) trait Rows: Sync {
    /// What comes before the first row.
    fn head(&self, _schema: &Schema, _line: &mut String) {}

    /// One row; `first` says that none was before it.
    fn row(&self, columns: &[Column<'_>], row: usize, first: bool, line: &mut String);

    /// What comes after the last row, if there was `any`.
    fn tail(&self, _any: bool, _line: &mut String) {}
}

/// Starts an answer: writes the head, so that an empty answer has one.
pub(super) fn encoder<'w, R: Rows + 'w>(
    format: Format,
    out: Sink<'w>,
    schema: SchemaRef,
    rows: R,
) -> Result<Box<dyn Encoder + 'w>> {
    let mut out = Output::new(out);
    let mut head = String::new();
    rows.head(&schema, &mut head);
    out.put(&head)?;
    let lines = [head, String::new()];
    Ok(Box::new(RowEncoder { format, schema, rows, out, lines, written: 0 }))
}

struct RowEncoder<'w, R> {
    format: Format,
    schema: SchemaRef,
    rows: R,
    out: Output<'w>,
    /// Two pieces.
    lines: [String; 2],
    written: u64,
}

impl<R: Rows> RowEncoder<'_, R> {
    /// Writes rows from `from` on, at most two pieces, which are made at once. Gives the row that comes next.
    fn pieces(&mut self, columns: &[Column<'_>], from: usize, rows: usize) -> Result<usize> {
        let middle = rows.min(from + PIECE);
        let end = rows.min(middle + PIECE);
        let (format, any) = (&self.rows, self.written > 0);
        let piece = |rows: Range<usize>, lines: &mut String| {
            lines.clear();
            for row in rows.clone() {
                if lines.len() >= PIECE_BYTES {
                    return row;
                }
                format.row(columns, row, row == 0 && !any, lines);
            }
            rows.end
        };
        let [one, other] = &mut self.lines;
        let (reached, next) = match end - middle < FEW {
            true => (piece(from..middle, one), piece(middle..end, other)),
            false => thread::scope(|scope| {
                let other = scope.spawn(|| piece(middle..end, other));
                (piece(from..middle, one), other.join().unwrap_or_else(|panic| resume_unwind(panic)))
            }),
        };
        self.out.put(one)?;
        if reached < middle {
            return Ok(reached);
        }
        self.out.put(other)?;
        Ok(next)
    }
}

impl<R: Rows> Encoder for RowEncoder<'_, R> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(self.format, &self.schema, batch)?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
        let mut row = 0;
        while row < batch.num_rows() {
            row = self.pieces(&columns, row, batch.num_rows())?;
        }
        self.written += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let mut tail = String::new();
        self.rows.tail(self.written > 0, &mut tail);
        self.out.put(&tail)?;
        self.out.flush()?;
        Ok(Written { rows: self.written, shown: self.written })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::super::sample::{batch, strings, text};
    use super::*;

    #[test]
    fn rows_keep_their_order_however_wide_they_are_and_wherever_pieces_end() {
        // Pieces that are whole, pieces that are full before their end, in the first of two or in the second, and a few rows more.
        for (rows, wide) in
            [(2 * PIECE, 0..0), (3 * PIECE + FEW - 1, 100..1_500), (2 * PIECE + 7, 2_500..4_000), (FEW, 0..9)]
        {
            let wide_text = "x".repeat(4_000);
            let texts: Vec<_> =
                (0..rows).map(|row| Some(if wide.contains(&row) { &wide_text[..] } else { "y" })).collect();
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
            let sample = batch(vec![("n", numbers), ("t", strings(&texts))]);
            let lines = |of: &dyn Fn(usize, &str) -> String| -> Vec<String> {
                texts.iter().enumerate().map(|(row, text)| of(row, text.unwrap_or_default())).collect()
            };
            let csv = lines(&|row, text| format!("{row},{text}\n")).concat();
            assert!(text(Format::Csv, &sample) == format!("n,t\n{csv}"), "{rows} rows");
            let json = lines(&|row, text| format!(r#"{{"n":{row},"t":"{text}"}}"#)).join(",\n");
            assert!(text(Format::Json, &sample) == format!("[\n{json}\n]\n"), "{rows} rows");
        }
    }
}

//! The loop of all formats that write one row after another: CSV, TSV, JSON, NDJSON, Markdown.

use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;

use super::columns::refuse_others;
use super::output::{Output, Sink};
use super::value::Column;
use super::{Encoder, Format, Written};

/// Threads that make the text of rows, while another writes it.
const MAKERS: usize = 2;
/// Rows that a thread makes at once.
const PIECE: usize = 1024;
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
    Ok(Box::new(RowEncoder { format, schema, rows, out, used: Mutex::default(), written: 0 }))
}

struct RowEncoder<'w, R> {
    format: Format,
    schema: SchemaRef,
    rows: R,
    out: Output<'w>,
    /// Texts that have gone out, for their memory.
    used: Mutex<Vec<String>>,
    written: u64,
}

/// What a thread hands over of a piece.
struct Part {
    text: String,
    /// Whether no more comes of the piece.
    is_last: bool,
}

impl<R: Rows> RowEncoder<'_, R> {
    /// Writes the rows of a batch. While some go out, the next are made.
    fn write_rows(&mut self, columns: &[Column<'_>], count: usize) -> Result<()> {
        let maker = Maker { format: &self.rows, columns, count, any: self.written > 0, used: &self.used };
        // One piece has nothing to be made meanwhile.
        if count <= PIECE {
            let mut row = 0;
            while row < count {
                let (text, reached) = maker.make(row..count);
                self.out.put(&text)?;
                maker.give_back(text);
                row = reached;
            }
            return Ok(());
        }
        thread::scope(|scope| {
            let maker = &maker;
            let mut threads: Vec<_> = (0..MAKERS)
                .map(|first| {
                    let (sender, parts) = sync_channel(1);
                    (parts, Some(scope.spawn(move || maker.make_pieces(first, &sender))))
                })
                .collect();
            for piece in 0..count.div_ceil(PIECE) {
                let (parts, thread) = &mut threads[piece % MAKERS];
                loop {
                    let Ok(Part { text, is_last }) = parts.recv() else {
                        match thread.take().map(|thread| thread.join()) {
                            Some(Err(panic)) => resume_unwind(panic),
                            _ => unreachable!("a thread makes all of its pieces"),
                        }
                    };
                    self.out.put(&text)?;
                    maker.give_back(text);
                    if is_last {
                        break;
                    }
                }
            }
            Ok(())
        })
    }
}

/// Makes the text of a batch's rows.
struct Maker<'a, R> {
    format: &'a R,
    columns: &'a [Column<'a>],
    count: usize,
    /// Whether there were rows before this batch.
    any: bool,
    used: &'a Mutex<Vec<String>>,
}

impl<R: Rows> Maker<'_, R> {
    /// Makes every so many-th piece, until nobody takes them.
    fn make_pieces(&self, first: usize, sender: &SyncSender<Part>) {
        for start in (first * PIECE..self.count).step_by(MAKERS * PIECE) {
            let (mut row, end) = (start, self.count.min(start + PIECE));
            while row < end {
                let (text, reached) = self.make(row..end);
                row = reached;
                if sender.send(Part { text, is_last: row == end }).is_err() {
                    return;
                }
            }
        }
    }

    /// The text of rows, up to where it is long, and the row that comes next.
    fn make(&self, rows: Range<usize>) -> (String, usize) {
        let mut text = self.used().pop().unwrap_or_default();
        for row in rows.clone() {
            if text.len() >= PIECE_BYTES {
                return (text, row);
            }
            self.format.row(self.columns, row, row == 0 && !self.any, &mut text);
        }
        (text, rows.end)
    }

    /// Takes back what has gone out.
    fn give_back(&self, mut text: String) {
        text.clear();
        self.used().push(text);
    }

    fn used(&self) -> MutexGuard<'_, Vec<String>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Rows> Encoder for RowEncoder<'_, R> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(self.format, &self.schema, batch)?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
        self.write_rows(&columns, batch.num_rows())?;
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
            [(2 * PIECE, 0..0), (3 * PIECE + 255, 100..1_500), (4 * PIECE + 7, 2_500..4_000), (PIECE, 0..9)]
        {
            let wide_text = "x".repeat(2 * PIECE_BYTES / PIECE);
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

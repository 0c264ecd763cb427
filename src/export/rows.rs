//! The loop of all formats that write one row after another: CSV, TSV, JSON, NDJSON, Markdown.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::error::Result;

use super::columns::refuse_others;
use super::output::{Output, Sink};
use super::text::Text;
use super::value::Column;
use super::{Encoder, Format, Written};

/// Threads that make the text of rows, while another writes it and others make the next batches.
const MAKERS: usize = 2;
/// Batches that each of them has at most, with the one whose text it makes.
const BATCHES: usize = 2;
/// Rows of a batch that is not worth handing over.
const FEW: usize = 1024;
/// Bytes that a thread hands over and another writes at once, and the row that goes beyond. With two megabytes an export took two
/// thirds longer.
const PART_BYTES: usize = 512 << 10;
/// Parts of each thread that wait to be written.
const PARTS: usize = 8;

/// How one format writes rows. What is appended to `out` is ended, too.
pub(super) trait Rows: Send + Sync + 'static {
    /// What the rows of a batch are written from.
    type Line<'a>;

    /// What comes before the first row.
    fn head(&self, _schema: &Schema, _out: &mut Text) {}

    /// Looks at the columns of a batch.
    fn line<'a>(&'a self, columns: &'a [Column<'a>]) -> Self::Line<'a>;

    /// One row; `first` says that none was before it.
    fn row(&self, line: &Self::Line<'_>, row: usize, first: bool, out: &mut Text);

    /// What comes after the last row, if there was `any`.
    fn tail(&self, _any: bool, _out: &mut Text) {}
}

/// Starts an answer: writes the head, so that an empty answer has one.
pub(super) fn encoder<'w, R: Rows>(
    format: Format,
    out: Sink<'w>,
    schema: SchemaRef,
    rows: R,
) -> Result<Box<dyn Encoder + 'w>> {
    let mut out = Output::new(out);
    let mut head = Text::default();
    rows.head(&schema, &mut head);
    out.put(&head)?;
    let text = Texts { format: rows, used: Mutex::default() };
    let (makers, given) = (Vec::new(), VecDeque::new());
    Ok(Box::new(RowEncoder { format, schema, out, text: Arc::new(text), makers, given, taken: 0 }))
}

struct RowEncoder<'w, R> {
    format: Format,
    schema: SchemaRef,
    out: Output<'w>,
    text: Arc<Texts<R>>,
    /// They are started when there is something for them.
    makers: Vec<Maker>,
    /// Whose batches are still to be written, in the order of the rows.
    given: VecDeque<usize>,
    /// Rows that came.
    taken: u64,
}

/// A thread that makes text.
struct Maker {
    batches: SyncSender<Batch>,
    parts: Receiver<Part>,
    thread: JoinHandle<()>,
}

/// Rows whose text is to be made.
struct Batch {
    rows: RecordBatch,
    /// Whether none were before them.
    is_first: bool,
}

/// What a thread hands over of a batch.
struct Part {
    text: Text,
    /// Whether no more comes of it.
    is_last: bool,
}

impl<R: Rows> RowEncoder<'_, R> {
    /// Has the text of a batch made, and writes what is made already; more of it if much is in the making.
    fn hand_over(&mut self, batch: Batch) -> Result<()> {
        if self.given.len() == MAKERS * BATCHES {
            self.write_oldest()?;
        }
        while self.write_part(false)?.is_some() {}
        let next = self.given.back().map_or(0, |last| (last + 1) % MAKERS);
        if next == self.makers.len() {
            self.makers.push(Maker::start(&self.text));
        }
        self.given.push_back(next);
        // One that has ended says why when its text is taken.
        let _ = self.makers[next].batches.send(batch);
        Ok(())
    }

    /// Writes the oldest batch whose text is in the making, if there is one.
    fn write_oldest(&mut self) -> Result<()> {
        while self.write_part(true)?.is_some_and(|is_last| !is_last) {}
        Ok(())
    }

    /// Writes the next part and tells whether it is the last of its batch; `None` if there is none, or it is not made yet and is
    /// not waited for.
    fn write_part(&mut self, wait: bool) -> Result<Option<bool>> {
        let Some(&oldest) = self.given.front() else { return Ok(None) };
        let parts = &self.makers[oldest].parts;
        let made = match wait {
            true => parts.recv().map_err(|RecvError| TryRecvError::Disconnected),
            false => parts.try_recv(),
        };
        let Part { text, is_last } = match made {
            Ok(part) => part,
            Err(TryRecvError::Empty) => return Ok(None),
            Err(TryRecvError::Disconnected) => match self.makers.swap_remove(oldest).thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => unreachable!("a thread makes all of its batches"),
            },
        };
        self.out.put(&text)?;
        self.text.give_back(text);
        if is_last {
            self.given.pop_front();
        }
        Ok(Some(is_last))
    }

    fn write_all(&mut self) -> Result<()> {
        while !self.given.is_empty() {
            self.write_oldest()?;
        }
        Ok(())
    }
}

impl Maker {
    fn start<R: Rows>(text: &Arc<Texts<R>>) -> Maker {
        let (batches, to_be_made) = sync_channel::<Batch>(BATCHES);
        let (sender, parts) = sync_channel(PARTS);
        let text = Arc::clone(text);
        let thread = thread::spawn(move || {
            for batch in to_be_made {
                // Nobody takes what is made any more.
                if text.make(&batch, |text, is_last| sender.send(Part { text, is_last })).is_err() {
                    return;
                }
            }
        });
        Maker { batches, parts, thread }
    }
}

/// Makes the text of rows.
struct Texts<R> {
    format: R,
    /// Texts that have gone out, for their memory.
    used: Mutex<Vec<Text>>,
}

impl<R: Rows> Texts<R> {
    /// Hands over the text of a batch in parts, and with each whether it is the last.
    fn make<E>(&self, batch: &Batch, mut out: impl FnMut(Text, bool) -> Result<(), E>) -> Result<(), E> {
        let columns: Vec<Column<'_>> = batch.rows.columns().iter().map(Column::new).collect();
        let line = self.format.line(&columns);
        let mut text = self.empty();
        for row in 0..batch.rows.num_rows() {
            if text.len() >= PART_BYTES {
                out(std::mem::replace(&mut text, self.empty()), false)?;
            }
            self.format.row(&line, row, row == 0 && batch.is_first, &mut text);
        }
        out(text, true)
    }

    fn empty(&self) -> Text {
        self.used().pop().unwrap_or_default()
    }

    /// Takes back what has gone out, unless wide rows have made it large.
    fn give_back(&self, mut text: Text) {
        if text.len() <= 2 * PART_BYTES {
            text.clear();
            self.used().push(text);
        }
    }

    fn used(&self) -> MutexGuard<'_, Vec<Text>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Rows> Encoder for RowEncoder<'_, R> {
    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        refuse_others(self.format, &self.schema, rows)?;
        let batch = Batch { rows: rows.clone(), is_first: self.taken == 0 };
        self.taken += rows.num_rows() as u64;
        if rows.num_rows() > FEW {
            return self.hand_over(batch);
        }
        self.write_all()?;
        let (out, all) = (&mut self.out, &self.text);
        all.make(&batch, |text, _| {
            out.put(&text)?;
            all.give_back(text);
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.write_all()?;
        let mut tail = Text::default();
        self.text.format.tail(self.taken > 0, &mut tail);
        self.out.put(&tail)?;
        self.out.flush()?;
        Ok(Written { rows: self.taken, shown: self.taken })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::super::Style;
    use super::super::sample::{batch, encode, strings, text};
    use super::*;

    #[test]
    fn rows_keep_their_order_however_wide_they_are_and_wherever_parts_end() {
        // Few rows, and a batch with parts that are full before its end.
        for (rows, wide) in
            [(FEW, 0..9), (FEW + 1, 0..0), (4 * FEW + 7, 100..1_500), (3 * FEW, 2_500..3 * FEW)]
        {
            let wide_text = "x".repeat(PART_BYTES / 300);
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

    #[test]
    fn batches_keep_their_order_whoever_makes_them() {
        // More than the threads take, few rows among many and no rows at all, and the first rows in the second batch.
        let counts = [
            0,
            3 * FEW,
            FEW + 1,
            5 * FEW,
            2,
            0,
            2 * FEW,
            2 * FEW,
            FEW,
            9 * FEW,
            2 * FEW,
            2 * FEW,
            2 * FEW,
            7,
        ];
        let mut next = 0;
        let batches = counts.map(|count| {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(next..next + count as i64));
            next += count as i64;
            batch(vec![("n", numbers)])
        });
        let (bytes, written) = encode(Format::Json, &batches, &Style::default()).expect("it can be encoded");
        let lines: Vec<_> = (0..next).map(|number| format!("{{\"n\":{number}}}")).collect();
        assert!(bytes == format!("[\n{}\n]\n", lines.join(",\n")).into_bytes());
        assert_eq!(written.rows, next as u64);
    }

    #[test]
    fn a_failure_to_write_is_told_whatever_is_in_the_making() {
        struct Full(usize);
        impl std::io::Write for Full {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let texts = vec![Some("some text of a row"); 8 * FEW];
        let many = batch(vec![("t", strings(&texts))]);
        for room in [0, 10, 100_000, 1_000_000] {
            let mut encoder = Format::Csv
                .encoder(Full(room), many.schema(), &Style::default())
                .expect("the head waits in a buffer");
            let failed = (0..20).find_map(|_| encoder.write(&many).err());
            let failed = failed.or_else(|| encoder.finish().err()).expect("there is no room");
            assert!(
                matches!(failed, crate::Error::Output { source } if source.kind() == std::io::ErrorKind::StorageFull)
            );
        }
    }

    #[test]
    fn what_is_made_goes_out_with_the_next_batch() {
        #[derive(Clone, Default)]
        struct Seen(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Seen {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let long = "x".repeat(200);
        let many = batch(vec![("t", strings(&vec![Some(&long[..]); 2 * FEW]))]);
        // A busy machine takes its time to make the first; two are far from as many as must be written.
        let comes_after = |millis| {
            let seen = Seen::default();
            let mut encoder = Format::Csv.encoder(seen.clone(), many.schema(), &Style::default()).unwrap();
            encoder.write(&many).unwrap();
            thread::sleep(std::time::Duration::from_millis(millis));
            encoder.write(&many).unwrap();
            seen.0.lock().unwrap().len() >= 2 * FEW * long.len()
        };
        assert!([100, 1_000, 10_000].into_iter().any(comes_after));
    }
}

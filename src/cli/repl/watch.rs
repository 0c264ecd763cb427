//! `\watch`: runs a statement again and again and shows the rows that came and those that went.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{concat, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pinql::Error;
use pinql::export::{Format, Style};

use super::settings::seconds;
use super::{Asked, Shell};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;

/// The time between two runs where none is said.
const USUAL: Duration = Duration::from_secs(2);
/// The rows that are compared.
const MOST_ROWS: usize = 100_000;

impl Shell<'_> {
    /// Runs the last statement until Ctrl-C.
    pub(super) fn watch(&mut self, every: Option<&str>) -> Outcome<()> {
        let every = every.map_or(Ok(USUAL), seconds)?;
        let asked = self.last.clone().ok_or_else(|| {
            Failure::misuse("there is no statement to watch", "run one first, then \\watch")
        })?;
        let mut output = self.output.clone();
        // What changes is to be seen at once.
        output.set_pager(None);
        let watched =
            self.watch_asked(&asked, every, &output).map_err(|failure| failure.over(&asked.passage));
        match watched {
            Err(Failure::Interrupted) => {
                self.ui.say("\nno longer watched");
                Ok(())
            }
            other => other,
        }
    }

    fn watch_asked(&mut self, asked: &Asked, every: Duration, output: &Output) -> Outcome<()> {
        let mut before = self.rows(asked)?;
        show(&before, output)?;
        self.ui.note(&format!("watched every {} s; Ctrl-C ends it", every.as_secs_f64()));
        loop {
            self.engine.wait(every)?;
            let now = self.rows(asked)?;
            if let Some(changes) = changes(&before, &now)? {
                self.ui.note(&format!("at {}:", chrono::Utc::now().format("%H:%M:%S UTC")));
                show(&changes, output)?;
            }
            before = now;
        }
    }

    fn rows(&mut self, asked: &Asked) -> Outcome<RecordBatch> {
        let mut running = self.engine.start(&asked.passage.sql, &asked.bindings)?;
        let columns = running.columns()?;
        let (mut batches, mut rows) = (vec![], 0);
        while let Some(batch) = running.batch()? {
            rows += batch.num_rows();
            // At once: nobody waits for what is refused, and it need not fit into the memory.
            if rows > MOST_ROWS {
                return Err(Failure::misuse(
                    format!("more than {MOST_ROWS} rows are too many to be watched"),
                    "watch a question with fewer rows in its answer, such as a count",
                ));
            }
            batches.push(batch);
        }
        concat_batches(&columns, &batches).map_err(broken)
    }
}

fn show(batch: &RecordBatch, output: &Output) -> Outcome<()> {
    let mut batches = std::iter::once(batch.clone());
    output.encode(batch.schema(), || Ok(batches.next())).map(drop)
}

/// The rows that went (`-`) and those that came (`+`); `None` if none did.
fn changes(before: &RecordBatch, now: &RecordBatch) -> Outcome<Option<RecordBatch>> {
    let (old, new) = (lines(before)?, lines(now)?);
    let gone = only_in_first(&old, &new);
    let come = only_in_first(&new, &old);
    if gone.is_empty() && come.is_empty() {
        return Ok(None);
    }
    let marks = std::iter::repeat_n("-", gone.len()).chain(std::iter::repeat_n("+", come.len()));
    let marks: ArrayRef = Arc::new(StringArray::from_iter_values(marks));
    let gone = take_record_batch(before, &gone).map_err(broken)?;
    let come = take_record_batch(now, &come).map_err(broken)?;
    let mut columns = vec![marks];
    for (gone, come) in gone.columns().iter().zip(come.columns()) {
        columns.push(concat(&[gone.as_ref(), come.as_ref()]).map_err(broken)?);
    }
    RecordBatch::try_new(marked(&now.schema()), columns).map(Some).map_err(broken)
}

/// The columns with the mark before them.
fn marked(columns: &SchemaRef) -> SchemaRef {
    let mark = Field::new("±", DataType::Utf8, false);
    let nullable = columns.fields().iter().map(|field| Field::clone(field).with_nullable(true));
    Arc::new(Schema::new(std::iter::once(mark).chain(nullable).collect::<Vec<_>>()))
}

/// Each row as a text, by which it is known again.
fn lines(batch: &RecordBatch) -> Outcome<Vec<String>> {
    let mut text = vec![];
    let mut encoder = Format::Tsv.encoder(&mut text, batch.schema(), &Style::default())?;
    encoder.write(batch)?;
    encoder.finish()?;
    Ok(String::from_utf8_lossy(&text).lines().skip(1).map(String::from).collect())
}

/// Where the lines stand that the second does not have, or not as often.
fn only_in_first(first: &[String], second: &[String]) -> UInt32Array {
    let mut left: HashMap<&str, usize> = HashMap::new();
    second.iter().for_each(|line| *left.entry(line).or_default() += 1);
    let only = first.iter().enumerate().filter(|(_, line)| match left.get_mut(line.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    only.map(|(index, _)| index as u32).collect::<Vec<_>>().into()
}

fn broken(error: arrow::error::ArrowError) -> Failure {
    Error::Engine { message: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    fn batch(values: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)])
            .expect("one column")
    }

    #[test]
    fn rows_that_came_and_went_are_told_however_often_they_are_there() {
        assert!(changes(&batch(&[1, 2, 2]), &batch(&[2, 1, 2])).expect("rows").is_none());
        let changed = changes(&batch(&[1, 2, 2]), &batch(&[2, 3])).expect("rows").expect("changes");
        assert_eq!(lines(&changed).expect("lines"), ["-\t1", "-\t2", "+\t3"]);
    }
}

//! The answer to EXPLAIN: its plans are texts of many lines, which a table would show as one.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pinql::export::{Encoder, Format, Style, Written};
use pinql::{Error, Result};

/// Writes each plan under its name, line by line.
pub struct Plans<W> {
    out: W,
    written: Written,
}

impl<W: Write + Send> Plans<W> {
    pub fn new(out: W) -> Plans<W> {
        Plans { out, written: Written::default() }
    }
}

/// Whether an answer with these columns is one to EXPLAIN.
pub fn are_plans(columns: &SchemaRef) -> bool {
    columns.fields().iter().map(|field| field.name().as_str()).eq(["plan_type", "plan"])
}

impl<W: Write + Send> Encoder for Plans<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        // TSV escapes what would break a line, which is undone for line breaks; a terminal gets no control characters.
        let mut lines = vec![];
        let mut encoder = Format::Tsv.encoder(&mut lines, batch.schema(), &Style::default())?;
        encoder.write(batch)?;
        encoder.finish()?;
        for line in String::from_utf8_lossy(&lines).lines().skip(1) {
            let (name, plan) = line.split_once('\t').unwrap_or(("plan", line));
            let plan: String = plan.replace("\\n", "\n").replace("\\\\", "\\");
            let shown: String =
                plan.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
            writeln!(self.out, "── {name} ──\n{}", shown.trim_end())
                .map_err(|source| Error::Output { source })?;
            self.written.rows += 1;
            self.written.shown += 1;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.out.flush().map_err(|source| Error::Output { source })?;
        Ok(self.written)
    }
}

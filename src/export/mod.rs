//! Answers: record batches → bytes, one [`Encoder`] per output format.
//!
//! To add a format: a module here with its encoder, a name in [`Format`], an arm in [`Format::encoder`].

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;

/// An output format, by the name that `--format` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines and columns for people.
    Table,
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Tab-separated values with backslash escapes.
    Tsv,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// A Markdown table.
    Markdown,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
}

/// How a table meant for people is drawn. The other formats never cut and have nothing to choose.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// The most rows to show; `None` shows all. Rows beyond it are counted, so that the caller can say so.
    pub max_rows: Option<usize>,
    /// The widest line in terminal cells; `None` cuts nothing.
    pub width: Option<usize>,
}

/// What an encoder has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// The rows of the answer.
    pub rows: u64,
    /// The rows that the output shows: fewer than `rows` only in a table with [`Style::max_rows`].
    pub shown: u64,
}

/// Turns batches into one output format, as they come.
pub trait Encoder {
    /// Writes one batch.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is left, flushes, and says what was written. An output without this call is incomplete.
    fn finish(self: Box<Self>) -> Result<Written>;
}

impl Format {
    /// Starts an answer with these columns on `out`.
    pub fn encoder<'w>(
        self,
        out: impl Write + Send + 'w,
        schema: SchemaRef,
        style: &Style,
    ) -> Result<Box<dyn Encoder + 'w>> {
        let _ = (out, schema, style);
        unimplemented!()
    }
}

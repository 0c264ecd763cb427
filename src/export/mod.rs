//! Answers: record batches → bytes, one [`Encoder`] per output format.
//!
//! To add a format: a module here with its encoder, a name in [`Format`], an arm in [`Format::encoder`].
//!
//! # How values read
//!
//! Every text format writes a value the same way and differs only in what it quotes or escapes around it:
//!
//! | value | text |
//! | --- | --- |
//! | timestamp | RFC 3339 in UTC with `Z`; 0, 3, 6 or 9 digits of fraction, as few as hold it: `2026-05-04T03:02:01.5Z` is `…01.500Z`. Without a zone it is UTC already |
//! | date, time | `2026-05-04`, `03:02:01.500` |
//! | duration, interval | ISO 8601, each part with its own sign: `P1DT2H`, `P1Y2M-3DT0.500S` |
//! | integer, decimal | all digits, no thousands separators; a decimal keeps its scale: `1.50` |
//! | float | the shortest text that reads back as the same number: `1.0`, `0.1`, `1e300`; `NaN`, `Infinity`, `-Infinity` |
//! | boolean | `true`, `false` |
//! | binary | lower-case hexadecimal |
//! | list, struct, map | compact JSON |
//!
//! In JSON, text, times and binary are strings, numbers are exact numbers, and what is not a finite number is `null`.
//! How NULL reads is each format's own: see its module.

mod columns;
mod csv;
mod ipc;
mod json;
mod layout;
mod markdown;
mod nested;
mod output;
mod parquet;
mod rows;
mod table;
mod time;
mod units;
mod value;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::{Error, Result};

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
    /// Every format, in the order in which people are told of them.
    pub const ALL: [Format; 8] = [
        Format::Table,
        Format::Csv,
        Format::Tsv,
        Format::Json,
        Format::Ndjson,
        Format::Markdown,
        Format::Parquet,
        Format::Arrow,
    ];

    /// Starts an answer with these columns on `out`, which needs no buffer of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] if the format cannot hold these columns: JSON, Parquet and Arrow refuse two of one name.
    /// From here on, [`Error::Output`] if `out` fails, with the kind of its error kept.
    pub fn encoder<'w>(
        self,
        out: impl Write + Send + 'w,
        schema: SchemaRef,
        style: &Style,
    ) -> Result<Box<dyn Encoder + 'w>> {
        let out: output::Sink<'w> = Box::new(out);
        Ok(match self {
            Format::Table => Box::new(table::Table::new(out, schema, style)),
            Format::Csv => rows::encoder(self, out, schema, csv::Csv::default())?,
            Format::Tsv => rows::encoder(self, out, schema, csv::Tsv)?,
            Format::Json => rows::encoder(self, out, schema.clone(), json::array(&schema)?)?,
            Format::Ndjson => rows::encoder(self, out, schema.clone(), json::lines(&schema)?)?,
            Format::Markdown => rows::encoder(self, out, schema, markdown::Markdown)?,
            Format::Parquet => Box::new(parquet::ParquetFile::new(out, &schema)?),
            Format::Arrow => Box::new(ipc::IpcFile::new(out, &schema)?),
        })
    }

    /// The format that a file's name asks for by its extension; `None` if it asks for none.
    pub fn from_extension(path: &Path) -> Option<Format> {
        let format = path.extension()?.to_str()?.parse().ok()?;
        // A table is for looking at: no file is named `.table`.
        (format != Format::Table).then_some(format)
    }

    /// Whether the output is no text, and so nothing for a terminal.
    pub fn is_binary(self) -> bool {
        matches!(self, Format::Parquet | Format::Arrow)
    }

    fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Markdown => "markdown",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads a format's name in any case, or one of `jsonl`, `md`, `ipc` and `feather`.
    fn from_str(text: &str) -> Result<Self> {
        let name = match text.to_ascii_lowercase().as_str() {
            "jsonl" => "ndjson".to_owned(),
            "md" => "markdown".to_owned(),
            "ipc" | "feather" => "arrow".to_owned(),
            name => name.to_owned(),
        };
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| Error::Unknown {
            what: "an output format",
            text: text.to_owned(),
            known: Format::ALL.map(|format| format.name().to_owned()).into(),
        })
    }
}

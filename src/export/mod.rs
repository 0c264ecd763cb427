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
//! | timestamp | RFC 3339 in UTC with `Z`: `2026-05-04T03:02:01.500Z` |
//! | date, time | `2026-05-04`, `03:02:01.500` |
//! | duration, interval | ISO 8601, each part with its own sign: `P1DT2H`, `P1Y2M-3DT0.500S` |
//! | integer, decimal | all digits, no thousands separators; a decimal keeps its scale: `1.50` |
//! | float | the shortest text that reads back the same: `1.0`, `1e300`; `NaN`, `Infinity`, `-Infinity` |
//! | boolean | `true`, `false` |
//! | binary | lower-case hexadecimal |
//! | list, struct, map | compact JSON |
//!
//! A timestamp without a zone is UTC. Fractions of a second have 0, 3, 6 or 9 digits, as few as hold the value.
//! In JSON, text, times and binary are strings, numbers are exact numbers, and what is not a finite number is `null`.
//! How NULL reads is each format's own: see its module.

mod columns;
mod csv;
mod escape;
mod html;
mod ipc;
mod json;
mod layout;
mod line;
mod markdown;
mod nested;
mod output;
mod parquet;
mod readable;
mod rows;
#[cfg(test)]
mod sample;
mod split;
mod table;
mod text;
mod time;
mod units;
mod value;
mod xlsx;

pub use html::{Section, page_head, page_tail};
pub use split::{Part, Split, Values};
pub use table::{cells, visible};

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
    /// A page that sorts and filters.
    Html,
    /// An Excel workbook.
    Xlsx,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC file.
    Arrow,
}

/// What there is to choose about some formats. Only tables and HTML cut rows, and only if they are told to.
#[derive(Debug, Clone, Default)]
pub struct Style {
    /// The most rows to show; `None` shows all. Rows beyond it are counted, so that the caller can say so.
    pub max_rows: Option<usize>,
    /// The widest line in terminal cells; `None` cuts nothing.
    pub width: Option<usize>,
    /// Show sizes and durations in units that are easy to read, not to the last digit: `8.4 GB`, `12 d 3 h`.
    pub units: bool,
    /// CSV begins with the mark by which Excel knows UTF-8.
    pub bom: bool,
    /// In CSV and TSV, text that a spreadsheet would take for a formula gets a `'` in front.
    pub spreadsheet_safe: bool,
    /// In JSON, columns of 64-bit integers and of decimals are strings, for readers that keep numbers as doubles.
    pub numbers_as_text: bool,
    /// What HTML says above its table.
    pub section: Option<Section>,
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
    /// Takes one batch. Its last rows may be written only with the next, or at the end.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is left, flushes, and says what was written. An output without this call is incomplete.
    fn finish(self: Box<Self>) -> Result<Written>;
}

impl Format {
    /// Every format, in the order in which people are told of them.
    pub const ALL: [Format; 10] = [
        Format::Table,
        Format::Csv,
        Format::Tsv,
        Format::Json,
        Format::Ndjson,
        Format::Markdown,
        Format::Html,
        Format::Xlsx,
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
            Format::Csv => rows::encoder(self, out, schema, csv::Csv::new(style))?,
            Format::Tsv => rows::encoder(self, out, schema, csv::Tsv::new(style))?,
            Format::Json => rows::encoder(self, out, schema.clone(), json::array(&schema, style)?)?,
            Format::Ndjson => rows::encoder(self, out, schema.clone(), json::lines(&schema, style)?)?,
            Format::Markdown => rows::encoder(self, out, schema, markdown::Markdown)?,
            Format::Html => Box::new(html::Html::new(out, schema, style.section.as_ref())?),
            Format::Xlsx => Box::new(xlsx::Xlsx::new(out, schema)?),
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
        matches!(self, Format::Xlsx | Format::Parquet | Format::Arrow)
    }

    fn name(self) -> &'static str {
        match self {
            Format::Table => "table",
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Markdown => "markdown",
            Format::Html => "html",
            Format::Xlsx => "xlsx",
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
            "htm" => "html".to_owned(),
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::slice::from_ref;
    use std::sync::Arc;

    use arrow::array::{Array, Int64Array, RecordBatch, new_empty_array};

    use super::sample::{Failing, batch, encode, every_type, strings, text, union};
    use super::*;

    const TEXT: [Format; 6] =
        [Format::Table, Format::Csv, Format::Tsv, Format::Json, Format::Ndjson, Format::Markdown];

    #[test]
    fn every_type_reads_the_same_in_all_text_formats() {
        let mut cases = every_type();
        cases.push(union());
        for (array, plain, json) in cases {
            let kind = array.data_type().clone();
            let found = text(Format::Ndjson, &batch(vec![("v", array.clone())]));
            let [first, last] = json;
            let expected = format!("{{\"v\":{first}}}\n{{\"v\":null}}\n{{\"v\":{last}}}\n");
            assert_eq!(found, expected, "{kind} as JSON");

            let found = text(Format::Tsv, &batch(vec![("v", array.clone())]));
            let plain = plain.map(|text| text.replace('\\', "\\\\"));
            let [first, last] = &plain;
            assert_eq!(found, format!("v\n{first}\n\\N\n{last}\n"), "{kind} as TSV");

            // A slice reads like what it is a slice of, wherever a type keeps its offsets.
            let sliced = text(Format::Tsv, &batch(vec![("v", array.slice(2, 1))]));
            assert_eq!(sliced, format!("v\n{last}\n"), "{kind}, sliced");
        }
    }

    #[test]
    fn every_format_takes_every_type() {
        for format in Format::ALL {
            for (array, ..) in every_type() {
                let kind = array.data_type().clone();
                let empty = new_empty_array(&kind);
                let null = arrow::array::new_null_array(&kind, 2);
                for (array, rows) in [(array.slice(1, 2), 2), (array, 3), (null, 2), (empty, 0)] {
                    let batch = batch(vec![("v", array)]);
                    let written = encode(format, &[batch.clone(), batch], &Style::default());
                    let (_, written) = written.unwrap_or_else(|e| panic!("{format}, {kind}: {e}"));
                    assert_eq!(written, Written { rows: 2 * rows, shown: 2 * rows });
                }
            }
        }
    }

    #[test]
    fn the_null_type_is_all_null() {
        let nulls = batch(vec![("v", Arc::new(arrow::array::NullArray::new(1)))]);
        for (format, expected) in [
            (Format::Table, "v\n────\nNULL\n"),
            (Format::Csv, "v\nNULL\n"),
            (Format::Tsv, "v\n\\N\n"),
            (Format::Json, "[\n{\"v\":null}\n]\n"),
            (Format::Ndjson, "{\"v\":null}\n"),
            (Format::Markdown, "| v |\n| --- |\n|  |\n"),
        ] {
            assert_eq!(text(format, &nulls), expected, "{format}");
        }
        for format in [Format::Parquet, Format::Arrow] {
            encode(format, from_ref(&nulls), &Style::default()).expect("files have a null type");
        }
    }

    #[test]
    fn an_empty_answer_still_says_what_its_columns_are() {
        let empty = batch(vec![("a", strings(&[])), ("n", Arc::new(Int64Array::from(vec![0; 0])))]);
        for (format, expected) in [
            (Format::Table, "a │ n\n──┼──\n"),
            (Format::Csv, "a,n\n"),
            (Format::Tsv, "a\tn\n"),
            (Format::Json, "[]\n"),
            (Format::Ndjson, ""),
            (Format::Markdown, "| a | n |\n| --- | ---: |\n"),
        ] {
            assert_eq!(text(format, &empty), expected, "{format}");
            // The same without a single batch.
            let out = sample::Shared::default();
            let encoder = format.encoder(out.clone(), empty.schema(), &Style::default());
            encoder.and_then(|e| e.finish()).expect("it can be written");
            assert_eq!(out.text(), expected, "{format}");
        }
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let empty = batch(vec![("a", strings(&[None, None]))]);
        let none = empty.project(&[]).expect("no column is out of range");
        for format in Format::ALL.into_iter().filter(|f| *f != Format::Parquet) {
            let written = encode(format, from_ref(&none), &Style::default());
            let (_, written) = written.unwrap_or_else(|e| panic!("{format}: {e}"));
            assert_eq!(written, Written { rows: 2, shown: 2 }, "{format}");
        }
    }

    #[test]
    fn only_formats_that_would_lose_a_column_refuse_two_of_one_name() {
        let twice = batch(vec![("a", strings(&[None])), ("a", strings(&[None]))]);
        for format in Format::ALL {
            let refused = match encode(format, from_ref(&twice), &Style::default()) {
                Ok(_) => false,
                Err(Error::Encode { problem, .. }) => {
                    assert!(problem.contains("`a`") && problem.contains("name it with AS"));
                    true
                }
                Err(other) => panic!("{format}: {other:?}"),
            };
            let takes =
                [Format::Table, Format::Csv, Format::Tsv, Format::Markdown, Format::Html, Format::Xlsx];
            assert_eq!(refused, !takes.contains(&format), "{format}");
        }
    }

    #[test]
    fn a_failing_output_is_an_output_error_of_the_same_kind() {
        let rows = batch(vec![("a", strings(&[Some("x"), None]))]);
        let many = batch(vec![("a", long_strings())]);
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::BrokenPipe] {
            // A cell of a sheet has an end that is sooner reached.
            let holds = |(format, _, batch): &(Format, bool, &RecordBatch)| {
                *format != Format::Xlsx || !std::ptr::eq(*batch, &many)
            };
            let all = Format::ALL.into_iter();
            let all =
                all.flat_map(|f| [(f, true, &rows), (f, false, &rows), (f, false, &many)]).filter(holds);
            for (format, at_flush, batch) in all {
                let out = Failing { kind, at_flush };
                match write_all(format, out, batch) {
                    Err(error @ Error::Output { .. }) => {
                        assert_eq!(error.is_broken_pipe(), kind == io::ErrorKind::BrokenPipe);
                        let source = std::error::Error::source(&error).map(|e| e.to_string());
                        assert_eq!(source, Some(kind.to_string()), "{format}");
                    }
                    other => panic!("{format}: {other:?}"),
                }
            }
        }
    }

    /// More than any buffer holds, and no compression makes it small.
    fn long_strings() -> arrow::array::ArrayRef {
        let mut state = 1_u64;
        let text = (0..400_000).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (b'!' + (state >> 58) as u8) as char
        });
        strings(&[Some(&text.collect::<String>())])
    }

    fn write_all(format: Format, out: impl Write + Send, batch: &RecordBatch) -> Result<Written> {
        let mut encoder = format.encoder(out, batch.schema(), &Style::default())?;
        encoder.write(batch)?;
        encoder.finish()
    }

    #[test]
    fn a_batch_with_other_columns_is_refused() {
        let first = batch(vec![("a", strings(&[None]))]);
        let others = [
            first.project(&[]).expect("no column is out of range"),
            batch(vec![("a", Arc::new(Int64Array::from(vec![1])))]),
        ];
        for format in Format::ALL {
            for other in &others {
                let both = [first.clone(), other.clone()];
                let refused = encode(format, &both, &Style::default());
                assert!(matches!(refused, Err(Error::Encode { .. })), "{format}");
            }
        }
    }

    #[test]
    fn format_names_read_in_any_case() {
        for format in Format::ALL {
            for name in [format.to_string(), format.to_string().to_uppercase()] {
                assert_eq!(name.parse::<Format>().ok(), Some(format));
            }
        }
        for (name, format) in [
            ("JSONL", Format::Ndjson),
            ("md", Format::Markdown),
            ("ipc", Format::Arrow),
            ("Feather", Format::Arrow),
        ] {
            assert_eq!(name.parse::<Format>().ok(), Some(format), "{name}");
        }
        let unknown = "xml".parse::<Format>().expect_err("nobody writes XML");
        assert_eq!(unknown.to_string(), "`xml` is not an output format");
        let hint = "known: table, csv, tsv, json, ndjson, markdown, html, xlsx, parquet, arrow";
        assert_eq!(unknown.hint().as_deref(), Some(hint));
    }

    #[test]
    fn a_file_name_says_its_format() {
        for (path, format) in [
            ("a/b.csv", Some(Format::Csv)),
            ("b.TSV", Some(Format::Tsv)),
            ("b.v1.parquet", Some(Format::Parquet)),
            ("b.jsonl", Some(Format::Ndjson)),
            ("b.feather", Some(Format::Arrow)),
            ("b.md", Some(Format::Markdown)),
            ("b.table", None),
            ("b.csv.gz", None),
            ("csv", None),
            ("", None),
        ] {
            assert_eq!(Format::from_extension(Path::new(path)), format, "{path}");
        }
    }

    #[test]
    fn text_formats_are_not_binary() {
        for format in Format::ALL {
            let is_text = TEXT.contains(&format) || format == Format::Html;
            assert_eq!(format.is_binary(), !is_text, "{format}");
        }
    }
}

//! What a migration could not take for a pin, in a file that SQL reads as the table `rejects`.
//!
//! The file keeps the rejects of earlier migrations. An entry that is listed already, at the same place and with the same
//! text, is not listed again: neither when a migration that was stopped runs anew, nor when a `pins.json` is put back.

use std::collections::HashSet;
use std::fs::File;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::Int64Type;
use foldhash::quality::FixedState;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::encode::parquet_error;
use super::target::Target;
use super::{Mode, sort};
use crate::error::{Error, Result};
use crate::format::legacy::Reject;
use crate::pin::schema;
use crate::store::layout;

/// Collects rejects and writes them. Makes no file unless there is one.
pub(super) struct Rejects {
    place: std::path::PathBuf,
    mode: Mode,
    /// When the `pins.json` last changed.
    source: i64,
    backend: String,
    writer: Option<ArrowWriter<Target>>,
    /// What the file lists already; not known before the first reject.
    listed: Option<HashSet<Mark>>,
    columns: Columns,
    /// Where the first ones stand, to be shown.
    pub first: Vec<ShownReject>,
    /// The bytes of an earlier file are to be kept because it cannot be read.
    unreadable: bool,
}

/// A reject as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownReject {
    /// Which entry it is, counted from 0.
    pub entry: u64,
    /// Its line in the file, counted from 1.
    pub line: u64,
    /// Its column, counted from 1.
    pub column: u64,
    /// Why it is no pin.
    pub reason: String,
}

/// A reject in 16 bytes: its place, its reason and its text.
type Mark = (u64, u64);

/// How many rejects are shown.
const SHOWN: usize = 20;
/// Bytes of rejects that are handed to the file at once.
const BATCH: usize = 1 << 20;

#[derive(Default)]
struct Columns {
    numbers: [Int64Builder; 3],
    texts: [StringBuilder; 2],
    rows: usize,
    bytes: usize,
}

impl Rejects {
    pub fn new(dir: &Path, backend: &str, source: i64, mode: Mode) -> Rejects {
        Rejects {
            place: dir.join(layout::REJECTS),
            mode,
            source,
            backend: backend.to_owned(),
            writer: None,
            listed: None,
            columns: Columns::default(),
            first: Vec::new(),
            unreadable: false,
        }
    }

    /// Takes one.
    pub fn push(&mut self, reject: &Reject<'_>) -> Result<()> {
        if self.first.len() < SHOWN {
            let reason = reject.reason.to_owned();
            self.first.push(ShownReject {
                entry: reject.index,
                line: reject.line,
                column: reject.column,
                reason,
            });
        }
        let place = [reject.index, reject.line, reject.column]
            .map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        if self.listed().contains(&mark(place, reject.reason, reject.entry)) {
            return Ok(());
        }
        let columns = &mut self.columns;
        for (builder, number) in columns.numbers.iter_mut().zip(place) {
            builder.append_value(number);
        }
        columns.texts[0].append_value(reject.reason);
        columns.texts[1].append_value(reject.entry);
        columns.rows += 1;
        columns.bytes += reject.entry.len() + reject.reason.len() + 24;
        if columns.bytes >= BATCH { self.write() } else { Ok(()) }
    }

    /// What the file lists already.
    fn listed(&mut self) -> &HashSet<Mark> {
        self.listed.get_or_insert_with(|| match marks(&self.place) {
            Ok(marks) => marks,
            Err(_) => {
                self.unreadable = true;
                HashSet::new()
            }
        })
    }

    /// The finished file and whether the one that it replaces must be kept; none if there is nothing new in it.
    pub fn finish(mut self) -> Result<Option<(Target, bool)>> {
        self.write()?;
        let unreadable = self.unreadable;
        let Some(writer) = self.writer else { return Ok(None) };
        let target = writer.into_inner().map_err(|error| parquet_error(error, &self.place))?;
        Ok(Some((target, unreadable)))
    }

    fn write(&mut self) -> Result<()> {
        if self.columns.rows == 0 {
            return Ok(());
        }
        let batch = self.columns.finish(&self.backend, self.source).map_err(Error::of_rows)?;
        if self.writer.is_none() {
            self.writer = Some(self.begin()?);
        }
        let writer = self.writer.as_mut().expect("it was just made");
        writer.write(&batch).map_err(|error| parquet_error(error, &self.place))
    }

    /// Starts the file with the rejects of earlier migrations.
    fn begin(&mut self) -> Result<ArrowWriter<Target>> {
        let failed = |error| parquet_error(error, &self.place);
        let target = Target::new(&self.place, self.mode)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
        let mut writer =
            ArrowWriter::try_new(target, schema::rejects(), Some(properties.build())).map_err(failed)?;
        if !self.unreadable && self.place.exists() {
            let old =
                File::open(&self.place).map_err(|source| Error::Read { path: self.place.clone(), source })?;
            for batch in read(old).map_err(failed)? {
                writer.write(&batch.map_err(failed)?).map_err(failed)?;
            }
        }
        Ok(writer)
    }
}

fn mark(place: [i64; 3], reason: &str, text: &str) -> Mark {
    let hash = |seed: u64| FixedState::with_seed(seed).hash_one((place, reason, text));
    (hash(0), hash(1))
}

/// What the file at `place` lists, if there is one.
fn marks(place: &Path) -> std::result::Result<HashSet<Mark>, ParquetError> {
    let mut marks = HashSet::new();
    if std::fs::symlink_metadata(place).is_err() {
        return Ok(marks);
    }
    for batch in read(File::open(place)?)? {
        let batch = batch?;
        let number = |index: usize| batch.column(index).as_primitive::<Int64Type>();
        let text = |index: usize| batch.column(index).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let place = [2, 3, 4].map(|index| number(index).value(row));
            marks.insert(mark(place, text(5).value(row), text(6).value(row)));
        }
    }
    Ok(marks)
}

/// The rejects in a file, if it is one of ours.
fn read(
    file: File,
) -> std::result::Result<impl Iterator<Item = std::result::Result<RecordBatch, ParquetError>>, ParquetError> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
    if reader.schema().fields() != schema::rejects().fields() {
        return Err(ParquetError::General("it has other columns than a file of rejects".into()));
    }
    let reader = reader.with_batch_size(sort::CHUNK).build()?;
    Ok(reader.map(|batch| batch.map_err(ParquetError::from)))
}

impl Columns {
    fn finish(&mut self, backend: &str, source: i64) -> Result<RecordBatch, arrow::error::ArrowError> {
        let rows = self.rows;
        let mut backends = StringBuilder::new();
        let mut sources = TimestampMicrosecondBuilder::new().with_timezone("UTC");
        for _ in 0..rows {
            backends.append_value(backend);
            sources.append_value(source);
        }
        let [entry, line, column] = &mut self.numbers;
        let [reason, text] = &mut self.texts;
        let batch = RecordBatch::try_new(
            schema::rejects(),
            vec![
                Arc::new(backends.finish()),
                Arc::new(sources.finish()),
                Arc::new(entry.finish()),
                Arc::new(line.finish()),
                Arc::new(column.finish()),
                Arc::new(reason.finish()),
                Arc::new(text.finish()),
            ],
        );
        (self.rows, self.bytes) = (0, 0);
        batch
    }
}

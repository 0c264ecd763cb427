//! Sorts rows by pin in bounded memory: runs that fit are sorted and, but for the last, spilled; then they are merged.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek};
use std::path::{Path, PathBuf};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use super::rows::{RowBuilder, Rows};
use crate::error::{Error, Result};
use crate::pin::Mapping;

/// Rows that are handed on at once.
pub(super) const CHUNK: usize = 8192;
/// What a spilled run is read and written with at once, in bytes.
const BUFFER: usize = 1 << 20;

/// Takes rows in any order.
pub(super) struct Sorter {
    builder: RowBuilder,
    schema: SchemaRef,
    runs: Vec<Run>,
    /// Where runs are spilled to: files without a name, which no crash can leave.
    spill: PathBuf,
    /// What one run may take, in bytes.
    limit: usize,
}

/// Sorted rows.
pub(super) enum Run {
    Memory { rows: RecordBatch, order: Vec<u32>, at: usize },
    Spilled(Box<StreamReader<BufReader<File>>>),
}

impl Sorter {
    /// `limit`: the bytes that the rows of one run may take. About three times as much is used at the most.
    pub fn new(schema: SchemaRef, spill: &Path, limit: usize) -> Sorter {
        let builder = RowBuilder::new(SchemaRef::clone(&schema));
        Sorter { builder, schema, runs: Vec::new(), spill: spill.into(), limit }
    }

    /// Takes one row.
    pub fn push(&mut self, mapping: &Mapping<'_>, content: &[u8], codec: u64, number: u64) -> Result<()> {
        if self.builder.bytes() >= self.limit {
            self.spill()?;
        }
        self.builder.push(mapping, content, codec, number);
        Ok(())
    }

    /// Takes one row of several whose further columns are still to come.
    pub fn push_kept(&mut self, mapping: &Mapping<'_>, content: &[u8], codec: u64, number: u64) {
        self.builder.push(mapping, content, codec, number);
    }

    /// Takes the further columns of the rows just taken.
    pub fn push_extras(&mut self, extras: RecordBatch) {
        self.builder.push_extras(extras);
    }

    /// Makes room for rows that must stay together until their further columns have come.
    pub fn make_room(&mut self) -> Result<()> {
        if self.builder.bytes() >= self.limit { self.spill() } else { Ok(()) }
    }

    /// All rows, as sorted runs.
    pub fn finish(mut self) -> Result<Vec<Run>> {
        if !self.builder.is_empty() {
            let run = self.sorted()?;
            self.runs.push(run);
        }
        Ok(self.runs)
    }

    fn spill(&mut self) -> Result<()> {
        let failed = |source| Error::Write { path: self.spill.clone(), source };
        let file = tempfile::tempfile_in(&self.spill).map_err(failed)?;
        let mut run = self.sorted()?;
        let out = BufWriter::with_capacity(BUFFER, file);
        let mut writer = StreamWriter::try_new(out, &self.schema).map_err(Error::of_spill)?;
        while let Some(batch) = run.next()? {
            writer.write(&batch).map_err(Error::of_spill)?;
        }
        let mut file = writer
            .into_inner()
            .map_err(Error::of_spill)?
            .into_inner()
            .map_err(|error| Error::Write { path: self.spill.clone(), source: error.into_error() })?;
        file.rewind().map_err(|source| Error::Write { path: self.spill.clone(), source })?;
        let reader = StreamReader::try_new(BufReader::with_capacity(BUFFER, file), None);
        self.runs.push(Run::Spilled(Box::new(reader.map_err(Error::of_spill)?)));
        Ok(())
    }

    fn sorted(&mut self) -> Result<Run> {
        let rows = Rows::of(self.builder.finish().map_err(Error::of_spill)?);
        let mut keys: Vec<(u64, u32)> = (0..rows.len()).map(|row| (rows.prefix(row), row as u32)).collect();
        keys.sort_unstable_by(|one, other| {
            one.0.cmp(&other.0).then_with(|| rows.key(one.1 as usize).cmp(&rows.key(other.1 as usize)))
        });
        let order = keys.into_iter().map(|(_, row)| row).collect();
        Ok(Run::Memory { rows: rows.batch, order, at: 0 })
    }
}

impl Run {
    /// The next rows, or none at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Run::Spilled(reader) => reader.next().transpose().map_err(Error::of_spill),
            Run::Memory { rows, order, at } => {
                let chunk = &order[*at..order.len().min(*at + CHUNK)];
                *at += chunk.len();
                if chunk.is_empty() {
                    return Ok(None);
                }
                let indices = UInt32Array::from(chunk.to_vec());
                take_record_batch(rows, &indices).map(Some).map_err(Error::of_spill)
            }
        }
    }
}

impl Error {
    /// An error over rows in the making: of the disk that they were spilled to, if not of the rows.
    pub(super) fn of_spill(error: arrow::error::ArrowError) -> Error {
        match error {
            arrow::error::ArrowError::IoError(_, source) => {
                Error::Write { path: "a temporary file".into(), source }
            }
            other => Error::Engine { message: other.to_string() },
        }
    }
}

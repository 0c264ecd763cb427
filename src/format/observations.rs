//! Files of observations: rows of [`observation::file`] as Parquet.

use std::fs::File;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;

use crate::pin::observation;

/// Bytes that the writer holds before it writes them.
const HELD: usize = 4 << 20;

/// Writes a file of observations.
pub(crate) struct Writer<W: Write + Send> {
    parquet: ArrowWriter<W>,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    pub fn begin(out: W) -> io::Result<Writer<W>> {
        let level = ZstdLevel::try_new(3).unwrap_or_default();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let parquet = ArrowWriter::try_new(out, observation::file(), Some(properties)).map_err(unwritten)?;
        Ok(Writer { parquet })
    }

    /// Adds rows.
    pub fn write(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.parquet.write(rows).map_err(unwritten)?;
        match self.parquet.in_progress_size() > HELD {
            true => self.parquet.flush().map_err(unwritten),
            false => Ok(()),
        }
    }

    /// Writes what is left. A file without this is none.
    pub fn finish(self) -> io::Result<()> {
        self.parquet.close().map(drop).map_err(unwritten)
    }
}

/// An error of the disk goes through the writer and comes out as one of Parquet's.
fn unwritten(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(cause) => io::Error::other(cause),
        },
        error => io::Error::other(error),
    }
}

/// The rows of a file that has the columns of today.
pub(crate) fn read(file: File) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>>, String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    if builder.schema().fields() != observation::file().fields() {
        return Err("it has other columns".into());
    }
    builder.with_batch_size(64).build().map_err(|error| error.to_string())
}

/// How many rows a file has, as its footer says.
pub(crate) fn rows(file: File) -> Result<u64, String> {
    let file = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
    u64::try_from(file.metadata().file_metadata().num_rows()).map_err(|error| error.to_string())
}

/// Whether any observation of a file was one of backends, as its footer says.
pub(crate) fn has_backends(file: File) -> bool {
    let Ok(file) = SerializedFileReader::new(file) else { return false };
    let columns = file.metadata().row_groups().iter().flat_map(|group| group.columns());
    let mut counts = columns.filter(|column| column.column_path().string() == observation::BACKENDS);
    counts.any(|column| matches!(column.statistics(), Some(Statistics::Int64(of)) if of.max_opt() > Some(&0)))
}

/// When the newest observation of a file was made, in microseconds since 1970, as its footer says.
pub(crate) fn newest(file: File) -> Option<i64> {
    let file = SerializedFileReader::new(file).ok()?;
    let groups = file.metadata().row_groups().iter();
    groups
        .filter_map(|group| match group.column(0).statistics() {
            Some(Statistics::Int64(of)) => of.max_opt().copied(),
            _ => None,
        })
        .max()
}

//! Sorted mappings → Parquet and CAR, both at once, and the proof that they read back as they were written.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::columns::FileRows;
use super::digest::Digest;
use super::target::Target;
use super::{CarFormat, Progress};
use crate::error::{Error, Result};
use crate::format::car::{JsonWriter, MappingsWriter};
use crate::format::parquet::LayoutWriter;

/// Batches that wait for each encoder.
const WAITING: usize = 4;

/// The two files that are to be written.
pub(super) struct Targets<'a> {
    pub mappings: Target,
    pub car: Target,
    pub car_format: CarFormat,
    /// When the backup says it was made, in microseconds since 1970.
    pub created_at: i64,
    /// The names that errors give.
    pub mappings_place: &'a Path,
    pub car_place: &'a Path,
}

/// Two files that are written and not yet in their places.
pub(super) struct Encoded {
    pub mappings: Mappings,
    pub car: Target,
}

/// A file of mappings that is written and not yet in its place.
pub(super) struct Mappings {
    pub target: Target,
    pub rows: u64,
    pub schema: SchemaRef,
    digest: Digest,
}

/// Writes both files from the batches that `next` gives, in order.
pub(super) fn encode(
    targets: Targets<'_>,
    schema: &SchemaRef,
    progress: &Progress,
    mut next: impl FnMut() -> Result<Option<RecordBatch>>,
) -> Result<Encoded> {
    let Targets { mappings, car, car_format, created_at, mappings_place, car_place } = targets;
    thread::scope(|scope| {
        let (to_parquet, batches) = sync_channel(WAITING);
        let (to_car, car_batches) = sync_channel(WAITING);
        let (root_sender, root) = sync_channel(1);
        let car = scope.spawn(move || {
            let written = write_car(car, car_format, created_at, || Ok(car_batches.recv().ok()));
            let WrittenCar { car, root } =
                written.map_err(|source: io::Error| Error::Write { path: car_place.into(), source })?;
            let _ = root_sender.send(root);
            Ok(car)
        });
        let parquet = scope.spawn(move || {
            let root = || root.recv().map_err(|_| ParquetError::General("the CAR was not written".into()));
            Mappings::write(mappings, schema, created_at, root, mappings_place, || Ok(batches.recv().ok()))
        });
        let fed = feed(progress, &[&to_parquet, &to_car], &mut next);
        drop((to_parquet, to_car));
        let car = car.join().unwrap_or_else(|_| Err(panicked("CAR")));
        let parquet = parquet.join().unwrap_or_else(|_| Err(panicked("Parquet")));
        fed?;
        let (car, mappings) = (car?, parquet?);
        Ok(Encoded { mappings, car })
    })
}

/// Gives each batch to both encoders. One that has failed takes no more; its error is told by itself.
fn feed(
    progress: &Progress,
    encoders: &[&SyncSender<RecordBatch>],
    next: &mut dyn FnMut() -> Result<Option<RecordBatch>>,
) -> Result<()> {
    while let Some(batch) = next()? {
        progress.wrote(batch.num_rows() as u64)?;
        if encoders.iter().any(|encoder| encoder.send(batch.clone()).is_err()) {
            break;
        }
    }
    Ok(())
}

impl Mappings {
    /// Writes the batches that `next` gives, in order, and then what `root` gives: the root of the CAR that goes with them.
    /// `place` is what errors name.
    pub fn write(
        target: Target,
        schema: &SchemaRef,
        created_at: i64,
        root: impl FnOnce() -> std::result::Result<Option<String>, ParquetError>,
        place: &Path,
        mut next: impl FnMut() -> Result<Option<RecordBatch>>,
    ) -> Result<Mappings> {
        let failed = |error| parquet_error(error, place);
        let mut writer = LayoutWriter::new(target, SchemaRef::clone(schema)).map_err(failed)?;
        let (mut digest, mut rows) = (Digest::new(schema), 0);
        while let Some(batch) = next()? {
            digest.add(&batch).map_err(Error::of_rows)?;
            rows += batch.num_rows() as u64;
            writer.write(&batch).map_err(failed)?;
        }
        let root = root().map_err(failed)?;
        let target = writer.finish(root.as_deref(), created_at).map_err(failed)?;
        Ok(Mappings { target, rows, schema: SchemaRef::clone(schema), digest })
    }

    /// Reads the file back from the disk and holds it to what it was made of, row by row.
    ///
    /// # Errors
    /// [`Error::Unproved`] if they differ.
    pub fn prove(&mut self, place: &Path) -> Result<()> {
        let Target::File(written) = &mut self.target else { return Ok(()) };
        let file = written.staged.read_back()?;
        let problem = match self.read(file) {
            Ok(problem) => problem,
            Err(error) => Some(error.to_string()),
        };
        match problem {
            Some(problem) => Err(Error::Unproved { path: place.into(), problem }),
            None => Ok(()),
        }
    }

    fn read(&self, file: File) -> std::result::Result<Option<String>, ParquetError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
        let reader = reader.with_batch_size(super::sort::CHUNK).build()?;
        let mut digest = Digest::new(&self.schema);
        for batch in reader {
            digest.add(&batch?)?;
        }
        Ok(self.digest.difference(&digest, &self.schema))
    }
}

/// A CAR that is written and not yet in its place.
pub(super) struct WrittenCar {
    pub car: Target,
    pub root: Option<String>,
}

/// Writes a CAR from the batches that `next` gives, in order.
pub(super) fn write_car<E: From<io::Error>>(
    target: Target,
    format: CarFormat,
    created_at: i64,
    mut next: impl FnMut() -> std::result::Result<Option<RecordBatch>, E>,
) -> std::result::Result<WrittenCar, E> {
    match format {
        CarFormat::Car => {
            let mut writer = MappingsWriter::new(target, created_at)?;
            while let Some(batch) = next()? {
                let rows = FileRows::of(&batch);
                (0..batch.num_rows()).try_for_each(|row| writer.push(&rows.mapping(row)))?;
            }
            let (car, written) = writer.finish()?;
            Ok(WrittenCar { car, root: Some(written.root) })
        }
        CarFormat::Json => {
            let mut writer = JsonWriter::new(target, created_at);
            while let Some(batch) = next()? {
                let rows = FileRows::of(&batch);
                (0..batch.num_rows()).try_for_each(|row| writer.push(&rows.mapping(row)))?;
            }
            Ok(WrittenCar { car: writer.finish()?.0, root: None })
        }
    }
}

impl Encoded {
    /// Reads both files back from the disk and holds them to what they were made of: the mappings row by row, the CAR byte
    /// by byte.
    ///
    /// # Errors
    /// [`Error::Unproved`] if they differ.
    pub fn prove(&mut self, mappings_place: &Path, car_place: &Path) -> Result<()> {
        thread::scope(|scope| {
            let car = scope.spawn(|| self.car.prove(car_place));
            self.mappings.prove(mappings_place)?;
            car.join().unwrap_or_else(|_| Err(panicked("CAR")))
        })
    }

    /// Whether the file at `place` is the CAR in the making, byte by byte.
    pub fn is_car_of(&self, place: &Path) -> bool {
        self.car.is_at(place)
    }
}

/// A Parquet error as one of writing, with the system's own words where the disk is at fault.
pub(super) fn parquet_error(error: ParquetError, path: &Path) -> Error {
    let source = match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(cause) => *cause,
            Err(cause) => io::Error::other(cause),
        },
        other => hidden_in(&other.to_string()).unwrap_or_else(|| io::Error::other(other)),
    };
    Error::Write { path: path.into(), source }
}

/// The system's error in a text: what goes wrong with the last bytes of a Parquet file is told in words only.
fn hidden_in(text: &str) -> Option<io::Error> {
    let number = text.rsplit_once("(os error ")?.1.split(')').next()?;
    Some(io::Error::from_raw_os_error(number.parse().ok()?))
}

fn panicked(what: &str) -> Error {
    Error::Engine { message: format!("the {what} writer panicked") }
}

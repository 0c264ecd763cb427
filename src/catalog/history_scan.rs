//! The scan of `history` and `backend_history`: part after part, and of each no more than the batch that is handed on.
//!
//! Parts are open from when the query is planned, for a daemon puts them together meanwhile. What waits to be taken is counted
//! against the session's memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{Fields, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, Partitioning};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::reader::{ChunkReader, Length};
use parquet::schema::types::SchemaDescriptor;

use super::table::external;
use crate::error::{DAMAGED, Error};
use crate::pin::observation::{BY_BACKEND, OBSERVED_AT};

/// The column of the list of backends that is always read: it tells how many rows there are.
const ALWAYS: &str = "backend_name";

/// One of the two tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Totals,
    Backends,
}

/// A file of observations, open.
#[derive(Debug)]
pub(super) struct Part {
    pub path: PathBuf,
    file: Mutex<File>,
    length: u64,
    footer: ArrowReaderMetadata,
}

/// The scan of all parts, with some of the columns.
#[derive(Debug, Clone)]
pub(super) struct HistoryScan {
    pub of: Of,
    pub columns: SchemaRef,
    pub parts: Arc<[Arc<Part>]>,
}

/// The scan that a node is, if it is one of the history.
pub(super) fn history_scan(node: &dyn ExecutionPlan) -> Option<&HistoryScan> {
    node.downcast_ref::<DataSourceExec>()?.data_source().as_ref().downcast_ref()
}

impl Part {
    /// Reads the footer.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn open(path: PathBuf, file: File) -> crate::error::Result<Part> {
        let length = match file.metadata() {
            Ok(found) => found.len(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let footer = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new());
        let footer = footer.map_err(|error| damaged(&path, &error))?;
        Ok(Part { path, file: Mutex::new(file), length, footer })
    }

    /// Observations.
    fn rows(&self) -> usize {
        usize::try_from(self.footer.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    /// Backends of all its observations.
    fn backends(&self) -> usize {
        let groups = self.footer.metadata().row_groups().iter();
        let columns = groups.flat_map(|group| group.columns());
        let always =
            columns.filter(|column| column.column_path().parts().last().is_some_and(|last| last == ALWAYS));
        always.map(|column| usize::try_from(column.num_values()).unwrap_or_default()).sum()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        // Several scans of one plan share the file and its place.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(at))?;
        file.read(into)
    }
}

fn damaged(path: &std::path::Path, error: &dyn fmt::Display) -> Error {
    Error::Format { path: path.into(), place: "observations".into(), problem: format!("{DAMAGED}: {error}") }
}

/// The bytes of a part.
struct PartBytes(Arc<Part>);

/// The same from a place on.
struct Reading {
    part: Arc<Part>,
    at: u64,
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read_at(self.at, into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Length for PartBytes {
    fn len(&self) -> u64 {
        self.0.length
    }
}

impl ChunkReader for PartBytes {
    type T = BufReader<Reading>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::new(Reading { part: Arc::clone(&self.0), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let mut bytes = vec![0; length];
        Reading { part: Arc::clone(&self.0), at: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

impl HistoryScan {
    /// Hands on all rows, in batches of about so many, until nobody takes them any more.
    fn read(
        &self,
        rows: usize,
        memory: &MemoryReservation,
        take: impl Fn(RecordBatch) -> bool,
    ) -> Result<()> {
        let mut waiting = 0;
        for part in self.parts.iter() {
            let failed = |error: &dyn fmt::Display| external(damaged(&part.path, error));
            for batch in self.batches(part, rows).map_err(|error| failed(&error))? {
                let batch = batch.and_then(|batch| self.shaped(&batch)).map_err(|error| failed(&error))?;
                let size = batch.get_array_memory_size();
                // The one before may not have been taken yet.
                memory.try_resize(waiting + size)?;
                waiting = size;
                if !take(batch) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn batches(&self, part: &Arc<Part>, rows: usize) -> parquet::errors::Result<ParquetRecordBatchReader> {
        let rows = match self.of {
            Of::Totals => rows,
            // Each observation is a row for each backend.
            Of::Backends => rows * part.rows() / part.backends().max(1),
        };
        let footer = part.footer.clone();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(PartBytes(Arc::clone(part)), footer);
        let wanted = self.wanted(reader.parquet_schema());
        reader.with_projection(wanted).with_batch_size(rows.clamp(1, part.rows().max(1))).build()
    }

    /// The columns of a file that are needed.
    fn wanted(&self, file: &SchemaDescriptor) -> ProjectionMask {
        let has = |name: &str| self.columns.column_with_name(name).is_some();
        let leaves = file.columns().iter().enumerate().filter(|(_, leaf)| {
            let path = leaf.path().parts();
            let (root, last) = (path[0].as_str(), path[path.len() - 1].as_str());
            match (self.of, path.len()) {
                (Of::Totals, 1) => has(root),
                (Of::Totals, _) => false,
                (Of::Backends, 1) => root == OBSERVED_AT,
                (Of::Backends, _) => has(last) || last == ALWAYS,
            }
        });
        let mut leaves: Vec<usize> = leaves.map(|(index, _)| index).collect();
        if leaves.is_empty() {
            leaves.push(0);
        }
        ProjectionMask::leaves(file, leaves)
    }

    /// A batch of a file as rows of the table. What an older file does not have is NULL.
    fn shaped(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (rows, found) = match self.of {
            Of::Totals => (batch.num_rows(), by_name(batch.schema().fields(), batch.columns())),
            Of::Backends => backends(batch)?,
        };
        let column = |field: &Arc<arrow::datatypes::Field>| match found
            .iter()
            .find(|(name, _)| name == field.name())
        {
            Some((_, values)) => cast(values, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows)),
        };
        let arrays = self.columns.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(&self.columns), arrays, &rows)
    }
}

/// The backends of all observations of a batch: how many, and their columns.
fn backends(batch: &RecordBatch) -> Result<(usize, Vec<(String, ArrayRef)>), ArrowError> {
    let list = batch.column_by_name(BY_BACKEND).and_then(|list| list.as_list_opt::<i32>());
    let missing = || ArrowError::SchemaError(format!("no column {BY_BACKEND}"));
    let list = list.ok_or_else(missing)?;
    let owners = (0..list.len() as u32)
        .flat_map(|row| std::iter::repeat_n(row, list.value_length(row as usize) as usize));
    let owners = UInt32Array::from_iter_values(owners);
    // A batch may be a part of a longer list of values.
    let first = list.value_offsets()[0] as usize;
    let values = list.values().slice(first, owners.len());
    let values = values.as_struct_opt().ok_or_else(missing)?;
    let mut found = by_name(values.fields(), values.columns());
    if let Some(at) = batch.column_by_name(OBSERVED_AT) {
        found.push((OBSERVED_AT.to_owned(), take(at, &owners, None)?));
    }
    Ok((owners.len(), found))
}

fn by_name(fields: &Fields, columns: &[ArrayRef]) -> Vec<(String, ArrayRef)> {
    fields.iter().zip(columns).map(|(field, column)| (field.name().clone(), Arc::clone(column))).collect()
}

impl DataSource for HistoryScan {
    fn open(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let mut stream = RecordBatchReceiverStream::builder(Arc::clone(&self.columns), 1);
        let memory = MemoryConsumer::new(format!("HistoryScan[{partition}]")).register(context.memory_pool());
        let (scan, sender, rows) = (self.clone(), stream.tx(), context.session_config().batch_size());
        stream.spawn_blocking(move || {
            scan.read(rows, &memory, |batch| sender.blocking_send(Ok(batch)).is_ok())
        });
        Ok(stream.build())
    }

    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of={:?}, parts={}", self.of, self.parts.len())
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(1)
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(Arc::clone(&self.columns))
    }

    fn partition_statistics(&self, _: Option<usize>) -> Result<Arc<Statistics>> {
        let parts = self.parts.iter();
        let num_rows = match self.of {
            Of::Totals => Precision::Exact(parts.map(|part| part.rows()).sum()),
            // An observation without backends counts as one there.
            Of::Backends => Precision::Inexact(parts.map(|part| part.backends()).sum()),
        };
        Ok(Arc::new(Statistics { num_rows, ..Statistics::new_unknown(&self.columns) }))
    }

    fn with_fetch(&self, _: Option<usize>) -> Option<Arc<dyn DataSource>> {
        None
    }

    fn fetch(&self) -> Option<usize> {
        None
    }

    fn try_swapping_with_projection(&self, _: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        Ok(None)
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use arrow::array::{Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::common::DataFusionError;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
    use parquet::arrow::ArrowWriter;
    use tempfile::TempDir;

    use super::*;
    use crate::pin::observation;

    const BACKENDS: usize = 20;

    /// Columns that are NULL but for one of text.
    fn columns(fields: &Fields, text: (&str, ArrayRef)) -> Vec<ArrayRef> {
        let column = |field: &Arc<Field>| match field.name() == text.0 {
            true => Arc::clone(&text.1),
            false => new_null_array(field.data_type(), text.1.len()),
        };
        fields.iter().map(column).collect()
    }

    /// A part with so many observations of twenty backends each.
    fn part(dir: &TempDir, name: &str, observations: usize) -> Arc<Part> {
        let names: Vec<_> = (0..observations * BACKENDS).map(|row| format!("{row:0200}")).collect();
        let fields = observation::of_backend();
        let backends = columns(&fields, ("backend_name", Arc::new(StringArray::from(names))));
        let lengths = OffsetBuffer::from_lengths(vec![BACKENDS; observations]);
        let item = Arc::new(Field::new_list_field(DataType::Struct(fields.clone()), true));
        let list = ListArray::new(item, lengths, Arc::new(StructArray::new(fields, backends, None)), None);
        let causes = StringArray::from(vec!["interval"; observations]);
        let mut all = columns(&observation::totals(), ("cause", Arc::new(causes)));
        all[0] = Arc::new(TimestampMicrosecondArray::from(vec![1; observations]).with_timezone("UTC"));
        all[2] = Arc::new(Int64Array::from(vec![1; observations]));
        all.push(Arc::new(list));
        let path = dir.path().join(name);
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, observation::file(), None).unwrap();
        writer.write(&RecordBatch::try_new(observation::file(), all).unwrap()).unwrap();
        writer.close().unwrap();
        let file = File::open(&path).unwrap();
        Arc::new(Part::open(path, file).unwrap())
    }

    fn scan(of: Of, dir: &TempDir) -> HistoryScan {
        let fields = match of {
            Of::Totals => observation::totals(),
            Of::Backends => observation::by_backend(),
        };
        let parts = ["a", "b", "c"].map(|name| part(dir, name, 300)).into();
        HistoryScan { of, columns: Arc::new(Schema::new(fields)), parts }
    }

    fn memory(limit: usize) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(limit));
        MemoryConsumer::new("history").register(&pool)
    }

    #[test]
    fn no_more_is_held_than_is_handed_on_and_all_of_it_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        for (of, rows) in [(Of::Totals, 900), (Of::Backends, 900 * BACKENDS)] {
            let scan = scan(of, &dir);
            let memory = memory(usize::MAX);
            let (found, total, most) = (Cell::new(0), Cell::new(0), Cell::new(0));
            let take = |batch: RecordBatch| {
                let size = batch.get_array_memory_size();
                assert!(batch.num_rows() <= 200 && memory.size() >= size, "{of:?}");
                found.set(found.get() + batch.num_rows());
                total.set(total.get() + size);
                most.set(memory.size().max(most.get()));
                true
            };
            scan.read(200, &memory, take).unwrap();
            assert_eq!(found.get(), rows, "{of:?}");
            assert!(most.get() * 2 < total.get(), "{of:?}: {} of {}", most.get(), total.get());
        }
    }

    #[test]
    fn what_there_is_no_memory_for_is_an_error_and_who_takes_no_more_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let scan = scan(Of::Backends, &dir);
        let error = scan.read(8192, &memory(10_000), |_| true).unwrap_err();
        assert!(matches!(error, DataFusionError::ResourcesExhausted(_)), "{error}");
        let taken = Cell::new(0);
        let take = |_| {
            taken.set(taken.get() + 1);
            taken.get() < 3
        };
        scan.read(200, &memory(usize::MAX), take).unwrap();
        assert_eq!(taken.get(), 3);
    }

    #[test]
    fn several_read_the_same_open_files_at_once_even_if_they_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let scan = scan(Of::Backends, &dir);
        dir.close().unwrap();
        let count = || {
            let rows = Cell::new(0);
            let take = |batch: RecordBatch| {
                rows.set(rows.get() + batch.num_rows());
                true
            };
            scan.read(100, &memory(usize::MAX), take).unwrap();
            rows.get()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 900 * BACKENDS));
        });
    }
}

//! Rows parted by their contents, and how rows in any order are.

use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::runtime::JoinSet;
use datafusion::common::{DataFusionError, Result, exec_err};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::TryStreamExt;
use futures::future::{self, BoxFuture};

use super::super::block::{Block, Slice};
use super::super::contents::RowContents;
use super::super::source::{Origin, Piece};
use super::super::table::{high, tail};
use super::Task;
use crate::catalog::ContentRange;

/// Rows that are parted at once: what is taken of them in another order is to stay in a core's own cache.
const ROWS: usize = 32 << 10;
/// What rows may take before they are parted, however few they are.
const MOST_BYTES: usize = 32 << 20;
/// Spreads the last bytes of contents over the parts, in another way than over the table of one part.
const SPREAD: u64 = 0xd6e8_feb8_6659_fd93;

/// What all partitions wait for, and goes on as long as one of them does, or has not begun. What it gives is kept until all of them have
/// done with it.
pub(super) type Shared = future::Shared<BoxFuture<'static, Result<Arc<Gathered>, Arc<DataFusionError>>>>;

/// Rows parted by their contents.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Those of one backend side by side, if an aggregate asks for backends.
    pub chunks: Vec<Chunk>,
    /// The names of the backends in their order.
    pub backends: Arc<[Arc<str>]>,
    pub parts: Parts,
    /// What the chunks take.
    pub _memory: Vec<MemoryReservation>,
}

/// What the parts are.
#[derive(Debug)]
pub(super) enum Parts {
    /// So many, by a hash.
    ByHash(usize),
    /// Ranges of contents. The rows of each chunk are sorted.
    Ranges(Arc<[ContentRange]>),
}

/// Some rows of one backend, those of each part side by side.
#[derive(Debug)]
pub(super) struct Chunk {
    pub rows: Piece,
    /// Where each part begins, and where the last one ends.
    pub starts: Vec<u32>,
}

/// A chunk of a backend; `None` if nobody asks for its name.
type OfBackend = (Option<Arc<str>>, Chunk);

/// The rows of one partition of the input.
struct Gatherer {
    task: Arc<Task>,
    /// Which column names the backend.
    named: Option<usize>,
    kept: SchemaRef,
    chunks: Vec<OfBackend>,
    /// The backend of the rows that wait.
    backend: Option<Arc<str>>,
    /// Rows that wait until there are enough to part them: their contents, and after these what is kept.
    waiting: Vec<Vec<ArrayRef>>,
    count: usize,
    /// What the rows that wait take.
    bytes: usize,
    memory: MemoryReservation,
}

/// Reads and parts all rows.
pub(super) async fn gather(
    input: &Arc<dyn ExecutionPlan>,
    backend: Option<usize>,
    task: &Arc<Task>,
    context: &Arc<TaskContext>,
) -> Result<Gathered> {
    let kept = kept_schema(task, &input.schema())?;
    let mut gatherers = JoinSet::new();
    for partition in 0..input.output_partitioning().partition_count() {
        let memory = MemoryConsumer::new("RadixGroupsExec").register(context.memory_pool());
        let mut gatherer = Gatherer::new(Arc::clone(task), backend, Arc::clone(&kept), memory);
        let mut batches = input.execute(partition, Arc::clone(context))?;
        gatherers.spawn(async move {
            while let Some(batch) = batches.try_next().await? {
                gatherer.add(&batch)?;
            }
            gatherer.part()?;
            Ok::<_, DataFusionError>((gatherer.chunks, gatherer.memory))
        });
    }
    let (chunks, memory) = joined(gatherers).await?;
    Ok(Gathered::of(chunks, memory, task))
}

/// The chunks of all tasks, and their memory.
pub(super) async fn joined<C: 'static>(
    mut tasks: JoinSet<Result<(Vec<C>, MemoryReservation)>>,
) -> Result<(Vec<C>, Vec<MemoryReservation>)> {
    let (mut chunks, mut memory) = (Vec::new(), Vec::new());
    while let Some(task) = tasks.join_next().await {
        let (of_task, reserved) = task.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => DataFusionError::ExecutionJoin(Box::new(error)),
        })??;
        chunks.extend(of_task);
        memory.push(reserved);
    }
    Ok((chunks, memory))
}

/// The columns of what is kept of such rows.
pub(super) fn kept_schema(task: &Task, rows: &Schema) -> Result<SchemaRef> {
    let fields =
        task.kept.iter().enumerate().map(|(index, expr)| {
            Ok(Field::new(index.to_string(), expr.data_type(rows)?, expr.nullable(rows)?))
        });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>>>()?)))
}

impl Gathered {
    fn of(mut of_backends: Vec<OfBackend>, memory: Vec<MemoryReservation>, task: &Task) -> Gathered {
        of_backends.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut backends: Vec<Arc<str>> =
            of_backends.iter().filter_map(|(backend, _)| backend.clone()).collect();
        backends.dedup();
        let wanted: Vec<_> =
            task.aggregates.iter().map(|each| each.filter.is_none().then_some(true)).collect();
        let chunk = |(backend, mut chunk): OfBackend| {
            let place = |backend: &Arc<str>| backends.partition_point(|name| name < backend);
            let backend = backend.as_ref().map_or(0, place) as u32;
            chunk.rows.origin = Arc::new(Origin { backend, wanted: wanted.clone() });
            chunk
        };
        let chunks = of_backends.into_iter().map(chunk).collect();
        Gathered { chunks, backends: backends.into(), parts: Parts::ByHash(task.parts), _memory: memory }
    }

    pub fn parts(&self) -> usize {
        match &self.parts {
            Parts::ByHash(parts) => *parts,
            Parts::Ranges(ranges) => ranges.len(),
        }
    }

    /// All rows of one part.
    pub fn part(&self, part: usize) -> Block<'_> {
        let of_part = self.chunks.iter().filter_map(|chunk| {
            let [from, to] = [part, part + 1].map(|at| chunk.starts[at] as usize);
            (from < to).then(|| Slice::new(&chunk.rows, from..to))
        });
        let slices = of_part.collect();
        match &self.parts {
            Parts::ByHash(_) => Block { slices, sorted: false, span: None, bound: None },
            Parts::Ranges(ranges) => {
                let ContentRange { from, to } = &ranges[part];
                let span = to.as_ref().filter(|_| !from.is_empty()).map(|to| [&from[..], to]);
                Block { slices, sorted: true, span, bound: None }
            }
        }
    }
}

impl Gatherer {
    fn new(task: Arc<Task>, named: Option<usize>, kept: SchemaRef, memory: MemoryReservation) -> Gatherer {
        let (chunks, waiting) = (Vec::new(), Vec::new());
        Gatherer { task, named, kept, chunks, backend: None, waiting, count: 0, bytes: 0, memory }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let mut columns = vec![Arc::clone(batch.column(self.task.content))];
        for expr in &self.task.kept {
            columns.push(expr.evaluate(batch)?.into_array(rows)?);
        }
        let backends = match self.named {
            Some(backend) => in_runs(batch.column(backend))?,
            None => vec![(None, rows)],
        };
        let bytes = columns.iter().map(|column| column.get_array_memory_size()).sum();
        self.memory.try_grow(bytes)?;
        self.bytes += bytes;
        let mut from = 0;
        for (backend, rows) in backends {
            if self.backend.as_deref() != backend {
                self.part()?;
                self.backend = backend.map(Arc::from);
            }
            self.waiting.push(columns.iter().map(|column| column.slice(from, rows)).collect());
            self.count += rows;
            from += rows;
            if self.count >= ROWS || self.bytes >= MOST_BYTES {
                self.part()?;
            }
        }
        Ok(())
    }

    /// Parts the rows that wait.
    fn part(&mut self) -> Result<()> {
        let (waiting, count) = (take(&mut self.waiting), take(&mut self.count));
        if count == 0 {
            return Ok(());
        }
        let column = |index: usize| {
            let pieces: Vec<&dyn Array> = waiting.iter().map(|columns| columns[index].as_ref()).collect();
            concat(&pieces)
        };
        let contents = column(0)?;
        let Some(contents) = contents.as_binary_view_opt() else { return exec_err!("contents are no bytes") };
        let (order, starts) = parted(contents, self.task.parts);
        let taken = |column: &dyn Array| arrow::compute::take(column, &order, None).map(held);
        let kept = (1..=self.task.kept.len()).map(|index| taken(&column(index)?));
        let kept: Vec<_> = kept.collect::<Result<_, _>>()?;
        let contents = RowContents::held(contents, order.values().iter().map(|row| *row as usize));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let kept = RecordBatch::try_new_with_options(Arc::clone(&self.kept), kept, &options)?;
        let size = contents.size() + kept.get_array_memory_size() + 4 * starts.len();
        self.memory.try_grow(size)?;
        self.memory.shrink(take(&mut self.bytes));
        let origin = Arc::new(Origin { backend: 0, wanted: Vec::new() });
        let rows = Piece { origin, rows: kept, contents };
        self.chunks.push((self.backend.clone(), Chunk { rows, starts }));
        Ok(())
    }
}

/// The rows in the order of their parts, and where each part begins.
fn parted(contents: &BinaryViewArray, parts: usize) -> (UInt32Array, Vec<u32>) {
    let part = |row: usize| high(tail(contents.value(row)).wrapping_mul(SPREAD), parts as u64) as u32;
    let of_rows: Vec<u32> = (0..contents.len()).map(part).collect();
    let mut starts = vec![0; parts + 1];
    for part in &of_rows {
        starts[*part as usize + 1] += 1;
    }
    for part in 0..parts {
        starts[part + 1] += starts[part];
    }
    let (mut next, mut order) = (starts.clone(), vec![0; of_rows.len()]);
    for (row, part) in of_rows.into_iter().enumerate() {
        let at = &mut next[part as usize];
        order[*at as usize] = row as u32;
        *at += 1;
    }
    (order.into(), starts)
}

/// Some rows of a column that hold nothing of the others.
pub(super) fn rows_of(values: &ArrayRef, rows: Range<usize>) -> Result<ArrayRef> {
    let rows: UInt32Array = (rows.start as u32..rows.end as u32).collect();
    Ok(held(arrow::compute::take(values, &rows, None)?))
}

/// Values that hold nothing of what they were taken from.
fn held(values: ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::BinaryView => Arc::new(values.as_binary_view().gc()),
        DataType::Utf8View => Arc::new(values.as_string_view().gc()),
        _ => values,
    }
}

/// The names that follow each other, and how many rows have each of them.
fn in_runs(names: &ArrayRef) -> Result<Vec<(Option<&str>, usize)>> {
    let Some(names) = names.as_string_view_opt().filter(|names| names.null_count() == 0) else {
        return exec_err!("a backend has no name");
    };
    let mut runs: Vec<(Option<&str>, usize)> = Vec::new();
    let mut last = None;
    for row in 0..names.len() {
        // Within a batch, equal views are equal values.
        let view = names.views()[row];
        match runs.last_mut() {
            Some((_, rows)) if last == Some(view) => *rows += 1,
            Some((name, rows)) if *name == Some(names.value(row)) => *rows += 1,
            _ => runs.push((Some(names.value(row)), 1)),
        }
        last = Some(view);
    }
    Ok(runs)
}

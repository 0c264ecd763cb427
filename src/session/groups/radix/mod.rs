//! `GROUP BY content` over files in any order, such as other tools write. The rows are parted by their contents first, into parts
//! whose tables of groups fit a core's own cache, and each part is grouped by itself. A table of all groups would miss the cache
//! with every row. (The literature calls it radix partitioning: Manegold, Boncz, Kersten, "Optimizing main-memory join on
//! modern hardware", 2002.)
//!
//! The rows of many short runs, too, which cannot all be read side by side: they are sorted, so that each part of a run is
//! where it stands already.
//!
//! [`gather`] reads rows in any order and parts them, [`runs`] does it with sorted ones, [`work`] groups part by part.

mod gather;
mod runs;
mod work;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Schema};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::FutureExt;
use futures::stream::try_unfold;

use super::chain::{column_below, rows_below};
use super::output::Output;
use super::rule::by_content;
use super::sizes::Limits;
use super::task::{Aggregate, Grouping, Task as Streamed, aggregates};
use super::{apply_expressions, first_aggregate, over};
use crate::pin::schema::{BACKEND_NAME, CONTENT};
use gather::Shared;
use work::Work;

/// The most parts.
const MOST_PARTS: u64 = 4096;
/// The most passes: with each further one the pages in which one ends and the next begins are read once more.
const MOST_PASSES: usize = 10;
/// What a content takes: a SHA-256, and where it ends if lengths differ.
const CONTENT_BYTES: u64 = 42;
/// What another value takes that has no fixed width, by experience.
const TEXT_BYTES: u64 = 96;

/// Groups by content over rows that are parted first. Its partitions are parts of the contents, which is no partitioning that a join
/// may rely on.
#[derive(Debug)]
pub(super) struct RadixGroupsExec {
    /// The plan that it stands in for, and that it travels as.
    general: Arc<dyn ExecutionPlan>,
    /// The rows that the general plan aggregates.
    input: Arc<dyn ExecutionPlan>,
    task: Arc<Task>,
    limits: Limits,
    begun: Mutex<Begun>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// Which partitions are being read. The input is read once only: a scan that is read again gives no rows.
#[derive(Debug)]
struct Begun {
    partitions: Vec<bool>,
    /// What they wait for in each pass, as long as there is one that is not begun.
    shared: Vec<Shared>,
}

/// What there is to do.
#[derive(Debug)]
struct Task {
    rows: Rows,
    /// Which column of the rows is the content.
    content: usize,
    /// What is kept of each row beside its content: the arguments of the aggregates, and their filters.
    kept: Vec<Arc<dyn PhysicalExpr>>,
    /// Over what is kept.
    aggregates: Vec<Aggregate>,
    output: Output,
    partitions: usize,
    parts: usize,
    /// In how many passes rows are read, each time those of some of the parts.
    passes: usize,
}

/// Where rows come from.
#[derive(Debug)]
enum Rows {
    /// From the input, in any order; one of its columns names the backend, if an aggregate asks for it.
    InAnyOrder { backend: Option<usize> },
    /// From sorted runs, of which one thread reads so many rows of a file before it takes another.
    OfRuns { runs: Arc<Streamed>, turn: u64 },
}

impl Task {
    /// The task that a general plan is; `None` if it is another, takes too much memory, or is too small to be worth it.
    fn of(general: &Arc<dyn ExecutionPlan>, limits: &Limits, batch: usize) -> Option<Task> {
        let Grouping { first, column: content, output, schema } = Grouping::of(general)?;
        let (input, of_input) = (first.input(), first.input().schema());
        if column_below(input, content)? != CONTENT || of_input.field(content).is_nullable() {
            return None;
        }
        let rows = rows_below(input).filter(|rows| *rows >= limits.parted)?;
        let is_backend = |index| column_below(input, index).is_some_and(|name| name == BACKEND_NAME);
        let mut aggregates = aggregates(first, &is_backend)?;
        let backend = match aggregates.iter().any(Aggregate::is_of_backends) {
            true => Some((0..of_input.fields().len()).find(|index| is_backend(*index))?),
            false => None,
        };
        let kept = keep(&mut aggregates);
        let bytes = rows.saturating_mul(row_bytes(&kept, &of_input)?);
        let partitions = general.output_partitioning().partition_count();
        limits.may_hold(bytes).then_some(Task {
            rows: Rows::InAnyOrder { backend },
            content,
            kept,
            aggregates,
            output: Output { columns: output, schema, rows: batch },
            partitions,
            parts: parts(rows, limits, partitions),
            passes: 1,
        })
    }

    /// The task over sorted runs; `None` if it takes too much memory.
    fn over_runs(task: &Arc<Streamed>, limits: &Limits) -> Option<Task> {
        let mut aggregates = task.aggregates.clone();
        let kept = keep(&mut aggregates);
        let rows = task.chain.scan.rows();
        let schema = task.chain.schema().ok()?;
        let bytes = rows.saturating_mul(row_bytes(&kept, &schema)?);
        let passes = usize::try_from(limits.passes(bytes)).ok().filter(|passes| *passes <= MOST_PASSES)?;
        if passes > 1 && !runs::knows_rows(task) {
            return None;
        }
        Some(Task {
            rows: Rows::OfRuns { runs: Arc::clone(task), turn: limits.turn },
            content: task.content,
            kept,
            aggregates,
            output: task.output.clone(),
            partitions: task.partitions,
            parts: parts(rows, limits, task.partitions * passes),
            passes,
        })
    }
}

/// How many parts so many rows have, at least `least`: the table of each is to fit a cache.
fn parts(rows: u64, limits: &Limits, least: usize) -> usize {
    let parts = rows / limits.block.max(1) as u64;
    parts.max(least as u64).min(MOST_PARTS) as usize
}

/// What a row takes that is held, about.
fn row_bytes(kept: &[Arc<dyn PhysicalExpr>], schema: &Schema) -> Option<u64> {
    let widths = kept.iter().map(|expr| expr.data_type(schema).ok().map(|kind| width(&kind)));
    Some(CONTENT_BYTES + widths.sum::<Option<u64>>()?)
}

/// Has the aggregates take what is kept, and gives what that is of the input.
fn keep(aggregates: &mut [Aggregate]) -> Vec<Arc<dyn PhysicalExpr>> {
    let mut kept: Vec<Arc<dyn PhysicalExpr>> = Vec::new();
    for expr in aggregates.iter_mut().flat_map(Aggregate::exprs_mut) {
        if collect_columns(expr).is_empty() {
            continue;
        }
        let index = kept.iter().position(|known| known == expr).unwrap_or_else(|| {
            kept.push(Arc::clone(expr));
            kept.len() - 1
        });
        *expr = Arc::new(Column::new(&index.to_string(), index));
    }
    kept
}

/// What a value takes, about.
fn width(kind: &DataType) -> u64 {
    match kind {
        DataType::Boolean => 1,
        kind => kind.primitive_width().map_or(TEXT_BYTES, |bytes| bytes as u64),
    }
}

impl RadixGroupsExec {
    /// What stands in for a general plan over rows in any order; `None` if nothing does.
    pub fn in_place_of(
        general: &Arc<dyn ExecutionPlan>,
        limits: &Limits,
        batch: usize,
    ) -> Option<RadixGroupsExec> {
        RadixGroupsExec::new(general, Task::of(general, limits, batch)?, limits)
    }

    /// What stands in for a general plan over sorted runs; `None` if nothing does.
    pub fn over_runs(
        general: &Arc<dyn ExecutionPlan>,
        task: &Arc<Streamed>,
        limits: &Limits,
    ) -> Option<RadixGroupsExec> {
        RadixGroupsExec::new(general, Task::over_runs(task, limits)?, limits)
    }

    fn new(general: &Arc<dyn ExecutionPlan>, task: Task, limits: &Limits) -> Option<RadixGroupsExec> {
        let input = Arc::clone(first_aggregate(general)?.input());
        let begun = Begun { partitions: vec![false; task.partitions], shared: Vec::new() };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&task.output.schema)),
            Partitioning::UnknownPartitioning(task.partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Some(RadixGroupsExec {
            general: Arc::clone(general),
            input,
            task: Arc::new(task),
            limits: limits.clone(),
            begun: Mutex::new(begun),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    /// Begins a partition: what it waits for in each pass.
    fn begin(&self, partition: usize, context: &Arc<TaskContext>) -> Result<Vec<Shared>> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        match begun.partitions.get_mut(partition) {
            Some(begun) if !*begun => *begun = true,
            _ => {
                return datafusion::common::internal_err!(
                    "partition {partition} of {} is read twice",
                    self.name()
                );
            }
        }
        let mut shared = std::mem::take(&mut begun.shared);
        if shared.is_empty() {
            shared =
                (0..self.task.passes).map(|pass| gathering(&self.input, &self.task, pass, context)).collect();
        }
        if begun.partitions.contains(&false) {
            begun.shared = shared.clone();
        }
        Ok(shared)
    }
}

/// Reads and parts the rows of a pass, once somebody waits for them.
fn gathering(
    input: &Arc<dyn ExecutionPlan>,
    task: &Arc<Task>,
    pass: usize,
    context: &Arc<TaskContext>,
) -> Shared {
    let (input, task, context) = (Arc::clone(input), Arc::clone(task), Arc::clone(context));
    let gathered = async move {
        let gathered = match &task.rows {
            Rows::InAnyOrder { backend } => gather::gather(&input, *backend, &task, &context).await,
            Rows::OfRuns { runs, turn } => runs::gather(runs, *turn, pass, &task, &context).await,
        };
        gathered.map(Arc::new).map_err(Arc::new)
    };
    // A task of its own, whose end wakes all partitions at once. One of them that moved it on would wake the others and begin
    // its work: tokio keeps who is woken for the same thread, and they would wait for its end.
    let task = async move {
        let ended = SpawnedTask::spawn(gathered).join_unwind().await;
        ended.unwrap_or_else(|error| Err(Arc::new(DataFusionError::ExecutionJoin(Box::new(error)))))
    };
    task.boxed().shared()
}

impl DisplayAs for RadixGroupsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.task.aggregates.iter().map(|aggregate| aggregate.function.name()).collect();
        write!(f, "{}: aggr=[{}]", self.name(), names.join(", "))?;
        if let Rows::OfRuns { runs, .. } = &self.task.rows {
            write!(f, ", runs={}", runs.chain.scan.runs())?;
        }
        write!(f, ", parts={}", self.task.parts)?;
        match self.task.passes {
            1 => Ok(()),
            passes => write!(f, ", passes={passes}"),
        }
    }
}

impl ExecutionPlan for RadixGroupsExec {
    fn name(&self) -> &str {
        "RadixGroupsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expressions(&self.general, f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let general = over(&self.general, children)?;
        Ok(by_content(&general, &self.limits, self.task.output.rows).unwrap_or(general))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let memory = MemoryConsumer::new(self.name()).register(context.memory_pool());
        let shared = self.begin(partition, &context)?;
        let work = Work::new(Arc::clone(&self.task), shared, partition, memory, metrics);
        let batches = RecordBatchStreamAdapter::new(self.schema(), try_unfold(work, Work::next));
        Ok(make_cooperative(Box::pin(batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn try_to_proto(&self, context: &ExecutionPlanEncodeCtx<'_>) -> Result<Option<PhysicalPlanNode>> {
        context.encode_child(&self.general).map(Some)
    }
}

//! `GROUP BY content` over files that are sorted by it: no table of all groups, whatever their number.
//!
//! The contents are cut into ranges. Each range is read from all sorted runs side by side, and the rows up to the content that
//! all of them have reached make a block, whose groups are complete. A block's table of groups fits a core's own cache.
//!
//! [`rule`] finds the general plans that a [`ContentGroupsExec`] stands in for, [`task`] what such a plan asks for, [`sizes`]
//! decides how much is done at once, and [`stream`] does it: [`source`] reads, [`block`] cuts, [`table`] numbers the groups,
//! [`aggregates`] runs.
//!
//! Where files are not sorted, or are many with few rows each, contents are parted instead: see [`radix`].
//!
//! Groups that are the same in all rows of a run, by backend and status, need no table at all: see [`per_run`]. Nor do
//! groups by columns that have few values: see [`few`]. Nor need filters that say the same of all rows of a run be asked row by
//! row: see [`sections`].

mod aggregates;
mod block;
mod chain;
mod contents;
mod copies;
mod few;
mod footers;
mod names;
mod output;
mod per_run;
mod radix;
mod rule;
mod sections;
mod sizes;
mod source;
mod stream;
mod table;
mod task;
#[cfg(test)]
mod tests;

pub(super) use rule::StreamContentGroups;
pub(super) use sizes::Limits;

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, replace_children_if_necessary,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::stream::try_unfold;

use rule::by_content;
use sizes::Sizes;
use stream::Work;
use task::Task;

/// Groups by content over sorted runs. Its partitions are ranges of contents, which is no partitioning that a join may rely on.
#[derive(Debug)]
pub(super) struct ContentGroupsExec {
    /// The plan that it stands in for, and that it travels as.
    general: Arc<dyn ExecutionPlan>,
    /// The rows that the general plan aggregates.
    input: Arc<dyn ExecutionPlan>,
    task: Arc<Task>,
    sizes: Sizes,
    limits: Limits,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ContentGroupsExec {
    /// What stands in for a general plan that is this task; `None` if it takes too much memory, or is too small to be worth it.
    fn new(
        general: &Arc<dyn ExecutionPlan>,
        task: Arc<Task>,
        limits: &Limits,
        batch: usize,
    ) -> Option<ContentGroupsExec> {
        let sizes = limits.sizes(&task.chain.scan, task.partitions, batch)?;
        let input = Arc::clone(first_aggregate(general)?.input());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&task.output.schema)),
            Partitioning::UnknownPartitioning(task.partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Some(ContentGroupsExec {
            general: Arc::clone(general),
            input,
            task,
            sizes,
            limits: limits.clone(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }
}

/// The aggregate of a general plan that sees the rows themselves.
fn first_aggregate(general: &Arc<dyn ExecutionPlan>) -> Option<&AggregateExec> {
    match general.downcast_ref::<AggregateExec>() {
        Some(last) => task::first_aggregate(last),
        None => match general.children()[..] {
            [input] => first_aggregate(input),
            _ => None,
        },
    }
}

impl DisplayAs for ContentGroupsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.task.aggregates.iter().map(|aggregate| aggregate.function.name()).collect();
        let (runs, ranges) = (self.task.chain.scan.runs(), self.sizes.ranges);
        write!(f, "{}: aggr=[{}], runs={runs}, ranges={ranges}", self.name(), names.join(", "))
    }
}

impl ExecutionPlan for ContentGroupsExec {
    fn name(&self) -> &str {
        "ContentGroupsExec"
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
        Ok(by_content(&general, &self.limits, self.sizes.batch).unwrap_or(general))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let ranges = self.task.chain.scan.ranges(self.sizes.ranges).into_iter();
        let ranges = ranges.skip(partition).step_by(self.task.partitions).collect();
        let memory =
            MemoryConsumer::new(format!("{}[{partition}]", self.name())).register(context.memory_pool());
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let work = Work::new(Arc::clone(&self.task), self.sizes, ranges, context, memory, metrics)?;
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

/// Shows what a general plan evaluates of its rows.
fn apply_expressions(
    general: &Arc<dyn ExecutionPlan>,
    f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
) -> Result<TreeNodeRecursion> {
    match first_aggregate(general) {
        Some(aggregate) => aggregate.apply_expressions(f),
        None => Ok(TreeNodeRecursion::Continue),
    }
}

/// A general plan over other rows, of which there is one input.
fn over(
    general: &Arc<dyn ExecutionPlan>,
    mut inputs: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    match (inputs.pop(), inputs.is_empty(), first_aggregate(general)) {
        (Some(input), true, Some(aggregate)) => with_input(general, aggregate, input),
        _ => datafusion::common::internal_err!("{} groups one input", general.name()),
    }
}

/// The plan with another input of one of its aggregates.
fn with_input(
    plan: &Arc<dyn ExecutionPlan>,
    aggregate: &AggregateExec,
    input: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let [child] = plan.children()[..] else {
        return datafusion::common::internal_err!("{} has not one input", plan.name());
    };
    let is_it = plan.downcast_ref::<AggregateExec>().is_some_and(|other| std::ptr::eq(other, aggregate));
    let child = match is_it {
        true => input,
        false => with_input(child, aggregate, input)?,
    };
    replace_children_if_necessary(Arc::clone(plan), vec![child])
}

//! Groups that are the same in all rows of a run, such as its backend and its status: each run is aggregated as a whole, and
//! nobody asks of a row which group it is of. Where footers say all that is asked, no row is read at all. Other runs, such as those
//! in which several statuses stand, are left to the general engine.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion::physical_expr::expressions::lit;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::future::ready;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};

use super::chain::Chain;
use super::footers;
use crate::catalog::RunFacts;

/// Parts of runs for each partition: the fewer, the longer one waits for the other.
const PARTS: u64 = 4;

/// Aggregates each part of a run, and puts its groups before what comes out. It is the first of two aggregates.
#[derive(Debug)]
pub(super) struct RunGroupsExec {
    /// The plan that it stands in for, and that it travels as.
    general: Arc<dyn ExecutionPlan>,
    /// The groups and states of the runs that footers answer, a row for each.
    answered: Option<RecordBatch>,
    /// If there are keys, first what has one row for each partition, the states of the aggregates and how many rows there were.
    /// Then, if there are others, the aggregate of the runs in which the groups differ.
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// The groups of each partition of the first input.
    keys: Arc<Vec<Vec<ScalarValue>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RunGroupsExec {
    /// What stands in for a general plan; `None` if nothing does.
    pub fn in_place_of(general: &Arc<dyn ExecutionPlan>, batch: usize) -> Result<Option<RunGroupsExec>> {
        let Some(aggregate) = general.downcast_ref::<AggregateExec>().filter(|it| is_simple(it)) else {
            return Ok(None);
        };
        let Some(chain) = Chain::below(aggregate.input()).filter(|chain| !chain.skips_empty) else {
            return Ok(None);
        };
        let partitions = general.output_partitioning().partition_count();
        let most = chain.scan.rows() / (partitions as u64 * PARTS) + 1;
        let schema = general.schema();
        let runs: Vec<&RunFacts> = chain.scan.facts().collect();
        let key = |facts: &RunFacts| {
            let groups = aggregate.group_expr().expr().iter().enumerate();
            let key = groups.map(|(index, (group, _))| {
                chain.constant(group, facts)?.cast_to(schema.field(index).data_type()).ok()
            });
            key.collect::<Option<Vec<_>>>()
        };
        let (mut answered, mut same, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (run, facts) in runs.iter().enumerate() {
            let Some(key) = key(facts) else {
                others.push(run);
                continue;
            };
            match footers::states(aggregate, &chain, run, facts) {
                Some(states) => answered.extend(states.map(|states| [key, states].concat())),
                None => same.push(run),
            }
        }
        // Without groups the general plan does the same, if all rows have to be read.
        let without_groups = aggregate.group_expr().is_empty() && answered.is_empty();
        if others.len() == runs.len() || without_groups {
            return Ok(None);
        }
        let (mut inputs, mut keys) = (Vec::new(), Vec::new());
        if !same.is_empty() {
            let same = chain.scan.in_parts(most, batch, &same);
            keys.extend(same.facts.iter().filter_map(key));
            inputs.push(states(aggregate, chain.over(same.plan, batch)?)?);
        }
        if !others.is_empty() {
            let others = chain.scan.in_parts(most, batch, &others);
            inputs.push(again(aggregate, chain.over(others.plan, batch)?)?);
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let answered = (!answered.is_empty()).then(|| batch_of(&answered, general.schema())).transpose()?;
        let (general, keys, properties) = (Arc::clone(general), Arc::new(keys), Arc::new(properties));
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Some(RunGroupsExec { general, answered, inputs, keys, properties, metrics }))
    }

    /// The partitions of an input that belong to one of ours. Parts are about as large as each other.
    fn parts(&self, partition: usize, input: &Arc<dyn ExecutionPlan>) -> impl Iterator<Item = usize> + use<> {
        let parts = input.output_partitioning().partition_count();
        (partition..parts).step_by(self.properties.partitioning.partition_count())
    }
}

/// Rows of groups and states as a batch.
fn batch_of(rows: &[Vec<ScalarValue>], schema: SchemaRef) -> Result<RecordBatch> {
    let column = |index: usize| ScalarValue::iter_to_array(rows.iter().map(|row| row[index].clone()));
    let columns = (0..schema.fields().len()).map(column).collect::<Result<_>>()?;
    let length = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &length)?)
}

/// The aggregate over other rows, all of one group, and the count of these rows.
fn states(aggregate: &AggregateExec, rows: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let count = AggregateExprBuilder::new(count_udaf(), vec![lit(1_i64)])
        .schema(aggregate.input_schema())
        .alias("rows")
        .build()?;
    let functions = aggregate.aggr_expr().iter().cloned().chain([Arc::new(count)]).collect();
    let filters = aggregate.filter_expr().iter().cloned().chain([None]).collect();
    let groups = PhysicalGroupBy::default();
    let schema = aggregate.input_schema();
    Ok(Arc::new(AggregateExec::try_new(AggregateMode::Partial, groups, functions, filters, rows, schema)?))
}

/// The aggregate over other rows.
fn again(aggregate: &AggregateExec, rows: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let (groups, functions) = (aggregate.group_expr().clone(), aggregate.aggr_expr().to_vec());
    let (filters, schema) = (aggregate.filter_expr().to_vec(), aggregate.input_schema());
    Ok(Arc::new(AggregateExec::try_new(AggregateMode::Partial, groups, functions, filters, rows, schema)?))
}

/// Whether an aggregate is the first of two, and depends on nothing but the rows of each group.
pub(super) fn is_simple(aggregate: &AggregateExec) -> bool {
    let groups = aggregate.group_expr();
    *aggregate.mode() == AggregateMode::Partial
        && groups.is_single()
        && !groups.has_grouping_set()
        && aggregate.limit_options().is_none()
        && aggregate.properties().output_ordering().is_none()
        && aggregate.aggr_expr().iter().all(|function| has_one_state(function, &aggregate.input_schema()))
}

/// Whether a function's state is the same with groups and without, so that one can go on where the other ended. That of `avg`
/// is not if no row counts, nor is that of `corr` at all.
fn has_one_state(function: &AggregateFunctionExpr, input: &SchemaRef) -> bool {
    let plain = function.expressions().iter().all(|value| {
        // With what has parts, a NULL in a part counts here and not there.
        value.data_type(input).is_ok_and(|kind| !kind.is_nested())
    });
    let known = ["count", "sum", "min", "max", "bool_and", "bool_or"].contains(&function.fun().name());
    known && plain && !function.is_distinct() && function.order_bys().is_empty()
}

/// A row of states with its groups before it, and without the count of rows behind it; nothing if there were none.
fn with_key(states: &RecordBatch, key: &[ScalarValue], schema: SchemaRef) -> Result<Option<RecordBatch>> {
    let (rows, values) = states.columns().split_last().expect("a count of rows is always there");
    if states.num_rows() == 0 || rows.as_primitive::<Int64Type>().value(0) == 0 {
        return Ok(None);
    }
    let key = key.iter().map(|value| value.to_array_of_size(states.num_rows()));
    let columns: Vec<ArrayRef> = key.chain(values.iter().cloned().map(Ok)).collect::<Result<_>>()?;
    Ok(Some(RecordBatch::try_new(schema, columns)?))
}

impl DisplayAs for RunGroupsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = self.answered.as_ref().map_or(0, RecordBatch::num_rows);
        write!(f, "{}: answered={}, parts={}", self.name(), answered, self.keys.len())
    }
}

impl ExecutionPlan for RunGroupsExec {
    fn name(&self) -> &str {
        "RunGroupsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = |inputs: &[Arc<dyn ExecutionPlan>]| -> Vec<usize> {
            inputs.iter().map(|input| input.output_partitioning().partition_count()).collect()
        };
        if parts(&inputs) != parts(&self.inputs) {
            return datafusion::common::internal_err!("{} has a partition for each part", self.name());
        }
        let (general, keys) = (Arc::clone(&self.general), Arc::clone(&self.keys));
        let answered = self.answered.clone();
        let (properties, metrics) = (Arc::clone(&self.properties), ExecutionPlanMetricsSet::new());
        Ok(Arc::new(RunGroupsExec { general, answered, inputs, keys, properties, metrics }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (keys, schema) = (Arc::clone(&self.keys), self.schema());
        let answered = self.answered.clone().filter(|_| partition == 0);
        let mut batches: Vec<BoxStream<'static, Result<RecordBatch>>> =
            vec![stream::iter(answered).map(Ok).boxed()];
        for (index, input) in self.inputs.iter().enumerate() {
            for part in self.parts(partition, input) {
                let (input, context) = (Arc::clone(input), Arc::clone(&context));
                let part_of_input = stream::once(async move { input.execute(part, context) }).try_flatten();
                let (keys, schema) = (Arc::clone(&keys), Arc::clone(&schema));
                batches.push(match index {
                    0 if !keys.is_empty() => part_of_input
                        .try_filter_map(move |states| {
                            ready(with_key(&states, &keys[part], Arc::clone(&schema)))
                        })
                        .boxed(),
                    _ => part_of_input.boxed(),
                });
            }
        }
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let batches = stream::iter(batches).flatten().map_ok(move |batch| batch.record_output(&metrics));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn try_to_proto(&self, context: &ExecutionPlanEncodeCtx<'_>) -> Result<Option<PhysicalPlanNode>> {
        context.encode_child(&self.general).map(Some)
    }
}

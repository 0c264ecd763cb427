//! Groups by columns that have few values, the backend and the status, in files that say nothing of them: a row's values are held
//! against those of the row before, and hardly ever looked up. No row is hashed, and the values of a group are kept but once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
    replace_children_if_necessary,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::TryStreamExt;
use futures::stream::try_unfold;

use super::aggregates::{accumulator, holds};
use super::chain::column_below;
use super::per_run::is_simple;
use crate::pin::schema::{BACKEND_NAME, STATUS};

/// Values of a column that are looked at one by one before they are looked up.
const RECENT: usize = 8;

/// Aggregates rows by columns that have few values. It is the first of two aggregates.
#[derive(Debug)]
pub(super) struct FewGroupsExec {
    /// The plan that it stands in for, and that it travels as: an [`AggregateExec`].
    general: Arc<dyn ExecutionPlan>,
    /// Groups that are held at once.
    most: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FewGroupsExec {
    /// What stands in for a general plan; `None` if nothing does.
    pub fn in_place_of(general: &Arc<dyn ExecutionPlan>, most: usize) -> Option<FewGroupsExec> {
        let aggregate = general.downcast_ref::<AggregateExec>().filter(|it| most > 0 && is_simple(it))?;
        let (groups, input) = (aggregate.group_expr().expr(), aggregate.input_schema());
        let has_few = |group: &Arc<dyn PhysicalExpr>| {
            let column = group.downcast_ref::<Column>()?;
            let name = column_below(aggregate.input(), column.index())?;
            let is_text = *input.field(column.index()).data_type() == DataType::Utf8View;
            (is_text && [BACKEND_NAME, STATUS].contains(&name.as_str())).then_some(())
        };
        if groups.is_empty() || !groups.iter().all(|(group, _)| has_few(group).is_some()) {
            return None;
        }
        let properties = PlanProperties::new(
            EquivalenceProperties::new(general.schema()),
            Partitioning::UnknownPartitioning(general.output_partitioning().partition_count()),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let (general, properties) = (Arc::clone(general), Arc::new(properties));
        Some(FewGroupsExec { general, most, properties, metrics: ExecutionPlanMetricsSet::new() })
    }

    fn aggregate(&self) -> &AggregateExec {
        self.general.downcast_ref().expect("it stands in for an aggregate")
    }
}

/// The aggregation of one partition.
struct Work {
    input: SendableRecordBatchStream,
    schema: SchemaRef,
    most: usize,
    groups: Groups,
    running: Vec<Running>,
    metrics: BaselineMetrics,
}

/// One aggregate.
struct Running {
    accumulator: Box<dyn GroupsAccumulator>,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

/// The groups that have been seen.
struct Groups {
    columns: Vec<(Arc<dyn PhysicalExpr>, Level)>,
    count: usize,
}

/// The values of a column, and with which values of the columns before it they stand.
#[derive(Default)]
struct Level {
    codes: HashMap<Option<Box<str>>, u32>,
    values: Vec<Option<Box<str>>>,
    /// The numbers of pairs: of the values before by their number, and of this one by its code.
    numbers: HashMap<(usize, u32), usize>,
    pairs: Vec<(usize, u32)>,
}

impl Work {
    fn begin(
        aggregate: &AggregateExec,
        most: usize,
        input: SendableRecordBatchStream,
        metrics: BaselineMetrics,
    ) -> Result<Work> {
        let running = aggregate.aggr_expr().iter().zip(aggregate.filter_expr()).map(|(function, filter)| {
            let accumulator = accumulator(function)?;
            Ok(Running { accumulator, arguments: function.expressions(), filter: filter.clone() })
        });
        let columns = aggregate.group_expr().expr().iter();
        let columns = columns.map(|(column, _)| (Arc::clone(column), Level::default())).collect();
        Ok(Work {
            input,
            schema: aggregate.schema(),
            most,
            groups: Groups { columns, count: 0 },
            running: running.collect::<Result<_>>()?,
            metrics,
        })
    }

    /// The groups of all rows, or of some if there turn out to be many: whoever puts partitions together takes a group twice.
    async fn next(mut self) -> Result<Option<(RecordBatch, Work)>> {
        while let Some(batch) = self.input.try_next().await? {
            let elapsed = self.metrics.elapsed_compute().clone();
            let _timer = elapsed.timer();
            self.add(&batch)?;
            if self.groups.count > self.most {
                break;
            }
        }
        match self.groups.count {
            0 => Ok(None),
            _ => Ok(Some((self.take()?, self))),
        }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows();
        let numbers = self.groups.number(batch)?;
        for Running { accumulator, arguments, filter } in &mut self.running {
            let values = arguments.iter().map(|argument| argument.evaluate(batch)?.into_array(rows));
            let values: Vec<ArrayRef> = values.collect::<Result<_>>()?;
            let filter = filter.as_ref().map(|filter| holds(filter.as_ref(), batch)).transpose()?;
            accumulator.update_batch(&values, &numbers, filter.as_ref(), self.groups.count)?;
        }
        Ok(())
    }

    fn take(&mut self) -> Result<RecordBatch> {
        let mut columns = self.groups.take();
        for running in &mut self.running {
            columns.extend(running.accumulator.state(EmitTo::All)?);
        }
        let batch = RecordBatch::try_new(SchemaRef::clone(&self.schema), columns)?;
        Ok(batch.record_output(&self.metrics))
    }
}

impl Groups {
    /// The number of each row's group.
    fn number(&mut self, batch: &RecordBatch) -> Result<Vec<usize>> {
        let mut numbers = vec![0; batch.num_rows()];
        for (column, level) in &mut self.columns {
            let values = column.evaluate(batch)?.into_array(batch.num_rows())?;
            level.number(values.as_string_view(), &mut numbers);
            self.count = level.pairs.len();
        }
        Ok(numbers)
    }

    /// Takes the values of all groups out, one column for each that is grouped by.
    fn take(&mut self) -> Vec<ArrayRef> {
        let mut numbers: Vec<usize> = (0..self.count).collect();
        self.count = 0;
        let mut columns = Vec::new();
        for (_, level) in self.columns.iter_mut().rev() {
            let Level { values, pairs, .. } = std::mem::take(level);
            let text = |number: &usize| values[pairs[*number].1 as usize].as_deref();
            columns.push(Arc::new(numbers.iter().map(text).collect::<StringViewArray>()) as ArrayRef);
            numbers.iter_mut().for_each(|number| *number = pairs[*number].0);
        }
        columns.reverse();
        columns
    }
}

impl Level {
    /// Makes numbers of the values before ones of the values before and these.
    fn number(&mut self, values: &StringViewArray, numbers: &mut [usize]) {
        // Within a batch equal views are equal values: a short one stands in its view, a long one where its view says.
        let mut recent: Vec<(u128, u32)> = Vec::with_capacity(RECENT);
        let mut last = None;
        let views = values.views().iter().map(|view| Some(*view));
        for (row, (view, number)) in views.zip(numbers).enumerate() {
            let view = view.filter(|_| values.is_valid(row));
            if let Some((same, before, known)) = last
                && same == view
                && before == *number
            {
                *number = known;
                continue;
            }
            let known = view.and_then(|view| recent.iter().find(|(same, _)| *same == view));
            let code = known.map(|(_, code)| *code).unwrap_or_else(|| {
                let code = self.code(view.map(|_| values.value(row)));
                if let (Some(view), true) = (view, recent.len() < RECENT) {
                    recent.push((view, code));
                }
                code
            });
            let known = self.pair(*number, code);
            last = Some((view, *number, known));
            *number = known;
        }
    }

    fn code(&mut self, value: Option<&str>) -> u32 {
        let value = value.map(Box::from);
        if let Some(code) = self.codes.get(&value) {
            return *code;
        }
        let code = self.values.len() as u32;
        self.values.push(value.clone());
        self.codes.insert(value, code);
        code
    }

    fn pair(&mut self, before: usize, code: u32) -> usize {
        *self.numbers.entry((before, code)).or_insert_with(|| {
            self.pairs.push((before, code));
            self.pairs.len() - 1
        })
    }
}

impl DisplayAs for FewGroupsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aggregate = self.aggregate();
        let groups: Vec<_> = aggregate.group_expr().expr().iter().map(|(_, name)| name.as_str()).collect();
        let names: Vec<_> = aggregate.aggr_expr().iter().map(|function| function.name()).collect();
        write!(f, "{}: gby=[{}], aggr=[{}]", self.name(), groups.join(", "), names.join(", "))
    }
}

impl ExecutionPlan for FewGroupsExec {
    fn name(&self) -> &str {
        "FewGroupsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.general.children()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.general.apply_expressions(f)
    }

    fn with_new_children(
        self: Arc<Self>,
        inputs: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let general = replace_children_if_necessary(Arc::clone(&self.general), inputs)?;
        Ok(match FewGroupsExec::in_place_of(&general, self.most) {
            Some(groups) => Arc::new(groups),
            None => general,
        })
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let aggregate = self.aggregate();
        let input = aggregate.input().execute(partition, context)?;
        let work = Work::begin(aggregate, self.most, input, metrics)?;
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), try_unfold(work, Work::next))))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn try_to_proto(&self, context: &ExecutionPlanEncodeCtx<'_>) -> Result<Option<PhysicalPlanNode>> {
        context.encode_child(&self.general).map(Some)
    }
}

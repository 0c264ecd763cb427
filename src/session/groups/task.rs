//! What there is to do: the groups and aggregates of a general plan, if they can be made from sorted runs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::chain::{Chain, holds};
use super::names::End;
use super::output::Output;
use super::sizes::Limits;
use crate::catalog::RunFacts;
use crate::pin::schema::{BACKEND_NAME, CONTENT};

/// Groups by content over sorted runs.
#[derive(Debug)]
pub(super) struct Task {
    /// What makes the rows.
    pub chain: Chain,
    /// Which column of the rows is the content.
    pub content: usize,
    pub aggregates: Vec<Aggregate>,
    /// The names of all backends in their order.
    pub backends: Arc<[Arc<str>]>,
    /// For each aggregate whether its filter holds in all rows of a run; `None` if that is to be seen.
    pub wanted: HashMap<RunFacts, Vec<Option<bool>>>,
    pub output: Output,
    pub partitions: usize,
}

/// One aggregate, over rows for which its filter holds.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub function: Arc<AggregateFunctionExpr>,
    pub of: Of,
    /// `None` if there is none, or it is known of all runs.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// What is aggregated.
#[derive(Debug, Clone)]
pub(super) enum Of {
    /// The names of backends, each counted once.
    Backends,
    /// The first or the last of their names.
    Names(End),
    Values(Vec<Arc<dyn PhysicalExpr>>),
}

/// What a plan that groups by one column of bytes does.
pub(super) struct Grouping<'a> {
    /// The aggregate that sees the rows themselves.
    pub first: &'a AggregateExec,
    /// Which column of its input is grouped by.
    pub column: usize,
    /// Which of that column and, after it, the aggregates are asked for.
    pub output: Vec<usize>,
    pub schema: SchemaRef,
}

impl Grouping<'_> {
    /// `None` if a plan does something else.
    pub fn of(general: &Arc<dyn ExecutionPlan>) -> Option<Grouping<'_>> {
        if let Some(projection) = general.downcast_ref::<ProjectionExec>() {
            let below = Grouping::of(projection.input())?;
            let columns = projection.expr().iter().map(|column| {
                let index = column.expr.downcast_ref::<Column>()?.index();
                below.output.get(index).copied()
            });
            let output = columns.collect::<Option<_>>()?;
            return Some(Grouping { output, schema: projection.schema(), ..below });
        }
        let last = general.downcast_ref::<AggregateExec>()?;
        let first = first_aggregate(last)?;
        let column = group_column(first)?;
        group_column(last)?;
        let (output, schema) = ((0..=first.aggr_expr().len()).collect(), general.schema());
        let is_bytes = *schema.field(0).data_type() == DataType::BinaryView;
        is_bytes.then_some(Grouping { first, column, output, schema })
    }
}

impl Task {
    /// The task that a general plan is; `None` if it is another.
    pub fn of(general: &Arc<dyn ExecutionPlan>, batch: usize) -> Option<Task> {
        // Cheap questions first: to know of the runs is to look at all row groups.
        let Grouping { first, column: content, output, schema } = Grouping::of(general)?;
        let chain = Chain::below(first.input())?;
        if chain.column(content) != Some(CONTENT) {
            return None;
        }
        let partitions = general.output_partitioning().partition_count();
        let aggregates = aggregates(first, &|index| chain.column(index) == Some(BACKEND_NAME))?;
        let wanted = chain.scan.facts().map(|run| (run.clone(), wanted(&aggregates, &chain, run))).collect();
        let backends: BTreeSet<_> = chain.scan.facts().map(|run| Arc::clone(&run.backend)).collect();
        let backends = backends.into_iter().collect();
        let output = Output { columns: output, schema, rows: batch };
        let mut task = Task { chain, content, aggregates, backends, wanted, output, partitions };
        task.narrow().ok()?;
        Some(task)
    }

    /// Whether there are so many short runs that to read all of them side by side takes longer than to part their rows.
    pub fn has_short_runs(&self, limits: &Limits) -> bool {
        let rows = self.chain.scan.rows();
        rows >= limits.parted && rows < self.chain.scan.runs() as u64 * limits.short
    }

    /// Leaves out what need not be read.
    fn narrow(&mut self) -> Result<()> {
        for (index, aggregate) in self.aggregates.iter_mut().enumerate() {
            if self.wanted.values().all(|wanted| wanted[index].is_some()) {
                aggregate.filter = None;
            }
        }
        let exprs = || self.aggregates.iter().flat_map(Aggregate::exprs);
        let mut columns: Vec<_> =
            exprs().flat_map(collect_columns).map(|column| column.index()).chain([self.content]).collect();
        columns.sort_unstable();
        columns.dedup();
        if self.chain.keep(&columns)? {
            self.content = place_in(&columns, self.content);
            for expr in self.aggregates.iter_mut().flat_map(Aggregate::exprs_mut) {
                *expr = among(&columns, Arc::clone(expr))?;
            }
        }
        Ok(())
    }
}

/// The aggregate that sees the rows themselves.
pub(super) fn first_aggregate(last: &AggregateExec) -> Option<&AggregateExec> {
    let single = last.properties().partitioning.partition_count() == 1;
    match last.mode() {
        AggregateMode::Single | AggregateMode::SinglePartitioned if single => Some(last),
        AggregateMode::FinalPartitioned => {
            let exchange = last.input().downcast_ref::<RepartitionExec>()?;
            let first = exchange.input().downcast_ref::<AggregateExec>()?;
            let by_hash = matches!(exchange.partitioning(), Partitioning::Hash(_, _));
            (by_hash && *first.mode() == AggregateMode::Partial).then_some(first)
        }
        _ => None,
    }
}

/// The only column that an aggregate groups by, if nobody waits for an order or a limit of it.
fn group_column(aggregate: &AggregateExec) -> Option<usize> {
    let groups = aggregate.group_expr();
    let [(group, _)] = groups.expr() else { return None };
    let plain = groups.is_single()
        && !groups.has_grouping_set()
        && aggregate.limit_options().is_none()
        && aggregate.properties().output_ordering().is_none();
    group.downcast_ref::<Column>().filter(|_| plain).map(Column::index)
}

impl Aggregate {
    /// Whether the names of backends are aggregated, which must come one after the other.
    pub fn is_of_backends(&self) -> bool {
        matches!(self.of, Of::Backends | Of::Names(_))
    }

    /// What is evaluated for it.
    pub fn exprs(&self) -> impl Iterator<Item = &Arc<dyn PhysicalExpr>> {
        let values = match &self.of {
            Of::Backends | Of::Names(_) => &[][..],
            Of::Values(values) => values,
        };
        values.iter().chain(&self.filter)
    }

    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Arc<dyn PhysicalExpr>> {
        let values = match &mut self.of {
            Of::Backends | Of::Names(_) => &mut [][..],
            Of::Values(values) => values,
        };
        values.iter_mut().chain(&mut self.filter)
    }
}

/// Where one of the columns that are left stands among them.
fn place_in(columns: &[usize], column: usize) -> usize {
    columns.binary_search(&column).unwrap_or_default()
}

/// An expression once only those columns are left.
fn among(columns: &[usize], expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
    expr.transform(|expr| match expr.downcast_ref::<Column>() {
        Some(column) => {
            let column = Column::new(column.name(), place_in(columns, column.index()));
            Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>))
        }
        None => Ok(Transformed::no(expr)),
    })
    .data()
}

/// For each aggregate whether its filter holds in all rows of a run.
fn wanted(aggregates: &[Aggregate], chain: &Chain, run: &RunFacts) -> Vec<Option<bool>> {
    let wanted = |aggregate: &Aggregate| match &aggregate.filter {
        None => Some(true),
        Some(filter) => holds(chain.constant(filter, run)),
    };
    aggregates.iter().map(wanted).collect()
}

/// The aggregates, unless one of them depends on the order of the rows. `is_backend` says which columns name the backend.
pub(super) fn aggregates(
    first: &AggregateExec,
    is_backend: &dyn Fn(usize) -> bool,
) -> Option<Vec<Aggregate>> {
    let is_backend = |expr: &dyn PhysicalExpr| {
        expr.downcast_ref::<Column>().is_some_and(|column| is_backend(column.index()))
    };
    let functions = first.aggr_expr().iter().zip(first.filter_expr());
    let aggregate = |(function, filter): (&Arc<AggregateFunctionExpr>, &Option<Arc<dyn PhysicalExpr>>)| {
        let counts = function.fun().name() == "count" && function.is_distinct();
        let of = match &function.expressions()[..] {
            [of] if counts && is_backend(of.as_ref()) => Of::Backends,
            [of] if is_backend(of.as_ref()) => match end_of_names(function) {
                Some(end) => Of::Names(end),
                None => Of::Values(vec![Arc::clone(of)]),
            },
            values => Of::Values(values.to_vec()),
        };
        let unordered = function.order_bys().is_empty();
        unordered.then(|| Aggregate { function: Arc::clone(function), of, filter: filter.clone() })
    };
    functions.map(aggregate).collect()
}

/// The end of the order of names that a function asks for.
fn end_of_names(function: &AggregateFunctionExpr) -> Option<End> {
    match function.fun().name() {
        _ if *function.field().data_type() != DataType::Utf8View => None,
        "min" => Some(End::First),
        "max" => Some(End::Last),
        _ => None,
    }
}

//! What stands between a scan and the aggregate above it: nodes that take rows or columns away and keep the order.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal, lit};
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr::utils::{collect_columns, conjunction, split_conjunction};
use datafusion::physical_expr::{Partitioning, PhysicalExpr};
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};

use crate::catalog::{RunFacts, SortedScan, scanned_column, scanned_rows};
use crate::pin::schema::CONTENT;

/// Filters and projections over a scan.
#[derive(Debug)]
pub(super) struct Chain {
    /// From the top down to the scan, without the scan.
    nodes: Vec<Arc<dyn ExecutionPlan>>,
    pub scan: SortedScan,
    /// Whether rows with an empty content are to be left out. No filter of the chain does that.
    pub skips_empty: bool,
}

impl Chain {
    /// The chain that ends in `plan`; `None` if another node is in it, or the scan is not sorted.
    pub fn below(plan: &Arc<dyn ExecutionPlan>) -> Option<Chain> {
        let mut nodes = Vec::new();
        let mut node = Arc::clone(plan);
        let scan = loop {
            if let Some(scan) = SortedScan::of(node.as_ref()) {
                break scan;
            }
            if !keeps_order(node.as_ref()) {
                return None;
            }
            let [input] = node.children()[..] else { return None };
            let input = Arc::clone(input);
            if !hands_on(node.as_ref()) {
                nodes.push(node);
            }
            node = input;
        };
        let mut chain = Chain { nodes, scan, skips_empty: false };
        chain.take_over_empty()?;
        Some(chain)
    }

    /// The columns that come out.
    pub fn schema(&self) -> Result<SchemaRef> {
        self.nodes.first().map_or_else(|| self.scan.schema(), |node| Ok(node.schema()))
    }

    /// The name of the table's column that the output's column at `index` is, if it is one as it stands.
    pub fn column(&self, index: usize) -> Option<&str> {
        self.column_above(0, index)
    }

    /// The same for the output of the node at `depth`.
    fn column_above(&self, depth: usize, index: usize) -> Option<&str> {
        let scanned = self.nodes[depth..].iter().try_fold(index, |index, node| below(node.as_ref(), index));
        self.scan.column(scanned?)
    }

    /// What an expression over the output is in all rows of a run, if that is the same and known.
    pub fn constant(&self, expr: &Arc<dyn PhysicalExpr>, run: &RunFacts) -> Option<ScalarValue> {
        self.constant_above(0, expr, run)
    }

    /// The same for an expression over the output of the node at `depth`.
    fn constant_above(
        &self,
        depth: usize,
        expr: &Arc<dyn PhysicalExpr>,
        run: &RunFacts,
    ) -> Option<ScalarValue> {
        let value = |column: &Column| {
            let (mut depth, mut index) = (depth, column.index());
            while let Some(node) = self.nodes.get(depth) {
                depth += 1;
                if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
                    return self.constant_above(depth, &projection.expr().get(index)?.expr, run);
                }
                index = below(node.as_ref(), index)?;
            }
            folded(self.scan.expr(index)?, |column| run.value(column.name()))
        };
        folded(expr, value)
    }

    /// Whether all rows of a run pass, or none; `None` if that is to be seen.
    pub fn passes(&self, run: &RunFacts) -> Option<bool> {
        if self.skips_empty { None } else { self.passes_filters(run) }
    }

    /// The same for rows whose content is not to be left out.
    pub fn passes_filters(&self, run: &RunFacts) -> Option<bool> {
        let filters = self.nodes.iter().enumerate().filter_map(|(depth, node)| {
            let filter = node.downcast_ref::<FilterExec>()?;
            Some(holds(self.constant_above(depth + 1, filter.predicate(), run)))
        });
        let filters: Vec<Option<bool>> = filters.collect();
        // One that no row passes is enough.
        match filters.contains(&Some(false)) {
            true => Some(false),
            false => filters.into_iter().collect::<Option<Vec<_>>>().map(|_| true),
        }
    }

    /// Whether nothing but one filter stands above the scan.
    pub fn is_lone_filter(&self) -> bool {
        self.nodes.len() == 1 && self.nodes[0].is::<FilterExec>()
    }

    /// Whether all rows of a run pass whatever filters have been pushed down to the scan.
    pub fn scan_passes(&self, run: &RunFacts) -> bool {
        let filter = self.scan.filter();
        let filters = filter.as_ref().map(split_conjunction).unwrap_or_default();
        let value = |column: &Column| run.value(column.name());
        filters.into_iter().all(|filter| holds(folded(filter, value)) == Some(true))
    }

    /// Leaves out the columns of the scan that are not at `columns`, if nothing stands above it. False if that cannot be.
    pub fn keep(&mut self, columns: &[usize]) -> Result<bool> {
        Ok(self.nodes.is_empty() && self.scan.keep(columns)?)
    }

    /// The same chain over another scan, in batches of `rows` rows.
    pub fn over(&self, scan: Arc<dyn ExecutionPlan>, rows: usize) -> Result<Arc<dyn ExecutionPlan>> {
        self.nodes.iter().rev().try_fold(scan, |input, node| {
            let node: Arc<dyn ExecutionPlan> = match node.downcast_ref::<FilterExec>() {
                Some(filter) => Arc::new(filter.with_batch_size(rows)?),
                None => Arc::clone(node),
            };
            let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            node.replace_children(vec![input], recompute)
        })
    }

    /// Takes `content <> X''` out of the filters: empty contents come first, so that they are passed over all at once.
    fn take_over_empty(&mut self) -> Option<()> {
        for depth in (0..self.nodes.len()).rev() {
            let Some(filter) = self.nodes[depth].downcast_ref::<FilterExec>() else { continue };
            let (empty, rest): (Vec<_>, Vec<_>) = split_conjunction(filter.predicate())
                .into_iter()
                .partition(|part| self.is_not_empty(depth + 1, part.as_ref()));
            if empty.is_empty() {
                continue;
            }
            self.skips_empty = true;
            match rest.is_empty() && filter.projection().is_none() {
                true => drop(self.nodes.remove(depth)),
                false => {
                    let rest = conjunction(rest.into_iter().cloned());
                    let rest = FilterExecBuilder::from(filter).with_predicate(rest).build().ok()?;
                    self.nodes[depth] = Arc::new(rest);
                }
            }
        }
        Some(())
    }

    /// Whether a predicate on the output of the node at `depth` is `content <> X''`.
    fn is_not_empty(&self, depth: usize, predicate: &dyn PhysicalExpr) -> bool {
        let Some(comparison) = predicate.downcast_ref::<BinaryExpr>() else { return false };
        let column = comparison.left().downcast_ref::<Column>();
        let literal = comparison.right().downcast_ref::<Literal>();
        let empty = literal.is_some_and(|literal| match literal.value() {
            ScalarValue::BinaryView(Some(bytes)) | ScalarValue::Binary(Some(bytes)) => bytes.is_empty(),
            _ => false,
        });
        let content = || column.and_then(|column| self.column_above(depth, column.index())) == Some(CONTENT);
        *comparison.op() == Operator::NotEq && empty && content()
    }
}

/// The name of the table's column that the output of filters and projections over a scan has at `index`, if it is one as it
/// stands.
pub(super) fn column_below(plan: &Arc<dyn ExecutionPlan>, index: usize) -> Option<String> {
    if let Some(name) = scanned_column(plan.as_ref(), index) {
        return Some(name.to_owned());
    }
    match plan.children()[..] {
        [input] if keeps_order(plan.as_ref()) => column_below(input, below(plan.as_ref(), index)?),
        _ => None,
    }
}

/// How many rows the files have of a scan that only filters and projections stand above.
pub(super) fn rows_below(plan: &Arc<dyn ExecutionPlan>) -> Option<u64> {
    match plan.children()[..] {
        [] => scanned_rows(plan.as_ref()),
        [input] if keeps_order(plan.as_ref()) => rows_below(input),
        _ => None,
    }
}

/// What an expression is once its columns are values; `None` if one of them has none.
fn folded(
    expr: &Arc<dyn PhysicalExpr>,
    value: impl Fn(&Column) -> Option<ScalarValue>,
) -> Option<ScalarValue> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return value(column);
    }
    let with_values = Arc::clone(expr).transform(|expr| {
        let value = expr.downcast_ref::<Column>().and_then(&value);
        Ok(value.map_or(Transformed::no(expr), |value| Transformed::yes(lit(value))))
    });
    let with_values = with_values.data().ok().filter(|expr| collect_columns(expr).is_empty())?;
    let simple = PhysicalExprSimplifier::new(&Schema::empty()).simplify(with_values).ok()?;
    simple.downcast_ref::<Literal>().map(|literal| literal.value().clone())
}

/// Whether a condition with this value holds; `None` if it has none.
pub(super) fn holds(condition: Option<ScalarValue>) -> Option<bool> {
    match condition? {
        ScalarValue::Boolean(value) => Some(value.unwrap_or(false)),
        _ => None,
    }
}

fn keeps_order(node: &dyn ExecutionPlan) -> bool {
    match node.downcast_ref::<FilterExec>() {
        Some(filter) => filter.fetch().is_none(),
        None => node.is::<ProjectionExec>() || hands_on(node),
    }
}

/// Whether a node only hands rows on: with pauses, which scans make themselves, or to more partitions.
fn hands_on(node: &dyn ExecutionPlan) -> bool {
    let exchange = node.downcast_ref::<RepartitionExec>().map(RepartitionExec::partitioning);
    node.is::<CooperativeExec>() || matches!(exchange, Some(Partitioning::RoundRobinBatch(_)))
}

/// Which column of a node's input its column at `index` is.
fn below(node: &dyn ExecutionPlan, index: usize) -> Option<usize> {
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        return projection.expr().get(index)?.expr.downcast_ref::<Column>().map(Column::index);
    }
    match node.downcast_ref::<FilterExec>().map(FilterExec::projection) {
        Some(Some(projection)) => projection.get(index).copied(),
        _ => Some(index),
    }
}

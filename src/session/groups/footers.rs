//! Aggregates that the footers of files answer: counts, sums of sizes, the least and the greatest size and time.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_plan::aggregates::AggregateExec;

use super::chain::{Chain, holds};
use crate::catalog::{RunFacts, Totals};

/// A run, and the plan over it.
struct Run<'a> {
    chain: &'a Chain,
    index: usize,
    facts: &'a RunFacts,
    rows: u64,
}

/// The states of all aggregates over a run; `Some(None)` if none of its rows count, `None` if rows have to be read.
pub(super) fn states(
    aggregate: &AggregateExec,
    chain: &Chain,
    index: usize,
    facts: &RunFacts,
) -> Option<Option<Vec<ScalarValue>>> {
    let run = Run { chain, index, facts, rows: chain.scan.rows_of(index) };
    if !chain.passes(facts)? {
        return Some(None);
    }
    let functions = aggregate.aggr_expr().iter().zip(aggregate.filter_expr());
    let states = functions.map(|(function, filter)| {
        let wanted = filter.as_ref().map_or(Some(true), |filter| holds(chain.constant(filter, facts)))?;
        run.state(function, wanted)
    });
    states.collect::<Option<Vec<_>>>().map(Some)
}

impl Run<'_> {
    /// The state of one aggregate over all rows, or over none.
    fn state(&self, function: &AggregateFunctionExpr, wanted: bool) -> Option<ScalarValue> {
        let [field] = &function.state_fields().ok()?[..] else { return None };
        let [value] = &function.expressions()[..] else { return None };
        let state = match (function.fun().name(), wanted) {
            ("count", false) => ScalarValue::Int64(Some(0)),
            ("count", true) => ScalarValue::Int64(Some(i64::try_from(self.values(value)?).ok()?)),
            (_, false) => return ScalarValue::try_from(field.data_type()).ok(),
            ("sum", true) => self.sum(value)?,
            ("min", true) => ScalarValue::Int64(self.extreme(value, |totals| totals.least)?),
            ("max", true) => ScalarValue::Int64(self.extreme(value, |totals| totals.greatest)?),
            _ => return None,
        };
        state.cast_to(field.data_type()).ok()
    }

    /// In how many rows an expression is not NULL.
    fn values(&self, value: &Arc<dyn PhysicalExpr>) -> Option<u64> {
        match self.chain.constant(value, self.facts) {
            Some(constant) => Some(if constant.is_null() { 0 } else { self.rows }),
            None => self.totals(value).map(|totals| totals.values),
        }
    }

    fn sum(&self, value: &Arc<dyn PhysicalExpr>) -> Option<ScalarValue> {
        let cast = value.downcast_ref::<CastExpr>()?;
        // 20 digits hold any 64-bit integer.
        let whole = matches!(cast.cast_type(), DataType::Decimal128(20.., 0));
        let totals = self.totals(cast.expr()).filter(|_| whole)?;
        let sum = totals.sum?;
        Some(ScalarValue::Decimal128((totals.values > 0).then_some(sum), 38, 0))
    }

    /// The least or the greatest value; `Some(None)` if there are no values.
    fn extreme(
        &self,
        value: &Arc<dyn PhysicalExpr>,
        of: impl Fn(&Totals) -> Option<i64>,
    ) -> Option<Option<i64>> {
        let totals = self.totals(value)?;
        let extreme = of(&totals);
        (extreme.is_some() || totals.values == 0).then_some(extreme)
    }

    /// What footers say of an expression, if it is a column as it stands.
    fn totals(&self, value: &Arc<dyn PhysicalExpr>) -> Option<Totals> {
        let column = self.chain.column(value.downcast_ref::<Column>()?.index())?;
        self.chain.scan.totals(self.index, column)
    }
}

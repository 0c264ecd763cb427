//! A condition on the rows of an answer, in SQL, evaluated while they pass.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DFSchema, DataFusionError};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;

use super::diagnose::fault;
use super::planner::Planner;
use crate::error::{Error, Result};

/// A condition on rows with certain columns.
#[derive(Debug, Clone)]
pub struct Predicate {
    sql: String,
    condition: Arc<dyn PhysicalExpr>,
}

impl Predicate {
    pub(super) fn new(planner: &Planner, sql: &str, columns: &SchemaRef) -> Result<Predicate> {
        let condition = condition(planner, sql, columns).map_err(|error| wrong(sql, &error))?;
        match condition.data_type(columns) {
            Ok(DataType::Boolean) => Ok(Predicate { sql: sql.to_owned(), condition }),
            Ok(kind) => {
                Err(wrong(sql, &DataFusionError::Plan(format!("it is {kind} and neither true nor false"))))
            }
            Err(error) => Err(wrong(sql, &error)),
        }
    }

    /// How many rows meet the condition. Those of which it is NULL do not.
    ///
    /// # Errors
    /// If it cannot be evaluated, such as by an overflow.
    pub fn count(&self, batch: &RecordBatch) -> Result<u64> {
        let values = self.condition.evaluate(batch).and_then(|values| values.into_array(batch.num_rows()));
        let values = values.map_err(|error| wrong(&self.sql, &error))?;
        let truths = values.as_boolean();
        Ok(truths.iter().filter(|truth| *truth == Some(true)).count() as u64)
    }
}

/// Analyzed as a filter of a query is: with the same types, functions and checks.
fn condition(
    planner: &Planner,
    sql: &str,
    columns: &SchemaRef,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    let schema = Arc::new(DFSchema::try_from(columns.as_ref().clone())?);
    let state = planner.state();
    let written = state.create_logical_expr(sql, &schema)?;
    if written.exists(|part| Ok(speaks_of_others(part)))? {
        return Err(DataFusionError::Plan("it is no condition on a single row".into()));
    }
    let rows =
        LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::clone(&schema) });
    let filter = LogicalPlanBuilder::from(rows).filter(written)?.build()?;
    let analyzed = state.analyzer().execute_and_check(filter, state.config_options(), |_, _| {})?;
    match analyzed {
        LogicalPlan::Filter(filter) => {
            // now() is a value from here on: the moment from which on the condition is asked.
            let context = SimplifyContext::builder().with_schema(Arc::clone(&schema)).with_current_time();
            let context = context.with_config_options(Arc::clone(state.config_options())).build();
            let condition = ExprSimplifier::new(context).simplify(filter.predicate)?;
            state.create_physical_expr(condition, &schema)
        }
        _ => Err(DataFusionError::Plan("it is no condition on a row".into())),
    }
}

fn speaks_of_others(part: &Expr) -> bool {
    matches!(
        part,
        Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
    )
}

fn wrong(sql: &str, error: &DataFusionError) -> Error {
    Error::Sql {
        message: format!("the condition `{sql}` cannot be used: {}", fault(error, sql)),
        place: None,
        hint: Some(
            "it is an SQL expression over the columns of the answer, true or false for each row".into(),
        ),
    }
}

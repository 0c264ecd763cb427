//! Clauses that DataFusion 55 passes over without a word: the answer would be to another question than the one that was asked.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    GroupByExpr, GroupByWithModifier, Select, TableFactor, TableSampleKind, Visit, Visitor,
};

use super::places::find_word;
use crate::error::{Error, Result};

/// Refuses a statement with such a clause.
pub(super) fn refuse_ignored(statement: &Statement, sql: &str) -> Result<()> {
    let found = match statement {
        Statement::Statement(statement) => statement.visit(&mut Ignored),
        Statement::Explain(explain) => return refuse_ignored(&explain.statement, sql),
        _ => return Ok(()),
    };
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(clause) => {
            let place = clause.split(' ').find_map(|word| find_word(sql, word));
            Err(Error::Sql { message: format!("not supported: {clause}"), place, hint: None })
        }
    }
}

/// Stops at the first one.
struct Ignored;

impl Visitor for Ignored {
    type Break = &'static str;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<&'static str> {
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
        let modifier = modifiers.first().map(|modifier| match modifier {
            GroupByWithModifier::Rollup => "ROLLUP behind the columns: write ROLLUP (…)",
            GroupByWithModifier::Cube => "CUBE behind the columns: write CUBE (…)",
            GroupByWithModifier::Totals => "TOTALS",
            GroupByWithModifier::GroupingSets(_) => "GROUPING SETS behind the columns",
        });
        let prewhere = select.prewhere.is_some().then_some("PREWHERE");
        let connect = (!select.connect_by.is_empty()).then_some("CONNECT BY");
        stop(modifier.or(prewhere).or(connect))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<&'static str> {
        let sampled = |sample: &Option<TableSampleKind>| sample.is_some().then_some("TABLESAMPLE");
        stop(match factor {
            TableFactor::Table { sample, partitions, with_ordinality, .. } => sampled(sample)
                .or((!partitions.is_empty()).then_some("PARTITION"))
                .or(with_ordinality.then_some("ORDINALITY")),
            TableFactor::Derived { sample, .. } => sampled(sample),
            TableFactor::UNNEST { with_ordinality, .. } => with_ordinality.then_some("ORDINALITY"),
            _ => None,
        })
    }
}

fn stop(clause: Option<&'static str>) -> ControlFlow<&'static str> {
    clause.map_or(ControlFlow::Continue(()), ControlFlow::Break)
}

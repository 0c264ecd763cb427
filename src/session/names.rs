//! What the columns of an answer are called: an expression without a name is called as it was written.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, SelectItem, SetExpr, Statement as SqlStatement};

/// The columns of a plan under the names that people gave them, without the engine's own notes on them.
pub(super) fn columns(planned: &Schema, statement: Option<&Statement>) -> SchemaRef {
    let written = statement.and_then(written).filter(|names| names.len() == planned.fields().len());
    let Some(names) = written else { return Arc::new(Schema::new(planned.fields().clone())) };
    let renamed = planned.fields().iter().zip(names).map(|(field, name)| match name {
        Some(name) => Field::clone(field).with_name(name),
        None => Field::clone(field),
    });
    Arc::new(Schema::new(renamed.collect::<Vec<_>>()))
}

/// For each column of a plain SELECT the text of its expression, if that is to be its name.
fn written(statement: &Statement) -> Option<Vec<Option<String>>> {
    let Statement::Statement(statement) = statement else { return None };
    let SqlStatement::Query(query) = statement.as_ref() else { return None };
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    if !query.pipe_operators.is_empty() {
        return None;
    }
    let name = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)) => Some(None),
        SelectItem::UnnamedExpr(expr) => Some(Some(expr.to_string())),
        SelectItem::ExprWithAlias { .. } => Some(None),
        // A wildcard stands for any number of columns.
        _ => None,
    };
    select.projection.iter().map(name).collect()
}

//! Asks the question of an alert.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde_json::Value;

use super::state::Finding;
use super::when::{Question, Test, When};
use crate::error::{Error, Result};
use crate::export::{Format, Style};
use crate::report::{Bindings, Reports};
use crate::session::{Answer, Predicate, Session};

/// Rows that a notice shows.
const SAMPLE: usize = 10;

/// What the answer to a condition's question is now.
///
/// # Errors
/// If it cannot be answered, or is no single value where one is compared.
pub(super) async fn ask(
    session: &Session,
    when: &When,
    reports: &Reports,
    now: DateTime<Utc>,
) -> Result<Finding> {
    let (mut answer, condition) = plan(session, when, reports, now).await?;
    let (mut rows, mut value, mut sample) = (0, None, Vec::new());
    while let Some(batch) = answer.try_next().await? {
        let met = match &condition {
            Some(condition) => condition.count(&batch)?,
            None => batch.num_rows() as u64,
        };
        if let (Test::Value(..), 0, 1..) = (&when.test, rows, batch.num_rows()) {
            value = first_value(&batch)?;
        }
        rows += met;
        if met > 0 {
            for row in 0..batch.num_rows() {
                if sample.len() == SAMPLE {
                    break;
                }
                let row = batch.slice(row, 1);
                let meant = match &condition {
                    Some(condition) => condition.count(&row)? > 0,
                    None => true,
                };
                if meant {
                    sample.push(shown(&row)?);
                }
            }
        }
    }
    let met = match &when.test {
        Test::MoreRows(most) => rows > *most,
        Test::NoRows => rows == 0,
        Test::RowsWhere(_) => rows > 0,
        Test::Value(..) if rows != 1 => {
            return Err(not_one_value(&format!("its answer has {rows} rows and not one")));
        }
        // What compares with nothing is not known: an alert that fires is not over for it.
        Test::Value(compare, limit) => match value {
            Some(value) if !value.is_nan() => compare.holds(value, *limit),
            Some(_) => return Err(not_one_value("its answer is NaN")),
            None => return Err(not_one_value("its answer is NULL")),
        },
    };
    let skipped = answer.skipped().into_iter().map(|skipped| skipped.backend).collect();
    Ok(Finding { met, rows, value, sample, skipped })
}

/// Starts to ask: the answer, and the condition on its rows if there is one.
pub(super) async fn plan(
    session: &Session,
    when: &When,
    reports: &Reports,
    now: DateTime<Utc>,
) -> Result<(Answer, Option<Predicate>)> {
    let (sql, bindings) = match &when.question {
        Question::Sql(sql) => (sql.clone(), Bindings::default()),
        Question::Report(name, values) => {
            let report = reports.get(name)?;
            (report.sql.clone(), report.bind(values, now)?)
        }
    };
    let answer = session.query_with(&sql, &bindings).await?;
    let condition = match &when.test {
        Test::RowsWhere(condition) => Some(session.predicate(condition, &answer.schema())?),
        _ => None,
    };
    Ok((answer, condition))
}

/// The first column of the first row; `None` if it is NULL.
fn first_value(batch: &RecordBatch) -> Result<Option<f64>> {
    let column = batch.columns().first().ok_or_else(|| not_one_value("its answer has no column"))?;
    let first = column.slice(0, 1);
    let kind = column.data_type();
    if !kind.is_numeric() && *kind != DataType::Boolean && *kind != DataType::Null {
        return Err(not_one_value(&format!("its answer is {kind} and no number")));
    }
    let number = cast(&first, &DataType::Float64).map_err(|error| not_one_value(&error.to_string()))?;
    let number = number.as_primitive::<Float64Type>();
    Ok((!number.is_null(0)).then(|| number.value(0)))
}

fn not_one_value(problem: &str) -> Error {
    Error::Sql {
        message: format!("there is nothing to compare: {problem}"),
        place: None,
        hint: Some(
            "ask for one number, as in SELECT COUNT(*) …, or say with COALESCE what NULL counts as".into(),
        ),
    }
}

/// A row as JSON.
fn shown(row: &RecordBatch) -> Result<Value> {
    let mut text = Vec::new();
    let mut encoder = Format::Ndjson.encoder(&mut text, row.schema(), &Style::default())?;
    encoder.write(row)?;
    encoder.finish()?;
    serde_json::from_slice(&text).map_err(|error| Error::Engine { message: error.to_string() })
}

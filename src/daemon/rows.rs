//! Small answers of the engine, row by row.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType};
use futures::TryStreamExt;

use crate::error::Result;
use crate::report::{Bindings, Kind, Value};
use crate::session::{Session, Skipped};

/// An answer that was taken whole.
#[derive(Debug, Default)]
pub(super) struct Rows {
    batches: Vec<RecordBatch>,
    /// The backends that the answer goes without.
    pub skipped: Vec<Skipped>,
}

/// One row of it. Columns are asked for by name; one that is not there, or not of the type, has no value.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

/// Hands over each row of an answer, which may be larger. Gives the backends that it goes without.
pub(super) async fn each_row(
    session: &Session,
    sql: &str,
    values: Vec<(&str, Value)>,
    mut take: impl FnMut(Row<'_>),
) -> Result<Vec<Skipped>> {
    let mut answer = session.query_with(sql, &bindings(values)).await?;
    while let Some(batch) = answer.try_next().await? {
        (0..batch.num_rows()).for_each(|row| take(Row { batch: &batch, row }));
    }
    Ok(answer.skipped())
}

fn bindings(values: Vec<(&str, Value)>) -> Bindings {
    Bindings(values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Rows {
    /// Asks a question with values for its parameters.
    pub async fn of(session: &Session, sql: &str, values: Vec<(&str, Value)>) -> Result<Rows> {
        let mut answer = session.query_with(sql, &bindings(values)).await?;
        let mut batches = Vec::new();
        while let Some(batch) = answer.try_next().await? {
            batches.push(batch);
        }
        Ok(Rows { batches, skipped: answer.skipped() })
    }

    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| Row { batch, row }))
    }
}

/// Names as the value of a parameter.
pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    Value::List(Kind::Text, names.into_iter().map(|name| Value::Text(name.to_owned())).collect())
}

impl<'a> Row<'a> {
    fn column(&self, name: &str) -> Option<&'a dyn Array> {
        let column = self.batch.column_by_name(name)?;
        column.is_valid(self.row).then_some(column.as_ref())
    }

    pub fn text(&self, name: &str) -> Option<String> {
        let column = self.column(name)?;
        let view = column.as_string_view_opt().map(|texts| texts.value(self.row));
        let text = view.or_else(|| column.as_string_opt::<i32>().map(|texts| texts.value(self.row)));
        text.map(str::to_owned)
    }

    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let column = self.column(name)?;
        let view = column.as_binary_view_opt().map(|bytes| bytes.value(self.row));
        let bytes = view.or_else(|| column.as_binary_opt::<i32>().map(|bytes| bytes.value(self.row)));
        bytes.map(<[u8]>::to_vec)
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Option<i64> {
        Some(self.column(name)?.as_primitive_opt::<Int64Type>()?.value(self.row))
    }

    pub fn float(&self, name: &str) -> Option<f64> {
        Some(self.column(name)?.as_primitive_opt::<Float64Type>()?.value(self.row))
    }

    /// How many; 0 where there is no value.
    pub fn count(&self, name: &str) -> u64 {
        self.number(name).and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
    }

    /// A sum of whole numbers, which is a decimal.
    pub fn sum(&self, name: &str) -> Option<i128> {
        Some(self.column(name)?.as_primitive_opt::<Decimal128Type>()?.value(self.row))
    }

    /// A time in microseconds since 1970.
    pub fn time(&self, name: &str) -> Option<i64> {
        Some(self.column(name)?.as_primitive_opt::<TimestampMicrosecondType>()?.value(self.row))
    }

    pub fn truth(&self, name: &str) -> Option<bool> {
        Some(self.column(name)?.as_boolean_opt()?.value(self.row))
    }

    /// The values of a list of texts.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let Some(list) = self.column(name).and_then(|column| column.as_list_opt::<i32>()) else {
            return vec![];
        };
        let values = list.value(self.row);
        let Some(values) = values.as_string_view_opt() else { return vec![] };
        values.iter().flatten().map(str::to_owned).collect()
    }
}

//! Small answers that no query gives, as rows in whatever format is asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use pinql::Error;

use super::failure::Outcome;
use super::output::Output;

/// A column of an answer: its name and its values.
pub fn text<S: AsRef<str>>(name: &str, values: impl IntoIterator<Item = Option<S>>) -> (String, ArrayRef) {
    (name.into(), Arc::new(values.into_iter().collect::<StringArray>()))
}

/// A column of whole numbers.
pub fn number(name: &str, values: impl IntoIterator<Item = Option<u64>>) -> (String, ArrayRef) {
    let values = values.into_iter().map(|value| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)));
    (name.into(), Arc::new(values.collect::<Int64Array>()))
}

/// Writes the columns as one answer.
pub fn write(columns: Vec<(String, ArrayRef)>, output: &Output) -> Outcome<()> {
    let columns = columns.into_iter().map(|(name, values)| (name, values, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|error| Error::Engine { message: error.to_string() })?;
    let mut batches = std::iter::once(batch.clone());
    output.encode(batch.schema(), || Ok(batches.next())).map(drop)
}

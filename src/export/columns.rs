//! What a format asks of the columns before it takes them, and how a file keeps those it cannot take as they are.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::error::{Error, Result};

use super::Format;
use super::text::Text;
use super::value::Column;

/// Refuses columns, or fields inside a column, that share a name: a reader would lose all but one of them.
pub(super) fn refuse_duplicates(format: Format, schema: &Schema) -> Result<()> {
    match duplicate(schema.fields()) {
        None => Ok(()),
        Some(name) => {
            Err(refusal(format, format!("more than one column is named `{name}`: name it with AS")))
        }
    }
}

fn duplicate(fields: &Fields) -> Option<&str> {
    let mut seen = HashSet::new();
    let twice = fields.iter().find(|field| !seen.insert(field.name()));
    match twice {
        Some(field) => Some(field.name()),
        None => fields.iter().find_map(|field| duplicate_within(field.data_type())),
    }
}

fn duplicate_within(kind: &DataType) -> Option<&str> {
    match kind {
        DataType::Struct(fields) => duplicate(fields),
        DataType::Dictionary(_, values) => duplicate_within(values),
        DataType::Union(fields, _) => {
            fields.iter().find_map(|(_, field)| duplicate_within(field.data_type()))
        }
        DataType::List(inner)
        | DataType::LargeList(inner)
        | DataType::ListView(inner)
        | DataType::LargeListView(inner)
        | DataType::FixedSizeList(inner, _)
        | DataType::Map(inner, _)
        | DataType::RunEndEncoded(_, inner) => duplicate_within(inner.data_type()),
        _ => None,
    }
}

/// Refuses a batch whose columns are not the ones that the answer began with. How a list names its items does not
/// matter: the engine itself is not always of one mind.
pub(super) fn refuse_others(format: Format, schema: &Schema, batch: &RecordBatch) -> Result<()> {
    let (promised, given) = (schema.fields(), batch.columns());
    let same = promised.len() == given.len()
        && promised
            .iter()
            .zip(given)
            .all(|(field, column)| field.data_type().equals_datatype(column.data_type()));
    match same {
        true => Ok(()),
        false => Err(refusal(format, "a batch has other columns than the answer began with".to_owned())),
    }
}

/// The batch with each column [cast] to the type under which a file keeps it.
pub(super) fn kept_batch(kept: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(kept.fields());
    let columns = columns.map(|(column, field)| match column.data_type() {
        given if given == field.data_type() => Ok(Arc::clone(column)),
        DataType::Interval(_) => Ok(as_text(column)),
        _ => cast(column, field.data_type()),
    });
    let columns = columns.collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(kept.clone(), columns, &options)
}

/// A column as our text formats show it.
fn as_text(array: &ArrayRef) -> ArrayRef {
    let column = Column::new(array);
    let mut builder = StringBuilder::new();
    let mut text = Text::default();
    for row in 0..array.len() {
        text.clear();
        column.text(row, &mut text);
        builder.append_option((!column.is_null(row)).then_some(text.as_str()));
    }
    Arc::new(builder.finish())
}

pub(super) fn refusal(format: Format, problem: String) -> Error {
    Error::Encode { format: format.to_string(), problem }
}

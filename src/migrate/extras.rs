//! The further columns of a file that rows are merged onto, of whatever type, as bytes of each row and back.

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};

/// How rows keep their further columns.
#[derive(Default)]
pub(super) struct Extras {
    pub fields: Vec<Field>,
    /// None if there are no such columns.
    converter: Option<RowConverter>,
    /// What rows have that have none of them.
    nothing: Option<OwnedRow>,
}

impl Extras {
    pub fn new(fields: Vec<Field>) -> Result<Extras, ArrowError> {
        if fields.is_empty() {
            return Ok(Extras::default());
        }
        let types = fields.iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(types.collect())?;
        let nulls: Vec<_> = fields.iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        let nothing = converter.convert_columns(&nulls)?.row(0).owned();
        Ok(Extras { fields, converter: Some(converter), nothing: Some(nothing) })
    }

    /// The rows of a batch of these columns; none if there are no such columns.
    pub fn rows(&self, batch: &RecordBatch) -> Result<Option<Rows>, ArrowError> {
        self.converter.as_ref().map(|converter| converter.convert_columns(batch.columns())).transpose()
    }

    /// The columns of rows as bytes.
    pub fn columns<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        let (Some(converter), Some(nothing)) = (&self.converter, &self.nothing) else {
            return Ok(Vec::new());
        };
        let parser = converter.parser();
        let nothing = nothing.row();
        let rows = rows.map(|bytes| match bytes {
            [] => nothing,
            bytes => parser.parse(bytes),
        });
        let columns = converter.convert_rows(rows)?.into_iter().zip(&self.fields);
        // Dictionaries come back as their values.
        columns
            .map(|(column, field)| match column.data_type() == field.data_type() {
                true => Ok(column),
                false => cast(&column, field.data_type()),
            })
            .collect()
    }
}

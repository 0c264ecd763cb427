//! Filters that are asked of the values in a column's dictionary instead of its rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

/// For which values of the last dictionary, and of NULL behind them, a filter holds.
#[derive(Default)]
pub(super) struct Passing {
    values: Option<ArrayRef>,
    passing: Vec<bool>,
}

/// The columns of a file as they are read for filters over `column` alone: it as a dictionary. `None` if the file has none, or what
/// a filter says of a value is not the same each time.
pub(super) fn dictionary(
    exprs: &[Arc<dyn PhysicalExpr>],
    columns: &Fields,
    column: usize,
    footer: &ParquetMetaData,
) -> Option<Fields> {
    let of_file = footer.file_metadata().schema_descr();
    let leaf = (0..of_file.num_columns()).find(|leaf| of_file.get_column_root_idx(*leaf) == column)?;
    let mut chunks = footer.row_groups().iter().map(|group| group.column(leaf));
    let field = &columns[column];
    let is_fit = field.data_type().is_string()
        && of_file.column(leaf).path().parts().len() == 1
        && chunks.all(has_dictionary_only)
        && !exprs.iter().any(is_volatile);
    let dictionary = || {
        let kind = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let field = Arc::new(field.as_ref().clone().with_data_type(kind));
        let others = columns.iter().enumerate();
        others.map(|(index, other)| Arc::clone(if index == column { &field } else { other })).collect()
    };
    is_fit.then(dictionary)
}

/// Whether all values of a column are in its dictionary, as far as its footer says. Where text follows, to make a dictionary of it takes
/// longer than to look at it.
fn has_dictionary_only(chunk: &ColumnChunkMetaData) -> bool {
    let of_data = chunk.page_encoding_stats_mask();
    chunk.dictionary_page_offset().is_some()
        && of_data.is_some_and(|encodings| {
            encodings.is_only(Encoding::RLE_DICTIONARY) || encodings.is_only(Encoding::PLAIN_DICTIONARY)
        })
}

impl Passing {
    /// For which rows a filter over one column holds, of which these are the rows. It takes the column as `read` says.
    pub fn of(
        &mut self,
        filter: &Arc<dyn PhysicalExpr>,
        rows: &DictionaryArray<Int32Type>,
        read: &Field,
    ) -> Result<BooleanArray> {
        let values = rows.values();
        // Each batch has the values in an array of its own, over the same memory.
        if !self.values.as_ref().is_some_and(|known| known.to_data().ptr_eq(&values.to_data())) {
            self.passing = passing(filter, values, read)?;
            self.values = Some(Arc::clone(values));
        }
        let (keys, passing, null) = (rows.keys(), &self.passing[..], values.len());
        let of_key = |key: i32| passing.get(key as usize).copied().unwrap_or_default();
        let keyed = keys.values();
        let mask = match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => BooleanBuffer::collect_bool(keyed.len(), |row| of_key(keyed[row])),
            Some(nulls) => BooleanBuffer::collect_bool(keyed.len(), |row| match nulls.is_valid(row) {
                true => of_key(keyed[row]),
                false => passing[null],
            }),
        };
        Ok(BooleanArray::new(mask, None))
    }
}

/// For which values of a dictionary, and of NULL behind them, a filter holds.
fn passing(filter: &Arc<dyn PhysicalExpr>, values: &ArrayRef, read: &Field) -> Result<Vec<bool>> {
    let all: UInt32Array = (0..values.len() as u32).map(Some).chain([None]).collect();
    let values = cast(&take(values, &all, None)?, read.data_type())?;
    let field = read.clone().with_nullable(true);
    let schema: SchemaRef = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![values])?;
    let passing = filter.evaluate(&batch)?.into_array(batch.num_rows())?;
    let Some(passing) = passing.as_boolean_opt() else {
        return datafusion::common::internal_err!("a filter gives {}", passing.data_type());
    };
    Ok(passing.iter().map(|passes| passes == Some(true)).collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StringArray};
    use datafusion::common::ScalarValue;
    use datafusion::logical_expr::Operator;
    use datafusion::physical_expr::expressions::{Column, binary, is_null, lit};

    use super::*;

    #[test]
    fn a_filter_holds_for_the_rows_whose_values_it_holds_for() {
        let read = Field::new("status", DataType::Utf8View, false);
        let schema = Schema::new(vec![read.clone()]);
        let column = || Arc::new(Column::new("status", 0)) as Arc<dyn PhysicalExpr>;
        let text = ScalarValue::Utf8View(Some("failed".to_owned()));
        let failed = binary(column(), Operator::Eq, lit(text), &schema).unwrap();
        let missing = is_null(column()).unwrap();
        let rows = |values: &[&str], keys: &[Option<i32>]| {
            let values: ArrayRef = Arc::new(values.iter().map(Some).collect::<StringArray>());
            DictionaryArray::new(Int32Array::from(keys.to_vec()), values)
        };
        let of = |passing: &mut Passing, filter, rows: &DictionaryArray<Int32Type>| {
            let passing = passing.of(filter, rows, &read).unwrap();
            passing.iter().map(Option::unwrap).collect::<Vec<_>>()
        };
        let mut passing = Passing::default();
        let one = rows(&["stored", "failed"], &[Some(1), None, Some(0), Some(1)]);
        assert_eq!(of(&mut passing, &failed, &one), [true, false, false, true]);
        // The same dictionary again, then others.
        let values = arrow::array::make_array(one.values().to_data());
        let again = DictionaryArray::new(Int32Array::from(vec![None, Some(0), Some(1)]), values);
        assert_eq!(of(&mut passing, &failed, &again), [false, false, true]);
        // It was not asked again.
        assert!(Arc::ptr_eq(passing.values.as_ref().unwrap(), one.values()));
        assert_eq!(of(&mut passing, &failed, &rows(&["failed"], &[Some(0), None])), [true, false]);
        assert_eq!(of(&mut passing, &failed, &rows(&[], &[None])), [false]);
        assert_eq!(of(&mut passing, &failed, &rows(&[], &[])), [false; 0]);
        assert_eq!(of(&mut Passing::default(), &missing, &one), [false, true, false, false]);
    }
}

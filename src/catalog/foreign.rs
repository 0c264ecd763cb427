//! Small Parquet files of other tools, read whole: each column as the type that is wanted, whatever it was written as.

use std::fs::File;
use std::path::Path;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::file::parquet_in_words;
use crate::pin::{schema, time};

/// The rows of one file.
pub(super) struct ForeignRows(RecordBatch);

impl ForeignRows {
    /// Reads the columns of these names of a file, and no byte of the others, whose values may be secret.
    ///
    /// # Errors
    /// In words, if it cannot be read or is damaged.
    pub fn read(path: &Path, wanted: &[&str]) -> Result<ForeignRows, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let reader =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| parquet_in_words(&error))?;
        let fields = reader.schema().fields().iter().enumerate();
        let is_wanted = |name: &str| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
        let wanted: Vec<usize> =
            fields.filter(|(_, field)| is_wanted(field.name())).map(|(index, _)| index).collect();
        let columns = reader.schema().project(&wanted).map_err(|error| error.to_string())?;
        let columns = std::sync::Arc::new(columns);
        let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
        let reader = reader.with_projection(mask).build().map_err(|error| parquet_in_words(&error))?;
        let batches: Vec<RecordBatch> =
            reader.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        concat_batches(&columns, &batches).map(ForeignRows).map_err(|error| error.to_string())
    }

    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether there is a column of this name.
    pub fn has(&self, name: &str) -> bool {
        self.column(name).is_some()
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        let exact = self.0.column_by_name(name);
        exact.or_else(|| {
            let fields = self.0.schema();
            let mut alike = (0..fields.fields().len())
                .filter(|index| fields.field(*index).name().eq_ignore_ascii_case(name));
            alike.next().filter(|_| alike.next().is_none()).map(|index| self.0.column(index))
        })
    }

    /// The first of these columns that is there, as another type: what cannot be converted is NULL.
    fn cast(&self, names: &[&str], to: &DataType) -> ArrayRef {
        let found = names.iter().find_map(|name| self.column(name));
        let cast = found.and_then(|column| cast_with_options(column, to, &CastOptions::default()).ok());
        cast.unwrap_or_else(|| new_null_array(to, self.len()))
    }

    pub fn texts(&self, names: &[&str]) -> Vec<Option<String>> {
        let texts = self.cast(names, &DataType::Utf8);
        let texts: &StringArray = texts.as_string();
        texts
            .iter()
            .map(|text| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned))
            .collect()
    }

    /// Whole numbers; a float only if it is one.
    pub fn numbers(&self, names: &[&str]) -> Int64Array {
        let floats = self.floats(names);
        let whole = self.cast(names, &DataType::Int64);
        let whole = whole.as_primitive::<Int64Type>();
        let number = |row: usize| {
            let whole = whole.is_valid(row).then(|| whole.value(row))?;
            (floats.is_null(row) || floats.value(row).fract() == 0.0).then_some(whole)
        };
        (0..self.len()).map(number).collect()
    }

    /// Finite numbers.
    pub fn floats(&self, names: &[&str]) -> Float64Array {
        let floats = self.cast(names, &DataType::Float64);
        floats
            .as_primitive::<Float64Type>()
            .iter()
            .map(|float| float.filter(|float| float.is_finite()))
            .collect()
    }

    pub fn truths(&self, names: &[&str]) -> BooleanArray {
        self.cast(names, &DataType::Boolean).as_boolean().clone()
    }

    /// Times: as timestamps, as ISO text, or as epoch numbers, of which 0 stands for never.
    pub fn times(&self, names: &[&str]) -> TimestampMicrosecondArray {
        let column = names.iter().find_map(|name| self.column(name));
        let never = |micros: &i64| *micros != 0;
        let micros: Vec<Option<i64>> = match column.map(|column| column.data_type().clone()) {
            Some(DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64) => {
                let times = self.cast(names, &schema::timestamp_type());
                times.as_primitive::<TimestampMicrosecondType>().iter().collect()
            }
            Some(kind) if kind.is_integer() => {
                self.numbers(names).iter().map(|number| time::from_integer(number?).filter(never)).collect()
            }
            Some(kind) if kind.is_numeric() => {
                self.floats(names).iter().map(|number| time::from_float(number?).filter(never)).collect()
            }
            _ => self.texts(names).iter().map(|text| time::parse(text.as_deref()?).filter(never)).collect(),
        };
        TimestampMicrosecondArray::from(micros).with_timezone("UTC")
    }

    /// Lists of names: as lists, as the JSON of one, or as text with commas.
    pub fn lists(&self, names: &[&str]) -> Vec<Vec<String>> {
        let column = names.iter().find_map(|name| self.column(name));
        let list = DataType::new_list(DataType::Utf8, true);
        match column.map(|column| column.data_type()) {
            Some(kind) if kind.is_nested() => {
                let lists = self.cast(names, &list);
                let lists = lists.as_list::<i32>();
                let names = |row: usize| {
                    let values = lists.is_valid(row).then(|| lists.value(row));
                    let values = values.iter().flat_map(|values| values.as_string::<i32>().iter().flatten());
                    values.filter(|name| !name.trim().is_empty()).map(|name| name.trim().to_owned()).collect()
                };
                (0..self.len()).map(names).collect()
            }
            _ => self.texts(names).iter().map(|text| named(text.as_deref().unwrap_or_default())).collect(),
        }
    }
}

/// The names in a text: a JSON array, or parts between commas.
fn named(text: &str) -> Vec<String> {
    if let Ok(names) = serde_json::from_str::<Vec<String>>(text) {
        return names;
    }
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_from_any_form_of_a_list() {
        for (text, names) in [
            (r#"["a", "b, c"]"#, vec!["a", "b, c"]),
            ("a, b", vec!["a", "b"]),
            ("a", vec!["a"]),
            ("", vec![]),
            ("[]", vec![]),
        ] {
            assert_eq!(named(text), names, "{text}");
        }
    }
}

//! What rows amount to: equal for what was written and what reads back, whatever the batches they come in.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use foldhash::quality::{FixedState, FoldHasher};
use std::hash::{BuildHasher, Hasher};

use crate::pin::counted;

/// A hash of each column of rows.
pub(super) struct Digest {
    columns: Vec<Column>,
    rows: u64,
}

struct Column {
    hash: FoldHasher<'static>,
    /// For types other than those of `pin_mappings`; `None` for types that it does not know.
    converter: Option<RowConverter>,
}

impl Digest {
    pub fn new(schema: &SchemaRef) -> Digest {
        let columns = schema.fields().iter().map(|field| {
            let sort_fields = vec![SortField::new(field.data_type().clone())];
            let converter = match is_plain(field.data_type()) {
                true => None,
                false => RowConverter::new(sort_fields).ok(),
            };
            Column { hash: FixedState::with_seed(0).build_hasher(), converter }
        });
        Digest { columns: columns.collect(), rows: 0 }
    }

    /// Adds rows.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.rows += batch.num_rows() as u64;
        self.columns.iter_mut().zip(batch.columns()).try_for_each(|(column, array)| column.add(array))
    }

    /// Where two digests differ, in words.
    pub fn difference(&self, other: &Digest, schema: &SchemaRef) -> Option<String> {
        if self.rows != other.rows {
            return Some(format!("{} instead of {}", counted(other.rows, "row", "rows"), self.rows));
        }
        let mut pairs = self.columns.iter().zip(&other.columns);
        let at = pairs.position(|(one, other)| one.hash.finish() != other.hash.finish())?;
        Some(format!("column `{}` differs", schema.field(at).name()))
    }
}

fn is_plain(kind: &DataType) -> bool {
    let micros = matches!(kind, DataType::Timestamp(TimeUnit::Microsecond, _));
    micros || matches!(kind, DataType::Utf8 | DataType::Binary | DataType::Int64)
}

impl Column {
    fn add(&mut self, array: &dyn Array) -> Result<(), ArrowError> {
        match (array.data_type(), &self.converter) {
            (DataType::Utf8, _) => {
                self.values(array.as_string::<i32>().iter().map(|value| value.map(str::as_bytes)));
            }
            (DataType::Binary, _) => self.values(array.as_binary::<i32>().iter()),
            (DataType::Int64, _) => self.numbers(array.as_primitive::<Int64Type>().iter()),
            (DataType::Timestamp(TimeUnit::Microsecond, _), _) => {
                self.numbers(array.as_primitive::<TimestampMicrosecondType>().iter());
            }
            (_, Some(converter)) => {
                let rows = converter.convert_columns(&[arrow::array::make_array(array.to_data())])?;
                self.values(rows.iter().map(|row| Some(row.data().to_vec())));
            }
            // Held to the count of rows only.
            (_, None) => {}
        }
        Ok(())
    }

    fn values<T: AsRef<[u8]>>(&mut self, values: impl Iterator<Item = Option<T>>) {
        for value in values {
            match value {
                Some(value) => {
                    self.hash.write_u64(value.as_ref().len() as u64);
                    self.hash.write(value.as_ref());
                }
                None => self.hash.write_u64(u64::MAX),
            }
        }
    }

    fn numbers(&mut self, values: impl Iterator<Item = Option<i64>>) {
        for value in values {
            self.hash.write_u8(u8::from(value.is_some()));
            self.hash.write_i64(value.unwrap_or_default());
        }
    }
}

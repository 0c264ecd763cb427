//! The table `_`: the rows of an earlier answer.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{MemTable, TableProvider};

use crate::error::{Error, Result};

/// The rows, if there are any.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<Arc<dyn TableProvider>>>);

impl Remembered {
    pub fn set(&self, answer: Option<(SchemaRef, Vec<RecordBatch>)>) -> Result<()> {
        let table = answer.map(|(columns, batches)| table(&columns, batches)).transpose()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }

    pub fn table(&self) -> Option<Arc<dyn TableProvider>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn table(columns: &SchemaRef, batches: Vec<RecordBatch>) -> Result<Arc<dyn TableProvider>> {
    let columns = distinct(columns);
    let renamed = batches.into_iter().map(|batch| {
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&columns), batch.columns().to_vec(), &rows)
    });
    let engine = |message: String| Error::Engine { message };
    let renamed = renamed.collect::<Result<Vec<_>, _>>().map_err(|error| engine(error.to_string()))?;
    let table = MemTable::try_new(Arc::clone(&columns), vec![renamed]);
    Ok(Arc::new(table.map_err(|error| engine(error.strip_backtrace()))?))
}

/// The columns, each with a name of its own.
fn distinct(columns: &SchemaRef) -> SchemaRef {
    let mut seen = HashSet::new();
    let fields = columns.fields().iter().map(|field| {
        let numbered = (1..).map(|number| match number {
            1 => field.name().clone(),
            number => format!("{}_{number}", field.name()),
        });
        let name = numbered.into_iter().find(|name| seen.insert(name.clone())).unwrap_or_default();
        Field::clone(field).with_name(name).with_nullable(true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::DataType;

    use super::*;

    #[test]
    fn columns_of_one_name_are_told_apart() {
        let columns = ["a", "b", "a", "a"].map(|name| Field::new(name, DataType::Int64, false));
        let columns = Arc::new(Schema::new(columns.to_vec()));
        let values = |n| Arc::new(Int64Array::from(vec![n])) as _;
        let batch = RecordBatch::try_new(Arc::clone(&columns), (0..4).map(values).collect()).unwrap();
        let remembered = Remembered::default();
        remembered.set(Some((columns, vec![batch]))).unwrap();
        let schema = remembered.table().unwrap().schema();
        assert_eq!(
            schema.fields().iter().map(|field| field.name()).collect::<Vec<_>>(),
            ["a", "b", "a_2", "a_3"]
        );
        remembered.set(None).unwrap();
        assert!(remembered.table().is_none());
    }
}

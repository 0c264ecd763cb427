//! The system tables `history` and `backend_history`: what a daemon has observed.
//!
//! Its files are read when the query is planned, only the columns that are asked for: an observation is small, and how
//! many there are is bounded by what the daemon keeps.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{Fields, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::schema::types::SchemaDescriptor;

use super::table::external;
use crate::error::{DAMAGED, Error};
use crate::pin::observation::{self, BY_BACKEND, OBSERVED_AT};
use crate::store::observations::{self, ObservationsFile};
use crate::store::{DataDir, layout};

/// How often the directory is listed anew, if files are put together while they are opened.
const ATTEMPTS: usize = 5;

/// One of the two tables.
#[derive(Debug)]
pub(super) struct HistoryTable {
    dir: DataDir,
    of: Of,
    schema: SchemaRef,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Totals,
    Backends,
}

impl HistoryTable {
    /// `history`.
    pub fn totals(dir: DataDir) -> HistoryTable {
        let schema = Arc::new(Schema::new(observation::totals()));
        HistoryTable { dir, of: Of::Totals, schema }
    }

    /// `backend_history`.
    pub fn of_backends(dir: DataDir) -> HistoryTable {
        let schema = Arc::new(Schema::new(observation::by_backend()));
        HistoryTable { dir, of: Of::Backends, schema }
    }

    /// All rows, with these columns.
    fn read(&self, columns: &SchemaRef) -> crate::error::Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        for (path, file) in open(&self.dir.daemon().join(layout::HISTORY))? {
            let damaged = |error: &dyn std::fmt::Display| Error::Format {
                path: path.clone(),
                place: "observations".into(),
                problem: format!("{DAMAGED}: {error}"),
            };
            let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
            let wanted = self.wanted(builder.parquet_schema(), columns);
            let reader = builder.with_projection(wanted).with_batch_size(256).build();
            for batch in reader.map_err(|error| damaged(&error))? {
                let batch = batch.map_err(|error| damaged(&error))?;
                batches.push(self.shaped(&batch, columns).map_err(|error| damaged(&error))?);
            }
        }
        Ok(batches)
    }

    /// The columns of a file that are needed for these.
    fn wanted(&self, file: &SchemaDescriptor, columns: &SchemaRef) -> ProjectionMask {
        let has = |name: &str| columns.column_with_name(name).is_some();
        let leaves = file.columns().iter().enumerate().filter(|(_, leaf)| {
            let path = leaf.path().parts();
            let (root, last) = (path[0].as_str(), path[path.len() - 1].as_str());
            match (self.of, path.len()) {
                (Of::Totals, 1) => has(root),
                (Of::Totals, _) => false,
                // A column of the list is always read: it tells how many rows there are.
                (Of::Backends, 1) => root == OBSERVED_AT,
                (Of::Backends, _) => has(last) || last == "backend_name",
            }
        });
        let mut leaves: Vec<usize> = leaves.map(|(index, _)| index).collect();
        if leaves.is_empty() {
            leaves.push(0);
        }
        ProjectionMask::leaves(file, leaves)
    }

    /// A batch of a file as rows of the table. What an older file does not have is NULL.
    fn shaped(
        &self,
        batch: &RecordBatch,
        columns: &SchemaRef,
    ) -> Result<RecordBatch, arrow::error::ArrowError> {
        let (rows, found): (usize, Vec<(String, ArrayRef)>) = match self.of {
            Of::Totals => (batch.num_rows(), by_name(batch.schema().fields(), batch.columns())),
            Of::Backends => {
                let list = batch.column_by_name(BY_BACKEND).and_then(|list| list.as_list_opt::<i32>());
                let missing = || arrow::error::ArrowError::SchemaError(format!("no column {BY_BACKEND}"));
                let list = list.ok_or_else(missing)?;
                let owners = (0..list.len() as u32)
                    .flat_map(|row| std::iter::repeat_n(row, list.value_length(row as usize) as usize));
                let owners = UInt32Array::from_iter_values(owners);
                // A batch may be a part of a longer list of values.
                let first = list.value_offsets()[0] as usize;
                let values = list.values().slice(first, owners.len());
                let values = values.as_struct_opt().ok_or_else(missing)?;
                let mut found = by_name(values.fields(), values.columns());
                if let Some(at) = batch.column_by_name(OBSERVED_AT) {
                    found.push((OBSERVED_AT.to_owned(), take(at, &owners, None)?));
                }
                (owners.len(), found)
            }
        };
        let column = |field: &Arc<arrow::datatypes::Field>| match found
            .iter()
            .find(|(name, _)| name == field.name())
        {
            Some((_, values)) => cast(values, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows)),
        };
        let arrays = columns.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::clone(columns), arrays, &rows)
    }
}

fn by_name(fields: &Fields, columns: &[ArrayRef]) -> Vec<(String, ArrayRef)> {
    fields.iter().zip(columns).map(|(field, column)| (field.name().clone(), Arc::clone(column))).collect()
}

/// Opens all files that count. Files that are put together while this looks are looked for again.
fn open(dir: &Path) -> crate::error::Result<Vec<(std::path::PathBuf, File)>> {
    let mut attempt = 1;
    'again: loop {
        let files = observations::list(dir)?.files;
        let mut opened = Vec::with_capacity(files.len());
        for ObservationsFile { path, .. } in files {
            match File::open(&path) {
                Ok(file) => opened.push((path, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                    attempt += 1;
                    continue 'again;
                }
                Err(source) => return Err(Error::Read { path, source }),
            }
        }
        return Ok(opened);
    }
}

#[async_trait]
impl TableProvider for HistoryTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let rows = self.read(&columns).map_err(external)?;
        MemTable::try_new(columns, vec![rows])?.scan(state, None, filters, limit).await
    }
}

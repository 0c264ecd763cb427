//! The system tables `history` and `backend_history`: what a daemon has observed. [`HistoryScan`] reads them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use serde::{Deserialize, Serialize};

use super::history_scan::{HistoryScan, Of, Part};
use super::table::external;
use crate::error::Error;
use crate::pin::observation;
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

impl HistoryTable {
    /// `history`.
    pub fn totals(dir: DataDir) -> HistoryTable {
        HistoryTable { dir, of: Of::Totals, schema: schema(Of::Totals) }
    }

    /// `backend_history`.
    pub fn of_backends(dir: DataDir) -> HistoryTable {
        HistoryTable { dir, of: Of::Backends, schema: schema(Of::Backends) }
    }
}

/// The columns of a table.
fn schema(of: Of) -> SchemaRef {
    Arc::new(Schema::new(match of {
        Of::Totals => observation::totals(),
        Of::Backends => observation::by_backend(),
    }))
}

/// Opens all files that count. Files that are put together while this looks are looked for again.
fn open(dir: &Path) -> crate::error::Result<Vec<Arc<Part>>> {
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
        return opened.into_iter().map(|(path, file)| Part::open(path, file).map(Arc::new)).collect();
    }
}

/// A scan as it travels to another process: the table, its columns, and the names of its files, which never change.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireHistory {
    of_backends: bool,
    columns: Vec<String>,
    files: Vec<PathBuf>,
}

impl WireHistory {
    pub fn of(scan: &HistoryScan) -> WireHistory {
        let names = scan.parts.iter().filter_map(|part| part.path.file_name());
        WireHistory {
            of_backends: scan.of == Of::Backends,
            columns: scan.columns.fields().iter().map(|field| field.name().clone()).collect(),
            files: names.map(PathBuf::from).collect(),
        }
    }

    /// The same scan here. Only files of the history are opened, whatever is asked for.
    pub fn scan(self, dir: &DataDir) -> Result<HistoryScan> {
        let of = if self.of_backends { Of::Backends } else { Of::Totals };
        let whole = schema(of);
        let columns = self.columns.iter().map(|name| whole.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let columns = Arc::new(whole.project(&columns)?);
        let place = dir.daemon().join(layout::HISTORY);
        let open = |name: &PathBuf| {
            // A name and nothing else: no other directory.
            let name = name.file_name().unwrap_or_default();
            let path = place.join(name);
            let file = File::open(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
            Part::open(path, file).map(Arc::new)
        };
        let parts = self.files.iter().map(open).collect::<crate::error::Result<_>>().map_err(external)?;
        Ok(HistoryScan { of, columns, parts })
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
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(projection) => Arc::new(self.schema.project(projection)?),
            None => Arc::clone(&self.schema),
        };
        let parts = open(&self.dir.daemon().join(layout::HISTORY)).map_err(external)?;
        Ok(DataSourceExec::from_data_source(HistoryScan { of: self.of, columns, parts: parts.into() }))
    }
}

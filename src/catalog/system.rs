//! The system table `backends`: what each directory of the data directory is, and why it cannot be read, if so.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;

use super::snapshot::{Opened, Snapshot};
use super::table::{external, is_only_of, keep};
use crate::pin::schema;
use crate::store::{BackendDir, Mappings};

/// The column that tells the rows apart.
const NAME: &str = "name";

fn name() -> Field {
    Field::new(NAME, DataType::Utf8View, false)
}

/// The table `backends`.
#[derive(Debug)]
pub(super) struct BackendsTable {
    snapshot: Arc<Snapshot>,
    schema: SchemaRef,
}

/// One row of it.
struct Row {
    name: String,
    kind: Option<String>,
    state: &'static str,
    reason: Option<String>,
    rows: Option<i64>,
    bytes: Option<i64>,
    modified: Option<i64>,
    has_car: bool,
    has_legacy: bool,
    laid_out: Option<bool>,
}

impl BackendsTable {
    pub fn new(snapshot: Arc<Snapshot>) -> BackendsTable {
        let schema = Schema::new(vec![
            name(),
            Field::new("type", DataType::Utf8View, true),
            Field::new("state", DataType::Utf8View, false),
            Field::new("reason", DataType::Utf8View, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("bytes", DataType::Int64, true),
            Field::new("modified_at", schema::timestamp_type(), true),
            Field::new("has_car", DataType::Boolean, false),
            Field::new("has_pins_json", DataType::Boolean, false),
            Field::new("laid_out", DataType::Boolean, true),
        ]);
        BackendsTable { snapshot, schema: Arc::new(schema) }
    }

    fn row(&self, backend: &BackendDir, opened: Opened) -> Row {
        let files = backend.files();
        let modified = files.iter().filter_map(|file| file.modified).max().and_then(micros);
        let mut row = Row {
            name: backend.name.clone(),
            kind: self.snapshot.dir().backend_type(&backend.name),
            state: "empty",
            reason: None,
            rows: None,
            bytes: (!files.is_empty()).then(|| files.iter().map(|file| file.size as i64).sum()),
            modified,
            has_car: backend.has_car(),
            has_legacy: backend.has_legacy(),
            laid_out: None,
        };
        match &backend.mappings {
            Mappings::Absent if backend.has_legacy() => row.state = "legacy",
            Mappings::Absent if backend.has_car() => row.state = "car_only",
            Mappings::Absent => {}
            Mappings::SameAs(other) => {
                row.state = "alias";
                row.reason = Some(format!("the same files as backend {other}, which counts them"));
            }
            Mappings::Files(_) | Mappings::Unreadable { .. } => match opened {
                Ok(files) => {
                    let rows = files.iter().map(|file| file.rows() as i64).sum();
                    row.state = if rows == 0 { "empty" } else { "ready" };
                    row.rows = Some(rows);
                    row.laid_out = Some(!files.is_empty() && files.iter().all(|file| file.is_laid_out()));
                }
                Err(error) => {
                    row.state = "unreadable";
                    row.reason = Some(format!("{}: {}", error.path, error.reason));
                }
            },
        }
        row
    }

    /// The rows of these backends.
    async fn batch(&self, backends: &[BackendDir]) -> Result<RecordBatch> {
        let opened = self.snapshot.open(backends).await;
        let rows = backends.iter().zip(opened).map(|(backend, opened)| self.row(backend, opened));
        let rows: Vec<Row> = rows.collect();
        let text = |column: fn(&Row) -> Option<&str>| -> ArrayRef {
            Arc::new(rows.iter().map(column).collect::<StringViewArray>())
        };
        let number = |column: fn(&Row) -> Option<i64>| -> ArrayRef {
            Arc::new(rows.iter().map(column).collect::<Int64Array>())
        };
        let truth = |column: fn(&Row) -> Option<bool>| -> ArrayRef {
            Arc::new(rows.iter().map(column).collect::<BooleanArray>())
        };
        let modified: TimestampMicrosecondArray = rows.iter().map(|row| row.modified).collect();
        let columns = vec![
            text(|row| Some(&row.name)),
            text(|row| row.kind.as_deref()),
            text(|row| Some(row.state)),
            text(|row| row.reason.as_deref()),
            number(|row| row.rows),
            number(|row| row.bytes),
            Arc::new(modified.with_timezone("UTC")),
            truth(|row| Some(row.has_car)),
            truth(|row| Some(row.has_legacy)),
            truth(|row| row.laid_out),
        ];
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

#[async_trait]
impl TableProvider for BackendsTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| match is_only_of(filter, NAME) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        // Files of backends that nobody asks for stay closed.
        let backends = self.snapshot.backends().map_err(external)?;
        let backends = keep(state, backends.to_vec(), filters, name())?;
        let rows = MemTable::try_new(Arc::clone(&self.schema), vec![vec![self.batch(&backends).await?]])?;
        rows.scan(state, projection, &[], limit).await
    }
}

fn micros(time: SystemTime) -> Option<i64> {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_micros()).ok())
}

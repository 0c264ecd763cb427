//! The system tables `registry`, `buckets` and `dirty`: what older tools know of their backends, where they left word of it.
//!
//! Two tools wrote the registries, with columns of their own under the same file names; a row is what either of them says.
//! Columns with secrets in them (`config`, `metadata`) are never read. A file that is damaged is an error that names it; one
//! that is not there is a table without rows.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::buckets;
use super::foreign::ForeignRows;
use super::snapshot::Snapshot;
use super::table::external;
use crate::error::Error;
use crate::pin::{schema, secret, status};
use crate::store::dirty::Dirty;
use crate::store::{DataDir, MappingsFile, Unreachable};

/// What a row of the registries was written by.
const DAEMON: &str = "daemon";
const CLI: &str = "cli";

/// All columns of a registry of backends that are read; no other is.
const REGISTRY_COLUMNS: [&str; 14] = [
    "name",
    "type",
    "endpoint",
    "health_status",
    "status",
    "last_check",
    "last_updated",
    "response_time_ms",
    "error_count",
    "error",
    "pin_count",
    "storage_usage",
    "dirty",
    "last_sync",
];

/// One of the three tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Registries {
    Registry,
    Buckets,
    Dirty,
}

impl Registries {
    /// The table of this name.
    pub fn named(name: &str) -> Option<Registries> {
        match name {
            "registry" => Some(Registries::Registry),
            "buckets" => Some(Registries::Buckets),
            "dirty" => Some(Registries::Dirty),
            _ => None,
        }
    }

    /// Its columns.
    pub fn schema(self) -> SchemaRef {
        let columns: &[(&str, DataType)] = match self {
            Registries::Registry => &[
                ("name", DataType::Utf8View),
                ("type", DataType::Utf8View),
                ("endpoint", DataType::Utf8View),
                ("status", DataType::Utf8View),
                ("last_check", schema::timestamp_type()),
                ("response_time_ms", DataType::Float64),
                ("error_count", DataType::Int64),
                ("error", DataType::Utf8View),
                ("pin_count", DataType::Int64),
                ("storage_bytes", DataType::Int64),
                ("is_dirty", DataType::Boolean),
                ("last_sync", schema::timestamp_type()),
                ("written_by", DataType::Utf8View),
            ],
            Registries::Buckets => &buckets::columns(),
            Registries::Dirty => &[
                ("backend_name", DataType::Utf8View),
                ("is_dirty", DataType::Boolean),
                ("actions", DataType::Int64),
                ("unsynced_actions", DataType::Int64),
                ("affected_cids", DataType::Int64),
                ("reason", DataType::Utf8View),
                ("marked_at", schema::timestamp_type()),
                ("last_updated", schema::timestamp_type()),
                ("last_sync", schema::timestamp_type()),
                ("has_flag", DataType::Boolean),
                ("problem", DataType::Utf8View),
            ],
        };
        let fields = columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// Its rows, as the files are now.
    fn rows(self, dir: &DataDir) -> Result<RecordBatch, Error> {
        let columns = self.schema();
        let batches = match self {
            Registries::Registry => read(dir.backend_registry(), &REGISTRY_COLUMNS)?
                .map(|rows| registry(&rows))
                .into_iter()
                .collect(),
            Registries::Buckets => buckets::read_all(dir)?,
            Registries::Dirty => vec![dirty(&dir.dirty()?)],
        };
        let engine = |error: arrow::error::ArrowError| Error::Engine { message: error.to_string() };
        let batches: Vec<_> = batches
            .into_iter()
            .map(|values: Vec<ArrayRef>| RecordBatch::try_new(Arc::clone(&columns), values))
            .collect::<Result<_, _>>()
            .map_err(engine)?;
        concat_batches(&columns, &batches).map_err(engine)
    }
}

pub(super) fn read(
    place: Result<Option<MappingsFile>, Unreachable>,
    columns: &[&str],
) -> Result<Option<ForeignRows>, Error> {
    let failed = |path: String, reason: String| Error::UnreadableRegistry { path, reason };
    let file = place.map_err(|Unreachable { shown, reason }| failed(shown, reason))?;
    file.map(|file| ForeignRows::read(&file.path, columns).map_err(|reason| failed(file.shown, reason)))
        .transpose()
}

pub(super) fn written_by(rows: &ForeignRows) -> &'static str {
    if rows.has("health_status") { DAEMON } else { CLI }
}

pub(super) fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = Option<S>>) -> ArrayRef {
    Arc::new(values.into_iter().collect::<StringViewArray>())
}

/// Statuses as `pins` has them.
pub(super) fn statuses(values: Vec<Option<String>>) -> ArrayRef {
    texts(values.iter().map(|value| value.as_deref().map(status::normal)))
}

fn registry(rows: &ForeignRows) -> Vec<ArrayRef> {
    let endpoints = rows.texts(&["endpoint"]);
    let errors = rows.texts(&["error"]);
    vec![
        texts(rows.texts(&["name"])),
        texts(rows.texts(&["type"])),
        texts(endpoints.iter().map(|text| secret::endpoint(text.as_deref()?))),
        statuses(rows.texts(&["health_status", "status"])),
        Arc::new(rows.times(&["last_check", "last_updated"])),
        Arc::new(rows.floats(&["response_time_ms"])),
        Arc::new(rows.numbers(&["error_count"])),
        texts(errors.iter().map(|text| text.as_deref().map(secret::without_secrets))),
        Arc::new(rows.numbers(&["pin_count"])),
        Arc::new(rows.numbers(&["storage_usage"])),
        Arc::new(rows.truths(&["dirty"])),
        Arc::new(rows.times(&["last_sync"])),
        texts(vec![Some(written_by(rows)); rows.len()]),
    ]
}

fn dirty(notes: &[Dirty]) -> Vec<ArrayRef> {
    let number = |value: fn(&Dirty) -> Option<u64>| -> ArrayRef {
        let value = |note| value(note).and_then(|number| i64::try_from(number).ok());
        Arc::new(notes.iter().map(value).collect::<Int64Array>())
    };
    let at = |value: fn(&Dirty) -> Option<i64>| -> ArrayRef {
        Arc::new(notes.iter().map(value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let truth = |value: fn(&Dirty) -> Option<bool>| -> ArrayRef {
        Arc::new(notes.iter().map(value).collect::<BooleanArray>())
    };
    vec![
        texts(notes.iter().map(|note| Some(&note.backend_name))),
        truth(|note| note.is_dirty),
        number(|note| note.actions),
        number(|note| note.unsynced_actions),
        number(|note| note.affected_cids),
        texts(notes.iter().map(|note| note.reason.as_ref())),
        at(|note| note.marked_at),
        at(|note| note.last_updated),
        at(|note| note.last_sync),
        truth(|note| Some(note.has_flag)),
        texts(notes.iter().map(|note| note.problem.as_ref())),
    ]
}

/// One of the tables over a data directory.
#[derive(Debug)]
pub(super) struct RegistryTable {
    snapshot: Arc<Snapshot>,
    of: Registries,
}

impl RegistryTable {
    pub fn new(snapshot: Arc<Snapshot>, of: Registries) -> RegistryTable {
        RegistryTable { snapshot, of }
    }
}

#[async_trait]
impl TableProvider for RegistryTable {
    fn schema(&self) -> SchemaRef {
        self.of.schema()
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
        let rows = self.of.rows(self.snapshot.dir()).map_err(external)?;
        let table = MemTable::try_new(self.schema(), vec![vec![rows]])?;
        table.scan(state, projection, filters, limit).await
    }
}

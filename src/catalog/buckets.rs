//! The rows of the system table `buckets`: one for each bucket in each file that tells of it, which `source` names.
//!
//! Columns with secrets in them (`backend_config_json`, `metadata_json`, `metadata`) are never read.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListBuilder, StringViewBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::DataType;

use super::foreign::ForeignRows;
use super::registries::{read, statuses, texts, written_by};
use crate::error::Error;
use crate::pin::{schema, secret};
use crate::store::buckets::BucketNote;
use crate::store::{DataDir, Unreachable, layout};

/// Who wrote the registry in the root, and the configurations.
const BUCKET_MANAGER: &str = "bucket manager";
const CONFIGURATION: &str = "configuration";

/// What is read of a registry; nothing else is.
const READ: [&str; 21] = [
    "bucket_name",
    "name",
    "bucket_id",
    "type",
    "bucket_type",
    "backend_names",
    "backend_bindings",
    "backend",
    "health_status",
    "pin_count",
    "file_count",
    "size_bytes",
    "needs_backup",
    "last_backup",
    "last_updated",
    "vfs_structure",
    "bucket_path",
    "storage_path",
    "vfs_index_path",
    "pin_metadata_path",
    "created_at",
];

/// The columns of the table.
pub(super) fn columns() -> [(&'static str, DataType); 19] {
    [
        ("name", DataType::Utf8View),
        ("type", DataType::Utf8View),
        ("backends", DataType::new_list(DataType::Utf8View, true)),
        ("status", DataType::Utf8View),
        ("pin_count", DataType::Int64),
        ("file_count", DataType::Int64),
        ("size_bytes", DataType::Int64),
        ("needs_backup", DataType::Boolean),
        ("last_backup", schema::timestamp_type()),
        ("last_updated", schema::timestamp_type()),
        ("created_at", schema::timestamp_type()),
        ("id", DataType::Utf8View),
        ("vfs_structure", DataType::Utf8View),
        ("path", DataType::Utf8View),
        ("vfs_index_path", DataType::Utf8View),
        ("pin_metadata_path", DataType::Utf8View),
        ("written_by", DataType::Utf8View),
        ("source", DataType::Utf8View),
        ("problem", DataType::Utf8View),
    ]
}

/// The rows of all files, a batch of columns each.
///
/// # Errors
/// If a registry cannot be read. A configuration that cannot be is a `problem` in its row.
pub(super) fn read_all(dir: &DataDir) -> Result<Vec<Vec<ArrayRef>>, Error> {
    let [index, root] = dir.bucket_registries();
    let in_index = read(index, &READ)?.map(|rows| {
        let source = format!("{}/{}", layout::BUCKET_INDEX, layout::BUCKET_REGISTRY);
        of_registry(&rows, written_by(&rows), &source)
    });
    let in_root = read(root, &READ)?.map(|rows| of_registry(&rows, BUCKET_MANAGER, layout::BUCKET_REGISTRY));
    let in_json = dir
        .bucket_json()
        .map_err(|Unreachable { shown, reason }| Error::UnreadableRegistry { path: shown, reason })?;
    let notes = [of_notes(&in_json, BUCKET_MANAGER), of_notes(&dir.bucket_configs()?, CONFIGURATION)];
    Ok(in_index.into_iter().chain(in_root).chain(notes).collect())
}

fn of_registry(rows: &ForeignRows, written_by: &str, source: &str) -> Vec<ArrayRef> {
    let shown = |names: &[&str]| {
        texts(rows.texts(names).iter().map(|text| text.as_deref().map(secret::without_secrets)))
    };
    vec![
        texts(rows.texts(&["bucket_name", "name"])),
        texts(rows.texts(&["type", "bucket_type"])),
        lists(rows.lists(&["backend_names", "backend_bindings", "backend"])),
        statuses(rows.texts(&["health_status"])),
        Arc::new(rows.numbers(&["pin_count"])),
        Arc::new(rows.numbers(&["file_count"])),
        Arc::new(rows.numbers(&["size_bytes"])),
        Arc::new(rows.truths(&["needs_backup"])),
        Arc::new(rows.times(&["last_backup"])),
        Arc::new(rows.times(&["last_updated"])),
        Arc::new(rows.times(&["created_at"])),
        shown(&["bucket_id"]),
        shown(&["vfs_structure"]),
        shown(&["bucket_path", "storage_path"]),
        shown(&["vfs_index_path"]),
        shown(&["pin_metadata_path"]),
        texts(vec![Some(written_by); rows.len()]),
        texts(vec![Some(source); rows.len()]),
        texts(vec![None::<&str>; rows.len()]),
    ]
}

fn of_notes(notes: &[BucketNote], written_by: &str) -> Vec<ArrayRef> {
    let text = |value: fn(&BucketNote) -> Option<&String>| texts(notes.iter().map(value));
    let count = |which: usize| -> ArrayRef {
        Arc::new(notes.iter().map(|note| note.counts[which]).collect::<Int64Array>())
    };
    let time = |value: fn(&BucketNote) -> Option<i64>| -> ArrayRef {
        Arc::new(notes.iter().map(value).collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    vec![
        text(|note| Some(&note.name)),
        text(|note| note.kind.as_ref()),
        lists(notes.iter().map(|note| note.backends.clone()).collect()),
        text(|_| None),
        count(0),
        count(1),
        count(2),
        Arc::new(BooleanArray::new_null(notes.len())),
        time(|_| None),
        time(|note| note.last_updated),
        time(|note| note.created_at),
        text(|note| note.id.as_ref()),
        text(|note| note.vfs_structure.as_ref()),
        text(|note| note.path.as_ref()),
        text(|note| note.vfs_index_path.as_ref()),
        text(|note| note.pin_metadata_path.as_ref()),
        texts(vec![Some(written_by); notes.len()]),
        text(|note| Some(&note.source)),
        text(|note| note.problem.as_ref()),
    ]
}

fn lists(lists: Vec<Vec<String>>) -> ArrayRef {
    let mut names = ListBuilder::new(StringViewBuilder::new());
    for list in lists {
        list.iter().for_each(|name| names.values().append_value(name));
        names.append(true);
    }
    Arc::new(names.finish())
}

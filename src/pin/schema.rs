//! The columns of `pin_mappings`, their only definition.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// The CID as its source wrote it.
pub const CID: &str = "cid";
/// Where the CAR with that content lies on the backend.
pub const CAR_FILE_PATH: &str = "car_file_path";
/// The backend: in SQL always the name of the directory.
pub const BACKEND_NAME: &str = "backend_name";
/// When the mapping was created, NULL if unknown.
pub const CREATED_AT: &str = "created_at";
/// `stored`, `pending`, `failed`, or another word; trimmed and in lower case.
pub const STATUS: &str = "status";
/// A JSON object about the pin.
pub const METADATA: &str = "metadata";
/// What the CID names: the bytes of its multihash, empty if it is no CID. Derived.
pub const CONTENT: &str = "content";
/// The size that `metadata` gives, NULL if unknown. Derived.
pub const SIZE_BYTES: &str = "size_bytes";

/// `backend_name` as its file wrote it. Only in `records`.
pub const RECORDED_BACKEND_NAME: &str = "recorded_backend_name";
/// `created_at` as its file wrote it, as text. Only in `records`.
pub const RECORDED_CREATED_AT: &str = "recorded_created_at";
/// `status` as its file wrote it. Only in `records`.
pub const RECORDED_STATUS: &str = "recorded_status";

/// The key in a Parquet file's metadata that says pinql wrote it, with the version of its layout.
///
/// Only then are its derived columns trusted, and its `status` and `created_at` taken as they are.
pub const LAYOUT_KEY: &str = "pinql.layout";
/// The version that this pinql writes and trusts.
pub const LAYOUT_VERSION: &str = "3";
/// The key in a Parquet file's metadata that holds the root of the CAR with the same mappings.
pub const CAR_ROOT_KEY: &str = "pinql.car_root";
/// The key that holds when that CAR says it was made, in microseconds since 1970.
pub const CAR_CREATED_AT_KEY: &str = "pinql.car_created_at";
/// The key that holds the sum of `size_bytes` in each row group, in their order: `12,0,345`.
pub const SIZE_SUMS_KEY: &str = "pinql.size_sums";
/// The key that says how each path of a CAR file is made of its row's CID, if all of them are made in one way: what stands before and
/// after the CID, `["/s3-bucket/cars/",".car"]`.
pub const CAR_PATHS_KEY: &str = "pinql.car_paths";
/// What pinql writes into a Parquet file's `created_by`, before its version. Tools that rewrite a file keep its keys but
/// not this.
pub const CREATED_BY: &str = "pinql version ";

/// A key that the schemas of tables have and no file has; its value is the table's kind.
pub const TABLE_KEY: &str = "pinql.table";
/// The kind of the table `pins`.
pub const PINS: &str = "pins";
/// The kind of the table `records`.
pub const RECORDS: &str = "records";

/// The type of `created_at`: microseconds in UTC.
pub fn timestamp_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of `pins`: the six documented ones, then the derived ones.
pub fn pins() -> Fields {
    Fields::from(vec![
        text(CID),
        text(CAR_FILE_PATH),
        backend_name(),
        Field::new(CREATED_AT, timestamp_type(), true),
        text(STATUS),
        text(METADATA),
        Field::new(CONTENT, DataType::BinaryView, false),
        Field::new(SIZE_BYTES, DataType::Int64, true),
    ])
}

/// The columns of `records`: those of `pins`, then what the files themselves say.
pub fn records() -> Fields {
    let recorded =
        [RECORDED_BACKEND_NAME, RECORDED_CREATED_AT, RECORDED_STATUS].map(|name| Arc::new(text(name)));
    pins().iter().cloned().chain(recorded).collect()
}

/// The columns of a file of rejects: what a migration could not take for a pin.
pub fn rejects() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        text(BACKEND_NAME),
        // When the pins.json that the entry stands in last changed.
        Field::new("source_modified_at", timestamp_type(), false),
        Field::new("entry", DataType::Int64, false),
        Field::new("line", DataType::Int64, false),
        Field::new("column", DataType::Int64, false),
        text("reason"),
        text("entry_text"),
    ]))
}

/// The columns of the table `rejects`: those of such files, with the directory's name as `backend_name`.
pub fn rejects_table() -> Fields {
    let file = rejects();
    let column = |field: &Arc<Field>| match field.name().as_str() {
        BACKEND_NAME => Arc::new(backend_name()),
        name if *field.data_type() == DataType::Utf8 => Arc::new(text(name)),
        _ => Arc::new(field.as_ref().clone().with_nullable(true)),
    };
    file.fields().iter().map(column).collect()
}

/// The column that tells the backends apart.
pub fn backend_name() -> Field {
    Field::new(BACKEND_NAME, DataType::Utf8View, false)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8View, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_columns_come_first_and_in_order() {
        let names: Vec<_> = pins().iter().map(|field| field.name().clone()).collect();
        let documented = ["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"];
        assert_eq!(names[..6], documented);
        assert_eq!(names[6..], ["content", "size_bytes"]);
        assert_eq!(records()[..8], pins()[..]);
    }
}

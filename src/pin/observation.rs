//! An observation: what all backends held at one moment, as a daemon records it. The columns of `history` and
//! `backend_history`, their only definition.
//!
//! A file of observations has one row for each, with its backends as a list in the last column, so that an observation is
//! written whole or not at all.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::schema::timestamp_type;

/// When it was made.
pub const OBSERVED_AT: &str = "observed_at";
/// How many backends there were.
pub const BACKENDS: &str = "backends";
/// The list of its backends.
pub const BY_BACKEND: &str = "by_backend";

/// The columns of `history`: one row for each observation.
pub fn totals() -> Fields {
    Fields::from(vec![
        observed_at(),
        // `start`, `change` or `interval`.
        text("cause"),
        number("took_ms"),
        number(BACKENDS),
        number("unreadable"),
        number("pins"),
        number("stored"),
        number("pending"),
        number("failed"),
        number("other_status"),
        number("invalid_cids"),
        number("contents"),
        number("without_copy"),
        number("with_one_copy"),
        Field::new("average_redundancy", DataType::Float64, true),
        // `{"0":6,"1":19}`
        text("contents_by_copies"),
        bytes("unique_bytes"),
        number("unknown_sizes"),
        number("alerts_firing"),
    ])
}

/// What stands in the list of an observation for each backend.
pub fn of_backend() -> Fields {
    Fields::from(vec![
        text("backend_name"),
        text("state"),
        text("reason"),
        number("pins"),
        number("stored"),
        number("pending"),
        number("failed"),
        number("other_status"),
        number("invalid_cids"),
        number("contents"),
        number("only_copies"),
        bytes("stored_bytes"),
        number("unknown_sizes"),
        Field::new("oldest", timestamp_type(), true),
        Field::new("newest", timestamp_type(), true),
        text("health"),
        Field::new("reachable", DataType::Boolean, true),
        Field::new("probe_ms", DataType::Float64, true),
    ])
}

/// The columns of `backend_history`: one row for each backend of each observation.
pub fn by_backend() -> Fields {
    std::iter::once(Arc::new(observed_at())).chain(of_backend().iter().cloned()).collect()
}

/// The columns of a file.
pub fn file() -> SchemaRef {
    let list = DataType::new_list(DataType::Struct(of_backend()), true);
    let list = Arc::new(Field::new(BY_BACKEND, list, false));
    Arc::new(Schema::new(totals().iter().cloned().chain([list]).collect::<Fields>()))
}

fn observed_at() -> Field {
    Field::new(OBSERVED_AT, timestamp_type(), false)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn number(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

/// Sums of sizes may be more than 64 bits hold.
fn bytes(name: &str) -> Field {
    Field::new(name, DataType::Decimal128(38, 0), true)
}

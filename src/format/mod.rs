//! Bytes ⇄ pins: pure codecs. Nothing here opens, renames or syncs a file; the callers own the files.

pub mod car;
pub mod envelope;
pub mod json;
pub mod legacy;
pub(crate) mod observations;
pub mod parquet;

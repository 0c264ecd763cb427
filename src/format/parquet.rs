//! The layout of the `pin_mappings.parquet` that pinql writes: a section for each of the usual statuses, each sorted by
//! content, small pages, Bloom filters on `cid` and `content`.
//!
//! docs/design.md says why it is as it is. To change it in a way that older readers must not trust, count up
//! [`LAYOUT_VERSION`](crate::pin::schema::LAYOUT_VERSION).

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, KeyValue, ParquetMetaData, ParquetMetaDataReader, SortingColumn,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::pin::made_paths::CommonPaths;
use crate::pin::schema::{
    BACKEND_NAME, CAR_CREATED_AT_KEY, CAR_FILE_PATH, CAR_PATHS_KEY, CAR_ROOT_KEY, CID, CONTENT, CREATED_AT,
    CREATED_BY, LAYOUT_KEY, LAYOUT_VERSION, METADATA, SIZE_BYTES, SIZE_SUMS_KEY, STATUS, timestamp_type,
};
use crate::pin::size_sums::SizeSums;
use crate::pin::status;

/// Rows of a row group: about 20 MB of text.
const GROUP_ROWS: usize = 128 * 1024;
/// Rows of a page: what a look-up of one CID decodes.
const PAGE_ROWS: usize = 2_000;
/// Bytes of a page at most, for long metadata.
const PAGE_BYTES: usize = 1 << 20;

/// The columns of a file: the documented ones, the derived ones, then `extras`.
pub fn file_schema(extras: &[Field]) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![
        text(CID),
        text(CAR_FILE_PATH),
        Field::new(BACKEND_NAME, DataType::Utf8, false),
        Field::new(CREATED_AT, timestamp_type(), true),
        Field::new(STATUS, DataType::Utf8, false),
        text(METADATA),
        Field::new(CONTENT, DataType::Binary, false),
        Field::new(SIZE_BYTES, DataType::Int64, true),
    ];
    fields.extend(extras.iter().cloned());
    Arc::new(Schema::new(fields))
}

/// Writes batches of [`file_schema`]. Their rows must come in the sections of [`status::section`], each sorted by `content`.
/// No batch may have rows of several.
pub struct LayoutWriter<W: Write + Send> {
    writer: ArrowWriter<W>,
    /// That of what was written last.
    section: Option<usize>,
    sums: SizeSums,
    paths: CommonPaths,
}

impl<W: Write + Send> LayoutWriter<W> {
    /// Starts a file.
    pub fn new(out: W, schema: SchemaRef) -> Result<LayoutWriter<W>> {
        let content = schema.index_of(CONTENT).map_err(|error| ParquetError::General(error.to_string()))?;
        let writer = ArrowWriter::try_new(out, schema, Some(properties(content as i32)))?;
        Ok(LayoutWriter {
            writer,
            section: None,
            sums: SizeSums::new(GROUP_ROWS),
            paths: CommonPaths::default(),
        })
    }

    /// Appends rows. Each section has row groups of its own, so that the few mappings that need attention are found by the
    /// statistics of `status`, without a look at the others.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let section = section(batch)?;
        if self.section.replace(section).is_some_and(|before| before != section) {
            self.writer.flush()?;
            self.sums.end_group();
        }
        let column = |name| Ok::<_, ArrowError>(batch.column(batch.schema_ref().index_of(name)?));
        self.sums.add(column(SIZE_BYTES)?.as_primitive());
        self.paths.add(column(CID)?.as_string(), column(CAR_FILE_PATH)?.as_string());
        self.writer.write(batch)
    }

    /// Ends the file. `car_root` and `created_at` are those of the CAR with the same mappings, so that the pair can be
    /// held together and the CAR made anew.
    pub fn finish(mut self, car_root: Option<&str>, created_at: i64) -> Result<W> {
        let root = car_root.map(|root| KeyValue::new(CAR_ROOT_KEY.to_owned(), root.to_owned()));
        let created_at = KeyValue::new(CAR_CREATED_AT_KEY.to_owned(), created_at.to_string());
        self.writer.flush()?;
        let groups = self.writer.flushed_row_groups().iter();
        let sums = self.sums.text(groups.map(|group| group.num_rows()));
        let sums = sums.map(|sums| KeyValue::new(SIZE_SUMS_KEY.to_owned(), sums));
        let paths = self.paths.common().map(|paths| KeyValue::new(CAR_PATHS_KEY.to_owned(), paths.text()));
        let keys = root.into_iter().chain([created_at]).chain(sums).chain(paths);
        keys.for_each(|key| self.writer.append_key_value_metadata(key));
        self.writer.into_inner()
    }
}

/// The section of the mappings of a batch.
fn section(batch: &RecordBatch) -> Result<usize> {
    let statuses = batch.column(batch.schema_ref().index_of(STATUS)?).as_string::<i32>();
    Ok(if statuses.is_empty() { 0 } else { status::section(Some(statuses.value(0).as_bytes())) })
}

fn properties(content: i32) -> WriterProperties {
    let column = |name: &str| ColumnPath::from(name);
    let sorted = SortingColumn { column_idx: content, descending: false, nulls_first: false };
    let keys = vec![KeyValue::new(LAYOUT_KEY.to_owned(), LAYOUT_VERSION.to_owned())];
    let builder = WriterProperties::builder()
        .set_created_by(format!("{CREATED_BY}{}", env!("CARGO_PKG_VERSION")))
        .set_key_value_metadata(Some(keys))
        .set_sorting_columns(Some(vec![sorted]))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_bloom_filter_enabled(column(CID), true)
        .set_column_bloom_filter_max_ndv(column(CID), GROUP_ROWS as u64)
        .set_column_bloom_filter_enabled(column(CONTENT), true)
        .set_column_bloom_filter_max_ndv(column(CONTENT), GROUP_ROWS as u64);
    // Each value is another: a dictionary would be filled, given up, and written for nothing.
    let encodings = [
        (CID, Encoding::PLAIN),
        (CAR_FILE_PATH, Encoding::PLAIN),
        (METADATA, Encoding::PLAIN),
        (CONTENT, Encoding::PLAIN),
        (SIZE_BYTES, Encoding::DELTA_BINARY_PACKED),
    ];
    let builder = encodings.into_iter().fold(builder, |builder, (name, encoding)| {
        builder.set_column_dictionary_enabled(column(name), false).set_column_encoding(column(name), encoding)
    });
    builder
        // Digests do not compress, and as they are they need not be copied when they are read.
        .set_column_compression(column(CONTENT), Compression::UNCOMPRESSED)
        // Nobody asks for a range of these.
        .set_column_statistics_enabled(column(CAR_FILE_PATH), EnabledStatistics::None)
        .set_column_statistics_enabled(column(METADATA), EnabledStatistics::None)
        .build()
}

/// The footer of the file at `path`.
///
/// # Errors
/// If the file cannot be read, or is no Parquet file.
pub fn footer(path: &Path) -> Result<ParquetMetaData> {
    ParquetMetaDataReader::new().parse_and_finish(&File::open(path)?)
}

/// The root of the CAR that a file was written together with, if pinql wrote it.
pub fn car_root(footer: &ParquetMetaData) -> Option<String> {
    keys(footer).remove(CAR_ROOT_KEY)
}

/// When that CAR says it was made, in microseconds since 1970.
pub fn backup_created_at(footer: &ParquetMetaData) -> Option<i64> {
    keys(footer).get(CAR_CREATED_AT_KEY)?.parse().ok()
}

/// The version of the layout of a file that a pinql wrote.
pub fn layout_version(footer: &ParquetMetaData) -> Option<String> {
    let ours = footer.file_metadata().created_by().is_some_and(|writer| writer.starts_with(CREATED_BY));
    keys(footer).remove(LAYOUT_KEY).filter(|_| ours)
}

/// Whether a pinql wrote the file, in the layout of this version and with Bloom filters on the contents, which the first to
/// write that layout left out.
pub fn is_up_to_date(footer: &ParquetMetaData) -> bool {
    let has_filter = |column: &ColumnChunkMetaData| {
        column.column_path().parts() == [CONTENT] && column.bloom_filter_offset().is_some()
    };
    layout_version(footer).is_some_and(|version| version == LAYOUT_VERSION)
        && footer.row_groups().iter().all(|group| group.columns().iter().any(has_filter))
}

fn keys(footer: &ParquetMetaData) -> HashMap<String, String> {
    let pairs = footer.file_metadata().key_value_metadata().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
}

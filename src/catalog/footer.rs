//! What the end of a file says of it, checked, and kept by a session for as long as the file has the same end.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::ConvertedType;
use parquet::file::metadata::{
    FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::SchemaDescriptor;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::file::parquet_in_words;
use super::notes;
use crate::pin::schema::{
    BACKEND_NAME, CAR_FILE_PATH, CAR_PATHS_KEY, CID, CREATED_AT, CREATED_BY, LAYOUT_KEY, LAYOUT_VERSION,
    METADATA, STATUS,
};

/// The length of the footer and the mark, which end every file.
const END: usize = 8;
/// Memory for footers, where it is not limited.
const MOST: u64 = 64 << 20;
/// The share of the memory limit that they may take: one of this many parts.
const SHARE: u64 = 8;

/// A footer that has been checked.
#[derive(Clone)]
pub(super) struct Footer {
    pub metadata: Arc<ParquetMetaData>,
    /// The columns, as arrow reads them.
    pub columns: SchemaRef,
    pub index: Arc<PageIndex>,
    pub filters: Filters,
}

/// Where the Bloom filter on `content` of each row group lies, once that has been read; `None` if there is none.
pub(super) type Filters = Arc<[OnceLock<Option<Range<u64>>>]>;

/// As much of a file's page index as has been read.
#[derive(Default)]
pub(super) struct PageIndex(Mutex<Indexed>);

#[derive(Default, Clone)]
struct Indexed {
    /// The row groups whose index it is.
    groups: Vec<usize>,
    /// The footer with it.
    footer: Option<Arc<ParquetMetaData>>,
}

/// The footers of files that were read lately.
#[derive(Debug)]
pub(crate) struct Footers(Cache<String, Arc<Known>, ByMemory>);

/// A footer with what it was read from.
pub(super) struct Known {
    identity: Identity,
    /// The same as those speak of it who read files.
    pub meta: Arc<ObjectMeta>,
    /// The end of the file: the footer holds if it still has it.
    pub bytes: Bytes,
    pub footer: Footer,
}

/// What tells a file from what it was before, or what another was in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    size: u64,
    modified: SystemTime,
    number: u64,
}

/// Weighs footers by their memory, with the page index that may come to them.
#[derive(Debug, Clone)]
struct ByMemory;

impl Identity {
    pub fn of(metadata: &Metadata) -> io::Result<Identity> {
        Ok(Identity { size: metadata.len(), modified: metadata.modified()?, number: number(metadata) })
    }

    /// The same as DataFusion has it, of a file at `location`.
    pub fn meta(&self, location: Path) -> ObjectMeta {
        let last_modified = DateTime::<Utc>::from(self.modified);
        let (seconds, nanos) = (last_modified.timestamp(), last_modified.timestamp_subsec_nanos());
        let e_tag = Some(format!("{:x}-{seconds}.{nanos}-{:x}", self.number, self.size));
        ObjectMeta { location, last_modified, size: self.size, e_tag, version: None }
    }
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}

impl Footer {
    /// Checks what a file of `size` bytes says of itself.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(metadata: ParquetMetaData, size: u64) -> Result<Footer, String> {
        check(&metadata, size).map_err(|what| format!("the footer is damaged: {what}"))?;
        let metadata = Arc::new(with_notes(metadata));
        let of_file = metadata.file_metadata();
        let columns = parquet_to_arrow_schema(of_file.schema_descr(), of_file.key_value_metadata())
            .map_err(|error| parquet_in_words(&error))?;
        match ambiguous(&columns) {
            Some(name) => Err(format!("several columns are called `{name}`")),
            None => {
                let filters = metadata.row_groups().iter().map(|_| OnceLock::new()).collect();
                Ok(Footer { metadata, columns: Arc::new(columns), index: Arc::default(), filters })
            }
        }
    }
}

impl PageIndex {
    /// The footer with the page index of these row groups, and perhaps of more: the others have none, and whoever skips a
    /// row group never asks where its pages are. `None` if one of the groups has no index.
    pub async fn footer_with(
        &self,
        footer: &ParquetMetaData,
        groups: &[usize],
        file: impl MetadataFetch,
    ) -> parquet::errors::Result<Option<Arc<ParquetMetaData>>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unknown = groups.iter().copied().filter(|group| !known.groups.contains(group));
        let unknown: Vec<usize> = unknown.collect();
        if let (true, Some(footer)) = (unknown.is_empty(), &known.footer) {
            return Ok(Some(Arc::clone(footer)));
        }
        let columns = unknown.iter().flat_map(|group| footer.row_group(*group).columns());
        if columns.into_iter().any(|column| column.offset_index_offset().is_none()) {
            return Ok(None);
        }
        let chosen = unknown.iter().map(|group| footer.row_group(*group).clone()).collect();
        let chosen = ParquetMetaData::new(footer.file_metadata().clone(), chosen);
        let mut reader = ParquetMetaDataReader::new_with_metadata(chosen)
            .with_page_index_policy(PageIndexPolicy::Required);
        reader.load_page_index(file).await?;
        let Some(merged) = known.with(footer, &unknown, reader.finish()?) else { return Ok(None) };
        let with_index = merged.footer.clone();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another query may have read more in the meantime.
        if held.groups.len() < merged.groups.len() {
            *held = merged;
        }
        Ok(with_index)
    }
}

impl Indexed {
    /// The same with the index of further row groups, `read`.
    fn with(&self, footer: &ParquetMetaData, groups: &[usize], read: ParquetMetaData) -> Option<Indexed> {
        let mut read = read.into_builder();
        let (columns, offsets) = (read.take_column_index()?, read.take_offset_index()?);
        let mut whole = self.footer.as_deref().unwrap_or(footer).clone().into_builder();
        let width = footer.file_metadata().schema_descr().num_columns();
        let none = || vec![vec![ColumnIndexMetaData::NONE; width]; footer.num_row_groups()];
        let mut all_columns = whole.take_column_index().unwrap_or_else(none);
        let any = || vec![offsets.first().cloned().unwrap_or_default(); footer.num_row_groups()];
        let mut all_offsets = whole.take_offset_index().unwrap_or_else(any);
        for ((group, columns), offsets) in groups.iter().zip(columns).zip(offsets) {
            all_columns[*group] = columns;
            all_offsets[*group] = offsets;
        }
        let whole = whole.set_column_index(Some(all_columns)).set_offset_index(Some(all_offsets)).build();
        let groups = self.groups.iter().chain(groups).copied().collect();
        Some(Indexed { groups, footer: Some(Arc::new(whole)) })
    }
}

impl Footers {
    /// None yet. They take a part of the memory limit, if there is one.
    pub fn new(memory_limit: Option<usize>) -> Footers {
        let most = memory_limit.map_or(MOST, |limit| MOST.min(limit as u64 / SHARE));
        Footers(Cache::with_weighter(1024, most, ByMemory))
    }

    /// The footer that the file at `path` had when it was as it is now, and the bytes that it was read from: it holds if the
    /// file still ends with them.
    pub(super) fn get(&self, path: &str, identity: &Identity) -> Option<Arc<Known>> {
        self.0.get(path).filter(|known| known.identity == *identity)
    }

    /// Whether there was a footer at `path`, perhaps of another file.
    pub(super) fn know(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Keeps a footer, which was read from the `tail` of the file at `path`.
    pub(super) fn put(
        &self,
        path: &str,
        identity: Identity,
        meta: &Arc<ObjectMeta>,
        tail: &[u8],
        footer: &Footer,
    ) {
        let Some(length) = tail.len().checked_sub(END).and_then(|end| tail[end..].first_chunk::<4>()) else {
            return;
        };
        let start = tail.len().checked_sub(END + u32::from_le_bytes(*length) as usize);
        let Some(bytes) = start.map(|start| Bytes::copy_from_slice(&tail[start..])) else { return };
        let known = Known { identity, meta: Arc::clone(meta), bytes, footer: footer.clone() };
        self.0.insert(path.to_owned(), Arc::new(known));
    }
}

impl Weighter<String, Arc<Known>> for ByMemory {
    fn weight(&self, path: &String, known: &Arc<Known>) -> u64 {
        let metadata = &known.footer.metadata;
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let index = columns.map(|column| {
            let (columns, offsets) = (column.column_index_length(), column.offset_index_length());
            u64::try_from(columns.unwrap_or_default()).unwrap_or_default()
                + u64::try_from(offsets.unwrap_or_default()).unwrap_or_default()
        });
        // In memory an index is two to three times as large as in the file; with it comes a second footer.
        let of_index = 3 * index.sum::<u64>();
        (2 * path.len() + known.bytes.len() + 2 * metadata.memory_size()) as u64 + of_index
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Known").field(&self.identity).finish()
    }
}

/// Checks what later reading takes for granted: counts and places that are possible in a file of this size.
fn check(footer: &ParquetMetaData, size: u64) -> Result<(), &'static str> {
    let within = |start: i64, length: i64| {
        let end = u64::try_from(start).ok().zip(u64::try_from(length).ok());
        end.and_then(|(start, length)| start.checked_add(length)).is_some_and(|end| end <= size)
    };
    let mut rows = 0i64;
    for group in footer.row_groups() {
        rows = rows
            .checked_add(group.num_rows())
            .filter(|_| group.num_rows() >= 0)
            .ok_or("impossible row counts")?;
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            if !within(start, column.compressed_size())
                || column.data_page_offset() < 0
                || column.num_values() < 0
            {
                return Err("a column lies beyond the end of the file");
            }
        }
    }
    if rows == footer.file_metadata().num_rows() { Ok(()) } else { Err("row counts that disagree") }
}

/// The first of the documented columns that several of a file's columns may be.
fn ambiguous(columns: &Schema) -> Option<&'static str> {
    let count =
        |same: &dyn Fn(&str) -> bool| columns.fields().iter().filter(|field| same(field.name())).count();
    let documented = [CID, CAR_FILE_PATH, BACKEND_NAME, CREATED_AT, STATUS, METADATA];
    documented.into_iter().find(|name| match count(&|other| other == *name) {
        0 => count(&|other| other.eq_ignore_ascii_case(name)) > 1,
        exact => exact > 1,
    })
}

/// Adds our notes on the file to its keys, in the place of any that it has: the reader hands the keys on to whoever
/// adapts the file's columns.
fn with_notes(footer: ParquetMetaData) -> ParquetMetaData {
    let metadata = footer.file_metadata();
    let ours = metadata.created_by().is_some_and(|writer| writer.starts_with(CREATED_BY));
    let keys = metadata.key_value_metadata().into_iter().flatten();
    let laid_out =
        keys.clone().any(|pair| pair.key == LAYOUT_KEY && pair.value.as_deref() == Some(LAYOUT_VERSION));
    let car_paths =
        keys.clone().find(|pair| pair.key == CAR_PATHS_KEY).and_then(|pair| pair.value.as_deref());
    let notes = notes::of(ours && laid_out, unchecked_text(metadata.schema_descr()), car_paths);
    let keys = keys
        .filter(|pair| !notes.iter().any(|note| note.key == pair.key))
        .cloned()
        .chain(notes.clone())
        .collect();
    let metadata = FileMetaData::new(
        metadata.version(),
        metadata.num_rows(),
        metadata.created_by().map(str::to_owned),
        Some(keys),
        metadata.schema_descr_ptr(),
        metadata.column_orders().cloned(),
    );
    let mut builder = footer.into_builder();
    let groups = builder.take_row_groups();
    ParquetMetaDataBuilder::new(metadata).set_row_groups(groups).build()
}

/// The columns of bytes that are not said to be text. Asked for text, the Parquet reader takes them at their word.
fn unchecked_text(schema: &SchemaDescriptor) -> Vec<String> {
    let columns = schema.columns().iter();
    let binary = columns.filter(|column| {
        column.physical_type() == parquet::basic::Type::BYTE_ARRAY
            && column.converted_type() != ConvertedType::UTF8
    });
    binary.map(|column| column.path().parts().first().cloned().unwrap_or_default()).collect()
}

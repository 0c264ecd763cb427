//! One file of mappings, held open: what a query reads is what was there when it was planned.
//!
//! On a local disk the open descriptor holds the file, so that a rename over its name changes nothing for the query. A
//! store that cannot hold a file open is asked for the same ETag with every read, and a changed file is an error.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::ConvertedType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataReader,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::SchemaDescriptor;

use super::notes;
use crate::pin::schema::{
    BACKEND_NAME, CAR_FILE_PATH, CID, CREATED_AT, CREATED_BY, LAYOUT_KEY, LAYOUT_VERSION, METADATA, STATUS,
};

/// What is read from the end of a file at first; most footers are smaller.
const FOOTER_GUESS: u64 = 64 * 1024;

/// A file of mappings whose footer has been read and whose bytes will not change.
pub(crate) struct PinnedFile {
    /// The backend whose mappings these are.
    pub backend: Arc<str>,
    /// The path that people see, relative to the root.
    pub shown: String,
    pub footer: Arc<ParquetMetaData>,
    /// The columns, as arrow reads them.
    pub columns: SchemaRef,
    bytes: PinnedBytes,
}

/// The bytes of a file as they were when it was opened.
struct PinnedBytes {
    meta: ObjectMeta,
    place: Place,
    /// Bytes read by all files of the query.
    bytes_read: Arc<AtomicU64>,
}

enum Place {
    /// Held by its descriptor.
    Open(File),
    /// Held to its ETag.
    Remote(Arc<dyn ObjectStore>),
}

/// A file that cannot be read, why, and whose it is. Travels inside of a `DataFusionError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("backend `{backend}` is unreadable: {path}: {reason}")]
pub(crate) struct UnreadableFile {
    pub backend: String,
    pub path: String,
    pub reason: String,
}

/// Why a file could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// It is gone since it was listed.
    Gone,
    /// It is there and cannot be read.
    Unreadable(String),
}

impl PinnedFile {
    /// Opens the file at `location` and reads its footer.
    pub async fn open(
        store: &Arc<dyn ObjectStore>,
        location: &Path,
        backend: Arc<str>,
        shown: String,
        bytes_read: Arc<AtomicU64>,
    ) -> Result<PinnedFile, OpenError> {
        let opened = store.get_opts(location, GetOptions::default()).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => OpenError::Gone,
            other => OpenError::Unreadable(in_words(&other)),
        })?;
        let place = match opened.payload {
            GetResultPayload::File(file, _) => Place::Open(file),
            GetResultPayload::Stream(_) => Place::Remote(Arc::clone(store)),
        };
        let bytes = PinnedBytes { meta: opened.meta, place, bytes_read };
        let footer = bytes.read_footer().await.map_err(OpenError::Unreadable)?;
        check(&footer, bytes.meta.size)
            .map_err(|what| OpenError::Unreadable(format!("the footer is damaged: {what}")))?;
        let footer = with_notes(footer);
        let metadata = footer.file_metadata();
        let columns = parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata())
            .map_err(|error| OpenError::Unreadable(parquet_in_words(&error)))?;
        if let Some(name) = ambiguous(&columns) {
            return Err(OpenError::Unreadable(format!("several columns are called `{name}`")));
        }
        Ok(PinnedFile { backend, shown, footer: Arc::new(footer), columns: Arc::new(columns), bytes })
    }

    /// Where it lies, its size and its ETag.
    pub fn meta(&self) -> &ObjectMeta {
        &self.bytes.meta
    }

    /// Reads the bytes of one range.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes, object_store::Error> {
        self.bytes.read(range).await
    }

    /// The footer with the page index of some row groups, and no index of the others. `None` if a group has none.
    pub async fn footer_with_index(
        &self,
        groups: &[usize],
    ) -> parquet::errors::Result<Option<ParquetMetaData>> {
        let has_index = |group: &usize| {
            let columns = self.footer.row_group(*group).columns();
            columns.iter().all(|column| column.offset_index_offset().is_some())
        };
        if !groups.iter().all(has_index) {
            return Ok(None);
        }
        let chosen = groups.iter().map(|group| self.footer.row_group(*group).clone()).collect();
        let chosen = ParquetMetaData::new(self.footer.file_metadata().clone(), chosen);
        let mut reader = ParquetMetaDataReader::new_with_metadata(chosen)
            .with_page_index_policy(PageIndexPolicy::Required);
        reader.load_page_index(self).await?;
        let mut chosen = reader.finish()?.into_builder();
        let (columns, offsets) = (chosen.take_column_index(), chosen.take_offset_index());
        let (Some(columns), Some(offsets)) = (columns, offsets) else { return Ok(None) };
        let width = self.footer.file_metadata().schema_descr().num_columns();
        let mut all_columns = vec![vec![ColumnIndexMetaData::NONE; width]; self.footer.num_row_groups()];
        // Whoever skips a row group never asks where its pages are.
        let mut all_offsets =
            vec![offsets.first().cloned().unwrap_or_default(); self.footer.num_row_groups()];
        for ((group, columns), offsets) in groups.iter().zip(columns).zip(offsets) {
            all_columns[*group] = columns;
            all_offsets[*group] = offsets;
        }
        let footer = self.footer.as_ref().clone().into_builder();
        Ok(Some(footer.set_column_index(Some(all_columns)).set_offset_index(Some(all_offsets)).build()))
    }

    /// The number of mappings. Rows without any column are none.
    pub fn rows(&self) -> u64 {
        if self.columns.fields().is_empty() {
            return 0;
        }
        self.footer.row_groups().iter().map(|group| group.num_rows().max(0) as u64).sum()
    }

    /// Whether pinql wrote the file, so that its derived columns hold.
    pub fn is_laid_out(&self) -> bool {
        notes::is_laid_out(self.columns.metadata())
    }
}

impl MetadataFetch for &PinnedFile {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.read(range).await.map_err(|error| ParquetError::External(Box::new(error))) }.boxed()
    }
}

impl PinnedBytes {
    async fn read(&self, range: Range<u64>) -> Result<Bytes, object_store::Error> {
        let local =
            |source: io::Error| object_store::Error::Generic { store: "local", source: source.into() };
        // A damaged footer may ask for anything, before memory is set aside for it.
        if range.start > range.end || range.end > self.meta.size {
            return Err(local(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it speaks of bytes beyond the end of the file",
            )));
        }
        self.bytes_read.fetch_add(range.end - range.start, Ordering::Relaxed);
        match &self.place {
            Place::Open(file) => {
                let bytes = read_at(file, range).map_err(local)?;
                self.is_unchanged(file).map_err(local)?;
                Ok(bytes)
            }
            Place::Remote(store) => {
                let if_match = self.meta.e_tag.clone();
                let options = GetOptions { range: Some(range.into()), if_match, ..GetOptions::default() };
                store.get_opts(&self.meta.location, options).await?.bytes().await
            }
        }
    }

    /// Holds what was just read to what the file was when it was opened: some tools write over a file in place.
    fn is_unchanged(&self, file: &File) -> io::Result<()> {
        let now = file.metadata()?;
        let same =
            now.len() == self.meta.size && DateTime::<Utc>::from(now.modified()?) == self.meta.last_modified;
        match same {
            true => Ok(()),
            false => Err(io::Error::other(
                "the file was written over while it was being read; run the query again",
            )),
        }
    }

    async fn read_footer(&self) -> Result<ParquetMetaData, String> {
        let size = self.meta.size;
        if size == 0 {
            return Err("the file is empty (0 bytes)".into());
        }
        let mut wanted = FOOTER_GUESS.min(size);
        loop {
            let tail = self.read(size - wanted..size).await.map_err(|error| in_words(&error))?;
            let mut reader = ParquetMetaDataReader::new();
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => return reader.finish().map_err(|error| parquet_in_words(&error)),
                Err(ParquetError::NeedMoreData(more)) if more as u64 > wanted && more as u64 <= size => {
                    wanted = more as u64;
                }
                Err(error) => return Err(self.explain(&tail, &error).await),
            }
        }
    }

    /// Why the end of the file is no footer, in words.
    async fn explain(&self, tail: &[u8], error: &ParquetError) -> String {
        let head = self.read(0..self.meta.size.min(4)).await.unwrap_or_default();
        match (head.as_ref(), tail.ends_with(b"PAR1")) {
            (b"PARE", _) => "the file is encrypted".into(),
            (b"PAR1", false) => "the file is cut off: it begins as Parquet and has no footer".into(),
            (b"PAR1", true) => format!("the footer is damaged: {}", parquet_in_words(error)),
            _ => "not a Parquet file".into(),
        }
    }
}

impl fmt::Debug for PinnedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PinnedFile").field(&self.shown).finish()
    }
}

#[cfg(unix)]
fn read_at(file: &File, range: Range<u64>) -> std::io::Result<Bytes> {
    use rustix::buffer::spare_capacity;
    let length = (range.end - range.start) as usize;
    // Not filled with zeros first.
    let mut buffer = Vec::with_capacity(length);
    while buffer.len() < length {
        let at = range.start + buffer.len() as u64;
        match rustix::io::pread(file, spare_capacity(&mut buffer), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    buffer.truncate(length);
    Ok(buffer.into())
}

#[cfg(windows)]
fn read_at(file: &File, range: Range<u64>) -> std::io::Result<Bytes> {
    use std::os::windows::fs::FileExt;
    let mut buffer = vec![0; (range.end - range.start) as usize];
    let mut done = 0;
    while done < buffer.len() {
        match file.seek_read(&mut buffer[done..], range.start + done as u64)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(buffer.into())
}

/// An error in the words of its last cause: the path in it is ours to give, as its user knows it.
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref::<std::io::Error>() {
        Some(error) => crate::store::plain(error),
        None => cause.to_string(),
    }
}

/// A Parquet error without the prefixes that its library adds.
pub(crate) fn parquet_in_words(error: &ParquetError) -> String {
    match error {
        ParquetError::General(text) | ParquetError::EOF(text) | ParquetError::NYI(text) => text.clone(),
        ParquetError::External(cause) => in_words(cause.as_ref()),
        other => other.to_string(),
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
    let notes = notes::of(ours && laid_out, unchecked_text(metadata.schema_descr()));
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

//! One file of mappings, held open: what a query reads is what was there when it was planned.
//!
//! The open descriptor holds the file, so that a rename over its name changes nothing for the query. One that is written over
//! in place is an error.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectMeta;
use object_store::path::Path;
use parquet::arrow::async_reader::MetadataFetch;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::footer::{Filters, Footer, Footers, Identity, PageIndex};
use super::notes;

/// What is read from the end of a file at first; most footers are smaller.
const FOOTER_GUESS: u64 = 16 * 1024;
/// Bytes that are held against others at once.
const COMPARED: usize = 16 * 1024;

/// A file of mappings whose footer has been read and whose bytes will not change.
pub(crate) struct PinnedFile {
    /// The backend whose mappings these are.
    pub backend: Arc<str>,
    /// The path that people see, relative to the root.
    pub shown: String,
    pub footer: Arc<ParquetMetaData>,
    /// The columns, as arrow reads them.
    pub columns: SchemaRef,
    pub filters: Filters,
    index: Arc<PageIndex>,
    bytes: PinnedBytes,
}

/// The bytes of a file as they were when it was opened.
struct PinnedBytes {
    meta: Arc<ObjectMeta>,
    file: File,
    /// Bytes read by all files of the query.
    bytes_read: Arc<AtomicU64>,
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
    /// Opens the file at `path` and reads its footer, which is parsed only if it is not among the `known`. Blocks.
    pub fn open(
        path: &FilePath,
        backend: Arc<str>,
        shown: String,
        bytes_read: Arc<AtomicU64>,
        known: &Footers,
    ) -> Result<PinnedFile, OpenError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::Gone,
            _ => OpenError::Unreadable(crate::store::plain(&error)),
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        // Part files have come in its place.
        if metadata.is_dir() {
            return Err(OpenError::Gone);
        }
        let identity = Identity::of(&metadata).map_err(failed)?;
        let text = path.to_str().ok_or_else(|| OpenError::Unreadable("the path is no Unicode".into()))?;
        let known_footer = known.get(text, &identity);
        let meta = match &known_footer {
            Some(known) => Arc::clone(&known.meta),
            None => Arc::new(identity.meta(location(text).map_err(OpenError::Unreadable)?)),
        };
        let bytes = PinnedBytes { meta, file, bytes_read };
        // One that is known holds if its bytes are still the same.
        let footer = match known_footer {
            Some(known) if bytes.end_with(&known.bytes).map_err(failed)? => known.footer.clone(),
            _ => {
                let (tail, metadata) = bytes.read_footer().map_err(OpenError::Unreadable)?;
                let footer = Footer::new(metadata, bytes.meta.size).map_err(OpenError::Unreadable)?;
                known.put(text, identity, &bytes.meta, &tail, &footer);
                footer
            }
        };
        let Footer { metadata, columns, index, filters } = footer;
        Ok(PinnedFile { backend, shown, footer: metadata, columns, index, filters, bytes })
    }

    /// Where it lies, its size and its ETag.
    pub fn meta(&self) -> &ObjectMeta {
        &self.bytes.meta
    }

    /// Reads the bytes of one range.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, object_store::Error> {
        self.bytes.read(range)
    }

    /// Reads a few bytes, which may be others than those that it had when it was opened.
    pub fn peek(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        self.bytes.bytes_read.fetch_add(into.len() as u64, Ordering::Relaxed);
        read_exact_at(&self.bytes.file, into, at)
    }

    /// Holds what has been read to what the file was when it was opened.
    pub fn is_unchanged(&self) -> io::Result<()> {
        self.bytes.is_unchanged()
    }

    /// The footer with the page index of these row groups at least. `None` if a group has none.
    pub fn footer_with_index(
        &self,
        groups: &[usize],
    ) -> parquet::errors::Result<Option<Arc<ParquetMetaData>>> {
        // What an open file is asked is there when it has been asked.
        let read = self.index.footer_with(&self.footer, groups, self).now_or_never();
        read.unwrap_or_else(|| Err(ParquetError::General("an open file keeps its reader waiting".into())))
    }

    /// The number of mappings. Rows without any column are none.
    pub fn rows(&self) -> u64 {
        if self.columns.fields().is_empty() {
            return 0;
        }
        self.footer.row_groups().iter().map(|group| group.num_rows().max(0) as u64).sum()
    }

    /// Whether all paths of CAR files are made of their CIDs.
    pub fn has_made_paths(&self) -> bool {
        notes::car_paths(self.columns.metadata()).is_some()
    }

    /// Whether pinql wrote the file, so that its derived columns hold.
    pub fn is_laid_out(&self) -> bool {
        notes::is_laid_out(self.columns.metadata())
    }
}

impl MetadataFetch for &PinnedFile {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.read(range).map_err(|error| ParquetError::External(Box::new(error))) }.boxed()
    }
}

impl PinnedBytes {
    fn read(&self, range: Range<u64>) -> Result<Bytes, object_store::Error> {
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
        let bytes = read_at(&self.file, range).map_err(local)?;
        self.is_unchanged().map_err(local)?;
        Ok(bytes)
    }

    /// Holds what was just read to what the file was when it was opened: some tools write over a file in place.
    fn is_unchanged(&self) -> io::Result<()> {
        let now = self.file.metadata()?;
        let same =
            now.len() == self.meta.size && DateTime::<Utc>::from(now.modified()?) == self.meta.last_modified;
        match same {
            true => Ok(()),
            false => Err(io::Error::other(
                "the file was written over while it was being read; run the query again",
            )),
        }
    }

    /// Whether the file ends with these bytes, of which it has at least as many.
    fn end_with(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut buffer = [0; COMPARED];
        let mut at = self.meta.size - bytes.len() as u64;
        for expected in bytes.chunks(COMPARED) {
            let found = &mut buffer[..expected.len()];
            match read_exact_at(&self.file, found, at) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                read => read?,
            }
            if found != expected {
                return Ok(false);
            }
            at += expected.len() as u64;
        }
        self.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(true)
    }

    fn read_footer(&self) -> Result<(Bytes, ParquetMetaData), String> {
        let size = self.meta.size;
        if size == 0 {
            return Err("the file is empty (0 bytes)".into());
        }
        let mut wanted = FOOTER_GUESS.min(size);
        loop {
            let tail = self.read(size - wanted..size).map_err(|error| in_words(&error))?;
            let mut reader = ParquetMetaDataReader::new();
            match reader.try_parse_sized(&tail, size) {
                Ok(()) => {
                    let metadata = reader.finish().map_err(|error| parquet_in_words(&error))?;
                    return Ok((tail, metadata));
                }
                Err(ParquetError::NeedMoreData(more)) if more as u64 > wanted && more as u64 <= size => {
                    wanted = more as u64;
                }
                Err(error) => return Err(self.explain(&tail, &error)),
            }
        }
    }

    /// Why the end of the file is no footer, in words.
    fn explain(&self, tail: &[u8], error: &ParquetError) -> String {
        let head = self.read(0..self.meta.size.min(4)).unwrap_or_default();
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

/// What DataFusion calls a local file: its path as it is, so that no character is encoded.
fn location(path: &str) -> Result<Path, String> {
    if path.contains(char::is_control) {
        return Err("its path has control characters, such as line breaks".into());
    }
    Path::parse(path).map_err(|error| error.to_string())
}

#[cfg(unix)]
fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
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
fn read_at(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let mut buffer = vec![0; (range.end - range.start) as usize];
    read_exact_at(file, &mut buffer, range.start)?;
    Ok(buffer.into())
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, at)
}

#[cfg(windows)]
fn read_exact_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while done < buffer.len() {
        match file.seek_read(&mut buffer[done..], at + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => done += read,
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_any_more_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["", "nothing"] {
            let footers = Footers::new(None);
            let path = temp.path().join(name);
            let opened = PinnedFile::open(&path, "a".into(), String::new(), Arc::default(), &footers);
            // Opening a directory is an error of its own elsewhere than on Unix.
            assert!(matches!(opened, Err(OpenError::Gone)) || cfg!(windows) && name.is_empty(), "{path:?}");
        }
    }
}

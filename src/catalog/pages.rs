//! The columns of one row group of a file that is held open, read page by page: no more is in memory than is being looked at.

use std::cell::RefCell;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::physical_plan::metrics::Count;
use parquet::arrow::arrow_reader::{RowGroups, RowSelection};
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

use super::file::PinnedFile;

/// What is read of a column at once, as long as its pages are smaller.
const WINDOW: u64 = 256 << 10;
/// A column that is no longer than this is read whole.
const WHOLE: u64 = 2 * WINDOW;
/// What stands before a page, nearly always.
const HEADER: u64 = 128;

/// A row group, of which all rows are read or some.
pub(super) struct PagedGroup<'a> {
    pub file: &'a Arc<PinnedFile>,
    /// With the page index, if `selection` is to pass over pages.
    pub footer: &'a ParquetMetaData,
    pub group: usize,
    pub selection: Option<&'a RowSelection>,
    /// Counts the bytes that are read.
    pub scanned: &'a Count,
    /// Keeps what goes wrong.
    pub failed: &'a Failed,
}

/// The first read that failed. What reads pages turns an error into text, and then nobody knows whether the system or the data is
/// to blame.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed(Arc<Mutex<Option<object_store::Error>>>);

impl Failed {
    pub fn take(&self) -> Option<ParquetError> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map(|failed| ParquetError::External(Box::new(failed)))
    }

    fn keep(&self, error: object_store::Error) -> ParquetError {
        let text = error.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        ParquetError::General(text)
    }
}

impl PagedGroup<'_> {
    fn column(&self, column: usize) -> &ColumnChunkMetaData {
        self.footer.row_group(self.group).column(column)
    }
}

impl RowGroups for PagedGroup<'_> {
    fn num_rows(&self) -> usize {
        self.footer.row_group(self.group).num_rows() as usize
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        let chunk = self.column(column);
        let (start, length) = chunk.byte_range();
        let whole = start..start + length;
        let located = self.selection.zip(self.footer.offset_index());
        let located = located.map(|(selection, offsets)| {
            let pages = offsets[self.group][column].page_locations().clone();
            let first = pages.first().map_or(start, |page| u64::try_from(page.offset).unwrap_or(start));
            (Wanted::pages(start..first.max(start), selection.scan_ranges(&pages)), pages)
        });
        let (wanted, pages) = located.unzip();
        let bytes = Chunk(Arc::new(Column {
            file: Arc::clone(self.file),
            wanted: wanted.unwrap_or_else(|| Wanted(vec![whole])),
            window: Mutex::default(),
            scanned: self.scanned.clone(),
            failed: self.failed.clone(),
        }));
        let bytes = Arc::new(bytes);
        let reader: Box<dyn PageReader> = match chunk.compression() {
            Compression::ZSTD(_) if self.file.is_laid_out() => {
                let packed =
                    chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
                Box::new(Unpacked(SerializedPageReader::new(bytes, &packed, self.num_rows(), pages)?))
            }
            _ => Box::new(SerializedPageReader::new(bytes, chunk, self.num_rows(), pages)?),
        };
        Ok(Box::new(One(Some(reader))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.footer.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.footer
    }
}

/// The pages of one row group.
struct One(Option<Box<dyn PageReader>>);

impl Iterator for One {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for One {}

/// Pages that come compressed by zstd, each as one frame with its size, as pinql writes them. parquet-rs would make a context to
/// compress and one to decompress for each column of a row group, which takes longer than a page.
struct Unpacked(SerializedPageReader<Chunk>);

thread_local! {
    static UNPACKER: RefCell<Decompressor<'static>> = RefCell::new(Decompressor::new().expect("there is memory for one"));
}

impl Iterator for Unpacked {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Unpacked {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.0.get_next_page()? else { return Ok(None) };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = unpacked(buf)?,
            // One of NULLs alone has nothing but levels.
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. }
                if buf.len()
                    == (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize) => {}
            Page::DataPageV2 {
                buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, ..
            } => {
                let levels = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
                let Some((levels, values)) = buf.split_at_checked(levels) else {
                    return Err(ParquetError::EOF("a page is shorter than its levels".into()));
                };
                *buf = [levels, &unpacked(values)?].concat().into();
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.0.at_record_boundary()
    }
}

/// What a frame of zstd holds.
fn unpacked(frame: &[u8]) -> Result<Bytes> {
    let size = get_frame_content_size(frame).ok().flatten().and_then(|size| i32::try_from(size).ok());
    let Some(size) = size else { return Err(ParquetError::General("a page does not say its size".into())) };
    let mut bytes = Vec::with_capacity(size as usize);
    UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress_to_buffer(frame, &mut bytes))?;
    Ok(bytes.into())
}

/// The stretches of a column that are read: pages that lie side by side are one.
struct Wanted(Vec<Range<u64>>);

impl Wanted {
    /// A dictionary, which may be nothing, and some pages in their order.
    fn pages(dictionary: Range<u64>, pages: Vec<Range<u64>>) -> Wanted {
        let mut stretches = vec![dictionary];
        for page in pages {
            match stretches.last_mut() {
                Some(last) if last.end == page.start => last.end = page.end,
                _ => stretches.push(page),
            }
        }
        Wanted(stretches)
    }

    /// Where the stretch ends that holds these bytes.
    fn end(&self, bytes: &Range<u64>) -> u64 {
        let holds = |stretch: &&Range<u64>| stretch.start <= bytes.start && bytes.end <= stretch.end;
        self.0.iter().find(holds).map_or(bytes.end, |stretch| stretch.end)
    }
}

/// The bytes of one column in a row group.
#[derive(Clone)]
struct Chunk(Arc<Column>);

struct Column {
    file: Arc<PinnedFile>,
    wanted: Wanted,
    window: Mutex<Window>,
    scanned: Count,
    failed: Failed,
}

/// What was read last.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Bytes,
    /// The length of the page before.
    page: u64,
}

impl Window {
    /// What it has of some bytes, from their start on.
    fn from(&self, start: u64) -> Option<Bytes> {
        let at = usize::try_from(start.checked_sub(self.start)?).ok()?;
        (at < self.bytes.len()).then(|| self.bytes.slice(at..))
    }
}

impl Column {
    /// Some bytes, at least one unless there are none before the end of what is wanted.
    fn some(&self, start: u64) -> Result<Bytes> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        match window.from(start) {
            Some(bytes) => Ok(bytes),
            None => self.read(&mut window, start..start),
        }
    }

    fn all(&self, bytes: Range<u64>) -> Result<Bytes> {
        let length = bytes.end - bytes.start;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.page = length;
        let held = window.from(bytes.start).filter(|held| held.len() as u64 >= length);
        let read = match held {
            Some(held) => held,
            None => self.read(&mut window, bytes)?,
        };
        Ok(read.slice(..length as usize))
    }

    /// Reads some bytes with those behind them that are wanted, too, up to the length of a window.
    fn read(&self, window: &mut Window, bytes: Range<u64>) -> Result<Bytes> {
        let stretch = self.wanted.end(&bytes);
        // As many pages as go into it, if they are as long as the one before: what is cut is read again.
        let page = window.page + window.page / 64 + HEADER;
        let end = match WINDOW / page {
            _ if stretch.saturating_sub(bytes.start) <= WHOLE => stretch,
            _ if window.page == 0 => bytes.start.saturating_add(WINDOW),
            0 => bytes.end.saturating_add(HEADER),
            pages => bytes.start.saturating_add(pages * page),
        };
        let end = end.min(stretch).max(bytes.end);
        let read = self.file.read(bytes.start..end).map_err(|error| self.failed.keep(error))?;
        self.scanned.add(read.len());
        (window.start, window.bytes) = (bytes.start, read.clone());
        Ok(read)
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.0.file.meta().size
    }
}

impl ChunkReader for Chunk {
    type T = Reading;

    fn get_read(&self, start: u64) -> Result<Reading> {
        Ok(Reading { column: Arc::clone(&self.0), at: start, held: Bytes::new(), read: 0 })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.0.all(start..start.saturating_add(length as u64))
    }
}

/// Reads on from a place in a column.
struct Reading {
    column: Arc<Column>,
    at: u64,
    /// Some bytes from `at` on, and how many of them have been read.
    held: Bytes,
    read: usize,
}

impl Read for Reading {
    // It is asked for one byte after the other.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.read == self.held.len() {
            self.at += self.read as u64;
            (self.held, self.read) = (self.column.some(self.at).map_err(io::Error::other)?, 0);
        }
        let held = &self.held[self.read..];
        let count = into.len().min(held.len());
        into[..count].copy_from_slice(&held[..count]);
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use arrow::array::{Int64Array, RecordBatch, StringArray};
    use arrow::compute::concat_batches;
    use parquet::arrow::arrow_reader::{
        ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelector,
    };
    use parquet::arrow::{ArrowWriter, ProjectionMask, parquet_to_arrow_field_levels};
    use parquet::basic::ZstdLevel;
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::{WriterProperties, WriterVersion};

    use super::super::footer::Footers;
    use super::*;
    use crate::pin::schema::{CREATED_BY, LAYOUT_KEY, LAYOUT_VERSION};

    #[test]
    fn what_lies_side_by_side_is_one_stretch() {
        let wanted = Wanted::pages(100..200, vec![200..300, 300..350, 400..500]);
        assert_eq!(wanted.end(&(100..200)), 350);
        assert_eq!(wanted.end(&(220..300)), 350);
        assert_eq!(wanted.end(&(400..450)), 500);
        // Nobody has asked for it.
        assert_eq!(wanted.end(&(360..370)), 370);
    }

    /// Numbers, words of a few, and texts, some of which are larger than a window, with statistics before each page that are, too.
    fn written(at: &std::path::Path, compression: Compression, version: WriterVersion) {
        let text = |row: i64| "abcdefgh".repeat(if row % 1999 == 1 { 50_000 } else { row as usize % 40 });
        let batch = RecordBatch::try_from_iter([
            ("number", Arc::new(Int64Array::from_iter_values(0..9000)) as Arc<dyn arrow::array::Array>),
            ("word", Arc::new(StringArray::from_iter_values((0..9000).map(|row| format!("w{}", row % 7))))),
            ("text", Arc::new(StringArray::from_iter_values((0..9000).map(text)))),
            ("nothing", Arc::new(StringArray::new_null(9000))),
        ]);
        let batch = batch.unwrap();
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(5000))
            .set_data_page_row_count_limit(300)
            .set_write_batch_size(100)
            .set_write_page_header_statistics(true)
            .set_statistics_truncate_length(None)
            .set_writer_version(version)
            .set_created_by(CREATED_BY.into())
            .set_key_value_metadata(Some(vec![KeyValue::new(LAYOUT_KEY.into(), LAYOUT_VERSION.to_owned())]))
            .build();
        let mut writer =
            ArrowWriter::try_new(File::create(at).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }

    fn joined(reader: ParquetRecordBatchReader) -> RecordBatch {
        let batches: Vec<_> = reader.map(Result::unwrap).collect();
        concat_batches(&batches[0].schema(), &batches).unwrap()
    }

    #[tokio::test]
    async fn a_row_group_is_read_as_by_any_other_reader() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("pin_mappings.parquet");
        let zstd = || Compression::ZSTD(ZstdLevel::default());
        for (compression, version) in [
            (Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0),
            (Compression::SNAPPY, WriterVersion::PARQUET_1_0),
            (zstd(), WriterVersion::PARQUET_1_0),
            (zstd(), WriterVersion::PARQUET_2_0),
        ] {
            written(&path, compression, version);
            let footers = Footers::new(None);
            let file = PinnedFile::open(&path, "a".into(), String::new(), Arc::default(), &footers).unwrap();
            let (file, scanned) = (Arc::new(file), Count::new());
            assert!(file.is_laid_out());
            let indexed = file.footer_with_index(&[0, 1]).unwrap().unwrap();
            let few = |skip, select| vec![RowSelector::skip(skip), RowSelector::select(select)];
            let selections: Vec<Option<RowSelection>> = vec![
                None,
                Some(few(0, 300).into()),
                Some(few(299, 2).into()),
                Some([few(650, 1), few(1300, 700), few(0, 5), few(900, 1)].concat().into()),
            ];
            for group in [0, 1] {
                for selection in &selections {
                    let by_another = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap());
                    let by_another = by_another.unwrap().with_row_groups(vec![group]);
                    let by_another = match selection {
                        Some(selection) => by_another.with_row_selection(selection.clone()),
                        None => by_another,
                    };
                    let expected = joined(by_another.build().unwrap());
                    for footer in [&file.footer, &indexed] {
                        let schema = footer.file_metadata().schema_descr();
                        let levels = parquet_to_arrow_field_levels(
                            schema,
                            ProjectionMask::all(),
                            Some(file.columns.fields()),
                        );
                        let pages = PagedGroup {
                            file: &file,
                            footer,
                            group,
                            selection: selection.as_ref(),
                            scanned: &scanned,
                            failed: &Failed::default(),
                        };
                        let reader = ParquetRecordBatchReader::try_new_with_row_groups(
                            &levels.unwrap(),
                            &pages,
                            1000,
                            selection.clone(),
                        );
                        assert_eq!(joined(reader.unwrap()), expected, "{compression} {group} {selection:?}");
                    }
                }
            }
            let before = scanned.value();
            let few = RowSelection::from(vec![RowSelector::skip(4000), RowSelector::select(1)]);
            let pages = PagedGroup {
                file: &file,
                footer: &indexed,
                group: 0,
                selection: Some(&few),
                scanned: &scanned,
                failed: &Failed::default(),
            };
            let mut numbers = pages.column_chunks(0).unwrap().next().unwrap().unwrap();
            while numbers
                .peek_next_page()
                .unwrap()
                .is_some_and(|page| page.is_dict || page.num_rows.is_some())
            {
                numbers.skip_next_page().unwrap();
            }
            assert_eq!(scanned.value(), before, "pages that are passed over are not read");
        }
    }

    #[test]
    fn a_read_that_fails_is_kept_as_what_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("pin_mappings.parquet");
        written(&path, Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0);
        let footers = Footers::new(None);
        let file = PinnedFile::open(&path, "a".into(), String::new(), Arc::default(), &footers).unwrap();
        let (file, failed) = (Arc::new(file), Failed::default());
        let pages = PagedGroup {
            file: &file,
            footer: &file.footer,
            group: 0,
            selection: None,
            scanned: &Count::new(),
            failed: &failed,
        };
        let mut texts = pages.column_chunks(2).unwrap().next().unwrap().unwrap();
        assert!(texts.get_next_page().is_ok() && failed.take().is_none());
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        while texts.get_next_page().is_ok_and(|page| page.is_some()) {}
        let said = super::super::file::parquet_in_words(&failed.take().expect("a read failed"));
        assert!(said.starts_with("the file was written over while it was being read"), "{said}");
    }
}

//! Reads Parquet from files that are held open, instead of opening a path for every range.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::{ObjectMeta, coalesce_ranges};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use tokio::sync::OnceCell;
use tokio::task;

use super::file::{OpenError, PinnedFile, UnreadableFile};
use super::footer::Footers;
use super::snapshot::ended;

/// What each [`PartitionedFile`] of a scan carries: its file, open already or to be opened once.
#[derive(Debug)]
pub(crate) struct FileHandle {
    file: OnceCell<Arc<PinnedFile>>,
    late: Option<LateFile>,
    /// The footer with as much of the page index as the scan needs, once that is known; else the file's own, without.
    indexed: OnceCell<Arc<ParquetMetaData>>,
}

/// How to open a file of a plan that was made in another process.
#[derive(Debug, Clone)]
pub(crate) struct LateFile {
    pub footers: Arc<Footers>,
    pub backend: String,
    /// The path that people see, relative to the root.
    pub shown: String,
    pub path: PathBuf,
    /// The file as it was when the query was planned.
    pub meta: ObjectMeta,
}

impl FileHandle {
    pub fn opened(file: Arc<PinnedFile>) -> FileHandle {
        FileHandle { file: OnceCell::new_with(Some(file)), late: None, indexed: OnceCell::new() }
    }

    /// The same with a footer that has a page index.
    pub fn indexed(file: Arc<PinnedFile>, footer: Arc<ParquetMetaData>) -> FileHandle {
        FileHandle { indexed: OnceCell::new_with(Some(footer)), ..FileHandle::opened(file) }
    }

    pub fn late(late: LateFile) -> FileHandle {
        FileHandle { file: OnceCell::new(), late: Some(late), indexed: OnceCell::new() }
    }

    /// The backend and the path that people see.
    pub fn names(&self) -> Option<(&str, &str)> {
        match (self.file.get(), &self.late) {
            (Some(file), _) => Some((&file.backend, &file.shown)),
            (None, Some(late)) => Some((&late.backend, &late.shown)),
            (None, None) => None,
        }
    }

    /// The file, if it is open already.
    pub fn opened_file(&self) -> Option<&PinnedFile> {
        self.file.get().map(AsRef::as_ref)
    }

    /// The file, which is open.
    pub fn held(&self) -> Arc<PinnedFile> {
        Arc::clone(self.file.get().expect("whoever asks has opened it"))
    }

    /// The footer of the file, which is open: with as much of the page index as the scan needs, once that is known.
    pub fn footer(&self) -> Arc<ParquetMetaData> {
        self.indexed.get().map_or_else(|| Arc::clone(&self.held().footer), Arc::clone)
    }

    /// Reads the page index, if that has not been done. Otherwise each scan that wants it reads it anew.
    pub async fn load_index(&self) -> parquet::errors::Result<()> {
        let load = || async {
            let file = self.get().await.map_err(external)?;
            let groups: Vec<usize> = (0..file.footer.num_row_groups()).collect();
            let indexed = file.footer_with_index(&groups)?;
            Ok::<_, ParquetError>(indexed.unwrap_or_else(|| Arc::clone(&file.footer)))
        };
        self.indexed.get_or_try_init(load).await.map(drop)
    }

    pub async fn get(&self) -> Result<&PinnedFile, UnreadableFile> {
        let open = || async {
            let late = self.late.clone().expect("a handle without a file knows how to open one");
            ended(task::spawn_blocking(move || late.open()).await).map(Arc::new)
        };
        self.file.get_or_try_init(open).await.map(AsRef::as_ref)
    }
}

impl LateFile {
    fn open(&self) -> Result<PinnedFile, UnreadableFile> {
        let unreadable =
            |reason| UnreadableFile { backend: self.backend.clone(), path: self.shown.clone(), reason };
        let backend = self.backend.as_str().into();
        let shown = self.shown.clone();
        let opened = PinnedFile::open(&self.path, backend, shown, Arc::default(), &self.footers);
        let file = opened.map_err(|error| match error {
            OpenError::Gone => unreadable("no such file or directory".into()),
            OpenError::Unreadable(reason) => unreadable(reason),
        })?;
        let (now, planned) = (file.meta(), &self.meta);
        match now.size == planned.size && now.e_tag == planned.e_tag {
            true => Ok(file),
            false => Err(unreadable("the file has changed since the query was planned".into())),
        }
    }
}

/// Makes readers of the [`FileHandle`] that each [`PartitionedFile`] carries.
#[derive(Debug)]
pub(super) struct PinnedReaderFactory;

impl ParquetFileReaderFactory for PinnedReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location.as_ref();
        let handle = file.extension::<Arc<FileHandle>>().ok_or_else(|| {
            DataFusionError::Internal(format!("{location} was not opened when the query was planned"))
        })?;
        let metrics = ParquetFileMetrics::new(partition_index, location, metrics);
        Ok(Box::new(PinnedReader { handle: Arc::clone(handle), metrics }))
    }
}

struct PinnedReader {
    handle: Arc<FileHandle>,
    metrics: ParquetFileMetrics,
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.metrics.bytes_scanned.add((range.end - range.start) as usize);
        async move {
            let file = self.handle.get().await.map_err(external)?;
            file.read(range).map_err(external)
        }
        .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start) as usize);
        self.metrics.bytes_scanned.add(bytes.sum());
        async move {
            let file = self.handle.get().await.map_err(external)?;
            if let Some(backwards) = ranges.iter().find(|range| range.start > range.end) {
                // Says what is wrong.
                file.read(backwards.clone()).map_err(external)?;
            }
            // Pages that lie side by side are read at once.
            coalesce_ranges(&ranges, |range| async { file.read(range) }, 0).await.map_err(external)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        // Read when the file was opened; the page index, where a query wants it, is loaded on top.
        async move {
            if let Some(footer) = self.handle.indexed.get() {
                return Ok(Arc::clone(footer));
            }
            Ok(Arc::clone(&self.handle.get().await.map_err(external)?.footer))
        }
        .boxed()
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> ParquetError {
    ParquetError::External(Box::new(error))
}

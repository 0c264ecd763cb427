//! Reads Parquet from files that are held open, instead of opening a path for every range.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{ParquetFileMetrics, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::file::PinnedFile;

/// Makes readers of the [`PinnedFile`] that each [`PartitionedFile`] carries.
#[derive(Debug)]
pub(super) struct PinnedReaderFactory;

impl ParquetFileReaderFactory for PinnedReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let location = file.object_meta.location.as_ref();
        let pinned = file.extension::<Arc<PinnedFile>>().ok_or_else(|| {
            DataFusionError::Internal(format!("{location} was not opened when the query was planned"))
        })?;
        let metrics = ParquetFileMetrics::new(partition_index, location, metrics);
        Ok(Box::new(PinnedReader { file: Arc::clone(pinned), metrics }))
    }
}

struct PinnedReader {
    file: Arc<PinnedFile>,
    metrics: ParquetFileMetrics,
}

impl AsyncFileReader for PinnedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.metrics.bytes_scanned.add((range.end - range.start) as usize);
        async move { self.file.read(range).await.map_err(|error| ParquetError::External(Box::new(error))) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        // Read when the file was opened; the page index, where a query wants it, is loaded on top.
        let footer = Arc::clone(&self.file.footer);
        async move { Ok(footer) }.boxed()
    }
}

//! DataFusion's Parquet scan with four things of ours: files held open, columns as `pins` has them, errors that name the file,
//! and pages that are read one by one where nothing is left to be ruled out.
//!
//! It is a [`FileSource`] of its own, so that a physical plan cannot travel without them: `datafusion-proto` hands it to
//! [`super::wire`], which puts them back on the other side.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpener, FileScanConfig, FileSource, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, SortOrderPushdownResult};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::ObjectStore;
use parquet::errors::ParquetError;

use super::file::{UnreadableFile, in_words, parquet_in_words};
use super::page_scan::PageScan;
use super::reader::{FileHandle, PinnedReaderFactory};
use crate::error::DAMAGED;
use crate::pin::schema::STATUS;
use crate::pin::status::STORED;

/// A scan of pin mappings. Wraps a [`ParquetSource`] and delegates to it.
#[derive(Clone)]
pub(super) struct PinSource {
    parquet: Arc<dyn FileSource>,
    /// Rows of a batch, once that is known.
    rows: Option<usize>,
    /// Whether it may begin with row groups other than the first.
    is_ordered: bool,
}

impl PinSource {
    pub fn new(parquet: ParquetSource) -> PinSource {
        let parquet = parquet.with_parquet_file_reader_factory(Arc::new(PinnedReaderFactory));
        PinSource { parquet: Arc::new(parquet), rows: None, is_ordered: false }
    }

    /// The Parquet scan inside.
    pub fn parquet(&self) -> &Arc<dyn FileSource> {
        &self.parquet
    }

    /// The same with another projection on top; `None` if that cannot be.
    pub fn with_projection(&self, projection: &ProjectionExprs) -> Result<Option<PinSource>> {
        let parquet = self.parquet.try_pushdown_projection(projection)?;
        Ok(parquet.map(|parquet| PinSource { parquet, ..self.clone() }))
    }

    /// The same without filters, so that all rows come out; `None` if that cannot be.
    pub fn without_filter(&self) -> Result<Option<PinSource>> {
        let Some(parquet) = self.parquet.downcast_ref::<ParquetSource>() else { return Ok(None) };
        let options = parquet.table_parquet_options().clone();
        let all = ParquetSource::new(self.table_schema().clone()).with_table_parquet_options(options);
        let all = PinSource::new(all);
        self.projection().map_or(Ok(Some(all.clone())), |projection| all.with_projection(projection))
    }

    /// Whether rows are to be looked at in the scan already.
    fn parquet_pushes_down(&self) -> bool {
        let parquet = self.parquet.downcast_ref::<ParquetSource>();
        parquet.is_some_and(|parquet| parquet.table_parquet_options().global.pushdown_filters)
    }

    fn around(&self, parquet: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(PinSource { parquet, ..self.clone() })
    }

    /// How it reads files by itself, if DataFusion's scan can do no more.
    fn by_pages(&self, config: &FileScanConfig, partition: usize) -> Result<Option<PageScan>> {
        match (self.parquet.downcast_ref::<ParquetSource>(), self.rows) {
            (Some(parquet), Some(rows)) if !self.is_ordered => PageScan::of(parquet, config, partition, rows),
            _ => Ok(None),
        }
    }
}

/// The scan that a node is, if it is one of pin mappings.
pub(super) fn pin_scan(node: &dyn ExecutionPlan) -> Option<(&FileScanConfig, &PinSource)> {
    node.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<PinSource>()
}

/// The name of the table's column that a scan of pin mappings gives at `index`, if the node is one and gives it as it stands.
pub(crate) fn scanned_column(node: &dyn ExecutionPlan, index: usize) -> Option<&str> {
    let (_, source) = pin_scan(node)?;
    source.projection()?.as_ref().get(index)?.expr.downcast_ref::<Column>().map(Column::name)
}

/// How many rows the files of a scan of pin mappings have, if the node is one.
pub(crate) fn scanned_rows(node: &dyn ExecutionPlan) -> Option<u64> {
    let (config, _) = pin_scan(node)?;
    let mut files: Vec<_> = config.file_groups.iter().flat_map(|group| group.iter()).collect();
    files.sort_by_key(|file| &file.object_meta.location);
    // Several partitions may each read a part of one.
    files.dedup_by_key(|file| &file.object_meta.location);
    let rows = files.into_iter().map(|file| {
        let footer = &file.extension::<Arc<FileHandle>>()?.opened_file()?.footer;
        u64::try_from(footer.file_metadata().num_rows()).ok()
    });
    rows.sum()
}

impl FileSource for PinSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.parquet.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        if config.expr_adapter_factory.is_none() {
            return datafusion::common::internal_err!("a scan of pin mappings has lost its adapter");
        }
        let inner: Box<dyn Morselizer> = match self.by_pages(config, partition)? {
            Some(scan) => Box::new(scan),
            None => self.parquet.create_morselizer(store, config, partition)?,
        };
        Ok(Box::new(NamingMorselizer { inner }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.parquet.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        let parquet = self.parquet.with_batch_size(batch_size);
        Arc::new(PinSource { parquet, rows: Some(batch_size), is_ordered: self.is_ordered })
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.parquet.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.parquet.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.parquet.metrics()
    }

    fn file_type(&self) -> &str {
        "pin_mappings"
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parquet.fmt_extra(t, f)
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.parquet.reorder_files(files)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        // Few mappings are not stored: the other columns are read only where they are.
        let by_rows = self.parquet_pushes_down() || filters.iter().any(passes_over_stored);
        if !by_rows {
            let pushed = self.parquet.try_pushdown_filters(filters, config)?;
            let updated_node = pushed.updated_node.map(|node| self.around(node));
            return Ok(FilterPushdownPropagation { filters: pushed.filters, updated_node });
        }
        let mut by_row = config.clone();
        by_row.execution.parquet.pushdown_filters = true;
        // A filter that fails does so above the scan, where that is no fault of a file.
        let harmless: Vec<_> = filters.iter().filter(|filter| is_harmless(filter)).cloned().collect();
        let pushed = self.parquet.try_pushdown_filters(harmless, &by_row)?;
        // Rows are looked at again above the scan: it passes over a filter that speaks of a column with parts in one of its
        // files, and says nothing of it.
        let again = vec![PushedDown::No; filters.len()];
        let propagation = FilterPushdownPropagation::with_parent_pushdown_result(again);
        Ok(match pushed.updated_node {
            Some(node) => propagation.with_updated_node(self.around(node)),
            None => propagation,
        })
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.parquet.try_pushdown_projection(projection)?.map(|parquet| self.around(parquet)))
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(match self.parquet.try_pushdown_sort(order, properties)? {
            SortOrderPushdownResult::Exact { inner } => {
                SortOrderPushdownResult::Exact { inner: self.around(inner) }
            }
            SortOrderPushdownResult::Inexact { inner } => {
                let ordered = PinSource { parquet: inner, rows: self.rows, is_ordered: true };
                SortOrderPushdownResult::Inexact { inner: Arc::new(ordered) }
            }
            SortOrderPushdownResult::Unsupported => SortOrderPushdownResult::Unsupported,
        })
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.parquet.apply_expressions(f)
    }
}

/// Whether a filter asks for a status other than `stored`.
fn passes_over_stored(filter: &Arc<dyn PhysicalExpr>) -> bool {
    let Some(comparison) = filter.downcast_ref::<BinaryExpr>() else { return false };
    let of_status = |column: &Arc<dyn PhysicalExpr>| {
        column.downcast_ref::<Column>().is_some_and(|column| column.name() == STATUS)
    };
    let literal = comparison.right().downcast_ref::<Literal>();
    let is_stored =
        literal.and_then(|literal| literal.value().try_as_str().flatten().map(|text| text == STORED));
    let asks = match comparison.op() {
        Operator::Eq => is_stored == Some(false),
        Operator::NotEq => is_stored == Some(true),
        _ => false,
    };
    asks && of_status(comparison.left())
}

fn compares(operator: Operator) -> bool {
    use Operator::{And, Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq, Or};
    matches!(operator, And | Or | Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

/// Whether a filter gives the same whenever it is asked, and cannot fail.
fn is_harmless(filter: &Arc<dyn PhysicalExpr>) -> bool {
    let node = filter.as_ref();
    let known = node.is::<Column>()
        || node.is::<Literal>()
        || node.is::<InListExpr>()
        || node.is::<IsNullExpr>()
        || node.is::<IsNotNullExpr>()
        || node.is::<NotExpr>()
        || node.is::<LikeExpr>()
        || node.downcast_ref::<BinaryExpr>().is_some_and(|both| compares(*both.op()));
    known && node.children().into_iter().all(is_harmless)
}

/// Names the file in the errors of reading it.
#[derive(Debug)]
struct NamingMorselizer {
    inner: Box<dyn Morselizer>,
}

impl Morselizer for NamingMorselizer {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let handle = file.extension::<Arc<FileHandle>>().cloned();
        let inner = self.inner.plan_file(file).map_err(|error| named(error, &handle))?;
        Ok(Box::new(NamingPlanner { inner, handle }))
    }
}

#[derive(Debug)]
struct NamingPlanner {
    inner: Box<dyn MorselPlanner>,
    handle: Option<Arc<FileHandle>>,
}

impl MorselPlanner for NamingPlanner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let NamingPlanner { inner, handle } = *self;
        let Some(mut plan) = inner.plan().map_err(|error| named(error, &handle))? else { return Ok(None) };
        let morsels = plan.take_morsels().into_iter();
        let morsels =
            morsels.map(|inner| Box::new(NamingMorsel { inner, handle: handle.clone() }) as Box<dyn Morsel>);
        let planners = plan.take_ready_planners().into_iter();
        let planners = planners
            .map(|inner| Box::new(NamingPlanner { inner, handle: handle.clone() }) as Box<dyn MorselPlanner>);
        let mut named_plan =
            MorselPlan::new().with_morsels(morsels.collect()).with_planners(planners.collect());
        if let Some(pending) = plan.take_pending_planner() {
            named_plan.set_pending_planner(async move {
                let inner = pending.await.map_err(|error| named(error, &handle))?;
                Ok(Box::new(NamingPlanner { inner, handle }) as Box<dyn MorselPlanner>)
            });
        }
        Ok(Some(named_plan))
    }
}

#[derive(Debug)]
struct NamingMorsel {
    inner: Box<dyn Morsel>,
    handle: Option<Arc<FileHandle>>,
}

impl Morsel for NamingMorsel {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let NamingMorsel { inner, handle } = *self;
        inner.into_stream().map(move |batch| batch.map_err(|error| named(error, &handle))).boxed()
    }
}

/// The error as one of the file, if it is about the file's bytes. A query's own errors, such as a division by zero in a
/// projection that was pushed into the scan, stay what they are.
pub(super) fn named(error: DataFusionError, handle: &Option<Arc<FileHandle>>) -> DataFusionError {
    let Some((backend, path)) = handle.as_ref().and_then(|handle| handle.names()) else { return error };
    match reason_of(&error) {
        None => error,
        Some(Reason::Known(known)) => DataFusionError::External(Box::new(known)),
        Some(Reason::Words(reason)) => {
            let unreadable = UnreadableFile { backend: backend.into(), path: path.into(), reason };
            DataFusionError::External(Box::new(unreadable))
        }
    }
}

enum Reason {
    /// It names the file already.
    Known(UnreadableFile),
    Words(String),
}

fn reason_of(error: &DataFusionError) -> Option<Reason> {
    match error.find_root() {
        DataFusionError::ParquetError(error) => Some(parquet_reason(error)),
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::ParquetError(text) | ArrowError::IoError(text, _) => Some(damaged(text)),
            _ => None,
        },
        DataFusionError::IoError(error) => Some(Reason::Words(crate::store::plain(error))),
        DataFusionError::ObjectStore(error) => Some(Reason::Words(in_words(error.as_ref()))),
        DataFusionError::External(error) => error.downcast_ref::<ParquetError>().map(parquet_reason),
        _ => None,
    }
}

fn parquet_reason(error: &ParquetError) -> Reason {
    if let ParquetError::External(cause) = error
        && let Some(known) = cause.downcast_ref::<UnreadableFile>()
    {
        return Reason::Known(known.clone());
    }
    // What the system says of a read is no word on the data.
    match error {
        ParquetError::External(cause) if is_of_system(cause.as_ref()) => {
            Reason::Words(parquet_in_words(error))
        }
        _ => damaged(&parquet_in_words(error)),
    }
}

/// Whether it comes of the system: a disk that cannot be read, a mount that is dead.
fn is_of_system(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.raw_os_error().is_some())
    })
}

fn damaged(text: &str) -> Reason {
    let said =
        ["External: ", "Parquet error: "].iter().fold(text, |text, prefix| text.trim_start_matches(prefix));
    Reason::Words(format!("{DAMAGED}: {said}"))
}

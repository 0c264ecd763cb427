//! Tables of mappings: `pins` and `records` over all backends, and one table for each backend. Also `rejects`, whose files
//! lie beside them.
//!
//! Each is one scan over the files of its backends, with `backend_name` as the partition column: what a predicate says of
//! it is settled before any file is opened.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{ParquetAccessPlan, RowGroupAccess};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::adapter::PinAdapterFactory;
use super::file::{PinnedFile, UnreadableFile};
use super::reader::FileHandle;
use super::snapshot::{Snapshot, ask_all};
use super::source::PinSource;
use super::wanted::{self, Wanted};
use crate::pin::schema;
use crate::store::{BackendDir, Mappings};

/// The mappings of all backends, or of one.
#[derive(Debug)]
pub(super) struct PinTable {
    snapshot: Arc<Snapshot>,
    of: Of,
    schema: SchemaRef,
}

/// Whose files, and which.
#[derive(Debug)]
enum Of {
    /// The mappings of all backends.
    All,
    /// The mappings of one.
    Backend(String),
    /// What migrations rejected, of all backends.
    Rejects,
}

impl PinTable {
    /// `pins`.
    pub fn pins(snapshot: Arc<Snapshot>) -> PinTable {
        PinTable { snapshot, of: Of::All, schema: marked(schema::pins(), schema::PINS) }
    }

    /// `records`: `pins` with what the files themselves say.
    pub fn records(snapshot: Arc<Snapshot>) -> PinTable {
        PinTable { snapshot, of: Of::All, schema: marked(schema::records(), schema::RECORDS) }
    }

    /// `rejects`: what stood in a `pins.json` and was no pin.
    pub fn rejects(snapshot: Arc<Snapshot>) -> PinTable {
        PinTable { snapshot, of: Of::Rejects, schema: marked(schema::rejects_table(), "rejects") }
    }

    /// The table of one backend: the columns of `pins`, then the other columns of its files. That they cannot be read is
    /// told when the table is: its columns can be listed all the same.
    pub async fn of_backend(snapshot: Arc<Snapshot>, backend: &BackendDir) -> Result<PinTable> {
        let opened = snapshot.open(std::slice::from_ref(backend)).await;
        let files = opened.into_iter().next().and_then(Result::ok).unwrap_or_default();
        let mut fields: Vec<_> = schema::pins().iter().cloned().collect();
        for file in files.iter() {
            for extra in extra_columns(file) {
                match fields.iter_mut().find(|known| known.name().eq_ignore_ascii_case(extra.name())) {
                    None => fields.push(Arc::new(extra.clone().with_nullable(true))),
                    // A cast could fail, or be moved to the other side of a comparison where it means something else.
                    Some(known) if known.data_type() != extra.data_type() => {
                        *known = Arc::new(Field::new(known.name(), DataType::Utf8View, true));
                    }
                    Some(_) => {}
                }
            }
        }
        let schema = marked(fields.into(), "backend");
        Ok(PinTable { snapshot, of: Of::Backend(backend.name.clone()), schema })
    }

    /// The backends that the table is over and that have something to say: not those whose files another one has, too.
    fn backends(&self) -> Result<Vec<BackendDir>> {
        let all = self.snapshot.backends().map_err(external)?;
        let chosen = all.iter().filter(|backend| match &self.of {
            Of::Backend(name) => backend.name == *name,
            Of::All => !matches!(backend.mappings, Mappings::Absent | Mappings::SameAs(_)),
            Of::Rejects => true,
        });
        let mut chosen: Vec<_> = chosen.cloned().collect();
        // What is its own goes before a link to it.
        chosen.sort_by_key(|backend| matches!(backend.mappings, Mappings::SameAs(_)));
        Ok(chosen)
    }

    /// The columns in a scan's order: those of the files, then `backend_name`.
    fn table_schema(&self) -> TableSchema {
        let columns =
            self.schema.fields().iter().filter(|field| field.name() != schema::BACKEND_NAME).cloned();
        let kind = self.schema.metadata().get(schema::TABLE_KEY).map_or(schema::PINS, String::as_str);
        TableSchema::builder(marked(columns.collect(), kind))
            .with_table_partition_cols(vec![Arc::new(schema::backend_name())])
            .build()
    }

    /// Where each column of `projection` stands in a scan's order.
    fn scan_indices(&self, projection: Option<&Vec<usize>>) -> Vec<usize> {
        let name_at = self.schema.index_of(schema::BACKEND_NAME).unwrap_or_default();
        let last = self.schema.fields().len() - 1;
        let in_scan = |index: usize| match index {
            at if at == name_at => last,
            at if at > name_at => at - 1,
            at => at,
        };
        match projection {
            Some(projection) => projection.iter().map(|&index| in_scan(index)).collect(),
            None => (0..=last).map(in_scan).collect(),
        }
    }
}

#[async_trait]
impl TableProvider for PinTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // The others reach the scan as physical filters, where they prune row groups and pages.
        Ok(filters
            .iter()
            .map(|filter| match filter {
                filter if chooses_backends(filter) => TableProviderFilterPushDown::Exact,
                filter if wanted::names_contents(filter) => TableProviderFilterPushDown::Inexact,
                _ => TableProviderFilterPushDown::Unsupported,
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (names, others): (Vec<_>, Vec<_>) = filters.iter().cloned().partition(chooses_backends);
        let backends = keep(state, self.backends()?, &names, schema::backend_name())?;
        let files = match self.of {
            Of::Rejects => self.snapshot.rejects(&backends).await,
            Of::All | Of::Backend(_) => self.snapshot.files(&backends).await,
        };
        let files = files.map_err(external)?;
        if files.iter().all(|file| file.columns.fields().is_empty()) {
            // A scan of no files has no partition, which some plans do not expect.
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let rows = files.iter().map(|file| file.rows() as usize).sum();
        let wanted = Wanted::of(&others).filter(|_| !matches!(self.of, Of::Rejects)).map(Arc::new);
        let parts = parts(&files, wanted.as_ref()).await;
        if parts.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let chosen: Option<usize> = parts.iter().map(chosen_rows).sum();
        let groups = FileGroup::new(parts).split_files(state.config().target_partitions());
        let table_schema = self.table_schema();
        let statistics = Statistics {
            num_rows: match &wanted {
                None => Precision::Exact(rows),
                Some(_) => Precision::Inexact(chosen.unwrap_or(rows)),
            },
            ..Statistics::new_unknown(table_schema.table_schema())
        };
        let mut options = state.default_table_options().parquet;
        // Few rows are wanted: where pages have not been chosen, the other columns are read only where these are.
        options.global.pushdown_filters |= wanted.is_some();
        // The cache reads whole batches of the columns that are looked at, where a page would do.
        if wanted.is_some() {
            options.global.max_predicate_cache_size = Some(0);
        }
        // Which pages to read has been said: nothing is left to be ruled out by statistics.
        options.global.pruning &= chosen.is_none();
        options.global.enable_page_index &= chosen.is_none();
        // The page index has told already what a Bloom filter would.
        options.global.bloom_filter_on_read &=
            wanted.is_none() || files.iter().any(|file| !file.is_laid_out());
        let parquet = ParquetSource::new(table_schema).with_table_parquet_options(options);
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(PinSource::new(parquet)))
                .with_file_groups(groups)
                .with_statistics(statistics)
                .with_limit(limit)
                .with_expr_adapter(Some(Arc::new(PinAdapterFactory)))
                .with_projection_indices(Some(self.scan_indices(projection)))?
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// A schema with a key that no file has: then no file's schema equals it, and DataFusion adapts each file. A foreign
/// column called `content` must not pass for ours. Answers do not show the key.
fn marked(fields: Fields, kind: &str) -> SchemaRef {
    Arc::new(Schema::new_with_metadata(fields, [(schema::TABLE_KEY.to_owned(), kind.to_owned())].into()))
}

/// Whether a filter speaks of `backend_name` alone, so that it can be settled without opening a file.
fn chooses_backends(filter: &Expr) -> bool {
    is_only_of(filter, schema::BACKEND_NAME)
}

/// Whether a filter speaks of one column alone, and says the same whenever it is asked.
pub(super) fn is_only_of(filter: &Expr, column: &str) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty()
        && columns.iter().all(|found| found.name == column)
        && !filter.is_volatile()
        && !has_subquery(filter)
}

fn has_subquery(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let is_subquery =
        |expr: &Expr| Ok(matches!(expr, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)));
    filter.exists(is_subquery).unwrap_or(true)
}

/// The backends for whose names, as a column like `name`, all the filters hold.
pub(super) fn keep(
    state: &dyn Session,
    backends: Vec<BackendDir>,
    filters: &[Expr],
    name: Field,
) -> Result<Vec<BackendDir>> {
    let names: StringViewArray = backends.iter().map(|backend| Some(backend.name.as_str())).collect();
    let schema = Arc::new(Schema::new(vec![name]));
    let names = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(names)])?;
    let df_schema = DFSchema::try_from(schema)?;
    let mut kept = vec![true; backends.len()];
    for filter in filters {
        let holds = state.create_physical_expr(filter.clone(), &df_schema)?.evaluate(&names)?;
        let holds = holds.into_array(backends.len())?;
        let holds = holds.as_boolean();
        for (index, kept) in kept.iter_mut().enumerate() {
            *kept &= holds.is_valid(index) && holds.value(index);
        }
    }
    Ok(backends.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(backend, _)| backend).collect())
}

/// The files to scan, and of those that are laid out only what may have what is wanted.
async fn parts(files: &[Arc<PinnedFile>], wanted: Option<&Arc<Wanted>>) -> Vec<PartitionedFile> {
    let with_columns = files.iter().filter(|file| !file.columns.fields().is_empty());
    let Some(wanted) = wanted else { return with_columns.map(whole).collect() };
    let (files, wanted): (Vec<_>, _) = (with_columns.cloned().collect(), Arc::clone(wanted));
    ask_all(&files, |_| true, move |file| part(file, &wanted)).await.into_iter().flatten().collect()
}

fn whole(file: &Arc<PinnedFile>) -> PartitionedFile {
    partitioned(file, FileHandle::opened(Arc::clone(file)))
}

fn part(file: &Arc<PinnedFile>, wanted: &Wanted) -> Option<PartitionedFile> {
    let pages = if file.is_laid_out() { wanted.pages(file) } else { None };
    match pages {
        None => Some(whole(file)),
        Some(pages) if pages.plan.row_group_indexes().is_empty() => None,
        Some(pages) => {
            let handle = FileHandle::indexed(Arc::clone(file), pages.footer);
            Some(partitioned(file, handle).with_extension(pages.plan))
        }
    }
}

/// How many rows are to be read of a file, if that has been said.
fn chosen_rows(part: &PartitionedFile) -> Option<usize> {
    let plan = part.extension::<ParquetAccessPlan>()?;
    let groups = part.extension::<Arc<FileHandle>>()?.opened_file()?.footer.row_groups();
    let rows = plan.inner().iter().zip(groups).map(|(access, group)| match access {
        RowGroupAccess::Skip => 0,
        RowGroupAccess::Selection(selection) => selection.row_count(),
        RowGroupAccess::Scan => usize::try_from(group.num_rows()).unwrap_or_default(),
    });
    Some(rows.sum())
}

fn partitioned(file: &PinnedFile, handle: FileHandle) -> PartitionedFile {
    let backend = ScalarValue::Utf8View(Some(file.backend.to_string()));
    PartitionedFile::new_from_meta(file.meta().clone())
        .with_partition_values(vec![backend])
        .with_extension(Arc::new(handle))
}

/// The columns of a file that `pins` does not have. A type without values is no type for a column of a table that other
/// part files fill.
fn extra_columns(file: &PinnedFile) -> impl Iterator<Item = &Field> {
    let pins = schema::pins();
    let columns = file.columns.fields().iter().map(AsRef::as_ref);
    columns.filter(move |field: &&Field| {
        let known = pins.iter().any(|column| column.name().eq_ignore_ascii_case(field.name()));
        !known && *field.data_type() != DataType::Null
    })
}

/// One of our errors inside of one of DataFusion's.
pub(super) fn external(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> DataFusionError {
    DataFusionError::External(error.into())
}

impl From<UnreadableFile> for crate::error::Error {
    fn from(file: UnreadableFile) -> Self {
        let UnreadableFile { backend, path, reason } = file;
        crate::error::Error::UnreadableBackend { backend, path, reason }
    }
}

//! Scans that have nothing left to decide but which rows they want: each file is read page by page by whoever asks for its rows.
//!
//! DataFusion's own scan reads all columns of a row group before it looks at the first row, and prepares for predicates that
//! may change while it reads. That is worth it where pages have yet to be ruled out, and is left to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef, TimeUnit};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    Int96Coercer, ParquetAccessPlan, RowGroupAccess, RowGroupAccessPlanFilter,
    apply_file_schema_type_coercions,
};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource, ParquetFileMetrics, ParquetSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::simplifier::PhysicalExprSimplifier;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{PhysicalExprAdapterFactory, replace_columns_with_literals};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricBuilder};
use datafusion_datasource::morsel::{Morsel, MorselPlan, MorselPlanner, Morselizer};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use parquet::arrow::arrow_reader::RowSelection;
use tokio::task::yield_now;

use super::file::PinnedFile;
use super::file_rows::{Columns, Counts, FileRows, Filter, Reading};
use super::notes;
use super::pages::Failed;
use super::reader::FileHandle;
use super::sought;
use super::table::external;
use crate::pin::schema::{BACKEND_NAME, CONTENT, STATUS};

/// One partition of a scan.
#[derive(Clone)]
pub(super) struct PageScan(Arc<Scan>);

struct Scan {
    partition: usize,
    projection: ProjectionExprs,
    predicate: Option<Arc<dyn PhysicalExpr>>,
    columns: TableSchema,
    output: SchemaRef,
    adapter: Arc<dyn PhysicalExprAdapterFactory>,
    /// What times of the old kind are read as.
    int96: Option<TimeUnit>,
    /// Rows of a batch.
    rows: usize,
    metrics: ExecutionPlanMetricsSet,
    counts: Counts,
}

impl PageScan {
    /// How a partition of a scan reads its files, in batches of `rows` rows. `None` if DataFusion's own scan can do more.
    pub fn of(
        source: &ParquetSource,
        config: &FileScanConfig,
        partition: usize,
        rows: usize,
    ) -> Result<Option<PageScan>> {
        let columns = source.table_schema();
        let (Some(projection), Some(adapter)) = (source.projection(), &config.expr_adapter_factory) else {
            return Ok(None);
        };
        let options = &source.table_parquet_options().global;
        let has_pages_to_rule_out = options.enable_page_index || options.bloom_filter_on_read;
        let predicate = source.filter();
        let is_known = match &predicate {
            None => true,
            Some(predicate) => {
                options.pushdown_filters
                    && (is_of(predicate, &[STATUS, BACKEND_NAME])
                        || is_of(predicate, &[CONTENT, STATUS, BACKEND_NAME]) && lacks_contents(config)
                        || !options.pruning && !has_pages_to_rule_out)
            }
        };
        let int96 = match options.coerce_int96.as_deref() {
            None => None,
            Some("us") => Some(TimeUnit::Microsecond),
            Some(_) => return Ok(None),
        };
        let is_plain = columns.virtual_columns().is_empty() && options.coerce_int96_tz.is_none();
        if !is_known || !is_plain || projection.iter().any(|column| names_its_file(&column.expr)) {
            return Ok(None);
        }
        let predicate = predicate
            .map(|predicate| sought::with_lists_as_one(&predicate, columns.table_schema()))
            .transpose()?;
        let metrics = source.metrics();
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Ok(Some(PageScan(Arc::new(Scan {
            partition,
            projection: projection.clone(),
            predicate,
            output: Arc::new(projection.project_schema(columns.table_schema())?),
            columns: columns.clone(),
            adapter: Arc::clone(adapter),
            int96,
            rows: config.limit.map_or(rows, |limit| rows.min(limit.max(1))),
            counts: Counts {
                bytes: counter("bytes_scanned"),
                passed_over: counter("pushdown_rows_pruned"),
                kept: counter("pushdown_rows_matched"),
            },
            metrics: metrics.clone(),
        }))))
    }
}

/// Whether a predicate is about nothing else than these columns. One about the status rules out whole row groups or nothing.
fn is_of(predicate: &Arc<dyn PhysicalExpr>, columns: &[&str]) -> bool {
    collect_columns(predicate).iter().all(|column| columns.contains(&column.name()))
}

/// Whether contents are made of CIDs in all files, so that no statistics are about them.
fn lacks_contents(config: &FileScanConfig) -> bool {
    let mut parts = config.file_groups.iter().flat_map(|group| group.iter());
    parts.all(|part| {
        let handle = part.extension::<Arc<FileHandle>>();
        handle.and_then(|handle| handle.opened_file()).is_some_and(|file| !file.is_laid_out())
    })
}

/// Whether an expression asks which file it is evaluated on.
fn names_its_file(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let names = |expr: &Arc<dyn PhysicalExpr>| {
        expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| call.name() == "input_file_name")
    };
    expr.exists(|expr| Ok(names(expr))).unwrap_or(true)
}

impl Morselizer for PageScan {
    fn plan_file(&self, part: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let Some(handle) = part.extension::<Arc<FileHandle>>().cloned() else {
            let location = &part.object_meta.location;
            return datafusion::common::internal_err!("{location} was not opened when the query was planned");
        };
        Ok(Box::new(PageFile { scan: self.clone(), part, handle }))
    }
}

impl fmt::Debug for PageScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageScan").field("projection", &self.0.projection).finish_non_exhaustive()
    }
}

/// A file, or a part of one.
struct PageFile {
    scan: PageScan,
    part: PartitionedFile,
    handle: Arc<FileHandle>,
}

impl fmt::Debug for PageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PageFile").field(&self.part.object_meta.location).finish()
    }
}

impl MorselPlanner for PageFile {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        if self.handle.opened_file().is_some() {
            return Ok(Some(MorselPlan::new().with_morsels(vec![self])));
        }
        Ok(Some(MorselPlan::new().with_pending_planner(async move {
            self.handle.get().await.map_err(external)?;
            Ok(self as Box<dyn MorselPlanner>)
        })))
    }
}

impl Morsel for PageFile {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let rows = match self.rows() {
            Ok(rows) => rows,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let next = async |mut rows: FileRows| {
            loop {
                match rows.next() {
                    Some(Ok(Some(batch))) => return Some((Ok(batch), rows)),
                    // A query that is given up is to end soon.
                    Some(Ok(None)) => yield_now().await,
                    Some(Err(error)) => return Some((Err(error), rows)),
                    None => return None,
                }
            }
        };
        stream::unfold(rows, next).boxed()
    }
}

impl PageFile {
    fn rows(&self) -> Result<FileRows> {
        let (file, scan) = (self.handle.held(), &self.scan.0);
        let (rows, filter) = self.adapted(&file)?;
        let groups = self.groups(&file, &filter)?;
        let output = Arc::clone(&scan.output);
        let read = Reading {
            file,
            footer: self.handle.footer(),
            rows: scan.rows,
            counts: scan.counts.clone(),
            failed: Failed::default(),
        };
        Ok(FileRows::new(read, groups, rows, filter, output))
    }

    /// What the columns of the scan are in the file.
    fn adapted(&self, file: &PinnedFile) -> Result<(Columns, Filter)> {
        let scan = &self.scan.0;
        let of_table = scan.columns.file_schema();
        let mut physical = apply_file_schema_type_coercions(of_table, &file.columns)
            .map_or_else(|| Arc::clone(&file.columns), Arc::new);
        let schema = file.footer.file_metadata().schema_descr();
        let coerced = scan.int96.and_then(|unit| Int96Coercer::new(schema, &physical, &unit).coerce());
        physical = coerced.map_or(physical, Arc::new);
        let columns = scan.projection.iter().map(|column| &column.expr);
        match &scan.predicate {
            None => Ok((self.columns(columns, &physical, file)?, Filter::None)),
            // Most rows are passed over.
            Some(predicate) if self.part.extension::<ParquetAccessPlan>().is_none() => {
                let filter = match is_of(predicate, &[STATUS, BACKEND_NAME]) {
                    // There are few statuses.
                    true => {
                        let filter = self.rewritten([predicate], &physical)?;
                        Columns::of_filters(filter, &physical, &file.footer)?
                    }
                    false => self.columns([predicate], &physical, file)?,
                };
                let few = Arc::new(unviewed(&physical, &file.columns));
                Ok((self.columns(columns, &few, file)?, Filter::First(filter)))
            }
            // Pages that have been chosen have what is looked for, and are read once.
            Some(predicate) => {
                let mut columns = self.columns(columns.chain([predicate]), &physical, file)?;
                let filter = columns.exprs.pop().expect("the predicate is the last");
                Ok((columns, Filter::Along(filter)))
            }
        }
    }

    /// What some columns of the scan are in the file, whose columns are read as `physical` says.
    fn columns<'a>(
        &self,
        exprs: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>,
        physical: &SchemaRef,
        file: &PinnedFile,
    ) -> Result<Columns> {
        Columns::of(self.rewritten(exprs, physical)?, physical, &file.footer)
    }

    /// Expressions over the columns of the scan as such over a file's.
    fn rewritten<'a>(
        &self,
        exprs: impl IntoIterator<Item = &'a Arc<dyn PhysicalExpr>>,
        physical: &SchemaRef,
    ) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        let scan = &self.scan.0;
        let adapter = scan.adapter.create(Arc::clone(scan.columns.file_schema()), Arc::clone(physical))?;
        let simplifier = PhysicalExprSimplifier::new(physical);
        let literals = self.literals();
        let exprs = exprs.into_iter().map(|expr| {
            let expr = replace_columns_with_literals(Arc::clone(expr), &literals)?;
            simplifier.simplify(adapter.rewrite(expr)?)
        });
        exprs.collect()
    }

    /// The columns that are the same in all rows.
    fn literals(&self) -> HashMap<String, ScalarValue> {
        let scan = &self.scan.0;
        let names = scan.columns.table_partition_cols().iter().map(|field| field.name().clone());
        let mut literals: HashMap<_, _> = names.zip(self.part.partition_values.iter().cloned()).collect();
        let columns = self.part.statistics.iter().flat_map(|statistics| &statistics.column_statistics);
        for (field, column) in scan.columns.file_schema().fields().iter().zip(columns) {
            if let (Precision::Exact(min), Precision::Exact(max)) = (&column.min_value, &column.max_value)
                && column.null_count == Precision::Exact(0)
                && min == max
                && min.data_type() == *field.data_type()
            {
                literals.insert(field.name().clone(), min.clone());
            }
        }
        literals
    }

    /// The row groups to be read, and which rows of each.
    fn groups(&self, file: &PinnedFile, filter: &Filter) -> Result<Vec<(usize, Option<RowSelection>)>> {
        let groups = file.footer.row_groups();
        let plan = match self.part.extension::<ParquetAccessPlan>() {
            Some(plan) if plan.len() != groups.len() => {
                return datafusion::common::internal_err!(
                    "a plan for {} of {} row groups",
                    plan.len(),
                    groups.len()
                );
            }
            Some(plan) => plan.clone(),
            None => ParquetAccessPlan::new_all(groups.len()),
        };
        let mut plan = RowGroupAccessPlanFilter::new(plan);
        if let Some(range) = &self.part.range {
            plan.prune_by_range(groups, range);
        }
        if let Filter::First(filter) = filter {
            self.rule_out(&mut plan, filter, file);
        }
        let access = plan.build().into_inner().into_iter().enumerate();
        Ok(access
            .filter_map(|(group, access)| match access {
                RowGroupAccess::Skip => None,
                RowGroupAccess::Scan => Some((group, None)),
                RowGroupAccess::Selection(selection) => Some((group, Some(selection))),
            })
            .collect())
    }

    /// Leaves out the row groups of which statistics say that no row passes.
    fn rule_out(&self, plan: &mut RowGroupAccessPlanFilter, filter: &Columns, file: &PinnedFile) {
        let scan = &self.scan.0;
        let (schema, location) =
            (file.footer.file_metadata().schema_descr(), &self.part.object_meta.location);
        for expr in &filter.of_file {
            let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&filter.file));
            let Ok(pruning) = builder.try_build(Arc::clone(expr)) else { continue };
            if pruning.always_true() {
                continue;
            }
            let metrics = ParquetFileMetrics::new(scan.partition, location.as_ref(), &scan.metrics);
            plan.prune_by_statistics(&filter.file, schema, file.footer.row_groups(), &pruning, &metrics);
        }
    }
}

/// Text that the file has as such, not as views: those would hold on to whole pages for the few rows in them that are wanted.
fn unviewed(columns: &SchemaRef, of_file: &SchemaRef) -> Schema {
    let fields = columns.fields().iter().zip(of_file.fields());
    let fields = fields.map(|(field, own)| {
        // What may be no text is checked as views.
        let is_text = own.data_type().is_string() && !notes::is_unchecked(of_file.metadata(), own.name());
        Arc::clone(if is_text { own } else { field })
    });
    Schema::new_with_metadata(fields.collect::<Vec<_>>(), columns.metadata().clone())
}

//! Sorted runs: stretches of a scan's files whose rows come sorted by `content`, as their footers prove.
//!
//! A file that pinql wrote has one for each of its sections. Ranges of contents cut through all runs alike, so that what
//! lies in one range can be put together without a look at the others.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::config::ConfigOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, lit};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::{collect_columns, conjunction_opt};
use datafusion::physical_plan::ExecutionPlan;
use futures::future::try_join_all;

use super::ranges::{self, ContentRange, Span};
use super::reader::FileHandle;
use super::row_groups::{RowGroup, in_runs, row_groups};
use super::source::{PinSource, named, pin_scan};
use super::totals::{Totals, totals};
use crate::pin::schema::{BACKEND_NAME, CONTENT, STATUS};

/// A scan of files that consist of sorted runs only.
pub(crate) struct SortedScan {
    config: FileScanConfig,
    source: PinSource,
    /// Those of one backend stand side by side.
    runs: Vec<Run>,
}

/// Row groups of one file, each with contents that are not less than those of the one before.
#[derive(Debug)]
struct Run {
    file: PartitionedFile,
    facts: RunFacts,
    /// How many row groups the whole file has.
    of: usize,
    groups: Vec<RowGroup>,
}

/// What is the same in all rows of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RunFacts {
    pub backend: Arc<str>,
    /// `None` if they differ.
    pub status: Option<Arc<str>>,
}

/// A scan of one range, or of all.
pub(crate) struct RangeScan {
    /// Has one partition for each run or part of one, sorted by content. It may begin before the range and end behind it.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What is the same in all rows of each partition.
    pub facts: Vec<RunFacts>,
}

/// A scan of whole runs.
pub(crate) struct FileScan {
    /// Has one partition for each part of a file.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What is known of the row groups of each part, in the order of their rows, and how many rows each has.
    pub runs: Vec<Vec<(RunFacts, u64)>>,
}

impl fmt::Debug for SortedScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SortedScan").field("runs", &self.runs).finish_non_exhaustive()
    }
}

impl SortedScan {
    /// The scan that `node` is; `None` if it is none of pin mappings, or some of its rows are not known to be sorted.
    pub fn of(node: &dyn ExecutionPlan) -> Option<SortedScan> {
        let (config, source) = pin_scan(node)?;
        if config.limit.is_some() {
            return None;
        }
        let columns = columns_of(source);
        let mut runs = Vec::new();
        for file in whole_files(config)? {
            let pinned = file.extension::<Arc<FileHandle>>()?.opened_file()?;
            let groups = row_groups(pinned, &columns)?;
            let run = |groups: Vec<RowGroup>| Run {
                file: file.clone(),
                facts: RunFacts {
                    backend: Arc::clone(&pinned.backend),
                    status: groups.first().and_then(|group| group.status.clone()),
                },
                of: pinned.footer.num_row_groups(),
                groups,
            };
            runs.extend(in_runs(groups).into_iter().map(run));
        }
        runs.sort_by(|one, other| one.facts.backend.cmp(&other.facts.backend));
        let (config, source) = (config.clone(), source.clone());
        (!runs.is_empty()).then_some(SortedScan { config, source, runs })
    }

    /// The columns of the scan.
    pub fn schema(&self) -> Result<SchemaRef> {
        let all = self.source.table_schema().table_schema();
        match self.source.projection() {
            Some(projection) => Ok(Arc::new(projection.project_schema(all)?)),
            None => Ok(Arc::clone(all)),
        }
    }

    /// The scan's column at `index` in terms of the table's columns.
    pub fn expr(&self, index: usize) -> Option<&Arc<dyn PhysicalExpr>> {
        Some(&self.source.projection()?.as_ref().get(index)?.expr)
    }

    /// The name of the table's column that the scan's column at `index` is, if it is one as it stands.
    pub fn column(&self, index: usize) -> Option<&str> {
        self.expr(index)?.downcast_ref::<Column>().map(Column::name)
    }

    /// Leaves out all columns but those at `columns`. False if that cannot be: then nothing has changed.
    pub fn keep(&mut self, columns: &[usize]) -> Result<bool> {
        let Some(projection) = self.source.projection() else { return Ok(false) };
        let all = projection.project_schema(self.source.table_schema().table_schema())?;
        let kept = ProjectionExprs::from_indices(columns, &all);
        let Some(source) = self.source.with_projection(&kept)? else { return Ok(false) };
        self.source = source;
        Ok(true)
    }

    /// What is known of each run.
    pub fn facts(&self) -> impl Iterator<Item = &RunFacts> {
        self.runs.iter().map(|run| &run.facts)
    }

    /// How many rows a run has.
    pub fn rows_of(&self, run: usize) -> u64 {
        self.runs[run].groups.iter().map(|group| group.rows).sum()
    }

    /// What footers say of one of the table's columns in all rows of a run; `None` if they do not say it exactly.
    pub fn totals(&self, run: usize, column: &str) -> Option<Totals> {
        let run = &self.runs[run];
        let file = run.file.extension::<Arc<FileHandle>>()?.opened_file()?;
        totals(file, run.groups.iter().map(|group| group.index), column)
    }

    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    pub fn rows(&self) -> u64 {
        self.groups().map(|group| group.rows).sum()
    }

    /// What the columns of the scan take in the files.
    pub fn bytes(&self) -> u64 {
        self.groups().map(|group| group.bytes).sum()
    }

    fn groups(&self) -> impl Iterator<Item = &RowGroup> {
        self.runs.iter().flat_map(|run| &run.groups)
    }

    /// At most `count` ranges that hold all contents, with about as many rows in each.
    pub fn ranges(&self, count: usize) -> Vec<ContentRange> {
        let groups = self.groups();
        let spans: Vec<_> =
            groups.map(|group| Span { min: &group.min, max: &group.max, rows: group.rows }).collect();
        ranges::cut(&spans, count)
    }

    /// Reads the page indexes of the files that a range cuts through.
    pub async fn load_indexes(&self, range: &ContentRange) -> Result<()> {
        let cut =
            self.runs.iter().filter(|run| run.groups.iter().any(|group| range.cuts(&group.min, &group.max)));
        let loading = cut.map(async |run| {
            let Some(handle) = run.file.extension::<Arc<FileHandle>>() else { return Ok(()) };
            let loaded = handle.load_index().await;
            loaded.map_err(|error| named(error.into(), &Some(Arc::clone(handle))))
        });
        try_join_all(loading).await?;
        Ok(())
    }

    /// The scan of one range in batches of `rows` rows; `None` if nothing lies in it.
    pub fn within(&self, range: &ContentRange, rows: usize) -> Result<Option<RangeScan>> {
        let (mut files, mut facts) = (Vec::new(), Vec::new());
        for run in &self.runs {
            let mut access = ParquetAccessPlan::new_none(run.of);
            let mut read = run.groups.iter().filter(|group| range.meets(&group.min, &group.max)).peekable();
            if read.peek().is_none() {
                continue;
            }
            read.for_each(|group| access.scan(group.index));
            let file = self.with_status(run.file.clone(), run.facts.status.as_deref());
            files.push(FileGroup::new(vec![file.with_extension(access)]));
            facts.push(run.facts.clone());
        }
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(RangeScan { plan: self.plan_of(self.source_of(range)?, files, rows), facts }))
    }

    /// The scan of all rows of some runs in batches of `rows` rows, those of a file one after the other, in parts of about `most`
    /// rows; filters that were pushed down are not asked. `None` if that cannot be.
    pub fn in_files(
        &self,
        most: u64,
        rows: usize,
        wanted: impl Fn(&RunFacts) -> bool,
    ) -> Result<Option<FileScan>> {
        let Some(source) = self.source.without_filter()? else { return Ok(None) };
        let of_files =
            self.runs.chunk_by(|one, other| one.file.object_meta.location == other.file.object_meta.location);
        let (mut files, mut runs) = (Vec::new(), Vec::new());
        for of_file in of_files {
            let wanted = of_file.iter().filter(|run| wanted(&run.facts));
            let mut groups =
                wanted.flat_map(|run| run.groups.iter().map(move |group| (run, group))).peekable();
            while let Some((first, _)) = groups.peek() {
                let (mut access, mut taken) = (ParquetAccessPlan::new_none(first.of), 0);
                let mut of_part: Vec<(RunFacts, u64)> = Vec::new();
                while let Some((run, group)) =
                    groups.next_if(|(_, group)| taken == 0 || taken + group.rows <= most)
                {
                    access.scan(group.index);
                    taken += group.rows;
                    of_part.push((run.facts.clone(), group.rows));
                }
                let status = &of_part[0].0.status;
                let same = of_part.iter().all(|(facts, _)| facts.status == *status);
                let file = self.with_status(of_file[0].file.clone(), status.as_deref().filter(|_| same));
                files.push(FileGroup::new(vec![file.with_extension(access)]));
                runs.push(of_part);
            }
        }
        Ok(Some(FileScan { plan: self.plan_of(Arc::new(source), files, rows), runs }))
    }

    /// The scan of some runs in batches of `rows` rows, each run in parts of about `most` rows.
    pub fn in_parts(&self, most: u64, rows: usize, wanted: &[usize]) -> RangeScan {
        let (mut files, mut facts) = (Vec::new(), Vec::new());
        for run in wanted.iter().map(|run| &self.runs[*run]) {
            let mut groups = run.groups.iter().peekable();
            while groups.peek().is_some() {
                let (mut access, mut taken) = (ParquetAccessPlan::new_none(run.of), 0);
                while let Some(group) = groups.next_if(|group| taken == 0 || taken + group.rows <= most) {
                    access.scan(group.index);
                    taken += group.rows;
                }
                let file = self.with_status(run.file.clone(), run.facts.status.as_deref());
                files.push(FileGroup::new(vec![file.with_extension(access)]));
                facts.push(run.facts.clone());
            }
        }
        RangeScan { plan: self.plan_of(Arc::new(self.source.clone()), files, rows), facts }
    }

    /// A scan with one partition for each of `files`.
    fn plan_of(
        &self,
        source: Arc<dyn FileSource>,
        files: Vec<FileGroup>,
        rows: usize,
    ) -> Arc<dyn ExecutionPlan> {
        let statistics = Statistics::new_unknown(self.source.table_schema().table_schema());
        let config = FileScanConfigBuilder::from(self.config.clone())
            .with_source(source)
            .with_file_groups(files)
            .with_statistics(statistics)
            .with_batch_size(Some(rows))
            // Otherwise a partition that is done takes files of another.
            .with_preserve_order(true)
            .build();
        DataSourceExec::from_data_source(config)
    }

    /// The file with a note that all rows to be read have that status: the column need not be read.
    fn with_status(&self, file: PartitionedFile, status: Option<&str>) -> PartitionedFile {
        let columns = self.source.table_schema().file_schema();
        let (Some(status), Ok(index)) = (status, columns.index_of(STATUS)) else { return file };
        let value = Precision::Exact(ScalarValue::Utf8View(Some(status.to_owned())));
        let mut statistics = Statistics::new_unknown(columns);
        let column = &mut statistics.column_statistics[index];
        column.null_count = Precision::Exact(0);
        (column.min_value, column.max_value) = (value.clone(), value);
        file.with_statistics(Arc::new(statistics))
    }

    /// The source with the range as a predicate, by which row groups and pages are passed over.
    fn source_of(&self, range: &ContentRange) -> Result<Arc<dyn FileSource>> {
        let whole: Arc<dyn FileSource> = Arc::new(self.source.clone());
        let index = self.source.table_schema().table_schema().index_of(CONTENT)?;
        let compare = |operator, bytes: &[u8]| -> Arc<dyn PhysicalExpr> {
            let content = Arc::new(Column::new(CONTENT, index));
            Arc::new(BinaryExpr::new(content, operator, lit(ScalarValue::BinaryView(Some(bytes.to_vec())))))
        };
        let from = (!range.from.is_empty()).then(|| compare(Operator::GtEq, &range.from));
        let to = range.to.as_ref().map(|to| compare(Operator::Lt, to));
        let Some(predicate) = conjunction_opt(from.into_iter().chain(to)) else { return Ok(whole) };
        let pushed = whole.try_pushdown_filters(vec![predicate], &ConfigOptions::default())?;
        Ok(pushed.updated_node.unwrap_or(whole))
    }
}

impl RunFacts {
    /// The value of one of the table's columns, if it is the same in all rows.
    pub fn value(&self, column: &str) -> Option<ScalarValue> {
        let text = match column {
            BACKEND_NAME => Some(&self.backend),
            STATUS => self.status.as_ref(),
            _ => None,
        };
        text.map(|text| ScalarValue::Utf8View(Some(text.to_string())))
    }
}

/// The names of the file's columns that a scan reads.
fn columns_of(source: &PinSource) -> Vec<String> {
    let exprs = source.projection().into_iter().flat_map(|projection| projection.as_ref());
    let mut names: Vec<_> = exprs.flat_map(|column| collect_columns(&column.expr)).collect();
    names.sort_by(|one, other| one.name().cmp(other.name()));
    names.dedup();
    names.iter().map(|column| column.name().to_owned()).collect()
}

/// The files of a scan, each as a whole. `None` if the scan reads only a part of one.
fn whole_files(config: &FileScanConfig) -> Option<Vec<PartitionedFile>> {
    let mut parts: Vec<_> = config.file_groups.iter().flat_map(|group| group.iter()).collect();
    parts.sort_by_key(|part| (&part.object_meta.location, part.range().0));
    let (mut files, mut read): (Vec<PartitionedFile>, u64) = (Vec::new(), 0);
    for part in parts {
        let (from, to) = part.range();
        let size = part.object_meta.size;
        let same = files.last().is_some_and(|file| file.object_meta.location == part.object_meta.location);
        let begins = match same {
            true => read,
            // The one before has to be complete.
            false if files.last().is_some_and(|file| file.object_meta.size != read) => return None,
            false => 0,
        };
        if from != begins || to > size || part.extension::<ParquetAccessPlan>().is_some() {
            return None;
        }
        if !same {
            files.push(PartitionedFile { range: None, statistics: None, ..part.clone() });
        }
        read = to;
    }
    files.last().is_none_or(|file| file.object_meta.size == read).then_some(files)
}

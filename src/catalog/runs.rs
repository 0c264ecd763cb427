//! Sorted runs: stretches of a scan's files whose rows come sorted by `content`, as their footers prove.
//!
//! A file that pinql wrote has one for each of its sections. Ranges of contents cut through all runs alike, so that what
//! lies in one range can be put together without a look at the others.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileSource};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;
use futures::future::try_join_all;

use super::ranges::{self, ContentRange, Span};
use super::reader::FileHandle;
use super::row_groups::{RowGroup, in_runs, row_groups};
use super::source::{PinSource, named, pin_scan};
use super::totals::{Totals, totals};
use crate::pin::schema::{BACKEND_NAME, STATUS};

/// Runs that most files have.
const SECTIONS: usize = 3;

/// A scan of files that consist of sorted runs only.
pub(crate) struct SortedScan {
    /// The scan as it was: a [`FileScanConfig`], which is large with many files.
    pub(super) general: Arc<dyn DataSource>,
    pub(super) source: PinSource,
    /// Those of one backend stand side by side.
    pub(super) runs: Vec<Run>,
}

/// Row groups of one file, each with contents that are not less than those of the one before.
#[derive(Debug)]
pub(super) struct Run {
    pub file: Arc<PartitionedFile>,
    pub facts: RunFacts,
    /// How many row groups the whole file has.
    pub of: usize,
    pub groups: Vec<RowGroup>,
}

/// What is the same in all rows of a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RunFacts {
    pub backend: Arc<str>,
    /// `None` if they differ.
    pub status: Option<Arc<str>>,
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
        let mut runs =
            Vec::with_capacity(SECTIONS * config.file_groups.iter().map(FileGroup::len).sum::<usize>());
        for file in whole_files(config)?.into_iter().map(Arc::new) {
            let pinned = file.extension::<Arc<FileHandle>>()?.opened_file()?;
            let groups = row_groups(pinned, &columns)?;
            let run = |groups: Vec<RowGroup>| Run {
                file: Arc::clone(&file),
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
        let general = Arc::clone(node.downcast_ref::<DataSourceExec>()?.data_source());
        (!runs.is_empty()).then_some(SortedScan { general, source: source.clone(), runs })
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

    /// What was pushed down to the scan, in terms of the table's columns.
    pub fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.source.filter()
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

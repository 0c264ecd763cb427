//! How sorted runs are read: of which files and row groups a scan is, and in how many partitions.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::RowSelection;

use super::ranges::ContentRange;
use super::reader::FileHandle;
use super::row_groups::{RowGroup, content_column, rows_of_pages};
use super::runs::{Run, RunFacts, SortedScan};
use crate::pin::schema::STATUS;

/// Files of which no more than so many rows are read share a partition: each partition has its cost.
const TOGETHER: u64 = 64 << 10;

/// A scan of one range, or of all.
pub(crate) struct RangeScan {
    /// Has one partition for each run or part of one, sorted by content. It may begin before the range and end behind it.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What is the same in all rows of each partition.
    pub facts: Vec<RunFacts>,
}

/// A scan of runs file by file.
pub(crate) struct FileScan {
    /// Has one partition for each part of a file, or for some small files.
    pub plan: Arc<dyn ExecutionPlan>,
    /// What is known of the row groups of each partition, in the order of their rows, and how many rows are read of each.
    pub runs: Vec<Vec<(RunFacts, u64)>>,
}

impl SortedScan {
    /// The scan of one range in batches of `rows` rows; `None` if nothing lies in it.
    pub fn within(&self, range: &ContentRange, rows: usize) -> Result<Option<RangeScan>> {
        let (mut files, mut facts) = (Vec::new(), Vec::new());
        for run in &self.runs {
            let mut access = ParquetAccessPlan::new_none(run.of);
            let mut read = run.groups.iter().filter(|group| range.meets(&group.min, &group.max)).peekable();
            if read.peek().is_none() {
                continue;
            }
            for group in read {
                access.scan(group.index);
                if let Some(rows) = rows_within(run, group, range) {
                    access.scan_selection(group.index, rows);
                }
            }
            files.push(FileGroup::new(vec![self.part(&run.file, run.facts.status.as_deref(), access)]));
            facts.push(run.facts.clone());
        }
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Some(RangeScan { plan: self.plan_of(Arc::new(self.source.clone()), files, rows), facts }))
    }

    /// The scan of some runs in batches of `rows` rows, of all their rows or of the pages that a range may have, those of a file one after
    /// the other, in parts of about `most` rows; filters that were pushed down are not asked. `None` if that cannot be.
    pub fn in_files(
        &self,
        range: Option<&ContentRange>,
        most: u64,
        rows: usize,
        wanted: impl Fn(&RunFacts) -> bool,
    ) -> Result<Option<FileScan>> {
        let Some(source) = self.source.without_filter()? else { return Ok(None) };
        let of_files =
            self.runs.chunk_by(|one, other| one.file.object_meta.location == other.file.object_meta.location);
        let (mut files, mut runs): (Vec<FileGroup>, Vec<Vec<_>>) = (Vec::new(), Vec::new());
        // Rows of the last partition.
        let mut before = 0;
        for of_file in of_files {
            let wanted = of_file.iter().filter(|run| wanted(&run.facts));
            let groups = wanted.flat_map(|run| run.groups.iter().map(move |group| (run, group)));
            let met = groups.filter_map(|(run, group)| match range {
                None => Some((run, group, None, group.rows)),
                Some(range) if !range.meets(&group.min, &group.max) => None,
                Some(range) => {
                    let pages = rows_within(run, group, range);
                    let rows = pages.as_ref().map_or(group.rows, |pages| pages.row_count() as u64);
                    (rows > 0).then_some((run, group, pages, rows))
                }
            });
            let mut groups = met.peekable();
            while let Some((first, ..)) = groups.peek() {
                let (mut access, mut taken) = (ParquetAccessPlan::new_none(first.of), 0);
                let mut of_part: Vec<(RunFacts, u64)> = Vec::new();
                while let Some((run, group, pages, rows)) =
                    groups.next_if(|(.., rows)| taken == 0 || taken + rows <= most)
                {
                    access.scan(group.index);
                    if let Some(pages) = pages {
                        access.scan_selection(group.index, pages);
                    }
                    taken += rows;
                    of_part.push((run.facts.clone(), rows));
                }
                let status = &of_part[0].0.status;
                let same = of_part.iter().all(|(facts, _)| facts.status == *status);
                let part = self.part(&of_file[0].file, status.as_deref().filter(|_| same), access);
                match (files.last_mut(), runs.last_mut()) {
                    (Some(files), Some(runs)) if before + taken <= TOGETHER.min(most) => {
                        files.push(part);
                        runs.extend(of_part);
                        before += taken;
                    }
                    _ => {
                        files.push(FileGroup::new(vec![part]));
                        runs.push(of_part);
                        before = taken;
                    }
                }
            }
        }
        Ok(Some(FileScan { plan: self.plan_of(Arc::new(source), files, rows), runs }))
    }

    /// About how many rows lie in a range, if the page indexes that it cuts through have been read: of a page that it cuts, half.
    pub fn rows_about(&self, range: &ContentRange) -> u64 {
        let groups = self.runs.iter().flat_map(|run| run.groups.iter().map(move |group| (run, group)));
        let rows = groups.filter(|(_, group)| range.meets(&group.min, &group.max)).map(|(run, group)| {
            let met = rows_within(run, group, range);
            let Some(met) = met.map(|met| met.row_count() as u64) else {
                return if range.cuts(&group.min, &group.max) { group.rows / 2 } else { group.rows };
            };
            let inside =
                pages_of(run, group, |least, most| !range.cuts(least, most) && range.meets(least, most));
            let inside = inside.map_or(0, |inside| inside.row_count() as u64);
            inside + (met - inside) / 2
        });
        rows.sum()
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
                files.push(FileGroup::new(vec![self.part(&run.file, run.facts.status.as_deref(), access)]));
                facts.push(run.facts.clone());
            }
        }
        RangeScan { plan: self.plan_of(Arc::new(self.source.clone()), files, rows), facts }
    }

    /// The scan of all rows of some runs in so many partitions, each with about as many rows; filters that were pushed down are
    /// not asked. `None` if that cannot be.
    pub fn in_partitions(
        &self,
        partitions: usize,
        wanted: &[usize],
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(source) = self.source.without_filter()? else { return Ok(None) };
        let all: u128 = wanted.iter().map(|run| u128::from(self.rows_of(*run))).sum();
        let (mut files, mut before) = (vec![FileGroup::default(); partitions], 0);
        for run in wanted.iter().map(|run| &self.runs[*run]) {
            let mut groups = run.groups.iter().peekable();
            while groups.peek().is_some() {
                let partition = |before: u128| (before * partitions as u128 / all.max(1)) as usize;
                let (mut access, into) = (ParquetAccessPlan::new_none(run.of), partition(before));
                while let Some(group) = groups.next_if(|_| partition(before) == into) {
                    access.scan(group.index);
                    before += u128::from(group.rows);
                }
                files[into].push(self.part(&run.file, run.facts.status.as_deref(), access));
            }
        }
        Ok(Some(DataSourceExec::from_data_source(self.config(Arc::new(source), files).build())))
    }

    /// The scan as it was, of other files.
    fn config(&self, source: Arc<dyn FileSource>, files: Vec<FileGroup>) -> FileScanConfigBuilder {
        let config = self.general.downcast_ref::<FileScanConfig>();
        let statistics = Statistics::new_unknown(self.source.table_schema().table_schema());
        FileScanConfigBuilder::from(config.expect("it was one when it was taken").clone())
            .with_source(source)
            .with_file_groups(files)
            .with_statistics(statistics)
    }

    /// A scan with one partition for each of `files`.
    fn plan_of(
        &self,
        source: Arc<dyn FileSource>,
        files: Vec<FileGroup>,
        rows: usize,
    ) -> Arc<dyn ExecutionPlan> {
        let config = self
            .config(source, files)
            .with_batch_size(Some(rows))
            // Otherwise a partition that is done takes files of another.
            .with_preserve_order(true)
            .build();
        DataSourceExec::from_data_source(config)
    }

    /// The row groups of a file that are to be read, with a note on the status that all of their rows have: the column need
    /// not be read.
    fn part(
        &self,
        file: &PartitionedFile,
        status: Option<&str>,
        access: ParquetAccessPlan,
    ) -> PartitionedFile {
        let file = file.clone().with_extension(access);
        let columns = self.source.table_schema().file_schema();
        let (Some(status), Ok(index)) = (status, columns.index_of(STATUS)) else { return file };
        let value = Precision::Exact(ScalarValue::Utf8View(Some(status.to_owned())));
        let mut statistics = Statistics::new_unknown(columns);
        let column = &mut statistics.column_statistics[index];
        column.null_count = Precision::Exact(0);
        (column.min_value, column.max_value) = (value.clone(), value);
        file.with_statistics(Arc::new(statistics))
    }
}

/// The rows of the pages of a row group that a range may have, if it has not all of them and the page index is known.
fn rows_within(run: &Run, group: &RowGroup, range: &ContentRange) -> Option<RowSelection> {
    if !range.cuts(&group.min, &group.max) {
        return None;
    }
    pages_of(run, group, |least, most| range.meets(least, most))
}

/// The rows of the pages of a row group of whose least and greatest content something holds, if the page index is known.
fn pages_of(run: &Run, group: &RowGroup, holds: impl Fn(&[u8], &[u8]) -> bool) -> Option<RowSelection> {
    let handle = run.file.extension::<Arc<FileHandle>>()?;
    let column = content_column(handle.opened_file()?)?;
    let footer = handle.footer();
    let (columns, offsets) = (footer.column_index()?, footer.offset_index()?);
    let rows = usize::try_from(group.rows).ok()?;
    let (columns, offsets) = (&columns[group.index][column], &offsets[group.index][column]);
    rows_of_pages(columns, offsets, rows, holds)
}

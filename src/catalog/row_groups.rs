//! The row groups of a file of ours, and which of them make a sorted run.

use std::sync::Arc;

use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use parquet::basic::Type;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::file::statistics::Statistics as ColumnStatistics;

use super::file::PinnedFile;
use crate::pin::schema::{CONTENT, STATUS};

#[derive(Debug)]
pub(super) struct RowGroup {
    pub index: usize,
    /// The status of all its rows.
    pub status: Option<Arc<str>>,
    /// No content in it is less.
    pub min: Vec<u8>,
    /// No content in it is greater.
    pub max: Vec<u8>,
    pub rows: u64,
    /// What the columns of the scan take in the file.
    pub bytes: u64,
}

/// The row groups of a file that have rows. `None` if one of them is not known to be sorted.
pub(super) fn row_groups(file: &PinnedFile, columns: &[String]) -> Option<Vec<RowGroup>> {
    let content = content_column(file)?;
    let groups = file.footer.row_groups().iter().enumerate().filter(|(_, group)| group.num_rows() > 0);
    groups.map(|(index, group)| row_group(index, group, content, columns)).collect()
}

/// Where a file of ours has its column of contents: a plain one, without NULLs, that is taken as it stands.
pub(super) fn content_column(file: &PinnedFile) -> Option<usize> {
    let footer: &ParquetMetaData = &file.footer;
    let columns = footer.file_metadata().schema_descr().columns();
    let index = columns.iter().position(|column| column.path().parts() == [CONTENT])?;
    let plain = columns[index].physical_type() == Type::BYTE_ARRAY
        && columns[index].max_def_level() == 0
        && columns[index].max_rep_level() == 0;
    let binary = file.columns.field_with_name(CONTENT).is_ok_and(|field| field.data_type().is_binary());
    (file.is_laid_out() && plain && binary).then_some(index)
}

fn row_group(index: usize, group: &RowGroupMetaData, content: usize, columns: &[String]) -> Option<RowGroup> {
    let sorted = group.sorting_columns()?.first()?;
    if sorted.column_idx as usize != content || sorted.descending {
        return None;
    }
    let statistics = group.column(content).statistics()?;
    let read = group.columns().iter().filter(|column| {
        let name = column.column_path().parts().first();
        name.is_some_and(|name| columns.contains(name))
    });
    Some(RowGroup {
        index,
        status: only_status(group),
        // Where they were cut short they are bounds all the same.
        min: statistics.min_bytes_opt()?.to_vec(),
        max: statistics.max_bytes_opt()?.to_vec(),
        rows: group.num_rows().max(0) as u64,
        bytes: read.map(|column| column.compressed_size().max(0) as u64).sum(),
    })
}

/// The status of all rows of a row group, if there is but one.
fn only_status(group: &RowGroupMetaData) -> Option<Arc<str>> {
    let column = group.columns().iter().find(|column| column.column_path().parts() == [STATUS])?;
    let ColumnStatistics::ByteArray(statistics) = column.statistics()? else { return None };
    let exact = statistics.min_is_exact() && statistics.max_is_exact();
    let (min, max) = statistics.min_opt().zip(statistics.max_opt())?;
    let only = exact && min == max && column.column_descr().max_def_level() == 0;
    only.then(|| min.as_utf8().ok().map(Arc::from)).flatten()
}

/// Puts row groups that go on where the one before ends into one run. What is the same in all rows of one is so in the whole
/// run.
pub(super) fn in_runs(groups: Vec<RowGroup>) -> Vec<Vec<RowGroup>> {
    let mut runs: Vec<Vec<RowGroup>> = Vec::new();
    for group in groups {
        match runs.last_mut() {
            Some(run)
                if run.last().is_some_and(|last| last.max <= group.min && last.status == group.status) =>
            {
                run.push(group)
            }
            _ => runs.push(vec![group]),
        }
    }
    runs
}

/// The rows of those pages of a column of which `wanted` holds, given bounds of their values. `None` if the index does not tell.
pub(super) fn rows_of_pages(
    index: &ColumnIndexMetaData,
    offsets: &OffsetIndexMetaData,
    rows: usize,
    wanted: impl Fn(&[u8], &[u8]) -> bool,
) -> Option<RowSelection> {
    let pages = offsets.page_locations().len();
    if index.num_pages() != pages as u64 {
        return None;
    }
    let ColumnIndexMetaData::BYTE_ARRAY(index) = index else { return None };
    let starts: Vec<usize> = offsets
        .page_locations()
        .iter()
        .map(|page| usize::try_from(page.first_row_index).ok())
        .chain([Some(rows)])
        .collect::<Option<_>>()?;
    let mut selectors = Vec::with_capacity(starts.len());
    for page in 0..pages {
        let length = starts[page + 1].checked_sub(starts[page])?;
        let wanted = match (index.min_value(page), index.max_value(page)) {
            (Some(least), Some(most)) => wanted(least, most),
            _ => true,
        };
        selectors.push(if wanted { RowSelector::select(length) } else { RowSelector::skip(length) });
    }
    (starts.first() == Some(&0)).then(|| RowSelection::from(selectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(index: usize, min: &[u8], max: &[u8]) -> RowGroup {
        RowGroup { index, status: None, min: min.to_vec(), max: max.to_vec(), rows: 1, bytes: 1 }
    }

    #[test]
    fn a_run_ends_where_contents_begin_anew() {
        let groups =
            vec![group(0, b"a", b"c"), group(1, b"c", b"d"), group(2, b"", b"b"), group(3, b"e", b"f")];
        let runs = in_runs(groups);
        let indices: Vec<Vec<_>> =
            runs.iter().map(|run| run.iter().map(|group| group.index).collect()).collect();
        assert_eq!(indices, [vec![0, 1], vec![2, 3]]);
    }
}

//! What the footer of a file of ours says of a column in all rows of some row groups: enough to count, to add up, and to find
//! the least and the greatest without a look at the rows.

use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::file::PinnedFile;
use crate::pin::schema::{CREATED_AT, SIZE_BYTES, SIZE_SUMS_KEY, pins};
use crate::pin::size_sums;

/// A column in all rows of some row groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// How many rows have a value.
    pub values: u64,
    /// The least and the greatest value; `None` if that is not known, or there is none.
    pub least: Option<i64>,
    pub greatest: Option<i64>,
    /// The sum of all values; `None` if that is not known.
    pub sum: Option<i128>,
}

/// What the footer says of a column in these row groups; `None` if it does not say it exactly. Extremes are those of numbers and
/// times, sums those of sizes. The file must be laid out.
pub(super) fn totals(file: &PinnedFile, groups: impl Iterator<Item = usize>, name: &str) -> Option<Totals> {
    let field = file.columns.field_with_name(name).ok()?;
    let is_whole = [SIZE_BYTES, CREATED_AT].contains(&name)
        && pins().find(name).is_some_and(|(_, pinned)| pinned.data_type() == field.data_type());
    let sums = (name == SIZE_BYTES).then(|| size_sums(&file.footer)).flatten();
    let mut all = Totals { sum: sums.as_ref().map(|_| 0), ..Totals::default() };
    for index in groups {
        let group = file.footer.row_group(index);
        let statistics = statistics(group, name)?;
        let nulls = statistics.null_count_opt()?;
        let values = u64::try_from(group.num_rows()).ok()?.checked_sub(nulls)?;
        all.values += values;
        if let (Some(sum), Some(sums)) = (&mut all.sum, &sums) {
            *sum = sum.checked_add(sums[index])?;
        }
        if is_whole && values > 0 {
            let (least, greatest) = extremes(statistics)?;
            all.least = Some(all.least.map_or(least, |known| known.min(least)));
            all.greatest = Some(all.greatest.map_or(greatest, |known| known.max(greatest)));
        }
    }
    Some(all)
}

/// The sum of sizes in each row group.
fn size_sums(footer: &ParquetMetaData) -> Option<Vec<i128>> {
    let keys = footer.file_metadata().key_value_metadata()?;
    let sums = keys.iter().find(|pair| pair.key == SIZE_SUMS_KEY)?.value.as_deref()?;
    size_sums::parse(sums, footer.num_row_groups())
}

fn statistics<'g>(group: &'g RowGroupMetaData, name: &str) -> Option<&'g Statistics> {
    group.columns().iter().find(|column| column.column_path().parts() == [name])?.statistics()
}

fn extremes(statistics: &Statistics) -> Option<(i64, i64)> {
    let Statistics::Int64(statistics) = statistics else { return None };
    let exact = statistics.min_is_exact() && statistics.max_is_exact();
    let (least, greatest) = statistics.min_opt().zip(statistics.max_opt())?;
    exact.then_some((*least, *greatest))
}

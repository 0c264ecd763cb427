//! What a scan is over and how much of it a query may have to read: for progress, and for advice when it is done.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::ExecutionPlan;

use super::file::PinnedFile;
use super::reader::FileHandle;
use super::source::PinSource;
use crate::pin::schema;

/// A scan of mappings as it was planned.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanFacts {
    /// The files that it may read, and those of them that pinql has laid out.
    pub files: usize,
    pub laid_out: usize,
    /// What these files hold.
    pub rows: u64,
    /// The compressed bytes of the columns that are asked for. Pages that can be skipped make it less.
    pub expected: u64,
    /// The columns that are asked for.
    pub columns: BTreeSet<String>,
    /// The predicate that reaches the scan, and the columns that it is about.
    pub predicate: Option<String>,
    pub filtered: BTreeSet<String>,
}

impl ScanFacts {
    /// What there is to say of a node of a plan, if it is a scan of ours.
    pub fn of(node: &dyn ExecutionPlan) -> Option<ScanFacts> {
        let (config, source) =
            node.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<PinSource>()?;
        let source: &dyn datafusion::datasource::physical_plan::FileSource = source;
        let kind = source.table_schema().table_schema().metadata().get(schema::TABLE_KEY);
        let is_pins = kind.is_some_and(|kind| kind == schema::PINS);
        let filter = source.filter();
        let filtered = filter.as_ref().map(columns_of).unwrap_or_default();
        let projected = source.projection().into_iter().flat_map(|projection| projection.iter());
        let mut columns: BTreeSet<String> =
            projected.flat_map(|projected| columns_of(&projected.expr)).collect();
        let mut facts = ScanFacts { predicate: filter.map(|filter| filter.to_string()), ..Self::default() };
        let asked: BTreeSet<&String> = columns.iter().chain(&filtered).collect();
        let mut seen = HashSet::new();
        for part in config.file_groups.iter().flat_map(|group| group.iter()) {
            let handle = part.extension::<Arc<FileHandle>>();
            let Some(file) = handle.and_then(|handle| handle.opened_file()) else { continue };
            let is_first = seen.insert(part.object_meta.location.clone());
            if is_first {
                facts.files += 1;
                facts.laid_out += usize::from(file.is_laid_out());
                facts.rows += file.rows();
            }
            // Parts of a file may each have row groups of their own, or each a part of its bytes.
            if is_first || part.range.is_none() && part.extension::<ParquetAccessPlan>().is_some() {
                facts.expected += expected(part, file, &asked, is_pins);
            }
        }
        columns.remove(schema::BACKEND_NAME);
        (facts.columns, facts.filtered) = (columns, filtered);
        Some(facts)
    }
}

fn columns_of(expr: &Arc<dyn PhysicalExpr>) -> BTreeSet<String> {
    collect_columns(expr).into_iter().map(|column| column.name().to_owned()).collect()
}

/// The compressed bytes of some columns of a file, in the row groups that the scan has chosen.
fn expected(part: &PartitionedFile, file: &PinnedFile, asked: &BTreeSet<&String>, is_pins: bool) -> u64 {
    let sources: BTreeSet<&str> = asked.iter().map(|name| source(name, file, is_pins)).collect();
    let chosen = part.extension::<ParquetAccessPlan>();
    let groups = file.footer.row_groups().iter().enumerate();
    let groups = groups.filter(|(index, _)| chosen.is_none_or(|chosen| chosen.should_scan(*index)));
    let columns = groups.flat_map(|(_, group)| group.columns());
    let of_these = columns.filter(|column| {
        let name = column.column_path().parts().first().map_or("", String::as_str);
        sources.iter().any(|source| source.eq_ignore_ascii_case(name))
    });
    of_these.map(|column| column.compressed_size().max(0) as u64).sum()
}

/// The column of a file that one of ours is made from.
fn source<'a>(name: &'a str, file: &PinnedFile, is_pins: bool) -> &'a str {
    match name {
        schema::CONTENT if !file.is_laid_out() => schema::CID,
        schema::SIZE_BYTES if !file.is_laid_out() => schema::METADATA,
        schema::CAR_FILE_PATH if is_pins && file.has_made_paths() => schema::CID,
        schema::RECORDED_BACKEND_NAME => schema::BACKEND_NAME,
        schema::RECORDED_CREATED_AT => schema::CREATED_AT,
        schema::RECORDED_STATUS => schema::STATUS,
        name => name,
    }
}

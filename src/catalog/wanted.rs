//! The contents that a query asks for by name, told from its filters, so that a scan reads only the pages that may have them.
//!
//! DataFusion prunes by lists of up to 20 values only, and pages only by a page index that it loads for all row groups and
//! columns of a file. Here a list may be of any length, and only the index of the row groups that matter is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, expr::InList};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

use super::bloom;
use super::file::PinnedFile;
use super::row_groups::{content_column, rows_of_pages};
use crate::pin::cid;
use crate::pin::schema::{CID, CONTENT};

/// The contents that rows must have, in order and each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted(Vec<Content>);

/// A content, with its hash: there may be thousands of files to look for it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub bytes: Vec<u8>,
    pub hash: u64,
}

/// Where in a file they may be.
pub(super) struct Pages {
    pub plan: ParquetAccessPlan,
    /// The file's footer with the page index of the row groups that the plan reads.
    pub footer: Arc<ParquetMetaData>,
}

/// Whether a filter names contents or CIDs, so that [`Wanted::of`] makes something of it.
pub(super) fn names_contents(filter: &Expr) -> bool {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            named(left, right).or_else(|| named(right, left)).is_some()
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            names_contents(left) && names_contents(right)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            names_contents(left) || names_contents(right)
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            list.iter().all(|value| named(expr, value).is_some())
        }
        _ => false,
    }
}

impl Wanted {
    /// What all of these filters leave, if any of them names contents or CIDs.
    pub fn of(filters: &[Expr]) -> Option<Wanted> {
        let mut wanted = filters.iter().filter_map(contents).min_by_key(Vec::len)?;
        wanted.sort_unstable();
        wanted.dedup();
        Some(Wanted(wanted.into_iter().map(|bytes| Content { hash: bloom::hash(&bytes), bytes }).collect()))
    }

    /// The pages of a laid-out file that may have any of them. `None` if the file does not tell, or its page index cannot be
    /// read: then the scan reads the file as any other, and names it if more is damaged.
    pub fn pages(&self, file: &PinnedFile) -> Option<Pages> {
        let footer = &file.footer;
        let column = content_column(file)?;
        let mut groups = BTreeMap::new();
        for (index, group) in footer.row_groups().iter().enumerate() {
            let contents = perhaps_in(file, index, group.column(column), &self.0)?;
            if !contents.is_empty() {
                groups.insert(index, contents);
            }
        }
        file.is_unchanged().ok()?;
        let mut plan = ParquetAccessPlan::new_none(footer.num_row_groups());
        if groups.is_empty() {
            return Some(Pages { plan, footer: Arc::clone(footer) });
        }
        let indexed: Vec<usize> = groups.keys().copied().collect();
        let footer = file.footer_with_index(&indexed).ok()??;
        let (columns, offsets) = (footer.column_index()?, footer.offset_index()?);
        for (group, contents) in groups {
            let rows = usize::try_from(footer.row_group(group).num_rows()).unwrap_or_default();
            let may_have = |least: &[u8], most: &[u8]| {
                let from = contents.partition_point(|content| &content.bytes[..] < least);
                contents.get(from).is_some_and(|content| &content.bytes[..] <= most)
            };
            match rows_of_pages(&columns[group][column], &offsets[group][column], rows, may_have) {
                Some(selection) if !selection.selects_any() => {}
                Some(selection) => {
                    plan.scan(group);
                    plan.scan_selection(group, selection);
                }
                None => plan.scan(group),
            }
        }
        Some(Pages { plan, footer })
    }
}

/// Those of some contents that the row group at `group` may have; `column` is that of `content`. `None` if it cannot be read.
fn perhaps_in<'a>(
    file: &PinnedFile,
    group: usize,
    column: &ColumnChunkMetaData,
    contents: &'a [Content],
) -> Option<Vec<&'a Content>> {
    let range = match column.statistics() {
        Some(Statistics::ByteArray(range)) => range.min_bytes_opt().zip(range.max_bytes_opt()),
        _ => None,
    };
    let contents = range.map_or(contents, |(least, most)| within(contents, least, most));
    match contents.is_empty() {
        true => Some(Vec::new()),
        false => bloom::perhaps_in(file, group, column, contents).ok(),
    }
}

/// Those of some contents between two bounds, both included.
fn within<'a>(contents: &'a [Content], least: &[u8], most: &[u8]) -> &'a [Content] {
    let from = contents.partition_point(|content| &content.bytes[..] < least);
    let to = contents.partition_point(|content| &content.bytes[..] <= most);
    &contents[from..to.max(from)]
}

/// The contents that a row must have one of for the filter to hold, if the filter tells.
fn contents(filter: &Expr) -> Option<Vec<Vec<u8>>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let content = content(left, right).or_else(|| content(right, left))?;
            Some(content.into_iter().collect())
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let mut both = contents(left)?;
            both.extend(contents(right)?);
            Some(both)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            let either = contents(left).into_iter().chain(contents(right));
            either.min_by_key(Vec::len)
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let each = list.iter().map(|value| content(expr, value));
            Some(each.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
        }
        _ => None,
    }
}

/// The content that `column = value` asks for: nothing equals NULL. `None` if it is not about a content or a CID.
fn content(column: &Expr, value: &Expr) -> Option<Option<Vec<u8>>> {
    Some(match named(column, value)? {
        Named::Nothing => None,
        Named::Content(bytes) => Some(bytes.to_vec()),
        Named::Cid(text) => {
            // What is no CID has the empty content.
            let mut content = Vec::new();
            cid::content_of(text, &mut content);
            Some(content)
        }
    })
}

/// What `column = value` names.
enum Named<'a> {
    Nothing,
    Content(&'a [u8]),
    Cid(&'a str),
}

fn named<'a>(column: &Expr, value: &'a Expr) -> Option<Named<'a>> {
    let (Expr::Column(column), Expr::Literal(value, _)) = (column, value) else { return None };
    match (column.name.as_str(), value) {
        (CONTENT | CID, value) if value.is_null() => Some(Named::Nothing),
        (
            CONTENT,
            ScalarValue::Binary(Some(bytes))
            | ScalarValue::BinaryView(Some(bytes))
            | ScalarValue::LargeBinary(Some(bytes)),
        ) => Some(Named::Content(bytes)),
        (CID, text) => text.try_as_str().flatten().map(Named::Cid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn binary(bytes: &[u8]) -> Expr {
        lit(ScalarValue::BinaryView(Some(bytes.to_vec())))
    }

    #[test]
    fn filters_that_name_contents_are_known() {
        let (one, two, three) = (binary(&[1]), binary(&[2]), binary(&[3]));
        let is = |value: &Expr| col(CONTENT).eq(value.clone());
        let wanted = |filter: Expr| {
            let wanted = Wanted::of(std::slice::from_ref(&filter));
            let wanted =
                wanted.map(|wanted| wanted.0.into_iter().map(|content| content.bytes).collect::<Vec<_>>());
            assert_eq!(wanted.is_some(), names_contents(&filter), "{filter}");
            wanted
        };
        assert_eq!(wanted(is(&one)), Some(vec![vec![1]]));
        assert_eq!(wanted(two.clone().eq(col(CONTENT))), Some(vec![vec![2]]));
        let list = vec![three.clone(), one.clone(), three, lit(ScalarValue::BinaryView(None))];
        assert_eq!(wanted(col(CONTENT).in_list(list.clone(), false)), Some(vec![vec![1], vec![3]]));
        assert_eq!(wanted(col(CONTENT).in_list(list, true)), None);
        assert_eq!(wanted(is(&two).or(is(&one))), Some(vec![vec![1], vec![2]]));
        assert_eq!(wanted(is(&two).or(col("status").eq(lit("failed")))), None);
        assert_eq!(wanted(is(&two).and(col("status").eq(lit("failed")))), Some(vec![vec![2]]));
        assert_eq!(wanted(col(CONTENT).gt(one)), None);
        assert_eq!(wanted(col(CID).eq(lit("no CID"))), Some(vec![vec![]]));
        assert_eq!(wanted(col("status").eq(two)), None);
        let v1 = "bafybeiffndsajwhk3lwjewwdxqntmjm4b5wxaaanokonsggenkbw6slwk4";
        let v0 = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN";
        assert_eq!(wanted(col(CID).eq(lit(v1))), wanted(col(CID).eq(lit(v0))));
    }
}

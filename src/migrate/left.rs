//! What a file that another tool wrote has and a file of ours has no place for. It is kept with the older file, and told.

use std::collections::BTreeSet;

use parquet::basic::LogicalType;
use parquet::file::metadata::ParquetMetaData;

use crate::format::parquet::{footer, layout_version};
use crate::pin::schema;
use crate::store::MappingsFile;

/// The columns of these files that are not among those of `pins` and not among `extras`.
pub(super) fn left_behind(files: &[MappingsFile], extras: &[String]) -> Vec<String> {
    let footers = files.iter().filter_map(|file| footer(&file.path).ok());
    // What a pinql wrote, of whatever version, has only derived columns beside those.
    let foreign = footers.filter(|footer| layout_version(footer).is_none());
    foreign
        .flat_map(|footer| left_of(&columns(&footer), extras))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// The names of the columns that can hold a value.
fn columns(footer: &ParquetMetaData) -> Vec<String> {
    let fields = footer.file_metadata().schema().get_fields();
    let with_values = fields
        .iter()
        .filter(|field| field.get_basic_info().logical_type_ref() != Some(&LogicalType::Unknown));
    with_values.map(|field| field.name().to_owned()).collect()
}

/// Columns are found by name, and in another case if only one fits.
fn left_of(columns: &[String], extras: &[String]) -> Vec<String> {
    let pins = schema::pins();
    let documented = &pins[..6];
    let known: Vec<&str> = documented
        .iter()
        .map(|field| field.name().as_str())
        .chain(extras.iter().map(String::as_str))
        .collect();
    let alike = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let is_read = |column: &String| {
        let rivals = columns.iter().filter(|other| alike(other, column)).count();
        known.contains(&column.as_str()) || rivals == 1 && known.iter().any(|name| alike(name, column))
    };
    columns.iter().filter(|column| !is_read(column)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_left_only_if_another_has_its_name() {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (columns, extras, left) in [
            ("cid status weight", "weight", ""),
            ("CID Status Weight", "weight", ""),
            ("cid CID note Note", "note", "CID Note"),
            ("Cid CID", "", "Cid CID"),
            ("cid size_bytes Content", "", "size_bytes Content"),
        ] {
            assert_eq!(left_of(&names(columns), &names(extras)), names(left), "{columns}");
        }
    }
}

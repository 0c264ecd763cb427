//! Columns made of other columns, as JSON: lists, structs, maps; and dictionaries, runs and unions, which read like the
//! values that they point at.

use std::ops::Range;

use arrow::array::types::{Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, GenericListViewArray, OffsetSizeTrait, RunArray, UnionArray,
};
use arrow::datatypes::DataType;

use super::escape::push_json_string;
use super::text::Text;
use super::value::{Cells, Column};

/// A field of a struct.
pub(super) struct Member<'a> {
    /// The field's name as it stands before the value: `"name":`.
    key: String,
    column: Column<'a>,
}

/// The cells of every type that is not a plain value.
pub(super) fn cells(array: &ArrayRef) -> Cells<'_> {
    match array.data_type() {
        DataType::List(_) => list(array.as_list::<i32>()),
        DataType::LargeList(_) => list(array.as_list::<i64>()),
        DataType::ListView(_) => list_view(array.as_list_view::<i32>()),
        DataType::LargeListView(_) => list_view(array.as_list_view::<i64>()),
        DataType::FixedSizeList(_, size) => {
            let lists = array.as_fixed_size_list();
            let size = usize::try_from(*size).unwrap_or_default();
            let ranges = (0..lists.len()).map(|row| row * size..(row + 1) * size);
            Cells::List(ranges.collect(), Box::new(Column::new(lists.values())))
        }
        DataType::Map(..) => map(array),
        DataType::Struct(_) => structs(array),
        DataType::Dictionary(..) => dictionary(array),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => runs(array.as_run::<Int16Type>()),
            DataType::Int32 => runs(array.as_run::<Int32Type>()),
            _ => runs(array.as_run::<Int64Type>()),
        },
        DataType::Union(fields, _) => {
            let array = array.as_union();
            let members = fields.iter().map(|(id, _)| (id, Column::new(array.child(id))));
            Cells::Union(array, members.collect())
        }
        // All other types are plain values.
        _ => Cells::Null,
    }
}

fn list<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Cells<'_> {
    let ranges = ranges(array.value_offsets());
    Cells::List(ranges, Box::new(Column::new(array.values())))
}

fn list_view<O: OffsetSizeTrait>(array: &GenericListViewArray<O>) -> Cells<'_> {
    let spans = array.value_offsets().iter().zip(array.value_sizes());
    let ranges = spans.map(|(start, size)| start.as_usize()..start.as_usize() + size.as_usize());
    Cells::List(ranges.collect(), Box::new(Column::new(array.values())))
}

fn ranges<O: OffsetSizeTrait>(offsets: &[O]) -> Vec<Range<usize>> {
    let ends = offsets.windows(2);
    ends.map(|ends| ends[0].as_usize()..ends[1].as_usize()).collect()
}

fn map(array: &ArrayRef) -> Cells<'_> {
    let array = array.as_map();
    let entries = (Column::new(array.keys()), Column::new(array.values()));
    Cells::Map(ranges(array.value_offsets()), Box::new(entries))
}

fn structs(array: &ArrayRef) -> Cells<'_> {
    let array = array.as_struct();
    let fields = array.fields().iter().zip(array.columns());
    let members = fields.map(|(field, column)| {
        let mut key = Text::default();
        push_json_string(field.name(), &mut key);
        key.push(':');
        let column = Column::new(column);
        Member { key: key.as_str().to_owned(), column }
    });
    Cells::Struct(members.collect())
}

fn dictionary(array: &ArrayRef) -> Cells<'_> {
    let dictionary = array.as_any_dictionary();
    // Arrow panics when asked for keys into no values; all rows are NULL then.
    if dictionary.values().is_empty() {
        return Cells::Null;
    }
    let values = Column::new(dictionary.values());
    Cells::Indexed(dictionary.normalized_keys(), Box::new(values))
}

fn runs<R: RunEndIndexType>(array: &RunArray<R>) -> Cells<'_> {
    let index = (0..array.len()).map(|row| array.get_physical_index(row));
    Cells::Indexed(index.collect(), Box::new(Column::new(array.values())))
}

/// Where a union keeps the value of a row.
pub(super) fn member<'c, 'a>(
    array: &UnionArray,
    members: &'c [(i8, Column<'a>)],
    row: usize,
) -> Option<(&'c Column<'a>, usize)> {
    let id = array.type_id(row);
    let (_, column) = members.iter().find(|(member, _)| *member == id)?;
    Some((column, array.value_offset(row)))
}

pub(super) fn push_list(range: Range<usize>, column: &Column<'_>, out: &mut Text) {
    out.push('[');
    let start = range.start;
    for row in range {
        if row > start {
            out.push(',');
        }
        column.json(row, out);
    }
    out.push(']');
}

pub(super) fn push_map(range: Range<usize>, (keys, values): &(Column<'_>, Column<'_>), out: &mut Text) {
    out.push('{');
    let start = range.start;
    let mut key = Text::default();
    for row in range {
        if row > start {
            out.push(',');
        }
        key.clear();
        keys.text(row, &mut key);
        push_json_string(key.as_str(), out);
        out.push(':');
        values.json(row, out);
    }
    out.push('}');
}

pub(super) fn push_struct(members: &[Member<'_>], row: usize, out: &mut Text) {
    out.push('{');
    for (i, member) in members.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&member.key);
        member.column.json(row, out);
    }
    out.push('}');
}

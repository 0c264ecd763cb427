//! One cell as text: [`Column`] is downcast once per batch, then read row by row.
//!
//! What a value reads like is told in the [parent module](super). To change it, change [`Column::text`]; JSON follows,
//! because it quotes the same text.

use std::fmt::{Debug, Write};
use std::ops::Range;

use arrow::array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTime,
    IntervalMonthDayNano, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray,
    LargeBinaryArray, LargeStringArray, StringArray, StringViewArray, UnionArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, TimeUnit, i256};

use super::escape::{push_hex, push_json_string, push_json_text};
use super::nested;
use super::text::Text;
use super::time::{push_date, push_duration, push_interval, push_time, push_timestamp};
use super::units;

/// One column of one batch.
pub(super) struct Column<'a> {
    cells: Cells<'a>,
    nulls: Option<NullBuffer>,
}

/// The values by their type, with everything looked up that is the same for all rows.
pub(super) enum Cells<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float16(&'a [<Float16Type as ArrowPrimitiveType>::Native]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a [i256], i8),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    TextView(&'a StringViewArray),
    /// The same word in every row.
    Word(&'a str),
    Bytes(&'a BinaryArray),
    LargeBytes(&'a LargeBinaryArray),
    BytesView(&'a BinaryViewArray),
    FixedBytes(&'a FixedSizeBinaryArray),
    Date32(&'a [i32]),
    Date64(&'a [i64]),
    Time32(&'a [i32], TimeUnit),
    Time64(&'a [i64], TimeUnit),
    Timestamp(&'a [i64], TimeUnit),
    Duration(&'a [i64], TimeUnit),
    Months(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    List(Vec<Range<usize>>, Box<Column<'a>>),
    Map(Vec<Range<usize>>, Box<(Column<'a>, Column<'a>)>),
    Struct(Vec<nested::Member<'a>>),
    /// Row → row of another column: a dictionary or runs.
    Indexed(Vec<usize>, Box<Column<'a>>),
    Union(&'a UnionArray, Vec<(i8, Column<'a>)>),
}

impl<'a> Column<'a> {
    pub(super) fn new(array: &'a ArrayRef) -> Self {
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Column { cells: cells(array), nulls }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// The word that is in every row, if one is.
    pub(super) fn word(&self) -> Option<&'a str> {
        match self.cells {
            Cells::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Whether every value is a text or a time, and none is NULL: in JSON, all of them stand in quotes.
    pub(super) fn is_quoted(&self) -> bool {
        let texts = matches!(self.cells, Cells::Text(_) | Cells::LargeText(_) | Cells::TextView(_));
        self.nulls.is_none() && (texts || matches!(self.cells, Cells::Timestamp(..)))
    }

    /// Whether no value's text has anything that any format would quote or escape.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        match &self.cells {
            Cells::Text(_) | Cells::LargeText(_) | Cells::TextView(_) => false,
            Cells::List(..) | Cells::Map(..) | Cells::Struct(_) | Cells::Union(..) => false,
            Cells::Indexed(_, column) => column.is_plain(),
            // These can be of no bytes, and CSV must then tell them from NULL.
            Cells::Bytes(_) | Cells::LargeBytes(_) => false,
            Cells::BytesView(_) | Cells::FixedBytes(_) => false,
            _ => true,
        }
    }

    /// The value of a row that [is not NULL](Column::is_null), if it is text that [may need care](Column::is_plain): so it need not be
    /// copied to be looked at.
    #[inline]
    pub(super) fn str(&self, row: usize) -> Option<&str> {
        match &self.cells {
            Cells::Text(array) => Some(array.value(row)),
            Cells::LargeText(array) => Some(array.value(row)),
            Cells::TextView(array) => Some(array.value(row)),
            Cells::Indexed(index, column) => column.str(index[row]),
            _ => None,
        }
    }

    /// Appends the value of a row that [is not NULL](Column::is_null).
    pub(super) fn text(&self, row: usize, out: &mut Text) {
        match &self.cells {
            Cells::Null => {}
            Cells::Text(array) => out.push_str(array.value(row)),
            Cells::LargeText(array) => out.push_str(array.value(row)),
            Cells::TextView(array) => out.push_str(array.value(row)),
            Cells::Word(word) => out.push_str(word),
            Cells::Bytes(array) => push_hex(array.value(row), out),
            Cells::LargeBytes(array) => push_hex(array.value(row), out),
            Cells::BytesView(array) => push_hex(array.value(row), out),
            Cells::FixedBytes(array) => push_hex(array.value(row), out),
            Cells::Indexed(index, column) => column.text(index[row], out),
            Cells::Union(array, members) => {
                if let Some((column, row)) = nested::member(array, members, row) {
                    column.text(row, out);
                }
            }
            Cells::List(..) | Cells::Map(..) | Cells::Struct(_) => self.json(row, out),
            Cells::Boolean(array) => out.push_str(if array.value(row) { "true" } else { "false" }),
            Cells::Int8(values) => push_integer(values[row].into(), out),
            Cells::Int16(values) => push_integer(values[row].into(), out),
            Cells::Int32(values) => push_integer(values[row].into(), out),
            Cells::Int64(values) => push_integer(values[row], out),
            Cells::UInt8(values) => push_integer(values[row].into(), out),
            Cells::UInt16(values) => push_integer(values[row].into(), out),
            Cells::UInt32(values) => push_integer(values[row].into(), out),
            Cells::UInt64(values) => push_unsigned(values[row], out),
            Cells::Float16(values) => push_float(values[row].to_f32(), out),
            Cells::Float32(values) => push_float(values[row], out),
            Cells::Float64(values) => push_float(values[row], out),
            Cells::Decimal32(values, scale) => push_decimal(values[row], *scale, out),
            Cells::Decimal64(values, scale) => push_decimal(values[row], *scale, out),
            Cells::Decimal128(values, scale) => push_decimal(values[row], *scale, out),
            Cells::Decimal256(values, scale) => push_decimal(values[row], *scale, out),
            Cells::Timestamp(values, unit) => push_timestamp(values[row], *unit, out),
            Cells::Date32(values) => push_date(values[row].into(), out),
            Cells::Date64(values) => match values[row] % units::DAY_MILLIS {
                0 => push_date(values[row] / units::DAY_MILLIS, out),
                _ => push_timestamp(values[row], TimeUnit::Millisecond, out),
            },
            Cells::Time32(values, unit) => push_time(values[row].into(), *unit, out),
            Cells::Time64(values, unit) => push_time(values[row], *unit, out),
            Cells::Duration(values, unit) => push_duration(values[row], *unit, out),
            Cells::Months(values) => push_interval(values[row], 0, 0, out),
            Cells::DayTime(values) => {
                let nanos = i64::from(values[row].milliseconds) * 1_000_000;
                push_interval(0, values[row].days, nanos, out);
            }
            Cells::MonthDayNano(values) => {
                let value = values[row];
                push_interval(value.months, value.days, value.nanoseconds, out);
            }
        }
    }

    /// Appends what stands between the quotes of a row's value [in JSON](Column::is_quoted).
    pub(super) fn json_text(&self, row: usize, out: &mut Text) {
        match self.str(row) {
            Some(text) => push_json_text(text, out),
            None => self.text(row, out),
        }
    }

    /// Appends a row's value as JSON.
    pub(super) fn json(&self, row: usize, out: &mut Text) {
        if self.is_null(row) {
            return out.push_str("null");
        }
        match &self.cells {
            Cells::Text(array) => push_json_string(array.value(row), out),
            Cells::LargeText(array) => push_json_string(array.value(row), out),
            Cells::TextView(array) => push_json_string(array.value(row), out),
            Cells::Indexed(index, column) => column.json(index[row], out),
            Cells::List(ranges, column) => nested::push_list(ranges[row].clone(), column, out),
            Cells::Map(ranges, entries) => nested::push_map(ranges[row].clone(), entries, out),
            Cells::Struct(members) => nested::push_struct(members, row, out),
            Cells::Union(array, members) => match nested::member(array, members, row) {
                Some((column, row)) => column.json(row, out),
                None => out.push_str("null"),
            },
            cells if cells.is_infinite(row) => out.push_str("null"),
            cells if cells.are_bare() => self.text(row, out),
            // Neither times nor hexadecimal nor words have anything to escape.
            _ => {
                out.push('"');
                self.text(row, out);
                out.push('"');
            }
        }
    }
}

impl Cells<'_> {
    /// Whether JSON has them without quotes.
    fn are_bare(&self) -> bool {
        let integers = matches!(self, Cells::Int8(_) | Cells::Int16(_) | Cells::Int32(_) | Cells::Int64(_));
        let unsigned =
            matches!(self, Cells::UInt8(_) | Cells::UInt16(_) | Cells::UInt32(_) | Cells::UInt64(_));
        let floats = matches!(self, Cells::Float16(_) | Cells::Float32(_) | Cells::Float64(_));
        let short = matches!(self, Cells::Decimal32(..) | Cells::Decimal64(..));
        let long = matches!(self, Cells::Decimal128(..) | Cells::Decimal256(..));
        integers || unsigned || floats || short || long || matches!(self, Cells::Boolean(_))
    }

    fn is_infinite(&self, row: usize) -> bool {
        match self {
            Cells::Float16(values) => !values[row].is_finite(),
            Cells::Float32(values) => !values[row].is_finite(),
            Cells::Float64(values) => !values[row].is_finite(),
            _ => false,
        }
    }
}

fn cells(array: &ArrayRef) -> Cells<'_> {
    match array.data_type() {
        DataType::Null => Cells::Null,
        DataType::Boolean => Cells::Boolean(array.as_boolean()),
        DataType::Int8 => Cells::Int8(values::<Int8Type>(array)),
        DataType::Int16 => Cells::Int16(values::<Int16Type>(array)),
        DataType::Int32 => Cells::Int32(values::<Int32Type>(array)),
        DataType::Int64 => Cells::Int64(values::<Int64Type>(array)),
        DataType::UInt8 => Cells::UInt8(values::<UInt8Type>(array)),
        DataType::UInt16 => Cells::UInt16(values::<UInt16Type>(array)),
        DataType::UInt32 => Cells::UInt32(values::<UInt32Type>(array)),
        DataType::UInt64 => Cells::UInt64(values::<UInt64Type>(array)),
        DataType::Float16 => Cells::Float16(values::<Float16Type>(array)),
        DataType::Float32 => Cells::Float32(values::<Float32Type>(array)),
        DataType::Float64 => Cells::Float64(values::<Float64Type>(array)),
        DataType::Decimal32(_, s) => Cells::Decimal32(values::<Decimal32Type>(array), *s),
        DataType::Decimal64(_, s) => Cells::Decimal64(values::<Decimal64Type>(array), *s),
        DataType::Decimal128(_, s) => Cells::Decimal128(values::<Decimal128Type>(array), *s),
        DataType::Decimal256(_, s) => Cells::Decimal256(values::<Decimal256Type>(array), *s),
        DataType::Utf8 => Cells::Text(array.as_string()),
        DataType::LargeUtf8 => Cells::LargeText(array.as_string()),
        DataType::Utf8View => texts(array.as_string_view()),
        DataType::Binary => Cells::Bytes(array.as_binary()),
        DataType::LargeBinary => Cells::LargeBytes(array.as_binary()),
        DataType::BinaryView => Cells::BytesView(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => Cells::FixedBytes(array.as_fixed_size_binary()),
        DataType::Date32 => Cells::Date32(values::<Date32Type>(array)),
        DataType::Date64 => Cells::Date64(values::<Date64Type>(array)),
        DataType::Time32(unit) => Cells::Time32(units::times32(array, *unit), *unit),
        DataType::Time64(unit) => Cells::Time64(units::times64(array, *unit), *unit),
        DataType::Timestamp(unit, _) => Cells::Timestamp(units::timestamps(array, *unit), *unit),
        DataType::Duration(unit) => Cells::Duration(units::durations(array, *unit), *unit),
        DataType::Interval(unit) => units::intervals(array, *unit),
        _ => nested::cells(array),
    }
}

/// Text, of which a column may be the same in all rows: the name of a backend, a status.
fn texts(array: &StringViewArray) -> Cells<'_> {
    let is_same = array.views().windows(2).all(|pair| pair[0] == pair[1]) && array.null_count() == 0;
    match array.iter().next().flatten() {
        Some(word) if is_same && is_word(word) => Cells::Word(word),
        _ => Cells::TextView(array),
    }
}

/// Whether no format quotes or escapes a text: letters and digits with single other signs between them.
fn is_word(text: &str) -> bool {
    const NULL: &str = "NULL";
    text != NULL
        && text
            .split(['_', '-', '.'])
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// The values of an array of this type.
pub(super) fn values<T: ArrowPrimitiveType>(array: &ArrayRef) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

fn push_integer(value: i64, out: &mut Text) {
    if value < 0 {
        out.push('-');
    }
    push_unsigned(value.unsigned_abs(), out);
}

fn push_unsigned(mut value: u64, out: &mut Text) {
    // The longest is 2^64 - 1.
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_whole(&digits[start..]);
}

/// Debug is the shortest text that reads back the same, with an exponent where Display writes hundreds of zeros.
fn push_float(value: impl Debug + Into<f64> + Copy, out: &mut Text) {
    match value.into() {
        f64::INFINITY => out.push_str("Infinity"),
        f64::NEG_INFINITY => out.push_str("-Infinity"),
        _ => write!(out, "{value:?}").expect("a text takes any other"),
    }
}

fn push_decimal(value: impl std::fmt::Display, scale: i8, out: &mut Text) {
    let start = out.len();
    write!(out, "{value}").expect("a text takes any other");
    let start = start + usize::from(out.since(start).starts_with('-'));
    let scale_digits = usize::from(scale.unsigned_abs());
    if scale > 0 {
        let digits = out.len() - start;
        if digits <= scale_digits {
            out.insert_str(start, &"0".repeat(scale_digits + 1 - digits));
        }
        out.insert_str(out.len() - scale_digits, ".");
    } else if out.since(start) != "0" {
        out.push_str(&"0".repeat(scale_digits));
    }
}

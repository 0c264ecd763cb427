//! Functions that make the columns of `pins` from what a file holds. They run inside of the scan and have no name in SQL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, Int64Builder, StringViewArray, StringViewBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, TimeUnit};
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use crate::pin::{cid, schema, size, status, time};

/// One column of `pins`, made of one column of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Derive {
    /// Text of whatever type the file has.
    Text,
    /// Metadata: text, and whatever has parts as JSON.
    Metadata,
    /// A status, trimmed and in lower case; a missing one is `stored`.
    Status,
    /// A time in any of the forms that tools have written.
    CreatedAt,
    /// What the text of a CID names.
    Content,
    /// The size that metadata gives.
    SizeBytes,
    /// The path of a CAR file that is called by its CID: the CID between two texts.
    CarPath,
}

/// [`Derive`] as a DataFusion function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DeriveFunction {
    derive: Derive,
    signature: Signature,
}

impl DeriveFunction {
    pub fn new(derive: Derive) -> DeriveFunction {
        let arguments = if derive == Derive::CarPath { 3 } else { 1 };
        DeriveFunction { derive, signature: Signature::any(arguments, Volatility::Immutable) }
    }

    pub fn derive(&self) -> Derive {
        self.derive
    }
}

impl ScalarUDFImpl for DeriveFunction {
    fn name(&self) -> &str {
        match self.derive {
            Derive::Text => "recorded_text",
            Derive::Metadata => "recorded_metadata",
            Derive::Status => "recorded_status",
            Derive::CreatedAt => "recorded_time",
            Derive::Content => "recorded_content",
            Derive::SizeBytes => "recorded_size",
            Derive::CarPath => "recorded_car_path",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.derive {
            Derive::Text | Derive::Metadata | Derive::Status | Derive::CarPath => DataType::Utf8View,
            Derive::CreatedAt => schema::timestamp_type(),
            Derive::Content => DataType::BinaryView,
            Derive::SizeBytes => DataType::Int64,
        })
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let nullable = !matches!(self.derive, Derive::Content | Derive::Status);
        Ok(Arc::new(Field::new(self.name(), self.return_type(&[])?, nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, around @ ..] = &args.args[..] else {
            return datafusion::common::internal_err!("{} takes a column", self.name());
        };
        let array = value.to_array(args.number_rows)?;
        let made: ArrayRef = match self.derive {
            Derive::Text => Arc::new(checked(&texts(&array)?)),
            Derive::Metadata if array.data_type().is_nested() => Arc::new(json(&array)?),
            Derive::Metadata => Arc::new(checked(&texts(&array)?)),
            Derive::Status => Arc::new(statuses(&texts(&array)?)),
            Derive::CreatedAt => times(&array)?,
            Derive::Content => contents(&texts(&array)?),
            Derive::SizeBytes => sizes(&texts(&array)?),
            Derive::CarPath => Arc::new(car_paths(&texts(&array)?, around)?),
        };
        Ok(ColumnarValue::Array(made))
    }
}

/// Any column as text. Binary is read as UTF-8; a struct such as `{"/": "bafy…"}` as its one text.
pub(super) fn texts(array: &ArrayRef) -> Result<StringViewArray> {
    match array.data_type() {
        DataType::Utf8View => Ok(array.as_string_view().clone()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Null => to_view(array),
        DataType::Dictionary(_, value) if value.is_string() => to_view(array),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let binary = cast(array, &DataType::LargeBinary)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Ok(binary.as_binary::<i64>().iter().map(|bytes| bytes.map(text)).collect())
        }
        DataType::Struct(fields) if matches!(&fields[..], [field] if !field.data_type().is_nested()) => {
            let inner = texts(array.as_struct().column(0))?;
            let rows = (0..array.len())
                .map(|row| (!array.is_null(row) && !inner.is_null(row)).then(|| inner.value(row)));
            Ok(rows.collect())
        }
        kind if kind.is_nested() => json(array),
        _ => displayed(array),
    }
}

/// A column of structs, maps or lists as JSON; without the fields that are NULL, for a table has every field in every row.
fn json(array: &ArrayRef) -> Result<StringViewArray> {
    let field = Arc::new(Field::new("", array.data_type().clone(), true));
    let options = EncoderOptions::default();
    // Some kinds have no JSON, such as maps whose keys are no text.
    let Ok(mut encoder) = make_encoder(&field, array.as_ref(), &options) else { return displayed(array) };
    let mut text = Vec::new();
    let rows = (0..array.len()).map(|row| {
        text.clear();
        (!array.is_null(row)).then(|| {
            encoder.encode(row, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        })
    });
    Ok(rows.collect())
}

/// The same text if it is text. The Parquet reader does not look where a file does not say that a column is text, so the
/// bytes are looked at as bytes.
fn checked(array: &StringViewArray) -> StringViewArray {
    let bytes = array.clone().to_binary_view();
    match bytes.iter().flatten().all(|bytes| std::str::from_utf8(bytes).is_ok()) {
        true => array.clone(),
        false => bytes.iter().map(|bytes| bytes.map(String::from_utf8_lossy)).collect(),
    }
}

fn to_view(array: &ArrayRef) -> Result<StringViewArray> {
    Ok(cast(array, &DataType::Utf8View)?.as_string_view().clone())
}

/// A column of another type, as arrow shows it; a time that arrow cannot show as the number that it is.
fn displayed(array: &ArrayRef) -> Result<StringViewArray> {
    let options = FormatOptions::default().with_display_error(false);
    let counts = array.data_type().is_temporal().then(|| cast(array, &DataType::Int64).ok()).flatten();
    let counts = counts.as_ref().map(|counts| counts.as_primitive::<Int64Type>());
    let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
    let (mut builder, mut text) = (StringViewBuilder::with_capacity(array.len()), String::new());
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        text.clear();
        match (formatter.value(row).write(&mut text), counts) {
            (Ok(()), _) => builder.append_value(&text),
            (Err(_), Some(counts)) => builder.append_value(counts.value(row).to_string()),
            // A value that cannot be shown is an unknown one.
            (Err(_), None) => builder.append_null(),
        }
    }
    Ok(builder.finish())
}

fn statuses(texts: &StringViewArray) -> StringViewArray {
    let is_normal = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(|text| status::normal(text) == text);
    if holds_for_each(texts, is_normal) {
        return texts.clone();
    }
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for text in &checked(texts) {
        builder.append_value(status::normal(text.unwrap_or_default()));
    }
    builder.finish()
}

/// Whether all values are there and `holds` for them, for a column of few values: the same place is not looked at twice.
fn holds_for_each(texts: &StringViewArray, holds: impl Fn(&[u8]) -> bool) -> bool {
    const KEPT: usize = 8;
    let bytes = texts.clone().to_binary_view();
    // Equal views are equal values: a short value stands in its view, a long one where its view says.
    let (mut seen, mut next) = ([None; KEPT], 0);
    texts.null_count() == 0
        && bytes.views().iter().enumerate().all(|(row, view)| {
            if seen.contains(&Some(*view)) {
                return true;
            }
            (seen[next % KEPT], next) = (Some(*view), next + 1);
            holds(bytes.value(row))
        })
}

pub(super) fn contents(texts: &StringViewArray) -> ArrayRef {
    let mut builder = BinaryViewBuilder::with_capacity(texts.len());
    let mut multihash = Vec::with_capacity(cid::MAX_DIGEST);
    for text in texts {
        multihash.clear();
        // What is no CID is no content, and an empty one says so.
        cid::content_of(text.unwrap_or_default(), &mut multihash);
        builder.append_value(&multihash);
    }
    Arc::new(builder.finish())
}

fn sizes(texts: &StringViewArray) -> ArrayRef {
    let mut builder = Int64Builder::with_capacity(texts.len());
    for text in texts {
        builder.append_option(text.and_then(size::from_metadata));
    }
    Arc::new(builder.finish())
}

/// Each text between the two that stand around it.
fn car_paths(cids: &StringViewArray, around: &[ColumnarValue]) -> Result<StringViewArray> {
    let [ColumnarValue::Scalar(before), ColumnarValue::Scalar(after)] = around else {
        return datafusion::common::internal_err!("what stands around a CID is no text");
    };
    let [before, after] = [before, after].map(|text| text.try_as_str().flatten().unwrap_or_default());
    let (mut builder, mut path) = (StringViewBuilder::with_capacity(cids.len()), String::new());
    for cid in cids {
        builder.append_option(cid.map(|cid| {
            path.clear();
            [before, cid, after].iter().for_each(|part| path.push_str(part));
            &path[..]
        }));
    }
    Ok(builder.finish())
}

fn times(array: &ArrayRef) -> Result<ArrayRef> {
    let mut builder = TimestampMicrosecondBuilder::with_capacity(array.len()).with_timezone("UTC");
    let mut append = |micros: Option<i64>| builder.append_option(micros);
    match array.data_type() {
        DataType::Timestamp(unit, _) => {
            // A time without a zone is UTC, and one with a zone counts from 1970 in UTC all the same.
            let counts = cast(array, &DataType::Timestamp(*unit, None))?;
            let counts = cast(&counts, &DataType::Int64)?;
            counts
                .as_primitive::<Int64Type>()
                .iter()
                .for_each(|count| append(count.and_then(|at| in_micros(*unit, at))));
        }
        DataType::Date32 | DataType::Date64 => {
            let days = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let counts = cast(&days, &DataType::Int64)?;
            counts.as_primitive::<Int64Type>().iter().for_each(append);
        }
        kind if kind.is_integer() => {
            let numbers = cast(array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            numbers.iter().for_each(|number| append(number.and_then(time::from_integer)));
        }
        kind if kind.is_floating() || matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            let numbers = cast(array, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            numbers.iter().for_each(|number| append(number.and_then(time::from_float)));
        }
        _ => checked(&texts(array)?).iter().for_each(|text| append(text.and_then(time::parse))),
    }
    Ok(Arc::new(builder.finish()))
}

/// Microseconds, rounded down; `None` beyond what they can count.
fn in_micros(unit: TimeUnit, count: i64) -> Option<i64> {
    match unit {
        TimeUnit::Second => count.checked_mul(1_000_000),
        TimeUnit::Millisecond => count.checked_mul(1_000),
        TimeUnit::Microsecond => Some(count),
        TimeUnit::Nanosecond => Some(count.div_euclid(1_000)),
    }
}

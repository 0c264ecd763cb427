//! Data for the tests of this room.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use arrow::array::builder::{ListBuilder, MapBuilder, StringBuilder};
use arrow::array::types::{Int32Type, IntervalDayTime, IntervalMonthDayNano, UInt8Type};
use arrow::array::*;
use arrow::buffer::ScalarBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema, UnionFields, i256};

use super::{Format, Style, Written};
use crate::error::Result;

/// A writer that a test can look into afterwards.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no test panics in here").clone()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.bytes()).expect("it is text")
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics in here").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a format writes for these batches.
pub(super) fn encode(format: Format, batches: &[RecordBatch], style: &Style) -> Result<(Vec<u8>, Written)> {
    let out = Shared::default();
    let schema = batches[0].schema();
    let mut encoder = format.encoder(out.clone(), schema, style)?;
    for batch in batches {
        encoder.write(batch)?;
    }
    let written = encoder.finish()?;
    Ok((out.bytes(), written))
}

/// What a text format writes for one batch.
pub(super) fn text(format: Format, batch: &RecordBatch) -> String {
    let (bytes, _) =
        encode(format, std::slice::from_ref(batch), &Style::default()).expect("it can be encoded");
    String::from_utf8(bytes).expect("it is text")
}

/// A batch of nullable columns. Names may repeat.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let rows = columns.first().map_or(0, |(_, array)| array.len());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options).expect("columns agree")
}

pub(super) fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Every type: its array of a value, a NULL and another value, and how the two read as text and as JSON.
pub(super) fn every_type() -> Vec<(ArrayRef, [&'static str; 2], [&'static str; 2])> {
    let mut all = numbers();
    all.extend(times());
    all.extend(texts());
    all.extend(nested());
    all
}

type Case = (ArrayRef, [&'static str; 2], [&'static str; 2]);

/// A type whose text is its JSON.
fn bare(array: impl Array + 'static, text: [&'static str; 2]) -> Case {
    (Arc::new(array), text, text)
}

/// A type whose JSON is the text in quotes.
fn quoted(array: impl Array + 'static, text: [&'static str; 2]) -> Case {
    let json = text.map(|text| &*Box::leak(format!("\"{text}\"").into_boxed_str()));
    (Arc::new(array), text, json)
}

fn numbers() -> Vec<Case> {
    let float = ["0.1", "1e300"];
    let wide = i256::from_string(&"9".repeat(76)).expect("it has 76 digits");
    let decimal32 = Decimal32Array::from(vec![Some(150), None, Some(-5)]);
    let decimal64 = Decimal64Array::from(vec![Some(150), None, Some(-5)]);
    let decimal128 = Decimal128Array::from(vec![Some(i128::from(i64::MAX) * 100), None, Some(-5)]);
    let decimal256 = Decimal256Array::from(vec![Some(wide), None, Some(i256::ZERO)]);
    let half = Float32Array::from(vec![Some(0.5), None, Some(-2.0)]);
    let half = cast(&half, &DataType::Float16).expect("floats convert");
    vec![
        bare(BooleanArray::from(vec![Some(true), None, Some(false)]), ["true", "false"]),
        bare(Int8Array::from(vec![Some(i8::MIN), None, Some(0)]), ["-128", "0"]),
        bare(Int16Array::from(vec![Some(-1), None, Some(1)]), ["-1", "1"]),
        bare(Int32Array::from(vec![Some(-1), None, Some(1)]), ["-1", "1"]),
        bare(
            Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)]),
            ["-9223372036854775808", "9223372036854775807"],
        ),
        bare(UInt8Array::from(vec![Some(0), None, Some(255)]), ["0", "255"]),
        bare(UInt16Array::from(vec![Some(0), None, Some(7)]), ["0", "7"]),
        bare(UInt32Array::from(vec![Some(0), None, Some(7)]), ["0", "7"]),
        bare(UInt64Array::from(vec![Some(u64::MAX), None, Some(10)]), ["18446744073709551615", "10"]),
        bare(
            make_array(half.to_data()).as_primitive::<arrow::datatypes::Float16Type>().clone(),
            ["0.5", "-2.0"],
        ),
        bare(Float32Array::from(vec![Some(0.1), None, Some(1.0)]), ["0.1", "1.0"]),
        bare(Float64Array::from(vec![Some(0.1), None, Some(1e300)]), float),
        (
            Arc::new(Float64Array::from(vec![Some(f64::NAN), None, Some(f64::NEG_INFINITY)])),
            ["NaN", "-Infinity"],
            ["null", "null"],
        ),
        bare(decimal32.with_precision_and_scale(9, 2).expect("it fits"), ["1.50", "-0.05"]),
        bare(decimal64.with_precision_and_scale(18, 3).expect("it fits"), ["0.150", "-0.005"]),
        bare(
            decimal128.with_precision_and_scale(38, 2).expect("it fits"),
            ["9223372036854775807.00", "-0.05"],
        ),
        bare(
            decimal256.with_precision_and_scale(76, 0).expect("it fits"),
            ["9999999999999999999999999999999999999999999999999999999999999999999999999999", "0"],
        ),
    ]
}

fn times() -> Vec<Case> {
    let utc = |array: TimestampMicrosecondArray| array.with_timezone("+05:00");
    vec![
        quoted(
            TimestampSecondArray::from(vec![Some(0), None, Some(-1)]),
            ["1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"],
        ),
        quoted(
            TimestampMillisecondArray::from(vec![Some(1_500), None, Some(-1)]),
            ["1970-01-01T00:00:01.500Z", "1969-12-31T23:59:59.999Z"],
        ),
        quoted(
            utc(TimestampMicrosecondArray::from(vec![Some(1_777_863_721_000_000), None, Some(1)])),
            ["2026-05-04T03:02:01Z", "1970-01-01T00:00:00.000001Z"],
        ),
        quoted(
            TimestampNanosecondArray::from(vec![Some(i64::MAX), None, Some(1_000)]),
            ["2262-04-11T23:47:16.854775807Z", "1970-01-01T00:00:00.000001Z"],
        ),
        quoted(Date32Array::from(vec![Some(20_577), None, Some(-719_528)]), ["2026-05-04", "0000-01-01"]),
        quoted(
            Date64Array::from(vec![Some(86_400_000), None, Some(1)]),
            ["1970-01-02", "1970-01-01T00:00:00.001Z"],
        ),
        quoted(Time32SecondArray::from(vec![Some(3_661), None, Some(0)]), ["01:01:01", "00:00:00"]),
        quoted(Time32MillisecondArray::from(vec![Some(5), None, Some(0)]), ["00:00:00.005", "00:00:00"]),
        quoted(
            Time64MicrosecondArray::from(vec![Some(5), None, Some(-1)]),
            ["00:00:00.000005", "PT-0.000001S"],
        ),
        quoted(Time64NanosecondArray::from(vec![Some(5), None, Some(0)]), ["00:00:00.000000005", "00:00:00"]),
        quoted(DurationSecondArray::from(vec![Some(90_061), None, Some(0)]), ["P1DT1H1M1S", "PT0S"]),
        quoted(DurationMillisecondArray::from(vec![Some(1_500), None, Some(60_000)]), ["PT1.500S", "PT1M"]),
        quoted(
            DurationMicrosecondArray::from(vec![Some(-1), None, Some(1)]),
            ["PT-0.000001S", "PT0.000001S"],
        ),
        quoted(
            DurationNanosecondArray::from(vec![Some(86_400_000_000_000), None, Some(1)]),
            ["P1D", "PT0.000000001S"],
        ),
        quoted(IntervalYearMonthArray::from(vec![Some(14), None, Some(-1)]), ["P1Y2M", "P-1M"]),
        quoted(
            IntervalDayTimeArray::from(vec![
                Some(IntervalDayTime::new(3, 1)),
                None,
                Some(IntervalDayTime::ZERO),
            ]),
            ["P3DT0.001S", "PT0S"],
        ),
        quoted(
            IntervalMonthDayNanoArray::from(vec![
                Some(IntervalMonthDayNano::new(14, -3, 500_000_000)),
                None,
                Some(IntervalMonthDayNano::new(0, 0, i64::MIN)),
            ]),
            ["P1Y2M-3DT0.500S", "PT-2562047H-47M-16.854775808S"],
        ),
    ]
}

fn texts() -> Vec<Case> {
    let long = "text that is longer than a view holds";
    let text = vec![Some("a"), None, Some(long)];
    let bytes: Vec<Option<&[u8]>> = vec![Some(b"\x00\xff"), None, Some(b"longer than a view holds")];
    let hex = ["00ff", "6c6f6e676572207468616e206120766965772068 6f6c6473"]
        .map(|hex| &*Box::leak(hex.replace(' ', "").into_boxed_str()));
    let fixed = [Some(vec![0, 1]), None, Some(vec![254, 255])].into_iter();
    vec![
        quoted(StringArray::from(text.clone()), ["a", long]),
        quoted(LargeStringArray::from(text.clone()), ["a", long]),
        quoted(StringViewArray::from(text.clone()), ["a", long]),
        quoted(BinaryArray::from(bytes.clone()), hex),
        quoted(LargeBinaryArray::from(bytes.clone()), hex),
        quoted(BinaryViewArray::from(bytes), hex),
        quoted(
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed, 2).expect("all have 2 bytes"),
            ["0001", "feff"],
        ),
        quoted(text.iter().copied().collect::<DictionaryArray<Int32Type>>(), ["a", long]),
        quoted(text.into_iter().collect::<Int32RunArray>(), ["a", long]),
    ]
}

fn nested() -> Vec<Case> {
    let lists = [Some(vec![Some(1), None]), None, Some(vec![])];
    let list = ListArray::from_iter_primitive::<UInt8Type, _, _>(lists);
    let item = || Arc::new(Field::new("item", DataType::UInt8, true));
    let to = |kind| cast(&list, &kind).expect("lists convert");
    let pair = [Some(vec![Some(1), None]), None, Some(vec![Some(2), Some(3)])];
    let array = |array: ArrayRef, text| (array, text, text);
    let reads = ["[1,null]", "[]"];
    vec![
        array(to(DataType::LargeList(item())), reads),
        array(to(DataType::ListView(item())), reads),
        array(to(DataType::LargeListView(item())), reads),
        array(Arc::new(list), reads),
        bare(FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(pair, 2), ["[1,null]", "[2,3]"]),
        array(structs(), [r#"{"n":1,"say \"s\"":["x"]}"#, r#"{"n":null,"say \"s\"":[]}"#]),
        array(maps(), [r#"{"a":1,"b":null}"#, "{}"]),
    ]
}

fn structs() -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("x")]);
    lists.append_null();
    lists.append_value([] as [Option<&str>; 0]);
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from(vec![Some(1), None, None])), Arc::new(lists.finish())];
    let fields = Fields::from(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("say \"s\"", columns[1].data_type().clone(), true),
    ]);
    Arc::new(StructArray::new(fields, columns, Some(vec![true, false, true].into())))
}

fn maps() -> ArrayRef {
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for (key, value) in [("a", Some(1)), ("b", None)] {
        maps.keys().append_value(key);
        maps.values().append_option(value);
    }
    maps.append(true).expect("keys and values agree");
    maps.append(false).expect("keys and values agree");
    maps.append(true).expect("keys and values agree");
    Arc::new(maps.finish())
}

/// A union of a number, a NULL and a text; Parquet has no such thing.
pub(super) fn union() -> Case {
    let fields = [
        (3, Arc::new(Field::new("n", DataType::Int32, true))),
        (5, Arc::new(Field::new("t", DataType::Utf8, true))),
    ];
    let fields: UnionFields = fields.into_iter().collect();
    let children = vec![Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef, strings(&[Some("x,y")])];
    let ids = ScalarBuffer::from(vec![3_i8, 3, 5]);
    let offsets = ScalarBuffer::from(vec![0, 1, 0]);
    let union = UnionArray::try_new(fields, ids, Some(offsets), children).expect("it is well formed");
    (Arc::new(union), ["1", "x,y"], ["1", "\"x,y\""])
}

/// A writer that fails, at once or only when flushed.
pub(super) struct Failing {
    pub(super) kind: io::ErrorKind,
    pub(super) at_flush: bool,
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.at_flush {
            true => Ok(bytes.len()),
            false => Err(self.kind.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.kind.into())
    }
}

//! JSON: one array with an object a line, or an object a line without the array (NDJSON).
//!
//! Every object has every key, in the order of the columns; NULL is `null`. Integers of 64 bits and decimals are JSON
//! numbers with all their digits: read them with a parser that keeps them. An empty array is `[]`, an empty NDJSON
//! nothing at all.
//!
//! Arrow's own JSON writer is not used: it leaves out keys, cuts decimals to their declared precision, and fails on a
//! timestamp whose zone is `UTC` by name.

use arrow::datatypes::{DataType, Schema};

use crate::error::Result;

use super::columns::refuse_duplicates;
use super::escape::push_json_string;
use super::line::Line;
use super::rows::Rows;
use super::text::Text;
use super::value::Column;
use super::{Format, Style};

/// Writes one array.
pub(super) fn array(schema: &Schema, style: &Style) -> Result<impl Rows + use<>> {
    refuse_duplicates(Format::Json, schema)?;
    Ok(Array { keys: keys(schema, style) })
}

/// Writes one object a line.
pub(super) fn lines(schema: &Schema, style: &Style) -> Result<impl Rows + use<>> {
    refuse_duplicates(Format::Ndjson, schema)?;
    Ok(Lines { keys: keys(schema, style) })
}

struct Array {
    keys: Vec<Key>,
}

impl Rows for Array {
    type Line<'a> = Line<Cell<'a>>;

    fn line<'a>(&self, columns: &'a [Column<'a>]) -> Self::Line<'a> {
        object(&self.keys, columns)
    }

    fn row(&self, line: &Self::Line<'_>, row: usize, first: bool, out: &mut Text) {
        // A line is ended by what follows it, because only then is it known whether a comma belongs there.
        out.push_str(if first { "[\n" } else { ",\n" });
        line.push(out, |cell, out| cell.push(row, out));
    }

    fn tail(&self, any: bool, out: &mut Text) {
        out.push_str(if any { "\n]\n" } else { "[]\n" });
    }
}

struct Lines {
    keys: Vec<Key>,
}

impl Rows for Lines {
    type Line<'a> = Line<Cell<'a>>;

    fn line<'a>(&self, columns: &'a [Column<'a>]) -> Self::Line<'a> {
        let mut line = object(&self.keys, columns);
        line.same("\n");
        line
    }

    fn row(&self, line: &Self::Line<'_>, row: usize, _first: bool, out: &mut Text) {
        line.push(out, |cell, out| cell.push(row, out));
    }
}

/// A key as it stands before each value, `{"first":` or `,"second":`, and whether its numbers are strings.
struct Key {
    text: String,
    as_text: bool,
}

fn keys(schema: &Schema, style: &Style) -> Vec<Key> {
    let wide = |kind: &DataType| matches!(kind, DataType::Int64 | DataType::UInt64) || kind.is_decimal();
    let fields = schema.fields().iter();
    fields
        .enumerate()
        .map(|(i, field)| {
            let name = field.name();
            let mut key = Text::default();
            key.push(if i == 0 { '{' } else { ',' });
            push_json_string(name, &mut key);
            key.push(':');
            Key { text: key.as_str().into(), as_text: style.numbers_as_text && wide(field.data_type()) }
        })
        .collect()
}

/// A value, by what is known of its column.
enum Cell<'a> {
    /// The quotes around it stand in the line.
    Quoted(&'a Column<'a>),
    /// A number that is a string.
    Number(&'a Column<'a>),
    Other(&'a Column<'a>),
}

fn object<'a>(keys: &[Key], columns: &'a [Column<'a>]) -> Line<Cell<'a>> {
    let mut line = Line::default();
    if keys.is_empty() {
        line.same("{");
    }
    for (key, column) in keys.iter().zip(columns) {
        line.same(&key.text);
        match column.word() {
            Some(word) => line.same(&format!("\"{word}\"")),
            None if column.is_quoted() => {
                line.same("\"");
                line.cell(Cell::Quoted(column));
                line.same("\"");
            }
            None if key.as_text => line.cell(Cell::Number(column)),
            None => line.cell(Cell::Other(column)),
        }
    }
    line.same("}");
    line
}

impl Cell<'_> {
    #[inline]
    fn push(&self, row: usize, out: &mut Text) {
        match self {
            Cell::Quoted(column) => column.json_text(row, out),
            Cell::Number(column) if !column.is_null(row) => {
                out.push('"');
                column.json(row, out);
                out.push('"');
            }
            Cell::Number(column) | Cell::Other(column) => column.json(row, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Decimal128Array, Int64Array, UInt64Array};
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::sample::{batch, encode, strings, text};
    use super::super::{Format, Style};

    #[test]
    fn an_array_has_one_object_a_line_across_batches() {
        let one = batch(vec![
            ("b", strings(&[Some("x"), None])),
            ("a", Arc::new(Int64Array::from(vec![Some(1), None]))),
        ]);
        let (bytes, _) =
            encode(Format::Json, &[one.clone(), one], &Style::default()).expect("it can be encoded");
        insta::assert_snapshot!(String::from_utf8(bytes).expect("it is text"), @r#"
        [
        {"b":"x","a":1},
        {"b":null,"a":null},
        {"b":"x","a":1},
        {"b":null,"a":null}
        ]
        "#);
    }

    #[test]
    fn wide_numbers_are_strings_if_asked() {
        let wide = batch(vec![
            ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None])) as ArrayRef),
            (
                "d",
                Arc::new(
                    Decimal128Array::from(vec![Some(15), None]).with_precision_and_scale(38, 1).unwrap(),
                ),
            ),
            ("i", Arc::new(arrow::array::Int32Array::from(vec![Some(1), None]))),
        ]);
        let style = Style { numbers_as_text: true, ..Style::default() };
        let (bytes, _) = encode(Format::Ndjson, &[wide], &style).expect("it can be encoded");
        let wanted =
            "{\"n\":\"9223372036854775807\",\"d\":\"1.5\",\"i\":1}\n{\"n\":null,\"d\":null,\"i\":null}\n";
        assert_eq!(String::from_utf8(bytes).expect("it is text"), wanted);
    }

    #[test]
    fn a_name_twice_inside_a_struct_is_refused() {
        use arrow::datatypes::{DataType, Field, Fields};
        let field = || Field::new("n", DataType::Int64, true);
        let kind = DataType::Struct(Fields::from(vec![field(), field()]));
        let list = DataType::new_list(kind, true);
        let batch = batch(vec![("s", arrow::array::new_null_array(&list, 1))]);
        assert!(encode(Format::Ndjson, &[batch], &Style::default()).is_err());
    }

    #[test]
    fn objects_without_keys_are_objects() {
        let rows = batch(vec![("a", strings(&[None, None]))]);
        let none = rows.project(&[]).expect("no column is out of range");
        assert_eq!(text(Format::Ndjson, &none), "{}\n{}\n");
    }

    #[test]
    fn decimals_keep_every_digit_even_beyond_their_precision() {
        for (value, scale, expected) in [
            (i128::MAX, 10, "17014118346046923173168730371.5884105727"),
            (i128::MIN, 38, "-1.70141183460469231731687303715884105728"),
            (-7, 3, "-0.007"),
            (0, 3, "0.000"),
            (12, -2, "1200"),
            (0, -2, "0"),
        ] {
            let array = Decimal128Array::from(vec![value]);
            let array = array.with_precision_and_scale(38, scale).expect("a type");
            let found = text(Format::Ndjson, &batch(vec![("v", Arc::new(array))]));
            assert_eq!(found, format!("{{\"v\":{expected}}}\n"));
            let read: Value = serde_json::from_str(&found).expect("it is JSON");
            assert_eq!(read["v"].to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            key: String,
            rows in proptest::collection::vec((any::<Option<String>>(), any::<Option<i64>>(), any::<u64>()), 0..6),
        ) {
            let (texts, (signed, unsigned)): (Vec<_>, (Vec<_>, Vec<_>)) =
                rows.iter().map(|(t, i, u)| (t.as_deref(), (*i, *u))).unzip();
            let key = format!("k{key}");
            let columns: Vec<(&str, ArrayRef)> = vec![
                (&key, strings(&texts)),
                ("i", Arc::new(Int64Array::from(signed))),
                ("u", Arc::new(UInt64Array::from(unsigned))),
            ];
            let batch = batch(columns);
            let array: Vec<Value> = serde_json::from_str(&text(Format::Json, &batch)).expect("it is JSON");
            let lines = text(Format::Ndjson, &batch);
            let lines: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).expect("it is JSON")).collect();
            prop_assert_eq!(&array, &lines);
            prop_assert_eq!(array.len(), rows.len());
            for (object, (text, signed, unsigned)) in array.iter().zip(&rows) {
                let keys: Vec<&String> = object.as_object().expect("an object").keys().collect();
                prop_assert_eq!(keys, vec![&key, "i", "u"]);
                prop_assert_eq!(object[&key].as_str(), text.as_deref());
                prop_assert_eq!(object["i"].as_i64(), *signed);
                prop_assert_eq!(object["u"].as_u64(), Some(*unsigned));
            }
        }
    }
}

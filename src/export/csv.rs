//! CSV and TSV, both with a header line always, and line feeds as line ends.
//!
//! CSV quotes as RFC 4180 says: a field with a comma, a quote, a line break, or a blank at either end. NULL is an empty
//! field and the empty string is `""`; in an answer of one column, where readers skip an empty line, NULL is `NULL` and that
//! text is `"NULL"`. TSV is the text format of PostgreSQL's COPY: `\t`, `\n`, `\r` and `\\` stand for
//! the characters that would break it, and NULL is `\N`.

use arrow::datatypes::Schema;

use super::Style;
use super::escape::{any_byte, push_marked};
use super::line::Line;
use super::rows::Rows;
use super::text::Text;
use super::value::Column;

/// NULL where an empty field would be an empty line, which readers skip.
const LONE_NULL: &str = "NULL";

/// Comma-separated values.
pub(super) struct Csv {
    bom: bool,
    safe: bool,
}

impl Rows for Csv {
    /// The cells, and whether it is only one.
    type Line<'a> = (Line<&'a Column<'a>>, bool);

    fn head(&self, schema: &Schema, out: &mut Text) {
        if self.bom {
            out.push('\u{feff}');
        }
        for (i, field) in schema.fields().iter().enumerate() {
            separate(i, ',', out);
            push_field(field.name(), out);
        }
        out.push('\n');
    }

    fn line<'a>(&self, columns: &'a [Column<'a>]) -> Self::Line<'a> {
        let mut line = Line::default();
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                line.same(",");
            }
            match column.word() {
                Some(word) => line.same(word),
                None => line.cell(column),
            }
        }
        line.same("\n");
        (line, columns.len() == 1)
    }

    fn row(&self, (line, lone): &Self::Line<'_>, row: usize, _first: bool, out: &mut Text) {
        line.push(out, |column, out| match column.is_null(row) {
            true if *lone => out.push_str(LONE_NULL),
            true => {}
            false => self.cell(column, row, *lone, out),
        });
    }
}

impl Csv {
    pub(super) fn new(style: &Style) -> Csv {
        Csv { bom: style.bom, safe: style.spreadsheet_safe }
    }

    /// A value that is not NULL.
    fn cell(&self, column: &Column<'_>, row: usize, lone: bool, out: &mut Text) {
        match column.str(row) {
            Some(text) if !self.safe && !lone => push_field(text, out),
            None if column.is_plain() => column.text(row, out),
            _ => {
                let start = out.len();
                column.text(row, out);
                if self.safe {
                    defuse_from(start, out);
                }
                let text = out.split_off(start);
                match lone && text == LONE_NULL {
                    true => push_quoted(&text, out),
                    false => push_field(&text, out),
                }
            }
        }
    }
}

/// Puts a quote before what a spreadsheet would run.
fn defuse_from(start: usize, out: &mut Text) {
    if out.since(start).starts_with(['=', '+', '-', '@', '\t', '\r']) {
        out.insert_str(start, "'");
    }
}

/// Appends a field, in quotes if it needs them.
fn push_field(text: &str, out: &mut Text) {
    match needs_quotes(text.as_bytes()) {
        true => push_quoted(text, out),
        false => out.push_str(text),
    }
}

fn push_quoted(text: &str, out: &mut Text) {
    out.push('"');
    push_marked(text, b'"', [b'"'], out);
    out.push('"');
}

fn needs_quotes(field: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    // All that could need them are among the first signs of ASCII, which most fields have none of: one comparison.
    field.is_empty()
        || any_byte(field, |b| b <= b',')
            && (blank(field.first())
                || blank(field.last())
                || any_byte(field, |b| (b == b',') | (b == b'"') | (b == b'\n') | (b == b'\r')))
}

/// Tab-separated values.
pub(super) struct Tsv {
    safe: bool,
}

impl Tsv {
    pub(super) fn new(style: &Style) -> Tsv {
        Tsv { safe: style.spreadsheet_safe }
    }
}

impl Rows for Tsv {
    type Line<'a> = &'a [Column<'a>];

    fn head(&self, schema: &Schema, out: &mut Text) {
        for (i, field) in schema.fields().iter().enumerate() {
            separate(i, '\t', out);
            let start = out.len();
            out.push_str(field.name());
            escape_from(start, out);
        }
        out.push('\n');
    }

    fn line<'a>(&self, columns: &'a [Column<'a>]) -> Self::Line<'a> {
        columns
    }

    fn row(&self, columns: &Self::Line<'_>, row: usize, _first: bool, out: &mut Text) {
        for (i, column) in columns.iter().enumerate() {
            separate(i, '\t', out);
            if column.is_null(row) {
                out.push_str("\\N");
                continue;
            }
            let start = out.len();
            column.text(row, out);
            if !column.is_plain() {
                if self.safe {
                    defuse_from(start, out);
                }
                escape_from(start, out);
            }
        }
        out.push('\n');
    }
}

/// Escapes the field that `out` holds from `start` on, if it needs it.
fn escape_from(start: usize, out: &mut Text) {
    let special = |b| (b == b'\t') | (b == b'\n') | (b == b'\r') | (b == b'\\');
    if !any_byte(&out.as_ref()[start..], special) {
        return;
    }
    let field = out.split_off(start);
    for c in field.chars() {
        match c {
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            c => out.push(c),
        }
    }
}

fn separate(index: usize, separator: char, out: &mut Text) {
    if index > 0 {
        out.push(separator);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BinaryArray, Float64Array};
    use proptest::prelude::*;

    use super::super::Format;
    use super::super::sample::{batch, strings, text};

    #[test]
    fn csv_quotes_only_what_needs_it() {
        for (value, field) in [
            // Alone in its line, it would be an empty one.
            (None, "NULL"),
            (Some("NULL"), "\"NULL\""),
            (Some(""), "\"\""),
            (Some("plain text"), "plain text"),
            (Some("a,b"), "\"a,b\""),
            (Some("say \"hi\""), "\"say \"\"hi\"\"\""),
            (Some("\""), "\"\"\"\""),
            (Some("two\nlines"), "\"two\nlines\""),
            (Some("two\rlines"), "\"two\rlines\""),
            (Some(" a"), "\" a\""),
            (Some("a\t"), "\"a\t\""),
            (Some("a\tb;c"), "a\tb;c"),
            (Some("żółw🐢"), "żółw🐢"),
        ] {
            let found = text(Format::Csv, &batch(vec![("v", strings(&[value]))]));
            assert_eq!(found, format!("v\n{field}\n"), "{value:?}");
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text_if_asked() {
        use super::super::Style;
        use super::super::sample::encode;
        let style = Style { bom: true, spreadsheet_safe: true, ..Style::default() };
        let texts = strings(&[Some("=1+1"), Some("@x"), Some("-5"), Some("\tx"), Some("a=b"), None]);
        let number = Arc::new(Float64Array::from(vec![Some(-5.0); 6]));
        let rows = batch(vec![("v", texts), ("n", number)]);
        for (format, wanted) in [
            (Format::Csv, "\u{feff}v,n\n'=1+1,-5.0\n'@x,-5.0\n'-5,-5.0\n'\tx,-5.0\na=b,-5.0\n,-5.0\n"),
            (Format::Tsv, "v\tn\n'=1+1\t-5.0\n'@x\t-5.0\n'-5\t-5.0\n'\\tx\t-5.0\na=b\t-5.0\n\\N\t-5.0\n"),
        ] {
            let (bytes, _) = encode(format, std::slice::from_ref(&rows), &style).expect("it can be encoded");
            assert_eq!(String::from_utf8(bytes).expect("it is text"), wanted, "{format}");
        }
    }

    #[test]
    fn quotes_are_doubled_wherever_they_stand_in_a_long_text() {
        for length in 0..200 {
            let value = format!("{}{}{}", "x".repeat(length), "é\"ö".repeat(60), "\"".repeat(length));
            let found = text(Format::Csv, &batch(vec![("v", strings(&[Some(&value)]))]));
            assert_eq!(found, format!("v\n\"{}\"\n", value.replace('"', "\"\"")));
            let found = text(Format::Ndjson, &batch(vec![("v", strings(&[Some(&value)]))]));
            assert_eq!(found, format!("{{\"v\":\"{}\"}}\n", value.replace('"', "\\\"")));
        }
    }

    #[test]
    fn a_word_in_every_row_needs_no_quotes_and_other_texts_are_looked_at() {
        use arrow::array::StringViewArray;
        let long = "a_word-longer.than-12_bytes";
        for (value, csv, json, markdown) in [
            ("stored", "stored", "\"stored\"", "stored"),
            (long, long, "\"a_word-longer.than-12_bytes\"", long),
            ("NULL", "\"NULL\"", "\"NULL\"", "NULL"),
            ("", "\"\"", "\"\"", ""),
            ("a,b", "\"a,b\"", "\"a,b\"", "a,b"),
            ("a\"b", "\"a\"\"b\"", "\"a\\\"b\"", "a\"b"),
            ("a__b", "a__b", "\"a__b\"", "a\\_\\_b"),
            ("_a", "_a", "\"_a\"", "\\_a"),
        ] {
            for rows in [1, 3] {
                let same: StringViewArray = (0..rows).map(|_| Some(value)).collect();
                let same = batch(vec![("v", Arc::new(same) as _)]);
                assert_eq!(text(Format::Csv, &same), format!("v\n{}", format!("{csv}\n").repeat(rows)));
                let line = format!("{{\"v\":{json}}}\n");
                assert_eq!(text(Format::Ndjson, &same), line.repeat(rows));
                let line = format!("| {markdown} |\n");
                assert_eq!(text(Format::Markdown, &same), format!("| v |\n| --- |\n{}", line.repeat(rows)));
            }
        }
        let differ = StringViewArray::from(vec![Some("stored"), None, Some("a,b"), Some("stored")]);
        let differ = batch(vec![("v", Arc::new(differ) as _)]);
        assert_eq!(text(Format::Csv, &differ), "v\nstored\nNULL\n\"a,b\"\nstored\n");
    }

    #[test]
    fn headers_are_quoted_like_fields_and_may_repeat() {
        let nothing = batch(vec![
            ("a,b", strings(&[])),
            ("", strings(&[])),
            ("a\tb", strings(&[])),
            ("x", strings(&[])),
            ("x", strings(&[])),
        ]);
        assert_eq!(text(Format::Csv, &nothing), "\"a,b\",\"\",a\tb,x,x\n");
        assert_eq!(text(Format::Tsv, &nothing), "a,b\t\ta\\tb\tx\tx\n");
    }

    #[test]
    fn no_bytes_are_not_null() {
        let bytes = BinaryArray::from(vec![Some(&b""[..]), None]);
        let found = text(Format::Csv, &batch(vec![("v", Arc::new(bytes))]));
        assert_eq!(found, "v\n\"\"\nNULL\n");
    }

    #[test]
    fn tsv_escapes_what_would_break_it() {
        for (value, field) in [
            (None, "\\N"),
            (Some(""), ""),
            (Some("\\N"), "\\\\N"),
            (Some("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e"),
            (Some(" \"a, b\" "), " \"a, b\" "),
        ] {
            let found = text(Format::Tsv, &batch(vec![("v", strings(&[value]))]));
            assert_eq!(found, format!("v\n{field}\n"), "{value:?}");
        }
    }

    type Row = (Option<String>, Option<String>);

    fn two_columns(rows: &[Row]) -> arrow::array::RecordBatch {
        let first: Vec<_> = rows.iter().map(|(a, _)| a.as_deref()).collect();
        let second: Vec<_> = rows.iter().map(|(_, b)| b.as_deref()).collect();
        batch(vec![("a", strings(&first)), ("b", strings(&second))])
    }

    /// Reads RFC 4180 and tells NULL from the empty string.
    fn read_csv(text: &str) -> Vec<Vec<Option<String>>> {
        let mut rows = vec![];
        let (mut row, mut field, mut quoted) = (vec![], None::<String>, false);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '"' if quoted && rest.peek() == Some(&'"') => {
                    rest.next();
                    field.get_or_insert_default().push('"');
                }
                '"' => {
                    quoted = !quoted;
                    field.get_or_insert_default();
                }
                ',' if !quoted => row.push(field.take()),
                '\n' if !quoted => {
                    row.push(field.take());
                    rows.push(std::mem::take(&mut row));
                }
                c => field.get_or_insert_default().push(c),
            }
        }
        rows
    }

    fn read_tsv(text: &str) -> Vec<Vec<Option<String>>> {
        let field = |field: &str| match field {
            "\\N" => None,
            field => {
                let mut out = String::new();
                let mut rest = field.chars();
                while let Some(c) = rest.next() {
                    out.push(match c {
                        '\\' => match rest.next().expect("an escape is two characters") {
                            't' => '\t',
                            'n' => '\n',
                            'r' => '\r',
                            c => c,
                        },
                        c => c,
                    });
                }
                Some(out)
            }
        };
        let lines = text.strip_suffix('\n').expect("lines end").split('\n');
        lines.map(|line| line.split('\t').map(field).collect()).collect()
    }

    fn cell() -> impl Strategy<Value = Option<String>> {
        let text = prop_oneof!["[ab,\"\t\n\r\\\\N ]{0,6}", any::<String>()];
        proptest::option::of(text)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(rows in proptest::collection::vec((cell(), cell()), 0..8)) {
            let batch = two_columns(&rows);
            let mut expected = vec![vec![Some("a".to_owned()), Some("b".to_owned())]];
            expected.extend(rows.into_iter().map(|(a, b)| vec![a, b]));
            prop_assert_eq!(read_csv(&text(Format::Csv, &batch)), expected.clone());
            prop_assert_eq!(read_tsv(&text(Format::Tsv, &batch)), expected);
        }

        #[test]
        fn arrow_reads_our_csv(rows in proptest::collection::vec(("[a-z,\"\n]{1,5}", "[a-z \r]{1,5}"), 1..8)) {
            let rows: Vec<Row> = rows.into_iter().map(|(a, b)| (Some(a), Some(b))).collect();
            let batch = two_columns(&rows);
            let reader = arrow::csv::ReaderBuilder::new(batch.schema()).with_header(true);
            let bytes = text(Format::Csv, &batch).into_bytes();
            let mut reader = reader.build(bytes.as_slice()).expect("it is CSV");
            prop_assert_eq!(reader.next().expect("there are rows").expect("it is CSV"), batch);
        }

        #[test]
        fn floats_read_back_the_same(value: f64) {
            let found = text(Format::Csv, &batch(vec![("v", Arc::new(Float64Array::from(vec![value])))]));
            let read: f64 = found.trim_start_matches('v').trim().parse().expect("it is a number");
            prop_assert!(read == value || read.is_nan() && value.is_nan());
        }
    }
}

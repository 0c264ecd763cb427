//! XLSX: one sheet, its rows spooled to a temporary file, with a header that stays in sight.
//!
//! Excel's numbers are doubles: a number that one cannot hold exactly, and a time, is text. Text is never a formula. NULL and
//! the empty text are both an empty cell. A sheet has at most 1,048,575 rows below its header, a cell 32,767 characters; more
//! is refused. The file says nothing of when it was written, so the same answer makes the same bytes.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format as CellFormat, Workbook, XlsxError};

use super::columns::{refusal, refuse_others};
use super::output::Sink;
use super::text::Text;
use super::value::Column;
use super::{Encoder, Format, Written};
use crate::error::{Error, Result};

/// Rows of a sheet, the header among them.
const MOST_ROWS: u64 = 1_048_576;
/// Digits that a double always holds.
const EXACT_DIGITS: usize = 15;

/// Collects a sheet; the file is made at the end, for its parts have to be known by then.
pub(super) struct Xlsx<'w> {
    out: Sink<'w>,
    schema: SchemaRef,
    book: Workbook,
    rows: u64,
}

impl<'w> Xlsx<'w> {
    pub(super) fn new(out: Sink<'w>, schema: SchemaRef) -> Result<Self> {
        let mut book = Workbook::new();
        let created = ExcelDateTime::from_ymd(2000, 1, 1).map_err(wrong)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&created));
        let sheet = book.add_worksheet_with_constant_memory().map_err(wrong)?;
        sheet.set_freeze_panes(1, 0).map_err(wrong)?;
        let bold = CellFormat::new().set_bold();
        for (at, field) in schema.fields().iter().enumerate() {
            let at =
                u16::try_from(at).map_err(|_| refusal(Format::Xlsx, "it has too many columns".into()))?;
            sheet.write_string_with_format(0, at, field.name(), &bold).map_err(wrong)?;
        }
        Ok(Xlsx { out, schema, book, rows: 0 })
    }
}

impl Encoder for Xlsx<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(Format::Xlsx, &self.schema, batch)?;
        let sheet = self.book.worksheet_from_index(0).map_err(wrong)?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
        let mut value = Text::default();
        for row in 0..batch.num_rows() {
            self.rows += 1;
            if self.rows >= MOST_ROWS {
                return Err(refusal(Format::Xlsx, format!("a sheet has at most {} rows", MOST_ROWS - 1)));
            }
            let line = self.rows as u32;
            for (at, (column, field)) in (0_u16..).zip(columns.iter().zip(self.schema.fields())) {
                if column.is_null(row) {
                    continue;
                }
                value.clear();
                column.text(row, &mut value);
                let text = value.as_str();
                let written = match (field.data_type(), number(field.data_type(), text)) {
                    (DataType::Boolean, _) => sheet.write_boolean(line, at, text == "true"),
                    (_, Some(number)) => sheet.write_number(line, at, number),
                    _ => sheet.write_string(line, at, text),
                };
                written.map_err(wrong)?;
            }
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let bytes = self.book.save_to_buffer().map_err(wrong)?;
        let written = self.out.write_all(&bytes).and_then(|()| self.out.flush());
        written.map_err(|source| Error::Output { source })?;
        Ok(Written { rows: self.rows, shown: self.rows })
    }
}

/// The number that a text is, if a double holds it exactly.
fn number(kind: &DataType, text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok().filter(|number: &f64| kind.is_numeric() && number.is_finite())?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (kind.is_floating() || digits <= EXACT_DIGITS).then_some(number)
}

fn wrong(error: XlsxError) -> Error {
    match error {
        XlsxError::IoError(source) => Error::Output { source },
        other => refusal(Format::Xlsx, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::super::Style;
    use super::super::sample::{batch, encode, strings};
    use super::*;

    #[test]
    fn the_same_answer_makes_the_same_bytes() {
        let answer = || {
            batch(vec![
                ("a", strings(&[Some("=1+1"), None])),
                ("n", Arc::new(Int64Array::from(vec![1, i64::MAX]))),
            ])
        };
        let [one, other] =
            [(); 2].map(|()| encode(Format::Xlsx, &[answer()], &Style::default()).expect("it fits").0);
        assert!(one.starts_with(b"PK") && one == other);
    }

    #[test]
    fn numbers_that_a_double_cannot_hold_are_text() {
        for (kind, text, exact) in [
            (DataType::Int64, "9007199254740993", None),
            (DataType::Int64, "999999999999999", Some(999_999_999_999_999.0)),
            (DataType::Decimal128(38, 2), "0.10", Some(0.1)),
            (DataType::Float64, "NaN", None),
            (DataType::Float64, "0.30000000000000004", Some(0.30000000000000004)),
            (DataType::Utf8, "5", None),
        ] {
            assert_eq!(number(&kind, text), exact, "{text}");
        }
    }
}

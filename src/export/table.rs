//! A table for people: a header, a rule, and a line for each row, numbers to the right.
//!
//! NULL reads `NULL`, and the empty string is blank. A line break or another control character inside a value is shown
//! as its escape, `\n` or `\u{1b}`.
//!
//! Columns are as wide as the first rows need (1,000, or 4 MiB of them); from there on the rows stream, and a wider
//! one overflows its column. [`Style::width`] narrows the widest columns and cuts their values in the middle with `…`. Not
//! so numbers, and no column below 8 cells: a line that cannot fit overflows.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::UnicodeWidthStr;

use crate::error::Result;

use super::columns::refuse_others;
use super::layout::{BETWEEN, NARROWEST, Shape, cut, line_width, push_visible, shrink};
use super::output::{Output, Sink};
use super::readable::Unit;
use super::text::Text;
use super::value::Column;
use super::{Encoder, Format, Style, Written};

/// The rows that decide the widths. The second limit keeps memory bounded when values are very long.
const MEASURED_ROWS: usize = 1_000;
const MEASURED_BYTES: usize = 4 * 1024 * 1024;

/// A table for people.
pub(super) struct Table<'w> {
    out: Output<'w>,
    schema: SchemaRef,
    style: Style,
    shapes: Vec<Shape>,
    /// What the columns that are to be readable count.
    units: Vec<Option<Unit>>,
    /// The first rows, until the widths are decided.
    held: Option<Held>,
    line: String,
    written: Written,
}

#[derive(Default)]
struct Held {
    rows: Vec<Vec<String>>,
    bytes: usize,
}

impl<'w> Table<'w> {
    pub(super) fn new(out: Sink<'w>, schema: SchemaRef, style: &Style) -> Self {
        let fields = schema.fields().iter();
        let shapes = fields.map(|field| Shape::new(&visible(field.name()), field.data_type()));
        let units = schema.fields().iter().map(|field| Unit::of(field).filter(|_| style.units));
        Table {
            out: Output::new(out),
            units: units.collect(),
            shapes: shapes.collect(),
            schema,
            style: style.clone(),
            held: Some(Held::default()),
            line: String::new(),
            written: Written::default(),
        }
    }

    fn row(&mut self, cells: Vec<String>) -> Result<()> {
        let Some(held) = &mut self.held else {
            return self.put_row(&cells);
        };
        for (shape, cell) in self.shapes.iter_mut().zip(&cells) {
            shape.fit(cell);
        }
        held.bytes += cells.iter().map(String::len).sum::<usize>();
        held.rows.push(cells);
        if held.rows.len() >= MEASURED_ROWS || held.bytes >= MEASURED_BYTES {
            self.release()?;
        }
        Ok(())
    }

    /// Decides the widths, and writes the header and the rows held until now.
    fn release(&mut self) -> Result<()> {
        let Some(held) = self.held.take() else {
            return Ok(());
        };
        if let Some(limit) = self.style.width {
            shrink(&mut self.shapes, limit);
        }
        self.put_header()?;
        held.rows.iter().try_for_each(|cells| self.put_row(cells))
    }

    fn put_header(&mut self) -> Result<()> {
        // Without columns there is nothing to rule off.
        if self.shapes.is_empty() {
            return Ok(());
        }
        let fields = self.schema.fields().iter();
        let names: Vec<String> = fields
            .zip(&self.shapes)
            .map(|(field, shape)| match self.style.width {
                Some(_) => cut(&visible(field.name()), shape.width),
                None => visible(field.name()),
            })
            .collect();
        self.put_line(&names)?;
        let rules: Vec<String> = self.shapes.iter().map(|s| "─".repeat(s.width)).collect();
        self.out.put(&rules.join("─┼─"))?;
        self.out.put("\n")
    }

    fn put_row(&mut self, cells: &[String]) -> Result<()> {
        let widths = self.shapes.iter().zip(cells);
        let width = line_width(widths.map(|(shape, cell)| shape.width.max(cell.width())));
        if self.style.width.is_none_or(|limit| width <= limit) {
            return self.put_line(cells);
        }
        let cells: Vec<String> = self
            .shapes
            .iter()
            .zip(cells)
            .map(|(shape, cell)| match shape.number {
                true => cell.clone(),
                false => cut(cell, shape.width.max(NARROWEST)),
            })
            .collect();
        self.put_line(&cells)
    }

    fn put_line(&mut self, cells: &[String]) -> Result<()> {
        self.line.clear();
        for (i, (shape, cell)) in self.shapes.iter().zip(cells).enumerate() {
            if i > 0 {
                self.line.push_str(BETWEEN);
            }
            shape.push(cell, i + 1 == cells.len(), &mut self.line);
        }
        self.line.push('\n');
        self.out.put(&self.line)
    }
}

impl Encoder for Table<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(Format::Table, &self.schema, batch)?;
        let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
        let limit = self.style.max_rows.map_or(u64::MAX, |limit| limit as u64);
        let left = limit - self.written.shown;
        let rows = batch.num_rows() as u64;
        for row in 0..rows.min(left) as usize {
            // A table without columns has nothing to draw.
            if !columns.is_empty() {
                let units = self.units.iter().zip(columns.iter().zip(batch.columns()));
                let readable = |unit: &Option<Unit>, values| unit.and_then(|unit| unit.text(values, row));
                let cells = units.map(|(unit, (column, values))| {
                    readable(unit, values).unwrap_or_else(|| cell(column, row))
                });
                self.row(cells.collect())?;
            }
        }
        self.written.rows += rows;
        self.written.shown += rows.min(left);
        // The rest is only counted, and that may take long.
        if left > 0 && self.written.shown == limit {
            self.release()?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.release()?;
        self.out.flush()?;
        Ok(self.written)
    }
}

/// The rows of a batch as a table shows them: NULL reads `NULL`, and texts are [`visible`].
pub fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let columns: Vec<Column<'_>> = batch.columns().iter().map(Column::new).collect();
    let row = |row| columns.iter().map(|column| cell(column, row)).collect();
    (0..batch.num_rows()).map(row).collect()
}

fn cell(column: &Column<'_>, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let mut text = Text::default();
    column.text(row, &mut text);
    match column.is_plain() {
        true => text.as_str().to_owned(),
        false => visible(text.as_str()),
    }
}

/// A text as a table shows it: in one line, with escapes in the place of what would speak to a terminal.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_visible(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::super::sample::{Shared, batch, encode, strings, text};
    use super::*;

    const CIDS: [&str; 2] = [
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG",
    ];

    fn pins() -> RecordBatch {
        batch(vec![
            ("cid", strings(&[Some(CIDS[0]), Some(CIDS[1]), Some("")])),
            ("size_bytes", Arc::new(Int64Array::from(vec![Some(1_048_576), Some(-1), None]))),
            ("status", strings(&[Some("stored"), None, Some("a\n\u{1b}[1m")])),
        ])
    }

    fn styled(batch: &RecordBatch, style: Style) -> (String, Written) {
        let (bytes, written) =
            encode(Format::Table, std::slice::from_ref(batch), &style).expect("it can be drawn");
        (String::from_utf8(bytes).expect("it is text"), written)
    }

    #[test]
    fn a_table_has_a_header_a_rule_and_rows() {
        insta::assert_snapshot!(text(Format::Table, &pins()), @r"
        cid                                                         │ size_bytes │ status
        ────────────────────────────────────────────────────────────┼────────────┼─────────────
        bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi │    1048576 │ stored
        QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG              │         -1 │ NULL
                                                                    │       NULL │ a\n\u{1b}[1m
        ");
    }

    #[test]
    fn a_narrow_table_cuts_the_widest_column_in_its_middle() {
        let style = Style { width: Some(50), max_rows: Some(2), ..Style::default() };
        let (text, written) = styled(&pins(), style);
        insta::assert_snapshot!(text, @r"
        cid                          │ size_bytes │ status
        ─────────────────────────────┼────────────┼───────
        bafybeigdyrzt5…clgtqy55fbzdi │    1048576 │ stored
        QmYwAPJzv5CZsn…WEz79ojWKPbdG │         -1 │ NULL
        ");
        assert_eq!(written, Written { rows: 3, shown: 2 });
    }

    #[test]
    fn a_table_that_cannot_fit_overflows() {
        let style = Style { width: Some(10), ..Style::default() };
        let (text, _) = styled(&pins(), style);
        insta::assert_snapshot!(text, @r"
        cid      │ size…tes │ status
        ─────────┼──────────┼─────────
        bafy…zdi │  1048576 │ stored
        QmYw…bdG │       -1 │ NULL
                 │     NULL │ a\n\…[1m
        ");
    }

    #[test]
    fn wide_characters_take_two_cells() {
        let rows = batch(vec![
            ("名", strings(&[Some("漢字"), Some("e\u{301}")])),
            ("b", strings(&[Some("x"), Some("y")])),
        ]);
        let drawn = text(Format::Table, &rows);
        let expected = "名   │ b\n─────┼──\n漢字 │ x\ne\u{301}    │ y\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn rows_beyond_the_limit_are_counted_and_not_shown() {
        for (limit, shown) in [(0, 0), (1, 1), (4, 4), (6, 6), (7, 6)] {
            let style = Style { max_rows: Some(limit), ..Style::default() };
            let (bytes, written) = encode(Format::Table, &[pins(), pins()], &style).expect("it can be drawn");
            assert_eq!(written, Written { rows: 6, shown });
            let lines = String::from_utf8(bytes).expect("it is text").lines().count();
            assert_eq!(lines as u64, 2 + shown);
        }
    }

    #[test]
    fn the_rows_that_are_shown_are_seen_before_the_rest_is_counted() {
        let out = Shared::default();
        let style = Style { max_rows: Some(2), ..Style::default() };
        let mut table = Table::new(Box::new(out.clone()), pins().schema(), &style);
        table.write(&pins()).expect("it can be drawn");
        assert_eq!(String::from_utf8_lossy(&out.bytes()).lines().count(), 4);
    }

    /// 1,000 narrow rows decide the widths; then comes a wide one.
    fn late_wide_row(style: Style) -> String {
        let narrow: Vec<Option<&str>> = vec![Some("ab"); MEASURED_ROWS];
        let rest = |array: ArrayRef| batch(vec![("a", array.clone()), ("b", array)]);
        let batches = [rest(strings(&narrow)), rest(strings(&[Some("a wide value")]))];
        let (bytes, _) = encode(Format::Table, &batches, &style).expect("it can be drawn");
        let text = String::from_utf8(bytes).expect("it is text");
        assert_eq!(text.lines().nth(5), Some("ab │ ab"));
        text.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_later_wider_row_overflows_unless_the_line_has_a_limit() {
        let width = |width| Style { width, ..Style::default() };
        assert_eq!(late_wide_row(width(None)), "a wide value │ a wide value");
        assert_eq!(late_wide_row(width(Some(27))), "a wide value │ a wide value");
        assert_eq!(late_wide_row(width(Some(26))), "a wi…lue │ a wi…lue");
    }

    #[test]
    fn rows_stream_once_the_widths_are_decided() {
        let out = Shared::default();
        let text = "x".repeat(10_000);
        let row = batch(vec![("a", strings(&[Some(&text)]))]);
        let mut table = Table::new(Box::new(out.clone()), row.schema(), &Style::default());
        for _ in 0..MEASURED_BYTES / text.len() + 20 {
            table.write(&row).expect("it can be drawn");
        }
        assert!(table.held.is_none(), "4 MiB are enough to decide");
        assert!(out.bytes().len() >= MEASURED_BYTES / 2);
    }
}

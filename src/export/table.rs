//! A table for people: a header, a rule, and a line for each row, numbers to the right.
//!
//! NULL reads `NULL`, and the empty string is blank. A line break or another control character inside a value is shown
//! as its escape, `\n` or `\u{1b}`.
//!
//! Columns are as wide as the first rows need (1,000, or 4 MiB of them); from there on the rows stream, and a wider one
//! overflows its column. [`Style::width`] narrows the widest columns and cuts their values in the middle with `…`. Not
//! so numbers, and no column below 8 cells: a line that cannot fit overflows.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::UnicodeWidthStr;

use crate::error::Result;

use super::columns::refuse_others;
use super::layout::{BETWEEN, Shape, cut, line_width, push_visible, shrink};
use super::output::{Output, Sink};
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
        Table {
            out: Output::new(out),
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
                false => cut(cell, shape.width),
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
                self.row(columns.iter().map(|column| cell(column, row)).collect())?;
            }
        }
        self.written.rows += rows;
        self.written.shown += rows.min(left);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        self.release()?;
        self.out.flush()?;
        Ok(self.written)
    }
}

fn cell(column: &Column<'_>, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let mut text = String::new();
    column.text(row, &mut text);
    match column.is_plain() {
        true => text,
        false => visible(&text),
    }
}

fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_visible(text, &mut out);
    out
}

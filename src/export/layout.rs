//! How wide the columns of a table are, and what a cell looks like in them.

use std::fmt::Write;

use arrow::datatypes::DataType;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// No column is made narrower than this to fit a line: less of a value says nothing.
const NARROWEST: usize = 8;

/// What stands between two columns, and how wide it is.
pub(super) const BETWEEN: &str = " │ ";
const BETWEEN_WIDTH: usize = 3;

/// One column of a table.
pub(super) struct Shape {
    /// Numbers stand to the right and are never cut, because a part of a number looks like another number.
    pub(super) number: bool,
    pub(super) width: usize,
    /// The widest value, without the header.
    values: usize,
}

impl Shape {
    pub(super) fn new(name: &str, kind: &DataType) -> Self {
        Shape {
            number: is_number(kind),
            width: name.width(),
            values: 0,
        }
    }

    /// Makes room for a cell.
    pub(super) fn fit(&mut self, cell: &str) {
        self.values = self.values.max(cell.width());
        self.width = self.width.max(self.values);
    }

    fn narrowest(&self) -> usize {
        match self.number {
            true => NARROWEST.max(self.values),
            false => NARROWEST,
        }
    }

    /// Appends a cell, filled up with blanks unless it is the `last` of its line and stands to the left.
    pub(super) fn push(&self, cell: &str, last: bool, line: &mut String) {
        let blanks = self.width.saturating_sub(cell.width());
        let blanks = std::iter::repeat_n(' ', blanks);
        match (self.number, last) {
            (true, _) => {
                line.extend(blanks);
                line.push_str(cell);
            }
            (false, false) => {
                line.push_str(cell);
                line.extend(blanks);
            }
            (false, true) => line.push_str(cell),
        }
    }
}

/// Whether a column's values are numbers, which people compare by their last digits.
pub(super) fn is_number(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_number(values),
        DataType::RunEndEncoded(_, values) => is_number(values.data_type()),
        kind => kind.is_numeric(),
    }
}

/// The width of a line with columns of these widths.
pub(super) fn line_width(widths: impl ExactSizeIterator<Item = usize>) -> usize {
    let between = widths.len().saturating_sub(1) * BETWEEN_WIDTH;
    widths.sum::<usize>() + between
}

/// Narrows the widest columns until a line fits into `limit`, or until none can be narrowed any more.
pub(super) fn shrink(shapes: &mut [Shape], limit: usize) {
    for shape in &mut *shapes {
        // One step instead of one for each cell of a very long text.
        shape.width = shape.width.min(limit.max(shape.narrowest()));
    }
    while line_width(shapes.iter().map(|shape| shape.width)) > limit {
        let wide = shapes
            .iter_mut()
            .filter(|shape| shape.width > shape.narrowest());
        match wide.max_by_key(|shape| shape.width) {
            Some(widest) => widest.width -= 1,
            None => return,
        }
    }
}

/// Cuts a text in its middle, because CIDs and paths differ at both ends.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let rest = width.saturating_sub(1);
    let head = prefix(text.chars(), rest.div_ceil(2));
    let tail = prefix(text.chars().rev(), rest / 2);
    format!("{}…{}", &text[..head], &text[text.len() - tail..])
}

/// How many bytes of these characters fit into `width` cells.
fn prefix(chars: impl Iterator<Item = char>, width: usize) -> usize {
    let mut cells = 0;
    let fitting = chars.take_while(|c| {
        // The emoji selector has no width of its own, but can widen what it follows.
        cells += match c {
            '\u{fe0f}' => 1,
            c => c.width().unwrap_or_default(),
        };
        cells <= width
    });
    fitting.map(char::len_utf8).sum()
}

/// Appends a text so that it stays in its cell: line breaks, other control characters and those that turn the direction
/// of writing become escapes, so that no value draws outside the table or speaks to the terminal.
pub(super) fn push_visible(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || reorders(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes any text");
            }
            c => out.push(c),
        }
    }
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

//! How wide the columns of a table are, and what a cell looks like in them.

use std::fmt::Write;

use arrow::datatypes::DataType;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// No column is made narrower than this to fit a line: less of a value says nothing.
pub(super) const NARROWEST: usize = 8;

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
        Shape { number: is_number(kind), width: name.width(), values: 0 }
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
        let wide = shapes.iter_mut().filter(|shape| shape.width > shape.narrowest());
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_cut_in_its_middle() {
        for (text, width, expected) in [
            ("abcdefghij", 10, "abcdefghij"),
            ("abcdefghij", 9, "abcd…ghij"),
            ("abcdefghij", 8, "abcd…hij"),
            ("abcdefghij", 1, "…"),
            ("漢字漢字漢字", 8, "漢字…字"),
            ("漢字漢字漢字", 7, "漢…字"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, width), expected, "{text} in {width}");
        }
    }

    #[test]
    fn nothing_in_a_cell_reaches_the_terminal() {
        for (text, expected) in [
            ("a\nb\r\n\tc", "a\\nb\\r\\n\\tc"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("\u{202e}gpj.exe\u{2028}", "\\u{202e}gpj.exe\\u{2028}"),
            ("a\\nb é 👩\u{200d}🚀", "a\\nb é 👩\u{200d}🚀"),
        ] {
            let mut out = String::new();
            push_visible(text, &mut out);
            assert_eq!(out, expected);
        }
    }

    fn shape(number: bool, width: usize) -> Shape {
        Shape { number, width, values: width }
    }

    #[test]
    fn the_widest_columns_give_way_first() {
        for (columns, limit, expected) in [
            (&[(false, 59), (false, 70), (false, 6)][..], 80, &[34, 34, 6][..]),
            (&[(false, 59), (true, 20)], 40, &[17, 20]),
            (&[(false, 59), (true, 20)], 10, &[8, 20]),
            (&[(false, 5), (false, 1_000_000_000)], 30, &[5, 22]),
            (&[(false, 5)], 80, &[5]),
            (&[], 80, &[]),
        ] {
            let mut shapes: Vec<Shape> = columns.iter().map(|(n, w)| shape(*n, *w)).collect();
            shrink(&mut shapes, limit);
            let widths: Vec<usize> = shapes.iter().map(|shape| shape.width).collect();
            assert_eq!(widths, expected, "{columns:?} in {limit}");
        }
    }

    proptest! {
        #[test]
        fn a_cut_text_fits(text in "(\\PC|[👩\u{200d}🚀\u{fe0f}❤漢e\u{301}]){0,30}", width in 1_usize..20) {
            let cut = cut(&text, width);
            prop_assert!(cut.width() <= width, "{cut:?} is {} wide", cut.width());
            prop_assert!(cut == text || text.width() > width);
        }
    }
}

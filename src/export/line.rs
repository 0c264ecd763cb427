//! A line of a batch: the cells that differ from row to row, and between them text that is the same in every row.

use super::text::Text;

/// The length of the longest text that counts as short.
const SHORT: usize = 32;

/// What the rows of a batch are written from. `C` is what a format needs to know of a cell.
pub(super) struct Line<C> {
    /// The cells, and the text before each.
    cells: Vec<(Same, C)>,
    end: Same,
}

impl<C> Default for Line<C> {
    fn default() -> Self {
        Line { cells: Vec::new(), end: Same::default() }
    }
}

impl<C> Line<C> {
    /// Appends what is the same in every row.
    pub fn same(&mut self, text: &str) {
        self.end = Same::new(std::mem::take(&mut self.end.text) + text);
    }

    /// Appends a cell.
    pub fn cell(&mut self, cell: C) {
        self.cells.push((std::mem::take(&mut self.end), cell));
    }

    /// Writes a row, and each of its cells with `write`.
    #[inline]
    pub fn push(&self, out: &mut Text, write: impl Fn(&C, &mut Text)) {
        for (before, cell) in &self.cells {
            before.push(out);
            write(cell, out);
        }
        self.end.push(out);
    }
}

/// A text for many rows.
#[derive(Default)]
struct Same {
    text: String,
    /// A short one is copied with what follows it here, so that its length makes no difference.
    short: Option<[u8; SHORT]>,
}

impl Same {
    fn new(text: String) -> Same {
        let mut short = [0; SHORT];
        let room = short.get_mut(..text.len());
        let is_short = room.map(|room| room.copy_from_slice(text.as_bytes())).is_some();
        Same { text, short: is_short.then_some(short) }
    }

    #[inline]
    fn push(&self, out: &mut Text) {
        match &self.short {
            Some(short) => out.push_with(SHORT, |room| {
                room[..SHORT].copy_from_slice(short);
                self.text.len()
            }),
            None => out.push_str(&self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_cells_follow_one_another() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 5 * SHORT] {
            let long = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let (mut line, mut out) = (Line::default(), Text::default());
            line.same(&long);
            line.same("a");
            line.cell(1);
            line.cell(2);
            line.same(&long);
            (0..2).for_each(|_| line.push(&mut out, |cell, out| out.push_str(&cell.to_string())));
            assert_eq!(out.as_str(), format!("{long}a12{long}").repeat(2));
        }
        let mut out = Text::default();
        Line::<()>::default().push(&mut out, |(), _| unreachable!("there are no cells"));
        assert_eq!(out.as_str(), "");
    }
}

//! Blocks: rows whose groups are found at once, so few that the table of these fits a core's own cache.

use std::ops::Range;

use arrow::array::RecordBatch;

use super::source::{Piece, Source};

/// Rows of some pieces.
pub(super) struct Block<'a> {
    /// Those of one backend side by side, if an aggregate asks for backends.
    pub slices: Vec<Slice<'a>>,
    /// Whether each slice is sorted by content.
    pub sorted: bool,
    /// Between which two all contents lie, if that is known.
    pub span: Option<[&'a [u8]; 2]>,
    /// The greatest content in it, of which more may come. `None`: no more comes at all.
    pub bound: Option<&'a [u8]>,
}

/// Rows of a piece that stand side by side. It is borrowed, for there may be hundreds of thousands of them, and what counts
/// references to a piece would go back and forth between cores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice<'a> {
    pub piece: &'a Piece,
    from: usize,
    rows: usize,
}

/// Takes about `rows` rows of what waits, up to a content: the rows, and that content if more may come. Each source must have
/// some waiting, or be read.
pub(super) fn cut(sources: &mut [Source], rows: usize) -> (Vec<Piece>, Option<Vec<u8>>) {
    let bound = bound(sources, rows);
    let mut pieces = Vec::new();
    for source in sources.iter_mut() {
        source.take_to(bound.as_deref(), &mut pieces);
    }
    (pieces, bound)
}

/// Up to where the block goes: as far as all sources have been read, or less.
fn bound(sources: &[Source], rows: usize) -> Option<Vec<u8>> {
    let going_on = sources.iter().filter(|source| !source.is_read());
    let farthest = going_on.filter_map(Source::last).min();
    let counts: Vec<_> = sources
        .iter()
        .map(|source| farthest.map_or_else(|| source.rows(), |bound| source.rows_to(bound)))
        .collect();
    let total: usize = counts.iter().sum();
    if total <= rows + rows / 2 {
        return farthest.map(<[u8]>::to_vec);
    }
    // The source with the most rows tells best where a part of them ends.
    let (longest, most) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
    let at = (*most as u128 * rows as u128 / total as u128) as usize;
    sources[longest].content_at(at).map(<[u8]>::to_vec)
}

impl<'a> Block<'a> {
    /// All rows of pieces that are sorted.
    pub fn of_sorted(pieces: &'a [Piece], bound: Option<&'a [u8]>) -> Block<'a> {
        let slices = pieces.iter().map(|piece| Slice::new(piece, 0..piece.len())).collect();
        Block { slices, sorted: true, span: None, bound }
    }

    pub fn rows(&self) -> usize {
        self.slices.iter().map(Slice::len).sum()
    }
}

impl<'a> Slice<'a> {
    pub fn new(piece: &'a Piece, rows: Range<usize>) -> Slice<'a> {
        Slice { piece, from: rows.start, rows: rows.len() }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    #[inline]
    pub fn content(&self, row: usize) -> &'a [u8] {
        self.piece.contents.get(self.from + row)
    }

    pub fn first(&self) -> Option<&'a [u8]> {
        (self.rows > 0).then(|| self.content(0))
    }

    pub fn last(&self) -> Option<&'a [u8]> {
        self.rows.checked_sub(1).map(|last| self.content(last))
    }

    /// How many contents come before the first for which `holds` does not.
    pub fn count(&self, holds: impl Fn(&[u8]) -> bool) -> usize {
        self.piece.count(self.from..self.from + self.rows, holds)
    }

    pub fn batch(&self) -> RecordBatch {
        self.piece.rows.slice(self.from, self.rows)
    }
}

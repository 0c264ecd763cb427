//! Blocks: the rows of all runs up to one content, cut so that they are neither few nor many.

use super::source::{Piece, Source};

/// The rows of all runs that have not been seen yet, up to a content.
pub(super) struct Block {
    /// Those of one backend side by side.
    pub pieces: Vec<Piece>,
    /// Whether each piece is sorted by content.
    pub sorted: bool,
    /// The greatest content in it, of which more may come. `None`: no more comes at all.
    pub bound: Option<Vec<u8>>,
}

impl Block {
    /// Takes about `rows` rows of what waits. Each source must have some waiting, or be read.
    pub fn cut(sources: &mut [Source], rows: usize) -> Block {
        let bound = bound(sources, rows);
        let mut pieces = Vec::new();
        for source in sources.iter_mut() {
            source.take_to(bound.as_deref(), &mut pieces);
        }
        Block { pieces, sorted: true, bound }
    }

    pub fn rows(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }
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

//! Sorted runs as one sequence of rows, the least first.

use std::cmp::Ordering;

use super::rows::{self, Row};
use super::sort::{Key, Run};
use super::spool::{Block, Spooled};
use crate::error::Result;

/// Where a row is: in which of the blocks that are held, and from which byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    slot: usize,
    at: usize,
}

/// The rows of several runs in order.
pub(super) struct Ordered {
    cursors: Vec<Cursor>,
    /// Indices of cursors as a heap: the one at the least row first.
    heap: Vec<usize>,
    /// The blocks of runs in memory; then the blocks of the others whose rows have come up since the last
    /// [`Ordered::let_go`] and those whose rows come next.
    held: Vec<Block>,
    /// How many of them belong to runs in memory.
    lasting: usize,
    /// The runs that are not and that have rows left.
    spooled: usize,
}

struct Cursor {
    run: Source,
    place: Place,
    prefix: u64,
}

enum Source {
    /// The keys of a run in memory, how many of them are done, and where its blocks begin.
    Memory {
        keys: Vec<Key>,
        done: usize,
        first: usize,
    },
    Spooled(Spooled),
}

impl Ordered {
    pub fn new(sorted: Vec<Run>) -> Result<Ordered> {
        let mut ordered =
            Ordered { cursors: Vec::new(), heap: Vec::new(), held: Vec::new(), lasting: 0, spooled: 0 };
        let mut spooled = Vec::new();
        for run in sorted {
            match run {
                Run::Memory { blocks, keys } => {
                    let first = ordered.held.len();
                    ordered.held.extend(blocks);
                    ordered.begin(Source::Memory { keys, done: 0, first })?;
                }
                Run::Spooled(run) => spooled.push(run),
            }
        }
        ordered.lasting = ordered.held.len();
        spooled.into_iter().try_for_each(|run| ordered.begin(Source::Spooled(run)))?;
        Ok(ordered)
    }

    fn begin(&mut self, mut run: Source) -> Result<()> {
        if let Some(place) = run.first(&mut self.held)? {
            let prefix = rows::prefix(self.row(place).content);
            self.spooled += usize::from(matches!(run, Source::Spooled(_)));
            self.cursors.push(Cursor { run, place, prefix });
            self.heap.push(self.cursors.len() - 1);
            self.sift_up();
        }
        Ok(())
    }

    /// Where the least row is held, if there is one left.
    pub fn place(&self) -> Option<Place> {
        Some(self.cursors[*self.heap.first()?].place)
    }

    /// The row at a place.
    pub fn row(&self, place: Place) -> Row<'_> {
        Row::read(&self.held[place.slot][place.at..])
    }

    /// The least row, if there is one left.
    pub fn first(&self) -> Option<Row<'_>> {
        self.place().map(|place| self.row(place))
    }

    /// Steps over the least row, which stays held.
    pub fn advance(&mut self) -> Result<()> {
        let Some(&first) = self.heap.first() else { return Ok(()) };
        let cursor = &mut self.cursors[first];
        match cursor.run.after(cursor.place, &mut self.held)? {
            Some(place) => {
                cursor.place = place;
                cursor.prefix = rows::prefix(Row::read(&self.held[place.slot][place.at..]).content);
            }
            None => {
                self.spooled -= usize::from(matches!(cursor.run, Source::Spooled(_)));
                self.heap.swap_remove(0);
            }
        }
        self.sift_down();
        Ok(())
    }

    /// Lets go of the blocks whose rows have all come up. Places from before are void.
    pub fn let_go(&mut self) {
        if self.held.len() - self.lasting == self.spooled {
            return;
        }
        let mut old = self.held.split_off(self.lasting);
        for &index in &self.heap {
            let place = &mut self.cursors[index].place;
            if place.slot >= self.lasting {
                self.held.push(std::mem::take(&mut old[place.slot - self.lasting]));
                place.slot = self.held.len() - 1;
            }
        }
    }

    fn order(&self, one: usize, other: usize) -> Ordering {
        let (one, other) = (&self.cursors[one], &self.cursors[other]);
        let keys = || self.row(one.place).key().cmp(&self.row(other.place).key());
        one.prefix.cmp(&other.prefix).then_with(keys)
    }

    fn sift_up(&mut self) {
        let mut at = self.heap.len() - 1;
        while at > 0 && self.order(self.heap[at], self.heap[(at - 1) / 2]).is_lt() {
            self.heap.swap(at, (at - 1) / 2);
            at = (at - 1) / 2;
        }
    }

    fn sift_down(&mut self) {
        let mut at = 0;
        loop {
            let children = (2 * at + 1)..self.heap.len().min(2 * at + 3);
            let least = children.min_by(|one, other| self.order(self.heap[*one], self.heap[*other]));
            match least {
                Some(child) if self.order(self.heap[child], self.heap[at]).is_lt() => {
                    self.heap.swap(child, at);
                    at = child;
                }
                _ => return,
            }
        }
    }
}

/// Records of a run in memory that are looked at together: they lie all over it, and the processor fetches several as
/// fast as one.
const AHEAD: usize = 16;

/// Reads a byte here and there, so that the records are in the cache when they are needed.
fn look_at<'a>(records: impl Iterator<Item = &'a [u8]>) {
    let bytes = records.map(|record| {
        [0, 64, 128, 192].iter().filter_map(|at| record.get(*at)).fold(0, |all, byte| all ^ byte)
    });
    std::hint::black_box(bytes.fold(0, |all, byte: u8| all ^ byte));
}

impl Source {
    /// The place of its first row, or of the first one of its next block.
    fn first(&mut self, held: &mut Vec<Block>) -> Result<Option<Place>> {
        match self {
            Source::Memory { keys, done, first } => Ok(keys.get(*done).map(|key| {
                if done.is_multiple_of(AHEAD) {
                    let next = &keys[*done..keys.len().min(*done + AHEAD)];
                    look_at(next.iter().map(|key| &held[*first + key.block()][key.at as usize..]));
                }
                *done += 1;
                Place { slot: *first + key.block(), at: key.at as usize }
            })),
            Source::Spooled(run) => Ok(run.next()?.map(|block| {
                held.push(block);
                Place { slot: held.len() - 1, at: 0 }
            })),
        }
    }

    /// The place of the row after this one.
    fn after(&mut self, place: Place, held: &mut Vec<Block>) -> Result<Option<Place>> {
        if let Source::Spooled(_) = self {
            let block = &held[place.slot];
            let at = place.at + rows::length(&block[place.at..]);
            if at < block.len() {
                return Ok(Some(Place { slot: place.slot, at }));
            }
        }
        self.first(held)
    }
}

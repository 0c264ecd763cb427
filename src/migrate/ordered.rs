//! Sorted runs as one sequence of rows, the least first.

use std::cmp::Ordering;

use super::rows::Rows;
use super::sort::Run;
use crate::error::Result;

/// A row of one of the batches that are held: the batch, then the row in it.
pub(super) type Place = (usize, usize);

/// The rows of several runs in order.
pub(super) struct Ordered {
    cursors: Vec<Cursor>,
    /// Indices of cursors as a heap: the one at the least row first.
    heap: Vec<usize>,
    /// Batches whose rows have come up since the last [`Ordered::let_go`], and those whose rows come next.
    pub held: Vec<Rows>,
}

struct Cursor {
    run: Run,
    /// Where its batch is held.
    slot: usize,
    row: usize,
    prefix: u64,
}

impl Ordered {
    pub fn new(runs: Vec<Run>) -> Result<Ordered> {
        let mut ordered = Ordered { cursors: Vec::new(), heap: Vec::new(), held: Vec::new() };
        for mut run in runs {
            if let Some(batch) = run.next()? {
                let rows = Rows::of(batch);
                let cursor = Cursor { run, slot: ordered.held.len(), row: 0, prefix: rows.prefix(0) };
                ordered.held.push(rows);
                ordered.cursors.push(cursor);
                ordered.heap.push(ordered.cursors.len() - 1);
                ordered.sift_up();
            }
        }
        Ok(ordered)
    }

    /// Where the least row is held, if there is one left.
    pub fn place(&self) -> Option<Place> {
        let cursor = &self.cursors[*self.heap.first()?];
        Some((cursor.slot, cursor.row))
    }

    /// The least row, if there is one left.
    pub fn first(&self) -> Option<(&Rows, usize)> {
        let (slot, row) = self.place()?;
        Some((&self.held[slot], row))
    }

    /// Steps over the least row, which stays held.
    pub fn advance(&mut self) -> Result<()> {
        let Some(&first) = self.heap.first() else { return Ok(()) };
        let cursor = &mut self.cursors[first];
        cursor.row += 1;
        if cursor.row == self.held[cursor.slot].len() {
            match cursor.run.next()? {
                Some(batch) => {
                    (cursor.slot, cursor.row) = (self.held.len(), 0);
                    self.held.push(Rows::of(batch));
                }
                None => {
                    self.heap.swap_remove(0);
                    self.sift_down();
                    return Ok(());
                }
            }
        }
        cursor.prefix = self.held[cursor.slot].prefix(cursor.row);
        self.sift_down();
        Ok(())
    }

    /// Lets go of the batches whose rows have all come up. Places from before are void.
    pub fn let_go(&mut self) {
        if self.held.len() == self.heap.len() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        for &index in &self.heap {
            let cursor = &mut self.cursors[index];
            self.held.push(held[cursor.slot].clone());
            cursor.slot = self.held.len() - 1;
        }
    }

    fn order(&self, one: usize, other: usize) -> Ordering {
        let (one, other) = (&self.cursors[one], &self.cursors[other]);
        let keys = || self.held[one.slot].key(one.row).cmp(&self.held[other.slot].key(other.row));
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

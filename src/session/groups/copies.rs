//! `count(DISTINCT backend_name)` without a set of names: all rows of one backend stand side by side.

use std::collections::HashSet;
use std::ops::Range;

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use datafusion::logical_expr::EmitTo;

/// How many backends have a row of each group.
#[derive(Debug, Default)]
pub(super) struct Copies {
    counts: Vec<i64>,
    /// The last backend that was counted for each group, plus one.
    last: Vec<u32>,
    /// The backends that were counted for the open group in earlier blocks.
    of_open: HashSet<u32>,
    /// The same for the group that this block leaves open.
    of_next: HashSet<u32>,
}

impl Copies {
    /// Begins a block with so many groups. The first is the one that was left open, if there was one.
    pub fn begin(&mut self, groups: usize, open: Option<usize>) {
        self.counts.resize(groups, 0);
        self.last.clear();
        self.last.resize(groups, 0);
        self.of_next.clear();
        if open == Some(0) {
            self.of_next.clone_from(&self.of_open);
        }
    }

    /// Counts rows of one backend. All of them are to come before the next backend's.
    pub fn count(
        &mut self,
        backend: u32,
        numbers: &[usize],
        wanted: Option<(&BooleanArray, Range<usize>)>,
        open: Option<usize>,
    ) {
        if self.of_open.contains(&backend) {
            self.last[0] = backend + 1;
        }
        match wanted {
            None => numbers.iter().for_each(|group| self.count_one(backend, *group)),
            Some((wanted, rows)) => {
                for (row, group) in rows.zip(numbers) {
                    if wanted.value(row) {
                        self.count_one(backend, *group);
                    }
                }
            }
        }
        if open.is_some_and(|open| self.last[open] == backend + 1) {
            self.of_next.insert(backend);
        }
    }

    #[inline]
    fn count_one(&mut self, backend: u32, group: usize) {
        let last = &mut self.last[group];
        self.counts[group] += i64::from(*last != backend + 1);
        *last = backend + 1;
    }

    /// Ends a block: the counts of the groups that are complete are taken next.
    pub fn end(&mut self) {
        std::mem::swap(&mut self.of_open, &mut self.of_next);
    }

    pub fn take(&mut self, emit: EmitTo) -> ArrayRef {
        std::sync::Arc::new(Int64Array::from(emit.take_needed(&mut self.counts)))
    }

    pub fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>() + self.last.capacity() * size_of::<u32>()
    }
}

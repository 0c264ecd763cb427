//! Sorts rows by pin in bounded memory: runs that fit are sorted and, but for the last, spilled; then they are merged.

use std::path::{Path, PathBuf};

use super::extras::Extras;
use super::rows::{self, Row};
use super::spool::{BLOCK, Block, Spool, Spooled};
use crate::error::Result;

/// Rows that are handed on at once.
pub(super) const CHUNK: usize = 8192;

/// Takes rows in any order.
pub(super) struct Sorter {
    /// The records of the rows, in the order in which they came.
    blocks: Vec<Block>,
    keys: Vec<Key>,
    /// About what the rows take, in bytes.
    bytes: usize,
    runs: Vec<Run>,
    extras: Extras,
    spill: PathBuf,
    limit: usize,
}

/// Where a record is, and what nearly always decides where it belongs.
#[derive(Clone, Copy)]
pub(super) struct Key {
    prefix: u64,
    block: u32,
    pub at: u32,
}

/// Rows in sorted runs.
pub(super) struct Sorted {
    pub runs: Vec<Run>,
    pub extras: Extras,
    /// Where more may be spilled.
    pub spill: PathBuf,
}

/// Sorted rows.
pub(super) enum Run {
    /// The records lie as they came; the keys say in which order they belong.
    Memory { blocks: Vec<Block>, keys: Vec<Key> },
    /// The records lie in order.
    Spooled(Spooled),
}

impl Key {
    /// Which of the run's blocks the record is in.
    pub fn block(&self) -> usize {
        self.block as usize
    }
}

impl Sorter {
    /// `spill`: the directory for runs that do not fit, in files without a name, which no crash can leave. `limit`: the bytes
    /// that the rows of one run may take.
    pub fn new(extras: Extras, spill: &Path, limit: usize) -> Sorter {
        Sorter {
            blocks: Vec::new(),
            keys: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
            extras,
            spill: spill.into(),
            limit,
        }
    }

    /// How rows keep their further columns.
    pub fn extras(&self) -> &Extras {
        &self.extras
    }

    /// Takes one row.
    pub fn push(&mut self, row: &Row<'_>) -> Result<()> {
        if self.bytes >= self.limit {
            self.spill()?;
        }
        let most = row.most_bytes();
        if self.blocks.last().is_none_or(|block| block.capacity() - block.len() < most) {
            self.blocks.push(Vec::with_capacity(BLOCK.max(most)));
        }
        let number = self.blocks.len() - 1;
        let block = &mut self.blocks[number];
        let at = block.len();
        row.append(block);
        self.bytes += block.len() - at + size_of::<Key>();
        self.keys.push(Key { prefix: rows::prefix(row.content), block: number as u32, at: at as u32 });
        Ok(())
    }

    /// All rows.
    pub fn finish(mut self) -> Sorted {
        if !self.keys.is_empty() {
            let (blocks, keys) = self.sorted();
            self.runs.push(Run::Memory { blocks, keys });
        }
        Sorted { runs: self.runs, extras: self.extras, spill: self.spill }
    }

    fn spill(&mut self) -> Result<()> {
        let (blocks, keys) = self.sorted();
        let mut spool = Spool::new(&self.spill, 0);
        for key in keys {
            spool.push_record(record(&blocks, key))?;
        }
        self.runs.push(Run::Spooled(spool.finish()?));
        Ok(())
    }

    /// The rows so far, in order.
    fn sorted(&mut self) -> (Vec<Block>, Vec<Key>) {
        self.bytes = 0;
        let (blocks, mut keys) = (std::mem::take(&mut self.blocks), std::mem::take(&mut self.keys));
        let row = |key: &Key| Row::read(record(&blocks, *key));
        keys.sort_unstable_by(|one, other| {
            one.prefix.cmp(&other.prefix).then_with(|| row(one).key().cmp(&row(other).key()))
        });
        (blocks, keys)
    }
}

fn record(blocks: &[Block], key: Key) -> &[u8] {
    let bytes = &blocks[key.block()][key.at as usize..];
    &bytes[..rows::length(bytes)]
}

//! How much is done at once: what fits the processor's caches and the memory limit.

use crate::catalog::SortedScan;

/// What bounds the sizes.
#[derive(Debug, Clone)]
pub(in crate::session) struct Limits {
    /// The memory limit of the session.
    pub memory: Option<usize>,
    /// Rows that are grouped at once: their table of groups is to stay in a core's own cache.
    pub block: usize,
    /// Rows of a run in each range that make it worth to open its file.
    pub worth: usize,
    /// What a range takes in the files.
    pub range: u64,
    /// The same for each run, where there are many.
    pub run: u64,
    /// Rows of a run below which runs are not read side by side, if there is memory for all rows at once.
    pub short: u64,
    /// Groups by columns of few values that are held at once.
    pub few: usize,
    /// Rows that make it worth to part them before they are grouped.
    pub parted: u64,
    /// Rows that one thread reads of a file, where runs are short, before it takes another.
    pub turn: u64,
}

/// The part of the memory limit that may be used.
const SHARE: u64 = 3;
/// Batches of fewer rows cost more than they save, as long as there is memory for them.
const FEW_ROWS: usize = 1024;
/// The same where there is not.
const FEWEST_ROWS: usize = 128;
/// What a row takes beside its bytes in the file: views, group numbers, filters.
const ROW_BYTES: u64 = 128;

/// How much is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Ranges of contents, one after the other in each partition.
    pub ranges: usize,
    /// Rows of a batch of one run.
    pub scan: usize,
    /// Rows that are grouped at once.
    pub block: usize,
    /// Rows of a batch of groups.
    pub batch: usize,
    /// What a range takes in the files.
    pub range_bytes: usize,
    /// What a row takes that waits.
    pub row_bytes: usize,
}

impl Limits {
    pub fn new(memory: Option<usize>) -> Limits {
        Limits {
            memory,
            block: 32 << 10,
            worth: 2_000,
            range: 32 << 20,
            run: 256 << 10,
            short: 8 << 10,
            few: 4 << 10,
            parted: 100_000,
            turn: 512 << 10,
        }
    }

    /// Whether so many bytes may be held: half of what there is, for what reads and what groups takes its part, too.
    pub(super) fn may_hold(&self, bytes: u64) -> bool {
        self.memory.is_none_or(|memory| bytes <= memory as u64 / 2)
    }

    /// In how many passes to read rows that take so many bytes, if those of two are held at once: a partition may begin the next one
    /// before another has ended.
    pub(super) fn passes(&self, bytes: u64) -> u64 {
        match self.memory {
            Some(memory) if !self.may_hold(bytes) => bytes.div_ceil((memory as u64 / 4).max(1)),
            _ => 1,
        }
    }

    /// The sizes for a scan in so many partitions and batches of so many rows; `None` if it takes too much memory, or is too
    /// small to be worth it.
    pub(super) fn sizes(&self, scan: &SortedScan, partitions: usize, batch: usize) -> Option<Sizes> {
        let (runs, rows, bytes) = (scan.runs() as u64, scan.rows(), scan.bytes());
        let share = self.memory.map_or(u64::MAX, |memory| memory as u64 / SHARE / partitions as u64);
        let wanted = self.range.max(runs * self.run).min(share / 2).max(1);
        let most = (rows / (runs * self.worth as u64).max(1)).max(1);
        let ranges = bytes.div_ceil(wanted).max(partitions as u64).min(most);
        let range_bytes = bytes / ranges;
        // What is read beyond the bytes of the range, and held of each run beside the block.
        let row_bytes = ROW_BYTES + 2 * bytes / rows.max(1);
        let held = |block: usize, scan: usize| (2 * scan as u64 * runs + block as u64) * row_bytes;
        let mut block = self.block.min(4 * batch).max(1);
        let mut scan = (4 * block / runs as usize).max(FEW_ROWS).min(batch).max(1);
        // Less at once where memory is little.
        while range_bytes + held(block, scan) > share && block > FEWEST_ROWS {
            (block, scan) = (block / 2, (scan / 2).max(FEWEST_ROWS).min(batch).max(1));
        }
        let fits = range_bytes + held(block, scan) <= share;
        let worth = ranges >= partitions.min(2) as u64;
        let sizes = Sizes {
            ranges: ranges as usize,
            scan,
            block,
            batch,
            range_bytes: range_bytes as usize,
            row_bytes: row_bytes as usize,
        };
        (fits && worth).then_some(sizes)
    }
}

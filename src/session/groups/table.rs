//! Which rows of a block are of one group: a table of the contents of that block alone.
//!
//! Contents are hashes already. Their first bytes, counted from where those of the block begin to differ, spread them over the
//! table in their own order: each sorted piece goes through the table from its begin to its end, and what it asks for next
//! is in the cache. Where pieces are not sorted it is their last bytes that spread them. Contents that lie too close to each
//! other for that are spread by a hash.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::block::{Block, Slice};

/// Steps from slot to slot for each row, beyond which contents lie too close to each other.
const STEPS: usize = 4;
/// Spreads the last bytes of contents, which may be alike where they are no hashes.
const TAIL: u64 = 0x9e37_79b9_7f4a_7c15;
/// The bits of a key that tell most contents of neighbouring slots from each other.
const TAG: u64 = 0xffff_ffff;

/// Numbers groups; kept from block to block for its memory.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The number of a group plus one, and below it 32 bits of its key; 0 where there is none.
    slots: Vec<u64>,
    /// Those of the last block, for their memory.
    used: Numbers,
    /// Groups of the last block for each 256 rows.
    groups: usize,
    by_hash: FixedState,
}

/// The groups of a block.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The number of each row's group, in the order of the pieces.
    pub rows: Vec<usize>,
    /// The content of each group.
    pub contents: Contents,
    /// The group that may go on in the next block. It is the last one.
    pub open: Option<usize>,
}

/// Contents side by side. Where they came from may be thousands of pieces, each in another page.
#[derive(Debug, Default)]
pub(super) struct Contents {
    bytes: Vec<u8>,
    count: usize,
    /// The length of all; nearly always they have one.
    length: usize,
    /// Where each of them ends, if they have not.
    ends: Vec<usize>,
}

/// Gives each content a key, by which it gets its slot.
#[derive(Debug, Clone, Copy)]
enum Spread {
    /// By its bytes from `skip` on, between `from` and `from` plus what the slots are shared out over.
    InOrder {
        skip: usize,
        from: u64,
        shift: u32,
        factor: u64,
    },
    /// By its last bytes, where pieces are not sorted.
    ByTail,
    ByHash,
}

impl Table {
    /// Numbers the groups of a block. `open` is the content of the group that an earlier block left open: number 0.
    pub fn number(&mut self, block: &Block<'_>, open: Option<&[u8]>) -> Numbers {
        let most = 2 * block.rows().max(8);
        // A small table stays in the cache; most blocks have as many groups as the one before.
        let few = (most * (self.groups + 16) / 256).clamp(16, most);
        let cheap = |slots| match block.sorted {
            true => Spread::in_order(block, slots).map(|spread| (spread, slots)),
            false => Some((Spread::ByTail, slots)),
        };
        let ways = [cheap(few), cheap(most), Some((Spread::ByHash, most))];
        let mut ways = ways.into_iter().flatten();
        let numbers = ways.find_map(|(spread, slots)| self.number_by(spread, slots, block, open));
        let numbers = numbers.expect("a table with room for all contents, spread by their hash, holds them");
        self.groups = 256 * numbers.contents.len() / block.rows().max(1);
        numbers
    }

    /// The same in one way; `None` if it takes too many steps, or there are more groups than room.
    fn number_by(
        &mut self,
        spread: Spread,
        slots: usize,
        block: &Block<'_>,
        open: Option<&[u8]>,
    ) -> Option<Numbers> {
        self.slots.clear();
        self.slots.resize(slots, 0);
        let mut numbers = std::mem::take(&mut self.used);
        numbers.begin(block);
        // The hash is the last way.
        let mut steps =
            if matches!(spread, Spread::ByHash) { usize::MAX } else { STEPS * block.rows() + slots };
        let bound = block.bound;
        if let Some(open) = open {
            // It is the first content, or the block has nothing of it.
            self.group_of(self.place(spread, open), open, &mut numbers.contents, &mut steps);
        }
        for slice in &block.slices {
            let complete = bound.map_or(slice.len(), |bound| slice.count(|content| content < bound));
            for row in 0..complete {
                let content = slice.content(row);
                let place = self.place(spread, content);
                numbers.rows.push(self.group_of(place, content, &mut numbers.contents, &mut steps));
                if steps == 0 {
                    self.used = numbers;
                    return None;
                }
            }
            // What is of the group that stays open; its number is not known yet.
            numbers.rows.resize(numbers.rows.len() + slice.len() - complete, usize::MAX);
        }
        if let Some(bound) = bound {
            numbers.leave_open(bound, open);
        }
        Some(numbers)
    }

    /// The key of a content, and its slot.
    #[inline]
    fn place(&self, spread: Spread, content: &[u8]) -> (u64, usize) {
        match spread {
            Spread::InOrder { skip, from, shift, factor } => {
                let key = key_at(content, skip).wrapping_sub(from);
                (key, high(key << shift, factor))
            }
            Spread::ByTail => {
                let key = tail(content).wrapping_mul(TAIL);
                (key, high(key, self.slots.len() as u64))
            }
            Spread::ByHash => {
                let key = self.hash(content);
                (key, high(key, self.slots.len() as u64))
            }
        }
    }

    /// The number of a content's group, which is a new one if the content has not been seen. Without meaning
    /// once there are no more steps.
    // A call for each row costs a twentieth of the whole.
    #[inline(always)]
    fn group_of(
        &mut self,
        (key, mut slot): (u64, usize),
        content: &[u8],
        contents: &mut Contents,
        steps: &mut usize,
    ) -> usize {
        loop {
            let Some(entry) = self.slots.get_mut(slot) else {
                slot = 0;
                continue;
            };
            if *entry == 0 {
                contents.push(content);
                *entry = (contents.len() as u64) << 32 | key & TAG;
                return contents.len() - 1;
            }
            if *entry & TAG == key & TAG {
                let group = (*entry >> 32) as usize - 1;
                if same(contents.get(group), content) {
                    return group;
                }
            }
            slot += 1;
            *steps -= 1;
            if *steps == 0 {
                return usize::MAX;
            }
        }
    }

    fn hash(&self, content: &[u8]) -> u64 {
        let mut hasher = self.by_hash.build_hasher();
        hasher.write(content);
        hasher.finish()
    }

    /// Takes back what is used again.
    pub fn reuse(&mut self, numbers: Numbers) {
        self.used = numbers;
    }

    /// The memory of the table.
    pub fn size(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }
}

impl Spread {
    /// By the first bytes in which the contents of a block differ. `None` if it has but one.
    fn in_order(block: &Block<'_>, slots: usize) -> Option<Spread> {
        let ends = || {
            let least = block.slices.iter().filter_map(Slice::first).min()?;
            Some([least, block.slices.iter().filter_map(Slice::last).max()?])
        };
        let [least, greatest] = block.span.or_else(ends)?;
        let skip = least.iter().zip(greatest).take_while(|(one, other)| one == other).count();
        let (from, to) = (key_at(least, skip), key_at(greatest, skip));
        let span = to.checked_sub(from).filter(|span| *span > 0)?;
        let shift = span.leading_zeros();
        // What makes `slots` of the span, in units of 2^-64.
        let factor = ((slots as u128) << 64) / ((u128::from(span) << shift) + 1);
        Some(Spread::InOrder { skip, from, shift, factor: u64::try_from(factor).ok()? })
    }
}

impl Numbers {
    fn begin(&mut self, block: &Block<'_>) {
        self.rows.clear();
        self.rows.reserve(block.rows());
        self.contents.clear();
        self.open = None;
    }

    /// Numbers the rows whose content is the bound, for they may be of a group that goes on.
    fn leave_open(&mut self, bound: &[u8], open: Option<&[u8]>) {
        // Otherwise it is more of what was open: no other content is less or equal.
        if open != Some(bound) {
            self.contents.push(bound);
        }
        let last = self.contents.len() - 1;
        self.rows.iter_mut().filter(|row| **row == usize::MAX).for_each(|row| *row = last);
        self.open = Some(last);
    }

    /// How many groups no more rows come for.
    pub fn complete(&self) -> usize {
        self.open.unwrap_or(self.contents.len())
    }

    /// The memory of the numbers.
    pub fn size(&self) -> usize {
        self.rows.capacity() * size_of::<usize>() + self.contents.size()
    }
}

impl Contents {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.count = 0;
    }

    #[inline(always)]
    fn push(&mut self, content: &[u8]) {
        if self.count == 0 {
            self.length = content.len();
        }
        if self.ends.is_empty() && content.len() != self.length {
            self.ends.extend((1..=self.count).map(|count| count * self.length));
        }
        self.bytes.extend_from_slice(content);
        self.count += 1;
        if !self.ends.is_empty() {
            self.ends.push(self.bytes.len());
        }
    }

    pub fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        if self.ends.is_empty() {
            return &self.bytes[index * self.length..][..self.length];
        }
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }

    fn size(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Eight bytes from `skip` on as a number that keeps the order.
#[inline]
fn key_at(content: &[u8], skip: usize) -> u64 {
    let rest = content.get(skip..).unwrap_or_default();
    match rest.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(bytes)
        }
    }
}

/// The last eight bytes as a number. Those of a hash are as good as another hash of it.
#[inline]
pub(super) fn tail(content: &[u8]) -> u64 {
    match content.last_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => key_at(content, 0),
    }
}

/// Whether contents are the same. Most are of one length, for which that is a few instructions.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    let parts = |bytes: &[u8]| {
        let (first, rest) = bytes.split_first_chunk::<16>()?;
        let (second, rest) = rest.split_first_chunk::<16>()?;
        let last: [u8; 2] = rest.try_into().ok()?;
        Some((u128::from_ne_bytes(*first), u128::from_ne_bytes(*second), u16::from_ne_bytes(last)))
    };
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The upper half of a product.
#[inline]
pub(super) fn high(one: u64, other: u64) -> usize {
    ((u128::from(one) * u128::from(other)) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryViewArray, RecordBatch};

    use super::super::contents::RowContents;
    use super::super::source::{Origin, Piece};
    use super::*;

    fn piece(contents: &[Vec<u8>]) -> Piece {
        let contents: BinaryViewArray = contents.iter().map(|content| Some(&content[..])).collect();
        let column: ArrayRef = Arc::new(contents.clone());
        let contents = RowContents::Read(contents);
        let rows = RecordBatch::try_from_iter([("content", column)]).unwrap();
        Piece { origin: Arc::new(Origin { backend: 0, wanted: Vec::new() }), rows, contents }
    }

    /// Holds the numbers against those of a map.
    fn check(table: &mut Table, pieces: Vec<Vec<Vec<u8>>>, bound: Option<&[u8]>, open: Option<&[u8]>) {
        check_block(table, &pieces, true, bound, open);
        if bound.is_none() && open.is_none() {
            let backwards: Vec<Vec<_>> =
                pieces.iter().map(|rows| rows.iter().rev().cloned().collect()).collect();
            check_block(table, &backwards, false, None, None);
        }
    }

    fn check_block(
        table: &mut Table,
        pieces: &[Vec<Vec<u8>>],
        sorted: bool,
        bound: Option<&[u8]>,
        open: Option<&[u8]>,
    ) {
        let pieces_of_block: Vec<_> = pieces.iter().map(|rows| piece(rows)).collect();
        let block = Block { sorted, ..Block::of_sorted(&pieces_of_block, bound) };
        let numbers = table.number(&block, open);
        let mut seen: HashMap<&[u8], usize> = open.map(|open| (open, 0)).into_iter().collect();
        for (content, number) in pieces.iter().flatten().zip(&numbers.rows) {
            assert_eq!(*seen.entry(content).or_insert(*number), *number);
            assert_eq!(numbers.contents.get(*number), content);
        }
        assert_eq!(seen.len(), numbers.contents.len());
        assert_eq!(numbers.open.map(|open| numbers.contents.get(open)), bound);
        assert_eq!(numbers.complete(), numbers.contents.len() - usize::from(bound.is_some()));
        table.reuse(numbers);
    }

    #[test]
    fn groups_are_found_however_contents_are_spread() {
        let number = |number: u32, before: usize, after: usize| {
            let spread = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
            [&vec![7; before], &spread[..], &vec![9; after]].concat()
        };
        let sorted = |from: u32, to: u32, before, after| {
            let mut contents: Vec<_> = (from..to).map(|each| number(each, before, after)).collect();
            contents.sort();
            contents
        };
        let mut table = Table::default();
        for (before, after) in [(2, 28), (0, 0), (30, 4), (40, 80), (2, 2)] {
            let (one, other) = (sorted(0, 3000, before, after), sorted(1000, 9000, before, after));
            let last = one.iter().chain(&other).max().unwrap().clone();
            check(&mut table, vec![one.clone(), other.clone()], None, None);
            check(&mut table, vec![one.clone(), other.clone()], Some(&last), None);
            check(
                &mut table,
                vec![one.clone(), other.clone()],
                Some(&last),
                Some(&one[0].clone().min(other[0].clone())),
            );
            // All of them in a corner between two that lie far apart.
            let far = [vec![vec![]], one, vec![vec![255; 40]]].concat();
            check(&mut table, vec![far.clone(), other, far], None, None);
        }
    }

    #[test]
    fn a_group_may_go_on_for_ever() {
        let mut table = Table::default();
        let one = vec![1; 34];
        check(&mut table, vec![vec![one.clone(); 100]; 3], Some(&one), None);
        check(&mut table, vec![vec![one.clone(); 100]; 3], Some(&one), Some(&one));
        check(&mut table, vec![vec![one.clone(); 100], vec![vec![2; 34]]], None, Some(&one));
        check(&mut table, vec![vec![vec![2; 34]]], None, Some(&one));
        check(&mut table, vec![], None, Some(&one));
    }
}

//! Where blocks are in a file: sixteen bytes a block, however long its CID.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::cid::BlockCid;

/// The most blocks that an index holds: 128 MiB.
pub(super) const MAX_BLOCKS: usize = 8 << 20;

/// Finds sections by CID.
///
/// It keeps a keyed hash of each CID, which nobody can make collide on purpose; whoever looks a block up reads the CID
/// in the file, too.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: RandomState,
    /// The hash and the offset of each section; in order once sorted.
    sections: Vec<(u64, u64)>,
}

impl Index {
    /// Notes a section. `false` if there are too many.
    pub(super) fn add(&mut self, cid: &BlockCid, section: u64) -> bool {
        let fits = self.sections.len() < MAX_BLOCKS;
        if fits {
            self.sections.push((self.keys.hash_one(cid.as_bytes()), section));
        }
        fits
    }

    /// Call it between the last [`Index::add`] and the first look.
    pub(super) fn sort(&mut self) {
        self.sections.sort_unstable();
    }

    /// Where `cid` probably is, in the order of the file.
    pub(super) fn find(&self, cid: &BlockCid) -> impl Iterator<Item = u64> + '_ {
        let key = self.keys.hash_one(cid.as_bytes());
        let first = self.sections.partition_point(|section| section.0 < key);
        self.sections[first..].iter().take_while(move |section| section.0 == key).map(|section| section.1)
    }

    /// How many blocks are there more than once, counting each time but the first.
    pub(super) fn duplicates(&self) -> u64 {
        self.sections.windows(2).filter(|pair| pair[0].0 == pair[1].0).count() as u64
    }
}

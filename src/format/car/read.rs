//! The strict reader: the first thing that is wrong with a file is an error that says where.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::cid::{BlockCid, MAX_CID};
use super::error::{CarError, CarProblem};
use super::hash::{self, Checked};
use super::header::{self, Header};
use super::index::Index;
use super::source::Source;
use super::{MAX_SECTION, varint};

/// A block of a file: its CID, and where its data are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The CID, as the section has it.
    pub cid: BlockCid,
    /// Where the section begins: the varint of its length.
    pub offset: u64,
    /// Where the data begin.
    pub data_offset: u64,
    /// The length of the data, at most [`MAX_SECTION`].
    pub data_length: usize,
}

impl Block {
    /// Where the next section begins.
    pub fn end(&self) -> u64 {
        self.data_offset + self.data_length as u64
    }
}

/// The blocks of a CAR of version 1 or 2, in the order of the file. It ends at the first error.
///
/// The data are not read unless [`CarReader::data`] is called, so walking over a large file costs little.
pub struct CarReader<F> {
    source: Source<F>,
    header: Header,
    next: u64,
}

impl<F: Read + Seek> CarReader<F> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file is no sound CAR as far as its header and its offsets say.
    pub fn open(file: F) -> Result<CarReader<F>, CarError> {
        let mut source = Source::new(file)?;
        let header = header::read(&mut source)?;
        let next = header.first_section;
        Ok(CarReader { source, header, next })
    }

    /// What stands before the blocks.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads the data of a block into `out`, which then holds nothing else, and says whether they match the hash.
    ///
    /// # Errors
    /// The file cannot be read. Data that do not match are [`Checked::Bad`], not an error.
    pub fn data(&mut self, block: &Block, out: &mut Vec<u8>) -> Result<Checked, CarError> {
        self.source.read(block.data_offset, block.data_length, out)?;
        Ok(hash::check(&block.cid, out))
    }

    /// The file again, without the end of its blocks in mind.
    pub(super) fn into_source(self) -> Source<F> {
        self.source
    }
}

impl<F: Read + Seek> Iterator for CarReader<F> {
    type Item = Result<Block, CarError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.header.end {
            return None;
        }
        let block = section_at(&mut self.source, self.next, self.header.end);
        self.next = block.as_ref().map_or(self.header.end, Block::end);
        Some(block)
    }
}

/// Reads the length and the CID of the section at `at`, which may go up to `end`.
pub(super) fn section_at<F: Read + Seek>(
    source: &mut Source<F>,
    at: u64,
    end: u64,
) -> Result<Block, CarError> {
    let left = usize::try_from(end - at).unwrap_or(usize::MAX);
    let bytes = source.peek(at, left.min(varint::MAX_BYTES + MAX_CID))?;
    section(bytes, at, end)
}

/// The same, given the first bytes of the section.
pub(super) fn section(bytes: &[u8], at: u64, end: u64) -> Result<Block, CarError> {
    let wrong = |problem| Err(CarError::new(at, problem));
    let (length, skipped) = match varint::decode(bytes) {
        Ok(decoded) => decoded,
        Err(varint::Bad::Short) => return wrong(CarProblem::Truncated("the length of a section")),
        Err(varint::Bad::Malformed) => return wrong(CarProblem::Varint),
    };
    let body = at + skipped as u64;
    match length {
        0 => return wrong(CarProblem::EmptySection),
        _ if length > MAX_SECTION => return wrong(CarProblem::SectionTooLong(length)),
        _ if length > end - body => return wrong(CarProblem::Truncated("a section")),
        _ => {}
    }
    let rest = &bytes[skipped..];
    let cid = BlockCid::prefix_of(&rest[..rest.len().min(length as usize)])
        .map_err(|why| CarError::new(body, CarProblem::Cid(why)))?;
    let cid_length = cid.as_bytes().len();
    let data_offset = body + cid_length as u64;
    Ok(Block { cid, offset: at, data_offset, data_length: length as usize - cid_length })
}

/// What [`check`] found in a sound file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The header.
    pub header: Header,
    /// How many blocks there are.
    pub blocks: u64,
    /// How many bytes of data they have.
    pub data_bytes: u64,
    /// How many of them have a hash that could not be checked.
    pub unchecked: u64,
    /// How many of them were there before. Only the first eight million blocks are compared.
    pub duplicates: u64,
    /// The roots that are not among the blocks, each once. Identity CIDs need no block.
    pub missing_roots: Vec<BlockCid>,
}

/// Reads a whole file and checks every hash.
///
/// # Errors
/// The first thing that is wrong, data that do not match their hash among it. Roots that are missing and blocks that
/// are there twice are legal, and are in the answer.
pub fn check<F: Read + Seek>(file: F) -> Result<Check, CarError> {
    let mut car = CarReader::open(file)?;
    let roots = car.header.roots.iter().filter(|root| root.inline_data().is_none());
    let mut missing: HashSet<BlockCid> = roots.cloned().collect();
    let header = car.header.clone();
    let mut found =
        Check { header, blocks: 0, data_bytes: 0, unchecked: 0, duplicates: 0, missing_roots: Vec::new() };
    let (mut index, mut data) = (Index::default(), Vec::new());
    while let Some(block) = car.next().transpose()? {
        match car.data(&block, &mut data)? {
            Checked::Good => {}
            Checked::Unknown => found.unchecked += 1,
            Checked::Bad => return Err(mismatch(&block)),
        }
        found.blocks += 1;
        found.data_bytes += data.len() as u64;
        missing.remove(&block.cid);
        index.add(&block.cid, block.offset);
    }
    index.sort();
    found.duplicates = index.duplicates();
    found.missing_roots = found.header.roots.iter().filter(|root| missing.remove(root)).cloned().collect();
    Ok(found)
}

/// The error of a block whose data do not match.
pub(super) fn mismatch(block: &Block) -> CarError {
    CarError::new(block.data_offset, CarProblem::Hash(block.cid.to_string()))
}

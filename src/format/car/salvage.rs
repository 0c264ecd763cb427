//! What a damaged file has left.
//!
//! Where the sections can be followed they are; a block whose hash is wrong is reported and skipped. Where they cannot,
//! the next bytes that look like a section and whose hash agrees are one. Work and memory grow with the file, never
//! faster.

use std::io::{Read, Seek};

use super::cid::{BlockCid, MAX_CID};
use super::error::{CarError, CarProblem};
use super::hash::{self, Checked};
use super::header;
use super::read::{Block, mismatch, section, section_at};
use super::source::Source;
use super::{MAX_SECTION, varint};

/// How far is looked at a time for what may be a section.
const WINDOW: usize = 16 << 10;
/// How many times the length of a file may be hashed in vain.
const MAX_HASHED: u64 = 8;
/// What looking at one candidate costs besides its bytes.
const GLANCE: u64 = 64;
/// How many damaged ranges are described; more are only counted.
const DESCRIBED: usize = 1_000;

/// A part of a file that is no sound block.
#[derive(Debug)]
pub struct Damage {
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// What is wrong at its beginning.
    pub problem: CarError,
}

/// What [`salvage`] found.
#[derive(Debug, Default)]
pub struct Salvage {
    /// The roots, if the header is sound.
    pub roots: Vec<BlockCid>,
    /// How many blocks were handed out.
    pub blocks: u64,
    /// How many of them have a hash that could not be checked.
    pub unchecked: u64,
    /// The damaged parts in order, the first thousand of them.
    pub damages: Vec<Damage>,
    /// How many damaged parts there are.
    pub damaged_parts: u64,
    /// How many bytes they have.
    pub damaged_bytes: u64,
    /// Whether so much only looked like blocks that the search was cut short. The rest counts as damaged.
    pub gave_up: bool,
}

/// What is done with each block that is left: the block, its data, and whether its hash was checked.
pub type EachBlock<'a, E> = dyn FnMut(&Block, &[u8], Checked) -> Result<(), E> + 'a;

/// Hands out every sound block of a CAR, however damaged the file is, in the order of the file.
///
/// `each` never gets data that contradict their hash. No hash covers a block's codec: a CID may differ from the one
/// that was written in that.
///
/// # Errors
/// The file cannot be read at all, or what `each` returns.
pub fn salvage<F, E>(file: F, each: &mut EachBlock<'_, E>) -> Result<Salvage, E>
where
    F: Read + Seek,
    E: From<CarError>,
{
    let source = Source::new(file)?;
    let length = source.length();
    let budget = length.saturating_mul(MAX_HASHED).saturating_add(MAX_SECTION);
    let mut scan = Scan { source, end: length, budget, data: Vec::new(), found: Salvage::default() };
    let mut at = scan.header()?;
    while at < scan.end {
        let problem = match scan.block(at)? {
            Ok((block, checked)) => {
                scan.found.blocks += 1;
                scan.found.unchecked += u64::from(checked == Checked::Unknown);
                each(&block, &scan.data, checked)?;
                at = block.end();
                continue;
            }
            Err(problem) => problem,
        };
        let next = scan.find_next(at + 1, problem.expected)?;
        scan.damage(at, next, problem.error);
        at = next;
    }
    Ok(scan.found)
}

/// What is wrong with a section, and where the next one should be.
struct Broken {
    error: CarError,
    expected: Option<u64>,
}

struct Scan<F> {
    source: Source<F>,
    end: u64,
    /// How many bytes may still be hashed in vain.
    budget: u64,
    data: Vec<u8>,
    found: Salvage,
}

impl<F: Read + Seek> Scan<F> {
    /// Reads the header and gives where the first section begins, or seems to.
    fn header(&mut self) -> Result<u64, CarError> {
        match header::read(&mut self.source) {
            Ok(header) => {
                (self.found.roots, self.end) = (header.roots, header.end);
                Ok(header.first_section)
            }
            Err(error) => {
                let error = file_is_readable(error)?;
                let next = self.find_next(0, None)?;
                self.damage(0, next, error);
                Ok(next)
            }
        }
    }

    /// Reads the block at `at`, with its data.
    fn block(&mut self, at: u64) -> Result<Result<(Block, Checked), Broken>, CarError> {
        let block = match section_at(&mut self.source, at, self.end) {
            Ok(block) => block,
            Err(error) => return Ok(Err(Broken { error: file_is_readable(error)?, expected: None })),
        };
        Ok(match self.check(&block)? {
            Checked::Bad => {
                self.budget = self.budget.saturating_sub(block.data_length as u64);
                Err(Broken { error: mismatch(&block), expected: Some(block.end()) })
            }
            checked => Ok((block, checked)),
        })
    }

    fn check(&mut self, block: &Block) -> Result<Checked, CarError> {
        self.source.read(block.data_offset, block.data_length, &mut self.data)?;
        Ok(hash::check(&block.cid, &self.data))
    }

    /// Where the next section begins, from `from` on: at a sound block, or where one is `expected` and something like a
    /// section stands.
    fn find_next(&mut self, from: u64, expected: Option<u64>) -> Result<u64, CarError> {
        let mut at = from;
        let mut expected = expected.filter(|expected| (from..=self.end).contains(expected));
        while let Some(block) = self.candidate(at)? {
            if let Some(place) = expected.filter(|place| *place <= block.offset) {
                if self.begins_section(place)? {
                    return Ok(place);
                }
                expected = None;
            }
            let Some(left) = self.budget.checked_sub(block.data_length as u64 + GLANCE) else {
                self.found.gave_up = true;
                break;
            };
            self.budget = left;
            if self.check(&block)? == Checked::Good {
                return Ok(block.offset);
            }
            at = block.offset + 1;
        }
        match expected {
            Some(place) if self.begins_section(place)? => Ok(place),
            _ => Ok(self.end),
        }
    }

    fn begins_section(&mut self, at: u64) -> Result<bool, CarError> {
        match section_at(&mut self.source, at, self.end) {
            Ok(_) => Ok(true),
            Err(error) => file_is_readable(error).map(|_| false),
        }
    }

    /// The first place from `from` on that looks like a section whose hash can be checked.
    fn candidate(&mut self, mut from: u64) -> Result<Option<Block>, CarError> {
        while from < self.end {
            let left = usize::try_from(self.end - from).unwrap_or(usize::MAX);
            let bytes = self.source.peek(from, left.min(WINDOW))?;
            // The last bytes of a window come again in the next one, unless they are the last of the file.
            let whole =
                if bytes.len() == left { bytes.len() } else { bytes.len() - varint::MAX_BYTES - MAX_CID };
            for skipped in 0..whole {
                let at = from + skipped as u64;
                if let Ok(block) = section(&bytes[skipped..], at, self.end)
                    && hash::is_proof(&block.cid)
                {
                    return Ok(Some(block));
                }
            }
            from += whole as u64;
        }
        Ok(None)
    }

    fn damage(&mut self, from: u64, to: u64, problem: CarError) {
        self.found.damaged_parts += 1;
        self.found.damaged_bytes += to - from;
        if self.found.damages.len() < DESCRIBED {
            self.found.damages.push(Damage { from, to, problem });
        }
    }
}

/// Passes on what is wrong with a file that can be read; one that cannot is an error.
fn file_is_readable(error: CarError) -> Result<CarError, CarError> {
    if matches!(error.problem, CarProblem::Io(_)) { Err(error) } else { Ok(error) }
}

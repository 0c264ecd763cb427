//! A backup → its rows: from the root through the lists of links, in order.

use std::io::{Read, Seek};
use std::mem;

use crate::pin::Mapping;

use super::cid::BlockCid;
use super::error::{CarError, CarProblem};
use super::hash::{self, Checked};
use super::index::{Index, MAX_BLOCKS};
use super::node::{self, Envelope, Held, Row, Text};
use super::read::{CarReader, mismatch, section_at};
use super::salvage::{self, Salvage};
use super::source::Source;
use super::{DAG_JSON, JSON, MAX_TEXT, VERSION_LINKS};

/// How deep lists of links go at most: three levels hold more rows than a disk.
const MAX_DEPTH: u32 = 32;
/// A link takes more bytes than this in its block, so a file of this many bytes a visit has been walked through.
const BYTES_PER_VISIT: u64 = 32;

/// What [`read_mappings`] found beside the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backup {
    /// The envelope's version, `1.0` or `1.1`.
    pub version: String,
    /// When the backup was made, in microseconds since 1970, if it says so.
    pub created_at: Option<i64>,
    /// The CID of the root.
    pub root: String,
    /// How many rows there are.
    pub rows: u64,
    /// Keys in rows that a backup does not have. They were ignored.
    pub unknown_keys: u64,
    /// Times in rows that are in no known form. They were given as NULL.
    pub unreadable_times: u64,
    /// Blocks whose hash could not be checked, counted each time they were read.
    pub unchecked: u64,
    /// Blocks of JSON that are there twice.
    pub duplicates: u64,
}

/// Reads the pin mappings of a CAR of version 1 or 2, in the order in which they were written.
///
/// The first pass looks at the sections without reading their data and keeps 16 bytes a block of JSON; the second reads
/// what the root leads to and checks every hash. It keeps a block or a few in memory.
///
/// # Errors
/// The first thing that is wrong, with its place, or what `each` returns; rows that came before have been handed out.
pub fn read_mappings<F, E>(file: F, each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>) -> Result<Backup, E>
where
    F: Read + Seek,
    E: From<CarError>,
{
    let mut car = CarReader::open(file)?;
    let root = root_of(&car)?;
    let mut index = Index::default();
    while let Some(block) = car.next().transpose()? {
        if is_json(&block.cid) && !index.add(&block.cid, block.offset) {
            return Err(CarError::new(block.offset, CarProblem::TooManyBlocks(MAX_BLOCKS)).into());
        }
    }
    index.sort();
    let end = car.header().end;
    let mut walk = Walk::new(car.into_source(), index, end);
    walk.backup.duplicates = walk.index.duplicates();
    walk.root(&root, each)?;
    Ok(walk.backup)
}

fn is_json(cid: &BlockCid) -> bool {
    [DAG_JSON, JSON].contains(&cid.codec())
}

/// The one root that a backup has.
fn root_of<F: Read + Seek>(car: &CarReader<F>) -> Result<BlockCid, CarError> {
    let why = match car.header().roots.as_slice() {
        [root] if is_json(root) => return Ok(root.clone()),
        [_] => "its root is no JSON",
        [] => "it has no root",
        _ => "it has several roots",
    };
    Err(CarError::new(0, CarProblem::NotABackup(why)))
}

/// A block that was read: its CID, and where its data begin.
struct Place<'a> {
    cid: &'a BlockCid,
    offset: u64,
}

impl Place<'_> {
    fn wrong(&self, reason: String) -> CarError {
        CarError::new(self.offset, CarProblem::Content { cid: self.cid.to_string(), reason })
    }

    fn utf8<'d>(&self, data: &'d [u8]) -> Result<&'d str, CarError> {
        std::str::from_utf8(data).map_err(|error| self.wrong(error.to_string()))
    }
}

struct Walk<F> {
    source: Source<F>,
    index: Index,
    end: u64,
    /// Links may make a small file lead far; this ends it.
    visits_left: u64,
    /// Whether the version allows links.
    has_links: bool,
    held: Held,
    buffer: Vec<u8>,
    backup: Backup,
}

impl<F: Read + Seek> Walk<F> {
    fn new(source: Source<F>, index: Index, end: u64) -> Walk<F> {
        let visits_left = source.length() / BYTES_PER_VISIT + 16;
        let (held, buffer, backup) = (Held::default(), Vec::new(), Backup::default());
        Walk { source, index, end, visits_left, has_links: false, held, buffer, backup }
    }

    fn root<E: From<CarError>>(
        &mut self,
        root: &BlockCid,
        each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut data = Vec::new();
        let place = Place { cid: root, offset: self.block(root, 0, &mut data)? };
        let text = place.utf8(&data)?;
        let envelope = Envelope::parse(text).map_err(|problem| CarError::new(place.offset, problem))?;
        self.backup.root = root.to_string();
        self.backup.version = envelope.version.to_owned();
        self.backup.created_at = envelope.created_at;
        self.has_links = envelope.version == VERSION_LINKS;
        let before = envelope.pin_mappings.as_ptr() as usize - text.as_ptr() as usize;
        let place = Place { offset: place.offset + before as u64, ..place };
        let links = self.rows(envelope.pin_mappings, &place, each)?;
        drop(data);
        self.follow(&links, place.offset, MAX_DEPTH, each)
    }

    /// Reads the lists that `links` lead to.
    fn follow<E: From<CarError>>(
        &mut self,
        links: &[BlockCid],
        from: u64,
        depth: u32,
        each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for cid in links {
            if depth == 0 {
                return Err(CarError::new(from, CarProblem::Endless(cid.to_string())).into());
            }
            let mut data = mem::take(&mut self.buffer);
            let offset = self.block(cid, from, &mut data)?;
            let place = Place { cid, offset };
            let below = self.rows(place.utf8(&data)?, &place, each)?;
            self.buffer = data;
            self.follow(&below, offset, depth - 1, each)?;
        }
        Ok(())
    }

    /// Hands out the rows of a list and gives its links.
    fn rows<E: From<CarError>>(
        &mut self,
        text: &str,
        place: &Place<'_>,
        each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
    ) -> Result<Vec<BlockCid>, E> {
        let mut held = mem::take(&mut self.held);
        let mut failed = None;
        let links = node::parse_list(text, &mut held, &mut |row, held| {
            let done = self.complete(row, held, place.offset).map_err(E::from);
            let done = done.and_then(|()| each(row.mapping(held)));
            self.backup.rows += 1;
            done.map_err(|error| failed = Some(error)).is_ok()
        });
        self.held = held;
        match (failed, links) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(place.wrong(error.to_string()).into()),
            (None, Ok(links)) if links.is_empty() || self.has_links => Ok(links),
            (None, Ok(_)) => Err(place.wrong("links in a version that has none".to_owned()).into()),
        }
    }

    /// Brings in the texts of a row that are in blocks of their own.
    fn complete(&mut self, row: &Row<'_>, held: &mut Held, from: u64) -> Result<(), CarError> {
        self.backup.unknown_keys += row.unknown_keys;
        self.backup.unreadable_times += u64::from(row.has_unreadable_time);
        for (text, held) in row.texts.iter().zip(held) {
            if let Text::Linked(links) = text {
                held.clear();
                links.iter().try_for_each(|link| self.part(link, from, held))?;
            }
        }
        Ok(())
    }

    /// Appends a part of a text.
    fn part(&mut self, cid: &BlockCid, from: u64, text: &mut String) -> Result<(), CarError> {
        let mut data = Vec::new();
        let place = Place { cid, offset: self.block(cid, from, &mut data)? };
        if !self.has_links {
            return Err(place.wrong("links in a version that has none".to_owned()));
        }
        let part: String = serde_json::from_slice(&data).map_err(|error| place.wrong(error.to_string()))?;
        if text.len() + part.len() > MAX_TEXT {
            return Err(place.wrong(format!("a text of more than {MAX_TEXT} bytes")));
        }
        text.push_str(&part);
        Ok(())
    }

    /// Reads the block that the block at `from` links to, and checks its hash. Gives where its data begin.
    fn block(&mut self, cid: &BlockCid, from: u64, data: &mut Vec<u8>) -> Result<u64, CarError> {
        self.visits_left = match self.visits_left.checked_sub(1) {
            Some(left) => left,
            None => return Err(CarError::new(from, CarProblem::Endless(cid.to_string()))),
        };
        if let Some(inline) = cid.inline_data() {
            data.clear();
            data.extend_from_slice(inline);
            return Ok(from);
        }
        for at in self.index.find(cid) {
            let block = section_at(&mut self.source, at, self.end)?;
            if block.cid == *cid {
                self.source.read(block.data_offset, block.data_length, data)?;
                match hash::check(cid, data) {
                    Checked::Good => {}
                    Checked::Unknown => self.backup.unchecked += 1,
                    Checked::Bad => return Err(mismatch(&block)),
                }
                return Ok(block.data_offset);
            }
        }
        Err(CarError::new(from, CarProblem::MissingBlock(cid.to_string())))
    }
}

/// What [`salvage_mappings`] found beside the rows.
#[derive(Debug)]
pub struct SalvagedRows {
    /// What is left of the file.
    pub salvage: Salvage,
    /// How many rows there were.
    pub rows: u64,
    /// Rows that are there, but one of whose texts is not. They were not handed out.
    pub incomplete_rows: u64,
    /// When the backup was made, in microseconds since 1970, if its root is left and says so.
    pub created_at: Option<i64>,
}

/// Reads whatever rows a damaged backup has left, in the order of the file, which is the order in which they were
/// written.
///
/// It needs neither the header nor the root: every sound block that is a list of rows counts. A block of rows that is
/// there once and linked to twice gives its rows once.
///
/// # Errors
/// The file cannot be read at all, or what `each` returns.
pub fn salvage_mappings<F, E>(
    mut file: F,
    each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
) -> Result<SalvagedRows, E>
where
    F: Read + Seek,
    E: From<CarError>,
{
    let (mut index, mut sections) = (Index::default(), Vec::new());
    let salvage = salvage::salvage(&mut file, &mut |block, _, _| {
        if is_json(&block.cid) && index.add(&block.cid, block.offset) {
            sections.push(block.offset);
        }
        Ok::<(), E>(())
    })?;
    index.sort();
    let source = Source::new(file)?;
    let end = source.length();
    let mut walk = Walk::new(source, index, end);
    walk.has_links = true;
    let mut found = SalvagedRows { salvage, rows: 0, incomplete_rows: 0, created_at: None };
    for section in sections {
        walk.rescue(section, &mut found, each)?;
    }
    Ok(found)
}

impl<F: Read + Seek> Walk<F> {
    /// Hands out the rows of the block at `section`, if it is one that has rows.
    fn rescue<E: From<CarError>>(
        &mut self,
        section: u64,
        found: &mut SalvagedRows,
        each: &mut dyn FnMut(Mapping<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let block = section_at(&mut self.source, section, self.end)?;
        let mut data = mem::take(&mut self.buffer);
        self.source.read(block.data_offset, block.data_length, &mut data)?;
        let text = std::str::from_utf8(&data).unwrap_or_default();
        let list = match text.as_bytes().first() {
            Some(b'{') => Envelope::parse(text).map_or("", |envelope| {
                found.created_at = found.created_at.or(envelope.created_at);
                envelope.pin_mappings
            }),
            _ => text,
        };
        let (mut held, mut failed) = (mem::take(&mut self.held), None);
        // What is no list of rows is a list of links, a part of a text, or none of ours.
        let _ = node::parse_list(list, &mut held, &mut |row, held| {
            if self.complete(row, held, block.data_offset).is_err() {
                found.incomplete_rows += 1;
                return true;
            }
            let mapping = row.mapping(held);
            if mapping == Mapping::default() {
                return true;
            }
            found.rows += 1;
            each(mapping).map_err(|error| failed = Some(error)).is_ok()
        });
        (self.held, self.buffer) = (held, data);
        failed.map_or(Ok(()), Err)
    }
}

//! Pin mappings → a backup: rows into blocks, blocks into lists of links, and the envelope as the root.

use std::io::{self, Seek, Write};

use crate::pin::Mapping;

use super::write::{CarWriter, Link};
use super::{FORMAT, MAX_TEXT, MAX_WRITTEN_BLOCK, VERSION_LINKS, VERSION_ROWS, encode};

/// A text takes at most this part of a block inside its row: six of them and the keys fit in any case.
const TEXT_SHARE: usize = 8;

/// Writes pin mappings as a CAR, row by row.
///
/// It seeks back once, at the end, to write the header, and hands large pieces to `out`, which needs no buffer. It
/// neither flushes nor syncs. The same rows and the same `created_at` make the same bytes. It keeps about three blocks
/// in memory.
pub struct MappingsWriter<W> {
    car: CarWriter<W>,
    created_at: i64,
    /// The most bytes of a block's data.
    limit: usize,
    /// `[` and the rows since the last block, without the closing bracket.
    rows: Vec<u8>,
    /// `[` and the links to what is below since the last block, level by level, without the closing brackets.
    links: Vec<Vec<u8>>,
    /// A row that goes into the next block.
    next: Vec<u8>,
    count: u64,
    /// Whether a text is in blocks of its own.
    has_long_text: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The CID of the root, version 1 in base32.
    pub root: String,
    /// How many rows there are.
    pub rows: u64,
    /// How many blocks there are, with the root.
    pub blocks: u64,
    /// The length of the CAR.
    pub bytes: u64,
}

impl<W: Write + Seek> MappingsWriter<W> {
    /// Begins a backup that says it was made at `created_at`, in microseconds since 1970.
    ///
    /// # Errors
    /// `out` does not say where it stands.
    pub fn new(out: W, created_at: i64) -> io::Result<MappingsWriter<W>> {
        MappingsWriter::with_limit(out, created_at, MAX_WRITTEN_BLOCK)
    }

    /// The same with blocks of another size.
    pub(super) fn with_limit(out: W, created_at: i64, limit: usize) -> io::Result<MappingsWriter<W>> {
        Ok(MappingsWriter {
            car: CarWriter::new(out)?,
            created_at,
            limit,
            rows: vec![b'['],
            links: Vec::new(),
            next: Vec::new(),
            count: 0,
            has_long_text: false,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `out` cannot be written, or a text of the row is longer than [`MAX_TEXT`]. The backup is then worth nothing.
    pub fn push(&mut self, row: &Mapping<'_>) -> io::Result<()> {
        let before = self.rows.len();
        if before > 1 {
            self.rows.push(b',');
        }
        let start = self.rows.len();
        // A text never gets shorter by being encoded.
        let at_least: usize = encode::texts(row).into_iter().flatten().map(str::len).sum();
        if at_least <= self.limit {
            encode::row(row, &encode::AS_IT_IS, &mut self.rows);
        }
        if at_least > self.limit || self.rows.len() - start + 2 > self.limit {
            self.rows.truncate(start);
            let replaced = self.put_long_texts(row)?;
            encode::row(row, &replaced, &mut self.rows);
        }
        if self.rows.len() + 1 > self.limit {
            self.next.extend_from_slice(&self.rows[start..]);
            self.rows.truncate(before);
            self.close_rows()?;
            self.rows.append(&mut self.next);
        }
        self.count += 1;
        Ok(())
    }

    /// Puts the texts that are too long for their row into blocks, and gives the lists of links that replace them.
    fn put_long_texts(&mut self, row: &Mapping<'_>) -> io::Result<encode::Replaced> {
        let share = self.limit / TEXT_SHARE;
        let mut replaced = encode::AS_IT_IS;
        for (text, links) in encode::texts(row).into_iter().zip(&mut replaced) {
            if let Some(text) = text.filter(|text| text.len() >= share || encode::text_length(text) > share) {
                *links = Some(self.put_text(text, share)?);
            }
        }
        self.has_long_text = true;
        Ok(replaced)
    }

    /// Puts a text into blocks that each hold a part of it, and gives the list of links to them.
    fn put_text(&mut self, mut text: &str, share: usize) -> io::Result<Vec<u8>> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a text of a pin mapping is too long");
        if text.len() > MAX_TEXT {
            return Err(too_long());
        }
        let (mut links, mut block) = (vec![b'['], Vec::new());
        while !text.is_empty() {
            let part;
            (part, text) = encode::split(text, self.limit);
            block.clear();
            encode::text(part, &mut block);
            append(&self.car.put(&block)?, &mut links);
        }
        links.push(b']');
        if links.len() > share { Err(too_long()) } else { Ok(links) }
    }

    /// Puts the rows into a block.
    fn close_rows(&mut self) -> io::Result<()> {
        self.rows.push(b']');
        let link = self.car.put(&self.rows)?;
        self.rows.truncate(1);
        self.add_link(0, link)
    }

    /// Adds a link to a level's list, which goes into a block first if it is full.
    fn add_link(&mut self, level: usize, link: Link) -> io::Result<()> {
        if self.links.len() == level {
            self.links.push(vec![b'[']);
        }
        if self.links[level].len() + 1 + Link::TEXT + 1 > self.limit {
            self.close_links(level)?;
        }
        append(&link, &mut self.links[level]);
        Ok(())
    }

    fn close_links(&mut self, level: usize) -> io::Result<()> {
        self.links[level].push(b']');
        let link = self.car.put_again(&self.links[level])?;
        self.links[level].truncate(1);
        self.add_link(level + 1, link)
    }

    /// Writes the root and the header, and gives `out` back; it stands behind the CAR.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn finish(mut self) -> io::Result<(W, Written)> {
        let root = match self.root(VERSION_ROWS, &self.rows) {
            Some(root) if self.links.is_empty() && !self.has_long_text => root,
            _ => self.close_lists()?,
        };
        let root = self.car.put(&root)?;
        let (out, blocks, bytes) = self.car.finish(&root)?;
        Ok((out, Written { root: root.cid(), rows: self.count, blocks, bytes }))
    }

    /// Closes list after list until one fits into the root.
    fn close_lists(&mut self) -> io::Result<Vec<u8>> {
        if self.rows.len() > 1 {
            self.close_rows()?;
        }
        let mut level = 0;
        loop {
            if level + 1 == self.links.len()
                && let Some(root) = self.root(VERSION_LINKS, &self.links[level])
            {
                return Ok(root);
            }
            self.close_links(level)?;
            level += 1;
        }
    }

    /// The envelope around an open list, unless it is too long for a block.
    fn root(&self, version: &str, list: &[u8]) -> Option<Vec<u8>> {
        let mut root = br#"{"created_at":""#.to_vec();
        super::time::encode(self.created_at, &mut root);
        root.extend_from_slice(format!(r#"","format":"{FORMAT}","pin_mappings":"#).as_bytes());
        root.extend_from_slice(list);
        root.extend_from_slice(format!(r#"],"version":"{version}"}}"#).as_bytes());
        (root.len() <= self.limit).then_some(root)
    }
}

fn append(link: &Link, list: &mut Vec<u8>) {
    if list.len() > 1 {
        list.push(b',');
    }
    link.encode(list);
}

//! Blocks → CARv1: one root, the header written last.

use std::collections::HashSet;
use std::io::{self, Seek, SeekFrom, Write};

use multibase::Base;

use super::{hash, varint};

/// How much is handed to the file at a time.
const BUFFER: usize = 1 << 20;
/// The most digests that are remembered to leave out blocks that are there already.
const REMEMBERED: usize = 1 << 20;

/// Version 1, dag-json, sha2-256, 32 bytes.
const LINK_PREFIX: [u8; 5] = [0x01, 0xa9, 0x02, 0x12, 0x20];
/// The header up to the CID of its root: its length, `{"roots": [link], "version": 1}`.
const HEADER_PREFIX: [u8; 14] = *b"\x3b\xa2\x65roots\x81\xd8\x2a\x58\x26\x00";
const HEADER_SUFFIX: [u8; 9] = *b"\x67version\x01";

/// The length of the header of a file with one root that is a [`Link`].
pub(super) const HEADER: usize = HEADER_PREFIX.len() + Link::BYTES + HEADER_SUFFIX.len();

/// The CID of a block that we wrote: its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link([u8; Link::BYTES]);

impl Link {
    const BYTES: usize = LINK_PREFIX.len() + 32;
    /// The length of `{"/":"…"}`.
    pub(super) const TEXT: usize = 69;

    fn to(digest: &[u8; 32]) -> Link {
        let mut bytes = [0; Link::BYTES];
        bytes[..LINK_PREFIX.len()].copy_from_slice(&LINK_PREFIX);
        bytes[LINK_PREFIX.len()..].copy_from_slice(digest);
        Link(bytes)
    }

    /// The CID as text.
    pub(super) fn cid(&self) -> String {
        multibase::encode(Base::Base32Lower, self.0)
    }

    /// Appends `{"/":"…"}`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"/\":\"");
        out.extend_from_slice(self.cid().as_bytes());
        out.extend_from_slice(b"\"}");
    }
}

/// Writes blocks one after the other. What it has not handed on is lost without [`CarWriter::finish`].
pub(super) struct CarWriter<W> {
    out: W,
    /// Where the CAR begins in `out`.
    start: u64,
    buffer: Vec<u8>,
    handed_on: u64,
    blocks: u64,
    known: HashSet<[u8; 32]>,
}

impl<W: Write + Seek> CarWriter<W> {
    /// Begins a CAR where `out` stands.
    pub(super) fn new(mut out: W) -> io::Result<CarWriter<W>> {
        let start = out.stream_position()?;
        // Zeros until the root is known: a file that was left half written is no CAR.
        let buffer = vec![0; HEADER];
        Ok(CarWriter { out, start, buffer, handed_on: 0, blocks: 0, known: HashSet::new() })
    }

    /// Adds a block unless it is there already.
    pub(super) fn put(&mut self, data: &[u8]) -> io::Result<Link> {
        let digest = hash::sha2_256(data);
        if !self.known.contains(&digest) {
            if self.known.len() < REMEMBERED {
                self.known.insert(digest);
            }
            self.append(&digest, data)?;
        }
        Ok(Link::to(&digest))
    }

    /// Adds a block, even if it is there already: lists of links, which readers visit once for each time they are
    /// there.
    pub(super) fn put_again(&mut self, data: &[u8]) -> io::Result<Link> {
        let digest = hash::sha2_256(data);
        self.append(&digest, data)?;
        Ok(Link::to(&digest))
    }

    fn append(&mut self, digest: &[u8; 32], data: &[u8]) -> io::Result<()> {
        varint::encode((Link::BYTES + data.len()) as u64, &mut self.buffer);
        self.buffer.extend_from_slice(&Link::to(digest).0);
        self.buffer.extend_from_slice(data);
        self.blocks += 1;
        if self.buffer.len() >= BUFFER { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.handed_on += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the header and leaves `out` behind the last block: `out`, the number of blocks, the length.
    pub(super) fn finish(mut self, root: &Link) -> io::Result<(W, u64, u64)> {
        let mut header = [0; HEADER];
        let (prefix, rest) = header.split_at_mut(HEADER_PREFIX.len());
        let (cid, suffix) = rest.split_at_mut(Link::BYTES);
        prefix.copy_from_slice(&HEADER_PREFIX);
        cid.copy_from_slice(&root.0);
        suffix.copy_from_slice(&HEADER_SUFFIX);
        if self.handed_on == 0 {
            self.buffer[..HEADER].copy_from_slice(&header);
            self.hand_on()?;
        } else {
            self.hand_on()?;
            self.out.seek(SeekFrom::Start(self.start))?;
            self.out.write_all(&header)?;
            self.out.seek(SeekFrom::Start(self.start + self.handed_on))?;
        }
        Ok((self.out, self.blocks, self.handed_on))
    }
}

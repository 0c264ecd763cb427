//! The headers: CARv1's `{roots, version}`, and CARv2's pragma and offsets around a whole CARv1.

use std::io::{Read, Seek};

use super::cbor::Cbor;
use super::cid::BlockCid;
use super::error::{CarError, CarProblem};
use super::source::Source;
use super::{MAX_HEADER, varint};

/// How a CARv2 begins: a length of ten and `{"version": 2}`.
pub(super) const PRAGMA: [u8; 11] = *b"\x0a\xa1\x67version\x02";
/// Sixteen bytes of characteristics, then three numbers of eight bytes.
const V2_HEADER: usize = 40;
/// Where the data of a CARv2 may begin.
const V2_MIN_OFFSET: u64 = (PRAGMA.len() + V2_HEADER) as u64;

/// What stands before the blocks of a CAR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the file, 1 or 2.
    pub version: u8,
    /// The CIDs that the file is about, as it lists them.
    pub roots: Vec<BlockCid>,
    /// Where the first section begins.
    pub first_section: u64,
    /// Where the last section ends.
    pub end: u64,
    /// Where the index of a CARv2 begins, if it has one. It is not read.
    pub index_offset: Option<u64>,
}

/// Reads the header of a file of either version.
pub(super) fn read<F: Read + Seek>(source: &mut Source<F>) -> Result<Header, CarError> {
    let length = source.length();
    if source.peek(0, PRAGMA.len())? != PRAGMA {
        let (roots, first_section) = read_v1(source, 0, length)?;
        return Ok(Header { version: 1, roots, first_section, end: length, index_offset: None });
    }
    let (start, end, index_offset) = read_v2(source)?;
    let (roots, first_section) = read_v1(source, start, end)?;
    Ok(Header { version: 2, roots, first_section, end, index_offset })
}

/// Where the data of a CARv2 begin and end, and where its index begins.
fn read_v2<F: Read + Seek>(source: &mut Source<F>) -> Result<(u64, u64, Option<u64>), CarError> {
    const AT: u64 = PRAGMA.len() as u64;
    let file = source.length();
    let bytes = source.peek(AT, V2_HEADER)?;
    if bytes.len() < V2_HEADER {
        return Err(CarError::new(AT, CarProblem::Truncated("the CARv2 header")));
    }
    let field =
        |at: usize| bytes[at..at + 8].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    let (start, size, index) = (field(16), field(24), field(32));
    let wrong = |field: u64, why| Err(CarError::new(AT + field, CarProblem::Offsets(why)));
    if start < V2_MIN_OFFSET {
        return wrong(16, "the data begin inside the header");
    }
    let Some(end) = start.checked_add(size).filter(|end| *end <= file) else {
        return wrong(if start > file { 16 } else { 24 }, "the data end after the file");
    };
    match index {
        0 if end < file => Err(CarError::new(end, CarProblem::TrailingBytes(file - end))),
        0 => Ok((start, end, None)),
        _ if index < end => wrong(32, "the index begins inside the data"),
        _ if index >= file => wrong(32, "the index begins after the file"),
        _ => Ok((start, end, Some(index))),
    }
}

/// Reads a CARv1 header at `at`: the roots, and where the first section begins.
fn read_v1<F: Read + Seek>(
    source: &mut Source<F>,
    at: u64,
    end: u64,
) -> Result<(Vec<BlockCid>, u64), CarError> {
    let left = end - at;
    let bytes = source.peek(at, varint::MAX_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX)))?;
    let (length, skipped) = varint::decode(bytes).map_err(|bad| match bad {
        varint::Bad::Short => CarError::new(at, CarProblem::Truncated("the header")),
        varint::Bad::Malformed => CarError::new(at, CarProblem::Varint),
    })?;
    let skipped = skipped as u64;
    let why = match length {
        0 => CarProblem::Header("it is empty"),
        _ if length > MAX_HEADER => CarProblem::HeaderTooLong(length),
        _ if length > left - skipped => CarProblem::Truncated("the header"),
        _ => {
            let mut bytes = Vec::new();
            source.read(at + skipped, length as usize, &mut bytes)?;
            return Ok((parse_v1(&bytes, at + skipped)?, at + skipped + length));
        }
    };
    Err(CarError::new(at, why))
}

/// A map with exactly `roots` and `version`, which is 1.
fn parse_v1(bytes: &[u8], offset: u64) -> Result<Vec<BlockCid>, CarError> {
    let wrong = |at, why| CarError::new(at, CarProblem::Header(why));
    let mut cbor = Cbor::new(bytes, offset);
    let (mut roots, mut version) = (None, None);
    for _ in 0..cbor.map()? {
        let at = cbor.offset();
        match cbor.key()? {
            b"version" if version.is_none() => version = Some((cbor.offset(), cbor.number()?)),
            b"roots" if roots.is_none() => roots = Some(parse_roots(&mut cbor)?),
            b"version" | b"roots" => return Err(wrong(at, "a key twice")),
            _ => return Err(wrong(at, "a key that is neither `roots` nor `version`")),
        }
    }
    cbor.end()?;
    match version {
        None => return Err(wrong(offset, "no version")),
        Some((_, 1)) => {}
        Some((at, version)) => return Err(CarError::new(at, CarProblem::Version(version))),
    }
    roots.ok_or_else(|| wrong(offset, "no roots"))
}

fn parse_roots(cbor: &mut Cbor<'_>) -> Result<Vec<BlockCid>, CarError> {
    // Not reserved: the count is only a claim until the links are there.
    let mut roots = Vec::new();
    for _ in 0..cbor.list()? {
        roots.push(cbor.link()?);
    }
    Ok(roots)
}

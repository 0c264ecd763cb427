//! As much DAG-CBOR as a CAR header needs: short maps, text keys, integers, lists and links, in their strict form.

use super::cid::BlockCid;
use super::error::{CarError, CarProblem};

const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
/// The tag of a link.
const LINK: u64 = 42;

/// Reads forward through `bytes`, which stand at `offset` in their file. It never recurses: a header has one shape.
pub(super) struct Cbor<'a> {
    bytes: &'a [u8],
    at: usize,
    offset: u64,
}

impl<'a> Cbor<'a> {
    pub(super) fn new(bytes: &'a [u8], offset: u64) -> Cbor<'a> {
        Cbor { bytes, at: 0, offset }
    }

    /// Where the next item begins in the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// An error about what begins `start` bytes into the header.
    fn wrong<T>(&self, start: usize, why: &'static str) -> Result<T, CarError> {
        Err(CarError::new(self.offset + start as u64, CarProblem::Header(why)))
    }

    pub(super) fn map(&mut self) -> Result<u64, CarError> {
        self.expect(MAP, "not a map")
    }

    pub(super) fn list(&mut self) -> Result<u64, CarError> {
        self.expect(LIST, "roots are not a list")
    }

    pub(super) fn number(&mut self) -> Result<u64, CarError> {
        self.expect(UINT, "the version is no number")
    }

    pub(super) fn key(&mut self) -> Result<&'a [u8], CarError> {
        let length = self.expect(TEXT, "a key that is no text")?;
        self.take(length)
    }

    /// A link: tag 42 around a zero byte and the CID.
    pub(super) fn link(&mut self) -> Result<BlockCid, CarError> {
        let start = self.at;
        if self.expect(TAG, "a root is no link")? != LINK {
            return self.wrong(start, "a root is no link");
        }
        let length = self.expect(BYTES, "a link without bytes")?;
        let start = self.at;
        match self.take(length)? {
            [0, cid @ ..] => BlockCid::from_bytes(cid)
                .map_err(|why| CarError::new(self.offset + start as u64 + 1, CarProblem::Cid(why))),
            _ => self.wrong(start, "a link that does not begin with a zero byte"),
        }
    }

    pub(super) fn end(&self) -> Result<(), CarError> {
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong(self.at, "bytes after its end") }
    }

    /// The head of an item of one kind: the number in it, which is a value, a length or a tag.
    fn expect(&mut self, kind: u8, otherwise: &'static str) -> Result<u64, CarError> {
        let start = self.at;
        let Some(&first) = self.bytes.get(start) else { return self.wrong(start, "cut off") };
        if first >> 5 != kind {
            return self.wrong(start, otherwise);
        }
        let (size, least) = match first & 31 {
            value @ 0..24 => {
                self.at += 1;
                return Ok(u64::from(value));
            }
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            31 => return self.wrong(start, "an item of indefinite length"),
            _ => return self.wrong(start, "a reserved kind of number"),
        };
        self.at += 1;
        let value = self.take(size)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        if value < least { self.wrong(start, "a number that is not in its shortest form") } else { Ok(value) }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], CarError> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => self.wrong(self.at, "cut off"),
        }
    }
}

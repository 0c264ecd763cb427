//! A file read by offset, through one small buffer.

use std::io::{Read, Seek, SeekFrom};

use super::error::{CarError, CarProblem};

/// How much is read at a time: enough for many small sections, little beside a large one that is skipped.
const BUFFER: usize = 64 << 10;

/// A file with a buffer over one part of it. It takes no more memory than a caller asks for, and no more than the file
/// has.
pub(super) struct Source<F> {
    file: F,
    length: u64,
    /// Where the file stands, if known.
    position: Option<u64>,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    start: u64,
}

impl<F: Read + Seek> Source<F> {
    pub(super) fn new(mut file: F) -> Result<Source<F>, CarError> {
        let length = file.seek(SeekFrom::End(0)).map_err(|error| CarError::io(0, error))?;
        Ok(Source { file, length, position: None, buffer: Vec::new(), start: 0 })
    }

    /// The length of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Up to `want` bytes at `at`: fewer only where the file ends.
    pub(super) fn peek(&mut self, at: u64, want: usize) -> Result<&[u8], CarError> {
        let left = self.length.saturating_sub(at);
        let want = want.min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.held(at).len() < want {
            self.fill(at, want)?;
        }
        Ok(&self.held(at)[..want])
    }

    /// Reads `length` bytes at `at` into `out`, which then holds nothing else. The caller has checked the length.
    pub(super) fn read(&mut self, at: u64, length: usize, out: &mut Vec<u8>) -> Result<(), CarError> {
        out.clear();
        out.reserve_exact(length);
        let held = self.held(at);
        out.extend_from_slice(&held[..held.len().min(length)]);
        let rest = length - out.len();
        self.read_more(at + out.len() as u64, rest, out)?;
        if out.len() == length { Ok(()) } else { Err(CarError::new(at, CarProblem::Truncated("a block"))) }
    }

    /// What the buffer holds from `at` on.
    fn held(&self, at: u64) -> &[u8] {
        let from = at.checked_sub(self.start).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.buffer.get(from..)).unwrap_or_default()
    }

    fn fill(&mut self, at: u64, want: usize) -> Result<(), CarError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let read = self.read_more(at, want.max(BUFFER), &mut buffer);
        let enough = buffer.len() >= want;
        (self.buffer, self.start) = (buffer, at);
        read?;
        // The file was longer when it was opened.
        if enough { Ok(()) } else { Err(CarError::new(at, CarProblem::Truncated("what it had before"))) }
    }

    fn read_more(&mut self, at: u64, length: usize, out: &mut Vec<u8>) -> Result<(), CarError> {
        if length == 0 {
            return Ok(());
        }
        let failed = |error| CarError::io(at, error);
        if self.position.take() != Some(at) {
            self.file.seek(SeekFrom::Start(at)).map_err(failed)?;
        }
        let read = Read::by_ref(&mut self.file).take(length as u64).read_to_end(out).map_err(failed)?;
        self.position = Some(at + read as u64);
        Ok(())
    }
}

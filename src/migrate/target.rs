//! Where bytes go: into a file in the making, or, in a dry run, nowhere but into its length and its hash.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use twox_hash::XxHash64;

use super::Mode;
use crate::error::{Error, Result};
use crate::store::StagedFile;

/// A file in the making, or what it would be.
pub(super) enum Target {
    /// Stands beside the file that it will replace.
    File(Box<Written>),
    /// Not written, and told from others all the same.
    Nowhere(Box<Bytes>),
}

/// A file in the making, and what was written to it.
pub(super) struct Written {
    pub staged: StagedFile,
    bytes: Bytes,
}

/// What was written, as far as it takes to know it again.
#[derive(Default)]
pub(super) struct Bytes {
    /// The first bytes as they are now: what is written last, when all else is known, goes there.
    head: Vec<u8>,
    /// Of the bytes behind the head.
    hash: XxHash64,
    at: u64,
    length: u64,
}

/// How many bytes may be written over.
const HEAD: usize = 4096;
/// What is read back at once, in bytes.
const BUFFER: usize = 1 << 20;

impl Bytes {
    fn note(&mut self, bytes: &[u8]) -> io::Result<()> {
        let in_head = bytes.len().min(HEAD.saturating_sub(self.at as usize));
        let (head, rest) = bytes.split_at(in_head);
        let end = self.at as usize + head.len();
        if !head.is_empty() {
            if self.head.len() < end {
                self.head.resize(end, 0);
            }
            self.head[self.at as usize..end].copy_from_slice(head);
        }
        if !rest.is_empty() {
            if self.at + head.len() as u64 != self.length.max(HEAD as u64) {
                return Err(io::Error::other("a file in the making is only written over at its beginning"));
            }
            self.hash.write(rest);
        }
        self.at += bytes.len() as u64;
        self.length = self.length.max(self.at);
        Ok(())
    }

    fn compare(&self, mut file: File) -> io::Result<Option<&'static str>> {
        if file.metadata()?.len() != self.length {
            return Ok(Some("its length differs"));
        }
        let mut head = vec![0; self.head.len()];
        file.read_exact(&mut head)?;
        let (mut hash, mut buffer) = (XxHash64::with_seed(0), vec![0; BUFFER]);
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => hash.write(&buffer[..read]),
            }
        }
        let same = head == self.head && hash.finish() == self.hash.finish();
        Ok((!same).then_some("its bytes differ"))
    }
}

impl Target {
    /// Starts a file that will replace `place`, if files may be made at all.
    pub fn new(place: &Path, mode: Mode) -> Result<Target> {
        if std::fs::symlink_metadata(place).is_ok_and(|found| found.is_dir()) {
            return Err(Error::Write { path: place.into(), source: io::ErrorKind::IsADirectory.into() });
        }
        Ok(match mode {
            Mode::Apply => Target::of(StagedFile::in_place_of(place)?),
            Mode::DryRun => Target::Nowhere(Box::default()),
        })
    }

    /// A file in the making that nothing has been written to.
    pub fn of(staged: StagedFile) -> Target {
        Target::File(Box::new(Written { staged, bytes: Bytes::default() }))
    }

    /// The same where `place` may be a directory of part files, which is replaced by another way than a file.
    pub fn beside(place: &Path, mode: Mode) -> Result<Target> {
        match place.is_dir() {
            true => Target::new(&place.with_extension("parquet.new"), mode),
            false => Target::new(place, mode),
        }
    }

    /// Reads the file back from the disk and holds it to what was written, byte by byte. `place`: where it will be.
    ///
    /// # Errors
    /// [`Error::Unproved`] if they differ.
    pub fn prove(&mut self, place: &Path) -> Result<()> {
        let Target::File(written) = self else { return Ok(()) };
        match written.bytes.compare(written.staged.read_back()?) {
            Ok(None) => Ok(()),
            Ok(Some(problem)) => Err(Error::Unproved { path: place.into(), problem: problem.into() }),
            Err(source) => Err(Error::Read { path: place.into(), source }),
        }
    }

    /// The length so far, in bytes.
    pub fn length(&self) -> u64 {
        self.bytes().length
    }

    /// Whether the file at `place` has just the bytes that were written, or would be.
    pub fn is_at(&self, place: &Path) -> bool {
        File::open(place).is_ok_and(|file| matches!(self.bytes().compare(file), Ok(None)))
    }

    fn bytes(&self) -> &Bytes {
        match self {
            Target::File(written) => &written.bytes,
            Target::Nowhere(bytes) => bytes,
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => {
                let written = file.staged.write(bytes)?;
                file.bytes.note(&bytes[..written])?;
                Ok(written)
            }
            Target::Nowhere(noted) => noted.note(bytes).map(|()| bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.staged.flush(),
            Target::Nowhere(_) => Ok(()),
        }
    }
}

impl Seek for Target {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Target::File(file) => {
                file.bytes.at = file.staged.seek(to)?;
                Ok(file.bytes.at)
            }
            Target::Nowhere(noted) => {
                let (from, by) = match to {
                    SeekFrom::Start(to) => (to, 0),
                    SeekFrom::Current(by) => (noted.at, by),
                    SeekFrom::End(by) => (noted.length, by),
                };
                noted.at = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
                Ok(noted.at)
            }
        }
    }
}

//! Where bytes go: into a file in the making, or, in a dry run, nowhere but into its length.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use super::Mode;
use crate::error::{Error, Result};
use crate::store::StagedFile;

/// A file in the making, or the length that it would have.
#[derive(Debug)]
pub(super) enum Target {
    /// Beside the file that it will replace.
    File(StagedFile),
    /// Counted only.
    Nowhere {
        /// Where the next byte would go.
        at: u64,
        /// The length so far.
        length: u64,
    },
}

impl Target {
    /// Starts a file that will replace `place`, if files may be made at all.
    pub fn new(place: &Path, mode: Mode) -> Result<Target> {
        if std::fs::symlink_metadata(place).is_ok_and(|found| found.is_dir()) {
            return Err(Error::Write { path: place.into(), source: io::ErrorKind::IsADirectory.into() });
        }
        Ok(match mode {
            Mode::Apply => Target::File(StagedFile::in_place_of(place)?),
            Mode::DryRun => Target::Nowhere { at: 0, length: 0 },
        })
    }

    /// The same where `place` may be a directory of part files, which is replaced by another way than a file.
    pub fn beside(place: &Path, mode: Mode) -> Result<Target> {
        match place.is_dir() {
            true => Target::new(&place.with_extension("parquet.new"), mode),
            false => Target::new(place, mode),
        }
    }

    /// The length so far, in bytes.
    pub fn length(&mut self) -> io::Result<u64> {
        match self {
            Target::File(file) => {
                let at = file.stream_position()?;
                let length = file.seek(SeekFrom::End(0))?;
                file.seek(SeekFrom::Start(at))?;
                Ok(length)
            }
            Target::Nowhere { length, .. } => Ok(*length),
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::Nowhere { at, length } => {
                *at += bytes.len() as u64;
                *length = (*length).max(*at);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Nowhere { .. } => Ok(()),
        }
    }
}

impl Seek for Target {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Target::File(file) => file.seek(to),
            Target::Nowhere { at, length } => {
                let (from, by) = match to {
                    SeekFrom::Start(to) => (to, 0),
                    SeekFrom::Current(by) => (*at, by),
                    SeekFrom::End(by) => (*length, by),
                };
                *at = from.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?;
                Ok(*at)
            }
        }
    }
}

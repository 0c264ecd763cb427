//! Records that wait in the order in which they came: the first ones on disk, if there are too many for memory.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::rows::Row;
use crate::error::{Error, Result};

/// What is set aside for records at once, in bytes.
pub(super) const BLOCK: usize = 1 << 20;

/// Records one after the other.
pub(super) type Block = Vec<u8>;

/// Takes records.
pub(super) struct Spool {
    blocks: VecDeque<Block>,
    file: Option<File>,
    spill: PathBuf,
    /// Blocks that are kept in memory.
    limit: usize,
}

/// Gives them back.
pub(super) struct Spooled {
    file: Option<File>,
    blocks: VecDeque<Block>,
}

impl Spool {
    /// `spill`: the directory for a file without a name. `limit`: the bytes that are kept in memory.
    pub fn new(spill: &Path, limit: usize) -> Spool {
        Spool { blocks: VecDeque::new(), file: None, spill: spill.into(), limit: limit / BLOCK }
    }

    /// Takes a row.
    pub fn push(&mut self, row: &Row<'_>) -> Result<()> {
        row.append(self.room(row.most_bytes())?);
        Ok(())
    }

    /// Takes a row as its record.
    pub fn push_record(&mut self, record: &[u8]) -> Result<()> {
        self.room(record.len())?.extend_from_slice(record);
        Ok(())
    }

    /// The block that has room for so many bytes more.
    fn room(&mut self, bytes: usize) -> Result<&mut Block> {
        if self.blocks.back().is_none_or(|block| block.capacity() - block.len() < bytes) {
            if self.blocks.len() > self.limit {
                self.write_first()?;
            }
            self.blocks.push_back(Vec::with_capacity(BLOCK.max(bytes)));
        }
        Ok(self.blocks.back_mut().expect("there is one now"))
    }

    /// Writes the first block out: its length, then its records.
    fn write_first(&mut self) -> Result<()> {
        let Some(block) = self.blocks.pop_front() else { return Ok(()) };
        let failed = |source| Error::Write { path: self.spill.clone(), source };
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(&self.spill).map_err(failed)?),
        };
        file.write_all(&(block.len() as u64).to_le_bytes()).map_err(failed)?;
        file.write_all(&block).map_err(failed)
    }

    /// Ends it, so that they can be read. What is on disk stays there; so does the rest, if nothing may be kept in memory.
    pub fn finish(mut self) -> Result<Spooled> {
        while self.blocks.len() > self.limit {
            self.write_first()?;
        }
        if let Some(file) = &mut self.file {
            file.rewind().map_err(|source| Error::Write { path: self.spill.clone(), source })?;
        }
        Ok(Spooled { file: self.file, blocks: self.blocks })
    }
}

impl Spooled {
    /// The next records; none at the end.
    pub fn next(&mut self) -> Result<Option<Block>> {
        match &mut self.file {
            Some(file) => match read_block(file) {
                Ok(Some(block)) => Ok(Some(block)),
                Ok(None) => {
                    self.file = None;
                    Ok(self.blocks.pop_front())
                }
                Err(source) => Err(Error::Read { path: "a temporary file".into(), source }),
            },
            None => Ok(self.blocks.pop_front()),
        }
    }
}

fn read_block(file: &mut File) -> std::io::Result<Option<Block>> {
    let mut length = [0; 8];
    if file.read(&mut length[..1])? == 0 {
        return Ok(None);
    }
    file.read_exact(&mut length[1..])?;
    let mut block = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut block)?;
    Ok(Some(block))
}

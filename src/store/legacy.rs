//! `pins.json` as a place: opened once, so that it is read to its end whatever happens to its name.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::{BackendDir, DataDir, backup, layout};
use crate::error::{Error, Result};

/// A `pins.json` that waits to be migrated, open for reading.
#[derive(Debug)]
pub struct LegacyFile {
    /// Its name in the backend's directory.
    pub place: PathBuf,
    /// The open file.
    pub file: File,
    /// In bytes.
    pub size: u64,
    /// When it last changed, if the system tells.
    pub modified: Option<SystemTime>,
    is_link: bool,
}

impl DataDir {
    /// Opens the `pins.json` of a backend, if it has one.
    ///
    /// # Errors
    /// If it cannot be opened, is no file, or is a link that leaves the data directory.
    pub fn legacy_file(&self, backend: &BackendDir) -> Result<Option<LegacyFile>> {
        let place = backend.path.join(layout::LEGACY);
        let failed = |source| Error::Read { path: place.clone(), source };
        let found = match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(failed)?,
        };
        let real = self.inside().and_then(|inside| inside.resolve(&place).map_err(io::Error::other));
        let real = real.map_err(failed)?;
        let metadata = fs::metadata(&real).map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("not a file")));
        }
        let file = File::open(&real).map_err(failed)?;
        let (size, modified) = (metadata.len(), metadata.modified().ok());
        Ok(Some(LegacyFile { place, file, size, modified, is_link: found.is_symlink() }))
    }
}

impl LegacyFile {
    /// Whether nobody has written to the file since it was opened.
    pub fn is_unchanged(&self) -> bool {
        let now = self.file.metadata();
        now.is_ok_and(|now| now.len() == self.size && now.modified().ok() == self.modified)
    }

    /// Gives the file its backup's name, and gives that name. In place of a link its bytes are kept, and what it points
    /// to stays as it is.
    pub fn archive(self, stamp: &backup::Stamp) -> Result<PathBuf> {
        match self.is_link {
            false => backup::move_away(&self.place, stamp),
            true => backup::copy_away(&self.file, &self.place, stamp),
        }
    }
}

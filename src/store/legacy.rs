//! `pins.json` as a place: opened once, so that it is read to its end whatever happens to its name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
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
    /// What its name stood for when it was opened.
    named: Identity,
}

/// Which file a name stands for; a link is a file of its own.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = ();

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
        let named = identity(&found);
        Ok(Some(LegacyFile { place, file, size, modified, is_link: found.is_symlink(), named }))
    }
}

impl LegacyFile {
    /// Whether nobody has written to the file since it was opened.
    pub fn is_unchanged(&self) -> bool {
        let now = self.file.metadata();
        now.is_ok_and(|now| now.len() == self.size && now.modified().ok() == self.modified)
    }

    /// Whether its name still stands for it: another writer may have put a newer file there.
    pub fn is_in_place(&self) -> bool {
        self.is_at(&self.place)
    }

    fn is_at(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| identity(&found) == self.named)
    }

    /// The error over a file that is not the one that was opened any more.
    pub fn changed(&self) -> Error {
        let source = io::Error::other("it was written to while it was being migrated; run this again");
        Error::Read { path: self.place.clone(), source }
    }

    /// Gives the file its backup's name, and gives that name. In place of a link its bytes are kept, and what it points
    /// to stays as it is.
    ///
    /// # Errors
    /// Also if it is not the file that was opened any more: what nobody has read stays where it is.
    pub fn archive(self, stamp: &backup::Stamp) -> Result<PathBuf> {
        if !self.is_in_place() || !self.is_unchanged() {
            return Err(self.changed());
        }
        if self.is_link {
            return backup::copy_away(&self.file, &self.place, stamp);
        }
        let kept = backup::move_away(&self.place, stamp)?;
        // It may have been replaced just before it was moved.
        if self.is_at(&kept) && self.is_unchanged() {
            return Ok(kept);
        }
        backup::move_back(&kept, &self.place)?;
        Err(self.changed())
    }
}

#[cfg(unix)]
fn identity(found: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (found.dev(), found.ino())
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {}

//! One writer at a time: the lock of a backend's directory. Readers never take it and never wait.

use std::fs::{File, Metadata, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// The right to write in one backend's directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct WriteLock {
    held: File,
}

impl WriteLock {
    /// Takes the lock of `dir` at once or not at all. Leaves nothing behind: the directory itself is locked.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it.
    pub fn take(dir: &Path) -> Result<WriteLock> {
        let failed = |source| Error::Read { path: dir.into(), source };
        let held = open(dir).map_err(failed)?;
        match held.try_lock() {
            Ok(()) => Ok(WriteLock { held }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: dir.into() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

impl WriteLock {
    /// Whether what is locked is still what stands at `dir`. As far as is known: where that cannot be seen, it is.
    pub fn is_of(&self, dir: &Path) -> bool {
        match std::fs::metadata(dir) {
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
            Ok(found) => self.held.metadata().is_ok_and(|held| is_same(&held, &found)),
        }
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn open(dir: &Path) -> std::io::Result<File> {
    File::open(dir)
}

/// Where a directory cannot be opened as a file, one in it is locked.
#[cfg(not(unix))]
fn open(dir: &Path) -> std::io::Result<File> {
    File::options().create(true).write(true).truncate(false).open(dir.join(".pin_mappings.lock"))
}

//! One writer at a time: the lock of a backend's directory. Readers never take it and never wait.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::error::{Error, Result};

/// The right to write in one backend's directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct WriteLock {
    _held: File,
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
            Ok(()) => Ok(WriteLock { _held: held }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: dir.into() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
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

//! How far a migration is, for who watches it, and the word to stop, for who does not want it any more.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// How far the work is. Shared between the thread that works and one that watches.
#[derive(Debug, Default)]
pub struct Progress {
    backends: AtomicU64,
    backends_done: AtomicU64,
    bytes: AtomicU64,
    bytes_read: AtomicU64,
    entries: AtomicU64,
    written: AtomicU64,
    stop: AtomicBool,
}

/// One look at a [`Progress`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Backends to work on.
    pub backends: u64,
    /// Backends that are done.
    pub backends_done: u64,
    /// Bytes of `pins.json` to read.
    pub bytes: u64,
    /// Bytes of `pins.json` read so far.
    pub bytes_read: u64,
    /// Entries read so far, of the old files and the new ones.
    pub entries: u64,
    /// Mappings written so far.
    pub written: u64,
}

impl Progress {
    /// Asks the work to stop. It does so soon, and leaves what was there before.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How far the work is.
    pub fn seen(&self) -> Seen {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Seen {
            backends: load(&self.backends),
            backends_done: load(&self.backends_done),
            bytes: load(&self.bytes),
            bytes_read: load(&self.bytes_read),
            entries: load(&self.entries),
            written: load(&self.written),
        }
    }

    pub(super) fn begin(&self, backends: u64, bytes: u64) {
        self.backends.store(backends, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn done(&self) {
        self.backends_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read_bytes(&self, bytes: u64) {
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn read_rows(&self, rows: u64) -> Result<()> {
        self.entries.fetch_add(rows, Ordering::Relaxed);
        self.check()
    }

    pub(super) fn wrote(&self, rows: u64) -> Result<()> {
        self.written.fetch_add(rows, Ordering::Relaxed);
        self.check()
    }

    /// # Errors
    /// [`Error::Stopped`] if the work was asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }
}

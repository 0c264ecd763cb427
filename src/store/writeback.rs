//! What is written is brought to the disk while more is being made: else whoever publishes a large file waits for all of it at the end.

use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes that are brought to the disk at once.
const STEP: usize = 64 << 20;
/// Steps that wait for the disk at most, beside those under way. Who writes faster than the disk waits then, not at the end, and
/// does not fill the memory of others.
const WAITING: usize = 2;

/// The write-back of one file. Dropped, it waits for nothing.
#[derive(Debug, Default)]
pub(super) struct Writeback {
    /// Bytes that were written and not asked for yet.
    unasked: usize,
    /// Started when a first step is written.
    syncs: Option<Syncs>,
}

#[derive(Debug)]
struct Syncs {
    asked: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Writeback {
    /// Tells that so many bytes were written to the file, which is always the same.
    ///
    /// # Errors
    /// If earlier ones could not be brought to the disk.
    pub fn wrote(&mut self, bytes: usize, file: &File) -> io::Result<()> {
        self.unasked += bytes;
        if self.unasked < STEP {
            return Ok(());
        }
        self.unasked = 0;
        let syncs = match &self.syncs {
            Some(syncs) => syncs,
            None => self.syncs.insert(Syncs::start(file.try_clone()?)),
        };
        match syncs.asked.send(()) {
            Ok(()) => Ok(()),
            // It ends before it is told to only if it fails.
            Err(_) => self.settle(),
        }
    }

    /// Waits for what is under way. Systems tell a failure to whom asks first and to nobody else: so a file of which this failed is not
    /// whole, whatever a later sync says.
    ///
    /// # Errors
    /// If something could not be brought to the disk.
    pub fn settle(&mut self) -> io::Result<()> {
        let Some(Syncs { asked, thread }) = self.syncs.take() else { return Ok(()) };
        drop(asked);
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Syncs {
    fn start(file: File) -> Syncs {
        let (asked, steps) = sync_channel(WAITING);
        let thread = thread::spawn(move || {
            while steps.recv().is_ok() {
                // One sync is for all that was written before it.
                while steps.try_recv().is_ok() {}
                file.sync_data()?;
            }
            Ok(())
        });
        Syncs { asked, thread }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn little_is_left_to_whoever_publishes() {
        let mut few = Writeback::default();
        let file = tempfile::tempfile().unwrap();
        few.wrote(STEP - 1, &file).unwrap();
        assert!(few.syncs.is_none());
        few.wrote(1, &file).unwrap();
        assert!(few.syncs.is_some());
        (0..100).for_each(|_| few.wrote(STEP, &file).unwrap());
        few.settle().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_could_not_be_brought_to_the_disk_is_told() {
        // Which has none.
        let null = File::options().write(true).open(Path::new("/dev/null")).unwrap();
        let mut lost = Writeback::default();
        lost.wrote(STEP, &null).unwrap();
        assert!(lost.settle().is_err());
        // Or to whom goes on to write.
        let mut lost = Writeback::default();
        assert!((0..10_000).any(|_| lost.wrote(STEP, &null).is_err()));
    }
}

//! What is written is brought to the disk while more is being made: else whoever publishes a large file waits for all of it at the end.

use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes after which the disk is asked for.
const STEP: usize = 32 << 20;
/// Steps that wait for the disk at most, beside those under way. Who writes faster than the disk waits then, not at the end, and
/// does not fill the memory of others.
const WAITING: usize = 1;

/// The write-back of one file. Dropped, it waits for nothing.
#[derive(Debug, Default)]
pub(super) struct Writeback {
    /// Bytes that were written and not asked for yet.
    unasked: usize,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is asked for.
    #[default]
    Idle,
    Running(Syncs),
    /// There is no thread to be had: whoever publishes waits for all of it.
    Without,
    /// The file is not whole.
    Failed(io::ErrorKind),
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
        if matches!(self.state, State::Idle) {
            self.state = Syncs::start(file).map_or(State::Without, State::Running);
        }
        match &self.state {
            State::Running(syncs) if syncs.asked.send(()).is_ok() => Ok(()),
            // A thread ends before it is told to only if it fails.
            _ => self.settle(),
        }
    }

    /// Waits for what is under way. The system tells a failure once for all descriptors that are copies of one another, as the
    /// thread's is: so a file of which this failed is not whole, whatever a later sync says.
    ///
    /// # Errors
    /// If something could not be brought to the disk, now or earlier.
    pub fn settle(&mut self) -> io::Result<()> {
        match std::mem::take(&mut self.state) {
            State::Idle => Ok(()),
            State::Running(Syncs { asked, thread }) => {
                drop(asked);
                let ended = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
                ended.inspect_err(|error| self.state = State::Failed(error.kind()))
            }
            State::Without => {
                self.state = State::Without;
                Ok(())
            }
            State::Failed(kind) => {
                self.state = State::Failed(kind);
                Err(kind.into())
            }
        }
    }
}

impl Syncs {
    fn start(file: &File) -> io::Result<Syncs> {
        let file = file.try_clone()?;
        let (asked, steps) = sync_channel(WAITING);
        let syncs = move || {
            while steps.recv().is_ok() {
                // One sync is for all that was written before it.
                while steps.try_recv().is_ok() {}
                file.sync_data()?;
            }
            Ok(())
        };
        let thread = thread::Builder::new().spawn(syncs)?;
        Ok(Syncs { asked, thread })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_asked_for_once_there_is_much() {
        let mut few = Writeback::default();
        let file = tempfile::tempfile().unwrap();
        few.wrote(STEP - 1, &file).unwrap();
        assert!(matches!(few.state, State::Idle));
        few.wrote(1, &file).unwrap();
        assert!(matches!(few.state, State::Running(_)));
        (0..100).for_each(|_| few.wrote(STEP, &file).unwrap());
        few.settle().unwrap();
        assert!(matches!(few.state, State::Idle));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_could_not_be_brought_to_the_disk_is_told_and_not_forgotten() {
        // Which has none.
        let null = File::options().write(true).open("/dev/null").unwrap();
        let mut lost = Writeback::default();
        lost.wrote(STEP, &null).unwrap();
        assert!(lost.settle().is_err());
        assert!(lost.settle().is_err());
        // Or to whom goes on to write.
        let mut lost = Writeback::default();
        assert!((0..10_000).any(|_| lost.wrote(STEP, &null).is_err()));
        assert!(lost.wrote(STEP, &null).is_err() && lost.settle().is_err());
    }
}

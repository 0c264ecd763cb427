//! The log of a daemon: to stderr, or to a file that does not grow for ever.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::cli::failure::{Failure, Outcome};
use crate::cli::trace;

/// A file that is longer is put aside, in the place of the one that was put aside before.
const LONGEST: u64 = 10_000_000;

/// Starts to log, with what matters unless more or less is asked for.
pub fn start(file: Option<&Path>, verbosity: u8, colors: bool) -> Outcome<()> {
    match file {
        None => trace::start_with(verbosity, colors, io::stderr),
        Some(path) => {
            let log = LogFile::open(path).map_err(|error| {
                Failure::misuse(
                    format!("cannot write {}: {error}", path.display()),
                    "name another file with --log",
                )
            })?;
            trace::start_with(verbosity, false, log)
        }
    }
}

/// A file that is put aside when it is long.
struct LogFile {
    path: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    file: File,
    length: u64,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<LogFile> {
        Ok(LogFile { path: path.into(), open: Mutex::new(Open::begin(path)?) })
    }
}

impl Open {
    fn begin(path: &Path) -> io::Result<Open> {
        let file = File::options().append(true).create(true).open(path)?;
        let length = file.metadata()?.len();
        Ok(Open { file, length })
    }
}

/// One line of the log.
struct Line<'a> {
    path: &'a Path,
    open: MutexGuard<'a, Open>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.length > LONGEST {
            // If that fails, it goes on growing: better than silence.
            let aside = PathBuf::from(format!("{}.1", self.path.display()));
            if fs::rename(self.path, aside).is_ok()
                && let Ok(begun) = Open::begin(self.path)
            {
                *self.open = begun;
            }
        }
        let written = self.open.file.write(bytes)?;
        self.open.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.file.flush()
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { path: &self.path, open: self.open.lock().unwrap_or_else(PoisonError::into_inner) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_put_aside_once() {
        let temp = tempfile::tempdir().expect("a directory");
        let path = temp.path().join("daemon.log");
        let log = LogFile::open(&path).expect("a log");
        let line = vec![b'x'; 1_000_000];
        for _ in 0..25 {
            log.make_writer().write_all(&line).expect("a line");
        }
        let length = |path: &Path| fs::metadata(path).expect("a file").len();
        assert_eq!(length(&path), 3_000_000);
        assert_eq!(length(&temp.path().join("daemon.log.1")), 11_000_000);
        assert_eq!(fs::read_dir(temp.path()).expect("a directory").count(), 2);
    }
}

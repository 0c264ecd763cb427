//! What can go wrong, in words that name the place, with a hint that says what to do.

use std::io;
use std::path::PathBuf;

/// A result whose error is pinql's own.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How the reason begins where a file's footer can be read and its data cannot.
pub(crate) const DAMAGED: &str = "the data is damaged";

/// What went wrong and where. [`Error::hint`] says how to mend it.
///
/// The cause, where there is one, is in [`std::error::Error::source`] and not in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data directory is not there.
    #[error("no data directory at {}", path.display())]
    RootNotFound {
        /// The path that was asked for.
        path: PathBuf,
    },

    /// A file or directory could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A file could not be written, and nothing of it stands under its final name.
    #[error("cannot write {}", path.display())]
    Write {
        /// What could not be written.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// A URL that is no address of an object, or of one in a store that cannot be asked.
    #[error("cannot write {url}: {problem}")]
    Url {
        /// The URL, without a password.
        url: String,
        /// What is wrong with it.
        problem: String,
        /// What to write instead, or what to set.
        hint: String,
    },

    /// Another process writes in the same place.
    #[error("{} is being written by another process", path.display())]
    Locked {
        /// The backend's directory.
        path: PathBuf,
    },

    /// The directory that a daemon holds has been removed or replaced while it ran.
    #[error("{} is not the directory any more that this daemon began in: it ends", path.display())]
    Ousted {
        /// The daemon's directory.
        path: PathBuf,
    },

    /// A daemon is at work on the data directory already.
    #[error("a daemon works on {} already, process {pid}", path.display())]
    Running {
        /// The data directory.
        path: PathBuf,
        /// Its process, or `?`.
        pid: String,
    },

    /// Nobody can be listened to at an address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },

    /// A file that is not what its name says, and the place where that shows.
    #[error("{}, {place}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in it: `line 3, column 7`, or `byte 59`.
        place: String,
        /// What is wrong.
        problem: String,
    },

    /// A change that would lose something, or that there is nothing to make from.
    #[error("backend `{backend}`: {reason}")]
    Refused {
        /// The backend.
        backend: String,
        /// Why nothing was changed.
        reason: String,
        /// The way out.
        hint: String,
    },

    /// What was written reads back as something else; it was not published.
    #[error("{} does not read back as it was written: {problem}", path.display())]
    Unproved {
        /// The file that would have been replaced.
        path: PathBuf,
        /// What differs.
        problem: String,
    },

    /// The work was told to stop. What was there before is still there.
    #[error("stopped")]
    Stopped,

    /// An answer could not be written to the stream it was meant for.
    #[error("cannot write the answer")]
    Output {
        /// Why; [`io::ErrorKind::BrokenPipe`] means that the reader has seen enough.
        source: io::Error,
    },

    /// A backend's mappings cannot be read, and the query needs them.
    #[error("backend `{backend}` is unreadable: {path}: {reason}")]
    UnreadableBackend {
        /// The backend's name.
        backend: String,
        /// Its file, relative to the root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// What another tool noted of its backends or buckets cannot be read. No pin is lost with it.
    #[error("cannot read {path}: {reason}")]
    UnreadableRegistry {
        /// The file, relative to the root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A backend that was to be skipped if it cannot be read turned out to be damaged when rows had been handed over already.
    #[error("backend `{backend}` turned out to be damaged after rows had been handed over: {path}: {reason}")]
    DamagedLate {
        /// The backend's name.
        backend: String,
        /// Its file, relative to the root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// SQL that cannot be planned or whose execution failed.
    #[error("{message}")]
    Sql {
        /// What is wrong, in one sentence.
        message: String,
        /// Where in the statement, if known.
        place: Option<Place>,
        /// What to do about it.
        hint: Option<String>,
    },

    /// A statement that would change something.
    #[error("pinql's SQL only reads: {statement} is not allowed")]
    ReadOnly {
        /// The kind of statement, as SQL spells it.
        statement: String,
    },

    /// A query asked for more memory than it may use.
    #[error("the query needs more memory than its limit of {limit}")]
    Memory {
        /// The limit, as people read it.
        limit: String,
        /// The largest users of memory, as the engine tells them.
        detail: String,
    },

    /// A query ran longer than it may.
    #[error("the query took longer than its limit of {} s", limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: std::time::Duration,
    },

    /// No report has that name.
    #[error("no report named `{name}`")]
    UnknownReport {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },

    /// A report's file does not say what it must.
    #[error("{origin}, line {line}: {problem}")]
    ReportHeader {
        /// The file's name.
        origin: String,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },

    /// A report's parameter has no value, or one of the wrong kind.
    #[error("parameter `{name}` of report `{report}`: {problem}")]
    Parameter {
        /// The report.
        report: String,
        /// The parameter.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A word that is not one of the known ones.
    #[error("`{text}` is not {what}")]
    Unknown {
        /// What was expected, with its article: `an output format`.
        what: &'static str,
        /// The text that was given.
        text: String,
        /// What would have been understood.
        known: Vec<String>,
    },

    /// An answer that a format cannot hold.
    #[error("{format} cannot hold this answer: {problem}")]
    Encode {
        /// The output format.
        format: String,
        /// What is in the way.
        problem: String,
    },

    /// An answer that cannot be put apart into files by the values of columns.
    #[error("the answer cannot be split: {problem}")]
    Split {
        /// What is in the way.
        problem: String,
        /// What to do instead.
        hint: String,
    },

    /// Something in the engine that should not happen.
    #[error("{message}")]
    Engine {
        /// The engine's own words.
        message: String,
    },
}

/// A cause that also says what to do about it: the source of an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(crate) struct Advised {
    pub words: String,
    pub hint: String,
}

impl Advised {
    pub fn error(words: impl Into<String>, hint: impl Into<String>) -> io::Error {
        io::Error::other(Advised { words: words.into(), hint: hint.into() })
    }

    /// What an error advises, if it does.
    fn hint(error: &io::Error) -> Option<String> {
        let advised = error.get_ref()?.downcast_ref::<Advised>()?;
        (!advised.hint.is_empty()).then(|| advised.hint.clone())
    }
}

/// A place in a statement, to be shown with a caret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
}

impl Error {
    /// Says how to mend it, in one sentence, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::RootNotFound { .. } => {
                Some("name the directory that holds `backends/` with --root DIR, or set PINQL_ROOT".into())
            }
            Error::UnreadableBackend { reason, .. } if reason.contains("too many open files") => {
                Some("every file of a query is open at once: raise the limit with `ulimit -n`".into())
            }
            // Found while reading, it is not in the table `backends`.
            Error::UnreadableBackend { reason, .. } if reason.starts_with(DAMAGED) => {
                Some("--skip-unreadable goes on without it".into())
            }
            Error::DamagedLate { backend, .. } => Some(format!(
                "write the answer to a file with -o, which begins anew without it, or leave it out: WHERE backend_name <> '{}'",
                backend.replace('\'', "''")
            )),
            Error::UnreadableBackend { .. } => Some(
                "see `SELECT name, state, reason FROM backends`; --skip-unreadable goes on without it".into(),
            ),
            Error::UnreadableRegistry { .. } => {
                Some("move it away: the tool that keeps it writes it anew, and pins do not need it".into())
            }
            Error::Sql { hint, .. } => hint.clone(),
            Error::Memory { detail, .. } => Some(match detail.is_empty() {
                true => "raise --memory-limit, or ask for less at once".into(),
                false => format!("raise --memory-limit, or ask for less at once ({detail})"),
            }),
            Error::Locked { .. } => Some("wait until it is done, then run this again".into()),
            Error::Refused { hint, .. } | Error::Url { hint, .. } | Error::Split { hint, .. } => {
                Some(hint.clone())
            }
            Error::Ousted { .. } => {
                Some("start it again; the history that was there is gone with the directory".into())
            }
            Error::Running { .. } => {
                Some("`pinql daemon stop` ends it, `pinql daemon status` tells what it does".into())
            }
            Error::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("what was there is still there: make room and run this again".into())
            }
            Error::Write { source, .. } | Error::Read { source, .. } => Advised::hint(source),
            Error::Timeout { .. } => Some("raise --timeout, or ask for less at once".into()),
            Error::UnknownReport { known, .. } => Some(format!("known reports: {}", known.join(", "))),
            Error::Unknown { known, .. } => Some(format!("known: {}", known.join(", "))),
            _ => None,
        }
    }

    /// Whether it is the end of work that was told to stop.
    pub fn is_stopped(&self) -> bool {
        match self {
            Error::Stopped => true,
            Error::Output { source } | Error::Write { source, .. } | Error::Read { source, .. } => {
                let inner = source.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
                inner.is_some_and(Error::is_stopped)
            }
            _ => false,
        }
    }

    /// Whether the reader of the answer went away, which is no error to people.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Output { source } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

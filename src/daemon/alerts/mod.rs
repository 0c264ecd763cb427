//! Alerts: conditions over SQL and reports that are asked again and again, and who is told when they hold.
//!
//! What each alert is at, and what still waits to be delivered, stands in `alerts.json`, so that a restart neither forgets an
//! alert nor tells it twice. A notice is delivered at least once.

mod ask;
mod deliver;
mod notice;
mod round;
mod state;
mod when;

pub(super) use deliver::{client as hooks, deliver_always};
pub use notice::Notice;
pub use round::Asked;
pub use state::{Condition, Finding, Kind, State};
pub use when::{Compare, Question, Test, When};

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::config::Config;
use crate::error::{Error, Result};
use crate::report::Reports;
use crate::session::{self, Session};
use crate::store::StagedFile;
use notice::Outbox;

/// The version of `alerts.json`.
const VERSION: u32 = 1;

/// What all alerts are at. Cheap to clone: clones share it.
#[derive(Debug, Clone)]
pub struct Alerts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    root: String,
    book: Mutex<Book>,
    /// Held while the file is written, so that an older one never replaces a newer one.
    writing: Mutex<()>,
    more: Notify,
    counts: Counts,
}

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    version: u32,
    /// The number of the next notice.
    next: u64,
    alerts: BTreeMap<String, State>,
    #[serde(default)]
    waiting: Outbox,
    /// When each was last asked, while this process runs, and how long the answer took.
    #[serde(skip)]
    asked: BTreeMap<String, (Instant, Duration)>,
    /// Why the file cannot be written, if so.
    #[serde(skip)]
    problem: Option<String>,
}

/// How many notices went which way.
#[derive(Debug, Default)]
struct Counts {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
}

/// The same as numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Notices that were delivered.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Notices that were given up.
    pub given_up: u64,
    /// Notices that wait.
    pub waiting: u64,
}

impl Alerts {
    /// Reads what a daemon before this one left. A file that cannot be read is told and begun anew, and kept beside.
    pub fn open(path: PathBuf, root: String) -> Alerts {
        let read = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<Book>(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Book::default()),
            Err(error) => Err(error.to_string()),
        };
        let book = read.unwrap_or_else(|problem| {
            let kept = path.with_extension("json.damaged");
            tracing::error!(file = %path.display(), %problem, kept = %kept.display(), "alerts begin anew");
            let _ = std::fs::rename(&path, kept);
            Book::default()
        });
        let shared = Shared {
            path,
            root,
            book: Mutex::new(book),
            writing: Mutex::default(),
            more: Notify::new(),
            counts: Counts::default(),
        };
        Alerts(Arc::new(shared))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each alert is at.
    pub fn states(&self) -> BTreeMap<String, State> {
        self.book().alerts.clone()
    }

    /// What became of notices since the process began.
    pub fn delivery(&self) -> Delivery {
        let Counts { delivered, failed, given_up } = &self.0.counts;
        let [delivered, failed_attempts, given_up] =
            [delivered, failed, given_up].map(|count| count.load(Ordering::Relaxed));
        Delivery { delivered, failed_attempts, given_up, waiting: self.book().waiting.len() as u64 }
    }

    /// Why what they are at cannot be kept, if so.
    pub fn problem(&self) -> Option<String> {
        self.book().problem.clone()
    }

    /// Forgets alerts and channels that a configuration does not have, and begins those anew that ask something else now.
    pub fn follow(&self, config: &Config) {
        let dropped = {
            let mut guard = self.book();
            let book = &mut *guard;
            for rule in &config.alerts {
                let name = rule.name.get_ref();
                if let Some(state) = book.alerts.get_mut(name)
                    && state.asks(&rule.when.get_ref().text)
                {
                    book.asked.remove(name);
                }
            }
            book.alerts.retain(|name, _| config.alerts.iter().any(|rule| rule.name.get_ref() == name));
            book.waiting.keep(|channel| config.channels.contains_key(channel))
        };
        if dropped > 0 {
            tracing::warn!(dropped, "notices are dropped: their channels are not configured any more");
        }
        self.0.counts.given_up.fetch_add(dropped as u64, Ordering::Relaxed);
        self.save();
    }

    /// Waits for the next notice for a channel. Gives how many attempts have failed, too.
    async fn next_for(&self, channel: &str) -> (Notice, u32) {
        loop {
            let mut more = std::pin::pin!(self.0.more.notified());
            // From here on, so that none is missed that comes between the look and the wait.
            more.as_mut().enable();
            if let Some(waiting) = self.book().waiting.next(channel) {
                return (waiting.notice.clone(), waiting.attempts);
            }
            more.await;
        }
    }

    fn delivered(&self, channel: &str, id: &str) {
        self.book().waiting.take(channel, id);
        self.0.counts.delivered.fetch_add(1, Ordering::Relaxed);
        self.save();
    }

    /// An attempt has failed; one that is refused is not tried again.
    fn not_delivered(&self, channel: &str, notice: &Notice, refused: bool, retry_for: Duration) {
        self.0.counts.failed.fetch_add(1, Ordering::Relaxed);
        let attempts = self.book().waiting.failed(channel, &notice.id);
        // By the attempts, not by the clock: it may jump.
        if refused || deliver::waited(attempts) >= retry_for {
            tracing::error!(channel, alert = %notice.alert, kind = ?notice.kind, attempts, refused, "a notice is given up");
            self.0.counts.given_up.fetch_add(1, Ordering::Relaxed);
            self.book().waiting.take(channel, &notice.id);
        }
        self.save();
    }

    /// Keeps it all in the file. Where that fails, it is told once, and the next change tries again.
    pub fn save(&self) {
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let text = {
            let mut book = self.book();
            book.version = VERSION;
            serde_json::to_vec_pretty(&*book)
        };
        let saved = text.map_err(|error| Error::Engine { message: error.to_string() }).and_then(|text| {
            let mut staged = StagedFile::beside(&self.0.path)?;
            let failed = |source| Error::Write { path: self.0.path.clone(), source };
            staged.write_all(&text).map_err(failed)?;
            staged.publish()
        });
        let problem = saved.err().map(|error| sentence(&error));
        let mut book = self.book();
        if let Some(problem) = problem.as_deref().filter(|_| problem != book.problem) {
            tracing::error!(%problem, "what alerts are at cannot be kept");
        }
        book.problem = problem;
    }
}

/// Looks whether the questions of all alerts can be asked, of a data directory as it is now.
///
/// # Errors
/// If one cannot, with its place in the configuration. That a backend or a registry cannot be read is no fault of the question.
pub async fn check_questions(root: &Path, config: &Config, reports: &Reports) -> Result<()> {
    let session = Session::open(root, session::Options::default())?;
    for rule in &config.alerts {
        // Any time will do.
        match ask::plan(&session, rule.when.get_ref(), reports, DateTime::UNIX_EPOCH).await {
            Ok(_)
            | Err(
                Error::UnreadableBackend { .. }
                | Error::UnreadableRegistry { .. }
                | Error::Read { .. }
                | Error::Format { .. },
            ) => {}
            Err(error) => {
                let problem =
                    format!("alert `{}` cannot be asked: {}", rule.name.get_ref(), sentence(&error));
                return Err(config.wrong_condition(rule, problem));
            }
        }
    }
    Ok(())
}

/// An error and its causes in one line.
pub(super) fn sentence(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |&cause| cause.source());
    let causes = causes.map(ToString::to_string);
    std::iter::once(error.to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}

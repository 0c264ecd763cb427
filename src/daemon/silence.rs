//! Who does not answer while the daemon waits for the file system.
//!
//! What reads files cannot tell, for it waits. So all backends are asked again by somebody else: the first that gives no answer is
//! named. A file system that hangs may keep a thread of these, too: one, and not one more each time.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::store::layout;

/// How often it is looked whether anything waits.
const LOOK: Duration = Duration::from_secs(2);
/// What takes longer is looked into.
const LONG: Duration = Duration::from_secs(10);
/// How long a backend may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is waited for. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Silence(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Since when files are read.
    reading: Option<(DateTime<Utc>, Instant)>,
    /// The backend that is asked at the moment.
    asked: Option<(String, Instant)>,
    /// The backend that does not answer.
    silent: Option<String>,
}

/// Files are being read, until this is dropped.
pub struct Reading(Silence);

impl Drop for Reading {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.reading, state.silent) = (None, None);
    }
}

impl Silence {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files are read from now on.
    pub fn reading(&self, now: DateTime<Utc>) -> Reading {
        self.state().reading = Some((now, Instant::now()));
        Reading(self.clone())
    }

    /// The backend that does not answer, if any is known.
    pub fn backend(&self) -> Option<String> {
        self.state().silent.clone()
    }

    /// The same in words.
    pub fn problem(&self) -> Option<String> {
        let state = self.state();
        let (since, _) = state.reading?;
        let silent = state.silent.as_deref()?;
        Some(format!("since {}: {silent} has not answered", since.format("%H:%M:%S UTC")))
    }

    /// Looks again and again whether a backend does not answer; `tell` is called when that is another than before.
    pub async fn watch(&self, root: &Path, tell: impl Fn()) {
        let mut round: Option<JoinHandle<()>> = None;
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let takes_long = self.state().reading.is_some_and(|(_, since)| since.elapsed() > LONG);
            round = round.filter(|round| !round.is_finished());
            if takes_long && round.is_none() {
                let (silence, root) = (self.clone(), root.to_owned());
                round = Some(tokio::task::spawn_blocking(move || silence.ask_all(&root)));
            }
            {
                let mut state = self.state();
                let silent = state.asked.as_ref().filter(|(_, since)| since.elapsed() > PATIENCE);
                state.silent = silent.filter(|_| takes_long).map(|(name, _)| name.clone());
            }
            let silent = self.problem();
            if silent != told {
                if let Some(problem) = &silent {
                    tracing::warn!(%problem, "reading");
                }
                told = silent;
                tell();
            }
        }
    }

    fn ask_all(&self, root: &Path) {
        for entry in fs::read_dir(root.join(layout::BACKENDS)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            self.state().asked = Some((name, Instant::now()));
            let place = entry.path().join(layout::MAPPINGS);
            // Nothing but a file is opened: a pipe would wait for its writer.
            if fs::metadata(&place).is_ok_and(|found| found.is_file()) {
                let _ = File::open(place).and_then(|mut file| file.read(&mut [0]));
            }
        }
        self.state().asked = None;
    }
}

//! Which backends have changed.
//!
//! What counts is what the file system says of each backend's files when it is looked at: their names, lengths, times and
//! numbers. That the system tells of changes, where it does, only says when to look; so a notice that is lost, or a
//! file system that sends none, makes a change be seen later and never not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::store::{BackendDir, DataDir, Mappings, layout};

/// What the file system says of a backend's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    mappings: Vec<(String, Mark)>,
    /// Of the other files: the backup and the like.
    beside: Vec<(String, Mark)>,
    /// What stands in the place of files, or beside them.
    about: String,
}

/// What it says of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    length: u64,
    /// When it last changed, its contents and all else, in nanoseconds.
    modified: i128,
    changed: i128,
    number: (u64, u64),
}

/// All backends as they were at one look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight(BTreeMap<String, Fingerprint>);

impl Sight {
    /// Looks at all backends. Reads directories and what is known of files, no file's contents.
    ///
    /// # Errors
    /// If `backends/` itself cannot be listed.
    pub fn take(dir: &DataDir) -> Result<Sight> {
        Ok(Sight(
            dir.backends()?
                .into_iter()
                .map(|backend| (backend.name.clone(), fingerprint(&backend)))
                .collect(),
        ))
    }

    /// How many backends there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a backend of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Knows no longer what a backend was like: it has changed whatever it is like.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Whether a backend that is there has the same mappings as it had, whatever else of it has changed.
    pub fn has_same_mappings(&self, name: &str, before: &Sight) -> bool {
        let same =
            |now: &Fingerprint, then: &Fingerprint| now.mappings == then.mappings && now.about == then.about;
        matches!((self.0.get(name), before.0.get(name)), (Some(now), Some(then)) if same(now, then))
    }

    /// The backends that are not what they were: changed, new, or gone.
    pub fn changed_since(&self, before: &Sight) -> BTreeSet<String> {
        let differs = |name: &&String| self.0.get(*name) != before.0.get(*name);
        self.0.keys().chain(before.0.keys()).filter(differs).cloned().collect()
    }
}

fn fingerprint(backend: &BackendDir) -> Fingerprint {
    let about = match &backend.mappings {
        Mappings::Files(_) | Mappings::Absent => String::new(),
        Mappings::SameAs(other) => format!("as {other}"),
        Mappings::Unreadable { reason, .. } => reason.clone(),
    };
    let marked = |path: PathBuf| {
        let found = fs::metadata(&path).ok()?;
        Some((path.to_string_lossy().into_owned(), mark(&found)))
    };
    let mappings = backend.files().iter().filter_map(|file| marked(file.path.clone())).collect();
    let beside = [layout::CAR, layout::LEGACY, layout::REJECTS].map(|name| backend.path.join(name));
    Fingerprint { mappings, beside: beside.into_iter().filter_map(marked).collect(), about }
}

#[cfg(unix)]
fn mark(found: &Metadata) -> Mark {
    use std::os::unix::fs::MetadataExt;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Mark {
        length: found.len(),
        modified: nanos(found.mtime(), found.mtime_nsec()),
        changed: nanos(found.ctime(), found.ctime_nsec()),
        number: (found.dev(), found.ino()),
    }
}

#[cfg(not(unix))]
fn mark(found: &Metadata) -> Mark {
    let since = found.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let modified = since.map_or(0, |since| since.as_nanos() as i128);
    Mark { length: found.len(), modified, changed: 0, number: (0, 0) }
}

/// Hears of changes below `backends/` where the system tells of them. Clones are the same ear.
#[derive(Debug, Clone)]
pub struct Ear {
    place: PathBuf,
    heard: Arc<Notify>,
    wanted: bool,
    hearing: Arc<Mutex<Hearing>>,
    /// Held while the file system is asked, which may hang: nobody waits for it.
    watch: Arc<Mutex<Watch>>,
}

/// Whether it hears anything.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Hearing {
    #[default]
    NotYet,
    Nowhere,
    Notices,
    Broken(String),
}

#[derive(Debug, Default)]
struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// Which directory is watched: one that is moved away takes its watch with it.
    watched: Option<(u64, u64)>,
}

impl Ear {
    /// An ear that does not listen yet.
    pub fn new(root: &Path, wanted: bool) -> Ear {
        let place = root.join(layout::BACKENDS);
        Ear { place, heard: Arc::default(), wanted, hearing: Arc::default(), watch: Arc::default() }
    }

    /// Returns when something may have changed.
    pub async fn heard(&self) {
        self.heard.notified().await;
    }

    /// How changes are noticed: `notices`, or `polling` and why.
    pub fn how(&self) -> String {
        match (self.wanted, &*self.hearing()) {
            (false, _) => "polling: notices are switched off".into(),
            (true, Hearing::NotYet) => "polling: the system has not answered yet".into(),
            (true, Hearing::Nowhere) => format!("polling: there is no {}/", layout::BACKENDS),
            (true, Hearing::Notices) => "notices".into(),
            (true, Hearing::Broken(problem)) => format!("polling: {problem}"),
        }
    }

    fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens, or again where that is needed: `backends/` may come later, or another take its place. On a thread of its own:
    /// a file system that hangs must keep nobody waiting.
    pub fn listen(&self) -> JoinHandle<()> {
        let ear = self.clone();
        tokio::task::spawn_blocking(move || ear.listen_here())
    }

    fn listen_here(&self) {
        if !self.wanted {
            return;
        }
        let mut watch = match self.watch.try_lock() {
            Ok(watch) => watch,
            Err(TryLockError::Poisoned(watch)) => watch.into_inner(),
            // Somebody else still waits for the file system.
            Err(TryLockError::WouldBlock) => return,
        };
        let now = fs::metadata(&self.place).ok().filter(Metadata::is_dir).map(|found| mark(&found).number);
        let before = self.hearing().clone();
        if before == Hearing::Notices && now == watch.watched {
            return;
        }
        *watch = Watch::default();
        if now.is_none() {
            *self.hearing() = Hearing::Nowhere;
            return;
        }
        // What breaks from here on is told after this.
        *self.hearing() = Hearing::Notices;
        if let Err(error) = self.begin(&mut watch) {
            let problem = in_words(&error);
            let broken = Hearing::Broken(problem.clone());
            if broken != before {
                tracing::warn!(%problem, "the system does not tell of changes: they are looked for");
            }
            *self.hearing() = broken;
        }
        // What happened before this began was not heard.
        self.heard.notify_one();
    }

    fn begin(&self, watch: &mut Watch) -> notify::Result<()> {
        let (heard, hearing) = (Arc::clone(&self.heard), Arc::clone(&self.hearing));
        let hear = move |event: notify::Result<Event>| match event {
            Ok(event) if !is_change(&event.kind) => {}
            Ok(_) => heard.notify_one(),
            Err(error) => {
                *hearing.lock().unwrap_or_else(PoisonError::into_inner) = Hearing::Broken(in_words(&error));
                heard.notify_one();
            }
        };
        let mut watcher = RecommendedWatcher::new(hear, notify::Config::default())?;
        watcher.watch(&self.place, RecursiveMode::Recursive)?;
        watch.watched = fs::metadata(&self.place).ok().map(|found| mark(&found).number);
        watch.watcher = Some(watcher);
        Ok(())
    }
}

/// Whether something may be another than before: that files are read, by this daemon too, is no change.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

fn in_words(error: &notify::Error) -> String {
    match &error.kind {
        notify::ErrorKind::Io(error) => crate::store::plain(error),
        notify::ErrorKind::MaxFilesWatch => {
            "there are more directories than may be watched (fs.inotify.max_user_watches)".into()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn backend(root: &Path, name: &str) -> PathBuf {
        let dir = root.join("backends").join(name);
        fs::create_dir_all(&dir).unwrap();
        dir.join(layout::MAPPINGS)
    }

    fn changes(dir: &DataDir, before: &mut Sight) -> Vec<String> {
        let now = Sight::take(dir).unwrap();
        let changed = now.changed_since(before).into_iter().collect();
        *before = now;
        changed
    }

    #[test]
    fn changed_new_renamed_and_vanished_backends_are_told_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        for name in ["one", "two"] {
            fs::write(backend(root, name), "a").unwrap();
        }
        let dir = DataDir::open(root).unwrap();
        let mut before = Sight::default();
        assert_eq!(changes(&dir, &mut before), ["one", "two"]);
        assert!(changes(&dir, &mut before).is_empty());
        // Renamed into place, with the length and the time of what it replaces.
        let place = backend(root, "one");
        let time = fs::metadata(&place).unwrap().modified().unwrap();
        fs::write(place.with_extension("tmp"), "b").unwrap();
        fs::File::options()
            .write(true)
            .open(place.with_extension("tmp"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        fs::rename(place.with_extension("tmp"), &place).unwrap();
        assert_eq!(changes(&dir, &mut before), ["one"]);
        // Written over in place, with the same length.
        std::thread::sleep(Duration::from_millis(20));
        fs::write(&place, "c").unwrap();
        assert_eq!(changes(&dir, &mut before), ["one"]);
        fs::rename(root.join("backends/two"), root.join("backends/three")).unwrap();
        assert_eq!(changes(&dir, &mut before), ["three", "two"]);
        // Parts of a directory, and a backup beside it.
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        fs::write(place.join("part-0.parquet"), "d").unwrap();
        assert_eq!(changes(&dir, &mut before), ["one"]);
        fs::write(place.join("part-1.parquet"), "d").unwrap();
        assert_eq!(changes(&dir, &mut before), ["one"]);
        fs::write(place.with_file_name(layout::CAR), "e").unwrap();
        assert_eq!(changes(&dir, &mut before), ["one"]);
        fs::remove_dir_all(root.join("backends")).unwrap();
        assert_eq!(changes(&dir, &mut before), ["one", "three"]);
    }

    #[tokio::test]
    async fn changes_are_heard_and_reading_is_none() {
        let temp = tempfile::tempdir().unwrap();
        let hears =
            async |ear: &Ear| tokio::time::timeout(Duration::from_millis(300), ear.heard()).await.is_ok();
        let ear = Ear::new(temp.path(), true);
        assert_eq!(ear.how(), "polling: the system has not answered yet");
        ear.listen().await.unwrap();
        assert_eq!(ear.how(), "polling: there is no backends/");
        fs::write(backend(temp.path(), "one"), "a").unwrap();
        ear.listen().await.unwrap();
        assert_eq!(ear.how(), "notices");
        assert!(hears(&ear).await, "that it listens from now on");
        assert!(!hears(&ear).await);
        fs::read(backend(temp.path(), "one")).unwrap();
        assert!(!hears(&ear).await, "reading is no change");
        fs::write(backend(temp.path(), "two"), "a").unwrap();
        assert!(hears(&ear).await, "a new backend");
        // Another directory in its place.
        fs::rename(temp.path().join("backends"), temp.path().join("old")).unwrap();
        let place = backend(temp.path(), "three");
        ear.listen().await.unwrap();
        while hears(&ear).await {}
        fs::write(place, "a").unwrap();
        assert!(hears(&ear).await);
        assert!(!Ear::new(temp.path(), false).how().contains("notices:"));
    }

    #[test]
    fn a_file_system_that_hangs_keeps_nobody_waiting() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(backend(temp.path(), "one"), "a").unwrap();
        let ear = Ear::new(temp.path(), true);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listen = || {
            let listen = async { tokio::time::timeout(Duration::from_secs(30), ear.listen()).await };
            runtime.block_on(listen).unwrap().unwrap();
        };
        let hangs = ear.watch.lock().unwrap();
        // Nor does each further look take a thread that waits.
        (0..3).for_each(|_| listen());
        assert_eq!(ear.how(), "polling: the system has not answered yet");
        drop(hangs);
        listen();
        assert_eq!(ear.how(), "notices");
    }
}

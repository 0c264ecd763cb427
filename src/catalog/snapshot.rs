//! What one query sees: every file it needs, opened once, and held until it ends.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use arrow::datatypes::Field;
use object_store::ObjectMeta;
use tokio::task;

use super::file::{OpenError, PinnedFile, UnreadableFile};
use super::footer::Footers;
use crate::error::Result;
use crate::pin::schema;
use crate::store::{ALONE, BackendDir, DataDir, Mappings, MappingsFile, Unreachable, ask_in_threads};

/// The data directory as one query sees it. Each backend is looked at once, when it is first needed.
#[derive(Debug)]
pub(crate) struct Snapshot {
    dir: DataDir,
    footers: Arc<Footers>,
    unreadable: Unreadable,
    listing: OnceLock<Arc<Vec<BackendDir>>>,
    opened: Mutex<HashMap<String, Arc<OnceLock<Opened>>>>,
    /// Backends are listed again by one thread at a time.
    again: Mutex<()>,
    /// Backends to go without, by name.
    skipped: Mutex<BTreeMap<String, UnreadableFile>>,
    receipt: Receipt,
}

/// What to do about a backend that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Fail,
    Skip,
}

/// What a query has read so far.
#[derive(Debug, Default)]
struct Receipt {
    files: AtomicU64,
    /// What the files hold together.
    size: AtomicU64,
    bytes: Arc<AtomicU64>,
}

/// What the files of a backend are, or why they cannot be read.
pub(crate) type FilesOfBackend = Result<Vec<ObjectMeta>, UnreadableFile>;

/// The files of a backend, open.
pub(super) type Opened = Result<Arc<Vec<Arc<PinnedFile>>>, UnreadableFile>;

impl Snapshot {
    /// A snapshot that looks for footers among those that are known to the session.
    pub fn new(dir: DataDir, footers: Arc<Footers>, unreadable: Unreadable) -> Snapshot {
        Snapshot {
            dir,
            footers,
            unreadable,
            listing: OnceLock::new(),
            opened: Mutex::default(),
            again: Mutex::default(),
            skipped: Mutex::default(),
            receipt: Receipt::default(),
        }
    }

    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    /// All backends, listed once.
    pub fn backends(&self) -> Result<Arc<Vec<BackendDir>>> {
        if let Some(listing) = self.listing.get() {
            return Ok(Arc::clone(listing));
        }
        let listing = Arc::new(self.dir.backends()?);
        Ok(Arc::clone(self.listing.get_or_init(|| listing)))
    }

    /// The open files of these backends, in their order.
    ///
    /// # Errors
    /// The first of them that cannot be read, unless unreadable backends are skipped.
    pub async fn files(
        self: &Arc<Self>,
        backends: &[BackendDir],
    ) -> Result<Vec<Arc<PinnedFile>>, UnreadableFile> {
        let mut all = Vec::with_capacity(backends.len());
        for opened in self.open(backends).await {
            all.extend(self.or_skip(opened)?.iter().cloned());
        }
        Ok(all)
    }

    /// The open files of rejects of these backends. One that several backends have by a link counts once.
    ///
    /// # Errors
    /// The first of them that cannot be read, unless unreadable backends are skipped.
    pub async fn rejects(
        self: &Arc<Self>,
        backends: &[BackendDir],
    ) -> Result<Vec<Arc<PinnedFile>>, UnreadableFile> {
        let (snapshot, backends) = (Arc::clone(self), backends.to_vec());
        ended(task::spawn_blocking(move || snapshot.rejects_now(&backends)).await)
    }

    fn rejects_now(&self, backends: &[BackendDir]) -> Result<Vec<Arc<PinnedFile>>, UnreadableFile> {
        let mut seen = HashSet::new();
        let mut opened = Vec::new();
        for backend in backends {
            let file = match self.dir.rejects_file(backend) {
                Ok(Some(file)) if seen.insert(file.path.clone()) => self.open_rejects(backend, &file),
                Ok(_) => continue,
                Err(Unreachable { shown, reason }) => {
                    Err(UnreadableFile { backend: backend.name.clone(), path: shown, reason })
                }
            };
            opened.extend(self.or_skip(file.map(|file| Arc::new(vec![file])))?.iter().cloned());
        }
        Ok(opened)
    }

    /// What the files of each backend are.
    pub async fn identities(self: &Arc<Self>) -> Result<BTreeMap<String, FilesOfBackend>> {
        let backends = self.backends()?;
        let opened = self.open(&backends).await;
        let metas =
            |opened: Opened| opened.map(|files| files.iter().map(|file| file.meta().clone()).collect());
        Ok(backends.iter().map(|backend| backend.name.clone()).zip(opened.into_iter().map(metas)).collect())
    }

    fn open_rejects(
        &self,
        backend: &BackendDir,
        file: &MappingsFile,
    ) -> Result<Arc<PinnedFile>, UnreadableFile> {
        if let Some(error) = self.locked_skipped().get(&backend.name) {
            return Err(error.clone());
        }
        let name: Arc<str> = backend.name.as_str().into();
        let opened = self.open_file(&name, file).map_err(|failed| failed.error)?;
        let columns = opened.columns.fields();
        let lacks = |field: &&Arc<Field>| !columns.iter().any(|column| column.name() == field.name());
        match schema::rejects().fields().iter().find(lacks) {
            None => Ok(Arc::new(opened)),
            Some(field) => Err(UnreadableFile {
                backend: backend.name.clone(),
                path: file.shown.clone(),
                reason: format!("not a file of rejects: it has no column `{}`", field.name()),
            }),
        }
    }

    /// The open files of each of these backends, whatever is done about unreadable ones.
    pub async fn open(self: &Arc<Self>, backends: &[BackendDir]) -> Vec<Opened> {
        let snapshot = Arc::clone(self);
        let open = move |backend: &BackendDir| snapshot.open_once(backend);
        ask_all(backends, |backend| self.is_soon_open(backend), open).await
    }

    /// Whether a backend has no more than a file, whose footer was known lately.
    fn is_soon_open(&self, backend: &BackendDir) -> bool {
        match backend.files() {
            [] => true,
            [file] => file.path.to_str().is_some_and(|path| self.footers.know(path)),
            _ => false,
        }
    }

    fn open_once(&self, backend: &BackendDir) -> Opened {
        if let Some(error) = self.locked_skipped().get(&backend.name) {
            return Err(error.clone());
        }
        let cell = {
            let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(opened.entry(backend.name.clone()).or_default())
        };
        cell.get_or_init(|| self.open_now(backend)).clone()
    }

    /// Goes on without a backend, if that is wished, and remembers it.
    pub fn or_skip(&self, opened: Opened) -> Opened {
        match (opened, self.unreadable) {
            (Err(error), Unreadable::Skip) => {
                self.skip(error);
                Ok(Arc::default())
            }
            (opened, _) => opened,
        }
    }

    /// Goes on without a backend whose data turned out to be damaged, if that is wished. False if it is not, or if it
    /// has been done already.
    pub fn exclude(&self, error: UnreadableFile) -> bool {
        let known = self.locked_skipped().contains_key(&error.backend);
        let exclude = self.unreadable == Unreadable::Skip && !known;
        if exclude {
            self.skip(error);
        }
        exclude
    }

    fn skip(&self, error: UnreadableFile) {
        self.locked_skipped().entry(error.backend.clone()).or_insert(error);
    }

    /// The backends that the query goes without, by name.
    pub fn skipped(&self) -> Vec<UnreadableFile> {
        self.locked_skipped().values().cloned().collect()
    }

    fn locked_skipped(&self) -> MutexGuard<'_, BTreeMap<String, UnreadableFile>> {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Files opened so far.
    pub fn files_opened(&self) -> u64 {
        self.receipt.files.load(Ordering::Relaxed)
    }

    /// The size of the files opened so far.
    pub fn size(&self) -> u64 {
        self.receipt.size.load(Ordering::Relaxed)
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.receipt.bytes.load(Ordering::Relaxed)
    }

    fn open_now(&self, backend: &BackendDir) -> Opened {
        match self.open_files(backend) {
            Err(OpenFailed { gone: true, .. }) => {}
            Err(OpenFailed { error, .. }) => return Err(error),
            Ok(files) => return Ok(Arc::new(files)),
        }
        // A file went away after the listing: the backend was removed, or written anew as something else.
        let again = {
            let _alone = self.again.lock().unwrap_or_else(PoisonError::into_inner);
            self.dir.backends().unwrap_or_default()
        };
        match again.into_iter().find(|again| again.name == backend.name) {
            None => Ok(Arc::default()),
            Some(again) => self.open_files(&again).map(Arc::new).map_err(|failed| failed.error),
        }
    }

    fn open_files(&self, backend: &BackendDir) -> Result<Vec<Arc<PinnedFile>>, OpenFailed> {
        if let Mappings::Unreadable { path, reason } = &backend.mappings {
            let error =
                UnreadableFile { backend: backend.name.clone(), path: path.clone(), reason: reason.clone() };
            return Err(OpenFailed { gone: false, error });
        }
        let name: Arc<str> = backend.name.as_str().into();
        let mut files = Vec::new();
        for file in backend.files() {
            files.push(Arc::new(self.open_file(&name, file)?));
        }
        Ok(files)
    }

    fn open_file(&self, backend: &Arc<str>, file: &MappingsFile) -> Result<PinnedFile, OpenFailed> {
        let failed = |gone, reason| {
            let error = UnreadableFile { backend: backend.to_string(), path: file.shown.clone(), reason };
            OpenFailed { gone, error }
        };
        let counter = Arc::clone(&self.receipt.bytes);
        let (backend, shown) = (Arc::clone(backend), file.shown.clone());
        let opened = PinnedFile::open(&file.path, backend, shown, counter, &self.footers);
        self.receipt.files.fetch_add(1, Ordering::Relaxed);
        self.receipt.size.fetch_add(opened.as_ref().map_or(0, |file| file.meta().size), Ordering::Relaxed);
        opened.map_err(|error| match error {
            OpenError::Gone => failed(true, "no such file or directory".into()),
            OpenError::Unreadable(reason) => failed(false, reason),
        })
    }
}

/// A file that could not be opened, and whether that is because it is gone.
struct OpenFailed {
    gone: bool,
    error: UnreadableFile,
}

/// Asks the same of each: alone for a moment, as long as answers come soon, and then in threads.
pub(super) async fn ask_all<T: Clone + Send + Sync + 'static, R: Send + 'static>(
    items: &[T],
    is_soon: impl Fn(&T) -> bool,
    ask: impl Fn(&T) -> R + Send + Sync + 'static,
) -> Vec<R> {
    let since = Instant::now();
    let alone = items.iter().take_while(|item| since.elapsed() < ALONE && is_soon(item));
    let mut answers: Vec<R> = alone.map(&ask).collect();
    if answers.len() < items.len() {
        let rest = items[answers.len()..].to_vec();
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        // Once nobody waits any more, no further question is asked.
        let ask = move |item: &T| (waits.strong_count() > 0).then(|| ask(item));
        let told = ended(task::spawn_blocking(move || ask_in_threads(&rest, ask)).await);
        answers.extend(told.into_iter().map(|answer| answer.expect("somebody waits for it")));
        drop(waiting);
    }
    answers
}

/// What a thread gave, which is only stopped before its end when the whole program is.
pub(super) fn ended<T>(thread: Result<T, task::JoinError>) -> T {
    thread.unwrap_or_else(|failed| resume_unwind(failed.into_panic()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn many_backends_are_opened_in_their_order() {
        let temp = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..300).map(|number| format!("b{number:03}")).collect();
        for name in &names {
            let backend = temp.path().join("backends").join(name);
            fs::create_dir_all(&backend).unwrap();
            fs::write(backend.join("pin_mappings.parquet"), name).unwrap();
        }
        let dir = DataDir::open(temp.path()).unwrap();
        let snapshot = Arc::new(Snapshot::new(dir, Arc::new(Footers::new(None)), Unreadable::Fail));
        let backends = snapshot.backends().unwrap();
        let opened = snapshot.open(&backends).await;
        let unreadable: Vec<String> = opened.into_iter().map(|file| file.unwrap_err().backend).collect();
        assert_eq!(unreadable, names);
        assert_eq!(snapshot.files_opened(), 300);
    }
}

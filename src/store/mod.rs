//! Places: the data directory on disk, and what each backend's directory holds.
//!
//! [`DataDir::backends`] looks at names and file metadata only; what is inside the files is the catalog's to read.

pub mod backup;
mod beside;
pub mod buckets;
pub mod config;
mod directory;
pub mod dirty;
mod homes;
pub mod layout;
mod legacy;
mod links;
mod lock;
pub mod object;
pub mod observations;
mod publish;
mod threads;
mod writeback;

pub(crate) use beside::Unreachable;
pub use directory::StagedDir;
use homes::Homes;
pub use legacy::LegacyFile;
use links::Inside;
pub use lock::WriteLock;
pub use publish::StagedFile;
pub(crate) use threads::{ALONE, ask_in_threads};

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use crate::error::{Error, Result};

/// A data directory that exists: the root with `backends/` in it.
#[derive(Debug, Clone)]
pub struct DataDir {
    /// Absolute, without links.
    root: PathBuf,
    /// Where backends were, for who looks again and again.
    homes: Option<Arc<Homes>>,
}

/// One backend's directory, as found.
#[derive(Debug, Clone)]
pub struct BackendDir {
    /// The name of the directory.
    pub name: String,
    /// Where it really lies, absolute and without links.
    pub path: PathBuf,
    /// The files that hold the mappings.
    pub mappings: Mappings,
    /// Whether there are a CAR and a `pins.json`, once asked.
    beside: Beside,
}

/// What else was found in a backend's directory.
#[derive(Debug, Clone, Default)]
struct Beside {
    car: OnceLock<bool>,
    legacy: OnceLock<bool>,
}

/// What was found in the place of `pin_mappings.parquet`.
#[derive(Debug, Clone)]
pub enum Mappings {
    /// Nothing.
    Absent,
    /// Files to read: one, or the parts of a directory, by name. May be none.
    Files(Vec<MappingsFile>),
    /// The same files as those of another backend, which answers for them.
    SameAs(String),
    /// Something that cannot be read, and why.
    Unreadable {
        /// The path, relative to the root.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// One file of mappings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingsFile {
    /// Absolute, without links.
    pub path: PathBuf,
    /// Relative to the root as its user sees it: `backends/s3/pin_mappings.parquet`.
    pub shown: String,
    /// In bytes.
    pub size: u64,
    /// When it last changed, if the system tells.
    pub modified: Option<SystemTime>,
}

impl DataDir {
    /// Opens the data directory at `root`.
    ///
    /// # Errors
    /// If there is no such directory. One without `backends/` is a data directory without backends.
    pub fn open(root: &Path) -> Result<DataDir> {
        match fs::canonicalize(root) {
            Ok(path) if path.is_dir() => Ok(DataDir { root: path, homes: None }),
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::Read { path: root.into(), source })
            }
            _ => Err(Error::RootNotFound { path: root.into() }),
        }
    }

    /// The same for who looks again and again, with all clones of it: a backend that had mappings at one look and of which only an
    /// empty directory is left at another, on another device or of another number, cannot be read.
    pub(crate) fn remembering(self) -> DataDir {
        DataDir { homes: Some(Arc::default()), ..self }
    }

    /// The root, absolute and without links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a `backends/`, or something in its place.
    pub fn has_backends(&self) -> bool {
        let found = fs::metadata(self.root.join(layout::BACKENDS));
        !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// The backend of this name.
    ///
    /// # Errors
    /// If there is none, or it is only another name for one.
    pub fn backend(&self, name: &str) -> Result<BackendDir> {
        let mut all = self.backends()?;
        let known: Vec<_> = all.iter().map(|backend| backend.name.clone()).collect();
        let Some(index) = known.iter().position(|found| found == name) else {
            return Err(Error::Unknown { what: "a backend", text: name.into(), known });
        };
        let backend = all.swap_remove(index);
        match &backend.mappings {
            Mappings::SameAs(other) => Err(Error::Refused {
                backend: name.into(),
                reason: format!("it is the same as backend {other}"),
                hint: format!("ask for {other}"),
            }),
            _ => Ok(backend),
        }
    }

    /// The same backend as it is now: what stands in its directory may have changed since it was listed.
    pub(crate) fn look_again(&self, backend: &BackendDir) -> Result<BackendDir> {
        if matches!(backend.mappings, Mappings::SameAs(_) | Mappings::Unreadable { .. }) {
            return Ok(backend.clone());
        }
        let inside = self.inside().map_err(|source| Error::Read { path: self.root.clone(), source })?;
        let nothing = BackendDir { mappings: Mappings::Absent, beside: Beside::nothing(), ..backend.clone() };
        Ok(look_at(&inside, backend.name.clone(), &backend.path).unwrap_or(nothing))
    }

    /// All backends, by name. Reads directories and file metadata, no file's contents.
    ///
    /// A directory that cannot be looked into is listed with its reason; only `backends/` itself must be readable.
    pub fn backends(&self) -> Result<Vec<BackendDir>> {
        let dir = self.root.join(layout::BACKENDS);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Read { path: dir, source }),
        };
        let inside = self.inside().map_err(|source| Error::Read { path: dir.clone(), source })?;
        let entries = entries.collect::<io::Result<Vec<_>>>();
        let entries = entries.map_err(|source| Error::Read { path: dir.clone(), source })?;
        let looked = threads::ask_each(&entries, |entry| {
            // A name that is no Unicode is shown with replacement characters; its path stays exact.
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.file_type() {
                // It lies where it stands.
                Ok(kind) if kind.is_dir() => {
                    look_into(&inside, name, inside.backends.join(entry.file_name()))
                }
                Ok(kind) if kind.is_file() => None,
                _ => look_at(&inside, name, &entry.path()),
            }
        });
        let mut found: Vec<BackendDir> = looked.into_iter().flatten().collect();
        // Names that are no Unicode may look alike; a table needs a name of its own.
        found.sort_by(|one, other| (&one.name, &one.path).cmp(&(&other.name, &other.path)));
        for index in 1..found.len() {
            if found[index].name == found[index - 1].name {
                found[index].name.push('\u{fffd}');
            }
        }
        links::name_twins(&mut found, &inside);
        if let Some(homes) = &self.homes {
            homes.look(&mut found);
        }
        Ok(found)
    }
}

/// What one entry of `backends/` is; `None` if it is no backend.
fn look_at(inside: &Inside, name: String, entry: &Path) -> Option<BackendDir> {
    match inside.resolve(entry) {
        Ok(path) if path.is_dir() => look_into(inside, name, path),
        Ok(_) => None,
        Err(reason) => {
            let path = format!("{}/{name}", layout::BACKENDS);
            let mappings = Mappings::Unreadable { path, reason };
            Some(BackendDir { name, path: entry.into(), mappings, beside: Beside::nothing() })
        }
    }
}

/// What a directory is that really lies at `path`; `None` if it is no backend. There may be thousands: each is asked as little as can be.
fn look_into(inside: &Inside, name: String, path: PathBuf) -> Option<BackendDir> {
    let shown = format!("{}/{name}/{}", layout::BACKENDS, layout::MAPPINGS);
    let mappings = mappings(inside, &path, &shown);
    let mut backend = BackendDir { name, path, mappings, beside: Beside::default() };
    if !matches!(backend.mappings, Mappings::Absent) {
        return Some(backend);
    }
    // A migration makes mappings first and takes the `pins.json` away afterwards: that is asked for before the mappings.
    let holds_more = backend.has_legacy() | backend.has_car();
    backend.mappings = self::mappings(inside, &backend.path, &shown);
    // It may be another that comes in its place at this moment: it is not known to have none.
    if let (Mappings::Absent, Err(error)) = (&backend.mappings, fs::symlink_metadata(&backend.path)) {
        let path = format!("{}/{}", layout::BACKENDS, backend.name);
        backend.mappings = Mappings::Unreadable { path, reason: plain(&error) };
    }
    // A hidden directory is a tool's own, such as .git, unless it holds mappings.
    let holds_nothing = matches!(backend.mappings, Mappings::Absent) && !holds_more;
    (!(backend.name.starts_with('.') && holds_nothing)).then_some(backend)
}

/// The files in the place of `pin_mappings.parquet` in `dir`.
fn mappings(inside: &Inside, dir: &Path, shown: &str) -> Mappings {
    let place = dir.join(layout::MAPPINGS);
    match fs::symlink_metadata(&place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Mappings::Absent,
        Err(error) => return Mappings::Unreadable { path: shown.into(), reason: plain(&error) },
        // It lies where it stands, for the directory does.
        Ok(found) if found.is_file() => return Mappings::Files(vec![file(place, shown, &found)]),
        Ok(_) => {}
    }
    let files = inside.resolve(&place).and_then(|path| {
        let mut files = Vec::new();
        collect(inside, &path, shown, 0, &mut files)?;
        files.sort_by(|one: &MappingsFile, other| one.shown.cmp(&other.shown));
        // A part may be there twice, by a link to it.
        let mut seen = HashSet::new();
        files.retain(|file| seen.insert(file.path.clone()));
        Ok(files)
    });
    match files {
        Ok(files) => Mappings::Files(files),
        Err(reason) => Mappings::Unreadable { path: shown.into(), reason },
    }
}

fn file(path: PathBuf, shown: &str, metadata: &fs::Metadata) -> MappingsFile {
    MappingsFile { path, shown: shown.into(), size: metadata.len(), modified: metadata.modified().ok() }
}

/// Adds the file at `path`, or the part files below it, to `files`.
fn collect(
    inside: &Inside,
    path: &Path,
    shown: &str,
    depth: usize,
    files: &mut Vec<MappingsFile>,
) -> Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| plain(&error))?;
    if metadata.is_file() {
        files.push(file(path.into(), shown, &metadata));
        return Ok(());
    }
    if !metadata.is_dir() || depth > 8 {
        return Err("neither a file nor a directory of part files".into());
    }
    for entry in fs::read_dir(path).map_err(|error| plain(&error))? {
        let entry = entry.map_err(|error| plain(&error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Writers put their own files beside the parts, hidden or with an underscore: _SUCCESS, ._tmp.
        if name.starts_with(['.', '_']) {
            continue;
        }
        let part = inside.resolve(&entry.path())?;
        let is_part = Path::new(&name).extension().is_some_and(|end| end.eq_ignore_ascii_case(layout::PART));
        if is_part || part.is_dir() || begins_as_parquet(&part) {
            collect(inside, &part, &format!("{shown}/{name}"), depth + 1, files)?;
        }
    }
    Ok(())
}

/// Some writers give their parts other names.
fn begins_as_parquet(path: &Path) -> bool {
    let mut magic = [0; 4];
    // Nothing but a file is opened: a pipe would wait for its writer.
    path.is_file()
        && fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"PAR1"
}

impl BackendDir {
    /// Whether a CAR backup is there, as it was when this was first asked: most who list thousands of backends never do.
    pub fn has_car(&self) -> bool {
        *self.beside.car.get_or_init(|| self.path.join(layout::CAR).exists())
    }

    /// Whether a `pins.json` waits to be migrated, as it was when this was first asked.
    pub fn has_legacy(&self) -> bool {
        let asked = || fs::symlink_metadata(self.path.join(layout::LEGACY)).is_ok();
        *self.beside.legacy.get_or_init(asked)
    }

    /// The files of mappings; empty if there are none or they cannot be read.
    pub fn files(&self) -> &[MappingsFile] {
        match &self.mappings {
            Mappings::Files(files) => files,
            _ => &[],
        }
    }
}

impl Beside {
    fn nothing() -> Beside {
        Beside { car: false.into(), legacy: false.into() }
    }
}

/// An I/O error in a few words, without the number that Rust adds.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests;

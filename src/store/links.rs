//! Symbolic links: followed inside the root, reported where they leave it or show one backend twice.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{BackendDir, DataDir, Mappings, layout, plain};

/// The directories that files may lie in: the root, and where `backends/` really is, which may be a link itself.
pub(super) struct Inside {
    root: PathBuf,
    pub backends: PathBuf,
}

impl DataDir {
    pub(super) fn inside(&self) -> std::io::Result<Inside> {
        let place = self.root.join(layout::BACKENDS);
        let backends = match fs::canonicalize(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => place,
            found => found?,
        };
        Ok(Inside { root: self.root.clone(), backends })
    }

    /// Whether a path leads to a file or a directory in the data directory, links and all.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        self.inside().is_ok_and(|inside| inside.resolve(path).is_ok())
    }
}

impl Inside {
    /// Where `path` really lies.
    ///
    /// # Errors
    /// In words, if it cannot be reached, or is a link that leaves the data directory.
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, String> {
        let metadata = fs::symlink_metadata(path).map_err(|error| plain(&error))?;
        let real = fs::canonicalize(path).map_err(|error| match metadata.is_symlink() {
            true => format!("a link to nowhere: {}", plain(&error)),
            false => plain(&error),
        })?;
        if real == self.root || real == self.backends {
            return Err("a link to a directory above it".into());
        }
        if !real.starts_with(&self.root) && !real.starts_with(&self.backends) {
            return Err(format!("a link that leaves the data directory, to {}", real.display()));
        }
        Ok(real)
    }
}

/// Marks the backends whose files another backend has too. What is its own goes before a link to it.
///
/// Looks at directories and at single files, so that neither a linked directory nor a linked file counts twice.
pub(super) fn name_twins(backends: &mut [BackendDir], inside: &Inside) {
    let borrows = |backend: &BackendDir| {
        let name = backend.path.file_name().map(OsStr::to_string_lossy);
        // One that looked like another has got a sign more.
        let whole = backend.name.trim_end_matches('\u{fffd}');
        let is_linked = backend.path.parent() != Some(&inside.backends)
            || name.is_none_or(|name| name.trim_end_matches('\u{fffd}') != whole);
        is_linked || backend.files().iter().any(|file| !file.path.starts_with(&backend.path))
    };
    let borrowers: Vec<bool> = backends.iter().map(borrows).collect();
    // What lies where it stands is nobody else's.
    if !borrowers.contains(&true) {
        return;
    }
    let mut order: Vec<usize> = (0..backends.len()).collect();
    order.sort_by_key(|&index| (borrowers[index], index));
    let mut owner: HashMap<PathBuf, String> = HashMap::new();
    for index in order {
        let backend = &backends[index];
        let mut places = vec![(backend.path.clone(), None)];
        places.extend(backend.files().iter().map(|file| (file.path.clone(), Some(file.shown.clone()))));
        let taken: Vec<_> =
            places.iter().filter_map(|(place, shown)| Some((owner.get(place)?.clone(), shown))).collect();
        let files_taken = taken.iter().filter(|(_, shown)| shown.is_some()).count();
        let mappings = match taken.first() {
            None => None,
            // The same directory, or the same files in another one.
            Some((other, None)) => Some(Mappings::SameAs(other.clone())),
            Some((other, Some(_))) if files_taken == backend.files().len() => {
                Some(Mappings::SameAs(other.clone()))
            }
            // Neither counting nor leaving out the whole backend would be right.
            Some((other, Some(shown))) => {
                let reason = format!("the same file as one of backend {other}");
                Some(Mappings::Unreadable { path: shown.clone(), reason })
            }
        };
        match mappings {
            Some(mappings) => backends[index].mappings = mappings,
            None => owner.extend(places.into_iter().map(|(place, _)| (place, backend.name.clone()))),
        }
    }
}

//! Symbolic links: followed inside the root, reported where they leave it or show one backend twice.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{BackendDir, DataDir, Mappings, layout, plain};

impl DataDir {
    /// Where `path` really lies.
    ///
    /// # Errors
    /// In words, if it cannot be reached, or is a link that leaves the root. `backends/` itself may be a link: what lies
    /// below its target is inside.
    pub(super) fn resolve(&self, path: &Path) -> Result<PathBuf, String> {
        let metadata = fs::symlink_metadata(path).map_err(|error| plain(&error))?;
        let real = fs::canonicalize(path).map_err(|error| match metadata.is_symlink() {
            true => format!("a link to nowhere: {}", plain(&error)),
            false => plain(&error),
        })?;
        let backends = fs::canonicalize(self.root.join(layout::BACKENDS)).map_err(|error| plain(&error))?;
        if real == self.root || real == backends {
            return Err("a link to a directory above it".into());
        }
        if !real.starts_with(&self.root) && !real.starts_with(&backends) {
            return Err(format!("a link that leaves the data directory, to {}", real.display()));
        }
        Ok(real)
    }
}

/// Marks the backends whose files another backend has too. What is its own goes before a link to it.
///
/// Looks at directories and at single files, so that neither a linked directory nor a linked file counts twice.
pub(super) fn name_twins(backends: &mut [BackendDir], dir: &Path) {
    let mut order: Vec<usize> = (0..backends.len()).collect();
    let borrows = |backend: &BackendDir| {
        let linked =
            fs::symlink_metadata(dir.join(&backend.name)).is_ok_and(|metadata| metadata.is_symlink());
        linked || backend.files().iter().any(|file| !file.path.starts_with(&backend.path))
    };
    order.sort_by_key(|&index| (borrows(&backends[index]), index));
    let mut owner: HashMap<PathBuf, String> = HashMap::new();
    for index in order {
        let backend = &backends[index];
        let places: Vec<PathBuf> = match &backend.mappings {
            Mappings::Files(files) => files.iter().map(|file| file.path.clone()).collect(),
            _ => Vec::new(),
        };
        let places = places.into_iter().chain([backend.path.clone()]);
        let (taken, free): (Vec<_>, Vec<_>) = places.partition(|place| owner.contains_key(place));
        match taken.first() {
            None => owner.extend(free.into_iter().map(|place| (place, backend.name.clone()))),
            Some(place) => backends[index].mappings = Mappings::SameAs(owner[place].clone()),
        }
    }
}

//! Single files beside the mappings: `pin_rejects.parquet`, what migrations could not take for a pin, in a backend's
//! directory, and the registries of other tools under the root.

use std::fs;
use std::io;
use std::path::Path;

use super::{BackendDir, DataDir, MappingsFile, layout, plain};

/// Why such a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    /// The path, relative to the root.
    pub shown: String,
    pub reason: String,
}

impl DataDir {
    /// The file of rejects of a backend, if it has one.
    pub(crate) fn rejects_file(&self, backend: &BackendDir) -> Result<Option<MappingsFile>, Unreachable> {
        let shown = format!("{}/{}/{}", layout::BACKENDS, backend.name, layout::REJECTS);
        self.file_at(&backend.path.join(layout::REJECTS), shown)
    }

    /// The registry of backends that older tools keep, if there is one.
    pub(crate) fn backend_registry(&self) -> Result<Option<MappingsFile>, Unreachable> {
        self.file_below(&[layout::BACKEND_INDEX, layout::BACKEND_REGISTRY])
    }

    /// The registries of buckets that older tools keep: the one of the index first, then the one in the root.
    pub(crate) fn bucket_registries(&self) -> [Result<Option<MappingsFile>, Unreachable>; 2] {
        [
            self.file_below(&[layout::BUCKET_INDEX, layout::BUCKET_REGISTRY]),
            self.file_below(&[layout::BUCKET_REGISTRY]),
        ]
    }

    /// The file of this path below the root, if it is there.
    pub(super) fn file_below(&self, path: &[&str]) -> Result<Option<MappingsFile>, Unreachable> {
        let place = path.iter().fold(self.root().to_owned(), |place, part| place.join(part));
        self.file_at(&place, path.join("/"))
    }

    /// The file at a place, which people know as `shown`, if it is there.
    fn file_at(&self, place: &Path, shown: String) -> Result<Option<MappingsFile>, Unreachable> {
        let failed = |reason: String| Unreachable { shown: shown.clone(), reason };
        match fs::symlink_metadata(place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(plain(&error))),
            Ok(_) => {}
        }
        let inside = self.inside().map_err(|error| failed(plain(&error)))?;
        let path = inside.resolve(place).map_err(failed)?;
        let metadata = fs::metadata(&path).map_err(|error| failed(plain(&error)))?;
        if !metadata.is_file() {
            return Err(failed("not a file".into()));
        }
        let (size, modified) = (metadata.len(), metadata.modified().ok());
        Ok(Some(MappingsFile { path, shown, size, modified }))
    }
}

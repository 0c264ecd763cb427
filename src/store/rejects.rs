//! What migrations could not take for a pin, as a place: `pin_rejects.parquet` in a backend's directory.

use std::fs;
use std::io;

use super::{BackendDir, DataDir, MappingsFile, layout, plain};

/// Why a file of rejects cannot be read.
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
        let failed = |reason: String| Unreachable { shown: shown.clone(), reason };
        let place = backend.path.join(layout::REJECTS);
        match fs::symlink_metadata(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(plain(&error))),
            Ok(_) => {}
        }
        let inside = self.inside().map_err(|error| failed(plain(&error)))?;
        let path = inside.resolve(&place).map_err(failed)?;
        let metadata = fs::metadata(&path).map_err(|error| failed(plain(&error)))?;
        if !metadata.is_file() {
            return Err(failed("not a file".into()));
        }
        let (size, modified) = (metadata.len(), metadata.modified().ok());
        Ok(Some(MappingsFile { path, shown, size, modified }))
    }
}

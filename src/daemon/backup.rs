//! Whether a backend's backup is one of its mappings.

use std::fs::{self, File};
use std::path::Path;

use super::BackendAnalysis;
use crate::error::{Error, Result};
use crate::format::car::{CarReader, Kind, sniff};
use crate::format::parquet::{car_root, footer, layout_version};
use crate::migrate::{self, Options, Progress};
use crate::pin::counted;
use crate::session::{Session, Skipped};
use crate::store::{BackendDir, layout};

/// What is known of a backend's backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backup {
    /// There are no mappings of which there could be one.
    NotNeeded,
    /// There is none.
    Missing,
    /// It holds the same mappings: as all of them tell, or by the root that the mappings name.
    Agrees,
    /// It is not older than the mappings. They do not name its root, and nobody has compared the two.
    NotCompared,
    /// It holds other mappings, as the words say.
    Differs(String),
    /// It cannot be read.
    Unreadable(String),
}

impl Backup {
    /// Looks at no more than footer, header and times.
    pub fn glance(backend: &BackendDir) -> Backup {
        if backend.files().is_empty() {
            return Backup::NotNeeded;
        }
        let place = backend.path.join(layout::CAR);
        // Nothing but a file is opened: a pipe would wait for its writer.
        let written = match fs::metadata(&place) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Backup::Missing,
            Err(error) => return Backup::Unreadable(error.to_string()),
            Ok(found) if !found.is_file() => return Backup::Unreadable("not a file".into()),
            Ok(found) => found.modified().ok(),
        };
        let file = match File::open(&place) {
            Err(error) => return Backup::Unreadable(error.to_string()),
            Ok(file) => file,
        };
        let named = backend.files().first().and_then(|file| named_root(&file.path));
        match (root(file), named) {
            (Err(reason), _) => Backup::Unreadable(reason),
            (Ok(Some(root)), Some(named)) if root == named => Backup::Agrees,
            (Ok(_), Some(_)) => {
                Backup::Differs("it is not the one that the mappings were written with".into())
            }
            (Ok(_), None) => {
                let mappings = backend.files().iter().filter_map(|file| file.modified).max();
                // The two are written one after the other, the backup not always first.
                let slack = std::time::Duration::from_secs(60);
                let older = written.zip(mappings).is_some_and(|(backup, mappings)| backup + slack < mappings);
                match older {
                    true => Backup::Differs("it is older than the mappings".into()),
                    false => Backup::NotCompared,
                }
            }
        }
    }

    /// Holds all mappings against the backup, and checks every hash. Must be called where a tokio runtime may be waited for.
    ///
    /// # Errors
    /// If the work was stopped, the session's limits do not suffice, or the mappings cannot be read. What is wrong with the
    /// backup itself is [`Backup::Unreadable`].
    pub fn compare(session: &Session, backend: &BackendDir, now: i64, progress: &Progress) -> Result<Backup> {
        match Backup::glance(backend) {
            glance @ (Backup::NotNeeded | Backup::Missing | Backup::Unreadable(_)) => Ok(glance),
            _ => match migrate::verify(session, &backend.name, &Options::at(now), progress) {
                Err(error) if says_nothing_of(&error, &backend.path.join(layout::CAR)) => Err(error),
                Err(error) => Ok(Backup::Unreadable(error.to_string())),
                Ok(verified) if verified.agrees() => Ok(Backup::Agrees),
                Ok(verified) if verified.different == 0 => {
                    Ok(Backup::Differs("it is not the one that the mappings were written with".into()))
                }
                Ok(verified) => {
                    let words = [
                        "mapping is only in one of the two or differs",
                        "mappings are only in one of the two or differ",
                    ];
                    Ok(Backup::Differs(counted(verified.different, words[0], words[1])))
                }
            },
        }
    }

    /// The glance at all backends of an analysis that have mappings, by name.
    pub fn glances(session: &Session, backends: &[BackendAnalysis]) -> Result<Vec<(String, Backup)>> {
        let dirs = session.data_dir().backends()?;
        let known = |dir: &&BackendDir| backends.iter().any(|backend| backend.name == dir.name);
        Ok(dirs.iter().filter(known).map(|dir| (dir.name.clone(), Backup::glance(dir))).collect())
    }
}

/// Whether an error says nothing of this file.
fn says_nothing_of(error: &Error, file: &Path) -> bool {
    let is_of = matches!(error, Error::Read { path, .. } | Error::Format { path, .. } if path == file);
    error.is_stopped() || !is_of
}

/// The backend whose mappings cannot be read, as an error says.
///
/// # Errors
/// Any other error.
pub(super) fn damaged_mappings(error: Error) -> Result<Skipped> {
    match error {
        Error::UnreadableBackend { backend, path, reason } | Error::DamagedLate { backend, path, reason } => {
            Ok(Skipped { backend, path, reason })
        }
        error => Err(error),
    }
}

/// The root of a CAR; plain JSON has none.
fn root(mut file: File) -> Result<Option<String>, String> {
    match sniff(&mut file).map_err(|error| error.to_string())? {
        Kind::Json => Ok(None),
        Kind::Other => Err("neither a CAR nor JSON".into()),
        Kind::CarV1 | Kind::CarV2 => {
            let reader = CarReader::open(file).map_err(|error| error.to_string())?;
            Ok(reader.header().roots.first().map(ToString::to_string))
        }
    }
}

/// The root that a file of mappings names, if pinql wrote it.
fn named_root(path: &Path) -> Option<String> {
    let footer = footer(path).ok()?;
    // Tools that rewrite a file keep its keys.
    layout_version(&footer).and_then(|_| car_root(&footer))
}

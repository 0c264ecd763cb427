//! Whether a backend's backup is one of its mappings.

use std::fs::{self, File};
use std::path::Path;

use super::BackendAnalysis;
use crate::error::{Error, Result};
use crate::format::car::{BlockCid, CarError, CarReader, Checked, Kind, sniff};
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
    /// It holds the same mappings: all were compared, or all of it has the one hash that the mappings name.
    Agrees,
    /// It is whole, and its root is the one that the mappings name. Nobody has checked the hashes of what its root links to.
    SameRoot,
    /// It is not older than the mappings. They do not name its root, and nobody has compared the two.
    NotCompared,
    /// It holds other mappings, as the words say.
    Differs(String),
    /// It cannot be read.
    Unreadable(String),
}

impl Backup {
    /// Looks at no more than footer, header and times; of one whose root the mappings name also at that root and whether anything is
    /// cut off, without reading its other blocks.
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
        match (look(file, named.as_deref()), named) {
            (Err(reason), _) => Backup::Unreadable(reason),
            (Ok(Look::Whole), _) => Backup::Agrees,
            (Ok(Look::Root), _) => Backup::SameRoot,
            (Ok(Look::Other), Some(_)) => {
                Backup::Differs("it is not the one that the mappings were written with".into())
            }
            (Ok(Look::Other), None) => {
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

    /// Whether it is one that nobody has compared with the mappings to the end.
    pub fn is_not_compared(&self) -> bool {
        matches!(self, Backup::SameRoot | Backup::NotCompared)
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Backup::NotNeeded => "not_needed",
            Backup::Missing => "missing",
            Backup::Agrees => "agrees",
            Backup::SameRoot => "same_root",
            Backup::NotCompared => "not_compared",
            Backup::Differs(_) => "differs",
            Backup::Unreadable(_) => "unreadable",
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

/// What a look at a backup tells.
enum Look {
    /// All of it has the hash that the mappings name.
    Whole,
    /// Its root has, and nothing is cut off.
    Root,
    /// Its root is another one than they name, or they name none, or it is plain JSON.
    Other,
}

/// Looks at a backup of which the mappings name this root.
fn look(mut file: File, named: Option<&str>) -> Result<Look, String> {
    match sniff(&mut file).map_err(|error| error.to_string())? {
        Kind::Json => Ok(Look::Other),
        Kind::Other => Err("neither a CAR nor JSON".into()),
        Kind::CarV1 | Kind::CarV2 => look_at_car(file, named).map_err(|error| error.to_string())?,
    }
}

fn look_at_car(file: File, named: Option<&str>) -> Result<Result<Look, String>, CarError> {
    let mut car = CarReader::open(file)?;
    let is_named = |root: &&BlockCid| named.is_some_and(|named| named == root.to_string());
    let root = car.header().roots.first().filter(is_named).cloned();
    let Some(root) = root else { return Ok(Ok(Look::Other)) };
    let (mut blocks, mut found) = (0, None);
    while let Some(block) = car.next().transpose()? {
        blocks += 1;
        if block.cid == root {
            found = Some(block);
        }
    }
    let Some(block) = found else { return Ok(Err("its root is not in it".into())) };
    let mut data = Vec::new();
    Ok(match car.data(&block, &mut data)? {
        Checked::Good if blocks == 1 => Ok(Look::Whole),
        Checked::Good | Checked::Unknown => Ok(Look::Root),
        Checked::Bad => Err("its root does not have its hash".into()),
    })
}

/// The root that a file of mappings names, if pinql wrote it.
fn named_root(path: &Path) -> Option<String> {
    let footer = footer(path).ok()?;
    // Tools that rewrite a file keep its keys.
    layout_version(&footer).and_then(|_| car_root(&footer))
}

//! Mappings → their CAR, written anew.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::backend::may_write;
use super::encode::write_car;
use super::existing::Existing;
use super::extras::Extras;
use super::merge::Merge;
use super::publish::put;
use super::sort::Sorter;
use super::target::Target;
use super::{Mode, Options, Progress, WrittenFile, spill_place};
use crate::error::{Error, Result};
use crate::format::parquet;
use crate::session::Session;
use crate::store::backup::{self, Stamp};
use crate::store::{BackendDir, Mappings, StagedFile, WriteLock, layout};

/// A CAR that was written, or would be.
#[derive(Debug)]
pub struct ExportedCar {
    /// The backend.
    pub backend: String,
    /// Its root; plain JSON has none.
    pub root: Option<String>,
    /// Mappings in it.
    pub rows: u64,
    /// The file; none if the one that is there is the same.
    pub file: Option<WrittenFile>,
}

/// Writes the CAR of one backend's mappings: beside them, or to `output`. The same mappings make the same bytes.
///
/// # Errors
/// If the mappings cannot be read, or there are none.
pub fn export_car(
    session: &Session,
    name: &str,
    output: Option<&Path>,
    options: &Options,
    progress: &Progress,
) -> Result<ExportedCar> {
    let backend = session.data_dir().backend(name)?;
    if output.is_some() {
        return car_of(session, &backend, output, options, progress);
    }
    let _lock = WriteLock::take(&backend.path)?;
    may_write(&backend.path)?;
    if options.mode == Mode::Apply {
        backup::clear_leftovers(&backend.path)?;
    }
    // What was listed before the lock was ours may have changed since.
    let backend = session.data_dir().look_again(&backend)?;
    car_of(session, &backend, None, options, progress)
}

/// The same for who holds the lock.
pub(super) fn car_of(
    session: &Session,
    backend: &BackendDir,
    output: Option<&Path>,
    options: &Options,
    progress: &Progress,
) -> Result<ExportedCar> {
    let name = &backend.name;
    if !matches!(backend.mappings, Mappings::Files(_) | Mappings::Unreadable { .. }) {
        return Err(Error::Refused {
            backend: name.clone(),
            reason: format!("it has no {}", layout::MAPPINGS),
            hint: "migrate its pins.json first, or restore its mappings".into(),
        });
    }
    let mut existing = Existing::open(session, name)?;
    let spill = spill_place(&backend.path, options.mode);
    let mut sorter = Sorter::new(Extras::default(), &spill, options.sort_memory);
    existing.push_into(&mut sorter, progress)?;
    let mut merge = Merge::keeping_all(sorter.finish(), name)?;
    let place = output.map_or_else(|| backend.path.join(layout::CAR), PathBuf::from);
    let target = match (output, options.mode) {
        (Some(file), Mode::Apply) => Target::of(StagedFile::beside(file)?),
        _ => Target::new(&place, options.mode)?,
    };
    let mut written = write_car(target, options.car_format, made_at(backend), || {
        let batch = merge.next().map_err(Stop::Rows)?;
        let rows = batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        progress.wrote(rows).map_err(Stop::Rows)?;
        Ok(batch)
    })
    .map_err(|stop: Stop| stop.at(&place))?;
    written.car.prove(&place)?;
    let bytes = written.car.length();
    let root = written.root;
    let mut exported = ExportedCar { backend: name.clone(), root, rows: merge.counts.kept, file: None };
    if output.is_some() || !written.car.is_at(&place) {
        let kept_as = match (written.car, output) {
            (Target::File(written), None) => put(written.staged, &place, &Stamp::at(options.now))?,
            (Target::File(written), Some(_)) => written.staged.publish().map(|()| None)?,
            (Target::Nowhere(_), _) => None,
        };
        let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
        exported.file = Some(WrittenFile { name, bytes, kept_as });
    }
    Ok(exported)
}

/// Why writing a CAR stopped.
enum Stop {
    Rows(Error),
    File(std::io::Error),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Stop {
        Stop::File(error)
    }
}

impl Stop {
    fn at(self, place: &Path) -> Error {
        match self {
            Stop::Rows(error) => error,
            Stop::File(source) => Error::Write { path: place.into(), source },
        }
    }
}

/// When the mappings were made: as their file says if pinql wrote it, so that its CAR gets the root that it names; else
/// when the newest of the files last changed.
pub(super) fn made_at(backend: &BackendDir) -> i64 {
    let said = backend
        .files()
        .first()
        .and_then(|file| parquet::backup_created_at(&parquet::footer(&file.path).ok()?));
    let changed = backend.files().iter().filter_map(|file| file.modified).max();
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let micros = changed.and_then(|since| i64::try_from(since.as_micros()).ok());
    said.or(micros).unwrap_or_default()
}

//! Back again: mappings from the CAR, or from what was kept of a replaced file.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::backend::may_write;
use super::encode::{Targets, encode, parquet_error};
use super::extras::Extras;
use super::merge::Merge;
use super::publish::{check_room, put};
use super::sort::Sorter;
use super::source::push_car;
use super::target::Target;
use super::{Mode, Options, Progress, WrittenFile, export};
use crate::error::{Error, Result};
use crate::pin::counted;
use crate::session::Session;
use crate::store::backup::{self, Backup, Stamp};
use crate::store::{BackendDir, WriteLock, layout};

/// What mappings are restored from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreFrom {
    /// The CAR beside them.
    Car {
        /// Take what a damaged CAR has left.
        salvage: bool,
    },
    /// The kept file of this name in the backend's directory; `None`: the newest that is a file of mappings.
    Backup(Option<String>),
}

/// What a restore did, or would do.
#[derive(Debug, Default)]
pub struct Restored {
    /// The file that the mappings came from.
    pub from: PathBuf,
    /// Mappings in the file afterwards; unknown where a `pins.json` was put back.
    pub rows: Option<u64>,
    /// The files that were written, or would be.
    pub files: Vec<WrittenFile>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Puts the mappings of one backend back. What stands in their place, readable or not, is kept.
///
/// # Errors
/// If there is no such backend, nothing to restore from, or it cannot be read; nothing is changed then.
pub fn restore(
    session: &Session,
    name: &str,
    from: &RestoreFrom,
    options: &Options,
    progress: &Progress,
) -> Result<Restored> {
    let backend = session.data_dir().backend(name)?;
    let _lock = WriteLock::take(&backend.path)?;
    may_write(&backend.path)?;
    if options.mode == Mode::Apply {
        backup::clear_leftovers(&backend.path)?;
    }
    let restored = match from {
        RestoreFrom::Car { salvage } => {
            from_car(&backend, &backend.path.join(layout::CAR), *salvage, options, progress)
        }
        RestoreFrom::Backup(file) => {
            let kept = choose(&backend, file.as_deref())?;
            match kept.of {
                layout::CAR => from_car(&backend, &kept.path, false, options, progress),
                layout::MAPPINGS => from_mappings(session, &backend, &kept, options, progress),
                _ => from_legacy(&backend, &kept, options),
            }
        }
    }?;
    if options.mode == Mode::DryRun {
        check_room(&backend.path, restored.files.iter().map(|file| file.bytes).sum())?;
    }
    Ok(restored)
}

fn choose(backend: &BackendDir, file: Option<&str>) -> Result<Backup> {
    let mut kept = backup::backups(&backend.path);
    kept.retain(|backup| backup.of != layout::REJECTS);
    let names: Vec<_> = kept.iter().map(|backup| backup.name()).collect();
    if file.is_none() {
        let place = backend.path.join(layout::MAPPINGS);
        // A run that was stopped may have kept what it did not come to replace.
        kept.retain(|backup| backup.of == layout::MAPPINGS && !backup::is_same_file(&backup.path, &place));
        // A restore that was stopped, or is asked for twice, must not put back what it has replaced itself.
        if let Some(done) = kept.iter().rposition(|backup| backup::is_same_content(&backup.path, &place)) {
            return Ok(kept.swap_remove(done));
        }
    }
    let chosen = kept.into_iter().rfind(|backup| match file {
        Some(file) => backup.name() == file,
        None => true,
    });
    chosen.ok_or_else(|| Error::Refused {
        backend: backend.name.clone(),
        reason: match file {
            Some(file) => format!("nothing is kept under the name {file}"),
            None => format!("nothing is kept of its {}", layout::MAPPINGS),
        },
        hint: match names.is_empty() {
            true => "there are no backups; `--from car` takes the CAR".into(),
            false => format!("name one with --backup: {}", names.join(", ")),
        },
    })
}

fn from_car(
    backend: &BackendDir,
    source: &Path,
    salvage: bool,
    options: &Options,
    progress: &Progress,
) -> Result<Restored> {
    let dir = &backend.path;
    let mut sorter =
        Sorter::new(Extras::default(), &super::spill_place(dir, options.mode), options.sort_memory);
    let found = push_car(source, &backend.name, salvage, &mut sorter, progress)?;
    let mut merge = Merge::new(sorter.finish(), &backend.name)?;
    let (mappings_place, car_place) = (dir.join(layout::MAPPINGS), dir.join(layout::CAR));
    let targets = Targets {
        mappings: Target::beside(&mappings_place, options.mode)?,
        car: Target::new(&car_place, options.mode)?,
        car_format: options.car_format,
        created_at: found.created_at.unwrap_or(options.now),
        mappings_place: &mappings_place,
        car_place: &car_place,
    };
    let schema = merge.schema();
    let mut encoded = encode(targets, &schema, progress, || merge.next())?;
    encoded.prove(&mappings_place, &car_place)?;
    let mut restored =
        Restored { from: source.into(), rows: Some(encoded.mappings.rows), ..Restored::default() };
    let repeated = found.rows - encoded.mappings.rows;
    if repeated > 0 {
        let note = counted(repeated, "mapping", "mappings");
        restored.notes.push(format!("{note} lost to another one of the same pin"));
    }
    if found.other_backend > 0 {
        let note = counted(found.other_backend, "mapping names", "mappings name");
        restored.notes.push(format!("{note} another backend; the directory's name counts"));
    }
    restored.notes.extend(found.damages.iter().map(|damage| format!("passed over {damage}")));
    let stamp = Stamp::at(options.now);
    // The CAR stays if it is just what would be written.
    if !encoded.is_car_of(&car_place) {
        restored.files.push(place(encoded.car, &car_place, &stamp)?);
    }
    restored.files.push(place(encoded.mappings.target, &mappings_place, &stamp)?);
    Ok(restored)
}

/// Puts a file into its place, unless it is only counted.
fn place(target: Target, place: &Path, stamp: &Stamp) -> Result<WrittenFile> {
    let bytes = target.length();
    let kept_as = match target {
        Target::File(written) => put(written.staged, place, stamp)?,
        Target::Nowhere(_) => None,
    };
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(WrittenFile { name, bytes, kept_as })
}

/// Puts a kept file of mappings back, byte for byte, with a CAR that goes with it.
fn from_mappings(
    session: &Session,
    backend: &BackendDir,
    kept: &Backup,
    options: &Options,
    progress: &Progress,
) -> Result<Restored> {
    let mappings_place = backend.path.join(layout::MAPPINGS);
    if kept.path.is_dir() {
        return Err(Error::Refused {
            backend: backend.name.clone(),
            reason: format!("{} is a directory of part files", kept.name()),
            hint: by_hand(kept, &mappings_place, &Stamp::at(options.now), &backend.name),
        });
    }
    let rows = rows_of(&kept.path)?;
    let mut restored = Restored { from: kept.path.clone(), rows: Some(rows), ..Restored::default() };
    if backup::is_same_content(&kept.path, &mappings_place) {
        let note = format!("{} has the bytes of {} already", layout::MAPPINGS, kept.name());
        restored.notes.push(note);
    } else {
        let mut target = Target::beside(&mappings_place, options.mode)?;
        copy(&kept.path, &mut target, &mappings_place)?;
        target.prove(&mappings_place)?;
        restored.files.push(place(target, &mappings_place, &Stamp::at(options.now))?);
    }
    if options.mode == Mode::Apply {
        // Listed anew: the file is another one now.
        let backend = session.data_dir().backend(&backend.name)?;
        restored.files.extend(export::car_of(session, &backend, None, options, progress)?.file);
    }
    Ok(restored)
}

/// The commands that put a directory of part files back: what stands in its place is kept.
fn by_hand(kept: &Backup, place: &Path, stamp: &Stamp, name: &str) -> String {
    let (from, to) = (kept.path.display(), place.display());
    let away = match std::fs::symlink_metadata(place) {
        Ok(_) => format!("mv {to} {} && ", stamp.free_name(place).display()),
        Err(_) => String::new(),
    };
    format!("move it back by hand: `{away}mv {from} {to}`; then `pinql backend export-car {name}`")
}

/// Copies a kept file with its time: that dates the CAR which is made of the file, and tells the rejects of one `pins.json`
/// from those of another.
fn copy(kept: &Path, target: &mut Target, place: &Path) -> Result<()> {
    let failed = |source| Error::Write { path: place.into(), source };
    let mut source = File::open(kept).map_err(|source| Error::Read { path: kept.into(), source })?;
    io::copy(&mut source, target).map_err(failed)?;
    let modified = source.metadata().and_then(|kept| kept.modified());
    match (target, modified) {
        (Target::File(staged), Ok(modified)) => staged.staged.set_modified(modified),
        _ => Ok(()),
    }
}

/// Reads a file of mappings to its end, so that nothing damaged is put in the place of anything.
fn rows_of(path: &Path) -> Result<u64> {
    let failed = |error| parquet_error(error, path);
    let file = File::open(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?.build().map_err(failed)?;
    let mut rows = 0;
    for batch in reader {
        rows += batch.map_err(|error| failed(error.into()))?.num_rows() as u64;
    }
    Ok(rows)
}

/// Puts a `pins.json` back, to be migrated again.
fn from_legacy(backend: &BackendDir, kept: &Backup, options: &Options) -> Result<Restored> {
    let place = backend.path.join(layout::LEGACY);
    if std::fs::symlink_metadata(&place).is_ok() {
        return Err(Error::Refused {
            backend: backend.name.clone(),
            reason: format!("a {} waits to be migrated, and is not written over", layout::LEGACY),
            hint: "migrate it first, or move it away".into(),
        });
    }
    if options.mode == Mode::Apply {
        let mut target = Target::new(&place, options.mode)?;
        copy(&kept.path, &mut target, &place)?;
        if let Target::File(staged) = target {
            staged.staged.publish()?;
        }
    }
    let file = WrittenFile { name: layout::LEGACY.to_owned(), bytes: kept.size, kept_as: None };
    let note =
        "the mappings are as they were; `pinql backend migrate-pin-mappings` brings the file into them";
    Ok(Restored { from: kept.path.clone(), rows: None, files: vec![file], notes: vec![note.into()] })
}

//! Puts what is written and proved in its places, in an order in which no moment loses anything: the CAR, the mappings
//! (from then on the migration has happened), the rejects, and last the old `pins.json`, which is kept.

use std::path::Path;

use super::encode::Encoded;
use super::outcome::WrittenFile;
use super::target::Target;
use super::{Mode, Options};
use crate::error::{Error, Result};
use crate::pin::counted;
use crate::store::backup::{self, Stamp};
use crate::store::{LegacyFile, StagedFile, layout};

/// All that is to change in one backend's directory.
pub(super) struct Change {
    /// The mappings and their CAR.
    pub mappings: Option<Encoded>,
    /// The file of rejects, and whether the one that it replaces must be kept.
    pub rejects: Option<(Target, bool)>,
    /// The `pins.json` that is done with.
    pub legacy: Option<LegacyFile>,
}

/// Makes the change, or in a dry run checks that there is room for it. Adds what is written to `files`.
pub(super) fn publish(
    dir: &Path,
    change: Change,
    options: &Options,
    files: &mut Vec<WrittenFile>,
) -> Result<()> {
    files.extend(list(&change));
    if options.mode == Mode::DryRun {
        return check_room(dir, files.iter().map(|file| file.bytes).sum());
    }
    let stamp = Stamp::at(options.now);
    let mut kept = Vec::new();
    if let Some(encoded) = change.mappings {
        kept.push(put_car(encoded.car, &dir.join(layout::CAR), &stamp)?);
        if let Target::File(mappings) = encoded.mappings.target {
            kept.push(put(mappings.staged, &dir.join(layout::MAPPINGS), &stamp)?);
        }
    }
    if let Some((Target::File(rejects), keep)) = change.rejects {
        let place = dir.join(layout::REJECTS);
        if keep {
            backup::keep(&place, &stamp)?;
        }
        rejects.staged.publish()?;
        kept.push(None);
    }
    for (file, kept) in files.iter_mut().zip(kept) {
        file.kept_as = kept;
    }
    match change.legacy {
        Some(legacy) => legacy.archive(&stamp).map(drop),
        None => Ok(()),
    }
}

/// The same for a CAR, which stays if it has the same bytes already: a run that was stopped has got that far.
fn put_car(car: Target, place: &Path, stamp: &Stamp) -> Result<Option<String>> {
    match car {
        car if car.is_at(place) => Ok(None),
        Target::File(written) => put(written.staged, place, stamp),
        Target::Nowhere(_) => Ok(None),
    }
}

/// Replaces what is at `place`, which is kept. Gives the name under which.
pub(super) fn put(staged: StagedFile, place: &Path, stamp: &Stamp) -> Result<Option<String>> {
    let name = |path: std::path::PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    match std::fs::symlink_metadata(place) {
        Err(_) => staged.publish_at(place).map(|()| None),
        Ok(found) if found.is_dir() => backup::exchange(staged, place, stamp).map(name),
        Ok(_) => {
            let kept = backup::keep(place, stamp)?;
            staged.publish_at(place)?;
            Ok(name(kept))
        }
    }
}

fn list(change: &Change) -> Vec<WrittenFile> {
    let file = |target: &Target, name: &str| WrittenFile {
        name: name.to_owned(),
        bytes: target.length(),
        kept_as: None,
    };
    let pair = change.mappings.iter().flat_map(|encoded| {
        [file(&encoded.car, layout::CAR), file(&encoded.mappings.target, layout::MAPPINGS)]
    });
    let rejects = change.rejects.iter().map(|(rejects, _)| file(rejects, layout::REJECTS));
    pair.chain(rejects).collect()
}

/// What is replaced is kept, so the new files need room beside the old ones.
pub(super) fn check_room(dir: &Path, needed: u64) -> Result<()> {
    match backup::free_space(dir) {
        Some(free) if free < needed => {
            let words = format!("no room: {} needed, {free} free", counted(needed, "byte is", "bytes are"));
            let source = std::io::Error::new(std::io::ErrorKind::StorageFull, words);
            Err(Error::Write { path: dir.into(), source })
        }
        _ => Ok(()),
    }
}

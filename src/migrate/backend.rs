//! One backend: from its `pins.json` and what it has already to what it will have.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::UNIX_EPOCH;

use arrow::datatypes::Field;

use super::encode::{Encoded, Targets, encode};
use super::existing::{Existing, unknown_times};
use super::extras::Extras;
use super::left::left_behind;
use super::merge::{Counts, Merge};
use super::outcome::{BackendOutcome, EntryCounts, State};
use super::publish::{Change, publish};
use super::rejects::Rejects;
use super::rows::{CarPath, NEW, Row};
use super::sort::Sorter;
use super::target::Target;
use super::{Mode, Options, Progress, spill_place};
use crate::error::{Error, Result};
use crate::format::legacy::{self, CarPaths, Pin, Reject, Sink, Summary};
use crate::pin::counted;
use crate::session::Session;
use crate::store::backup;
use crate::store::{BackendDir, LegacyFile, Mappings, WriteLock, layout};

/// Migrates one backend.
///
/// # Errors
/// [`Error::Stopped`] only: everything else is in the outcome.
pub(super) fn migrate(
    session: &Session,
    backend: &BackendDir,
    legacy: Result<Option<LegacyFile>>,
    options: &Options,
    progress: &Progress,
) -> Result<BackendOutcome> {
    let name = &backend.name;
    let mut outcome = BackendOutcome::new(name, State::UpToDate);
    if let Mappings::SameAs(other) = &backend.mappings {
        outcome.state = State::Alias;
        outcome.notes.push(format!("the same directory as backend {other}"));
        return Ok(outcome);
    }
    let migrated = match legacy {
        Ok(None) => {
            outcome.notes.extend(lacks(backend));
            return Ok(outcome);
        }
        Ok(Some(legacy)) => {
            let migration = Migration { session, backend, options, progress };
            migration.locked(legacy, &mut outcome)
        }
        Err(error) => Err(error),
    };
    match migrated {
        Ok(state) => outcome.state = state,
        Err(Error::Stopped) => return Err(Error::Stopped),
        Err(error) => {
            outcome.state = State::Failed;
            outcome.error = Some(error);
        }
    }
    Ok(outcome)
}

/// What a backend without `pins.json` lacks, and the command that helps.
fn lacks(backend: &BackendDir) -> Option<String> {
    match (&backend.mappings, backend.has_car()) {
        (Mappings::Unreadable { path, reason }, _) => Some(format!("cannot be read: {path}: {reason}")),
        (Mappings::Absent, true) => Some(format!(
            "has only its CAR: `pinql backend restore {} --from car` makes the mappings of it",
            backend.name
        )),
        (Mappings::Files(_), false) => {
            Some(format!("has no CAR: `pinql backend export-car {}` writes one", backend.name))
        }
        _ => None,
    }
}

struct Migration<'a> {
    session: &'a Session,
    backend: &'a BackendDir,
    options: &'a Options,
    progress: &'a Progress,
}

impl Migration<'_> {
    /// Migrates what is there once nobody else writes: what was listed before may have changed since.
    fn locked(&self, legacy: LegacyFile, outcome: &mut BackendOutcome) -> Result<State> {
        let _lock = WriteLock::take(&self.backend.path)?;
        let data = self.session.data_dir();
        let backend = &data.look_again(self.backend)?;
        let legacy = match legacy.is_in_place() {
            true => Some(legacy),
            false => data.legacy_file(backend)?,
        };
        let Some(legacy) = legacy else {
            outcome.notes.push(format!("another process has migrated its {} by now", layout::LEGACY));
            return Ok(State::UpToDate);
        };
        Migration { backend, ..*self }.run(legacy, outcome)?;
        Ok(State::Migrated)
    }

    fn run(&self, legacy: LegacyFile, outcome: &mut BackendOutcome) -> Result<()> {
        let dir = &self.backend.path;
        self.may_change()?;
        if self.options.mode == Mode::Apply {
            backup::clear_leftovers(dir)?;
        }
        let created_at = modified(&legacy)?;
        let mut rejects = Rejects::new(dir, &self.backend.name, created_at, self.options.mode);
        let (mut merge, summary, left) = self.sort(&legacy, &mut rejects)?;
        outcome.shape = Some(summary.shape.to_string());
        outcome.counts.found = summary.found + summary.rejected;
        outcome.counts.rejected = summary.rejected;
        outcome.rejects.clone_from(&rejects.first);
        outcome.notes.extend(remarks(&summary));
        self.refuse_what_is_no_pins_json(&summary, outcome)?;
        let encoded = self.encode(&mut merge, created_at)?;
        if !legacy.is_in_place() || !legacy.is_unchanged() {
            return Err(legacy.changed());
        }
        count(&mut outcome.counts, &merge.counts);
        self.keep_a_lone_car(&encoded)?;
        let unchanged = left.is_some() && !changes(&merge.counts) && self.backend.has_car();
        outcome.notes.extend(left.into_iter().flatten().filter(|_| !unchanged));
        let change = Change {
            mappings: (!unchanged).then_some(encoded),
            rejects: rejects.finish()?,
            legacy: Some(legacy),
        };
        publish(&self.backend.path, change, self.options, &mut outcome.files)
    }

    /// What can be told before anything is read.
    fn may_change(&self) -> Result<()> {
        may_write(&self.backend.path)?;
        match &self.backend.mappings {
            Mappings::Unreadable { path, reason } => Err(self.unreadable(path, reason)),
            _ => Ok(()),
        }
    }

    /// Mappings that cannot be read are never written over.
    fn unreadable(&self, path: &str, reason: &str) -> Error {
        let name = &self.backend.name;
        Error::Refused {
            backend: name.clone(),
            reason: format!("its mappings cannot be read, and are not written over: {path}: {reason}"),
            hint: format!(
                "put them back with `pinql backend restore {name} --from car` or `--from backup`, then run this again"
            ),
        }
    }

    /// Reads both files into one merge of sorted rows. Also: what is left behind, if there were mappings.
    fn sort(
        &self,
        legacy: &LegacyFile,
        rejects: &mut Rejects,
    ) -> Result<(Merge, Summary, Option<Vec<String>>)> {
        let name = &self.backend.name;
        let mut existing = match self.backend.files() {
            [] => None,
            _ => Some(Existing::open(self.session, name).map_err(|error| self.refused(error))?),
        };
        let extras = existing.as_ref().map(|existing| existing.extras.clone()).unwrap_or_default();
        let spill = spill_place(&self.backend.path, self.options.mode);
        let kept = Extras::new(extras.clone()).map_err(Error::of_rows)?;
        let mut sorter = Sorter::new(kept, &spill, self.options.sort_memory);
        if let Some(existing) = &mut existing {
            existing.push_into(&mut sorter, self.progress).map_err(|error| self.refused(error))?;
        }
        let paths = CarPaths::new(name, self.session.data_dir().backend_type(name).as_deref());
        let summary = self.read(legacy, &paths, &mut sorter, rejects)?;
        let merge = Merge::with_paths(sorter.finish(), name, paths)?;
        let left = existing.is_some().then(|| self.left(&extras)).transpose()?;
        Ok((merge, summary, left))
    }

    /// What the mappings that are there say and the new file will not, in words.
    fn left(&self, extras: &[Field]) -> Result<Vec<String>> {
        let extras: Vec<String> = extras.iter().map(|extra| extra.name().clone()).collect();
        let columns = left_behind(self.backend.files(), &extras).into_iter().map(|column| {
            format!("column `{column}` of the older file is not taken over, for its name is taken; that file is kept")
        });
        let times = unknown_times(self.session, &self.backend.name).map_err(|error| self.refused(error))?;
        let words = ["mapping of the older file has", "mappings of the older file have"];
        let times = (times > 0).then(|| {
            format!(
                "{} a created_at that is no time: it is unknown now; that file is kept",
                counted(times, words[0], words[1])
            )
        });
        Ok(columns.chain(times).collect())
    }

    fn refused(&self, error: Error) -> Error {
        match error {
            Error::UnreadableBackend { path, reason, .. } => self.unreadable(&path, &reason),
            other => other,
        }
    }

    fn read(
        &self,
        legacy: &LegacyFile,
        paths: &CarPaths,
        sorter: &mut Sorter,
        rejects: &mut Rejects,
    ) -> Result<Summary> {
        let source = Counted { file: &legacy.file, progress: self.progress };
        let mut sink = Taken { sorter, rejects, progress: self.progress };
        let read = legacy::read(BufReader::new(source), &self.backend.name, paths, &mut sink);
        read.map_err(|failed| failed.in_file(&legacy.place))
    }

    /// A file called `pins.json` may be anything.
    fn refuse_what_is_no_pins_json(&self, summary: &Summary, outcome: &BackendOutcome) -> Result<()> {
        let Some(first) = outcome.rejects.first().filter(|_| summary.found == 0) else { return Ok(()) };
        Err(Error::Refused {
            backend: self.backend.name.clone(),
            reason: match summary.rejected {
                1 => {
                    format!(
                        "the only entry of {} is no pin; line {}: {}",
                        layout::LEGACY,
                        first.line,
                        first.reason
                    )
                }
                rejected => format!(
                    "none of the {rejected} entries of {} is a pin; the first one, line {}: {}",
                    layout::LEGACY,
                    first.line,
                    first.reason
                ),
            },
            hint: "nothing was changed: look at what the file really is".into(),
        })
    }

    fn encode(&self, merge: &mut Merge, created_at: i64) -> Result<Encoded> {
        let dir = &self.backend.path;
        let (mappings_place, car_place) = (dir.join(layout::MAPPINGS), dir.join(layout::CAR));
        let mode = self.options.mode;
        let targets = Targets {
            mappings: Target::beside(&mappings_place, mode)?,
            car: Target::new(&car_place, mode)?,
            car_format: self.options.car_format,
            created_at,
            mappings_place: &mappings_place,
            car_place: &car_place,
        };
        let schema = merge.schema();
        let mut encoded = encode(targets, &schema, self.progress, || merge.next())?;
        encoded.prove(&mappings_place, &car_place)?;
        Ok(encoded)
    }

    /// A CAR without mappings may be all that is left of them. One that a migration which was stopped has written is just
    /// the one that was written now.
    fn keep_a_lone_car(&self, encoded: &Encoded) -> Result<()> {
        if !self.backend.has_car() || !matches!(self.backend.mappings, Mappings::Absent) {
            return Ok(());
        }
        let place = self.backend.path.join(layout::CAR);
        if encoded.is_car_of(&place) {
            return Ok(());
        }
        let name = &self.backend.name;
        Err(Error::Refused {
            backend: name.clone(),
            reason: format!("it has a {} and no mappings: the CAR is not written over", layout::CAR),
            hint: format!(
                "make the mappings of it with `pinql backend restore {name} --from car`, then run this again"
            ),
        })
    }
}

/// Whether a backend's directory may be written to.
pub(super) fn may_write(dir: &Path) -> Result<()> {
    backup::may_write(dir).map_err(|reason| {
        let source = io::Error::new(io::ErrorKind::PermissionDenied, reason);
        Error::Write { path: dir.join(layout::MAPPINGS), source }
    })
}

/// Takes what is read of a `pins.json`.
struct Taken<'a> {
    sorter: &'a mut Sorter,
    rejects: &'a mut Rejects,
    progress: &'a Progress,
}

impl Sink for Taken<'_> {
    type Error = Error;

    fn pin(&mut self, pin: Pin<'_>) -> Result<()> {
        self.progress.read_rows(1)?;
        let mut row = Row::of(&pin.mapping, pin.content, pin.codec, NEW + pin.index);
        if pin.usual_path {
            row.car = CarPath::Usual;
        }
        self.sorter.push(&row)
    }

    fn reject(&mut self, reject: Reject<'_>) -> Result<()> {
        self.progress.read_rows(1)?;
        self.rejects.push(&reject)
    }
}

/// A file whose reader is watched.
struct Counted<'a> {
    file: &'a File,
    progress: &'a Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.progress.read_bytes(read as u64);
        Ok(read)
    }
}

/// When the file last changed, in microseconds since 1970: the time of the backup that is made of it, so that running
/// again makes the same bytes.
fn modified(legacy: &LegacyFile) -> Result<i64> {
    let changed = legacy.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(changed.and_then(|since| i64::try_from(since.as_micros()).ok()).unwrap_or_default())
}

/// What the file says of itself that its pins do not show.
fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(told) = summary.told_count.filter(|told| *told > summary.found + summary.rejected) {
        let have = summary.found + summary.rejected;
        remarks.push(format!(
            "the file says that there {} and has {have}: it is a part of a listing",
            match told {
                1 => "is 1 pin".to_owned(),
                told => format!("are {told} pins"),
            }
        ));
    }
    if summary.incomplete {
        remarks.push("the tool that wrote the file says in it that it failed before the end".into());
    }
    if summary.other_backend > 0 {
        remarks.push(format!(
            "{} another backend; the directory's name counts, theirs is in the metadata",
            counted(summary.other_backend, "entry names", "entries name")
        ));
    }
    remarks
}

fn changes(counts: &Counts) -> bool {
    counts.added + counts.updated + counts.old_repeated > 0
}

fn count(entries: &mut EntryCounts, merged: &Counts) {
    entries.added = merged.added;
    entries.updated = merged.updated;
    entries.repeated = merged.repeated;
    entries.already_there = merged.already_there;
    entries.old_repeated = merged.old_repeated;
    entries.rows = merged.kept;
}

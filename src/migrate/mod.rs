//! Change: older data → current data, and back from a backup, without losing a mapping on the way.
//!
//! [`migrate`] brings each backend's `pins.json` into its `pin_mappings.parquet`; [`restore`] puts mappings back from the
//! CAR or from what was kept; [`optimize`] writes them anew in pinql's layout; [`verify`] holds the two against each other; [`export_car`] writes a CAR anew. All of them
//! stream: rows go through a sort that spills (`sort`, `merge`) into both encoders at once (`encode`), are proved, and only
//! then take their places (`publish`). docs/migration.md says in which order, and why no moment in it loses anything.
//!
//! These are plain functions. They read what a backend has through a [`Session`], so call them where a tokio runtime may be
//! waited for, as in `tokio::task::spawn_blocking`.

mod backend;
mod columns;
mod digest;
mod doctor;
mod encode;
mod existing;
mod export;
mod extras;
mod filter;
mod gather;
mod left;
mod merge;
mod optimize;
mod ordered;
mod outcome;
mod progress;
mod publish;
mod rejects;
mod restore;
mod rows;
mod sort;
mod source;
mod spool;
mod target;
mod verify;

pub use doctor::{Diagnosis, diagnose};
pub use export::{ExportedCar, export_car};
pub use filter::Filter;
pub use optimize::{Optimized, optimize};
pub use outcome::{BackendOutcome, EntryCounts, MigrationOutcome, State, WrittenFile};
pub use progress::{Progress, Seen};
pub use rejects::ShownReject;
pub use restore::{RestoreFrom, Restored, restore};
pub use verify::{Difference, Verified, verify};

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::session::Session;
use crate::store::LegacyFile;

/// Whether to change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Do it.
    #[default]
    Apply,
    /// Do everything but write: read, check, sort, and measure what would be written.
    DryRun,
}

/// What is written as `pin_mappings.car`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CarFormat {
    /// A real CARv1.
    #[default]
    Car,
    /// The plain JSON that older tools wrote under that name.
    Json,
}

/// How to change things.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which backends.
    pub filter: Filter,
    /// Whether to write.
    pub mode: Mode,
    /// What is written as the CAR.
    pub car_format: CarFormat,
    /// The time, in microseconds since 1970: it names what is kept of replaced files.
    pub now: i64,
    /// Bytes of rows that are sorted at once; what does not fit is spilled.
    pub sort_memory: usize,
}

impl Options {
    /// All backends, for real, at this time.
    pub fn at(now: i64) -> Options {
        Options {
            filter: Filter::default(),
            mode: Mode::Apply,
            car_format: CarFormat::Car,
            now,
            sort_memory: 240 << 20,
        }
    }
}

/// Brings the `pins.json` of each chosen backend into its mappings.
///
/// A backend that fails is in the outcome with its error and is left as it was; the others go on.
///
/// # Errors
/// If the data directory cannot be listed, or `progress` was told to stop; backends that were done by then stay done.
pub fn migrate(session: &Session, options: &Options, progress: &Progress) -> Result<MigrationOutcome> {
    let data = session.data_dir();
    let all = data.backends()?;
    let unmatched = options.filter.unmatched(all.iter().map(|backend| backend.name.as_str()));
    let chosen = all.into_iter().filter(|backend| options.filter.chooses(&backend.name));
    // All are opened before the first is changed: one may be a link to another.
    let opened: Vec<_> = chosen.map(|backend| (data.legacy_file(&backend), backend)).collect();
    let size = |legacy: &Result<Option<LegacyFile>>| match legacy {
        Ok(Some(file)) => file.size,
        _ => 0,
    };
    progress.begin(opened.len() as u64, opened.iter().map(|(legacy, _)| size(legacy)).sum());
    let mut backends = Vec::new();
    for (legacy, backend) in opened {
        progress.check()?;
        backends.push(backend::migrate(session, &backend, legacy, options, progress)?);
        progress.done();
    }
    Ok(MigrationOutcome { mode: options.mode, backends, unmatched })
}

/// Where runs are spilled: on the disk that the result goes to. A dry run leaves that alone.
fn spill_place(dir: &Path, mode: Mode) -> PathBuf {
    match mode {
        Mode::Apply => dir.into(),
        Mode::DryRun => std::env::temp_dir(),
    }
}

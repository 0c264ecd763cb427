//! The rows of a CAR, whatever kind it is, on their way into a sort.

use std::fs::File;
use std::path::Path;

use super::Progress;
use super::rows::Row;
use super::sort::Sorter;
use crate::error::{Error, Result};
use crate::format::car::{self, CarError, Kind};
use crate::format::envelope;
use crate::pin::{Mapping, cid, status};

/// What a CAR is, beside its rows.
#[derive(Debug, Default)]
pub(super) struct CarRows {
    /// In microseconds since 1970, if it says when it was made.
    pub created_at: Option<i64>,
    pub rows: u64,
    /// Its root; plain JSON has none.
    pub root: Option<String>,
    /// Rows that name another backend.
    pub other_backend: u64,
    /// What was damaged and passed over, in words.
    pub damages: Vec<String>,
}

/// Gives the rows of the CAR at `place` to `sorter`, numbered from 0. With `salvage`, what a damaged file has left.
pub(super) fn push_car(
    place: &Path,
    backend: &str,
    salvage: bool,
    sorter: &mut Sorter,
    progress: &Progress,
) -> Result<CarRows> {
    let failed = |source| Error::Read { path: place.into(), source };
    let mut file = File::open(place).map_err(failed)?;
    let kind = car::sniff(&mut file).map_err(failed)?;
    let mut taken = Taken { sorter, progress, backend, content: Vec::new(), found: CarRows::default() };
    match kind {
        Kind::Json => {
            let read = envelope::read_json(file, &mut |row| taken.take(row));
            let backup = read.map_err(|failed| failed.in_file(place))?;
            taken.found.created_at = backup.created_at;
        }
        _ if salvage => {
            let read = car::salvage_mappings(file, &mut |row| taken.take(row).map_err(Stop::Sink));
            let salvaged = read.map_err(|stop| stop.at(place))?;
            taken.found.created_at = salvaged.created_at;
            let damages = salvaged.salvage.damages.iter();
            taken.found.damages = damages
                .map(|damage| format!("bytes {}-{}: {}", damage.from, damage.to, damage.problem.problem))
                .collect();
        }
        _ => {
            let read = car::read_mappings(file, &mut |row| taken.take(row).map_err(Stop::Sink));
            let backup = read.map_err(|stop| stop.at(place))?;
            taken.found.created_at = backup.created_at;
            taken.found.root = Some(backup.root);
        }
    }
    Ok(taken.found)
}

/// Takes rows, as a file of mappings has them.
struct Taken<'a> {
    sorter: &'a mut Sorter,
    progress: &'a Progress,
    backend: &'a str,
    content: Vec<u8>,
    found: CarRows,
}

impl Taken<'_> {
    fn take(&mut self, row: Mapping<'_>) -> Result<()> {
        self.content.clear();
        let codec = row.cid.and_then(|cid| cid::codec_and_content_of(cid, &mut self.content));
        let status = status::normal(row.status.unwrap_or_default());
        let mapping = Mapping { status: Some(&status), ..row };
        self.sorter.push(&Row::of(&mapping, &self.content, codec.unwrap_or_default(), self.found.rows))?;
        self.found.rows += 1;
        self.found.other_backend += u64::from(row.backend_name.is_some_and(|name| name != self.backend));
        self.progress.read_rows(1)
    }
}

/// Why reading a CAR stopped.
enum Stop {
    Car(CarError),
    Sink(Error),
}

impl From<CarError> for Stop {
    fn from(error: CarError) -> Stop {
        Stop::Car(error)
    }
}

impl Stop {
    fn at(self, place: &Path) -> Error {
        match self {
            Stop::Sink(error) => error,
            Stop::Car(error) => error.in_file(place),
        }
    }
}

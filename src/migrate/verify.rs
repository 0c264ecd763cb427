//! Mappings and CAR held against each other, both ways.

use std::cmp::Ordering;
use std::fs::File;

use super::existing::Existing;
use super::extras::Extras;
use super::ordered::Ordered;
use super::rows::Row;
use super::sort::{Sorted, Sorter};
use super::source::push_car;
use super::{Options, Progress};
use crate::error::{Error, Result};
use crate::format::car::{self, Kind};
use crate::format::parquet;
use crate::pin::counted;
use crate::session::Session;
use crate::store::{Mappings, layout};

/// How many differences are shown.
const SHOWN: usize = 20;

/// What was found of one backend's pair.
#[derive(Debug, Default)]
pub struct Verified {
    /// The backend.
    pub backend: String,
    /// Mappings in `pin_mappings.parquet`.
    pub rows: u64,
    /// Mappings in the CAR; none if there is no CAR.
    pub car_rows: Option<u64>,
    /// The root of the CAR; plain JSON has none.
    pub car_root: Option<String>,
    /// The root that the mappings' file names, if pinql wrote it.
    pub recorded_root: Option<String>,
    /// Mappings that only one of the two has, or that differ.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// One mapping that the two do not agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its CID.
    pub cid: String,
    /// What differs: `only in pin_mappings.parquet`, or the columns.
    pub what: String,
}

impl Verified {
    /// Whether the two are there and agree.
    pub fn agrees(&self) -> bool {
        let roots = self.recorded_root.is_none() || self.recorded_root == self.car_root;
        self.car_rows.is_some() && self.different == 0 && roots
    }
}

/// Holds the mappings of one backend and their CAR against each other, and checks every hash in the CAR.
///
/// # Errors
/// If one of the two cannot be read; the error names it.
pub fn verify(session: &Session, name: &str, options: &Options, progress: &Progress) -> Result<Verified> {
    let backend = session.data_dir().backend(name)?;
    if matches!(backend.mappings, Mappings::Absent) {
        return Err(Error::Refused {
            backend: name.into(),
            reason: format!("it has no {}", layout::MAPPINGS),
            hint: match backend.has_car() {
                true => format!("make it of the CAR with `pinql backend restore {name} --from car`"),
                false => "there is nothing to verify".into(),
            },
        });
    }
    let spill = std::env::temp_dir();
    let mut sorter = Sorter::new(Extras::default(), &spill, options.sort_memory / 2);
    let mut existing = Existing::open(session, name)?;
    existing.push_into(&mut sorter, progress)?;
    let mut verified = Verified { backend: name.into(), rows: existing.rows, ..Verified::default() };
    verified.recorded_root =
        backend.files().first().and_then(|file| parquet::car_root(&parquet::footer(&file.path).ok()?));
    let place = backend.path.join(layout::CAR);
    if !backend.has_car() {
        verified
            .notes
            .push(format!("there is no {}: `pinql backend export-car {name}` writes one", layout::CAR));
        return Ok(verified);
    }
    check_blocks(&place)?;
    let mut car_sorter = Sorter::new(Extras::default(), &spill, options.sort_memory / 2);
    let found = push_car(&place, name, false, &mut car_sorter, progress)?;
    verified.car_rows = Some(found.rows);
    verified.car_root = found.root;
    if found.other_backend > 0 {
        let words = ["mapping of the CAR names", "mappings of the CAR name"];
        let note = counted(found.other_backend, words[0], words[1]);
        verified.notes.push(format!("{note} another backend"));
    }
    if verified.recorded_root.is_some() && verified.recorded_root != verified.car_root {
        verified.notes.push(format!("the CAR is not the one that {} was written with", layout::MAPPINGS));
    }
    compare(sorter.finish(), car_sorter.finish(), &mut verified)?;
    Ok(verified)
}

/// Checks the hash of every block, also of those that hold no mappings.
fn check_blocks(place: &std::path::Path) -> Result<()> {
    let failed = |source| Error::Read { path: place.into(), source };
    let mut file = File::open(place).map_err(failed)?;
    if matches!(car::sniff(&mut file).map_err(failed)?, Kind::Json) {
        return Ok(());
    }
    car::check(file).map(drop).map_err(|error| error.in_file(place))
}

/// Walks over both in the order of pins.
fn compare(mappings: Sorted, car: Sorted, verified: &mut Verified) -> Result<()> {
    let (mut ours, mut theirs) = (Ordered::new(mappings.runs)?, Ordered::new(car.runs)?);
    let mut tell = |row: &Row<'_>, what: String| {
        verified.different += 1;
        if verified.differences.len() < SHOWN {
            let cid = String::from_utf8_lossy(row.cid.unwrap_or_default()).into_owned();
            verified.differences.push(Difference { cid, what });
        }
    };
    loop {
        let (in_mappings, in_car) = match (ours.first(), theirs.first()) {
            (None, None) => return Ok(()),
            (Some(row), None) => (Some(row), None),
            (None, Some(row)) => (None, Some(row)),
            (Some(one), Some(other)) => match one.pin().cmp(&other.pin()) {
                Ordering::Less => (Some(one), None),
                Ordering::Greater => (None, Some(other)),
                Ordering::Equal => (Some(one), Some(other)),
            },
        };
        match (in_mappings, in_car) {
            (Some(row), None) => tell(&row, format!("only in {}", layout::MAPPINGS)),
            (None, Some(row)) => tell(&row, format!("only in {}", layout::CAR)),
            (Some(one), Some(other)) => match &one.differing(&other)[..] {
                [] => {}
                columns => tell(&one, format!("differs in {}", columns.join(", "))),
            },
            (None, None) => {}
        }
        let (is_ours, is_theirs) = (in_mappings.is_some(), in_car.is_some());
        if is_ours {
            step(&mut ours)?;
        }
        if is_theirs {
            step(&mut theirs)?;
        }
    }
}

/// Goes on to the next row.
fn step(rows: &mut Ordered) -> Result<()> {
    rows.advance()?;
    rows.let_go();
    Ok(())
}

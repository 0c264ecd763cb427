//! Merges sorted runs into one mapping for each pin: the winner, and what became of the others.
//!
//! Of several mappings of one pin the one created last wins; a time beats no time; of equals the later entry wins, and the
//! new file wins over the old one. What the old file had in further columns stays with the pin.
//!
//! They come out section by section (`pin::status`), each in the order of contents.

use std::array;
use std::collections::VecDeque;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::gather::Gather;
use super::ordered::{Ordered, Place};
use super::rows::{CarPath, Row};
use super::sort::{Run, Sorted};
use super::spool::Spool;
use crate::error::{Error, Result};
use crate::format::legacy::CarPaths;
use crate::format::parquet::file_schema;
use crate::pin::status::SECTIONS;

/// What is kept in memory of the rows of each section but the first, in bytes.
const KEPT: usize = 10 << 20;

/// What became of the mappings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Pins that only the new file has.
    pub added: u64,
    /// Pins whose mapping in the old file gave way to a new one.
    pub updated: u64,
    /// New mappings of pins that the old file has as well or better.
    pub already_there: u64,
    /// New mappings that lost to another new one of the same pin.
    pub repeated: u64,
    /// Old mappings that lost to another old one of the same pin.
    pub old_repeated: u64,
    /// Mappings that come out.
    pub kept: u64,
}

/// The mappings of one pin so far.
struct Group {
    winner: Place,
    /// The one that would win without the new ones.
    old: Option<Place>,
    new_rows: u64,
    old_rows: u64,
}

/// Yields the winners in order.
pub(super) struct Merge {
    rows: Ordered,
    /// Winners of the sections behind the first, until all rows are through.
    waiting: Option<[Spool; SECTIONS.len()]>,
    /// Then those of the sections that are still to come.
    sections: VecDeque<Spool>,
    group: Option<Group>,
    gather: Gather,
    paths: CarPaths,
    /// Every row is a winner.
    keeps_all: bool,
    pub counts: Counts,
}

impl Merge {
    /// Rows that say no more of their CAR than that it is where it usually is must not come, unless
    /// [`with_paths`](Self::with_paths) says where that is.
    pub fn new(sorted: Sorted, backend: &str) -> Result<Merge> {
        Merge::with_paths(sorted, backend, CarPaths::new(backend, None))
    }

    /// The same with the paths where CARs usually are.
    pub fn with_paths(sorted: Sorted, backend: &str, paths: CarPaths) -> Result<Merge> {
        let Sorted { runs, extras, spill } = sorted;
        let schema = file_schema(&extras.fields);
        Ok(Merge {
            rows: Ordered::new(runs)?,
            waiting: Some(array::from_fn(|_| Spool::new(&spill, KEPT))),
            sections: VecDeque::new(),
            group: None,
            gather: Gather::new(schema, backend, paths.clone(), extras),
            paths,
            keeps_all: false,
            counts: Counts::default(),
        })
    }

    /// As [`new`](Self::new), but several mappings of one pin are all kept.
    pub fn keeping_all(sorted: Sorted, backend: &str) -> Result<Merge> {
        Ok(Merge { keeps_all: true, ..Merge::new(sorted, backend)? })
    }

    /// The columns of the file.
    pub fn schema(&self) -> SchemaRef {
        self.gather.schema()
    }

    /// The next winners, as rows of the file; none at the end. A batch is of one section.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            while !self.gather.is_full() && self.step()? {}
            if !self.gather.is_empty() {
                return self.gather.finish().map(Some).map_err(Error::of_rows);
            }
            if !self.begin_section()? {
                return Ok(None);
            }
        }
    }

    /// Goes on by one row. False at the end of a section.
    fn step(&mut self) -> Result<bool> {
        let Some(place) = self.rows.place() else {
            self.end_group()?;
            return Ok(false);
        };
        match self.waiting {
            Some(_) => self.take(place)?,
            None => {
                self.gather.push(&self.rows.row(place));
                self.rows.advance()?;
                self.rows.let_go();
            }
        }
        Ok(true)
    }

    /// Goes on with the next section. False if there is none.
    fn begin_section(&mut self) -> Result<bool> {
        if let Some(waiting) = self.waiting.take() {
            self.sections = waiting.into();
        }
        let Some(section) = self.sections.pop_front() else { return Ok(false) };
        self.rows = Ordered::new(vec![Run::Spooled(section.finish()?)])?;
        Ok(true)
    }

    /// Takes the next row into the group of its pin.
    fn take(&mut self, mut place: Place) -> Result<()> {
        if !self.belongs(place) {
            self.end_group()?;
            self.rows.let_go();
            place = self.rows.place().unwrap_or(place);
        }
        let is_new = self.rows.row(place).is_new();
        let group = self.group.get_or_insert(Group { winner: place, old: None, new_rows: 0, old_rows: 0 });
        // They come in order: the last one wins.
        group.winner = place;
        match is_new {
            true => group.new_rows += 1,
            false => {
                group.old_rows += 1;
                group.old = Some(place);
            }
        }
        self.rows.advance()
    }

    /// Whether the row is of the pin whose mappings are being gathered. What is no CID is a pin of its own.
    fn belongs(&self, place: Place) -> bool {
        let Some(group) = &self.group else { return false };
        let pin = self.rows.row(place).pin();
        !self.keeps_all && !pin.0.is_empty() && self.rows.row(group.winner).pin() == pin
    }

    fn end_group(&mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let winner = self.rows.row(group.winner);
        let old = group.old.map(|old| self.rows.row(old));
        let is_kept = group.new_rows == 0
            || old.is_some_and(|old| old.number == winner.number || self.says_the_same(&old, &winner));
        let counts = &mut self.counts;
        counts.kept += 1;
        counts.repeated += group.new_rows.saturating_sub(1);
        counts.old_repeated += group.old_rows.saturating_sub(1);
        match old {
            None => counts.added += 1,
            Some(_) if group.new_rows == 0 => {}
            Some(_) if is_kept => counts.already_there += 1,
            Some(_) => counts.updated += 1,
        }
        let row = Row { extras: old.map_or(&[], |old| old.extras), ..winner };
        let section = row.section().checked_sub(1);
        match self.waiting.as_mut().zip(section) {
            Some((waiting, section)) => waiting[section].push(&row)?,
            None => self.gather.push(&row),
        }
        Ok(())
    }

    fn says_the_same(&self, one: &Row<'_>, other: &Row<'_>) -> bool {
        let (mut usual, mut others) = (Vec::new(), Vec::new());
        let one = self.with_path(one, &mut usual);
        let other = self.with_path(other, &mut others);
        one.differing(&other).is_empty()
    }

    /// The same row with its path said, which is put into `path` if it is the usual one.
    fn with_path<'a>(&self, row: &Row<'a>, path: &'a mut Vec<u8>) -> Row<'a> {
        match row.car {
            CarPath::Said(_) => *row,
            CarPath::Usual => {
                self.paths.write_bytes(row.cid.unwrap_or_default(), path);
                Row { car: CarPath::Said(Some(path)), ..*row }
            }
        }
    }
}

impl Error {
    /// An error over rows in the making.
    pub(super) fn of_rows(error: arrow::error::ArrowError) -> Error {
        Error::Engine { message: error.to_string() }
    }
}

//! Merges sorted runs into one mapping for each pin: the winner, and what became of the others.
//!
//! Of several mappings of one pin the one created last wins; a time beats no time; of equals the later entry wins, and the
//! new file wins over the old one. What the old file had in further columns stays with the pin.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;

use super::ordered::{Ordered, Place};
use super::rows;
use super::sort::{CHUNK, Run};
use crate::error::{Error, Result};

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
    winners: Vec<Place>,
    olds: Vec<Option<Place>>,
    group: Option<Group>,
    backend: StringArray,
    schema: SchemaRef,
    /// Every row is a winner.
    keeps_all: bool,
    pub counts: Counts,
}

impl Merge {
    /// `schema`: that of the file to write.
    pub fn new(runs: Vec<Run>, backend: &str, schema: SchemaRef) -> Result<Merge> {
        Ok(Merge {
            rows: Ordered::new(runs)?,
            winners: Vec::with_capacity(CHUNK),
            olds: Vec::with_capacity(CHUNK),
            group: None,
            backend: StringArray::from_iter_values(std::iter::repeat_n(backend, CHUNK)),
            schema,
            keeps_all: false,
            counts: Counts::default(),
        })
    }

    /// The same, but several mappings of one pin are all kept.
    pub fn keeping_all(runs: Vec<Run>, backend: &str, schema: SchemaRef) -> Result<Merge> {
        Ok(Merge { keeps_all: true, ..Merge::new(runs, backend, schema)? })
    }

    /// The columns of the file.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The next winners, as rows of the file; none at the end.
    pub fn next(&mut self) -> Result<Option<RecordBatch>> {
        while let Some(place) = self.rows.place() {
            if !self.belongs(place) {
                self.end_group();
                if self.winners.len() >= CHUNK {
                    return self.take_out().map(Some);
                }
            }
            self.add(place);
            self.rows.advance()?;
        }
        self.end_group();
        if self.winners.is_empty() { Ok(None) } else { self.take_out().map(Some) }
    }

    /// Whether the row is of the pin whose mappings are being gathered. What is no CID is a pin of its own.
    fn belongs(&self, (slot, row): Place) -> bool {
        let Some(group) = &self.group else { return false };
        let pin = self.rows.held[slot].pin(row);
        let (winner, at) = group.winner;
        !self.keeps_all && !pin.0.is_empty() && self.rows.held[winner].pin(at) == pin
    }

    fn add(&mut self, place: Place) {
        let group = self.group.get_or_insert(Group { winner: place, old: None, new_rows: 0, old_rows: 0 });
        // They come in order: the last one wins.
        group.winner = place;
        match self.rows.held[place.0].is_new(place.1) {
            true => group.new_rows += 1,
            false => {
                group.old_rows += 1;
                group.old = Some(place);
            }
        }
    }

    fn end_group(&mut self) {
        let Some(group) = self.group.take() else { return };
        let counts = &mut self.counts;
        counts.kept += 1;
        counts.repeated += group.new_rows.saturating_sub(1);
        counts.old_repeated += group.old_rows.saturating_sub(1);
        let at = |(slot, row): Place| self.rows.held[slot].mapping(row, "");
        match group.old {
            None => counts.added += 1,
            Some(_) if group.new_rows == 0 => {}
            Some(old) if old == group.winner || at(old) == at(group.winner) => counts.already_there += 1,
            Some(_) => counts.updated += 1,
        }
        self.winners.push(group.winner);
        self.olds.push(group.old);
    }

    /// Makes rows of the file of the winners, and lets go of batches that are used up.
    fn take_out(&mut self) -> Result<RecordBatch> {
        let rows = self.winners.len();
        let column = |index: usize, places: &[Place]| -> Result<ArrayRef> {
            let columns: Vec<&dyn Array> =
                self.rows.held.iter().map(|rows| rows.batch.column(index).as_ref()).collect();
            interleave(&columns, places).map_err(Error::of_spill)
        };
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for index in [rows::CID, rows::CAR] {
            columns.push(column(index, &self.winners)?);
        }
        columns.push(Arc::new(self.backend.slice(0, rows)));
        for index in [rows::CREATED, rows::STATUS, rows::METADATA, rows::CONTENT, rows::SIZE] {
            columns.push(column(index, &self.winners)?);
        }
        for index in rows::EXTRAS..rows::EXTRAS + self.schema.fields().len() - columns.len() {
            columns.push(self.extra(index)?);
        }
        self.winners.clear();
        self.olds.clear();
        self.rows.let_go();
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(Error::of_spill)
    }

    /// A further column: what the old file says of each pin.
    fn extra(&self, index: usize) -> Result<ArrayRef> {
        let mut columns: Vec<&dyn Array> =
            self.rows.held.iter().map(|rows| rows.batch.column(index).as_ref()).collect();
        let nothing = new_null_array(columns[0].data_type(), 1);
        columns.push(&nothing);
        let nowhere = (columns.len() - 1, 0);
        let places: Vec<Place> = self.olds.iter().map(|old| old.unwrap_or(nowhere)).collect();
        interleave(&columns, &places).map_err(Error::of_spill)
    }
}

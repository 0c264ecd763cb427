//! `min(backend_name)` and `max(backend_name)` by the places of backends in the order of their names: no name is compared.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringViewArray};
use datafusion::logical_expr::EmitTo;

/// Which end of the order is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    First,
    Last,
}

/// The first or the last backend with a row of each group.
#[derive(Debug)]
pub(super) struct Names {
    end: End,
    /// For each group the place of a backend, plus one; none is 0.
    places: Vec<u32>,
    /// All names in their order.
    names: Arc<[Arc<str>]>,
}

impl Names {
    pub fn new(end: End, names: &Arc<[Arc<str>]>) -> Names {
        Names { end, places: Vec::new(), names: Arc::clone(names) }
    }

    /// Begins a block with so many groups. The first may be one that was left open.
    pub fn begin(&mut self, groups: usize) {
        self.places.resize(groups, 0);
    }

    /// Takes rows of one backend.
    pub fn take_rows(
        &mut self,
        backend: u32,
        numbers: &[usize],
        wanted: Option<(&BooleanArray, Range<usize>)>,
    ) {
        match wanted {
            None => numbers.iter().for_each(|group| self.take_one(backend + 1, *group)),
            Some((wanted, rows)) => {
                let wanted = rows.zip(numbers).filter(|(row, _)| wanted.value(*row));
                wanted.for_each(|(_, group)| self.take_one(backend + 1, *group));
            }
        }
    }

    #[inline]
    fn take_one(&mut self, backend: u32, group: usize) {
        let place = &mut self.places[group];
        *place = match (self.end, *place) {
            (_, 0) => backend,
            (End::First, known) => known.min(backend),
            (End::Last, known) => known.max(backend),
        };
    }

    pub fn take(&mut self, emit: EmitTo) -> ArrayRef {
        let places = emit.take_needed(&mut self.places);
        let name = |place: u32| self.names.get(place.checked_sub(1)? as usize).map(|name| &**name);
        Arc::new(places.into_iter().map(name).collect::<StringViewArray>())
    }

    pub fn size(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
    }
}

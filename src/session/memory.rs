//! Who gets how much of the memory limit, so that what can spill does spill and never fails.
//!
//! DataFusion's `FairSpillPool` divides the memory among those that spill and gives the rest to whoever asks first. A sort
//! asks for its merges as one that does not spill and takes what there is: the first partition to get there starved the
//! merges of the others and the merge of all partitions above them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// How DataFusion's sorts call the memory of their merges. A test notices if they change it.
const MERGE: &str = "ExternalSorterMerge[";
/// How it calls the memory of their rows.
const SORT: &str = "ExternalSorter[";
/// How it calls what hands over rows between partitions: there are many, and they hold little.
const HANDOVER: &str = "RepartitionExec[";
/// How it calls the first half of an aggregation, which hands over what it has when it may not have more.
const HALF: &str = "PartialHashAggregateStream[";
/// Those that spill beside sorts and need no share of their own.
const MODEST: [&str; 3] = [SORT, HANDOVER, HALF];

/// A pool with equal shares for those that spill, equal shares for the merges of sorts, and room for what is above them.
#[derive(Debug)]
pub(super) struct SharingPool {
    limit: usize,
    caution: Caution,
    state: Mutex<State>,
}

/// How many queries run that failed for want of memory before: sorts hold less while there are any.
#[derive(Debug, Clone, Default)]
pub(super) struct Caution(Arc<AtomicUsize>);

/// A query that is run with caution, until it is dropped.
#[derive(Debug)]
pub(super) struct Careful(Caution);

impl Caution {
    pub fn begin(&self) -> Careful {
        self.0.fetch_add(1, Ordering::Relaxed);
        Careful(self.clone())
    }

    /// Whether there are any.
    pub fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// The part of its share that a sort may hold in rows. Merging them takes them once more, with their keys; those of
    /// many expressions over one narrow column take several times its size.
    fn part(&self) -> usize {
        if self.is_on() { 8 } else { 3 }
    }
}

impl Drop for Careful {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct State {
    /// How many there are that can spill.
    spillers: usize,
    /// How many of them need a share of their own.
    other_spillers: usize,
    spillable: usize,
    unspillable: usize,
    /// What each merge of a sort holds, by the number of the consumer.
    merges: HashMap<usize, usize>,
}

impl SharingPool {
    pub fn new(limit: usize, caution: Caution) -> SharingPool {
        SharingPool { limit, caution, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much more a consumer may have.
    fn available(&self, state: &State, asking: &MemoryReservation) -> usize {
        let free = self.limit.saturating_sub(state.spillable + state.unspillable);
        let consumer = asking.consumer();
        let held = asking.size();
        if state.merges.is_empty() {
            let share = self.limit.saturating_sub(state.unspillable) / state.spillers.max(1);
            return if consumer.can_spill() { share.saturating_sub(held) } else { free };
        }
        let share = self.share(state);
        match state.merges.get(&consumer.id()) {
            Some(held) => free.min(share.saturating_sub(*held)),
            None if !consumer.can_spill() => free,
            // Its first batch is sorted by itself.
            None if is_called(consumer, &[SORT]) && held > 0 => {
                free.min((share / self.caution.part()).saturating_sub(held))
            }
            None if is_called(consumer, &MODEST) => free.min((share / 2).saturating_sub(held)),
            None => free.min(share.saturating_sub(held)),
        }
    }

    /// What each sort with its merge may have, and each other that spills.
    fn share(&self, state: &State) -> usize {
        let merging: usize = state.merges.values().sum();
        // Two sorts and more are merged once again above.
        let above = if state.merges.len() == 1 { self.limit / 8 } else { self.limit / 4 };
        let others = state.unspillable.saturating_sub(merging);
        self.limit.saturating_sub(above + others) / (state.merges.len() + state.other_spillers).max(1)
    }
}

fn is_called(consumer: &MemoryConsumer, names: &[&str]) -> bool {
    names.iter().any(|name| consumer.name().starts_with(name))
}

impl State {
    fn grow(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        match consumer.can_spill() {
            true => self.spillable += bytes,
            false => self.unspillable += bytes,
        }
        if let Some(held) = self.merges.get_mut(&consumer.id()) {
            *held += bytes;
        }
    }

    fn shrink(&mut self, consumer: &MemoryConsumer, bytes: usize) {
        match consumer.can_spill() {
            true => self.spillable = self.spillable.saturating_sub(bytes),
            false => self.unspillable = self.unspillable.saturating_sub(bytes),
        }
        if let Some(held) = self.merges.get_mut(&consumer.id()) {
            *held = held.saturating_sub(bytes);
        }
    }
}

impl MemoryPool for SharingPool {
    fn name(&self) -> &str {
        "sharing"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        if consumer.can_spill() {
            state.spillers += 1;
            state.other_spillers += usize::from(!is_called(consumer, &MODEST));
        } else if is_called(consumer, &[MERGE]) {
            state.merges.insert(consumer.id(), 0);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        let mut state = self.state();
        if consumer.can_spill() {
            state.spillers = state.spillers.saturating_sub(1);
            let other = usize::from(!is_called(consumer, &MODEST));
            state.other_spillers = state.other_spillers.saturating_sub(other);
        }
        state.merges.remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.state().grow(reservation.consumer(), additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.state().shrink(reservation.consumer(), shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let available = self.available(&state, reservation);
        if additional <= available {
            state.grow(reservation.consumer(), additional);
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} asked for {additional} bytes on top of {}, and {available} are left",
            reservation.consumer().name(),
            reservation.size(),
        )))
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable + state.unspillable
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

impl fmt::Display for SharingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} bytes)", self.name(), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_leaves_room_for_the_others_and_for_what_is_above_them() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharingPool::new(1000, Caution::default()));
        let merge = |partition| MemoryConsumer::new(format!("{MERGE}{partition}]")).register(&pool);
        let (first, second) = (merge(0), merge(1));
        let above = MemoryConsumer::new("SortPreservingMergeExec[0]").register(&pool);
        assert!(first.try_grow(376).is_err());
        first.try_grow(375).unwrap();
        second.try_grow(375).unwrap();
        above.try_grow(250).unwrap();
        assert!(above.try_grow(1).is_err());
        drop((second, above));
        // Alone, it may have more.
        first.try_grow(500).unwrap();
        drop(first);
        assert_eq!(pool.reserved(), 0);
    }

    #[test]
    fn without_sorts_everything_may_be_used() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharingPool::new(1000, Caution::default()));
        let spiller = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (first, second) = (spiller("first"), spiller("second"));
        first.try_grow(500).unwrap();
        assert!(first.try_grow(1).is_err());
        second.try_grow(500).unwrap();
    }
}

//! The work of one partition: part by part.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};

use super::super::aggregates::Aggregates;
use super::super::table::Table;
use super::Task;
use super::gather::{Gathered, Shared};

/// What one partition has done so far.
pub(super) struct Work {
    task: Arc<Task>,
    /// What is waited for in each pass that is left.
    passes: VecDeque<Shared>,
    partition: usize,
    /// The next part of a pass.
    part: usize,
    table: Table,
    /// `None` until rows have been gathered.
    aggregates: Option<Aggregates>,
    /// Batches of groups that are complete.
    ready: VecDeque<RecordBatch>,
    memory: MemoryReservation,
    metrics: BaselineMetrics,
}

impl Work {
    pub fn new(
        task: Arc<Task>,
        passes: Vec<Shared>,
        partition: usize,
        memory: MemoryReservation,
        metrics: BaselineMetrics,
    ) -> Work {
        let (table, ready) = (Table::default(), VecDeque::new());
        let passes = passes.into();
        Work { task, passes, partition, part: partition, table, aggregates: None, ready, memory, metrics }
    }

    /// The next batch of groups.
    pub async fn next(mut self) -> Result<Option<(RecordBatch, Work)>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some((batch.record_output(&self.metrics), self)));
            }
            let Some(shared) = self.passes.front().cloned() else { return Ok(None) };
            let gathered = shared.await.map_err(|error| DataFusionError::from(&error))?;
            if self.part >= gathered.parts() {
                self.passes.pop_front();
                self.part = self.partition;
                continue;
            }
            self.group(&gathered, self.part)?;
            self.part += self.task.partitions;
        }
    }

    /// Groups one part.
    fn group(&mut self, gathered: &Gathered, part: usize) -> Result<()> {
        let timer = self.metrics.elapsed_compute().clone();
        let _timer = timer.timer();
        let aggregates = match &mut self.aggregates {
            Some(aggregates) => aggregates,
            none => none.insert(Aggregates::new(&self.task.aggregates, &gathered.backends)?),
        };
        let block = gathered.part(part);
        let numbers = self.table.number(&block, None);
        aggregates.update(&block, &numbers)?;
        self.memory.try_resize(self.table.size() + numbers.size() + aggregates.size())?;
        self.ready.extend(self.task.output.batches(&numbers, aggregates)?);
        self.table.reuse(numbers);
        Ok(())
    }
}

//! The work of one partition: range by range, block by block.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::{BaselineMetrics, RecordOutput};
use futures::future::try_join_all;

use super::aggregates::Aggregates;
use super::block::{Block, cut};
use super::sizes::Sizes;
use super::source::{Origin, Source};
use super::table::{Numbers, Table};
use super::task::Task;
use crate::catalog::ContentRange;

/// What one partition has done so far.
pub(super) struct Work {
    task: Arc<Task>,
    sizes: Sizes,
    context: Arc<TaskContext>,
    /// The ranges that are not begun.
    ranges: VecDeque<ContentRange>,
    /// The runs of the range that is being read; none between two ranges.
    sources: Vec<Source>,
    table: Table,
    aggregates: Aggregates,
    /// The content of the group that may go on. Its aggregates are those of the first group.
    open: Option<Vec<u8>>,
    /// Batches of groups that are complete.
    ready: VecDeque<RecordBatch>,
    memory: MemoryReservation,
    metrics: BaselineMetrics,
}

impl Work {
    pub fn new(
        task: Arc<Task>,
        sizes: Sizes,
        ranges: VecDeque<ContentRange>,
        context: Arc<TaskContext>,
        memory: MemoryReservation,
        metrics: BaselineMetrics,
    ) -> Result<Work> {
        let aggregates = Aggregates::new(&task.aggregates, &task.backends)?;
        Ok(Work {
            task,
            sizes,
            context,
            ranges,
            sources: Vec::new(),
            table: Table::default(),
            aggregates,
            open: None,
            ready: VecDeque::new(),
            memory,
            metrics,
        })
    }

    /// The next batch of groups.
    pub async fn next(mut self) -> Result<Option<(RecordBatch, Work)>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some((batch.record_output(&self.metrics), self)));
            }
            if self.sources.is_empty() && !self.begin_range().await? {
                return Ok(None);
            }
            let rows = self.sizes.block / self.sources.len();
            try_join_all(self.sources.iter_mut().map(|source| source.fill(rows))).await?;
            self.group()?;
        }
    }

    /// Opens the runs of the next range that has any. False if there is none.
    async fn begin_range(&mut self) -> Result<bool> {
        while let Some(mut range) = self.ranges.pop_front() {
            if self.task.chain.skips_empty && range.from.is_empty() {
                // The first content after the empty one.
                range.from = vec![0];
            }
            self.task.chain.scan.load_indexes(&range).await?;
            let Some(scan) = self.task.chain.scan.within(&range, self.sizes.scan)? else { continue };
            let rows = self.task.chain.over(scan.plan, self.sizes.scan)?;
            for (partition, facts) in scan.facts.iter().enumerate() {
                let backend = self.task.backends.partition_point(|name| *name < facts.backend) as u32;
                let wanted = self.task.wanted.get(facts).cloned().unwrap_or_default();
                let origin = Arc::new(Origin { backend, wanted });
                let stream = rows.execute(partition, Arc::clone(&self.context))?;
                self.sources.push(Source::new(origin, stream, range.clone(), self.task.content));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Groups one block of what has been read.
    fn group(&mut self) -> Result<()> {
        let timer = self.metrics.elapsed_compute().clone();
        let _timer = timer.timer();
        let (pieces, bound) = cut(&mut self.sources, self.sizes.block);
        let block = Block::of_sorted(&pieces, bound.as_deref());
        let open = self.open.take();
        let numbers = self.table.number(&block, open.as_deref());
        self.aggregates.update(&block, &numbers)?;
        self.account(&numbers)?;
        self.ready.extend(self.task.output.batches(&numbers, &mut self.aggregates)?);
        self.table.reuse(numbers);
        if bound.is_none() {
            self.sources.clear();
        }
        self.open = bound;
        Ok(())
    }

    /// Counts what is held: what has been read of the files, rows that wait, and the groups of the block.
    fn account(&mut self, numbers: &Numbers) -> Result<()> {
        let waiting = self.sources.iter().map(Source::rows).sum::<usize>() * self.sizes.row_bytes;
        let grouped = self.table.size() + numbers.size() + self.aggregates.size();
        self.memory.try_resize(self.sizes.range_bytes + waiting + grouped)
    }
}

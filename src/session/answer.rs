//! The answer to one statement, as a stream that can be dropped at any moment.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::SessionState;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::compact::compact_sorts;
use super::diagnose::{innermost, unreadable_in};
use super::gauge::{Gauge, Receipt, Running};
use super::memory::Careful;
use super::planner::{Planner, Query, set_batch_size};
use crate::catalog::{Snapshot, UnreadableFile};
use crate::error::{Error, Result};

/// Batches that wait to be taken; the query pauses beyond it.
const WAITING: usize = 2;
/// The most that an answer holds back while it could still begin anew.
const MOST_HELD: usize = 8 << 20;
/// Rows of a batch when a query begins anew for the last time.
const FEW_ROWS: usize = 64;

/// A backend that a query went on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The backend's name.
    pub backend: String,
    /// Its file, relative to the root.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl From<UnreadableFile> for Skipped {
    fn from(UnreadableFile { backend, path, reason }: UnreadableFile) -> Skipped {
        Skipped { backend, path, reason }
    }
}

/// When a query has to end, and how long it had.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    pub at: Instant,
    pub limit: Duration,
}

impl Deadline {
    /// `limit` from now.
    pub fn after(limit: Duration) -> Deadline {
        Deadline { at: Instant::now() + limit, limit }
    }
}

/// The answer to one statement: a stream of record batches, with its columns known at once.
///
/// The query runs as a task of its own and is stopped when the answer is dropped, even while it computes. The files that it
/// reads stay open until then.
pub struct Answer {
    schema: SchemaRef,
    snapshot: Arc<Snapshot>,
    running: Running,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinHandle<()>,
    timeout: Option<(Duration, Pin<Box<Sleep>>)>,
    ended: bool,
}

impl Answer {
    /// Starts a query that was planned and has until `deadline`.
    pub(super) fn start(planner: Arc<Planner>, query: Query, deadline: Option<Deadline>) -> Answer {
        let (sender, batches) = mpsc::channel(WAITING);
        let schema = Arc::clone(&query.columns);
        let snapshot = Arc::clone(&query.snapshot);
        let running = Running::default();
        let runs = running.clone();
        let timeout = deadline.map(|deadline| (deadline.limit, Box::pin(sleep_until(deadline.at))));
        let task = tokio::spawn(async move {
            let mut query = query;
            let plan = Arc::clone(&query.plan);
            // A plan that has run holds what its joins have collected: it is to go before another takes its place.
            query.plan = Arc::new(EmptyExec::new(plan.schema()));
            let mut run = Run { planner, query, sender, runs, handed_over: false, careful: None };
            if let Err(error) = run.until_done(plan).await {
                // A closed channel means that nobody waits for the answer any more.
                let _ = run.sender.send(Err(error)).await;
            }
        });
        Answer { schema, snapshot, running, batches, task, timeout, ended: false }
    }

    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The backends that this answer goes without, by name. Complete once the stream has ended.
    pub fn skipped(&self) -> Vec<Skipped> {
        let skipped = self.snapshot.skipped().into_iter();
        skipped.map(Skipped::from).collect()
    }

    /// What has been read so far.
    pub fn receipt(&self) -> Receipt {
        self.gauge().receipt()
    }

    /// Tells how far the query is, while the answer is taken elsewhere.
    pub fn gauge(&self) -> Gauge {
        Gauge::new(Arc::clone(&self.snapshot), self.running.clone())
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // First, so that an answer which is taken slowly ends in time, too.
        let late = self.timeout.as_mut().and_then(|(limit, sleep)| {
            let over = sleep.as_mut().poll(context).is_ready();
            over.then_some(*limit)
        });
        let item = match late {
            Some(limit) => Some(Err(Error::Timeout { limit })),
            None => match self.batches.poll_recv(context) {
                // The engine's names for columns, and its notes on them, are not part of the answer.
                Poll::Ready(Some(item)) => Some(item.and_then(|batch| with_schema(&batch, &self.schema))),
                Poll::Ready(None) => match Pin::new(&mut self.task).poll(context) {
                    Poll::Ready(Err(failed)) if failed.is_panic() => Some(Err(panicked(failed.into_panic()))),
                    Poll::Ready(_) => None,
                    Poll::Pending => return Poll::Pending,
                },
                Poll::Pending => return Poll::Pending,
            },
        };
        if !matches!(item, Some(Ok(_))) {
            self.ended = true;
            self.task.abort();
        }
        Poll::Ready(item)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// A query while it runs.
struct Run {
    planner: Arc<Planner>,
    query: Query,
    sender: mpsc::Sender<Result<RecordBatch>>,
    /// Where others see which plan runs.
    runs: Running,
    /// Whether a batch has been sent, after which the query cannot begin anew.
    handed_over: bool,
    /// Held once it has begun anew with sorts that hold less.
    careful: Option<Careful>,
}

impl Run {
    /// Runs the plan; where it can go on differently after a failure and nothing has been handed over yet, it does.
    async fn until_done(&mut self, mut plan: Arc<dyn ExecutionPlan>) -> Result<()> {
        let mut state = self.query.state.clone();
        let joins = has_hash_join(&plan);
        loop {
            let Err(error) = self.once(plan, &state).await else { return Ok(()) };
            self.runs.set(None);
            let again = !self.handed_over && self.change_course(&error, joins, &mut state);
            let next = match again {
                true => {
                    self.planner.settle().await;
                    self.planner.plan_again(&self.query, &state).await
                }
                false => None,
            };
            match next {
                Some(next) => plan = next?,
                None => return Err(self.explain(error)),
            }
        }
    }

    async fn once(
        &mut self,
        plan: Arc<dyn ExecutionPlan>,
        state: &SessionState,
    ) -> Result<(), DataFusionError> {
        let hold = self.hold_back(&plan);
        let plan = compact_sorts(plan)?;
        self.runs.set(Some(Arc::clone(&plan)));
        let mut batches = execute_stream(plan, state.task_ctx())?;
        let (mut held, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            if batch.num_rows() == 0 {
                continue;
            }
            if !self.handed_over && bytes < hold {
                bytes += batch.get_array_memory_size();
                held.push(batch);
                continue;
            }
            for batch in held.drain(..).chain([batch]) {
                self.handed_over = true;
                if self.sender.send(Ok(batch)).await.is_err() {
                    return Ok(());
                }
            }
        }
        for batch in held {
            if self.sender.send(Ok(batch)).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// How much of the answer waits before the first of it is handed over, after which the query cannot begin anew.
    ///
    /// Nothing, unless it may have to: what is damaged is found late, and a merge above sorts asks for memory while it runs.
    /// A sort has done its work when its first rows come.
    fn hold_back(&self, plan: &Arc<dyn ExecutionPlan>) -> usize {
        let options = &self.planner.options;
        let limit = options.memory_limit.unwrap_or(usize::MAX);
        let sorts = || plan.exists(|node| Ok(node.is::<SortExec>())).unwrap_or_default();
        let wanted = options.skip_unreadable || (options.memory_limit.is_some() && sorts());
        if wanted { MOST_HELD.min(limit / 16) } else { 0 }
    }

    fn explain(&self, error: DataFusionError) -> Error {
        match self.planner.explain(error, &self.query) {
            Error::UnreadableBackend { backend, path, reason }
                if self.handed_over && self.planner.options.skip_unreadable =>
            {
                Error::DamagedLate { backend, path, reason }
            }
            error => error,
        }
    }

    /// Whether there is another way: without a backend that turned out to be damaged, with joins that spill, with
    /// sorts that hold less, or with batches of fewer rows.
    fn change_course(&mut self, error: &DataFusionError, joins: bool, state: &mut SessionState) -> bool {
        if let Some(file) = unreadable_in(error) {
            return self.query.snapshot.exclude(file.clone());
        }
        if !matches!(innermost(error), DataFusionError::ResourcesExhausted(_)) {
            return false;
        }
        let config = state.config_mut();
        // A hash join cannot spill in DataFusion 55; a sort-merge join can, and is planned for two partitions and more.
        if joins && config.options().optimizer.prefer_hash_join {
            config.options_mut().optimizer.prefer_hash_join = false;
            *config = std::mem::take(config).with_target_partitions(config.target_partitions().max(2));
            return true;
        }
        if self.careful.is_none() {
            self.careful = Some(self.planner.caution.begin());
            return true;
        }
        let fewer = config.batch_size() > FEW_ROWS;
        set_batch_size(config, config.batch_size().min(FEW_ROWS));
        fewer
    }
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.exists(|node| Ok(node.is::<HashJoinExec>())).unwrap_or_default()
}

fn with_schema(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &rows)
        .map_err(|error| Error::Engine { message: error.to_string() })
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Error {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    };
    Error::Engine { message: format!("the engine panicked: {message}") }
}

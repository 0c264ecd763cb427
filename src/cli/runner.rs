//! Runs queries where they can be left alone: on worker threads, with the main thread free to hear Ctrl-C.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt;
use pinql::Error;
use pinql::migrate::{Progress, Seen};
use pinql::report::Bindings;
use pinql::session::{self, Gauge, Receipt, Session, Skipped};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::info;

use super::failure::{Failure, Outcome};
use super::interrupt::Interrupts;
use super::meter::{self, Meter};

/// Batches that wait between the workers and the output: enough to keep both busy, too few to fill the memory.
const WAITING: usize = 4;
/// The engine keeps its own time limit; this much later the main thread stops waiting for it.
const GRACE: Duration = Duration::from_millis(500);
/// How long the end of the program waits for queries that were stopped.
const PARTING: Duration = Duration::from_millis(300);
/// How often long work is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Plans nest deeply, and threads' stacks take no memory until they are used.
const STACK: usize = 16 << 20;

/// One session and the threads that work for it.
#[derive(Debug)]
pub struct Runner {
    session: Arc<Session>,
    /// `None` only while it is dropped.
    workers: Option<Runtime>,
    /// Wakes the main thread: for a batch, for Ctrl-C, for the time limit.
    front: Runtime,
    interrupts: Interrupts,
    limits: session::Options,
    /// A query was left before its end and may still hold a worker.
    abandoned: bool,
}

/// A query that has been started. Dropped before its end, it is stopped.
pub struct Running<'e> {
    engine: &'e mut Runner,
    messages: mpsc::Receiver<Message>,
    task: JoinHandle<()>,
    /// How much longer the main thread waits for the engine, without the time that the output takes.
    patience: Option<Duration>,
    /// Known with the columns.
    gauge: Option<Gauge>,
    meter: Meter,
    /// Known at the end.
    skipped: Vec<Skipped>,
    ended: bool,
}

/// What is asked.
struct Query {
    sql: String,
    bindings: Bindings,
    damaged: Vec<Skipped>,
}

enum Message {
    Columns(SchemaRef, Gauge),
    Batch(RecordBatch),
    Failed(Error),
    End(Vec<Skipped>),
}

impl Runner {
    /// Sets up the threads for a session with these limits. Queries that run longer than they may are stopped even where
    /// the session cannot.
    pub fn new(session: Session, limits: session::Options) -> Outcome<Runner> {
        let front = Builder::new_current_thread().enable_time().build();
        Ok(Runner {
            session: Arc::new(session),
            workers: Some(workers(limits.threads)?),
            front: front.map_err(cannot_start)?,
            interrupts: Interrupts::listen().map_err(cannot_start)?,
            limits,
            abandoned: false,
        })
    }

    /// What queries may use.
    pub fn limits(&self) -> &session::Options {
        &self.limits
    }

    /// Goes on with other limits: a new session over the same data directory.
    pub fn set_limits(&mut self, limits: session::Options) -> Outcome<()> {
        self.session = Arc::new(Session::open(self.session.data_dir().root(), limits.clone())?);
        self.limits = limits;
        // The workers may be too many or too few by now.
        self.abandoned = true;
        Ok(())
    }

    /// Waits so long, or until Ctrl-C.
    pub fn wait(&self, time: Duration) -> Outcome<()> {
        self.front.block_on(async {
            tokio::select! {
                biased;
                () = self.interrupts.pending() => Err(Failure::Interrupted),
                () = tokio::time::sleep(time) => Ok(()),
            }
        })
    }

    /// Ctrl-C, for those who wait for something else than a batch.
    pub fn interrupts(&self) -> &Interrupts {
        &self.interrupts
    }

    /// The session that the threads work for.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Starts a query.
    pub fn start(&mut self, sql: &str, bindings: &Bindings) -> Outcome<Running<'_>> {
        self.start_without(sql, bindings, &[])
    }

    /// Starts it without backends that it found damaged when it ran before.
    pub fn start_without(
        &mut self,
        sql: &str,
        bindings: &Bindings,
        damaged: &[Skipped],
    ) -> Outcome<Running<'_>> {
        if self.abandoned {
            // What was left may never give its worker back, and the next query needs one.
            if let Some(stuck) = self.workers.replace(workers(self.limits.threads)?) {
                stuck.shutdown_background();
            }
            self.abandoned = false;
        }
        let workers = self.workers.as_ref().expect("only drop takes the workers away");
        let (sender, messages) = mpsc::channel(WAITING);
        let query = Query { sql: sql.to_owned(), bindings: bindings.clone(), damaged: damaged.to_vec() };
        let task = workers.spawn(answer(Arc::clone(&self.session), query, sender));
        let patience = self.limits.timeout.map(|limit| limit + GRACE);
        let meter = Meter::new();
        Ok(Running {
            engine: self,
            messages,
            task,
            patience,
            gauge: None,
            meter,
            skipped: vec![],
            ended: false,
        })
    }

    /// Does long work that is no query, on a thread of its own, and looks after `watch` meanwhile. Ctrl-C tells it to stop,
    /// and it is waited for: it must leave everything as it was.
    pub fn work<T: Send + 'static>(
        &mut self,
        progress: &Arc<Progress>,
        mut watch: impl FnMut(Seen),
        task: impl FnOnce(&Session, &Progress) -> Result<T, Error> + Send + 'static,
    ) -> Outcome<T> {
        let workers = self.workers.as_ref().expect("only drop takes the workers away");
        let (session, shared) = (Arc::clone(&self.session), Arc::clone(progress));
        let mut task = workers.spawn_blocking(move || task(&session, &shared));
        let interrupts = self.interrupts.clone();
        let ended = self.front.block_on(async {
            loop {
                tokio::select! {
                    ended = &mut task => return ended,
                    () = interrupts.pending(), if !interrupts.is_pending() => progress.stop(),
                    () = tokio::time::sleep(LOOK) => {
                        if interrupts.is_pending() {
                            progress.stop();
                        }
                        watch(progress.seen());
                    }
                }
            }
        });
        match ended {
            Ok(done) => Ok(done?),
            Err(error) => {
                let message = format!("the work panicked: {}", panic_words(error));
                Err(Error::Engine { message }.into())
            }
        }
    }

    /// Waits for what the session is asked in one task. Ctrl-C ends it at once, and so does the time limit, which counts for all that
    /// it asks together: it must change nothing.
    pub fn ask<T, F>(&mut self, task: impl FnOnce(Arc<Session>) -> F) -> Outcome<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let workers = self.workers.as_ref().expect("only drop takes the workers away");
        let mut asked = workers.spawn(task(Arc::clone(&self.session)));
        let limit = self.limits.timeout;
        let ended = self.front.block_on(async {
            tokio::select! {
                biased;
                () = self.interrupts.pending() => Err(Failure::Interrupted),
                ended = &mut asked => Ok(ended),
                () = tokio::time::sleep(limit.unwrap_or_default() + GRACE), if limit.is_some() => {
                    Err(Error::Timeout { limit: limit.unwrap_or_default() }.into())
                }
            }
        });
        match ended {
            Err(left) => {
                asked.abort();
                self.abandoned = true;
                Err(left)
            }
            Ok(Ok(answer)) => Ok(answer?),
            Ok(Err(error)) => {
                let message = format!("the engine panicked: {}", panic_words(error));
                Err(Error::Engine { message }.into())
            }
        }
    }

    /// Runs a query whose answer is small, to its end.
    pub fn collect(&mut self, sql: &str, bindings: &Bindings) -> Outcome<(SchemaRef, Vec<RecordBatch>)> {
        let mut running = self.start(sql, bindings)?;
        let columns = running.columns()?;
        let mut batches = vec![];
        while let Some(batch) = running.batch()? {
            batches.push(batch);
        }
        Ok((columns, batches))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            // A moment for what was stopped to remove its spill files; not for what does not stop.
            workers.shutdown_timeout(PARTING);
        }
    }
}

impl Running<'_> {
    /// The columns: what comes first.
    pub fn columns(&mut self) -> Outcome<SchemaRef> {
        match self.next()? {
            Message::Columns(columns, gauge) => {
                self.gauge = Some(gauge);
                Ok(columns)
            }
            _ => Err(out_of_order()),
        }
    }

    /// The next batch, or nothing at the end.
    pub fn batch(&mut self) -> Outcome<Option<RecordBatch>> {
        match self.next()? {
            Message::Batch(batch) => Ok(Some(batch)),
            Message::End(skipped) => {
                self.skipped = skipped;
                self.ended = true;
                Ok(None)
            }
            _ => Err(out_of_order()),
        }
    }

    /// The backends that the answer goes without. Complete once [`Running::batch`] has returned nothing.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Tells how far the query is. Known once the columns are.
    pub fn gauge(&self) -> Option<&Gauge> {
        self.gauge.as_ref()
    }

    /// What the query has read so far.
    pub fn receipt(&self) -> Receipt {
        self.gauge.as_ref().map(Gauge::receipt).unwrap_or_default()
    }

    fn next(&mut self) -> Outcome<Message> {
        let since = Instant::now();
        let Running { engine, messages, patience, gauge, meter, .. } = self;
        let limit = engine.limits.timeout.unwrap_or_default();
        if meter.due().is_zero() {
            meter.show(gauge.as_ref());
        }
        let message = engine.front.block_on(async {
            let late = tokio::time::sleep(patience.unwrap_or_default());
            tokio::pin!(late);
            loop {
                tokio::select! {
                    biased;
                    () = engine.interrupts.pending() => return Err(Failure::Interrupted),
                    message = messages.recv() => return Ok(message),
                    () = &mut late, if patience.is_some() => return Err(Error::Timeout { limit }.into()),
                    () = tokio::time::sleep(meter.due()) => meter.show(gauge.as_ref()),
                }
            }
        });
        // Rows take the line away where they are written; before anything else is, it goes here.
        if !matches!(message, Ok(Some(Message::Batch(_)))) {
            meter::clear();
        }
        let message = message?;
        self.patience = self.patience.map(|patience| patience.saturating_sub(since.elapsed()));
        match message {
            Some(Message::Failed(error)) => {
                self.ended = true;
                Err(error.into())
            }
            Some(message) => Ok(message),
            None => Err(self.died()),
        }
    }

    /// The task ended without a last word.
    fn died(&mut self) -> Failure {
        self.ended = true;
        let message = match self.engine.front.block_on(&mut self.task) {
            Err(error) if error.is_panic() => format!("the engine panicked: {}", panic_words(error)),
            _ => "the engine stopped in the middle of a query".into(),
        };
        Error::Engine { message }.into()
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.task.abort();
            self.engine.abandoned = true;
        }
    }
}

/// Runs one query and sends what comes of it. Ends early when nobody receives.
async fn answer(session: Arc<Session>, query: Query, sender: mpsc::Sender<Message>) {
    let last = match stream(&session, &query, &sender).await {
        Ok(skipped) => Message::End(skipped),
        Err(error) => Message::Failed(error),
    };
    let _ = sender.send(last).await;
}

async fn stream(
    session: &Session,
    Query { sql, bindings, damaged }: &Query,
    sender: &mpsc::Sender<Message>,
) -> Result<Vec<Skipped>, Error> {
    let mut answer = std::pin::pin!(session.query_without(sql, bindings, damaged).await?);
    let mut open = sender.send(Message::Columns(answer.schema(), answer.gauge())).await.is_ok();
    while open && let Some(batch) = answer.next().await {
        open = sender.send(Message::Batch(batch?)).await.is_ok();
    }
    let Receipt { files, bytes, .. } = answer.receipt();
    info!(files, bytes, "read");
    Ok(answer.skipped())
}

fn workers(threads: Option<usize>) -> Outcome<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads);
    }
    builder.enable_all().thread_name("worker").thread_stack_size(STACK).build().map_err(cannot_start)
}

fn cannot_start(error: std::io::Error) -> Failure {
    Error::Engine { message: format!("cannot start the engine's threads: {error}") }.into()
}

fn out_of_order() -> Failure {
    Error::Engine { message: "the engine's answer came out of order".into() }.into()
}

/// What a panic said.
fn panic_words(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").into()
}

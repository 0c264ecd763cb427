//! `pinql daemon run`: the process itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pinql::Error;
use pinql::daemon::config::Config;
use pinql::daemon::{self, Clock, Order, Surroundings, Usage};
use pinql::report::Reports;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, mpsc};

use super::{ConfigArgs, RunArgs};
use crate::cli::args::Options;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::ui::Ui;
use crate::cli::{Exit, places, prices};

/// Plans nest deeply, and threads' stacks take no memory until they are used.
const STACK: usize = 16 << 20;

/// The clock on the wall.
#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// How long threads may take to end once all is done.
const LAST: Duration = Duration::from_secs(1);
/// How long the end may take, whatever hangs.
const ENDING: Duration = Duration::from_secs(10);

/// Runs the daemon, or only looks at its configuration.
pub fn run(root: &Path, args: &RunArgs, options: &Options, reports: &Reports, ui: &Ui) -> Outcome<Exit> {
    let (path, config) = load(&args.config, reports)?;
    let workers = workers(&config)?;
    if args.check {
        workers.block_on(daemon::check_questions(root, &config, reports))?;
        let place = path.as_deref().map_or("the defaults".into(), |path| path.display().to_string());
        ui.say(&format!("{place}: can be used"));
        return Ok(Exit::Done);
    }
    // Before anything of the data directory is looked at, which may hang.
    let (sender, orders) = mpsc::channel(4);
    let reload = Reload { path: path.clone(), reports: reports.clone(), root: root.into() };
    listen(sender, reload, workers.handle().clone())?;
    let world = Surroundings {
        clock: Arc::new(Wall),
        usage,
        process: std::process::id(),
        reports: reports.clone(),
        prices: prices::load(options)?,
        config_path: path,
    };
    let desk = Builder::new_current_thread().enable_all().build().map_err(no_threads)?;
    let ended = desk.block_on(daemon::run(root, config, world, orders, workers.handle()));
    // What hangs, a mount that does not answer, is not waited for.
    desk.shutdown_timeout(LAST);
    workers.shutdown_timeout(LAST);
    ended?;
    Ok(Exit::Done)
}

/// What reads files.
fn workers(config: &Config) -> Outcome<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(config.limits.threads.max(2))
        .enable_all()
        .thread_name("worker")
        .thread_stack_size(STACK);
    builder.build().map_err(no_threads)
}

fn no_threads(error: io::Error) -> Failure {
    Error::Engine { message: format!("cannot start threads: {error}") }.into()
}

/// The configuration that is named, or the user's own, or what is usual.
pub(super) fn load(args: &ConfigArgs, reports: &Reports) -> Outcome<(Option<PathBuf>, Config)> {
    let path = args.config.clone().or_else(|| places::daemon_config().filter(|path| path.exists()));
    match path {
        None => Ok((None, Config::default())),
        Some(path) => {
            // Another directory may be the current one by the time that it is read anew.
            let path = std::path::absolute(&path).unwrap_or(path);
            let config = read(&path, reports)?;
            Ok((Some(path), config))
        }
    }
}

fn read(path: &Path, reports: &Reports) -> Result<Config, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
    Config::parse(path, &text, reports)
}

/// What is needed to read the configuration anew.
#[derive(Clone)]
struct Reload {
    path: Option<PathBuf>,
    reports: Reports,
    root: PathBuf,
}

impl Reload {
    /// Reads it and looks whether it can be used. Asks the data directory, which may hang.
    fn order(&self, workers: &Handle) -> Order {
        let Some(path) = &self.path else {
            return Order::KeepConfig("the daemon was started without a configuration".into());
        };
        tracing::info!("reading the configuration anew");
        let read = read(path, &self.reports).and_then(|config| {
            workers.block_on(daemon::check_questions(&self.root, &config, &self.reports))?;
            Ok(config)
        });
        match read {
            Ok(config) => Order::Reload(Box::new(config)),
            Err(error) => Order::KeepConfig(Failure::from(error).sentence()),
        }
    }

    /// Reads it whenever it is wished: one after the other, and once for all wishes that came meanwhile.
    async fn order_always(self, wished: Arc<Notify>, orders: mpsc::Sender<Order>, workers: Handle) {
        loop {
            wished.notified().await;
            let (reload, handle) = (self.clone(), workers.clone());
            let Ok(order) = workers.spawn_blocking(move || reload.order(&handle)).await else { return };
            if orders.send(order).await.is_err() {
                return;
            }
        }
    }
}

/// Turns signals into orders, on a thread that does nothing else.
#[cfg(unix)]
fn listen(orders: mpsc::Sender<Order>, reload: Reload, workers: Handle) -> Outcome<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let ears = Builder::new_current_thread().enable_all().build().map_err(no_threads)?;
    // What comes from here on is heard.
    let (mut end, mut interrupt, mut hang_up) = {
        let _here = ears.enter();
        let listen = |kind| signal(kind).map_err(deaf);
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?)
    };
    let hear = async move {
        let wished = Arc::new(Notify::new());
        tokio::spawn(reload.order_always(Arc::clone(&wished), orders.clone(), workers));
        loop {
            tokio::select! {
                _ = end.recv() => return stop(&orders).await,
                _ = interrupt.recv() => return stop(&orders).await,
                _ = hang_up.recv() => wished.notify_one(),
            }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(move || ears.block_on(hear)).map_err(no_threads)?;
    Ok(())
}

#[cfg(not(unix))]
fn listen(orders: mpsc::Sender<Order>, _: Reload, _: Handle) -> Outcome<()> {
    let ears = Builder::new_current_thread().enable_all().build().map_err(no_threads)?;
    let hear = async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop(&orders).await;
        }
    };
    thread::Builder::new().name("signals".into()).spawn(move || ears.block_on(hear)).map_err(no_threads)?;
    Ok(())
}

/// Lets the daemon stop, and ends the process if that does not.
async fn stop(orders: &mpsc::Sender<Order>) {
    // It may be so busy that it takes no order.
    let _ = tokio::time::timeout(ENDING, orders.send(Order::Stop)).await;
    tokio::time::sleep(ENDING).await;
    std::process::exit(0);
}

fn deaf(error: io::Error) -> Failure {
    Error::Engine { message: format!("cannot listen to signals: {error}") }.into()
}

/// What this process has used.
fn usage() -> Option<Usage> {
    let process = sysinfo::get_current_pid().ok()?;
    let mut system = System::new().ok()?;
    let what = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, what);
    let process = system.process(process)?;
    let cpu_seconds = process.accumulated_cpu_time() as f64 / 1e3;
    Some(Usage { resident_bytes: process.memory(), cpu_seconds })
}

//! `pinql daemon run`: the process itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use pinql::Error;
use pinql::daemon::config::Config;
use pinql::daemon::{self, Clock, Order, Surroundings, Usage};
use pinql::report::Reports;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

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

/// Runs the daemon, or only looks at its configuration.
pub fn run(root: &Path, args: &RunArgs, options: &Options, reports: &Reports, ui: &Ui) -> Outcome<Exit> {
    let (path, config) = load(&args.config, reports)?;
    let runtime = runtime(&config)?;
    runtime.block_on(daemon::check_questions(root, &config, reports))?;
    if args.check {
        let place = path.as_deref().map_or("the defaults".into(), |path| path.display().to_string());
        ui.say(&format!("{place}: can be used"));
        return Ok(Exit::Done);
    }
    let world = Surroundings {
        clock: Arc::new(Wall),
        usage,
        process: std::process::id(),
        reports: reports.clone(),
        prices: prices::load(options)?,
        config_path: path.clone(),
    };
    let (sender, orders) = mpsc::channel(4);
    let reload = Reload { path, reports: reports.clone(), root: root.into() };
    let ended = runtime.block_on(async {
        listen(sender, reload)?;
        // On a worker, where the engine's tasks are.
        let root = root.to_owned();
        tokio::spawn(async move { daemon::run(&root, config, world, orders).await })
            .await
            .map_err(|error| {
                Failure::from(Error::Engine { message: format!("the daemon panicked: {error}") })
            })?
            .map_err(Failure::from)
    });
    // What hangs, a mount that does not answer, is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    ended.map(|()| Exit::Done)
}

fn runtime(config: &Config) -> Outcome<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(config.limits.threads.max(2))
        .enable_all()
        .thread_name("worker")
        .thread_stack_size(STACK);
    builder
        .build()
        .map_err(|error| Error::Engine { message: format!("cannot start threads: {error}") }.into())
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
    async fn order(&self) -> Order {
        let Some(path) = &self.path else {
            return Order::KeepConfig("the daemon was started without a configuration".into());
        };
        let read = match read(path, &self.reports) {
            Ok(config) => daemon::check_questions(&self.root, &config, &self.reports).await.map(|()| config),
            Err(error) => Err(error),
        };
        match read {
            Ok(config) => Order::Reload(Box::new(config)),
            Err(error) => Order::KeepConfig(Failure::from(error).sentence()),
        }
    }
}

/// Turns signals into orders.
#[cfg(unix)]
fn listen(orders: mpsc::Sender<Order>, reload: Reload) -> Outcome<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut end = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(deaf)?;
    tokio::spawn(async move {
        loop {
            let order = tokio::select! {
                _ = end.recv() => Order::Stop,
                _ = interrupt.recv() => Order::Stop,
                // To look at a configuration means to ask the data directory, which may hang.
                _ = hang_up.recv() => tokio::select! {
                    biased;
                    _ = end.recv() => Order::Stop,
                    _ = interrupt.recv() => Order::Stop,
                    order = reload.order() => order,
                },
            };
            if orders.send(order).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn listen(orders: mpsc::Sender<Order>, _: Reload) -> Outcome<()> {
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() && orders.send(Order::Stop).await.is_ok() {}
    });
    Ok(())
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

//! `pinql daemon start`, `stop` and `reload`: the process from outside.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pinql::Error;
use pinql::daemon;
use pinql::report::Reports;
use pinql::store::{DataDir, layout};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, Signal, System};

use super::{ConfigArgs, run};
use crate::cli::Exit;
use crate::cli::args::Options;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::ui::Ui;

/// How long a daemon may take until it has seen all backends once; after that it is left to itself.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// Lines of the log that are shown of a daemon that did not begin.
const LINES: usize = 10;

/// Starts a daemon in the background.
pub fn start(
    data: &DataDir,
    args: &ConfigArgs,
    options: &Options,
    reports: &Reports,
    ui: &Ui,
) -> Outcome<Exit> {
    if let Some(pid) = daemon::running(data) {
        return Err(Error::Running { path: data.root().into(), pid: pid.to_string() }.into());
    }
    // What is wrong with it is better told here than in a log.
    let (config, _) = run::load(args, reports)?;
    let dir = data.daemon();
    fs::create_dir_all(&dir).map_err(|source| Error::Write { path: dir.clone(), source })?;
    let log = dir.join(layout::LOG);
    let failed = |source| Error::Write { path: log.clone(), source };
    let words = File::options().append(true).create(true).open(&log).map_err(failed)?;
    let before = words.metadata().map_err(failed)?.len();
    let program = std::env::current_exe().map_err(|source| Error::Read { path: "pinql".into(), source })?;
    let mut command = Command::new(program);
    command.arg("daemon").arg("run").arg("--root").arg(data.root()).arg("--log").arg(&log);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    for (option, path) in [("--queries", &options.queries), ("--prices", &options.prices)] {
        if let Some(path) = path {
            command.arg(option).arg(path);
        }
    }
    command.args((0..options.verbose).map(|_| "-v"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(words);
    detach(&mut command);
    let child = command.spawn().map_err(|source| Error::Read { path: "pinql".into(), source })?;
    wait_for(child, data, &log, before, ui)
}

/// Ctrl-C and the end of the terminal are not meant for it.
#[cfg(unix)]
fn detach(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn detach(_: &mut Command) {}

/// Waits until the daemon has seen all backends once, or has ended.
fn wait_for(mut child: Child, data: &DataDir, log: &Path, before: u64, ui: &Ui) -> Outcome<Exit> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Ok(Some(status)) = child.try_wait() {
            let words = fs::read(log).unwrap_or_default();
            let own = words.get(before as usize..).unwrap_or(&words);
            let own = String::from_utf8_lossy(own);
            let lines: Vec<&str> = own.lines().collect();
            let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
            return Err(Failure::misuse(
                format!("the daemon did not begin ({status}); its last words:\n{last}"),
                format!("all of it stands in {}", log.display()),
            ));
        }
        let has_seen = |status: &serde_json::Value| {
            let is_well = status["problems"].as_object().is_none_or(serde_json::Map::is_empty);
            !status["observation"].is_null() || !is_well
        };
        if daemon::status(data).is_some_and(|status| has_seen(&status)) {
            break;
        }
        sleep(LOOK);
    }
    ui.say(&format!(
        "the daemon of {} runs as process {}; its log: {}",
        data.root().display(),
        child.id(),
        log.display()
    ));
    Ok(Exit::Done)
}

/// Ends the daemon.
pub fn stop(data: &DataDir, wait: Duration, ui: &Ui) -> Outcome<Exit> {
    let Some(pid) = daemon::running(data) else {
        ui.say(&format!("no daemon runs on {}", data.root().display()));
        return Ok(Exit::Done);
    };
    send(data, pid, Signal::Term)?;
    let since = Instant::now();
    while daemon::running(data) == Some(pid) {
        if since.elapsed() > wait {
            return Err(Failure::misuse(
                format!("process {pid} has not ended within {} s", wait.as_secs_f64()),
                format!(
                    "give it more time with --wait; `kill -9 {pid}` loses at most the observation that it makes"
                ),
            ));
        }
        sleep(LOOK);
    }
    ui.say(&format!("the daemon of {} has ended", data.root().display()));
    Ok(Exit::Done)
}

/// Lets the daemon read its configuration anew.
pub fn reload(data: &DataDir, ui: &Ui) -> Outcome<Exit> {
    let Some(pid) = daemon::running(data) else {
        return Err(Failure::misuse(
            format!("no daemon runs on {}", data.root().display()),
            "`pinql daemon start` starts one",
        ));
    };
    send(data, pid, Signal::Hangup)?;
    ui.say("the daemon reads its configuration anew; `pinql daemon status` tells whether it can be used");
    Ok(Exit::Done)
}

fn send(data: &DataDir, pid: u32, signal: Signal) -> Outcome<()> {
    if !daemon::is_daemon(data, pid) {
        return Err(Failure::misuse(
            format!(
                "process {pid} of this machine is not the daemon, or nothing shows that it is; it was told nothing"
            ),
            "the daemon may run in a container or on another machine, or may just have ended: look there, or again",
        ));
    }
    let process = Pid::from_u32(pid);
    let sent = System::new().ok().and_then(|mut system| {
        let what = ProcessRefreshKind::nothing().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, what);
        system.process(process)?.kill_with(signal)
    });
    match sent {
        Some(true) => Ok(()),
        _ => Err(Failure::misuse(
            format!("process {pid} cannot be told"),
            "it may be another user's: try as that user or as root",
        )),
    }
}

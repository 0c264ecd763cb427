//! A daemon that runs, in its own process and in an environment without anything of the user's.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::tree::Tree;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

/// A configuration for tests: everything is noticed soon.
pub const QUICK: &str =
    "[observe]\ninterval = \"1h\"\ndebounce = \"50ms\"\npoll = \"200ms\"\nmost_percent = 100\n";

/// An alert that takes minutes over a backend of some hundred contents.
pub const SLOW: &str = "[[alert]]\nname = \"slow\"\nwhen = \"SELECT COUNT(*) FROM pins a, pins b, pins c, pins d \
                        WHERE a.cid || b.cid > c.cid || d.cid is above 0\"\n";

pub struct Daemon {
    child: Child,
    root: PathBuf,
    log: PathBuf,
    pub config: PathBuf,
}

impl Daemon {
    /// Starts one and waits until it has seen all backends.
    pub fn start(tree: &Tree, config: &str) -> Daemon {
        let daemon = Daemon::spawn(tree, config);
        daemon.until("a first status", |status| status["observation"].is_object());
        daemon
    }

    /// Starts one.
    pub fn spawn(tree: &Tree, config: &str) -> Daemon {
        let path = tree.home().join("daemon.toml");
        fs::write(&path, config).unwrap();
        let log = tree.home().join("log");
        let mut command = tree.pinql(&["daemon", "run", "--config", path.to_str().unwrap()]);
        command.stderr(File::options().append(true).create(true).open(&log).unwrap());
        // As in a terminal that is no terminal: the log is text without colours.
        let child = command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).spawn().unwrap();
        Daemon { child, root: tree.root(), log, config: path }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it says of itself, once it has.
    pub fn status(&self) -> Value {
        let text = fs::read(self.root.join(".pinql/daemon/status.json")).unwrap_or_default();
        let status: Value = serde_json::from_slice(&text).unwrap_or_default();
        // One that was killed may have left it.
        if status["pid"] == self.id() { status } else { Value::Null }
    }

    /// Waits until its status is as it is to be, and gives it.
    pub fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "no {what}: {status:#}\n{}", self.log());
            sleep(LOOK);
        }
    }

    /// Waits until its log has this in it.
    pub fn says(&self, words: &str) {
        let since = Instant::now();
        while !self.log().contains(words) {
            assert!(since.elapsed() < PATIENCE, "it does not say {words:?}:\n{}", self.log());
            sleep(LOOK);
        }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it as the system does.
    pub fn stop(mut self) -> (ExitStatus, String) {
        self.signal("-TERM");
        let status = self.ended();
        (status, self.log())
    }

    /// Ends it without a last word.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "it does not end:\n{}", self.log());
            sleep(LOOK);
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory in bytes, and the time on a processor in seconds, as the system tells.
    #[cfg(target_os = "linux")]
    pub fn usage(&self) -> (u64, f64) {
        let read = |name: &str| fs::read_to_string(format!("/proc/{}/{name}", self.id())).unwrap();
        let status = read("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let stat = read("stat");
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        (kilobytes << 10, ticks / 100.0)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

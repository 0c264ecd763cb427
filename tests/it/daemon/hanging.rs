//! What hangs: a mount that does not answer, and commands that do not end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pinql::daemon::config::Config;
use pinql::daemon::{self, Clock, Order, Surroundings};
use pinql::report::Reports;
use pinql::report::prices::Prices;
use tokio::sync::mpsc;

use super::metrics::ask;
use super::process::{Daemon, QUICK};
use crate::support::cids::v1;
use crate::support::programs::{say, skip};
use crate::support::tree::Tree;
use crate::support::{mappings, publish, runtime};

/// More than an end may take on a busy machine, and less than what hangs.
const SOON: Duration = Duration::from_secs(30);

const HTTP: &str = "[http]\nlisten = \"127.0.0.1:0\"\n";
const ALERT: &str = "[[alert]]\nname = \"any\"\nwhen = \"SELECT 1 FROM pins has rows\"\n";

/// A directory that answers until it is stopped.
struct Mount {
    program: Child,
    place: PathBuf,
}

impl Mount {
    /// Puts one in the place of a backend that is there; `None` where none can be made.
    fn over(tree: &Tree, backend: &str) -> Option<Mount> {
        let place = tree.root().join("backends").join(backend);
        let behind = tree.home().join("behind");
        fs::rename(&place, &behind).unwrap();
        fs::create_dir(&place).unwrap();
        let mut command = Command::new("bindfs");
        command.arg("-f").arg("--no-allow-other").arg(&behind).arg(&place);
        let program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(program) = program else {
            skip("there is no bindfs");
            return None;
        };
        let mut mount = Mount { program, place };
        let since = Instant::now();
        while fs::read_dir(&mount.place).unwrap().count() == 0 {
            if mount.program.try_wait().unwrap().is_some() {
                // Nobody can install that: a machine may let nothing be mounted.
                say("skipped: nothing can be mounted here");
                return None;
            }
            assert!(since.elapsed() < SOON, "nothing is mounted");
            sleep(Duration::from_millis(20));
        }
        Some(mount)
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.program.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn hang(&self) {
        self.signal("-STOP");
        // Until what the system still knows of it is old.
        sleep(Duration::from_millis(1500));
    }

    fn answer(&self) {
        self.signal("-CONT");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        for command in [&["fusermount3", "-u", "-z"][..], &["umount", "-l"]] {
            let mut program = Command::new(command[0]);
            program.args(&command[1..]).arg(&self.place).stderr(Stdio::null());
            if program.status().is_ok_and(|status| status.success()) {
                return;
            }
        }
    }
}

/// Backends `one` and `two`, of which `two` is a mount; `None` where nothing can be mounted.
fn two_of_which_one_is_mounted() -> Option<(Tree, Mount)> {
    let tree = Tree::new();
    one(&tree, "one");
    one(&tree, "two");
    let mount = Mount::over(&tree, "two")?;
    Some((tree, mount))
}

fn one(tree: &Tree, backend: &str) {
    publish(&tree.root(), backend, &mappings(backend, &[(&v1(1), "stored")]));
}

fn address(daemon: &Daemon) -> String {
    daemon.says("listening");
    let log = daemon.log();
    let (_, address) = log.split_once("address=").unwrap();
    address.split_whitespace().next().unwrap().to_owned()
}

/// Ends it, soon and well.
fn ends(daemon: Daemon, root: &Path) {
    let since = Instant::now();
    let (ended, log) = daemon.stop();
    assert!(ended.code() == Some(0) && since.elapsed() < SOON, "{ended}: {log}");
    assert!(!root.join(".pinql/daemon/status.json").exists(), "{log}");
}

#[test]
fn a_configuration_that_does_not_come_keeps_nobody_waiting() {
    let tree = Tree::new();
    one(&tree, "one");
    let daemon = Daemon::start(&tree, &format!("{QUICK}{HTTP}"));
    let address = address(&daemon);
    fs::remove_file(&daemon.config).unwrap();
    // Whoever opens it waits for its writer.
    assert!(Command::new("mkfifo").arg(&daemon.config).status().unwrap().success());
    daemon.signal("-HUP");
    daemon.says("reading the configuration anew");
    daemon.signal("-HUP");
    let (head, _) = ask(&address, "/healthz", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    one(&tree, "two");
    daemon.until("another backend", |status| status["backends"].as_array().unwrap().len() == 2);
    ends(daemon, &tree.root());
}

#[test]
fn a_mount_that_hangs_from_the_start_on_or_at_a_reload_keeps_nobody_waiting() {
    let Some((tree, mount)) = two_of_which_one_is_mounted() else { return };
    let config = format!("{QUICK}{HTTP}{ALERT}");
    mount.hang();
    let daemon = Daemon::spawn(&tree, &config);
    let begun = address(&daemon);
    daemon.says("looking whether the alerts can be asked");
    let (head, body) = ask(&begun, "/healthz", "");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}\n{body}");
    ends(daemon, &tree.root());
    mount.answer();
    fs::remove_file(tree.home().join("log")).unwrap();
    let daemon = Daemon::start(&tree, &config);
    let begun = address(&daemon);
    mount.hang();
    daemon.signal("-HUP");
    daemon.says("reading the configuration anew");
    let (head, _) = ask(&begun, "/metrics", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    ends(daemon, &tree.root());
}

#[test]
fn a_backend_that_does_not_answer_is_named_until_it_does() {
    let Some((tree, mut mount)) = two_of_which_one_is_mounted() else { return };
    let probe = format!(
        "[[probe]]\nbackend = \"two\"\nevery = \"1s\"\ntimeout = \"2s\"\npath = \"{}\"\n",
        mount.place.join("pin_mappings.parquet").display()
    );
    let daemon = Daemon::start(&tree, &format!("{}{HTTP}{probe}", QUICK.replace("1h", "1s")));
    let address = address(&daemon);
    mount.hang();
    let status = daemon.until("its silence", |status| status["problems"]["reading"].is_string());
    let problem = status["problems"]["reading"].as_str().unwrap();
    assert!(problem.ends_with(": two has not answered") && problem.starts_with("since "), "{problem}");
    let said = tree.run(&["daemon", "status"]);
    assert!(said.contains("two has not answered") && said.ends_with("--- exit 1"), "{said}");
    assert!(said.contains("two is not reachable: no answer within 2 s"), "{said}");
    let (_, body) = ask(&address, "/metrics", "");
    let readable =
        |name: &str, value| body.contains(&format!("pinql_backend_readable{{backend=\"{name}\"}} {value}\n"));
    assert!(readable("one", 1) && readable("two", 0), "{body}");
    let (head, _) = ask(&address, "/healthz", "");
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    mount.answer();
    daemon.until("its answer", |status| status["problems"] == serde_json::json!({}));
    // One that is dead is no file that is missing.
    mount.program.kill().unwrap();
    mount.program.wait().unwrap();
    let detail = |status: &serde_json::Value| {
        status["backends"][1]["probe"]["detail"].as_str().unwrap_or_default().to_owned()
    };
    let status = daemon.until("its end", |status| {
        detail(status).contains("not connected") && status["backends"][1]["state"] == "unreadable"
    });
    assert!(!status["backends"][1]["reason"].as_str().unwrap().contains("damaged"), "{status:#}");
    ends(daemon, &tree.root());
}

#[test]
fn who_asks_a_mount_that_hangs_waits_no_longer_than_said() {
    let Some((tree, mount)) = two_of_which_one_is_mounted() else { return };
    mount.hang();
    let since = Instant::now();
    let said = tree.run(&["daemon", "intelligent", "status", "--timeout", "2s"]);
    assert!(said.contains("time") && said.ends_with("--- exit 2"), "{said}");
    assert!(since.elapsed() < SOON, "{said}");
}

/// A clock that keeps whoever asks it, as a file system may.
#[derive(Debug, Default)]
struct Stuck {
    is_stuck: AtomicBool,
    has_kept: AtomicBool,
}

impl Clock for Stuck {
    fn now(&self) -> DateTime<Utc> {
        while self.is_stuck.load(Ordering::SeqCst) {
            self.has_kept.store(true, Ordering::SeqCst);
            sleep(Duration::from_millis(10));
        }
        Utc::now()
    }
}

#[test]
fn an_observation_that_keeps_its_thread_is_left() {
    let tree = Tree::new();
    one(&tree, "one");
    let clock = Arc::new(Stuck::default());
    let world = Surroundings {
        clock: Arc::clone(&clock) as _,
        usage: || None,
        process: std::process::id(),
        reports: Reports::built_in(),
        prices: Prices::default(),
        config_path: None,
    };
    let config =
        Config::parse(Path::new("daemon.toml"), &QUICK.replace("1h", "10ms"), &world.reports).unwrap();
    let (workers, desk) =
        (runtime(), tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    let (orders, receiver) = mpsc::channel(1);
    let (kept, root) = (Arc::clone(&clock), tree.root());
    let told = std::thread::spawn(move || {
        let status = root.join(".pinql/daemon/status.json");
        while !status.exists() {
            sleep(Duration::from_millis(10));
        }
        kept.is_stuck.store(true, Ordering::SeqCst);
        while !kept.has_kept.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(10));
        }
        orders.blocking_send(Order::Stop).unwrap();
        Instant::now()
    });
    let ended = desk.block_on(daemon::run(&tree.root(), config, world, receiver, workers.handle()));
    assert!(ended.is_ok() && told.join().unwrap().elapsed() < SOON, "{ended:?}");
    assert!(!tree.root().join(".pinql/daemon/status.json").exists());
    clock.is_stuck.store(false, Ordering::SeqCst);
}

#[test]
fn nothing_stays_of_a_command_that_takes_too_long() {
    let tree = Tree::new();
    one(&tree, "one");
    let left = tree.home().join("left");
    let shell =
        format!("(sleep 303 & echo $! >> {0}; wait)& sleep 304 & echo $! >> {0}; wait", left.display());
    let tell = format!("notify = [\"slow\"]\n[notify.slow]\nshell = \"{shell}\"\ntimeout = \"1s\"\n");
    let daemon = Daemon::start(&tree, &format!("{QUICK}{ALERT}{tell}"));
    daemon.says("no end within 1 s");
    let numbers = fs::read_to_string(&left).unwrap();
    let first: Vec<&str> = numbers.lines().take(2).collect();
    assert_eq!(first.len(), 2, "{numbers}");
    let since = Instant::now();
    let runs = |number: &&str| {
        Command::new("kill").args(["-0", number]).stderr(Stdio::null()).status().unwrap().success()
    };
    // One that is dead has a number until its parent has looked.
    let is_dead = |number: &str| {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        stat.contains(") Z ")
    };
    while first.iter().any(|number| runs(number) && !is_dead(number)) {
        assert!(since.elapsed() < SOON, "{numbers} still run\n{}", daemon.log());
        sleep(Duration::from_millis(50));
    }
    daemon.stop();
}

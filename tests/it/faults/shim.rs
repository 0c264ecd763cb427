//! The program with a fault in it: see `shim.c`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use tempfile::NamedTempFile;

/// What goes wrong, and at which change of the disk, counted from 1.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Nothing: changes are only counted.
    None,
    /// The process is killed instead of making it.
    Kill(usize),
    /// It fails with EIO; everything after it goes well.
    Broken(usize),
    /// From it on there is no space left.
    Full(usize),
    /// The process is stopped before it, until [`Stopped::go_on`].
    Stop(usize),
}

/// A run that has ended.
pub struct Run {
    pub output: Output,
    /// What it changed under the root, in order: `renameat /backends/s3/pin_mappings.car`.
    pub changes: Vec<String>,
}

impl Run {
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// The program, with arguments, over the data directory `root`.
pub fn pinql(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
    command.args(args).env_clear().env("HOME", root).env("PINQL_ROOT", root).stdin(Stdio::null());
    command
}

/// Runs the program without any fault and without the shim.
pub fn run(root: &Path, args: &[&str]) -> Run {
    Run { output: pinql(root, args).output().unwrap(), changes: Vec::new() }
}

/// Runs the program with a fault, or counts what it changes.
pub fn run_with(root: &Path, args: &[&str], fault: Fault) -> Run {
    let log = NamedTempFile::new().unwrap();
    let output = with_shim(root, args, fault, log.path()).output().unwrap();
    let refused = output.status.code() == Some(97);
    assert!(!refused, "no shim on this machine: {}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(log.path()).unwrap();
    let changes = text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    Run { output, changes }
}

fn with_shim(root: &Path, args: &[&str], fault: Fault, log: &Path) -> Command {
    let (word, at) = match fault {
        Fault::None => ("none", 0),
        Fault::Kill(at) => ("kill", at),
        Fault::Broken(at) => ("eio", at),
        Fault::Full(at) => ("full", at),
        Fault::Stop(at) => ("stop", at),
    };
    let mut command = pinql(root, args);
    command.env("LD_PRELOAD", library()).env("FAULT_UNDER", root.canonicalize().unwrap());
    command.env("FAULT_LOG", log).env("FAULT_AT", at.to_string()).env("FAULT_DO", word);
    command
}

/// The shim, compiled once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = crate::support::repository("tests/it/faults/shim.c");
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pinql-faults.so");
        let beside = place.with_extension(std::process::id().to_string());
        let mut compiler = Command::new("cc");
        compiler.args(["-std=gnu11", "-O1", "-Wall", "-shared", "-fPIC", "-o"]).arg(&beside).arg(source);
        let compiled = compiler.status().expect("these tests need a C compiler called cc");
        assert!(compiled.success(), "cc cannot compile the shim");
        fs::rename(beside, &place).unwrap();
        place
    })
}

/// A run that stands still before one of its changes.
pub struct Stopped {
    child: Child,
    _log: NamedTempFile,
}

/// Runs the program up to a change, and stops it there; `Err` if it ended before.
pub fn stop_at(root: &Path, args: &[&str], change: usize) -> Result<Stopped, Output> {
    let log = NamedTempFile::new().unwrap();
    let mut command = with_shim(root, args, Fault::Stop(change), log.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    loop {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        if state.starts_with('T') {
            return Ok(Stopped { child, _log: log });
        }
        if child.try_wait().unwrap().is_some() {
            return Err(child.wait_with_output().unwrap());
        }
        sleep(Duration::from_millis(2));
    }
}

impl Stopped {
    pub fn go_on(self) -> Output {
        let sent = Command::new("kill").args(["-CONT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait_with_output().unwrap()
    }
}

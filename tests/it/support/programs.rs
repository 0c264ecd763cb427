//! Other programs that tests ask: installed once, and needed only where a test must not be skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::repository;

/// Set where the tests with other programs must run, as in `.ci/run`.
const REQUIRED: &str = "PINQL_REQUIRE_INTEROP";

/// What a program prints, or why it failed.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Says that a test is skipped, where it may be.
pub fn skip(why: &str) {
    assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
    say(&format!("skipped: {why}"));
}

/// Tells whoever runs the tests something.
#[allow(clippy::print_stderr)]
pub fn say(what: &str) {
    eprintln!("{what}");
}

/// A Python with the packages of `tests/readback`.
pub fn python() -> Result<PathBuf, String> {
    // Tests that need it run side by side.
    static INSTALLED: std::sync::OnceLock<Result<PathBuf, String>> = std::sync::OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("PINQL_PYTHON") {
        return Ok(named.into());
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readback");
    let python = dir.join("bin/python");
    let wanted =
        fs::read(repository("tests/readback/requirements.txt")).map_err(|error| error.to_string())?;
    if fs::read(dir.join("installed.txt")).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if std::env::var_os(REQUIRED).is_none() {
        return Err(format!(
            "the readers are not installed: set {REQUIRED} to install them, or PINQL_PYTHON"
        ));
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
    let list = repository("tests/readback/requirements.txt");
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(list))?;
    fs::write(dir.join("installed.txt"), wanted).map_err(|error| error.to_string())?;
    Ok(python)
}

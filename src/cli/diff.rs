//! `pinql diff A B`: pins that were added or removed, or are in another state, between two roots, two backends, or a backend
//! and a backup of it.

use std::fs;
use std::path::Path;

use arrow::error::ArrowError;
use clap::{Arg, ArgMatches, Command};
use pinql::Error;
use pinql::diff::{self, Changes};
use pinql::report::{Bindings, Value};
use pinql::session::Session;
use pinql::store::layout;
use tempfile::TempDir;

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::runner::{Runner, Running};
use super::ui::Ui;
use super::{Exit, open_at, output, places};

/// The backend that a backup file is made, for the time of a comparison.
const BACKUP: &str = "backup";

pub fn command() -> Command {
    let side =
        |name: &'static str, help: &'static str| Arg::new(name).required(true).value_name(name).help(help);
    Command::new("diff")
        .about("Tell which pins were added or removed, or are in another state; exit code 1 if any")
        .arg(side("A", "The old side: a data directory, a backend, or a backup of a pin_mappings.parquet"))
        .arg(side("B", "The new side"))
}

/// One side of the comparison.
struct Side {
    runner: Runner,
    /// The one backend that it is of.
    backend: Option<String>,
    /// Where a backup lies as a data directory, until the end.
    _dir: Option<TempDir>,
}

pub fn run(options: &Options, given: &ArgMatches, ui: &mut Ui) -> Outcome<Exit> {
    let output = output(options)?;
    let word = |name: &str| given.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let (mut old, mut new) = (side(word("A"), options, ui)?, side(word("B"), options, ui)?);
    if old.backend.is_some() != new.backend.is_some() {
        return Err(Failure::misuse(
            "one side is a data directory and the other a single backend",
            "name two data directories, or two backends or their backups",
        ));
    }
    let (mut old, mut new) = (old.start()?, new.start()?);
    old.columns()?;
    new.columns()?;
    let mut count = 0;
    {
        let next = |side: &mut Running<'_>| side.batch().map_err(Stop::Failure);
        let mut changes = Changes::new(|| next(&mut old), || next(&mut new));
        output.encode(diff::columns(), || {
            let batch = changes.batch().map_err(Failure::from)?;
            count += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
            Ok(batch)
        })?;
    }
    ui.skipped(old.skipped());
    ui.skipped(new.skipped());
    Ok(if count > 0 || ui.tells_something() { Exit::Found } else { Exit::Done })
}

/// What ends a comparison early.
enum Stop {
    Failure(Failure),
    Columns(ArrowError),
}

impl From<ArrowError> for Stop {
    fn from(error: ArrowError) -> Stop {
        Stop::Columns(error)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        match stop {
            Stop::Failure(failure) => failure,
            Stop::Columns(error) => Error::Engine { message: error.to_string() }.into(),
        }
    }
}

impl Side {
    fn start(&mut self) -> Outcome<Running<'_>> {
        let mut bindings = Bindings::default();
        if let Some(backend) = &self.backend {
            bindings.0.insert("backend".into(), Value::Text(backend.clone()));
        }
        self.runner.start(&diff::pins_sql(self.backend.is_some()), &bindings)
    }
}

fn side(word: &str, options: &Options, ui: &Ui) -> Outcome<Side> {
    let path = Path::new(word);
    if path.join(layout::BACKENDS).is_dir() {
        return Ok(Side { runner: open_at(path, options, ui)?, backend: None, _dir: None });
    }
    if path.is_file() {
        let dir = backup(path)?;
        return Ok(Side {
            runner: open_at(dir.path(), options, ui)?,
            backend: Some(BACKUP.into()),
            _dir: Some(dir),
        });
    }
    let root = places::root(options.root.as_deref(), options.root_default.as_deref())?;
    let runner = open_at(&root, options, ui)?;
    match names(runner.session())?.iter().any(|name| name == word) {
        true => Ok(Side { runner, backend: Some(word.into()), _dir: None }),
        false => Err(Failure::misuse(
            format!(
                "`{word}` is neither a data directory, nor a backup, nor a backend of {}",
                root.display()
            ),
            "`pinql backend list` names the backends",
        )),
    }
}

fn names(session: &Session) -> Outcome<Vec<String>> {
    Ok(session.data_dir().backends()?.into_iter().map(|backend| backend.name).collect())
}

/// A data directory with this file as its only backend: linked where that is possible, else copied.
fn backup(file: &Path) -> Outcome<TempDir> {
    let failed = |source| Error::Write { path: file.into(), source };
    let beside = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the file a link is possible; where nothing may be written, it is copied to the usual place.
    let dir =
        tempfile::Builder::new().prefix(".pinql-diff-").tempdir_in(beside).or_else(|_| tempfile::tempdir());
    let dir = dir.map_err(failed)?;
    let place = dir.path().join(layout::BACKENDS).join(BACKUP);
    fs::create_dir_all(&place).map_err(failed)?;
    let target = place.join("pin_mappings.parquet");
    fs::hard_link(file, &target).or_else(|_| fs::copy(file, &target).map(drop)).map_err(failed)?;
    Ok(dir)
}

//! `pinql diff A B`: pins that were added or removed, or are in another state, between two roots, two backends, or a backend
//! and a backup of it.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use arrow::error::ArrowError;
use chrono::Utc;
use clap::{Arg, ArgMatches, Command};
use pinql::Error;
use pinql::diff::{self, Changes};
use pinql::migrate::{self, Progress, RestoreFrom};
use pinql::report::{Bindings, Kind, Value};
use pinql::store::layout;
use tempfile::TempDir;

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::named::{self, Known};
use super::runner::{Runner, Running};
use super::ui::{Ui, one_line};
use super::{Exit, open_at, output, places};

/// The backend that a backup file is made, for the time of a comparison.
const BACKUP: &str = "backup";
/// Behind the name of a backend: the CAR beside its mappings.
const CAR: &str = "@car";
/// How Parquet begins.
const PARQUET: &[u8] = b"PAR1";

pub fn command() -> Command {
    let side =
        |name: &'static str, help: &'static str| Arg::new(name).required(true).value_name(name).help(help);
    Command::new("diff")
        .about("Tell which pins were added or removed, or are in another state; exit code 1 if any")
        .arg(side("A", "The old side: a data directory, a backend, its CAR (NAME@car), or a file: mappings, a CAR, a kept one"))
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
    // Both sides run at once.
    let halved = Options { memory_limit: options.memory_limit.unwrap_or_default().half(), ..options.clone() };
    let word = |name: &str| given.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let (mut old, mut new) = (side(word("A"), &halved, ui)?, side(word("B"), &halved, ui)?);
    if old.backend.is_some() != new.backend.is_some() {
        return Err(Failure::misuse(
            "one side is a data directory and the other a single backend",
            "name two data directories, or two backends or their backups",
        ));
    }
    let without = untold([&mut old, &mut new], options, ui)?;
    let (mut old, mut new) = (old.start(&without)?, new.start(&without)?);
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
    let late: Vec<String> =
        old.skipped().iter().chain(new.skipped()).map(|skipped| skipped.backend.clone()).collect();
    ui.skipped(old.skipped());
    ui.skipped(new.skipped());
    ui.has_answered_for(&late)?;
    Ok(if count > 0 || ui.tells_something() { Exit::Found } else { Exit::Done })
}

/// The backends of two data directories whose pins one of them cannot tell: they are compared on neither side, for nothing is
/// not what they have.
///
/// # Errors
/// If one is unreadable and such are not to be skipped, or the only backend of a side is such a one.
fn untold(sides: [&mut Side; 2], options: &Options, ui: &mut Ui) -> Outcome<Vec<String>> {
    let mut without = Vec::new();
    for side in sides {
        let known = named::all(&mut side.runner)?;
        if let Some(backend) = &side.backend {
            named::check(std::slice::from_ref(backend), &known)?;
            continue;
        }
        // The query itself says what is wrong with an unreadable one.
        let passed_over = |known: &&Known| match known.state.as_str() {
            "unreadable" => options.skip_unreadable,
            "alias" => false,
            _ => !known.is_told(),
        };
        for known in known.iter().filter(passed_over) {
            if without.contains(&known.name) {
                continue;
            }
            ui.say(&one_line(&format!("backend {} is not compared: {}", known.name, known.problem())));
            ui.has_found();
            without.push(known.name.clone());
        }
    }
    Ok(without)
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
    fn start(&mut self, without: &[String]) -> Outcome<Running<'_>> {
        let mut bindings = Bindings::default();
        match &self.backend {
            Some(backend) => bindings.0.insert("backend".into(), Value::Text(backend.clone())),
            None => {
                let names = without.iter().cloned().map(Value::Text).collect();
                bindings.0.insert("without".into(), Value::List(Kind::Backend, names))
            }
        };
        self.runner.start(&diff::pins_sql(self.backend.is_some()), &bindings)
    }
}

fn side(word: &str, options: &Options, ui: &Ui) -> Outcome<Side> {
    let path = Path::new(word);
    if path.join(layout::BACKENDS).is_dir() {
        return Ok(Side { runner: open_at(path, options, ui)?, backend: None, _dir: None });
    }
    // A file of that name in the working directory is none that was meant, unless no backend was.
    let is_path = path.components().count() > 1;
    if is_path && path.is_file() {
        return of_backup(path, None, options, ui);
    }
    let root = places::root(options.root.as_deref(), options.root_default.as_deref());
    let runner = match root {
        Ok(root) => open_at(&root, options, ui)?,
        Err(_) if path.is_file() => return of_backup(path, None, options, ui),
        Err(failure) => return Err(failure),
    };
    let data = runner.session().data_dir();
    let root = data.root().display().to_string();
    let backends = data.backends()?;
    let known = |name: &str| backends.iter().find(|backend| backend.name == name);
    if known(word).is_some() {
        return Ok(Side { runner, backend: Some(word.into()), _dir: None });
    }
    if let Some(backend) = word.strip_suffix(CAR).and_then(known) {
        let car = backend.path.join(layout::CAR);
        return match car.is_file() {
            true => of_backup(&car, Some(&backend.name), options, ui),
            false => Err(Failure::misuse(
                format!("backend `{}` has no {}", backend.name, layout::CAR),
                format!("`pinql backend export-car {}` makes it", backend.name),
            )),
        };
    }
    match path.is_file() {
        true => of_backup(path, None, options, ui),
        false => Err(Failure::misuse(
            format!("`{word}` is neither a data directory, nor a backup, nor a backend of {root}"),
            "`pinql backend list` names the backends",
        )),
    }
}

/// A side that is a backup, of this backend if that is known.
fn of_backup(file: &Path, of: Option<&str>, options: &Options, ui: &Ui) -> Outcome<Side> {
    let name = of.unwrap_or(BACKUP);
    let failed = |source| Error::Read { path: file.into(), source };
    // A link beside it would be none to follow.
    let file = file.canonicalize().map_err(failed)?;
    let mut start = Vec::new();
    let opened = File::open(&file).and_then(|file| file.take(PARQUET.len() as u64).read_to_end(&mut start));
    opened.map_err(failed)?;
    let is_car = start != PARQUET;
    let dir = tempfile::Builder::new().prefix("pinql-diff-").tempdir().map_err(failed)?;
    let place = dir.path().join(layout::BACKENDS).join(name);
    let copy = place.join(if is_car { layout::CAR } else { layout::MAPPINGS });
    backup(&file, &copy)?;
    let mut runner = open_at(dir.path(), options, ui)?;
    if is_car {
        let options = migrate::Options::at(Utc::now().timestamp_micros());
        let from = RestoreFrom::Car { salvage: false };
        let restored = runner.work(&Arc::new(Progress::default()), |_| {}, {
            let name = name.to_owned();
            move |session, progress| migrate::restore(session, &name, &from, &options, progress)
        });
        // What is wrong with the copy is wrong with the file.
        let restored = restored.map_err(|failure| failure.about(&copy, &file))?;
        // Of one that could be anybody's, they say that its mappings name another backend.
        let notes = restored.notes.iter().filter(|_| of.is_some());
        notes.for_each(|note| ui.say(&one_line(&format!("{}: {note}", file.display()))));
    }
    Ok(Side { runner, backend: Some(name.into()), _dir: Some(dir) })
}

/// Puts a file into a data directory that is there for a comparison only, for that writes nothing beside data: linked where
/// that is possible, else copied.
fn backup(file: &Path, copy: &Path) -> Outcome<()> {
    let failed = |source| Error::Write { path: copy.into(), source };
    fs::create_dir_all(copy.parent().unwrap_or(copy)).map_err(failed)?;
    fs::hard_link(file, copy).or_else(|_| fs::copy(file, copy).map(drop)).map_err(failed)?;
    Ok(())
}

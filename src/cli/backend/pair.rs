//! `pinql backend verify`, `restore` and `export-car`: the mappings and their CAR.

use std::path::PathBuf;
use std::sync::Arc;

use pinql::migrate::{self, Options as Change, Progress, RestoreFrom, Restored, Verified};
use pinql::store::Mappings;

use super::{CarArgs, RestoreArgs, Source, size};
use crate::cli::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::progress::Bar;
use crate::cli::rows::{number, text, write};
use crate::cli::runner::Runner;
use crate::cli::ui::Ui;

/// The backends that were named, else all that have mappings of their own.
pub(super) fn chosen(runner: &Runner, names: Vec<String>) -> Outcome<Vec<String>> {
    if !names.is_empty() {
        return Ok(names);
    }
    let all = runner.session().data_dir().backends()?;
    let own =
        all.into_iter().filter(|backend| !matches!(backend.mappings, Mappings::Absent | Mappings::SameAs(_)));
    Ok(own.map(|backend| backend.name).collect())
}

/// Does one thing to each backend. What fails is told, and the others go on; the last failure counts.
pub(super) fn each<T: Send + 'static>(
    runner: &mut Runner,
    names: &[String],
    ui: &Ui,
    task: impl Fn(&pinql::session::Session, &str, &Progress) -> pinql::Result<T> + Clone + Send + 'static,
) -> Outcome<(Vec<T>, bool)> {
    let (mut done, mut failed) = (Vec::new(), false);
    for name in names {
        let (name, task) = (name.clone(), task.clone());
        let progress = Arc::new(Progress::default());
        let bar = Bar::new();
        let ended = runner.work(
            &progress,
            |seen| bar.show(seen),
            move |session, progress| task(session, &name, progress),
        );
        drop(bar);
        match ended {
            Ok(value) => done.push(value),
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => {
                ui.fail(&failure);
                failed = true;
            }
        }
    }
    Ok((done, failed))
}

pub fn verify(runner: &mut Runner, names: Vec<String>, output: &Output, ui: &Ui) -> Outcome<Exit> {
    let names = chosen(runner, names)?;
    let options = CarArgs { car_format: migrate::CarFormat::Car }.change(false);
    let (all, failed) = each(runner, &names, ui, move |session, name, progress| {
        migrate::verify(session, name, &options, progress)
    })?;
    let agrees = |verified: &Verified| match verified {
        verified if verified.car_rows.is_none() => "no CAR",
        verified if verified.agrees() => "agrees",
        _ => "differs",
    };
    let columns = vec![
        text("backend", all.iter().map(|one| Some(&one.backend))),
        text("state", all.iter().map(|one| Some(agrees(one)))),
        number("mappings", all.iter().map(|one| Some(one.rows))),
        number("in_car", all.iter().map(|one| one.car_rows)),
        number("different", all.iter().map(|one| Some(one.different))),
        text("car_root", all.iter().map(|one| one.car_root.as_ref())),
    ];
    write(columns, output)?;
    for one in &all {
        for difference in &one.differences {
            ui.say(&format!("{}: {}: {}", one.backend, difference.cid, difference.what));
        }
        let shown = one.differences.len() as u64;
        if one.different > shown {
            ui.say(&format!("{}: {} more", one.backend, one.different - shown));
        }
        one.notes.iter().for_each(|note| ui.say(&format!("{}: {note}", one.backend)));
    }
    Ok(match failed {
        true => Exit::Failed,
        false if all.iter().all(Verified::agrees) => Exit::Done,
        false => Exit::Found,
    })
}

pub fn restore(runner: &mut Runner, args: RestoreArgs, output: &Output, ui: &Ui) -> Outcome<Exit> {
    let from = match (args.from, args.backup) {
        (Some(Source::Car), Some(_)) => {
            return Err(Failure::misuse("--backup does not go with --from car", "write --from backup"));
        }
        (source, _) if args.salvage && source != Some(Source::Car) => {
            return Err(Failure::misuse("--salvage goes with --from car only", "write --from car"));
        }
        (Some(Source::Car), None) => RestoreFrom::Car { salvage: args.salvage },
        (_, backup) => RestoreFrom::Backup(backup),
    };
    let (options, name) = (args.car.change(args.dry_run), args.name);
    let shown = name.clone();
    let progress = Arc::new(Progress::default());
    let bar = Bar::new();
    let restored = runner.work(
        &progress,
        |seen| bar.show(seen),
        move |session, progress| migrate::restore(session, &name, &from, &options, progress),
    );
    drop(bar);
    let Restored { from, rows, files, notes } = restored?;
    let columns = vec![
        text("backend", [Some(&shown)]),
        text("from", [from.file_name().map(|name| name.to_string_lossy())]),
        number("mappings", [rows]),
    ];
    write(columns, output)?;
    let verb = if args.dry_run { "would write" } else { "wrote" };
    for file in files {
        let kept = file.kept_as.map(|kept| format!("; the one before is kept as {kept}")).unwrap_or_default();
        ui.say(&format!("{shown}: {verb} {} ({}){kept}", file.name, size(file.bytes)));
    }
    notes.iter().for_each(|note| ui.say(&format!("{shown}: {note}")));
    Ok(Exit::Done)
}

pub fn export_car(
    runner: &mut Runner,
    names: Vec<String>,
    options: Change,
    output: &Output,
    ui: &Ui,
) -> Outcome<Exit> {
    let names = chosen(runner, names)?;
    let (all, failed) = each(runner, &names, ui, move |session, name, progress| {
        migrate::export_car(session, name, None::<PathBuf>.as_deref(), &options, progress)
    })?;
    let file = |name: fn(&migrate::WrittenFile) -> Option<String>| {
        all.iter().map(move |one| one.file.as_ref().and_then(name))
    };
    let columns = vec![
        text("backend", all.iter().map(|one| Some(&one.backend))),
        text("state", all.iter().map(|one| Some(if one.file.is_some() { "written" } else { "up to date" }))),
        number("mappings", all.iter().map(|one| Some(one.rows))),
        number("bytes", all.iter().map(|one| one.file.as_ref().map(|file| file.bytes))),
        text("car_root", all.iter().map(|one| one.root.as_ref())),
        text("kept_as", file(|file| file.kept_as.clone())),
    ];
    write(columns, output)?;
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

//! `pinql backend list`, `show` and `prune-backups`: what lies in the directories.

use std::fs;

use pinql::Error;
use pinql::migrate::Filter;
use pinql::report::Bindings;
use pinql::store::{backup, layout};

use crate::cli::Exit;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::query;
use crate::cli::rows::{number, text, write};
use crate::cli::runner::Runner;
use crate::cli::ui::Ui;

const LIST: &str = "SELECT name, type, state, rows, bytes, modified_at, has_car, has_pins_json, laid_out, reason \
                    FROM backends ORDER BY name";

pub fn list(runner: &mut Runner, output: &Output, ui: &mut Ui) -> Outcome<Exit> {
    query::answer(runner, LIST, &Bindings::default(), output, ui, None)?;
    Ok(Exit::Done)
}

/// The files of one backend.
pub fn one(runner: &mut Runner, name: &str, output: &Output, ui: &mut Ui) -> Outcome<Exit> {
    let backend = runner.session().data_dir().backend(name)?;
    let kept = backup::backups(&backend.path);
    let known = [layout::MAPPINGS, layout::CAR, layout::LEGACY, layout::REJECTS];
    let present = known.into_iter().filter_map(|file| {
        let found = fs::metadata(backend.path.join(file)).ok()?;
        Some((file.to_owned(), meaning(file).to_owned(), found.is_file().then_some(found.len())))
    });
    let kept = kept.iter().map(|backup| (backup.name(), format!("kept of {}", backup.of), Some(backup.size)));
    let files: Vec<_> = present.chain(kept).collect();
    write(
        vec![
            text("file", files.iter().map(|(name, _, _)| Some(name))),
            text("what", files.iter().map(|(_, what, _)| Some(what))),
            number("bytes", files.iter().map(|(_, _, bytes)| *bytes)),
        ],
        output,
    )?;
    let (_, batches) = runner.collect(LIST, &Bindings::default())?;
    let row = batches.iter().find_map(|batch| {
        let names = arrow::array::AsArray::as_string_view(batch.column(0).as_ref());
        (0..batch.num_rows()).find(|row| names.value(*row) == name).map(|row| (batch, row))
    });
    if let Some((batch, row)) = row {
        let value = |column: &str| {
            let array = batch.column_by_name(column)?;
            let options = arrow::util::display::FormatOptions::default();
            let shown = arrow::util::display::ArrayFormatter::try_new(array.as_ref(), &options).ok()?;
            Some(shown.value(row).to_string()).filter(|text| !text.is_empty())
        };
        let parts = ["state", "type", "rows", "laid_out", "reason"];
        let parts = parts.iter().filter_map(|part| Some(format!("{part}: {}", value(part)?)));
        ui.say(&parts.collect::<Vec<_>>().join(", "));
    }
    Ok(Exit::Done)
}

fn meaning(file: &str) -> &'static str {
    match file {
        layout::MAPPINGS => "the mappings",
        layout::CAR => "the CAR of the mappings",
        layout::LEGACY => "waits to be migrated",
        _ => "what was no pin; the table `rejects`",
    }
}

/// Removes kept files, but for the newest of each kind.
pub fn prune(
    runner: &mut Runner,
    names: &[String],
    keep: usize,
    dry_run: bool,
    output: &Output,
    ui: &Ui,
) -> Outcome<Exit> {
    let filter = Filter::names(names);
    let backends = runner.session().data_dir().backends()?;
    let unmatched = filter.unmatched(backends.iter().map(|backend| backend.name.as_str()));
    let mut removed = Vec::new();
    for backend in backends.iter().filter(|backend| filter.chooses(&backend.name)) {
        if matches!(backend.mappings, pinql::store::Mappings::SameAs(_)) {
            continue;
        }
        for kept in backup::older(&backend.path, keep) {
            if !dry_run {
                backup::remove(&kept)?;
            }
            removed.push((backend.name.clone(), kept.name(), kept.size));
        }
    }
    write(
        vec![
            text("backend", removed.iter().map(|(backend, _, _)| Some(backend))),
            text("file", removed.iter().map(|(_, file, _)| Some(file))),
            number("bytes", removed.iter().map(|(_, _, bytes)| Some(*bytes))),
        ],
        output,
    )?;
    if dry_run {
        ui.say("dry run: nothing was removed");
    }
    match unmatched.into_iter().next() {
        Some(text) => {
            let known = backends.into_iter().map(|backend| backend.name).collect();
            Err(Error::Unknown { what: "a backend", text, known }.into())
        }
        None => Ok(Exit::Done),
    }
}

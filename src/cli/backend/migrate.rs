//! `pinql backend migrate-pin-mappings`: what is done is told as a table, or as JSON.

use std::sync::Arc;

use pinql::migrate::{self, BackendOutcome, Filter, MigrationOutcome, Mode, Progress};
use pinql::pin::counted;

use super::{MigrateArgs, size};
use crate::cli::Exit;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::progress::Bar;
use crate::cli::rows::{number, text, write};
use crate::cli::runner::Runner;
use crate::cli::ui::Ui;

/// Migrates, and tells what came of it.
pub fn run(runner: &mut Runner, args: &MigrateArgs, output: &Output, ui: &mut Ui) -> Outcome<Exit> {
    let mut options = args.car.change(args.dry_run);
    options.filter = match &args.backend_filter {
        Some(part) => Filter::part(part),
        None => Filter::names(args.filter.iter().map(|name| name.trim())),
    };
    let progress = Arc::new(Progress::default());
    let bar = Bar::new();
    let outcome = runner.work(
        &progress,
        |seen| bar.show(seen),
        move |session, progress| migrate::migrate(session, &options, progress),
    );
    drop(bar);
    let outcome = outcome?;
    match args.json {
        true => output.write(|out| {
            let text = serde_json::to_string_pretty(&outcome.to_json()).unwrap_or_default();
            writeln!(out, "{text}").map_err(Failure::output)
        })?,
        false => write(table(&outcome), output)?,
    }
    tell(&outcome, ui);
    Ok(match &outcome {
        _ if outcome.has_failed() => Exit::Failed,
        _ if outcome.has_findings() => Exit::Found,
        _ => Exit::Done,
    })
}

fn table(outcome: &MigrationOutcome) -> Vec<(String, arrow::array::ArrayRef)> {
    let backends = &outcome.backends;
    let count = |name: &str, column: fn(&BackendOutcome) -> u64| {
        number(name, backends.iter().map(|backend| Some(column(backend))))
    };
    vec![
        text("backend", backends.iter().map(|backend| Some(&backend.backend))),
        text("state", backends.iter().map(|backend| Some(backend.state.word(outcome.mode)))),
        count("found", |backend| backend.counts.found),
        count("migrated", |backend| backend.counts.migrated()),
        count("repeated", |backend| backend.counts.repeated),
        count("rejected", |backend| backend.counts.rejected),
        count("already_there", |backend| backend.counts.already_there),
        count("errors", |backend| u64::from(backend.error.is_some())),
    ]
}

/// Says what the table does not: reasons, rejects, remarks, and what was written.
fn tell(outcome: &MigrationOutcome, ui: &Ui) {
    for name in &outcome.unmatched {
        ui.say(&format!("no backend fits the filter `{name}`"));
    }
    for backend in &outcome.backends {
        let name = &backend.backend;
        if let Some(error) = &backend.error {
            ui.fail_at(name, error);
        }
        let counts = &backend.counts;
        for reject in &backend.rejects {
            let (entry, line, column) = (reject.entry, reject.line, reject.column);
            ui.say(&format!(
                "{name}: entry {entry} (line {line}, column {column}) rejected: {}",
                reject.reason
            ));
        }
        let shown = backend.rejects.len() as u64;
        if counts.rejected > shown {
            ui.say(&format!("{name}: {} more rejected", counts.rejected - shown));
        }
        backend.notes.iter().for_each(|note| ui.say(&format!("{name}: {note}")));
        if ui.is_verbose() {
            tell_files(backend, outcome.mode, ui);
        }
    }
    if outcome.mode == Mode::DryRun {
        ui.say("dry run: nothing was written");
    }
}

fn tell_files(backend: &BackendOutcome, mode: Mode, ui: &Ui) {
    let name = &backend.backend;
    if let Some(shape) = &backend.shape {
        let counts = &backend.counts;
        ui.say(&format!(
            "{name}: {} read as: {shape}; {} new, {} updated, {} afterwards",
            "pins.json",
            counts.added,
            counts.updated,
            counted(counts.rows, "mapping", "mappings")
        ));
    }
    let verb = if mode == Mode::DryRun { "would write" } else { "wrote" };
    for file in &backend.files {
        let kept = file.kept_as.as_ref().map(|kept| format!("; the one before is kept as {kept}"));
        ui.say(&format!("{name}: {verb} {} ({}){}", file.name, size(file.bytes), kept.unwrap_or_default()));
    }
}

//! `pinql backend optimize` and `doctor`: how mappings are laid out.

use pinql::migrate::{self, Diagnosis};

use super::pair::{chosen, each};
use super::{change, size};
use crate::cli::Exit;
use crate::cli::failure::Outcome;
use crate::cli::output::Output;
use crate::cli::rows::{number, text, write};
use crate::cli::runner::Runner;
use crate::cli::ui::Ui;

pub fn optimize(
    runner: &mut Runner,
    names: Vec<String>,
    dry_run: bool,
    output: &Output,
    ui: &Ui,
) -> Outcome<Exit> {
    let names = chosen(runner, names)?;
    let options = change(dry_run);
    let (all, failed) = each(runner, &names, ui, move |session, name, progress| {
        migrate::optimize(session, name, &options, progress)
    })?;
    let done = if dry_run { "would be optimized" } else { "optimized" };
    let file = |of: fn(&migrate::WrittenFile) -> Option<String>| {
        all.iter().map(move |one| one.file.as_ref().and_then(of))
    };
    let columns = vec![
        text("backend", all.iter().map(|one| Some(&one.backend))),
        text("state", all.iter().map(|one| Some(if one.file.is_some() { done } else { "up to date" }))),
        number("mappings", all.iter().map(|one| Some(one.rows))),
        number("bytes_before", all.iter().map(|one| Some(one.bytes_before))),
        number(
            "bytes",
            all.iter().map(|one| Some(one.file.as_ref().map_or(one.bytes_before, |file| file.bytes))),
        ),
        text("kept_as", file(|file| file.kept_as.clone())),
    ];
    write(columns, output)?;
    for one in &all {
        one.notes.iter().for_each(|note| ui.say(&format!("{}: {note}", one.backend)));
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

pub fn doctor(runner: &mut Runner, names: Vec<String>, output: &Output, ui: &Ui) -> Outcome<Exit> {
    let names = chosen(runner, names)?;
    let (all, failed) = each(runner, &names, ui, move |session, name, _| {
        migrate::diagnose(session, &session.data_dir().backend(name)?)
    })?;
    let columns = vec![
        text("backend", all.iter().map(|one| Some(&one.backend))),
        text("layout", all.iter().map(|one| Some(&one.layout))),
        text("advice", all.iter().map(|one| Some(if one.is_laid_out { "none" } else { "optimize" }))),
        number("mappings", all.iter().map(|one| Some(one.rows))),
        number("bytes", all.iter().map(|one| Some(one.bytes))),
        number("row_groups", all.iter().map(|one| Some(one.row_groups))),
        number("lookup_bytes", all.iter().map(|one| one.lookup_bytes)),
        number("lookup_bytes_optimized", all.iter().map(then)),
    ];
    write(columns, output)?;
    let worse: Vec<&Diagnosis> = all.iter().filter(|one| !one.is_laid_out).collect();
    if !worse.is_empty() {
        let now: u64 = worse.iter().filter_map(|one| one.lookup_bytes).sum();
        let optimized: u64 = worse.iter().filter_map(|one| then(one)).sum();
        ui.say(&format!(
            "{} of {} backends are not laid out: looking up one CID in them reads {}, and about {} after `pinql backend optimize`",
            worse.len(),
            all.len(),
            size(now),
            size(optimized)
        ));
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// What a look-up would read if the files were laid out; what it reads if they are.
fn then(one: &Diagnosis) -> Option<u64> {
    match one.is_laid_out {
        true => one.lookup_bytes,
        false => one.lookup_bytes.map(|now| now.min(one.lookup_bytes_laid_out)),
    }
}

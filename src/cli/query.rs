//! `pinql -c`, `pinql -f`, SQL on stdin: statements one after another, their answers to one place.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

use pinql::Error;
use pinql::export::{Format, Written};
use pinql::report::Bindings;
use pinql::session;
use tracing::debug;

use super::args::{Input, Options};
use super::excerpt::Passage;
use super::export::Manifest;
use super::failure::{Failure, Outcome};
use super::gate;
use super::kept::Kept;
use super::output::{Encoded, Output};
use super::runner::Runner;
use super::ui::Ui;

/// All statements of the inputs, in order. Nothing runs unless all of them can be read.
pub fn read(inputs: &[Input]) -> Outcome<Vec<Passage>> {
    let mut passages = vec![];
    for input in inputs {
        let (origin, text) = text_of(input)?;
        passages.extend(split(&origin, text)?);
    }
    // A single statement on the command line needs no address.
    if let [passage] = &mut passages[..]
        && let [Input::Text(_)] = inputs
    {
        passage.origin = None;
    }
    Ok(passages)
}

fn text_of(input: &Input) -> Outcome<(String, String)> {
    match input {
        Input::Text(text) => Ok(("-c".into(), text.clone())),
        Input::File(path) => Ok((path.display().to_string(), text_in(path, fs::read(path))?)),
        Input::Stdin => {
            let mut bytes = vec![];
            let read = io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
            Ok(("stdin".into(), text_in(Path::new("stdin"), read)?))
        }
    }
}

/// The bytes as text, without the mark that some editors put in front.
fn text_in(path: &Path, bytes: io::Result<Vec<u8>>) -> Outcome<String> {
    let text = bytes.and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    });
    let text = text.map_err(|source| Error::Read { path: path.into(), source })?;
    Ok(text.strip_prefix('\u{feff}').map(String::from).unwrap_or(text))
}

/// The statements of one text.
pub fn split(origin: &str, text: String) -> Outcome<Vec<Passage>> {
    let passage = |first_line, sql| Passage { origin: Some(origin.into()), first_line, sql };
    match session::split_statements(&text) {
        Ok(statements) => Ok(statements.into_iter().map(|found| passage(found.line, found.sql)).collect()),
        Err(error) => Err(Failure::from(error).over(&passage(1, text))),
    }
}

/// Runs statements one after another and says whether all of them did well.
pub fn run(
    engine: &mut Runner,
    passages: &[Passage],
    output: &Output,
    options: &Options,
    ui: &mut Ui,
) -> Outcome<bool> {
    let (mut well, none) = (true, Bindings::default());
    if options.export.manifest.is_some() && passages.len() > 1 {
        return Err(Failure::misuse("a manifest is of one answer", "run the statements one by one"));
    }
    for (index, passage) in passages.iter().enumerate() {
        let parted = if index > 0 { output.separate() } else { Ok(()) };
        match parted.and_then(|()| {
            export(engine, &Asked { report: None, sql: &passage.sql, bindings: &none }, output, options, ui)
        }) {
            // That nobody reads on does not undo what has failed before.
            Err(failure) if !well && failure.is_broken_pipe() => break,
            Err(failure) if options.keep_going && failure.is_of_one_statement() => {
                ui.fail(&failure.over(passage));
                well = false;
            }
            result => result.map_err(|failure| failure.over(passage))?,
        }
    }
    Ok(well)
}

/// What is asked.
pub struct Asked<'a> {
    pub report: Option<&'a str>,
    pub sql: &'a str,
    pub bindings: &'a Bindings,
}

/// Runs one statement, writes its answer, and says what there is to say about it, with gates, and with a manifest if one is
/// asked for.
pub fn export(
    engine: &mut Runner,
    asked: &Asked<'_>,
    output: &Output,
    options: &Options,
    ui: &mut Ui,
) -> Outcome<()> {
    let Asked { report, sql, bindings } = *asked;
    let before = match &options.export.manifest {
        Some(_) => Some(super::export::sources(engine)?),
        None => None,
    };
    let answer = answered(engine, sql, bindings, output, &options.gate, ui, None)?;
    if let (Some(path), Some(before)) = (&options.export.manifest, before) {
        Manifest { report, sql, bindings, before }.write(path, output, &answer, engine)?;
    }
    Ok(())
}

/// The same without these, but the rows may be kept.
pub fn answer(
    engine: &mut Runner,
    sql: &str,
    bindings: &Bindings,
    output: &Output,
    ui: &mut Ui,
    kept: Option<&mut Kept>,
) -> Outcome<Written> {
    let none = gate::Options::default();
    answered(engine, sql, bindings, output, &none, ui, kept).map(|answer| answer.written)
}

fn answered(
    engine: &mut Runner,
    sql: &str,
    bindings: &Bindings,
    output: &Output,
    gates: &gate::Options,
    ui: &mut Ui,
    kept: Option<&mut Kept>,
) -> Outcome<Encoded> {
    let since = Instant::now();
    let mut damaged = Vec::new();
    let (answer, receipt, took) = loop {
        let session = engine.session().clone();
        let mut running = engine.start_without(sql, bindings, &damaged)?;
        let columns = running.columns()?;
        let mut gate = gates.gate(&session, &columns)?;
        let mut fresh = kept.as_ref().map(|_| Kept::of(&columns));
        let mut took = None;
        let next = || {
            let batch = running.batch()?;
            gate.watch(batch.as_ref())?;
            match (&batch, &mut fresh) {
                (Some(batch), Some(fresh)) => fresh.add(batch),
                // The time that people look at a pager is not the query's.
                (None, _) => took = Some(since.elapsed()),
                _ => {}
            }
            Ok(batch)
        };
        match output.encode(columns, next) {
            Ok(answer) => {
                ui.skipped(running.skipped());
                if let Some(section) = output.charted() {
                    ui.chart(section, &answer.columns);
                }
                gate.judge(ui);
                // An answer that fails on the way takes no other's place.
                if let (Some(kept), Some(fresh)) = (kept, fresh) {
                    *kept = fresh;
                }
                break (answer, running.receipt(), took.unwrap_or_else(|| since.elapsed()));
            }
            // Nothing of it stands anywhere yet.
            Err(failure) if output.appears_whole() => damaged.push(failure.skippable()?),
            Err(failure) => {
                // What is shut by the rows seen stays shut, though nobody reads on.
                if failure.is_broken_pipe() {
                    gate.judge(ui);
                }
                return Err(failure);
            }
        }
    };
    debug!(rows = answer.written.rows, elapsed = ?since.elapsed(), "answered");
    if output.format() == Format::Table {
        ui.footer(answer.written, took, receipt);
    }
    Ok(answer)
}

//! `pinql daemon intelligent`: pages for people, and JSON with every key that the older tool's commands had.

mod analysis;
mod backend;
mod health;
mod insights;
mod page;
mod status;
mod thresholds;

use std::path::PathBuf;

use chrono::Utc;
use pinql::daemon::{Detail, Facts, Health, HealthThresholds};
use pinql::export::Format;
use serde_json::Value;

use crate::cli::args::Options;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::runner::Runner;
use crate::cli::ui::{Ui, one_line};
use crate::cli::{Exit, open, output};
use page::Page;

#[derive(Debug, clap::Subcommand)]
pub enum Intelligent {
    /// Pins, buckets, backends, and what waits to be synced.
    Insights(Asked),
    /// The same in short, with the health of each backend and whether a daemon runs.
    Status(Asked),
    /// How well each backend is and why; exit code 1 if one is not healthy.
    Health(Asked),
    /// All mappings; or with --backend all that is known of one, and what to do about it.
    Analyze(Asked),
}

/// What is asked, and how it is told.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// Tell it as JSON.
    #[arg(short = 'j', long, visible_alias = "json-output")]
    json: bool,
    /// Read more: all backups against their mappings, and CIDs by their text.
    #[arg(short = 'd', long)]
    detailed: bool,
    /// Only this backend.
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Judge by `[health]` of this configuration of a daemon [default: that of the daemon that runs, else
    /// $XDG_CONFIG_HOME/pinql/daemon.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where and how it is told.
struct Told<'o> {
    output: &'o Output,
    json: bool,
    detailed: bool,
    thresholds: HealthThresholds,
}

/// Runs what the command line says.
pub fn run(command: &Intelligent, options: &Options, ui: &mut Ui) -> Outcome<Exit> {
    let (Intelligent::Insights(asked)
    | Intelligent::Status(asked)
    | Intelligent::Health(asked)
    | Intelligent::Analyze(asked)) = command;
    let name = asked.backend.as_deref();
    let output = output(options)?;
    let mut runner = open(options, ui)?;
    let thresholds = thresholds::load(asked.config.as_deref(), runner.session().data_dir())?;
    let told = Told::new(asked, &output, thresholds)?;
    if let (Intelligent::Analyze(_), Some(name)) = (command, name) {
        return backend::run(&mut runner, name, &told, ui);
    }
    let facts = gather(&mut runner, command, name, &told, ui)?;
    match command {
        Intelligent::Insights(_) => {
            told.tell(|| facts.insights(), |page| insights::fill(page, &facts), ui)?
        }
        Intelligent::Status(_) => {
            told.tell(|| facts.status(), |page| status::fill(page, &facts, told.detailed), ui)?;
        }
        Intelligent::Analyze(_) => {
            told.tell(|| facts.analysis_document(), |page| analysis::fill(page, &facts), ui)?;
        }
        Intelligent::Health(_) => {
            let in_full = told.detailed || name.is_some();
            told.tell(|| facts.health_document(), |page| health::fill(page, &facts, in_full), ui)?;
            if facts.health.iter().any(|one| one.state != Health::Healthy) {
                ui.has_found();
            }
        }
    }
    Ok(exit(ui))
}

/// Reads all there is, or what is asked of one backend; and says what cannot be read.
fn gather(
    runner: &mut Runner,
    command: &Intelligent,
    name: Option<&str>,
    told: &Told<'_>,
    ui: &mut Ui,
) -> Outcome<Facts> {
    let detail = if told.detailed { Detail::Full } else { Detail::Plain };
    let (now, name) = (Utc::now().timestamp_micros(), name.map(str::to_owned));
    let (thresholds, is_health) = (told.thresholds, matches!(command, Intelligent::Health(_)));
    let facts = runner.ask(move |session| async move {
        match name {
            None => Facts::gather(&session, now, &thresholds, detail).await,
            Some(name) if is_health => Facts::gather_health(&session, &name, now, &thresholds, detail).await,
            Some(name) => Facts::gather_of(&session, &name, now, &thresholds, detail).await,
        }
    })?;
    facts.unreadable().iter().for_each(|words| ui.say(&one_line(words)));
    if !facts.is_complete() {
        ui.has_found();
    }
    Ok(facts)
}

fn exit(ui: &Ui) -> Exit {
    if ui.tells_something() { Exit::Found } else { Exit::Done }
}

impl<'o> Told<'o> {
    fn new(asked: &Asked, output: &'o Output, thresholds: HealthThresholds) -> Outcome<Told<'o>> {
        let format = output.format();
        if !matches!(format, Format::Table | Format::Json) {
            return Err(Failure::misuse(
                format!("{format} has no form for this"),
                "it is a page for people, or --json; tables of it are in SQL: backends, registry, buckets, dirty",
            ));
        }
        let json = asked.json || format == Format::Json;
        Ok(Told { output, json, detailed: asked.detailed, thresholds })
    }

    /// Writes the document or the page.
    fn tell(&self, document: impl FnOnce() -> Value, fill: impl FnOnce(&mut Page), ui: &Ui) -> Outcome<()> {
        let text = match self.json {
            true => format!("{:#}\n", document()),
            false => {
                let mut page = Page::new(self.output.path().is_none(), ui);
                fill(&mut page);
                page.finish()
            }
        };
        self.output.write(|out| out.write_all(text.as_bytes()).map_err(Failure::output))
    }
}

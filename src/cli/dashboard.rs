//! `pinql dashboard --html FILE`: the reports that a person would rather look at than read, on one page.

use chrono::Utc;
use clap::Command;
use pinql::Error;
use pinql::export::{Format, Section, Style, page_head, page_tail};
use pinql::report::{Report, Reports};

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::runner::Runner;
use super::ui::Ui;
use super::{Exit, open, output};

/// The reports of the page, in their order.
const REPORTS: [&str; 11] = [
    "summary",
    "redundancy",
    "at-risk-by-backend",
    "status-distribution",
    "failures-by-backend",
    "growth",
    "cost",
    "balance",
    "overlap",
    "at-risk",
    "failed-pins",
];
/// Rows of a table unless `--max-rows` says otherwise: a page is for looking at.
const MOST_ROWS: usize = 1000;

pub fn command() -> Command {
    Command::new("dashboard").about("Write one page with charts and tables of the main reports: --html FILE")
}

pub fn run(options: &Options, reports: &Reports, ui: &mut Ui) -> Outcome<Exit> {
    let output = output(options)?;
    if output.format() != Format::Html {
        return Err(Failure::misuse("a dashboard is a page", "name its file with --html FILE"));
    }
    let reports: Vec<&Report> = REPORTS.iter().map(|name| reports.get(name)).collect::<Result<_, Error>>()?;
    let max_rows = match options.max_rows {
        Some(0) => None,
        rows => Some(rows.unwrap_or(MOST_ROWS)),
    };
    let mut runner = open(options, ui)?;
    let root = runner.session().data_dir().root().display().to_string();
    output.write(|out| {
        let titles: Vec<&str> = reports.iter().map(|report| report.title.as_str()).collect();
        let text = format!("The data directory {root}.");
        let failed = Failure::output;
        out.write_all(page_head("Pins", &text, &titles).as_bytes()).map_err(failed)?;
        for report in &reports {
            let section = Section {
                title: report.title.clone(),
                text: report.description.clone(),
                chart: report.chart.clone(),
                max_rows,
                part: true,
            };
            part(&mut runner, report, section, out, ui)?;
        }
        out.write_all(page_tail(true).as_bytes()).map_err(failed)
    })?;
    Ok(if ui.tells_something() { Exit::Found } else { Exit::Done })
}

fn part(
    runner: &mut Runner,
    report: &Report,
    section: Section,
    out: &mut (dyn std::io::Write + Send),
    ui: &mut Ui,
) -> Outcome<()> {
    let bindings = report.bind(&[], Utc::now())?;
    let mut running = runner.start(&report.sql, &bindings)?;
    let columns = running.columns()?;
    ui.chart(&section, &columns);
    let style = Style { section: Some(section), ..Style::default() };
    let mut encoder = Format::Html.encoder(out, columns, &style)?;
    while let Some(batch) = running.batch()? {
        encoder.write(&batch)?;
    }
    encoder.finish()?;
    ui.skipped(running.skipped());
    Ok(())
}

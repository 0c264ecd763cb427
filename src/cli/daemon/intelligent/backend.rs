//! `pinql daemon intelligent analyze --backend NAME`: all that is known of one backend, and what to do about it.

use chrono::Utc;
use pinql::daemon::{BackendReport, BackendState, Detail, Mappings, PinCounts, Severity};
use pinql::pin::counted;

use super::page::{Page, Paint, at, bytes, contents};
use super::{Told, exit};
use crate::cli::Exit;
use crate::cli::failure::Outcome;
use crate::cli::runner::Runner;
use crate::cli::ui::{Ui, one_line};

/// Months and reasons that a page has room for; JSON has all.
const MOST: usize = 12;

pub fn run(runner: &mut Runner, name: &str, told: &Told<'_>, ui: &mut Ui) -> Outcome<Exit> {
    let detail = if told.detailed { Detail::Full } else { Detail::Plain };
    let (now, asked, thresholds) = (Utc::now().timestamp_micros(), name.to_owned(), told.thresholds);
    let report = runner.ask(move |session| async move {
        BackendReport::gather(&session, &asked, now, &thresholds, detail).await
    })?;
    let files = report.registries.unreadable.iter();
    files.for_each(|file| ui.say(&one_line(&format!("unreadable, for {}: {}", file.what, file.reason))));
    let without = report.mappings.iter().flat_map(|mappings| &mappings.without);
    without.for_each(|one| {
        ui.say(&one_line(&format!("compared without backend {}: {}: {}", one.backend, one.path, one.reason)))
    });
    let is_lost = report.analysis.state == BackendState::Unreadable;
    let is_alone = report.mappings.as_ref().is_none_or(|mappings| mappings.without.is_empty());
    if is_lost || !is_alone || !report.registries.unreadable.is_empty() {
        ui.has_found();
    }
    told.tell(|| report.to_json(), |page| fill(page, &report), ui)?;
    Ok(exit(ui))
}

fn fill(page: &mut Page, report: &BackendReport) {
    let analysis = &report.analysis;
    let found = report.registries.registered(&analysis.name);
    let kind = analysis.kind.as_deref().or(found.and_then(|found| found.kind.as_deref()));
    page.heading(&format!("Backend {}", analysis.name));
    page.line("type", kind.unwrap_or("unknown"));
    let reason = analysis.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    page.line("state", &format!("{}{reason}", analysis.state.word()));
    page.state("health", report.health.state, &report.health.reasons().join("; "));
    page.heading("Findings");
    if report.findings.is_empty() {
        page.words("nothing to be done", None);
    }
    for finding in &report.findings {
        let paint = match finding.severity {
            Severity::Critical => Paint::Worst,
            Severity::Warning => Paint::Bad,
            Severity::Info => Paint::Quiet,
        };
        page.painted(finding.severity.word(), &finding.finding, Some(paint));
        if let Some(command) = &finding.command {
            page.line("", command);
        }
    }
    match (analysis.counts(), &report.mappings) {
        (Some(counts), Some(mappings)) => {
            pins(page, counts);
            beside_others(page, mappings);
            failures(page, mappings);
            growth(page, mappings);
        }
        _ => {
            page.heading("Mappings");
            page.words("nothing can be told of them", None);
        }
    }
    files(page, report);
}

fn pins(page: &mut Page, counts: &PinCounts) {
    page.heading("Mappings");
    page.line("mappings", &counts.pins.to_string());
    for (status, of) in &counts.by_status {
        let percent = 100.0 * of.pins as f64 / counts.pins.max(1) as f64;
        let unknown = match of.unknown_sizes {
            0 => String::new(),
            unknown => format!(", {unknown} of unknown size"),
        };
        page.line(status, &format!("{} ({percent:.1} %), {}{unknown}", of.pins, bytes(of.bytes)));
    }
    page.line("contents", &counts.contents.to_string());
    page.line("stored contents", &contents(counts.stored));
    page.line("without a CID", &counts.invalid_cids.to_string());
    page.line("oldest mapping", &at(counts.oldest()));
    page.line("newest mapping", &at(counts.newest()));
    page.line("of unknown time", &counts.unknown_times.to_string());
}

fn beside_others(page: &mut Page, mappings: &Mappings) {
    page.heading("Beside the other backends");
    page.line("only here", &contents(mappings.only_here));
    page.line("lacking here", &contents(mappings.lacking));
    page.line("failed, no copy", &contents(mappings.failed_everywhere));
}

fn failures(page: &mut Page, mappings: &Mappings) {
    page.heading("Why mappings failed or wait");
    if mappings.reasons.is_empty() {
        page.words("none has failed or waits", None);
    }
    for reason in mappings.reasons.iter().take(MOST) {
        let words = reason.reason.as_deref().unwrap_or("no reason is given");
        page.line(
            &format!("{} {}", reason.pins, reason.status),
            &format!("{words} (newest {})", at(reason.newest)),
        );
    }
    more(page, mappings.reasons.len(), "reason", "reasons");
}

fn growth(page: &mut Page, mappings: &Mappings) {
    page.heading("Growth by month");
    let skipped = mappings.growth.len().saturating_sub(MOST);
    let rows = mappings.growth.iter().skip(skipped).map(|month| {
        let name = month.month.clone().unwrap_or_else(|| "unknown".into());
        vec![name, month.pins.to_string(), month.stored.to_string(), bytes(month.bytes)]
    });
    match mappings.growth.is_empty() {
        true => page.words("no mappings", None),
        false => page.table(&["month", "pins", "stored", "stored bytes"], &rows.collect::<Vec<_>>()),
    }
    more(page, mappings.growth.len(), "earlier month", "earlier months");
}

/// Says what a page has no room for.
fn more(page: &mut Page, count: usize, one: &str, more: &str) {
    if let Some(rest @ 1..) = count.checked_sub(MOST) {
        page.words(&format!("and {}: see --json", counted(rest as u64, one, more)), Some(Paint::Quiet));
    }
}

fn files(page: &mut Page, report: &BackendReport) {
    page.heading("Files");
    let files = &report.analysis.files;
    page.line("written", &at(files.modified_at));
    page.line("bytes", &files.bytes.map_or("no file".into(), |count| bytes(count.into())));
    if let Some(layout) = report.mappings.as_ref().and_then(|mappings| mappings.layout.as_ref()) {
        let groups = counted(layout.row_groups, "row group", "row groups");
        page.line("layout", &format!("{}, {groups}", layout.layout));
    }
    let check = report.health.checks.iter().find(|check| check.check == "backup");
    page.line("backup", check.map_or("none is needed", |check| check.reason.as_str()));
    page.line(
        "kept of replaced",
        &format!("{}, {}", counted(report.kept.0, "file", "files"), bytes(report.kept.1.into())),
    );
    if let Some(cost) = report.mappings.as_ref().and_then(|mappings| mappings.cost.as_ref()) {
        let usd = cost.month_usd.as_ref().map(|usd| format!("{usd} USD a month"));
        let unknown = match cost.unknown_sizes {
            0 => String::new(),
            count => format!(", without {count} of unknown size"),
        };
        let of = cost.as_of.as_ref().map(|as_of| format!(" of {as_of}")).unwrap_or_default();
        page.line("cost", &format!("{}{unknown} ({}{of})", usd.as_deref().unwrap_or("unknown"), cost.class));
    }
}

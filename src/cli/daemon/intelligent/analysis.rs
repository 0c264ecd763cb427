//! `pinql daemon intelligent analyze`: all mappings, and each backend in a line.

use pinql::daemon::{BackendAnalysis, Facts};

use super::page::{Page, at, bytes, contents};
use super::status;

pub fn fill(page: &mut Page, facts: &Facts) {
    status::pins(page, facts);
    let analysis = &facts.analysis;
    page.line("oldest mapping", &at(analysis.oldest()));
    page.line("newest mapping", &at(analysis.newest()));
    page.line("of unknown time", &analysis.unknown_times().to_string());
    page.line("without a CID", &analysis.invalid_cids().to_string());
    if let Some(by_text) = &facts.by_text {
        let average = by_text.average().unwrap_or_default();
        let words = format!("{} different texts, {average:.2} backends each on average", by_text.cids());
        page.line("by the CIDs' text", &words);
    }
    redundancy(page, facts);
    page.heading("Backends");
    let row = |backend: &BackendAnalysis| {
        let counts = backend.counts();
        let count = |status: &str| counts.map_or("?".into(), |counts| counts.with_status(status).to_string());
        let only = analysis.redundancy.only_on.get(&backend.name).map_or(0, |only| only.contents);
        vec![
            backend.name.clone(),
            backend.state.word().into(),
            counts.map_or("?".into(), |counts| counts.pins.to_string()),
            count("stored"),
            count("pending"),
            count("failed"),
            counts.map_or("?".into(), |_| only.to_string()),
            counts.map_or("?".into(), |counts| bytes(counts.stored.bytes)),
        ]
    };
    let rows: Vec<_> = analysis.backends.iter().map(row).collect();
    page.table(
        &["backend", "state", "pins", "stored", "pending", "failed", "only here", "stored bytes"],
        &rows,
    );
}

/// Contents by their copies, and where single copies are.
pub fn redundancy(page: &mut Page, facts: &Facts) {
    let redundancy = &facts.analysis.redundancy;
    page.heading("Copies");
    if redundancy.by_copies.is_empty() {
        page.words("no contents", None);
    }
    for (copies, of) in &redundancy.by_copies {
        let label = if *copies == 1 { "1 copy".to_owned() } else { format!("{copies} copies") };
        page.line(&label, &contents(*of));
    }
    if !redundancy.only_on.is_empty() {
        page.heading("Stored on a single backend");
    }
    for (name, of) in &redundancy.only_on {
        page.line(name, &contents(*of));
    }
}

//! `pinql daemon intelligent status`: the whole in one look.

use pinql::daemon::{Facts, Health};

use super::page::{Page, distribution, names};

pub fn fill(page: &mut Page, facts: &Facts, detailed: bool) {
    let daemon = facts.daemon.as_ref().map(|daemon| match &daemon["pid"] {
        serde_json::Value::Null => "running".to_owned(),
        pid => format!("running, process {pid}"),
    });
    page.heading("Daemon");
    page.line("state", daemon.as_deref().unwrap_or("not running"));
    pins(page, facts);
    page.heading("Health");
    page.line("backends", &facts.health_in_words());
    for one in facts.health.iter().filter(|one| detailed || one.state != Health::Healthy) {
        page.state(&one.name, one.state, &one.reasons().join("; "));
    }
    page.heading("To be done");
    page.line("waiting for sync", &names(&facts.needing_sync()));
    let unsynced = facts.total_pending_actions();
    page.line("unsynced actions", &unsynced.map_or("unknown".into(), |unsynced| unsynced.to_string()));
    page.line("failed pins on", &names(&facts.with_status("failed")));
    page.line("pending pins on", &names(&facts.with_status("pending")));
    page.line("to be migrated", &names(&facts.not_migrated()));
    page.line(
        "not to be read",
        &names(&facts.unreadable_backends().map(|(name, _)| name).collect::<Vec<_>>()),
    );
}

/// The mappings of all backends.
pub fn pins(page: &mut Page, facts: &Facts) {
    let analysis = &facts.analysis;
    let redundancy = &analysis.redundancy;
    page.heading("Pins");
    let places = match &facts.of {
        Some(name) => format!("on {name}; copies of its contents are those on all backends"),
        None => format!("on {} of {} backends", analysis.with_pins().count(), analysis.backends.len()),
    };
    page.line("mappings", &format!("{} {places}", analysis.pins()));
    let by_status = analysis.by_status();
    page.line(
        "by status",
        &distribution(by_status.iter().map(|(status, counts)| (status.as_str(), counts.pins))),
    );
    page.line("contents", &super::page::contents(redundancy.all()));
    let average = redundancy.average().map_or("no contents".into(), |average| format!("{average:.2}"));
    page.line("copies on average", &average);
    page.line("without a copy", &super::page::contents(redundancy.with_copies(0)));
    page.line("with a single copy", &super::page::contents(redundancy.at_risk()));
}

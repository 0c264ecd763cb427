//! `pinql daemon intelligent insights`: pins, buckets, backends, and what waits to be synced.

use pinql::daemon::Facts;
use serde_json::Value;

use super::page::{Page, at, distribution, names};
use super::{analysis, status};

pub fn fill(page: &mut Page, facts: &Facts) {
    status::pins(page, facts);
    analysis::redundancy(page, facts);
    let document = facts.insights();
    let (backends, buckets) = (&document["backend_analysis"], &document["bucket_analysis"]);
    page.heading("Backends");
    page.line(
        "backends",
        &format!(
            "{}, {} of them registered",
            backends["total_backends"],
            known(&backends["registered_backends"])
        ),
    );
    let types = backends["backend_types"].as_object();
    page.line(
        "types",
        &distribution(
            types.into_iter().flatten().map(|(kind, n)| (kind.as_str(), n.as_u64().unwrap_or_default())),
        ),
    );
    page.line("health", &facts.health_in_words());
    let times = &backends["response_time_stats"];
    let millis = |key: &str| times[key].as_f64().map(|millis| format!("{millis:.1} ms"));
    let answer = match (millis("average_ms"), millis("max_ms")) {
        (Some(average), Some(most)) => format!("{average} on average, {most} at most"),
        _ => "unknown".into(),
    };
    page.line("time to answer", &answer);
    page.heading("Buckets");
    page.line("buckets", &known(&buckets["total_buckets"]));
    page.line(
        "to be backed up",
        &with_unknown(&buckets["buckets_needing_backup"], &buckets["buckets_with_unknown_backup"]),
    );
    let average = buckets["average_pins_per_bucket"].as_f64();
    page.line("pins on average", &average.map_or("unknown".into(), |average| format!("{average:.1}")));
    page.heading("Synchronisation");
    page.line("backends", &names(&facts.needing_sync()));
    for note in &facts.registries.dirty {
        let words = match (note.is_dirty, note.unsynced_actions, note.actions) {
            (is_dirty, Some(unsynced), Some(all)) => {
                let mark = if is_dirty == Some(true) { "dirty" } else { "not dirty" };
                format!("{mark}, {unsynced} of {all} actions are not synced")
            }
            _ => note.problem.clone().unwrap_or_else(|| "unknown".into()),
        };
        page.line(&note.backend_name, &words);
    }
    let last = facts.registries.registered.iter().filter_map(|one| one.last_check).max();
    page.line("last check", &at(last));
}

/// A count, if it is known.
fn known(count: &Value) -> String {
    if count.is_null() { "an unknown number".into() } else { count.to_string() }
}

/// A count, and how many are not known.
fn with_unknown(count: &Value, unknown: &Value) -> String {
    match unknown.as_u64() {
        Some(unknown @ 1..) => format!("{count}, unknown of {unknown}"),
        _ => known(count),
    }
}

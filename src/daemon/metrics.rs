//! A [`Picture`] as Prometheus reads it: the text format, version 0.0.4.

use std::fmt::Write;

use super::picture::{CLASSES, Durations, Picture};
use super::{BackendAnalysis, PinCounts};

/// The words for how a backend is.
const HEALTH: [&str; 4] = ["healthy", "degraded", "unhealthy", "unknown"];
/// The words for what an alert is at.
const ALERT: [&str; 4] = ["ok", "pending", "firing", "unknown"];

/// The statuses that are always shown, and how many others of a backend are.
const KNOWN: [&str; 3] = ["stored", "pending", "failed"];
const MOST_STATUSES: usize = 10;

/// The media type of the text.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text.
pub fn text(picture: &Picture) -> String {
    let mut page = Page::default();
    itself(&mut page, picture);
    contents(&mut page, picture);
    backends(&mut page, picture);
    alerts(&mut page, picture);
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

type Labels<'a> = [(&'a str, &'a str)];

impl Page {
    /// Begins a metric.
    fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a text cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}", escaped(help, false));
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// Adds a value of the metric that was begun.
    fn value(&mut self, name: &str, labels: &Labels<'_>, value: f64) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let _ = write!(
                self.text,
                "{}{label}=\"{}\"",
                if index == 0 { '{' } else { ',' },
                escaped(text, true)
            );
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{close} {value}");
    }

    /// A metric with one value.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: f64) {
        self.metric(name, kind, help);
        self.value(name, &[], value);
    }

    /// A metric with a value for some backends.
    fn by_backend(
        &mut self,
        name: &str,
        help: &str,
        picture: &Picture,
        value: impl Fn(&BackendAnalysis, Option<&PinCounts>) -> Option<f64>,
    ) {
        self.metric(name, "gauge", help);
        for backend in all_backends(picture) {
            if let Some(value) = value(backend, backend.counts()) {
                self.value(name, &[("backend", &backend.name)], value);
            }
        }
    }

    fn durations(&mut self, name: &str, help: &str, durations: &Durations) {
        self.metric(name, "histogram", help);
        let bucket = format!("{name}_bucket");
        for (class, count) in CLASSES.iter().zip(durations.up_to) {
            self.value(&bucket, &[("le", &class.to_string())], count as f64);
        }
        self.value(&bucket, &[("le", "+Inf")], durations.count as f64);
        self.value(&format!("{name}_sum"), &[], durations.sum);
        self.value(&format!("{name}_count"), &[], durations.count as f64);
    }
}

/// A text as it stands in a help line, or in quotes as the value of a label.
fn escaped(text: &str, quoted: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '"' if quoted => escaped.push_str("\\\""),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn all_backends(picture: &Picture) -> impl Iterator<Item = &BackendAnalysis> {
    picture.observation.iter().flat_map(|observed| &observed.analysis.backends)
}

fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn itself(page: &mut Page, picture: &Picture) {
    let counts = &picture.counts;
    page.metric("pinql_build_info", "gauge", "The version of pinql.");
    page.value("pinql_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.one(
        "process_start_time_seconds",
        "gauge",
        "When the process began, in seconds since 1970.",
        picture.started_at.timestamp_micros() as f64 / 1e6,
    );
    if let Some(usage) = picture.usage {
        page.one("process_resident_memory_bytes", "gauge", "Resident memory.", usage.resident_bytes as f64);
        page.one("process_cpu_seconds_total", "counter", "Time on a processor.", usage.cpu_seconds);
    }
    page.metric("pinql_observations_total", "counter", "Observations by cause.");
    for cause in ["start", "change", "interval"] {
        let count = counts.observations.get(cause).copied().unwrap_or_default();
        page.value("pinql_observations_total", &[("cause", cause)], count as f64);
    }
    for (name, help, count) in [
        ("pinql_observation_failures_total", "Observations that failed.", counts.failed_observations),
        ("pinql_backends_read_total", "Backends that were read anew.", counts.backends_read),
        ("pinql_history_write_failures_total", "Observations that could not be kept.", counts.not_kept),
        ("pinql_clock_jumps_total", "Jumps of the clock.", counts.clock_jumps),
    ] {
        page.one(name, "counter", help, count as f64);
    }
    page.durations("pinql_observation_duration_seconds", "How long observations took.", &counts.observing);
    page.durations(
        "pinql_backend_read_duration_seconds",
        "How long reading one backend took.",
        &counts.backend,
    );
    page.durations(
        "pinql_redundancy_duration_seconds",
        "How long counting the copies of all contents took.",
        &counts.redundancy,
    );
    page.durations(
        "pinql_alerts_duration_seconds",
        "How long asking the alerts that were due took.",
        &counts.alerts,
    );
    page.one(
        "pinql_history_observations",
        "gauge",
        "Observations that are kept.",
        picture.history.observations as f64,
    );
    page.one(
        "pinql_history_bytes",
        "gauge",
        "What the observations that are kept take on the disk.",
        picture.history.bytes as f64,
    );
    let ok = f64::from(u8::from(picture.config_problem.is_none()));
    page.one(
        "pinql_config_ok",
        "gauge",
        "Whether the configuration that is there is the one that counts.",
        ok,
    );
    let watching = f64::from(u8::from(picture.watching == "notices"));
    page.one(
        "pinql_watching",
        "gauge",
        "Whether the system tells of changes; else they are looked for.",
        watching,
    );
    page.one(
        "pinql_problems",
        "gauge",
        "Things that are wrong with the daemon itself.",
        picture.problems().len() as f64,
    );
}

fn contents(page: &mut Page, picture: &Picture) {
    let Some(observed) = &picture.observation else { return };
    let at = seconds(observed.analysis.observed_at);
    page.one(
        "pinql_last_observation_timestamp_seconds",
        "gauge",
        "When the latest observation was made.",
        at,
    );
    let complete = f64::from(u8::from(observed.analysis.is_complete()));
    page.one(
        "pinql_observation_complete",
        "gauge",
        "Whether every backend could be read: else the numbers of all lack some.",
        complete,
    );
    let redundancy = &observed.analysis.redundancy;
    let all = redundancy.all();
    page.one("pinql_contents", "gauge", "Distinct contents.", all.contents as f64);
    page.one(
        "pinql_contents_bytes",
        "gauge",
        "Sizes of distinct contents, as far as they are known.",
        all.bytes as f64,
    );
    page.one(
        "pinql_contents_unknown_sizes",
        "gauge",
        "Distinct contents of unknown size.",
        all.unknown_sizes as f64,
    );
    page.one(
        "pinql_contents_without_copy",
        "gauge",
        "Distinct contents that no backend stores.",
        redundancy.with_copies(0).contents as f64,
    );
    page.one(
        "pinql_contents_at_risk",
        "gauge",
        "Distinct contents that exactly one backend stores.",
        redundancy.at_risk().contents as f64,
    );
    page.metric(
        "pinql_contents_by_copies",
        "gauge",
        "Distinct contents by the number of backends that store them.",
    );
    for (copies, of) in &redundancy.by_copies {
        page.value("pinql_contents_by_copies", &[("copies", &copies.to_string())], of.contents as f64);
    }
    if let Some(average) = redundancy.average() {
        page.one("pinql_copies_per_content", "gauge", "Copies of a content on average.", average);
    }
}

/// Mappings by status; of the words that nobody knows only some, for each makes a series.
fn statuses(counts: &PinCounts) -> Vec<(&str, u64)> {
    let others = counts.by_status.iter().filter(|(status, _)| !KNOWN.contains(&status.as_str()));
    let others: Vec<_> = others.collect();
    let mut shown: Vec<_> = KNOWN.iter().map(|status| (*status, counts.with_status(status))).collect();
    shown.extend(others.iter().take(MOST_STATUSES).map(|(status, of)| (status.as_str(), of.pins)));
    let rest: u64 = others.iter().skip(MOST_STATUSES).map(|(_, of)| of.pins).sum();
    shown.extend((rest > 0).then_some(("(other)", rest)));
    shown
}

fn backends(page: &mut Page, picture: &Picture) {
    let Some(observed) = &picture.observation else { return };
    page.metric("pinql_backend_info", "gauge", "The backends, with type and state.");
    for backend in all_backends(picture) {
        let kind = backend.kind.as_deref().unwrap_or_default();
        let labels = [("backend", backend.name.as_str()), ("state", backend.state.word()), ("type", kind)];
        page.value("pinql_backend_info", &labels, 1.0);
    }
    let silent = picture.silence.backend();
    page.by_backend("pinql_backend_readable", "Whether its mappings can be read.", picture, |backend, _| {
        let answers = silent.as_ref() != Some(&backend.name);
        Some(f64::from(u8::from(answers && backend.state != super::BackendState::Unreadable)))
    });
    page.metric("pinql_backend_health", "gauge", "How a backend is: 1 for the state that it is in.");
    for backend in all_backends(picture) {
        let Some(health) = observed.health.get(&backend.name) else { continue };
        for word in HEALTH {
            let labels = [("backend", backend.name.as_str()), ("health", word)];
            page.value("pinql_backend_health", &labels, f64::from(u8::from(word == health.state.word())));
        }
    }
    page.metric("pinql_pins", "gauge", "Mappings by backend and status.");
    for backend in all_backends(picture) {
        for (status, pins) in backend.counts().map(statuses).unwrap_or_default() {
            page.value("pinql_pins", &[("backend", &backend.name), ("status", status)], pins as f64);
        }
    }
    let redundancy = &observed.analysis.redundancy;
    page.by_backend("pinql_backend_invalid_cids", "Mappings whose CID is none.", picture, |_, counts| {
        Some(counts?.invalid_cids as f64)
    });
    page.by_backend("pinql_backend_contents", "Distinct contents.", picture, |_, counts| {
        Some(counts?.contents as f64)
    });
    page.by_backend(
        "pinql_backend_only_copies",
        "Contents that only this backend stores.",
        picture,
        |backend, counts| {
            counts?;
            Some(redundancy.only_on.get(&backend.name).map_or(0.0, |only| only.contents as f64))
        },
    );
    page.by_backend(
        "pinql_backend_stored_bytes",
        "Sizes of stored contents, as far as they are known.",
        picture,
        |_, counts| Some(counts?.stored.bytes as f64),
    );
    page.by_backend(
        "pinql_backend_unknown_sizes",
        "Stored contents of unknown size.",
        picture,
        |_, counts| Some(counts?.stored.unknown_sizes as f64),
    );
    page.by_backend(
        "pinql_backend_oldest_pin_timestamp_seconds",
        "When the oldest mapping was made.",
        picture,
        |_, counts| counts?.oldest().map(seconds),
    );
    page.by_backend(
        "pinql_backend_newest_pin_timestamp_seconds",
        "When the newest mapping was made.",
        picture,
        |_, counts| counts?.newest().map(seconds),
    );
    page.metric("pinql_backend_reachable", "gauge", "Whether the latest probe reached the backend.");
    let reached = picture.answers.by_backend();
    for (backend, reached) in &reached {
        page.value(
            "pinql_backend_reachable",
            &[("backend", backend)],
            f64::from(u8::from(reached.reachable)),
        );
    }
    page.metric("pinql_probe_duration_seconds", "gauge", "How long the latest probe took.");
    for (backend, reached) in &reached {
        page.value("pinql_probe_duration_seconds", &[("backend", backend)], reached.milliseconds / 1e3);
    }
}

fn alerts(page: &mut Page, picture: &Picture) {
    page.metric("pinql_alert_state", "gauge", "What an alert is at: 1 for the state that it is in.");
    for (name, (severity, state)) in &picture.alerts {
        for word in ALERT {
            let labels = [("alert", name.as_str()), ("severity", *severity), ("state", word)];
            page.value("pinql_alert_state", &labels, f64::from(u8::from(word == state.word())));
        }
    }
    let delivery = picture.delivery;
    for (name, help, count) in [
        ("pinql_notices_delivered_total", "Notices that were delivered.", delivery.delivered),
        (
            "pinql_notice_failures_total",
            "Attempts to deliver a notice that failed.",
            delivery.failed_attempts,
        ),
        ("pinql_notices_given_up_total", "Notices that were given up.", delivery.given_up),
    ] {
        page.one(name, "counter", help, count as f64);
    }
    page.one("pinql_notices_waiting", "gauge", "Notices that wait to be delivered.", delivery.waiting as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_the_text_are_escaped() {
        let mut page = Page::default();
        page.metric("a", "gauge", "first\nsecond \\ \"third\"");
        page.value("a", &[("backend", "a\"b\\c\nd é"), ("x", "")], 1.5);
        page.value("a", &[], f64::INFINITY);
        let wanted = "# HELP a first\\nsecond \\\\ \"third\"\n# TYPE a gauge\na{backend=\"a\\\"b\\\\c\\nd é\",x=\"\"} 1.5\na inf\n";
        assert_eq!(page.text, wanted);
    }

    #[test]
    fn durations_are_counted_in_all_classes_that_they_fit() {
        let mut durations = Durations::default();
        durations.add(std::time::Duration::from_millis(50));
        durations.add(std::time::Duration::from_secs(1000));
        let mut page = Page::default();
        page.durations("d_seconds", "d", &durations);
        for line in [
            "d_seconds_bucket{le=\"0.02\"} 0",
            "d_seconds_bucket{le=\"0.1\"} 1",
            "d_seconds_bucket{le=\"300\"} 1",
            "d_seconds_bucket{le=\"+Inf\"} 2",
            "d_seconds_sum 1000.05",
            "d_seconds_count 2",
        ] {
            assert!(page.text.lines().any(|found| found == line), "{line} in {}", page.text);
        }
    }
}

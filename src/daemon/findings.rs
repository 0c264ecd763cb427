//! What is to be done about one backend, and the command that does it. A new finding is a line in [`findings`].

use serde::Serialize;

use super::{BackendReport, BackendState, Backup, Health};
use crate::pin::counted;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// To be done.
    Warning,
    /// Something is lost, or about to be.
    Critical,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub finding: String,
    /// The command that helps, or that says more.
    pub command: Option<String>,
}

impl Severity {
    /// As it is written everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    match !name.is_empty() && !name.starts_with('-') && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

/// What the report finds, the worst first.
pub(super) fn findings(report: &BackendReport) -> Vec<Finding> {
    let mut found = of_files(report);
    found.extend(of_mappings(report));
    found.extend(of_others(report));
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

fn finding(severity: Severity, words: impl Into<String>, command: impl Into<Option<String>>) -> Finding {
    Finding { severity, finding: words.into(), command: command.into() }
}

/// What is wrong with the files in its directory.
fn of_files(report: &BackendReport) -> Vec<Finding> {
    let (analysis, name) = (&report.analysis, quoted(&report.analysis.name));
    let mut found = Vec::new();
    let mut add = |severity, words: String, command: String| found.push(finding(severity, words, command));
    let reason = analysis.reason.as_deref().unwrap_or("nobody knows why");
    match analysis.state {
        BackendState::Unreadable => {
            let from = if analysis.files.has_car { "car" } else { "backup" };
            add(
                Severity::Critical,
                format!("its mappings cannot be read: {reason}"),
                format!("pinql backend restore {name} --from {from} --dry-run"),
            );
        }
        BackendState::Alias => add(
            Severity::Warning,
            format!("it is no backend of its own: {reason}"),
            "pinql backend list".into(),
        ),
        BackendState::CarOnly => add(
            Severity::Warning,
            "only the backup is there".into(),
            format!("pinql backend restore {name} --from car"),
        ),
        _ => {}
    }
    if analysis.files.has_pins_json {
        add(
            Severity::Warning,
            "a pins.json waits to be migrated".into(),
            format!("pinql backend migrate-pin-mappings --filter {name}"),
        );
    }
    match &report.backup {
        Backup::Missing if analysis.counts().is_some_and(|counts| counts.pins == 0) => {}
        Backup::Missing => {
            add(
                Severity::Warning,
                "there is no backup of the mappings".into(),
                format!("pinql backend export-car {name}"),
            );
        }
        Backup::Differs(why) => {
            add(
                Severity::Warning,
                format!("the backup is of other mappings: {why}"),
                format!("pinql backend verify {name}"),
            );
        }
        Backup::Unreadable(why) => {
            add(
                Severity::Warning,
                format!("the backup cannot be read: {why}"),
                format!("pinql backend export-car {name}"),
            );
        }
        Backup::NotNeeded | Backup::Agrees | Backup::SameRoot | Backup::NotCompared => {}
    }
    if analysis.files.laid_out == Some(false) && analysis.counts().is_some_and(|counts| counts.pins > 0) {
        let words = "its mappings are not in pinql's layout, which makes questions fast";
        add(Severity::Info, words.into(), format!("pinql backend optimize {name}"));
    }
    if report.kept.0 > 0 {
        let kept =
            counted(report.kept.0, "file is kept of a replaced one", "files are kept of replaced ones");
        add(Severity::Info, kept, format!("pinql backend prune-backups {name} --dry-run"));
    }
    found
}

/// What its mappings tell.
fn of_mappings(report: &BackendReport) -> Vec<Finding> {
    let (Some(counts), Some(mappings)) = (report.analysis.counts(), &report.mappings) else { return vec![] };
    let name = quoted(&report.analysis.name);
    let mut found = Vec::new();
    let mut add = |count: u64, severity, words: [&str; 2], command: String| {
        if count > 0 {
            found.push(finding(severity, counted(count, words[0], words[1]), command));
        }
    };
    add(
        mappings.failed_everywhere.contents,
        Severity::Critical,
        [
            "content failed here, and nobody has a copy of it",
            "contents failed here, and nobody has a copy of them",
        ],
        format!("pinql report failed-pins --backends {name}"),
    );
    add(
        mappings.only_here.contents,
        Severity::Warning,
        ["content is stored here and nowhere else", "contents are stored here and nowhere else"],
        format!("pinql report without-backend --backends {name}"),
    );
    let state =
        |check: &str| report.health.checks.iter().find(|one| one.check == check).and_then(|one| one.state);
    let by_health = |check: &str| match state(check) {
        Some(Health::Unhealthy) => Severity::Critical,
        Some(Health::Degraded) => Severity::Warning,
        _ => Severity::Info,
    };
    for status in ["failed", "pending"] {
        let words = [format!("mapping is {status}"), format!("mappings are {status}")];
        let words = if status == "failed" {
            ["mapping has failed".into(), "mappings have failed".into()]
        } else {
            words
        };
        add(
            counts.with_status(status),
            by_health(status),
            [&words[0], &words[1]],
            format!("pinql report {status}-pins --backends {name}"),
        );
    }
    add(
        mappings.lacking.contents,
        Severity::Info,
        ["content that others have is not stored here", "contents that others have are not stored here"],
        format!("pinql report missing-on --backend {name}"),
    );
    add(
        counts.invalid_cids,
        Severity::Warning,
        ["mapping has no CID in the place of one", "mappings have no CID in the place of one"],
        "pinql report invalid-cids".into(),
    );
    add(
        mappings.foreign_names,
        Severity::Info,
        ["mapping names another backend", "mappings name another backend"],
        "pinql report backend-mismatch".into(),
    );
    if mappings.cost.as_ref().is_some_and(|cost| cost.month_usd.is_none()) {
        found.push(finding(Severity::Info, "nothing says what it costs", "pinql prices".to_owned()));
    }
    found
}

/// What other tools say, and what others lack.
fn of_others(report: &BackendReport) -> Vec<Finding> {
    let checks = report.health.checks.iter().filter(|one| matches!(one.check, "sync" | "service" | "age"));
    let severity = |state: Health| match state {
        Health::Healthy => None,
        Health::Unknown => Some(Severity::Info),
        Health::Degraded => Some(Severity::Warning),
        Health::Unhealthy => Some(Severity::Critical),
    };
    let mut found: Vec<_> = checks
        .filter_map(|one| {
            let command = match one.check {
                "sync" => Some("pinql -c 'SELECT * FROM dirty'".to_owned()),
                "service" => Some("pinql -c 'SELECT * FROM registry'".to_owned()),
                _ => None,
            };
            Some(finding(severity(one.state?)?, one.reason.clone(), command))
        })
        .collect();
    let without = report.mappings.iter().flat_map(|mappings| &mappings.without);
    found.extend(without.map(|one| {
        let words =
            format!("backend {} cannot be read, so nobody knows what it has of these contents", one.backend);
        finding(
            Severity::Warning,
            words,
            format!("pinql daemon intelligent analyze --backend {}", quoted(&one.backend)),
        )
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_commands_are_safe_for_a_shell() {
        for (name, word) in [
            ("s3_main", "s3_main"),
            ("with space", "'with space'"),
            ("it's", r"'it'\''s'"),
            ("-x", "'-x'"),
            ("$(a)", "'$(a)'"),
        ] {
            assert_eq!(quoted(name), word);
        }
    }
}

//! How well each backend is, judged by evidence: what its mappings say, its backup, and what other tools or probes have found.
//!
//! A backend is as well as the worst of what speaks of it. Where evidence is missing that should be there, it is `unknown`, which
//! is never `healthy`. To judge by something else, add a [`Check`] in [`BackendHealth::judge`].

use serde::{Deserialize, Serialize};

use super::registries::span;
use super::{Analysis, BackendAnalysis, BackendState, Backup, Registries};

/// How far clocks may differ, in microseconds: what was looked at later than so far from now, was not.
const CLOCKS: i64 = 300_000_000;

/// How well a backend is; the worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All evidence is good.
    Healthy,
    /// Evidence is missing, or too old.
    Unknown,
    /// Something is to be done.
    Degraded,
    /// It does not do what it is there for.
    Unhealthy,
}

/// From where on a value is no longer good. What is not set is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// From this value on `degraded`.
    pub degraded: Option<f64>,
    /// From this value on `unhealthy`.
    pub unhealthy: Option<f64>,
}

/// What a backend is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthThresholds {
    /// Failed mappings, in per cent of all. From 1 and 10 on.
    pub failed_percent: Limits,
    /// Pending mappings, in per cent of all. From 10 and 50 on.
    pub pending_percent: Limits,
    /// Days since the newest mapping was made. From 365 on degraded.
    pub newest_mapping_days: Limits,
    /// Actions that are noted and not synced. From 1 and 100 on.
    pub unsynced_actions: Limits,
    /// The oldest that a check of its service may be to count, in hours: 6, as in the older tool.
    pub check_hours: f64,
}

impl Default for HealthThresholds {
    fn default() -> HealthThresholds {
        let limits = |degraded, unhealthy| Limits { degraded: Some(degraded), unhealthy };
        HealthThresholds {
            failed_percent: limits(1.0, Some(10.0)),
            pending_percent: limits(10.0, Some(50.0)),
            newest_mapping_days: limits(365.0, None),
            unsynced_actions: limits(1.0, Some(100.0)),
            check_hours: 6.0,
        }
    }
}

/// What was found when the service of a backend was looked at: by another tool, or by a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceCheck {
    /// Who looked: `registry`, or the kind of probe.
    pub by: String,
    /// When, in microseconds since 1970; `None` if that is not known.
    pub at: Option<i64>,
    /// Whether it answered; `None` if that is not said.
    pub is_up: Option<bool>,
    /// What was wrong.
    pub error: Option<String>,
}

/// How well one backend is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendHealth {
    /// The backend.
    pub name: String,
    /// The worst of its checks.
    pub state: Health,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: `mappings`, `backup`, `failed`, `pending`, `age`, `sync` or `service`.
    pub check: &'static str,
    /// What it says of the backend. A check that needs no evidence and has none is `None`.
    pub state: Option<Health>,
    /// Why.
    pub reason: String,
}

/// What speaks of one backend beside its analysis.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// Its backup, if it was looked at.
    pub backup: Option<&'a Backup>,
    /// What other tools have left word of.
    pub registries: Option<&'a Registries>,
    /// What probes have found, beside the registry.
    pub probes: Vec<ServiceCheck>,
}

impl Health {
    /// As it is written everywhere.
    pub fn word(self) -> &'static str {
        match self {
            Health::Healthy => "healthy",
            Health::Unknown => "unknown",
            Health::Degraded => "degraded",
            Health::Unhealthy => "unhealthy",
        }
    }
}

impl Limits {
    /// What a value says.
    fn judge(&self, value: f64) -> Health {
        match value {
            value if self.unhealthy.is_some_and(|limit| value >= limit) => Health::Unhealthy,
            value if self.degraded.is_some_and(|limit| value >= limit) => Health::Degraded,
            _ => Health::Healthy,
        }
    }
}

/// Judges all backends, by name: those of the analysis, and those that only the registry knows.
pub fn judge_all(
    analysis: &Analysis,
    backups: &[(String, Backup)],
    registries: &Registries,
    thresholds: &HealthThresholds,
) -> Vec<BackendHealth> {
    let backup = |name: &str| backups.iter().find(|(of, _)| of == name).map(|(_, backup)| backup);
    let evidence =
        |name: &str| Evidence { backup: backup(name), registries: Some(registries), probes: vec![] };
    let judge = |backend: &BackendAnalysis| {
        BackendHealth::judge(backend, &evidence(&backend.name), thresholds, analysis.observed_at)
    };
    let mut all: Vec<_> = analysis.backends.iter().map(judge).collect();
    let mut others: Vec<&str> = registries.registered.iter().map(|backend| backend.name.as_str()).collect();
    others.retain(|name| analysis.backend(name).is_none());
    others.dedup();
    for name in others {
        let mut checks =
            vec![Check::new("mappings", Health::Unknown, "it is registered and has no directory")];
        checks.extend(service(name, &evidence(name), thresholds, analysis.observed_at));
        all.push(BackendHealth::of(name, checks));
    }
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

impl BackendHealth {
    /// Judges one backend at a time, in microseconds since 1970.
    pub fn judge(
        backend: &BackendAnalysis,
        evidence: &Evidence<'_>,
        thresholds: &HealthThresholds,
        now: i64,
    ) -> BackendHealth {
        let mut checks = vec![mappings(backend)];
        // No mappings need no backup.
        let has_pins = backend.counts().is_some_and(|counts| counts.pins > 0);
        checks.extend(evidence.backup.filter(|_| has_pins).and_then(backup));
        checks.extend(shares(backend, thresholds));
        checks.extend(age(backend, thresholds, now));
        checks.extend(sync(&backend.name, evidence, thresholds));
        checks.extend(service(&backend.name, evidence, thresholds, now));
        BackendHealth::of(&backend.name, checks)
    }

    fn of(name: &str, checks: Vec<Check>) -> BackendHealth {
        let worst = checks.iter().filter_map(|check| check.state).max();
        BackendHealth { name: name.to_owned(), state: worst.unwrap_or(Health::Unknown), checks }
    }

    /// Why it is not healthy: what the worst checks say first.
    pub fn reasons(&self) -> Vec<&str> {
        let mut bad: Vec<&Check> = self
            .checks
            .iter()
            .filter(|check| check.state.is_some_and(|state| state > Health::Healthy))
            .collect();
        bad.sort_by_key(|check| std::cmp::Reverse(check.state));
        bad.into_iter().map(|check| check.reason.as_str()).collect()
    }
}

impl Check {
    fn new(check: &'static str, state: Health, reason: impl Into<String>) -> Check {
        Check { check, state: Some(state), reason: reason.into() }
    }
}

fn mappings(backend: &BackendAnalysis) -> Check {
    let reason = || backend.reason.clone().unwrap_or_else(|| "its mappings cannot be read".into());
    let (state, words) = match backend.state {
        BackendState::Ready => (Health::Healthy, "its mappings can be read".to_owned()),
        BackendState::Empty => (Health::Unknown, "it has no mappings to judge it by".into()),
        BackendState::Legacy => (Health::Degraded, "only a pins.json, which waits to be migrated".into()),
        BackendState::CarOnly => (Health::Degraded, "only the backup is there, and no mappings".into()),
        BackendState::Alias => (Health::Unknown, reason()),
        BackendState::Unreadable => (Health::Unhealthy, reason()),
    };
    Check::new("mappings", state, words)
}

fn backup(backup: &Backup) -> Option<Check> {
    let (state, words) = match backup {
        Backup::NotNeeded => return None,
        Backup::Agrees => (Health::Healthy, "the backup is of these mappings".to_owned()),
        Backup::SameRoot => (
            Health::Healthy,
            "not compared to the end: the backup is whole, with the root that the mappings name".into(),
        ),
        Backup::NotCompared => {
            (Health::Healthy, "not compared: the backup is not older than the mappings".into())
        }
        Backup::Missing => (Health::Degraded, "there is no backup".into()),
        Backup::Differs(why) => (Health::Degraded, format!("the backup is of other mappings: {why}")),
        Backup::Unreadable(why) => (Health::Degraded, format!("the backup cannot be read: {why}")),
    };
    Some(Check::new("backup", state, words))
}

fn shares(backend: &BackendAnalysis, thresholds: &HealthThresholds) -> Vec<Check> {
    let Some(counts) = backend.counts().filter(|counts| counts.pins > 0) else { return vec![] };
    let share = |check: &'static str, limits: &Limits| {
        let found = counts.with_status(check);
        let percent = 100.0 * found as f64 / counts.pins as f64;
        let reason = format!("{found} of {} mappings {check}, {percent:.1} %", counts.pins);
        Check::new(check, limits.judge(percent), reason)
    };
    vec![share("failed", &thresholds.failed_percent), share("pending", &thresholds.pending_percent)]
}

fn age(backend: &BackendAnalysis, thresholds: &HealthThresholds, now: i64) -> Option<Check> {
    let counts = backend.counts().filter(|counts| counts.pins > 0)?;
    let Some(newest) = counts.newest() else {
        return Some(Check { check: "age", state: None, reason: "no mapping says when it was made".into() });
    };
    let age = now.saturating_sub(newest);
    let days = age as f64 / 86_400e6;
    let reason = match age {
        0.. => format!("the newest mapping is {} old", span(age)),
        _ => format!("the newest mapping says that it was made {} from now", span(-age)),
    };
    Some(Check::new("age", thresholds.newest_mapping_days.judge(days), reason))
}

fn sync(name: &str, evidence: &Evidence<'_>, thresholds: &HealthThresholds) -> Option<Check> {
    let registries = evidence.registries?;
    let unknown = |reason: String| Some(Check::new("sync", Health::Unknown, reason));
    let note = registries.dirty(name);
    let about = note.and_then(|note| note.problem.clone());
    let is_dirty = registries.dirty_backends().contains(&name);
    // What is marked waits, whatever else cannot be read.
    if !is_dirty && (about.is_some() || note.is_none() && registries.lacks("dirty")) {
        return match about {
            Some(problem) => unknown(format!("what waits to be synced cannot be read: {problem}")),
            // Another backend's note is no evidence of this one.
            None if registries.dirty.iter().any(|note| note.problem.is_some()) => None,
            None => unknown("what waits to be synced cannot be read".into()),
        };
    }
    let unsynced = note.and_then(|note| note.unsynced_actions).unwrap_or_default();
    if note.is_none() && !is_dirty {
        return None;
    }
    let state = thresholds.unsynced_actions.judge(unsynced as f64);
    let (state, reason) = match unsynced {
        0 if is_dirty => {
            let more = about.map(|problem| format!("; its notes cannot be read: {problem}"));
            let more = more.unwrap_or_default();
            (Health::Degraded, format!("it is marked as waiting to be synced{more}"))
        }
        0 => (Health::Healthy, "all actions that are noted are synced".into()),
        _ => (state, format!("{unsynced} actions are not synced")),
    };
    Some(Check::new("sync", state, reason))
}

/// What those say who have looked at its service.
fn service(name: &str, evidence: &Evidence<'_>, thresholds: &HealthThresholds, now: i64) -> Vec<Check> {
    let registries = evidence.registries;
    let registered =
        registries.and_then(|registries| registries.registered(name)).map(|found| ServiceCheck {
            by: "registry".into(),
            at: found.last_check,
            is_up: found.is_up(),
            error: found.error.clone().or_else(|| found.unknown_status()),
        });
    let lost = registries.is_some_and(|registries| registries.lacks("registry"));
    if registered.is_none() && evidence.probes.is_empty() {
        let (state, reason) = match lost {
            true => (Some(Health::Unknown), "the registry cannot be read"),
            false => (None, "nobody has looked at its service"),
        };
        return vec![Check { check: "service", state, reason: reason.into() }];
    }
    registered.iter().chain(&evidence.probes).map(|check| looked(check, thresholds, now)).collect()
}

fn looked(check: &ServiceCheck, thresholds: &HealthThresholds, now: i64) -> Check {
    let age = check.at.map(|at| now.saturating_sub(at));
    let ago = span(age.unwrap_or_default().max(0));
    let is_old = age.is_some_and(|age| age as f64 > thresholds.check_hours * 3_600e6);
    let why = check.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    let by = &check.by;
    let is_early = age.is_some_and(|age| age < -CLOCKS);
    let (state, reason) = match check.is_up {
        None if check.error.is_some() => {
            (Some(Health::Unknown), format!("{by}: it is not said whether it answers{why}"))
        }
        None => (None, format!("{by}: nothing is said of its service")),
        Some(_) if is_old => {
            (Some(Health::Unknown), format!("{by}: it was last looked at {ago} ago, which is too long"))
        }
        Some(_) if is_early => {
            let from_now = span(age.unwrap_or_default().saturating_neg());
            (Some(Health::Unknown), format!("{by}: it says that it was last looked at {from_now} from now"))
        }
        Some(_) if age.is_none() => {
            (Some(Health::Unknown), format!("{by}: it does not say when it was last looked at"))
        }
        Some(true) => (Some(Health::Healthy), format!("{by}: it answered {ago} ago")),
        Some(false) => (Some(Health::Unhealthy), format!("{by}: it did not answer {ago} ago{why}")),
    };
    Check { check: "service", state, reason }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::daemon::{BackendFiles, PinCounts, Registered, StatusCounts, UnreadableFile};
    use crate::store::dirty::Dirty;

    const HOUR: i64 = 3_600_000_000;
    const NOW: i64 = 500_000 * HOUR;

    /// A backend with so many mappings of each status, the newest of them so many days old.
    fn backend(stored: u64, pending: u64, failed: u64, days: i64) -> BackendAnalysis {
        let counts =
            |pins| StatusCounts { pins, newest: Some(NOW - days * 24 * HOUR), ..StatusCounts::default() };
        let by_status = [("stored", stored), ("pending", pending), ("failed", failed)];
        let by_status: BTreeMap<_, _> = by_status
            .into_iter()
            .filter(|one| one.1 > 0)
            .map(|(word, pins)| (word.to_owned(), counts(pins)))
            .collect();
        BackendAnalysis {
            observed_at: NOW,
            name: "s3".into(),
            kind: None,
            state: BackendState::Ready,
            reason: None,
            files: BackendFiles::default(),
            pins: Some(PinCounts { pins: stored + pending + failed, by_status, ..PinCounts::default() }),
        }
    }

    fn judge(
        backend: &BackendAnalysis,
        backup: Option<&Backup>,
        registries: &Registries,
    ) -> (Health, Vec<String>) {
        let evidence = Evidence { backup, registries: Some(registries), probes: vec![] };
        let health = BackendHealth::judge(backend, &evidence, &HealthThresholds::default(), NOW);
        let reasons = health.reasons().into_iter().map(str::to_owned).collect();
        (health.state, reasons)
    }

    #[test]
    fn a_backend_is_as_well_as_its_worst_evidence() {
        let none = Registries::default();
        let fine = backend(100, 0, 0, 1);
        let agrees = Some(&Backup::Agrees);
        assert_eq!(judge(&fine, agrees, &none), (Health::Healthy, vec![]));
        for (backend, backup, state, reason) in [
            (backend(99, 0, 1, 1), Backup::Agrees, Health::Degraded, "1 of 100 mappings failed, 1.0 %"),
            (backend(999, 0, 1, 1), Backup::Agrees, Health::Healthy, ""),
            (backend(90, 0, 10, 1), Backup::Agrees, Health::Unhealthy, "10 of 100 mappings failed, 10.0 %"),
            (backend(80, 20, 0, 1), Backup::Agrees, Health::Degraded, "20 of 100 mappings pending, 20.0 %"),
            (backend(1, 1, 0, 1), Backup::Agrees, Health::Unhealthy, "1 of 2 mappings pending, 50.0 %"),
            (backend(9, 0, 0, 400), Backup::Agrees, Health::Degraded, "the newest mapping is 400 days old"),
            (fine.clone(), Backup::Missing, Health::Degraded, "there is no backup"),
            (fine.clone(), Backup::NotCompared, Health::Healthy, ""),
            (fine.clone(), Backup::SameRoot, Health::Healthy, ""),
            (
                fine.clone(),
                Backup::Differs("x".into()),
                Health::Degraded,
                "the backup is of other mappings: x",
            ),
        ] {
            let (found, reasons) = judge(&backend, Some(&backup), &none);
            assert_eq!((found, reasons.first().map_or("", String::as_str)), (state, reason));
        }
        for (state, health) in [
            (BackendState::Empty, Health::Unknown),
            (BackendState::Alias, Health::Unknown),
            (BackendState::Legacy, Health::Degraded),
            (BackendState::CarOnly, Health::Degraded),
            (BackendState::Unreadable, Health::Unhealthy),
        ] {
            let pins = (state == BackendState::Empty).then(PinCounts::default);
            let one = BackendAnalysis { state, pins, ..fine.clone() };
            assert_eq!(judge(&one, Some(&Backup::Missing), &none).0, health, "{state:?}");
        }
    }

    #[test]
    fn what_others_found_counts_while_it_is_new() {
        let fine = backend(100, 0, 0, 1);
        let said = |status: &str, hours: i64| Registered {
            name: "s3".into(),
            status: Some(status.into()),
            last_check: Some(NOW - hours * HOUR),
            ..Registered::default()
        };
        for (status, hours, state) in [
            ("healthy", 1, Health::Healthy),
            ("online", 5, Health::Healthy),
            ("unhealthy", 1, Health::Unhealthy),
            ("unreachable", 1, Health::Unhealthy),
            // Old evidence is none, and what needs it is not healthy.
            ("healthy", 7, Health::Unknown),
            ("unhealthy", 7, Health::Unknown),
            ("unhealthy", -1, Health::Unknown),
            // Nor is what is said of a time that has not come, or in words that nobody knows.
            ("healthy", -1, Health::Unknown),
            ("on fire", 1, Health::Unknown),
            ("configured", 700, Health::Healthy),
            ("referenced", 700, Health::Healthy),
        ] {
            let registries = Registries { registered: vec![said(status, hours)], ..Registries::default() };
            assert_eq!(judge(&fine, Some(&Backup::Agrees), &registries).0, state, "{status} {hours}");
        }
        let failed = Registered { error: Some("refused".into()), ..said("configured", 1) };
        let registries = Registries { registered: vec![failed], ..Registries::default() };
        assert_eq!(judge(&fine, Some(&Backup::Agrees), &registries).0, Health::Unknown);
        for (is_dirty, state) in [(Some(true), Health::Degraded), (None, Health::Unknown)] {
            let problem = Some("damaged".into());
            let note = Dirty { backend_name: "s3".into(), is_dirty, problem, ..Dirty::default() };
            let unreadable = vec![UnreadableFile { what: "dirty", reason: "damaged".into() }];
            let registries = Registries { dirty: vec![note], unreadable, ..Registries::default() };
            assert_eq!(judge(&fine, None, &registries).0, state, "{is_dirty:?}");
        }
        let lost = |what| Registries {
            unreadable: vec![UnreadableFile { what, reason: "damaged".into() }],
            ..Registries::default()
        };
        assert_eq!(judge(&fine, None, &lost("registry")).0, Health::Unknown);
        assert_eq!(judge(&fine, None, &lost("dirty")).0, Health::Unknown);
        assert_eq!(judge(&fine, None, &lost("buckets")).0, Health::Healthy);
        for (is_dirty, unsynced, state) in [
            (Some(false), 0, Health::Healthy),
            (Some(true), 0, Health::Degraded),
            (Some(true), 5, Health::Degraded),
            (Some(true), 100, Health::Unhealthy),
        ] {
            let note = Dirty {
                backend_name: "s3".into(),
                is_dirty,
                unsynced_actions: Some(unsynced),
                ..Dirty::default()
            };
            let registries = Registries { dirty: vec![note], ..Registries::default() };
            assert_eq!(judge(&fine, None, &registries).0, state, "{unsynced}");
        }
        let probe = |is_up| ServiceCheck {
            by: "tcp".into(),
            at: Some(NOW),
            is_up: Some(is_up),
            error: Some("refused".into()),
        };
        for (is_up, state) in [(true, Health::Healthy), (false, Health::Unhealthy)] {
            let evidence = Evidence { probes: vec![probe(is_up)], ..Evidence::default() };
            let health = BackendHealth::judge(&fine, &evidence, &HealthThresholds::default(), NOW);
            assert_eq!(health.state, state);
        }
    }

    #[test]
    fn thresholds_are_read_from_toml_and_unknown_ones_refused() {
        let given: HealthThresholds =
            toml::from_str("failed_percent = { degraded = 5 }\ncheck_hours = 1").unwrap();
        assert_eq!(given.failed_percent, Limits { degraded: Some(5.0), unhealthy: None });
        assert_eq!(given.pending_percent, HealthThresholds::default().pending_percent);
        assert!(toml::from_str::<HealthThresholds>("failed = 5").is_err());
    }
}

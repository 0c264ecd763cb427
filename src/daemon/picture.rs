//! What a daemon knows at one moment: what `status.json`, `/metrics` and `/healthz` are made of.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::alerts::{Delivery, State};
use super::probes::{Answers, Reached};
use super::record::Observation;
use super::silence::Silence;
use super::surroundings::Usage;
use super::{BackendAnalysis, Contents};

/// The version of `status.json`.
const VERSION: u32 = 1;
/// Upper ends of the classes of a [`Durations`], in seconds.
pub const CLASSES: [f64; 8] = [0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// All that is known.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The data directory.
    pub root: PathBuf,
    /// The number of the process.
    pub process: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When this was made.
    pub at: DateTime<Utc>,
    /// When the latest observation ended, well or not, or the daemon began; and the same on a clock that does not jump.
    pub looked: (DateTime<Utc>, Instant),
    /// Which backend does not answer, which goes on changing.
    pub silence: Silence,
    /// Where the configuration came from.
    pub config_path: Option<PathBuf>,
    /// Why the one that is there now does not count, if so.
    pub config_problem: Option<String>,
    /// Where it answers over HTTP.
    pub address: Option<SocketAddr>,
    /// How changes are noticed.
    pub watching: String,
    /// An observation is made at least this often.
    pub interval: Duration,
    /// The same for looking.
    pub poll: Duration,
    /// The latest observation.
    pub observation: Option<Arc<Observation>>,
    /// What probes have found, which goes on changing.
    pub answers: Answers,
    /// What alerts are at, with how bad each is.
    pub alerts: BTreeMap<String, (&'static str, State)>,
    /// What became of notices.
    pub delivery: Delivery,
    /// What there is of the past.
    pub history: PastKept,
    /// What has been counted since the process began.
    pub counts: Counts,
    /// What was wrong when it was made, by what it is about.
    pub problems: BTreeMap<&'static str, String>,
    /// What the process has used.
    pub usage: Option<Usage>,
}

/// What there is of the past.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PastKept {
    /// Observations.
    pub observations: u64,
    /// Files that they are in.
    pub files: usize,
    /// What these take.
    pub bytes: u64,
    /// Files that cannot be read.
    pub damaged: Vec<PathBuf>,
}

/// What has been counted since the process began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Observations by cause.
    pub observations: BTreeMap<&'static str, u64>,
    /// Those that failed.
    pub failed_observations: u64,
    /// Backends that were read anew.
    pub backends_read: u64,
    /// Observations that could not be kept.
    pub not_kept: u64,
    /// Jumps of the clock.
    pub clock_jumps: u64,
    /// How long observations took.
    pub observing: Durations,
    /// How long one backend took.
    pub backend: Durations,
    /// How long all contents took.
    pub redundancy: Durations,
    /// How long all alerts took.
    pub alerts: Durations,
}

/// How long something took, in classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// How many took at most as long as each of [`CLASSES`].
    pub up_to: [u64; CLASSES.len()],
    /// How many there were.
    pub count: u64,
    /// How long all took, in seconds.
    pub sum: f64,
}

impl Durations {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let fitting = self.up_to.iter_mut().zip(CLASSES).filter(|(_, class)| seconds <= *class);
        fitting.for_each(|(count, _)| *count += 1);
        self.count += 1;
        self.sum += seconds;
    }
}

/// A time as JSON has it.
fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn micros(at: Option<i64>) -> Option<String> {
    at.and_then(DateTime::from_timestamp_micros).map(stamp)
}

impl Picture {
    /// Whether the daemon does what it should, else why not: an observation is late, or something is wrong.
    pub fn fault(&self) -> Option<String> {
        let late = self.interval * 2 + Duration::from_secs(60);
        let passed = self.looked.1.elapsed();
        if passed > late {
            return Some(format!("nothing has been observed for {} s", passed.as_secs()));
        }
        let problem = self.problems().into_iter().next();
        let nothing = || self.observation.is_none().then(|| "nothing has been observed yet".to_owned());
        problem.map(|(about, problem)| format!("{about}: {problem}")).or_else(nothing)
    }

    /// What is wrong at this moment, by what it is about.
    pub fn problems(&self) -> BTreeMap<&'static str, String> {
        let mut problems = self.problems.clone();
        problems.extend(self.silence.problem().map(|problem| ("reading", problem)));
        problems
    }

    /// What stands in `status.json`.
    pub fn to_json(&self) -> Value {
        let observed = self.observation.as_ref();
        let analysis = observed.map(|observed| &observed.analysis);
        let reached = self.answers.by_backend();
        let backends = analysis.into_iter().flat_map(|analysis| &analysis.backends);
        let backends: Vec<Value> =
            backends.map(|backend| self.backend(backend, reached.get(&backend.name))).collect();
        let observation = observed.map(|observed| {
            json!({
                "observed_at": micros(Some(observed.analysis.observed_at)),
                "cause": observed.cause.word(),
                "took_ms": observed.took.as_millis() as u64,
                "complete": observed.analysis.is_complete(),
                "pins": observed.analysis.pins(),
            })
        });
        let redundancy = analysis.map(|analysis| {
            let bytes = |contents: Contents| number(contents.bytes);
            let redundancy = &analysis.redundancy;
            let all = redundancy.all();
            json!({
                "contents": all.contents,
                "contents_by_copies": redundancy.by_copies.iter().map(|(copies, of)| (copies.to_string(), of.contents)).collect::<BTreeMap<_, _>>(),
                "without_copy": redundancy.with_copies(0).contents,
                "with_one_copy": redundancy.at_risk().contents,
                "average_redundancy": redundancy.average(),
                "unique_bytes": bytes(all),
                "unknown_sizes": all.unknown_sizes,
            })
        });
        let alerts: BTreeMap<_, _> =
            self.alerts.iter().map(|(name, (severity, state))| (name, alert(severity, state))).collect();
        json!({
            "version": VERSION,
            "pinql": env!("CARGO_PKG_VERSION"),
            "state": "running",
            "pid": self.process,
            "root": self.root.display().to_string(),
            "started_at": stamp(self.started_at),
            "written_at": stamp(self.at),
            "looked_at": stamp(self.looked.0),
            "config": { "path": self.config_path.as_deref().map(shown), "problem": self.config_problem },
            "http": self.address.map(|address| address.to_string()),
            "watching": self.watching,
            "intervals": { "observe_seconds": self.interval.as_secs_f64(), "poll_seconds": self.poll.as_secs_f64() },
            "observation": observation,
            "backends": backends,
            "redundancy": redundancy,
            "alerts": alerts,
            "notices": self.delivery,
            "history": {
                "observations": self.history.observations,
                "files": self.history.files,
                "bytes": self.history.bytes,
                "damaged": self.history.damaged.iter().map(|path| shown(path)).collect::<Vec<_>>(),
            },
            "counts": {
                "observations": self.counts.observations,
                "failed_observations": self.counts.failed_observations,
                "backends_read": self.counts.backends_read,
                "not_kept": self.counts.not_kept,
                "clock_jumps": self.counts.clock_jumps,
            },
            "problems": self.problems(),
            "usage": self.usage.map(|usage| json!({ "resident_bytes": usage.resident_bytes, "cpu_seconds": usage.cpu_seconds })),
        })
    }

    fn backend(&self, backend: &BackendAnalysis, reached: Option<&Reached>) -> Value {
        let counts = backend.counts();
        let health = self.observation.as_ref().and_then(|observed| observed.health.get(&backend.name));
        json!({
            "name": backend.name,
            "type": backend.kind,
            "state": backend.state.word(),
            "reason": backend.reason,
            "health": health.map(|health| health.state.word()),
            "health_reasons": health.map(|health| health.reasons()).unwrap_or_default(),
            "read_at": micros(Some(backend.observed_at)),
            "pins": counts.map(|counts| counts.pins),
            "by_status": counts.map(|counts| counts.by_status.iter().map(|(status, of)| (status, of.pins)).collect::<BTreeMap<_, _>>()),
            "invalid_cids": counts.map(|counts| counts.invalid_cids),
            "contents": counts.map(|counts| counts.contents),
            "stored_bytes": counts.map(|counts| number(counts.stored.bytes)),
            "unknown_sizes": counts.map(|counts| counts.stored.unknown_sizes),
            "oldest": micros(counts.and_then(super::PinCounts::oldest)),
            "newest": micros(counts.and_then(super::PinCounts::newest)),
            "probe": reached,
        })
    }
}

fn alert(severity: &str, state: &State) -> Value {
    json!({
        "state": state.word(),
        "severity": severity,
        "since": state.since.map(stamp),
        "asked_at": state.asked_at.map(stamp),
        "rows": state.rows,
        "value": state.value,
        "problem": state.problem,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A whole number of any length.
fn number(number: i128) -> Value {
    number.to_string().parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}

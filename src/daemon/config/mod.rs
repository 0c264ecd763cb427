//! What a daemon is told to do: a TOML file, read whole and checked before anything of it counts.
//!
//! A new setting: a field here with its default, a line in `examples/daemon/daemon.toml`, one in `docs/daemon.md`.

mod checks;
mod words;

pub use words::{Hours, Moment, Pattern, Period, Severity, Size};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::HealthThresholds;
use super::alerts::When;
use super::probes::Probe;
use crate::error::{Error, Result};
use crate::report::Reports;

/// All that a daemon is told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// When backends are looked at.
    pub observe: Observe,
    /// What its queries may use.
    pub limits: Limits,
    /// How much of the past is kept.
    pub history: History,
    /// From where on a backend is not well any more.
    pub health: HealthThresholds,
    /// Where it answers to others.
    pub http: Http,
    /// Whether backends can be reached.
    #[serde(rename = "probe")]
    pub probes: Vec<Probe>,
    /// Who is told of alerts, by name.
    #[serde(rename = "notify")]
    pub channels: BTreeMap<String, Channel>,
    /// What to tell.
    #[serde(rename = "alert")]
    pub alerts: Vec<Rule>,
    /// When to tell nothing.
    #[serde(rename = "silence")]
    pub silences: Vec<Silence>,
    /// Where it was read, for what is found to be wrong with it later.
    #[serde(skip)]
    source: Source,
}

/// A text of a configuration.
#[derive(Debug, Clone, Default)]
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// What is wrong with it, and where.
    fn wrong(&self, span: Option<Range<usize>>, problem: String) -> Error {
        let at = span.map_or(0, |span| span.start).min(self.text.len());
        let before = &self.text[..self.text.floor_char_boundary(at)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Error::Format { path: self.path.clone(), place: format!("line {line}, column {column}"), problem }
    }
}

/// The part of a configuration that judges. The others are not looked at, and may be wrong.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OnlyHealth {
    health: HealthThresholds,
}

impl HealthThresholds {
    /// Reads `[health]` of a daemon's configuration, and no file with secrets that it names.
    ///
    /// # Errors
    /// If the text is no TOML, or this part of it says something that cannot be, with the place.
    pub fn parse(path: &Path, text: &str) -> Result<HealthThresholds> {
        let source = Source { path: path.into(), text: text.into() };
        let parsed: Result<OnlyHealth, toml::de::Error> = toml::from_str(text);
        let wrong = |error: toml::de::Error| source.wrong(error.span(), error.message().to_owned());
        parsed.map(|only| only.health).map_err(wrong)
    }
}

/// When backends are looked at.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Observe {
    /// An observation is made at least this often.
    pub interval: Period,
    /// How long nothing may have changed before what has changed is read.
    pub debounce: Period,
    /// The longest that a change waits for that.
    pub most_delay: Period,
    /// How often changes are looked for, whether or not the system tells of them.
    pub poll: Period,
    /// Whether to let the system tell of changes.
    pub watch: bool,
    /// The share of the time that may be spent on observations of changes, in per cent.
    pub most_percent: u8,
}

impl Default for Observe {
    fn default() -> Observe {
        Observe {
            interval: seconds(300),
            debounce: seconds(1),
            most_delay: seconds(30),
            poll: seconds(30),
            watch: true,
            most_percent: 20,
        }
    }
}

/// What the daemon's queries may use.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory.
    pub memory: Size,
    /// Threads.
    pub threads: usize,
    /// How long one may take.
    pub timeout: Period,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory: Size(512 << 20), threads: 2, timeout: seconds(600) }
    }
}

/// How much of the past is kept.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Observations older than this are removed.
    pub keep: Period,
    /// The oldest are removed beyond this.
    pub most: Size,
}

impl Default for History {
    fn default() -> History {
        History { keep: seconds(400 * 86_400), most: Size(256 << 20) }
    }
}

/// Where the daemon answers to others.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// The address; without one nothing listens.
    pub listen: Option<SocketAddr>,
    /// A file with the word that who asks must know. Needed beyond this machine.
    pub token_file: Option<PathBuf>,
    /// The word. Read from the file, and shown nowhere.
    #[serde(skip)]
    pub token: Option<Secret>,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// One who is told of alerts: exactly one of `command`, `shell`, `webhook`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// A program and its arguments, with the notice as JSON on stdin.
    pub command: Option<Vec<String>>,
    /// The same through `sh -c`.
    pub shell: Option<String>,
    /// An address that the notice is posted to as JSON.
    pub webhook: Option<String>,
    /// A file with what goes into the header `Authorization` behind `Bearer`.
    pub token_file: Option<PathBuf>,
    /// The word in it.
    #[serde(skip)]
    pub token: Option<Secret>,
    /// How long one attempt may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Period,
    /// How long a notice that cannot be delivered is tried again.
    #[serde(default = "a_day")]
    pub retry_for: Period,
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it is called: letters, digits, `-`, `_`, `.`.
    pub name: Spanned<String>,
    /// What makes it fire.
    pub when: Spanned<When>,
    /// How bad that is.
    #[serde(default)]
    pub severity: Severity,
    /// How long it must have been so.
    #[serde(rename = "for")]
    pub hold: Option<Period>,
    /// How often it is asked at most; with every observation if nothing is said.
    pub every: Option<Period>,
    /// How often it is told again while it fires; once if nothing is said.
    pub repeat: Option<Period>,
    /// Who is told, by name. The log is always told.
    #[serde(default)]
    pub notify: Vec<Spanned<String>>,
    /// What to do about it, for who is told.
    #[serde(default)]
    pub description: String,
    /// Whether to go on without backends that cannot be read. Without it, the alert is `unknown` while there are any.
    #[serde(default)]
    pub skip_unreadable: bool,
}

/// A time in which nobody is told anything.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Which alerts; all if nothing is said.
    #[serde(default = "all")]
    pub alerts: Vec<Pattern>,
    /// From when on.
    pub from: Option<Moment>,
    /// Until when.
    pub until: Option<Moment>,
    /// A part of each day, in UTC.
    pub daily: Option<Hours>,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

impl Silence {
    /// Whether it is about an alert at a moment.
    pub fn covers(&self, alert: &str, at: chrono::DateTime<chrono::Utc>) -> bool {
        self.alerts.iter().any(|pattern| pattern.matches(alert))
            && self.from.is_none_or(|from| from.0 <= at)
            && self.until.is_none_or(|until| at < until.0)
            && self.daily.is_none_or(|daily| daily.hold(at))
    }
}

impl Config {
    /// Reads a configuration, and the files with secrets that it names.
    ///
    /// # Errors
    /// If it says something that cannot be, with the place: nothing of it counts then.
    pub fn parse(path: &Path, text: &str, reports: &Reports) -> Result<Config> {
        let source = Source { path: path.into(), text: text.into() };
        let parsed: Result<Config, toml::de::Error> = toml::from_str(text);
        let mut config = parsed.map_err(|error| source.wrong(error.span(), error.message().to_owned()))?;
        checks::check(&config, reports).map_err(|(span, problem)| source.wrong(span, problem))?;
        config.source = source;
        let dir = path.parent().unwrap_or(Path::new("."));
        config.http.token = config.http.token_file.as_deref().map(|file| secret(dir, file)).transpose()?;
        for channel in config.channels.values_mut() {
            channel.token = channel.token_file.as_deref().map(|file| secret(dir, file)).transpose()?;
        }
        Ok(config)
    }

    /// An error over a rule's condition.
    pub(super) fn wrong_condition(&self, rule: &Rule, problem: String) -> Error {
        self.source.wrong(Some(rule.when.span()), problem)
    }

    /// Whether others than this machine's programs may ask.
    pub fn listens_beyond(&self) -> bool {
        self.http.listen.is_some_and(|address| !address.ip().is_loopback())
    }
}

/// The one line of a file with a secret.
fn secret(dir: &Path, file: &Path) -> Result<Secret> {
    let path = dir.join(file);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    let word = text.trim();
    if word.len() < 16 || word.chars().any(|letter| !letter.is_ascii_graphic()) {
        return Err(Error::Format {
            path,
            place: "line 1".into(),
            problem: "a token is one word of 16 and more letters of ASCII".into(),
        });
    }
    Ok(Secret(word.to_owned()))
}

fn seconds(seconds: u64) -> Period {
    Period(Duration::from_secs(seconds))
}

fn ten_seconds() -> Period {
    seconds(10)
}

fn a_day() -> Period {
    seconds(86_400)
}

fn all() -> Vec<Pattern> {
    vec![Pattern::from("*".to_owned())]
}

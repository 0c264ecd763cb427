//! Whether backends can be reached, asked of the places that an operator names: no one else knows where they are.
//!
//! A probe tells that something answers there, not that what it keeps is whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Client, Method, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};
use toml::Spanned;
use url::Url;

use super::config::Period;
use super::surroundings::Clock;

/// A place to ask: exactly one of `tcp`, `http`, `s3`, `kubo`, `path`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The backend that it is about.
    pub backend: Spanned<String>,
    /// `host:port` that takes a connection.
    tcp: Option<String>,
    /// An address that answers GET with success.
    http: Option<String>,
    /// The address of a bucket: HEAD is answered with success, or with 403, for nothing is signed.
    s3: Option<String>,
    /// The address of a Kubo node's RPC: POST to `/api/v0/version` is answered with a version.
    kubo: Option<String>,
    /// A path that is there: a mount.
    path: Option<PathBuf>,
    /// How often.
    #[serde(default = "a_minute")]
    pub every: Period,
    /// How long it may take.
    #[serde(default = "ten_seconds")]
    pub timeout: Period,
}

fn a_minute() -> Period {
    Period(Duration::from_secs(60))
}

fn ten_seconds() -> Period {
    Period(Duration::from_secs(10))
}

/// What is asked, checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// See [`Probe`].
    Tcp(String),
    /// See [`Probe`].
    Http(Url),
    /// See [`Probe`].
    S3(Url),
    /// See [`Probe`].
    Kubo(Url),
    /// See [`Probe`].
    Path(PathBuf),
}

/// What is asked at an address.
type OfUrl = fn(Url) -> Target;

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reached {
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Whether it answered as it should.
    pub reachable: bool,
    /// How long that took.
    pub milliseconds: f64,
    /// The answer in words, or what was wrong.
    pub detail: String,
}

impl Probe {
    /// What it asks.
    ///
    /// # Errors
    /// If it names none or several places, or one that cannot be.
    pub fn target(&self) -> Result<Target, String> {
        let Probe { tcp, http, s3, kubo, path, .. } = self;
        let mut targets = Vec::new();
        if let Some(place) = tcp {
            let sound = place
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
            targets.push(sound.then(|| Target::Tcp(place.clone())).ok_or("`tcp` is host:port"));
        }
        let kinds = [(http, Target::Http as OfUrl), (s3, Target::S3), (kubo, Target::Kubo)];
        for (address, kind) in kinds {
            let Some(address) = address else { continue };
            let url = Url::parse(address)
                .ok()
                .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            targets.push(url.map(kind).ok_or("an address begins with http:// or https://"));
        }
        targets.extend(path.clone().map(|path| Ok(Target::Path(path))));
        match targets.len() {
            1 => targets.remove(0).map_err(Into::into),
            _ => Err("give one of `tcp`, `http`, `s3`, `kubo` and `path`".into()),
        }
    }
}

/// The latest answers, by backend: several probes of one backend are all to succeed.
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<Mutex<BTreeMap<(String, usize), Reached>>>);

impl Answers {
    fn set(&self, backend: &str, number: usize, reached: Reached) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((backend.to_owned(), number), reached);
    }

    /// Forgets all, for other probes.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What is known of each backend that has a probe: of several, the worst, and of those the slowest.
    pub fn by_backend(&self) -> BTreeMap<String, Reached> {
        let mut found: BTreeMap<String, Reached> = BTreeMap::new();
        for ((backend, _), reached) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let worse = |known: &Reached| {
                (!reached.reachable, reached.milliseconds) > (!known.reachable, known.milliseconds)
            };
            if found.get(backend).is_none_or(worse) {
                found.insert(backend.clone(), reached.clone());
            }
        }
        found
    }
}

/// Asks again and again, until it is dropped.
pub async fn ask_always(
    probe: Probe,
    number: usize,
    client: Client,
    clock: Arc<dyn Clock>,
    answers: Answers,
) {
    let Ok(target) = probe.target() else { return };
    let mut ticks = tokio::time::interval(probe.every.0);
    // After a pause of the machine, once is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hanging = None;
    let mut was = None;
    loop {
        ticks.tick().await;
        let (at, since) = (clock.now(), Instant::now());
        let asked = tokio::time::timeout(probe.timeout.0, ask(&target, &client, &mut hanging)).await;
        let took = since.elapsed();
        let (reachable, detail) = match asked {
            Ok(Ok(detail)) => (true, detail),
            Ok(Err(problem)) => (false, problem),
            Err(_) => (false, format!("no answer within {} s", probe.timeout.0.as_secs_f64())),
        };
        let backend = probe.backend.get_ref().as_str();
        if was.replace(reachable) != Some(reachable) {
            match reachable {
                true => tracing::info!(backend, %detail, "reachable"),
                false => tracing::warn!(backend, %detail, "not reachable"),
            }
        }
        answers.set(
            backend,
            number,
            Reached { at, reachable, milliseconds: took.as_secs_f64() * 1e3, detail },
        );
    }
}

async fn ask(
    target: &Target,
    client: &Client,
    hanging: &mut Option<JoinHandle<std::io::Result<bool>>>,
) -> Result<String, String> {
    match target {
        Target::Tcp(place) => {
            TcpStream::connect(place).await.map(|_| "connected".to_owned()).map_err(|error| error.to_string())
        }
        Target::Http(url) => answer(client, Method::GET, url.clone(), |status| status.is_success()).await,
        Target::S3(url) => {
            let there = |status: StatusCode| status.is_success() || status == StatusCode::FORBIDDEN;
            answer(client, Method::HEAD, url.clone(), there).await
        }
        Target::Kubo(url) => {
            let url = url.join("/api/v0/version").map_err(|error| error.to_string())?;
            answer(client, Method::POST, url, |status| status.is_success()).await
        }
        Target::Path(path) => {
            // A mount that hangs keeps a thread until it comes back: one, and not one more each time.
            let path = path.clone();
            let there = hanging.get_or_insert_with(|| tokio::task::spawn_blocking(move || path.try_exists()));
            let found = there.await;
            *hanging = None;
            match found {
                Ok(Ok(true)) => Ok("it is there".into()),
                Ok(Ok(false)) => Err("it is not there".into()),
                Ok(Err(error)) => Err(crate::store::plain(&error)),
                Err(error) => Err(error.to_string()),
            }
        }
    }
}

async fn answer(
    client: &Client,
    method: Method,
    url: Url,
    sound: fn(StatusCode) -> bool,
) -> Result<String, String> {
    let answer = client.request(method, url).send().await.map_err(|error| plain(&error))?;
    let status = answer.status();
    if sound(status) { Ok(status.to_string()) } else { Err(format!("answered {status}")) }
}

/// What went wrong with a request, without its address: that may hold a secret.
pub(super) fn plain(error: &reqwest::Error) -> String {
    let chain = std::iter::successors(std::error::Error::source(error), |&cause: &&dyn std::error::Error| {
        cause.source()
    });
    match chain.last() {
        Some(cause) => cause.to_string(),
        None if error.is_timeout() => "no answer in time".into(),
        None => "the request failed".into(),
    }
}

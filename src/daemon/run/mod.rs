//! The daemon's course: look, read what has changed, keep it, ask the alerts, say so, wait.

mod begin;
mod health;
mod reload;
mod show;
mod times;
mod wake;

pub use begin::run;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Client;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::daemon::alerts::{self, Alerts, Asked, deliver_always};
use crate::daemon::clock::Steadiness;
use crate::daemon::config::Config;
use crate::daemon::history::History;
use crate::daemon::hold::Hold;
use crate::daemon::http::Server;
use crate::daemon::picture::Counts;
use crate::daemon::probes::{self, Answers};
use crate::daemon::record::{Cause, Observation};
use crate::daemon::seen::Seen;
use crate::daemon::surroundings::{Order, Surroundings};
use crate::daemon::watch::Ear;
use crate::error::{Error, Result};
use crate::report::prices::Prices;
use crate::session::{self, Session};
use crate::store::{DataDir, layout};
use begin::Told;
use times::Times;
use wake::{Later, Looked, Wake};

struct Daemon {
    data: DataDir,
    hold: Hold,
    config: Config,
    config_problem: Option<String>,
    world: Surroundings,
    strict: Session,
    lenient: Session,
    ear: Ear,
    /// How changes are noticed, as was shown last.
    watching: String,
    seen: Seen,
    history: History,
    alerts: Alerts,
    answers: Answers,
    /// Asks for probes.
    client: Client,
    /// Delivers to webhooks.
    hooks: Client,
    /// Probes, and who delivers notices.
    tasks: JoinSet<()>,
    server: Option<Server>,
    told: Told,
    started_at: DateTime<Utc>,
    /// When the latest observation ended, well or not; before the first, when it began.
    looked: (DateTime<Utc>, Instant),
    observation: Option<Arc<Observation>>,
    counts: Counts,
    /// Why the latest observation failed, or could not be kept, or the status not be written.
    not_observed: Option<String>,
    not_kept: Option<String>,
    not_told: Option<String>,
    clock: Steadiness,
}

impl Daemon {
    fn new(
        data: DataDir,
        hold: Hold,
        config: Config,
        world: Surroundings,
        told: Told,
        server: Option<Server>,
    ) -> Result<Daemon> {
        let mut history = History::open(&hold.dir().join(layout::HISTORY))?;
        let now = world.clock.now();
        let clock = Steadiness::new(now, Instant::now(), history.newest());
        let alerts = Alerts::open(hold.dir().join(layout::ALERTS), data.root().display().to_string());
        let (strict, lenient) = sessions(&data, &config, &world.prices)?;
        // Neither proxies nor anything else of the environment.
        let builder =
            || Client::builder().no_proxy().user_agent(concat!("pinql/", env!("CARGO_PKG_VERSION")));
        let failed =
            |error: reqwest::Error| Error::Engine { message: format!("cannot ask over HTTP: {error}") };
        let client = builder().build().map_err(failed)?;
        let hooks = alerts::hooks(builder()).map_err(failed)?;
        let daemon = Daemon {
            ear: Ear::new(data.root(), config.observe.watch),
            watching: String::new(),
            data,
            hold,
            config,
            config_problem: None,
            world,
            strict,
            lenient,
            seen: Seen::new(history.has_backends()),
            history,
            alerts,
            answers: Answers::default(),
            client,
            hooks,
            tasks: JoinSet::new(),
            server,
            told,
            started_at: now,
            looked: (now, Instant::now()),
            observation: None,
            counts: Counts::default(),
            not_observed: None,
            not_kept: None,
            not_told: None,
            clock,
        };
        drop(daemon.ear.listen());
        Ok(daemon)
    }

    /// Looks whether all alerts can be asked.
    async fn check_questions(&self) -> Result<()> {
        if self.config.alerts.is_empty() {
            return Ok(());
        }
        tracing::info!("looking whether the alerts can be asked");
        let _reading = self.told.silence.reading(self.world.clock.now());
        alerts::check_questions(self.data.root(), &self.config, &self.world.reports).await
    }

    /// Starts probes and deliveries as the configuration has them, in the place of those before.
    fn begin_tasks(&mut self) {
        self.alerts.follow(&self.config);
        self.tasks = JoinSet::new();
        self.answers.clear();
        for (number, probe) in self.config.probes.iter().enumerate() {
            let (client, clock, answers) =
                (self.client.clone(), Arc::clone(&self.world.clock), self.answers.clone());
            let probe = probes::ask_always(probe.clone(), number, client, clock, answers);
            self.tasks.spawn_on(probe, &self.told.desk);
        }
        for (name, channel) in &self.config.channels {
            let (alerts, client) = (self.alerts.clone(), self.hooks.clone());
            let delivery = deliver_always(alerts, name.clone(), channel.clone(), client);
            self.tasks.spawn_on(delivery, &self.told.desk);
        }
    }

    /// Goes on until it is to stop.
    ///
    /// # Errors
    /// If its directory has been removed or replaced.
    async fn course(&mut self, mut orders: UnboundedReceiver<Order>) -> Result<()> {
        let mut later = Later::default();
        let mut times = Times::after(Duration::ZERO, &self.config.observe);
        let mut cause = Some(Cause::Start);
        loop {
            if let Some(cause) = cause.take() {
                self.hold.look().await?;
                let since = Instant::now();
                if self.observe_until_stopped(&mut orders, &mut later, cause).await.is_break() {
                    return Ok(());
                }
                // What changes while it begins is read without a rest.
                let took = if cause == Cause::Start { Duration::ZERO } else { since.elapsed() };
                times = Times::after(took, &self.config.observe);
            }
            let wake = match later.take() {
                Some(wake) => wake,
                None => self.next(&mut orders, &times).await,
            };
            self.clock_check();
            match wake {
                Wake::Stop => return Ok(()),
                Wake::Reload(config) => {
                    self.reload(*config).await;
                    cause = Some(Cause::Interval);
                }
                Wake::KeepConfig(problem) => {
                    tracing::error!(%problem, "the configuration stays what it was");
                    self.config_problem = Some(problem);
                    self.show();
                }
                Wake::Heard => {
                    self.tell_watching();
                    times.touch();
                }
                Wake::Poll => {
                    self.tell_watching();
                    drop(self.ear.listen());
                    times.poll = Instant::now() + self.config.observe.poll.0;
                    match self.look(&mut orders, &mut later).await {
                        Looked::Stop => return Ok(()),
                        Looked::Same | Looked::Left => {}
                        Looked::Changed => times.touch(),
                    }
                }
                Wake::Due => {
                    times.pending = None;
                    match self.look(&mut orders, &mut later).await {
                        Looked::Stop => return Ok(()),
                        Looked::Same => {}
                        // It is looked for again.
                        Looked::Left => times.touch(),
                        Looked::Changed => cause = Some(Cause::Change),
                    }
                }
                Wake::Interval => cause = Some(Cause::Interval),
            }
        }
    }

    /// Looks whether anything has changed, unless an order comes first: a file system that hangs must not keep it from what it is
    /// told.
    async fn look(&self, orders: &mut UnboundedReceiver<Order>, later: &mut Later) -> Looked {
        let _reading = self.told.silence.reading(self.world.clock.now());
        tokio::select! {
            biased;
            order = orders.recv() => match later.add(order) {
                ControlFlow::Break(()) => Looked::Stop,
                ControlFlow::Continue(()) => Looked::Left,
            },
            changed = self.seen.has_changed(&self.data) => if changed { Looked::Changed } else { Looked::Same },
        }
    }

    /// Says how changes are noticed, if that is another way than before.
    fn tell_watching(&mut self) {
        let now = self.ear.how();
        if now != self.watching {
            tracing::info!(watching = %now, "how changes are noticed");
            self.show();
        }
    }

    /// What comes next. Of several that are due it is not always the same one, so that none keeps the others waiting for ever.
    async fn next(&self, orders: &mut UnboundedReceiver<Order>, times: &Times) -> Wake {
        let due = times.due(&self.config.observe);
        tokio::select! {
            order = orders.recv() => order.map_or(Wake::Stop, Wake::of),
            () = sleep_until(times.interval) => Wake::Interval,
            () = sleep_until(due.unwrap_or(times.interval)), if due.is_some() => Wake::Due,
            () = self.ear.heard() => Wake::Heard,
            () = sleep_until(times.poll) => Wake::Poll,
        }
    }

    /// Observes, unless it is to stop: then what was begun is left. What else it is told meanwhile waits until that has ended, so that
    /// orders, however often they come, leave no observation undone.
    async fn observe_until_stopped(
        &mut self,
        orders: &mut UnboundedReceiver<Order>,
        later: &mut Later,
        cause: Cause,
    ) -> ControlFlow<()> {
        {
            let _reading = self.told.silence.reading(self.world.clock.now());
            let work = self.observe(cause);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    order = orders.recv() => later.add(order)?,
                    () = &mut work => break,
                }
            }
        }
        self.looked = (self.world.clock.now(), Instant::now());
        self.show();
        ControlFlow::Continue(())
    }

    async fn observe(&mut self, cause: Cause) {
        let since = Instant::now();
        let now = self.world.clock.now();
        let read = self.seen.read(&self.lenient, now.timestamp_micros(), &mut self.counts).await;
        let analysis = match read {
            Ok(analysis) => analysis,
            Err(error) => {
                let problem = alerts::sentence(&error);
                if self.not_observed.as_ref() != Some(&problem) {
                    tracing::error!(%problem, "nothing could be observed");
                }
                self.alerts.not_observed(&self.config, &problem, now);
                self.not_observed = Some(problem);
                self.counts.failed_observations += 1;
                return;
            }
        };
        self.not_observed = None;
        let firing = self.alerts.states().values().filter(|state| state.firing).count() as u64;
        let health = self.judge(&analysis).await;
        let observation = Observation {
            cause,
            took: since.elapsed(),
            analysis: Arc::new(analysis),
            reached: self.answers.by_backend(),
            health,
            alerts_firing: firing,
        };
        self.counts.observing.add(observation.took);
        *self.counts.observations.entry(cause.word()).or_default() += 1;
        tracing::debug!(cause = cause.word(), took = ?observation.took, "observed");
        self.keep(&observation, now);
        self.observation = Some(Arc::new(observation));
        let since = Instant::now();
        let asked = Asked { strict: &self.strict, lenient: &self.lenient, reports: &self.world.reports, now };
        self.alerts.ask(&self.config, &asked).await;
        self.counts.alerts.add(since.elapsed());
    }

    /// Keeps an observation, and what is kept in bounds.
    fn keep(&mut self, observation: &Observation, now: DateTime<Utc>) {
        let steady = self.clock.is_steady(Instant::now());
        let (kept, tidied) = tokio::task::block_in_place(|| {
            let row = observation.row().map_err(|error| Error::Engine { message: error.to_string() });
            let kept = row.and_then(|row| self.history.append(&row));
            let keep = chrono::TimeDelta::from_std(self.config.history.keep.0).ok();
            let since = keep.filter(|_| steady).and_then(|keep| now.checked_sub_signed(keep));
            let since = since.map(|since| since.timestamp_micros());
            (kept, self.history.tidy(now.timestamp_micros(), since, self.config.history.most.0))
        });
        self.counts.not_kept += u64::from(kept.is_err());
        let what = if kept.is_err() {
            "the observation could not be kept"
        } else {
            "the history could not be tidied"
        };
        let problem = kept.and(tidied).err().map(|error| alerts::sentence(&error));
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.not_kept) {
            tracing::error!(%problem, "{what}");
        }
        self.not_kept = problem;
    }

    fn clock_check(&mut self) {
        if let Some(jump) = self.clock.look(self.world.clock.now(), Instant::now()) {
            tracing::warn!(seconds = jump.num_seconds(), "the clock has jumped, or the machine was asleep");
            self.counts.clock_jumps += 1;
        }
    }
}

/// A session that fails where a backend cannot be read, and one that goes on without it.
fn sessions(data: &DataDir, config: &Config, prices: &Prices) -> Result<(Session, Session)> {
    let options = |skip_unreadable| session::Options {
        memory_limit: usize::try_from(config.limits.memory.0).ok(),
        timeout: Some(config.limits.timeout.0),
        threads: Some(config.limits.threads),
        skip_unreadable,
        prices: prices.clone(),
    };
    Ok((Session::over(data.clone(), options(false))?, Session::over(data.clone(), options(true))?))
}

//! A round of questions: asks all alerts that are due, and puts what is to be told into the queues of who is told.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::notice::Notice;
use super::state::{Finding, Kind, State};
use super::{Alerts, VERSION, ask, sentence};
use crate::daemon::config::{Config, Rule};
use crate::report::Reports;
use crate::session::Session;

/// What is new after an alert was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Changed {
    #[default]
    Nothing,
    /// Nothing that cannot wait until the others have been asked.
    ToKeep,
    /// What it is at, or there is something to tell.
    ToTell,
}

/// The sessions that alerts ask.
pub struct Asked<'a> {
    /// One that fails where a backend cannot be read.
    pub strict: &'a Session,
    /// One that goes on without it.
    pub lenient: &'a Session,
    /// The reports that there are.
    pub reports: &'a Reports,
    /// What time it is.
    pub now: DateTime<Utc>,
}

impl Alerts {
    /// Asks all alerts that are due, and puts what is to be told into the queues of who is told: at once, for the next question may
    /// take long.
    pub async fn ask(&self, config: &Config, asked: &Asked<'_>) {
        let mut changed = Changed::Nothing;
        for rule in self.quickest_first(config) {
            if !self.is_due(rule) {
                continue;
            }
            let session = if rule.skip_unreadable { asked.lenient } else { asked.strict };
            let since = Instant::now();
            let found = ask::ask(session, rule.when.get_ref(), asked.reports, asked.now).await;
            let found = found.map_err(|error| sentence(&error));
            self.took(rule, since.elapsed());
            changed = changed.max(self.find(config, rule, &found, asked.now));
            if changed == Changed::ToTell {
                self.settle(std::mem::take(&mut changed));
            }
        }
        self.settle(changed);
    }

    /// The alerts, those last whose answers took long, so that others do not wait for them.
    fn quickest_first<'c>(&self, config: &'c Config) -> Vec<&'c Rule> {
        let asked = self.book().asked.clone();
        let mut rules: Vec<&Rule> = config.alerts.iter().collect();
        rules.sort_by_key(|rule| asked.get(rule.name.get_ref()).map_or(Duration::ZERO, |(_, took)| *took));
        rules
    }

    fn took(&self, rule: &Rule, took: Duration) {
        let mut book = self.book();
        book.asked.entry(rule.name.get_ref().clone()).or_insert_with(|| (Instant::now(), took)).1 = took;
    }

    /// Keeps what has changed, and lets those know who tell it: what is told twice after a crash has the same number then.
    fn settle(&self, changed: Changed) {
        if changed > Changed::Nothing {
            self.save();
        }
        if changed == Changed::ToTell {
            self.0.more.notify_waiters();
        }
    }

    /// Nothing could be observed: nobody knows the answer to any question that is due.
    pub fn not_observed(&self, config: &Config, problem: &str, now: DateTime<Utc>) {
        let found = Err(format!("nothing could be observed: {problem}"));
        let due = config.alerts.iter().filter(|rule| self.is_due(rule));
        let changed = due.map(|rule| self.find(config, rule, &found, now)).max();
        self.settle(changed.unwrap_or_default());
    }

    /// Whether an alert is to be asked again.
    fn is_due(&self, rule: &Rule) -> bool {
        let last = self.book().asked.get(rule.name.get_ref()).copied();
        last.is_none_or(|(last, _)| rule.every.is_none_or(|every| last.elapsed() >= every.0))
    }

    /// Goes on to what was found.
    fn find(
        &self,
        config: &Config,
        rule: &Rule,
        found: &Result<Finding, String>,
        now: DateTime<Utc>,
    ) -> Changed {
        let name = rule.name.get_ref();
        let hold = rule.hold.map_or(Duration::ZERO, |hold| hold.0);
        let every = rule.every.map_or(Duration::ZERO, |every| every.0);
        // In what is longer than observations may be apart nobody looked: that does not count.
        let most = config.observe.interval.0.max(every).saturating_mul(2) + Duration::from_secs(60);
        let mut book = self.book();
        let last = &mut book.asked.entry(name.clone()).or_insert_with(|| (Instant::now(), Duration::ZERO)).0;
        let passed = std::mem::replace(last, Instant::now()).elapsed();
        let state = book.alerts.entry(name.clone()).or_default();
        let before = state.clone();
        state.asks(&rule.when.get_ref().text);
        state.find(found, passed.min(most), hold, now);
        state.pass(passed);
        let (was, is) = (before.word(), state.word());
        if was != is {
            tracing::info!(alert = %name, was, is, rows = state.rows, problem = state.problem.as_deref(), "alert");
        }
        if config.silences.iter().any(|silence| silence.covers(name, now)) {
            return if *state == before { Changed::Nothing } else { Changed::ToKeep };
        }
        let due = state.due(hold, rule.repeat.map(|repeat| repeat.0));
        if let Some(kind) = due {
            state.tell(kind, now);
            let state = state.clone();
            let notice = self.notice(rule, kind, &state, found, now, book.next);
            book.next += 1;
            log(&notice);
            for channel in &rule.notify {
                if let Some(gone) = book.waiting.add(channel.get_ref(), notice.clone()) {
                    tracing::error!(channel = %channel.get_ref(), alert = %gone.alert, "too many notices wait: one is given up");
                    self.0.counts.given_up.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        if was != is || due.is_some() { Changed::ToTell } else { Changed::ToKeep }
    }

    fn notice(
        &self,
        rule: &Rule,
        kind: Kind,
        state: &State,
        found: &Result<Finding, String>,
        now: DateTime<Utc>,
        number: u64,
    ) -> Notice {
        let (sample, skipped_backends) = match found {
            Ok(Finding { sample, skipped, .. }) => (sample.clone(), skipped.clone()),
            Err(_) => Default::default(),
        };
        Notice {
            version: VERSION,
            id: format!("{}-{}-{number}", rule.name.get_ref(), now.timestamp_micros()),
            kind,
            alert: rule.name.get_ref().clone(),
            severity: rule.severity.as_str().into(),
            description: rule.description.clone(),
            when: rule.when.get_ref().text.clone(),
            since: state.since,
            at: now,
            rows: state.rows,
            value: state.value,
            sample,
            problem: state.problem.clone(),
            skipped_backends,
            root: self.0.root.clone(),
        }
    }
}

/// The log is always told.
fn log(notice: &Notice) {
    let Notice { alert, kind, severity, rows, value, problem, description, .. } = notice;
    let problem = problem.as_deref();
    match (kind, severity.as_str()) {
        (Kind::Recovered, _) => tracing::info!(%alert, "recovered"),
        (Kind::Unknown, _) => tracing::warn!(%alert, %severity, problem, "nobody knows"),
        (_, "info") => tracing::info!(%alert, %severity, rows, value, %description, "firing"),
        (_, "warning") => tracing::warn!(%alert, %severity, rows, value, %description, "firing"),
        _ => tracing::error!(%alert, %severity, rows, value, %description, "firing"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::report::Reports;

    #[test]
    fn who_took_long_is_asked_last() {
        let temp = tempfile::tempdir().unwrap();
        let alerts = Alerts::open(temp.path().join("alerts.json"), String::new());
        let rule = |name: &str| format!("[[alert]]\nname = \"{name}\"\nwhen = \"SELECT 1 has rows\"\n");
        let text: String = ["slow", "quick", "new"].map(rule).concat();
        let config = Config::parse(Path::new("daemon.toml"), &text, &Reports::built_in()).unwrap();
        let order = || -> Vec<String> {
            alerts.quickest_first(&config).iter().map(|rule| rule.name.get_ref().clone()).collect()
        };
        assert_eq!(order(), ["slow", "quick", "new"]);
        alerts.took(&config.alerts[0], Duration::from_secs(9));
        alerts.took(&config.alerts[1], Duration::from_secs(1));
        assert_eq!(order(), ["new", "quick", "slow"]);
    }
}

//! What others get to see.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::Daemon;
use crate::daemon::alerts;
use crate::daemon::http::Server;
use crate::daemon::picture::{PastKept, Picture};
use crate::store::layout;

impl Daemon {
    /// Shows others what is known.
    pub(super) fn show(&mut self) {
        let mut problems = BTreeMap::new();
        let server = self.server.as_ref().is_some_and(Server::has_ended);
        for (about, problem) in [
            ("observation", self.not_observed.clone()),
            ("history", self.not_kept.clone()),
            ("status", self.not_told.clone()),
            ("alerts", self.alerts.problem()),
            ("http", server.then(|| "it does not listen any more".to_owned())),
        ] {
            problems.extend(problem.map(|problem| (about, problem)));
        }
        let states = self.alerts.states();
        let alerts = self.config.alerts.iter().map(|rule| {
            let name = rule.name.get_ref();
            (name.clone(), (rule.severity.as_str(), states.get(name).cloned().unwrap_or_default()))
        });
        self.watching = self.ear.how();
        let picture = Picture {
            root: self.data.root().into(),
            process: self.world.process,
            started_at: self.started_at,
            at: self.world.clock.now(),
            made: Instant::now(),
            config_path: self.world.config_path.clone(),
            config_problem: self.config_problem.clone(),
            address: self.server.as_ref().map(|server| server.address),
            watching: self.watching.clone(),
            interval: self.config.observe.interval.0,
            poll: self.config.observe.poll.0,
            observation: self.observation.clone(),
            answers: self.answers.clone(),
            alerts: alerts.collect(),
            delivery: self.alerts.delivery(),
            history: PastKept {
                observations: self.history.observations(),
                files: self.history.files(),
                bytes: self.history.bytes(),
                damaged: self.history.damaged().map(Into::into).collect(),
            },
            counts: self.counts.clone(),
            problems,
            usage: (self.world.usage)(),
        };
        let text = format!("{:#}\n", picture.to_json());
        self.pictures.send_replace(Some(Arc::new(picture)));
        let told = tokio::task::block_in_place(|| self.hold.write(layout::STATUS, text.as_bytes()));
        let problem = told.err().map(|error| alerts::sentence(&error));
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.not_told) {
            tracing::error!(%problem, "the status cannot be written");
        }
        self.not_told = problem;
    }
}

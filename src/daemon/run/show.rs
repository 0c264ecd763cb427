//! What others get to see.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::Daemon;
use crate::daemon::alerts;
use crate::daemon::hold;
use crate::daemon::http::Server;
use crate::daemon::picture::{PastKept, Picture};
use crate::error::Result;
use crate::store::{DataDir, layout};

impl Daemon {
    /// Shows others what is known.
    pub(super) fn show(&mut self) {
        let mut problems = BTreeMap::new();
        let server = self.server.as_ref().is_some_and(Server::has_ended);
        for (about, problem) in [
            ("observation", self.not_observed.clone()),
            ("history", self.not_kept.clone()),
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
        let mut picture = Picture {
            root: self.data.root().into(),
            process: self.world.process,
            started_at: self.started_at,
            at: self.world.clock.now(),
            looked: self.looked,
            silence: self.told.silence.clone(),
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
        self.told.pictures.send_replace(Some(Arc::new(picture.clone())));
        let told = tokio::task::block_in_place(|| write(self.hold.dir(), &picture));
        let problem = told.err().map(|error| alerts::sentence(&error));
        if let Some(problem) = problem.clone() {
            picture.problems.insert("status", problem);
            self.told.pictures.send_replace(Some(Arc::new(picture)));
        }
        if let Some(problem) = problem.as_ref().filter(|_| problem != self.not_told) {
            tracing::error!(%problem, "the status cannot be written");
        }
        self.not_told = problem;
    }
}

/// Puts what is known where others look. What cannot be replaced is removed: nobody is to take it for what is true now.
fn write(dir: &Path, picture: &Picture) -> Result<()> {
    let text = format!("{:#}\n", picture.to_json());
    let written = hold::put(dir, layout::STATUS, text.as_bytes());
    if written.is_err() {
        let _ = fs::remove_file(dir.join(layout::STATUS));
    }
    written
}

/// Writes once more what was told last, where something of it has changed since.
pub(super) fn tell_again(root: &Path, process: u32, picture: Option<Arc<Picture>>) {
    let (root, Some(picture)) = (root.to_owned(), picture) else { return };
    // The file system may be the one that hangs.
    drop(tokio::task::spawn_blocking(move || {
        if let Ok(data) = DataDir::open(&root)
            && hold::running(&data) == Some(process)
        {
            let _ = write(&data.daemon(), &picture);
        }
    }));
}

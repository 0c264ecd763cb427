//! What others are told, and what of it still waits to be delivered.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::Kind;

/// Notices that wait for one channel; beyond it the oldest are given up.
pub(super) const MOST_WAITING: usize = 256;

/// What is told of an alert: the JSON that programs get on stdin and webhooks in the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The version of this form.
    pub version: u32,
    /// Its number: one that comes twice, after a crash, has the same.
    pub id: String,
    /// What is told.
    pub kind: Kind,
    /// The alert.
    pub alert: String,
    /// How bad it is.
    pub severity: String,
    /// What to do about it.
    pub description: String,
    /// The condition as it is written.
    pub when: String,
    /// Since when it is what it is.
    pub since: Option<DateTime<Utc>>,
    /// When this was found.
    pub at: DateTime<Utc>,
    /// Rows that it is about.
    pub rows: u64,
    /// The value that was compared, if one was.
    pub value: Option<f64>,
    /// The first of the rows.
    pub sample: Vec<Value>,
    /// Why the question could not be answered, if so.
    pub problem: Option<String>,
    /// Backends that the answer goes without.
    pub skipped_backends: Vec<String>,
    /// The data directory.
    pub root: String,
}

/// A notice that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub notice: Notice,
    /// Attempts that failed.
    pub attempts: u32,
}

/// What waits, by channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Outbox(BTreeMap<String, VecDeque<Waiting>>);

impl Outbox {
    /// Adds a notice; gives the one that had to go for it.
    pub fn add(&mut self, channel: &str, notice: Notice) -> Option<Notice> {
        let waiting = self.0.entry(channel.to_owned()).or_default();
        waiting.push_back(Waiting { notice, attempts: 0 });
        let gone = (waiting.len() > MOST_WAITING).then(|| waiting.pop_front()).flatten();
        gone.map(|gone| gone.notice)
    }

    /// The next one for a channel.
    pub fn next(&self, channel: &str) -> Option<&Waiting> {
        self.0.get(channel)?.front()
    }

    /// Takes a notice out.
    pub fn take(&mut self, channel: &str, id: &str) {
        let Some(waiting) = self.0.get_mut(channel) else { return };
        waiting.retain(|waiting| waiting.notice.id != id);
        if waiting.is_empty() {
            self.0.remove(channel);
        }
    }

    /// Counts an attempt that failed, and gives how many there were.
    pub fn failed(&mut self, channel: &str, id: &str) -> u32 {
        let waiting = self.0.get_mut(channel).into_iter().flatten().find(|waiting| waiting.notice.id == id);
        waiting.map_or(0, |waiting| {
            waiting.attempts += 1;
            waiting.attempts
        })
    }

    /// Drops what waits for channels that are not there any more, and gives how many that were.
    pub fn keep(&mut self, is_there: impl Fn(&str) -> bool) -> usize {
        let before = self.len();
        self.0.retain(|channel, _| is_there(channel));
        before - self.len()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.values().map(VecDeque::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(number: usize) -> Notice {
        let text = format!(
            r#"{{"version":1,"id":"{number}","kind":"firing","alert":"a","severity":"info","description":"","when":"",
                "since":null,"at":"2026-11-28T00:00:00Z","rows":0,"value":null,"sample":[],"problem":null,
                "skipped_backends":[],"root":"/"}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_oldest_goes_where_too_many_wait() {
        let mut outbox = Outbox::default();
        for number in 0..MOST_WAITING {
            assert_eq!(outbox.add("ops", notice(number)), None);
        }
        assert_eq!(outbox.add("ops", notice(999)).unwrap().id, "0");
        outbox.add("other", notice(1));
        assert_eq!(outbox.next("ops").unwrap().notice.id, "1");
        assert_eq!((outbox.failed("ops", "1"), outbox.failed("ops", "1")), (1, 2));
        outbox.take("ops", "1");
        assert_eq!(outbox.next("ops").unwrap().notice.id, "2");
        assert_eq!(outbox.keep(|channel| channel == "other"), MOST_WAITING - 1);
        assert_eq!(outbox.len(), 1);
    }
}

//! What an alert is at, and when that is told. Pure: times come from outside.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What came of asking the question of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Whether the condition is met.
    pub met: bool,
    /// How many rows of the answer it is about.
    pub rows: u64,
    /// The value that was compared, if one was.
    pub value: Option<f64>,
    /// The first rows.
    pub sample: Vec<Value>,
    /// Backends that the answer goes without.
    pub skipped: Vec<String>,
}

/// Whether a condition was met when it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It was not.
    #[default]
    NotMet,
    /// It was.
    Met,
    /// The question could not be answered.
    Unknown,
}

/// What those who are told believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// That all is well.
    #[default]
    Well,
    /// That it fires.
    Firing,
    /// That nobody knows.
    Unknown,
}

/// What an alert is at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The question, as it is written. Empty: not known, as an older version did not keep it.
    pub when: String,
    /// What its condition was.
    pub condition: Condition,
    /// Whether it fires: the condition has held for as long as it must, and has not been found not to hold since.
    pub firing: bool,
    /// Since when the condition is what it is.
    pub since: Option<DateTime<Utc>>,
    /// How long that was seen to be so, in seconds: without the time in which nobody looked.
    pub held: f64,
    /// When it was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// Why it could not be answered, if so.
    pub problem: Option<String>,
    /// Rows that the condition is about.
    pub rows: u64,
    /// The value that was compared.
    pub value: Option<f64>,
    /// What others believe.
    pub told: Told,
    /// When they were told.
    pub told_at: Option<DateTime<Utc>>,
    /// How long ago that is, in seconds that were counted: clocks jump. Without the time in which no daemon ran.
    pub told_for: f64,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It fires.
    Firing,
    /// It still fires.
    Reminder,
    /// It is over.
    Recovered,
    /// Its question cannot be answered.
    Unknown,
}

impl State {
    /// In one word: `ok`, `pending`, `firing` or `unknown`.
    pub fn word(&self) -> &'static str {
        match (self.firing, self.condition) {
            (true, _) => "firing",
            (false, Condition::Met) => "pending",
            (false, Condition::NotMet) => "ok",
            (false, Condition::Unknown) => "unknown",
        }
    }

    /// Makes it ask this, and says whether it asked something else before: what was found then says nothing of this question.
    /// Those who believe that it fires are told how it is with this one.
    pub fn asks(&mut self, when: &str) -> bool {
        if self.when == when {
            return false;
        }
        let before = std::mem::replace(&mut self.when, when.to_owned());
        if before.is_empty() {
            return false;
        }
        let told = match self.told {
            Told::Firing => Told::Unknown,
            told => told,
        };
        *self = State {
            when: std::mem::take(&mut self.when),
            condition: Condition::Unknown,
            told,
            told_at: self.told_at,
            told_for: self.told_for,
            ..State::default()
        };
        true
    }

    /// Goes on to what has been found, `elapsed` after the last time. Times since then in which nobody looked do not count.
    pub fn find(
        &mut self,
        found: &Result<Finding, String>,
        elapsed: Duration,
        hold: Duration,
        now: DateTime<Utc>,
    ) {
        let condition = match found {
            Ok(Finding { met: true, .. }) => Condition::Met,
            Ok(_) => Condition::NotMet,
            Err(_) => Condition::Unknown,
        };
        match condition == self.condition && self.since.is_some() {
            true => self.held += elapsed.as_secs_f64(),
            false => {
                self.held = 0.0;
                self.since = Some(now);
            }
        }
        self.condition = condition;
        self.asked_at = Some(now);
        self.problem = found.as_ref().err().cloned();
        if let Ok(finding) = found {
            self.rows = finding.rows;
            self.value = finding.value;
        }
        match condition {
            Condition::Met => self.firing |= self.has_held(hold),
            Condition::NotMet => self.firing = false,
            // Nobody knows that it is over.
            Condition::Unknown => {}
        }
    }

    /// So much time has passed since the last time.
    pub fn pass(&mut self, time: Duration) {
        self.told_for += time.as_secs_f64();
    }

    fn has_held(&self, hold: Duration) -> bool {
        self.held >= hold.as_secs_f64()
    }

    /// What is to be told now, if anything.
    pub fn due(&self, hold: Duration, repeat: Option<Duration>) -> Option<Kind> {
        let repeat_is_over = || repeat.is_some_and(|repeat| self.told_for >= repeat.as_secs_f64());
        match (self.firing, self.condition, self.told) {
            (true, _, Told::Firing) => repeat_is_over().then_some(Kind::Reminder),
            (true, ..) => Some(Kind::Firing),
            (false, Condition::NotMet, Told::Firing | Told::Unknown) => Some(Kind::Recovered),
            (false, Condition::Unknown, Told::Well) => self.has_held(hold).then_some(Kind::Unknown),
            _ => None,
        }
    }

    /// Remembers that it was told.
    pub fn tell(&mut self, kind: Kind, now: DateTime<Utc>) {
        self.told = match kind {
            Kind::Firing | Kind::Reminder => Told::Firing,
            Kind::Recovered => Told::Well,
            Kind::Unknown => Told::Unknown,
        };
        self.told_at = Some(now);
        self.told_for = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_secs(60);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
    }

    fn found(letter: char) -> Result<Finding, String> {
        let finding = |met| Finding { met, rows: 1, value: None, sample: vec![], skipped: vec![] };
        match letter {
            'm' => Ok(finding(true)),
            'n' => Ok(finding(false)),
            _ => Err("a backend is unreadable".into()),
        }
    }

    /// What is told of a course of findings, one every 30 seconds: `.` for nothing.
    fn told(course: &str, repeat: Option<Duration>) -> String {
        let mut state = State::default();
        let letter = |(step, letter)| {
            let now = at(30 * step as i64);
            state.find(&found(letter), Duration::from_secs(30), HOLD, now);
            state.pass(Duration::from_secs(30));
            let due = state.due(HOLD, repeat);
            if let Some(kind) = due {
                state.tell(kind, now);
            }
            match due {
                None => '.',
                Some(Kind::Firing) => 'F',
                Some(Kind::Reminder) => 'R',
                Some(Kind::Recovered) => 'W',
                Some(Kind::Unknown) => 'U',
            }
        };
        course.chars().enumerate().map(letter).collect()
    }

    #[test]
    fn what_holds_long_enough_is_told_once_and_so_is_its_end() {
        for (course, wanted) in [
            ("nnmmmmmmnn", "....F...W."),
            // Not long enough.
            ("mmnmmn", "......"),
            // Not to know is not to be well, and not to know whether it is over is not the end.
            ("mmmxxxm", "..F...."),
            ("mmmxxxn", "..F...W"),
            ("nxxxxn", "...U.W"),
            ("xxxmmm", "..U..F"),
        ] {
            assert_eq!(told(course, None), wanted, "{course}");
        }
        assert_eq!(told("mmmmmmmmn", Some(Duration::from_secs(90))), "..F..R..W");
    }

    #[test]
    fn another_question_begins_anew_and_its_answer_is_told() {
        let begun = |letters: &str| {
            let mut state = State::default();
            assert!(!state.asks("one"));
            for letter in letters.chars() {
                state.find(&found(letter), HOLD, HOLD, at(0));
                if let Some(kind) = state.due(HOLD, None) {
                    state.tell(kind, at(0));
                }
            }
            assert!(!state.asks("one") && state.asks("two"));
            assert_eq!((state.word(), state.held, state.since), ("unknown", 0.0, None));
            state
        };
        // What was pending is so for no time at all.
        let mut state = begun("m");
        state.find(&found('m'), HOLD, HOLD, at(1));
        assert_eq!((state.word(), state.due(HOLD, None)), ("pending", None));
        for (letter, wanted) in [('m', Kind::Firing), ('n', Kind::Recovered)] {
            let mut state = begun("mm");
            state.find(&found(letter), HOLD, Duration::ZERO, at(1));
            assert_eq!(state.due(Duration::ZERO, None), Some(wanted));
        }
    }

    #[test]
    fn a_restart_or_a_clock_that_jumps_makes_nothing_hold_longer() {
        let mut state = State::default();
        state.find(&found('m'), Duration::ZERO, HOLD, at(0));
        let text = serde_json::to_string(&state).unwrap();
        let mut state: State = serde_json::from_str(&text).unwrap();
        // A day later by the clock, nobody has looked since.
        state.find(&found('m'), Duration::ZERO, HOLD, at(86_400));
        assert_eq!(state.word(), "pending");
        state.find(&found('m'), HOLD, HOLD, at(0));
        assert_eq!(state.word(), "firing");
    }

    #[test]
    fn a_clock_that_jumps_neither_reminds_at_once_nor_silences_for_ever() {
        let day = Duration::from_secs(86_400);
        let years = 10 * 365 * 86_400;
        for jump in [years, -years] {
            let mut state = State::default();
            state.find(&found('m'), Duration::ZERO, Duration::ZERO, at(0));
            state.tell(Kind::Firing, at(0));
            let mut told = String::new();
            for hour in 0..50 {
                let now = at(jump + 3600 * hour);
                state.find(&found('m'), Duration::from_secs(3600), Duration::ZERO, now);
                state.pass(Duration::from_secs(3600));
                // A restart in the middle counts nothing, and loses nothing.
                let text = serde_json::to_string(&state).unwrap();
                state = serde_json::from_str(&text).unwrap();
                let due = state.due(Duration::ZERO, Some(day));
                due.iter().for_each(|kind| state.tell(*kind, now));
                told.push(if due == Some(Kind::Reminder) { 'R' } else { '.' });
            }
            let quiet = ".".repeat(23);
            assert_eq!(told, format!("{quiet}R{quiet}R.."), "{jump}");
        }
    }
}

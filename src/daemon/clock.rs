//! Whether the clock on the wall can be believed: held against one that only counts seconds.
//!
//! Nothing that waits goes by the clock on the wall. What is removed by age does, and a clock that jumps must not cost the
//! history.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// The clock has jumped if it and the one that counts seconds disagree by more than this.
const JUMP: TimeDelta = TimeDelta::seconds(60);
/// How long the clock must have been steady after a jump before it is believed.
const STEADY: Duration = Duration::from_secs(24 * 3600);
/// A gap in the history, or a step back, that casts doubt on the clock at the start.
const DOUBT: TimeDelta = TimeDelta::days(7);

/// Whether the clock can be believed.
#[derive(Debug)]
pub(super) struct Steadiness {
    wall: DateTime<Utc>,
    at: Instant,
    /// Since when it has not jumped; `None`: it never has.
    since: Option<Instant>,
}

impl Steadiness {
    /// At the start, when the newest observation that is kept was made at a time in microseconds.
    pub fn new(now: DateTime<Utc>, at: Instant, newest: Option<i64>) -> Steadiness {
        let newest = newest.and_then(DateTime::from_timestamp_micros);
        let doubtful = newest.is_some_and(|newest| (now - newest).abs() > DOUBT);
        Steadiness { wall: now, at, since: doubtful.then_some(at) }
    }

    /// By how much it has jumped since the last look, if it has. `at` is on the clock that only counts.
    pub fn look(&mut self, now: DateTime<Utc>, at: Instant) -> Option<TimeDelta> {
        let passed = TimeDelta::from_std(at.saturating_duration_since(self.at)).unwrap_or_default();
        let jump = now - self.wall - passed;
        (self.wall, self.at) = (now, at);
        let jumped = jump.abs() > JUMP;
        if jumped {
            self.since = Some(at);
        }
        jumped.then_some(jump)
    }

    /// Whether what it says may be acted on.
    pub fn is_steady(&self, at: Instant) -> bool {
        self.since.is_none_or(|since| at.saturating_duration_since(since) > STEADY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn after_a_jump_the_clock_is_not_believed_for_a_day() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut clock = Steadiness::new(at(0), start, Some(at(-3600).timestamp_micros()));
        assert!(clock.is_steady(start));
        assert_eq!((clock.look(at(590), after(600)), clock.is_steady(after(600))), (None, true));
        // Ten years on, and back again.
        assert_eq!(clock.look(at(315_360_590), after(600)), Some(TimeDelta::seconds(315_360_000)));
        assert!(!clock.is_steady(after(600)));
        assert_eq!(clock.look(at(600), after(610)), Some(TimeDelta::seconds(-315_360_000)));
        assert!(!clock.is_steady(after(600 + 23 * 3600)));
        assert!(clock.is_steady(after(700 + 24 * 3600)));
    }

    #[test]
    fn a_clock_that_the_history_contradicts_is_not_believed_at_once() {
        let start = Instant::now();
        for (newest, believed) in [(0, true), (-6 * 86_400, true), (-8 * 86_400, false), (8 * 86_400, false)]
        {
            let clock = Steadiness::new(at(0), start, Some(at(newest).timestamp_micros()));
            assert_eq!(clock.is_steady(start), believed, "{newest}");
        }
        assert!(Steadiness::new(at(0), start, None).is_steady(start));
    }
}

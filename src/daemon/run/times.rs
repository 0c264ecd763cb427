//! When the daemon looks next.

use std::time::Duration;

use tokio::time::Instant;

use crate::daemon::config::Observe;

/// A change that waits until all is quiet.
pub(super) struct Pending {
    first: Instant,
    last: Instant,
}

/// When it looks next.
pub(super) struct Times {
    pub pending: Option<Pending>,
    pub poll: Instant,
    pub interval: Instant,
    /// Not before this, so that observations of changes take no more of the time than they may.
    rested: Instant,
}

impl Times {
    /// When it looks next, after an observation that took so long.
    pub fn after(took: Duration, observe: &Observe) -> Times {
        let now = Instant::now();
        let rest = took * 100 / u32::from(observe.most_percent) - took;
        // What changed meanwhile was heard; it is looked for in any case.
        Times {
            pending: None,
            poll: now + observe.poll.0,
            interval: now + observe.interval.0,
            rested: now + rest,
        }
    }

    /// Something may have changed.
    pub fn touch(&mut self) {
        let now = Instant::now();
        self.pending.get_or_insert(Pending { first: now, last: now }).last = now;
    }

    /// When what has changed is read.
    pub fn due(&self, observe: &Observe) -> Option<Instant> {
        let Pending { first, last } = self.pending.as_ref()?;
        let quiet = (*last + observe.debounce.0).min(*first + observe.most_delay.0);
        Some(quiet.max(self.rested))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_waits_until_all_is_quiet_but_not_for_ever_and_the_machine_rests() {
        let observe = Observe::default();
        let mut times = Times::after(Duration::from_secs(2), &observe);
        assert_eq!(times.due(&observe), None);
        times.touch();
        // 2 seconds are a fifth of 10.
        let due = times.due(&observe).unwrap();
        assert!(due == times.rested && due > Instant::now() + Duration::from_secs(7));
        let now = Instant::now();
        times.rested = now;
        times.pending = Some(Pending { first: now, last: now + Duration::from_secs(10) });
        assert_eq!(times.due(&observe), Some(now + Duration::from_secs(11)));
        times.pending = Some(Pending { first: now, last: now + Duration::from_secs(300) });
        assert_eq!(times.due(&observe), Some(now + Duration::from_secs(30)));
    }
}

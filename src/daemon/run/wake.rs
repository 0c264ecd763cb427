//! What wakes the daemon, and what it is told while it is busy.

use std::ops::ControlFlow;

use crate::daemon::config::Config;
use crate::daemon::surroundings::Order;

/// What wakes it.
#[derive(Debug)]
pub(super) enum Wake {
    Stop,
    Reload(Box<Config>),
    KeepConfig(String),
    Heard,
    Poll,
    Due,
    Interval,
}

/// What a look for changes has found.
pub(super) enum Looked {
    Same,
    Changed,
    /// An order came first, which waits now.
    Left,
    Stop,
}

/// What it was told while it was busy, and does then: of several configurations only the last one.
#[derive(Debug, Default)]
pub(super) struct Later {
    config: Option<Box<Config>>,
    problem: Option<String>,
}

impl Wake {
    pub fn of(order: Order) -> Wake {
        match order {
            Order::Stop => Wake::Stop,
            Order::Reload(config) => Wake::Reload(config),
            Order::KeepConfig(problem) => Wake::KeepConfig(problem),
        }
    }
}

impl Later {
    /// Keeps an order for later; breaks if it is to stop. Nobody left to give any means that, too.
    pub fn add(&mut self, order: Option<Order>) -> ControlFlow<()> {
        match order {
            None | Some(Order::Stop) => return ControlFlow::Break(()),
            Some(Order::Reload(config)) => *self = Later { config: Some(config), problem: None },
            Some(Order::KeepConfig(problem)) => self.problem = Some(problem),
        }
        ControlFlow::Continue(())
    }

    /// What to do first.
    pub fn take(&mut self) -> Option<Wake> {
        let config = self.config.take().map(Wake::Reload);
        config.or_else(|| self.problem.take().map(Wake::KeepConfig))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_configuration_counts_and_what_was_wrong_since() {
        let mut later = Later::default();
        let config = |threads| {
            let mut config = Config::default();
            config.limits.threads = threads;
            Some(Order::Reload(Box::new(config)))
        };
        assert!(later.add(Some(Order::KeepConfig("first".into()))).is_continue());
        assert!(later.add(config(7)).is_continue() && later.add(config(8)).is_continue());
        assert!(later.add(Some(Order::KeepConfig("second".into()))).is_continue());
        assert!(matches!(later.take(), Some(Wake::Reload(config)) if config.limits.threads == 8));
        assert!(matches!(later.take(), Some(Wake::KeepConfig(problem)) if problem == "second"));
        assert!(later.take().is_none());
        assert!(later.add(Some(Order::Stop)).is_break() && later.add(None).is_break());
    }
}

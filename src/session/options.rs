//! What a session may use, and how it treats trouble.

use std::time::Duration;

use crate::report::prices::Prices;

/// What a session may use and how it treats trouble.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bytes that queries may hold in memory together; beyond it they spill to disk or fail. `None`: no limit.
    pub memory_limit: Option<usize>,
    /// How long one query may take, from its planning until its answer has been taken. `None`: no limit.
    pub timeout: Option<Duration>,
    /// Partitions that one query works on at once. `None`: the number of cores.
    pub threads: Option<usize>,
    /// Go on without backends that cannot be read, and list them in [`Answer::skipped`](super::Answer::skipped).
    pub skip_unreadable: bool,
    /// What the tables `prices` and `price_classes` hold.
    pub prices: Prices,
}

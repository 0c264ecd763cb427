//! What a daemon needs of the world, given by who runs it.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::config::Config;
use crate::report::Reports;
use crate::report::prices::Prices;

/// What time it is.
pub trait Clock: Debug + Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// What the process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Memory that is its own and in use, in bytes.
    pub resident_bytes: u64,
    /// Time on a processor since it began, in seconds.
    pub cpu_seconds: f64,
}

/// The world.
#[derive(Clone)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What the process has used, if the system tells.
    pub usage: fn() -> Option<Usage>,
    /// The number of the process.
    pub process: u32,
    /// The reports that alerts may ask.
    pub reports: Reports,
    /// What storage costs, for alerts that ask.
    pub prices: Prices,
    /// Where the configuration comes from, for `status.json`.
    pub config_path: Option<PathBuf>,
}

impl Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("process", &self.process).finish_non_exhaustive()
    }
}

/// What a daemon is told while it runs.
#[derive(Debug)]
pub enum Order {
    /// To end.
    Stop,
    /// To go on with another configuration.
    Reload(Box<Config>),
    /// That the configuration has become one that cannot be: it goes on with the one it has, and says so.
    KeepConfig(String),
}

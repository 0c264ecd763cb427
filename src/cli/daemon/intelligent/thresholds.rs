//! From where on a backend is not well: `[health]` of a daemon's configuration, so that both judge alike.

use std::fs;
use std::path::{Path, PathBuf};

use pinql::Error;
use pinql::daemon::{self, HealthThresholds};
use pinql::store::DataDir;

use crate::cli::failure::Outcome;
use crate::cli::places;

/// Of the configuration that is named, else of the one that the daemon of the data directory has, else of the user's own, else what
/// is usual.
pub fn load(named: Option<&Path>, data: &DataDir) -> Outcome<HealthThresholds> {
    let own = || places::daemon_config().filter(|path| path.exists());
    let Some(path) = named.map(PathBuf::from).or_else(|| of_daemon(data)).or_else(own) else {
        return Ok(HealthThresholds::default());
    };
    let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
    Ok(HealthThresholds::parse(&path, &text)?)
}

/// The configuration of the daemon, if one runs with one.
fn of_daemon(data: &DataDir) -> Option<PathBuf> {
    let status = daemon::status(data)?;
    status["config"]["path"].as_str().map(PathBuf::from)
}

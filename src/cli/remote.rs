//! Answers that go to an object store instead of a file.

use std::env;
use std::path::Path;
use std::sync::Arc;

use pinql::store::object::{ObjectUrl, Stop};

use super::failure::Outcome;
use super::interrupt;

/// The object that a name given for a file is about, if it is a URL.
pub fn object(name: &Path) -> Outcome<Option<ObjectUrl>> {
    match name.to_str().filter(|name| ObjectUrl::is_url(name)) {
        Some(url) => Ok(Some(ObjectUrl::open(url, &variables())?)),
        None => Ok(None),
    }
}

/// Whether Ctrl-C asks for the end, while a server is waited for.
pub fn stop() -> Stop {
    Arc::new(interrupt::is_pending)
}

/// The variables of the environment that are text.
fn variables() -> Vec<(String, String)> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

//! Tracing to stderr, for whoever looks for a fault: `-v`, or a filter in `$PINQL_LOG`.

use std::env;
use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::failure::{Failure, Outcome};

const VARIABLE: &str = "PINQL_LOG";

/// Starts tracing if someone asked for it.
pub fn start(verbosity: u8, colors: bool) -> Outcome<()> {
    match verbosity {
        0 if filter_named().is_none() => Ok(()),
        _ => start_with(verbosity, colors, io::stderr),
    }
}

fn filter_named() -> Option<String> {
    env::var(VARIABLE).ok().filter(|filter| !filter.is_empty())
}

/// Starts tracing to a place, at least with what one usually wants to know.
pub fn start_with<W>(verbosity: u8, colors: bool, place: W) -> Outcome<()>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = match (verbosity, filter_named()) {
        (0, Some(filter)) => filter,
        (0 | 1, _) => "pinql=info".into(),
        (2, _) => "pinql=debug".into(),
        (3, _) => "pinql=trace".into(),
        _ => "trace".into(),
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::misuse(format!("{VARIABLE}: {error}"), "write a filter such as pinql=debug")
    })?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(place).with_ansi(colors);
    // Fails only if tracing runs already, and then it need not be started.
    let _ = subscriber.log_internal_errors(false).try_init();
    Ok(())
}

//! Tracing to stderr, for whoever looks for a fault: `-v`, or a filter in `$PINQL_LOG`.

use std::env;
use std::io;

use tracing_subscriber::EnvFilter;

use super::failure::{Failure, Outcome};

const VARIABLE: &str = "PINQL_LOG";

/// Starts tracing if someone asked for it.
pub fn start(verbosity: u8, colors: bool) -> Outcome<()> {
    let filter = match verbosity {
        0 => match env::var(VARIABLE) {
            Ok(filter) if !filter.is_empty() => filter,
            _ => return Ok(()),
        },
        1 => "pinql=info".into(),
        2 => "pinql=debug".into(),
        3 => "pinql=trace".into(),
        _ => "trace".into(),
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::misuse(format!("{VARIABLE}: {error}"), "write a filter such as pinql=debug")
    })?;
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colors);
    // Fails only if tracing runs already, and then it need not be started.
    let _ = subscriber.log_internal_errors(false).try_init();
    Ok(())
}

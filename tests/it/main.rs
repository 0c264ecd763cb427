//! All integration tests, in one binary: linking the engine takes longer than most of them run.
#![allow(clippy::unwrap_used, missing_docs)]

mod architecture;
mod cli;
#[cfg(target_os = "linux")]
mod faults;
mod limits;
mod pruning;
mod reading;
mod recount;
mod reports;
mod shell;
mod snapshot;
mod sql;
mod startup;
mod support;
mod wire;

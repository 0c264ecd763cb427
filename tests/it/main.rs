//! All integration tests, in one binary: linking the engine takes longer than most of them run.
#![allow(clippy::unwrap_used, missing_docs)]

mod architecture;
mod car;
mod cli;
mod commands;
mod daemon;
mod exports;
#[cfg(target_os = "linux")]
mod faults;
mod layout;
mod limits;
mod lookup;
mod merge;
mod migrate;
mod objects;
mod optimize;
mod pruning;
mod reading;
mod recount;
mod rejects;
mod reports;
mod shell;
mod snapshot;
mod sql;
mod startup;
mod support;
mod terminal;
mod wire;

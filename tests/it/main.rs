//! x
#![allow(clippy::unwrap_used, missing_docs)]

mod recount;
mod reports;
mod sql;

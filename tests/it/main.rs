//! End to end: each room's promises, seen from outside.

mod cli;
mod shell;

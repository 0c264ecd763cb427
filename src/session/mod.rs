//! The engine: the only place that builds a DataFusion session.

use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::Stream;

use crate::error::Result;
use crate::report::Bindings;

/// What a session may use and how it treats trouble.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bytes that queries may hold in memory together; beyond it they spill or fail. `None`: no limit.
    pub memory_limit: Option<usize>,
    /// How long one query may run. `None`: no limit.
    pub timeout: Option<Duration>,
    /// Partitions that one query works on at once. `None`: the number of cores.
    pub threads: Option<usize>,
    /// Go on without backends that cannot be read, and list them in [`Answer::skipped`].
    pub skip_unreadable: bool,
}

/// One engine over one data directory.
#[derive(Debug)]
pub struct Session;

/// A backend that a query went on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The backend's name.
    pub backend: String,
    /// Its file, relative to the root.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The answer to one statement: a stream of record batches, with its columns known at once.
pub struct Answer;

impl Session {
    /// Opens the data directory. Reads no backend yet.
    pub fn open(root: &Path, options: Options) -> Result<Session> {
        let _ = (root, options);
        unimplemented!()
    }
    /// Plans one statement and starts it. The answer sees the files as they are now.
    pub async fn query(&self, sql: &str) -> Result<Answer> {
        self.query_with(sql, &Bindings::default()).await
    }
    /// The same with values for its `$name` parameters.
    pub async fn query_with(&self, sql: &str, bindings: &Bindings) -> Result<Answer> {
        let _ = (sql, bindings);
        unimplemented!()
    }
}

impl Answer {
    /// The columns.
    pub fn schema(&self) -> SchemaRef {
        unimplemented!()
    }
    /// The backends that this answer goes without. Complete once the stream has ended.
    pub fn skipped(&self) -> Vec<Skipped> {
        unimplemented!()
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch>;
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        unimplemented!()
    }
}

/// Splits a script into its statements, at semicolons outside of strings, quoted names and comments.
pub fn split_statements(script: &str) -> Result<Vec<Statement>> {
    let _ = script;
    unimplemented!()
}

/// Whether the text holds at least one statement and ends with a semicolon that closes it.
pub fn is_complete(script: &str) -> bool {
    let _ = script;
    unimplemented!()
}

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without the semicolon.
    pub sql: String,
    /// The line of the script on which it starts, counted from 1.
    pub line: u64,
}

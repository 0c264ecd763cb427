//! The engine: the only place that builds a DataFusion session.
//!
//! Each query gets a snapshot of the data directory and a catalog over it, is planned, checked to be read-only, and runs
//! as a task of its own whose batches an [`Answer`] hands over.

mod answer;
mod arithmetic;
mod calendar;
mod calls;
mod compact;
mod diagnose;
mod dialect;
mod distinct;
mod gauge;
mod groups;
mod ignored;
mod lexeme;
mod lookup;
mod memory;
mod names;
mod options;
mod places;
mod planner;
mod predicate;
mod prices;
mod profile;
mod remembered;
mod rules;
mod script;
mod sums;
mod times;
mod vocabulary;

pub use answer::{Answer, Skipped};
pub use compact::compact;
pub use gauge::{Gauge, Receipt};
pub use lexeme::{Lexeme, Part, lexemes, quote_name};
pub use lookup::Lookup;
pub use options::Options;
pub use predicate::Predicate;
pub use profile::{Node, Profile};
pub use script::{Statement, is_complete, split_statements};
pub use vocabulary::Function;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::catalog::FilesOfBackend;
use crate::error::{Error, Result};
use crate::report::Bindings;
use crate::store::DataDir;
use answer::Deadline;
use planner::Planner;

/// One engine over one data directory. Cheap to clone.
///
/// Needs a multi-threaded tokio runtime with its timer on.
#[derive(Debug, Clone)]
pub struct Session {
    planner: Arc<Planner>,
}

impl Session {
    /// Opens the data directory at `root`. Reads no backend yet.
    ///
    /// # Errors
    /// If there is no such directory.
    pub fn open(root: &Path, options: Options) -> Result<Session> {
        Session::over(DataDir::open(root)?, options)
    }

    /// The same of one that is open.
    pub(crate) fn over(data: DataDir, options: Options) -> Result<Session> {
        Ok(Session { planner: Arc::new(Planner::new(data, options)?) })
    }

    /// The data directory that it is over.
    pub fn data_dir(&self) -> &DataDir {
        self.planner.data_dir()
    }

    /// The functions that SQL may call, by name.
    pub fn functions(&self) -> Vec<Function> {
        vocabulary::functions(self.planner.state())
    }

    /// Keeps rows as the table `_` of later queries, in the place of those kept before; `None` keeps none. Of columns with
    /// one name, all but the first get a number: `cid`, `cid_2`.
    ///
    /// # Errors
    /// If the batches do not have these columns.
    pub fn remember(&self, answer: Option<(SchemaRef, Vec<RecordBatch>)>) -> Result<()> {
        self.planner.remembered.set(answer)
    }

    /// The same for who writes anew what is read: rows come in the order of their files, and a backend that cannot be read
    /// is an error whatever the options say. Nothing is written in the place of what was skipped.
    pub(crate) fn faithful(&self) -> Session {
        Session { planner: Arc::new(self.planner.faithful()) }
    }

    /// The same for several queries that are to agree with each other: all of them see the files as they are at the first one.
    /// Backends that cannot be read are skipped whatever the options say; each answer names those that were skipped until then.
    ///
    /// What was opened stays open as long as the session is kept.
    pub(crate) fn at_once(&self) -> Session {
        Session { planner: Arc::new(self.planner.at_once()) }
    }

    /// The same whose rows come in the order of their files. One that is [`at_once`](Session::at_once) stays that.
    pub(crate) fn in_order(&self) -> Session {
        Session { planner: Arc::new(self.planner.in_order()) }
    }

    /// What the files of each backend are, for a session that is [`at_once`](Session::at_once): as long as that is the same, so are
    /// its mappings. Opens all of them.
    ///
    /// # Errors
    /// If `backends/` cannot be listed.
    pub(crate) async fn files(&self) -> Result<BTreeMap<String, FilesOfBackend>> {
        self.planner.snapshot().identities().await
    }

    /// Plans one statement and starts it. The answer sees the files as they are now, whatever happens to them later.
    ///
    /// # Errors
    /// If the SQL does not parse, names something unknown, would write, or needs a backend that cannot be read.
    pub async fn query(&self, sql: &str) -> Result<Answer> {
        self.query_with(sql, &Bindings::default()).await
    }

    /// The same with values for its `$name` parameters.
    ///
    /// # Errors
    /// As [`Session::query`], and if a parameter has no value.
    pub async fn query_with(&self, sql: &str, bindings: &Bindings) -> Result<Answer> {
        self.query_without(sql, bindings, &[]).await
    }

    /// The same without backends that an earlier run of the query found damaged when it was too late to skip them.
    ///
    /// # Errors
    /// As [`Session::query_with`].
    pub async fn query_without(&self, sql: &str, bindings: &Bindings, damaged: &[Skipped]) -> Result<Answer> {
        let deadline = self.planner.options.timeout.map(Deadline::after);
        let plan = self.planner.plan(sql, bindings, damaged);
        let query = match deadline {
            Some(Deadline { at, limit }) => {
                tokio::time::timeout_at(at, plan).await.map_err(|_| Error::Timeout { limit })??
            }
            None => plan.await?,
        };
        Ok(Answer::start(Arc::clone(&self.planner), query, deadline))
    }

    /// A condition on the rows of an answer with these columns.
    ///
    /// # Errors
    /// If the SQL is no condition on them.
    pub fn predicate(&self, sql: &str, columns: &SchemaRef) -> Result<Predicate> {
        Predicate::new(&self.planner, sql, columns)
    }

    /// Plans one statement for another process: the physical plan as bytes, for [`Session::run_plan`].
    ///
    /// # Errors
    /// As [`Session::query`], and if a part of the plan cannot travel.
    pub async fn encode_plan(&self, sql: &str) -> Result<Vec<u8>> {
        let query = self.planner.plan(sql, &Bindings::default(), &[]).await?;
        self.planner.encode(&query)
    }

    /// Runs a plan that [`Session::encode_plan`] made over the same root, perhaps in another process.
    ///
    /// The files must be what they were when it was planned; a changed one is an error, never a different answer.
    ///
    /// # Errors
    /// If the bytes are no plan, or one that writes, or reads anything but pin mappings below the root.
    pub async fn run_plan(&self, plan: &[u8]) -> Result<Answer> {
        let query = self.planner.decode(plan)?;
        let deadline = self.planner.options.timeout.map(Deadline::after);
        Ok(Answer::start(Arc::clone(&self.planner), query, deadline))
    }
}

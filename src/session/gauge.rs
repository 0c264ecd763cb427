//! How far a query is: what it has read, what it may have to read, and how its plan does.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_plan::ExecutionPlan;

use super::profile::{self, Profile};
use crate::catalog::{ScanFacts, Snapshot};

/// What a query has read so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Files of mappings that were opened.
    pub files: u64,
    /// The size of these files.
    pub size: u64,
    /// Bytes that were read from them, footers included.
    pub bytes: u64,
}

/// Tells how far a query is, from any thread, while it runs and after it. Holds the files of the query open.
#[derive(Clone)]
pub struct Gauge {
    snapshot: Arc<Snapshot>,
    running: Running,
}

/// The plan that runs, once it does.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<Option<Arc<dyn ExecutionPlan>>>>);

impl Running {
    /// Says which plan runs now.
    pub fn set(&self, plan: Option<Arc<dyn ExecutionPlan>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = plan;
    }

    fn get(&self) -> Option<Arc<dyn ExecutionPlan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Gauge {
    pub(super) fn new(snapshot: Arc<Snapshot>, running: Running) -> Gauge {
        Gauge { snapshot, running }
    }

    /// What has been read so far.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            files: self.snapshot.files_opened(),
            size: self.snapshot.size(),
            bytes: self.snapshot.bytes_read(),
        }
    }

    /// The most that will be read: the compressed size of the columns that are asked for, in the row groups that are left.
    /// `None` until the query runs, and where it reads no mappings.
    pub fn most_bytes(&self) -> Option<u64> {
        let mut most = 0;
        let sum = |node: &Arc<dyn ExecutionPlan>| {
            most += ScanFacts::of(node.as_ref()).map_or(0, |facts| facts.expected);
            Ok(TreeNodeRecursion::Continue)
        };
        self.running.get()?.apply(sum).ok()?;
        (most > 0).then_some(most)
    }

    /// The rows that its scans have handed over so far.
    pub fn rows_read(&self) -> u64 {
        let mut rows = 0;
        let sum = |node: &Arc<dyn ExecutionPlan>| {
            if node.children().is_empty() {
                rows += node.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or_default() as u64;
            }
            Ok(TreeNodeRecursion::Continue)
        };
        let counted = self.running.get().map(|plan| plan.apply(sum));
        counted.map_or(0, |_| rows)
    }

    /// The plan as it has run, node by node. `None` until it runs.
    pub fn profile(&self) -> Option<Profile> {
        self.running.get().map(|plan| profile::of(&plan))
    }
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauge").field("receipt", &self.receipt()).finish_non_exhaustive()
    }
}

//! Filters that say the same of all rows of a run, such as one on the status: the sections that pass are read as they stand, the
//! others not at all, and no row is looked at.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::proto::ExecutionPlanEncodeCtx;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::TryStreamExt;

use super::chain::{Chain, column_below};
use crate::pin::schema::{BACKEND_NAME, STATUS};

/// The rows of the runs that pass a filter. Others than these the scan below it never reads.
#[derive(Debug)]
pub(super) struct SectionsExec {
    /// The plan that it stands in for, and that it travels as: a [`FilterExec`].
    general: Arc<dyn ExecutionPlan>,
    scan: Arc<dyn ExecutionPlan>,
    metrics: ExecutionPlanMetricsSet,
}

impl SectionsExec {
    /// What stands in for a general plan; `None` if nothing does.
    pub fn in_place_of(general: &Arc<dyn ExecutionPlan>) -> Result<Option<SectionsExec>> {
        let Some(filter) = general.downcast_ref::<FilterExec>().filter(|filter| may_be_settled(filter))
        else {
            return Ok(None);
        };
        let Some(mut chain) = Chain::below(general).filter(|chain| chain.is_lone_filter()) else {
            return Ok(None);
        };
        let mut passing = Vec::new();
        for (run, facts) in chain.scan.facts().enumerate() {
            match chain.passes(facts) {
                Some(true) if chain.scan_passes(facts) => passing.push(run),
                Some(false) => {}
                _ => return Ok(None),
            }
        }
        if let Some(columns) = filter.projection()
            && !chain.scan.keep(columns)?
        {
            return Ok(None);
        }
        let partitions = general.output_partitioning().partition_count();
        let scan = chain.scan.in_partitions(partitions, &passing)?;
        let scan = scan.filter(|scan| scan.schema() == general.schema());
        Ok(scan.map(|scan| SectionsExec::new(Arc::clone(general), scan)))
    }

    fn new(general: Arc<dyn ExecutionPlan>, scan: Arc<dyn ExecutionPlan>) -> SectionsExec {
        SectionsExec { general, scan, metrics: ExecutionPlanMetricsSet::new() }
    }
}

/// Whether a filter is about nothing else than what may be the same in all rows of a run.
fn may_be_settled(filter: &FilterExec) -> bool {
    collect_columns(filter.predicate()).iter().all(|column| {
        let name = column_below(filter.input(), column.index());
        name.is_some_and(|name| [BACKEND_NAME, STATUS].contains(&name.as_str()))
    })
}

impl DisplayAs for SectionsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = self.general.downcast_ref::<FilterExec>().expect("it stands in for a filter");
        write!(f, "{}: {}", self.name(), filter.predicate())
    }
}

impl ExecutionPlan for SectionsExec {
    fn name(&self) -> &str {
        "SectionsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.general.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.scan]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [scan] = &children[..] else {
            return datafusion::common::internal_err!("{} has one input", self.name());
        };
        Ok(Arc::new(SectionsExec::new(Arc::clone(&self.general), Arc::clone(scan))))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let batches = self.scan.execute(partition, context)?;
        let batches = batches.map_ok(move |batch| batch.record_output(&metrics));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn try_to_proto(&self, context: &ExecutionPlanEncodeCtx<'_>) -> Result<Option<PhysicalPlanNode>> {
        context.encode_child(&self.general).map(Some)
    }
}

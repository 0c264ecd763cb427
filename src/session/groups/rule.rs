//! Finds the plans that [`ContentGroupsExec`] stands in for.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::sanity_checker::SanityCheckPlan;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::union::InterleaveExec;
use datafusion::physical_plan::{
    ChildSatisfactionOptions, ExecutionPlan, ExecutionPlanProperties, replace_children_if_necessary,
};

use super::few::FewGroupsExec;
use super::per_run::RunGroupsExec;
use super::radix::RadixGroupsExec;
use super::sections::SectionsExec;
use super::task::Task;
use super::{ContentGroupsExec, Limits};
use crate::session::memory::Caution;

/// Plans are searched so deep.
const DEPTH: usize = 200;

/// Groups by content in streams where files are sorted by it, and in parts where they are not.
#[derive(Debug)]
pub(in crate::session) struct StreamContentGroups {
    pub limits: Limits,
    /// What failed for want of memory is planned again without streams: the general plan spills.
    pub caution: Caution,
}

impl PhysicalOptimizerRule for StreamContentGroups {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.caution.is_on() {
            return Ok(plan);
        }
        let streamed = self.replace(&plan, Partitions::Free, config.execution.batch_size.get(), DEPTH)?;
        if Arc::ptr_eq(&streamed, &plan) {
            return Ok(plan);
        }
        // Whatever a plan relies on that was not thought of: it stays as it was.
        Ok(SanityCheckPlan::new().optimize(streamed, config).unwrap_or(plan))
    }

    fn name(&self) -> &str {
        "stream_content_groups"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// What becomes of the partitions by hash that a general plan has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Partitions {
    /// They are given up until somebody relies on them.
    Free,
    /// They are made again at once.
    Kept,
}

impl StreamContentGroups {
    /// The plan with groups in streams wherever they can be; the same plan if they cannot.
    fn replace(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        partitions: Partitions,
        batch: usize,
        depth: usize,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if depth == 0 {
            return Ok(Arc::clone(plan));
        }
        // From the top down: a projection may leave out the contents, which need not be copied then.
        if let Some(groups) = by_content(plan, &self.limits, batch) {
            return match partitions {
                Partitions::Free => Ok(groups),
                Partitions::Kept => by_hash(groups, plan),
            };
        }
        if let Some(groups) = RunGroupsExec::in_place_of(plan, batch)? {
            return Ok(Arc::new(groups));
        }
        if let Some(groups) = FewGroupsExec::in_place_of(plan, self.limits.few) {
            return Ok(Arc::new(groups));
        }
        if let Some(sections) = SectionsExec::in_place_of(plan)? {
            return Ok(Arc::new(sections));
        }
        let mut children = Vec::new();
        for (index, child) in plan.children().into_iter().enumerate() {
            let new = self.replace(child, partitions, batch, depth - 1)?;
            children.push(match relies_on_hash(plan.as_ref(), index, child, &new)? {
                false => new,
                true if new.output_ordering().is_none() => by_hash(new, child)?,
                // An exchange here would lose the order.
                true => self.replace(child, Partitions::Kept, batch, depth - 1)?,
            });
        }
        replace_children_if_necessary(Arc::clone(plan), children)
    }
}

/// What groups by content in the place of a general plan, if that is what the plan does.
pub(super) fn by_content(
    plan: &Arc<dyn ExecutionPlan>,
    limits: &Limits,
    batch: usize,
) -> Option<Arc<dyn ExecutionPlan>> {
    let in_any_order = || Some(Arc::new(RadixGroupsExec::in_place_of(plan, limits, batch)?) as _);
    let Some(task) = Task::of(plan, batch).map(Arc::new) else { return in_any_order() };
    if task.has_short_runs(limits)
        && let Some(parted) = RadixGroupsExec::over_runs(plan, &task, limits)
    {
        return Some(Arc::new(parted));
    }
    match ContentGroupsExec::new(plan, task, limits, batch) {
        Some(streamed) => Some(Arc::new(streamed)),
        None => in_any_order(),
    }
}

/// Whether a plan relies on partitions by hash that a child has lost.
fn relies_on_hash(
    plan: &dyn ExecutionPlan,
    index: usize,
    old: &Arc<dyn ExecutionPlan>,
    new: &Arc<dyn ExecutionPlan>,
) -> Result<bool> {
    let lost = matches!(old.output_partitioning(), Partitioning::Hash(_, _))
        && matches!(new.output_partitioning(), Partitioning::UnknownPartitioning(_));
    let satisfied = || {
        let allow_subset = ChildSatisfactionOptions::new().with_allow_subset(true);
        let required = plan.input_distribution_requirements();
        Ok::<_, DataFusionError>(
            required.child_satisfaction(index, new.as_ref(), allow_subset)?.is_satisfied(),
        )
    };
    Ok(lost && (plan.is::<InterleaveExec>() || !satisfied()?))
}

/// The rows of `new` in the partitions of `old`.
fn by_hash(new: Arc<dyn ExecutionPlan>, old: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    match old.output_partitioning() {
        by_hash @ Partitioning::Hash(_, _) => Ok(Arc::new(RepartitionExec::try_new(new, by_hash.clone())?)),
        _ => Ok(new),
    }
}

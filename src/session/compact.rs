//! Batches that hold no more memory than they show.
//!
//! Where text is a view, a batch keeps all the text that was read or made together with its own: of a merge of sorted runs,
//! that of all runs; of an exchange between partitions, whole blocks of a megabyte. Sorts and the merges above them count
//! all of it for each batch: a few rows took the whole memory limit.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::TryStreamExt;

/// Batches that hold less than this part of the memory limit, for each partition, are left alone, but none that hold more
/// than so many bytes: of a few rows here and there, each keeps a whole page.
const SMALL: usize = 64;
const LARGE: usize = 1 << 20;

/// Makes what goes into sorts and what comes out of them compact. Done when a plan is run, so that plans which travel are DataFusion's alone.
pub(super) fn compact_sorts(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| match node.downcast_ref::<SortExec>() {
        Some(sort) if sort.fetch().is_none() => {
            let input = CompactExec::over(Arc::clone(sort.input()));
            let recompute = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            Ok(Transformed::yes(CompactExec::over(node.replace_children(vec![input], recompute)?)))
        }
        _ => Ok(Transformed::no(node)),
    })
    .data()
}

#[derive(Debug)]
struct CompactExec {
    input: Arc<dyn ExecutionPlan>,
}

impl CompactExec {
    fn over(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
        Arc::new(CompactExec { input })
    }
}

impl DisplayAs for CompactExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for CompactExec {
    fn name(&self) -> &str {
        "CompactExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Arc::new(CompactExec { input })),
            _ => datafusion::common::internal_err!("{} has one input", self.name()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let partitions = self.properties().partitioning.partition_count();
        let batches = self.input.execute(partition, Arc::clone(&context))?;
        let small = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(limit) => LARGE.min(limit / (SMALL * partitions.max(1))),
            _ => LARGE,
        };
        let schema: SchemaRef = batches.schema();
        let batches = batches.and_then(move |batch| std::future::ready(compact_large(batch, small)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

fn compact_large(batch: RecordBatch, small: usize) -> Result<RecordBatch> {
    match batch.get_array_memory_size() <= small {
        true => Ok(batch),
        false => Ok(compact(&batch)?),
    }
}

/// The batch, its text copied where it holds much more memory than it shows: a view keeps all the text that was read with its own.
///
/// # Errors
/// None that a sound batch could give.
pub fn compact(batch: &RecordBatch) -> std::result::Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => copied(column.as_string_view(), column),
        DataType::BinaryView => copied(column.as_binary_view(), column),
        _ => Arc::clone(column),
    });
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &rows)
}

fn copied<T: ByteViewType>(views: &GenericByteViewArray<T>, column: &ArrayRef) -> ArrayRef {
    let held: usize = views.data_buffers().iter().map(|buffer| buffer.capacity()).sum();
    let shown = views.total_buffer_bytes_used();
    match held > shown + shown / 4 {
        true => Arc::new(views.gc()),
        false => Arc::clone(column),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringViewArray;
    use datafusion::datasource::memory::MemorySourceConfig;
    use datafusion::physical_plan::collect;

    use super::*;

    #[tokio::test]
    async fn a_row_of_a_large_block_lets_go_of_it_however_much_memory_there_is() {
        let text = StringViewArray::from_iter_values((0..40_000).map(|row| format!("{row:0>60}")));
        let block = RecordBatch::try_from_iter([("text", Arc::new(text) as ArrayRef)]).expect("one column");
        let row = block.slice(7, 1);
        assert!(row.get_array_memory_size() > 2 * LARGE);
        let rows = MemorySourceConfig::try_new_exec(&[vec![row.clone()]], row.schema(), None);
        let plan = CompactExec::over(rows.expect("batches of one schema"));
        let found = collect(plan, Arc::default()).await.expect("it runs");
        assert_eq!(found, [row]);
        assert!(found[0].get_array_memory_size() < 4096);
    }
}

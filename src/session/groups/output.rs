//! What comes out: batches of groups that are complete.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryViewBuilder, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::logical_expr::EmitTo;

use super::aggregates::Aggregates;
use super::table::Numbers;

/// How groups come out.
#[derive(Debug, Clone)]
pub(super) struct Output {
    /// Which of the content and, after it, the aggregates are asked for.
    pub columns: Vec<usize>,
    pub schema: SchemaRef,
    /// Groups of a batch.
    pub rows: usize,
}

impl Output {
    /// Takes the groups that are complete out of the aggregates.
    pub fn batches(&self, numbers: &Numbers, aggregates: &mut Aggregates) -> Result<Vec<RecordBatch>> {
        let batch = |groups: Range<usize>| {
            let rows = groups.len();
            let taken = aggregates.take(EmitTo::First(rows))?;
            let columns = self.columns.iter().map(|column| match column.checked_sub(1) {
                Some(aggregate) => Arc::clone(&taken[aggregate]),
                None => copied(groups.clone().map(|group| numbers.contents.get(group))),
            });
            let rows = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::clone(&self.schema);
            Ok(RecordBatch::try_new_with_options(schema, columns.collect(), &rows)?)
        };
        let all = numbers.complete();
        let starts = (0..all).step_by(self.rows);
        starts.map(|start| start..all.min(start + self.rows)).map(batch).collect()
    }
}

/// A column of contents. What they stand in is not held by it.
fn copied<'a>(contents: impl ExactSizeIterator<Item = &'a [u8]>) -> ArrayRef {
    let mut column = BinaryViewBuilder::with_capacity(contents.len());
    contents.for_each(|content| column.append_value(content));
    Arc::new(column.finish())
}

//! The rows of an answer, kept for later, and what they take.

use std::collections::HashSet;

use arrow::array::{Array, ArrayData, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use pinql::session::compact;

/// The rows of an answer.
#[derive(Debug, Default)]
pub struct Kept {
    /// The answer, unless it is too large to be kept.
    pub answer: Option<(SchemaRef, Vec<RecordBatch>)>,
    bytes: usize,
    /// Where the memory begins that has been counted: batches share it.
    counted: HashSet<usize>,
}

impl Kept {
    /// The most that is kept.
    pub const MOST: usize = 128 << 20;

    /// Nothing yet, of these columns.
    pub fn of(columns: &SchemaRef) -> Kept {
        Kept { answer: Some((SchemaRef::clone(columns), vec![])), ..Kept::default() }
    }

    /// Keeps some rows more, unless they are too many by now.
    pub fn add(&mut self, batch: &RecordBatch) {
        if self.answer.is_none() {
            return;
        }
        let batch = compact(batch).unwrap_or_else(|_| batch.clone());
        batch.columns().iter().for_each(|column| self.count(&column.to_data()));
        match &mut self.answer {
            Some((_, batches)) if self.bytes <= Kept::MOST => batches.push(batch),
            _ => *self = Kept::default(),
        }
    }

    fn count(&mut self, values: &ArrayData) {
        let nulls = values.nulls().map(|nulls| nulls.buffer());
        for buffer in values.buffers().iter().chain(nulls) {
            self.bytes += self.anew(buffer);
        }
        values.child_data().iter().for_each(|values| self.count(values));
    }

    /// What a buffer takes that has not been counted yet.
    fn anew(&mut self, buffer: &Buffer) -> usize {
        if self.counted.insert(buffer.data_ptr().addr().get()) { buffer.capacity() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn memory_that_batches_share_is_counted_once_and_text_that_none_shows_not_at_all() {
        let text = |row: usize| format!("bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3ocl{row:011}");
        let texts: Vec<String> = (0..50_000).map(text).collect();
        for (column, most) in [
            (Arc::new(StringViewArray::from_iter_values(&texts)) as ArrayRef, 8 << 20),
            (Arc::new(StringArray::from_iter_values(&texts)), 8 << 20),
            (Arc::new(Int64Array::from_iter_values(0..50_000)), 1 << 20),
        ] {
            let batch = RecordBatch::try_from_iter([("a", column)]).expect("one column");
            let mut kept = Kept::of(&batch.schema());
            for start in (0..50_000).step_by(500) {
                kept.add(&batch.slice(start, 500));
            }
            let (_, batches) = kept.answer.expect("it is small");
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 50_000);
            assert!((most / 4..most).contains(&kept.bytes), "{} of {most}", kept.bytes);
            // A few rows of much text.
            let mut few = Kept::of(&batch.schema());
            few.add(&batch.slice(0, 5));
            assert_eq!(few.answer.expect("it is small").1[0], batch.slice(0, 5));
        }
    }

    #[test]
    fn what_is_too_large_is_not_kept_at_all() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![7; 1 << 20]));
        let batch = RecordBatch::try_from_iter([("a", column)]).expect("one column");
        let mut kept = Kept::of(&batch.schema());
        for _ in 0..15 {
            kept.add(&batch);
        }
        assert!(kept.answer.is_some(), "it is the same memory");
        for _ in 0..16 {
            let column: ArrayRef = Arc::new(Int64Array::from(vec![7; 1 << 20]));
            kept.add(&RecordBatch::try_from_iter([("a", column)]).expect("one column"));
        }
        assert!(kept.answer.is_none());
    }
}

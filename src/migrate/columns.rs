//! The rows of a file as mappings.

use arrow::array::{Array, AsArray, RecordBatch, StringArray, TimestampMicrosecondArray};

use crate::pin::Mapping;

/// The documented columns of a batch that is as files are written: they come first and in order.
pub(super) struct FileRows {
    texts: [StringArray; 5],
    created: TimestampMicrosecondArray,
}

impl FileRows {
    /// `batch` has the columns of [`file_schema`](crate::format::parquet::file_schema).
    pub fn of(batch: &RecordBatch) -> FileRows {
        let text = |index: usize| batch.column(index).as_string::<i32>().clone();
        FileRows {
            texts: [text(0), text(1), text(2), text(4), text(5)],
            created: batch.column(3).as_primitive().clone(),
        }
    }

    pub fn mapping(&self, row: usize) -> Mapping<'_> {
        let text = |index: usize| {
            let column = &self.texts[index];
            column.is_valid(row).then(|| column.value(row))
        };
        Mapping {
            cid: text(0),
            car_file_path: text(1),
            backend_name: text(2),
            created_at: self.created.is_valid(row).then(|| self.created.value(row)),
            status: text(3),
            metadata: text(4),
        }
    }
}

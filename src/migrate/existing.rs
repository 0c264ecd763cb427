//! The mappings that a backend has already, through the engine: it reads what any tool has written.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Field, Int64Type, TimestampMicrosecondType};
use arrow::row::Rows;
use futures::TryStreamExt;
use tokio::runtime::Handle;

use super::Progress;
use super::rows::Row;
use super::sort::Sorter;
use crate::error::{Error, Result};
use crate::pin::schema::{CONTENT, SIZE_BYTES};
use crate::pin::{Mapping, cid};
use crate::session::{Answer, Session};

/// How many columns of `pins` are read: those that cannot be derived. They come first.
const DOCUMENTED: usize = 6;

/// The mappings of one backend, in the order of its files.
pub(super) struct Existing {
    answer: Answer,
    /// The columns that `pins` does not have.
    pub extras: Vec<Field>,
    /// How many rows have come.
    pub rows: u64,
}

impl Existing {
    /// Starts reading. Must be called where a tokio runtime may be waited for: on a blocking thread of its own.
    ///
    /// # Errors
    /// If the backend cannot be read.
    pub fn open(session: &Session, backend: &str) -> Result<Existing> {
        // Content and size are derived of each row anyway.
        let sql = format!(
            "SELECT * EXCLUDE ({CONTENT}, {SIZE_BYTES}) FROM backends.\"{}\"",
            backend.replace('"', "\"\"")
        );
        let answer = Handle::current().block_on(session.faithful().query(&sql))?;
        let fields =
            answer.schema().fields()[DOCUMENTED..].iter().map(|field| field.as_ref().clone()).collect();
        Ok(Existing { answer, extras: fields, rows: 0 })
    }

    /// Gives all rows to `sorter`, numbered from 0, with as many of the further columns as it has a place for.
    pub fn push_into(&mut self, sorter: &mut Sorter, progress: &Progress) -> Result<()> {
        while let Some(batch) = self.next()? {
            let extras: Vec<usize> = (DOCUMENTED..batch.num_columns()).collect();
            let extras = batch.project(&extras).map_err(Error::of_rows)?;
            let extras = sorter.extras().rows(&extras).map_err(Error::of_rows)?;
            push(&batch, extras.as_ref(), self.rows, sorter)?;
            self.rows += batch.num_rows() as u64;
            progress.read_rows(batch.num_rows() as u64)?;
        }
        Ok(())
    }

    /// The next rows: the columns of `pins` that are documented, then the others.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        Handle::current().block_on(self.answer.try_next())
    }
}

/// How many mappings of a backend have a `created_at` that is no time.
pub(super) fn unknown_times(session: &Session, backend: &str) -> Result<u64> {
    let sql = format!(
        "SELECT COUNT(*) FROM records WHERE backend_name = '{}' AND created_at IS NULL AND btrim(recorded_created_at) <> ''",
        backend.replace('\'', "''")
    );
    let count =
        Handle::current().block_on(async { session.faithful().query(&sql).await?.try_next().await })?;
    Ok(count.map_or(0, |batch| batch.column(0).as_primitive::<Int64Type>().value(0).unsigned_abs()))
}

/// Gives the rows of a batch of `pins`, with their further columns, to `sorter`, numbered from `first`.
fn push(batch: &RecordBatch, extras: Option<&Rows>, first: u64, sorter: &mut Sorter) -> Result<()> {
    let text = |index: usize| batch.column(index).as_string_view();
    let (cids, cars, statuses, metadata) = (text(0), text(1), text(4), text(5));
    let created = batch.column(3).as_primitive::<TimestampMicrosecondType>();
    let mut content = Vec::new();
    for row in 0..batch.num_rows() {
        let cid = cids.is_valid(row).then(|| cids.value(row));
        content.clear();
        // An invalid CID has no content: such a row is kept, as a pin of its own.
        let codec = cid.and_then(|cid| cid::codec_and_content_of(cid, &mut content)).unwrap_or_default();
        let mapping = Mapping {
            cid,
            car_file_path: cars.is_valid(row).then(|| cars.value(row)),
            backend_name: None,
            created_at: created.is_valid(row).then(|| created.value(row)),
            status: statuses.is_valid(row).then(|| statuses.value(row)),
            metadata: metadata.is_valid(row).then(|| metadata.value(row)),
        };
        let entry = Row::of(&mapping, &content, codec, first + row as u64);
        let extras = extras.map(|extras| extras.row(row));
        sorter.push(&Row { extras: extras.as_ref().map_or(&[], |extras| extras.data()), ..entry })?;
    }
    Ok(())
}

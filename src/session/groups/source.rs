//! One sorted run as it is read, clipped to a range of contents.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::common::{Result, exec_err};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::contents::RowContents;
use crate::catalog::ContentRange;

/// What is known of all rows of a run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// The place of the backend in the order of names.
    pub backend: u32,
    /// For each aggregate whether its filter holds; `None` if that is to be seen.
    pub wanted: Vec<Option<bool>>,
}

/// Rows of one run, and the contents of them.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub origin: Arc<Origin>,
    pub rows: RecordBatch,
    pub contents: RowContents,
}

/// A run: rows that have been read and wait, and the stream that more come from.
pub(super) struct Source {
    origin: Arc<Origin>,
    /// `None` once there are no more rows in the range.
    stream: Option<SendableRecordBatchStream>,
    waiting: VecDeque<Piece>,
    /// The last content that was read.
    reached: Vec<u8>,
    range: ContentRange,
    /// Which column is the content.
    content: usize,
}

impl Source {
    pub fn new(
        origin: Arc<Origin>,
        stream: SendableRecordBatchStream,
        range: ContentRange,
        content: usize,
    ) -> Source {
        Source { origin, stream: Some(stream), waiting: VecDeque::new(), reached: Vec::new(), range, content }
    }

    /// Reads until so many rows wait, or there are no more.
    pub async fn fill(&mut self, rows: usize) -> Result<()> {
        while self.rows() < rows.max(1)
            && let Some(stream) = &mut self.stream
        {
            match stream.next().await {
                Some(batch) => self.take(&batch?)?,
                None => self.stream = None,
            }
        }
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<()> {
        let piece = Piece::new(Arc::clone(&self.origin), batch.clone(), self.content)?;
        let Some(last) = piece.last() else { return Ok(()) };
        let first = piece.first().unwrap_or_default();
        if first < &self.reached[..] || last < first {
            return exec_err!("a file of pin mappings is not sorted as its footer says");
        }
        self.reached.clear();
        self.reached.extend_from_slice(last);
        let end = match &self.range.to {
            Some(to) => piece.count(0..piece.len(), |content| content < &to[..]),
            None => piece.len(),
        };
        let start = piece.count(0..piece.len(), |content| content < &self.range.from[..]);
        if end < piece.len() {
            self.stream = None;
        }
        if start < end {
            self.waiting.push_back(piece.slice(start, end - start));
        }
        Ok(())
    }

    /// Whether all rows that there are wait already.
    pub fn is_read(&self) -> bool {
        self.stream.is_none()
    }

    /// Rows that wait.
    pub fn rows(&self) -> usize {
        self.waiting.iter().map(Piece::len).sum()
    }

    /// The last content that waits.
    pub fn last(&self) -> Option<&[u8]> {
        self.waiting.back().and_then(Piece::last)
    }

    /// How many rows wait whose content is not greater.
    pub fn rows_to(&self, bound: &[u8]) -> usize {
        let mut rows = 0;
        for piece in &self.waiting {
            let up_to = piece.count(0..piece.len(), |content| content <= bound);
            rows += up_to;
            if up_to < piece.len() {
                break;
            }
        }
        rows
    }

    /// The content that stands at `row` of those that wait.
    pub fn content_at(&self, mut row: usize) -> Option<&[u8]> {
        for piece in &self.waiting {
            if row < piece.len() {
                return Some(piece.contents.get(row));
            }
            row -= piece.len();
        }
        None
    }

    /// Takes the rows whose content is not greater; all that wait if there is no bound.
    pub fn take_to(&mut self, bound: Option<&[u8]>, into: &mut Vec<Piece>) {
        while let Some(piece) = self.waiting.pop_front() {
            let rows =
                bound.map_or(piece.len(), |bound| piece.count(0..piece.len(), |content| content <= bound));
            if rows < piece.len() {
                self.waiting.push_front(piece.slice(rows, piece.len() - rows));
            }
            if rows > 0 {
                into.push(piece.slice(0, rows));
            }
            if rows < piece.len() {
                break;
            }
        }
    }
}

impl Piece {
    fn new(origin: Arc<Origin>, rows: RecordBatch, content: usize) -> Result<Piece> {
        let Some(contents) = rows.column(content).as_binary_view_opt().cloned() else {
            return exec_err!("contents are no bytes");
        };
        if contents.null_count() > 0 {
            return exec_err!("a content is NULL");
        }
        Ok(Piece { origin, rows, contents: RowContents::Read(contents) })
    }

    pub fn len(&self) -> usize {
        self.contents.len()
    }

    pub fn first(&self) -> Option<&[u8]> {
        (self.len() > 0).then(|| self.contents.get(0))
    }

    pub fn last(&self) -> Option<&[u8]> {
        self.len().checked_sub(1).map(|last| self.contents.get(last))
    }

    /// How many contents among some rows come before the first for which `holds` does not.
    pub fn count(&self, rows: Range<usize>, holds: impl Fn(&[u8]) -> bool) -> usize {
        let (mut from, mut to) = (rows.start, rows.end);
        while from < to {
            let middle = from + (to - from) / 2;
            match holds(self.contents.get(middle)) {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        from - rows.start
    }

    pub fn slice(&self, from: usize, rows: usize) -> Piece {
        Piece {
            origin: Arc::clone(&self.origin),
            rows: self.rows.slice(from, rows),
            contents: self.contents.slice(from, rows),
        }
    }
}

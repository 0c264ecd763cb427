//! Look-ups of many CIDs at once: where each of them is, in the order in which they are asked.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use futures::TryStreamExt;

use super::answer::Skipped;
use super::{Receipt, Session};
use crate::error::{Error, Result};
use crate::pin::cid;

/// The columns of a mapping that a look-up shows.
const COLUMNS: &str = "backend_name, status, cid, car_file_path, created_at, size_bytes";

/// Where the CIDs that were asked for are.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// A row for each mapping of each CID, in the order in which they were asked; one with NULLs for a CID that is nowhere.
    /// The columns: `asked`, `state` (`found`, `absent`, `no CID`), then those of the mapping.
    pub rows: RecordBatch,
    /// CIDs with at least one mapping, whatever its status.
    pub found: u64,
    /// CIDs with none.
    pub absent: u64,
    /// Texts that are no CIDs.
    pub no_cids: u64,
    /// Backends that were not looked at.
    pub skipped: Vec<Skipped>,
    /// What was read.
    pub receipt: Receipt,
}

impl Session {
    /// Looks up CIDs, in any version and base: what counts is the content that each names.
    ///
    /// All of them are looked up together, in memory that grows with their number and that of their mappings: some ten thousand
    /// at a time are plenty.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn lookup(&self, asked: &[String]) -> Result<Lookup> {
        let contents: Vec<Option<Vec<u8>>> = asked.iter().map(|text| content_of(text)).collect();
        let mut answer = self.query(&sql(&contents)).await?;
        let columns = answer.schema();
        let mut batches = Vec::new();
        while let Some(batch) = answer.try_next().await? {
            batches.push(batch);
        }
        let mappings = concat_batches(&columns, &batches).map_err(broken)?;
        let places = places(&mappings);
        let mut rows = Rows::default();
        for (text, content) in asked.iter().zip(&contents) {
            rows.push(
                text,
                content.as_ref(),
                content.as_ref().and_then(|content| places.get(content.as_slice())),
            );
        }
        let (skipped, receipt) = (answer.skipped(), answer.receipt());
        let Rows { found, absent, no_cids, .. } = rows;
        let rows = rows.finish(&mappings).map_err(broken)?;
        Ok(Lookup { rows, found, absent, no_cids, skipped, receipt })
    }
}

fn content_of(text: &str) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    cid::content_of(text.trim(), &mut content).then_some(content)
}

/// The mappings of these contents, those of one content together and its copies first.
fn sql(contents: &[Option<Vec<u8>>]) -> String {
    let mut sql = format!("SELECT content, {COLUMNS} FROM pins WHERE ");
    let mut separator = "content IN (";
    for content in contents.iter().flatten() {
        sql.push_str(separator);
        sql.push_str("X'");
        for byte in content {
            // Text takes all that is written to it.
            let _ = write!(sql, "{byte:02x}");
        }
        sql.push('\'');
        separator = ", ";
    }
    sql.push_str(if separator == ", " { ")" } else { "content = NULL" });
    sql.push_str(" ORDER BY content, (status = 'stored') DESC, ");
    sql.push_str(COLUMNS);
    sql
}

/// Where the mappings of each content are.
fn places(mappings: &RecordBatch) -> HashMap<&[u8], Range<u64>> {
    let contents = mappings.column(0).as_binary_view();
    let mut places: HashMap<&[u8], Range<u64>> = HashMap::new();
    for row in 0..contents.len() {
        let place = places.entry(contents.value(row)).or_insert(row as u64..row as u64);
        place.end = row as u64 + 1;
    }
    places
}

/// The rows of an answer in the making.
#[derive(Default)]
struct Rows<'a> {
    asked: Vec<&'a str>,
    states: Vec<&'static str>,
    places: Vec<Option<u64>>,
    found: u64,
    absent: u64,
    no_cids: u64,
}

impl<'a> Rows<'a> {
    fn push(&mut self, asked: &'a str, content: Option<&Vec<u8>>, place: Option<&Range<u64>>) {
        let (state, count) = match (content, place) {
            (None, _) => ("no CID", &mut self.no_cids),
            (_, None) => ("absent", &mut self.absent),
            (_, Some(_)) => ("found", &mut self.found),
        };
        *count += 1;
        let rows = place.map_or(vec![None], |place| place.clone().map(Some).collect());
        for row in rows {
            self.asked.push(asked);
            self.states.push(state);
            self.places.push(row);
        }
    }

    fn finish(self, mappings: &RecordBatch) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
        let places = UInt64Array::from(self.places);
        let columns: Vec<usize> = (1..mappings.num_columns()).collect();
        // No row can be taken of a batch that has none, not even NULL.
        let mappings = mappings.project(&columns)?;
        let nullable: Vec<Field> = mappings
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect();
        let mappings = RecordBatch::try_new(Arc::new(Schema::new(nullable)), mappings.columns().to_vec())?;
        let taken = match mappings.num_rows() {
            0 => RecordBatch::try_new(
                mappings.schema(),
                mappings
                    .columns()
                    .iter()
                    .map(|column| arrow::array::new_null_array(column.data_type(), places.len()))
                    .collect(),
            )?,
            _ => take_record_batch(&mappings, &places)?,
        };
        let text = |name: &str| Field::new(name, DataType::Utf8, false);
        let mut fields = vec![text("asked"), text("state")];
        fields.extend(taken.schema().fields().iter().map(|field| field.as_ref().clone()));
        let own: [ArrayRef; 2] =
            [Arc::new(StringArray::from(self.asked)), Arc::new(StringArray::from(self.states))];
        let schema = Arc::new(Schema::new(fields));
        RecordBatch::try_new(schema, own.into_iter().chain(taken.columns().iter().cloned()).collect())
    }
}

fn broken(error: arrow::error::ArrowError) -> Error {
    Error::Engine { message: error.to_string() }
}

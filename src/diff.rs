//! What has changed between two sides: a merge of two sorted lists of pins, which holds a batch of each.
//!
//! Each side answers [`pins_sql`]; [`Changes`] yields what is on one side only, and what is in another state.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;

/// Rows of a batch of changes.
const ROWS: usize = 8192;

/// The pins of one side in the order in which sides are merged. Mappings of one backend whose CIDs agree in codec and
/// multihash are one pin, stored if any of them is; a text that is no CID is one by itself.
///
/// Of a single backend the name does not count, and is given as `$backend`. Otherwise `$without` names the backends to go without.
pub fn pins_sql(single: bool) -> String {
    let (backend, only) = match single {
        true => ("''", "WHERE backend_name = $backend"),
        false => ("backend_name", "WHERE CARDINALITY($without) = 0 OR NOT ARRAY_HAS($without, backend_name)"),
    };
    format!(
        "SELECT {backend} AS backend_name, content, COALESCE(CID_CODEC(cid), cid, '') AS codec, MIN(cid) AS cid, \
         CASE WHEN BOOL_OR(status = 'stored') THEN 'stored' WHEN MIN(status) = MAX(status) THEN MIN(status) \
         ELSE MIN(status) || '+' || MAX(status) END AS status, MAX(size_bytes) AS size_bytes \
         FROM pins {only} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
}

/// The columns of changes.
pub fn columns() -> SchemaRef {
    let text = |name, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("change", false),
        text("backend_name", true),
        text("cid", true),
        text("old_status", true),
        text("new_status", true),
        Field::new("size_bytes", DataType::Int64, true),
    ]))
}

/// A pin of a side.
struct Pin {
    key: (String, Vec<u8>, String),
    cid: Option<String>,
    status: String,
    size: Option<i64>,
}

/// One side: its batches as they come.
struct Side<F> {
    next: F,
    pins: std::vec::IntoIter<Pin>,
    head: Option<Pin>,
}

/// The changes from an old side to a new one, in batches.
pub struct Changes<A, B> {
    old: Side<A>,
    new: Side<B>,
    begun: bool,
}

impl<E, F> Side<F>
where
    E: From<ArrowError>,
    F: FnMut() -> Result<Option<RecordBatch>, E>,
{
    fn advance(&mut self) -> Result<(), E> {
        loop {
            self.head = self.pins.next();
            if self.head.is_some() {
                return Ok(());
            }
            match (self.next)()? {
                Some(batch) => self.pins = pins(&batch)?.into_iter(),
                None => return Ok(()),
            }
        }
    }
}

impl<E, A, B> Changes<A, B>
where
    E: From<ArrowError>,
    A: FnMut() -> Result<Option<RecordBatch>, E>,
    B: FnMut() -> Result<Option<RecordBatch>, E>,
{
    /// Both sides by what gives their next batch.
    pub fn new(old: A, new: B) -> Changes<A, B> {
        let none = || Vec::new().into_iter();
        let old = Side { next: old, pins: none(), head: None };
        Changes { old, new: Side { next: new, pins: none(), head: None }, begun: false }
    }

    /// The next changes, or nothing at the end.
    ///
    /// # Errors
    /// Those of a side, and if its columns are not those of [`pins_sql`].
    pub fn batch(&mut self) -> Result<Option<RecordBatch>, E> {
        if !self.begun {
            self.old.advance()?;
            self.new.advance()?;
            self.begun = true;
        }
        let mut rows: Vec<(Option<Pin>, Option<Pin>)> = Vec::new();
        while rows.len() < ROWS {
            let order = match (&self.old.head, &self.new.head) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.key.cmp(&new.key),
            };
            let old = if order == Ordering::Greater { None } else { self.old.head.take() };
            let new = if order == Ordering::Less { None } else { self.new.head.take() };
            if old.is_some() {
                self.old.advance()?;
            }
            if new.is_some() {
                self.new.advance()?;
            }
            if old.as_ref().map(|pin| &pin.status) != new.as_ref().map(|pin| &pin.status) {
                rows.push((old, new));
            }
        }
        if rows.is_empty() { Ok(None) } else { Ok(Some(changes(&rows)?)) }
    }
}

fn pins(batch: &RecordBatch) -> Result<Vec<Pin>, ArrowError> {
    let column = |name: &str, kind: DataType| -> Result<ArrayRef, ArrowError> {
        let column = batch.column_by_name(name);
        cast(column.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?, &kind)
    };
    let text = |name| column(name, DataType::Utf8);
    let (backend, codec, cid, status) =
        (text("backend_name")?, text("codec")?, text("cid")?, text("status")?);
    let (content, size) = (column("content", DataType::Binary)?, column("size_bytes", DataType::Int64)?);
    let value =
        |array: &ArrayRef, row| array.is_valid(row).then(|| array.as_string::<i32>().value(row).to_owned());
    let pin = |row| {
        let content = content.as_binary::<i32>().value(row).to_vec();
        let known = |array| value(array, row).unwrap_or_default();
        Pin {
            key: (known(&backend), content, known(&codec)),
            cid: value(&cid, row),
            status: known(&status),
            size: size.is_valid(row).then(|| size.as_primitive::<Int64Type>().value(row)),
        }
    };
    Ok((0..batch.num_rows()).map(pin).collect())
}

fn changes(rows: &[(Option<Pin>, Option<Pin>)]) -> Result<RecordBatch, ArrowError> {
    let either = |row: &(Option<Pin>, Option<Pin>), of: fn(&Pin) -> Option<String>| {
        row.1.as_ref().or(row.0.as_ref()).and_then(of)
    };
    let change = |row: &(Option<Pin>, Option<Pin>)| match row {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    };
    let text = |values: Vec<Option<String>>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let status = |pin: &Option<Pin>| pin.as_ref().map(|pin| pin.status.clone());
    let size = |row: &(Option<Pin>, Option<Pin>)| row.1.as_ref().or(row.0.as_ref()).and_then(|pin| pin.size);
    let backend = |pin: &Pin| (!pin.key.0.is_empty()).then(|| pin.key.0.clone());
    RecordBatch::try_new(
        columns(),
        vec![
            Arc::new(rows.iter().map(|row| Some(change(row))).collect::<StringArray>()),
            text(rows.iter().map(|row| either(row, backend)).collect()),
            text(rows.iter().map(|row| either(row, |pin| pin.cid.clone())).collect()),
            text(rows.iter().map(|row| status(&row.0)).collect()),
            text(rows.iter().map(|row| status(&row.1)).collect()),
            Arc::new(rows.iter().map(size).collect::<Int64Array>()),
        ],
    )
}

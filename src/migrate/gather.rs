//! Rows → the columns of a file.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BinaryBuilder, Int64Builder, RecordBatch, StringArray, TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use super::extras::Extras;
use super::rows::{CarPath, Row};
use super::sort::CHUNK;
use crate::format::legacy::CarPaths;

/// Text of a batch at most, in bytes: far below what its offsets can count.
const MOST_TEXT: usize = 64 << 20;

/// Makes batches of rows.
pub(super) struct Gather {
    schema: SchemaRef,
    backend: StringArray,
    /// For rows whose path is the usual one.
    paths: CarPaths,
    /// `cid`, `car_file_path`, `status`, `metadata`.
    texts: [BinaryBuilder; 4],
    created: TimestampMicrosecondBuilder,
    content: BinaryBuilder,
    size: Int64Builder,
    extras: Extras,
    has_extras: bool,
    /// For each row the bytes of its further columns.
    kept: Vec<Vec<u8>>,
    path: Vec<u8>,
    rows: usize,
    bytes: usize,
}

impl Gather {
    /// `schema`: that of the file.
    pub fn new(schema: SchemaRef, backend: &str, paths: CarPaths, extras: Extras) -> Gather {
        let texts = || BinaryBuilder::with_capacity(CHUNK, CHUNK * 64);
        Gather {
            schema,
            backend: StringArray::from_iter_values(std::iter::repeat_n(backend, CHUNK)),
            paths,
            texts: [(); 4].map(|()| texts()),
            created: TimestampMicrosecondBuilder::with_capacity(CHUNK).with_timezone("UTC"),
            content: texts(),
            size: Int64Builder::with_capacity(CHUNK),
            has_extras: !extras.fields.is_empty(),
            extras,
            kept: Vec::new(),
            path: Vec::new(),
            rows: 0,
            bytes: 0,
        }
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub fn is_full(&self) -> bool {
        self.rows == CHUNK || self.bytes >= MOST_TEXT
    }

    /// Appends a row.
    pub fn push(&mut self, row: &Row<'_>) {
        let car = match row.car {
            CarPath::Said(path) => path,
            CarPath::Usual => {
                self.paths.write_bytes(row.cid.unwrap_or_default(), &mut self.path);
                Some(self.path.as_slice())
            }
        };
        for (builder, text) in self.texts.iter_mut().zip([row.cid, car, row.status, row.metadata]) {
            builder.append_option(text);
            self.bytes += text.map_or(0, <[u8]>::len);
        }
        self.created.append_option(row.created_at);
        self.content.append_value(row.content);
        self.size.append_option(row.size);
        if self.has_extras {
            self.kept.push(row.extras.to_vec());
        }
        self.rows += 1;
    }

    /// The rows so far.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        let [cid, car, status, metadata] = &mut self.texts;
        let text =
            |builder| StringArray::try_from_binary(taken(builder)).map(|text| Arc::new(text) as ArrayRef);
        let mut columns: Vec<ArrayRef> = vec![
            text(cid)?,
            text(car)?,
            Arc::new(self.backend.slice(0, rows)),
            Arc::new(self.created.finish()),
            text(status)?,
            text(metadata)?,
            Arc::new(taken(&mut self.content)),
            Arc::new(self.size.finish()),
        ];
        columns.extend(self.extras.columns(self.kept.iter().map(Vec::as_slice))?);
        self.kept.clear();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// What a builder has; it begins anew with room for as much again.
fn taken(builder: &mut BinaryBuilder) -> BinaryArray {
    let array = builder.finish();
    *builder = BinaryBuilder::with_capacity(CHUNK, array.value_data().len() * 9 / 8);
    array
}

//! Rows on their way through a sort: the columns of `pin_mappings` without `backend_name`, what they are ordered by, and
//! the further columns of the file that they were merged onto.

use std::sync::Arc;

use arrow::array::ArrayBuilder as _;
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, Int64Builder, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt64Array, UInt64Builder,
    new_null_array,
};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use arrow::error::ArrowError;

use crate::pin::{Mapping, schema, size};

/// Rows from the entry of this number on are new ones; those before it stood in the file.
pub(super) const NEW: u64 = 1 << 63;

/// Where the columns stand.
pub(super) const CID: usize = 0;
pub(super) const CAR: usize = 1;
pub(super) const CREATED: usize = 2;
pub(super) const STATUS: usize = 3;
pub(super) const METADATA: usize = 4;
pub(super) const SIZE: usize = 5;
pub(super) const CONTENT: usize = 6;
const CODEC: usize = 7;
const NUMBER: usize = 8;
/// The further columns begin here.
pub(super) const EXTRAS: usize = 9;

/// The columns of rows that are being sorted, with these further ones.
pub(super) fn sort_schema(extras: &[Field]) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![
        text(schema::CID),
        text(schema::CAR_FILE_PATH),
        Field::new(schema::CREATED_AT, schema::timestamp_type(), true),
        text(schema::STATUS),
        text(schema::METADATA),
        Field::new(schema::SIZE_BYTES, DataType::Int64, true),
        Field::new(schema::CONTENT, DataType::Binary, false),
        Field::new("codec", DataType::UInt64, false),
        Field::new("number", DataType::UInt64, false),
    ];
    fields.extend(extras.iter().cloned());
    Arc::new(Schema::new(fields))
}

/// Collects rows into columns.
pub(super) struct RowBuilder {
    schema: SchemaRef,
    texts: [StringBuilder; 4],
    created: TimestampMicrosecondBuilder,
    size: Int64Builder,
    content: BinaryBuilder,
    codec: UInt64Builder,
    number: UInt64Builder,
    /// The further columns of the rows so far, in pieces; rows that have none come after all that have.
    extras: Vec<RecordBatch>,
    /// About what the rows take, in bytes.
    bytes: usize,
}

impl RowBuilder {
    pub fn new(schema: SchemaRef) -> RowBuilder {
        RowBuilder {
            schema,
            texts: Default::default(),
            created: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            size: Int64Builder::new(),
            content: BinaryBuilder::new(),
            codec: UInt64Builder::new(),
            number: UInt64Builder::new(),
            extras: Vec::new(),
            bytes: 0,
        }
    }

    /// Appends one row. `content` is empty if the CID is none.
    pub fn push(&mut self, mapping: &Mapping<'_>, content: &[u8], codec: u64, number: u64) {
        let texts = [mapping.cid, mapping.car_file_path, mapping.status, mapping.metadata];
        for (builder, text) in self.texts.iter_mut().zip(texts) {
            builder.append_option(text);
            self.bytes += text.map_or(0, str::len) + 4;
        }
        self.created.append_option(mapping.created_at);
        self.size.append_option(mapping.metadata.and_then(size::from_metadata));
        self.content.append_value(content);
        self.codec.append_value(codec);
        self.number.append_value(number);
        self.bytes += content.len() + 40;
    }

    /// Says what the further columns of the rows just pushed hold.
    pub fn push_extras(&mut self, extras: RecordBatch) {
        if extras.num_columns() > 0 {
            self.bytes += extras.get_array_memory_size();
            self.extras.push(extras);
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.number.is_empty()
    }

    /// The rows, in the order in which they came.
    pub fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let rows = self.number.len();
        let [cid, car, status, metadata] = &mut self.texts;
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(cid.finish()),
            Arc::new(car.finish()),
            Arc::new(self.created.finish()),
            Arc::new(status.finish()),
            Arc::new(metadata.finish()),
            Arc::new(self.size.finish()),
            Arc::new(self.content.finish()),
            Arc::new(self.codec.finish()),
            Arc::new(self.number.finish()),
        ];
        self.bytes = 0;
        let extras = std::mem::take(&mut self.extras);
        for (index, field) in self.schema.fields()[EXTRAS..].iter().enumerate() {
            let mut pieces: Vec<&dyn Array> =
                extras.iter().map(|batch| batch.column(index).as_ref()).collect();
            let have: usize = pieces.iter().map(|piece| piece.len()).sum();
            let missing = new_null_array(field.data_type(), rows - have);
            pieces.push(&missing);
            columns.push(concat(&pieces)?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// The columns of a batch, each as what it is.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub batch: RecordBatch,
    cid: StringArray,
    car: StringArray,
    created: TimestampMicrosecondArray,
    status: StringArray,
    metadata: StringArray,
    content: BinaryArray,
    codec: UInt64Array,
    number: UInt64Array,
}

impl Rows {
    /// `batch` has the columns of [`sort_schema`].
    pub fn of(batch: RecordBatch) -> Rows {
        let text = |index: usize| batch.column(index).as_string::<i32>().clone();
        let number = |index: usize| batch.column(index).as_primitive::<UInt64Type>().clone();
        Rows {
            cid: text(CID),
            car: text(CAR),
            created: batch.column(CREATED).as_primitive().clone(),
            status: text(STATUS),
            metadata: text(METADATA),
            content: batch.column(CONTENT).as_binary::<i32>().clone(),
            codec: number(CODEC),
            number: number(NUMBER),
            batch,
        }
    }

    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub fn is_new(&self, row: usize) -> bool {
        self.number.value(row) >= NEW
    }

    /// The pin that a row is of: what tells it apart from the other pins of its backend.
    pub fn pin(&self, row: usize) -> (&[u8], u64) {
        (self.content.value(row), self.codec.value(row))
    }

    /// What rows are ordered by: the pin, then what decides which mapping of a pin wins, the last one.
    pub fn key(&self, row: usize) -> (&[u8], u64, Option<i64>, u64) {
        let created = self.created.is_valid(row).then(|| self.created.value(row));
        (self.content.value(row), self.codec.value(row), created, self.number.value(row))
    }

    /// The first bytes of what rows are ordered by, which nearly always decide.
    pub fn prefix(&self, row: usize) -> u64 {
        let content = self.content.value(row);
        let mut bytes = [0; 8];
        let taken = content.len().min(8);
        bytes[..taken].copy_from_slice(&content[..taken]);
        u64::from_be_bytes(bytes)
    }

    /// The row as the mapping of a backend.
    pub fn mapping<'a>(&'a self, row: usize, backend: &'a str) -> Mapping<'a> {
        let text = |column: &'a StringArray| column.is_valid(row).then(|| column.value(row));
        Mapping {
            cid: text(&self.cid),
            car_file_path: text(&self.car),
            backend_name: Some(backend),
            created_at: self.created.is_valid(row).then(|| self.created.value(row)),
            status: text(&self.status),
            metadata: text(&self.metadata),
        }
    }
}

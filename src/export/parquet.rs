//! A Parquet file, zstd. Types are kept; Arrow's own schema goes with the file, so that views stay views.
//!
//! One type becomes text: an interval with nanoseconds, because Parquet's has milliseconds. Unions are refused.

use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::WriterProperties;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema, SchemaRef};

use crate::error::Result;

use super::columns::{kept_batch, refusal, refuse_duplicates, refuse_others};
use super::output::{Failure, Remembering, Sink};
use super::{Encoder, Format, Written};

/// A row group is built in memory. It ends at whichever limit comes first, so that long rows do not make it grow.
const GROUP_ROWS: usize = 128 * 1024;
const GROUP_BYTES: usize = 64 * 1024 * 1024;

/// A Parquet file.
pub(super) struct ParquetFile<'w> {
    writer: ArrowWriter<Remembering<'w>>,
    failure: Failure,
    /// The columns as they come, and as they are written.
    given: SchemaRef,
    kept: SchemaRef,
    rows: u64,
}

impl<'w> ParquetFile<'w> {
    pub(super) fn new(out: Sink<'w>, schema: &SchemaRef) -> Result<Self> {
        refuse_duplicates(Format::Parquet, schema)?;
        refuse_unions(schema)?;
        let kept = Arc::new(Schema::new_with_metadata(
            schema.fields().iter().map(kept).collect::<Vec<_>>(),
            schema.metadata().clone(),
        ));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let (out, failure) = Remembering::new(out);
        let writer = ArrowWriter::try_new(out, kept.clone(), Some(properties))
            .map_err(|error| failure.explain(Format::Parquet, error))?;
        Ok(ParquetFile {
            writer,
            failure,
            given: schema.clone(),
            kept,
            rows: 0,
        })
    }
}

impl Encoder for ParquetFile<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(Format::Parquet, &self.given, batch)?;
        let batch = kept_batch(&self.kept, batch)
            .map_err(|error| self.failure.explain(Format::Parquet, error))?;
        let written = self.writer.write(&batch);
        written.map_err(|error| self.failure.explain(Format::Parquet, error))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let finished = self.writer.finish();
        finished.map_err(|error| self.failure.explain(Format::Parquet, error))?;
        let flushed = self.writer.sync();
        flushed.map_err(|error| self.failure.explain(Format::Parquet, error))?;
        Ok(Written {
            rows: self.rows,
            shown: self.rows,
        })
    }
}

/// The field under which a column is written.
fn kept(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Arc::new(Field::clone(field).with_data_type(DataType::Utf8))
        }
        _ => Arc::clone(field),
    }
}

/// The Parquet writer does not return an error for a union: it panics.
fn refuse_unions(schema: &Schema) -> Result<()> {
    let fields = schema.flattened_fields();
    match fields
        .iter()
        .find(|field| matches!(field.data_type(), DataType::Union(..)))
    {
        None => Ok(()),
        Some(field) => Err(refusal(
            Format::Parquet,
            format!("`{}` is a union: cast it to text", field.name()),
        )),
    }
}

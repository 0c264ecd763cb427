//! A Parquet file, zstd. Types are kept; Arrow's own schema goes with the file, so that views stay views.
//!
//! One type becomes text: an interval with nanoseconds, because Parquet's has milliseconds. Runs become their values.
//! Unions are refused, and answers without columns, because their rows would be lost.

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

/// Zstd's own default; the Parquet library's is 1.
const ZSTD_LEVEL: i32 = 3;

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
        refuse_no_columns(schema)?;
        let kept = Arc::new(Schema::new_with_metadata(
            schema.fields().iter().map(kept).collect::<Vec<_>>(),
            schema.metadata().clone(),
        ));
        let level = ZstdLevel::try_new(ZSTD_LEVEL).expect("zstd's default is one of its levels");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .build();
        let (out, failure) = Remembering::new(out);
        let writer = ArrowWriter::try_new(out, kept.clone(), Some(properties))
            .map_err(|error| failure.explain(Format::Parquet, error))?;
        Ok(ParquetFile { writer, failure, given: schema.clone(), kept, rows: 0 })
    }
}

impl Encoder for ParquetFile<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(Format::Parquet, &self.given, batch)?;
        let batch =
            kept_batch(&self.kept, batch).map_err(|error| self.failure.explain(Format::Parquet, error))?;
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
        Ok(Written { rows: self.rows, shown: self.rows })
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
    match fields.iter().find(|field| matches!(field.data_type(), DataType::Union(..))) {
        None => Ok(()),
        Some(field) => {
            Err(refusal(Format::Parquet, format!("`{}` is a union: cast it to text", field.name())))
        }
    }
}

fn refuse_no_columns(schema: &Schema) -> Result<()> {
    match schema.fields().is_empty() {
        false => Ok(()),
        true => Err(refusal(Format::Parquet, "it has no columns".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use arrow::array::{Array, ArrayRef, StringArray};
    use arrow::compute::concat_batches;
    use bytes::Bytes;

    use super::super::Style;
    use super::super::sample::{batch, encode, every_type, strings, union};
    use super::*;

    fn written(batches: &[RecordBatch]) -> ParquetRecordBatchReaderBuilder<Bytes> {
        let (bytes, _) = encode(Format::Parquet, batches, &Style::default()).expect("it can be written");
        ParquetRecordBatchReaderBuilder::try_new(bytes.into()).expect("it is Parquet")
    }

    fn read(builder: ParquetRecordBatchReaderBuilder<Bytes>) -> RecordBatch {
        let schema = builder.schema().clone();
        let batches: Result<Vec<_>, _> = builder.build().expect("it is Parquet").collect();
        concat_batches(&schema, &batches.expect("it is Parquet")).expect("one schema")
    }

    #[test]
    fn columns_read_back_with_their_types() {
        for (array, ..) in every_type() {
            let given = batch(vec![("v", array.clone())]);
            let found = read(written(std::slice::from_ref(&given)));
            if let DataType::Interval(IntervalUnit::MonthDayNano) = array.data_type() {
                let text: StringArray =
                    vec![Some("P1Y2M-3DT0.500S"), None, Some("PT-2562047H-47M-16.854775808S")].into();
                assert_eq!(found.column(0), &(Arc::new(text) as ArrayRef));
            } else if let DataType::RunEndEncoded(_, values) = array.data_type() {
                let values = arrow::compute::cast(&array, values.data_type());
                assert_eq!(found.column(0), &values.expect("runs unroll"));
            } else {
                assert_eq!(found, given, "{}", array.data_type());
            }
        }
    }

    #[test]
    fn row_groups_are_bounded_and_compressed() {
        let rows = batch(vec![("v", strings(&vec![Some("x"); 50_000]))]);
        let file = written(&[rows.clone(), rows.clone(), rows.clone(), rows]);
        let groups = file.metadata().row_groups();
        let rows: Vec<i64> = groups.iter().map(|group| group.num_rows()).collect();
        assert_eq!(rows, [131_072, 68_928]);
        let compression = groups[0].column(0).compression();
        assert!(matches!(compression, Compression::ZSTD(_)), "{compression}");
    }

    #[test]
    fn an_empty_answer_is_a_file_with_columns() {
        let given = batch(vec![("v", strings(&[]))]);
        let file = written(std::slice::from_ref(&given));
        assert_eq!(file.schema(), &given.schema());
        assert_eq!(file.metadata().file_metadata().num_rows(), 0);
    }

    #[test]
    fn what_parquet_cannot_hold_is_refused_before_anything_is_written() {
        let (union, ..) = union();
        let empty = arrow::array::StructArray::new_empty_fields(1, None);
        let no_columns = RecordBatch::new_empty(Arc::new(Schema::empty()));
        let columns = [union, Arc::new(empty) as ArrayRef].map(|array| batch(vec![("odd", array)]));
        for batch in columns.into_iter().chain([no_columns]) {
            let refused = encode(Format::Parquet, &[batch], &Style::default());
            let error = refused.expect_err("Parquet has no such type");
            let message = error.to_string();
            assert!(message.starts_with("parquet cannot hold this answer"), "{message}");
        }
    }
}

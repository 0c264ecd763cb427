//! An Arrow IPC file (Feather V2), zstd. Types are kept, except that dictionaries become their values: such a file has
//! room for one dictionary a column, and batches come with their own.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};

use crate::error::Result;

use super::columns::{kept_batch, refuse_duplicates, refuse_others};
use super::output::{Failure, Remembering, Sink};
use super::{Encoder, Format, Written};

/// An Arrow IPC file.
pub(super) struct IpcFile<'w> {
    writer: FileWriter<Remembering<'w>>,
    failure: Failure,
    /// The columns as they come, and as they are written.
    given: SchemaRef,
    kept: SchemaRef,
    rows: u64,
}

impl<'w> IpcFile<'w> {
    pub(super) fn new(out: Sink<'w>, schema: &SchemaRef) -> Result<Self> {
        refuse_duplicates(Format::Arrow, schema)?;
        let kept = Arc::new(Schema::new_with_metadata(
            schema.fields().iter().map(unpacked_field).collect::<Vec<_>>(),
            schema.metadata().clone(),
        ));
        let (out, failure) = Remembering::new(out);
        let writer = IpcWriteOptions::default()
            .try_with_compression(Some(CompressionType::ZSTD))
            .and_then(|options| FileWriter::try_new_with_options(out, &kept, options))
            .map_err(|error| failure.explain(Format::Arrow, error))?;
        Ok(IpcFile { writer, failure, given: schema.clone(), kept, rows: 0 })
    }
}

impl Encoder for IpcFile<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        refuse_others(Format::Arrow, &self.given, batch)?;
        let kept = kept_batch(&self.kept, batch).and_then(compact);
        let written = kept.and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| self.failure.explain(Format::Arrow, error))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written> {
        let finished = self.writer.finish().and_then(|()| self.writer.flush());
        finished.map_err(|error| self.failure.explain(Format::Arrow, error))?;
        Ok(Written { rows: self.rows, shown: self.rows })
    }
}

/// Copies what view arrays refer to. The writer would write all that their buffers hold, again with every batch: after
/// a filter or a LIMIT, mostly rows that are not in the answer.
pub(super) fn compact(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    let (schema, columns, rows) = batch.into_parts();
    let columns = columns.into_iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column,
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns.collect(), &options)
}

fn unpacked_field(field: &FieldRef) -> FieldRef {
    match unpacked(field.data_type()) {
        kind if kind == *field.data_type() => Arc::clone(field),
        kind => Arc::new(Field::clone(field).with_data_type(kind)),
    }
}

/// The type without its dictionaries.
fn unpacked(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, values) => unpacked(values),
        DataType::List(inner) => DataType::List(unpacked_field(inner)),
        DataType::LargeList(inner) => DataType::LargeList(unpacked_field(inner)),
        DataType::ListView(inner) => DataType::ListView(unpacked_field(inner)),
        DataType::LargeListView(inner) => DataType::LargeListView(unpacked_field(inner)),
        DataType::FixedSizeList(inner, n) => DataType::FixedSizeList(unpacked_field(inner), *n),
        DataType::Map(inner, sorted) => DataType::Map(unpacked_field(inner), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(unpacked_field).collect()),
        kind => kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use arrow::array::types::Int8Type;
    use arrow::array::{Array, DictionaryArray, ListArray, StringViewArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::compute::{cast, concat_batches};
    use arrow::ipc::reader::FileReader;

    use super::super::Style;
    use super::super::sample::{batch, encode, every_type, strings, union};
    use super::*;

    fn written(batches: &[RecordBatch]) -> Vec<u8> {
        let (bytes, _) = encode(Format::Arrow, batches, &Style::default()).expect("it can be written");
        bytes
    }

    fn read(bytes: Vec<u8>) -> RecordBatch {
        let reader = FileReader::try_new(Cursor::new(bytes), None).expect("it is Arrow");
        let schema = reader.schema();
        let batches: Result<Vec<_>, _> = reader.collect();
        concat_batches(&schema, &batches.expect("it is Arrow")).expect("one schema")
    }

    #[test]
    fn columns_read_back_with_their_types() {
        let (union, ..) = union();
        let arrays = every_type().into_iter().map(|(array, ..)| array);
        for array in arrays.chain([union]) {
            let found = read(written(&[batch(vec![("v", array.clone())])]));
            let kept = cast(&array, &unpacked(array.data_type())).unwrap_or(array);
            assert_eq!(found, batch(vec![("v", kept)]));
        }
    }

    #[test]
    fn batches_with_dictionaries_of_their_own_become_one_column_of_values() {
        let of = |values: Vec<&str>| {
            let dictionary: DictionaryArray<Int8Type> = values.into_iter().collect();
            Arc::new(dictionary) as ArrayRef
        };
        let listed = |values: ArrayRef| {
            let field = Arc::new(Field::new("item", values.data_type().clone(), true));
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            Arc::new(ListArray::new(field, offsets, values, None)) as ArrayRef
        };
        let batches = [vec!["a", "b"], vec!["c"]].map(|v| batch(vec![("v", of(v))]));
        let found = read(written(&batches));
        let expected = batch(vec![("v", strings(&[Some("a"), Some("b"), Some("c")]))]);
        assert_eq!(found, expected);

        let batches = [vec!["a", "b"], vec!["c"]].map(|v| batch(vec![("v", listed(of(v)))]));
        let found = read(written(&batches));
        let inner = found.column(0).as_list::<i32>().values();
        assert_eq!(inner, expected.column(0));
    }

    #[test]
    fn only_the_rows_of_the_answer_are_written() {
        let texts = (0..10_000).map(|i| Some(format!("a text of more than twelve bytes {i}")));
        let all = batch(vec![("v", Arc::new(texts.collect::<StringViewArray>()))]);
        let slices: Vec<RecordBatch> = (0..10).map(|i| all.slice(i, 1)).collect();
        let bytes = written(&slices);
        assert!(bytes.len() < 10_000, "{} bytes", bytes.len());
        assert_eq!(read(bytes), all.slice(0, 10));
    }

    #[test]
    fn an_empty_answer_is_a_file_with_columns() {
        let given = batch(vec![("v", strings(&[]))]);
        assert_eq!(read(written(std::slice::from_ref(&given))), given);
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let rows = batch(vec![("a", strings(&[None, None]))]);
        let none = rows.project(&[]).expect("no column is out of range");
        assert_eq!(read(written(&[none])).num_rows(), 2);
    }
}

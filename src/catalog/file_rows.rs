//! The rows of one file that a scan wants, one row group after the other.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, RecordBatchReader};
use arrow::compute::{filter_record_batch, prep_null_mask_filter};
use arrow::datatypes::{Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_plan::metrics::Count;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::file::PinnedFile;
use super::notes;
use super::pages::{Failed, PagedGroup};
use super::values::{self, Passing};

/// Expressions over some of a file's columns.
pub(super) struct Columns {
    pub exprs: Vec<Arc<dyn PhysicalExpr>>,
    /// All columns of the file, and the expressions over them.
    pub file: SchemaRef,
    pub of_file: Vec<Arc<dyn PhysicalExpr>>,
    /// The columns that the expressions are over, and as what they are read.
    over: SchemaRef,
    read: SchemaRef,
    levels: FieldLevels,
}

/// Which rows are wanted.
pub(super) enum Filter {
    None,
    /// It is asked first, of all rows of row groups that are read whole; then other columns are read where it holds.
    First(Columns),
    /// It is asked along with the other expressions, over the same columns.
    Along(Arc<dyn PhysicalExpr>),
}

/// What has been read so far.
#[derive(Clone)]
pub(super) struct Counts {
    pub bytes: Count,
    /// Rows for which a filter does not hold, and for which it does.
    pub passed_over: Count,
    pub kept: Count,
}

/// What is read, and in batches of how many rows.
pub(super) struct Reading {
    pub file: Arc<PinnedFile>,
    pub footer: Arc<ParquetMetaData>,
    pub rows: usize,
    pub counts: Counts,
    pub failed: Failed,
}

/// The rows that are left to be read.
pub(super) struct FileRows {
    reading: Reading,
    groups: std::vec::IntoIter<(usize, Option<RowSelection>)>,
    reader: Option<ParquetRecordBatchReader>,
    columns: Columns,
    filter: Filter,
    output: SchemaRef,
}

impl Columns {
    /// Expressions over a file's columns, of which only those are read that they need.
    pub fn of(
        of_file: Vec<Arc<dyn PhysicalExpr>>,
        file: &SchemaRef,
        footer: &ParquetMetaData,
    ) -> Result<Columns> {
        Columns::read_as(of_file, file, footer, |_, _| None)
    }

    /// The same of filters: asked of the values in a dictionary, if they are over a column of text with one.
    pub fn of_filters(
        of_file: Vec<Arc<dyn PhysicalExpr>>,
        file: &SchemaRef,
        footer: &ParquetMetaData,
    ) -> Result<Columns> {
        Columns::read_as(of_file, file, footer, |filters, roots| match *roots {
            [column] if !notes::is_unchecked(file.metadata(), file.field(column).name()) => {
                values::dictionary(filters, file.fields(), column, footer)
            }
            _ => None,
        })
    }

    /// `read_as` says as what a file's columns are read, if not as they are, for expressions over some of them.
    fn read_as(
        of_file: Vec<Arc<dyn PhysicalExpr>>,
        file: &SchemaRef,
        footer: &ParquetMetaData,
        read_as: impl FnOnce(&[Arc<dyn PhysicalExpr>], &[usize]) -> Option<Fields>,
    ) -> Result<Columns> {
        let mut roots: Vec<usize> =
            of_file.iter().flat_map(collect_columns).map(|column| column.index()).collect();
        roots.sort_unstable();
        roots.dedup();
        let fields = read_as(&of_file, &roots).unwrap_or_else(|| file.fields().clone());
        let over = Arc::new(file.project(&roots)?);
        let read = Arc::new(Schema::new(fields.clone()).project(&roots)?);
        let schema = footer.file_metadata().schema_descr();
        let mask = ProjectionMask::roots(schema, roots);
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(&fields))?;
        let exprs = of_file.iter().map(|expr| reassign_expr_columns(Arc::clone(expr), &over));
        let exprs = exprs.collect::<Result<_>>()?;
        Ok(Columns { exprs, file: Arc::clone(file), of_file, over, read, levels })
    }
}

impl FileRows {
    /// Rows of these row groups, or of some rows in each, with the columns of `output`.
    pub fn new(
        reading: Reading,
        groups: Vec<(usize, Option<RowSelection>)>,
        columns: Columns,
        filter: Filter,
        output: SchemaRef,
    ) -> FileRows {
        FileRows { reading, groups: groups.into_iter(), reader: None, columns, filter, output }
    }

    /// The next rows; now and then `None` in their place. There are no more after an error.
    pub fn next(&mut self) -> Option<Result<Option<RecordBatch>>> {
        let next = self.try_next().transpose()?;
        if next.is_err() {
            (self.reader, self.groups) = (None, Vec::new().into_iter());
        }
        Some(next)
    }

    fn try_next(&mut self) -> Result<Option<Option<RecordBatch>>> {
        if let Some(reader) = &mut self.reader {
            let Some(batch) = reader.next().transpose().map_err(|error| self.reading.failure(error))? else {
                self.reader = None;
                return Ok(Some(None));
            };
            return self.wanted(batch).map(Some);
        }
        let Some((group, selection)) = self.groups.next() else { return Ok(None) };
        self.reader = self.open(group, selection)?;
        Ok(Some(None))
    }

    /// What is wanted of some rows.
    fn wanted(&self, mut batch: RecordBatch) -> Result<Option<RecordBatch>> {
        if let Filter::Along(filter) = &self.filter {
            batch = filter_record_batch(&batch, &self.passing(filter, &batch)?)?;
            if batch.num_rows() == 0 {
                return Ok(None);
            }
        }
        let rows = batch.num_rows();
        let columns = self.columns.exprs.iter().map(|expr| expr.evaluate(&batch)?.into_array(rows));
        let columns = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?))
    }

    fn passing(&self, filter: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<BooleanArray> {
        let passing = filter.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(passing) = passing.as_boolean_opt() else {
            return datafusion::common::internal_err!("a filter gives {}", passing.data_type());
        };
        let passing = match passing.null_count() {
            0 => passing.clone(),
            _ => prep_null_mask_filter(passing),
        };
        self.reading.counts.filtered(&passing);
        Ok(passing)
    }

    /// Begins a row group; `None` if none of its rows is wanted.
    fn open(&self, group: usize, chosen: Option<RowSelection>) -> Result<Option<ParquetRecordBatchReader>> {
        let selection = match &self.filter {
            Filter::First(filter) => Some(self.passing_of(filter, group)?),
            Filter::None | Filter::Along(_) => chosen,
        };
        if selection.as_ref().is_some_and(|selection| !selection.selects_any()) {
            return Ok(None);
        }
        self.reading.of(&self.columns, group, selection).map(Some)
    }

    /// Which of the rows of a row group pass the filter.
    fn passing_of(&self, filter: &Columns, group: usize) -> Result<RowSelection> {
        let (mut passing, mut looked_at) = (Vec::new(), 0);
        let mut by_value: Vec<Passing> = filter.exprs.iter().map(|_| Passing::default()).collect();
        for batch in self.reading.of(filter, group, None)? {
            let batch = batch.map_err(|error| self.reading.failure(error))?;
            looked_at += batch.num_rows() as i64;
            for (expr, by_value) in filter.exprs.iter().zip(&mut by_value) {
                let column = batch.columns().first();
                passing.push(match column.and_then(|column| column.as_dictionary_opt()) {
                    Some(rows) if filter.over.field(0).data_type().is_string() => {
                        let passing = by_value.of(expr, rows, filter.over.field(0))?;
                        self.reading.counts.filtered(&passing);
                        passing
                    }
                    _ => self.passing(expr, &batch)?,
                });
            }
        }
        match looked_at == self.reading.footer.row_group(group).num_rows() {
            true => Ok(RowSelection::from_filters(&passing)),
            false => Err(ParquetError::EOF("a column has not as many rows as its row group".into()).into()),
        }
    }
}

impl Counts {
    fn filtered(&self, passing: &BooleanArray) {
        self.kept.add(passing.true_count());
        self.passed_over.add(passing.len() - passing.true_count());
    }
}

impl Reading {
    /// The error of a reader, or the one that it comes from.
    fn failure(&self, error: ArrowError) -> DataFusionError {
        self.failed.take().map_or_else(|| error.into(), Into::into)
    }

    /// Some columns of a row group, all rows or some.
    fn of(
        &self,
        columns: &Columns,
        group: usize,
        selection: Option<RowSelection>,
    ) -> Result<ParquetRecordBatchReader> {
        let pages = PagedGroup {
            file: &self.file,
            footer: &self.footer,
            group,
            selection: selection.as_ref(),
            scanned: &self.counts.bytes,
            failed: &self.failed,
        };
        // A reader sets aside what a full batch takes.
        let all = selection.as_ref().map_or_else(|| pages.num_rows(), RowSelection::row_count);
        let rows = self.rows.min(all).max(1);
        let reader = ParquetRecordBatchReader::try_new_with_row_groups(
            &columns.levels,
            &pages,
            rows,
            selection.clone(),
        );
        let reader = reader.map_err(|error| self.failed.take().unwrap_or(error))?;
        let schema = reader.schema();
        let types = schema.fields().iter().map(|field| field.data_type());
        match types.eq(columns.read.fields().iter().map(|field| field.data_type())) {
            true => Ok(reader),
            false => datafusion::common::internal_err!("the columns are read as {schema}"),
        }
    }
}

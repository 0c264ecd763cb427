//! The aggregates of a block's groups.

use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{concat_batches, prep_null_mask_filter};
use datafusion::common::{Result, exec_err, internal_datafusion_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::GroupsAccumulatorAdapter;

use super::block::{Block, Slice};
use super::copies::Copies;
use super::names::Names;
use super::source::Origin;
use super::table::Numbers;
use super::task::{Aggregate, Of};

/// Pieces are put together until they have so many rows: each call has its cost.
const TOGETHER: usize = 1024;

/// Running aggregates, for the groups of one block and the one that is open.
pub(super) struct Aggregates(Vec<Running>);

struct Running {
    of: RunningOf,
    filter: Option<Arc<dyn PhysicalExpr>>,
}

enum RunningOf {
    Backends(Copies),
    Names(Names),
    Values { accumulator: Box<dyn GroupsAccumulator>, arguments: Vec<Arc<dyn PhysicalExpr>> },
}

/// Which rows of a stretch are aggregated.
enum Wanted {
    All,
    Where(BooleanArray),
    None,
}

/// Rows of slices that stand side by side.
struct Stretch<'a> {
    /// As one batch, if anything is evaluated over them.
    rows: Option<RecordBatch>,
    slices: &'a [Slice<'a>],
    numbers: &'a [usize],
}

impl Aggregates {
    /// Over rows of backends with these names.
    pub fn new(aggregates: &[Aggregate], names: &Arc<[Arc<str>]>) -> Result<Aggregates> {
        let running = aggregates.iter().map(|aggregate| Running::new(aggregate, names));
        running.collect::<Result<_>>().map(Aggregates)
    }

    /// Adds the rows of a block.
    pub fn update(&mut self, block: &Block<'_>, numbers: &Numbers) -> Result<()> {
        let groups = numbers.contents.len();
        self.0.iter_mut().for_each(|running| running.begin(groups, numbers.open));
        let evaluates = self.0.iter().any(Running::evaluates);
        let (mut slices, mut rows) = (&block.slices[..], &numbers.rows[..]);
        while !slices.is_empty() && !self.0.is_empty() {
            let stretch = Stretch::first_of(slices, rows, evaluates)?;
            for (index, running) in self.0.iter_mut().enumerate() {
                running.update(index, &stretch, groups, numbers.open)?;
            }
            (slices, rows) = (&slices[stretch.slices.len()..], &rows[stretch.numbers.len()..]);
        }
        self.0.iter_mut().for_each(Running::end);
        Ok(())
    }

    /// Takes the values of groups out, one column for each aggregate.
    pub fn take(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.0.iter_mut().map(|running| running.take(emit)).collect()
    }

    pub fn size(&self) -> usize {
        let size = |running: &Running| match &running.of {
            RunningOf::Backends(copies) => copies.size(),
            RunningOf::Names(names) => names.size(),
            RunningOf::Values { accumulator, .. } => accumulator.size(),
        };
        self.0.iter().map(size).sum()
    }
}

impl<'a> Stretch<'a> {
    /// The first slice, and more while they are small.
    fn first_of(slices: &'a [Slice<'a>], numbers: &'a [usize], evaluates: bool) -> Result<Stretch<'a>> {
        let (mut count, mut rows) = (0, 0);
        while count < slices.len() && (count == 0 || rows + slices[count].len() <= TOGETHER) {
            rows += slices[count].len();
            count += 1;
        }
        let slices = &slices[..count];
        let together = evaluates.then(|| together(slices, rows)).transpose()?;
        Ok(Stretch { rows: together, slices, numbers: &numbers[..rows] })
    }

    /// The rows as a batch.
    fn rows(&self) -> Result<&RecordBatch> {
        self.rows.as_ref().ok_or_else(|| internal_datafusion_err!("nothing was to be evaluated"))
    }

    /// Which rows an aggregate wants.
    fn wanted(&self, aggregate: usize, filter: Option<&Arc<dyn PhysicalExpr>>) -> Result<Wanted> {
        let known = || self.slices.iter().map(|slice| slice.piece.origin.wanted[aggregate]);
        Ok(match filter {
            _ if known().all(|wanted| wanted == Some(true)) => Wanted::All,
            _ if known().all(|wanted| wanted == Some(false)) => Wanted::None,
            Some(filter) => Wanted::Where(holds(filter.as_ref(), self.rows()?)?),
            None => {
                let parts = self.slices.iter().zip(known());
                let rows = parts.flat_map(|(slice, wanted)| repeat_n(wanted == Some(true), slice.len()));
                Wanted::Where(BooleanArray::from_iter(rows.map(Some)))
            }
        })
    }

    /// For each slice with rows that an aggregate may want: its backend, its rows, and which of all rows are wanted, if not all
    /// of the slice.
    fn slices<'s>(
        &'s self,
        aggregate: usize,
        filtered: Option<&'s BooleanArray>,
    ) -> impl Iterator<Item = (u32, Range<usize>, Option<&'s BooleanArray>)> {
        let mut end = 0;
        self.slices.iter().filter_map(move |slice| {
            let rows = end..end + slice.len();
            end = rows.end;
            let Origin { backend, wanted } = &*slice.piece.origin;
            match wanted[aggregate] {
                Some(false) => None,
                Some(true) => Some((*backend, rows, None)),
                None => Some((*backend, rows, filtered)),
            }
        })
    }

    /// For which rows a filter holds, if that is not known of all slices.
    fn filtered(
        &self,
        aggregate: usize,
        filter: Option<&Arc<dyn PhysicalExpr>>,
    ) -> Result<Option<BooleanArray>> {
        let unknown = self.slices.iter().any(|slice| slice.piece.origin.wanted[aggregate].is_none());
        filter.filter(|_| unknown).map(|filter| holds(filter.as_ref(), self.rows()?)).transpose()
    }
}

/// The rows of slices as one batch.
fn together(slices: &[Slice<'_>], rows: usize) -> Result<RecordBatch> {
    let schema = slices[0].piece.rows.schema();
    if schema.fields().is_empty() {
        let rows = RecordBatchOptions::new().with_row_count(Some(rows));
        return Ok(RecordBatch::try_new_with_options(schema, Vec::new(), &rows)?);
    }
    match slices {
        [only] => Ok(only.batch()),
        _ => Ok(concat_batches(&schema, &slices.iter().map(Slice::batch).collect::<Vec<_>>())?),
    }
}

impl Running {
    fn new(aggregate: &Aggregate, names: &Arc<[Arc<str>]>) -> Result<Running> {
        let function = &aggregate.function;
        let of = match &aggregate.of {
            Of::Backends => RunningOf::Backends(Copies::default()),
            Of::Names(end) => RunningOf::Names(Names::new(*end, names)),
            Of::Values(arguments) => {
                let arguments = arguments.clone();
                RunningOf::Values { accumulator: accumulator(function)?, arguments }
            }
        };
        Ok(Running { of, filter: aggregate.filter.clone() })
    }

    /// Whether anything is evaluated over the rows.
    fn evaluates(&self) -> bool {
        self.filter.is_some() || matches!(self.of, RunningOf::Values { .. })
    }

    fn begin(&mut self, groups: usize, open: Option<usize>) {
        match &mut self.of {
            RunningOf::Backends(copies) => copies.begin(groups, open),
            RunningOf::Names(names) => names.begin(groups),
            RunningOf::Values { .. } => {}
        }
    }

    /// Adds rows; `index` says which aggregate this is.
    fn update(
        &mut self,
        index: usize,
        stretch: &Stretch<'_>,
        groups: usize,
        open: Option<usize>,
    ) -> Result<()> {
        match &mut self.of {
            RunningOf::Backends(copies) => {
                let filtered = stretch.filtered(index, self.filter.as_ref())?;
                for (backend, rows, wanted) in stretch.slices(index, filtered.as_ref()) {
                    let numbers = &stretch.numbers[rows.clone()];
                    copies.count(backend, numbers, wanted.map(|wanted| (wanted, rows)), open);
                }
                Ok(())
            }
            RunningOf::Names(names) => {
                let filtered = stretch.filtered(index, self.filter.as_ref())?;
                for (backend, rows, wanted) in stretch.slices(index, filtered.as_ref()) {
                    let numbers = &stretch.numbers[rows.clone()];
                    names.take_rows(backend, numbers, wanted.map(|wanted| (wanted, rows)));
                }
                Ok(())
            }
            RunningOf::Values { accumulator, arguments } => {
                let wanted = stretch.wanted(index, self.filter.as_ref())?;
                // Without rows it learns all the same how many groups there are.
                let rows = if matches!(wanted, Wanted::None) { 0 } else { stretch.numbers.len() };
                let batch = stretch.rows()?.slice(0, rows);
                let values = arguments.iter().map(|argument| argument.evaluate(&batch)?.into_array(rows));
                let values: Vec<_> = values.collect::<Result<_>>()?;
                let filter = match &wanted {
                    Wanted::Where(wanted) => Some(wanted),
                    Wanted::All | Wanted::None => None,
                };
                accumulator.update_batch(&values, &stretch.numbers[..rows], filter, groups)
            }
        }
    }

    fn end(&mut self) {
        if let RunningOf::Backends(copies) = &mut self.of {
            copies.end();
        }
    }

    fn take(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        match &mut self.of {
            RunningOf::Backends(copies) => Ok(copies.take(emit)),
            RunningOf::Names(names) => Ok(names.take(emit)),
            RunningOf::Values { accumulator, .. } => accumulator.evaluate(emit),
        }
    }
}

pub(super) fn accumulator(function: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let each = Arc::clone(function);
    Ok(Box::new(GroupsAccumulatorAdapter::new(move || each.create_accumulator())))
}

/// For which rows a filter holds; where it is NULL it does not.
pub(super) fn holds(filter: &dyn PhysicalExpr, rows: &RecordBatch) -> Result<BooleanArray> {
    let holds = filter.evaluate(rows)?.into_array(rows.num_rows())?;
    match holds.as_boolean_opt() {
        Some(holds) if holds.null_count() > 0 => Ok(prep_null_mask_filter(holds)),
        Some(holds) => Ok(holds.clone()),
        None => exec_err!("a filter gives {}", holds.data_type()),
    }
}

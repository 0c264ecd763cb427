//! The aggregates of a block's groups.

use std::iter::repeat_n;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, prep_null_mask_filter};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::GroupsAccumulatorAdapter;

use super::block::Block;
use super::copies::Copies;
use super::names::Names;
use super::source::Piece;
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

/// Rows of pieces that stand side by side, as one batch.
struct Stretch<'a> {
    rows: RecordBatch,
    pieces: &'a [Piece],
    numbers: &'a [usize],
}

impl Aggregates {
    /// Over rows of backends with these names.
    pub fn new(aggregates: &[Aggregate], names: &Arc<[Arc<str>]>) -> Result<Aggregates> {
        let running = aggregates.iter().map(|aggregate| Running::new(aggregate, names));
        running.collect::<Result<_>>().map(Aggregates)
    }

    /// Adds the rows of a block.
    pub fn update(&mut self, block: &Block, numbers: &Numbers) -> Result<()> {
        let groups = numbers.contents.len();
        self.0.iter_mut().for_each(|running| running.begin(groups, numbers.open));
        let (mut pieces, mut rows) = (&block.pieces[..], &numbers.rows[..]);
        while !pieces.is_empty() && !self.0.is_empty() {
            let stretch = Stretch::first_of(pieces, rows)?;
            for (index, running) in self.0.iter_mut().enumerate() {
                let wanted = stretch.wanted(index, running.filter.as_ref())?;
                running.update(&stretch, wanted, groups, numbers.open)?;
            }
            (pieces, rows) = (&pieces[stretch.pieces.len()..], &rows[stretch.numbers.len()..]);
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
    /// The first piece, and more while they are small.
    fn first_of(pieces: &'a [Piece], numbers: &'a [usize]) -> Result<Stretch<'a>> {
        let (mut count, mut rows) = (0, 0);
        while count < pieces.len() && (count == 0 || rows + pieces[count].len() <= TOGETHER) {
            rows += pieces[count].len();
            count += 1;
        }
        let pieces = &pieces[..count];
        let together = match pieces {
            [only] => only.rows.clone(),
            _ => concat_batches(&pieces[0].rows.schema(), pieces.iter().map(|piece| &piece.rows))?,
        };
        Ok(Stretch { rows: together, pieces, numbers: &numbers[..rows] })
    }

    /// Which rows an aggregate wants.
    fn wanted(&self, aggregate: usize, filter: Option<&Arc<dyn PhysicalExpr>>) -> Result<Wanted> {
        let known = || self.pieces.iter().map(|piece| piece.origin.wanted[aggregate]);
        Ok(match filter {
            _ if known().all(|wanted| wanted == Some(true)) => Wanted::All,
            _ if known().all(|wanted| wanted == Some(false)) => Wanted::None,
            Some(filter) => Wanted::Where(holds(filter.as_ref(), &self.rows)?),
            None => {
                let parts = self.pieces.iter().zip(known());
                let rows = parts.flat_map(|(piece, wanted)| repeat_n(wanted == Some(true), piece.len()));
                Wanted::Where(BooleanArray::from_iter(rows.map(Some)))
            }
        })
    }

    /// Each piece's backend and rows.
    fn parts(&self) -> impl Iterator<Item = (u32, Range<usize>)> {
        self.pieces.iter().scan(0, |start, piece| {
            let rows = *start..*start + piece.len();
            *start = rows.end;
            Some((piece.origin.backend, rows))
        })
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

    fn begin(&mut self, groups: usize, open: Option<usize>) {
        match &mut self.of {
            RunningOf::Backends(copies) => copies.begin(groups, open),
            RunningOf::Names(names) => names.begin(groups),
            RunningOf::Values { .. } => {}
        }
    }

    fn update(
        &mut self,
        stretch: &Stretch<'_>,
        wanted: Wanted,
        groups: usize,
        open: Option<usize>,
    ) -> Result<()> {
        match &mut self.of {
            RunningOf::Backends(copies) => {
                for (backend, rows) in stretch.parts() {
                    let numbers = &stretch.numbers[rows.clone()];
                    match &wanted {
                        Wanted::All => copies.count(backend, numbers, None, open),
                        Wanted::Where(wanted) => copies.count(backend, numbers, Some((wanted, rows)), open),
                        Wanted::None => {}
                    }
                }
                Ok(())
            }
            RunningOf::Names(names) => {
                for (backend, rows) in stretch.parts() {
                    let numbers = &stretch.numbers[rows.clone()];
                    match &wanted {
                        Wanted::All => names.take_rows(backend, numbers, None),
                        Wanted::Where(wanted) => names.take_rows(backend, numbers, Some((wanted, rows))),
                        Wanted::None => {}
                    }
                }
                Ok(())
            }
            RunningOf::Values { accumulator, arguments } => {
                // Without rows it learns all the same how many groups there are.
                let rows = if matches!(wanted, Wanted::None) { 0 } else { stretch.numbers.len() };
                let batch = stretch.rows.slice(0, rows);
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

//! `count(DISTINCT …)` and `array_agg(DISTINCT …)` for many groups, in memory that is accounted for.
//!
//! DataFusion 55 gives each group a set of its own, of several kilobytes, and the memory limit does not see them: two
//! million groups of a few short strings took more than 20 GB. Here all groups share one table of the pairs (group, value).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt32Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, filter, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, UInt32Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err};
use datafusion::functions_aggregate::array_agg::ArrayAgg;
use datafusion::functions_aggregate::count::Count;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, StatisticsArgs,
};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

/// `count`, to be registered in the place of DataFusion's.
pub(super) fn count() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(FrugalCount { count: Count::new() }))
}

/// DataFusion's `count`, but for distinct values of groups.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FrugalCount {
    count: Count,
}

impl AggregateUDFImpl for FrugalCount {
    fn name(&self) -> &str {
        self.count.name()
    }

    fn signature(&self) -> &Signature {
        self.count.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.count.return_type(arguments)
    }

    fn is_nullable(&self) -> bool {
        self.count.is_nullable()
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.count.state_fields(args)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.count.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        args.exprs.len() == 1 && (args.is_distinct || self.count.groups_accumulator_supported(args))
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.is_distinct {
            true => Ok(Box::new(Distinct::new(args.expr_fields[0].data_type(), Gives::Counts)?)),
            false => self.count.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.count.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.count.reverse_expr()
    }

    fn default_value(&self, kind: &DataType) -> Result<ScalarValue> {
        self.count.default_value(kind)
    }

    fn value_from_stats(&self, args: &StatisticsArgs<'_>) -> Option<ScalarValue> {
        self.count.value_from_stats(args)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.count.documentation()
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.count.set_monotonicity(kind)
    }
}

/// `array_agg`, to be registered in the place of DataFusion's.
pub(super) fn array_agg() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(FrugalArrayAgg { array_agg: ArrayAgg::default() }))
}

/// DataFusion's `array_agg`, but for distinct values of groups in no order.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FrugalArrayAgg {
    array_agg: ArrayAgg,
}

impl AggregateUDFImpl for FrugalArrayAgg {
    fn name(&self) -> &str {
        self.array_agg.name()
    }

    fn signature(&self) -> &Signature {
        self.array_agg.signature()
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.array_agg.return_type(arguments)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.array_agg.state_fields(args)
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        self.array_agg.order_sensitivity()
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        // It counts only where there is an order, and there this one does nothing of its own.
        Arc::new(ArrayAgg::default()).with_beneficial_ordering(beneficial_ordering)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.array_agg.accumulator(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        let kind = args.expr_fields[0].data_type();
        let frugal =
            args.is_distinct && args.order_bys.is_empty() && !matches!(kind, DataType::Dictionary(..));
        frugal || self.array_agg.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.is_distinct {
            true => {
                let gives = if args.ignore_nulls { Gives::Lists } else { Gives::ListsWithNull };
                Ok(Box::new(Distinct::new(args.expr_fields[0].data_type(), gives)?))
            }
            false => self.array_agg.create_groups_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.array_agg.reverse_expr()
    }

    fn supports_null_handling_clause(&self) -> bool {
        self.array_agg.supports_null_handling_clause()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.array_agg.documentation()
    }
}

/// What is made of distinct values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gives {
    Counts,
    /// A group without values has NULL for its list.
    Lists,
    /// NULL is a value, too.
    ListsWithNull,
}

/// The distinct values of each group, or their number.
struct Distinct {
    gives: Gives,
    /// The type of the values, never a dictionary.
    kind: DataType,
    /// The pairs (group, value), each once.
    pairs: Box<dyn GroupValues>,
    counts: Vec<i64>,
    /// Where each row's pair stands among the pairs; kept for its memory.
    places: Vec<usize>,
}

impl Distinct {
    fn new(kind: &DataType, gives: Gives) -> Result<Distinct> {
        let kind = match kind {
            DataType::Dictionary(_, value) => value.as_ref(),
            other => other,
        };
        let pairs = no_pairs(kind, gives)?;
        Ok(Distinct { gives, kind: kind.clone(), pairs, counts: Vec::new(), places: Vec::new() })
    }

    /// Takes all pairs out: the numbers of the groups, and the values.
    fn take_pairs(&mut self) -> Result<(ArrayRef, ArrayRef)> {
        // Once emptied, a table of pairs still finds what was in it: it is not used again.
        let mut pairs = std::mem::replace(&mut self.pairs, no_pairs(&self.kind, self.gives)?);
        match &pairs.emit(EmitTo::All)?[..] {
            [groups, values] => Ok((Arc::clone(groups), Arc::clone(values))),
            other => exec_err!("pairs have two columns, not {}", other.len()),
        }
    }

    /// Adds the pairs of `groups` and `values`, none of them a value that does not count.
    fn add(&mut self, groups: ArrayRef, values: ArrayRef, total: usize) -> Result<()> {
        self.counts.resize(self.counts.len().max(total), 0);
        let known = self.pairs.len();
        self.pairs.intern(&[Arc::clone(&groups), values], &mut self.places)?;
        let groups = groups.as_primitive::<UInt32Type>();
        let mut counted = vec![false; self.pairs.len() - known];
        for (group, place) in groups.values().iter().zip(&self.places) {
            // A new pair may stand in several rows of this batch.
            if *place >= known && !std::mem::replace(&mut counted[place - known], true) {
                self.counts[*group as usize] += 1;
            }
        }
        Ok(())
    }

    /// Takes the pairs of the first `groups` groups: the numbers of the groups, and the values. Those of the others stay.
    fn take_first(&mut self, groups: usize) -> Result<(ArrayRef, ArrayRef)> {
        let (numbers, values) = self.take_pairs()?;
        let (numbers, values) = (numbers.as_primitive::<UInt32Type>(), &values);
        let first: BooleanArray =
            numbers.values().iter().map(|number| Some((*number as usize) < groups)).collect();
        let rest = arrow::compute::not(&first)?;
        if rest.true_count() > 0 {
            let left = filter(numbers, &rest)?;
            let renumbered = left.as_primitive::<UInt32Type>().unary(|number: u32| number - groups as u32);
            let renumbered: UInt32Array = renumbered;
            self.pairs.intern(&[Arc::new(renumbered), filter(values, &rest)?], &mut self.places)?;
        }
        Ok((filter(numbers, &first)?, filter(values, &first)?))
    }

    /// Takes the values of the first `groups` groups, in the order of the groups. Those of the others stay.
    fn take_values(&mut self, groups: usize) -> Result<ArrayRef> {
        let (numbers, values) = self.take_first(groups)?;
        Ok(take(&values, &sort_to_indices(&numbers, None, None)?, None)?)
    }

    fn list(&self, counts: &[i64], values: ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let item = Arc::new(Field::new_list_field(self.kind.clone(), true));
        let offsets = OffsetBuffer::from_lengths(counts.iter().map(|count| *count as usize));
        Ok(Arc::new(ListArray::try_new(item, offsets, values, nulls)?))
    }

    /// The rows that count: the filter holds, and their value is not NULL, if that is none. `None`: all of them.
    fn counted(&self, values: &dyn Array, wanted: Option<&BooleanArray>) -> Option<BooleanArray> {
        let holds = wanted.map(|filter| match filter.nulls() {
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        });
        let with_null = self.gives == Gives::ListsWithNull;
        let present = values.logical_nulls().filter(|nulls| nulls.null_count() > 0 && !with_null);
        let both = match (holds, present.as_ref().map(NullBuffer::inner)) {
            (Some(holds), Some(present)) => &holds & present,
            (Some(holds), None) => holds,
            (None, Some(present)) => present.clone(),
            (None, None) => return None,
        };
        Some(BooleanArray::new(both, None))
    }

    /// The values as this counts them: without the dictionary.
    fn plain(&self, values: &ArrayRef) -> Result<ArrayRef> {
        match values.data_type() == &self.kind {
            true => Ok(Arc::clone(values)),
            false => Ok(cast(values, &self.kind)?),
        }
    }
}

/// An empty table of pairs.
fn no_pairs(kind: &DataType, gives: Gives) -> Result<Box<dyn GroupValues>> {
    let pairs = Schema::new(vec![
        Field::new("group", DataType::UInt32, false),
        Field::new("value", kind.clone(), gives == Gives::ListsWithNull),
    ]);
    new_group_values(Arc::new(pairs), &GroupOrdering::None)
}

fn group_numbers(groups: impl Iterator<Item = usize>) -> Result<ArrayRef> {
    let number = |group| u32::try_from(group).map_err(|_| exec_datafusion_err!("more than 2^32 groups"));
    Ok(Arc::new(UInt32Array::from(groups.map(number).collect::<Result<Vec<u32>>>()?)))
}

impl GroupsAccumulator for Distinct {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        wanted: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        let values = self.plain(&values[0])?;
        let numbers = group_numbers(groups.iter().copied())?;
        match self.counted(&values, wanted) {
            Some(rows) => self.add(filter(&numbers, &rows)?, filter(&values, &rows)?, total),
            None => self.add(numbers, values, total),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        let lists = states[0].as_list::<i32>();
        let offsets = lists.value_offsets();
        let (start, end) = (offsets[0] as usize, offsets[lists.len()] as usize);
        let values = lists.values().slice(start, end - start);
        let repeated = groups.iter().enumerate().flat_map(|(row, group)| {
            let length = offsets[row + 1] - offsets[row];
            std::iter::repeat_n(*group, length as usize)
        });
        self.add(group_numbers(repeated)?, values, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let counts = emit.take_needed(&mut self.counts);
        if self.gives != Gives::Counts {
            let values = self.take_values(counts.len())?;
            let nulls = NullBuffer::from_iter(counts.iter().map(|count| *count > 0));
            return self.list(&counts, values, Some(nulls));
        }
        match emit {
            EmitTo::All => self.pairs = no_pairs(&self.kind, self.gives)?,
            EmitTo::First(_) => drop(self.take_first(counts.len())?),
        }
        Ok(Arc::new(Int64Array::from(counts)))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        let counts = emit.take_needed(&mut self.counts);
        let values = self.take_values(counts.len())?;
        Ok(vec![self.list(&counts, values, None)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], wanted: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let values = self.plain(&values[0])?;
        Ok(vec![match self.counted(&values, wanted) {
            Some(rows) => {
                let counts: Vec<i64> = rows.values().iter().map(i64::from).collect();
                self.list(&counts, filter(&values, &rows)?, None)?
            }
            None => self.list(&vec![1; values.len()], values, None)?,
        }])
    }

    fn size(&self) -> usize {
        self.pairs.size()
            + self.counts.capacity() * size_of::<i64>()
            + self.places.capacity() * size_of::<usize>()
    }
}

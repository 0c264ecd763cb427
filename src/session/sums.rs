//! `sum` that does not wrap: whole numbers and decimals are summed as decimals of 38 digits, and more is an error.
//!
//! DataFusion 55 sums whole numbers in 64 bits and wraps: <https://github.com/apache/datafusion/issues/17539>.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::sum_checked;
use arrow::datatypes::{DataType, Decimal128Type, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator, ReversedUDAF,
    SetMonotonicity, Signature, Volatility,
};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;

const DIGITS: u8 = 38;
/// The smallest number with more digits.
const TOO_LARGE: u128 = 10u128.pow(DIGITS as u32);
/// What a sum of more than 128 bits is set to, and stays.
const OVERFLOWN: i128 = i128::MAX;

/// The function, to be registered in the place of DataFusion's.
pub(super) fn wide_sum() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(WideSum { sum: Sum::new(), signature }))
}

/// DataFusion's `sum`, with other types for whole numbers and narrow decimals, and checked for them.
#[derive(Debug, PartialEq, Eq, Hash)]
struct WideSum {
    sum: Sum,
    signature: Signature,
}

impl AggregateUDFImpl for WideSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let [argument] = arguments else {
            return plan_err!("sum takes one argument, not {}", arguments.len());
        };
        let summed = match argument {
            // 20 digits hold any 64-bit integer.
            kind if kind.is_integer() || kind.is_null() => DataType::Decimal128(20, 0),
            DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) => {
                DataType::Decimal128(*digits, *scale)
            }
            DataType::Decimal128(..) | DataType::Decimal256(..) => argument.clone(),
            kind if kind.is_floating() => DataType::Float64,
            DataType::Duration(_) | DataType::Interval(_) => argument.clone(),
            DataType::Dictionary(_, value) => return self.coerce_types(&[value.as_ref().clone()]),
            other => return plan_err!("sum takes numbers, not {other}"),
        };
        Ok(vec![summed])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            // A sum of sums has the type of a sum: the optimizer makes such plans.
            [DataType::Decimal128(_, scale)] => Ok(DataType::Decimal128(DIGITS, *scale)),
            other => self.sum.return_type(other),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            DataType::Decimal128(_, scale) if args.is_distinct => {
                Ok(Box::new(CheckedDistinctSum { values: HashSet::new(), scale: *scale }))
            }
            DataType::Decimal128(_, scale) => Ok(Box::new(CheckedSum { sum: 0, count: 0, scale: *scale })),
            _ => self.sum.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.sum.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.sum.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_type() {
            kind @ DataType::Decimal128(..) => {
                let inner = PrimitiveGroupsAccumulator::<Decimal128Type, _>::new(kind, add_or_overflow);
                Ok(Box::new(CheckedGroups { inner }))
            }
            _ => self.sum.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            DataType::Decimal128(..) if !args.is_distinct => self.accumulator(args),
            _ => self.sum.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.sum.reverse_expr()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.sum.documentation()
    }

    fn set_monotonicity(&self, _: &DataType) -> SetMonotonicity {
        SetMonotonicity::NotMonotonic
    }
}

/// Adds, or marks the sum as overflown for good.
fn add_or_overflow(sum: &mut i128, value: i128) {
    if *sum != OVERFLOWN {
        *sum = if value == OVERFLOWN { OVERFLOWN } else { sum.checked_add(value).unwrap_or(OVERFLOWN) };
    }
}

fn too_large<T>() -> Result<T> {
    exec_err!("a sum has more than {DIGITS} digits")
}

/// A sum without groups, which rows can leave again.
#[derive(Debug)]
struct CheckedSum {
    sum: i128,
    /// The values in it: without any, the sum is NULL.
    count: usize,
    scale: i8,
}

impl CheckedSum {
    fn change(&mut self, values: &ArrayRef, by: fn(i128, i128) -> Option<i128>) -> Result<usize> {
        let values = values.as_primitive::<Decimal128Type>();
        let added = sum_checked(values)?.unwrap_or_default();
        match by(self.sum, added) {
            Some(sum) => self.sum = sum,
            None => return too_large(),
        }
        Ok(values.len() - values.null_count())
    }

    fn value(&self) -> ScalarValue {
        ScalarValue::Decimal128((self.count > 0).then_some(self.sum), DIGITS, self.scale)
    }
}

impl Accumulator for CheckedSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count += self.change(&values[0], i128::checked_add)?;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count -= self.change(&values[0], i128::checked_sub)?;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.sum.unsigned_abs() >= TOO_LARGE {
            true => too_large(),
            false => Ok(self.value()),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
}

/// A sum of distinct values. Its state is the list of them.
#[derive(Debug)]
struct CheckedDistinctSum {
    values: HashSet<i128>,
    scale: i8,
}

impl CheckedDistinctSum {
    fn kind(&self) -> DataType {
        DataType::Decimal128(DIGITS, self.scale)
    }
}

impl Accumulator for CheckedDistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values.extend(values[0].as_primitive::<Decimal128Type>().iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let sum = self.values.iter().try_fold(0i128, |sum, value| sum.checked_add(*value));
        match sum {
            Some(sum) if sum.unsigned_abs() < TOO_LARGE => {
                let sum = (!self.values.is_empty()).then_some(sum);
                Ok(ScalarValue::Decimal128(sum, DIGITS, self.scale))
            }
            _ => too_large(),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.values.capacity() * (size_of::<i128>() + 1)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values =
            self.values.iter().map(|value| ScalarValue::Decimal128(Some(*value), DIGITS, self.scale));
        let values: Vec<_> = values.collect();
        Ok(vec![ScalarValue::List(ScalarValue::new_list_nullable(&values, &self.kind()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for list in states[0].as_list::<i32>().iter().flatten() {
            self.update_batch(&[list])?;
        }
        Ok(())
    }
}

/// Sums of groups: those of DataFusion, with a look at each before it is handed out.
struct CheckedGroups<G> {
    inner: G,
}

impl<G: GroupsAccumulator> GroupsAccumulator for CheckedGroups<G> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, total)
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit)?;
        let values = sums.as_primitive::<Decimal128Type>().values();
        if values.iter().any(|sum| sum.unsigned_abs() >= TOO_LARGE) {
            return too_large();
        }
        Ok(sums)
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit)
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.inner.merge_batch(states, groups, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }

    fn size(&self) -> usize {
        self.inner.size()
    }
}

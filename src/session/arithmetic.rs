//! Arithmetic that does not wrap: sums of whole numbers are wide, and an overflow of `+`, `-` or `*` is an error.
//!
//! DataFusion 55 wraps in both: <https://github.com/apache/datafusion/issues/17539>.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result};
use datafusion::config::ConfigOptions;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, BinaryExpr, ColumnarValue, Documentation, Expr,
    ExprSchemable, GroupsAccumulator, Operator, ReversedUDAF, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    SetMonotonicity, Signature, Volatility,
};

/// `sum`, with whole numbers and narrow decimals summed as decimals of 38 digits and wide ones of 76.
pub(super) fn wide_sum() -> Arc<AggregateUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(WideSum { sum: Sum::new(), signature }))
}

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
            return datafusion::common::plan_err!("sum takes one argument, not {}", arguments.len());
        };
        let wide = match argument {
            // 20 digits hold any 64-bit integer; the sum of 20 digits has 30, and there is no data for more.
            kind if kind.is_integer() => DataType::Decimal128(20, 0),
            DataType::Null => DataType::Decimal128(20, 0),
            DataType::Decimal32(digits, scale) | DataType::Decimal64(digits, scale) => {
                DataType::Decimal128(*digits, *scale)
            }
            DataType::Decimal128(digits, scale) if *digits > 28 => DataType::Decimal256(*digits, *scale),
            DataType::Decimal128(..) | DataType::Decimal256(..) => argument.clone(),
            kind if kind.is_floating() => DataType::Float64,
            DataType::Duration(_) | DataType::Interval(_) => argument.clone(),
            DataType::Dictionary(_, value) => return self.coerce_types(&[value.as_ref().clone()]),
            other => return datafusion::common::plan_err!("sum takes numbers, not {other}"),
        };
        Ok(vec![wide])
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        self.sum.return_type(arguments)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.sum.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        self.sum.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        self.sum.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        self.sum.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.sum.create_sliding_accumulator(args)
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        self.sum.reverse_expr()
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.sum.documentation()
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.sum.set_monotonicity(kind)
    }
}

/// The function that stands for `+`, `-` and `*` of whole numbers.
const CHECKED: &str = "checked_arithmetic";

/// That function, to be registered so that a plan which travels finds it.
pub(super) fn checked_functions() -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(CheckedArithmetic { signature }))
}

/// Puts [`CheckedArithmetic`] in the place of `+`, `-` and `*` of signed or narrow whole numbers.
#[derive(Debug)]
pub(super) struct CheckIntegers;

impl FunctionRewrite for CheckIntegers {
    fn name(&self) -> &str {
        "check_integers"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return Ok(Transformed::no(expr)) };
        let fits = |side: &Expr| side.get_type(schema).is_ok_and(|kind| fits_int64(&kind));
        let symbol = match op {
            Operator::Plus => "+",
            Operator::Minus => "-",
            Operator::Multiply => "*",
            _ => return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
        };
        if !fits(&left) || !fits(&right) {
            return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })));
        }
        let symbol = Expr::Literal(symbol.into(), None);
        let call = ScalarFunction::new_udf(checked_functions(), vec![*left, symbol, *right]);
        Ok(Transformed::yes(Expr::ScalarFunction(call)))
    }
}

fn fits_int64(kind: &DataType) -> bool {
    kind.is_integer() && *kind != DataType::UInt64
}

/// `a + b`, `a - b` or `a * b` as 64-bit integers, or an error if the result is none.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CheckedArithmetic {
    signature: Signature,
}

impl ScalarUDFImpl for CheckedArithmetic {
    fn name(&self) -> &str {
        CHECKED
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [left, _, right] if fits_int64(left) && fits_int64(right) => {
                Ok(vec![DataType::Int64, DataType::Utf8, DataType::Int64])
            }
            _ => datafusion::common::plan_err!(
                "{CHECKED} takes a whole number, '+', '-' or '*', and a whole number"
            ),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        match args {
            [left, Expr::Literal(symbol, _), right] => Ok(format!("{left} {symbol} {right}")),
            _ => Ok(CHECKED.to_owned()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        use datafusion::physical_expr_common::datum::apply;
        let [left, ColumnarValue::Scalar(symbol), right] = &args.args[..] else {
            return datafusion::common::exec_err!("{CHECKED} takes its sign as a literal");
        };
        match symbol.try_as_str().flatten() {
            Some("+") => apply(left, right, add),
            Some("-") => apply(left, right, sub),
            Some("*") => apply(left, right, mul),
            _ => datafusion::common::exec_err!("{CHECKED} knows '+', '-' and '*'"),
        }
    }
}

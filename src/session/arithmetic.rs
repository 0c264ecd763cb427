//! `+`, `-` and `*` of whole numbers that fail where they would wrap.
//!
//! DataFusion 55 wraps: <https://github.com/apache/datafusion/issues/17539>.

use std::sync::Arc;

use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, exec_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility, binary_expr, cast, lit,
};
use datafusion::physical_expr_common::datum::apply;

/// The function that stands for `+`, `-` and `*` of whole numbers.
const CHECKED: &str = "checked_arithmetic";

/// That function, to be registered so that a plan which travels finds it.
pub(super) fn checked() -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(CheckedArithmetic { signature }))
}

/// Puts [`CheckedArithmetic`] in the place of `+`, `-` and `*` of whole numbers.
#[derive(Debug)]
pub(super) struct CheckIntegers;

impl FunctionRewrite for CheckIntegers {
    fn name(&self) -> &str {
        "check_integers"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let is = |side: &Expr, wanted: fn(&DataType) -> bool| {
            side.get_type(schema).is_ok_and(|kind| wanted(&kind))
        };
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match symbol(op) {
                Some(symbol) if is(&left, fits) && is(&right, fits) => Ok(call(*left, symbol, *right)),
                // The engine makes decimals of an unsigned and a signed number, and not of two unsigned ones.
                Some(_) if is(&left, unsigned) && is(&right, unsigned) => {
                    let wide = |side: Expr| cast(side, DataType::Decimal128(20, 0));
                    Ok(Transformed::yes(binary_expr(wide(*left), op, wide(*right))))
                }
                _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
            },
            // The negative of the smallest number is too large.
            Expr::Negative(number) if is(&number, fits) => Ok(call(lit(0i64), "-", *number)),
            other => Ok(Transformed::no(other)),
        }
    }
}

/// Whether all numbers of a type are 64-bit integers.
fn fits(kind: &DataType) -> bool {
    numbers(kind).is_integer() && !unsigned(kind)
}

fn unsigned(kind: &DataType) -> bool {
    *numbers(kind) == DataType::UInt64
}

/// The type of what a column holds, however it is encoded.
fn numbers(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => numbers(values),
        DataType::RunEndEncoded(_, values) => numbers(values.data_type()),
        plain => plain,
    }
}

fn symbol(op: Operator) -> Option<&'static str> {
    match op {
        Operator::Plus => Some("+"),
        Operator::Minus => Some("-"),
        Operator::Multiply => Some("*"),
        _ => None,
    }
}

fn call(left: Expr, symbol: &str, right: Expr) -> Transformed<Expr> {
    let call = ScalarFunction::new_udf(checked(), vec![left, lit(symbol), right]);
    Transformed::yes(Expr::ScalarFunction(call))
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
            [left, _, right] if fits(left) && fits(right) => {
                Ok(vec![DataType::Int64, DataType::Utf8, DataType::Int64])
            }
            _ => plan_err!("{CHECKED} takes a whole number, '+', '-' or '*', and a whole number"),
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
        let [left, ColumnarValue::Scalar(symbol), right] = &args.args[..] else {
            return exec_err!("{CHECKED} takes its sign as a literal");
        };
        match symbol.try_as_str().flatten() {
            Some("+") => apply(left, right, add),
            Some("-") => apply(left, right, sub),
            Some("*") => apply(left, right, mul),
            _ => exec_err!("{CHECKED} knows '+', '-' and '*'"),
        }
    }
}

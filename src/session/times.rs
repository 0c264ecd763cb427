//! Times in microseconds, as `created_at` has them.
//!
//! DataFusion's `now()` and its TIMESTAMP count nanoseconds, which end in 1677 and 2262, and what is compared with them is
//! converted to them. Tools write times far outside of that, such as Go's zero time, the first day of the year 1: one such
//! row made an error of every comparison with now.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, internal_err, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Documentation, Expr, ExprSchemable, Operator, ReturnFieldArgs,
    ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary_expr, cast, lit,
};
use datafusion::sql::sqlparser::ast::{DataType as SqlType, TimezoneInfo};

use crate::pin::schema::timestamp_type;

/// `now`, to be registered in the place of DataFusion's.
pub(super) fn now() -> Arc<ScalarUDF> {
    let signature = Signature::nullary(Volatility::Stable);
    Arc::new(ScalarUDF::new_from_impl(Now { signature, aliases: vec!["current_timestamp".to_owned()] }))
}

/// The time at which the query began.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    signature: Signature,
    aliases: Vec<String>,
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        "now"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(timestamp_type())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), timestamp_type(), false)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(start) = info.query_execution_start_time() else {
            return Ok(ExprSimplifyResult::Original(args));
        };
        let start = ScalarValue::TimestampMicrosecond(Some(start.timestamp_micros()), Some("UTC".into()));
        Ok(ExprSimplifyResult::Simplified(Expr::Literal(start, None)))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("now() is a value once a query is planned")
    }

    fn documentation(&self) -> Option<&Documentation> {
        static DOC: std::sync::LazyLock<Documentation> = std::sync::LazyLock::new(|| {
            Documentation::builder(
                datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_DATETIME,
                "The time at which the query began, in microseconds and UTC; the same wherever it stands in a query.",
                "now()",
            )
            .build()
        });
        Some(&DOC)
    }
}

/// TIMESTAMP in SQL, unless it says how many digits it has.
#[derive(Debug)]
pub(super) struct Micros;

impl TypePlanner for Micros {
    fn plan_type_field(&self, sql: &SqlType) -> Result<Option<FieldRef>> {
        let zone = match sql {
            SqlType::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => None,
            SqlType::Timestamp(None, _) => Some("UTC".into()),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", DataType::Timestamp(TimeUnit::Microsecond, zone), true))))
    }
}

/// What stands beside a time or a duration in microseconds becomes one, too.
#[derive(Debug)]
pub(super) struct BesideTimes;

impl FunctionRewrite for BesideTimes {
    fn name(&self) -> &str {
        "beside_times"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let kind = |side: &Expr| side.get_type(schema).unwrap_or(DataType::Null);
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let (one, other) = (kind(&left), kind(&right));
                let (left, right) = match beside(&one, &right, &other, op)? {
                    Some(right) => (left, Box::new(right)),
                    None => match beside(&other, &left, &one, op)? {
                        Some(left) => (Box::new(left), right),
                        None => return Ok(Transformed::no(binary_expr(*left, op, *right))),
                    },
                };
                Transformed::yes(binary_expr(*left, op, *right))
            }
            Expr::Between(mut between) => {
                let time = kind(&between.expr);
                for end in [&mut between.low, &mut between.high] {
                    if let Some(made) = beside(&time, end, &kind(end), Operator::Lt)? {
                        **end = made;
                    }
                }
                Transformed::yes(Expr::Between(between))
            }
            Expr::InList(mut list) => {
                let time = kind(&list.expr);
                for one in &mut list.list {
                    if let Some(made) = beside(&time, one, &kind(one), Operator::Eq)? {
                        *one = made;
                    }
                }
                Transformed::yes(Expr::InList(list))
            }
            other => Transformed::no(other),
        })
    }
}

/// What to put in the place of `side`, which stands beside something of the type `beside`.
fn beside(beside: &DataType, side: &Expr, kind: &DataType, op: Operator) -> Result<Option<Expr>> {
    let compared = is_comparison(op);
    match (beside, kind) {
        (DataType::Timestamp(TimeUnit::Microsecond, _), DataType::Date32 | DataType::Date64) => {
            Ok(Some(cast(side.clone(), beside.clone())))
        }
        (DataType::Timestamp(TimeUnit::Microsecond, _), text) if compared && text.is_string() => {
            Ok(Some(cast(side.clone(), beside.clone())))
        }
        // DataFusion compares intervals by months, then days, then nanoseconds, and makes a duration nanoseconds alone.
        (DataType::Duration(unit), DataType::Interval(_)) if compared => {
            let micros = micros(side)?;
            let nanos = micros.checked_mul(1000).filter(|_| *unit == TimeUnit::Nanosecond);
            Ok(Some(lit(match nanos {
                Some(nanos) => ScalarValue::DurationNanosecond(Some(nanos)),
                None => ScalarValue::DurationMicrosecond(Some(micros)),
            })))
        }
        _ => Ok(None),
    }
}

/// An interval of fixed length in microseconds.
fn micros(interval: &Expr) -> Result<i64> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) = interval else {
        return plan_err!(
            "a duration is compared with an INTERVAL that is written out, such as INTERVAL '30 days'"
        );
    };
    if value.months != 0 {
        return plan_err!("a duration is compared with days and less: months and years differ in length");
    }
    if value.nanoseconds % 1000 != 0 {
        return plan_err!("a duration is compared with microseconds and more");
    }
    Ok(i64::from(value.days) * 86_400_000_000 + value.nanoseconds / 1000)
}

fn is_comparison(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

//! Filters on `content` in files that have no such column: whether a CID names what is asked for, without a column of contents.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr::expressions::{BinaryExpr, InListExpr, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::derive::{Derive, DeriveFunction, texts};
use crate::pin::sought::Sought;

/// Whether the text of a CID names one of some contents.
#[derive(Debug, PartialEq, Eq, Hash)]
struct NamesFunction {
    sought: Arc<Sought>,
    signature: Signature,
}

impl ScalarUDFImpl for NamesFunction {
    fn name(&self) -> &str {
        "names_content"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, false)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = &args.args[..] else {
            return datafusion::common::internal_err!("{} takes one column", self.name());
        };
        let texts = texts(&value.to_array(args.number_rows)?)?;
        let mut scratch = Vec::new();
        let names = |text: Option<&str>| Some(self.sought.names(text.unwrap_or_default(), &mut scratch));
        Ok(ColumnarValue::Array(Arc::new(texts.iter().map(names).collect::<BooleanArray>())))
    }
}

/// The same expression, with comparisons of derived contents to known ones in their shorter form.
pub(super) fn shorten(expr: Arc<dyn PhysicalExpr>, file: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    expr.transform_up(|expr| {
        let Some(Compared { cids, contents }) = compared(expr.as_ref()) else {
            return Ok(Transformed::no(expr));
        };
        let sought = Arc::new(Sought::new(contents));
        let function = NamesFunction { sought, signature: Signature::any(1, Volatility::Immutable) };
        let function = Arc::new(ScalarUDF::new_from_impl(function));
        let names =
            ScalarFunctionExpr::try_new(function, vec![cids], file, Arc::new(ConfigOptions::default()))?;
        Ok(Transformed::yes(Arc::new(names) as Arc<dyn PhysicalExpr>))
    })
    .data()
}

/// CIDs, and the contents that theirs are compared with.
struct Compared {
    cids: Arc<dyn PhysicalExpr>,
    contents: Vec<Vec<u8>>,
}

/// What an expression compares, if it does that and nothing else.
fn compared(expr: &dyn PhysicalExpr) -> Option<Compared> {
    if let Some(comparison) = expr.downcast_ref::<BinaryExpr>() {
        let sides = |cids: &Arc<dyn PhysicalExpr>, content: &Arc<dyn PhysicalExpr>| {
            Some(Compared { cids: cids_of(cids)?, contents: vec![bytes(content)?] })
        };
        let (left, right) = (comparison.left(), comparison.right());
        return (*comparison.op() == Operator::Eq)
            .then(|| sides(left, right).or_else(|| sides(right, left)))
            .flatten();
    }
    let list = expr.downcast_ref::<InListExpr>().filter(|list| !list.negated())?;
    // With a NULL among them the answer may be NULL.
    let contents = list.list().iter().map(bytes).collect::<Option<_>>()?;
    Some(Compared { cids: cids_of(list.expr())?, contents })
}

/// What contents are derived from.
fn cids_of(expr: &Arc<dyn PhysicalExpr>) -> Option<Arc<dyn PhysicalExpr>> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let function = call.fun().inner().downcast_ref::<DeriveFunction>()?;
    let [cids] = call.args() else { return None };
    (function.derive() == Derive::Content).then(|| Arc::clone(cids))
}

fn bytes(expr: &Arc<dyn PhysicalExpr>) -> Option<Vec<u8>> {
    match expr.downcast_ref::<Literal>()?.value() {
        ScalarValue::Binary(bytes) | ScalarValue::BinaryView(bytes) | ScalarValue::LargeBinary(bytes) => {
            bytes.clone()
        }
        _ => None,
    }
}

//! Long lists of contents that are asked for, in a form that is made once for all files of a scan; and filters on `content` in files that
//! have no such column: whether a CID names what is asked for, without a column of contents.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::physical_expr::expressions::{BinaryExpr, Column, InListExpr, Literal, in_list};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use super::derive::{Derive, DeriveFunction, texts};
use crate::pin::schema::CONTENT;
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

/// Whether a content is in a list, which is not looked at when the expression is made one of another file.
#[derive(Debug)]
struct ListedFunction {
    /// Over a column of contents and nothing else.
    list: Arc<dyn PhysicalExpr>,
    contents: Vec<Vec<u8>>,
    /// For files that have no contents.
    sought: OnceLock<Arc<Sought>>,
    signature: Signature,
}

impl PartialEq for ListedFunction {
    fn eq(&self, other: &ListedFunction) -> bool {
        self.contents == other.contents
    }
}

impl Eq for ListedFunction {}

impl Hash for ListedFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.contents.hash(state);
    }
}

impl ScalarUDFImpl for ListedFunction {
    fn name(&self) -> &str {
        "listed_content"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = &args.args[..] else {
            return datafusion::common::internal_err!("{} takes one column", self.name());
        };
        let contents = value.to_array(args.number_rows)?;
        let column = Field::new(CONTENT, contents.data_type().clone(), true);
        self.list.evaluate(&RecordBatch::try_new(Arc::new(Schema::new(vec![column])), vec![contents])?)
    }
}

/// The same expression with its lists of contents as one node each: an expression over a file's columns is made for every file, and to
/// go through a thousand contents took longer than to read it.
pub(super) fn with_lists_as_one(
    expr: &Arc<dyn PhysicalExpr>,
    columns: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    Arc::clone(expr)
        .transform_down(|expr| {
            let Some(list) = expr.downcast_ref::<InListExpr>().filter(|list| !list.negated()) else {
                return Ok(Transformed::no(expr));
            };
            let (Some(column), Some(contents)) =
                (list.expr().downcast_ref::<Column>(), list.list().iter().map(bytes).collect::<Option<_>>())
            else {
                return Ok(Transformed::no(expr));
            };
            let only = Schema::new(vec![columns.field(column.index()).clone()]);
            let of_list = Arc::new(Column::new(column.name(), 0));
            let (sought, signature) = (OnceLock::new(), Signature::any(1, Volatility::Immutable));
            let list = in_list(of_list, list.list().to_vec(), &false, &only)?;
            let function =
                Arc::new(ScalarUDF::new_from_impl(ListedFunction { list, contents, sought, signature }));
            let listed = ScalarFunctionExpr::try_new(
                function,
                vec![Arc::new(column.clone())],
                columns,
                Arc::new(ConfigOptions::default()),
            )?;
            Ok(Transformed::new(Arc::new(listed) as Arc<dyn PhysicalExpr>, true, TreeNodeRecursion::Jump))
        })
        .data()
}

/// The same expression, with comparisons of derived contents to known ones in their shorter form.
pub(super) fn shorten(expr: Arc<dyn PhysicalExpr>, file: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    expr.transform_up(|expr| {
        let Some(Compared { cids, sought }) = compared(expr.as_ref()) else {
            return Ok(Transformed::no(expr));
        };
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
    sought: Arc<Sought>,
}

/// What an expression compares, if it does that and nothing else.
fn compared(expr: &dyn PhysicalExpr) -> Option<Compared> {
    if let Some(comparison) = expr.downcast_ref::<BinaryExpr>() {
        let sides = |cids: &Arc<dyn PhysicalExpr>, content: &Arc<dyn PhysicalExpr>| {
            Some(Compared { cids: cids_of(cids)?, sought: Arc::new(Sought::new(vec![bytes(content)?])) })
        };
        let (left, right) = (comparison.left(), comparison.right());
        return (*comparison.op() == Operator::Eq)
            .then(|| sides(left, right).or_else(|| sides(right, left)))
            .flatten();
    }
    if let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>()
        && let Some(listed) = call.fun().inner().downcast_ref::<ListedFunction>()
    {
        let cids = cids_of(call.args().first()?)?;
        let sought = listed.sought.get_or_init(|| Arc::new(Sought::new(listed.contents.clone())));
        return Some(Compared { cids, sought: Arc::clone(sought) });
    }
    let list = expr.downcast_ref::<InListExpr>().filter(|list| !list.negated())?;
    // With a NULL among them the answer may be NULL.
    let contents = list.list().iter().map(bytes).collect::<Option<_>>()?;
    Some(Compared { cids: cids_of(list.expr())?, sought: Arc::new(Sought::new(contents)) })
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

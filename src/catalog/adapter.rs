//! What the columns of `pins` are in one file: casts, defaults and derivations, as expressions over the file's columns.
//!
//! DataFusion rewrites each scan's projection and predicate with these before it reads the file, so that only the columns
//! that are needed are read, and row groups and pages are still pruned where an expression is a plain column.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::ScalarUDF;
use datafusion::physical_expr::expressions::{CastExpr, Column, lit};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

use super::derive::{Derive, DeriveFunction};
use super::{notes, sought};
use crate::pin::made_paths::MadePaths;
use crate::pin::schema::{
    BACKEND_NAME, CAR_FILE_PATH, CID, CONTENT, CREATED_AT, METADATA, PINS, RECORDED_BACKEND_NAME,
    RECORDED_CREATED_AT, RECORDED_STATUS, RECORDS, SIZE_BYTES, STATUS, TABLE_KEY, timestamp_type,
};
use crate::pin::status::STORED;

/// Makes a [`PinAdapter`] for each file.
#[derive(Debug)]
pub(super) struct PinAdapterFactory;

/// The columns of `pins` in terms of one file's columns.
#[derive(Debug)]
struct PinAdapter {
    columns: HashMap<String, Arc<dyn PhysicalExpr>>,
    file: SchemaRef,
}

impl PhysicalExprAdapterFactory for PinAdapterFactory {
    fn create(&self, logical: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let kind = logical.metadata().get(TABLE_KEY).map_or("", String::as_str);
        let source = FileColumns { file: &file, kind };
        let made = logical.fields().iter().map(|field| Ok((field.name().clone(), source.make(field)?)));
        let columns = made.collect::<Result<_>>()?;
        Ok(Arc::new(PinAdapter { columns, file }))
    }
}

impl PhysicalExprAdapter for PinAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        // Downwards and without looking into what was put in: that speaks of the file's columns already.
        let of_file = expr.transform_down(|expr| match expr.downcast_ref::<Column>() {
            Some(column) => match self.columns.get(column.name()) {
                Some(made) => Ok(Transformed::new(Arc::clone(made), true, TreeNodeRecursion::Jump)),
                None => datafusion::common::internal_err!("no column {} in pin mappings", column.name()),
            },
            None => Ok(Transformed::no(expr)),
        });
        sought::shorten(of_file.data()?, &self.file)
    }
}

/// The columns of one file, and how to make those of `pins` of them.
struct FileColumns<'a> {
    file: &'a Schema,
    /// The kind of the table that they are for: the further columns of `records` are not the file's, and only `pins` may make what the
    /// file has, too.
    kind: &'a str,
}

impl FileColumns<'_> {
    fn make(&self, logical: &Field) -> Result<Arc<dyn PhysicalExpr>> {
        match logical.name().as_str() {
            CID => self.text(CID),
            CAR_FILE_PATH => self.car_path(),
            METADATA => self.metadata(),
            STATUS => self.status(),
            CREATED_AT => self.created_at(),
            CONTENT => self.derived(CONTENT, logical, Derive::Content, self.text(CID)?),
            SIZE_BYTES => self.derived(SIZE_BYTES, logical, Derive::SizeBytes, self.metadata()?),
            RECORDED_BACKEND_NAME if self.kind == RECORDS => self.text(BACKEND_NAME),
            RECORDED_CREATED_AT if self.kind == RECORDS => self.text(CREATED_AT),
            RECORDED_STATUS if self.kind == RECORDS => self.text(STATUS),
            extra => match self.find(extra) {
                // What is text in one file and something else in another is shown as text.
                Some(_) if *logical.data_type() == DataType::Utf8View => self.text(extra),
                None => Ok(lit(ScalarValue::try_from(logical.data_type())?)),
                Some((column, kind)) if kind == logical.data_type() => Ok(column),
                Some((column, _)) => Ok(cast_to(column, logical.data_type())),
            },
        }
    }

    /// The file's column of that name, or the only one that differs from it in case.
    fn find(&self, name: &str) -> Option<(Arc<dyn PhysicalExpr>, &DataType)> {
        let fields = self.file.fields();
        let index = fields.iter().position(|field| field.name() == name).or_else(|| {
            let mut alike =
                (0..fields.len()).filter(|&index| fields[index].name().eq_ignore_ascii_case(name));
            alike.next().filter(|_| alike.next().is_none())
        })?;
        let field = &fields[index];
        Some((Arc::new(Column::new(field.name(), index)), field.data_type()))
    }

    fn text(&self, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        self.text_as(Derive::Text, name)
    }

    fn metadata(&self) -> Result<Arc<dyn PhysicalExpr>> {
        self.text_as(Derive::Metadata, METADATA)
    }

    fn text_as(&self, derive: Derive, name: &str) -> Result<Arc<dyn PhysicalExpr>> {
        match self.find(name) {
            None | Some((_, DataType::Null)) => Ok(lit(ScalarValue::Utf8View(None))),
            Some((column, DataType::Utf8View)) if self.is_unchecked(column.as_ref()) => {
                self.call(derive, column)
            }
            Some((column, DataType::Utf8View)) => Ok(column),
            Some((column, DataType::Utf8 | DataType::LargeUtf8)) => Ok(cast_to(column, &DataType::Utf8View)),
            Some((column, DataType::Dictionary(_, value))) if value.is_string() => {
                Ok(cast_to(column, &DataType::Utf8View))
            }
            Some((column, _)) => self.call(derive, column),
        }
    }

    /// The file's own, or, where that is cheaper, what it is made of.
    fn car_path(&self) -> Result<Arc<dyn PhysicalExpr>> {
        let made = notes::car_paths(self.file.metadata()).filter(|_| self.kind == PINS);
        let Some(MadePaths { before, after }) = made else { return self.text(CAR_FILE_PATH) };
        let text = |text| lit(ScalarValue::Utf8View(Some(text)));
        self.call_with(Derive::CarPath, vec![self.text(CID)?, text(before), text(after)])
    }

    fn status(&self) -> Result<Arc<dyn PhysicalExpr>> {
        match self.find(STATUS) {
            None | Some((_, DataType::Null)) => Ok(lit(ScalarValue::Utf8View(Some(STORED.into())))),
            Some(_) if self.is_laid_out() => self.text(STATUS),
            Some((column, _)) => self.call(Derive::Status, column),
        }
    }

    fn created_at(&self) -> Result<Arc<dyn PhysicalExpr>> {
        match self.find(CREATED_AT) {
            None | Some((_, DataType::Null)) => Ok(lit(ScalarValue::try_from(&timestamp_type())?)),
            Some((column, kind)) if *kind == timestamp_type() => Ok(column),
            // The count is the same; only the zone's name differs. Other units lose digits or range, and a cast of
            // those would let a comparison be moved to the other side, where it means something else.
            Some((column, DataType::Timestamp(TimeUnit::Microsecond, _))) => {
                Ok(cast_to(column, &timestamp_type()))
            }
            Some((column, _)) => self.call(Derive::CreatedAt, column),
        }
    }

    /// A derived column: the file's own if pinql wrote it, else made of `source`.
    fn derived(
        &self,
        name: &str,
        logical: &Field,
        derive: Derive,
        source: Arc<dyn PhysicalExpr>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match self.find(name) {
            Some((column, kind)) if self.is_laid_out() && kind == logical.data_type() => Ok(column),
            _ => self.call(derive, source),
        }
    }

    fn call(&self, derive: Derive, argument: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        self.call_with(derive, vec![argument])
    }

    fn call_with(
        &self,
        derive: Derive,
        arguments: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        let function = Arc::new(ScalarUDF::new_from_impl(DeriveFunction::new(derive)));
        let config = Arc::new(ConfigOptions::default());
        Ok(Arc::new(ScalarFunctionExpr::try_new(function, arguments, self.file, config)?))
    }

    fn is_laid_out(&self) -> bool {
        notes::is_laid_out(self.file.metadata())
    }

    fn is_unchecked(&self, column: &dyn PhysicalExpr) -> bool {
        let name = column.downcast_ref::<Column>().map(Column::name);
        name.is_some_and(|name| notes::is_unchecked(self.file.metadata(), name))
    }
}

fn cast_to(expr: Arc<dyn PhysicalExpr>, kind: &DataType) -> Arc<dyn PhysicalExpr> {
    Arc::new(CastExpr::new(expr, kind.clone(), None))
}

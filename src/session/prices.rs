//! The tables `prices` and `price_classes`: a [table of prices](crate::report::prices) as the engine sees it.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray};
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Result;

use crate::report::prices::{Class, Prices, Usd};

/// Digits of an amount, and those behind the point: billionths, as [`Usd`] has them.
const PRECISION: (u8, i8) = (19, 9);

/// Both tables by name.
pub(super) fn tables(prices: &Prices) -> Result<Vec<(&'static str, Arc<dyn TableProvider>)>> {
    Ok(vec![("price_classes", table(class_of(prices)?)?), ("prices", table(classes(&prices.classes)?)?)])
}

fn table(batch: RecordBatch) -> Result<Arc<dyn TableProvider>> {
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

fn classes(classes: &[Class]) -> Result<RecordBatch> {
    let text = |column: fn(&Class) -> Option<String>| -> ArrayRef {
        Arc::new(classes.iter().map(column).collect::<StringArray>())
    };
    let number = |column: fn(&Class) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(classes.iter().map(column)))
    };
    let usd = |column: fn(&Class) -> Option<Usd>| -> Result<ArrayRef> {
        let amounts = classes.iter().map(|class| column(class).map(|usd| i128::from(usd.billionths)));
        let amounts = amounts.collect::<Decimal128Array>();
        Ok(Arc::new(amounts.with_precision_and_scale(PRECISION.0, PRECISION.1)?))
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("class", text(|class| Some(class.name.clone())), false),
        ("storage_usd", usd(|class| Some(class.storage))?, false),
        ("unit_bytes", number(|class| class.unit_bytes), false),
        ("egress_usd", usd(|class| class.egress)?, true),
        ("put_usd", usd(|class| class.put)?, true),
        ("get_usd", usd(|class| class.get)?, true),
        ("min_bytes", number(|class| class.min_bytes), false),
        ("overhead_bytes", number(|class| class.overhead_bytes), false),
        ("min_days", number(|class| class.min_days), false),
        ("as_of", text(|class| class.as_of.clone()), true),
        ("source", text(|class| Some(class.source.clone())), false),
        ("confidence", text(|class| Some(class.confidence.to_string())), false),
        ("note", text(|class| Some(class.note.clone())), false),
    ])?)
}

/// Rows with a backend's name or a type, and the class that it has.
fn class_of(prices: &Prices) -> Result<RecordBatch> {
    let by_name = prices.backends.iter().map(|(name, class)| (Some(name), None, class));
    let by_type = prices.types.iter().map(|(kind, class)| (None, Some(kind), class));
    let rows: Vec<_> = by_name.chain(by_type).collect();
    let name: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<StringArray>());
    let kind: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>());
    let class: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.2)).collect::<StringArray>());
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("backend_name", name, true),
        ("type", kind, true),
        ("class", class, false),
    ])?)
}

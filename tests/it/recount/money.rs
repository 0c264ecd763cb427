//! Reports of cost, in whole numbers of billionths of a dollar.

use std::collections::{BTreeMap, BTreeSet};

use pinql::pin::Cid;
use pinql::report::prices::{Class, Confidence, Prices, Usd};
use serde_json::{Value, json};

use super::{Backend, Content, Holds, Root, decimal, last};

/// Prices with all that a class can have. Backends of type `ipfs_cluster` and of none are unpriced.
pub fn prices() -> Prices {
    let class = |name: &str, storage: i64, unit_bytes: i64| Class {
        name: name.into(),
        storage: Usd { billionths: storage },
        unit_bytes,
        egress: None,
        put: None,
        get: None,
        min_bytes: 0,
        overhead_bytes: 0,
        min_days: 0,
        as_of: Some("2026-11-22".into()),
        source: "a test".into(),
        confidence: Confidence::Low,
        note: String::new(),
    };
    let usd = |billionths| Some(Usd { billionths });
    let cold = Class {
        egress: usd(90_000_000),
        put: usd(5_000_000),
        get: usd(400_000),
        min_bytes: 1_000,
        overhead_bytes: 77,
        ..class("cold", 23_000_000, 7_000)
    };
    let (types, backends) =
        (BTreeMap::from([("s3".into(), "cold".into())]), BTreeMap::from([("a.b-c".into(), "binary".into())]));
    Prices { classes: vec![class("binary", 2_500_000_001, 1 << 20), cold], types, backends }
}

/// The class of a backend.
fn class_of<'p>(prices: &'p Prices, backend: &Backend) -> Option<&'p Class> {
    let by_type = backend.kind.as_ref().and_then(|kind| prices.types.get(kind));
    let name = prices.backends.get(&backend.name).or(by_type)?;
    prices.classes.iter().find(|class| class.name == *name)
}

fn listed(root: &Root) -> Vec<&Backend> {
    root.backends.iter().filter(|backend| !matches!(backend.holds, Holds::Legacy)).collect()
}

/// The size that each content has in what this backend stores.
fn stored(backend: &Backend) -> Vec<Option<i64>> {
    let mut contents: BTreeMap<Vec<u8>, Option<i64>> = BTreeMap::new();
    if let Holds::Mappings(mappings) = &backend.holds {
        for mapping in mappings.iter().filter(|mapping| mapping.is_stored()) {
            if let Some(content) = mapping.content() {
                let size = contents.entry(content).or_default();
                *size = (*size).max(mapping.size);
            }
        }
    }
    contents.into_values().collect()
}

fn billed(size: i64, class: Option<&Class>) -> i128 {
    class.map_or(i128::from(size), |class| {
        i128::from(size.max(class.min_bytes)) + i128::from(class.overhead_bytes)
    })
}

/// `amount` billionths of a dollar, over `by`, in millionths rounded half up.
fn millionths(amount: i128, by: i128) -> i128 {
    let by = by * 1000;
    (amount + by / 2) / by
}

fn month(bytes: i128, class: &Class) -> i128 {
    millionths(bytes * i128::from(class.storage.billionths), i128::from(class.unit_bytes))
}

fn name(class: Option<&Class>) -> &str {
    class.map_or("unpriced", |class| &class.name)
}

fn usd(millionths: Option<i128>) -> Value {
    millionths.map_or(Value::Null, |amount| decimal(amount, 6))
}

pub fn cost(root: &Root, prices: &Prices) -> Vec<Value> {
    let mut rows = Vec::new();
    for backend in listed(root) {
        let class = class_of(prices, backend);
        let sizes = stored(backend);
        let bytes: i128 = sizes.iter().flatten().map(|size| billed(*size, class)).sum();
        let amount = class.map(|class| month(bytes, class));
        let row = json!({
            "backend_name": backend.name,
            "type": backend.kind,
            "price_class": name(class),
            "contents": sizes.len(),
            "billed_bytes": decimal(bytes, 0),
            "unknown_sizes": sizes.iter().filter(|size| size.is_none()).count(),
            "month_usd": usd(amount),
            "as_of": class.map(|_| "2026-11-22"),
            "confidence": class.map(|_| "low"),
        });
        rows.push((last(amount.map(|amount| -amount)), backend.name.clone(), row));
    }
    rows.sort_by_key(|(amount, name, _)| (*amount, name.clone()));
    rows.into_iter().map(|(.., row)| row).collect()
}

pub fn cost_total(root: &Root, prices: &Prices) -> Vec<Value> {
    // Amount, bytes, unknown sizes and backends, of what has a price and of what has none.
    let (mut amount, mut bytes, mut unknown, mut backends) = (0, [0_i128; 2], [0; 2], [0; 2]);
    for backend in listed(root) {
        let class = class_of(prices, backend);
        let (kind, sizes) = (usize::from(class.is_none()), stored(backend));
        let sum: i128 = sizes.iter().flatten().map(|size| billed(*size, class)).sum();
        amount += class.map_or(0, |class| month(sum, class));
        bytes[kind] += sum;
        unknown[kind] += sizes.iter().filter(|size| size.is_none()).count();
        backends[kind] += 1;
    }
    // Without a priced backend there is nothing to add up, and the 0 has no decimals.
    vec![json!({
        "month_usd": decimal(amount, 6),
        "priced_backends": backends[0],
        "priced_bytes": decimal(bytes[0], 0),
        "priced_unknown_sizes": unknown[0],
        "unpriced_backends": backends[1],
        "unpriced_bytes": decimal(bytes[1], 0),
        "unpriced_unknown_sizes": unknown[1],
    })]
}

/// `amount` billionths for each unit of a class, and trillionths beside it, in trillionths. The price of the bytes is cut at thirteen
/// decimals before others are added, as decimals are divided.
fn trillionths(amount: i128, class: &Class, beside: i128) -> i128 {
    (amount * 10_000 / i128::from(class.unit_bytes) + beside * 10 + 5) / 10
}

fn exact(trillionths: Option<i128>) -> Value {
    trillionths.map_or(Value::Null, |amount| decimal(amount, 12))
}

pub fn cost_of_copy(root: &Root, prices: &Prices, cid: &str) -> Vec<Value> {
    let asked: Cid = cid.parse().expect("the question names a CID");
    let contents = root.contents();
    let content = contents.get(asked.content().as_bytes());
    let size = content.and_then(|content| content.size);
    let mut rows = Vec::new();
    for backend in listed(root) {
        let class = class_of(prices, backend);
        let amount = class.zip(size).map(|(class, size)| {
            trillionths(billed(size, Some(class)) * i128::from(class.storage.billionths), class, 0)
        });
        // A thousand times billionths.
        let put = class.and_then(|class| class.put).map(|put| put.billionths.into());
        let read = class.zip(size).and_then(|(class, size)| {
            let bytes = i128::from(size) * i128::from(class.egress?.billionths);
            Some(trillionths(bytes, class, class.get?.billionths.into()))
        });
        let row = json!({
            "backend_name": backend.name,
            "price_class": name(class),
            "has_copy": content.is_some_and(|content| content.stored_on.contains(&backend.name)),
            "size_bytes": size,
            "month_usd": exact(amount),
            "put_usd": exact(put),
            "read_usd": exact(read),
            "confidence": class.map(|_| "low"),
        });
        rows.push((last(amount), backend.name.clone(), row));
    }
    rows.sort_by_key(|(amount, name, _)| (*amount, name.clone()));
    rows.into_iter().map(|(.., row)| row).collect()
}

pub fn repair_options(root: &Root, prices: &Prices, min_copies: i64) -> Vec<Value> {
    let contents = root.contents();
    let short: Vec<&Content> = contents
        .values()
        .filter(|content| (1..min_copies).contains(&(content.stored_on.len() as i64)))
        .collect();
    let mut rows = Vec::new();
    for backend in listed(root) {
        let class = class_of(prices, backend);
        let lacking = short.iter().filter(|content| !content.stored_on.contains(&backend.name));
        let sizes: Vec<Option<i64>> = lacking.map(|content| content.size).collect();
        let bytes: i128 = sizes.iter().flatten().map(|size| i128::from(*size)).sum();
        let billed: i128 = sizes.iter().flatten().map(|size| billed(*size, class)).sum();
        let terabyte = class.map(|class| month(1_000_000_000_000, class));
        let put = class.and_then(|class| class.put);
        let row = json!({
            "backend_name": backend.name,
            "price_class": name(class),
            "terabyte_month_usd": usd(terabyte),
            "contents": sizes.len(),
            "bytes": decimal(bytes, 0),
            "unknown_sizes": sizes.iter().filter(|size| size.is_none()).count(),
            "month_usd": usd(class.map(|class| month(billed, class))),
            "put_usd": usd(put.map(|put| millionths(i128::from(put.billionths) * sizes.len() as i128, 1000))),
            "confidence": class.map(|_| "low"),
        });
        rows.push((last(terabyte), backend.name.clone(), row));
    }
    rows.sort_by_key(|(amount, name, _)| (*amount, name.clone()));
    rows.into_iter().map(|(.., row)| row).collect()
}

/// The names of all backends.
pub fn names(root: &Root) -> BTreeSet<&str> {
    root.backends.iter().map(|backend| backend.name.as_str()).collect()
}

//! What the reports should say, counted with maps and loops from mappings in memory. Knows neither SQL nor files.
//!
//! Each function gives the rows of the report of its name, as the JSON objects that the report's answer is exported to.

pub mod contents;
pub mod mappings;
pub mod money;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat};
use pinql::pin::Cid;
use serde_json::{Number, Value, json};

/// A data directory.
#[derive(Debug, Clone, Default)]
pub struct Root {
    pub backends: Vec<Backend>,
}

/// One backend.
#[derive(Debug, Clone)]
pub struct Backend {
    pub name: String,
    /// As its configuration says.
    pub kind: Option<String>,
    pub holds: Holds,
}

/// What stands in a backend's directory.
#[derive(Debug, Clone)]
pub enum Holds {
    Nothing,
    /// Only a pins.json.
    Legacy,
    Mappings(Vec<Mapping>),
}

/// One mapping, with what is meant beside what is written.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub cid: Option<String>,
    pub car_file_path: Option<String>,
    pub recorded_backend: Option<String>,
    /// Seconds since 1970.
    pub created_at: Option<i64>,
    pub recorded_status: Option<String>,
    pub metadata: Option<String>,
    /// The size that `metadata` gives.
    pub size: Option<i64>,
    /// The reason of a failure that `metadata` gives.
    pub reason: Option<String>,
}

impl Mapping {
    fn status(&self) -> String {
        let word = self.recorded_status.as_deref().unwrap_or("").trim().to_lowercase();
        if word.is_empty() { "stored".to_owned() } else { word }
    }

    fn is_stored(&self) -> bool {
        self.status() == "stored"
    }

    /// What the CID names; `None` if it is no CID.
    fn content(&self) -> Option<Vec<u8>> {
        let cid: Cid = self.cid.as_deref()?.parse().ok()?;
        Some(cid.content().as_bytes().to_vec())
    }

    fn at(&self) -> Value {
        time(self.created_at)
    }
}

impl Root {
    /// Every mapping with its backend's name.
    fn mappings(&self) -> impl Iterator<Item = (&str, &Mapping)> {
        self.backends.iter().flat_map(|backend| {
            let mappings = match &backend.holds {
                Holds::Mappings(mappings) => mappings.as_slice(),
                _ => &[],
            };
            mappings.iter().map(|mapping| (backend.name.as_str(), mapping))
        })
    }

    pub fn contents(&self) -> BTreeMap<Vec<u8>, Content> {
        let mut contents: BTreeMap<Vec<u8>, Content> = BTreeMap::new();
        for (backend, mapping) in self.mappings() {
            let Some(name) = mapping.content() else { continue };
            let content = contents.entry(name).or_default();
            let cid = mapping.cid.clone().unwrap_or_default();
            if content.cid.is_empty() || cid < content.cid {
                content.cid = cid;
            }
            content.size = content.size.max(mapping.size);
            content.asked.insert(backend.to_owned());
            match mapping.status().as_str() {
                "stored" => drop(content.stored_on.insert(backend.to_owned())),
                "pending" => content.pending += 1,
                "failed" => content.failed += 1,
                _ => {}
            }
        }
        contents
    }

    /// The copies of what a mapping's CID names; none if it is no CID.
    fn copies(&self, mapping: &Mapping) -> usize {
        let Some(content) = mapping.content() else { return 0 };
        let holders = self
            .mappings()
            .filter(|(_, other)| other.is_stored() && other.content() == Some(content.clone()));
        holders.map(|(backend, _)| backend).collect::<BTreeSet<_>>().len()
    }
}

/// All that is known of one content.
#[derive(Debug, Clone, Default)]
pub struct Content {
    cid: String,
    pub size: Option<i64>,
    /// Backends with a mapping of it, in whatever state.
    asked: BTreeSet<String>,
    pub stored_on: BTreeSet<String>,
    pending: usize,
    failed: usize,
}

impl Content {
    fn is_of(&self, mapping: &Mapping) -> bool {
        let cid: Cid = self.cid.parse().expect("it is one of its CIDs");
        mapping.content().as_deref() == Some(cid.content().as_bytes())
    }
}

pub fn summary(root: &Root) -> Vec<Value> {
    let contents = root.contents();
    let copies: Vec<usize> = contents.values().map(|content| content.stored_on.len()).collect();
    let average = match copies.is_empty() {
        true => Value::Null,
        false => rounded(copies.iter().sum::<usize>() as f64 / copies.len() as f64, 100.0),
    };
    let mappings: Vec<_> = root.mappings().collect();
    let count = |word: &str| mappings.iter().filter(|(_, mapping)| mapping.status() == word).count();
    let (stored, pending, failed) = (count("stored"), count("pending"), count("failed"));
    let foreign = mappings.iter().filter(|(backend, mapping)| {
        mapping.recorded_backend.as_deref().is_some_and(|recorded| recorded != *backend)
    });
    vec![json!({
        "pins": mappings.len(),
        "backends": root.backends.len(),
        "backends_with_pins": mappings.iter().map(|(backend, _)| backend).collect::<BTreeSet<_>>().len(),
        "not_migrated": root.backends.iter().filter(|one| matches!(one.holds, Holds::Legacy)).count(),
        "unreadable": 0,
        "unique_contents": contents.len(),
        "average_redundancy": average,
        "without_copy": copies.iter().filter(|copies| **copies == 0).count(),
        "with_one_copy": copies.iter().filter(|copies| **copies == 1).count(),
        "stored": stored,
        "pending": pending,
        "failed": failed,
        "other_status": mappings.len() - stored - pending - failed,
        "invalid_cids": mappings.iter().filter(|(_, mapping)| mapping.content().is_none()).count(),
        "foreign_backend_names": foreign.count(),
        "unique_bytes": total(contents.values().map(|content| content.size)).unwrap_or(json!(0)),
        "unknown_sizes": contents.values().filter(|content| content.size.is_none()).count(),
        "oldest": time(mappings.iter().filter_map(|(_, mapping)| mapping.created_at).min()),
        "newest": time(mappings.iter().filter_map(|(_, mapping)| mapping.created_at).max()),
        "unknown_times": mappings.iter().filter(|(_, mapping)| mapping.created_at.is_none()).count(),
    })]
}

pub fn redundancy(root: &Root) -> Vec<Value> {
    let contents = root.contents();
    let mut by_copies: BTreeMap<usize, Vec<Option<i64>>> = BTreeMap::new();
    for content in contents.values() {
        by_copies.entry(content.stored_on.len()).or_default().push(content.size);
    }
    let row = |(copies, sizes): (usize, Vec<Option<i64>>)| {
        json!({
            "copies": copies,
            "contents": sizes.len(),
            "percent": percent(sizes.len(), contents.len()),
            "bytes": total(sizes.iter().copied()).unwrap_or(json!(0)),
            "unknown_sizes": sizes.iter().filter(|size| size.is_none()).count(),
        })
    };
    by_copies.into_iter().map(row).collect()
}

pub fn under_replicated(root: &Root, min_copies: i64) -> Vec<Value> {
    let contents = root.contents();
    let mut found: Vec<_> =
        contents.iter().filter(|(_, content)| (content.stored_on.len() as i64) < min_copies).collect();
    found.sort_by_key(|(name, content)| (content.stored_on.len(), content.cid.clone(), (*name).clone()));
    let listed = |names: Vec<String>| if names.is_empty() { Value::Null } else { json!(names.join(", ")) };
    let row = |(_, content): (&Vec<u8>, &Content)| {
        json!({
            "cid": content.cid,
            "copies": content.stored_on.len(),
            "stored_on": listed(content.stored_on.iter().cloned().collect()),
            // Asked to and have none: a backend that failed first and stored it then has one.
            "not_stored_on": listed(content.asked.difference(&content.stored_on).cloned().collect()),
            "size_bytes": content.size,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn at_risk(root: &Root) -> Vec<Value> {
    let contents = root.contents();
    let mut found: Vec<_> = contents.iter().filter(|(_, content)| content.stored_on.len() <= 1).collect();
    // Those without a copy come first, and each has the same lack of a backend.
    found.sort_by_key(|(name, content)| {
        (content.stored_on.len(), content.stored_on.first().cloned(), content.cid.clone(), (*name).clone())
    });
    let row = |(_, content): (&Vec<u8>, &Content)| {
        json!({
            "cid": content.cid,
            "copies": content.stored_on.len(),
            "only_on": content.stored_on.first(),
            "pending": content.pending,
            "failed": content.failed,
            "size_bytes": content.size,
        })
    };
    found.into_iter().map(row).collect()
}

/// Which failed or pending mappings are asked for; times in seconds.
#[derive(Debug, Clone, Default)]
pub struct Waiting<'a> {
    /// All if there is none.
    pub backends: &'a [&'a str],
    pub as_of: i64,
    pub older_than: i64,
}

impl Waiting<'_> {
    fn of<'r>(&self, root: &'r Root, status: &str) -> Vec<(&'r str, &'r Mapping)> {
        let asked = |(backend, mapping): &(&str, &Mapping)| {
            let old = mapping.created_at.is_none_or(|at| at <= self.as_of - self.older_than);
            mapping.status() == status
                && (self.backends.is_empty() || self.backends.contains(backend))
                && (self.older_than == 0 || old)
        };
        root.mappings().filter(asked).collect()
    }

    fn row(&self, root: &Root, (backend, mapping): (&str, &Mapping)) -> Value {
        json!({
            "backend_name": backend,
            "cid": mapping.cid,
            "created_at": mapping.at(),
            "age_days": mapping.created_at.map(|at| rounded((self.as_of - at) as f64 / 86400.0, 10.0)),
            "reason": mapping.reason,
            "copies": root.copies(mapping),
            "size_bytes": mapping.size,
        })
    }
}

pub fn failed_pins(root: &Root, asked: &Waiting<'_>) -> Vec<Value> {
    let mut found = asked.of(root, "failed");
    found.sort_by_key(|(backend, mapping)| {
        let newest_first = last(mapping.created_at.map(|at| -at));
        (newest_first, *backend, last(mapping.cid.clone()), last(mapping.reason.clone()), last(mapping.size))
    });
    found.into_iter().map(|found| asked.row(root, found)).collect()
}

pub fn pending_pins(root: &Root, asked: &Waiting<'_>) -> Vec<Value> {
    let mut found = asked.of(root, "pending");
    // An unknown time comes first.
    found.sort_by_key(|(backend, mapping)| {
        (
            mapping.created_at,
            *backend,
            last(mapping.cid.clone()),
            last(mapping.reason.clone()),
            last(mapping.size),
        )
    });
    found.into_iter().map(|found| asked.row(root, found)).collect()
}

pub fn where_is(root: &Root, cid: &str) -> Vec<Value> {
    let asked: Cid = cid.parse().expect("the question names a CID");
    let codec = |mapping: &Mapping| {
        let cid: Cid = mapping.cid.as_deref().unwrap_or("").parse().expect("it was found by its content");
        cid.codec_name()
    };
    let names_it = |mapping: &Mapping| mapping.content().as_deref() == Some(asked.content().as_bytes());
    let mut found: Vec<_> = root.mappings().filter(|(_, mapping)| names_it(mapping)).collect();
    found.sort_by_key(|(backend, mapping)| {
        let mapping = (*mapping).clone();
        let stored_last = (!mapping.is_stored(), *backend, mapping.cid.clone(), last(mapping.created_at));
        (stored_last, mapping.status(), last(mapping.car_file_path), last(mapping.size))
    });
    let row = |(backend, mapping): (&str, &Mapping)| {
        let codec = codec(mapping);
        json!({
            "backend_name": backend,
            "status": mapping.status(),
            "cid": mapping.cid,
            "codec": if codec == asked.codec_name() { "same".to_owned() } else { codec },
            "car_file_path": mapping.car_file_path,
            "created_at": mapping.at(),
            "size_bytes": mapping.size,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn backend_summary(root: &Root) -> Vec<Value> {
    let mut backends: Vec<_> = root.backends.iter().collect();
    backends.sort_by_key(|backend| &backend.name);
    let row = |backend: &Backend| {
        let Holds::Mappings(mappings) = &backend.holds else {
            let state = if matches!(backend.holds, Holds::Legacy) { "legacy" } else { "empty" };
            return json!({
                "backend_name": backend.name, "type": backend.kind, "state": state, "pins": null, "stored": null,
                "pending": null, "failed": null, "other_status": null, "contents": null, "stored_bytes": null,
                "unknown_sizes": null, "oldest": null, "newest": null,
            });
        };
        let count = |word: &str| mappings.iter().filter(|mapping| mapping.status() == word).count();
        let (stored, pending, failed) = (count("stored"), count("pending"), count("failed"));
        let stored_sizes: Vec<_> =
            mappings.iter().filter(|mapping| mapping.is_stored()).map(|mapping| mapping.size).collect();
        json!({
            "backend_name": backend.name,
            "type": backend.kind,
            "state": if mappings.is_empty() { "empty" } else { "ready" },
            "pins": mappings.len(),
            "stored": stored,
            "pending": pending,
            "failed": failed,
            "other_status": mappings.len() - stored - pending - failed,
            "contents": mappings.iter().filter_map(Mapping::content).collect::<BTreeSet<_>>().len(),
            "stored_bytes": total(stored_sizes.iter().copied()),
            "unknown_sizes": stored_sizes.iter().filter(|size| size.is_none()).count(),
            "oldest": time(mappings.iter().filter_map(|mapping| mapping.created_at).min()),
            "newest": time(mappings.iter().filter_map(|mapping| mapping.created_at).max()),
        })
    };
    backends.into_iter().map(row).collect()
}

pub fn status_distribution(root: &Root) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, String), Vec<Option<i64>>> = BTreeMap::new();
    for (backend, mapping) in root.mappings() {
        groups.entry((backend, mapping.status())).or_default().push(mapping.size);
    }
    let of_backend = |name: &str| root.mappings().filter(|(backend, _)| *backend == name).count();
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((backend, status), sizes)| (*backend, usize::MAX - sizes.len(), status.clone()));
    let row = |((backend, status), sizes): ((&str, String), Vec<Option<i64>>)| {
        json!({
            "backend_name": backend,
            "status": status,
            "pins": sizes.len(),
            "percent": percent(sizes.len(), of_backend(backend)),
            "bytes": total(sizes.iter().copied()),
            "unknown_sizes": sizes.iter().filter(|size| size.is_none()).count(),
        })
    };
    groups.into_iter().map(row).collect()
}

/// The sum of what is known; `None` if nothing is.
fn total(sizes: impl Iterator<Item = Option<i64>>) -> Option<Value> {
    let known = sizes.flatten().map(i128::from);
    let sum = known.fold(None, |sum: Option<i128>, size| Some(sum.unwrap_or(0) + size))?;
    Some(Value::Number(Number::from_i128(sum).expect("it has fewer than 39 digits")))
}

/// A whole number of units, of which 10^scale are one.
fn decimal(units: i128, scale: usize) -> Value {
    let digits = format!("{units:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let text = if scale == 0 { whole.to_owned() } else { format!("{whole}.{part}") };
    Value::Number(text.parse::<Number>().expect("it is a number"))
}

fn percent(part: usize, whole: usize) -> Value {
    rounded(100.0 * part as f64 / whole as f64, 10.0)
}

fn rounded(number: f64, per_unit: f64) -> Value {
    json!((number * per_unit).round() / per_unit)
}

fn time(seconds: Option<i64>) -> Value {
    let text = |seconds| {
        let time = DateTime::from_timestamp(seconds, 0).expect("it is a time of this century");
        time.to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    json!(seconds.map(text))
}

/// Sorts what is unknown behind what is known.
fn last<T>(value: Option<T>) -> (bool, Option<T>) {
    (value.is_none(), value)
}

//! Reports of mappings: failures, storage, growth, and what is wrong with some.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate};
use pinql::pin::Cid;
use serde_json::{Value, json};

use super::{Backend, Holds, Mapping, Root, decimal, last, percent, rounded, time, total};

fn sum(sizes: impl Iterator<Item = Option<i64>>) -> Value {
    total(sizes).unwrap_or(json!(0))
}

pub fn failures_by_backend(root: &Root) -> Vec<Value> {
    let mut found = Vec::new();
    for Backend { name, holds, .. } in &root.backends {
        let Holds::Mappings(mappings) = holds else { continue };
        if mappings.is_empty() {
            continue;
        }
        let failed: Vec<_> = mappings.iter().filter(|mapping| mapping.status() == "failed").collect();
        let lost =
            failed.iter().filter(|mapping| mapping.content().is_some() && root.copies(mapping) == 0).count();
        let row = json!({
            "backend_name": name,
            "pins": mappings.len(),
            "failed": failed.len(),
            "failed_percent": percent(failed.len(), mappings.len()),
            "pending": mappings.iter().filter(|mapping| mapping.status() == "pending").count(),
            "failed_without_copy": lost,
            "newest_failure": time(failed.iter().filter_map(|mapping| mapping.created_at).max()),
        });
        let share = (failed.len() * 1_000_000_000 / mappings.len()) as i64;
        found.push((-share, usize::MAX - failed.len(), name.clone(), row));
    }
    found.sort_by_key(|(share, failed, name, _)| (*share, *failed, name.clone()));
    found.into_iter().map(|(.., row)| row).collect()
}

pub fn failure_reasons(root: &Root) -> Vec<Value> {
    type Key<'a> = (&'a str, String, (bool, Option<String>));
    let mut groups: BTreeMap<Key<'_>, Vec<Option<i64>>> = BTreeMap::new();
    for (backend, mapping) in root.mappings() {
        let status = mapping.status();
        if status == "failed" || status == "pending" {
            groups
                .entry((backend, status, last(mapping.reason.clone())))
                .or_default()
                .push(mapping.created_at);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(key, times)| (usize::MAX - times.len(), key.clone()));
    let row = |((backend, status, (_, reason)), times): (Key<'_>, Vec<Option<i64>>)| {
        json!({
            "backend_name": backend, "status": status, "reason": reason, "pins": times.len(),
            "oldest": time(times.iter().flatten().min().copied()),
            "newest": time(times.iter().flatten().max().copied()),
        })
    };
    groups.into_iter().map(row).collect()
}

pub fn storage(root: &Root, by: &str) -> Vec<Value> {
    let mut parts: BTreeMap<(bool, Option<String>), Vec<&Mapping>> = BTreeMap::new();
    for (backend, mapping) in root.mappings() {
        let part = match by {
            "backend" => Some(backend.to_owned()),
            "status" => Some(mapping.status()),
            _ => mapping.created_at.map(|at| date(at).format("%Y-%m").to_string()),
        };
        if by == "status" || mapping.is_stored() {
            parts.entry(last(part)).or_default().push(mapping);
        }
    }
    let row = |((_, part), mappings): ((bool, Option<String>), Vec<&Mapping>)| {
        let mut contents: BTreeMap<Vec<u8>, Option<i64>> = BTreeMap::new();
        for mapping in &mappings {
            if let Some(content) = mapping.content() {
                let size = contents.entry(content).or_default();
                *size = (*size).max(mapping.size);
            }
        }
        json!({
            "part": part,
            "pins": mappings.len(),
            "bytes": sum(mappings.iter().map(|mapping| mapping.size)),
            "unknown_sizes": mappings.iter().filter(|mapping| mapping.size.is_none()).count(),
            "contents": contents.len(),
            "unique_bytes": sum(contents.values().copied()),
            "unknown_contents": contents.values().filter(|size| size.is_none()).count(),
        })
    };
    parts.into_iter().map(row).collect()
}

fn date(seconds: i64) -> NaiveDate {
    DateTime::from_timestamp(seconds, 0).expect("it is a time of this century").date_naive()
}

/// The first day of the period in which a time is.
fn period(seconds: i64, by: &str) -> NaiveDate {
    let day = date(seconds);
    let first = |month| NaiveDate::from_ymd_opt(day.year(), month, 1).expect("it is a month");
    match by {
        "day" => day,
        "week" => day - chrono::Days::new(day.weekday().num_days_from_monday().into()),
        "month" => first(day.month()),
        "quarter" => first((day.month0() / 3) * 3 + 1),
        _ => first(1),
    }
}

pub fn growth(root: &Root, by: &str) -> Vec<Value> {
    let key = |at: Option<i64>| last(at.map(|at| period(at, by)));
    let mut periods: BTreeMap<(bool, Option<NaiveDate>), Vec<&Mapping>> = BTreeMap::new();
    let mut firsts: BTreeMap<Vec<u8>, Option<i64>> = BTreeMap::new();
    for (_, mapping) in root.mappings() {
        periods.entry(key(mapping.created_at)).or_default().push(mapping);
        if let Some(content) = mapping.content() {
            let first = firsts.entry(content).or_default();
            *first = [*first, mapping.created_at].into_iter().flatten().min();
        }
    }
    let (mut pins, mut contents, mut bytes) = (0, 0, 0_i128);
    let mut rows = Vec::new();
    for (period, mappings) in periods {
        let stored: Vec<_> = mappings.iter().filter(|mapping| mapping.is_stored()).collect();
        let new = firsts.values().filter(|first| key(**first) == period).count();
        pins += mappings.len();
        contents += new;
        bytes += stored.iter().filter_map(|mapping| mapping.size).map(i128::from).sum::<i128>();
        rows.push(json!({
            "period": period.1.map(|day| day.to_string()),
            "pins": mappings.len(),
            "stored": stored.len(),
            "stored_bytes": sum(stored.iter().map(|mapping| mapping.size)),
            "unknown_sizes": stored.iter().filter(|mapping| mapping.size.is_none()).count(),
            "new_contents": new,
            "total_pins": pins,
            "total_contents": contents,
            "total_stored_bytes": decimal(bytes, 0),
        }));
    }
    rows
}

/// `as_of` in seconds since 1970.
pub fn oldest(root: &Root, limit: usize, as_of: i64) -> Vec<Value> {
    let mut found: Vec<_> = root.mappings().filter(|(_, mapping)| mapping.created_at.is_some()).collect();
    found.sort_by_key(|(backend, mapping)| {
        let mapping = (*mapping).clone();
        let status = mapping.status();
        (
            mapping.created_at,
            *backend,
            last(mapping.cid),
            status,
            last(mapping.size),
            last(mapping.car_file_path),
        )
    });
    let row = |(backend, mapping): (&str, &Mapping)| {
        json!({
            "backend_name": backend,
            "cid": mapping.cid,
            "created_at": mapping.at(),
            "age_days": mapping.created_at.map(|at| rounded((as_of - at) as f64 / 86400.0, 10.0)),
            "status": mapping.status(),
            "size_bytes": mapping.size,
            "car_file_path": mapping.car_file_path,
        })
    };
    found.into_iter().take(limit).map(row).collect()
}

pub fn duplicates(root: &Root) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, Vec<u8>, String), Vec<&Mapping>> = BTreeMap::new();
    for (backend, mapping) in root.mappings() {
        let Some(content) = mapping.content() else { continue };
        let cid: Cid = mapping.cid.as_deref().unwrap_or("").parse().expect("it has a content");
        groups.entry((backend, content, cid.codec_name())).or_default().push(mapping);
    }
    let mut rows = Vec::new();
    for ((backend, ..), mappings) in groups.into_iter().filter(|(_, mappings)| mappings.len() > 1) {
        let count = |word: &str| mappings.iter().filter(|mapping| mapping.status() == word).count();
        let (stored, pending, failed) = (count("stored"), count("pending"), count("failed"));
        let cids: BTreeSet<_> = mappings.iter().filter_map(|mapping| mapping.cid.as_deref()).collect();
        let times = || mappings.iter().filter_map(|mapping| mapping.created_at);
        let row = json!({
            "backend_name": backend,
            "cid": cids.first(),
            "mappings": mappings.len(),
            "spellings": cids.len(),
            "stored": stored,
            "pending": pending,
            "failed": failed,
            "other_status": mappings.len() - stored - pending - failed,
            "oldest": time(times().min()),
            "newest": time(times().max()),
        });
        rows.push((backend, cids.first().map(|cid| (*cid).to_owned()), row));
    }
    rows.sort_by_key(|(backend, cid, _)| (*backend, cid.clone()));
    rows.into_iter().map(|(.., row)| row).collect()
}

pub fn invalid_cids(root: &Root) -> Vec<Value> {
    let mut found: Vec<_> = root.mappings().filter(|(_, mapping)| mapping.content().is_none()).collect();
    found.sort_by_key(|(backend, mapping)| {
        let mapping = (*mapping).clone();
        let status = mapping.status();
        let rest = (last(mapping.created_at), last(mapping.size), last(mapping.car_file_path));
        (*backend, last(mapping.cid), status, rest)
    });
    let row = |(backend, mapping): (&str, &Mapping)| {
        json!({
            "backend_name": backend,
            "cid": mapping.cid,
            "status": mapping.status(),
            "created_at": mapping.at(),
            "size_bytes": mapping.size,
            "car_file_path": mapping.car_file_path,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn bad_metadata(root: &Root) -> Vec<Value> {
    let problem = |mapping: &Mapping| {
        let text = mapping.metadata.as_deref().unwrap_or("").trim();
        let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else {
            return Some(if text.is_empty() { "missing" } else { "no JSON object" });
        };
        let inner = object.get("metadata").and_then(Value::as_object);
        let given = |object: &serde_json::Map<String, Value>| {
            ["size_bytes", "size"].iter().any(|key| object.get(*key).is_some_and(|value| !value.is_null()))
        };
        let gives = given(&object) || inner.is_some_and(given);
        (gives && mapping.size.is_none()).then_some("no size")
    };
    let found = root.mappings().filter_map(|(backend, mapping)| Some((backend, mapping, problem(mapping)?)));
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|(backend, mapping, problem)| {
        let mapping = (*mapping).clone();
        let status = mapping.status();
        (*backend, *problem, last(mapping.cid), status, last(mapping.metadata))
    });
    let row = |(backend, mapping, problem): (&str, &Mapping, &str)| {
        json!({
            "backend_name": backend, "cid": mapping.cid, "status": mapping.status(), "problem": problem,
            "metadata": mapping.metadata,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn backend_mismatch(root: &Root) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Mapping>> = BTreeMap::new();
    for (backend, mapping) in root.mappings() {
        match mapping.recorded_backend.as_deref() {
            Some(recorded) if recorded != backend => {
                groups.entry((backend, recorded)).or_default().push(mapping)
            }
            _ => {}
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((backend, recorded), mappings)| (*backend, usize::MAX - mappings.len(), *recorded));
    let row = |((backend, recorded), mappings): ((&str, &str), Vec<&Mapping>)| {
        json!({
            "backend_name": backend, "recorded_backend_name": recorded, "pins": mappings.len(),
            "first_cid": mappings.iter().filter_map(|mapping| mapping.cid.as_ref()).min(),
        })
    };
    groups.into_iter().map(row).collect()
}

pub fn balance(root: &Root) -> Vec<Value> {
    let listed = root.backends.iter().filter(|backend| !matches!(backend.holds, Holds::Legacy));
    let mut listed: Vec<(&str, Vec<Option<i64>>)> = listed
        .map(|backend| {
            let of = root.mappings().filter(|(name, mapping)| *name == backend.name && mapping.is_stored());
            (backend.name.as_str(), of.map(|(_, mapping)| mapping.size).collect())
        })
        .collect();
    listed.sort_by_key(|(name, sizes)| (usize::MAX - sizes.len(), *name));
    let count = listed.len() as f64;
    let bytes = |sizes: &[Option<i64>]| sizes.iter().flatten().map(|size| i128::from(*size)).sum::<i128>();
    let all: usize = listed.iter().map(|(_, sizes)| sizes.len()).sum();
    let all_bytes: i128 = listed.iter().map(|(_, sizes)| bytes(sizes)).sum();
    let share = |part: f64, whole: f64, per_unit: f64| match whole == 0.0 {
        true => Value::Null,
        false => rounded(part / whole, per_unit),
    };
    let row = |(name, sizes): &(&str, Vec<Option<i64>>)| {
        let (stored, held) = (sizes.len() as f64, bytes(sizes) as f64);
        json!({
            "backend_name": name,
            "stored": sizes.len(),
            "stored_percent": share(100.0 * stored, all as f64, 10.0),
            "stored_skew": share(stored * count, all as f64, 100.0),
            "bytes": decimal(bytes(sizes), 0),
            "bytes_percent": share(100.0 * held, all_bytes as f64, 10.0),
            "bytes_skew": share(held * count, all_bytes as f64, 100.0),
            "unknown_sizes": sizes.iter().filter(|size| size.is_none()).count(),
        })
    };
    listed.iter().map(row).collect()
}

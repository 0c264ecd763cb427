//! Reports of contents: their copies, where they lack and where they are too many.

use std::collections::{BTreeMap, BTreeSet};

use pinql::pin::Cid;
use serde_json::{Value, json};

use super::{Content, Mapping, Root, decimal, last, rounded, time, total};

/// The sum of sizes, 0 if none is known, as reports of totals show it.
fn bytes<'a>(sizes: impl IntoIterator<Item = &'a Option<i64>>) -> Value {
    total(sizes.into_iter().copied()).unwrap_or(json!(0))
}

fn unknown<'a>(sizes: impl IntoIterator<Item = &'a Option<i64>>) -> usize {
    sizes.into_iter().filter(|size| size.is_none()).count()
}

pub fn redundancy_average(root: &Root) -> Vec<Value> {
    let contents: Vec<Content> = root.contents().into_values().collect();
    let copies: Vec<usize> = contents.iter().map(|content| content.stored_on.len()).collect();
    let sizes: Vec<_> = contents.iter().map(|content| content.size).collect();
    let unique: i128 = sizes.iter().flatten().map(|size| i128::from(*size)).sum();
    let known = contents.iter().filter_map(|content| Some((content.size?, content.stored_on.len())));
    let copied: i128 = known.map(|(size, copies)| i128::from(size) * copies as i128).sum();
    let average =
        |part: f64, whole: f64| if whole == 0.0 { Value::Null } else { rounded(part / whole, 100.0) };
    vec![json!({
        "contents": contents.len(),
        "copies": copies.iter().sum::<usize>(),
        "average_copies": average(copies.iter().sum::<usize>() as f64, contents.len() as f64),
        "fewest": copies.iter().min(),
        "most": copies.iter().max(),
        "unique_bytes": bytes(&sizes),
        "copied_bytes": decimal(copied, 0),
        "average_by_bytes": average(copied as f64, unique as f64),
        "unknown_sizes": unknown(&sizes),
    })]
}

pub fn over_replicated(root: &Root, max_copies: i64) -> Vec<Value> {
    let contents = root.contents();
    let mut found: Vec<_> =
        contents.iter().filter(|(_, content)| content.stored_on.len() as i64 > max_copies).collect();
    found.sort_by_key(|(name, content)| {
        (usize::MAX - content.stored_on.len(), content.cid.clone(), (*name).clone())
    });
    let row = |(_, content): (&Vec<u8>, &Content)| {
        let surplus = content.stored_on.len() as i128 - i128::from(max_copies);
        json!({
            "cid": content.cid,
            "copies": content.stored_on.len(),
            "stored_on": content.stored_on.iter().cloned().collect::<Vec<_>>().join(", "),
            "size_bytes": content.size,
            "surplus_bytes": content.size.map(|size| decimal(i128::from(size) * surplus, 0)),
        })
    };
    found.into_iter().map(row).collect()
}

pub fn at_risk_by_backend(root: &Root) -> Vec<Value> {
    let mut groups: BTreeMap<Option<String>, Vec<Option<i64>>> = BTreeMap::new();
    for content in root.contents().values().filter(|content| content.stored_on.len() <= 1) {
        groups.entry(content.stored_on.first().cloned()).or_default().push(content.size);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(only_on, sizes)| (usize::MAX - sizes.len(), last(only_on.clone())));
    let row = |(only_on, sizes): (Option<String>, Vec<Option<i64>>)| {
        json!({
            "only_on": only_on, "contents": sizes.len(), "bytes": bytes(&sizes), "unknown_sizes": unknown(&sizes),
        })
    };
    groups.into_iter().map(row).collect()
}

/// Contents with a copy on one of `without`, and the copies that are left.
fn suffering(root: &Root, without: &[&str]) -> Vec<(Content, usize)> {
    let left = |content: &Content| {
        content.stored_on.iter().filter(|backend| !without.contains(&backend.as_str())).count()
    };
    let contents = root.contents().into_values().map(|content| (left(&content), content));
    contents
        .filter(|(left, content)| *left < content.stored_on.len())
        .map(|(left, one)| (one, left))
        .collect()
}

pub fn without_backend(root: &Root, without: &[&str], min_copies: i64) -> Vec<Value> {
    let mut found = suffering(root, without);
    found.retain(|(_, left)| (*left as i64) < min_copies);
    found.sort_by_key(|(content, left)| (*left, content.cid.clone()));
    let row = |(content, left): (Content, usize)| {
        let to_make = min_copies - left as i64;
        json!({
            "cid": content.cid,
            "outcome": if left == 0 { "lost" } else { "below" },
            "copies": content.stored_on.len(),
            "copies_left": left,
            "copies_to_make": to_make,
            "size_bytes": content.size,
            "bytes_to_write": content.size.map(|size| decimal(i128::from(size) * i128::from(to_make), 0)),
        })
    };
    found.into_iter().map(row).collect()
}

pub fn without_backend_total(root: &Root, without: &[&str], min_copies: i64) -> Vec<Value> {
    let found = suffering(root, without);
    let row = |outcome: &str| {
        let is = |left: usize| match outcome {
            "lost" => left == 0,
            "below" => left > 0 && (left as i64) < min_copies,
            _ => left as i64 >= min_copies,
        };
        let these: Vec<_> = found.iter().filter(|(_, left)| is(*left)).collect();
        let to_make = |left: usize| (min_copies - left as i64).max(0);
        let sizes: Vec<_> = these.iter().map(|(content, _)| content.size).collect();
        let write = these
            .iter()
            .filter_map(|(content, left)| Some(i128::from(content.size?) * i128::from(to_make(*left))));
        (!these.is_empty()).then(|| {
            json!({
                "outcome": outcome,
                "contents": these.len(),
                "bytes": bytes(&sizes),
                "unknown_sizes": unknown(&sizes),
                "copies_to_make": these.iter().map(|(_, left)| to_make(*left)).sum::<i64>(),
                "bytes_to_write": decimal(write.sum(), 0),
            })
        })
    };
    ["lost", "below", "safe"].into_iter().filter_map(row).collect()
}

/// Each content's CID, and all its mappings with their backends.
fn mappings_of(root: &Root) -> Vec<(Content, Vec<(&str, &Mapping)>)> {
    let of = |name: &Vec<u8>| {
        root.mappings().filter(|(_, mapping)| mapping.content().as_ref() == Some(name)).collect()
    };
    root.contents().into_iter().map(|(name, content)| (content, of(&name))).collect()
}

pub fn missing_on(root: &Root, backend: &str, against: &[&str]) -> Vec<Value> {
    let mut found: Vec<_> = root.contents().into_values().collect();
    let has = |content: &Content| {
        let other =
            |name: &&String| *name != backend && (against.is_empty() || against.contains(&name.as_str()));
        content.stored_on.iter().any(|name| other(&name))
    };
    found.retain(|content| !content.stored_on.contains(backend) && has(content));
    found.sort_by_key(|content| (content.stored_on.len(), content.cid.clone()));
    let row = |content: Content| {
        let count = |word: &str| {
            let here = root.mappings().filter(|(name, mapping)| *name == backend && mapping.status() == word);
            here.filter(|(_, mapping)| content.is_of(mapping)).count()
        };
        json!({
            "cid": content.cid,
            "copies": content.stored_on.len(),
            "pending": count("pending"),
            "failed": count("failed"),
            "size_bytes": content.size,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn status_conflicts(root: &Root) -> Vec<Value> {
    let mut found = mappings_of(root);
    found.retain(|(_, mappings)| {
        mappings.iter().map(|(_, mapping)| mapping.status()).collect::<BTreeSet<_>>().len() > 1
    });
    found.sort_by_key(|(content, _)| (content.stored_on.len(), content.cid.clone()));
    let row = |(content, mappings): (Content, Vec<(&str, &Mapping)>)| {
        let count = |word: &str| mappings.iter().filter(|(_, mapping)| mapping.status() == word).count();
        let (stored, pending, failed) = (count("stored"), count("pending"), count("failed"));
        json!({
            "cid": content.cid,
            "copies": content.stored_on.len(),
            "backends": content.asked.len(),
            "stored": stored,
            "pending": pending,
            "failed": failed,
            "other_status": mappings.len() - stored - pending - failed,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn repeated_failures(root: &Root, min_failures: i64) -> Vec<Value> {
    let mut found: Vec<_> = mappings_of(root)
        .into_iter()
        .map(|(content, mut mappings)| {
            mappings.retain(|(_, mapping)| mapping.status() == "failed");
            (content, mappings)
        })
        .filter(|(_, failed)| failed.len() as i64 >= min_failures)
        .collect();
    found.sort_by_key(|(content, failed)| (usize::MAX - failed.len(), content.cid.clone()));
    let row = |(content, failed): (Content, Vec<(&str, &Mapping)>)| {
        let times = || failed.iter().filter_map(|(_, mapping)| mapping.created_at);
        json!({
            "cid": content.cid,
            "failures": failed.len(),
            "backends": failed.iter().map(|(backend, _)| backend).collect::<BTreeSet<_>>().len(),
            "first_failure": time(times().min()),
            "last_failure": time(times().max()),
            "copies": content.stored_on.len(),
            "size_bytes": content.size,
        })
    };
    found.into_iter().map(row).collect()
}

pub fn largest(root: &Root, limit: usize) -> Vec<Value> {
    let mut found: Vec<_> = root.contents().into_values().filter(|content| content.size.is_some()).collect();
    found.sort_by_key(|content| (-content.size.unwrap_or(0), content.cid.clone()));
    let row = |content: Content| {
        let size = content.size.unwrap_or(0);
        let copies = content.stored_on.len();
        json!({
            "cid": content.cid, "size_bytes": size, "copies": copies,
            "copied_bytes": decimal(i128::from(size) * copies as i128, 0),
        })
    };
    found.into_iter().take(limit).map(row).collect()
}

pub fn codec_mismatch(root: &Root) -> Vec<Value> {
    let codec = |mapping: &Mapping| -> String {
        let cid: Cid = mapping.cid.as_deref().unwrap_or("").parse().expect("it is of a content");
        cid.codec_name()
    };
    let mut rows = Vec::new();
    for (content, mappings) in mappings_of(root) {
        let mut by_codec: BTreeMap<String, Vec<(&str, &Mapping)>> = BTreeMap::new();
        for (backend, mapping) in mappings {
            by_codec.entry(codec(mapping)).or_default().push((backend, mapping));
        }
        if by_codec.len() < 2 {
            continue;
        }
        for (codec, mappings) in by_codec {
            let stored = mappings.iter().filter(|(_, mapping)| mapping.is_stored());
            let stored: BTreeSet<&str> = stored.map(|(backend, _)| *backend).collect();
            let on = (!stored.is_empty()).then(|| stored.iter().copied().collect::<Vec<_>>().join(", "));
            rows.push(json!({
                "content_cid": content.cid,
                "codec": codec,
                "cid": mappings.iter().filter_map(|(_, mapping)| mapping.cid.as_ref()).min(),
                "mappings": mappings.len(),
                "copies": stored.len(),
                "stored_on": on,
            }));
        }
    }
    rows.sort_by_key(|row| (row["content_cid"].to_string(), row["codec"].to_string()));
    rows
}

pub fn overlap(root: &Root) -> Vec<Value> {
    let contents = root.contents();
    let mut pairs: BTreeMap<(String, String), usize> = BTreeMap::new();
    for content in contents.values() {
        for one in &content.stored_on {
            for other in &content.stored_on {
                *pairs.entry((one.clone(), other.clone())).or_default() += 1;
            }
        }
    }
    let all = |backend: &String| pairs[&(backend.clone(), backend.clone())];
    let row = |((one, other), shared): (&(String, String), &usize)| {
        json!({
            "backend_name": one, "other_backend": other, "shared": shared,
            "percent": super::percent(*shared, all(one)),
        })
    };
    pairs.iter().map(row).collect()
}

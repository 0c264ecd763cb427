//! The JSON of `daemon intelligent`: every key that the older tool had, with numbers that are right, and what it left out.
//!
//! docs/daemon.md says what the keys mean. No key is ever missing: what nothing is known of is `null`, a count of nothing is 0.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::json::{contents, date, number, statuses};
use super::registries::{Bucket, Registered};
use super::{BackendState, Facts, Health};
use crate::pin::{counted, time};

/// A bucket that was backed up longer ago needs it again; in microseconds.
const BACKUP_AGE: i64 = 3_600_000_000;
/// A backend of a bucket whose check is older needs to be synced; in microseconds.
const SYNC_AGE: i64 = 6 * 3_600_000_000;
/// Words in the types of backends that lie on a disk.
const ON_DISK: [&str; 2] = ["filesystem", "local"];

/// A sum of what other tools counted, which may be any numbers.
fn sum(counts: &[i64]) -> i128 {
    counts.iter().copied().map(i128::from).sum()
}

impl Facts {
    /// The mappings: what the older tool called `pin_mapping_analysis`.
    pub fn pin_mapping_analysis(&self) -> Value {
        let analysis = &self.analysis;
        let redundancy = &analysis.redundancy;
        let by_copies = redundancy.by_copies.iter().map(|(copies, of)| (copies.to_string(), of.contents));
        let by_text = self.by_text.as_ref().map(|by_text| {
            let levels = by_text.by_backends.iter().map(|(level, cids)| (level.to_string(), *cids));
            json!({
                "total_unique_cids": by_text.cids(),
                "average_redundancy": by_text.average().unwrap_or_default(),
                "cid_redundancy": levels.collect::<BTreeMap<_, _>>(),
            })
        });
        json!({
            "total_pins": analysis.pins(),
            "backends_with_pins": analysis.with_pins().count(),
            "pin_status_distribution": statuses(&analysis.by_status()),
            "backends_with_failed_pins": self.with_status("failed"),
            "backends_with_pending_pins": self.with_status("pending"),
            "cid_redundancy": by_copies.collect::<BTreeMap<_, _>>(),
            "oldest_pin_date": analysis.oldest().map(date),
            "newest_pin_date": analysis.newest().map(date),
            "total_unique_cids": redundancy.all().contents,
            "average_redundancy": redundancy.average().unwrap_or_default(),
            "invalid_cids": analysis.invalid_cids(),
            "unknown_times": analysis.unknown_times(),
            "all_contents": contents(redundancy.all()),
            "without_copy": contents(redundancy.with_copies(0)),
            "at_risk": contents(redundancy.at_risk()),
            "at_risk_by_backend": redundancy.only_on.iter().map(|(name, of)| (name, contents(*of))).collect::<BTreeMap<_, _>>(),
            "by_cid_text": by_text,
            "complete": self.has_all_mappings(),
            "not_migrated_backends": self.not_migrated(),
            "unreadable_backends": self.unreadable_backends().map(|(name, reason)| json!({ "name": name, "reason": reason })).collect::<Vec<_>>(),
        })
    }

    /// What `insights` says.
    pub fn insights(&self) -> Value {
        let pins = self.pin_mapping_analysis();
        json!({
            "observed_at": time::format(self.analysis.observed_at),
            "backend": self.of,
            "bucket_analysis": self.bucket_analysis(),
            "backend_analysis": self.backend_analysis(&pins),
            "sync_requirements": self.sync_requirements(&pins),
            "operational_metrics": self.operational_metrics(),
            "pin_mapping_analysis": pins,
            "unreadable": self.unreadable_files(),
        })
    }

    /// What `health` says.
    pub fn health_document(&self) -> Value {
        let count = |state: Health| self.health.iter().filter(|one| one.state == state).count();
        json!({
            "observed_at": time::format(self.analysis.observed_at),
            "healthy": self.is_complete() && count(Health::Healthy) > 0 && count(Health::Healthy) == self.health.len(),
            "healthy_backends": count(Health::Healthy),
            "degraded_backends": count(Health::Degraded),
            "unhealthy_backends": count(Health::Unhealthy),
            "unknown_backends": count(Health::Unknown),
            "total_monitored": self.health.len(),
            "backups_not_compared": self.not_compared(),
            "backends": self.health.iter().map(|one| json!({
                "name": one.name, "state": one.state, "reasons": one.reasons(), "checks": one.checks,
            })).collect::<Vec<_>>(),
            "unreadable": self.unreadable_files(),
        })
    }

    /// What `analyze` says of all backends: the mappings, and each backend.
    pub fn analysis_document(&self) -> Value {
        let mut document = self.pin_mapping_analysis();
        document["observed_at"] = json!(time::format(self.analysis.observed_at));
        document["backends"] =
            self.analysis.backends.iter().map(|backend| self.backend_entry(&backend.name)).collect();
        document["unreadable"] = self.unreadable_files();
        document
    }

    fn backend_entry(&self, name: &str) -> Value {
        let Some(backend) = self.analysis.backend(name) else { return Value::Null };
        let counts = backend.counts();
        let health = self.health.iter().find(|one| one.name == name).map(|one| one.state);
        let only = self.analysis.redundancy.only_on.get(name).copied().unwrap_or_default();
        json!({
            "name": name,
            "type": self.kind(name),
            "state": backend.state,
            "reason": backend.reason,
            "health": health,
            "pins": counts.map(|counts| counts.pins),
            "status_distribution": counts.map(|counts| statuses(&counts.by_status)),
            "invalid_cids": counts.map(|counts| counts.invalid_cids),
            "contents": counts.map(|counts| counts.contents),
            "stored": counts.map(|counts| contents(counts.stored)),
            "only_here": counts.map(|_| contents(only)),
            "lacking_here": self.analysis.lacks(name),
            "oldest_pin_date": counts.and_then(super::PinCounts::oldest).map(date),
            "newest_pin_date": counts.and_then(super::PinCounts::newest).map(date),
        })
    }

    /// The buckets by name: several rows may be of one.
    fn buckets(&self) -> BTreeMap<&str, Vec<&Bucket>> {
        let mut buckets: BTreeMap<&str, Vec<&Bucket>> = BTreeMap::new();
        self.registries.buckets.iter().for_each(|row| buckets.entry(&row.name).or_default().push(row));
        buckets
    }

    /// How many buckets there are; `None` if their registry could not be read.
    pub(super) fn total_buckets(&self) -> Option<usize> {
        (!self.registries.lacks("buckets")).then(|| self.buckets().len())
    }

    fn bucket_analysis(&self) -> Value {
        let buckets = self.buckets();
        let total = self.total_buckets();
        let limit = self.analysis.observed_at - BACKUP_AGE;
        // When those of the daemon were backed up.
        let backups = buckets.values().filter_map(|rows| {
            let rows = rows.iter().filter(|bucket| bucket.written_by == "daemon");
            rows.map(|bucket| bucket.last_backup).max()
        });
        let backups: Vec<Option<i64>> = backups.collect();
        let needing = backups.iter().filter(|last| last.is_none_or(|at| at < limit)).count();
        // What rows of one bucket do not agree on is not known.
        let pins = buckets.values().filter_map(|rows| {
            let mut counts = rows.iter().filter_map(|bucket| bucket.pin_count);
            let first = counts.next()?;
            counts.all(|count| count == first).then_some(first)
        });
        let pins: Vec<i64> = pins.collect();
        let distribution = buckets.iter().map(|(name, rows)| {
            let backends: BTreeSet<&String> = rows.iter().flat_map(|bucket| &bucket.backends).collect();
            (name, backends.len())
        });
        json!({
            "total_buckets": total,
            "buckets_needing_backup": total.map(|_| needing),
            "buckets_with_unknown_backup": total.map(|total| total - backups.len()),
            "average_pins_per_bucket": total.map(|_| sum(&pins) as f64 / pins.len().max(1) as f64),
            "buckets_with_unknown_pins": total.map(|total| total - pins.len()),
            "bucket_backend_distribution": distribution.collect::<BTreeMap<_, _>>(),
        })
    }

    fn backend_analysis(&self, pins: &Value) -> Value {
        let names = self.names();
        let mut types: BTreeMap<&str, u64> = BTreeMap::new();
        names.iter().for_each(|name| *types.entry(self.kind(name).unwrap_or("unknown")).or_default() += 1);
        let counts = || self.analysis.backends.iter().filter_map(|backend| backend.counts());
        let with_counts = counts().count();
        let registered: Vec<i64> =
            self.registries.registered.iter().filter_map(|one| one.pin_count).collect();
        let knows = !self.registries.lacks("registry");
        json!({
            "total_backends": names.len(),
            "registered_backends": knows.then_some(self.registries.registered.len()),
            "backend_types": types,
            "response_time_stats": self.response_times(),
            "pin_distribution": {
                "total_pins": self.analysis.pins(),
                "average_per_backend": self.analysis.pins() as f64 / with_counts.max(1) as f64,
                "max_pins": counts().map(|counts| counts.pins).max().unwrap_or_default(),
                "backends_with_pins": pins["backends_with_pins"],
                "registered_pins": knows.then(|| number(sum(&registered))),
            },
            "total_pins": pins["total_pins"],
            "backends_with_pins": pins["backends_with_pins"],
            "pin_status_distribution": pins["pin_status_distribution"],
            "average_redundancy": pins["average_redundancy"],
        })
    }

    fn response_times(&self) -> Value {
        let mut times: Vec<f64> =
            self.registries.registered.iter().filter_map(|one| one.response_time_ms).collect();
        times.sort_by(f64::total_cmp);
        let (middle, count) = (times.len() / 2, times.len());
        let median = match count {
            0 => None,
            _ if count % 2 == 1 => Some(times[middle]),
            _ => Some((times[middle - 1] + times[middle]) / 2.0),
        };
        json!({
            "average_ms": (count > 0).then(|| times.iter().sum::<f64>() / count as f64),
            "median_ms": median,
            "max_ms": times.last(),
            "min_ms": times.first(),
        })
    }

    fn sync_requirements(&self, pins: &Value) -> Value {
        let actions = self.registries.dirty.iter().map(|note| {
            let found = json!({
                "total_actions": note.actions, "unsynced_actions": note.unsynced_actions, "is_dirty": note.is_dirty,
            });
            (note.backend_name.clone(), found)
        });
        json!({
            "backends_needing_pin_sync": self.needing_sync(),
            "metadata_backup_targets": self.on_disk(),
            "dirty_backend_actions": actions.collect::<Map<_, _>>(),
            "backends_with_failed_pins": pins["backends_with_failed_pins"],
            "backends_with_pending_pins": pins["backends_with_pending_pins"],
        })
    }

    fn operational_metrics(&self) -> Value {
        let now = self.analysis.observed_at;
        let ages: Vec<f64> = self
            .registries
            .registered
            .iter()
            .filter_map(|one| one.last_check)
            .map(|at| now.saturating_sub(at) as f64 / 1e6)
            .collect();
        json!({
            "metadata_freshness_seconds": 0.0,
            "avg_backend_health_check_age": (!ages.is_empty()).then(|| ages.iter().sum::<f64>() / ages.len() as f64),
            "total_pending_actions": self.total_pending_actions().map(number),
        })
    }

    /// Actions that are not synced; `None` if a note of them could not be read.
    pub fn total_pending_actions(&self) -> Option<i128> {
        let actions = self.registries.dirty.iter().filter_map(|note| note.unsynced_actions);
        (!self.registries.lacks("dirty")).then(|| actions.map(i128::from).sum())
    }

    /// Backends that are dirty, and those of buckets that are unhealthy or have not been looked at for long.
    pub fn needing_sync(&self) -> Vec<&str> {
        let limit = self.analysis.observed_at - SYNC_AGE;
        let of_buckets =
            self.registries.buckets.iter().flat_map(|bucket| &bucket.backends).map(String::as_str);
        let needs = |name: &&str| {
            let found = self.registries.registered(name);
            let is_unhealthy =
                self.health.iter().any(|one| one.name == *name && one.state == Health::Unhealthy);
            is_unhealthy
                || found.and_then(Registered::is_up) == Some(false)
                || found.and_then(|found| found.last_check).is_some_and(|at| at < limit)
        };
        let mut names: Vec<&str> =
            self.registries.dirty_backends().into_iter().chain(of_buckets.filter(needs)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The backends that lie on a disk, to which metadata can be copied.
    pub(super) fn on_disk(&self) -> Vec<&str> {
        let is = |name: &&str| {
            let kind = self.kind(name).unwrap_or_default().to_lowercase();
            // `filecoin` is none.
            let is_file =
                kind.split(|c: char| !c.is_alphanumeric()).any(|word| word == "file" || word == "files");
            is_file || ON_DISK.iter().any(|word| kind.contains(word))
        };
        self.names().into_iter().filter(is).collect()
    }

    /// The backends with mappings of a status.
    pub fn with_status(&self, status: &str) -> Vec<&str> {
        let has = |backend: &&super::BackendAnalysis| {
            backend.counts().is_some_and(|counts| counts.with_status(status) > 0)
        };
        self.analysis.backends.iter().filter(has).map(|backend| backend.name.as_str()).collect()
    }

    /// Backends whose pins are in no number, for they have only a `pins.json` or a backup.
    pub fn not_migrated(&self) -> Vec<&str> {
        let waits =
            |one: &&super::BackendAnalysis| matches!(one.state, BackendState::Legacy | BackendState::CarOnly);
        self.analysis.backends.iter().filter(waits).map(|one| one.name.as_str()).collect()
    }

    pub(super) fn unreadable_files(&self) -> Value {
        let backends = self
            .unreadable_backends()
            .map(|(name, reason)| json!({ "what": "backend", "name": name, "reason": reason }));
        let files = self
            .registries
            .unreadable
            .iter()
            .map(|file| json!({ "what": file.what, "name": null, "reason": file.reason }));
        backends.chain(files).collect()
    }

    /// How many backends are how well, in words: `2 healthy, 1 unknown`.
    pub fn health_in_words(&self) -> String {
        let states = [Health::Healthy, Health::Degraded, Health::Unhealthy, Health::Unknown];
        let count = |state: &Health| self.health.iter().filter(|one| one.state == *state).count();
        let parts: Vec<_> = states
            .iter()
            .filter(|state| count(state) > 0)
            .map(|state| format!("{} {}", count(state), state.word()))
            .collect();
        let all = counted(self.health.len() as u64, "backend", "backends");
        if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
    }
}

//! The JSON of `daemon intelligent status`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Backup, Facts, Health};
use crate::pin::time;

impl Facts {
    /// What `status` says.
    pub fn status(&self) -> Value {
        let pins = self.pin_mapping_analysis();
        let running = self.daemon.is_some();
        let runs = running.then_some(true);
        let of = |state: Health| -> Vec<&str> {
            self.health.iter().filter(|one| one.state == state).map(|one| one.name.as_str()).collect()
        };
        let healthy = of(Health::Healthy).len();
        let total = self.health.len();
        let unhealthy = of(Health::Unhealthy);
        let dirty = self.registries.dirty_backends();
        let average = (self.analysis.redundancy.average().unwrap_or_default() * 100.0).round() / 100.0;
        let last_check = self.registries.registered.iter().filter_map(|backend| backend.last_check).max();
        let interval =
            |key: &str| self.daemon.as_ref().map_or(Value::Null, |daemon| daemon["intervals"][key].clone());
        let (observes, looks) = (interval("observe_seconds"), interval("poll_seconds"));
        let zero = running.then_some(0);
        let needing_sync = self.needing_sync();
        json!({
            "observed_at": time::format(self.analysis.observed_at),
            "backend": self.of,
            "running": running,
            "thread_status": {
                "metadata_reader": runs, "dirty_monitor": runs, "health_monitor": runs, "task_executor": null,
            },
            "metadata_driven_stats": {
                "total_buckets": self.total_buckets(),
                "total_backends": total,
                "dirty_backends": dirty,
                "dirty_count": dirty.len(),
                "unhealthy_backends": unhealthy,
                "unhealthy_count": unhealthy.len(),
                "degraded_backends": of(Health::Degraded),
                "unknown_backends": of(Health::Unknown),
                "filesystem_backends": self.on_disk(),
                "last_bucket_scan": self.analysis.observed_at as f64 / 1e6,
                "bucket_scan_age_seconds": 0.0,
            },
            "task_management": {
                "active_tasks": zero, "queued_tasks": zero, "completed_tasks": zero,
                "active_task_ids": running.then_some(json!([])),
            },
            "pin_mapping_summary": {
                "total_pins": pins["total_pins"],
                "backends_with_pins": pins["backends_with_pins"],
                "total_unique_cids": pins["total_unique_cids"],
                "average_redundancy": average,
                "status_distribution": pins["pin_status_distribution"],
                "failed_pin_backends": self.with_status("failed").len(),
                "pending_pin_backends": self.with_status("pending").len(),
                "complete": pins["complete"],
            },
            "backend_health_summary": {
                "healthy_backends": healthy,
                "total_monitored": total,
                "health_percentage": 100.0 * healthy as f64 / total.max(1) as f64,
            },
            "intervals": {
                "bucket_scan_seconds": observes, "dirty_check_seconds": looks, "health_check_seconds": observes,
                "task_check_seconds": null, "backup_check_seconds": observes,
            },
            "last_health_check": last_check.map(time::format),
            "backend_status_details": self.health.iter().map(|one| (&one.name, self.details(&one.name, &needing_sync))).collect::<BTreeMap<_, _>>(),
            "daemon": self.daemon,
            "unreadable": self.unreadable_files(),
        })
    }

    fn details(&self, name: &str, needing_sync: &[&str]) -> Value {
        let health = self.health.iter().find(|one| one.name == name);
        let found = self.registries.registered(name);
        let state = health.map(|one| one.state);
        let reasons = health.map(super::BackendHealth::reasons).unwrap_or_default();
        let lacks_backup =
            matches!(self.backup(name), Some(Backup::Missing | Backup::Differs(_) | Backup::Unreadable(_)));
        let healthy = state.filter(|state| *state != Health::Unknown).map(|state| state == Health::Healthy);
        json!({
            "healthy": healthy,
            "last_check": found.and_then(|found| found.last_check).map(time::format),
            "response_time_ms": found.and_then(|found| found.response_time_ms),
            "pin_count": self.analysis.backend(name).and_then(|one| one.counts()).map(|counts| counts.pins),
            "needs_sync": needing_sync.contains(&name),
            "needs_backup": lacks_backup,
            "backup": self.backup(name).map(Backup::word),
            "error": found.and_then(|found| found.error.as_deref()).or(reasons.first().copied()),
            "state": state,
            "reasons": reasons,
        })
    }
}

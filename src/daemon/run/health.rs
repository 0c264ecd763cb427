//! How well backends are: judged with each observation by what is at hand, and by what probes have found.

use std::collections::BTreeMap;

use super::Daemon;
use crate::daemon::alerts;
use crate::daemon::{
    Analysis, BackendAnalysis, BackendHealth, Evidence, Registries, ServiceCheck, UnreadableFile,
};

impl Daemon {
    /// Judges all backends.
    pub(super) async fn judge(&self, analysis: &Analysis) -> BTreeMap<String, BackendHealth> {
        let registries = Registries::read(&self.lenient).await.unwrap_or_else(|error| {
            let reason = alerts::sentence(&error);
            tracing::warn!(problem = %reason, "registries cannot be read");
            // What is not known is not well.
            let lost = |what| UnreadableFile { what, reason: reason.clone() };
            Registries {
                unreadable: ["registry", "buckets", "dirty"].map(lost).into(),
                ..Registries::default()
            }
        });
        let reached = self.answers.by_backend();
        let judge = |backend: &BackendAnalysis| {
            let probe = reached.get(&backend.name).map(|reached| ServiceCheck {
                by: "probe".into(),
                at: Some(reached.at.timestamp_micros()),
                is_up: Some(reached.reachable),
                error: (!reached.reachable).then(|| reached.detail.clone()),
            });
            let evidence = Evidence {
                backup: self.seen.backup(&backend.name),
                registries: Some(&registries),
                probes: probe.into_iter().collect(),
            };
            let health = BackendHealth::judge(backend, &evidence, &self.config.health, analysis.observed_at);
            (backend.name.clone(), health)
        };
        analysis.backends.iter().map(judge).collect()
    }
}

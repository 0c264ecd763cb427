//! All that is known of a data directory at one time: what the documents and pages of `daemon intelligent` are made of.

use std::collections::BTreeMap;

use serde_json::Value;

use super::analysis::mark;
use super::backup::damaged_mappings;
use super::observe::analyze_within;
use super::rows::Rows;
use super::{
    Analysis, BackendHealth, BackendState, Backup, HealthThresholds, Redundancy, Registries, analyze_backend,
    judge_all,
};
use crate::error::{Error, Result};
use crate::migrate::Progress;
use crate::report::Bindings;
use crate::session::{Session, Skipped};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What is cheap enough to be asked every minute.
    Plain,
    /// Also all backups against their mappings, and CIDs by their text, for which nothing is sorted.
    Full,
}

/// All that is known.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The mappings.
    pub analysis: Analysis,
    /// What other tools have left word of.
    pub registries: Registries,
    /// The backups by backend.
    pub backups: Vec<(String, Backup)>,
    /// How well each backend is, by name.
    pub health: Vec<BackendHealth>,
    /// CIDs by their text, as the older tool counted them; only with [`Detail::Full`].
    pub by_text: Option<ByText>,
    /// What a daemon that runs says of itself.
    pub daemon: Option<Value>,
}

/// CIDs counted by their text: `Qm…` and `bafybei…` of one block are two, and what is no CID is one as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ByText {
    /// Texts by the number of backends that have a mapping with it, whatever its status.
    pub by_backends: BTreeMap<u64, u64>,
}

const TEXTS: &str = "
SELECT backends, COUNT(*) AS cids
FROM (SELECT cid, COUNT(DISTINCT backend_name) AS backends FROM pins WHERE cid IS NOT NULL GROUP BY cid)
GROUP BY backends";

impl Facts {
    /// Reads all there is, at a time in microseconds since 1970.
    ///
    /// # Errors
    /// As [`analyze`](super::analyze). What cannot be read of one backend or registry is told in the facts.
    pub async fn gather(
        session: &Session,
        now: i64,
        thresholds: &HealthThresholds,
        detail: Detail,
    ) -> Result<Facts> {
        let at_once = session.at_once();
        let (mut analysis, mut by_text) = count(&at_once, now, detail).await?;
        let registries = Registries::read(session).await?;
        let (backups, damaged) = backups(session, &analysis, now, detail).await?;
        if !damaged.is_empty() {
            // From here on they are in no number.
            at_once.query_without("SELECT 1", &Bindings::default(), &damaged).await?;
            (analysis, by_text) = count(&at_once, now, detail).await?;
        }
        let health = judge_all(&analysis, &backups, &registries, thresholds);
        let daemon = super::hold::status(session.data_dir());
        Ok(Facts { analysis, registries, backups, health, by_text, daemon })
    }

    /// Reads what tells how well one backend is: no other is opened, and copies are not counted.
    ///
    /// # Errors
    /// If there is no such backend and none is registered, and as [`analyze_backend`].
    pub async fn gather_one(
        session: &Session,
        name: &str,
        now: i64,
        thresholds: &HealthThresholds,
        detail: Detail,
    ) -> Result<Facts> {
        let registries = Registries::read(session).await?;
        let backends = match analyze_backend(session, name, now).await {
            Err(Error::Unknown { .. }) if registries.registered(name).is_some() => vec![],
            backend => vec![backend?],
        };
        let mut analysis = Analysis::of(now, backends, Redundancy::default());
        let (backups, damaged) = backups(session, &analysis, now, detail).await?;
        mark(&mut analysis.backends, &damaged);
        let mut health = judge_all(&analysis, &backups, &registries, thresholds);
        health.retain(|one| one.name == name);
        Ok(Facts {
            analysis,
            registries,
            backups,
            health,
            by_text: None,
            daemon: super::hold::status(session.data_dir()),
        })
    }

    /// Whether something could not be read, so that numbers lack it.
    pub fn is_complete(&self) -> bool {
        self.analysis.is_complete() && self.registries.unreadable.is_empty()
    }

    /// What could not be read, a line each.
    pub fn unreadable(&self) -> Vec<String> {
        let backends = self.analysis.unreadable().map(|backend| {
            format!("unreadable backend {}: {}", backend.name, backend.reason.as_deref().unwrap_or("unknown"))
        });
        let files = self.registries.unreadable.iter();
        backends.chain(files.map(|file| format!("unreadable, for {}: {}", file.what, file.reason))).collect()
    }

    /// The names of all backends: those with a directory, and those that only the registry knows.
    pub fn names(&self) -> Vec<&str> {
        self.health.iter().map(|backend| backend.name.as_str()).collect()
    }

    /// The type of a backend, as its configuration or else the registry says.
    pub fn kind(&self, name: &str) -> Option<&str> {
        let own = self.analysis.backend(name).and_then(|backend| backend.kind.as_deref());
        own.or_else(|| self.registries.registered(name)?.kind.as_deref())
    }

    /// The backup of a backend.
    pub fn backup(&self, name: &str) -> Option<&Backup> {
        self.backups.iter().find(|(of, _)| of == name).map(|(_, backup)| backup)
    }
}

/// The analysis and the texts of the same files. A backend whose texts turn out to be damaged is in no number of either.
async fn count(at_once: &Session, now: i64, detail: Detail) -> Result<(Analysis, Option<ByText>)> {
    let analysis = analyze_within(at_once, now).await?;
    if detail == Detail::Plain {
        return Ok((analysis, None));
    }
    let (by_text, skipped) = ByText::read(at_once).await?;
    let is_known = |one: &Skipped| analysis.unreadable().any(|backend| backend.name == one.backend);
    let analysis = match skipped.iter().all(is_known) {
        true => analysis,
        false => analyze_within(at_once, now).await?,
    };
    Ok((analysis, Some(by_text)))
}

impl ByText {
    /// Counts them, and names the backends that could not be read until then.
    async fn read(session: &Session) -> Result<(ByText, Vec<Skipped>)> {
        let rows = Rows::of(session, TEXTS, vec![]).await?;
        let by_backends = rows.iter().map(|row| (row.count("backends"), row.count("cids"))).collect();
        Ok((ByText { by_backends }, rows.skipped))
    }

    /// Different texts.
    pub fn cids(&self) -> u64 {
        self.by_backends.values().sum()
    }

    /// Backends for each text on average; `None` if there are no texts.
    pub fn average(&self) -> Option<f64> {
        let backends: u64 = self.by_backends.iter().map(|(backends, cids)| backends * cids).sum();
        (self.cids() > 0).then(|| backends as f64 / self.cids() as f64)
    }
}

/// The backups of all backends with mappings of their own, and the backends whose mappings turned out to be damaged.
async fn backups(
    session: &Session,
    analysis: &Analysis,
    now: i64,
    detail: Detail,
) -> Result<(Vec<(String, Backup)>, Vec<Skipped>)> {
    let own = |name: &str| {
        let state = analysis.backend(name).map(|backend| backend.state);
        matches!(state, Some(BackendState::Ready | BackendState::Empty))
    };
    let session = session.clone();
    let dirs: Vec<_> = session.data_dir().backends()?.into_iter().filter(|dir| own(&dir.name)).collect();
    let looked = tokio::task::spawn_blocking(move || {
        let (mut backups, mut damaged) = (Vec::new(), Vec::new());
        for dir in dirs {
            let looked = match detail {
                Detail::Plain => Ok(Backup::glance(&dir)),
                Detail::Full => Backup::compare(&session, &dir, now, &Progress::default()),
            };
            match looked {
                Ok(backup) => backups.push((dir.name, backup)),
                Err(error) => damaged.push(damaged_mappings(error)?),
            }
        }
        Ok((backups, damaged))
    });
    looked
        .await
        .unwrap_or_else(|failed| Err(Error::Engine { message: format!("the work panicked: {failed}") }))
}

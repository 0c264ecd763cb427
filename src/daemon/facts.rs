//! All that is known of a data directory at one time: what the documents and pages of `daemon intelligent` are made of.

use std::collections::BTreeMap;

use serde_json::Value;

use super::analysis::mark;
use super::backup::damaged_mappings;
use super::observe::{HERE, analyze_of_within, analyze_within};
use super::rows::Rows;
use super::{
    Analysis, BackendHealth, BackendState, Backup, HealthThresholds, Redundancy, Registries, analyze_backend,
    judge_all,
};
use crate::error::{Error, Result};
use crate::migrate::Progress;
use crate::report::{Bindings, Value as Bound};
use crate::session::{Session, Skipped};

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What is cheap enough to be asked every minute.
    Plain,
    /// Also all backups against their mappings, and CIDs by their text, for which nothing is sorted.
    Full,
}

/// All that is known, or what is known of one backend.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The one backend that all of it is about. Its contents are by their copies on all backends.
    pub of: Option<String>,
    /// Other backends that cannot be read: what they have is in no number of copies.
    pub without: Vec<Skipped>,
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

/// Texts by their backends, of those that hold a condition as a whole.
fn texts_sql(having: &str) -> String {
    format!(
        "SELECT backends, COUNT(*) AS cids
        FROM (
            SELECT cid, COUNT(DISTINCT backend_name) AS backends
            FROM pins
            WHERE cid IS NOT NULL
            GROUP BY cid
            {having}
        )
        GROUP BY backends"
    )
}

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
        let registries = Registries::read(session).await?;
        Facts::counted(session, None, registries, now, thresholds, detail).await
    }

    /// Reads all there is of one backend, and what copies its contents have on all.
    ///
    /// # Errors
    /// If there is no such backend and none is registered, and as [`Facts::gather`].
    pub async fn gather_of(
        session: &Session,
        name: &str,
        now: i64,
        thresholds: &HealthThresholds,
        detail: Detail,
    ) -> Result<Facts> {
        let registries = Registries::read(session).await?.of(name);
        match Facts::counted(session, Some(name), registries.clone(), now, thresholds, detail).await {
            Err(Error::Unknown { .. }) if registries.registered(name).is_some() => {
                let analysis = Analysis::of(now, vec![], Redundancy::default());
                Ok(Facts::judged(session, Some(name), analysis, vec![], registries, thresholds))
            }
            facts => facts,
        }
    }

    /// Reads what tells how well one backend is: no other is opened, and copies are not counted.
    ///
    /// # Errors
    /// If there is no such backend and none is registered, and as [`analyze_backend`].
    pub async fn gather_health(
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
        Ok(Facts::judged(session, Some(name), analysis, backups, registries, thresholds))
    }

    /// Counts the mappings of all backends, or of one.
    async fn counted(
        session: &Session,
        of: Option<&str>,
        registries: Registries,
        now: i64,
        thresholds: &HealthThresholds,
        detail: Detail,
    ) -> Result<Facts> {
        let at_once = session.at_once();
        let (mut analysis, mut by_text) = count(&at_once, of, now, detail).await?;
        let (backups, damaged) = backups(session, &analysis, now, detail).await?;
        if !damaged.is_empty() {
            // From here on they are in no number.
            at_once.query_without("SELECT 1", &Bindings::default(), &damaged).await?;
            (analysis, by_text) = count(&at_once, of, now, detail).await?;
        }
        Ok(Facts { by_text, ..Facts::judged(session, of, analysis, backups, registries, thresholds) })
    }

    /// Judges what has been read of all backends, or of one.
    fn judged(
        session: &Session,
        of: Option<&str>,
        analysis: Analysis,
        backups: Vec<(String, Backup)>,
        registries: Registries,
        thresholds: &HealthThresholds,
    ) -> Facts {
        let mut health = judge_all(&analysis, &backups, &registries, thresholds);
        health.retain(|one| of.is_none_or(|name| one.name == name));
        let others =
            analysis.redundancy.skipped.iter().filter(|one| analysis.backend(&one.backend).is_none());
        Facts {
            of: of.map(str::to_owned),
            without: others.cloned().collect(),
            analysis,
            registries,
            backups,
            health,
            by_text: None,
            daemon: super::hold::status(session.data_dir()),
        }
    }

    /// Whether something could not be read, so that numbers lack it.
    pub fn is_complete(&self) -> bool {
        self.has_all_mappings() && self.registries.unreadable.is_empty()
    }

    /// Whether the mappings of all backends could be read that the numbers are of.
    pub(super) fn has_all_mappings(&self) -> bool {
        self.analysis.is_complete() && self.without.is_empty()
    }

    /// The backends that could not be read, and why.
    pub fn unreadable_backends(&self) -> impl Iterator<Item = (&str, String)> {
        let own = self.analysis.unreadable().map(|backend| {
            (backend.name.as_str(), backend.reason.clone().unwrap_or_else(|| "unknown".into()))
        });
        let others = self.without.iter();
        own.chain(others.map(|one| (one.backend.as_str(), format!("{}: {}", one.path, one.reason))))
    }

    /// What could not be read, a line each.
    pub fn unreadable(&self) -> Vec<String> {
        let backends =
            self.unreadable_backends().map(|(name, reason)| format!("unreadable backend {name}: {reason}"));
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

    /// The backends whose backups nobody has compared with their mappings to the end.
    pub fn not_compared(&self) -> Vec<&str> {
        let has_pins = |name: &String| self.analysis.with_pins().any(|backend| backend.name == *name);
        let backups = self.backups.iter().filter(|(name, backup)| backup.is_not_compared() && has_pins(name));
        backups.map(|(name, _)| name.as_str()).collect()
    }

    /// The backup of a backend.
    pub fn backup(&self, name: &str) -> Option<&Backup> {
        self.backups.iter().find(|(of, _)| of == name).map(|(_, backup)| backup)
    }
}

/// The analysis and the texts of the same files. A backend whose texts turn out to be damaged is in no number of either.
async fn count(
    at_once: &Session,
    of: Option<&str>,
    now: i64,
    detail: Detail,
) -> Result<(Analysis, Option<ByText>)> {
    let analyze = async || match of {
        None => analyze_within(at_once, now).await,
        Some(name) => analyze_of_within(at_once, name, now).await,
    };
    let analysis = analyze().await?;
    if detail == Detail::Plain {
        return Ok((analysis, None));
    }
    let (by_text, skipped) = ByText::read(at_once, of).await?;
    let is_known = |one: &Skipped| {
        analysis.unreadable().any(|backend| backend.name == one.backend)
            || analysis.redundancy.skipped.iter().any(|known| known.backend == one.backend)
    };
    let analysis = match skipped.iter().all(is_known) {
        true => analysis,
        false => analyze().await?,
    };
    Ok((analysis, Some(by_text)))
}

impl ByText {
    /// Counts them, and names the backends that could not be read until then.
    async fn read(session: &Session, of: Option<&str>) -> Result<(ByText, Vec<Skipped>)> {
        let (having, values) = match of {
            None => ("", vec![]),
            Some(name) => (HERE, vec![("name", Bound::Text(name.to_owned()))]),
        };
        let rows = Rows::of(session, &texts_sql(having), values).await?;
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

//! What older tools know of backends and buckets, from the system tables `registry`, `buckets` and `dirty`. What of it cannot
//! be read is named, and the rest goes on.

use serde::Serialize;

use super::rows::{Row, Rows};
use crate::error::{Error, Result};
use crate::pin::counted;
use crate::session::Session;
use crate::store::dirty::Dirty;

/// All that other tools have left word of. Times are in microseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registries {
    /// The backends of the registry, by name.
    pub registered: Vec<Registered>,
    /// The buckets, by name.
    pub buckets: Vec<Bucket>,
    /// What waits to be synced, by backend.
    pub dirty: Vec<Dirty>,
    /// What could not be read.
    pub unreadable: Vec<UnreadableFile>,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadableFile {
    /// What it would have told: `registry`, `buckets` or `dirty`.
    pub what: &'static str,
    /// The file and what is wrong with it.
    pub reason: String,
}

/// A backend of the registry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registered {
    /// Its name. There may be no directory of that name.
    pub name: String,
    /// Its type.
    pub kind: Option<String>,
    /// `healthy`, `unhealthy`, `online`, `offline`, `unreachable`, `configured`, `referenced` or another word.
    pub status: Option<String>,
    /// When it was looked at last.
    pub last_check: Option<i64>,
    /// How long it took to answer then, in milliseconds.
    pub response_time_ms: Option<f64>,
    /// What was wrong.
    pub error: Option<String>,
    /// Its pins, as the tool counted them.
    pub pin_count: Option<i64>,
    /// Whether the registry says that it waits to be synced.
    pub is_dirty: Option<bool>,
}

/// A bucket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The backends that it is on.
    pub backends: Vec<String>,
    /// Its pins, as the tool counted them.
    pub pin_count: Option<i64>,
    /// When it was backed up last.
    pub last_backup: Option<i64>,
    /// Which of the older tools wrote it; only the daemon knew of backups.
    pub written_by: String,
    /// The file that says so. Several may tell of one bucket.
    pub source: String,
}

impl Registries {
    /// Reads all there is.
    ///
    /// # Errors
    /// Only if the session's limits do not suffice: files that cannot be read are [`Registries::unreadable`].
    pub async fn read(session: &Session) -> Result<Registries> {
        let mut found = Registries::default();
        let rows = found.rows(
            session,
            "registry",
            "SELECT * FROM registry WHERE name IS NOT NULL ORDER BY name, last_check",
        );
        found.registered = rows.await?.iter().map(|row| Registered::of(&row)).collect();
        let rows = found.rows(
            session,
            "buckets",
            "SELECT * FROM buckets WHERE name IS NOT NULL ORDER BY name, source",
        );
        for row in rows.await?.iter() {
            match row.text("problem") {
                Some(reason) => found.unreadable.push(UnreadableFile { what: "buckets", reason }),
                None => found.buckets.push(Bucket::of(&row)),
            }
        }
        let rows = found.rows(session, "dirty", "SELECT * FROM dirty ORDER BY backend_name").await?;
        found.dirty = rows.iter().map(|row| noted(&row)).collect();
        let problems = found.dirty.iter().filter_map(|note| note.problem.clone());
        let problems: Vec<_> = problems.map(|reason| UnreadableFile { what: "dirty", reason }).collect();
        found.unreadable.extend(problems);
        Ok(found)
    }

    /// The same of one backend alone: its row, the buckets that it is in, and its note. Files that tell of several and could not be
    /// read stay named.
    pub(super) fn of(mut self, name: &str) -> Registries {
        self.registered.retain(|one| one.name == name);
        self.buckets.retain(|bucket| bucket.backends.iter().any(|backend| backend == name));
        let (own, others): (Vec<_>, Vec<_>) =
            self.dirty.into_iter().partition(|note| note.backend_name == name);
        self.dirty = own;
        let is_others = |file: &UnreadableFile| {
            others.iter().any(|note| file.what == "dirty" && note.problem.as_ref() == Some(&file.reason))
        };
        self.unreadable.retain(|file| !is_others(file));
        self
    }

    /// The rows of one table; none, and a word on it, if its file cannot be read.
    async fn rows(&mut self, session: &Session, what: &'static str, sql: &str) -> Result<Rows> {
        match Rows::of(session, sql, vec![]).await {
            Err(Error::UnreadableRegistry { path, reason }) => {
                self.unreadable.push(UnreadableFile { what, reason: format!("{path}: {reason}") });
                Ok(Rows::default())
            }
            Err(Error::Read { path, source }) => {
                self.unreadable
                    .push(UnreadableFile { what, reason: format!("{}: {source}", path.display()) });
                Ok(Rows::default())
            }
            rows => rows,
        }
    }

    /// What the registry says of a backend; of several rows the last one that was looked at.
    pub fn registered(&self, name: &str) -> Option<&Registered> {
        self.registered.iter().filter(|backend| backend.name == name).max_by_key(|backend| backend.last_check)
    }

    /// What is noted of a backend.
    pub fn dirty(&self, name: &str) -> Option<&Dirty> {
        self.dirty.iter().find(|note| note.backend_name == name)
    }

    /// Whether one of these could not be read.
    pub fn lacks(&self, what: &str) -> bool {
        self.unreadable.iter().any(|file| file.what == what)
    }

    /// The backends that wait to be synced, as notes or the registry say.
    pub fn dirty_backends(&self) -> Vec<&str> {
        let noted =
            self.dirty.iter().filter(|note| note.is_dirty == Some(true)).map(|note| &note.backend_name);
        let registered = self.registered.iter().filter(|one| one.is_dirty == Some(true)).map(|one| &one.name);
        let mut names: Vec<&str> = noted.chain(registered).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Registered {
    fn of(row: &Row<'_>) -> Registered {
        Registered {
            name: row.text("name").unwrap_or_default(),
            kind: row.text("type"),
            status: row.text("status"),
            last_check: row.time("last_check"),
            response_time_ms: row.float("response_time_ms"),
            error: row.text("error"),
            pin_count: row.number("pin_count"),
            is_dirty: row.truth("is_dirty"),
        }
    }

    /// Whether its service answered; `None` if the status says nothing of that.
    pub fn is_up(&self) -> Option<bool> {
        match self.status.as_deref()? {
            "healthy" | "online" => Some(true),
            "unhealthy" | "offline" | "unreachable" | "error" | "failed" => Some(false),
            _ => None,
        }
    }

    /// A word on the status, if nobody knows what it means.
    pub(super) fn unknown_status(&self) -> Option<String> {
        let status = self.status.as_deref()?;
        let is_known = self.is_up().is_some() || matches!(status, "configured" | "referenced");
        (!is_known).then(|| format!("its status is `{status}`"))
    }
}

impl Bucket {
    fn of(row: &Row<'_>) -> Bucket {
        Bucket {
            name: row.text("name").unwrap_or_default(),
            backends: row.texts("backends"),
            pin_count: row.number("pin_count"),
            last_backup: row.time("last_backup"),
            written_by: row.text("written_by").unwrap_or_default(),
            source: row.text("source").unwrap_or_default(),
        }
    }
}

fn noted(row: &Row<'_>) -> Dirty {
    let number = |name| row.number(name).and_then(|number| u64::try_from(number).ok());
    Dirty {
        backend_name: row.text("backend_name").unwrap_or_default(),
        is_dirty: row.truth("is_dirty"),
        actions: number("actions"),
        unsynced_actions: number("unsynced_actions"),
        affected_cids: number("affected_cids"),
        reason: row.text("reason"),
        marked_at: row.time("marked_at"),
        last_updated: row.time("last_updated"),
        last_sync: row.time("last_sync"),
        has_flag: row.truth("has_flag").unwrap_or_default(),
        problem: row.text("problem"),
    }
}

/// A length of time as people say it.
pub(super) fn span(micros: i64) -> String {
    let seconds = u64::try_from(micros / 1_000_000).unwrap_or_default();
    match seconds {
        0..120 => counted(seconds, "second", "seconds"),
        120..7_200 => counted(seconds / 60, "minute", "minutes"),
        7_200..172_800 => counted(seconds / 3_600, "hour", "hours"),
        _ => counted(seconds / 86_400, "day", "days"),
    }
}

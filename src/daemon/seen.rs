//! What has been read of the backends, and what of it must be read anew.
//!
//! What is of one backend alone is read again only where the backend has changed. Copies are of all backends together: they are
//! counted anew for the contents that have changed ([`Recount`]), or for all if these are many.
//!
//! A `backends/` that was there and is gone, a mount perhaps, is no collection without backends: nothing is observed until it is back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use tokio::time::Instant;

use super::observe::{analyze_backend_with, analyze_backends_within, list_backend_within};
use super::picture::Counts;
use super::recount::{Recount, Since};
use super::watch::Sight;
use super::{Analysis, BackendAnalysis, BackendState, Backup, Contents, Redundancy, analyze_backend};
use crate::catalog::FilesOfBackend;
use crate::error::{Error, Result};
use crate::session::Session;
use crate::store::{DataDir, layout};

/// What has been read, and what the files were like before.
#[derive(Debug, Default)]
pub(super) struct Seen {
    sight: Sight,
    /// Whether `backends/` has ever been there.
    was_there: bool,
    /// Whether the latest attempt to read has failed, or was left: then there is something to be read, changed or not.
    failed: bool,
    backends: BTreeMap<String, BackendAnalysis>,
    /// The mappings that these tell of.
    files: BTreeMap<String, FilesOfBackend>,
    copies: Option<Recount>,
    /// What a glance at their backups told.
    backups: BTreeMap<String, Backup>,
}

impl Seen {
    /// What a daemon begins with; `was_there` tells whether one before it has seen backends.
    pub fn new(was_there: bool) -> Seen {
        Seen { was_there, ..Seen::default() }
    }

    /// Whether a backend is not what it was when it was read. A directory that cannot be listed has changed.
    pub async fn has_changed(&self, data: &DataDir) -> bool {
        if self.failed {
            return true;
        }
        match look(data).await {
            Ok(sight) => !sight.changed_since(&self.sight).is_empty(),
            Err(_) => true,
        }
    }

    /// Reads what has changed, and gives what is true of all backends now.
    ///
    /// # Errors
    /// If the data directory cannot be listed or `backends/` is gone, or a limit is not enough. What could not be read is read the
    /// next time.
    pub async fn read(&mut self, session: &Session, at: i64, counts: &mut Counts) -> Result<Analysis> {
        let failed = std::mem::replace(&mut self.failed, true);
        let mut analysis = self.read_as_listed(session, at, failed, counts).await;
        // Gone since the look, it may have been read as one without backends.
        if let Err(gone) = self.still_there(session.data_dir()).await {
            (self.sight, self.copies) = (Sight::default(), None);
            analysis = Err(gone);
        }
        self.failed = analysis.is_err();
        analysis
    }

    async fn read_as_listed(
        &mut self,
        session: &Session,
        at: i64,
        failed: bool,
        counts: &mut Counts,
    ) -> Result<Analysis> {
        self.still_there(session.data_dir()).await?;
        // Before anything is read: what changes from here on is seen the next time.
        let sight = look(session.data_dir()).await?;
        let mut changed = sight.changed_since(&self.sight);
        self.backends.retain(|name, _| sight.has(name));
        self.try_unreadable(session, at, &mut changed).await;
        for backend in self.backends.values_mut() {
            backend.kind = session.data_dir().backend_type(&backend.name);
        }
        if changed.is_empty()
            && !failed
            && let Some(copies) = &self.copies
        {
            return Ok(Analysis::of(
                at,
                self.backends.values().cloned().collect(),
                copies.redundancy.clone(),
            ));
        }
        let now = session.at_once();
        let others = self.keep_counts(&now, at, &changed, &sight).await?;
        // Until all has been read, nothing is known of these.
        changed.iter().for_each(|name| self.sight.forget(name));
        let redundancy = self.count(now, at, others, counts).await?;
        let analysis = Analysis::of(at, self.backends.values().cloned().collect(), redundancy);
        self.backends =
            analysis.backends.iter().map(|backend| (backend.name.clone(), backend.clone())).collect();
        self.glance(session.data_dir(), changed).await?;
        self.sight = sight;
        Ok(analysis)
    }

    /// Looks whether `backends/` is there.
    ///
    /// # Errors
    /// If it is not, and was.
    async fn still_there(&mut self, data: &DataDir) -> Result<()> {
        let data = data.clone();
        let place = data.root().join(layout::BACKENDS);
        let looked = tokio::task::spawn_blocking(move || data.has_backends()).await;
        let is_there = looked.map_err(|error| Error::Engine { message: error.to_string() })?;
        if self.was_there && !is_there {
            let gone = io::Error::new(io::ErrorKind::NotFound, "it was there before and is gone");
            return Err(Error::Read { path: place, source: gone });
        }
        self.was_there |= is_there;
        Ok(())
    }

    /// What a glance at the backup of a backend has told.
    pub fn backup(&self, name: &str) -> Option<&Backup> {
        self.backups.get(name)
    }

    /// Looks at the backups of those that have changed.
    async fn glance(&mut self, data: &DataDir, changed: BTreeSet<String>) -> Result<()> {
        self.backups.retain(|name, _| self.backends.contains_key(name));
        let data = data.clone();
        let glanced = tokio::task::spawn_blocking(move || -> Result<Vec<_>> {
            let dirs = data.backends()?.into_iter().filter(|dir| changed.contains(&dir.name));
            Ok(dirs.map(|dir| (dir.name.clone(), Backup::glance(&dir))).collect())
        });
        let glanced = glanced.await.map_err(|error| Error::Engine { message: error.to_string() })?;
        self.backups.extend(glanced?);
        Ok(())
    }

    /// What could not be read may be readable by now, without a change of its own: then it has changed.
    async fn try_unreadable(&self, session: &Session, at: i64, changed: &mut BTreeSet<String>) {
        let unreadable = self.backends.values().filter(|backend| backend.state == BackendState::Unreadable);
        for BackendAnalysis { name, reason, .. } in unreadable {
            if !changed.contains(name)
                && let Ok(now) = analyze_backend(session, name, at).await
                && (now.state != BackendState::Unreadable || now.reason != *reason)
            {
                changed.insert(name.clone());
            }
        }
    }

    /// Lists those anew whose mappings are still the same, and keeps what was counted in them. Gives the others.
    async fn keep_counts(
        &mut self,
        now: &Session,
        at: i64,
        changed: &BTreeSet<String>,
        sight: &Sight,
    ) -> Result<BTreeSet<String>> {
        let files = now.files().await?;
        let mut others = BTreeSet::new();
        for name in changed {
            let same = sight.has_same_mappings(name, &self.sight) && self.are_of(&files, name);
            let listed = if same { list_backend_within(now, name, at).await? } else { None };
            match (listed, self.backends.get_mut(name)) {
                (Some(now), Some(known)) if now.state == BackendState::Ready && known.pins.is_some() => {
                    *known = BackendAnalysis { pins: known.pins.take(), ..now };
                }
                _ => drop(others.insert(name.clone())),
            }
        }
        Ok(others)
    }

    /// Whether what was counted in a backend alone was counted in these files.
    fn are_of(&self, files: &BTreeMap<String, FilesOfBackend>, name: &str) -> bool {
        matches!((files.get(name), self.files.get(name)), (Some(Ok(files)), Some(Ok(counted))) if files == counted)
    }

    /// Counts what is of the `changed` backends alone, and the copies on all.
    async fn count(
        &mut self,
        now: Session,
        at: i64,
        changed: BTreeSet<String>,
        counts: &mut Counts,
    ) -> Result<Redundancy> {
        let (files, begun) = (now.files().await?, Instant::now());
        // What was counted last stays true of its own files, whatever fails from here on.
        let since = match &self.copies {
            Some(before) => before.since(&now).await.ok().flatten(),
            None => None,
        };
        let mut took = begun.elapsed();
        let contents = |name: &String| Some((name.clone(), self.contents_after(since.as_ref()?, name)?));
        let known: BTreeMap<String, _> = changed.iter().filter_map(contents).collect();
        let (unknown, all) = (changed.len() - known.len(), files.len());
        match unknown * 2 > all && all > 1 {
            true => self.read_all(&now, at, &files, counts).await?,
            false => self.read_changed(&now, at, &changed, &known, &files, counts).await?,
        }
        // What was found damaged meanwhile is not to be among the copies.
        let since = since.filter(|since| since.recount.files == files);
        let begun = Instant::now();
        let recount = match (since, now.files().await? == files) {
            (Some(since), true) => since.recount,
            _ => Recount::of_all(now).await?,
        };
        took += begun.elapsed();
        counts.redundancy.add(took);
        Ok(self.copies.insert(recount).redundancy.clone())
    }

    /// The contents of a backend, if what is known of them is of the files that copies were counted in.
    fn contents_after(&self, since: &Since, name: &str) -> Option<(u64, Contents)> {
        let counted = self.copies.as_ref().filter(|copies| self.are_of(&copies.files, name));
        counted.and(self.backends.get(name)?.counts())?.contents_after(since.differences.get(name)?)
    }

    async fn read_all(
        &mut self,
        now: &Session,
        at: i64,
        files: &BTreeMap<String, FilesOfBackend>,
        counts: &mut Counts,
    ) -> Result<()> {
        let backends = analyze_backends_within(now, at).await?;
        counts.backends_read += backends.len() as u64;
        self.backends = backends.into_iter().map(|one| (one.name.clone(), one)).collect();
        self.files = files.clone();
        Ok(())
    }

    async fn read_changed(
        &mut self,
        now: &Session,
        at: i64,
        changed: &BTreeSet<String>,
        known: &BTreeMap<String, (u64, Contents)>,
        files: &BTreeMap<String, FilesOfBackend>,
        counts: &mut Counts,
    ) -> Result<()> {
        for name in changed {
            let since = Instant::now();
            match analyze_backend_with(now, name, at, known.get(name).copied()).await {
                Ok(backend) => {
                    self.backends.insert(name.clone(), backend);
                    self.files.extend(files.get(name).map(|files| (name.clone(), files.clone())));
                }
                // It is gone.
                Err(Error::Unknown { .. }) => {
                    self.backends.remove(name);
                    self.files.remove(name);
                }
                Err(error) => return Err(error),
            }
            counts.backends_read += 1;
            counts.backend.add(since.elapsed());
        }
        Ok(())
    }
}

/// Directories may be slow to list: not on a thread that others wait for.
async fn look(data: &DataDir) -> Result<Sight> {
    let data = data.clone();
    let looked = tokio::task::spawn_blocking(move || Sight::take(&data)).await;
    looked.map_err(|error| Error::Engine { message: error.to_string() })?
}

//! The history: observations, appended to a directory of Parquet files that are never changed.
//!
//! Each observation is a file of one row, which appears whole or not at all. Sixteen files of about as many rows are put
//! together into one; it is published before they are removed, and from that moment on counts in their place (see
//! [`observations`]). So a process that is killed loses what it was writing, and nothing else, and nothing is counted twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

use crate::error::{Error, Result};
use crate::format::observations as format;
use crate::store::StagedFile;
use crate::store::observations::{self, ObservationsFile};

/// Files that are put together.
const TOGETHER: usize = 16;
/// Observations of a file that is not put together with others any more, so that the old can be removed in parts.
const MOST_ROWS: u64 = 4096;

/// The history of one data directory, as the one who writes it sees it.
#[derive(Debug)]
pub struct History {
    dir: PathBuf,
    next: u64,
    files: Vec<ObservationsFile>,
    /// Files that cannot be read: they stay where they are, for people to look at.
    damaged: BTreeSet<PathBuf>,
    /// When the newest observation of a file was made, in microseconds since 1970, where that has been looked up.
    newest: BTreeMap<PathBuf, i64>,
}

impl History {
    /// Opens the history in `dir`, or begins one, and removes what a process that was killed has left. Only for who holds the
    /// daemon's lock.
    ///
    /// # Errors
    /// If the directory cannot be made or read.
    pub fn open(dir: &Path) -> Result<History> {
        fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.into(), source })?;
        let listing = observations::list(dir)?;
        observations::remove(&listing.leftovers)?;
        let next = listing.files.last().map_or(1, |file| file.last + 1);
        let (damaged, newest) = Default::default();
        Ok(History { dir: dir.into(), next, files: listing.files, damaged, newest })
    }

    /// How many observations there are.
    pub fn observations(&self) -> u64 {
        self.files.iter().map(ObservationsFile::count).sum()
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// How many files they are in.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Files that turned out to be damaged.
    pub fn damaged(&self) -> impl Iterator<Item = &Path> {
        self.damaged.iter().map(PathBuf::as_path)
    }

    /// When the newest observation was made, in microseconds since 1970, if there is one that can be read.
    pub fn newest(&mut self) -> Option<i64> {
        let file = self.files.last()?.clone();
        self.newest_of(&file)
    }

    /// Whether the newest observations are of backends.
    pub fn has_backends(&self) -> bool {
        let newest = self.files.last().and_then(|file| opened(&file.path).ok());
        newest.is_some_and(format::has_backends)
    }

    /// Adds an observation. Once this returns it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written; the history is what it was then.
    pub fn append(&mut self, row: &RecordBatch) -> Result<()> {
        let mut file = ObservationsFile::new(&self.dir, self.next, self.next);
        file.size = publish(&file.path, 1, |write| write(row))?;
        self.files.push(file);
        self.next += 1;
        Ok(())
    }

    /// Removes the oldest files: those of before `since`, and those beyond `most` bytes; then puts small ones together. Always
    /// keeps the newest. Times are in microseconds; what is stamped later than `now` is as old as what came after it.
    ///
    /// # Errors
    /// If something cannot be written or removed. Each observation is there once all the same.
    pub fn tidy(&mut self, now: i64, since: Option<i64>, most: u64) -> Result<()> {
        // A full disk gets room before more is written.
        while self.files.len() > 1 {
            let (oldest, next) = (self.files[0].clone(), self.files[1].clone());
            let usable = self.newest_of(&oldest).filter(|newest| *newest <= now);
            let age = usable.or_else(|| self.newest_of(&next).filter(|newest| *newest <= now));
            let too_old = since.zip(age).is_some_and(|(since, newest)| newest < since);
            if !too_old && self.bytes() <= most {
                break;
            }
            tracing::debug!(first = oldest.first, last = oldest.last, "removing old observations");
            observations::remove(std::slice::from_ref(&oldest.path))?;
            self.damaged.remove(&oldest.path);
            self.newest.remove(&oldest.path);
            self.files.remove(0);
        }
        self.put_together()
    }

    fn put_together(&mut self) -> Result<()> {
        while let Some(at) = self.alike() {
            let parts = self.files[at..at + TOGETHER].to_vec();
            let Some(whole) = self.merge(&parts)? else { continue };
            self.files.splice(at..at + TOGETHER, [whole]);
            let paths: Vec<_> = parts.into_iter().map(|part| part.path).collect();
            for path in &paths {
                self.newest.remove(path);
            }
            // From here on they do not count any more. If they cannot be removed, the next who opens this does.
            observations::remove(&paths)?;
        }
        Ok(())
    }

    /// Where files begin that are to be put together.
    fn alike(&self) -> Option<usize> {
        let level = |file: &ObservationsFile| {
            let fits = file.count() < MOST_ROWS && !self.damaged.contains(&file.path);
            fits.then(|| file.count().ilog(TOGETHER as u64))
        };
        let alike = |files: &[ObservationsFile]| {
            let first = level(&files[0]);
            first.is_some() && files.iter().all(|file| level(file) == first)
        };
        self.files.windows(TOGETHER).position(alike)
    }

    /// Puts files together; `None` if one of them turned out to be damaged.
    fn merge(&mut self, parts: &[ObservationsFile]) -> Result<Option<ObservationsFile>> {
        let (first, last) = (parts[0].first, parts[parts.len() - 1].last);
        let mut whole = ObservationsFile::new(&self.dir, first, last);
        let mut damaged = None;
        let mut rows = 0;
        for part in parts {
            match opened(&part.path).and_then(format::rows) {
                Ok(found) => rows += found,
                Err(problem) => {
                    tracing::error!(file = %part.path.display(), %problem, "observations are damaged");
                    self.damaged.insert(part.path.clone());
                    return Ok(None);
                }
            }
        }
        let published = publish(&whole.path, rows, |write| {
            for part in parts {
                let batches = opened(&part.path).and_then(format::read);
                let copied = batches.and_then(|batches| {
                    for batch in batches {
                        write(&batch.map_err(|error| error.to_string())?)
                            .map_err(|error| error.to_string())?;
                    }
                    Ok(())
                });
                if let Err(problem) = copied {
                    damaged = Some((part.path.clone(), problem.clone()));
                    return Err(Error::Unproved { path: part.path.clone(), problem });
                }
            }
            Ok(())
        });
        match (published, damaged) {
            (Ok(size), _) => {
                whole.size = size;
                Ok(Some(whole))
            }
            // What the disk does not take is no damage.
            (Err(error), None) => Err(error),
            (Err(_), Some((path, problem))) => {
                tracing::error!(file = %path.display(), %problem, "observations are damaged, or of another version");
                self.damaged.insert(path);
                Ok(None)
            }
        }
    }

    fn newest_of(&mut self, file: &ObservationsFile) -> Option<i64> {
        if let Some(newest) = self.newest.get(&file.path) {
            return Some(*newest);
        }
        let newest = format::newest(opened(&file.path).ok()?)?;
        self.newest.insert(file.path.clone(), newest);
        Some(newest)
    }
}

/// Writes a file of observations, looks whether it can be read and has all rows, and publishes it. Gives its length.
fn publish(
    path: &Path,
    rows: u64,
    fill: impl FnOnce(&mut dyn FnMut(&RecordBatch) -> Result<()>) -> Result<()>,
) -> Result<u64> {
    let failed = |source| Error::Write { path: path.into(), source };
    let mut staged = StagedFile::in_place_of(path)?;
    let mut writer = format::Writer::begin(&mut staged).map_err(failed)?;
    fill(&mut |batch| writer.write(batch).map_err(failed))?;
    writer.finish().map_err(failed)?;
    let back = staged.read_back()?;
    let size = back.metadata().map_err(failed)?.len();
    let found = format::rows(back);
    if found != Ok(rows) {
        let problem = format!("{found:?} rows, and {rows} were written");
        return Err(Error::Unproved { path: path.into(), problem });
    }
    staged.publish()?;
    Ok(size)
}

fn opened(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::daemon::record::{Cause, Observation};
    use crate::daemon::{Analysis, Redundancy};

    const NOW: i64 = 1000;

    fn row(at: i64) -> RecordBatch {
        let analysis = Arc::new(Analysis::of(at, vec![], Redundancy::default()));
        let (reached, health) = Default::default();
        let cause = Cause::Interval;
        Observation { cause, took: Duration::ZERO, analysis, reached, health, alerts_firing: 0 }
            .row()
            .unwrap()
    }

    fn with(observations: i64) -> (TempDir, History) {
        let temp = tempfile::tempdir().unwrap();
        let mut history = History::open(temp.path()).unwrap();
        for at in 1..=observations {
            history.append(&row(at)).unwrap();
            history.tidy(NOW, None, u64::MAX).unwrap();
        }
        (temp, history)
    }

    /// When the observations were made that a reader finds.
    fn found(dir: &Path) -> Vec<i64> {
        use arrow::array::AsArray;
        use arrow::datatypes::TimestampMicrosecondType;
        let files = observations::list(dir).unwrap().files;
        let batches = files.iter().flat_map(|file| format::read(opened(&file.path).unwrap()).unwrap());
        batches
            .flat_map(|batch| {
                batch.unwrap().column(0).as_primitive::<TimestampMicrosecondType>().values().to_vec()
            })
            .collect()
    }

    #[test]
    fn files_are_put_together_and_each_observation_is_there_once() {
        let (temp, history) = with(600);
        assert_eq!(found(temp.path()), (1..=600).collect::<Vec<_>>());
        // 2 of 256, 5 of 16, 8 of 1.
        assert_eq!((history.files(), history.observations()), (15, 600));
        drop(history);
        let mut history = History::open(temp.path()).unwrap();
        assert_eq!((history.newest(), history.has_backends()), (Some(600), false));
    }

    #[test]
    fn a_writer_that_was_killed_before_it_removed_the_parts_counts_nothing_twice() {
        let (temp, history) = with(15);
        let parts: Vec<_> =
            history.files.iter().map(|file| (file.path.clone(), fs::read(&file.path).unwrap())).collect();
        drop(history);
        let mut history = History::open(temp.path()).unwrap();
        history.append(&row(16)).unwrap();
        history.tidy(NOW, None, u64::MAX).unwrap();
        assert_eq!(history.files(), 1);
        for (path, bytes) in parts {
            fs::write(path, bytes).unwrap();
        }
        fs::write(temp.path().join(".000000000017-000000000017.parquet.x.tmp"), "half").unwrap();
        assert_eq!(found(temp.path()), (1..=16).collect::<Vec<_>>());
        let mut history = History::open(temp.path()).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        history.append(&row(17)).unwrap();
        assert_eq!(found(temp.path()), (1..=17).collect::<Vec<_>>());
    }

    #[test]
    fn the_old_goes_by_age_and_by_size_and_the_newest_stays() {
        let (temp, mut history) = with(40);
        history.tidy(NOW, Some(17), u64::MAX).unwrap();
        assert_eq!(found(temp.path()), (17..=40).collect::<Vec<_>>());
        history.tidy(NOW, Some(36), u64::MAX).unwrap();
        assert_eq!(found(temp.path()), (36..=40).collect::<Vec<_>>());
        history.tidy(NOW, None, 1).unwrap();
        assert_eq!(found(temp.path()), [40]);
        history.tidy(NOW, Some(1000), 1).unwrap();
        assert_eq!(found(temp.path()), [40]);
    }

    #[test]
    fn what_tells_no_time_of_its_own_is_as_old_as_what_came_after_it() {
        let temp = tempfile::tempdir().unwrap();
        let mut history = History::open(temp.path()).unwrap();
        for at in [1, NOW + 1, 3, 4, 5] {
            history.append(&row(at)).unwrap();
        }
        fs::write(&history.files[0].path, "no parquet").unwrap();
        // The one after it tells none, either.
        history.tidy(NOW, Some(4), u64::MAX).unwrap();
        assert_eq!(history.files(), 5);
        fs::write(&history.files[0].path, fs::read(&history.files[2].path).unwrap()).unwrap();
        history.tidy(NOW, Some(3), u64::MAX).unwrap();
        assert_eq!(history.files(), 5);
        history.tidy(NOW, Some(4), u64::MAX).unwrap();
        assert_eq!(found(temp.path()), [4, 5]);
    }

    #[test]
    fn a_damaged_file_stays_for_people_and_the_others_go_on() {
        let (temp, history) = with(20);
        let torn = history.files[2].path.clone();
        drop(history);
        fs::write(&torn, "no parquet").unwrap();
        let mut history = History::open(temp.path()).unwrap();
        for at in 21..=60 {
            history.append(&row(at)).unwrap();
            history.tidy(NOW, None, u64::MAX).unwrap();
        }
        assert_eq!(history.damaged().collect::<Vec<_>>(), [torn.as_path()]);
        assert_eq!(fs::read(&torn).unwrap(), b"no parquet");
        fs::remove_file(&torn).unwrap();
        assert_eq!(found(temp.path()), (1..=60).filter(|at| *at != 18).collect::<Vec<_>>());
    }
}

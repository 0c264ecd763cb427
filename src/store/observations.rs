//! The files of a daemon's observations: `<first>-<last>.parquet`, by the numbers of what is in them.
//!
//! A file is never changed. Those of few observations are put together into one, which is published before they are removed;
//! until then both stand there, and [`list`] leaves out what another file has in it. So a reader finds each observation once
//! at every moment, and so does who comes after a crash.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::publish::sync_directory;
use super::{DataDir, layout};
use crate::error::{Error, Result};

/// A file of observations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservationsFile {
    /// Where it lies.
    pub path: PathBuf,
    /// The number of its first observation.
    pub first: u64,
    /// The number of its last one.
    pub last: u64,
    /// In bytes.
    pub size: u64,
}

impl ObservationsFile {
    /// The file of these observations in a directory, which need not be there.
    pub fn new(dir: &Path, first: u64, last: u64) -> ObservationsFile {
        let path = dir.join(format!("{first:012}-{last:012}.{}", layout::PART));
        ObservationsFile { path, first, last, size: 0 }
    }

    /// How many observations there are in it.
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    fn holds(&self, other: &ObservationsFile) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// What a directory of observations holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files that count, by number.
    pub files: Vec<ObservationsFile>,
    /// Files whose observations stand in another one, or that were never finished: to be removed by who writes.
    pub leftovers: Vec<PathBuf>,
}

impl DataDir {
    /// The directory of a daemon, which need not be there.
    pub fn daemon(&self) -> PathBuf {
        layout::DAEMON.iter().fold(self.root().to_owned(), |path, name| path.join(name))
    }
}

/// Lists a directory of observations. One that is not there has none.
///
/// # Errors
/// If it cannot be read.
pub fn list(dir: &Path) -> Result<Listing> {
    let failed = |source| Error::Read { path: dir.into(), source };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(error) => return Err(failed(error)),
    };
    let mut listing = Listing::default();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        match numbers(&name) {
            Some((first, last)) => {
                let size = match entry.metadata() {
                    Ok(metadata) => metadata.len(),
                    // Removed this moment, and what it is in now may not be listed: who opens it sees that, and lists again.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                    Err(error) => return Err(failed(error)),
                };
                listing.files.push(ObservationsFile { path: entry.path(), first, last, size });
            }
            None if name.to_str().and_then(layout::staged).is_some() => listing.leftovers.push(entry.path()),
            None => {}
        }
    }
    // The wider one of two that begin alike comes first.
    listing.files.sort_by_key(|file| (file.first, u64::MAX - file.last));
    let mut widest: Option<ObservationsFile> = None;
    let Listing { files, leftovers } = &mut listing;
    files.retain(|file| {
        let inside = widest.as_ref().is_some_and(|widest| widest.holds(file));
        match inside {
            true => leftovers.push(file.path.clone()),
            false => widest = Some(file.clone()),
        }
        !inside
    });
    Ok(listing)
}

/// Removes files and waits until that is on the disk.
///
/// # Errors
/// If one of them cannot be removed; one that is gone already is none.
pub fn remove(files: &[PathBuf]) -> Result<()> {
    for path in files {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(Error::Write { path: path.clone(), source });
            }
            _ => {}
        }
    }
    match files.last() {
        Some(path) => sync_directory(path).map_err(|source| Error::Write { path: path.clone(), source }),
        None => Ok(()),
    }
}

/// The numbers in the name of a file of observations.
fn numbers(name: &OsStr) -> Option<(u64, u64)> {
    let (name, end) = name.to_str()?.split_once('.')?;
    let (first, last) = name.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (end == layout::PART && first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_wider_file_counts_once() {
        let temp = tempfile::tempdir().unwrap();
        for name in [
            "000000000001-000000000004.parquet",
            "000000000001-000000000001.parquet",
            "000000000004-000000000004.parquet",
            "000000000005-000000000005.parquet",
            ".000000000006-000000000006.parquet.x.tmp",
            "notes.txt",
            "5-4.parquet",
        ] {
            fs::write(temp.path().join(name), "").unwrap();
        }
        let Listing { files, leftovers } = list(temp.path()).unwrap();
        let found: Vec<_> = files.iter().map(|file| (file.first, file.last)).collect();
        assert_eq!(found, [(1, 4), (5, 5)]);
        assert_eq!(files[1].path, ObservationsFile::new(temp.path(), 5, 5).path);
        assert_eq!(leftovers.len(), 3);
        remove(&leftovers).unwrap();
        assert_eq!(list(temp.path()).unwrap().leftovers.len(), 0);
        assert!(list(&temp.path().join("none")).unwrap().files.is_empty());
    }
}

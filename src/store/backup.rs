//! What is replaced is kept: `<file>.backup.<time>` beside the file, never one over another.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime};

use super::publish::{StagedFile, sync_directory};
use super::{layout, plain};
use crate::error::{Error, Result};

/// When something was replaced, as it stands in the name of the backup: `20241124_133405`, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(String);

/// A kept file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it lies.
    pub path: PathBuf,
    /// The name of the file that it was: `pins.json`.
    pub of: &'static str,
    /// What stands behind `.backup.`: later ones are greater.
    pub stamp: String,
    /// In bytes.
    pub size: u64,
}

impl Backup {
    /// Its name in the backend's directory.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Stamp {
    /// The stamp of a time in microseconds since 1970.
    pub fn at(micros: i64) -> Stamp {
        let time =
            DateTime::from_timestamp_micros(micros).map_or(NaiveDateTime::default(), |at| at.naive_utc());
        Stamp(time.format("%Y%m%d_%H%M%S").to_string())
    }

    /// A name that is still free: a second backup of one second gets a number.
    pub fn free_name(&self, file: &Path) -> PathBuf {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let numbered = |number: u32| match number {
            0 => format!("{name}{}{}", layout::BACKUP, self.0),
            _ => format!("{name}{}{}_{number}", layout::BACKUP, self.0),
        };
        let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
        (0..).map(|number| file.with_file_name(numbered(number))).find(is_free).unwrap_or_default()
    }
}

/// Keeps the bytes of `file` under a second name, so that `file` can be replaced. Gives the name.
///
/// Nothing is copied where the file system knows hard links. A file that a run which was stopped has kept already is not
/// kept twice.
pub fn keep(file: &Path, stamp: &Stamp) -> Result<PathBuf> {
    if let Some(kept) = kept_already(file) {
        return Ok(kept);
    }
    let kept = stamp.free_name(file);
    if fs::hard_link(file, &kept).is_err() {
        let source = File::open(file).map_err(|source| Error::Read { path: file.into(), source })?;
        copy(&source, &kept)?;
    }
    sync_directory(&kept).map_err(|source| Error::Write { path: kept.clone(), source })?;
    Ok(kept)
}

/// Keeps the bytes of the open file `source` under the backup's name of `link`, then removes the link.
pub(super) fn copy_away(source: &File, link: &Path, stamp: &Stamp) -> Result<PathBuf> {
    let kept = stamp.free_name(link);
    copy(source, &kept)?;
    let removed = fs::remove_file(link).and_then(|()| sync_directory(link));
    removed.map_err(|source| Error::Write { path: link.into(), source })?;
    Ok(kept)
}

fn copy(mut source: &File, target: &Path) -> Result<()> {
    let mut copy = StagedFile::beside(target)?;
    let copied = source.rewind().and_then(|()| io::copy(&mut source, &mut copy));
    copied.map_err(|source| Error::Write { path: target.into(), source })?;
    copy.publish()
}

/// A backup that is the same file under another name.
fn kept_already(file: &Path) -> Option<PathBuf> {
    let kept = backups(file.parent()?).into_iter().map(|backup| backup.path);
    kept.into_iter().find(|path| is_same_file(path, file))
}

/// Whether both names stand for one file.
#[cfg(unix)]
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
    identity(one).is_some() && identity(one) == identity(other)
}

/// Whether both names stand for one file, which is not asked here.
#[cfg(not(unix))]
pub fn is_same_file(_: &Path, _: &Path) -> bool {
    false
}

/// Whether both are files with the same bytes.
pub fn is_same_content(one: &Path, other: &Path) -> bool {
    let open =
        |path: &Path| File::open(path).ok().filter(|file| file.metadata().is_ok_and(|it| it.is_file()));
    let (Some(one), Some(other)) = (open(one), open(other)) else { return false };
    reads_the_same(&one, &other).unwrap_or(false)
}

/// Whether two files have the same bytes from here on.
pub fn reads_the_same(one: &File, other: &File) -> io::Result<bool> {
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (ours, theirs) = (one.fill_buf()?, other.fill_buf()?);
        let length = ours.len().min(theirs.len());
        if length == 0 || ours[..length] != theirs[..length] {
            return Ok(ours.is_empty() && theirs.is_empty());
        }
        one.consume(length);
        other.consume(length);
    }
}

/// Gives `file` its backup's name, and gives that name.
pub fn move_away(file: &Path, stamp: &Stamp) -> Result<PathBuf> {
    let kept = stamp.free_name(file);
    let failed = |source| Error::Write { path: kept.clone(), source };
    rename_to_free(file, &kept).map_err(failed)?;
    sync_directory(&kept).map_err(failed)?;
    Ok(kept)
}

/// Gives a file that was moved away its name back, unless something stands there by now.
pub(super) fn move_back(kept: &Path, place: &Path) -> Result<()> {
    let moved = rename_to_free(kept, place).and_then(|()| sync_directory(place));
    moved.map_err(|source| Error::Write { path: place.into(), source })
}

/// Puts `staged` in the place of a directory, which gets its backup's name: both at once, or neither.
///
/// # Errors
/// Also where the file system cannot exchange two names at once.
#[cfg(target_os = "linux")]
pub fn exchange(staged: StagedFile, directory: &Path, stamp: &Stamp) -> Result<PathBuf> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let kept = stamp.free_name(directory);
    let failed = |source| Error::Write { path: directory.into(), source };
    staged.publish_at(&kept)?;
    if let Err(error) = renameat_with(CWD, &kept, CWD, directory, RenameFlags::EXCHANGE) {
        fs::remove_file(&kept).map_err(failed)?;
        return Err(failed(error.into()));
    }
    sync_directory(&kept).map_err(failed)?;
    Ok(kept)
}

/// Puts `staged` in the place of a directory, which no other system does at once.
#[cfg(not(target_os = "linux"))]
pub fn exchange(_: StagedFile, directory: &Path, _: &Stamp) -> Result<PathBuf> {
    let source = io::Error::new(
        io::ErrorKind::Unsupported,
        "a directory of part files cannot be replaced at once here",
    );
    Err(Error::Write { path: directory.into(), source })
}

#[cfg(target_os = "linux")]
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag; the name was free a moment ago, and the lock is ours.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => fs::rename(from, to),
        done => Ok(done?),
    }
}

#[cfg(not(target_os = "linux"))]
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// The kept files of a backend's directory, the oldest first.
pub fn backups(dir: &Path) -> Vec<Backup> {
    let files = [layout::LEGACY, layout::MAPPINGS, layout::CAR, layout::REJECTS];
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (file, stamp) = name.split_once(layout::BACKUP)?;
            let of = files.into_iter().find(|known| *known == file)?;
            let size = entry.metadata().map_or(0, |metadata| metadata.len());
            Some(Backup { path: entry.path(), of, stamp: stamp.to_owned(), size })
        })
        .collect();
    found.sort_by(|one, other| (order(&one.stamp), one.of).cmp(&(order(&other.stamp), other.of)));
    found
}

/// The kept files of a backend's directory but for the `keep` newest of each file, the oldest first.
pub fn older(dir: &Path, keep: usize) -> Vec<Backup> {
    let mut all = backups(dir);
    let mut left: HashMap<&str, usize> = HashMap::new();
    all.iter().for_each(|backup| *left.entry(backup.of).or_default() += 1);
    all.retain(|backup| {
        let count = left.entry(backup.of).or_default();
        *count -= 1;
        *count >= keep
    });
    all
}

/// Removes a kept file for good.
pub fn remove(backup: &Backup) -> Result<()> {
    let removed = match fs::symlink_metadata(&backup.path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&backup.path),
        _ => fs::remove_file(&backup.path),
    };
    removed.map_err(|source| Error::Write { path: backup.path.clone(), source })
}

/// A stamp in parts that compare: `20241124_133405_2` comes before `20241124_133405_10`.
fn order(stamp: &str) -> (&str, u32) {
    let (time, number) = stamp.split_at_checked(15).unwrap_or((stamp, ""));
    (time, number.trim_start_matches('_').parse().unwrap_or(0))
}

/// Removes what a writer that was killed left in `dir`. Only for who holds the lock: no other writer is at work.
pub fn clear_leftovers(dir: &Path) -> Result<()> {
    let entries = fs::read_dir(dir).map_err(|source| Error::Read { path: dir.into(), source })?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        if layout::is_leftover(&name.to_string_lossy()) {
            tracing::debug!(file = %entry.path().display(), "removing what a stopped run left");
            fs::remove_file(entry.path()).map_err(|source| Error::Write { path: entry.path(), source })?;
        }
    }
    Ok(())
}

/// Whether files can be made in `dir`, in words if not. Makes none.
#[cfg(unix)]
pub fn may_write(dir: &Path) -> Result<(), String> {
    use rustix::fs::{Access, access};
    access(dir, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| plain(&error.into()))
}

/// Whether files can be made in `dir`, which only trying tells here.
#[cfg(not(unix))]
pub fn may_write(_: &Path) -> Result<(), String> {
    let _ = plain;
    Ok(())
}

/// The bytes that may still be written to the file system of `dir`, if it tells.
#[cfg(unix)]
pub fn free_space(dir: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(dir).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

/// The bytes that may still be written, which is not asked here.
#[cfg(not(unix))]
pub fn free_space(_: &Path) -> Option<u64> {
    None
}

//! Files are replaced, never edited: written beside their target, synced, then renamed over it.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::layout;
use super::writeback::Writeback;
use crate::error::{Error, Result};

/// Links that are followed one after another, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// A file in the making, beside its target. Dropped without [`StagedFile::publish`], it leaves nothing.
#[derive(Debug)]
pub struct StagedFile {
    sink: Sink,
    target: PathBuf,
}

#[derive(Debug)]
enum Sink {
    /// A file that will be renamed over the target.
    Beside(NamedTempFile, Writeback),
    /// A device or a pipe, which is written to and must not be replaced.
    Direct(File),
}

impl StagedFile {
    /// Whether a target is a file that appears whole, and not a device or a pipe that is written to.
    pub fn replaces(target: &Path) -> bool {
        // What stands under these names is open already, and is written to; even a file behind it is not ours to replace.
        let is_open = ["/dev/", "/proc/"].iter().any(|place| target.starts_with(place));
        fs::metadata(target).map_or(!is_open, |found| found.is_file() && !is_open)
    }

    /// Starts a file in the directory of `target`, so that the rename is atomic.
    pub fn beside(target: &Path) -> Result<StagedFile> {
        let failed = |source| Error::Write { path: target.into(), source };
        match fs::metadata(target) {
            Ok(found) if found.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Ok(_) if !StagedFile::replaces(target) => {
                let file = File::options().append(true).open(target).map_err(failed)?;
                return Ok(StagedFile { sink: Sink::Direct(file), target: target.into() });
            }
            _ => {}
        }
        // Replacing a link would leave what it points to as it was.
        let target = match fs::symlink_metadata(target) {
            Ok(found) if found.is_symlink() => pointed_to(target).map_err(failed)?,
            _ => target.to_owned(),
        };
        StagedFile::in_place_of(&target)
    }

    /// Starts a file that will stand under the name of `target` itself: a link there is replaced, and what it points to
    /// stays as it is.
    pub fn in_place_of(target: &Path) -> Result<StagedFile> {
        // The name of the file in the making, which the error has in it, is nobody's concern.
        let directory = directory_of(target);
        let failed = |error: io::Error| {
            let source = match directory.is_dir() {
                true => error.kind().into(),
                false => io::Error::new(error.kind(), "no such directory"),
            };
            Error::Write { path: target.into(), source }
        };
        let prefix = format!(".{}.", target.file_name().unwrap_or_default().to_string_lossy());
        let file = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(layout::STAGED)
            .tempfile_in(directory)
            .map_err(failed)?;
        Ok(StagedFile { sink: Sink::Beside(file, Writeback::default()), target: target.into() })
    }

    /// Makes it the target: syncs the file, gives it the mode of what it replaces (else the usual one), renames it, and
    /// syncs the directory.
    pub fn publish(self) -> Result<()> {
        let target = self.target.clone();
        self.publish_at(&target)
    }

    /// The same under another name in the same directory.
    pub(crate) fn publish_at(self, target: &Path) -> Result<()> {
        let StagedFile { sink, .. } = self;
        let Sink::Beside(file, mut writeback) = sink else { return Ok(()) };
        let settled = writeback.settle();
        let published = settled.and_then(|()| put_in_place(file, target));
        published.map_err(|source| Error::Write { path: target.into(), source })
    }

    /// Says when its bytes last changed, for a copy that is to pass for what it was copied from.
    pub fn set_modified(&self, time: SystemTime) -> Result<()> {
        let Sink::Beside(file, _) = &self.sink else { return Ok(()) };
        file.as_file().set_modified(time).map_err(|source| Error::Write { path: self.target.clone(), source })
    }

    /// Waits until what was written is on the disk, and opens it for reading: nothing is published unproved.
    pub fn read_back(&mut self) -> Result<File> {
        let failed = |source| Error::Write { path: self.target.clone(), source };
        match &mut self.sink {
            Sink::Beside(file, writeback) => {
                writeback.settle().and_then(|()| file.as_file().sync_all()).map_err(failed)?;
                file.reopen().map_err(failed)
            }
            Sink::Direct(_) => Err(failed(io::ErrorKind::Unsupported.into())),
        }
    }
}

fn put_in_place(file: NamedTempFile, target: &Path) -> io::Result<()> {
    set_mode(file.as_file(), target)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    // A rename is durable once its directory is.
    sync_directory(target)
}

/// Waits until the names in the directory of `file` are on the disk.
pub(super) fn sync_directory(file: &Path) -> io::Result<()> {
    File::open(directory_of(file))?.sync_all()
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Beside(file, writeback) => {
                let written = file.write(bytes)?;
                writeback.wrote(written, file.as_file())?;
                Ok(written)
            }
            Sink::Direct(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Neither has a buffer of its own.
        Ok(())
    }
}

impl Seek for StagedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.sink {
            Sink::Beside(file, _) => file.seek(to),
            Sink::Direct(file) => file.seek(to),
        }
    }
}

/// What a link points to in the end, which need not be there yet.
fn pointed_to(link: &Path) -> io::Result<PathBuf> {
    let mut path = link.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => path = directory_of(&path).join(fs::read_link(&path)?),
            _ => return Ok(path),
        }
    }
    Err(io::Error::other("too many links that point to links"))
}

pub(super) fn directory_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary file is its owner's alone; an answer is as open as any file that the user makes.
#[cfg(unix)]
fn set_mode(file: &File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = match fs::metadata(target) {
        Ok(replaced) => replaced.permissions().mode() & 0o7777,
        Err(_) => 0o666 & !umask(),
    };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// The same for a directory.
#[cfg(unix)]
pub(super) fn open_to_others(directory: &Path, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = match fs::metadata(target) {
        Ok(replaced) => replaced.permissions().mode() & 0o7777,
        Err(_) => 0o777 & !umask(),
    };
    fs::set_permissions(directory, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn open_to_others(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

/// The bits that new files go without; the usual 022 where the system does not tell.
#[cfg(unix)]
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|octal| u32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(0o022)
}

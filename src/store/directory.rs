//! A directory of files that appears whole: made beside its target, synced, then renamed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::layout;
use super::publish::{directory_of, open_to_others, sync_directory};
use crate::error::{Advised, Error, Result};

/// A directory in the making. Dropped without [`StagedDir::publish`], it leaves nothing.
#[derive(Debug)]
pub struct StagedDir {
    beside: TempDir,
    target: PathBuf,
    /// What was made in it, to be synced.
    made: Vec<PathBuf>,
}

impl StagedDir {
    /// Starts a directory beside `target`.
    ///
    /// # Errors
    /// If something is there that is no empty directory: files are never put among others.
    pub fn beside(target: &Path) -> Result<StagedDir> {
        let failed = |source| Error::Write { path: target.into(), source };
        // A link to a directory stays one.
        let target = &target.canonicalize().unwrap_or_else(|_| target.components().collect());
        match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => {
                let words = "it is there and not empty, and files are not put among others";
                return Err(failed(Advised::error(words, "name another directory, or remove this one")));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let parent = directory_of(target);
        let beside =
            tempfile::Builder::new().prefix(&format!(".{name}.")).suffix(layout::STAGED).tempdir_in(parent);
        let beside = beside.map_err(|error| match parent.is_dir() {
            true => failed(error.kind().into()),
            false => failed(io::Error::new(error.kind(), "no such directory")),
        })?;
        Ok(StagedDir { beside, target: target.clone(), made: Vec::new() })
    }

    /// A file without a name on the same disk, for what is only kept for a while.
    pub fn spool(&self) -> Result<File> {
        let file = tempfile::tempfile_in(self.beside.path());
        file.map_err(|source| Error::Write { path: self.target.clone(), source })
    }

    /// Makes a file in it, with the directories that it is in.
    pub fn create(&mut self, file: &Path) -> Result<File> {
        let (path, target) = (self.beside.path().join(file), self.target.join(file));
        let failed = |source| Error::Write { path: target.clone(), source };
        let inner: Vec<&Path> = file.ancestors().skip(1).filter(|dir| !dir.as_os_str().is_empty()).collect();
        for directory in inner.into_iter().rev() {
            let directory = self.beside.path().join(directory);
            if !directory.is_dir() {
                fs::create_dir(&directory).map_err(failed)?;
                self.made.push(directory);
            }
        }
        // Where names that differ are one, as in upper and lower case, this is the second of them.
        let file = File::options().read(true).write(true).create_new(true).open(&path).map_err(failed)?;
        self.made.push(path);
        Ok(file)
    }

    /// Opens a file of it for reading, once it is on the disk.
    pub fn read_back(&self, file: &Path) -> Result<File> {
        let failed = |source| Error::Read { path: self.target.join(file), source };
        let file = File::open(self.beside.path().join(file)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(file)
    }

    /// Makes it the target, once all of it is on the disk.
    pub fn publish(self) -> Result<()> {
        let failed = |source| Error::Write { path: self.target.clone(), source };
        for made in &self.made {
            File::open(made).and_then(|made| made.sync_all()).map_err(failed)?;
        }
        open_to_others(self.beside.path(), &self.target).map_err(failed)?;
        File::open(self.beside.path()).and_then(|directory| directory.sync_all()).map_err(failed)?;
        // What has come to stand there meanwhile is not replaced, unless it is an empty directory.
        fs::rename(self.beside.path(), &self.target).map_err(failed)?;
        sync_directory(&self.target).map_err(failed)?;
        // There is nothing left of it to be removed.
        let _ = self.beside.keep();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn made(target: &Path) -> Result<StagedDir> {
        let mut staged = StagedDir::beside(target)?;
        for name in ["a=1/part-0.csv", "a=1/b=2/part-0.csv", "part-0.csv"] {
            staged.create(name.as_ref())?.write_all(name.as_bytes()).expect("room");
        }
        Ok(staged)
    }

    #[test]
    fn it_appears_whole_or_not_at_all() {
        let temp = tempfile::tempdir().expect("a directory");
        let target = temp.path().join("out/");
        drop(made(&target).expect("it can be made"));
        assert_eq!(fs::read_dir(temp.path()).expect("it is there").count(), 0);
        for _ in ["none", "empty"] {
            made(&target).and_then(StagedDir::publish).expect("it can be made");
            let file = target.join("a=1/b=2/part-0.csv");
            assert_eq!(fs::read_to_string(file).expect("it is there"), "a=1/b=2/part-0.csv");
            let error = made(&target).expect_err("it is not empty");
            assert!(error.hint().is_some_and(|hint| hint.contains("name another")), "{error}");
            fs::remove_dir_all(&target).and_then(|()| fs::create_dir(&target)).expect("it can be removed");
        }
        // Something came to stand there meanwhile.
        let late = made(&target).expect("it can be made");
        fs::write(target.join("other"), "").expect("room");
        assert!(late.publish().is_err());
        assert_eq!(fs::read_dir(temp.path()).expect("it is there").count(), 1);
        assert_eq!(fs::read_dir(&target).expect("it is there").count(), 1);
        assert!(made(&target.join("other")).is_err());
    }

    #[test]
    fn one_file_is_not_made_twice() {
        let temp = tempfile::tempdir().expect("a directory");
        let mut staged = made(&temp.path().join("out")).expect("it can be made");
        assert!(staged.create("part-0.csv".as_ref()).is_err());
    }
}

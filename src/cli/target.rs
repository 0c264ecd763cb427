//! The places that answers go to.

use std::path::{Path, PathBuf};

use pinql::export::Format;
use pinql::store::StagedFile;
use pinql::store::object::ObjectUrl;

use super::failure::{Failure, Outcome};
use super::remote;

/// Names of stdout.
const STDOUT: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// A place for answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// A file that is replaced when the answer is whole, or a device.
    File(PathBuf),
    /// An object in a store, which appears when the answer is whole.
    Object(ObjectUrl),
    /// A directory with files for the values of these columns.
    Directory(PathBuf, Vec<String>),
}

impl Target {
    /// The file that is written, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Target::File(path) => Some(path),
            _ => None,
        }
    }

    /// The place of this name.
    pub fn new(path: Option<&Path>) -> Outcome<Target> {
        Ok(match path {
            None => Target::Stdout,
            // Opened by its name, it would have a place in the file of its own.
            Some(path) if STDOUT.iter().any(|name| path.as_os_str() == *name) => Target::Stdout,
            Some(path) => match remote::object(path)? {
                Some(object) => Target::Object(object),
                None => Target::File(path.into()),
            },
        })
    }

    /// The file that is written, the URL of the object, or the directory.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Target::File(path) | Target::Directory(path, _) => Some(path),
            Target::Object(object) => Some(Path::new(object.as_str())),
            Target::Stdout => None,
        }
    }

    /// Whether nothing of an answer can be seen before all of it is written.
    pub fn appears_whole(&self) -> bool {
        match self {
            Target::Stdout => false,
            Target::File(path) => StagedFile::replaces(path),
            Target::Object(_) | Target::Directory(..) => true,
        }
    }

    /// Refuses what would make a heap of several answers in this format.
    pub fn can_hold(&self, answers: usize, format: Format) -> Outcome<()> {
        match self.path() {
            Some(path) if answers > 1 => Err(Failure::misuse(
                format!("{} cannot hold the answers of {answers} statements", path.display()),
                "run the statements one by one, each with its own -o FILE",
            )),
            Some(path) if answers == 0 => Err(Failure::misuse(
                format!("there is no statement whose answer could go to {}", path.display()),
                "give one with -c SQL, with -f FILE or on stdin",
            )),
            None if answers > 1 && format.is_binary() => Err(Failure::misuse(
                format!("one {format} output cannot hold the answers of {answers} statements"),
                "run the statements one by one, or use a text format",
            )),
            _ => Ok(()),
        }
    }
}

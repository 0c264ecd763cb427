//! What a migration did, or would do, for people and for JSON.

use serde_json::{Value, json};

use super::Mode;
use super::rejects::ShownReject;
use crate::error::Error;

/// What became of all chosen backends.
#[derive(Debug)]
pub struct MigrationOutcome {
    /// Whether anything was written at all.
    pub mode: Mode,
    /// One for each chosen backend, by name.
    pub backends: Vec<BackendOutcome>,
    /// What the filter asks for and no backend is called.
    pub unmatched: Vec<String>,
}

/// What became of one backend.
#[derive(Debug)]
pub struct BackendOutcome {
    /// The backend.
    pub backend: String,
    /// How it ended.
    pub state: State,
    /// The kind of `pins.json`, if one was read.
    pub shape: Option<String>,
    /// What became of the entries.
    pub counts: EntryCounts,
    /// The files that were written, or would be.
    pub files: Vec<WrittenFile>,
    /// The first rejects.
    pub rejects: Vec<ShownReject>,
    /// What is worth knowing beside the numbers.
    pub notes: Vec<String>,
    /// Why it failed.
    pub error: Option<Error>,
}

/// How the migration of one backend ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no `pins.json`: nothing to do.
    UpToDate,
    /// Done; in a dry run: would be done.
    Migrated,
    /// Its directory is that of another backend, which was migrated.
    Alias,
    /// For the reason in `error`. Its `pins.json` waits to be migrated, and its mappings are whole, old or new.
    Failed,
}

/// What became of the entries of a `pins.json`: each is in one of `added`, `updated`, `repeated`, `already_there` and
/// `rejected`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EntryCounts {
    /// All entries.
    pub found: u64,
    /// Pins that were not there before.
    pub added: u64,
    /// Pins whose mapping gave way to a newer one.
    pub updated: u64,
    /// Entries that lost to another one of the same pin in the same file.
    pub repeated: u64,
    /// Entries whose pin is there already, as good or newer.
    pub already_there: u64,
    /// Entries that are no pin.
    pub rejected: u64,
    /// Mappings of the old file that lost to another one of it.
    pub old_repeated: u64,
    /// Mappings in the file afterwards.
    pub rows: u64,
}

impl EntryCounts {
    /// Pins that came into the file or changed in it.
    pub fn migrated(&self) -> u64 {
        self.added + self.updated
    }
}

/// A file that was written, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its name in the backend's directory.
    pub name: String,
    /// In bytes.
    pub bytes: u64,
    /// The name under which what it replaced is kept. Not known in a dry run.
    pub kept_as: Option<String>,
}

impl State {
    /// The word for it.
    pub fn word(self, mode: Mode) -> &'static str {
        match (self, mode) {
            (State::UpToDate, _) => "up to date",
            (State::Migrated, Mode::Apply) => "migrated",
            (State::Migrated, Mode::DryRun) => "would migrate",
            (State::Alias, _) => "alias",
            (State::Failed, _) => "failed",
        }
    }
}

impl BackendOutcome {
    pub(super) fn new(backend: &str, state: State) -> BackendOutcome {
        BackendOutcome {
            backend: backend.to_owned(),
            state,
            shape: None,
            counts: EntryCounts::default(),
            files: Vec::new(),
            rejects: Vec::new(),
            notes: Vec::new(),
            error: None,
        }
    }
}

impl MigrationOutcome {
    /// Whether a backend failed.
    pub fn has_failed(&self) -> bool {
        self.backends.iter().any(|backend| backend.state == State::Failed)
    }

    /// Whether something was found that people should look at: a reject, or a filter that fits nothing.
    pub fn has_findings(&self) -> bool {
        !self.unmatched.is_empty() || self.backends.iter().any(|backend| backend.counts.rejected > 0)
    }

    /// The outcome as JSON, with the keys of ipfs_kit's migrator.
    pub fn to_json(&self) -> Value {
        let count = |state: State| self.backends.iter().filter(|backend| backend.state == state).count();
        json!({
            "success": !self.has_failed(),
            "dry_run": self.mode == Mode::DryRun,
            "total_backends": self.backends.len(),
            "analyzed": self.backends.len() - count(State::Alias),
            "migrated": count(State::Migrated),
            "up_to_date": count(State::UpToDate),
            "errors": count(State::Failed),
            "unmatched_filters": self.unmatched,
            "backend_results": self.backends.iter().map(|backend| backend.to_json(self.mode)).collect::<Vec<_>>(),
        })
    }
}

impl BackendOutcome {
    fn to_json(&self, mode: Mode) -> Value {
        let counts = &self.counts;
        let errors: Vec<Value> = self.error.iter().map(error_json).collect();
        json!({
            "backend_name": self.backend,
            "state": self.state.word(mode),
            "needs_migration": matches!(self.state, State::Migrated | State::Failed),
            "success": self.state != State::Failed,
            "shape": self.shape,
            "found": counts.found,
            "migrated": counts.migrated(),
            "added": counts.added,
            "updated": counts.updated,
            "repeated": counts.repeated,
            "already_there": counts.already_there,
            "rejected": counts.rejected,
            "repeated_before": counts.old_repeated,
            "rows": counts.rows,
            "files": self.files.iter().map(|file| json!({
                "name": file.name, "bytes": file.bytes, "kept_as": file.kept_as,
            })).collect::<Vec<_>>(),
            "rejects": self.rejects.iter().map(|reject| json!({
                "entry": reject.entry, "line": reject.line, "column": reject.column, "reason": reject.reason,
            })).collect::<Vec<_>>(),
            "notes": self.notes,
            "errors": errors,
        })
    }
}

/// An error with its causes and its hint.
fn error_json(error: &Error) -> Value {
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |cause| cause.source()).map(ToString::to_string);
    json!({ "message": error.to_string(), "causes": causes.collect::<Vec<_>>(), "hint": error.hint() })
}

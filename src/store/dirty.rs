//! What other tools have noted of backends that wait to be synced: in `backend_index/dirty_metadata/` and `backend_state/`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{DataDir, layout, plain};
use crate::error::{Error, Result};
use crate::pin::{secret, time};

/// What is noted of one backend. Times are in microseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// The backend, as the note says or else its file's name. There may be no such backend.
    pub backend_name: String,
    /// Whether any of the notes says that it waits to be synced. `None` if none does and one cannot be read.
    pub is_dirty: Option<bool>,
    /// Actions that are listed; `None` where a note of them cannot be read.
    pub actions: Option<u64>,
    /// Those of them that nothing says of that they are done.
    pub unsynced_actions: Option<u64>,
    /// The CIDs that these are about.
    pub affected_cids: Option<u64>,
    /// Why it is marked.
    pub reason: Option<String>,
    /// When it was marked.
    pub marked_at: Option<i64>,
    /// When the note was written.
    pub last_updated: Option<i64>,
    /// When it was synced last.
    pub last_sync: Option<i64>,
    /// Whether there is an empty file that marks it.
    pub has_flag: bool,
    /// What is wrong with its notes: the file and why it cannot be read.
    pub problem: Option<String>,
}

/// A note of either kind: the two share no key.
#[derive(Deserialize)]
struct Note {
    backend_name: Option<String>,
    is_dirty: Option<bool>,
    pending_actions: Option<Vec<Action>>,
    affected_cids: Option<Vec<IgnoredAny>>,
    created_at: Option<Value>,
    last_updated: Option<Value>,
    last_sync: Option<Value>,
    last_marked_dirty: Option<Value>,
    reason: Option<String>,
    sync_required: Option<bool>,
    last_synced: Option<Value>,
}

#[derive(Deserialize)]
struct Action {
    synced: Option<Value>,
}

impl DataDir {
    /// What is noted of backends, by name; those with nothing noted are not in it. A note that cannot be read is a
    /// [`Dirty::problem`] of its backend.
    ///
    /// # Errors
    /// If one of the directories of notes cannot be listed.
    pub fn dirty(&self) -> Result<Vec<Dirty>> {
        let mut found: BTreeMap<String, Dirty> = BTreeMap::new();
        for dir in [&[layout::BACKEND_INDEX, layout::DIRTY_METADATA][..], &[layout::BACKEND_STATE]] {
            for name in self.names_in(dir)? {
                let path = [dir, &[name.as_str()]].concat();
                if let Some(backend) = name.strip_suffix(layout::DIRTY_NOTE) {
                    self.add_note(&path, backend, &mut found);
                } else if let Some(backend) = name.strip_suffix(layout::DIRTY_FLAG) {
                    let dirty = named(&mut found, backend);
                    (dirty.is_dirty, dirty.has_flag) = (Some(true), true);
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// The names in a directory below the root, in order; none if it is not there.
    pub(super) fn names_in(&self, dir: &[&str]) -> Result<Vec<String>> {
        let place = dir.iter().fold(self.root().to_owned(), |place, part| place.join(part));
        let failed = |source| Error::Read { path: place.clone(), source };
        let entries = match fs::read_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(failed)?,
        };
        let names =
            entries.map(|entry| Ok(entry.map_err(failed)?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn add_note(&self, path: &[&str], backend: &str, found: &mut BTreeMap<String, Dirty>) {
        match self.note(path) {
            Ok(None) => {}
            Ok(Some(note)) => {
                let name = note.backend_name.clone().filter(|name| !name.trim().is_empty());
                named(found, name.as_deref().unwrap_or(backend)).add(note);
            }
            Err(problem) => {
                let dirty = named(found, backend);
                dirty.problem = Some(match dirty.problem.take() {
                    Some(first) => format!("{first}; {problem}"),
                    None => problem,
                });
                dirty.is_dirty = dirty.is_dirty.filter(|is_dirty| *is_dirty);
                (dirty.actions, dirty.unsynced_actions, dirty.affected_cids) = (None, None, None);
            }
        }
    }

    fn note(&self, path: &[&str]) -> Result<Option<Note>, String> {
        let file = self.file_below(path).map_err(|failed| format!("{}: {}", failed.shown, failed.reason))?;
        let Some(file) = file else { return Ok(None) };
        let opened =
            fs::File::open(&file.path).map_err(|error| format!("{}: {}", file.shown, plain(&error)))?;
        // What the parser quotes may be a secret: the place is enough.
        serde_json::from_reader(BufReader::new(opened)).map(Some).map_err(|error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            format!("{}: line {line}, column {column}: no JSON of a note", file.shown)
        })
    }
}

/// The backend of this name, which nothing is known of yet if it is new.
fn named<'f>(found: &'f mut BTreeMap<String, Dirty>, name: &str) -> &'f mut Dirty {
    found.entry(name.to_owned()).or_insert_with(|| Dirty {
        backend_name: name.to_owned(),
        is_dirty: Some(false),
        actions: Some(0),
        unsynced_actions: Some(0),
        affected_cids: Some(0),
        ..Dirty::default()
    })
}

impl Dirty {
    fn add(&mut self, note: Note) {
        let says = note.is_dirty == Some(true) || note.sync_required == Some(true);
        self.is_dirty = match self.is_dirty {
            _ if says => Some(true),
            before => before,
        };
        let actions = note.pending_actions.unwrap_or_default();
        let unsynced = actions.iter().filter(|action| action.synced != Some(Value::Bool(true))).count();
        let more = |count: &mut Option<u64>, by: usize| *count = count.map(|count| count + by as u64);
        more(&mut self.actions, actions.len());
        more(&mut self.unsynced_actions, unsynced);
        more(&mut self.affected_cids, note.affected_cids.map_or(0, |cids| cids.len()));
        self.reason = note.reason.map(|reason| secret::without_secrets(&reason)).or(self.reason.take());
        let marked = note.last_marked_dirty.or(note.created_at);
        self.marked_at = self.marked_at.max(micros(marked));
        self.last_updated = self.last_updated.max(micros(note.last_updated));
        self.last_sync = self.last_sync.max(micros(note.last_sync)).max(micros(note.last_synced));
    }
}

/// A time as an epoch number or as text. An epoch of 0 stands for never.
pub(super) fn micros(value: Option<Value>) -> Option<i64> {
    let micros = match value? {
        Value::String(text) => time::parse(&text),
        Value::Number(number) => match number.as_i64() {
            Some(number) => time::from_integer(number),
            None => time::from_float(number.as_f64()?),
        },
        _ => None,
    };
    micros.filter(|micros| *micros != 0)
}

//! What completion knows of the data: columns and values, asked for in the background and kept until the files change.
//!
//! Whoever completes waits for an answer until a moment that is the same for all questions of one key. One that comes later
//! is there at the next.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use futures::TryStreamExt;
use pinql::session::{Function, Options, Session, lexemes};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::super::changes::Seen;

/// How long an answer may take in the background.
const PATIENCE: Duration = Duration::from_secs(20);
const MEMORY: usize = 256 << 20;
/// How long the backends are taken for what they were when they were looked at: with thousands of them, looking takes longer
/// than a key may.
const FRESH: Duration = Duration::from_secs(1);
/// Answers that are kept.
const KEPT: usize = 200;

/// What a question asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Question {
    /// The columns of a query, with their types.
    Columns(String),
    /// The rows of a query with a text and perhaps a number.
    Values(String),
    /// The same for something that is asked anew with each letter: it ends when the next one is asked.
    Passing(String),
}

impl Question {
    /// Whether it may be about the last result.
    fn names_last(&self) -> bool {
        let (Question::Columns(sql) | Question::Values(sql) | Question::Passing(sql)) = self;
        lexemes(sql).iter().any(|lexeme| &sql[lexeme.range.clone()] == "_")
    }
}

/// A name or a value, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name of a column, or a value.
    pub text: String,
    /// Its type, or how often it is there.
    pub note: String,
}

/// An answer, once it is there.
pub type Found = Arc<Vec<Entry>>;

/// What is known, and who asks for more.
pub struct Knowledge {
    session: Session,
    runtime: OnceLock<Option<Runtime>>,
    functions: OnceLock<Vec<Function>>,
    state: Arc<Mutex<State>>,
    listing: Arc<Mutex<Listing>>,
    has_last: AtomicBool,
}

/// The backends as they were when they were looked at.
#[derive(Default)]
struct Listing {
    seen: Arc<Seen>,
    at: Option<Instant>,
    /// Who looks at them now.
    under_way: bool,
}

#[derive(Default)]
struct State {
    /// The files that the answers are about.
    print: u64,
    /// `None`: it has been asked and not been answered.
    answers: HashMap<Question, Option<Found>>,
    passing: Option<JoinHandle<()>>,
}

impl Knowledge {
    /// Knows nothing yet, of the data directory of this session.
    pub fn new(session: &Session) -> pinql::Result<Knowledge> {
        let options = Options {
            memory_limit: Some(MEMORY),
            timeout: Some(PATIENCE),
            threads: Some(2),
            skip_unreadable: true,
            ..Options::default()
        };
        Ok(Knowledge {
            session: Session::open(session.data_dir().root(), options)?,
            runtime: OnceLock::new(),
            functions: OnceLock::new(),
            state: Arc::default(),
            listing: Arc::default(),
            has_last: AtomicBool::new(false),
        })
    }

    /// The functions that SQL may call.
    pub fn functions(&self) -> &[Function] {
        self.functions.get_or_init(|| self.session.functions())
    }

    /// The backends that are there, as they were about a second ago at most, if they can be looked at before the moment; else
    /// as they were before.
    pub fn backends(&self, until: Instant) -> Arc<Seen> {
        let waits = {
            let mut listing = self.listing();
            let fresh = listing.at.is_some_and(|at| at.elapsed() < FRESH);
            match fresh || listing.under_way {
                true => None,
                false => {
                    listing.under_way = true;
                    Some(self.look())
                }
            }
        };
        if let Some(looked) = waits {
            let _ = looked.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
        Arc::clone(&self.listing().seen)
    }

    /// Looks at the backends in the background, and forgets what was known of others. Says when that is done.
    fn look(&self) -> mpsc::Receiver<()> {
        let (sender, receiver) = mpsc::channel();
        let dir = self.session.data_dir().clone();
        let (state, listing) = (Arc::clone(&self.state), Arc::clone(&self.listing));
        let look = move || {
            let seen = Seen::now(&dir);
            let print = seen.print();
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.print != print {
                *state = State { print, ..State::default() };
            }
            drop(state);
            *listing.lock().unwrap_or_else(PoisonError::into_inner) =
                Listing { seen: Arc::new(seen), at: Some(Instant::now()), under_way: false };
            let _ = sender.send(());
        };
        match self.runtime() {
            Some(runtime) => drop(runtime.spawn_blocking(look)),
            None => look(),
        }
        receiver
    }

    /// Knows the last result, table `_`, and forgets the one before it.
    pub fn remember(&self, answer: Option<(SchemaRef, Vec<RecordBatch>)>) -> pinql::Result<()> {
        self.has_last.store(answer.is_some(), Ordering::Relaxed);
        self.session.remember(answer)?;
        self.state().answers.retain(|question, _| !question.names_last());
        Ok(())
    }

    /// Whether there is a last result.
    pub fn has_last(&self) -> bool {
        self.has_last.load(Ordering::Relaxed)
    }

    /// Forgets everything.
    pub fn forget(&self) {
        *self.state() = State::default();
        self.listing().at = None;
    }

    /// The answer to a question, if there is one before the moment.
    pub fn ask(&self, question: Question, until: Instant) -> Option<Found> {
        let (sender, receiver) = mpsc::channel();
        {
            let mut state = self.state();
            match state.answers.get(&question) {
                Some(Some(found)) => return Some(Arc::clone(found)),
                // It is under way; that is not worth waiting for twice.
                Some(None) if !matches!(question, Question::Columns(_)) => return None,
                _ => {}
            }
            if state.answers.len() >= KEPT {
                state.answers.clear();
            }
            state.answers.insert(question.clone(), None);
            let task = self.runtime()?.spawn(answer(
                self.session.clone(),
                question.clone(),
                Arc::clone(&self.state),
                state.print,
                sender,
            ));
            if matches!(question, Question::Passing(_)) {
                if let Some(earlier) = state.passing.replace(task) {
                    earlier.abort();
                }
                state.answers.retain(|known, found| {
                    *known == question || found.is_some() || !matches!(known, Question::Passing(_))
                });
            }
        }
        receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runtime(&self) -> Option<&Runtime> {
        let start = || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2).enable_all().thread_name("completion").thread_stack_size(16 << 20);
            builder.build().ok()
        };
        self.runtime.get_or_init(start).as_ref()
    }
}

impl Drop for Knowledge {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Answers one question, for whoever waits and for later.
async fn answer(
    session: Session,
    question: Question,
    state: Arc<Mutex<State>>,
    print: u64,
    sender: mpsc::Sender<Found>,
) {
    let found = match &question {
        Question::Columns(sql) => columns(&session, sql).await,
        Question::Values(sql) | Question::Passing(sql) => values(&session, sql).await,
    };
    // What cannot be answered is answered with nothing: nobody asks twice.
    let found = Arc::new(found.unwrap_or_default());
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    // Who has been forgotten meanwhile is not answered.
    if state.print == print
        && let Some(answer) = state.answers.get_mut(&question)
    {
        *answer = Some(Arc::clone(&found));
    }
    let _ = sender.send(found);
}

async fn columns(session: &Session, sql: &str) -> pinql::Result<Vec<Entry>> {
    let schema = session.query(sql).await?.schema();
    let entry = |field: &arrow::datatypes::FieldRef| Entry {
        text: field.name().clone(),
        note: in_words(field.data_type()),
    };
    Ok(schema.fields().iter().map(entry).collect())
}

async fn values(session: &Session, sql: &str) -> pinql::Result<Vec<Entry>> {
    let batches: Vec<RecordBatch> = session.query(sql).await?.try_collect().await?;
    let mut entries = vec![];
    for batch in &batches {
        let texts = |column: usize| -> Vec<Option<String>> {
            let as_text = batch.columns().get(column).and_then(|values| cast(values, &DataType::Utf8).ok());
            let values = as_text.as_ref().and_then(|values| values.as_string_opt::<i32>());
            values
                .map(|values| values.iter().map(|value| value.map(String::from)).collect())
                .unwrap_or_default()
        };
        let counts = texts(1);
        entries.extend(texts(0).into_iter().enumerate().filter_map(|(row, text)| {
            Some(Entry { text: text?, note: counts.get(row).cloned().flatten().unwrap_or_default() })
        }));
    }
    Ok(entries)
}

/// What people call a type.
pub fn in_words(kind: &DataType) -> String {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "bytes".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Timestamp(..) => "time".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Decimal128(..) | DataType::Decimal256(..) => "decimal".into(),
        DataType::Duration(_) => "duration".into(),
        DataType::Dictionary(_, values) => in_words(values),
        kind if kind.is_integer() => "whole number".into(),
        kind if kind.is_floating() => "number".into(),
        kind => kind.to_string().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_looked_at_once_in_a_while_and_not_for_each_question() {
        let root = tempfile::tempdir().expect("a directory");
        let knowledge = Knowledge::new(&Session::open(root.path(), Options::default()).expect("a session"));
        let knowledge = knowledge.expect("it opens");
        let later = || Instant::now() + Duration::from_secs(60);
        assert!(knowledge.listing().at.is_none(), "nobody has asked");
        knowledge.backends(later());
        let first = knowledge.listing().at.expect("they were looked at");
        for _ in 0..100 {
            knowledge.backends(later());
        }
        let again = knowledge.listing().at.expect("they were looked at");
        assert!(again == first || first.elapsed() >= FRESH);
        knowledge.forget();
        knowledge.backends(later());
        assert_ne!(knowledge.listing().at, Some(first));
        // Whoever cannot wait has what was seen before.
        knowledge.listing().seen = Arc::default();
        knowledge.listing().under_way = true;
        knowledge.forget();
        assert_eq!(knowledge.backends(later()).names().count(), 0);
    }

    #[test]
    fn only_what_may_name_tables_looks_at_the_backends() {
        let root = tempfile::tempdir().expect("a directory");
        let session = Session::open(root.path(), Options::default()).expect("a session");
        let assistance = super::super::Assistance::new(&session, vec![]).expect("it opens");
        for (line, is_command, looks) in [
            ("\\set ti", true, false),
            ("\\i ", true, false),
            ("\\d ", true, true),
            ("SELECT 1 FROM ", false, true),
        ] {
            assistance.complete(line, line.len(), is_command);
            let listing = assistance.knowledge.listing();
            assert_eq!(listing.at.is_some() || listing.under_way, looks, "{line}");
            drop(listing);
            assistance.forget();
        }
    }
}

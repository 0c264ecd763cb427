//! Completion: what can stand at the cursor, from the statement around it and from the data.
//!
//! [`context`] tells what is wanted, [`scope`] which tables can be meant, [`knowledge`] what they hold, [`words`] the
//! keywords of each place, [`commands`] the shell's own commands.

mod cids;
mod commands;
mod context;
mod knowledge;
mod scope;
pub mod words;

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use context::{Clause, Context, Wanted};
use knowledge::{Entry, Found, Knowledge, Question};
use pinql::report::Report;
use pinql::session::{Function, Lexeme, Session, quote_name};
use scope::Source;
use unicode_width::UnicodeWidthStr;

use crate::cli::ui::{Ui, clipped, one_line};

pub use knowledge::in_words;

/// How long a key may take. What is built without optimisation is slower by as much, and would complete nothing on a busy machine.
const BUDGET: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });
/// Values that are offered at most.
const MOST: usize = 100;
/// The tables without a schema, and what they are.
const TABLES: [(&str, &str); 9] = [
    ("pins", "the mappings of all backends"),
    ("records", "the same, with what the files themselves say"),
    ("backends", "the backends and their states; backends.NAME is one of them"),
    ("rejects", "entries of a pins.json that are no pins"),
    ("history", "what a daemon has observed of all backends"),
    ("backend_history", "what a daemon has observed of each backend"),
    ("registry", "what other tools know of their backends"),
    ("buckets", "what other tools know of their buckets"),
    ("dirty", "what waits to be synced, as other tools noted it"),
];
/// The last result, once there is one.
const LAST: (&str, &str) = ("_", "the last answer");
/// Columns with so many values that only those are asked for that begin with what has been typed.
const MANY: [&str; 4] = ["cid", "car_file_path", "metadata", "entry_text"];
/// The states that are always known.
const STATUSES: [&str; 3] = ["stored", "pending", "failed"];

/// One completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What the list shows.
    pub display: String,
    /// What is put into the line.
    pub replacement: String,
}

/// What completion works with.
pub struct Assistance {
    knowledge: Knowledge,
    reports: Vec<Report>,
}

/// A completion before it is shown: what is put in, and what is said of it.
type Named = (String, String);

impl Assistance {
    /// Helps over the data directory of a session.
    pub fn new(session: &Session, reports: Vec<Report>) -> pinql::Result<Assistance> {
        Ok(Assistance { knowledge: Knowledge::new(session)?, reports })
    }

    /// The functions that SQL may call.
    pub fn functions(&self) -> &[Function] {
        self.knowledge.functions()
    }

    /// Knows of the last result, too.
    pub fn remember(&self, answer: Option<(SchemaRef, Vec<RecordBatch>)>) -> pinql::Result<()> {
        self.knowledge.remember(answer)
    }

    /// Forgets what is known of the data.
    pub fn forget(&self) {
        self.knowledge.forget();
    }

    /// What can stand at a place of a text, and where what it replaces begins.
    pub fn complete(&self, text: &str, cursor: usize, is_command: bool) -> (usize, Vec<Candidate>) {
        let until = Instant::now() + BUDGET;
        let begin = match is_command {
            true => match commands::complete(&text[..cursor], self, until) {
                Ok(found) => return found,
                Err(begin) => begin,
            },
            false => 0,
        };
        let range = context::statement(&text[begin..], cursor - begin);
        let at = begin + range.start;
        let statement = &text[at..begin + range.end];
        let (start, found) = self.sql(statement, cursor - at, until);
        (at + start, found)
    }

    fn sql(&self, statement: &str, cursor: usize, until: Instant) -> (usize, Vec<Candidate>) {
        let Context { wanted, start, word } = context::context(&statement[..cursor]);
        // What was known of other files is forgotten first; where that takes long, the answer is not to be missed for it.
        self.knowledge.backends(until - BUDGET / 2);
        // Where the quote is closed already, that is not done again.
        let is_closed = |quote: char| statement[cursor..].starts_with(quote);
        let keywords = |lists: &[&[&str]]| -> Vec<Named> {
            lists.iter().copied().flatten().map(|word| ((*word).into(), String::new())).collect()
        };
        let found = match wanted {
            Wanted::Nothing => vec![],
            Wanted::Start => filtered(&word, keywords(&[words::START])),
            Wanted::Table => {
                let mut tables = self.tables(&word, until);
                tables.extend(self.queries(statement, cursor, &word));
                tables
            }
            Wanted::BehindTable => filtered(&word, keywords(&[words::BEHIND_TABLE, words::CLAUSES])),
            Wanted::Operator(Clause::Select) => {
                filtered(&word, keywords(&[&["AS"], words::CLAUSES, words::OPERATOR, words::CASES]))
            }
            Wanted::Operator(clause) => {
                let orders = if clause == Clause::OrderBy { words::ORDERS } else { &[] };
                filtered(&word, keywords(&[orders, words::OPERATOR, &words::CLAUSES[1..], words::CASES]))
            }
            Wanted::Operand { clause, first } => {
                let mut found = filtered_names(&word, self.columns(statement, cursor, None, until), false);
                found.extend(filtered_names(&word, self.table_names(statement, cursor, &word), false));
                if !word.is_empty() {
                    found.extend(filtered(&word, self.calls()));
                }
                let select = if first { words::BEHIND_SELECT } else { &[] };
                let group = if clause == Clause::GroupBy { words::GROUPS } else { &[] };
                if !word.is_empty() || found.is_empty() || first {
                    let operand = if word.is_empty() { &[] } else { words::OPERAND };
                    found.extend(filtered(&word, keywords(&[select, group, operand])));
                }
                found
            }
            Wanted::PartOf(name) if name == "backends" && !self.is_source(statement, cursor, &name) => {
                let open = statement[..start].ends_with('"');
                closed(self.backends(&word, open, until), open && !is_closed('"'))
            }
            Wanted::PartOf(name) => {
                let open = statement[..start].ends_with('"');
                let columns =
                    filtered_names(&word, self.columns(statement, cursor, Some(&name), until), open);
                closed(columns, open && !is_closed('"'))
            }
            Wanted::QuotedName { table: true } => closed(self.backends(&word, true, until), !is_closed('"')),
            Wanted::QuotedName { table: false } => {
                let columns = filtered_names(&word, self.columns(statement, cursor, None, until), true);
                closed(columns, !is_closed('"'))
            }
            Wanted::Value { table, column } => {
                self.values(statement, cursor, table.as_deref(), &column, &word, until)
            }
        };
        (start, found)
    }

    /// The tables that begin with a word: first those without a schema, then those of the backends.
    fn tables(&self, word: &str, until: Instant) -> Vec<Candidate> {
        if let Some(word) = word.strip_prefix("backends.") {
            let found = self.backends(word.trim_start_matches('"'), false, until);
            let with_schema = |Candidate { display, replacement }| Candidate {
                display,
                replacement: format!("backends.{replacement}"),
            };
            return found.into_iter().map(with_schema).collect();
        }
        let backends = self.knowledge.backends(until);
        let last = self.knowledge.has_last().then_some(&LAST);
        let named = TABLES.iter().chain(last).map(|(name, what)| ((*name).to_owned(), (*what).to_owned()));
        let of_backends = backends
            .names()
            .filter(|name| !word.is_empty() && name.to_lowercase().starts_with(&word.to_lowercase()))
            .map(|name| (format!("backends.{}", quote_name(name)), "one backend".to_owned()));
        let mut found = filtered(word, named.collect());
        found.extend(shown(of_backends.collect()));
        found
    }

    fn backends(&self, word: &str, quoted: bool, until: Instant) -> Vec<Candidate> {
        let names = self.knowledge.backends(until);
        let names = names.names().map(|name| (name.clone(), "one backend".to_owned())).collect();
        filtered_names(word, names, quoted)
    }

    /// The queries of the statement's WITH that begin with a word.
    fn queries(&self, statement: &str, cursor: usize, word: &str) -> Vec<Candidate> {
        let with = scope::with_clause(statement, cursor);
        let all = pinql::session::lexemes(with);
        let text = |lexeme: &Lexeme| with[lexeme.range.clone()].to_uppercase();
        let mut named = vec![];
        for three in all.windows(3) {
            let [before, query, behind] = three else { continue };
            if ["WITH", ","].contains(&text(before).as_str()) && text(behind) == "AS" {
                named.push((context::name(with, query), "a query of this statement".to_owned()));
            }
        }
        filtered_names(word, named, false)
    }

    /// The names that columns may be preceded by.
    fn table_names(&self, statement: &str, cursor: usize, word: &str) -> Vec<Named> {
        let sources = scope::sources(statement, cursor);
        let several = sources.len() > 1 && !word.is_empty();
        let named = sources.into_iter().filter(|_| several).map(|source| (source.name, "a table".to_owned()));
        named.collect()
    }

    fn is_source(&self, statement: &str, cursor: usize, name: &str) -> bool {
        scope::sources(statement, cursor).iter().any(|source| source.name == name)
    }

    /// The columns of the tables around the cursor, or of one of them.
    fn columns(&self, statement: &str, cursor: usize, of: Option<&str>, until: Instant) -> Vec<Named> {
        let mut found: Vec<Named> = vec![];
        for source in self.sources(statement, cursor, of) {
            for Entry { text, note } in self.columns_of(statement, cursor, &source, until) {
                if !found.iter().any(|(known, _)| *known == text) {
                    found.push((text, note));
                }
            }
        }
        found
    }

    /// The tables around the cursor; where there is none yet, the one that is asked about most.
    fn sources(&self, statement: &str, cursor: usize, of: Option<&str>) -> Vec<Source> {
        let mut sources = scope::sources(statement, cursor);
        if sources.is_empty() && of.is_none() {
            sources.push(Source { sql: "pins".into(), name: "pins".into() });
        }
        sources.retain(|source| of.is_none_or(|name| source.name == name));
        sources
    }

    fn columns_of(&self, statement: &str, cursor: usize, source: &Source, until: Instant) -> Vec<Entry> {
        let with = scope::with_clause(statement, cursor);
        let sql = format!("{with} SELECT * FROM {} AS x LIMIT 0", source.sql);
        let found = self.knowledge.ask(Question::Columns(sql), until);
        found.map(|found| found.to_vec()).unwrap_or_default()
    }

    fn calls(&self) -> Vec<Named> {
        let call = |function: &Function| {
            let help = match function.help.is_empty() {
                true => function.usage.clone(),
                false => format!("{}  {}", function.usage, function.help),
            };
            (format!("{}(", function.name), help)
        };
        self.functions().iter().map(call).collect()
    }

    /// The values of a column that begin with a word, with how often they are there.
    fn values(
        &self,
        statement: &str,
        cursor: usize,
        table: Option<&str>,
        column: &str,
        word: &str,
        until: Instant,
    ) -> Vec<Candidate> {
        let sources = self.sources(statement, cursor, table);
        let has = |source: &&Source| {
            self.columns_of(statement, cursor, source, until).iter().any(|entry| entry.text == column)
        };
        let Some(source) = sources.iter().find(has).or(sources.first()) else { return vec![] };
        let with = scope::with_clause(statement, cursor);
        let from = &source.sql;
        let name = quote_name(column);
        let typed = word.replace("''", "'");
        let counted_values = |condition: &str| {
            format!(
                "{with} SELECT {name}, COUNT(*) AS n FROM {from} AS x WHERE {condition} \
                 GROUP BY 1 ORDER BY n DESC, 1 LIMIT {MOST}"
            )
        };
        let question = match column {
            "backend_name" if ["pins", "records"].contains(&from.as_str()) => Question::Values(
                "SELECT name, rows FROM backends WHERE rows > 0 ORDER BY rows DESC, name".into(),
            ),
            column if MANY.contains(&column) => {
                let range = match (column, cids::contents(&typed)) {
                    ("cid", Some((least, greatest))) if ["pins", "records"].contains(&from.as_str()) => {
                        format!(" AND content BETWEEN X'{}' AND X'{}'", hex(&least), hex(&greatest))
                    }
                    _ => String::new(),
                };
                let text = typed.replace('\'', "''");
                Question::Passing(format!(
                    "{with} SELECT {name} FROM {from} AS x WHERE starts_with({name}, '{text}'){range} LIMIT {MOST}"
                ))
            }
            _ => Question::Values(counted_values(&format!("{name} IS NOT NULL"))),
        };
        let is_full = |found: &Found| found.len() >= MOST && !typed.is_empty();
        let found = match self.knowledge.ask(question, until) {
            // The most frequent of all need not have those that begin so.
            Some(found) if is_full(&found) => {
                let begin = format!("starts_with({name}, '{}')", typed.replace('\'', "''"));
                let narrower = self.knowledge.ask(Question::Passing(counted_values(&begin)), until);
                narrower.filter(|found| !found.is_empty()).or(Some(found))
            }
            found => found,
        };
        let known = |word: &&str| Entry { text: (*word).into(), note: String::new() };
        let entries = match found {
            Some(found) => found.to_vec(),
            None if column == "status" => STATUSES.iter().map(known).collect(),
            None => vec![],
        };
        let mut named: Vec<Named> = vec![];
        for Entry { text, note } in entries {
            if text.starts_with(&typed) && !named.iter().any(|(known, _)| *known == text) {
                named.push((text, counted(&note)));
            }
        }
        let close = if statement[cursor..].starts_with('\'') { "" } else { "'" };
        let quoted = |Candidate { display, replacement }| Candidate {
            display,
            replacement: format!("{}{close}", replacement.replace('\'', "''")),
        };
        shown(named).into_iter().map(quoted).collect()
    }
}

fn counted(note: &str) -> String {
    match note.parse::<u64>() {
        Ok(count) => indicatif::HumanCount(count).to_string(),
        Err(_) => note.into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Those that begin with a word, in any case.
fn filtered(word: &str, names: Vec<Named>) -> Vec<Candidate> {
    let word = word.to_lowercase();
    shown(names.into_iter().filter(|(name, _)| name.to_lowercase().starts_with(&word)).collect())
}

/// The same of names in SQL: quoted where they must be, or everywhere if the quote is `open`.
fn filtered_names(word: &str, names: Vec<Named>, open: bool) -> Vec<Candidate> {
    let word = word.to_lowercase();
    let names = names.into_iter().filter(|(name, _)| name.to_lowercase().starts_with(&word));
    let written = names.map(|(name, note)| match open {
        true => (name.replace('"', "\"\""), note),
        false => (quote_name(&name), note),
    });
    shown(written.collect())
}

/// Closes the quotes of names, if they are open.
fn closed(candidates: Vec<Candidate>, open: bool) -> Vec<Candidate> {
    let close = |candidate: Candidate| Candidate {
        replacement: if open { format!("{}\"", candidate.replacement) } else { candidate.replacement },
        ..candidate
    };
    candidates.into_iter().map(close).collect()
}

/// The candidates with what is said of them beside their names, in a line each.
fn shown(named: Vec<Named>) -> Vec<Candidate> {
    const WIDEST_NAME: usize = 60;
    let widest = named.iter().map(|(name, _)| name.width()).filter(|width| *width <= WIDEST_NAME).max();
    let width = widest.unwrap_or_default();
    let room = Ui::stdout_width().unwrap_or(80).saturating_sub(3);
    let candidate = |(name, note): Named| {
        let name = one_line(&name);
        let display = match note.is_empty() {
            true => name.clone(),
            false => format!("{name}{}  {note}", " ".repeat(width.saturating_sub(name.width()))),
        };
        Candidate { display: clipped(&display, room), replacement: name }
    };
    named.into_iter().map(candidate).collect()
}

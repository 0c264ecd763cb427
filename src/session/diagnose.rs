//! DataFusion's errors in plain words: what, where in the statement, and what to do.

use std::collections::HashSet;

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, Diagnostic, SchemaError};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, Statement, TransactionConclusion, WriteOp};
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::calls::refused_call;
use super::dialect::PinqlDialect;
use super::options::Options;
use super::places::{end_of, find_last_word, find_number, find_word, place_in_tree};
use crate::catalog::{Snapshot, TABLES, UnreadableFile};
use crate::error::{Error, Place};
use crate::pin::counted;

/// The most digits of a 64-bit number.
const DIGITS_OF_64_BITS: usize = 19;

/// What there is that a misspelt name may have meant.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub options: &'a Options,
    pub snapshot: &'a Snapshot,
    pub state: &'a SessionState,
}

/// What to say of an error of the statement `sql`.
pub(super) fn explain(error: &DataFusionError, sql: &str, known: Known<'_>) -> Error {
    // That it is not allowed matters more than what else is wrong with it.
    if let Some(statement) = writing_word(sql) {
        return Error::ReadOnly { statement };
    }
    let span = error.diagnostic().and_then(Diagnostic::start);
    match innermost(error) {
        DataFusionError::External(cause) => foreign(cause.as_ref()),
        DataFusionError::SQL(cause, _) => syntax(cause, sql),
        DataFusionError::SchemaError(cause, _) => column(cause, span, sql),
        DataFusionError::ResourcesExhausted(detail) => Error::Memory {
            limit: known.options.memory_limit.map_or_else(|| "the system".to_owned(), in_words),
            detail: consumers(detail),
        },
        DataFusionError::ArrowError(cause, _) => calculation(cause),
        DataFusionError::Plan(text) => planning(text, span, sql, known),
        DataFusionError::NotImplemented(text) => unsupported(text, span),
        DataFusionError::Internal(text) => Error::Engine { message: first_line(text) },
        other => Error::Sql { message: plain(&other.strip_backtrace()), place: span, hint: None },
    }
}

/// An error that is not DataFusion's: mostly one of ours that went through it.
fn foreign(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    if let Some(file) = cause.downcast_ref::<UnreadableFile>() {
        return file.clone().into();
    }
    match cause.downcast_ref::<Error>() {
        Some(Error::Read { path, source }) => {
            Error::Read { path: path.clone(), source: source.kind().into() }
        }
        Some(Error::Format { path, place, problem }) => {
            Error::Format { path: path.clone(), place: place.clone(), problem: problem.clone() }
        }
        Some(Error::UnreadableRegistry { path, reason }) => {
            Error::UnreadableRegistry { path: path.clone(), reason: reason.clone() }
        }
        _ => Error::Engine { message: cause.to_string() },
    }
}

/// The file that an error is about, if it is about one.
pub(super) fn unreadable_in(error: &DataFusionError) -> Option<&UnreadableFile> {
    match innermost(error) {
        DataFusionError::External(cause) => cause.downcast_ref(),
        _ => None,
    }
}

/// What is wrong with a piece of SQL that is no statement.
pub(super) fn fault(error: &DataFusionError, sql: &str) -> String {
    match innermost(error) {
        DataFusionError::SQL(cause, _) => syntax(cause, sql).to_string(),
        other => plain(&other.strip_backtrace()),
    }
}

/// What kind of writing statement a plan is, as SQL spells it.
pub(super) fn written(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Ddl(ddl) => match ddl.name() {
            // What DataFusion calls a catalog is a database in SQL.
            "CreateCatalog" => "CREATE DATABASE".to_owned(),
            name => spaced(name).replace("MEMORY ", "").replace("CATALOG ", ""),
        },
        LogicalPlan::Dml(dml) => match &dml.op {
            WriteOp::MergeInto(_) => "MERGE".to_owned(),
            op => op.name().to_uppercase(),
        },
        LogicalPlan::Copy(_) => "COPY".to_owned(),
        LogicalPlan::Statement(statement) => match statement.name() {
            "SetVariable" => "SET".to_owned(),
            "ResetVariable" => "RESET".to_owned(),
            "TransactionStart" => "BEGIN".to_owned(),
            "TransactionEnd" => match statement {
                Statement::TransactionEnd(end) if end.conclusion == TransactionConclusion::Rollback => {
                    "ROLLBACK".to_owned()
                }
                _ => "COMMIT".to_owned(),
            },
            other => spaced(other),
        },
        other => other.inputs().first().map_or_else(|| "this statement".to_owned(), |input| written(input)),
    }
}

/// The word that a statement begins with, if it is one that changes something.
fn writing_word(sql: &str) -> Option<String> {
    const WORDS: &str = "ABORT ALTER ANALYZE ATTACH BEGIN CALL COMMENT COMMIT COPY CREATE DELETE DETACH DROP END GRANT \
                         INSERT LOAD LOCK MERGE PRAGMA RELEASE REPLACE RESET REVOKE ROLLBACK SAVEPOINT SET START \
                         TRUNCATE UPDATE VACUUM";
    let tokens = Tokenizer::new(&PinqlDialect, sql).tokenize().ok()?;
    let first =
        tokens.into_iter().find(|token| !matches!(token, Token::Whitespace(_)))?.to_string().to_uppercase();
    WORDS.split(' ').any(|word| word == first).then_some(first)
}

/// `CreateExternalTable` as `CREATE EXTERNAL TABLE`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_uppercase());
    }
    words
}

/// What an error is, below all that says where it came from.
pub(super) fn innermost(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => innermost(inner),
        DataFusionError::Shared(inner) => innermost(inner),
        DataFusionError::Collection(errors) => errors.first().map_or(error, innermost),
        DataFusionError::External(cause) => cause.downcast_ref().map_or(error, innermost),
        DataFusionError::ArrowError(cause, _) => match cause.as_ref() {
            ArrowError::ExternalError(cause) => cause.downcast_ref().map_or(error, innermost),
            _ => error,
        },
        _ => error,
    }
}

fn syntax(cause: &ParserError, sql: &str) -> Error {
    let text = match cause {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply",
    };
    let (message, place) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, parse_place(place)),
        None => (text, None),
    };
    let (message, place) = match message.strip_suffix("found: EOF") {
        Some(before) => (format!("{before}found: the end of the statement"), place.or_else(|| end_of(sql))),
        None => (message.to_owned(), place),
    };
    Error::Sql { message: message.trim_start_matches("Expected: ").to_owned(), place, hint: None }
        .expecting(text)
}

impl Error {
    /// Puts "expected" back in front of what the parser expected.
    fn expecting(self, text: &str) -> Error {
        match self {
            Error::Sql { message, place, hint } if text.starts_with("Expected: ") => {
                Error::Sql { message: format!("expected {message}"), place, hint }
            }
            other => other,
        }
    }
}

/// `1, Column: 8`, as the parser ends its messages.
fn parse_place(text: &str) -> Option<Place> {
    let (line, column) = text.split_once(", Column: ")?;
    let digits: String = column.chars().take_while(char::is_ascii_digit).collect();
    Some(Place { line: line.parse().ok()?, column: digits.parse().ok()? }).filter(|place| place.line > 0)
}

fn column(cause: &SchemaError, span: Option<Place>, sql: &str) -> Error {
    match cause {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let place = span.or_else(|| find_word(sql, field.name()));
            if let Some(table) = field
                .relation
                .as_ref()
                .filter(|_| valid_fields.iter().any(|known| known.name() == field.name()))
            {
                let hint = Some("name it in FROM, or use the alias that stands there".to_owned());
                return Error::Sql { message: format!("no table or alias `{table}` here"), place, hint };
            }
            let known = valid_fields.iter().map(Column::name);
            let hint = nearest(field.name(), known).map(|name| format!("did you mean `{}`?", quoted(name)));
            let hint = hint.or_else(|| known_columns(valid_fields));
            Error::Sql { message: format!("no column named `{}`", field.name()), place, hint }
        }
        SchemaError::AmbiguousReference { field } => {
            let hint = Some("put the table's name or alias before it".to_owned());
            let place = span.or_else(|| find_word(sql, field.name()));
            Error::Sql { message: format!("column `{}` is in several tables", field.name()), place, hint }
        }
        other => Error::Sql { message: other.to_string(), place: span, hint: None },
    }
}

fn known_columns(columns: &[Column]) -> Option<String> {
    let mut names: Vec<_> = columns.iter().map(|column| quoted(column.name())).collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let known = format!("known columns: {}; text stands in single quotes", names.join(", "));
    (!names.is_empty()).then_some(known)
}

fn unsupported(text: &str, span: Option<Place>) -> Error {
    // What follows is the syntax tree.
    let mut what = text.split(['{', '(']).next().unwrap_or_default().trim_end_matches([':', ' ']);
    for prefix in
        ["Unsupported SQL statement: ", "Unsupported ast node in sqltorel: ", "Unsupported ast node "]
    {
        what = what.strip_prefix(prefix).unwrap_or(what);
    }
    let place = span.or_else(|| place_in_tree(text));
    Error::Sql { message: format!("not supported: {}", first_line(what)), place, hint: None }
}

fn planning(text: &str, span: Option<Place>, sql: &str, known: Known<'_>) -> Error {
    if let Some(name) = text.strip_prefix("table '").and_then(|rest| rest.split_once("' not found")) {
        return table(name.0, span, sql, known.snapshot);
    }
    if let Some(rest) = text.strip_prefix("Invalid function '") {
        let name = rest.split('\'').next().unwrap_or_default();
        let state = known.state;
        let functions = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
        let functions = functions.chain(state.window_functions().keys()).map(String::as_str);
        let hint = nearest(name, functions).map(|nearest| format!("did you mean `{nearest}`?"));
        let place = span.or_else(|| find_word(sql, name));
        return Error::Sql { message: format!("no function named `{name}`"), place, hint };
    }
    if let Some(error) = refused_call(text, span, sql, known.state) {
        return error;
    }
    if let Some((number, most)) = text
        .strip_prefix("Order by column out of bounds, specified: ")
        .and_then(|rest| rest.split_once(", max: "))
    {
        let columns = if most == "1" { "column" } else { "columns" };
        let message = format!("ORDER BY {number}: the answer has {most} {columns}");
        return Error::Sql { message, place: span.or_else(|| find_number(sql, number)), hint: None };
    }
    if text.starts_with("Projections require unique expression names") {
        let name = text.split('"').nth(1).unwrap_or_default();
        let name = name.rsplit_once(" AS ").map_or(name, |(_, name)| name);
        let message = format!("two columns are called `{name}`");
        let hint = Some("give one of them another name with AS".to_owned());
        return Error::Sql { message, place: span.or_else(|| find_last_word(sql, name)), hint };
    }
    Error::Sql { message: plain(text), place: span, hint: None }
}

fn table(name: &str, span: Option<Place>, sql: &str, snapshot: &Snapshot) -> Error {
    let short = name.strip_prefix("pinql.main.").or_else(|| name.strip_prefix("pinql.")).unwrap_or(name);
    let last =
        name.strip_prefix("pinql.main.").or_else(|| name.strip_prefix("pinql.backends.")).unwrap_or(short);
    let backends = snapshot.backends().unwrap_or_default();
    let backends: Vec<&str> = backends.iter().map(|backend| backend.name.as_str()).collect();
    let spelled = |name: &str| match backends.contains(&name) {
        true => format!("backends.{}", always_quoted(name)),
        false => name.to_owned(),
    };
    let known = TABLES.into_iter().chain(backends.iter().copied());
    let hint = match nearest(last, known) {
        Some(name) => format!("did you mean `{}`?", spelled(name)),
        None => "known tables: pins, backends, records, rejects, and backends.\"NAME\" for each backend"
            .to_owned(),
    };
    let place = span.or_else(|| find_word(sql, last));
    Error::Sql { message: format!("no table named `{short}`"), place, hint: Some(hint) }
}

fn calculation(cause: &ArrowError) -> Error {
    let (message, hint) = match cause {
        ArrowError::DivideByZero => ("division by zero".to_owned(), Some("divide by NULLIF(…, 0)")),
        ArrowError::ArithmeticOverflow(text) => {
            let longest = text.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max();
            let hint = match longest.unwrap_or_default() > DIGITS_OF_64_BITS {
                true => "cast to DOUBLE for a number that is nearly right",
                false => "cast to DECIMAL(38, 0) first",
            };
            (format!("a number is too large: {text}"), Some(hint))
        }
        ArrowError::CastError(text) | ArrowError::ParseError(text) => {
            (text.clone(), Some("TRY_CAST gives NULL instead"))
        }
        ArrowError::InvalidArgumentError(text) if text.starts_with("Encountered non-UTF-8 data") => (
            "bytes that are no text are used as text".to_owned(),
            Some("encode(…, 'hex') makes text of them"),
        ),
        other => (other.to_string(), None),
    };
    Error::Sql { message: plain(&message), place: None, hint: hint.map(str::to_owned) }
}

trait Start {
    /// Where it begins, if it is anywhere.
    fn start(&self) -> Option<Place>;
}

impl Start for Diagnostic {
    fn start(&self) -> Option<Place> {
        let start = self.span?.start;
        Some(Place { line: start.line, column: start.column }).filter(|place| place.line > 0)
    }
}

/// An engine's message without the prefixes that say which part of it speaks.
pub(super) fn plain(text: &str) -> String {
    let mut text = text.trim();
    for prefix in [
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Optimizer rule 'simplify_expressions' failed\ncaused by\n",
        "type_coercion\ncaused by\n",
        "Cast error: ",
        "Parser error: ",
        "Schema error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// The largest users of memory, as `TrackConsumersPool` lists them.
fn consumers(detail: &str) -> String {
    let named = detail.lines().filter_map(|line| line.trim().split_once('#'));
    let named = named.filter_map(|(name, rest)| {
        Some(format!("{name} {}", rest.split("consumed ").nth(1)?.split(',').next()?))
    });
    let named: Vec<_> = named.collect();
    match named.is_empty() {
        true => String::new(),
        false => format!("in use: {}", named.join(", ")),
    }
}

fn in_words(bytes: usize) -> String {
    match bytes {
        0..1024 => counted(bytes as u64, "byte", "bytes"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// The known name that looks most like `name`, if any does.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let apart = |other: &str| strsim::damerau_levenshtein(&name, &other.to_lowercase());
    let most = (name.chars().count() / 3).max(1);
    known.map(|other| (apart(other), other)).filter(|(apart, _)| *apart <= most).min().map(|(_, other)| other)
}

/// A name as it must be written in SQL.
fn quoted(name: &str) -> String {
    let simple = !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|letter| letter == '_' || letter.is_ascii_digit() || letter.is_ascii_lowercase());
    if simple { name.to_owned() } else { always_quoted(name) }
}

fn always_quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

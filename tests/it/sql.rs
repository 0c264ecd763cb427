//! SQL and its answers: runs the sqllogictest files of `tests/sql/`.
//!
//! A file's first line names the root that it asks: `# root: examples/ipfs_kit`. A value reads as in TSV, NULL as `NULL`,
//! the empty text as `(empty)`; columns stand one blank apart. The letters behind `query` are checked: T text, I whole
//! number, R float, N decimal, B truth value, P timestamp, D date, V interval or duration, X binary, J list or struct.
//! What `statement error` is matched with is the message, then `[line:column]` where known, then `hint: …`.
//!
//! To add a file, list it below. `UPDATE_SLT=1` writes the answers as they are into the files: read the difference.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use futures::TryStreamExt;
use pinql::export::{Format, Style};
use pinql::session::{Options, Session};
use sqllogictest::{AsyncDB, ColumnType, DBOutput, Normalizer, Runner, strict_column_validator};

#[test]
fn cids_are_read_in_every_spelling_and_never_fail_a_query() {
    run("cids.slt");
}

#[test]
fn pins_are_one_table_over_all_backends() {
    run("pins.slt");
}

#[test]
fn every_writer_gives_the_same_mappings() {
    run("writers.slt");
}

#[test]
fn mistakes_and_writing_are_refused_in_words_that_help() {
    run("errors.slt");
}

#[test]
fn arithmetic_is_checked_and_otherwise_as_in_sql() {
    run("arithmetic.slt");
}

#[test]
fn every_file_of_answers_is_run() {
    let files = fs::read_dir(root("tests/sql")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["arithmetic.slt", "cids.slt", "errors.slt", "pins.slt", "writers.slt"]);
}

/// Runs one file: on one partition, where the order of rows is that of the files, and on several, where it is not.
fn run(name: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let path = root("tests/sql").join(name);
    let text = fs::read_to_string(&path).unwrap();
    let first = text.lines().next().unwrap_or_default();
    let asked = first.strip_prefix("# root: ").unwrap_or_else(|| panic!("{name} names no root"));
    let database = |threads| {
        let options = Options { threads: Some(threads), ..Options::default() };
        let session = Session::open(&root(asked), options).unwrap();
        Runner::new(move || {
            let session = session.clone();
            async move { Ok::<_, Failed>(Database { session }) }
        })
    };
    runtime.block_on(async {
        if std::env::var_os("UPDATE_SLT").is_some() {
            let mut runner = database(1);
            runner
                .update_test_file(&path, " ", same_lines, without_end, strict_column_validator)
                .await
                .unwrap();
        }
        let mut wrong = Vec::new();
        for threads in [1, 3] {
            let mut runner = database(threads);
            runner.with_normalizer(without_end);
            runner.with_validator(same_lines);
            runner.with_column_validator(strict_column_validator);
            for record in sqllogictest::parse_file(&path).unwrap() {
                if let Err(error) = runner.run_async(record).await {
                    wrong.push(format!("with {threads} partitions: {}", error.display(false)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// A directory of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Answers are compared as they are; editors may take blanks off the end of a line.
fn same_lines(normal: Normalizer, rows: &[Vec<String>], expected: &[String]) -> bool {
    let rows = rows.iter().map(|row| normal(&row.join(" ")));
    rows.eq(expected.iter().map(normal))
}

#[allow(clippy::ptr_arg, reason = "the type that sqllogictest asks for")]
fn without_end(line: &String) -> String {
    line.trim_end().to_owned()
}

/// A session as sqllogictest wants it.
struct Database {
    session: Session,
}

#[async_trait::async_trait]
impl AsyncDB for Database {
    type Error = Failed;
    type ColumnType = Kind;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Kind>, Failed> {
        let answer = self.session.query(sql).await?;
        let schema = answer.schema();
        let types = schema.fields().iter().map(|field| Kind::of(field.data_type())).collect();
        let batches: Vec<RecordBatch> = answer.try_collect().await?;
        let mut text = Vec::new();
        let mut encoder = Format::Tsv.encoder(&mut text, schema, &Style::default())?;
        for batch in &batches {
            encoder.write(batch)?;
        }
        encoder.finish()?;
        let text = String::from_utf8(text).expect("TSV is UTF-8");
        let rows = text.lines().skip(1).map(|line| line.split('\t').map(shown).collect()).collect();
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

fn shown(value: &str) -> String {
    match value {
        "\\N" => "NULL".to_owned(),
        "" => "(empty)".to_owned(),
        value => value.to_owned(),
    }
}

/// An error as people see it.
#[derive(Debug)]
struct Failed(pinql::Error);

impl From<pinql::Error> for Failed {
    fn from(error: pinql::Error) -> Failed {
        Failed(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        if let pinql::Error::Sql { place: Some(place), .. } = &self.0 {
            write!(f, " [{}:{}]", place.line, place.column)?;
        }
        match self.0.hint() {
            Some(hint) => write!(f, " hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failed {}

/// The letter of a column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kind(char);

impl Kind {
    fn of(kind: &DataType) -> Kind {
        Kind(match kind {
            DataType::Dictionary(_, value) => return Kind::of(value),
            kind if kind.is_string() => 'T',
            kind if kind.is_integer() => 'I',
            kind if kind.is_floating() => 'R',
            kind if kind.is_decimal() => 'N',
            kind if kind.is_binary() => 'X',
            kind if kind.is_nested() => 'J',
            DataType::Boolean => 'B',
            DataType::Timestamp(..) => 'P',
            DataType::Date32 | DataType::Date64 => 'D',
            DataType::Interval(_) | DataType::Duration(_) => 'V',
            _ => '?',
        })
    }
}

impl ColumnType for Kind {
    fn from_char(letter: char) -> Option<Kind> {
        "TIRNBPDVXJ?".contains(letter).then_some(Kind(letter))
    }

    fn to_char(&self) -> char {
        self.0
    }
}

//! What several rooms' tests need: data directories made of rows, and answers as text.

pub mod cids;
pub mod programs;
pub mod terminal;
pub mod tree;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use pinql::export::{Format, Style};
use pinql::session::{Answer, Options, Session};

/// Two CIDs, version 1 in base32.
pub const HELLO: &str = "bafybeiffndsajwhk3lwjewwdxqntmjm4b5wxaaanokonsggenkbw6slwk4";
pub const RAW: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

/// A directory of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// A CSV without its last line break, for short expectations.
pub fn csv(root: &Path, sql: &str) -> String {
    try_csv(root, sql, Options::default()).unwrap_or_else(|error| panic!("{error}\n{:?}", error.hint()))
}

pub fn try_csv(root: &Path, sql: &str, options: Options) -> pinql::Result<String> {
    runtime().block_on(async {
        let session = Session::open(root, options)?;
        as_csv(session.query(sql).await?).await
    })
}

/// The error of a query, with the text that people see.
pub fn error(root: &Path, sql: &str) -> String {
    let error = try_csv(root, sql, Options::default()).expect_err("an error was expected");
    format!("{error}")
}

pub async fn as_csv(mut answer: Answer) -> pinql::Result<String> {
    let shared = Shared::default();
    let mut encoder = Format::Csv.encoder(shared.clone(), answer.schema(), &Style::default())?;
    while let Some(batch) = answer.try_next().await? {
        encoder.write(&batch)?;
    }
    encoder.finish()?;
    let bytes = shared.0.lock().unwrap().clone();
    Ok(String::from_utf8(bytes).unwrap().trim_end().to_owned())
}

#[derive(Default, Clone)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Columns of text: name and values.
pub fn texts(columns: &[(&str, &[Option<&str>])]) -> RecordBatch {
    let columns = columns.iter().map(|(name, values)| {
        let array: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
        (*name, array, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Mappings with all six columns: CID and status.
pub fn mappings(backend: &str, rows: &[(&str, &str)]) -> RecordBatch {
    let column = |value: &dyn Fn(&(&str, &str)) -> String| -> ArrayRef {
        Arc::new(rows.iter().map(|row| Some(value(row))).collect::<StringArray>())
    };
    RecordBatch::try_from_iter_with_nullable([
        ("cid", column(&|row| row.0.into()), true),
        ("car_file_path", column(&|row| format!("/cars/{}.car", row.0)), true),
        ("backend_name", column(&|_| backend.into()), true),
        ("created_at", column(&|_| "2024-05-01T10:00:00Z".into()), true),
        ("status", column(&|row| row.1.into()), true),
        ("metadata", column(&|_| r#"{"size": 10}"#.into()), true),
    ])
    .unwrap()
}

/// Where a backend's mappings lie.
pub fn place(root: &Path, backend: &str) -> PathBuf {
    let dir = root.join("backends").join(backend);
    fs::create_dir_all(&dir).unwrap();
    dir.join("pin_mappings.parquet")
}

/// Writes a backend's file in place.
pub fn write(root: &Path, backend: &str, batch: &RecordBatch) {
    write_with(&place(root, backend), batch, WriterProperties::builder().build());
}

pub fn write_with(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Writes a backend's file beside and renames it, as a publisher does.
pub fn publish(root: &Path, backend: &str, batch: &RecordBatch) {
    let target = place(root, backend);
    let beside = target.with_extension("tmp");
    write_with(&beside, batch, WriterProperties::builder().build());
    fs::rename(beside, target).unwrap();
}

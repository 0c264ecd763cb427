//! Answers that become a directory, with a file for each value of some columns.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pinql::export::{Format, Part, Split, Values, Written};
use pinql::store::{StagedDir, StagedFile};
use serde_json::{Value, json};

use super::export::{self, Compression, Hashing, Sum};
use super::failure::{Failure, Outcome};
use super::interrupt;
use super::output::Output;
use super::target::Target;

/// One of the files.
pub struct SplitFile {
    /// Its path in the directory.
    path: PathBuf,
    values: Values,
    rows: u64,
    pub sum: Sum,
}

impl SplitFile {
    /// What a manifest says of it.
    pub fn said(&self) -> Value {
        let path = self.path.display().to_string();
        let Sum { bytes, sha256 } = &self.sum;
        json!({ "file": path, "values": self.values, "rows": self.rows, "bytes": bytes, "sha256": sha256 })
    }
}

/// The directory that is to be made.
pub fn target(path: Option<&Path>, names: &[String], format: Format) -> Outcome<Target> {
    let Some(path) = path.filter(|path| StagedFile::replaces(path) || path.is_dir()) else {
        return Err(Failure::misuse("--split-by makes a directory on this machine", "name it with -o DIR"));
    };
    if format == Format::Table {
        let hint = "say it with --format: csv, ndjson, parquet, …";
        return Err(Failure::misuse("the name of a directory does not say the format of its files", hint));
    }
    Ok(Target::Directory(path.into(), names.to_vec()))
}

/// Writes the rows that `next` yields.
pub fn write(
    output: &Output,
    path: &Path,
    names: &[String],
    columns: &SchemaRef,
    mut next: impl FnMut() -> Outcome<Option<RecordBatch>>,
) -> Outcome<(Written, Vec<SplitFile>)> {
    let mut staged = StagedDir::beside(path)?;
    let mut split = Split::new(columns, names, staged.spool()?)?;
    while let Some(batch) = next()? {
        split.add(&batch).map_err(|error| Failure::from(error).writing(path))?;
    }
    let schema = split.schema();
    let parts = split.finish().map_err(|error| Failure::from(error).writing(path))?;
    let name = file_name(output);
    let mut files = Vec::new();
    for mut part in parts {
        let file: PathBuf = part.directories.iter().map(String::as_str).chain([name.as_str()]).collect();
        files.push(fill(output, &mut staged, path, file, &schema, Some(&mut part))?);
    }
    if files.is_empty() {
        // No rows at all still have columns.
        files.push(fill(output, &mut staged, path, name.into(), &schema, None)?);
    }
    staged.publish()?;
    let rows = files.iter().map(|file| file.rows).sum();
    Ok((Written { rows, shown: rows }, files))
}

/// Writes one file.
fn fill(
    output: &Output,
    staged: &mut StagedDir,
    directory: &Path,
    path: PathBuf,
    schema: &SchemaRef,
    mut part: Option<&mut Part>,
) -> Outcome<SplitFile> {
    let whole = directory.join(&path);
    let mut out = Hashing::new(staged.create(&path)?);
    let filled = output.fill(&mut out, |out| {
        let mut encoder = output.format().encoder(out, SchemaRef::clone(schema), output.style())?;
        while let Some(batch) = part.as_mut().map_or(Ok(None), |part| part.batch())? {
            if interrupt::is_pending() {
                return Err(Failure::Interrupted);
            }
            encoder.write(&batch)?;
        }
        Ok(encoder.finish()?)
    });
    let (written, _) = filled.map_err(|failure| failure.writing(&whole))?;
    let sum = out.sum();
    if output.is_verified() {
        export::verify(staged.read_back(&path)?, &sum, &whole)?;
    }
    let values = part.map(|part| part.values.clone()).unwrap_or_default();
    Ok(SplitFile { path, values, rows: written.rows, sum })
}

/// The name of each file: readers go by how it ends.
fn file_name(output: &Output) -> String {
    let end = match output.format() {
        Format::Markdown => "md".to_owned(),
        format => format.to_string(),
    };
    let packed = match output.compression() {
        None => "",
        Some(Compression::Gzip) => ".gz",
        Some(Compression::Zstd) => ".zst",
    };
    format!("part-0.{end}{packed}")
}

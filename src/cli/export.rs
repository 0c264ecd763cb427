//! What there is to choose about exports, and the manifest beside one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use clap::ValueEnum;
use pinql::Error;
use pinql::export::{Format, Style};
use pinql::report::Bindings;
use pinql::store::StagedFile;
use pinql::store::object::ObjectUrl;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::failure::{Failure, Outcome};
use super::output::{Encoded, Output};
use super::remote;
use super::runner::Runner;
use super::split::SplitFile;

/// What is read, as the manifest has it.
const SOURCES: &str = "SELECT name, state, rows, bytes, modified_at FROM backends ORDER BY name";

/// The options of exports.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "exports")]
pub struct Options {
    /// Write a page with the answer, and its chart if the report has one: short for --format html -o FILE.
    #[arg(long, value_name = "FILE", global = true, conflicts_with_all = ["output", "format"])]
    pub html: Option<PathBuf>,

    /// Show a table's answer as bars, too.
    #[arg(long, global = true)]
    pub chart: bool,

    /// Compress the answer [default: by the name of -o FILE, .gz or .zst].
    #[arg(long, value_name = "METHOD", global = true, value_enum)]
    pub compress: Option<Compression>,

    /// Begin CSV with the mark by which Excel knows UTF-8.
    #[arg(long, global = true)]
    pub bom: bool,

    /// In CSV and TSV, put a ' before text that a spreadsheet would run as a formula.
    #[arg(long, global = true)]
    pub spreadsheet_safe: bool,

    /// In JSON, write 64-bit integers and decimals as strings.
    #[arg(long, global = true)]
    pub numbers_as_text: bool,

    /// Write a file that says what the answer is: rows, SHA-256, columns, query, parameters, sources.
    #[arg(long, value_name = "FILE", global = true)]
    pub manifest: Option<PathBuf>,

    /// Make a directory of -o, with a file for each value of these columns: column=value/part-0.parquet.
    #[arg(long, value_name = "COLUMN,…", global = true, value_delimiter = ',', requires = "output")]
    pub split_by: Vec<String>,

    /// Read back what -o names, a file before it takes its place, and compare.
    #[arg(long, global = true)]
    pub verify: bool,
}

/// A way to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    // Without a time, so that the same answer makes the same bytes.
    Gzip,
    Zstd,
}

impl Options {
    /// What the encoders are told.
    pub fn style(&self, style: Style) -> Style {
        let Options { bom, spreadsheet_safe, numbers_as_text, .. } = *self;
        Style { bom, spreadsheet_safe, numbers_as_text, ..style }
    }

    /// Refuses a manifest that would take the place of its answer, or that is no file.
    pub fn suits_manifest(&self, answer: Option<&Path>) -> Outcome<()> {
        let Some(manifest) = &self.manifest else { return Ok(()) };
        if manifest.as_os_str() == "-" {
            return Err(Failure::misuse("a manifest is a file", "name it with --manifest FILE"));
        }
        // Now, and not when the answer is there.
        remote::object(manifest)?;
        match answer.is_some_and(|answer| place(answer) == place(manifest)) {
            true => Err(Failure::misuse(
                format!("{} cannot be both the answer and its manifest", manifest.display()),
                "name another file with --manifest FILE",
            )),
            false => Ok(()),
        }
    }
}

/// Where a file is or would be, whatever way its path takes.
fn place(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_parent = |_| Some(parent.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().map_or_else(in_parent, Some).unwrap_or_else(|| path.into())
}

/// The name of a file without what says how it is compressed, and that.
pub fn inner_name(path: &Path) -> (PathBuf, Option<Compression>) {
    let compression = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => Some(Compression::Gzip),
        Some("zst") => Some(Compression::Zstd),
        _ => None,
    };
    (if compression.is_some() { path.with_extension("") } else { path.into() }, compression)
}

/// The format that the name of a file asks for.
pub fn format_of(path: &Path) -> Outcome<Format> {
    let (path, _) = inner_name(path);
    let path = path.as_path();
    match path.extension().and_then(|extension| extension.to_str()) {
        None | Some("txt") => Ok(Format::Table),
        Some(_) => Format::from_extension(path).ok_or_else(|| {
            let known: Vec<String> = Format::ALL.iter().map(Format::to_string).collect();
            Failure::misuse(
                format!("the name of {} does not say its format", path.display()),
                format!("say it with --format: {}", known.join(", ")),
            )
        }),
    }
}

/// Runs `fill` on a compressor above `out` and ends it: what is not ended is cut.
pub fn compressed<T>(
    compression: Option<Compression>,
    out: &mut (dyn Write + Send),
    fill: impl FnOnce(&mut (dyn Write + Send)) -> Outcome<T>,
) -> Outcome<T> {
    match compression {
        None => fill(out),
        Some(Compression::Gzip) => {
            let mut packed = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            let value = fill(&mut packed)?;
            packed.finish().map_err(Failure::output)?;
            Ok(value)
        }
        Some(Compression::Zstd) => {
            let mut packed =
                zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(Failure::output)?;
            let value = fill(&mut packed)?;
            packed.finish().map_err(Failure::output)?;
            Ok(value)
        }
    }
}

/// Bytes on their way to a file, counted and hashed.
pub struct Hashing<W> {
    out: W,
    hash: Sha256,
    bytes: u64,
}

/// The bytes of a file, as their number and hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    pub bytes: u64,
    pub sha256: String,
}

impl<W> Hashing<W> {
    pub fn new(out: W) -> Hashing<W> {
        Hashing { out, hash: Sha256::new(), bytes: 0 }
    }

    pub fn sum(self) -> Sum {
        Sum { bytes: self.bytes, sha256: hex(self.hash) }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a file back from the disk and compares it with what was written.
pub fn verify(mut file: File, sum: &Sum, path: &Path) -> Outcome<()> {
    let mut read = Hashing::new(io::sink());
    let copied = io::copy(&mut Read::by_ref(&mut file), &mut read);
    copied.map_err(|source| Error::Read { path: path.into(), source })?;
    match read.sum() == *sum {
        true => Ok(()),
        false => Err(Error::Unproved { path: path.into(), problem: "other bytes stand in it".into() }.into()),
    }
}

/// Reads an object back from its store and compares it with what was written.
pub fn verify_object(object: &ObjectUrl, sum: &Sum) -> Outcome<()> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    object.read(&remote::stop(), |piece| {
        hash.update(piece);
        bytes += piece.len() as u64;
    })?;
    let path = object.as_str().into();
    match (Sum { bytes, sha256: hex(hash) }) == *sum {
        true => Ok(()),
        false => Err(Error::Unproved { path, problem: "other bytes stand there now".into() }.into()),
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The state of all backends, for a manifest.
pub fn sources(runner: &mut Runner) -> Outcome<Value> {
    let (columns, batches) = runner.collect(SOURCES, &Bindings::default())?;
    let mut text = Vec::new();
    let mut encoder = Format::Json.encoder(&mut text, columns, &Style::default())?;
    batches.iter().try_for_each(|batch| encoder.write(batch))?;
    encoder.finish()?;
    serde_json::from_slice(&text).map_err(|error| Error::Engine { message: error.to_string() }.into())
}

/// What a manifest tells beside what the output knows.
pub struct Manifest<'a> {
    pub report: Option<&'a str>,
    pub sql: &'a str,
    pub bindings: &'a Bindings,
    /// The backends before the query began.
    pub before: Value,
}

impl Manifest<'_> {
    /// Writes the manifest of an answer that has been written.
    pub fn write(&self, path: &Path, output: &Output, answer: &Encoded, runner: &mut Runner) -> Outcome<()> {
        let files: Vec<Value> = answer.files.iter().map(SplitFile::said).collect();
        let bytes = match &answer.sum {
            Some(sum) => sum.bytes,
            None => answer.files.iter().map(|file| file.sum.bytes).sum(),
        };
        let fields = answer.columns.fields().iter().map(|field| {
            json!({ "name": field.name(), "type": field.data_type().to_string(), "nullable": field.is_nullable() })
        });
        let parameters: Map<String, Value> =
            self.bindings.0.iter().map(|(name, value)| (name.clone(), json!(value.to_string()))).collect();
        let unchanged = sources(runner)? == self.before;
        let manifest = json!({
            "created_at": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            "pinql": env!("CARGO_PKG_VERSION"),
            "file": output.path().map(|path| path.display().to_string()),
            "format": output.format().to_string(),
            "compression": output.compression().map(|method| format!("{method:?}").to_lowercase()),
            "rows": answer.written.rows,
            "bytes": bytes,
            "sha256": answer.sum.as_ref().map(|sum| &sum.sha256),
            "files": files,
            "columns": fields.collect::<Vec<_>>(),
            "report": self.report,
            "query": self.sql,
            "parameters": parameters,
            "root": runner.session().data_dir().root().display().to_string(),
            "sources": self.before,
            "sources_unchanged": unchanged,
        });
        let text = serde_json::to_string_pretty(&manifest).unwrap_or_default() + "\n";
        let failed = |source| Error::Write { path: path.into(), source };
        match remote::object(path)? {
            Some(object) => {
                let mut upload = object.upload(remote::stop())?;
                upload.write_all(text.as_bytes()).map_err(failed)?;
                Ok(upload.publish()?)
            }
            None => {
                let mut staged = StagedFile::beside(path)?;
                staged.write_all(text.as_bytes()).map_err(failed)?;
                Ok(staged.publish()?)
            }
        }
    }
}

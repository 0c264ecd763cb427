//! What other tools have noted of their buckets outside of Parquet: in `bucket_registry.json` and `bucket_configs/<bucket>.yaml`.
//!
//! Only the keys of [`Entry`] are kept. The others, configurations of backends among them, are passed over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::dirty::micros;
use super::{DataDir, MappingsFile, Unreachable, layout, plain};
use crate::error::Result;
use crate::pin::secret;

/// The most of a configuration that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// What one file notes of a bucket. Times are in microseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketNote {
    /// The file, relative to the root.
    pub source: String,
    /// Its name, as the file says, or else that of its key or of the file.
    pub name: String,
    /// What its tool calls it.
    pub id: Option<String>,
    /// Its type.
    pub kind: Option<String>,
    /// The backends that it is on.
    pub backends: Vec<String>,
    /// How its files are arranged.
    pub vfs_structure: Option<String>,
    /// Where they lie.
    pub path: Option<String>,
    /// Where they are listed.
    pub vfs_index_path: Option<String>,
    /// Where its pins are listed.
    pub pin_metadata_path: Option<String>,
    /// Pins, files and bytes.
    pub counts: [Option<i64>; 3],
    /// When it was made.
    pub created_at: Option<i64>,
    /// When the note was written.
    pub last_updated: Option<i64>,
    /// What is wrong with the note: the file and why it cannot be read.
    pub problem: Option<String>,
}

/// All that is read of one bucket, whatever type the tools gave it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    bucket_id: Option<Value>,
    bucket_name: Option<Value>,
    name: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<Value>,
    bucket_type: Option<Value>,
    backend_bindings: Option<Value>,
    backend_names: Option<Value>,
    backend: Option<Value>,
    vfs_structure: Option<Value>,
    bucket_path: Option<Value>,
    storage_path: Option<Value>,
    vfs_index_path: Option<Value>,
    pin_metadata_path: Option<Value>,
    pin_count: Option<Value>,
    file_count: Option<Value>,
    size_bytes: Option<Value>,
    created_at: Option<Value>,
    updated_at: Option<Value>,
    last_updated: Option<Value>,
}

/// The forms of a registry: by key, as a list, and either of them below a key of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum Registry {
    List(Vec<Entry>),
    Within { buckets: Box<Registry> },
    ByKey(BTreeMap<String, Entry>),
}

impl DataDir {
    /// The buckets of `bucket_registry.json`; none if it is not there.
    pub(crate) fn bucket_json(&self) -> Result<Vec<BucketNote>, Unreachable> {
        let Some(file) = self.file_below(&[layout::BUCKET_REGISTRY_JSON])? else { return Ok(vec![]) };
        let failed = |reason: String| Unreachable { shown: file.shown.clone(), reason };
        let opened = File::open(&file.path).map_err(|error| failed(plain(&error)))?;
        let registry: Registry = serde_json::from_reader(BufReader::new(opened)).map_err(|error| {
            // What the parser quotes may be a secret: the place is enough.
            failed(format!("line {}, column {}: no JSON of buckets", error.line(), error.column()))
        })?;
        let notes = registry.entries().into_iter().map(|(key, entry)| entry.note(&file.shown, &key));
        notes.collect::<Result<_, _>>().map_err(failed)
    }

    /// The buckets of `bucket_configs/`, by file; one that cannot be read is a [`BucketNote::problem`].
    ///
    /// # Errors
    /// If the directory cannot be listed.
    pub(crate) fn bucket_configs(&self) -> Result<Vec<BucketNote>> {
        let mut notes = Vec::new();
        for name in self.names_in(&[layout::BUCKET_CONFIGS])? {
            let (stem, end) = name.rsplit_once('.').unwrap_or((&name, ""));
            if !["yaml", "yml"].contains(&end) || stem.starts_with('.') || stem.is_empty() {
                continue;
            }
            let shown = format!("{}/{name}", layout::BUCKET_CONFIGS);
            let read = match self.file_below(&[layout::BUCKET_CONFIGS, &name]) {
                Ok(Some(file)) => config(&file).and_then(|entry| entry.note(&shown, stem)),
                // Removed this moment.
                Ok(None) => continue,
                Err(failed) => Err(failed.reason),
            };
            notes.push(read.unwrap_or_else(|problem| BucketNote {
                source: shown.clone(),
                name: stem.to_owned(),
                problem: Some(format!("{shown}: {problem}")),
                ..BucketNote::default()
            }));
        }
        Ok(notes)
    }
}

/// The configuration of one bucket.
fn config(file: &MappingsFile) -> Result<Entry, String> {
    if file.size > LIMIT {
        return Err(format!("it has {} bytes, more than a configuration has", file.size));
    }
    let text = read(&file.path).map_err(|error| plain(&error))?;
    serde_saphyr::from_str(&text).map_err(|error: serde_saphyr::Error| match error.location() {
        Some(at) => format!("line {}, column {}: no YAML of a bucket", at.line(), at.column()),
        None => "no YAML of a bucket".into(),
    })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

impl Registry {
    /// Its entries, each with its key, or without one as an empty text.
    fn entries(self) -> Vec<(String, Entry)> {
        match self {
            Registry::List(entries) => entries.into_iter().map(|entry| (String::new(), entry)).collect(),
            Registry::Within { buckets } => buckets.entries(),
            Registry::ByKey(entries) => entries.into_iter().collect(),
        }
    }
}

impl Entry {
    /// The same as a note of this file, which says no other name than this one.
    ///
    /// # Errors
    /// In words, if its backends are no names, or nothing says what it is called.
    fn note(self, source: &str, name: &str) -> Result<BucketNote, String> {
        let id = text(self.bucket_id);
        let named = text(self.bucket_name).or_else(|| text(self.name));
        let name = named.or_else(|| (!name.is_empty()).then(|| name.to_owned())).or_else(|| id.clone());
        let backends = self.backend_bindings.or(self.backend_names).or(self.backend);
        Ok(BucketNote {
            source: source.to_owned(),
            name: name.ok_or("a bucket has no name")?,
            id,
            kind: text(self.kind.or(self.bucket_type)),
            backends: backends.map_or(Ok(vec![]), names)?,
            vfs_structure: text(self.vfs_structure),
            path: text(self.bucket_path.or(self.storage_path)),
            vfs_index_path: text(self.vfs_index_path),
            pin_metadata_path: text(self.pin_metadata_path),
            counts: [self.pin_count, self.file_count, self.size_bytes].map(|count| count?.as_i64()),
            created_at: micros(self.created_at),
            last_updated: micros(self.last_updated.or(self.updated_at)),
            problem: None,
        })
    }
}

/// A text that may be shown.
fn text(value: Option<Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text = secret::without_secrets(text.trim());
    (!text.is_empty()).then_some(text)
}

/// Names of backends: a list of them, or of what each is bound with, by name, or text with commas.
fn names(value: Value) -> Result<Vec<String>, String> {
    let wrong = || "its backends are no list of names".to_owned();
    let bound = |value: Value| match value {
        Value::Object(mut binding) => {
            let name = ["backend", "backend_name", "name"].iter().find_map(|key| binding.remove(*key));
            text(name).ok_or_else(wrong)
        }
        name => text(Some(name)).ok_or_else(wrong),
    };
    match value {
        Value::Array(values) => values.into_iter().map(bound).collect(),
        Value::Object(bindings) => Ok(bindings.into_iter().map(|(name, _)| name).collect()),
        Value::String(names) => {
            Ok(names.split(',').filter_map(|name| text(Some(Value::String(name.to_owned())))).collect())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(text: &str) -> Result<Vec<BucketNote>, String> {
        let registry: Registry = serde_json::from_str(text).map_err(|error| error.to_string())?;
        registry.entries().into_iter().map(|(key, entry)| entry.note("file", &key)).collect()
    }

    #[test]
    fn a_registry_is_read_in_each_of_its_forms() {
        let entry = r#"{"bucket_name": "photos", "backend": "s3", "backend_config": {"token": "x"}}"#;
        for text in [
            format!(r#"{{"s3:photos": {entry}}}"#),
            format!("[{entry}]"),
            format!(r#"{{"version": 1, "buckets": [{entry}]}}"#),
            format!(r#"{{"buckets": {{"photos": {entry}}}}}"#),
            r#"{"photos": {"backend": "s3"}}"#.to_owned(),
            // One that is called so itself.
            r#"{"buckets": {"bucket_id": "photos", "bucket_name": "photos", "backend_bindings": ["s3"]}}"#
                .to_owned(),
        ] {
            let found = notes(&text).unwrap();
            assert_eq!(
                (found.len(), found[0].name.as_str(), &found[0].backends[..]),
                (1, "photos", &["s3".to_owned()][..]),
                "{text}"
            );
        }
        assert!(notes("{}").unwrap().is_empty());
        assert!(notes("[{}]").is_err() && notes("7").is_err() && notes(r#"{"a": 7}"#).is_err());
    }

    #[test]
    fn backends_are_names_in_whatever_form() {
        for (value, wanted) in [
            (r#"["a", "b"]"#, Some(vec!["a", "b"])),
            (r#""a, b""#, Some(vec!["a", "b"])),
            (r#"[{"backend": "a", "token": "x"}, {"name": "b"}]"#, Some(vec!["a", "b"])),
            (r#"{"a": {"priority": 1}, "b": null}"#, Some(vec!["a", "b"])),
            ("[]", Some(vec![])),
            ("[[1]]", None),
            ("true", None),
        ] {
            let found = names(serde_json::from_str(value).unwrap()).ok();
            assert_eq!(found, wanted.map(|names| names.into_iter().map(str::to_owned).collect()), "{value}");
        }
    }
}

//! A data directory with all that older tools leave beside the mappings: `tests/data/kit`, with mappings and registries.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, StructArray,
};
use arrow::datatypes::{DataType, Field};
use parquet::file::properties::WriterProperties;

use crate::support::cids::{raw, v0, v1};
use crate::support::tree::Tree;
use crate::support::{mappings, repository, write, write_with};

/// What stands in every configuration and must stand in no answer.
pub const SECRETS: [&str; 2] = ["hunter2", "AKIDSECRET"];

/// Which of the older tools wrote the registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Daemon,
    Cli,
}

/// 2025-07-30T10:00:00Z.
pub const CHECKED: i64 = 1_753_869_600;

pub fn kit(by: By) -> Tree {
    let tree = Tree::new();
    copy(&repository("tests/data/kit"), &tree.root());
    let root = tree.root();
    write(
        &root,
        "s3_main",
        &mappings(
            "s3_main",
            &[(&v0(1), "stored"), (&v1(2), "stored"), (&v1(3), "failed"), ("none", "stored")],
        ),
    );
    write(&root, "local_disk", &mappings("local_disk", &[(&v1(1), "stored"), (&raw(4), "pending")]));
    write(&root, "github", &mappings("github", &[(&v1(1), "STORED"), (&v1(2), "failed")]));
    match by {
        By::Daemon => {
            parquet(&root, "backend_index/backend_registry.parquet", registry_of_daemon());
            parquet(&root, "bucket_index/bucket_registry.parquet", buckets_of_daemon());
        }
        By::Cli => {
            parquet(&root, "backend_index/backend_registry.parquet", registry_of_cli());
            parquet(&root, "bucket_index/bucket_registry.parquet", buckets_of_cli());
        }
    }
    tree
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

pub fn parquet(root: &Path, path: &str, batch: RecordBatch) {
    let path: PathBuf = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_with(&path, &batch, WriterProperties::builder().build());
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    let columns = columns.map(|(name, values)| (name, values, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn registry_of_daemon() -> RecordBatch {
    batch([
        ("name", texts(&[Some("s3_main"), Some("local_disk"), Some("elsewhere")])),
        ("type", texts(&[Some("s3"), Some("filesystem"), Some("ftp")])),
        (
            "endpoint",
            texts(&[
                Some("https://AKIDSECRET:hunter2-secret@s3.example.org:9000/b?sig=hunter2"),
                Some("/srv/ipfs"),
                None,
            ]),
        ),
        ("health_status", texts(&[Some("healthy"), Some("healthy"), Some("unhealthy")])),
        ("last_check", texts(&[Some("2025-07-30T10:00:00"), Some("2025-07-30T12:00:00"), None])),
        ("response_time_ms", Arc::new(Float64Array::from(vec![Some(10.5), Some(30.5), None]))),
        ("error_count", Arc::new(Int64Array::from(vec![0, 0, 3]))),
        ("pin_count", Arc::new(Int64Array::from(vec![4, 2, 0]))),
        ("storage_usage", Arc::new(Int64Array::from(vec![40, 20, 0]))),
    ])
}

fn registry_of_cli() -> RecordBatch {
    let config: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("secret_key", DataType::Utf8, true)),
        texts(&[Some("hunter2-secret"), Some("hunter2-secret"), None]),
    )]));
    let checked = CHECKED as f64;
    batch([
        ("name", texts(&[Some("s3_main"), Some("local_disk"), Some("elsewhere")])),
        ("type", texts(&[Some("s3"), Some("filesystem"), Some("ftp")])),
        ("endpoint", texts(&[Some("https://s3.example.org:9000"), Some("hunter2-secret"), None])),
        ("status", texts(&[Some("Online"), Some("configured"), Some("unreachable")])),
        ("config", config),
        ("last_updated", Arc::new(Float64Array::from(vec![checked, checked + 0.5, checked]))),
        ("source", texts(&[Some("yaml"), None, None])),
        ("error", texts(&[None, None, Some("GET ftp://u:hunter2@host/x?token=hunter2 timed out")])),
        ("dirty", Arc::new(BooleanArray::from(vec![Some(false), Some(true), None]))),
        ("last_sync", Arc::new(Float64Array::from(vec![Some(checked), Some(0.0), None]))),
    ])
}

fn buckets_of_daemon() -> RecordBatch {
    batch([
        ("bucket_name", texts(&[Some("photos"), Some("papers")])),
        ("backend_names", texts(&[Some(r#"["s3_main", "local_disk"]"#), Some("github")])),
        ("pin_count", Arc::new(Int64Array::from(vec![5, 2]))),
        ("last_updated", texts(&[Some("2025-07-30T10:00:00"), None])),
        ("health_status", texts(&[Some("healthy"), None])),
        ("needs_backup", Arc::new(BooleanArray::from(vec![true, false]))),
        ("last_backup", texts(&[Some("2025-07-30T09:00:00"), Some("2199-01-01")])),
    ])
}

fn buckets_of_cli() -> RecordBatch {
    let names = |names: &[&str]| Some(names.iter().map(|name| Some((*name).to_owned())).collect::<Vec<_>>());
    let mut lists = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
    for list in [names(&["s3_main", "local_disk"]), names(&[])] {
        list.iter().flatten().for_each(|name| lists.values().append_option(name.as_ref()));
        lists.append(true);
    }
    let lists: ListArray = lists.finish();
    batch([
        ("name", texts(&[Some("photos"), Some("papers")])),
        ("type", texts(&[Some("standard"), Some("standard")])),
        ("backend", texts(&[Some("s3_main, local_disk"), None])),
        ("backend_bindings", Arc::new(lists)),
        ("size_bytes", Arc::new(Int64Array::from(vec![1024, 0]))),
        ("file_count", Arc::new(Int64Array::from(vec![3, 0]))),
        ("last_updated", Arc::new(Float64Array::from(vec![CHECKED as f64, CHECKED as f64]))),
    ])
}

//! Data directories to break.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use cid::Cid;
use cid::multihash::Multihash;
use parquet::file::properties::WriterProperties;
use std::sync::Arc;
use tempfile::TempDir;

use crate::support;

/// A data directory that goes away with its value.
pub struct Data {
    dir: TempDir,
}

/// A CID, another one for each number.
pub fn cid(number: u32) -> String {
    let mut digest = [7; 32];
    digest[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_be_bytes());
    Cid::new_v1(0x55, Multihash::wrap(0x12, &digest).unwrap()).to_string()
}

impl Data {
    pub fn new() -> Data {
        let data = Data { dir: tempfile::tempdir().unwrap() };
        fs::create_dir_all(data.root().join("backends")).unwrap();
        data
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A place in a backend's directory.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root().join("backends").join(path)
    }

    /// Writes a file, as of a fixed time: it dates what is made of the file.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let place = self.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, bytes).unwrap();
        date(&place);
    }

    /// Writes mappings as another tool does, with a column that pinql does not know.
    pub fn write_foreign(&self, path: &str, backend: &str, numbers: std::ops::Range<u32>) {
        let place = self.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let cids: Vec<_> = numbers.map(cid).collect();
        let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
        let known = support::mappings(backend, &rows);
        let regions: Vec<_> = (0..rows.len()).map(|row| Some(["eu", "us"][row % 2])).collect();
        let extra = support::texts(&[("region", &regions)]);
        let fields = known
            .schema()
            .fields()
            .iter()
            .chain(extra.schema().fields())
            .cloned()
            .collect::<Vec<Arc<Field>>>();
        let columns = known.columns().iter().chain(extra.columns()).cloned().collect::<Vec<ArrayRef>>();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
        support::write_with(&place, &batch, WriterProperties::builder().build());
        date(&place);
    }

    /// The same once more, with the times of all files.
    pub fn copy(&self) -> Data {
        let copy = Data { dir: tempfile::tempdir().unwrap() };
        copy_all(&self.root(), &copy.root());
        copy
    }
}

fn date(place: &Path) {
    let time = UNIX_EPOCH + Duration::from_secs(1_740_000_000);
    File::options().write(true).open(place).unwrap().set_modified(time).unwrap();
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            copy_all(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
            let modified: SystemTime = entry.metadata().unwrap().modified().unwrap();
            File::options().write(true).open(to).unwrap().set_modified(modified).unwrap();
        }
    }
}

/// The plain JSON that older tools wrote as the CAR.
pub fn json_car(backend: &str, numbers: std::ops::Range<u32>) -> String {
    let rows: Vec<_> = numbers
        .map(|number| {
            let cid = cid(number);
            format!(
                r#"{{"cid":"{cid}","car_file_path":"/cars/{cid}.car","backend_name":"{backend}","created_at":"2024-05-01T10:00:00Z","status":"stored","metadata":"{{\"size\": 10}}"}}"#
            )
        })
        .collect();
    let rows = rows.join(",");
    format!(
        r#"{{"version":"1.0","format":"pin_mappings_car","created_at":"2024-05-01T10:00:00Z","pin_mappings":[{rows}]}}"#
    )
}

/// The kinds of backends that a migration changes in ways of their own: `old` has foreign mappings, its CAR and a
/// `pins.json` with something newer, something repeated and something known; `new` has a `pins.json` only, with two
/// entries that are no pins; the mappings of `parts` are a directory.
pub fn three_backends() -> Data {
    let data = Data::new();
    data.write_foreign("old/pin_mappings.parquet", "old", 0..3);
    data.write("old/pin_mappings.car", json_car("old", 0..3));
    let (known, newer, added) = (cid(0), cid(1), cid(3));
    data.write(
        "old/pins.json",
        format!(
            r#"[{{"cid":"{newer}","created_at":"2025-01-01","status":"pending"}}, "{added}", "{added}", "{known}"]"#
        ),
    );
    data.write(
        "new/pins.json",
        format!(r#"["{}", 5, "nonsense", {{"cid":"{}","size":3}}]"#, cid(10), cid(11)),
    );
    data.write_foreign("parts/pin_mappings.parquet/part-0.parquet", "parts", 20..22);
    data.write_foreign("parts/pin_mappings.parquet/part-1.parquet", "parts", 22..24);
    data.write("parts/pins.json", format!(r#"["{}"]"#, cid(24)));
    data
}

/// The command that all this is about.
pub const MIGRATE: &[&str] = &["backend", "migrate-pin-mappings"];

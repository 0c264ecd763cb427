//! How long whole runs of `pinql` take that read little or nothing: `cargo bench --bench startup`.
//!
//! Each command runs as a process of its own, 21 times after one that does not count; the median, the fastest and the
//! slowest are printed. The thousand backends are made in a temporary directory, each with a mapping of its own.
#![allow(clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

const RUNS: usize = 21;

fn main() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ipfs_kit");
    let temp = tempfile::tempdir().expect("a temporary directory");
    thousand_backends(temp.path());
    println!("{:<60} {:>8} {:>8} {:>8}", "milliseconds of", "median", "fastest", "slowest");
    for (root, name) in [(sample.as_path(), "sample"), (temp.path(), "1,000 backends")] {
        for sql in [
            "SELECT 1",
            "SELECT COUNT(*) FROM pins",
            "SELECT cid FROM pins WHERE backend_name = 'b0500'",
            "SELECT COUNT(DISTINCT content) FROM pins",
            "SELECT state, COUNT(*) FROM backends GROUP BY 1",
        ] {
            let times = times(root, sql);
            let [median, fastest, slowest] =
                [times[RUNS / 2], times[0], times[RUNS - 1]].map(|time| time.as_secs_f64() * 1e3);
            println!("{:<60} {median:>8.1} {fastest:>8.1} {slowest:>8.1}", format!("{name}: {sql}"));
        }
    }
}

/// The times of whole processes, the shortest first.
fn times(root: &Path, sql: &str) -> Vec<Duration> {
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
        command.arg("--root").arg(root).args(["-c", sql, "--format", "csv"]).stdout(Stdio::null());
        let start = Instant::now();
        let status = command.status().expect("pinql starts");
        assert!(status.success(), "{sql}");
        start.elapsed()
    };
    run();
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run()).collect();
    times.sort();
    times
}

fn thousand_backends(root: &Path) {
    for index in 0..1000 {
        let dir: PathBuf = root.join(format!("backends/b{index:04}"));
        fs::create_dir_all(&dir).expect("a directory");
        let text = |value: String| Arc::new(StringArray::from(vec![value])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("cid", text("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am".into())),
            ("car_file_path", text(format!("/b{index:04}/cars/x.car"))),
            ("backend_name", text(format!("b{index:04}"))),
            ("created_at", text("2024-05-01T10:00:00Z".into())),
            ("status", text("stored".into())),
            ("metadata", text("{}".into())),
        ])
        .expect("columns of one length");
        let file = fs::File::create(dir.join("pin_mappings.parquet")).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("a batch is written");
        writer.close().expect("a file is closed");
    }
}

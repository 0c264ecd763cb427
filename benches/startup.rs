//! How long whole runs of `pinql` take that read little or nothing: `cargo bench --bench startup`.
//!
//! Each command runs as a process of its own, 21 times after one that does not count; the median, the fastest and the
//! slowest are printed. The shell is timed on a pseudo-terminal, from its start until its prompt is there, also over further
//! roots: `cargo bench --bench startup -- DIR…`. The thousand backends are made in a temporary directory, each with a mapping of its own.
#![allow(clippy::print_stdout)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

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
            print(&format!("{name}: {sql}"), times(root, sql));
        }
        print(&format!("{name}: the shell's prompt"), prompts(root));
    }
    for root in std::env::args().skip(1).filter(|argument| !argument.starts_with('-')) {
        print(&format!("{root}: the shell's prompt"), prompts(Path::new(&root)));
    }
}

/// Says how long runs took.
fn print(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let [median, fastest, slowest] =
        [times[RUNS / 2], times[0], times[RUNS - 1]].map(|time| time.as_secs_f64() * 1e3);
    println!("{name:<60} {median:>8.1} {fastest:>8.1} {slowest:>8.1}");
}

/// The times from the start of a shell until its prompt is there.
fn prompts(root: &Path) -> Vec<Duration> {
    let home = tempfile::tempdir().expect("a home");
    let run = || {
        let pair = native_pty_system().openpty(PtySize::default()).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pinql"));
        command.env("HOME", home.path());
        command.env("TERM", "xterm");
        command.arg("--root");
        command.arg(root);
        let mut output = pair.master.try_clone_reader().expect("its output");
        let start = Instant::now();
        let mut child = pair.slave.spawn_command(command).expect("pinql starts");
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !seen.windows(7).any(|window| window == b"pinql> ") {
            let read = output.read(&mut buffer).expect("a terminal can be read");
            assert!(read > 0, "no prompt");
            seen.extend_from_slice(&buffer[..read]);
        }
        let took = start.elapsed();
        child.kill().expect("pinql ends");
        child.wait().expect("pinql ends");
        took
    };
    run();
    (0..RUNS).map(|_| run()).collect()
}

/// The times of whole processes.
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
    (0..RUNS).map(|_| run()).collect()
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

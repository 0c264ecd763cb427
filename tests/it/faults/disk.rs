//! A disk that is really full, and a directory that really cannot be written to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use super::data::{Data, MIGRATE, cid, json_car};
use super::shim::pinql;
use super::state::{listing, rows_of};

/// Migrates on a small file system of its own, and again once it has grown. What it holds is copied out after each step.
const ON_A_SMALL_DISK: &str = r#"
mount -t tmpfs -o size=$SIZE tmpfs "$DISK" || exit 77
cp -a "$SOURCE/." "$DISK" || exit 78
export PINQL_ROOT="$DISK"
step() {
    name=$1; shift
    "$PINQL" "$@" > "$OUT/$name.out" 2> "$OUT/$name.err"
    echo $? > "$OUT/$name.code"
    cp -a "$DISK" "$OUT/$name"
}
step predicted backend migrate-pin-mappings --dry-run
step failed backend migrate-pin-mappings
mount -o remount,size=64m "$DISK" || exit 79
step finished backend migrate-pin-mappings
"#;

#[test]
fn a_full_disk_is_predicted_and_told_and_changes_nothing() {
    let data = Data::new();
    data.write_foreign("s3/pin_mappings.parquet", "s3", 0..50);
    data.write("s3/pin_mappings.car", json_car("s3", 0..50));
    // Where each is another, nothing can be made small.
    let note = |number: u32| cid(number.wrapping_mul(7919) + 1).repeat(4);
    let entries: Vec<_> = (0..1500u32)
        .map(|number| format!(r#"{{"cid":"{}","note":"{}"}}"#, cid(number), note(number)))
        .collect();
    data.write("s3/pins.json", format!("[{}]", entries.join(",\n")));
    let used: usize = listing(&data.root()).values().map(Vec::len).sum();

    let place = tempfile::tempdir().unwrap();
    let (disk, out) = (place.path().join("disk"), place.path().join("out"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&out).unwrap();
    let mut command = Command::new("unshare");
    // Root of a namespace of its own may mount, where the system lets anyone have one.
    command.args(["-rm", "sh", "-c", ON_A_SMALL_DISK]);
    command.env("SIZE", (used + 300_000).to_string()).env("DISK", &disk).env("OUT", &out);
    command.env("SOURCE", data.root()).env("PINQL", env!("CARGO_BIN_EXE_pinql"));
    let mounted = command.output();
    match &mounted {
        Ok(output) if output.status.success() => {}
        other => {
            // The test of every step, in `steps.rs`, has a full disk without one.
            println!("nothing can be mounted here, so no disk was filled: {other:?}");
            return;
        }
    }
    let told = |step: &str| {
        let read = |end: &str| fs::read_to_string(out.join(format!("{step}.{end}"))).unwrap();
        (read("code").trim().to_owned(), read("err"))
    };
    let (code, stderr) = told("predicted");
    assert!(code == "2" && stderr.contains("no room"), "{code}: {stderr}");
    assert!(stderr.contains("make room and run this again"), "{stderr}");
    let (code, stderr) = told("failed");
    assert!(code == "2" && stderr.contains("cannot write"), "{code}: {stderr}");
    assert!(stderr.contains("make room and run this again"), "{stderr}");
    for step in ["predicted", "failed"] {
        assert_eq!(listing(&out.join(step)), listing(&data.root()), "{step}");
    }
    let clean = data.copy();
    pinql(&clean.root(), MIGRATE).output().unwrap();
    assert_eq!(told("finished").0, "0");
    assert_eq!(rows_of(&out.join("finished"), "s3"), rows_of(&clean.root(), "s3"));
}

/// Writes an answer to a small file system of its own, of each of these sizes.
const TO_A_SMALL_DISK: &str = r#"
for size in $SIZES; do
    mount -t tmpfs -o size=$size tmpfs "$DISK" || exit 77
    printf old > "$DISK/$NAME.keep"
    [ -n "$SPLIT" ] || printf old > "$DISK/$NAME"
    "$PINQL" -c "$SQL" -o "$DISK/$NAME" $SPLIT 2> "$OUT/$size.err"
    echo $? > "$OUT/$size.code"
    ls -A "$DISK" > "$OUT/$size.list"
    [ -n "$SPLIT" ] || head -c 3 "$DISK/$NAME" > "$OUT/$size.old"
    umount "$DISK" || exit 79
done
"#;

#[test]
fn a_full_disk_is_an_error_wherever_in_a_compressed_answer_it_shows() {
    let data = Data::new();
    let place = tempfile::tempdir().unwrap();
    // Where each is another, nothing can be made small.
    let sql = "SELECT value % 3 AS part, SHA256(CAST(value AS VARCHAR)) AS words FROM UNNEST(RANGE(0, 6000)) AS t(value)";
    for (name, split) in [
        ("a.csv.gz", ""),
        ("a.csv.zst", ""),
        ("a.ndjson.gz", ""),
        ("a.parquet", ""),
        ("a.arrow.zst", ""),
        ("a.xlsx", ""),
        ("parts", "--split-by part --format csv --compress gzip"),
    ] {
        let whole = place.path().join(format!("whole-{name}"));
        let mut ample = vec!["-c", sql, "-o", whole.to_str().unwrap()];
        ample.extend(split.split_whitespace());
        assert_eq!(pinql(&data.root(), &ample).output().unwrap().status.code(), Some(0), "{name}");
        let bytes: u64 = match whole.is_dir() {
            true => listing(&whole).values().map(|bytes| bytes.len() as u64).sum(),
            false => fs::metadata(&whole).unwrap().len(),
        };
        // In the first buffer, in the middle, and with the very last page: what is kept of the old answer takes two.
        let page = 4096;
        let last = bytes.div_ceil(page) * page + 2 * page;
        let sizes = [4 * page, last / 2 / page * page, last - page, last - 2 * page];
        let (disk, out) = (place.path().join("disk"), place.path().join(format!("out-{name}")));
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir(&out).unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["-rm", "sh", "-c", TO_A_SMALL_DISK])
            .env("SQL", sql)
            .env("NAME", name)
            .env("SPLIT", split);
        command
            .env("SIZES", sizes.map(|size| size.to_string()).join(" "))
            .env("DISK", &disk)
            .env("OUT", &out);
        command.env("PINQL_ROOT", data.root()).env("PINQL", env!("CARGO_BIN_EXE_pinql"));
        match command.output() {
            Ok(output) if output.status.success() => {}
            other => {
                println!("nothing can be mounted here, so no disk was filled: {other:?}");
                return;
            }
        }
        for size in sizes {
            let read = |end: &str| fs::read_to_string(out.join(format!("{size}.{end}"))).unwrap();
            let (code, stderr) = (read("code"), read("err"));
            assert!(code.trim() == "2" && stderr.contains("cannot write"), "{name}, {size}: {code} {stderr}");
            assert!(stderr.contains("make room and run this again"), "{name}, {size}: {stderr}");
            let kept =
                if split.is_empty() { format!("{name}\n{name}.keep\n") } else { format!("{name}.keep\n") };
            assert_eq!(read("list"), kept, "{name}, {size}");
            assert!(!split.is_empty() || read("old") == "old", "{name}, {size}: the old answer is gone");
        }
    }
}

/// Runs the program as somebody who does not own the directory, if this is root, to whom no mode says anything.
fn as_somebody(root: &Path, args: &[&str]) -> Output {
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    if !is_root {
        return pinql(root, args).output().unwrap();
    }
    // What root builds may lie where nobody else may look.
    let program = root.with_file_name("pinql");
    if !program.exists() && fs::hard_link(env!("CARGO_BIN_EXE_pinql"), &program).is_err() {
        fs::copy(env!("CARGO_BIN_EXE_pinql"), &program).unwrap();
    }
    let mut command = Command::new(program);
    command.args(args).env_clear().env("PINQL_ROOT", root).env("HOME", root).current_dir(root);
    command.uid(65_534).gid(65_534).output().unwrap()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_directory_is_refused_before_anything_is_read() {
    let data = Data::new();
    data.write("s3/pin_mappings.car", json_car("s3", 0..3));
    // If it were read, this is what would be told.
    data.write("s3/pins.json", "this is no JSON");
    set_mode(data.root().parent().unwrap(), 0o755);
    set_mode(&data.at("s3"), 0o555);
    let before = listing(&data.root());
    for args in [
        MIGRATE,
        &["backend", "migrate-pin-mappings", "--dry-run"],
        &["backend", "restore", "s3", "--from", "car"],
        &["backend", "restore", "s3", "--from", "car", "--dry-run"],
    ] {
        let output = as_somebody(&data.root(), args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("cannot write"), "{args:?}: {stderr}");
        assert!(stderr.contains("permission denied"), "{args:?}: {stderr}");
        assert_eq!(listing(&data.root()), before, "{args:?}");
    }
    set_mode(&data.at("s3"), 0o755);
}

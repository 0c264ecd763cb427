//! Several processes at once: one writer at a time, readers whenever they like, and nothing that comes in between is lost.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::data::{Data, MIGRATE, cid, three_backends};
use super::shim::{Fault, pinql, run, run_with, stop_at};
use super::state::{Between, listing, rows_of};

const LOCKED: &str = "is being written by another process";

#[test]
fn who_comes_second_is_told_so_and_changes_nothing() {
    let data = three_backends();
    let root = data.root();
    let held = File::open(data.at("old")).unwrap();
    held.try_lock().unwrap();
    let before = listing(&root);
    for args in [
        &["backend", "migrate-pin-mappings", "--filter", "old"][..],
        &["backend", "migrate-pin-mappings", "--filter", "old", "--dry-run"],
        &["backend", "restore", "old", "--from", "car"],
        &["backend", "export-car", "old"],
    ] {
        let ran = run(&root, args);
        assert_eq!(ran.code(), Some(2), "{args:?}");
        assert!(ran.stderr().contains(LOCKED), "{args:?}: {}", ran.stderr());
        assert!(ran.stderr().contains("run this again"), "{args:?}: {}", ran.stderr());
        assert_eq!(listing(&root), before, "{args:?}");
    }
    // The others are done all the same.
    let ran = run(&root, MIGRATE);
    assert_eq!((ran.code(), data.at("old/pins.json").exists()), (Some(2), true));
    assert!(!data.at("new/pins.json").exists() && !data.at("parts/pins.json").exists());
    drop(held);
    assert_eq!(run(&root, MIGRATE).code(), Some(0));
    assert!(!data.at("old/pins.json").exists());
}

#[test]
fn readers_never_wait() {
    let data = three_backends();
    let held = File::open(data.at("old")).unwrap();
    held.try_lock().unwrap();
    let start = Instant::now();
    let ran = run(&data.root(), &["-c", "SELECT COUNT(*) FROM pins", "--format", "csv"]);
    assert_eq!(String::from_utf8_lossy(&ran.output.stdout).lines().last(), Some("7"));
    assert_eq!(run(&data.root(), &["backend", "list"]).code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(20), "they took {:?}", start.elapsed());
}

#[test]
fn migrations_at_once_end_as_one_does() {
    let before = three_backends();
    let clean = before.copy();
    run(&clean.root(), MIGRATE);
    let between = Between::new(&before.root(), &clean.root());
    for round in 0..4 {
        let data = before.copy();
        let start = || {
            let mut command = pinql(&data.root(), MIGRATE);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let all = [start(), start(), start()];
        for child in all {
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0 | 1) => {}
                code => {
                    assert!(code == Some(2) && stderr.contains(LOCKED), "round {round}: {code:?} {stderr}")
                }
            }
        }
        run(&data.root(), MIGRATE);
        between.assert_finished(&data.root(), &format!("round {round}"));
    }
}

#[test]
fn what_others_did_while_another_backend_was_migrated_is_seen() {
    let data = Data::new();
    data.write("a/pins.json", format!(r#"["{}"]"#, cid(1)));
    data.write("b/pins.json", format!(r#"["{}"]"#, cid(2)));
    // It has listed both, and opened both, when it stops in the midst of the first one.
    let first = stop_at(&data.root(), MIGRATE, 2).unwrap_or_else(|output| panic!("{output:?}"));
    let only_b = &["backend", "migrate-pin-mappings", "--filter", "b"];
    assert_eq!(run(&data.root(), only_b).code(), Some(0));
    data.write("b/pins.json", format!(r#"["{}"]"#, cid(3)));
    assert_eq!(run(&data.root(), only_b).code(), Some(0));
    let done = rows_of(&data.root(), "b");
    let output = first.go_on();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(rows_of(&data.root(), "b"), done, "its mappings are those of both files");
    assert!(done.contains(&cid(2)) && done.contains(&cid(3)), "{done}");
}

#[test]
fn a_pins_json_that_comes_while_one_is_migrated_is_left_for_the_next_run() {
    let before = Data::new();
    before.write("new/pins.json", format!(r#"["{}"]"#, cid(1)));
    let counted = run_with(&before.copy().root(), MIGRATE, Fault::None).changes;
    let newer = format!(r#"["{}", "{}"]"#, cid(1), cid(2));
    for change in 1..=counted.len() {
        let data = before.copy();
        let root = data.root();
        let Ok(stopped) = stop_at(&root, MIGRATE, change) else { continue };
        // As a tool does that is careful: beside it, then renamed over it.
        fs::write(data.at("new/pins.json.part"), &newer).unwrap();
        fs::rename(data.at("new/pins.json.part"), data.at("new/pins.json")).unwrap();
        let output = stopped.go_on();
        let stderr = String::from_utf8_lossy(&output.stderr);
        let when = format!("it came before {}: {stderr}", counted[change - 1]);
        match output.status.code() {
            Some(2) => assert!(stderr.contains("written to while it was being migrated"), "{when}"),
            code => assert_eq!(code, Some(0), "{when}"),
        }
        assert_eq!(fs::read_to_string(data.at("new/pins.json")).ok().as_ref(), Some(&newer), "{when}");
        assert_eq!(run(&root, MIGRATE).code(), Some(0), "{when}");
        let rows = rows_of(&root, "new");
        assert!(rows.contains(&cid(1)) && rows.contains(&cid(2)), "{when}: {rows}");
        assert!(!data.at("new/pins.json").exists(), "{when}");
    }
}

/// Tools that know no lock replace files, too.
#[test]
fn mappings_that_another_tool_writes_while_they_are_optimized_stay() {
    let data = Data::new();
    data.write_foreign("s3/pin_mappings.parquet", "s3", 0..9);
    let stopped = stop_at(&data.root(), &["backend", "optimize"], 1).unwrap();
    data.write_foreign("s3/pin_mappings.parquet", "s3", 0..12);
    let theirs = fs::read(data.at("s3/pin_mappings.parquet")).unwrap();
    let output = stopped.go_on();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("it was written to while it was being optimized"), "{stderr}");
    assert_eq!(fs::read(data.at("s3/pin_mappings.parquet")).unwrap(), theirs);
    assert_eq!(run(&data.root(), &["backend", "optimize"]).code(), Some(0));
    assert_eq!(rows_of(&data.root(), "s3").lines().count(), 13);
}

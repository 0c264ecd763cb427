//! `--dry-run` reads, checks and predicts, and leaves no trace.

use super::data::{Data, cid, three_backends};
use super::shim::{Fault, run, run_with};
use super::state::{listing, listing_with_times};

fn assert_no_trace(data: &Data, args: &[&str], code: i32) {
    let before = listing_with_times(&data.root());
    let ran = run_with(&data.root(), args, Fault::None);
    assert_eq!(ran.code(), Some(code), "{args:?}: {}", ran.stderr());
    assert!(ran.changes.is_empty(), "{args:?} changes {:?}", ran.changes);
    assert!(listing_with_times(&data.root()) == before, "{args:?} leaves a trace");
}

#[test]
fn a_dry_run_writes_nothing_at_all() {
    let data = three_backends();
    data.write("bad/pins.json", "[");
    data.write("worse/pin_mappings.parquet", "no mappings");
    data.write("worse/pins.json", format!(r#"["{}"]"#, cid(1)));
    let migrate = ["backend", "migrate-pin-mappings", "--dry-run", "--verbose"];
    assert_no_trace(&data, &migrate, 2);
    assert_no_trace(&data, &[&migrate[..], &["--filter", "old,new,parts"]].concat(), 1);
    assert_no_trace(&data, &["backend", "restore", "old", "--from", "car", "--dry-run"], 0);
    run(&data.root(), &["backend", "migrate-pin-mappings", "--filter", "old"]);
    assert_no_trace(&data, &["backend", "restore", "old", "--from", "backup", "--dry-run"], 0);
    assert_no_trace(&data, &["backend", "prune-backups", "--keep", "0", "--dry-run"], 0);
    assert_no_trace(&data, &["backend", "verify", "old"], 0);
    assert_no_trace(&data, &["backend", "list"], 0);
}

#[test]
fn a_dry_run_predicts_what_becomes_of_a_lone_car_of_either_kind() {
    for kind in ["car", "json"] {
        let migrate = ["backend", "migrate-pin-mappings", "--car-format", kind, "--format", "csv"];
        let restore = ["backend", "restore", "new", "--from", "car", "--car-format", kind];
        let predicted = |data: &Data, args: &[&str]| {
            let predicted = run(&data.root(), &[args, &["--dry-run"]].concat());
            let done = run(&data.root(), args);
            assert_eq!(predicted.code(), done.code(), "{kind}: {args:?}: {}", done.stderr());
            let words = predicted
                .stderr()
                .replace("would write", "wrote")
                .replace("dry run: nothing was written\n", "");
            assert_eq!(words, done.stderr(), "{kind}: {args:?}");
            done.code()
        };
        // What a migration that was stopped before its commit leaves: the CAR that it would write again.
        let data = Data::new();
        data.write("new/pins.json", format!(r#"["{}", "{}"]"#, cid(10), cid(11)));
        let source = data.copy();
        assert_eq!(run(&data.root(), &migrate).code(), Some(0));
        std::fs::copy(data.at("new/pin_mappings.car"), source.at("new/pin_mappings.car")).unwrap();
        assert_eq!(predicted(&source.copy(), &migrate), Some(0));
        assert_eq!(predicted(&source, &restore), Some(0));
        // Another CAR is kept.
        let data = Data::new();
        data.write("new/pins.json", format!(r#"["{}"]"#, cid(10)));
        data.write("new/pin_mappings.car", super::data::json_car("new", 0..2));
        assert_eq!(predicted(&data, &migrate), Some(2));
    }
}

#[test]
fn a_dry_run_tells_what_the_real_one_does() {
    let data = three_backends();
    let predicted = run(&data.root(), &["backend", "migrate-pin-mappings", "--dry-run", "--format", "csv"]);
    let done = run(&data.root(), &["backend", "migrate-pin-mappings", "--format", "csv"]);
    let text = |ran: &super::shim::Run| String::from_utf8_lossy(&ran.output.stdout).into_owned();
    assert_eq!(text(&predicted).replace("would migrate", "migrated"), text(&done));
    assert_eq!(predicted.code(), done.code());
    assert!(!listing(&data.root()).contains_key("/backends/new/pins.json"));
}

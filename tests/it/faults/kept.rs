//! What is replaced is kept, what cannot be read is not replaced, and the ways out that errors name lead out.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use pinql::migrate::{Options, Progress, migrate};
use pinql::session::{self, Session};

use super::data::{Data, MIGRATE, cid, json_car, three_backends};
use super::shim::run;
use super::state::{listing, rows_of};
use crate::support;

fn one_pin(number: u32) -> String {
    format!(r#"["{}"]"#, cid(number))
}

#[test]
fn migrations_in_one_second_keep_what_each_of_them_replaced() {
    let data = Data::new();
    let session = Session::open(&data.root(), session::Options::default()).unwrap();
    let runtime = support::runtime();
    let mut written = BTreeSet::new();
    for number in 0..4 {
        data.write("s3/pins.json", one_pin(number));
        written.insert(fs::read(data.at("s3/pins.json")).unwrap());
        let session = session.clone();
        let options = Options::at(1_740_000_000_000_000);
        let work = runtime.spawn_blocking(move || migrate(&session, &options, &Progress::default()));
        let outcome = runtime.block_on(work).unwrap().unwrap();
        assert!(!outcome.has_failed(), "{:?}", outcome.backends);
        ["pin_mappings.parquet", "pin_mappings.car"].iter().for_each(|name| {
            written.insert(fs::read(data.at("s3").join(name)).unwrap());
        });
    }
    let found: BTreeSet<_> = listing(&data.root()).into_values().collect();
    assert!(written == found, "{:?}", listing(&data.root()).keys());
    assert_eq!(listing(&data.root()).len(), 4 + 3 + 3 + 2, "{:?}", listing(&data.root()).keys());
}

#[test]
fn mappings_that_cannot_be_read_are_never_written_over_and_the_way_out_leads_out() {
    let whole = Data::new();
    whole.write_foreign("s3/pin_mappings.parquet", "s3", 0..3);
    let whole = fs::read(whole.at("s3/pin_mappings.parquet")).unwrap();
    let cut_off = whole[..whole.len() - 20].to_vec();
    for (what, bytes) in
        [("cut off", cut_off), ("empty", Vec::new()), ("CSV", b"cid,status\nQm,stored\n".to_vec())]
    {
        let data = Data::new();
        data.write("s3/pin_mappings.parquet", &bytes);
        data.write("s3/pin_mappings.car", json_car("s3", 0..3));
        data.write("s3/pins.json", one_pin(9));
        let before = listing(&data.root());
        let ran = run(&data.root(), MIGRATE);
        assert_eq!(ran.code(), Some(2), "{what}: {}", ran.stderr());
        assert!(ran.stderr().contains("are not written over"), "{what}: {}", ran.stderr());
        assert!(ran.stderr().contains("pinql backend restore s3 --from car"), "{what}: {}", ran.stderr());
        assert!(listing(&data.root()) == before, "{what}");

        let ran = run(&data.root(), &["backend", "restore", "s3", "--from", "car"]);
        assert_eq!(ran.code(), Some(0), "{what}: {}", ran.stderr());
        assert_eq!(run(&data.root(), MIGRATE).code(), Some(0), "{what}");
        let rows = rows_of(&data.root(), "s3");
        assert!([0, 1, 2, 9].iter().all(|number| rows.contains(&cid(*number))), "{what}: {rows}");
        let now = listing(&data.root());
        let lost = before.values().filter(|bytes| !now.values().any(|other| other == *bytes)).count();
        assert_eq!(lost, 0, "{what}: what was there is kept: {:?}", now.keys());
    }
}

#[test]
fn a_car_without_mappings_is_never_written_over_and_the_way_out_leads_out() {
    let source = Data::new();
    source.write("s3/pins.json", format!(r#"["{}", "{}", "{}"]"#, cid(0), cid(1), cid(2)));
    run(&source.root(), MIGRATE);
    let real = fs::read(source.at("s3/pin_mappings.car")).unwrap();
    for (what, car) in [("JSON", json_car("s3", 0..3).into_bytes()), ("a real one", real)] {
        let data = Data::new();
        data.write("s3/pin_mappings.car", &car);
        data.write("s3/pins.json", one_pin(9));
        let before = listing(&data.root());
        for args in [MIGRATE, &["backend", "migrate-pin-mappings", "--dry-run"]] {
            let ran = run(&data.root(), args);
            assert_eq!(ran.code(), Some(2), "{what}: {}", ran.stderr());
            assert!(ran.stderr().contains("the CAR is not written over"), "{what}: {}", ran.stderr());
            assert!(ran.stderr().contains("pinql backend restore s3 --from car"), "{what}: {}", ran.stderr());
            assert!(listing(&data.root()) == before, "{what}");
        }
        assert_eq!(
            run(&data.root(), &["backend", "restore", "s3", "--from", "car"]).code(),
            Some(0),
            "{what}"
        );
        assert_eq!(run(&data.root(), MIGRATE).code(), Some(0), "{what}");
        let rows = rows_of(&data.root(), "s3");
        assert!([0, 1, 2, 9].iter().all(|number| rows.contains(&cid(*number))), "{what}: {rows}");
        assert!(listing(&data.root()).values().any(|bytes| *bytes == car), "{what}: it is kept");
        assert_eq!(run(&data.root(), &["backend", "verify", "s3"]).code(), Some(0), "{what}");
    }
}

#[test]
fn restore_puts_back_what_a_migration_replaced_byte_for_byte() {
    let data = three_backends();
    let before = fs::read(data.at("old/pin_mappings.parquet")).unwrap();
    let rows = rows_of(&data.root(), "old");
    run(&data.root(), MIGRATE);
    let migrated = fs::read(data.at("old/pin_mappings.parquet")).unwrap();
    assert!(migrated != before);
    // Asked for twice it is still what the migration replaced, not what the first restore did.
    for _ in 0..2 {
        let ran = run(&data.root(), &["backend", "restore", "old", "--from", "backup"]);
        assert_eq!(ran.code(), Some(0), "{}", ran.stderr());
        assert!(fs::read(data.at("old/pin_mappings.parquet")).unwrap() == before);
        assert_eq!(rows_of(&data.root(), "old"), rows);
        assert_eq!(run(&data.root(), &["backend", "verify", "old"]).code(), Some(0));
    }
    assert!(listing(&data.root()).values().any(|bytes| *bytes == migrated), "and that is kept too");
}

#[test]
fn a_directory_of_part_files_goes_back_by_the_commands_that_are_named() {
    let data = three_backends();
    let parts = |data: &Data| {
        let mut files = listing(&data.root());
        files.retain(|path, _| path.starts_with("/backends/parts/pin_mappings.parquet/"));
        files
    };
    let (before, rows) = (parts(&data), rows_of(&data.root(), "parts"));
    run(&data.root(), MIGRATE);
    let migrated = fs::read(data.at("parts/pin_mappings.parquet")).unwrap();
    let ran = run(&data.root(), &["backend", "restore", "parts", "--from", "backup"]);
    assert_eq!(ran.code(), Some(2));
    let stderr = ran.stderr();
    let commands: Vec<_> = stderr.split('`').filter(|part| part.starts_with("mv ")).collect();
    assert!(Command::new("sh").args(["-ec", commands[0]]).status().unwrap().success(), "{stderr}");
    assert!(parts(&data) == before);
    assert_eq!(rows_of(&data.root(), "parts"), rows);
    assert!(listing(&data.root()).values().any(|bytes| *bytes == migrated), "what stood there is kept");
    assert_eq!(run(&data.root(), &["backend", "export-car", "parts"]).code(), Some(0));
    assert_eq!(run(&data.root(), &["backend", "verify", "parts"]).code(), Some(0));
}

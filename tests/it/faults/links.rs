//! Links: what lies in the root is migrated once, what lies outside is named and left alone.

use std::fs;
use std::os::unix::fs::symlink;

use super::data::{Data, MIGRATE, cid, json_car};
use super::shim::{Run, run};
use super::state::{listing, listing_with_times, rows_of};

fn migrate(data: &Data) -> (Option<i32>, String) {
    let Run { output, .. } = run(&data.root(), &["backend", "migrate-pin-mappings", "--format", "csv"]);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

fn one_pin(number: u32) -> String {
    format!(r#"["{}"]"#, cid(number))
}

/// The bytes under the names that begin with `start` in a backend's directory.
fn kept(data: &Data, backend: &str, start: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(data.at(backend)).unwrap().flatten();
    let files = files.filter(|file| file.file_name().to_string_lossy().starts_with(start));
    files
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| fs::read(file.path()).unwrap())
        .collect()
}

#[test]
fn a_backend_under_two_names_is_migrated_once() {
    let data = Data::new();
    data.write("s3/pins.json", one_pin(1));
    symlink("s3", data.at("a-link")).unwrap();
    let (code, told) = migrate(&data);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("a-link,alias,0,0") && told.contains("s3,migrated,1,1"), "{told}");
    assert!(told.contains("a-link: the same directory as backend s3"), "{told}");
    assert_eq!(kept(&data, "s3", "pins.json.backup.").len(), 1);
    assert!(fs::symlink_metadata(data.at("a-link")).unwrap().is_symlink());
}

#[test]
fn a_backend_outside_is_named_and_left_alone() {
    let outside = Data::new();
    outside.write("s3/pins.json", one_pin(1));
    outside.write("empty/readme", "");
    let data = Data::new();
    symlink(outside.at("s3"), data.at("away")).unwrap();
    symlink(outside.at("empty"), data.at("far")).unwrap();
    symlink("around", data.at("around")).unwrap();
    symlink("nowhere", data.at("dangling")).unwrap();
    data.write("here/pins.json", one_pin(2));
    let before = listing(&outside.root());
    let (code, told) = migrate(&data);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("here,migrated,1,1") && told.contains("away,failed"), "{told}");
    for name in ["away", "far", "around", "dangling"] {
        assert!(told.contains(&format!("{name}: ")), "{name} is named: {told}");
    }
    assert!(told.contains("leaves the data directory"), "{told}");
    assert!(listing(&outside.root()) == before, "nothing outside has changed");
}

#[test]
fn a_pins_json_that_is_a_link_is_kept_as_bytes_and_its_target_stays() {
    let data = Data::new();
    data.write("shared/all.json", one_pin(1));
    data.write("a/readme", "");
    data.write("b/pins.json", one_pin(2));
    fs::create_dir(data.at("c")).unwrap();
    symlink("../shared/all.json", data.at("a/pins.json")).unwrap();
    // This one is put away before its link is looked at.
    symlink("../b/pins.json", data.at("c/pins.json")).unwrap();
    let (code, told) = migrate(&data);
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(kept(&data, "a", "pins.json.backup."), [one_pin(1).into_bytes()]);
    assert_eq!(fs::read_to_string(data.at("shared/all.json")).unwrap(), one_pin(1));
    for (backend, number) in [("a", 1), ("b", 2), ("c", 2)] {
        assert!(rows_of(&data.root(), backend).contains(&cid(number)), "{backend}: {told}");
        assert!(fs::symlink_metadata(data.at(&format!("{backend}/pins.json"))).is_err(), "{backend}");
        assert_eq!(kept(&data, backend, "pins.json.backup.").len(), 1, "{backend}");
    }
    assert!(migrate(&data).1.contains("a,up to date"));
}

#[test]
fn a_pins_json_that_leads_outside_or_nowhere_is_refused() {
    let outside = Data::new();
    outside.write("s3/pins.json", one_pin(1));
    let targets = [
        ("away", outside.at("s3/pins.json")),
        ("around", "pins.json".into()),
        ("dangling", "nowhere".into()),
    ];
    for (name, target) in targets {
        let data = Data::new();
        data.write(&format!("{name}/pin_mappings.car"), json_car(name, 5..6));
        symlink(target, data.at(&format!("{name}/pins.json"))).unwrap();
        let before = listing(&data.root());
        let (code, told) = migrate(&data);
        assert_eq!(code, Some(2), "{name}: {told}");
        assert!(told.contains(&format!("{name},failed")) && told.contains("pins.json"), "{told}");
        assert!(listing(&data.root()) == before, "{name}");
    }
    assert_eq!(fs::read_to_string(outside.at("s3/pins.json")).unwrap(), one_pin(1));
}

#[test]
fn a_link_in_the_place_of_a_file_is_replaced_and_its_target_stays() {
    let outside = Data::new();
    outside.write("s3/some.car", json_car("s3", 0..2));
    let data = Data::new();
    data.write_foreign("shared/some.parquet", "s3", 0..2);
    data.write("s3/pins.json", one_pin(2));
    symlink("../shared/some.parquet", data.at("s3/pin_mappings.parquet")).unwrap();
    symlink(outside.at("s3/some.car"), data.at("s3/pin_mappings.car")).unwrap();
    let mappings = fs::read(data.at("shared/some.parquet")).unwrap();
    let before = listing_with_times(&outside.root());
    let (code, told) = migrate(&data);
    assert_eq!(code, Some(0), "{told}");
    assert!(listing_with_times(&outside.root()) == before, "nothing was made outside, not even for a moment");
    assert!(fs::read(data.at("shared/some.parquet")).unwrap() == mappings);
    let rows = rows_of(&data.root(), "s3");
    assert!((0..3).all(|number| rows.contains(&cid(number))), "{rows}");
    assert_eq!(run(&data.root(), &["backend", "verify", "s3"]).code(), Some(0));
    assert_eq!(run(&data.root(), MIGRATE).code(), Some(0));
}

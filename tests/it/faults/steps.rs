//! A fault at every single change that a command makes to the disk.

use std::collections::HashSet;
use std::fs::{self, File};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::data::{Data, MIGRATE, cid, json_car, three_backends};
use super::shim::{Fault, Run, run, run_with};
use super::state::{Between, essence, listing, rows_of};

/// A command over a data directory, and the same after a run without faults.
struct Case {
    before: Data,
    args: &'static [&'static str],
    after: Data,
    changes: Vec<String>,
    code: Option<i32>,
}

impl Case {
    fn new(before: Data, args: &'static [&'static str]) -> Case {
        let after = before.copy();
        let Run { changes, output } = run_with(&after.root(), args, Fault::None);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(changes.len() > 3, "{args:?} changes something");
        Case { before, args, after, changes, code }
    }

    /// Makes the fault at each change, one run for each: nothing may be lost then, and another run must finish the work.
    fn survives(&self, fault: fn(usize) -> Fault) {
        let between = Between::new(&self.before.root(), &self.after.root());
        let mut seen = HashSet::new();
        // Two encoders write at once: a run may make a few changes more or less than the one that was counted.
        for change in (1..=self.changes.len() + 1).filter(|change| self.is_worth(fault(*change), *change)) {
            let data = self.before.copy();
            let root = data.root();
            let ran = run_with(&root, self.args, fault(change));
            let last = ran.changes.last().cloned().unwrap_or_default();
            let when = format!("{:?}, {:?} ({last})", self.args, fault(change));
            self.assert_honest(&ran, fault(change), &when);
            if ran.code().is_some() && ran.code() == self.code {
                between.assert_finished(&root, &when);
            }
            if !seen.insert(essence(&root)) {
                continue;
            }
            between.assert_nothing_lost(&root, &when);
            let again = run(&root, self.args);
            assert!(matches!(again.code(), Some(0 | 1)), "{when}, then again: {}", again.stderr());
            between.assert_finished(&root, &format!("{when}, then again"));
        }
        assert!(seen.len() > 1, "{:?} was not harmed at all", self.args);
    }

    /// Whether a fault at this change is another one than at the next: a kill does not undo what was not synced, and a
    /// full disk shows only to what takes space.
    fn is_worth(&self, fault: Fault, change: usize) -> bool {
        let Some(what) = self.changes.get(change - 1) else { return true };
        let is_one_of = |names: &[&str]| names.iter().any(|name| what.starts_with(name));
        match fault {
            Fault::Kill(_) => !is_one_of(&["fsync", "fchmod"]),
            Fault::Full(_) => is_one_of(&["open", "write", "link", "copy", "sendfile", "mkdir"]),
            _ => true,
        }
    }

    /// A run that has not done its work says so.
    fn assert_honest(&self, ran: &Run, fault: Fault, when: &str) {
        let stderr = ran.stderr();
        assert!(!stderr.contains("panicked"), "{when}: {stderr}");
        match (ran.code(), fault) {
            (None, Fault::Kill(_)) => {}
            (Some(2), Fault::Full(_)) => {
                assert!(stderr.contains("make room and run this again"), "{when}: {stderr}")
            }
            (Some(2), Fault::Broken(_)) => assert!(stderr.contains("cannot"), "{when}: {stderr}"),
            (code, _) => assert_eq!(code, self.code, "{when}: {stderr}"),
        }
    }
}

fn migration() -> Case {
    Case::new(three_backends(), MIGRATE)
}

#[test]
fn a_migration_killed_at_any_change_loses_nothing_and_is_finished_by_the_next() {
    let case = migration();
    // It is only worth something if the shim sees what counts: every way in which names change, and every sync.
    let seen = |name: &str, part: &str| {
        case.changes.iter().filter(|change| change.starts_with(name) && change.contains(part)).count()
    };
    assert!(seen("openat", ".tmp") >= 7, "files are made: {:?}", case.changes);
    assert!(seen("write", ".tmp") >= 7, "and written to: {:?}", case.changes);
    assert!(seen("rename", ".tmp") >= 7, "and published: {:?}", case.changes);
    assert!(seen("rename", "pins.json") == 3, "each pins.json is put away: {:?}", case.changes);
    assert!(seen("link", "/backends/old/") == 2, "what is replaced is kept: {:?}", case.changes);
    assert!(seen("fsync", "") >= 20, "all of it is synced: {:?}", case.changes);
    case.survives(Fault::Kill);
}

/// No kill shows what a power cut would take: what was written and not synced. So the order is held to here.
#[test]
fn bytes_are_synced_before_they_get_their_name_and_each_name_before_the_next() {
    for case in the_others().into_iter().chain([migration()]) {
        let (mut unsynced, mut renamed) = (HashSet::new(), None);
        for change in &case.changes {
            let (call, path) = change.split_once(' ').unwrap();
            let dir = path.rsplit_once('/').unwrap().0;
            if call.contains("write") || call == "copy_file_range" || call == "sendfile" {
                unsynced.insert(path);
            } else if call.contains("sync") {
                unsynced.remove(path);
                renamed = renamed.filter(|dir| *dir != path);
            } else if call.starts_with("rename") || call.starts_with("link") {
                assert!(!unsynced.contains(path), "{change} before its bytes are synced: {:?}", case.changes);
                assert_eq!(renamed, None, "{change} before the name is synced: {:?}", case.changes);
                renamed = Some(dir);
            }
        }
        assert_eq!(renamed, None, "the last name is synced: {:?}", case.changes);
    }
}

#[test]
fn the_car_goes_first_then_the_mappings_then_the_rejects_and_last_the_pins_json() {
    let case = migration();
    let renames =
        case.changes.iter().filter(|change| change.starts_with("rename") && change.contains("/new/"));
    let names = ["pin_mappings.car", "pin_mappings.parquet", "pin_rejects.parquet", "pins.json"];
    let order = renames.map(|change| names.iter().position(|name| change.contains(name)).unwrap());
    assert_eq!(order.collect::<Vec<_>>(), [0, 1, 2, 3], "{:?}", case.changes);
}

#[test]
fn a_migration_on_a_disk_that_fills_up_at_any_change_loses_nothing_and_says_so() {
    migration().survives(Fault::Full);
}

#[test]
fn a_migration_on_a_disk_that_fails_at_any_change_loses_nothing_and_says_so() {
    migration().survives(Fault::Broken);
}

#[test]
fn a_migration_is_verified_and_lists_each_reject_once() {
    let case = migration();
    let root = case.after.root();
    let verified = run(&root, &["backend", "verify"]);
    assert_eq!(verified.code(), Some(0), "{}", verified.stderr());
    assert_eq!(rejected(&case.after), [1, 2]);
    let kept: Vec<_> =
        listing(&root).into_iter().filter(|(path, _)| path.contains("/pins.json.backup.")).collect();
    assert_eq!(kept.len(), 3, "each pins.json is kept");
    let before = listing(&case.before.root());
    for (path, bytes) in kept {
        assert_eq!(before[path.split_once(".backup.").unwrap().0], bytes, "{path}");
    }
}

/// The numbers of the rejected entries of backend `new`.
fn rejected(data: &Data) -> Vec<i64> {
    let file = File::open(data.at("new/pin_rejects.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let numbers = reader.flat_map(|batch| {
        batch.unwrap().column_by_name("entry").unwrap().as_primitive::<Int64Type>().values().to_vec()
    });
    numbers.collect()
}

#[test]
fn a_pins_json_that_is_put_back_and_migrated_again_changes_nothing() {
    let Case { after, .. } = migration();
    let root = after.root();
    let kept = fs::read_dir(after.at("new"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().into_string().unwrap());
    let kept = kept.filter(|name| name.starts_with("pins.json.backup.")).collect::<Vec<_>>();
    let before = listing(&root);
    assert_eq!(run(&root, &["backend", "restore", "new", "--backup", &kept[0]]).code(), Some(0));
    assert_eq!(run(&root, MIGRATE).code(), Some(1));
    assert_eq!(rejected(&after), [1, 2], "no reject is listed twice");
    let mut now = listing(&root);
    now.retain(|path, bytes| before.get(path) != Some(bytes));
    let more: Vec<_> = now.keys().collect();
    assert!(matches!(more[..], [more] if more.contains("/new/pins.json.backup.")), "{more:?}");
}

/// Mappings that were cut off, and the CAR of an older tool.
fn damaged() -> Data {
    let data = Data::new();
    data.write("old/pin_mappings.parquet", "PAR1, and then nothing");
    data.write("old/pin_mappings.car", json_car("old", 0..3));
    data.write("old/pins.json", format!(r#"["{}"]"#, cid(7)));
    data
}

/// Mappings, and what a migration has replaced.
fn migrated() -> Data {
    let data = Data::new();
    data.write_foreign("old/pin_mappings.parquet", "old", 0..3);
    data.write("old/pin_mappings.car", json_car("old", 0..3));
    data.write("old/pins.json", format!(r#"["{}"]"#, cid(3)));
    assert_eq!(run(&data.root(), MIGRATE).code(), Some(0));
    data
}

/// Mappings of another tool without a CAR of ours.
fn without_car() -> Data {
    let data = Data::new();
    data.write_foreign("old/pin_mappings.parquet", "old", 0..3);
    data.write("old/pin_mappings.car", json_car("old", 0..2));
    data
}

/// No mappings, and a CAR of several blocks of which one was damaged.
fn with_damaged_car() -> Data {
    let data = Data::new();
    let pins: Vec<_> =
        (0..400).map(|number| format!(r#"{{"cid":"{}","name":"{number:03000}"}}"#, cid(number))).collect();
    data.write("old/pins.json", format!("[{}]", pins.join(",")));
    assert_eq!(run(&data.root(), MIGRATE).code(), Some(0));
    let mut car = fs::read(data.at("old/pin_mappings.car")).unwrap();
    let middle = car.len() / 4;
    car[middle] ^= 0x20;
    let broken = Data::new();
    broken.write("old/pin_mappings.car", car);
    broken
}

/// Mappings of another tool that the layout cannot say all of, and part files: both are kept.
fn foreign() -> Data {
    let data = Data::new();
    data.write_foreign("old/pin_mappings.parquet", "elsewhere", 0..9);
    data.write_foreign("parts/pin_mappings.parquet/a.parquet", "parts", 0..4);
    data.write_foreign("parts/pin_mappings.parquet/b.parquet", "parts", 4..9);
    data
}

fn the_others() -> [Case; 5] {
    [
        Case::new(foreign(), &["backend", "optimize"]),
        Case::new(with_damaged_car(), &["backend", "restore", "old", "--from", "car", "--salvage"]),
        Case::new(damaged(), &["backend", "restore", "old", "--from", "car"]),
        Case::new(migrated(), &["backend", "restore", "old", "--from", "backup"]),
        Case::new(without_car(), &["backend", "export-car", "old"]),
    ]
}

#[test]
fn restore_export_car_and_optimize_killed_at_any_change_lose_nothing_and_are_finished_by_the_next() {
    the_others().iter().for_each(|case| case.survives(Fault::Kill));
}

#[test]
fn restore_export_car_and_optimize_on_a_disk_that_fills_up_lose_nothing_and_say_so() {
    the_others().iter().for_each(|case| case.survives(Fault::Full));
}

#[test]
fn restore_export_car_and_optimize_on_a_disk_that_fails_lose_nothing_and_say_so() {
    the_others().iter().for_each(|case| case.survives(Fault::Broken));
}

#[test]
fn a_migration_that_writes_plain_json_is_finished_after_a_kill_too() {
    let data = Data::new();
    data.write("new/pins.json", format!(r#"["{}", "{}"]"#, cid(10), cid(11)));
    Case::new(data, &["backend", "migrate-pin-mappings", "--car-format", "json"]).survives(Fault::Kill);
}

/// What a file says is in it before and after, so the old one is not kept.
#[test]
fn a_file_that_is_optimized_is_the_old_one_or_the_new_one_at_any_moment() {
    let before = Data::new();
    before.write_foreign("s3/pin_mappings.parquet", "s3", 0..9);
    let case = Case::new(before, &["backend", "optimize"]);
    let bytes = |data: &Data| fs::read(data.at("s3/pin_mappings.parquet")).unwrap();
    let (old, new, rows) = (bytes(&case.before), bytes(&case.after), rows_of(&case.before.root(), "s3"));
    assert_eq!(rows_of(&case.after.root(), "s3"), rows);
    assert_eq!(listing(&case.after.root()).len(), 1, "nothing is kept");
    let (mut old_ones, mut new_ones) = (0, 0);
    for change in 1..=case.changes.len() + 1 {
        for fault in [Fault::Kill(change), Fault::Full(change), Fault::Broken(change)] {
            let data = case.before.copy();
            let ran = run_with(&data.root(), case.args, fault);
            let now = bytes(&data);
            assert!(now == old || now == new, "{fault:?}");
            assert!(ran.code() != Some(0) || now == new, "{fault:?}: {}", ran.stderr());
            (old_ones, new_ones) = (old_ones + usize::from(now == old), new_ones + usize::from(now == new));
            assert_eq!(rows_of(&data.root(), "s3"), rows, "{fault:?}");
            assert_eq!(run(&data.root(), case.args).code(), Some(0), "{fault:?}, then again");
            assert_eq!(listing(&data.root()), listing(&case.after.root()), "{fault:?}, then again");
        }
    }
    assert!(old_ones > 3 && new_ones > 3, "{old_ones} and {new_ones}");
}

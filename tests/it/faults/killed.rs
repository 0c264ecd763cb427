//! A migration of a file that takes a while, killed at moments that nobody chose.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::data::{Data, MIGRATE, cid, json_car};
use super::shim::{pinql, run};
use super::state::{Between, listing};

/// How often it is killed, one time after the other in the same directory.
const KILLS: u32 = 4;
const ENTRIES: u32 = 60_000;

#[test]
fn a_migration_killed_again_and_again_ends_as_one_that_was_not() {
    let before = Data::new();
    before.write_foreign("s3/pin_mappings.parquet", "s3", 0..2000);
    before.write("s3/pin_mappings.car", json_car("s3", 0..2000));
    let entries: Vec<_> = (1000..1000 + ENTRIES).map(|number| format!(r#""{}""#, cid(number))).collect();
    before.write("s3/pins.json", format!("[{}]", entries.join(",\n")));
    let clean = before.copy();
    let start = Instant::now();
    assert_eq!(run(&clean.root(), MIGRATE).code(), Some(0));
    let whole = start.elapsed();

    let between = Between::new(&before.root(), &clean.root());
    let mut seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let first = seed;
    let data = before.copy();
    for kill in 0..KILLS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let wait = whole.mul_f64((seed >> 33) as f64 / f64::from(1u32 << 31) * 1.1);
        let mut command = pinql(&data.root(), MIGRATE);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(wait.max(Duration::from_millis(20)));
        child.kill().unwrap();
        child.wait().unwrap();
        between.assert_nothing_lost(&data.root(), &format!("seed {first}, kill {kill}"));
    }
    let ran = run(&data.root(), MIGRATE);
    assert_eq!(ran.code(), Some(0), "seed {first}: {}", ran.stderr());
    between.assert_finished(&data.root(), &format!("seed {first}"));
    let sizes: BTreeMap<_, _> =
        listing(&data.root()).into_iter().map(|(path, bytes)| (path, bytes.len())).collect();
    assert!(!sizes.keys().any(|path| path.ends_with(".tmp")), "{sizes:?}");
}

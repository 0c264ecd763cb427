//! How little it takes to begin.

use std::time::{Duration, Instant};

use crate::support::{HELLO, csv, mappings, place, write};

#[test]
fn a_thousand_backends_open_in_no_time_and_are_all_counted() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), "b0000", &mappings("b0000", &[(HELLO, "stored")]));
    let first = place(temp.path(), "b0000");
    for index in 1..1000 {
        std::fs::copy(&first, place(temp.path(), &format!("b{index:04}"))).unwrap();
    }
    let time = |sql: &str| {
        let start = Instant::now();
        (csv(temp.path(), sql), start.elapsed())
    };
    let (one, took) = time("SELECT 1 AS one");
    assert_eq!(one, "one\n1");
    assert!(took < Duration::from_secs(1), "nothing is read for it, and it took {took:?}");
    assert_eq!(time("SELECT COUNT(*) AS n FROM pins").0, "n\n1000");
    assert_eq!(time("SELECT COUNT(DISTINCT backend_name) AS n FROM pins").0, "n\n1000");
    assert_eq!(time("SELECT COUNT(cid) AS n FROM pins WHERE backend_name = 'b0500'").0, "n\n1");
}

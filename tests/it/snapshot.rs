//! A query sees the files as they were when it was planned; the next one sees what is there then.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use pinql::session::{Options, Session};

use crate::support::{HELLO, as_csv, mappings, publish, runtime};

/// A generation: every row has the same status, and there are a thousand and some rows that the generation determines.
fn generation(number: usize) -> RecordBatch {
    let status = format!("generation{number}");
    let rows: Vec<_> = (0..1000 + number % 7).map(|_| (HELLO, status.as_str())).collect();
    mappings("busy", &rows)
}

#[test]
fn a_query_finishes_with_the_files_it_was_planned_on() {
    let temp = tempfile::tempdir().unwrap();
    publish(temp.path(), "busy", &generation(1));
    runtime().block_on(async {
        let session = Session::open(temp.path(), Options::default()).unwrap();
        let sql = "SELECT status, COUNT(*) AS n FROM pins GROUP BY 1";
        let planned = session.query(sql).await.unwrap();
        publish(temp.path(), "busy", &generation(2));
        assert_eq!(as_csv(planned).await.unwrap(), "status,n\ngeneration1,1001");
        assert_eq!(as_csv(session.query(sql).await.unwrap()).await.unwrap(), "status,n\ngeneration2,1002");
        let planned = session.query(sql).await.unwrap();
        fs::remove_dir_all(temp.path().join("backends/busy")).unwrap();
        assert_eq!(as_csv(planned).await.unwrap(), "status,n\ngeneration2,1002");
        assert_eq!(as_csv(session.query(sql).await.unwrap()).await.unwrap(), "status,n");
    });
}

#[test]
fn backends_appear_and_vanish_within_one_session() {
    let temp = tempfile::tempdir().unwrap();
    runtime().block_on(async {
        let session = Session::open(temp.path(), Options::default()).unwrap();
        let names = async || {
            let answer = session.query("SELECT DISTINCT backend_name FROM pins ORDER BY 1").await.unwrap();
            as_csv(answer).await.unwrap().replace('\n', " ")
        };
        assert_eq!(names().await, "backend_name");
        publish(temp.path(), "one", &mappings("one", &[(HELLO, "stored")]));
        publish(temp.path(), "two", &mappings("two", &[(HELLO, "stored")]));
        assert_eq!(names().await, "backend_name one two");
        fs::remove_dir_all(temp.path().join("backends/one")).unwrap();
        assert_eq!(names().await, "backend_name two");
        assert!(session.query("SELECT * FROM backends.one").await.is_err());
    });
}

/// Publishes generation after generation until it is told to stop.
fn republish(root: &Path, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    let root = root.to_owned();
    std::thread::spawn(move || {
        let mut number = 1;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            publish(&root, "busy", &generation(number));
        }
        number
    })
}

#[test]
fn a_writer_that_republishes_in_a_loop_never_tears_a_query() {
    let temp = tempfile::tempdir().unwrap();
    publish(temp.path(), "busy", &generation(1));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = republish(temp.path(), Arc::clone(&stop));
    runtime().block_on(async {
        let session = Session::open(temp.path(), Options { threads: Some(2), ..Options::default() }).unwrap();
        let mut last = 0;
        for _ in 0..150 {
            // Two scans of one query see one generation: were they two, the join would find nothing.
            let sql = "SELECT a.status, a.n, b.n AS m FROM (SELECT status, COUNT(*) AS n FROM pins GROUP BY 1) a \
                       JOIN (SELECT status, COUNT(cid) AS n FROM backends.busy GROUP BY 1) b ON a.status = b.status";
            let answer = session.query(sql).await.unwrap_or_else(|error| panic!("{error}"));
            let text = as_csv(answer).await.unwrap_or_else(|error| panic!("{error}"));
            let row = text.lines().nth(1).unwrap_or_else(|| panic!("two generations in one query"));
            let fields: Vec<&str> = row.split(',').collect();
            let number: usize = fields[0].trim_start_matches("generation").parse().unwrap();
            let rows = (1000 + number % 7).to_string();
            assert_eq!(fields[1..], [rows.as_str(), rows.as_str()], "{row}");
            assert!(number >= last, "an older generation after a newer one");
            last = number;
        }
        assert!(last > 1, "the writer never got to publish");
    });
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

//! Memory, time and stopping.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use pinql::Error;
use pinql::report::Reports;
use pinql::session::{Options, Session};

use crate::support::{as_csv, cids, mappings, repository, runtime, write};

/// Keeps a processor busy for hours without touching a file.
const RUNAWAY: &str = "SELECT COUNT(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 1000) c \
                       WHERE a.value * b.value + c.value = -1";

fn options() -> Options {
    Options { threads: Some(2), ..Options::default() }
}

#[test]
fn a_runaway_query_ends_at_its_timeout() {
    let limit = Duration::from_millis(300);
    runtime().block_on(async {
        let session =
            Session::open(&repository("examples/ipfs_kit"), Options { timeout: Some(limit), ..options() })
                .unwrap();
        let start = Instant::now();
        let error = session.query(RUNAWAY).await.unwrap().try_next().await.unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
        // The session goes on.
        assert_eq!(as_csv(session.query("SELECT 1 AS one").await.unwrap()).await.unwrap(), "one\n1");
    });
}

#[test]
fn a_dropped_runaway_query_stops_working() {
    let runtime = runtime();
    runtime.block_on(async {
        let session = Session::open(&repository("examples/ipfs_kit"), options()).unwrap();
        let answer = session.query(RUNAWAY).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(answer);
    });
    // A task that never pauses would keep the runtime from shutting down.
    let start = Instant::now();
    runtime.shutdown_timeout(Duration::from_secs(20));
    assert!(start.elapsed() < Duration::from_secs(5), "still busy after {:?}", start.elapsed());
}

#[test]
fn a_sort_beyond_the_memory_limit_spills_and_is_right() {
    runtime().block_on(async {
        let options = Options { memory_limit: Some(24 << 20), ..options() };
        let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
        let sql = "SELECT SUM(n) AS total FROM (SELECT value, row_number() OVER (ORDER BY value % 1000003 DESC, value) AS n \
                   FROM generate_series(1, 1500000))";
        let total = as_csv(session.query(sql).await.unwrap()).await.unwrap();
        assert_eq!(total, format!("total\n{}", 1_500_000u64 * 1_500_001 / 2));
    });
}

#[test]
fn rows_of_any_width_are_sorted_at_any_limit_by_any_number_of_threads() {
    // Wide: text that is a view, so that each batch of a merge holds what all its runs hold. Narrow: keys that take more than
    // their rows. Widest: batches of which the memory limit holds a few.
    let wide = (
        "SELECT md5(CAST(value AS TEXT)) AS k, repeat('x', 100) AS r, value FROM generate_series(1, 100000) ORDER BY k",
        100_000,
    );
    let narrow = (
        "SELECT value * 7919 % 1000003 AS k, value FROM generate_series(1, 200000) ORDER BY k DESC, value",
        200_000,
    );
    let widest = (
        "SELECT md5(CAST(value AS TEXT)) AS k, repeat(md5(CAST(value AS TEXT)), 64) AS r FROM generate_series(1, 12000) ORDER BY k",
        12_000,
    );
    for (sql, rows) in [wide, narrow, widest] {
        for (limit, threads) in [(8, 1), (8, 4), (20, 2)] {
            runtime().block_on(async {
                let options =
                    Options { memory_limit: Some(limit << 20), threads: Some(threads), ..options() };
                let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
                let mut answer = session.query(sql).await.unwrap();
                let mut count = 0;
                while let Some(batch) = answer.try_next().await.unwrap_or_else(|error| {
                    panic!("{sql}: {limit} MB, {threads} threads, {count} rows: {error} {:?}", error.hint())
                }) {
                    count += batch.num_rows();
                }
                assert_eq!(count, rows, "{sql}: {limit} MB, {threads} threads");
            });
        }
    }
}

#[test]
fn a_query_that_cannot_spill_enough_says_so() {
    runtime().block_on(async {
        let options = Options { memory_limit: Some(2 << 20), ..options() };
        let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
        let sql = "SELECT array_agg(value) FROM generate_series(1, 3000000)";
        let outcome = as_csv(session.query(sql).await.unwrap()).await;
        let error = outcome.unwrap_err();
        assert!(matches!(&error, Error::Memory { limit, .. } if limit == "2.0 MiB"), "{error}");
        assert!(error.hint().unwrap().contains("--memory-limit"));
    });
}

#[test]
fn a_join_that_does_not_fit_is_done_another_way() {
    runtime().block_on(async {
        let options = Options { memory_limit: Some(64 << 20), ..options() };
        let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
        let sql = "SELECT COUNT(*) AS n FROM (SELECT value, lpad(CAST(value AS VARCHAR), 40, '0') AS text FROM generate_series(1, 1200000)) a \
                   JOIN (SELECT value, lpad(CAST(value AS VARCHAR), 40, 'x') AS text FROM generate_series(1, 1200000)) b \
                   ON a.value = b.value WHERE a.text <> b.text";
        assert_eq!(as_csv(session.query(sql).await.unwrap()).await.unwrap(), "n\n1200000");
    });
}

#[test]
fn a_join_of_wide_rows_that_does_not_fit_is_done_another_way_by_one_thread_too() {
    let side = |text: &str| {
        format!(
            "(SELECT value AS v, md5(CAST(value AS TEXT)) AS k, repeat('{text}', 200) AS p FROM generate_series(1, 60000))"
        )
    };
    let sql = format!(
        "SELECT COUNT(*) AS n, SUM(a.v + b.v) AS s FROM {} a JOIN {} b ON a.k = b.k WHERE a.p <> b.p",
        side("p"),
        side("q")
    );
    for threads in [1, 2, 4] {
        runtime().block_on(async {
            let options =
                Options { memory_limit: Some(12 << 20), threads: Some(threads), ..Options::default() };
            let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
            let answer = as_csv(session.query(&sql).await.unwrap()).await;
            let answer =
                answer.unwrap_or_else(|error| panic!("{threads} threads: {error} {:?}", error.hint()));
            assert_eq!(answer, "n,s\n60000,3600060000", "{threads} threads");
        });
    }
}

#[test]
fn distinct_values_of_many_groups_stay_within_the_memory_limit_and_are_right() {
    // Without a limit, and with ones at which the aggregate writes out what it has and begins anew, many times over.
    for limit in [None, Some(64 << 20), Some(24 << 20), Some(12 << 20)] {
        runtime().block_on(async {
            let options = Options { memory_limit: limit, ..options() };
            let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
            let sql = "SELECT n, filtered, COUNT(*) AS groups FROM ( \
                       SELECT value % 200000 AS g, COUNT(DISTINCT CAST(value / 200000 % 3 AS VARCHAR)) AS n, COUNT(*) AS m, \
                       COUNT(DISTINCT value / 200000) FILTER (WHERE value % 2 = 0) AS filtered \
                       FROM generate_series(0, 799999) GROUP BY 1) GROUP BY n, filtered ORDER BY n, filtered";
            let answer = as_csv(session.query(sql).await.unwrap()).await;
            let answer = answer.unwrap_or_else(|error| panic!("{limit:?}: {error}\n{:?}", error.hint()));
            assert_eq!(answer, "n,filtered,groups\n3,0,100000\n3,4,100000", "{limit:?}");
        });
    }
}

#[test]
fn lists_of_distinct_values_are_those_of_any_other_way() {
    let lists = |distinct: &str| {
        format!(
            "SELECT g, {distinct} AS all_of_them FROM (VALUES (1, 'a'), (1, NULL), (1, 'b'), (1, 'a'), (2, NULL), (2, NULL), \
             (3, 'c'), (4, 'd')) AS t (g, v) GROUP BY g ORDER BY g"
        )
    };
    runtime().block_on(async {
        let session = Session::open(&repository("examples/ipfs_kit"), options()).unwrap();
        for (sql, wanted) in [
            ("ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(DISTINCT v)), ',', '-')", "\"-,a,b\" - c d"),
            (
                "ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(DISTINCT v) FILTER (WHERE v <> 'c')), ',', '-')",
                "\"a,b\" \"NULL\" \"NULL\" d",
            ),
            ("CARDINALITY(ARRAY_AGG(DISTINCT v))", "3 1 1 1"),
            ("ARRAY_TO_STRING(ARRAY_AGG(DISTINCT v ORDER BY v DESC), ',', '-')", "\"-,b,a\" - c d"),
        ] {
            let sql = format!(
                "SELECT COALESCE(CAST(all_of_them AS VARCHAR), 'NULL') AS l FROM ({}) ORDER BY g",
                lists(sql)
            );
            let answer = as_csv(session.query(&sql).await.unwrap()).await.unwrap();
            assert_eq!(answer.lines().skip(1).collect::<Vec<_>>().join(" "), wanted, "{sql}");
        }
    });
}

#[test]
fn lists_of_distinct_values_of_many_groups_stay_within_the_memory_limit_and_are_right() {
    for limit in [None, Some(64 << 20), Some(24 << 20), Some(12 << 20)] {
        runtime().block_on(async {
            let options = Options { memory_limit: limit, ..options() };
            let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
            let sql = "SELECT l, f, COUNT(*) AS groups FROM ( \
                       SELECT value % 200000 AS g, ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(DISTINCT 'v' || CAST(value / 200000 % 3 AS VARCHAR))), ' ') AS l, \
                       ARRAY_TO_STRING(ARRAY_SORT(ARRAY_AGG(DISTINCT value / 200000) FILTER (WHERE value % 2 = 0)), ' ') AS f \
                       FROM generate_series(0, 799999) GROUP BY 1) GROUP BY l, f ORDER BY l, f";
            let answer = as_csv(session.query(sql).await.unwrap()).await;
            let answer = answer.unwrap_or_else(|error| panic!("{limit:?}: {error}\n{:?}", error.hint()));
            assert_eq!(answer, "l,f,groups\nv0 v1 v2,0 1 2 3,100000\nv0 v1 v2,,100000", "{limit:?}");
        });
    }
}

#[test]
fn reports_of_the_backends_of_each_content_need_little_memory() {
    let temp = tempfile::tempdir().unwrap();
    let spelled = |number: u64| if number.is_multiple_of(3) { cids::v1(number) } else { cids::raw(number) };
    for (backend, every) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)] {
        let numbers = (0..40_000).filter(|number| number % every == 0);
        // Under two codecs some contents are on two backends.
        let cids: Vec<_> =
            numbers.map(|number| if backend == "d" { cids::raw(number) } else { spelled(number) }).collect();
        let state = |at: usize| if at % 10 == 9 { "failed" } else { "stored" };
        let rows: Vec<_> = cids.iter().enumerate().map(|(at, cid)| (cid.as_str(), state(at))).collect();
        write(temp.path(), backend, &mappings(backend, &rows));
    }
    let reports = Reports::built_in();
    for name in ["under-replicated", "over-replicated", "codec-mismatch", "overlap", "repair-options"] {
        let report = reports.get(name).unwrap();
        let bindings = report.bind(&[], chrono::DateTime::UNIX_EPOCH).unwrap();
        let answers = [None, Some(16_000_000)].map(|memory_limit| {
            runtime().block_on(async {
                let session = Session::open(temp.path(), Options { memory_limit, ..options() }).unwrap();
                let answer = as_csv(session.query_with(&report.sql, &bindings).await.unwrap()).await;
                answer.unwrap_or_else(|error| panic!("{name}, {memory_limit:?}: {error} {:?}", error.hint()))
            })
        });
        assert!(answers[0].lines().count() > 5, "{name}");
        assert!(answers[0] == answers[1], "{name}: another answer in little memory");
    }
}

#[test]
fn the_contents_of_each_backend_are_counted_in_little_memory() {
    let temp = tempfile::tempdir().unwrap();
    let cids: Vec<_> = (0..40_000).map(cids::raw).collect();
    let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
    for backend in ["a", "b", "c"] {
        write(temp.path(), backend, &mappings(backend, &rows));
    }
    let reports = Reports::built_in();
    let sql = format!(
        "SELECT backend_name, stored, contents FROM ({}) ORDER BY 1",
        reports.get("backend-summary").unwrap().sql
    );
    for threads in [1, 2, 4] {
        runtime().block_on(async {
            let options = Options { memory_limit: Some(20_000_000), threads: Some(threads), ..options() };
            let session = Session::open(temp.path(), options).unwrap();
            let answer = as_csv(session.query(&sql).await.unwrap()).await;
            let answer =
                answer.unwrap_or_else(|error| panic!("{threads} threads: {error} {:?}", error.hint()));
            assert_eq!(answer, "backend_name,stored,contents\na,40000,40000\nb,40000,40000\nc,40000,40000");
        });
    }
}

#[test]
fn an_answer_that_is_taken_slowly_ends_at_the_timeout_too() {
    runtime().block_on(async {
        let options = Options { timeout: Some(Duration::from_millis(300)), ..options() };
        let session = Session::open(&repository("examples/ipfs_kit"), options).unwrap();
        let mut answer = session.query("SELECT value FROM generate_series(1, 100000000)").await.unwrap();
        let start = Instant::now();
        let error = loop {
            match answer.try_next().await {
                Ok(Some(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(None) => panic!("a hundred million rows in {:?}", start.elapsed()),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    });
}

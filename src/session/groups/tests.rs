//! Groups in streams give the same as the general engine: each tree is written twice, sorted as pinql does and unsorted as
//! other tools do.

mod sections;
mod short_runs;
mod trees;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlanProperties;
use futures::{StreamExt, TryStreamExt};

use super::Limits;
use crate::session::{Bindings, Options};
use trees::{Cuts, Dice, Row, Trees, lines, rows, texts, write_unsorted};

/// Limits that make much of little.
fn tiny(memory: Option<usize>, block: usize, range: u64) -> Limits {
    Limits { memory, block, worth: 1, range, run: 1, few: 3, short: 0, parted: 0, turn: 30 }
}

/// Queries that streams take part in.
const QUERIES: [&str; 24] = [
    "SELECT content, COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies, MAX(size_bytes) FROM pins WHERE content <> X'' GROUP BY content",
    "SELECT content, COUNT(*) FROM pins GROUP BY content",
    "SELECT content, MIN(backend_name), MAX(backend_name), MIN(backend_name) FILTER (WHERE size_bytes > 500), MAX(backend_name) FILTER (WHERE status <> 'stored') FROM pins GROUP BY content",
    "SELECT MAX(backend_name) FILTER (WHERE status = 'stored') AS b, COUNT(*) FROM pins WHERE backend_name <> 'b01' GROUP BY content HAVING MIN(backend_name) < 'b02'",
    "SELECT copies, COUNT(*), SUM(s) FROM (SELECT COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies, MAX(size_bytes) AS s FROM pins WHERE content <> X'' GROUP BY content) GROUP BY copies",
    "SELECT DISTINCT content FROM pins",
    "SELECT COUNT(DISTINCT content) FROM pins",
    "SELECT COUNT(*) FROM (SELECT content FROM pins GROUP BY content)",
    "SELECT content, MIN(cid), MIN(backend_name) FILTER (WHERE status = 'stored'), MAX(created_at), AVG(size_bytes), BOOL_OR(status = 'failed') FROM pins GROUP BY content",
    "SELECT content, COUNT(DISTINCT status), SUM(size_bytes), COUNT(size_bytes), COUNT(DISTINCT cid) FROM pins GROUP BY content",
    "SELECT content, COUNT(DISTINCT backend_name), COUNT(DISTINCT backend_name) FILTER (WHERE size_bytes > 500) FROM pins WHERE backend_name <> 'b01' GROUP BY content HAVING COUNT(*) > 1",
    "SELECT content, COUNT(*) FROM pins WHERE status = 'failed' AND size_bytes > 100 GROUP BY content",
    "SELECT content, COUNT(*) FROM pins WHERE content > X'1220' AND content <> X'' AND status <> 'stored' GROUP BY content",
    "SELECT content, array_to_string(array_sort(array_agg(backend_name)), ',') FROM pins GROUP BY content",
    "SELECT content, MEDIAN(size_bytes) FROM pins GROUP BY content",
    "SELECT p.cid, p.backend_name, c.copies FROM pins p LEFT JOIN (SELECT content, COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies FROM pins WHERE content <> X'' GROUP BY content) c ON c.content = p.content WHERE p.status = 'failed'",
    "WITH g AS (SELECT content, COUNT(*) AS n FROM pins GROUP BY content) SELECT a.content, a.n, b.n FROM g a JOIN g b ON a.content = b.content",
    "WITH s AS (SELECT content, COUNT(*) AS n FROM pins WHERE status = 'stored' GROUP BY content), f AS (SELECT content, COUNT(*) AS n FROM pins WHERE status = 'failed' GROUP BY content) SELECT s.content, s.n, f.n FROM s FULL JOIN f ON s.content = f.content",
    "SELECT content, n, row_number() OVER (PARTITION BY content ORDER BY n), SUM(n) OVER (PARTITION BY n) FROM (SELECT content, COUNT(*) AS n FROM pins GROUP BY content)",
    "SELECT content, n FROM (SELECT content, COUNT(*) AS n FROM pins WHERE status = 'stored' GROUP BY content UNION ALL SELECT content, -COUNT(*) AS n FROM pins WHERE status <> 'stored' GROUP BY content)",
    "SELECT content FROM (SELECT content, COUNT(*) AS n FROM pins GROUP BY content) g WHERE NOT EXISTS (SELECT 1 FROM pins p WHERE p.content = g.content AND p.status = 'stored')",
    "SELECT content, COUNT(DISTINCT backend_name) FROM pins GROUP BY content",
    "SELECT content, COUNT(DISTINCT backend_name) AS copies FROM pins WHERE status = 'stored' GROUP BY content HAVING COUNT(DISTINCT backend_name) < 2",
    "SELECT content, AVG(size_bytes) FILTER (WHERE status = 'failed'), corr(size_bytes, length(cid)) FILTER (WHERE size_bytes < 0) FROM pins GROUP BY content",
];

fn options(threads: usize, memory_limit: Option<usize>) -> Options {
    Options { threads: Some(threads), memory_limit, ..Options::default() }
}

#[test]
fn streams_give_what_the_general_engine_gives() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let backends: Vec<Vec<Vec<Row>>> = (0..[3, 1, 7, 2][seed as usize])
            .map(|_| {
                let parts = if dice.roll(4) == 0 { 3 } else { 1 };
                let contents = [40, 400, 3000][dice.roll(3) as usize];
                (0..parts)
                    .map(|_| {
                        let count = dice.roll(500);
                        rows(&mut dice, count, contents)
                    })
                    .collect()
            })
            .collect();
        let cuts = Cuts {
            group: [200, 1000, 100_000][dice.roll(3) as usize],
            page: [7, 50, 2000][dice.roll(3) as usize],
            sections: dice.roll(2) == 0,
        };
        let trees = Trees::of(&backends, cuts);
        for (number, sql) in QUERIES.iter().enumerate() {
            let (threads, block, range) =
                [(1, 10, 20_000), (2, 300, 40_000), (8, 100_000, 1 << 30), (3, 1, 30_000)]
                    [(number + seed as usize) % 4];
            trees.compare(sql, &options(threads, None), &tiny(None, block, range), Some(true));
        }
    }
}

#[test]
fn reports_are_the_same() {
    let mut dice = Dice(77);
    let backends: Vec<_> = (0..4).map(|_| vec![rows(&mut dice, 500, 300)]).collect();
    let trees = Trees::of(&backends, Cuts { group: 250, page: 20, sections: true });
    for (name, used) in [
        ("at-risk", true),
        ("failed-pins", true),
        ("redundancy", true),
        ("summary", true),
        ("under-replicated", true),
        ("backend-summary", false),
        ("status-distribution", false),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries").join(format!("{name}.sql"));
        let mut sql = fs::read_to_string(path).unwrap();
        for (parameter, value) in [
            ("$min_copies", "3"),
            ("$backends", "make_array('b00', 'b02')"),
            ("$as_of", r#"arrow_cast('2026-11-01T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')"#),
            ("$older_than", "INTERVAL '1 days'"),
        ] {
            sql = sql.replace(parameter, value);
        }
        for threads in [1, 2, 8] {
            trees.compare(&sql, &options(threads, None), &tiny(None, 50, 40_000), Some(used));
        }
    }
}

#[test]
fn one_content_may_have_any_number_of_rows() {
    let mut dice = Dice(5);
    let mut many = rows(&mut dice, 300, 300);
    let one = rows(&mut dice, 1, 1);
    many.extend(std::iter::repeat_n(one[0].clone(), 8_000));
    let other = [rows(&mut dice, 200, 300), vec![one[0].clone(); 3]].concat();
    let trees = Trees::of(
        &[vec![many.clone()], vec![other], vec![many]],
        Cuts { group: 1500, page: 100, sections: true },
    );
    for sql in &QUERIES[1..10] {
        // A memory limit makes batches of 128 rows.
        trees.compare(sql, &options(2, Some(16 << 20)), &tiny(None, 64, 100_000), Some(true));
    }
}

#[test]
fn little_memory_is_enough() {
    let mut dice = Dice(9);
    let backends: Vec<_> = (0..6).map(|_| vec![rows(&mut dice, 8_000, 20_000)]).collect();
    let trees = Trees::of(&backends, Cuts { group: 5000, page: 200, sections: false });
    let memory = 40 << 20;
    for sql in [QUERIES[0], QUERIES[1], QUERIES[4], QUERIES[6]] {
        let limits = Limits { worth: 1, ..Limits::new(Some(memory)) };
        trees.compare(sql, &options(2, Some(memory)), &limits, Some(true));
    }
    let limits = Limits { worth: 1, ..Limits::new(Some(4 << 20)) };
    trees.compare(QUERIES[1], &options(2, Some(4 << 20)), &limits, Some(true));
    // Where it is not, the general engine does it: it spills.
    let limits = Limits { worth: 1, ..Limits::new(Some(64 << 10)) };
    trees.compare(QUERIES[1], &options(2, Some(4 << 20)), &limits, Some(false));
}

#[test]
fn rows_are_gathered_once_whenever_their_partitions_are_read() {
    let mut dice = Dice(33);
    let trees =
        Trees::of(&[vec![rows(&mut dice, 900, 500)]], Cuts { group: 1000, page: 100, sections: true });
    let session = trees.session("unsorted", &options(6, None), tiny(None, 50, 40_000));
    let sql = "SELECT DISTINCT content FROM pins";
    let wanted = lines(&trees.session("sorted", &Options::default(), Limits::new(None)), sql).unwrap();
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    workers.block_on(async {
        let query = session.planner.plan(sql, &Bindings::default(), &[]).await.unwrap();
        let context = query.state.task_ctx();
        let partitions = query.plan.output_partitioning().partition_count();
        assert!(query.plan.name() == "RadixGroupsExec" && partitions == 6, "{:?}", query.plan);
        let read = |partition| query.plan.execute(partition, Arc::clone(&context));
        // One is given up while it reads; of the others each is begun when the one before has ended.
        drop(futures::poll!(read(3).unwrap().next()));
        let mut batches = Vec::new();
        for partition in [5, 0, 1, 4, 2] {
            batches.extend(read(partition).unwrap().try_collect::<Vec<_>>().await.unwrap());
        }
        let found = texts(&batches);
        assert!(found.iter().all(|content| wanted.contains(content)));
        // What is missing is of the partition that was given up.
        assert!(found.len() > wanted.len() / 2 && found.len() < wanted.len(), "{}", found.len());
        assert!(read(0).is_err());
    });
}

#[test]
fn rows_that_turn_out_too_wide_to_be_held_are_left_to_the_general_engine() {
    let mut dice = Dice(32);
    let backends: Vec<_> = (0..4).map(|_| vec![rows(&mut dice, 3000, 3000)]).collect();
    let trees = Trees::of(&backends, Cuts { group: 5000, page: 100, sections: false });
    let memory = Some(16 << 20);
    let limits = Limits { parted: 0, ..Limits::new(memory) };
    let session = trees.session("unsorted", &options(2, memory), limits.clone());
    // Each row's text takes two and a half thousand bytes, and all of them more than there is.
    let sql = "SELECT copies, COUNT(*), MAX(l) FROM (SELECT COUNT(DISTINCT backend_name) AS copies, length(MIN(repeat(cid, 40))) AS l FROM pins GROUP BY content) GROUP BY copies";
    assert!(lines(&session, &format!("EXPLAIN {sql}")).unwrap().concat().contains("RadixGroupsExec"));
    trees.compare(sql, &options(2, memory), &limits, None);
}

#[test]
fn what_is_not_known_to_be_sorted_is_not_streamed() {
    let mut dice = Dice(3);
    let trees = Trees::of(
        &[vec![rows(&mut dice, 100, 50)], vec![rows(&mut dice, 100, 50)]],
        Cuts { group: 50, page: 10, sections: true },
    );
    let limits = tiny(None, 10, 1000);
    let used = |sql: &str| {
        let session = trees.session("sorted", &options(2, None), limits.clone());
        lines(&session, &format!("EXPLAIN {sql}")).unwrap().concat().contains("ContentGroupsExec")
    };
    assert!(used("SELECT content, COUNT(*) FROM pins GROUP BY content"));
    assert!(used("SELECT content, COUNT(*) FROM backends.b00 GROUP BY content"));
    for sql in [
        "SELECT content, status, COUNT(*) FROM pins GROUP BY content, status",
        "SELECT content, COUNT(*) FROM pins GROUP BY ROLLUP (content)",
        "SELECT cid, COUNT(*) FROM pins GROUP BY cid",
        "SELECT content || X'00' AS c, COUNT(*) FROM pins GROUP BY c",
        "SELECT content, array_agg(cid ORDER BY cid) FROM pins GROUP BY content",
        "SELECT content, COUNT(*) FROM (SELECT * FROM pins LIMIT 30) GROUP BY content",
        "SELECT DISTINCT content FROM pins LIMIT 3",
    ] {
        assert!(!used(sql), "{sql}");
    }
    // One file of another tool among ours.
    let other = trees.dir.path().join("sorted/backends/b02");
    fs::create_dir(&other).unwrap();
    write_unsorted(&other.join("pin_mappings.parquet"), "b02", &rows(&mut dice, 10, 50));
    assert!(!used("SELECT content, COUNT(*) FROM pins GROUP BY content"));
    assert!(used("SELECT content, COUNT(*) FROM pins WHERE backend_name < 'b02' GROUP BY content"));
}

#[test]
fn a_plan_travels_as_the_general_one() {
    let mut dice = Dice(4);
    let trees = Trees::of(
        &[vec![rows(&mut dice, 500, 90)], vec![rows(&mut dice, 500, 90)]],
        Cuts { group: 200, page: 10, sections: true },
    );
    let session = trees.session("sorted", &options(2, None), tiny(None, 10, 1000));
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for sql in &QUERIES[..5] {
        let batches: Vec<RecordBatch> = workers.block_on(async {
            let plan = session.encode_plan(sql).await.unwrap();
            session.run_plan(&plan).await.unwrap().try_collect().await.unwrap()
        });
        assert_eq!(texts(&batches), lines(&session, sql).unwrap(), "{sql}");
    }
}

#[test]
fn groups_that_are_the_same_in_a_run_are_right() {
    let queries = [
        "SELECT backend_name, COUNT(*), SUM(size_bytes), MIN(created_at), MAX(cid) FROM pins GROUP BY backend_name",
        "SELECT backend_name, SUM(size_bytes) FILTER (WHERE size_bytes < 0), MIN(cid) FILTER (WHERE status = 'no'), COUNT(size_bytes) FILTER (WHERE size_bytes < 0), BOOL_OR(size_bytes > 7) FILTER (WHERE size_bytes < 0) FROM pins GROUP BY backend_name",
        "SELECT backend_name, status, COUNT(*) FROM pins GROUP BY backend_name, status",
        "SELECT status, COUNT(*) FILTER (WHERE size_bytes > 500), COUNT(size_bytes) FROM pins GROUP BY status",
        "SELECT upper(backend_name), COUNT(*) FROM pins WHERE size_bytes > 900 GROUP BY 1 HAVING COUNT(*) > 3",
        "SELECT backend_name, COUNT(*) FROM pins WHERE status <> 'stored' GROUP BY 1",
        "SELECT status = 'stored', SUM(size_bytes) FROM pins WHERE backend_name <> 'b00' GROUP BY 1",
        "SELECT backend_name, status, COUNT(*), SUM(size_bytes), COUNT(created_at), MIN(created_at) FROM pins GROUP BY 1, 2",
        "SELECT backend_name, SUM(size_bytes) FILTER (WHERE status = 'stored'), COUNT(*) FILTER (WHERE status <> 'stored') FROM pins WHERE status <> 'failed' GROUP BY 1",
        "SELECT SUM(size_bytes), COUNT(*) FROM pins WHERE status = 'stored'",
        "SELECT p.cid, c.n FROM pins p JOIN (SELECT backend_name, COUNT(*) AS n FROM pins GROUP BY 1) c USING (backend_name)",
    ];
    // What footers say is enough: of each row group, of each section of one status.
    let answered = [
        "SELECT backend_name, COUNT(*), SUM(size_bytes), MIN(size_bytes), MAX(size_bytes), COUNT(size_bytes), COUNT(cid) FROM pins GROUP BY backend_name",
        "SELECT SUM(size_bytes), COUNT(*) - COUNT(size_bytes), MIN(created_at), MAX(created_at), COUNT(backend_name) FROM pins",
        "SELECT upper(backend_name), SUM(size_bytes) FILTER (WHERE backend_name > 'b01'), MAX(created_at) FROM pins WHERE backend_name <> 'b02' GROUP BY 1",
        "SELECT SUM(size_bytes) FILTER (WHERE backend_name = 'none'), MIN(size_bytes) FILTER (WHERE backend_name = 'none'), COUNT(*) FILTER (WHERE backend_name = 'none') FROM pins",
    ];
    // Their state without groups is another than with them, so that the general engine does all of it.
    let general = [
        "SELECT status, AVG(size_bytes) FILTER (WHERE status <> 'stored') FROM pins GROUP BY status",
        "SELECT backend_name, AVG(CAST(size_bytes AS DECIMAL(20, 3))) FILTER (WHERE size_bytes < 0) FROM pins GROUP BY 1",
        "SELECT backend_name, ROUND(corr(size_bytes, length(cid)), 6) FROM pins GROUP BY 1",
        "SELECT backend_name, AVG(NULL::DOUBLE), COUNT(DISTINCT status) FROM pins GROUP BY 1",
    ];
    for seed in 0..3 {
        let mut dice = Dice(seed + 50);
        let mut backends: Vec<_> = (0..4).map(|_| vec![rows(&mut dice, 700, 300)]).collect();
        backends.push(vec![Vec::new()]);
        let group = [90, 100_000, 90][seed as usize];
        let trees = Trees::of(&backends, Cuts { group, page: 20, sections: seed > 0 });
        for sql in general {
            trees.compare(sql, &options(2, None), &tiny(None, 50, 40_000), Some(false));
        }
        for sql in answered {
            let (options, limits) = (options(2, None), tiny(None, 50, 40_000));
            trees.compare(sql, &options, &limits, None);
            let plan = lines(&trees.session("sorted", &options, limits), &format!("EXPLAIN {sql}"));
            let plan = plan.unwrap().concat();
            assert!(plan.contains("parts=0") && !plan.contains("DataSourceExec"), "{sql}: {plan}");
        }
        for sql in queries {
            for threads in [2, 8] {
                let (options, limits) = (options(threads, None), tiny(None, 50, 40_000));
                trees.compare(sql, &options, &limits, None);
                let by_backend = !sql.contains("status");
                let plan = lines(&trees.session("sorted", &options, limits), &format!("EXPLAIN {sql}"));
                let used = plan.unwrap().concat().contains("RunGroupsExec");
                assert!(used || !(by_backend || seed > 0 && !sql.contains("<>")), "{sql}");
            }
        }
    }
}

#[test]
fn groups_by_few_values_are_those_of_the_general_engine() {
    let queries = [
        "SELECT backend_name, status, COUNT(*) FROM pins GROUP BY backend_name, status",
        "SELECT status, backend_name, SUM(size_bytes), MIN(cid), MAX(created_at), COUNT(size_bytes) FROM pins GROUP BY 1, 2",
        "SELECT status, COUNT(*) FILTER (WHERE size_bytes > 500), BOOL_OR(size_bytes > 990) FROM pins GROUP BY status",
        "SELECT s, COUNT(*) FROM (SELECT status AS s, size_bytes AS n FROM pins WHERE status <> 'stored') WHERE n > 100 GROUP BY s HAVING COUNT(*) > 1",
        "SELECT backend_name, MIN(status) FILTER (WHERE size_bytes < 0), COUNT(*) FILTER (WHERE size_bytes < 0) FROM pins GROUP BY 1",
        "SELECT status FROM pins GROUP BY status",
        "SELECT backend_name, COUNT(*) FROM pins WHERE size_bytes < 0 GROUP BY backend_name",
    ];
    let general = [
        "SELECT status, COUNT(DISTINCT cid) FROM pins GROUP BY status",
        "SELECT status, cid, COUNT(*) FROM pins GROUP BY 1, 2",
        "SELECT upper(status), COUNT(*) FROM pins GROUP BY 1",
        "SELECT status, CARDINALITY(array_agg(cid)) FROM pins GROUP BY 1",
        "SELECT status, COUNT(*) FROM pins GROUP BY ROLLUP (status)",
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut dice = Dice(21);
    let long =
        ["waiting for somebody to look", "waiting for somebody to look at it", "waiting for somebody", ""];
    for backend in ["a name that does not fit a view", "a name that does not fit a view either", "b"] {
        let mut rows = rows(&mut dice, 30_000, 300);
        for row in &mut rows {
            match dice.roll(9) {
                0..4 => row.status = long[dice.roll(4) as usize],
                4 => row.status = "stored",
                _ => {}
            }
        }
        let place = dir.path().join("unsorted/backends").join(backend);
        fs::create_dir_all(&place).unwrap();
        write_unsorted(&place.join("pin_mappings.parquet"), backend, &rows);
    }
    let trees = Trees { dir };
    let session = |few| trees.session("unsorted", &options(2, None), Limits { few, ..Limits::new(None) });
    for (sql, used) in queries.map(|sql| (sql, true)).into_iter().chain(general.map(|sql| (sql, false))) {
        let wanted = lines(&session(0), sql).unwrap();
        assert!(!wanted.is_empty() || sql.contains("size_bytes < 0 GROUP"), "{sql}");
        // With room for two groups, most of them come out several times.
        for few in [2, 1000] {
            let plan = lines(&session(few), &format!("EXPLAIN {sql}")).unwrap().concat();
            assert_eq!(plan.contains("FewGroupsExec"), used, "{sql}\n{plan}");
            assert_eq!(lines(&session(few), sql).unwrap(), wanted, "{sql}");
        }
    }
}

//! Filters that the footers settle.

use arrow::array::RecordBatch;
use futures::TryStreamExt;

use super::trees::{Cuts, Dice, Row, Trees, lines, rows, texts, write_laid_out};
use super::{options, tiny};

const STATUSES: [&str; 4] = ["stored", "pending", "failed", "expired"];

/// Filters that say the same of all rows of a section, above nothing but the scan.
const SETTLED: [&str; 10] = [
    "SELECT 1 FROM pins WHERE status = 'failed'",
    "SELECT cid, status FROM pins WHERE status = 'failed' ORDER BY created_at, cid, backend_name LIMIT 7",
    "SELECT cid, backend_name, status, size_bytes FROM pins WHERE status = 'failed'",
    "SELECT content FROM pins WHERE status <> 'stored'",
    "SELECT backend_name, length(cid), created_at FROM pins WHERE status IN ('failed', 'pending')",
    "SELECT size_bytes, cid FROM pins WHERE status = 'stored'",
    "SELECT * FROM pins WHERE status = 'no such status'",
    "SELECT cid FROM pins WHERE status = 'failed' AND backend_name <> 'b01'",
    "SELECT cid, status FROM pins WHERE status = 'failed' OR status = 'expired' AND backend_name = 'b02'",
    "SELECT a.cid, b.cid FROM (SELECT * FROM pins WHERE status = 'failed') a JOIN (SELECT * FROM pins WHERE status = 'expired') b ON a.size_bytes = b.size_bytes",
];

/// Filters that are to be asked row by row, at least in a part of the plan.
const OPEN: [&str; 3] = [
    "SELECT cid, status FROM pins WHERE status = 'failed' AND size_bytes > 500",
    "SELECT cid FROM pins WHERE status = 'failed' AND content > X'1220'",
    "SELECT cid FROM pins WHERE status > cid",
];

fn trees(dice: &mut Dice, cuts: Cuts) -> Trees {
    let backends: Vec<_> = (0..3).map(|_| vec![rows(dice, 400, 150)]).collect();
    let trees = Trees::of(&backends, cuts);
    for (number, backend) in backends.iter().enumerate() {
        let name = format!("b{number:02}");
        let file = trees.dir.path().join(format!("sorted/backends/{name}/pin_mappings.parquet"));
        let sections = STATUSES.map(|status| {
            let mut section: Vec<Row> =
                backend[0].iter().filter(|row| row.status == status).cloned().collect();
            section.sort_by(|one, other| one.content.cmp(&other.content));
            section
        });
        write_laid_out(&file, &name, &sections, cuts);
    }
    trees
}

#[test]
fn filters_that_footers_settle_are_not_asked() {
    let mut dice = Dice(53);
    for group in [10, 1000] {
        let trees = trees(&mut dice, Cuts { group, page: 5, sections: true });
        for (sql, used) in SETTLED.map(|sql| (sql, true)).into_iter().chain(OPEN.map(|sql| (sql, false))) {
            for threads in [1, 2, 8] {
                let (options, limits) = (options(threads, None), tiny(None, 50, 40_000));
                let session = trees.session("sorted", &options, limits.clone());
                let plan = lines(&session, &format!("EXPLAIN {sql}")).unwrap().concat();
                assert_eq!(plan.contains("SectionsExec"), used, "{sql}\n{plan}");
                assert_eq!(plan.contains("FilterExec"), !used, "{sql}\n{plan}");
                trees.compare(sql, &options, &limits, None);
            }
        }
    }
}

#[test]
fn sections_that_a_filter_passes_over_are_not_read() {
    let trees = trees(&mut Dice(54), Cuts { group: 1000, page: 1000, sections: true });
    let session = trees.session("sorted", &options(2, None), tiny(None, 50, 40_000));
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let bytes_read = |sql: &str| {
        workers.block_on(async {
            let mut answer = session.query(sql).await.unwrap();
            while answer.try_next().await.unwrap().is_some() {}
            answer.receipt().bytes
        })
    };
    let none = "SELECT cid FROM pins WHERE status = 'no such status'";
    // The first query does not know yet how long the footers are.
    let (_, nothing) = (bytes_read(none), bytes_read(none));
    let failed = bytes_read("SELECT cid FROM pins WHERE status = 'failed'") - nothing;
    let all = bytes_read("SELECT cid FROM pins") - nothing;
    assert!(failed > 0 && failed < all / 4, "{failed} of {all}, and {nothing} for footers");
}

#[test]
fn a_settled_filter_travels_as_a_filter() {
    let trees = trees(&mut Dice(55), Cuts { group: 50, page: 10, sections: true });
    let session = trees.session("sorted", &options(2, None), tiny(None, 50, 40_000));
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for sql in SETTLED {
        let batches: Vec<RecordBatch> = workers.block_on(async {
            let plan = session.encode_plan(sql).await.unwrap();
            let general = format!("{:?}", session.planner.decode(&plan).unwrap().plan);
            assert!(general.contains("FilterExec") && !general.contains("SectionsExec"), "{general}");
            session.run_plan(&plan).await.unwrap().try_collect().await.unwrap()
        });
        assert_eq!(texts(&batches), lines(&session, sql).unwrap(), "{sql}");
    }
}

//! A physical plan over `pins` in another process gives the same answer.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pinql::session::{Options, Session};

use crate::support::tree::Tree;
use crate::support::{HELLO, as_csv, cids, mappings, publish, repository, runtime, write};

/// Tells this test binary to be the other process: the root.
const ROOT: &str = "PINQL_TEST_WIRE_ROOT";

#[test]
fn the_other_process() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let plan = std::io::read_to_string(std::io::stdin()).unwrap();
    let plan: Vec<u8> = plan.split_whitespace().map(|byte| byte.parse().unwrap()).collect();
    let said = runtime().block_on(async {
        let session = Session::open(Path::new(&root), Options::default()).unwrap();
        match session.run_plan(&plan).await {
            Ok(answer) => as_csv(answer).await.unwrap_or_else(|error| format!("error: {error}")),
            Err(error) => format!("error: {error}"),
        }
    });
    println!("<<<{said}>>>");
}

/// Runs a plan in a process of its own over `root`.
fn elsewhere(root: &Path, plan: &[u8]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "wire::the_other_process", "--nocapture"])
        .env(ROOT, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let plan: Vec<_> = plan.iter().map(u8::to_string).collect();
    child.stdin.take().unwrap().write_all(plan.join(" ").as_bytes()).unwrap();
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    output.split("<<<").nth(1).and_then(|rest| rest.split(">>>").next()).unwrap_or(&output).to_owned()
}

fn encode(root: &Path, sql: &str) -> Vec<u8> {
    runtime().block_on(async {
        let session = Session::open(root, Options { threads: Some(3), ..Options::default() }).unwrap();
        session.encode_plan(sql).await.unwrap()
    })
}

fn here(root: &Path, sql: &str) -> String {
    crate::support::csv(root, sql)
}

/// Queries whose answers depend on the adapter, the derived columns, our functions and the partition column.
const QUERIES: [&str; 8] = [
    "SELECT * FROM pins ORDER BY backend_name, car_file_path, created_at, metadata",
    "SELECT recorded_status, recorded_backend_name, status, COUNT(*) AS n FROM records GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "SELECT content, COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies FROM pins GROUP BY 1 ORDER BY 2, 1",
    "SELECT backend_name, SUM(size_bytes) AS bytes, MIN(created_at) AS oldest FROM pins WHERE status <> 'failed' GROUP BY 1 ORDER BY 1",
    "SELECT cid, cid_to_v1(cid) AS v1 FROM pins WHERE content = cid_content('QmUCGLrkAMb7P1bJUaYshCBuV1yHwHq9HCRjYSe4RBKg5W') ORDER BY 1, 2",
    "SELECT a.backend_name, COUNT(*) AS n FROM pins a JOIN pins b ON a.content = b.content AND a.backend_name <> b.backend_name GROUP BY 1 ORDER BY 1",
    "SELECT backend_name, size_bytes + 1 AS more, updated_at FROM backends.kubo_office ORDER BY more, cid",
    "SELECT backend_name, row_number() OVER (PARTITION BY backend_name ORDER BY car_file_path, created_at, metadata) AS n, metadata ->> 'name' AS name FROM pins ORDER BY 1, 2",
];

#[test]
fn a_plan_that_travels_gives_the_same_answer() {
    let root = repository("examples/ipfs_kit");
    for sql in QUERIES {
        let answer = elsewhere(&root, &encode(&root, sql));
        assert_eq!(answer, here(&root, sql), "{sql}");
        assert!(answer.lines().count() > 2, "{sql} says nothing");
    }
}

/// What the scan was told of pages stays behind; its filter does not.
#[test]
fn a_plan_over_pages_that_were_chosen_travels_too() {
    let tree = Tree::new();
    let rows: Vec<_> = (0..5_000).map(cids::v1).collect();
    let rows: Vec<_> = rows.iter().map(|cid| (cid.as_str(), "stored")).collect();
    write(&tree.root(), "laid_out", &mappings("laid_out", &rows));
    assert!(tree.run(&["backend", "optimize"]).ends_with("--- exit 0"));
    write(&tree.root(), "foreign", &mappings("foreign", &rows[..100]));
    let list: Vec<_> = (0..30).map(|number| format!("cid_content('{}')", cids::v0(number * 7))).collect();
    let one = cids::v1(77);
    for (filter, answer) in [
        (format!("content IN ({})", list.join(", ")), "foreign,15\nlaid_out,30"),
        (format!("content = cid_content('{one}')"), "foreign,1\nlaid_out,1"),
        (format!("cid = '{one}' AND backend_name = 'laid_out'"), "laid_out,1"),
    ] {
        let sql =
            format!("SELECT backend_name, COUNT(*) AS n FROM pins WHERE {filter} GROUP BY 1 ORDER BY 1");
        assert_eq!(elsewhere(&tree.root(), &encode(&tree.root(), &sql)), format!("backend_name,n\n{answer}"));
        assert_eq!(here(&tree.root(), &sql), format!("backend_name,n\n{answer}"));
    }
}

#[test]
fn a_plan_over_files_that_have_changed_is_an_error() {
    let temp = tempfile::tempdir().unwrap();
    publish(temp.path(), "s3", &mappings("s3", &[(HELLO, "stored")]));
    let plan = encode(temp.path(), "SELECT cid FROM pins");
    assert_eq!(elsewhere(temp.path(), &plan), format!("cid\n{HELLO}"));
    publish(temp.path(), "s3", &mappings("s3", &[(HELLO, "failed")]));
    let answer = elsewhere(temp.path(), &plan);
    assert!(
        answer.contains("error: backend `s3` is unreadable") && answer.contains("changed since"),
        "{answer}"
    );
}

#[test]
fn a_plan_reads_no_file_outside_of_the_root() {
    let (temp, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    publish(other.path(), "s3", &mappings("s3", &[(HELLO, "stored")]));
    let plan = encode(other.path(), "SELECT cid FROM pins");
    let root: PathBuf = temp.path().into();
    let answer = elsewhere(&root, &plan);
    assert!(answer.contains("is outside of the data directory"), "{answer}");
    assert!(elsewhere(&root, &[1, 2, 3]).starts_with("error: "));
}

#[test]
fn a_plan_that_writes_or_reads_something_else_is_refused() {
    use datafusion::prelude::{CsvReadOptions, ParquetReadOptions, SessionContext};
    use datafusion_proto::bytes::physical_plan_to_bytes;
    let root = repository("examples/ipfs_kit");
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("written.csv");
    let parquet = root.join("backends/s3_main/pin_mappings.parquet");
    let plans = runtime().block_on(async {
        let context = SessionContext::new();
        context
            .register_parquet("p", parquet.to_str().unwrap(), ParquetReadOptions::default())
            .await
            .unwrap();
        let csv = temp.path().join("secret.csv");
        std::fs::write(&csv, "a,b\n1,2\n").unwrap();
        context.register_csv("c", csv.to_str().unwrap(), CsvReadOptions::default()).await.unwrap();
        let copy = format!("COPY (SELECT 1 AS a) TO '{}' STORED AS CSV", target.display());
        let mut plans = Vec::new();
        for sql in ["SELECT cid FROM p", "SELECT * FROM c", &copy] {
            let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
            plans.push(physical_plan_to_bytes(plan).unwrap().to_vec());
        }
        plans
    });
    for plan in plans {
        let answer = elsewhere(&root, &plan);
        assert!(answer.contains("the plan reads or writes other things than pin mappings"), "{answer}");
    }
    assert!(!target.exists());
}

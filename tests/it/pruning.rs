//! What a predicate saves: files that are not opened, row groups that are not read.

use pinql::session::{Options, Receipt, Session};

use crate::support::cids::v0;
use crate::support::tree::Tree;
use crate::support::{as_csv, csv, mappings, place, repository, runtime, write, write_with};
use parquet::file::properties::WriterProperties;

/// What a query read.
fn receipt(root: &std::path::Path, sql: &str) -> (String, Receipt) {
    runtime().block_on(async {
        let session = Session::open(root, Options::default()).unwrap();
        let mut answer = session.query(sql).await.unwrap();
        let batches: Vec<_> = futures::TryStreamExt::try_collect(&mut answer).await.unwrap();
        let rows: usize = batches.iter().map(arrow::array::RecordBatch::num_rows).sum();
        (rows.to_string(), answer.receipt())
    })
}

#[test]
fn a_predicate_on_backend_name_opens_only_those_backends_files() {
    let root = repository("examples/ipfs_kit");
    let opened = |sql: &str| receipt(&root, sql).1.files;
    assert_eq!(opened("SELECT COUNT(cid) FROM pins"), 10, "nine backends, one of them in two parts");
    for (condition, files) in [
        ("backend_name = 's3_main'", 1),
        ("backend_name = 'cluster_eu'", 2),
        ("backend_name IN ('s3_main', 'ftp_mirror')", 2),
        ("backend_name LIKE 's%'", 2),
        ("backend_name = 's3_main' AND status = 'failed'", 1),
        ("backend_name = 's3_main' OR backend_name = 'hf_datasets'", 2),
        ("backend_name > 'k'", 3),
        ("upper(backend_name) = 'S3_MAIN'", 1),
        ("backend_name = 'nowhere'", 0),
        ("backend_name = 's3_main' OR status = 'failed'", 10),
        ("NOT backend_name = 's3_main'", 9),
    ] {
        assert_eq!(opened(&format!("SELECT COUNT(cid) FROM pins WHERE {condition}")), files, "{condition}");
    }
    assert_eq!(opened("SELECT COUNT(cid) FROM backends.s3_main"), 1);
    assert_eq!(opened("SELECT 1"), 0);
    assert_eq!(opened("SELECT COUNT(cid) FROM (SELECT * FROM pins) WHERE backend_name = 's3_main'"), 1);
}

#[test]
fn explain_shows_the_files_that_are_left() {
    let root = repository("examples/ipfs_kit");
    let plan = csv(&root, "EXPLAIN SELECT cid FROM pins WHERE backend_name = 's3_main' AND cid = 'x'");
    let plan = plan.replace(root.to_str().unwrap().trim_start_matches('/'), "ROOT");
    assert!(plan.contains("file_groups={1 group: [[ROOT/backends/s3_main/pin_mappings.parquet]]}"), "{plan}");
    assert!(
        plan.contains("pruning_predicate=") && plan.contains("required_guarantees=[cid in (x)]"),
        "{plan}"
    );
}

#[test]
fn files_are_read_page_by_page_where_nothing_is_left_to_be_ruled_out() {
    let cids: Vec<String> = (0..500).map(v0).collect();
    let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
    let tree = Tree::new();
    write(&tree.root(), "s3", &mappings("s3", &rows));
    // DataFusion's scan counts what its opener does.
    let by_pages = |what: &str| {
        let plan = csv(&tree.root(), &format!("EXPLAIN ANALYZE SELECT cid FROM pins {what}"));
        assert!(plan.contains("bytes_scanned=") && plan.contains("output_rows="), "{plan}");
        !plan.contains("num_predicate_creation_errors")
    };
    let failed = "WHERE status = 'failed'";
    let here = format!("WHERE content = cid_content('{}')", cids[7]);
    for (what, pages) in [("", true), (&here[..], true), (failed, true), ("WHERE created_at IS NULL", false)]
    {
        assert_eq!(by_pages(what), pages, "{what}");
    }
    tree.run(&["backend", "optimize"]);
    let cid = format!("WHERE cid = '{}'", cids[7]);
    for (what, pages) in [("", true), (&here, true), (&cid, true), ("WHERE cid LIKE '%x'", false)] {
        assert_eq!(by_pages(what), pages, "{what}, laid out");
    }
}

#[test]
fn only_the_columns_that_are_asked_for_are_read() {
    let root = repository("examples/ipfs_kit");
    let bytes = |sql: &str| receipt(&root, sql).1.bytes;
    // All files are smaller than what is read of a footer at once, so the footers cost their whole size.
    let footers = bytes("SELECT COUNT(*) FROM pins");
    let status = bytes("SELECT status FROM pins") - footers;
    let all = bytes("SELECT * FROM pins") - footers;
    assert!(status > 0 && status * 10 < all, "{status} of {all}");
}

#[test]
fn a_predicate_on_cid_reads_only_the_row_groups_that_may_hold_it() {
    let temp = tempfile::tempdir().unwrap();
    let cids: Vec<String> = (0..20_000).map(|index| format!("cid{index:05}")).collect();
    let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1000)).build();
    write_with(&place(temp.path(), "sorted"), &mappings("sorted", &rows), properties);
    let (rows, one) = receipt(temp.path(), "SELECT * FROM pins WHERE cid = 'cid12345'");
    assert_eq!(rows, "1");
    let (rows, all) = receipt(temp.path(), "SELECT * FROM pins WHERE cid LIKE '%12345'");
    assert_eq!(rows, "1");
    assert!(one.bytes * 2 < all.bytes, "{} of {}", one.bytes, all.bytes);
}

#[test]
fn dictionary_and_large_strings_prune_as_well() {
    use arrow::array::{ArrayRef, LargeStringArray, RecordBatch};
    use std::sync::Arc;
    let temp = tempfile::tempdir().unwrap();
    let values = || (0..20_000).map(|index| Some(format!("cid{index:05}")));
    let large: ArrayRef = Arc::new(values().collect::<LargeStringArray>());
    let dictionary = arrow::compute::cast(
        &large,
        &arrow::datatypes::DataType::Dictionary(
            Box::new(arrow::datatypes::DataType::Int32),
            Box::new(arrow::datatypes::DataType::Utf8),
        ),
    )
    .unwrap();
    let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(1000)).build();
    for (name, column) in [("large", large), ("dictionary", dictionary)] {
        let batch = RecordBatch::try_from_iter([("cid", column)]).unwrap();
        write_with(&place(temp.path(), name), &batch, properties());
        let ask = |condition: &str| {
            receipt(temp.path(), &format!("SELECT * FROM pins WHERE backend_name = '{name}' AND {condition}"))
        };
        let ((one_row, one), (all_row, all)) = (ask("cid = 'cid12345'"), ask("cid LIKE '%12345'"));
        assert_eq!((one_row.as_str(), all_row.as_str()), ("1", "1"), "{name}");
        assert!(one.bytes * 2 < all.bytes, "{name}: {} of {}", one.bytes, all.bytes);
    }
}

#[test]
fn a_join_with_few_backends_is_right() {
    // A dynamic filter on the partition column reaches the scan; what it prunes must not be missed.
    let root = repository("examples/ipfs_kit");
    let sql = "SELECT COUNT(*) AS n FROM pins JOIN (SELECT name FROM backends WHERE type = 's3') b ON b.name = pins.backend_name";
    assert_eq!(csv(&root, sql), "n\n34");
    runtime().block_on(async {
        let session = Session::open(&root, Options::default()).unwrap();
        let answer =
            session.query("SELECT backend_name FROM pins ORDER BY backend_name LIMIT 1").await.unwrap();
        assert_eq!(as_csv(answer).await.unwrap(), "backend_name\ncluster_eu");
    });
}

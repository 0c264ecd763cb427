//! Look-ups: by the command, by SQL, in files of any layout.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::file::reader::{FileReader, SerializedFileReader};
use pinql::session::{Options, Session};
use proptest::prelude::*;

use crate::support::cids::{base58, raw, v0, v1};
use crate::support::tree::Tree;
use crate::support::{as_csv, csv, place, publish, runtime, write};

/// Mappings as another tool writes them.
fn batch(rows: &[(String, &str)]) -> RecordBatch {
    let text = |values: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let column = |of: &dyn Fn(&(String, &str)) -> String| text(rows.iter().map(of).collect());
    RecordBatch::try_from_iter([
        ("cid", column(&|row| row.0.clone())),
        ("car_file_path", column(&|row| format!("/cars/{}.car", row.0))),
        ("backend_name", column(&|_| "x".into())),
        ("status", column(&|row| row.1.to_owned())),
        ("metadata", column(&|row| format!("{{\"size\": {}}}", row.0.len()))),
    ])
    .unwrap()
}

/// Two backends, of which one is laid out.
fn tree() -> Tree {
    let tree = Tree::new();
    let rows = |numbers: std::ops::Range<u64>, spell: fn(u64) -> String| -> Vec<(String, &str)> {
        numbers.map(|number| (spell(number), if number % 5 == 0 { "failed" } else { "stored" })).collect()
    };
    write(&tree.root(), "old", &batch(&rows(0..30, v1)));
    write(&tree.root(), "new", &batch(&rows(10..40, v0)));
    let said = tree.run(&["backend", "optimize", "new"]);
    assert!(said.ends_with("--- exit 0"), "{said}");
    tree
}

const SHORT: &[&str] = &["--format", "csv"];

#[test]
fn every_cid_is_answered_in_its_place() {
    let tree = tree();
    let (asked, spelled, nowhere) = (v1(12), base58(3), v1(99));
    let said = tree.run(&[&["lookup", &asked, &nowhere, "x/y", &spelled, &asked, &v0(15)], SHORT].concat());
    let rows: Vec<Vec<&str>> = said
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("---"))
        .map(|line| line.split(',').take(5).collect())
        .collect();
    let (old, new) = (v1(12), v0(12));
    let twelve = [
        vec![asked.as_str(), "found", "new", "stored", &new],
        vec![asked.as_str(), "found", "old", "stored", &old],
    ];
    let (third, fifteen, asked_fifteen) = (v1(3), v1(15), v0(15));
    let expected = vec![
        twelve[0].clone(),
        twelve[1].clone(),
        vec![nowhere.as_str(), "absent", "", "", ""],
        vec!["x/y", "no CID", "", "", ""],
        vec![spelled.as_str(), "found", "old", "stored", &third],
        twelve[0].clone(),
        twelve[1].clone(),
        vec![asked_fifteen.as_str(), "found", "new", "failed", &asked_fifteen],
        vec![asked_fifteen.as_str(), "found", "old", "failed", &fifteen],
    ];
    assert_eq!(rows, expected, "{said}");
    assert!(said.contains("4 found, 1 absent, 1 no CID; 9 rows"), "{said}");
    assert!(said.ends_with("--- exit 1"), "{said}");
    let said = tree.run(&[&["lookup", &asked], SHORT].concat());
    assert!(said.ends_with("--- exit 0"), "{said}");
    // A codec of its own names the same content.
    let said = tree.run(&[&["lookup", &raw(3)], SHORT].concat());
    assert!(said.contains(&format!("{},found,old,stored,{}", raw(3), v1(3))), "{said}");
}

#[test]
fn cids_come_from_a_file_or_from_stdin() {
    let tree = tree();
    let list = tree.home().join("cids.txt");
    std::fs::write(&list, format!("\u{feff}{} some words\n\n  {}\r\n", v1(1), v1(77))).unwrap();
    let from_file = tree.run(&["lookup", "--cids", list.to_str().unwrap(), "--format", "ndjson"]);
    assert!(from_file.contains("\"state\":\"absent\"") && from_file.ends_with("--- exit 1"), "{from_file}");
    assert_eq!(from_file.lines().filter(|line| line.starts_with('{')).count(), 2, "{from_file}");
    let mut child = tree
        .pinql(&["lookup", "--cids", "-", "--format", "ndjson"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(&list).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(from_file.starts_with(&String::from_utf8(output.stdout).unwrap()));
    std::fs::write(&list, "").unwrap();
    let said = tree.run(&["lookup", "--cids", list.to_str().unwrap(), "--format", "csv"]);
    assert!(
        said.starts_with("asked,state,backend_name,status,cid,car_file_path,created_at,size_bytes\n"),
        "{said}"
    );
    assert!(said.ends_with("--- exit 0"), "{said}");
    let said = tree.run(&["lookup", "--cids", "/no/such/file"]);
    assert!(said.contains("/no/such/file") && said.ends_with("--- exit 2"), "{said}");
    let said = tree.run(&["lookup"]);
    assert!(said.ends_with("--- exit 2"), "{said}");
}

#[test]
fn a_list_of_many_thousands_is_answered() {
    let tree = tree();
    let list = tree.home().join("cids.txt");
    let cids: Vec<_> = (0..60_000).map(v1).collect();
    std::fs::write(&list, cids.join("\n")).unwrap();
    let said = tree.run(&["lookup", "--cids", list.to_str().unwrap(), "--format", "csv", "-o", "/dev/null"]);
    assert!(said.contains("40 found, 59960 absent; 60020 rows"), "{said}");
}

/// A damaged page index hides no row: the file is named, or read without it.
#[test]
fn a_page_index_that_cannot_be_read_hides_nothing() {
    let tree = tree();
    let place = tree.file("new", "pin_mappings.parquet");
    let footer = SerializedFileReader::new(File::open(&place).unwrap()).unwrap().metadata().clone();
    let mut bytes = std::fs::read(&place).unwrap();
    for column in footer.row_groups().iter().flat_map(|group| group.columns()) {
        for (offset, length) in [
            (column.column_index_offset(), column.column_index_length()),
            (column.offset_index_offset(), column.offset_index_length()),
        ] {
            let (Some(offset), Some(length)) = (offset, length) else { continue };
            bytes[offset as usize..offset as usize + length as usize].fill(0xff);
        }
    }
    std::fs::write(&place, bytes).unwrap();
    let list: Vec<_> = (0..40).map(|number| format!("cid_content('{}')", v1(number))).collect();
    let many = format!("SELECT COUNT(*) AS n FROM pins WHERE content IN ({})", list.join(", "));
    assert_eq!(tree.csv(&many), "n\n60");
    let one = format!("SELECT COUNT(*) AS n FROM pins WHERE content = {}", list[12]);
    let said = tree.run(&["--format", "csv", "-c", &one]);
    assert!(said.contains("backends/new/pin_mappings.parquet") && said.ends_with("--- exit 2"), "{said}");
    let said = tree.run(&["--format", "csv", "--skip-unreadable", "-c", &one]);
    assert!(said.starts_with("n\n1\n") && said.ends_with("--- exit 1"), "{said}");
}

/// A few bytes of a Bloom filter tell that a content is nowhere, and nothing that is there is missed.
#[test]
fn what_is_nowhere_costs_no_page() {
    let tree = Tree::new();
    let rows: Vec<_> = (0..20_000)
        .map(|number| (v1(2 * number), if number % 9 == 0 { "failed" } else { "stored" }))
        .collect();
    write(&tree.root(), "x", &batch(&rows));
    let said = tree.run(&["backend", "optimize"]);
    assert!(said.ends_with("--- exit 0"), "{said}");
    let session = Session::open(&tree.root(), Options::default()).unwrap();
    let ask = |sql: String| {
        runtime().block_on(async {
            let mut answer = session.query(&sql).await.unwrap();
            let batches: Vec<RecordBatch> = futures::TryStreamExt::try_collect(&mut answer).await.unwrap();
            (batches.iter().map(RecordBatch::num_rows).sum::<usize>(), answer.receipt().bytes)
        })
    };
    // Of a footer that is known only the end is read again.
    let [_, (_, footer)] = ["SELECT COUNT(*) FROM pins"; 2].map(|sql| ask(sql.to_owned()));
    let one = |number: u64| ask(format!("SELECT * FROM pins WHERE content = cid_content('{}')", v1(number)));
    // Each of the two sections has a filter, which is wrong one time in twenty.
    let few = (0..200).filter(|number| {
        let (there, read_there) = one(200 * number);
        let (nowhere, read_nowhere) = one(200 * number + 1);
        assert_eq!((there, nowhere), (1, 0), "{number}");
        assert!(read_there > footer + 10_000, "{read_there} of {footer}");
        read_nowhere < footer + 500
    });
    let few = few.count();
    assert!(few > 160, "of 200 that are nowhere only {few} cost next to nothing");
    let contents = |numbers: std::ops::Range<u64>| {
        let contents = numbers.map(|number| format!("cid_content('{}')", v1(number)));
        contents.collect::<Vec<_>>().join(", ")
    };
    for (numbers, there) in [(0..40, 20), (39_900..40_300, 50), (100..1_000, 450)] {
        let list = contents(numbers);
        assert_eq!(ask(format!("SELECT cid FROM pins WHERE content IN ({list})")).0, there);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Whatever is asked for, a file that is laid out says what the one says that it was made of.
    #[test]
    fn layout_changes_no_answer(
        rows in prop::collection::vec((0u64..60, 0u8..4, prop::sample::select(vec!["stored", "failed", "pending"])), 1..200),
        asked in prop::collection::vec((0u64..70, 0u8..4), 0..40),
        limit in 1usize..5,
    ) {
        let spell = |number: u64, how: u8| match how {
            0 => v0(number),
            1 => v1(number),
            2 => raw(number),
            _ => format!("no CID {number}"),
        };
        let rows: Vec<_> = rows.into_iter().map(|(number, how, status)| (spell(number, how), status)).collect();
        let tree = Tree::new();
        write(&tree.root(), "x", &batch(&rows));
        let quoted: Vec<_> = asked.iter().map(|(number, how)| format!("'{}'", spell(*number, *how))).collect();
        let contents: Vec<_> = quoted.iter().map(|cid| format!("cid_content({cid})")).collect();
        let (cids, contents) = (quoted.join(", "), contents.join(", "));
        let one = quoted.first().cloned().unwrap_or("''".into());
        let mut filters = vec![
            format!("cid = {one}"),
            format!("content = cid_content({one})"),
            format!("content = cid_content({one}) AND status = 'failed'"),
            format!("content = cid_content({one}) OR status = 'failed'"),
            format!("content <> cid_content({one})"),
            "status = 'failed'".to_owned(),
            "content = NULL".to_owned(),
            format!("content > cid_content({one})"),
        ];
        if !asked.is_empty() {
            filters.push(format!("cid IN ({cids})"));
            filters.push(format!("content IN ({contents})"));
            filters.push(format!("content NOT IN ({contents})"));
            filters.push(format!("content IN ({contents}) AND cid IN ({cids})"));
            filters.push(format!("content IN ({contents}) OR cid IN ({cids})"));
        }
        let sqls: Vec<_> = filters
            .iter()
            .flat_map(|filter| {
                [
                    format!("SELECT * FROM pins WHERE {filter} ORDER BY content, cid, status"),
                    format!("SELECT COUNT(*), COUNT(DISTINCT content) FROM pins WHERE {filter}"),
                    format!("SELECT status FROM pins WHERE {filter} ORDER BY status LIMIT {limit}"),
                ]
            })
            .collect();
        let before: Vec<_> = sqls.iter().map(|sql| csv(&tree.root(), sql)).collect();
        let said = tree.run(&["backend", "optimize"]);
        prop_assert!(said.contains("optimized"), "{}", said);
        for (sql, before) in sqls.iter().zip(before) {
            prop_assert_eq!(csv(&tree.root(), sql), before, "{}", sql);
        }
    }
}

#[test]
fn a_session_parses_a_footer_once_and_never_believes_an_old_one() {
    let tree = Tree::new();
    let rows = |status: &'static str| -> Vec<_> { (0..9_000).map(|number| (v0(number), status)).collect() };
    write(&tree.root(), "s3", &batch(&rows("stored")));
    let optimized = tree.run(&["backend", "optimize"]);
    assert!(optimized.ends_with("--- exit 0"), "{optimized}");
    runtime().block_on(async {
        let session = Session::open(&tree.root(), Options::default()).unwrap();
        let ask = async |number: u64| {
            let found = session.lookup(&[v0(number)]).await.unwrap();
            assert_eq!((found.found, found.absent), (1, 0), "{number}");
            found.receipt.bytes
        };
        let first = ask(5).await;
        assert!(ask(5).await + 500 < first, "the page index was read again");
        assert_eq!(ask(5).await, ask(5).await);
        // Replaced by rename, then written over in place with as many bytes and the old time.
        let sql = "SELECT status, COUNT(*) FROM pins GROUP BY status";
        let now = async || as_csv(session.query(sql).await.unwrap()).await.unwrap();
        assert_eq!(now().await, "status,COUNT(*)\nstored,9000");
        publish(&tree.root(), "s3", &batch(&rows("failed")[..100]));
        assert_eq!(now().await, "status,COUNT(*)\nfailed,100");
        let path = place(&tree.root(), "s3");
        let before = std::fs::metadata(&path).unwrap();
        write(&tree.root(), "other", &batch(&rows("queued")[..100]));
        let bytes = std::fs::read(place(&tree.root(), "other")).unwrap();
        std::fs::remove_dir_all(place(&tree.root(), "other").parent().unwrap()).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(before.modified().unwrap()).unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
        assert_eq!(now().await, "status,COUNT(*)\nqueued,100");
    });
}

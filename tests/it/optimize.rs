//! Mappings of other writers, written anew in pinql's layout: faster, and not one value changed.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StringDictionaryBuilder, types::Int32Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use pinql::migrate::{Options, optimize};

use crate::support::cids::{raw, v0, v1};
use crate::support::tree::Tree;
use crate::support::{place, write, write_with};

const NOW: i64 = 1_717_236_000_000_000;
const BACKEND: &str = "s3";
const ALL: &str = "SELECT * FROM backends.s3
    ORDER BY content, cid, status, created_at, metadata, weight, CAST(tags AS VARCHAR), kind";

/// Rows of another tool, in no order: repeats, two spellings and two codecs of one content, no CIDs, and further columns.
fn foreign(rows: u64, statuses: &[&str]) -> RecordBatch {
    let numbers: Vec<u64> = (0..rows).map(|row| row * 7919 % rows).collect();
    let cid = |number: &u64| match number % 11 {
        0 => v0(number / 2),
        1 => raw(number / 2),
        2 => "no CID".to_owned(),
        _ => v1(number / 2),
    };
    let text = |of: &dyn Fn(&u64) -> Option<String>| -> ArrayRef {
        Arc::new(numbers.iter().map(of).collect::<StringArray>())
    };
    let mut kinds = StringDictionaryBuilder::<Int32Type>::new();
    numbers.iter().for_each(|number| kinds.append_option((number % 5 > 0).then_some("hot")));
    let tags = numbers.iter().map(|number| {
        (number % 3 > 0).then(|| (0..number % 4).map(|tag| Some(tag as i64)).collect::<Vec<_>>())
    });
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "weight",
            Arc::new(
                numbers
                    .iter()
                    .map(|number| (number % 4 > 0).then_some(*number as i64))
                    .collect::<Int64Array>(),
            ),
        ),
        ("cid", text(&|number| Some(cid(number)))),
        ("car_file_path", text(&|number| (number % 6 > 0).then(|| format!("/cars/{number}.car")))),
        ("backend_name", text(&|_| Some(BACKEND.into()))),
        (
            "created_at",
            text(&|number| (number % 7 > 0).then(|| format!("2024-05-01T10:00:{:02}Z", number % 60))),
        ),
        ("status", text(&|number| Some(statuses[*number as usize % statuses.len()].into()))),
        ("metadata", text(&|number| Some(format!("{{\"size\": {number}, \"name\": \"é {number}\"}}")))),
        (
            "tags",
            Arc::new(ListArray::from_iter_primitive::<arrow::datatypes::Int64Type, _, _>(
                tags.map(|tags| tags.map(Vec::into_iter)),
            )),
        ),
        ("kind", Arc::new(kinds.finish())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn tree_of(batch: &RecordBatch) -> Tree {
    let tree = Tree::new();
    write_with(
        &place(&tree.root(), BACKEND),
        batch,
        WriterProperties::builder().set_max_row_group_row_count(Some(1000)).build(),
    );
    tree
}

#[test]
fn not_one_value_changes() {
    let tree = tree_of(&foreign(5_000, &["stored", "stored", "failed", "stored", "pending"]));
    let before = tree.csv(ALL);
    assert_eq!(before.lines().count(), 5_001);
    let said = tree.run(&["backend", "optimize", "--dry-run", "--format", "csv"]);
    assert!(said.contains("s3,would be optimized,5000,"), "{said}");
    assert_eq!(tree.names(BACKEND), ["pin_mappings.parquet"], "a dry run writes nothing");
    let said = tree.run(&["backend", "optimize", "--format", "csv"]);
    assert!(said.contains("s3,optimized,5000,") && said.ends_with("--- exit 0"), "{said}");
    assert_eq!(tree.csv(ALL), before);
    assert_eq!(
        tree.names(BACKEND),
        ["pin_mappings.parquet"],
        "all is in the new file, so the older one is not kept"
    );
    // Again: nothing to do.
    let bytes = tree.files(BACKEND);
    let said = tree.run(&["backend", "optimize", "--format", "csv"]);
    assert!(said.contains("s3,up to date,5000,"), "{said}");
    assert_eq!(tree.files(BACKEND), bytes);
}

#[test]
fn files_of_an_older_layout_are_written_anew_and_not_kept() {
    let batch = foreign(500, &["stored"]);
    let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let mut columns: Vec<_> = names.into_iter().zip(batch.columns().to_vec()).collect();
    let sizes: ArrayRef = Arc::new(Int64Array::from(vec![7; 500]));
    columns
        .extend([("content".to_owned(), Arc::clone(&batch.columns()[1])), ("size_bytes".to_owned(), sizes)]);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    for (writer, kept) in [("pinql version 0.0.1", false), ("another tool", true)] {
        let tree = Tree::new();
        let keys = vec![KeyValue::new("pinql.layout".into(), "1".to_owned())];
        let properties = WriterProperties::builder().set_created_by(writer.into());
        let properties = properties.set_key_value_metadata(Some(keys)).build();
        write_with(&place(&tree.root(), BACKEND), &batch, properties);
        let said = tree.run(&["backend", "optimize", "--format", "csv"]);
        assert!(said.contains("s3,optimized,500,"), "{said}");
        assert_eq!(said.contains("column `size_bytes` has no place"), kept, "{writer}: {said}");
        assert_eq!(tree.names(BACKEND).len(), 1 + usize::from(kept), "{writer}");
    }
}

#[test]
fn the_usual_statuses_have_row_groups_of_their_own() {
    let tree = tree_of(&foreign(6_000, &["stored", "queued", "failed", "stored", "pending", "lost"]));
    tree.run(&["backend", "optimize"]);
    let file = std::fs::File::open(tree.file(BACKEND, "pin_mappings.parquet")).unwrap();
    let footer = SerializedFileReader::new(file).unwrap().metadata().clone();
    let ranges: Vec<_> = footer
        .row_groups()
        .iter()
        .map(|group| match group.column(4).statistics() {
            Some(Statistics::ByteArray(range)) => {
                let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                (text(range.min_bytes_opt()), text(range.max_bytes_opt()), group.num_rows())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let section = |from: &str, to: &str, rows| (from.to_owned(), to.to_owned(), rows);
    let expected = [
        section("stored", "stored", 2_000),
        section("failed", "failed", 1_000),
        section("pending", "pending", 1_000),
        section("lost", "queued", 2_000),
    ];
    assert_eq!(ranges, expected);
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM pins WHERE status = 'failed'"), "n\n1000");
}

#[test]
fn a_sort_that_spills_writes_the_same_bytes() {
    let batch = foreign(3_000, &["stored", "failed"]);
    let made = |sort_memory: usize| {
        let tree = tree_of(&batch);
        let path = tree.file(BACKEND, "pin_mappings.parquet");
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        std::fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
        let done = tree.work(Default::default(), move |session| {
            optimize(session, BACKEND, &Options { sort_memory, ..Options::at(NOW) }, &Default::default())
        });
        assert_eq!(done.unwrap().rows, 3_000);
        tree.files(BACKEND)
    };
    assert_eq!(made(1_000), made(1 << 30));
}

#[test]
fn what_the_layout_cannot_say_is_kept() {
    let mut batch = foreign(100, &["stored", " Stored ", "FAILED"]);
    let statuses = "SELECT status, COUNT(*) AS n FROM pins GROUP BY 1 ORDER BY 1";
    let tree = tree_of(&batch);
    let before = (tree.csv(ALL), tree.csv(statuses), tree.files(BACKEND));
    let said = tree.run(&["backend", "optimize"]);
    assert!(said.contains("66 with a status in another spelling; the older file is kept"), "{said}");
    assert_eq!((tree.csv(ALL), tree.csv(statuses)), (before.0, before.1));
    let kept: Vec<_> =
        tree.files(BACKEND).into_iter().filter(|(name, _)| name.contains(".backup.")).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(Some(&kept[0].1), before.2.get("pin_mappings.parquet"));

    let times: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| match row {
        0 => "soon".to_owned(),
        1 => "2024-05-01T10:00:00.123456789Z".to_owned(),
        _ => "2024-05-01T10:00:00.123456000Z".to_owned(),
    })));
    let mut columns = batch.columns().to_vec();
    columns[4] = times;
    columns[5] = Arc::new(StringArray::from_iter_values((0..100).map(|_| "stored")));
    batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let said = tree_of(&batch).run(&["backend", "optimize"]);
    assert!(said.contains("2 with a created_at that is no time, or finer than microseconds"), "{said}");
}

#[test]
fn part_files_become_one_file_and_are_kept() {
    let tree = Tree::new();
    let parts = tree.file(BACKEND, "pin_mappings.parquet");
    std::fs::create_dir_all(&parts).unwrap();
    let batch = foreign(1_000, &["stored", "failed"]);
    for (name, from) in [("part-0.parquet", 0), ("part-1.parquet", 500)] {
        write_with(&parts.join(name), &batch.slice(from, 500), WriterProperties::default());
    }
    let before = tree.csv(ALL);
    let said = tree.run(&["backend", "optimize", "--format", "csv"]);
    assert!(said.contains("s3,optimized,1000,") && said.contains("pin_mappings.parquet.backup."), "{said}");
    assert_eq!(tree.csv(ALL), before);
    assert!(parts.is_file());
}

#[test]
fn what_cannot_be_read_is_left_alone_and_the_others_go_on() {
    let tree = tree_of(&foreign(100, &["stored"]));
    write(&tree.root(), "good", &foreign(10, &["stored"]));
    tree.write("torn", "pin_mappings.parquet", "PAR1 and no more");
    let torn = tree.files("torn");
    let said = tree.run(&["backend", "optimize", "--format", "csv"]);
    assert!(said.contains("good,optimized,10,") && said.contains("s3,optimized,100,"), "{said}");
    assert!(said.contains("torn") && said.ends_with("--- exit 2"), "{said}");
    assert_eq!(tree.files("torn"), torn);
    let said = tree.run(&["backend", "optimize", "nowhere"]);
    assert!(said.contains("nowhere") && said.ends_with("--- exit 2"), "{said}");
}

#[test]
fn the_doctor_tells_what_optimizing_would_gain() {
    let tree = tree_of(&foreign(20_000, &["stored", "failed"]));
    let advice = |said: &str| said.lines().nth(1).unwrap().split(',').map(str::to_owned).collect::<Vec<_>>();
    let said = tree.run(&["backend", "doctor", "--format", "csv"]);
    let before = advice(&said);
    assert_eq!(before[0], BACKEND);
    assert_eq!((before[2].as_str(), before[3].as_str(), before[5].as_str()), ("optimize", "20000", "20"));
    assert!(said.contains("1 of 1 backends are not laid out"), "{said}");
    let number = |text: &str| text.parse::<u64>().unwrap();
    let (now, then) = (number(&before[6]), number(&before[7]));
    assert!(then < now, "{said}");
    tree.run(&["backend", "optimize"]);
    let said = tree.run(&["backend", "doctor", "--format", "csv"]);
    let after = advice(&said);
    assert_eq!((after[1].as_str(), after[2].as_str(), after[5].as_str()), ("pinql 3", "none", "2"), "{said}");
    // The estimate holds, and what it promised has come.
    assert!(
        number(&after[6]) < now && number(&after[6]) < 3 * then && then < 3 * number(&after[6]),
        "{before:?} {after:?}"
    );
}

#[test]
fn files_of_our_layout_without_filters_on_contents_are_laid_out_anew() {
    let tree = tree_of(&foreign(500, &["stored"]));
    tree.run(&["backend", "optimize"]);
    let (file, all) = (tree.file(BACKEND, "pin_mappings.parquet"), tree.csv(ALL));
    let bytes = bytes::Bytes::from(std::fs::read(&file).unwrap());
    let rows = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes, 500).unwrap();
    let batch = rows.map(Result::unwrap).next().unwrap();
    let earlier = WriterProperties::builder()
        .set_created_by("pinql version 0.1.0".into())
        .set_key_value_metadata(Some(vec![KeyValue::new("pinql.layout".into(), Some("3".into()))]))
        .set_column_bloom_filter_enabled("cid".into(), true);
    write_with(&file, &batch, earlier.build());
    let advice = || tree.run(&["backend", "doctor", "--format", "csv"]);
    assert!(advice().contains("s3,pinql 3,optimize,500,"), "{}", advice());
    let said = tree.run(&["backend", "optimize", "--format", "csv"]);
    assert!(said.contains("s3,optimized,500,"), "{said}");
    assert!(advice().contains("s3,pinql 3,none,500,"), "{}", advice());
    assert_eq!(tree.csv(ALL), all);
}

#[test]
fn contents_of_optimized_mappings_are_grouped_in_streams() {
    let tree = tree_of(&foreign(6_000, &["stored", "stored", "failed"]));
    write(&tree.root(), "kubo", &foreign(500, &["stored", "pending"]));
    let redundancy = std::fs::read_to_string(crate::support::repository("queries/redundancy.sql")).unwrap();
    let ask = |sql: &str, threads| {
        let options = pinql::session::Options { threads: Some(threads), ..Default::default() };
        crate::support::try_csv(&tree.root(), sql, options).unwrap()
    };
    let plan = format!("EXPLAIN {redundancy}");
    let before = ask(&redundancy, 2);
    assert!(!ask(&plan, 1).contains("ContentGroupsExec"));
    tree.run(&["backend", "optimize"]);
    assert!(ask(&plan, 1).contains("ContentGroupsExec"), "{}", ask(&plan, 1));
    assert_eq!(ask(&redundancy, 1), before);
    // Not worth it for so few rows.
    assert!(!ask(&plan, 2).contains("ContentGroupsExec"));
}

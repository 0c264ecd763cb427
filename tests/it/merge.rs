//! Repeats and merges, held against a plain recount.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, LargeStringArray, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use pinql::migrate::{EntryCounts, Options, State};
use proptest::prelude::*;

use crate::support::cids::{base58, raw, v0, v1};
use crate::support::tree::{NOW, Tree};
use crate::support::{place, texts, write, write_with};

/// The backend that everything happens in.
const BACKEND: &str = "mixed";
/// 2024-05-01T10:00:00Z, in seconds.
const DAY: i64 = 1_714_557_600;

/// A pin in one of its spellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Spelled {
    content: u64,
    spelling: u8,
}

impl Spelled {
    fn text(self) -> String {
        match self.spelling {
            0 => v0(self.content),
            1 => v1(self.content),
            2 => base58(self.content),
            3 => v1(self.content).to_uppercase(),
            _ => raw(self.content),
        }
    }

    /// The pin: spelling 4 has another codec than the others.
    fn pin(self) -> (u64, bool) {
        (self.content, self.spelling > 3)
    }
}

#[derive(Debug, Clone)]
struct Old {
    /// `None`: the text is no CID.
    cid: Option<Spelled>,
    /// In whole seconds after [`DAY`].
    created: Option<i64>,
    status: &'static str,
    weight: Option<i64>,
    note: Option<&'static str>,
}

#[derive(Debug, Clone)]
enum New {
    Pin { cid: Spelled, created: Option<i64>, form: u8, status: Option<&'static str>, size: u8 },
    Reject(&'static str),
}

fn spelled() -> impl Strategy<Value = Spelled> {
    (0..6u64, 0..5u8).prop_map(|(content, spelling)| Spelled { content, spelling })
}

fn created() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![1 => Just(None), 3 => (0..3i64).prop_map(Some)]
}

fn old() -> impl Strategy<Value = Old> {
    let cid = prop_oneof![6 => spelled().prop_map(Some), 1 => Just(None)];
    let status = prop::sample::select(vec!["stored", " FAILED", "pending", "lost", "adrift"]);
    let note = prop::option::of(prop::sample::select(vec!["", "é", "a longer note of some words"]));
    (cid, created(), status, prop::option::of(any::<i64>()), note)
        .prop_map(|(cid, created, status, weight, note)| Old { cid, created, status, weight, note })
}

fn new() -> impl Strategy<Value = New> {
    let status = prop::option::of(prop::sample::select(vec!["stored", "Failed", "pinned", "lost"]));
    let pin = (spelled(), created(), 0..3u8, status, 0..3u8)
        .prop_map(|(cid, created, form, status, size)| New::Pin { cid, created, form, status, size });
    prop_oneof![8 => pin, 1 => prop::sample::select(vec!["7", "null", "\"no cid\"", "{}"]).prop_map(New::Reject)]
}

/// A row of the file that comes out, as far as the merge decides it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    cid: String,
    car_file_path: Option<String>,
    created_at: Option<i64>,
    status: String,
    metadata: Option<String>,
    weight: Option<i64>,
    note: Option<String>,
}

/// What an old row or a new entry is as a row.
fn row_of_old(index: usize, old: &Old) -> Row {
    Row {
        cid: old.cid.map_or_else(|| format!("no cid {}", index % 2), Spelled::text),
        car_file_path: None,
        created_at: old.created.map(|after| (DAY + after) * 1_000_000),
        status: old.status.trim().to_lowercase(),
        metadata: Some(format!("{{\"old\":{index}}}")),
        weight: old.weight,
        note: old.note.map(str::to_owned),
    }
}

fn row_of_new(cid: Spelled, created: Option<i64>, status: Option<&str>, size: u8) -> Row {
    let text = cid.text();
    let word = match status {
        Some("pinned") | None => "stored".to_owned(),
        Some(status) => status.to_lowercase(),
    };
    let source = if status == Some("pinned") { ",\"source_status\":\"pinned\"" } else { "" };
    Row {
        car_file_path: Some(format!("/{BACKEND}/cars/{text}.car")),
        cid: text,
        created_at: created.map(|after| (DAY + after) * 1_000_000),
        status: word,
        metadata: Some(format!("{{\"size\":{size}{source}}}")),
        weight: None,
        note: None,
    }
}

/// The rows of a pin: of the old file, then of the new one.
type Mappings = (Vec<Row>, Vec<Row>);

/// The row that wins: the latest known time, and of equals the last.
fn winner<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<&'a Row> {
    rows.reduce(|best, next| if next.created_at >= best.created_at { next } else { best })
}

/// The recount: what must come out, in no order, and the counts.
fn recount(olds: &[Old], news: &[New]) -> (Vec<Row>, EntryCounts) {
    let mut pins: HashMap<(u64, bool), Mappings> = HashMap::new();
    let (mut rows, mut counts) =
        (Vec::new(), EntryCounts { found: news.len() as u64, ..EntryCounts::default() });
    for (index, old) in olds.iter().enumerate() {
        match old.cid {
            Some(cid) => pins.entry(cid.pin()).or_default().0.push(row_of_old(index, old)),
            None => rows.push(row_of_old(index, old)),
        }
    }
    for new in news {
        match *new {
            New::Pin { cid, created, status, size, .. } => {
                pins.entry(cid.pin()).or_default().1.push(row_of_new(cid, created, status, size));
            }
            New::Reject(_) => counts.rejected += 1,
        }
    }
    for (old, new) in pins.values() {
        let before = winner(old.iter());
        let after = winner(old.iter().chain(new)).unwrap();
        let same = |one: &Row, other: &Row| {
            Row { weight: None, note: None, ..one.clone() }
                == Row { weight: None, note: None, ..other.clone() }
        };
        counts.repeated += (new.len() as u64).saturating_sub(1);
        counts.old_repeated += (old.len() as u64).saturating_sub(1);
        match before {
            None => counts.added += 1,
            Some(_) if new.is_empty() => {}
            Some(before) if same(before, after) => counts.already_there += 1,
            Some(_) => counts.updated += 1,
        }
        let kept = before.map(|row| (row.weight, row.note.clone())).unwrap_or_default();
        rows.push(Row { weight: kept.0, note: kept.1, ..after.clone() });
    }
    counts.rows = rows.len() as u64;
    (rows, counts)
}

/// The old file, in a schema as other tools have: further columns between the others, and times in one of three types.
fn old_file(olds: &[Old], time_type: u8) -> RecordBatch {
    let rows: Vec<_> = olds.iter().enumerate().map(|(index, old)| row_of_old(index, old)).collect();
    let created: ArrayRef = match time_type {
        0 => {
            let text = |old: &Old| old.created.map(|after| format!("2024-05-01T10:00:0{after}"));
            Arc::new(olds.iter().map(text).collect::<LargeStringArray>())
        }
        1 => Arc::new(olds.iter().map(|old| old.created.map(|after| DAY + after)).collect::<Int64Array>()),
        _ => {
            let millis = olds.iter().map(|old| old.created.map(|after| (DAY + after) * 1000));
            Arc::new(millis.collect::<TimestampMillisecondArray>().with_timezone("+02:00"))
        }
    };
    let weight: ArrayRef = Arc::new(olds.iter().map(|old| old.weight).collect::<Int64Array>());
    let note: ArrayRef = Arc::new(olds.iter().map(|old| old.note).collect::<StringArray>());
    let status: ArrayRef = Arc::new(olds.iter().map(|old| Some(old.status)).collect::<StringArray>());
    let cid: ArrayRef = Arc::new(rows.iter().map(|row| Some(row.cid.as_str())).collect::<LargeStringArray>());
    let metadata: ArrayRef =
        Arc::new(rows.iter().map(|row| row.metadata.as_deref()).collect::<StringArray>());
    RecordBatch::try_from_iter_with_nullable([
        ("weight", weight, true),
        ("status", status, true),
        ("cid", cid, true),
        ("created_at", created, true),
        ("note", note, true),
        ("metadata", metadata, true),
    ])
    .unwrap()
}

fn pins_json(news: &[New]) -> String {
    let entry = |new: &New| match *new {
        New::Reject(text) => text.to_owned(),
        New::Pin { cid, created, form, status, size } => {
            let mut entry = format!("{{\"cid\": \"{}\", \"size\": {size}", cid.text());
            if let Some(after) = created {
                entry.push_str(&match form {
                    0 => format!(", \"created_at\": \"2024-05-01T12:00:0{after}+02:00\""),
                    1 => format!(", \"created_at\": {}", DAY + after),
                    _ => format!(", \"created_at\": \"2024-05-01 10:00:0{after}\""),
                });
            }
            if let Some(status) = status {
                entry.push_str(&format!(", \"status\": \"{status}\""));
            }
            entry + "}"
        }
    };
    format!("[{}]", news.iter().map(entry).collect::<Vec<_>>().join(",\n"))
}

/// The rows of the file that came out: what is stored first, then the rest, and the contents of each in order.
fn rows_of(tree: &Tree) -> Vec<Row> {
    let file = std::fs::File::open(tree.file(BACKEND, "pin_mappings.parquet")).unwrap();
    let mut rows = Vec::new();
    let mut last: (usize, Vec<u8>) = Default::default();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let text = |name: &str| batch.column_by_name(name).map(|column| column.as_string::<i32>().clone());
        let [cids, cars, statuses, metadata, backends] =
            ["cid", "car_file_path", "status", "metadata", "backend_name"].map(|name| text(name).unwrap());
        let notes = text("note");
        let created = batch.column(3).as_primitive::<TimestampMicrosecondType>();
        let contents = batch.column_by_name("content").unwrap().as_binary::<i32>();
        let weights = batch.column_by_name("weight").map(|column| column.as_primitive::<Int64Type>().clone());
        let value =
            |column: &StringArray, row: usize| column.is_valid(row).then(|| column.value(row).to_owned());
        for row in 0..batch.num_rows() {
            let section =
                ["stored", "failed", "pending"].iter().position(|known| *known == statuses.value(row));
            let key = (section.unwrap_or(3), contents.value(row).to_owned());
            assert!(last <= key, "not sorted by section and content");
            last = key;
            assert_eq!(backends.value(row), BACKEND);
            rows.push(Row {
                cid: cids.value(row).to_owned(),
                car_file_path: value(&cars, row),
                created_at: created.is_valid(row).then(|| created.value(row)),
                status: statuses.value(row).to_owned(),
                metadata: value(&metadata, row),
                weight: weights.as_ref().and_then(|column| column.is_valid(row).then(|| column.value(row))),
                note: notes.as_ref().and_then(|column| value(column, row)),
            });
        }
    }
    rows
}

/// The files that a second run must leave alone.
fn published(tree: &Tree) -> BTreeMap<String, Vec<u8>> {
    let mut files = tree.files(BACKEND);
    files.retain(|name, _| !name.starts_with("pins.json"));
    files
}

fn check(olds: Option<&[Old]>, news: &[New], time_type: u8) -> Result<(), TestCaseError> {
    let make = || {
        let tree = Tree::with(BACKEND, pins_json(news));
        if let Some(olds) = olds {
            // Several row groups, so that their order counts.
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(7)).build();
            write_with(&place(&tree.root(), BACKEND), &old_file(olds, time_type), properties);
        }
        tree
    };
    let tree = make();
    let before = tree.files(BACKEND);
    let outcome = tree.migrate_one();
    let (mut expected, counts) = recount(olds.unwrap_or_default(), news);
    if counts.rejected > 0 && counts.rejected == counts.found {
        prop_assert_eq!(outcome.state, State::Failed);
        prop_assert_eq!(tree.files(BACKEND), before);
        return Ok(());
    }
    prop_assert_eq!(outcome.state, State::Migrated, "{:?}", outcome.error);
    prop_assert_eq!(outcome.counts, counts);
    let EntryCounts { found, added, updated, repeated, already_there, rejected, .. } = outcome.counts;
    prop_assert_eq!(found, added + updated + repeated + already_there + rejected);
    // A file in which nothing changes is not written anew: it stays as another tool wrote it, also if it has no order.
    if outcome.files.iter().any(|file| file.name == "pin_mappings.parquet") {
        let mut rows = rows_of(&tree);
        rows.sort();
        expected.sort();
        prop_assert_eq!(rows, expected);
    } else {
        prop_assert_eq!(added + updated + counts.old_repeated, 0);
    }
    // Nothing to do, then the same again: not a byte changes.
    let after = published(&tree);
    let again = tree.migrate_one();
    prop_assert_eq!(again.state, State::UpToDate);
    prop_assert_eq!(published(&tree), after.clone());
    tree.pins_json(BACKEND, pins_json(news));
    let again = tree.migrate_one();
    prop_assert_eq!(again.counts.migrated(), 0);
    prop_assert_eq!(published(&tree), after.clone());
    // Nor if many runs have to be spilled.
    let spilling = make();
    spilling.migrate_with(Options { sort_memory: 600, ..Options::at(NOW) });
    prop_assert_eq!(published(&spilling), after);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_is_what_a_plain_recount_says(
        olds in prop::option::of(prop::collection::vec(old(), 0..25)),
        news in prop::collection::vec(new(), 0..25),
        time_type in 0..3u8,
    ) {
        check(olds.as_deref(), &news, time_type)?;
    }
}

#[test]
fn of_equal_mappings_in_part_files_the_one_of_the_last_file_wins() {
    // Enough rows in the first parts that a reader of several at once would come to the last one first.
    let part = |number: u64, rows: usize| {
        let text = format!("part {number}");
        let (cid, other) = (v1(1), raw(1000 + number));
        let mut cids = vec![Some(other.as_str()); rows];
        cids.push(Some(&cid));
        let notes = vec![Some(text.as_str()); rows + 1];
        texts(&[("cid", &cids), ("note", &notes)])
    };
    for _ in 0..2 {
        let tree = Tree::with("x", format!(r#"["{}"]"#, v0(2)));
        let dir = place(&tree.root(), "x");
        std::fs::create_dir_all(&dir).unwrap();
        for number in 0..6 {
            let rows = 6_000 - 1_000 * number as usize;
            write_with(
                &dir.join(format!("{number}.parquet")),
                &part(number, rows),
                WriterProperties::builder().build(),
            );
        }
        assert_eq!(tree.migrate_one().state, State::Migrated);
        let note = tree.csv(&format!("SELECT note FROM backends.x WHERE cid = '{}'", v1(1)));
        assert_eq!(note, "note\npart 5");
    }
}

#[test]
fn further_columns_of_many_types_come_back_as_they_were() {
    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, ListArray, StructArray,
    };
    use arrow::datatypes::{Field, Int32Type};
    let list =
        ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None, Some(vec![])]);
    let member = Arc::new(Field::new("a", DataType::Int64, true));
    let object = StructArray::from(vec![(
        member,
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])) as ArrayRef,
    )]);
    let dictionary: DictionaryArray<Int32Type> = [Some("x"), None, Some("y")].into_iter().collect();
    let cids: ArrayRef = Arc::new(StringArray::from(vec![v1(1), v1(2), v1(3)]));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("cid", cids, true),
        ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])) as ArrayRef, true),
        ("ratio", Arc::new(Float32Array::from(vec![Some(0.1), None, Some(f32::NAN)])), true),
        ("date", Arc::new(Date32Array::from(vec![Some(19000), None, Some(-1)])), true),
        (
            "price",
            Arc::new(
                Decimal128Array::from(vec![Some(12345), None, Some(-1)])
                    .with_precision_and_scale(38, 2)
                    .unwrap(),
            ),
            true,
        ),
        ("tags", Arc::new(list), true),
        ("inner", Arc::new(object), true),
        ("word", Arc::new(dictionary), true),
    ])
    .unwrap();
    let tree = Tree::with("x", format!(r#"["{}"]"#, v0(9)));
    write(&tree.root(), "x", &batch);
    let before = tree.csv("SELECT * FROM backends.x ORDER BY cid");
    let outcome = tree.migrate_one();
    assert_eq!(outcome.state, State::Migrated, "{:?}", outcome.error);
    let after = tree.csv(&format!("SELECT * FROM backends.x WHERE cid <> '{}' ORDER BY cid", v0(9)));
    assert_eq!(after, before);
    let file = std::fs::File::open(tree.file("x", "pin_mappings.parquet")).unwrap();
    let columns = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    for field in batch.schema().fields().iter().skip(1) {
        assert_eq!(columns.schema().field_with_name(field.name()).unwrap().data_type(), field.data_type());
    }
}

#[test]
fn what_the_new_file_has_no_place_for_is_told_and_stays_in_the_older_file() {
    let cid = v1(1);
    let batch = texts(&[
        ("cid", &[Some(&cid)]),
        ("size_bytes", &[Some("5 kB")]),
        ("note", &[Some("kept")]),
        ("Note", &[Some("not kept")]),
        ("weight", &[Some("kept")]),
        ("created_at", &[Some("last week")]),
    ]);
    let tree = Tree::with("x", format!(r#"["{}"]"#, v0(2)));
    write(&tree.root(), "x", &batch);
    let before = tree.files("x")["pin_mappings.parquet"].clone();
    let outcome = tree.migrate_one();
    let note = |column: &str| {
        format!(
            "column `{column}` of the older file is not taken over, for its name is taken; that file is kept"
        )
    };
    let times =
        "1 mapping of the older file has a created_at that is no time: it is unknown now; that file is kept";
    assert_eq!(outcome.notes, [note("Note"), note("size_bytes"), times.to_owned()]);
    assert_eq!(
        tree.csv("SELECT note, weight FROM backends.x WHERE note IS NOT NULL"),
        "note,weight\nkept,kept"
    );
    assert_eq!(tree.files("x")["pin_mappings.parquet.backup.20241124_133405"], before);
    // Our own files have nothing that is left behind.
    tree.pins_json("x", format!(r#"["{}"]"#, v0(3)));
    assert_eq!(tree.migrate_one().notes, [""; 0]);
}

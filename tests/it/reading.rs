//! Files as many programs have written them.

use std::fs;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, Int64Builder, MapBuilder, NullArray, RecordBatch, StringArray, StringBuilder,
    StructArray, TimestampSecondArray,
};
use arrow::datatypes::{DataType, Field};
use parquet::file::properties::WriterProperties;
use pinql::session::{Options, Session};

use crate::support::{
    HELLO, RAW, csv, error, mappings, place, repository, runtime, texts, try_csv, write, write_with,
};

#[test]
fn every_writers_types_give_the_same_rows() {
    let root = repository("tests/data/writers");
    let ready = csv(&root, "SELECT name FROM backends WHERE state = 'ready'");
    let columns = "cid, car_file_path, created_at, status, metadata, content, size_bytes";
    let all = |name: &str, columns: &str| {
        csv(&root, &format!("SELECT {columns} FROM backends.\"{name}\" ORDER BY car_file_path"))
    };
    let expected = all("string", columns);
    assert_eq!(expected.lines().count(), 31);
    assert_eq!(ready.lines().count(), 43, "42 readable cases and a header");
    for name in ready.lines().skip(1) {
        let known = match name {
            "no_created_at" => "cid, car_file_path, status, metadata, content, size_bytes",
            "no_status" => "cid, car_file_path, created_at, metadata, content, size_bytes",
            "no_metadata" => "cid, car_file_path, created_at, status, content",
            _ => columns,
        };
        let expected = if known == columns { expected.clone() } else { all("string", known) };
        assert_eq!(all(name, known), expected, "{name}");
    }
    assert_eq!(csv(&root, "SELECT COUNT(created_at) AS n FROM backends.no_created_at"), "n\n0");
}

#[test]
fn real_files_of_other_programs_give_their_known_counts() {
    let samples = repository("../shared/samples");
    if !samples.is_dir() {
        // Not part of this repository; what is in them is covered by tests/data/ too.
        return;
    }
    let documented = "SELECT COUNT(*) AS pins, COUNT(DISTINCT backend_name) AS backends, COUNT(DISTINCT content) AS contents FROM pins";
    assert_eq!(csv(&samples.join("documented"), documented), "pins,backends,contents\n4,2,2");
    let options = Options { skip_unreadable: true, ..Options::default() };
    let by_status = "SELECT status, COUNT(*) AS pins, COUNT(DISTINCT backend_name) AS backends FROM pins GROUP BY 1 ORDER BY 1";
    let counts = try_csv(&samples.join("writers"), by_status, options).unwrap();
    assert_eq!(counts, "status,pins,backends\nfailed,66,11\npending,66,11\nstored,198,11");
    assert!(error(&samples.join("writers"), by_status).contains("backend `damaged` is unreadable"));
}

#[test]
fn statuses_are_found_however_they_are_encoded() {
    let temp = tempfile::tempdir().unwrap();
    let status = |row: usize| match row % 7 {
        0 => Some(" Failed ".to_owned()),
        1 => Some("FAILED".to_owned()),
        2 => None,
        3 => Some("pending".to_owned()),
        4 if row > 2_000 => Some(format!("odd {row}")),
        _ => Some("stored".to_owned()),
    };
    let cids: ArrayRef =
        Arc::new((0..5_000).map(|row| Some(format!("cid{row:05}"))).collect::<StringArray>());
    let statuses: ArrayRef = Arc::new((0..5_000).map(status).collect::<StringArray>());
    let batch = RecordBatch::try_from_iter([("cid", cids), ("status", statuses)]).unwrap();
    let builder = || WriterProperties::builder().set_max_row_group_row_count(Some(1_500));
    for (name, properties) in [
        ("dictionary", builder()),
        ("plain", builder().set_dictionary_enabled(false)),
        // Its dictionary ends in the middle of a row group, and text follows.
        ("both", builder().set_dictionary_page_size_limit(100).set_write_batch_size(50)),
    ] {
        write_with(&place(temp.path(), name), &batch, properties.build());
        for (filter, rows) in [
            ("status = 'failed'", 1_430),
            ("status <> 'stored'", 2_572),
            // What begins with a status that is asked for, or one that is not, is asked of files.
            ("status <> 'stored' AND status IN ('failed', 'pending')", 2_144),
            ("status <> 'stored' AND status LIKE 'odd%'", 428),
            ("status <> 'stored' AND status IS NULL", 0),
            ("status LIKE 'odd%'", 428),
            ("status = 'failed' AND backend_name <> 'none'", 1_430),
        ] {
            let sql = |from: &str| {
                format!(
                    "SELECT COUNT(*) AS n, MIN(cid) AS a, MAX(cid) AS z, COUNT(DISTINCT cid) AS c FROM {from} WHERE {filter}"
                )
            };
            let found = csv(temp.path(), &sql(&format!("backends.\"{name}\"")));
            // Where rows are limited first, the scan has no filter.
            let scanned = csv(temp.path(), &sql(&format!("(SELECT * FROM backends.\"{name}\" LIMIT 9999)")));
            assert_eq!(found, scanned, "{name}: {filter}");
            assert!(found.contains(&format!("\n{rows},")), "{name}: {filter}: {found}");
        }
    }
}

#[test]
fn an_unreadable_backend_is_named_and_others_keep_working() {
    let root = repository("tests/data/writers");
    let reasons = "SELECT name, reason FROM backends WHERE state = 'unreadable' ORDER BY name";
    assert_eq!(
        csv(&root, reasons),
        "name,reason\n\
         damaged,backends/damaged/pin_mappings.parquet: the file is cut off: it begins as Parquet and has no footer\n\
         empty_file,backends/empty_file/pin_mappings.parquet: the file is empty (0 bytes)\n\
         not_parquet,backends/not_parquet/pin_mappings.parquet: not a Parquet file"
    );
    let damaged =
        "backend `damaged` is unreadable: backends/damaged/pin_mappings.parquet: the file is cut off";
    assert!(error(&root, "SELECT COUNT(*) FROM pins").starts_with(damaged));
    assert!(error(&root, "SELECT * FROM backends.damaged").starts_with(damaged));
    assert_eq!(csv(&root, "SELECT COUNT(*) AS n FROM pins WHERE backend_name = 'string'"), "n\n30");
}

#[test]
fn going_on_without_unreadable_backends_says_which() {
    let root = repository("tests/data/writers");
    runtime().block_on(async {
        let options = Options { skip_unreadable: true, ..Options::default() };
        let session = Session::open(&root, options).unwrap();
        let answer = session.query("SELECT COUNT(*) FROM pins").await.unwrap();
        let skipped: Vec<_> = answer.skipped().into_iter().map(|skipped| skipped.backend).collect();
        assert_eq!(skipped, ["damaged", "empty_file", "not_parquet"]);
        // A query that does not need them skips nothing.
        let answer = session.query("SELECT COUNT(*) FROM pins WHERE backend_name = 'string'").await.unwrap();
        assert_eq!(answer.skipped(), []);
    });
}

/// A file whose footer is sound and whose pages are not.
fn damage_pages(root: &std::path::Path, backend: &str) {
    let cids: Vec<String> = (0..2000).map(|index| format!("not a cid {index}")).collect();
    let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
    let compression = parquet::basic::Compression::ZSTD(parquet::basic::ZstdLevel::default());
    let path = place(root, backend);
    write_with(
        &path,
        &mappings(backend, &rows),
        WriterProperties::builder().set_compression(compression).build(),
    );
    let mut bytes = fs::read(&path).unwrap();
    bytes[60..4000].fill(0xab);
    fs::write(&path, bytes).unwrap();
}

#[test]
fn damage_inside_of_a_file_names_it_and_can_be_skipped() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), "good", &mappings("good", &[(HELLO, "stored")]));
    damage_pages(temp.path(), "torn");
    let sql = "SELECT COUNT(DISTINCT cid) AS n FROM pins";
    let message = error(temp.path(), sql);
    assert!(
        message.starts_with(
            "backend `torn` is unreadable: backends/torn/pin_mappings.parquet: the data is damaged"
        ),
        "{message}"
    );
    runtime().block_on(async {
        let options = Options { skip_unreadable: true, ..Options::default() };
        let session = Session::open(temp.path(), options).unwrap();
        let mut answer = session.query(sql).await.unwrap();
        let mut batches = Vec::new();
        while let Some(batch) = futures::TryStreamExt::try_next(&mut answer).await.unwrap() {
            batches.push(batch);
        }
        let count = batches[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0);
        assert_eq!(count, 1);
        assert_eq!(answer.skipped()[0].backend, "torn");
    });
}

#[test]
fn a_querys_own_error_is_not_blamed_on_a_file() {
    let root = repository("examples/ipfs_kit");
    assert_eq!(error(&root, "SELECT 1 / (size_bytes - size_bytes) FROM pins"), "division by zero");
}

#[test]
fn what_a_filter_cannot_compare_is_no_damage() {
    let root = repository("examples/ipfs_kit");
    for sql in [
        "SELECT cid FROM pins WHERE status = 'failed' AND CAST(cid AS BIGINT) > 0",
        "SELECT cid FROM pins WHERE content <> X'' AND status <> 'stored' AND 1 / (size_bytes - size_bytes) > 0",
    ] {
        let error = error(&root, sql);
        assert!(!error.contains("unreadable") && !error.contains("damaged"), "{sql}: {error}");
    }
}

/// What a scan looks at row by row must hold for columns that are made of others, too.
#[test]
fn filters_hold_for_metadata_with_parts() {
    let temp = tempfile::tempdir().unwrap();
    let sizes = Arc::new(Int64Array::from(vec![10, 1000, 7])) as ArrayRef;
    let field = Arc::new(Field::new("size", DataType::Int64, true));
    let texts = |texts: [&str; 3]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("cid", texts([HELLO, RAW, HELLO])),
        ("status", texts(["failed", "failed", "failed"])),
        ("metadata", Arc::new(StructArray::from(vec![(field, sizes)])) as ArrayRef),
    ]);
    write(temp.path(), "parts", &batch.unwrap());
    for (filter, rows) in [
        ("status = 'failed'", 3),
        ("status = 'failed' AND size_bytes > 100", 1),
        ("status <> 'stored' AND metadata IS NULL", 0),
        ("status = 'failed' AND metadata LIKE '%1000%'", 1),
        ("status <> 'stored' AND random() < 2", 3),
        (&format!("cid IN ('{HELLO}') AND metadata LIKE '%nothing%'"), 0),
        (&format!("content = cid_content('{HELLO}') AND size_bytes < 10"), 1),
        (&format!("content IN (cid_content('{HELLO}'), X'00') AND size_bytes >= 10"), 1),
    ] {
        let sql = format!("SELECT COUNT(*) AS n FROM pins WHERE {filter}");
        assert_eq!(csv(temp.path(), &sql), format!("n\n{rows}"), "{filter}");
    }
}

#[test]
fn hostile_directory_names_are_tables_like_any_other() {
    let temp = tempfile::tempdir().unwrap();
    let names = [
        "a b",
        "it's",
        "say \"hi\"",
        "$HOME",
        "-rf",
        "бэкенд",
        "100%",
        "a%20b",
        "back\\slash",
        "semi;colon",
        "a.b",
        "Upper",
        "select",
        "*?[x]",
        "#hash",
        "a|b",
        "~",
    ];
    for name in names {
        write(temp.path(), name, &mappings(name, &[(HELLO, "stored")]));
    }
    let count = csv(temp.path(), "SELECT COUNT(*) AS n, COUNT(DISTINCT backend_name) AS names FROM pins");
    assert_eq!(count, format!("n,names\n{0},{0}", names.len()));
    for name in names {
        let (text, quoted) = (name.replace('\'', "''"), name.replace('"', "\"\""));
        let by_value =
            csv(temp.path(), &format!("SELECT COUNT(*) AS n FROM pins WHERE backend_name = '{text}'"));
        let by_table = csv(temp.path(), &format!("SELECT COUNT(cid) AS n FROM backends.\"{quoted}\""));
        assert_eq!((by_value.as_str(), by_table.as_str()), ("n\n1", "n\n1"), "{name}");
    }
}

#[test]
fn a_name_that_no_object_store_can_hold_is_reported_and_not_lost() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), "new\nline", &mappings("x", &[(HELLO, "stored")]));
    assert_eq!(csv(temp.path(), "SELECT state FROM backends"), "state\nunreadable");
    let error = error(temp.path(), "SELECT * FROM pins");
    assert!(error.ends_with("its path has control characters, such as line breaks"), "{error}");
}

#[test]
fn no_backends_are_an_empty_table_with_its_columns() {
    let temp = tempfile::tempdir().unwrap();
    let header = "cid,car_file_path,backend_name,created_at,status,metadata,content,size_bytes";
    assert_eq!(csv(temp.path(), "SELECT * FROM pins"), header);
    fs::create_dir(temp.path().join("backends")).unwrap();
    assert_eq!(csv(temp.path(), "SELECT * FROM pins"), header);
    assert_eq!(csv(temp.path(), "SELECT COUNT(*) AS n FROM pins WHERE status = 'x'"), "n\n0");
    assert_eq!(csv(temp.path(), "SELECT COUNT(*) AS n FROM backends"), "n\n0");
}

#[test]
fn odd_columns_are_read_and_never_guessed() {
    let temp = tempfile::tempdir().unwrap();
    // A link object in the place of a CID, as DAG-JSON writes it.
    let links: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("/", DataType::Utf8, true)),
        Arc::new(StringArray::from(vec![Some(HELLO), None])) as ArrayRef,
    )]));
    let status: ArrayRef = Arc::new(StringArray::from(vec![None, Some("  ")]));
    let odd: ArrayRef = Arc::new(NullArray::new(2));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("cid", links, true),
        ("status", status, true),
        ("odd", odd, true),
    ])
    .unwrap();
    write(temp.path(), "links", &batch);
    let texts = texts(&[
        ("cid", &[Some(RAW), Some("nonsense"), None]),
        ("created_at", &[Some("2024-05-01"), Some("last week"), None]),
        ("status", &[Some(" STORED "), Some("Unpinning"), Some("failed")]),
        ("metadata", &[Some("not json"), Some("{\"size\": -1}"), Some("{\"size\": 7}")]),
    ]);
    write(temp.path(), "texts", &texts);
    let rows = csv(
        temp.path(),
        "SELECT backend_name, cid, status, created_at, size_bytes, length(encode(content, 'hex')) AS hash FROM pins ORDER BY 1, 2 NULLS LAST",
    );
    assert_eq!(
        rows,
        format!(
            "backend_name,cid,status,created_at,size_bytes,hash\n\
             links,{HELLO},stored,,,68\nlinks,,stored,,,0\n\
             texts,{RAW},stored,2024-05-01T00:00:00Z,,68\ntexts,nonsense,unpinning,,,0\ntexts,,failed,,7,0"
        )
    );
    // What was read as something else stays to be seen.
    let recorded = csv(
        temp.path(),
        "SELECT recorded_status, recorded_created_at FROM records WHERE created_at IS NULL AND recorded_created_at IS NOT NULL",
    );
    assert_eq!(recorded, "recorded_status,recorded_created_at\nUnpinning,last week");
}

#[test]
fn a_foreign_backend_name_is_seen_and_the_directory_wins() {
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), "here", &mappings("elsewhere", &[(HELLO, "stored")]));
    let sql = "SELECT backend_name, recorded_backend_name FROM records";
    assert_eq!(csv(temp.path(), sql), "backend_name,recorded_backend_name\nhere,elsewhere");
    assert_eq!(csv(temp.path(), "SELECT COUNT(*) AS n FROM pins WHERE backend_name = 'elsewhere'"), "n\n0");
    assert_eq!(csv(temp.path(), "SELECT backend_name FROM backends.here"), "backend_name\nhere");
}

#[test]
fn extra_columns_are_kept_and_part_files_are_one_table() {
    let temp = tempfile::tempdir().unwrap();
    let dir = place(temp.path(), "parts");
    fs::create_dir_all(&dir).unwrap();
    let part = |name: &str, batch: &RecordBatch| {
        write_with(&dir.join(name), batch, WriterProperties::builder().build())
    };
    part("a.parquet", &texts(&[("cid", &[Some(HELLO)]), ("note", &[Some("first")])]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![5]));
    let cid: ArrayRef = Arc::new(StringArray::from(vec![RAW]));
    part("b.parquet", &RecordBatch::try_from_iter([("weight", numbers), ("cid", cid)]).unwrap());
    part("_SUCCESS", &texts(&[("cid", &[Some("not a part")])]));
    let rows = csv(temp.path(), "SELECT cid, note, weight FROM backends.parts ORDER BY cid");
    assert_eq!(rows, format!("cid,note,weight\n{RAW},,5\n{HELLO},first,"));
    assert_eq!(csv(temp.path(), "SELECT COUNT(*) AS n FROM pins"), "n\n2");
}

#[test]
fn derived_columns_are_trusted_only_in_files_that_pinql_wrote() {
    let lie: &[u8] = b"a lie";
    let batch = |kind: &str| {
        let content: ArrayRef = Arc::new(arrow::array::BinaryArray::from(vec![lie]));
        let size: ArrayRef = Arc::new(Int64Array::from(vec![999]));
        let base = mappings(kind, &[(HELLO, "STORED")]);
        let mut columns: Vec<_> = base
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .zip(base.columns().to_vec())
            .collect();
        columns.extend([("content".to_owned(), content), ("size_bytes".to_owned(), size)]);
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let temp = tempfile::tempdir().unwrap();
    let key = |key: &str, value: &str| parquet::file::metadata::KeyValue::new(key.into(), value.to_owned());
    let paths = || key("pinql.car_paths", r#"["made/of/",""]"#);
    let layout = || Some(vec![key("pinql.layout", "3"), paths()]);
    let later = || Some(vec![key("pinql.layout", "999"), paths()]);
    let properties = |writer: &str, keys| {
        WriterProperties::builder().set_created_by(writer.into()).set_key_value_metadata(keys).build()
    };
    let ours = "pinql version 0.1.0";
    write_with(&place(temp.path(), "ours"), &batch("ours"), properties(ours, layout()));
    write_with(&place(temp.path(), "no_key"), &batch("no_key"), properties(ours, None));
    // A tool that rewrites a file copies its keys, and arrow schemas hold them a second time.
    let copied = batch("copied_schema");
    let notes = [("pinql.note.laid_out", "true"), ("pinql.note.car_paths", r#"["made/of/",""]"#)];
    let keys =
        [("pinql.layout", "3"), notes[0], notes[1]].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let schema = copied.schema().as_ref().clone().with_metadata(keys.into());
    let copied = RecordBatch::try_new(Arc::new(schema), copied.columns().to_vec()).unwrap();
    write_with(&place(temp.path(), "copied_schema"), &copied, properties("another tool", layout()));
    write_with(
        &place(temp.path(), "copied_key"),
        &batch("copied_key"),
        properties("parquet-cpp-arrow version 26", layout()),
    );
    write_with(&place(temp.path(), "later_layout"), &batch("later_layout"), properties(ours, later()));
    let rows = csv(
        temp.path(),
        "SELECT backend_name, status, content = cid_content(cid) AS right, size_bytes,
            replace(car_file_path, cid, 'CID') AS path FROM pins ORDER BY 1",
    );
    assert_eq!(
        rows,
        "backend_name,status,right,size_bytes,path\ncopied_key,stored,true,10,/cars/CID.car\n\
         copied_schema,stored,true,10,/cars/CID.car\nlater_layout,stored,true,10,/cars/CID.car\n\
         no_key,stored,true,10,/cars/CID.car\nours,STORED,false,999,made/of/CID"
    );
    let laid_out = csv(temp.path(), "SELECT name, laid_out FROM backends ORDER BY 1");
    assert_eq!(
        laid_out,
        "name,laid_out\ncopied_key,false\ncopied_schema,false\nlater_layout,false\nno_key,false\nours,true"
    );
}

#[test]
fn bytes_that_are_no_text_are_shown_and_are_no_cid() {
    let bytes =
        |values: [&[u8]; 2]| -> ArrayRef { Arc::new(arrow::array::BinaryArray::from(values.to_vec())) };
    let columns = [
        ("cid", bytes([HELLO.as_bytes(), b"\xf0\xff"])),
        ("status", bytes([b"Stored", b"fai\xffled"])),
        ("created_at", bytes([b"2024-05-01", b"\xff"])),
        ("metadata", bytes([br#"{"size": 3}"#, b"{\"size\": 4, \"name\": \"\xff\"}"])),
    ];
    let temp = tempfile::tempdir().unwrap();
    write(temp.path(), "binary", &RecordBatch::try_from_iter(columns).unwrap());
    let rows = csv(
        temp.path(),
        "SELECT cid, status, created_at, size_bytes, cid_valid(cid) AS valid FROM pins ORDER BY valid DESC",
    );
    let expected = format!(
        "cid,status,created_at,size_bytes,valid\n{HELLO},stored,2024-05-01T00:00:00Z,3,true\n\u{fffd}\u{fffd},fai\u{fffd}led,,4,false"
    );
    assert_eq!(rows, expected);
    assert_eq!(csv(temp.path(), "SELECT COUNT(*) AS n FROM pins WHERE cid = 'x'"), "n\n0");
}

#[test]
fn a_file_that_is_written_over_in_place_is_an_error_and_never_a_mixture() {
    let temp = tempfile::tempdir().unwrap();
    let rows = |status: &str| mappings("s3", &vec![(HELLO, status); 3000]);
    write(temp.path(), "s3", &rows("before"));
    runtime().block_on(async {
        let session = Session::open(temp.path(), Options::default()).unwrap();
        let plan = session.encode_plan("SELECT status FROM pins").await.unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write(temp.path(), "s3", &rows("behind"));
        let answer = session.run_plan(&plan).await.unwrap();
        let error = crate::support::as_csv(answer).await.unwrap_err().to_string();
        assert!(error.contains("changed since"), "{error}");
    });
    // The same within one process: a writer that never renames, and queries all the while.
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (root, told) = (temp.path().to_owned(), Arc::clone(&stop));
    let writer = std::thread::spawn(move || {
        while !told.load(std::sync::atomic::Ordering::Relaxed) {
            for status in ["before", "behind"] {
                write(&root, "s3", &mappings("s3", &vec![(HELLO, status); 3000]));
            }
        }
    });
    for _ in 0..60 {
        let answer =
            try_csv(temp.path(), "SELECT status, COUNT(*) AS n FROM pins GROUP BY 1", Options::default());
        match answer {
            Ok(text) => assert!(text == "status,n\nbefore,3000" || text == "status,n\nbehind,3000", "{text}"),
            Err(error) => assert!(error.to_string().contains("`s3` is unreadable"), "{error}"),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
}

#[test]
fn any_flipped_byte_gives_the_right_rows_or_an_error_that_names_the_file() {
    let sample = fs::read(repository("tests/data/writers/backends/codec_zstd/pin_mappings.parquet")).unwrap();
    let temp = tempfile::tempdir().unwrap();
    let target = place(temp.path(), "flipped");
    fs::write(&target, &sample).unwrap();
    let sql = "SELECT cid, status, created_at, size_bytes, metadata FROM pins ORDER BY car_file_path";
    let right = csv(temp.path(), sql);
    let mut refused = 0;
    // Headers, pages and footer: every 41st byte, each flipped in another bit.
    for (turn, at) in (0..sample.len()).step_by(41).enumerate() {
        let mut bytes = sample.clone();
        bytes[at] ^= 1 << (turn % 8);
        fs::write(&target, &bytes).unwrap();
        match try_csv(temp.path(), sql, Options::default()) {
            // Statistics, names and the like may differ without a row being another.
            Ok(rows) => assert_eq!(rows.lines().count(), right.lines().count(), "byte {at}"),
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(
                    text.contains("`flipped` is unreadable") || text.contains("no column"),
                    "byte {at}: {text}"
                );
            }
        }
    }
    assert!(refused > 20, "{refused} of {}", sample.len() / 41);
}

#[test]
fn part_files_that_disagree_on_a_type_are_shown_as_text() {
    let temp = tempfile::tempdir().unwrap();
    let dir = place(temp.path(), "parts");
    fs::create_dir_all(&dir).unwrap();
    let part = |name: &str, n: ArrayRef| {
        let cid: ArrayRef = Arc::new(StringArray::from(vec![name]));
        let batch = RecordBatch::try_from_iter([("cid", cid), ("n", n)]).unwrap();
        write_with(&dir.join(name), &batch, WriterProperties::builder().build());
    };
    part("a.parquet", Arc::new(Int64Array::from(vec![5])));
    part("b.parquet", Arc::new(arrow::array::Float64Array::from(vec![5.4])));
    // A part by another name, and one that is there twice.
    part("part-0", Arc::new(StringArray::from(vec!["five"])));
    #[cfg(unix)]
    std::os::unix::fs::symlink("a.parquet", dir.join("c.parquet")).unwrap();
    assert_eq!(
        csv(temp.path(), "SELECT cid, n FROM backends.parts ORDER BY cid"),
        "cid,n\na.parquet,5\nb.parquet,5.4\npart-0,five"
    );
    assert_eq!(csv(temp.path(), "SELECT cid FROM backends.parts WHERE n = '5.4'"), "cid\nb.parquet");
}

#[test]
fn metadata_with_parts_is_json_and_gives_sizes() {
    let temp = tempfile::tempdir().unwrap();
    let cid = || Arc::new(StringArray::from(vec![HELLO, RAW])) as ArrayRef;
    let sizes = || Arc::new(Int64Array::from(vec![Some(12), None])) as ArrayRef;
    let names = Arc::new(StringArray::from(vec![Some("a \"b\""), Some("c")])) as ArrayRef;
    let field = |name, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    let one = StructArray::from(vec![(field("size_bytes", &sizes()), sizes())]);
    let two = StructArray::from(vec![
        (field("size_bytes", &sizes()), sizes()),
        (field("name", &names), names.clone()),
    ]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    map.keys().append_value("size");
    map.values().append_value(7);
    map.append(true).unwrap();
    map.append(false).unwrap();
    for (name, metadata) in
        [("one", Arc::new(one) as ArrayRef), ("two", Arc::new(two)), ("map", Arc::new(map.finish()))]
    {
        let batch = RecordBatch::try_from_iter([("cid", cid()), ("metadata", metadata)]).unwrap();
        write(temp.path(), name, &batch);
    }
    let shown = |name: &str| {
        csv(temp.path(), &format!("SELECT metadata, size_bytes FROM backends.{name} ORDER BY size_bytes"))
    };
    assert_eq!(shown("one"), "metadata,size_bytes\n\"{\"\"size_bytes\"\":12}\",12\n{},");
    assert_eq!(
        shown("two"),
        "metadata,size_bytes\n\"{\"\"size_bytes\"\":12,\"\"name\"\":\"\"a \\\"\"b\\\"\"\"\"}\",12\n\"{\"\"name\"\":\"\"c\"\"}\","
    );
    assert_eq!(shown("map"), "metadata,size_bytes\n\"{\"\"size\"\":7}\",7\n,");
}

#[test]
fn a_recorded_time_that_cannot_be_shown_is_its_number() {
    let temp = tempfile::tempdir().unwrap();
    let times = TimestampSecondArray::from(vec![Some(i64::MAX), Some(0), None]);
    let batch = RecordBatch::try_from_iter([
        ("cid", Arc::new(StringArray::from(vec!["a", "b", "c"])) as ArrayRef),
        ("created_at", Arc::new(times)),
    ]);
    write(temp.path(), "far", &batch.unwrap());
    assert_eq!(
        csv(temp.path(), "SELECT cid, recorded_created_at, created_at FROM records ORDER BY cid"),
        "cid,recorded_created_at,created_at\na,9223372036854775807,\nb,1970-01-01T00:00:00,1970-01-01T00:00:00Z\nc,,"
    );
}

#[test]
fn times_of_any_year_are_compared_and_subtracted() {
    let temp = tempfile::tempdir().unwrap();
    let times = [
        ("zero", "0001-01-01T00:00:00Z"),
        ("old", "1900-05-01T00:00:00Z"),
        ("new", "2024-05-01T00:00:00Z"),
        ("end", "9999-12-31T23:59:59Z"),
    ];
    let (cids, at): (Vec<_>, Vec<_>) = times.iter().map(|(cid, at)| (Some(*cid), Some(*at))).unzip();
    write(
        temp.path(),
        "far",
        &texts(&[("cid", &cids), ("created_at", &at), ("status", &[Some("pending"); 4])]),
    );
    for (condition, found) in [
        ("created_at < '9999-12-31'", "new,old,zero"),
        ("created_at > date '1500-01-01'", "end,new,old"),
        ("date '1500-01-01' > created_at", "zero"),
        ("created_at BETWEEN date '1800-01-01' AND date '2030-01-01'", "new,old"),
        ("created_at IN (date '2024-05-01', timestamp '1900-05-01')", "new,old"),
        ("created_at IN ('0001-01-01', '2024-05-01')", "new,zero"),
        ("created_at = timestamp '0001-01-01'", "zero"),
        ("created_at < current_timestamp", "new,old,zero"),
        ("created_at > now() - interval '30 days'", "end"),
        ("now() - created_at > interval '30 days'", "new,old,zero"),
        ("interval '200 years' > now() - created_at OR cid = 'zero'", "error"),
        // Times in nanoseconds, too.
        (
            "cid = 'new' AND to_timestamp_nanos('2024-05-03') - to_timestamp_nanos('2024-05-01') > interval '1 day'",
            "new",
        ),
        (
            "cid = 'new' AND to_timestamp_nanos('2024-05-03') - to_timestamp_nanos('2024-05-01') > interval '3 days'",
            "NULL",
        ),
        ("created_at < to_timestamp('1500-01-01')", "zero"),
        ("created_at = to_timestamp(-62135596800)", "zero"),
        ("created_at + interval '0 days' >= to_timestamp(CAST(created_at AS TEXT))", "end,new,old,zero"),
        ("date_trunc('month', created_at) = timestamp '9999-12-01'", "end"),
        ("date_trunc('year', created_at) = date_trunc('hour', created_at)", "zero"),
        ("interval '80000 days' > now() - created_at", "end,new,old"),
    ] {
        let sql = format!("SELECT string_agg(cid, ',' ORDER BY cid) AS found FROM pins WHERE {condition}");
        match found {
            "error" => assert!(error(temp.path(), &sql).contains("months and years differ"), "{condition}"),
            found => {
                let answer = csv(temp.path(), &sql);
                assert_eq!(answer.replace('"', ""), format!("found\n{found}"), "{condition}");
            }
        }
    }
    assert_eq!(
        csv(temp.path(), "SELECT max(timestamp '2024-05-02' - created_at) AS oldest FROM pins"),
        "oldest\nP739007D"
    );
    assert!(csv(temp.path(), "SELECT max(now() - created_at) FROM pins").contains("\nP7"));
    // The age in days of the report, too.
    let report = fs::read_to_string(repository("queries/pending-pins.sql")).unwrap();
    let sql = report.replace("$as_of", "timestamp '2024-05-02T12:00:00Z'");
    let sql = sql.replace("$older_than", "interval '0 days'").replace("$backends", "make_array('')");
    let sql = sql.replace("CARDINALITY(make_array('')) = 0", "true");
    let ages = csv(temp.path(), &format!("SELECT cid, age_days FROM ({sql}) ORDER BY age_days"));
    assert_eq!(ages, "cid,age_days\nend,-2913051.5\nnew,1.5\nold,45292.5\nzero,739007.5");
}

#[test]
fn a_file_with_two_columns_of_one_name_is_unreadable() {
    let temp = tempfile::tempdir().unwrap();
    let column = || Arc::new(StringArray::from(vec![HELLO])) as ArrayRef;
    for (name, columns, state) in [
        ("twice", ["cid", "cid"], "unreadable"),
        ("alike", ["CID", "Cid"], "unreadable"),
        ("plain", ["cid", "CID"], "ready"),
        ("others", ["cid", "note"], "ready"),
    ] {
        let schema = arrow::datatypes::Schema::new(
            columns.map(|column| Field::new(column, DataType::Utf8, true)).to_vec(),
        );
        write(temp.path(), name, &RecordBatch::try_new(Arc::new(schema), vec![column(), column()]).unwrap());
        let found = csv(temp.path(), &format!("SELECT state, reason FROM backends WHERE name = '{name}'"));
        assert!(found.starts_with(&format!("state,reason\n{state}")), "{name}: {found}");
        assert_eq!(found.contains("several columns are called `cid`"), state == "unreadable", "{found}");
    }
}

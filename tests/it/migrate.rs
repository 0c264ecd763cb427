//! What migration does with what people really have: one test for each defect of the older tool.
//!
//! The numbers are those of the list that was measured with the older tool (`migrate_backend_pin_mappings.py`):
//!
//! | defects | where |
//! | --- | --- |
//! | 1, 2, 4 to 7, 9 to 20, 22 | here |
//! | 3 (killed or out of space in mid-write, no lock), 8 for two processes, 21 (links) | `faults.rs` |
//! | 8 within one second, 12 over a whole tree | here |
//! | 23 to 27, 29 (analysis) | the end of this file, as reports over crafted trees; 26 and 27 also `reading.rs`, `recount.rs` |
//! | 28 (rows held in memory for nothing) | `limits.rs` |
//! | 30 to 33 (the daemon's state, its registry) | not here: there is no daemon yet |

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pinql::migrate::{Filter, Options, RestoreFrom, State};
use pinql::session;

use crate::support::cids::{base58, raw, v0, v1};
use crate::support::tree::{NOW, Tree};
use crate::support::{mappings, repository, texts, try_csv, write};

/// The error of a backend that failed, with its cause.
fn error_of(outcome: &pinql::migrate::BackendOutcome) -> String {
    let error = outcome.error.as_ref().unwrap();
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let words = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
    words.collect::<Vec<_>>().join(": ")
}

/// Migrates one `pins.json` and gives these columns of what came of it, in the order of `cid`.
fn migrated(backend: &str, pins_json: impl AsRef<[u8]>, columns: &str) -> String {
    let tree = Tree::with(backend, pins_json);
    let outcome = tree.migrate_one();
    assert_eq!(outcome.state, State::Migrated, "{:?}", outcome.error);
    let rows = tree.csv(&format!("SELECT {columns} FROM pins ORDER BY cid"));
    rows.split_once('\n').map_or("", |(_, rows)| rows).to_owned()
}

// ---- Data loss ----

#[test]
fn defect_1_mappings_that_cannot_be_read_are_never_written_over() {
    let sound =
        std::fs::read(repository("tests/data/documented/backends/my-s3-backend/pin_mappings.parquet"));
    let sound = sound.unwrap();
    // The footer of this one is sound; its pages are not.
    let mut damaged =
        std::fs::read(repository("tests/data/writers/backends/codec_zstd/pin_mappings.parquet"));
    damaged.as_mut().unwrap()[8..400].fill(0xab);
    let cases: [(&str, Vec<u8>); 5] = [
        ("truncated", sound[..sound.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("csv", b"cid,status\nQm,stored\n".to_vec()),
        ("noise", (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()),
        ("pages", damaged.unwrap()),
    ];
    for (what, bytes) in cases {
        for skip_unreadable in [false, true] {
            let tree = Tree::with("s3", format!(r#"["{}"]"#, v1(1)));
            tree.write("s3", "pin_mappings.parquet", &bytes);
            let before = tree.files("s3");
            let options = session::Options { skip_unreadable, ..session::Options::default() };
            let outcome = tree.work(options, |session| {
                pinql::migrate::migrate(session, &Options::at(NOW), &pinql::migrate::Progress::default())
            });
            let outcome = outcome.unwrap();
            let case = format!("{what}, skip_unreadable {skip_unreadable}");
            assert!(outcome.has_failed(), "{case}");
            let error = outcome.backends[0].error.as_ref().unwrap();
            assert!(
                error.to_string().contains("its mappings cannot be read, and are not written over"),
                "{error}"
            );
            assert!(error.hint().unwrap().contains("pinql backend restore s3 --from car"), "{case}");
            assert_eq!(tree.files("s3"), before, "{case}");
        }
    }
}

#[test]
fn defect_2_a_car_that_is_all_that_is_left_is_not_written_over() {
    let car =
        std::fs::read(repository("tests/data/documented/backends/my-s3-backend/pin_mappings.car")).unwrap();
    let tree = Tree::with("my-s3-backend", format!(r#"["{}"]"#, v1(1)));
    tree.write("my-s3-backend", "pin_mappings.car", &car);
    let before = tree.files("my-s3-backend");
    let outcome = tree.migrate_one();
    assert_eq!(outcome.state, State::Failed);
    assert!(error_of(&outcome).contains("the CAR is not written over"), "{}", error_of(&outcome));
    assert_eq!(tree.files("my-s3-backend"), before);
    // The way out that the hint names: first the mappings of the CAR, then the new ones.
    assert!(
        outcome.error.unwrap().hint().unwrap().contains("pinql backend restore my-s3-backend --from car")
    );
    tree.work(session::Options::default(), |session| {
        let from = RestoreFrom::Car { salvage: false };
        let progress = pinql::migrate::Progress::default();
        pinql::migrate::restore(session, "my-s3-backend", &from, &Options::at(NOW), &progress).unwrap();
    });
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM pins"), "n\n2");
    let outcome = tree.migrate_one();
    assert_eq!((outcome.state, outcome.counts.added, outcome.counts.rows), (State::Migrated, 1, 3));
    // What the older tool had written there is kept, byte for byte.
    assert!(tree.files("my-s3-backend").values().any(|bytes| *bytes == car));
}

#[test]
fn defect_4_pins_are_found_where_each_tool_puts_them() {
    let (one, two) = (v1(1), v0(2));
    let both = format!("{two},stored\n{one},stored");
    for (shape, pins_json) in [
        ("list", format!(r#"["{one}","{two}"]"#)),
        ("pins", format!(r#"{{"version": 1, "pins": ["{one}", {{"cid": "{two}"}}], "count": 2}}"#)),
        (
            "kubo",
            format!(r#"{{"Keys": {{"{one}": {{"Type": "recursive"}}, "{two}": {{"Type": "direct"}}}}}}"#),
        ),
        (
            "pinning service",
            format!(
                r#"{{"count": 2, "results": [{{"requestid": "r", "status": "pinned", "pin": {{"cid": "{one}"}}}}, {{"status": "pinned", "pin": {{"cid": "{two}", "name": "x"}}}}]}}"#
            ),
        ),
        (
            "pinata",
            format!(
                r#"{{"count": 2, "rows": [{{"ipfs_pin_hash": "{one}", "size": 5}}, {{"ipfs_pin_hash": "{two}"}}]}}"#
            ),
        ),
        (
            "one object after another",
            format!(
                "{{\"cid\": \"{one}\", \"peer_map\": {{\"p\": {{\"status\": \"pinned\"}}}}}}\r\n{{\"cid\": {{\"/\": \"{two}\"}}}}\n"
            ),
        ),
    ] {
        let tree = Tree::with("x", &pins_json);
        let outcome = tree.migrate_one();
        assert_eq!(outcome.shape.as_deref(), Some(shape), "{pins_json}");
        assert_eq!(outcome.counts.rejected, 0, "{shape}");
        assert_eq!(
            tree.csv("SELECT cid, status FROM pins ORDER BY cid"),
            format!("cid,status\n{both}"),
            "{shape}"
        );
    }
    assert_eq!(
        migrated("x", format!(r#"{{"cid": "{one}", "size": 5}}"#), "cid, size_bytes"),
        format!("{one},5")
    );
    // A text at the top is no list of letters.
    let outcome = Tree::with("x", format!(r#" "{one}""#)).migrate_one();
    let words = error_of(&outcome);
    assert!(words.contains("line 1, column 2: wrong type at the top: a text"), "{words}");
}

#[test]
fn defect_5_an_object_keyed_by_cid_keeps_its_fields() {
    let pins_json = format!(
        r#"{{"{}": {{"status": "failed", "size_bytes": 7, "error": "timeout"}}, "{}": {{"status": "pending"}}, "{}": null}}"#,
        v0(1),
        v0(2),
        v0(3)
    );
    let tree = Tree::with("x", pins_json);
    assert_eq!(tree.migrate_one().counts.added, 3);
    let rows = tree.csv("SELECT status, size_bytes, metadata ->> 'error' AS error FROM pins ORDER BY status");
    assert_eq!(rows, "status,size_bytes,error\nfailed,7,timeout\npending,,\nstored,,");
}

#[test]
fn defect_6_every_name_of_a_cid_counts_and_what_has_none_is_told() {
    let names = ["cid", "Cid", "CID", "hash", "Hash", "IpfsHash"];
    for (number, name) in names.iter().enumerate() {
        let cid = v1(number as u64);
        for value in [format!(r#""{cid}""#), format!(r#"{{"/": "{cid}"}}"#)] {
            assert_eq!(migrated("x", format!(r#"[{{"{name}": {value}}}]"#), "cid"), cid, "{name}");
        }
    }
    for nothing in ["null", "\"\""] {
        assert_eq!(migrated("x", format!(r#"[{{"cid": {nothing}, "hash": "{}"}}]"#, v1(1)), "cid"), v1(1));
    }
    let tree = Tree::with("x", format!("[\"{}\",\n 7, null, [],\n  true, {{}}, {{\"name\": \"é\"}}]", v1(1)));
    let outcome = tree.migrate_one();
    assert_eq!((outcome.counts.found, outcome.counts.added, outcome.counts.rejected), (7, 1, 6));
    let shown: Vec<_> = outcome
        .rejects
        .iter()
        .map(|reject| (reject.entry, reject.line, reject.column, reject.reason.as_str()))
        .collect();
    let no_key =
        "no CID: has none of the keys cid, Cid, CID, hash, Hash, IpfsHash, ipfs_pin_hash, root, pin.cid";
    assert_eq!(
        shown,
        [
            (1, 2, 2, "a number is no pin"),
            (2, 2, 5, "null is no pin"),
            (3, 2, 11, "a list is no pin"),
            (4, 3, 3, "true or false is no pin"),
            (5, 3, 9, no_key),
            (6, 3, 13, no_key),
        ]
    );
    // They stand in the archive, and where SQL can read them.
    let files = tree.files("x");
    assert!(files.contains_key("pins.json.backup.20241124_133405"), "{:?}", files.keys());
    let rejects = tree.csv("SELECT entry, entry_text FROM rejects WHERE line = 3 ORDER BY entry");
    assert_eq!(rejects, "entry,entry_text\n4,true\n5,{}\n6,\"{\"\"name\"\": \"\"é\"\"}\"");
}

#[test]
fn defect_7_what_an_entry_says_of_its_car_and_its_backend_is_kept() {
    let pins_json = format!(
        r#"[{{"cid": "{}", "car_file_path": "/mine/1.car", "backend_name": "elsewhere"}}, {{"cid": "{}", "backend_name": "s3_main"}}]"#,
        v0(1),
        v0(2)
    );
    let tree = Tree::with("s3_main", pins_json);
    let outcome = tree.migrate_one();
    let note = "1 entry names another backend; the directory's name counts, theirs is in the metadata";
    assert_eq!(outcome.notes, [note]);
    let rows = tree.csv("SELECT car_file_path, backend_name, metadata FROM pins ORDER BY car_file_path");
    let expected = format!(
        "car_file_path,backend_name,metadata\n/mine/1.car,s3_main,\"{{\"\"backend_name\"\":\"\"elsewhere\"\"}}\"\n/s3-bucket/cars/{}.car,s3_main,{{}}",
        v0(2)
    );
    assert_eq!(rows, expected);
}

#[test]
fn defect_8_two_runs_in_one_second_keep_both_files() {
    let tree = Tree::new();
    let texts: Vec<_> = (0..3).map(|number| format!(r#"["{}"]"#, v1(number))).collect();
    for text in &texts {
        tree.pins_json("x", text);
        assert_eq!(tree.migrate_one().state, State::Migrated);
    }
    let files = tree.files("x");
    let kept = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    let stamp = "20241124_133405";
    assert_eq!(kept(&format!("pins.json.backup.{stamp}")), texts[0]);
    assert_eq!(kept(&format!("pins.json.backup.{stamp}_1")), texts[1]);
    assert_eq!(kept(&format!("pins.json.backup.{stamp}_2")), texts[2]);
    assert!(files.contains_key(&format!("pin_mappings.parquet.backup.{stamp}_1")), "{:?}", files.keys());
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM pins"), "n\n3");
}

#[test]
fn defect_9_the_latest_known_time_wins_and_none_is_invented() {
    let cid = v1(1);
    let entry = |created_at: &str, status: &str| match created_at {
        "" => format!(r#"{{"cid": "{cid}", "status": "{status}"}}"#),
        _ => format!(r#"{{"cid": "{cid}", "status": "{status}", "created_at": "{created_at}"}}"#),
    };
    for (old, new, winner) in [
        ("2024-05-01", "2024-05-02", "new,2024-05-02T00:00:00Z"),
        ("2024-05-02", "2024-05-01", "old,2024-05-02T00:00:00Z"),
        ("2024-05-01T00:00:00Z", "2024-05-01T02:00:00+02:00", "new,2024-05-01T00:00:00Z"),
        ("2024-05-01", "", "old,2024-05-01T00:00:00Z"),
        ("", "2024-05-01", "new,2024-05-01T00:00:00Z"),
        ("", "", "new,"),
    ] {
        let tree = Tree::with("x", format!("[{}]", entry(old, "old")));
        tree.migrate_one();
        tree.pins_json("x", format!("[{}]", entry(new, "new")));
        tree.migrate_one();
        let rows = tree.csv("SELECT status, created_at FROM pins");
        assert_eq!(rows, format!("status,created_at\n{winner}"), "{old} and {new}");
    }
}

/// Columns of a backend's file: names and types.
fn columns(tree: &Tree, backend: &str) -> Vec<(String, DataType)> {
    let file = std::fs::File::open(tree.file(backend, "pin_mappings.parquet")).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    reader.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
}

#[test]
fn defect_10_further_columns_keep_their_types_even_without_rows() {
    let text = |value: Option<&str>| -> ArrayRef { Arc::new(StringArray::from_iter([value])) };
    let full = RecordBatch::try_from_iter_with_nullable([
        ("weight", Arc::new(Int64Array::from(vec![Some((1 << 53) + 1)])) as ArrayRef, true),
        ("cid", text(Some(&v1(1))), true),
        ("score", Arc::new(Float64Array::from(vec![Some(0.1)])), true),
        ("updated_at", text(None), true),
    ])
    .unwrap();
    for (what, batch) in [("no rows", full.slice(0, 0)), ("one row", full.clone())] {
        let tree = Tree::with("x", format!(r#"["{}"]"#, v1(2)));
        write(&tree.root(), "x", &batch);
        assert_eq!(tree.migrate_one().state, State::Migrated, "{what}");
        let extras = columns(&tree, "x").split_off(8);
        let expected =
            [("weight", DataType::Int64), ("score", DataType::Float64), ("updated_at", DataType::Utf8)];
        assert_eq!(extras, expected.map(|(name, kind)| (name.to_owned(), kind)), "{what}");
        let weight = tree.csv("SELECT weight FROM backends.x WHERE weight IS NOT NULL");
        let expected = if what == "no rows" { "weight" } else { "weight\n9007199254740993" };
        assert_eq!(weight, expected, "{what}");
    }
}

// ---- False success ----

#[test]
fn defect_11_what_is_no_list_of_pins_is_an_error_with_its_place_and_stays() {
    let deep = "[".repeat(5000);
    let utf16: Vec<u8> = r#"["a"]"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&[u8], &str); 10] = [
        (b"", "line 1, column 1: the file is empty"),
        (b" \n ", "line 2, column 2: the file is blank"),
        (b"{\"pins\": [", "line 1, column 11: the file ends here in the middle: it was cut off"),
        (b"[\n  oops]", "line 2, column 3: "),
        (b"[\"a\" \"b\"]", "line 1, column 6: "),
        (b"\"text\"", "line 1, column 1: wrong type at the top"),
        (b"42", "line 1, column 1: wrong type at the top"),
        (b"[\"\xff\"]", "not UTF-8"),
        (&utf16, "UTF-16"),
        (deep.as_bytes(), "line 1, column "),
    ];
    for (bytes, words) in cases {
        let tree = Tree::with("x", bytes);
        let before = tree.files("x");
        let outcome = tree.migrate_one();
        assert_eq!(outcome.state, State::Failed, "{words}");
        let error = error_of(&outcome);
        assert!(error.contains("pins.json") && error.contains(words), "{words}: {error}");
        assert_eq!(tree.files("x"), before, "{words}");
        // And again: it is not up to date for having been looked at.
        assert_eq!(tree.migrate_one().state, State::Failed, "{words}");
    }
    // A byte order mark and CRLF are no reason to refuse.
    assert_eq!(migrated("x", format!("\u{feff}[\r\n\"{}\"\r\n]\r\n", v1(1)), "cid"), v1(1));
    // A directory of that name.
    let tree = Tree::new();
    std::fs::create_dir_all(tree.file("x", "pins.json")).unwrap();
    let outcome = tree.migrate_one();
    assert!(outcome.state == State::Failed && error_of(&outcome).contains("not a file"), "{outcome:?}");
}

#[test]
fn defect_11_a_file_with_no_pin_in_it_is_refused_and_an_empty_list_is_not() {
    for pins_json in [r#"["a", "b"]"#, r#"[1]"#, r#"{"version": 1, "count": 0}"#] {
        let tree = Tree::with("x", pins_json);
        let before = tree.files("x");
        assert_eq!(tree.migrate_one().state, State::Failed, "{pins_json}");
        assert_eq!(tree.files("x"), before, "{pins_json}");
    }
    // The older tool wrote `[]` for each new backend.
    for pins_json in ["[]", "{}", r#"{"pins": []}"#, r#"{"Keys": null}"#] {
        let tree = Tree::with("x", pins_json);
        assert_eq!(tree.migrate_one().state, State::Migrated, "{pins_json}");
        assert_eq!(tree.csv("SELECT state, rows FROM backends"), "state,rows\nempty,0", "{pins_json}");
        let expected = ["pin_mappings.car", "pin_mappings.parquet", "pins.json.backup.20241124_133405"];
        assert_eq!(tree.names("x"), expected, "{pins_json}");
    }
}

/// A tree with everything that may go well or wrong.
fn mixed_tree() -> Tree {
    let tree = Tree::new();
    let many: Vec<_> =
        (0..300).map(|number| format!(r#"{{"cid": "{}", "size": {number}}}"#, v1(number))).collect();
    tree.pins_json("a_many", format!("[{}]", many.join(",\n")));
    tree.pins_json("b_rejects", format!(r#"["{}", "nonsense", {{"cid": 5}}]"#, v0(1)));
    tree.pins_json("c_cut_off", r#"["Qm"#);
    write(&tree.root(), "d_merge", &mappings("d_merge", &[(&v1(1), "stored"), (&v1(2), "failed")]));
    tree.pins_json("d_merge", format!(r#"["{}", {{"cid": "{}", "created_at": 1800000000}}]"#, v1(1), v1(2)));
    tree.write("e_torn", "pin_mappings.parquet", b"PAR1 torn");
    tree.pins_json("e_torn", format!(r#"["{}"]"#, v1(1)));
    let car =
        std::fs::read(repository("tests/data/documented/backends/my-s3-backend/pin_mappings.car")).unwrap();
    tree.write("f_lone_car", "pin_mappings.car", car);
    tree.pins_json("f_lone_car", format!(r#"["{}"]"#, v1(1)));
    tree.pins_json("g_no_pins", "[1, 2]");
    write(&tree.root(), "h_done", &mappings("h_done", &[(&v1(1), "stored")]));
    tree.file("i_empty", "");
    tree
}

#[test]
fn defect_12_a_dry_run_predicts_what_the_run_then_does() {
    let tree = mixed_tree();
    let names = |tree: &Tree| -> Vec<_> {
        let backends = std::fs::read_dir(tree.root().join("backends")).unwrap();
        let mut names: Vec<_> =
            backends.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let before: Vec<_> = names(&tree).iter().map(|name| tree.files(name)).collect();
    let predicted = tree.dry_run();
    // It writes nothing at all.
    let after: Vec<_> = names(&tree).iter().map(|name| tree.files(name)).collect();
    assert_eq!(before, after);
    let real = tree.migrate();
    let shown = |outcome: &pinql::migrate::MigrationOutcome| -> Vec<_> {
        let backends = outcome.backends.iter();
        let one = |backend: &pinql::migrate::BackendOutcome| {
            let files: Vec<_> = backend.files.iter().map(|file| (file.name.clone(), file.bytes)).collect();
            let error = backend.error.is_some().then(|| error_of(backend));
            (backend.backend.clone(), backend.state, backend.counts, files, backend.rejects.clone(), error)
        };
        backends.map(one).collect()
    };
    assert_eq!(shown(&predicted), shown(&real));
    for backend in &real.backends {
        for file in &backend.files {
            let size = std::fs::metadata(tree.file(&backend.backend, &file.name)).unwrap().len();
            assert_eq!(size, file.bytes, "{} {}", backend.backend, file.name);
        }
    }
    let states: Vec<_> = real.backends.iter().map(|backend| backend.state).collect();
    use State::{Failed, Migrated, UpToDate};
    assert_eq!(states, [Migrated, Migrated, Failed, Migrated, Failed, Failed, Failed, UpToDate, UpToDate]);
}

// ---- Wrong refusals ----

#[test]
fn defect_13_numbers_among_texts_are_read_and_others_rejected_one_by_one() {
    let pins_json = format!(
        r#"[{{"cid": "{}", "created_at": 1714557600, "status": "stored"}}, {{"cid": "{}", "created_at": "2024-05-01", "status": 3}},
            {{"cid": 12345}}, {{"cid": "{}", "created_at": 1714557600.5, "status": null}}]"#,
        v0(1),
        v0(2),
        v0(3)
    );
    let tree = Tree::with("x", pins_json);
    let outcome = tree.migrate_one();
    assert_eq!((outcome.counts.added, outcome.counts.rejected), (3, 1));
    assert_eq!(
        tree.csv("SELECT created_at, status FROM pins ORDER BY created_at"),
        "created_at,status\n2024-05-01T00:00:00Z,3\n2024-05-01T10:00:00Z,stored\n2024-05-01T10:00:00.500Z,stored"
    );
}

#[test]
fn defect_14_and_15_any_form_of_time_merges_with_any_other() {
    // 30 mappings each, as many programs have written them.
    let writers = repository("tests/data/writers/backends");
    let names = [
        "timestamp_ns_naive",
        "timestamp_ns_plus2",
        "timestamp_s_utc",
        "timestamp_ms_plus2",
        "timestamp_us_naive",
        "timestamp_int96",
        "epoch_seconds",
        "epoch_ms_double",
        "text_mixed",
        "text_offset",
        "text_naive",
        "string",
    ];
    let tree = Tree::new();
    for name in names {
        let from = writers.join(name).join("pin_mappings.parquet");
        std::fs::copy(from, tree.file(name, "pin_mappings.parquet")).unwrap();
        let entry = |number: u64, time: &str| format!(r#"{{"cid": "{}", "created_at": {time}}}"#, v1(number));
        let times = [
            "1714557600",
            r#""2024-05-01T10:00:00.123456""#,
            r#""2024-05-01 10:00:00+02:00""#,
            r#""garbage""#,
            "null",
        ];
        let entries: Vec<_> = times.iter().zip(1000..).map(|(time, number)| entry(number, time)).collect();
        tree.pins_json(name, format!("[{}]", entries.join(",")));
    }
    let before =
        tree.csv("SELECT backend_name, cid, status, created_at, metadata FROM pins ORDER BY 1, 2, 3, 4, 5");
    let outcome = tree.migrate();
    for backend in &outcome.backends {
        assert_eq!(backend.state, State::Migrated, "{}: {:?}", backend.backend, backend.error);
        assert_eq!((backend.counts.added, backend.counts.already_there), (5, 0), "{}", backend.backend);
    }
    let new: Vec<_> = (1000..1005).map(|number| format!("'{}'", v1(number))).collect();
    let new = new.join(", ");
    let sql = format!(
        "SELECT backend_name, cid, status, created_at, metadata FROM pins WHERE cid NOT IN ({new}) ORDER BY 1, 2, 3, 4, 5"
    );
    assert_eq!(tree.csv(&sql), before, "what was there is as it was");
    let sql =
        format!("SELECT created_at, COUNT(*) AS n FROM pins WHERE cid IN ({new}) GROUP BY 1 ORDER BY 1");
    assert_eq!(
        tree.csv(&sql),
        "created_at,n\n2024-05-01T08:00:00Z,12\n2024-05-01T10:00:00Z,12\n2024-05-01T10:00:00.123456Z,12\n,24"
    );
    // A text that is no time is not lost: it is in the metadata.
    let kept = tree.csv("SELECT DISTINCT metadata FROM pins WHERE metadata LIKE '%garbage%'");
    assert_eq!(kept, "metadata\n\"{\"\"created_at\"\":\"\"garbage\"\"}\"");
}

// ---- Wrong content ----

#[test]
fn defect_16_only_cids_become_pins() {
    let texts = [
        "QmTestCID123456789abcdef",
        "pins",
        "https://ipfs.io/ipfs/QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3",
        "",
        " ",
        "/ipfs/QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3",
        " QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3",
    ];
    let entries: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
    let tree = Tree::with("x", format!(r#"["{}", {}]"#, v1(1), entries.join(", ")));
    let outcome = tree.migrate_one();
    assert_eq!((outcome.counts.added, outcome.counts.rejected), (1, texts.len() as u64));
    assert!(
        outcome.rejects.iter().all(|reject| reject.reason.starts_with("not a CID: ")),
        "{:?}",
        outcome.rejects
    );
    assert!(outcome.rejects[2].reason.contains("it is an address"), "{}", outcome.rejects[2].reason);
    assert!(
        outcome.rejects[6].reason.contains("there is whitespace around it"),
        "{}",
        outcome.rejects[6].reason
    );
}

#[test]
fn defect_17_ten_spellings_of_five_pins_are_five() {
    let entries: Vec<_> = (0..5)
        .flat_map(|number| [v0(number), if number % 2 == 0 { v1(number) } else { base58(number) }])
        .map(|cid| format!("\"{cid}\""))
        .collect();
    let tree = Tree::with("x", format!("[{}]", entries.join(",")));
    let outcome = tree.migrate_one();
    let counts = outcome.counts;
    assert_eq!((counts.found, counts.added, counts.repeated, counts.rows), (10, 5, 5, 5));
    // Spelled as the winner spelled it: the later one.
    let expected: std::collections::BTreeSet<_> = [v1(0), base58(1), v1(2), base58(3), v1(4)].into();
    let rows = tree.csv("SELECT cid FROM pins");
    assert_eq!(rows.lines().skip(1).map(str::to_owned).collect::<std::collections::BTreeSet<_>>(), expected);
    // Another codec of the same content is another pin of it.
    tree.pins_json("x", format!(r#"["{}"]"#, raw(0)));
    assert_eq!(tree.migrate_one().counts.added, 1);
    let counts = tree.csv("SELECT COUNT(*) AS pins, COUNT(DISTINCT content) AS contents FROM pins");
    assert_eq!(counts, "pins,contents\n6,5");
}

#[test]
fn defect_18_statuses_are_told_in_our_words_and_the_sources_word_is_kept() {
    let words = ["STORED", " failed ", "Queued", "pinned", "weird", ""];
    let entries: Vec<_> = words
        .iter()
        .zip(0..)
        .map(|(word, number)| format!(r#"{{"cid": "{}", "status": "{word}"}}"#, v0(number)))
        .collect();
    let tree =
        Tree::with("x", format!("[{}, {{\"cid\": \"{}\", \"status\": null}}]", entries.join(","), v0(9)));
    tree.migrate_one();
    let rows = tree.csv(
        "SELECT status, metadata ->> 'source_status' AS word, COUNT(*) AS n FROM pins GROUP BY 1, 2 ORDER BY 1, 2 NULLS FIRST",
    );
    assert_eq!(rows, "status,word,n\nfailed,,1\npending,Queued,1\nstored,,3\nstored,pinned,1\nweird,,1");
}

#[test]
fn defect_19_metadata_is_json_and_epoch_numbers_are_their_dates() {
    let pins_json = format!(
        r#"[{{"cid": "{}", "created_at": 1714557600, "score": NaN, "limit": -Infinity, "big": 12345678901234567890123, "tenth": 0.10,
             "name": "caf\u00e9 🦀", "deep": {{"a": [1, {{"b": null}}]}}}}]"#,
        v1(1)
    );
    let tree = Tree::with("x", pins_json);
    tree.migrate_one();
    assert_eq!(tree.csv("SELECT created_at FROM pins"), "created_at\n2024-05-01T10:00:00Z");
    let file = std::fs::File::open(tree.file("x", "pin_mappings.parquet")).unwrap();
    let batch =
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap();
    let metadata = batch.column_by_name("metadata").unwrap().as_string::<i32>().value(0).to_owned();
    assert_eq!(
        metadata,
        r#"{"score":"NaN","limit":"-Infinity","big":12345678901234567890123,"tenth":0.10,"name":"caf\u00e9 🦀","deep":{"a":[1,{"b":null}]}}"#
    );
    assert!(serde_json::from_str::<serde_json::Value>(&metadata).is_ok());
}

#[test]
fn defect_20_the_path_of_a_car_goes_by_the_type_then_by_the_name() {
    let tree = Tree::new();
    for name in ["nas_sshfs", "archive_hf", "plain", "typed"] {
        tree.pins_json(name, format!(r#"["{}"]"#, v1(1)));
    }
    std::fs::create_dir_all(tree.root().join("backend_configs")).unwrap();
    std::fs::write(
        tree.root().join("backend_configs/typed.yaml"),
        "name: typed\ntype: s3\nconfig: {secret: x}\n",
    )
    .unwrap();
    tree.migrate();
    let rows =
        tree.csv("SELECT backend_name, replace(car_file_path, cid, 'CID') AS path FROM pins ORDER BY 1");
    assert_eq!(
        rows,
        "backend_name,path\narchive_hf,/hf-repo/cars/CID.car\nnas_sshfs,/sshfs-mount/cars/CID.car\n\
         plain,/plain/cars/CID.car\ntyped,/s3-bucket/cars/CID.car"
    );
}

// ---- Reach ----

#[test]
fn defect_22_looking_creates_nothing() {
    let tree = mixed_tree();
    let listing = |tree: &Tree| {
        let output = std::process::Command::new("find").arg(tree.home()).output().unwrap();
        let mut lines: Vec<_> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = listing(&tree);
    for args in [
        &["backend", "list"][..],
        &["backend", "show", "d_merge"],
        &["backend", "verify", "d_merge"],
        &["backend", "migrate-pin-mappings", "--dry-run"],
        &["backend", "prune-backups", "--dry-run"],
        &["--skip-unreadable", "report", "summary"],
        &["-c", "SELECT * FROM rejects"],
    ] {
        tree.output(args);
        assert_eq!(listing(&tree), before, "{args:?}");
    }
}

#[test]
fn only_the_chosen_backends_are_touched() {
    let tree = mixed_tree();
    let before = tree.files("b_rejects");
    let outcome = tree.migrate_with(Options { filter: Filter::names(["a*", "d_merge"]), ..Options::at(NOW) });
    let names: Vec<_> = outcome.backends.iter().map(|backend| backend.backend.as_str()).collect();
    assert_eq!(names, ["a_many", "d_merge"]);
    assert_eq!(tree.files("b_rejects"), before);
}

// ---- Analysis: reports over crafted trees ----

/// Backends that each made the older analysis stop, and one that is sound.
fn troubled_tree() -> Tree {
    let tree = Tree::new();
    let root = tree.root();
    write(&root, "a_torn", &mappings("a_torn", &[(&v1(1), "stored")]));
    let torn = std::fs::read(tree.file("a_torn", "pin_mappings.parquet")).unwrap();
    tree.write("a_torn", "pin_mappings.parquet", &torn[..torn.len() / 2]);
    write(&root, "b_no_status", &texts(&[("cid", &[Some(&v0(1))])]));
    write(&root, "c_no_cid", &texts(&[("status", &[Some("failed")]), ("created_at", &[Some("yesterday")])]));
    write(
        &root,
        "d_naive",
        &texts(&[("cid", &[Some(&v1(1))]), ("created_at", &[Some("2024-05-01T10:00:00")])]),
    );
    let zoned = [Some("2024-05-01T10:00:00+02:00")];
    write(
        &root,
        "e_zoned",
        &texts(&[("cid", &[Some(&v0(2))]), ("created_at", &zoned), ("status", &[Some("STORED")])]),
    );
    write(&root, "f_capital", &texts(&[("CID", &[Some(&v1(2))]), ("Status", &[Some("pending")])]));
    write(
        &root,
        "g_null_cid",
        &texts(&[("cid", &[None, Some("QmTestCID123456789abcdef")]), ("status", &[None, None])]),
    );
    write(&root, "h_sound", &mappings("elsewhere", &[(&v1(1), "stored"), (&v1(3), " Failed ")]));
    tree
}

#[test]
fn defects_23_to_27_trouble_in_one_backend_changes_no_others_numbers() {
    let tree = troubled_tree();
    // Without being told to skip it, the torn one is named and nothing is answered.
    let refused = tree.run(&["report", "summary"]);
    assert!(
        refused.contains("backend `a_torn` is unreadable") && refused.ends_with("--- exit 2"),
        "{refused}"
    );
    let report = |name: &str| tree.run(&["--skip-unreadable", "--format", "csv", "report", name]);
    let by_status = report("status-distribution");
    assert!(by_status.contains("skipped backend a_torn") && by_status.ends_with("--- exit 1"), "{by_status}");
    let options = || session::Options { skip_unreadable: true, ..session::Options::default() };
    let sql = |sql: &str| try_csv(&tree.root(), sql, options()).unwrap();
    assert_eq!(
        sql("SELECT status, COUNT(*) AS n FROM pins GROUP BY 1 ORDER BY 1"),
        "status,n\nfailed,2\npending,1\nstored,6"
    );
    // Versions 0 and 1 are one content; null and invalid CIDs are none; a capital column is read.
    assert_eq!(
        sql("SELECT COUNT(DISTINCT content) AS contents FROM pins WHERE content <> X''"),
        "contents\n3"
    );
    assert_eq!(sql("SELECT COUNT(*) AS n FROM pins WHERE content = X''"), "n\n3");
    let copies = "SELECT copies, COUNT(*) AS contents FROM (SELECT content, COUNT(DISTINCT backend_name) \
                  FILTER (WHERE status = 'stored') AS copies FROM pins WHERE content <> X'' GROUP BY 1) GROUP BY 1 ORDER BY 1";
    assert_eq!(sql(copies), "copies,contents\n0,1\n1,1\n3,1");
    let redundancy = report("redundancy");
    assert!(redundancy.starts_with("copies,contents,percent,bytes,unknown_sizes\n0,1,33.3,"), "{redundancy}");
    assert!(redundancy.contains("\n3,1,33.3,"), "{redundancy}");
    // Naive and zoned times compare, all in UTC.
    assert_eq!(
        sql("SELECT MIN(created_at) AS oldest, MAX(created_at) AS newest FROM pins"),
        "oldest,newest\n2024-05-01T08:00:00Z,2024-05-01T10:00:00Z"
    );
    // Who is unreadable, and who names another backend, can be asked.
    assert_eq!(sql("SELECT name FROM backends WHERE state = 'unreadable'"), "name\na_torn");
    let foreign = sql(
        "SELECT DISTINCT backend_name, recorded_backend_name FROM records WHERE recorded_backend_name <> backend_name",
    );
    assert_eq!(foreign, "backend_name,recorded_backend_name\nh_sound,elsewhere");
}

#[test]
fn defect_25_no_pins_at_all_are_zeros_and_not_missing_keys() {
    let tree = Tree::new();
    let report = |name: &str| -> serde_json::Value {
        let output = tree.output(&["--format", "json", "report", name]);
        assert!(output.status.success(), "{name}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let full = tree.run(&["--format", "json", "report", "summary"]);
    let summary = &report("summary")[0];
    for key in ["pins", "unique_contents", "failed", "invalid_cids"] {
        assert_eq!(summary[key], 0, "{full}");
    }
    assert_eq!(report("redundancy"), serde_json::json!([]));
}

#[test]
fn the_weights_of_a_foreign_file_come_back_as_they_were() {
    let tree = Tree::with("x", format!(r#"[{{"cid": "{}", "created_at": "2030-01-01"}}]"#, v0(1)));
    let weights: ArrayRef = Arc::new(Int64Array::from(vec![Some(i64::MAX), None]));
    let cids: ArrayRef = Arc::new(StringArray::from(vec![v1(1), v1(2)]));
    write(
        &tree.root(),
        "x",
        &RecordBatch::try_from_iter_with_nullable([("weight", weights, true), ("cid", cids, true)]).unwrap(),
    );
    let outcome = tree.migrate_one();
    assert_eq!((outcome.counts.updated, outcome.counts.rows), (1, 2));
    let file = std::fs::File::open(tree.file("x", "pin_mappings.parquet")).unwrap();
    let batch =
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().next().unwrap().unwrap();
    let weights = batch.column_by_name("weight").unwrap().as_primitive::<Int64Type>();
    let cids = batch.column_by_name("cid").unwrap().as_string::<i32>();
    let at = (0..2).find(|row| cids.value(*row) == v0(1)).unwrap();
    assert_eq!(weights.value(at), i64::MAX, "the new entry won, and what the old file says beside it stays");
    assert!(weights.is_null(1 - at));
}

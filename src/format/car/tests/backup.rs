//! Backups of pin mappings: written, read back, and made by others.

use proptest::prelude::*;

use super::*;

/// A CAR with `root` as its root and `blocks` before it, all of them DAG-JSON.
fn made(root: &str, blocks: &[&str]) -> Vec<u8> {
    let mut all: Vec<_> =
        blocks.iter().map(|data| (sha(DAG_JSON, data.as_bytes()), data.as_bytes())).collect();
    all.push((sha(DAG_JSON, root.as_bytes()), root.as_bytes()));
    car(&[sha(DAG_JSON, root.as_bytes())], &all)
}

fn link(data: &str) -> String {
    format!("{{\"/\":\"{}\"}}", BlockCid::from_bytes(&sha(DAG_JSON, data.as_bytes())).unwrap())
}

fn envelope(version: &str, list: &str) -> String {
    format!(
        r#"{{"created_at":null,"format":"pin_mappings_car","pin_mappings":{list},"version":"{version}"}}"#
    )
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).expect_err("not a sound backup").to_string()
}

#[test]
fn a_small_backup_is_one_block() {
    let (bytes, written) = write(&some_rows(1), MAX_WRITTEN_BLOCK);
    let root = concat!(
        r#"{"created_at":"2024-05-01T10:00:00Z","format":"pin_mappings_car","pin_mappings":[{"backend_name":"s3","#,
        r#""car_file_path":"/cars/0.car","cid":"Qm0","created_at":"2024-05-01T10:00:00Z","#,
        r#""metadata":"{\"size\":0,\"name\":\"é\\u0000\"}","status":"stored"}],"version":"1.0"}"#
    );
    assert_eq!(bytes, made(root, &[]));
    assert_eq!((written.rows, written.blocks, written.bytes), (1, 1, bytes.len() as u64));
    let (rows, backup) = read(&bytes).unwrap();
    assert_eq!(rows, some_rows(1));
    assert_eq!((backup.version.as_str(), backup.created_at, &backup.root), ("1.0", Some(AT), &written.root));
}

#[test]
fn no_rows_are_a_backup_too() {
    let (bytes, written) = write(&[], MAX_WRITTEN_BLOCK);
    assert_eq!(written.blocks, 1);
    assert_eq!(read(&bytes).unwrap().0, []);
}

#[test]
fn a_tree_of_many_levels_keeps_the_order() {
    for (count, limit) in
        [(1, 450), (2, 450), (3, 450), (300, 450), (300, 700), (1000, 1500), (2000, 100_000)]
    {
        let rows = some_rows(count);
        let (bytes, written) = write(&rows, limit);
        let (found, backup) = read(&bytes).unwrap();
        assert_eq!(found, rows, "{count} {limit}");
        assert_eq!((backup.root, backup.duplicates, backup.unchecked), (written.root, 0, 0));
        let mut blocks = 0;
        for block in CarReader::open(Cursor::new(&bytes)).unwrap() {
            assert!(block.unwrap().data_length <= limit);
            blocks += 1;
        }
        assert_eq!(blocks, written.blocks);
        let checked = check_bytes(&bytes).unwrap();
        assert_eq!((checked.missing_roots.len(), checked.duplicates), (0, 0));
    }
}

#[test]
fn equal_blocks_of_rows_are_written_once() {
    let rows = vec![some_rows(1).remove(0); 500];
    let (bytes, written) = write(&rows, 1000);
    assert!(written.blocks < 40, "{}", written.blocks);
    assert_eq!(read(&bytes).unwrap().0, rows);
}

#[test]
fn the_same_rows_make_the_same_bytes_wherever_they_begin() {
    let rows = some_rows(50);
    let (bytes, _) = write(&rows, 1000);
    assert_eq!(write(&rows, 1000).0, bytes);
    let mut file = Cursor::new(b"before".to_vec());
    file.set_position(6);
    let mut writer = MappingsWriter::with_limit(file, AT, 1000).unwrap();
    rows.iter().for_each(|row| writer.push(&row.row()).unwrap());
    assert_eq!(writer.finish().unwrap().0.into_inner()[6..], bytes);
}

#[test]
fn a_large_backup_has_its_header_in_the_end() {
    let rows = some_rows(20_000);
    let (bytes, written) = write(&rows, MAX_WRITTEN_BLOCK);
    assert!(written.blocks > 3 && written.bytes > 2 << 20);
    assert_eq!(read(&bytes).unwrap().0, rows);
    let largest = CarReader::open(Cursor::new(&bytes)).unwrap().map(|block| block.unwrap().data_length).max();
    assert!((990_000..=MAX_WRITTEN_BLOCK).contains(&largest.unwrap()));
}

#[test]
fn texts_of_megabytes_come_back() {
    let long = |part: &str, length: usize| Some(part.repeat(length / part.len()));
    let mut rows = some_rows(5);
    rows[1].texts =
        [long("é", 900_000), long("\0", 2_000_000), long("\"a", 400_000), long("🦀x", 3_000_000), None];
    rows[3].texts[3] = long("{\"key\":\"value\"},", 1_100_000);
    rows[4].texts[3] = long("y", 999_000);
    let (bytes, _) = write(&rows, MAX_WRITTEN_BLOCK);
    let (found, backup) = read(&bytes).unwrap();
    assert!(found == rows);
    assert_eq!(backup.version, "1.1");
    assert!(check_bytes(&bytes).unwrap().blocks > 8);
    let mut writer = MappingsWriter::with_limit(Bytes::default(), AT, 1000).unwrap();
    let error =
        writer.push(&Mapping { metadata: Some(&"x".repeat(5000)), ..Mapping::default() }).unwrap_err();
    assert_eq!(error.to_string(), "a text of a pin mapping is too long");
}

#[test]
fn rows_of_other_writers_are_read_tolerantly() {
    let row = |rest: &str| made(&envelope("1.0", &format!("[{{\"cid\":\"Qm\"{rest}}}]")), &[]);
    for (rest, created_at, unknown, unreadable) in [
        ("", None, 0, 0),
        (r#","created_at":null"#, None, 0, 0),
        (r#","created_at":"""#, None, 0, 0),
        (r#","created_at":"2024-05-01 12:00:00+02:00""#, Some(AT), 0, 0),
        (r#","created_at":"2024-05-01T10:00:00\u005a""#, Some(AT), 0, 0),
        (r#","created_at":1714557600"#, Some(AT), 0, 0),
        (r#","created_at":1714557600.5"#, Some(AT + 500_000), 0, 0),
        (r#","created_at":1.7145576e9"#, Some(AT), 0, 0),
        (r#","created_at":"yesterday""#, None, 0, 1),
        (r#","created_at":1e999"#, None, 0, 1),
        (r#","size":12,"more":{"/":[1.5,true,null,{}]},"/":1"#, None, 3, 0),
    ] {
        let (rows, backup) = read(&row(rest)).unwrap();
        assert_eq!(
            (rows.len(), rows[0].created_at, &rows[0].texts[2]),
            (1, created_at, &Some("Qm".to_owned())),
            "{rest}"
        );
        assert_eq!((backup.unknown_keys, backup.unreadable_times), (unknown, unreadable), "{rest}");
    }
    for (rest, reason) in [
        (r#","status":1"#, "expected a string, null, or a list of links"),
        (r#","status":{}"#, "expected a string, null, or a list of links"),
        (r#","status":["x"]"#, "expected a link"),
        (r#","status":[{"/":"x"}]"#, "not the text of a CID"),
        (r#","status":[{"/":"bafkqaaa","x":1}]"#, "a link with more than one key"),
        (r#","status":[{"bafkqaaa":1}]"#, "a map that is no link"),
        (r#","status":[]"#, ""),
        (r#","status":"a","status":"b""#, "a key twice in one pin mapping"),
        (r#","created_at":true"#, "created_at is neither text nor a number"),
        (r#","created_at":{}"#, "created_at is neither text nor a number"),
    ] {
        match reason {
            "" => assert_eq!(read(&row(rest)).unwrap().0[0].texts[4].as_deref(), Some("")),
            _ => {
                let message = refused(&row(rest));
                assert!(message.starts_with("block baguqeera") && message.contains(reason), "{message}");
            }
        }
    }
}

#[test]
fn lists_of_other_writers_are_read_strictly() {
    let rows = r#"[{"cid":"a"},{"cid":"b"}]"#;
    let tree = format!("[{0},{0}]", link(rows));
    let sound = made(&envelope("1.1", &format!("[{},{}]", link(&tree), link(rows))), &[rows, &tree]);
    let cids: Vec<_> = read(&sound).unwrap().0.into_iter().map(|row| row.texts[2].clone().unwrap()).collect();
    assert_eq!(cids.concat(), "ababab");
    assert_eq!(read(&made(&envelope("1.1", rows), &[])).unwrap().0.len(), 2);
    let blank = made(&format!(" {} ", envelope("1.1", &format!(" [ {} ] ", link(rows)))), &[rows]);
    assert_eq!(read(&blank).unwrap().0.len(), 2);
    for (list, blocks, expected) in [
        ("[1]", &[][..], "expected a pin mapping or a link"),
        ("[\"bafkqaaa\"]", &[], "expected a pin mapping or a link"),
        ("[{\"cid\":\"a\"},{\"/\":\"bafkqaaa\"}]", &[], "pin mappings and links in one list"),
        (&format!("[{}]", link("[x]")), &["[x]"], "expected value"),
        (&format!("[{}]", link("{}")), &["{}"], "expected a list of pin mappings or of links"),
        (&format!("[{}]", link("[]")), &["[] "], " is missing (at byte "),
        (&format!("[{}]", link("[] []")), &["[] []"], "trailing characters"),
    ] {
        let message = refused(&made(&envelope("1.1", list), blocks));
        assert!(message.contains(expected), "{message}");
    }
    for list in [&tree, &format!("[{{\"metadata\":[{}]}}]", link("\"x\""))] {
        let message = refused(&made(&envelope("1.0", list), &[rows, "\"x\""]));
        assert!(message.contains("links in a version that has none"), "{message}");
    }
}

#[test]
fn an_identity_cid_holds_its_rows_itself() {
    let inline = BlockCid::from_bytes(&cid(DAG_JSON, 0, br#"[{"cid":"a"}]"#)).unwrap();
    let bytes = made(&envelope("1.1", &format!("[{{\"/\":\"{inline}\"}}]")), &[]);
    assert_eq!(read(&bytes).unwrap().0[0].texts[2].as_deref(), Some("a"));
}

#[test]
fn what_is_no_backup_says_so() {
    let no_backup = |why: &str| format!("a CAR, but no backup of pin mappings: {why} (at byte 0)");
    let json = sha(DAG_JSON, b"{}");
    assert_eq!(refused(&three()), no_backup("its root is no JSON"));
    assert_eq!(refused(&car(&[], &[])), no_backup("it has no root"));
    assert_eq!(refused(&car(&[json.clone(), json.clone()], &[])), no_backup("it has several roots"));
    assert!(refused(&car(&[json], &[])).ends_with(" is missing (at byte 0)"));
    for (root, why) in [
        ("[1,2,3]", "its root is no envelope"),
        (r#"["pin_mappings_car","1.0",null,[]]"#, "its root is no envelope"),
        ("{}", "its root does not say so"),
        (r#"{"format":"x"}"#, "its root does not say so"),
        (r#"{"format":"pin_mappings_car","version":"1.0"}"#, "its root has no list of pin mappings"),
        (
            r#"{"format":"pin_mappings_car","version":"2.0"}"#,
            "a backup of version `2.0`, and 1.0 and 1.1 are known",
        ),
        (r#"{"format":"pin_mappings_car"}"#, "a backup of version ``, and 1.0 and 1.1 are known"),
    ] {
        let message = refused(&made(root, &[]));
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_backup_in_a_car_v2_is_read() {
    let rows = some_rows(100);
    let (bytes, _) = write(&rows, 1000);
    assert_eq!(read(&v2(&bytes, 5, b"\x80\x08index")).unwrap().0, rows);
}

#[test]
fn what_stops_the_reader_comes_out_as_it_is() {
    #[derive(Debug, PartialEq)]
    struct Enough(u32);
    impl From<CarError> for Enough {
        fn from(_: CarError) -> Enough {
            Enough(0)
        }
    }
    let (bytes, _) = write(&some_rows(100), 1000);
    let mut seen = 0;
    let mut each = |_: Mapping<'_>| {
        seen += 1;
        if seen == 30 { Err(Enough(seen)) } else { Ok(()) }
    };
    assert_eq!(read_mappings(Cursor::new(&bytes), &mut each).unwrap_err(), Enough(30));
}

#[test]
fn a_small_file_cannot_lead_far() {
    // Each level links to the one below many times: a walk would never end.
    let mut blocks = vec!["[]".to_owned()];
    for _ in 0..20 {
        let below = link(&blocks[blocks.len() - 1]);
        blocks.push(format!("[{}]", vec![below; 50].join(",")));
    }
    let top = link(&blocks[20]);
    let blocks: Vec<_> = blocks.iter().map(String::as_str).collect();
    let message = refused(&made(&envelope("1.1", &format!("[{top}]")), &blocks));
    assert!(message.contains("links in circles or too deep"), "{message}");
    // A chain of single links, and a circle, which needs a hash that cannot be checked.
    let mut chain = vec!["[]".to_owned()];
    for _ in 0..40 {
        chain.push(format!("[{}]", link(&chain[chain.len() - 1])));
    }
    let chain: Vec<_> = chain.iter().map(String::as_str).collect();
    let message = refused(&made(&envelope("1.1", chain[40]), &chain));
    assert!(message.contains("links in circles or too deep"), "{message}");
    let unknown = BlockCid::from_bytes(&cid(DAG_JSON, 0x99, &[1; 32])).unwrap();
    let (root, circle) =
        (envelope("1.1", &format!("[{{\"/\":\"{unknown}\"}}]")), format!("[{{\"/\":\"{unknown}\"}}]"));
    let blocks =
        [(unknown.as_bytes().to_vec(), circle.as_bytes()), (sha(DAG_JSON, root.as_bytes()), root.as_bytes())];
    let message = refused(&car(&[sha(DAG_JSON, root.as_bytes())], &blocks));
    assert!(message.contains("links in circles or too deep"), "{message}");
}

#[test]
fn plain_json_is_what_older_tools_wrote() {
    let mut writer = JsonWriter::new(Vec::new(), AT);
    for row in [Owned::default(), some_rows(1).remove(0)] {
        writer.push(&row.row()).unwrap();
    }
    let (text, rows, bytes) = writer.finish().unwrap();
    let expected = concat!(
        r#"{"format":"pin_mappings_car","version":"1.0","created_at":"2024-05-01T10:00:00Z","pin_mappings":["#,
        "\n",
        r#"{"cid":null,"car_file_path":null,"backend_name":null,"created_at":null,"status":null,"metadata":null},"#,
        "\n",
        r#"{"cid":"Qm0","car_file_path":"/cars/0.car","backend_name":"s3","created_at":"2024-05-01T10:00:00Z","#,
        r#""status":"stored","metadata":"{\"size\":0,\"name\":\"é\\u0000\"}"}"#,
        "\n]}\n"
    );
    assert_eq!(
        (String::from_utf8(text).unwrap().as_str(), rows, bytes),
        (expected, 2, expected.len() as u64)
    );
    let empty = JsonWriter::new(Vec::new(), AT).finish().unwrap().0;
    serde_json::from_slice::<serde_json::Value>(&empty).unwrap();
    assert_eq!(sniff(Cursor::new(empty)).unwrap(), Kind::Json);
}

#[test]
fn a_disk_that_is_full_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            unreachable!("the caller flushes")
        }
    }
    impl std::io::Seek for Full {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let mut writer = MappingsWriter::new(Full, AT).unwrap();
    writer.push(&Mapping::default()).unwrap();
    assert_eq!(writer.finish().map(|_| ()).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}

fn any_text() -> impl Strategy<Value = Option<String>> {
    let long = ("[a-z\u{0}\"\\\\é🦀]{1,3}", 1usize..400).prop_map(|(part, times)| part.repeat(times));
    proptest::option::of(prop_oneof![4 => any::<String>(), 2 => "[ -~]{0,80}", 1 => long])
}

prop_compose! {
    fn any_row()(texts in [(); 5].map(|()| any_text()), created_at: Option<i64>) -> Owned {
        Owned { texts, created_at }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_rows_come_back(rows in proptest::collection::vec(any_row(), 0..30), limit in 3000usize..20_000) {
        let (bytes, written) = write(&rows, limit);
        let (found, backup) = read(&bytes).unwrap();
        prop_assert_eq!(&found, &rows);
        prop_assert_eq!((backup.rows, backup.root), (written.rows, written.root));
        prop_assert_eq!((backup.unknown_keys, backup.unreadable_times), (0, 0));
        prop_assert_eq!(&write(&rows, limit).0, &bytes);
        // A block of equal rows is there once, and rows of nothing but NULL are not told from what is no row.
        let rescued = rescue(&bytes).0;
        prop_assert!(rescued.len() <= rows.len() && rescued.iter().all(|row| rows.contains(row)));
        // What was written is canonical: another encoder agrees about every block.
        let mut reader = CarReader::open(Cursor::new(&bytes)).unwrap();
        let mut data = Vec::new();
        while let Some(block) = reader.next().transpose().unwrap() {
            reader.data(&block, &mut data).unwrap();
            let value: serde_json::Value = serde_json::from_slice(&data).unwrap();
            prop_assert_eq!(serde_json::to_vec(&value).unwrap(), &data[..]);
        }
    }
}

#[test]
fn the_example_on_the_page_is_what_is_written() {
    let page = include_str!("../../../../docs/car-format.md");
    let dump = page.split("```hex\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let bytes = dump.lines().flat_map(|line| line[6..53].split_whitespace());
    let expected: Vec<u8> = bytes.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    let row = Mapping {
        cid: Some("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"),
        car_file_path: Some("/s3/a.car"),
        backend_name: Some("s3"),
        created_at: Some(AT + 500_000),
        status: Some("stored"),
        metadata: None,
    };
    let (bytes, written) = write(&[Owned::of(&row)], MAX_WRITTEN_BLOCK);
    assert_eq!(bytes, expected);
    assert!(page.contains(&written.root));
}

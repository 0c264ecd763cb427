//! CARs held against programs that are not ours, and damaged ones as people meet them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::cids::{v0, v1};
use crate::support::repository;
use crate::support::tree::Tree;

/// Set where the tests with other programs must run, as in `.ci/run`.
const REQUIRED: &str = "PINQL_REQUIRE_INTEROP";

/// The IPLD libraries for JavaScript in their exact versions, installed once; or why they are not there.
fn interop() -> Result<PathBuf, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let source = repository("tests/interop");
    let lock = fs::read(source.join("package-lock.json")).map_err(|error| error.to_string())?;
    let is_there = fs::read(dir.join("installed.json")).is_ok_and(|installed| installed == lock);
    for file in ["car.mjs", "package.json", "package-lock.json"] {
        fs::copy(source.join(file), dir.join(file)).map_err(|error| error.to_string())?;
    }
    run(Command::new("node").arg("--version"))?;
    if !is_there {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"]).current_dir(&dir);
        run(&mut npm)?;
        fs::write(dir.join("installed.json"), lock).map_err(|error| error.to_string())?;
    }
    Ok(dir.join("car.mjs"))
}

/// What a program prints, or why it failed.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The answer of `pinql car …` as JSON, and its exit code.
fn car(tree: &Tree, command: &str, file: &Path) -> (Value, i32) {
    let output = tree.output(&["--format", "json", "car", command, file.to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout);
    (
        answer.unwrap_or_else(|_| panic!("{command} {}: {stderr}", file.display())),
        output.status.code().unwrap(),
    )
}

/// The value of `what` in an answer of `show` or `verify`.
fn value<'a>(answer: &'a Value, what: &str) -> &'a str {
    let row = answer.as_array().unwrap().iter().find(|row| row["what"] == what);
    row.and_then(|row| row["value"].as_str()).unwrap_or_default()
}

/// The sum that car.mjs makes of the rows of a backup: of JSON lists of the values in the order of their keys.
fn sum_of_rows(tree: &Tree) -> String {
    let sql = "SELECT backend_name, car_file_path, cid, created_at, metadata, status FROM pins \
               ORDER BY (status = 'stored') DESC, content, cid";
    let output = tree.output(&["--format", "ndjson", "-c", sql]);
    let mut sum = Sha256::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let row: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        sum.update(serde_json::to_string(&row.values().collect::<Vec<_>>()).unwrap() + "\n");
    }
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tree_of(rows: u64) -> Tree {
    let entry = |number: u64| match number % 3 {
        0 => format!(
            r#"{{"cid": "{}", "name": "file \"{number}\" é 🦀 \u0001", "created_at": "2024-05-01T10:00:00Z"}}"#,
            v1(number)
        ),
        1 => format!(r#"{{"cid": "{}", "status": "failed", "size": {number}}}"#, v0(number)),
        _ => format!(r#""{}""#, v1(number)),
    };
    let entries: Vec<_> = (0..rows).map(entry).collect();
    let tree = Tree::with("s3", format!("[{}]", entries.join(",")));
    tree.migrate();
    tree
}

#[test]
fn independent_programs_and_ours_read_each_others_cars() {
    let script = match interop() {
        Ok(script) => script,
        Err(why) if std::env::var_os(REQUIRED).is_some() => panic!("{REQUIRED} is set: {why}"),
        Err(why) => {
            eprintln!("skipped, for want of node and npm: {why}");
            return;
        }
    };
    // Theirs read ours: one block; many.
    for (rows, version) in [(0, "1.0"), (5, "1.0"), (5000, "1.1")] {
        let tree = tree_of(rows);
        let file = tree.file("s3", "pin_mappings.car");
        let found: Value =
            serde_json::from_str(&run(Command::new("node").arg(&script).arg("check").arg(&file)).unwrap())
                .unwrap();
        let (verified, _) = car(&tree, "verify", &file);
        let (shown, _) = car(&tree, "show", &file);
        assert_eq!(found["version"], 1, "{found}");
        assert_eq!(found["roots"], json!([value(&shown, "roots")]), "{found}");
        assert_eq!(found["blocks"].to_string(), value(&verified, "blocks"), "{found}");
        assert_eq!((&found["unchecked"], &found["missing_roots"]), (&json!(0), &json!([])), "{found}");
        let backup = &found["backup"];
        assert_eq!((&backup["version"], &backup["rows"]), (&json!(version), &json!(rows)), "{found}");
        assert_eq!(backup["created_at"], "2024-06-01T00:00:00Z");
        assert_eq!(backup["reached"], found["blocks"], "every block is part of the backup");
        assert_eq!(backup["sha256"], sum_of_rows(&tree), "{rows} rows, each value as it is in SQL");
    }
    // Ours reads theirs.
    let tree = Tree::new();
    let made = tree.home().join("made");
    run(Command::new("node").arg(&script).arg("make").arg(&made)).unwrap();
    let expected: Value = serde_json::from_slice(&fs::read(made.join("expected.json")).unwrap()).unwrap();
    assert_eq!(expected.as_object().unwrap().len(), 11);
    for (name, expected) in expected.as_object().unwrap() {
        let file = made.join(name);
        let (verified, code) = car(&tree, "verify", &file);
        assert_eq!(value(&verified, "kind"), format!("CARv{}", expected["version"]), "{name}");
        assert_eq!(value(&verified, "unchecked"), "0", "{name}");
        assert_eq!(code, i32::from(name == "missing-root.car"), "{name}: {verified}");
        let (listed, _) = car(&tree, "ls", &file);
        let blocks: Vec<_> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|row| json!({"cid": row["cid"], "length": row["bytes"]}))
            .collect();
        assert_eq!(json!(blocks), expected["blocks"], "{name}");
        let (shown, _) = car(&tree, "show", &file);
        let roots: Vec<_> =
            expected["roots"].as_array().unwrap().iter().map(|root| root.as_str().unwrap()).collect();
        assert_eq!(value(&shown, "roots"), roots.join(" "), "{name}");
        let rows = expected["rows"].as_u64().map(|rows| rows.to_string());
        assert_eq!(value(&shown, "mappings"), rows.unwrap_or_default(), "{name}");
    }
}

#[test]
fn a_backup_is_shown_listed_and_verified() {
    let tree = tree_of(2);
    assert_snapshot!(tree.run(&["car", "show", "data/backends/s3/pin_mappings.car"]), @"
    what           │ value
    ───────────────┼──────────────────────────────────────────────────────────────
    kind           │ CARv1
    roots          │ baguqeera4tz3tczvdwf63yb2ybwl7vja52iwlqyx4oiwkfx4o4dycwxda36a
    blocks         │ 1
    data_bytes     │ 623
    backup_version │ 1.0
    created_at     │ 2024-06-01T00:00:00Z
    mappings       │ 2
    --- stderr
    --- exit 0
    ");
    assert_snapshot!(tree.run(&["car", "ls", "data/backends/s3/pin_mappings.car"]), @"
    cid                                                           │ codec    │ hash     │ offset │ bytes
    ──────────────────────────────────────────────────────────────┼──────────┼──────────┼────────┼──────
    baguqeera4tz3tczvdwf63yb2ybwl7vja52iwlqyx4oiwkfx4o4dycwxda36a │ dag-json │ sha2-256 │     60 │   623
    --- stderr
    --- exit 0
    ");
    assert_snapshot!(tree.run(&["car", "verify", "data/backends/s3/pin_mappings.car"]), @"
    what          │ value
    ──────────────┼──────
    kind          │ CARv1
    blocks        │ 1
    data_bytes    │ 623
    unchecked     │ 0
    duplicates    │ 0
    missing_roots │ NULL
    --- stderr
    --- exit 0
    ");
    let json = repository("tests/data/documented/backends/my-s3-backend/pin_mappings.car");
    fs::copy(json, tree.home().join("old.car")).unwrap();
    assert_snapshot!(tree.run(&["car", "show", "old.car"]), @"
    what           │ value
    ───────────────┼──────────────────────────
    kind           │ plain JSON of older tools
    backup_version │ 1.0
    created_at     │ 2025-01-31T12:25:00Z
    mappings       │ 2
    --- stderr
    --- exit 0
    ");
}

#[test]
fn damage_is_told_with_its_place_and_what_is_left_is_found() {
    let tree = tree_of(4500);
    let sound = fs::read(tree.file("s3", "pin_mappings.car")).unwrap();
    let (listed, _) = car(&tree, "ls", &tree.file("s3", "pin_mappings.car"));
    let blocks: Vec<(u64, u64)> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["offset"].as_u64().unwrap(), row["bytes"].as_u64().unwrap()))
        .collect();
    let many = blocks.len();
    assert!(many >= 3, "{many}");
    let second = blocks[1].0 as usize;
    let mut flipped = sound.clone();
    flipped[second + 1000] ^= 0x20;
    let cases = [
        ("truncated.car", sound[..sound.len() - 100].to_vec(), many - 1, "the file ends"),
        ("flipped.car", flipped, many - 1, "do not match its hash"),
        // go-car writes such a file if it is asked to pad, and reads it only if it is told to.
        ("padded.car", [&sound[..], &[0; 512]].concat(), many, "a section"),
        ("headless.car", [&[0; 60][..], &sound[60..]].concat(), many, ""),
    ];
    for (name, bytes, left, words) in cases {
        fs::write(tree.home().join(name), bytes).unwrap();
        for command in ["ls", "show", "verify"] {
            // Listing does not look at what the blocks hold.
            if (name, command) == ("flipped.car", "ls") {
                continue;
            }
            let shown = tree.run(&["car", command, name]);
            if (name, command) == ("flipped.car", "show") {
                assert!(
                    shown.contains("kind       │ CARv1") && shown.contains("no mappings: the data of block"),
                    "{shown}"
                );
                assert!(shown.ends_with("--- exit 1"), "{shown}");
                continue;
            }
            let expected = format!("error: {name}, byte ");
            let told = shown.contains(&expected) || shown.contains(&format!("error: {name}"));
            assert!(told && shown.contains(words) && shown.ends_with("--- exit 2"), "{command}: {shown}");
            assert!(shown.starts_with("--- stderr"), "nothing half done is shown: {command}: {shown}");
        }
        let shown = tree.run(&["car", "ls", "--salvage", "--format", "csv", name]);
        let (rows, rest) = shown.split_once("--- stderr\n").unwrap();
        assert_eq!(rows.lines().count() - 1, left, "{name}: {rest}");
        assert!(rest.starts_with("bytes ") && rest.ends_with("--- exit 1"), "{name}: {rest}");
        let shown = tree.run(&["car", "verify", "--salvage", "--format", "csv", name]);
        assert!(shown.contains(&format!("\nblocks,{left}\n")) && shown.ends_with("--- exit 1"), "{shown}");
    }
    let shown = tree.run(&["car", "verify", "--salvage", "data/backends/s3/pin_mappings.car"]);
    assert!(shown.contains("damaged_parts │ 0") && shown.ends_with("--- exit 0"), "{shown}");
}

#[test]
fn what_is_no_car_is_refused() {
    let tree = Tree::new();
    for (name, bytes) in [("empty", &b""[..]), ("text", b"hello"), ("json", b"{\"a\": 1}"), ("list", b"[1]")]
    {
        fs::write(tree.home().join(name), bytes).unwrap();
        for command in ["ls", "show", "verify"] {
            let shown = tree.run(&["car", command, name]);
            assert!(
                shown.starts_with("--- stderr\nerror: ") && shown.contains(name),
                "{command} {name}: {shown}"
            );
            assert!(shown.ends_with("--- exit 2"), "{command} {name}: {shown}");
        }
    }
    for args in [
        &["car"][..],
        &["car", "show"],
        &["car", "show", "nowhere.car"],
        &["car", "show", "--salvage", "text"],
    ] {
        assert_eq!(tree.output(args).status.code(), Some(2), "{args:?}");
    }
}

//! Exports as scripts and people use them: gates, manifests, compression, pages, and what other programs read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::programs::{python, run, skip};
use crate::support::{place, repository, write, write_with};

fn pinql(root: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
    command.args(args).env_clear().env("HOME", "/nonexistent").env("PINQL_ROOT", root);
    command.output().unwrap()
}

fn samples() -> PathBuf {
    repository("examples/ipfs_kit")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn gates_tell_findings_from_health_and_from_breakage() {
    for (args, code, words) in [
        (&["report", "at-risk", "--fail-if-rows"][..], 1, "gate: 25 rows, and at most 0 may be"),
        (&["report", "at-risk", "--max-rows-ok", "25"], 0, ""),
        (&["report", "at-risk", "--max-rows-ok", "24"], 1, "gate: 25 rows, and at most 24 may be"),
        (
            &["report", "redundancy", "--fail-if", "copies = 0 AND contents > 5"],
            1,
            "gate: 1 row with copies = 0",
        ),
        (&["report", "redundancy", "--fail-if", "copies > 5"], 0, ""),
        (&["report", "redundancy", "--fail-if", "now() > TIMESTAMP '2020-01-01'"], 1, "gate: 6 rows"),
        (&["report", "redundancy", "--fail-if", "current_date < DATE '2020-01-01'"], 0, ""),
        // NULL is not true.
        (&["report", "cost", "--fail-if", "month_usd > 1"], 0, ""),
        (&["report", "redundancy", "--fail-if", "nonsense > 5"], 2, "No field named nonsense"),
        (&["report", "redundancy", "--fail-if", "copies"], 2, "non-boolean"),
        (&["report", "redundancy", "--fail-if", "contents * 9223372036854775807 > 1"], 2, "verflow"),
        (
            &["report", "without-backend", "--backends", "s3_mian", "--fail-if-rows"],
            2,
            "did you mean `s3_main`?",
        ),
        (&["report", "without-backend", "--backends", "", "--fail-if-rows"], 2, "names no backend"),
        (&["-c", "SELECT 1", "--fail-if-rows"], 1, "gate: 1 row"),
        (&["-c", "SELECT 1 WHERE false", "--fail-if-rows"], 0, ""),
    ] {
        let output = pinql(&samples(), args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
        // What was found is printed, whatever the gate says.
        assert_eq!(output.stdout.is_empty(), code == 2, "{args:?}");
    }
}

#[test]
fn gates_and_manifests_are_refused_where_nothing_heeds_them() {
    let temp = TempDir::new().unwrap();
    let manifest = temp.path().join("m.json");
    let page = temp.path().join("page.html");
    let options = [
        &["--fail-if-rows"][..],
        &["--max-rows-ok", "3"],
        &["--fail-if", "bytes > 1"],
        &["--manifest", manifest.to_str().unwrap()],
    ];
    for command in [
        &["lookup", "QmUCGLrkAMb7P1bJUaYshCBuV1yHwHq9HCRjYSe4RBKg5W"][..],
        &["dashboard", "--html", page.to_str().unwrap()],
        &["diff", "s3_main", "kubo_office"],
        &["backend", "list"],
        &["car", "ls", "none.car"],
        &["report"],
        &["report", "--list"],
        &["prices"],
        &["completions", "bash"],
        &["man"],
    ] {
        for option in options {
            let output = pinql(&samples(), &[command, option].concat());
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command:?} {option:?}: {stderr}");
            let words = format!("error: {} is for the answers of reports and of SQL\nhint: ", option[0]);
            assert!(stderr.starts_with(&words), "{command:?}: {stderr}");
        }
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn parameters_are_checked_before_anything_runs() {
    for (args, words) in [
        (&["report", "growth", "--by", "decade"][..], "invalid value 'decade'"),
        (&["report", "growth", "--param", "by=decade"], "`decade` is not one of day, week"),
        (&["report", "largest", "--limit", "0"], "0 is not in 1.."),
        (&["report", "pending-pins", "--older-than", "a while"], "`a while` is no length of time"),
        (&["report", "largest", "--limit", "1", "--limit", "2"], "it is given twice"),
    ] {
        let output = pinql(&samples(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(words), "{args:?}: {}", text(&output.stderr));
    }
    let twice =
        ["report", "failed-pins", "--backends", "s3_main", "--backends", "kubo_office", "--format", "csv"];
    let once = ["report", "failed-pins", "--backends", "s3_main,kubo_office", "--format", "csv"];
    let [twice, once] = [&twice[..], &once[..]].map(|args| {
        // Ages differ from one moment to the next.
        let rows = text(&pinql(&samples(), args).stdout);
        rows.lines().map(|line| line.split(',').take(3).collect::<Vec<_>>().join(",")).collect::<Vec<_>>()
    });
    assert_eq!(twice, once);
    assert_eq!(once.len(), 4);
}

#[test]
fn prices_of_ones_own_take_the_place_of_ours() {
    let home = TempDir::new().unwrap();
    let ours = text(&pinql(&samples(), &["prices"]).stdout);
    let file = home.path().join("prices.toml");
    fs::write(&file, ours.replace("storage = \"0.023\"", "storage = \"0.046\"")).unwrap();
    let cost = |args: &[&str]| {
        let rows =
            text(&pinql(&samples(), &[&["report", "cost", "--format", "ndjson"], args].concat()).stdout);
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let s3 = rows.into_iter().find(|row| row["backend_name"] == "s3_main").unwrap();
        s3["month_usd"].to_string()
    };
    let dear = cost(&["--prices", file.to_str().unwrap()]);
    assert_eq!((cost(&[]).as_str(), dear.as_str()), ("0.396593", "0.793186"));
    fs::write(&file, "[types]\ns3 = \"nothing\"").unwrap();
    let broken = pinql(&samples(), &["report", "cost", "--prices", file.to_str().unwrap()]);
    assert_eq!(broken.status.code(), Some(2));
    assert!(text(&broken.stderr).contains("[types] s3: there is no class `nothing`"));
}

#[test]
fn a_manifest_says_what_the_file_is_and_the_same_data_makes_the_same_bytes() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    for name in ["a.csv", "a.csv.gz", "a.ndjson.zst", "a.xlsx", "a.html", "a.parquet"] {
        let (file, manifest) = (at(name), at(&format!("{name}.json")));
        let args = [
            "report",
            "under-replicated",
            "--min-copies",
            "3",
            "-o",
            &file,
            "--manifest",
            &manifest,
            "--verify",
        ];
        assert_eq!(pinql(&samples(), &args).status.code(), Some(0), "{name}");
        let bytes = fs::read(&file).unwrap();
        assert_eq!(pinql(&samples(), &args).status.code(), Some(0), "{name}");
        assert!(fs::read(&file).unwrap() == bytes, "{name} differs from one run to the next");
        let said: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&said["sha256"], &said["bytes"]), (&json!(hash), &json!(bytes.len())), "{name}");
        assert_eq!((&said["rows"], &said["report"]), (&json!(44), &json!("under-replicated")), "{name}");
        assert_eq!(said["parameters"], json!({"min_copies": "3"}));
        assert_eq!(said["columns"][1], json!({"name": "copies", "type": "Int64", "nullable": false}));
        assert_eq!(said["sources_unchanged"], json!(true));
        assert_eq!(said["sources"].as_array().unwrap().len(), 10);
    }
    // Of a table on stdout, the bars are a part.
    let manifest = at("bars.json");
    let shown = pinql(&samples(), &["report", "redundancy", "--chart", "--manifest", &manifest]).stdout;
    let said: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let hash: String = Sha256::digest(&shown).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&said["sha256"], &said["bytes"]), (&json!(hash), &json!(shown.len())));
    let plain = fs::read(at("a.csv")).unwrap();
    let unpacked = Command::new("gzip").args(["-dc", &at("a.csv.gz")]).output().unwrap();
    assert!(unpacked.stdout == plain);
}

#[test]
fn a_manifest_does_not_take_the_place_of_its_answer() {
    let temp = TempDir::new().unwrap();
    fs::create_dir(temp.path().join("sub")).unwrap();
    fs::write(temp.path().join("old.json"), "old").unwrap();
    std::os::unix::fs::symlink("old.json", temp.path().join("link.json")).unwrap();
    for (answer, manifest, words) in [
        ("m.json", "m.json", "m.json cannot be both the answer and its manifest"),
        ("m.json", "./sub/../m.json", "cannot be both"),
        ("old.json", "link.json", "cannot be both"),
        ("m.json", "-", "a manifest is a file"),
        ("-", "-", "a manifest is a file"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
        command.args(["report", "at-risk", "--format", "json", "-o", answer, "--manifest", manifest]);
        let command = command.env_clear().env("HOME", "/nonexistent").env("PINQL_ROOT", samples());
        let output = command.current_dir(temp.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{answer} {manifest}");
        assert!(text(&output.stderr).contains(words), "{answer} {manifest}: {}", text(&output.stderr));
    }
    assert_eq!(fs::read(temp.path().join("old.json")).unwrap(), b"old");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 3);
}

/// The files below a directory, by their paths in it.
fn files_in(dir: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => waiting.push(path),
                false => files.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    files.sort();
    files
}

#[test]
fn an_answer_becomes_a_directory_with_a_file_for_each_value() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    let sql = "SELECT backend_name, cid, status, created_at FROM pins ORDER BY created_at NULLS FIRST, cid, backend_name, status";
    let whole = text(&pinql(&samples(), &["-c", sql, "--format", "csv"]).stdout);
    let mut wanted = std::collections::BTreeMap::<String, String>::new();
    for row in whole.lines().skip(1) {
        let [backend, cid, status, created] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let file = format!("backend_name={backend}/status={status}/part-0.csv");
        let rows = wanted.entry(file).or_insert_with(|| "cid,created_at\n".into());
        rows.push_str(&format!("{cid},{created}\n"));
    }
    assert!(wanted.len() > 15);
    let (dir, manifest) = (at("out"), at("m.json"));
    let args = [
        "-c",
        sql,
        "-o",
        &dir,
        "--split-by",
        "backend_name,status",
        "--format",
        "csv",
        "--verify",
        "--manifest",
        &manifest,
    ];
    // A directory that is empty makes way for it.
    fs::create_dir(&dir).unwrap();
    let output = pinql(&samples(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(files_in(dir.as_ref()), wanted.keys().cloned().collect::<Vec<_>>());
    let said: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    assert_eq!((&said["rows"], &said["sha256"]), (&json!(whole.lines().count() - 1), &Value::Null));
    assert_eq!(said["columns"].as_array().unwrap().len(), 4);
    for (said, (file, rows)) in said["files"].as_array().unwrap().iter().zip(&wanted) {
        assert_eq!(&fs::read_to_string(Path::new(&dir).join(file)).unwrap(), rows, "{file}");
        let hash: String = Sha256::digest(rows).iter().map(|byte| format!("{byte:02x}")).collect();
        let values: Vec<&str> = file.split('/').filter_map(|part| Some(part.split_once('=')?.1)).collect();
        let told = json!({"file": file, "values": values, "rows": rows.lines().count() - 1, "bytes": rows.len(), "sha256": hash});
        assert_eq!(said, &told);
    }
    // Not among other files, which stay as they were; and the other ways to go wrong.
    let other = at("other");
    for (args, words) in [
        (&args[..], "it is there and not empty"),
        (&["-c", sql, "-o", &other, "--split-by", "status"], "does not say the format of its files"),
        (&["-c", sql, "-o", &other, "--split-by", "stat", "--format", "csv"], "it has no column `stat`"),
        (
            &["-c", sql, "-o", "s3://b/k.csv", "--split-by", "status"],
            "--split-by makes a directory on this machine",
        ),
        (&["-c", sql, "--split-by", "status", "--format", "csv"], "--output"),
        (
            &["-c", "SELECT [1] AS a, 2 AS b", "-o", &other, "--split-by", "a", "--format", "csv"],
            "which is no name",
        ),
        (
            &[
                "-c",
                "SELECT 1 AS a, 9223372036854775807 + 1 AS b",
                "-o",
                &other,
                "--split-by",
                "a",
                "--format",
                "csv",
            ],
            "verflow",
        ),
        (
            &["-c", "SELECT 1 AS a, 2 AS b, 3 AS b", "-o", &other, "--split-by", "a", "--format", "parquet"],
            "two columns",
        ),
        (
            &["report", "--list", "--json", "-o", &other, "--split-by", "name", "--format", "json"],
            "only the rows of an answer",
        ),
        (
            &["-c", sql, "-o", "/nonexistent/x", "--split-by", "status", "--format", "csv"],
            "no such directory",
        ),
    ] {
        let output = pinql(&samples(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(words), "{args:?}: {}", text(&output.stderr));
        assert_eq!(files_in(dir.as_ref()).len(), wanted.len());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "{args:?} left something");
    }
    // No rows still have columns.
    let none = [
        "-c",
        "SELECT 1 AS a, 2 AS b WHERE false",
        "-o",
        &other,
        "--split-by",
        "a",
        "--format",
        "csv",
        "--compress",
        "gzip",
    ];
    assert_eq!(pinql(&samples(), &none).status.code(), Some(0));
    assert_eq!(files_in(other.as_ref()), ["part-0.csv.gz"]);
}

#[test]
fn the_difference_of_two_sides_is_what_a_recount_finds() {
    let temp = TempDir::new().unwrap();
    let root = temp.path().join("data");
    let [a, b, c, d] = [1, 2, 3, 4].map(crate::support::cids::v1);
    let old = [(a.as_str(), "stored"), (b.as_str(), "pending"), (c.as_str(), "stored"), ("no cid", "stored")];
    let new = [(a.as_str(), "stored"), (b.as_str(), "stored"), (d.as_str(), "failed"), ("no cid", "stored")];
    write(&root, "old", &crate::support::mappings("old", &old));
    write(&root, "new", &crate::support::mappings("new", &new));
    let backup = temp.path().join("pin_mappings.parquet.backup.20260101");
    fs::copy(place(&root, "old"), &backup).unwrap();
    let other = temp.path().join("other");
    for backend in ["old", "new"] {
        let swapped = if backend == "old" { &new } else { &old };
        write(&other, backend, &crate::support::mappings(backend, swapped));
    }
    let rows = |args: &[&str], code| {
        let output = pinql(&root, &[&["diff", "--format", "ndjson"], args].concat());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        let mut rows: Vec<String> = text(&output.stdout)
            .lines()
            .map(|line| {
                let row: Value = serde_json::from_str(line).unwrap();
                let word = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
                ["backend_name", "change", "cid", "old_status", "new_status"].map(word).join(" ")
            })
            .collect();
        rows.sort();
        rows
    };
    let wanted = |backend: &str, back: bool| {
        let (added, removed) = if back { ("removed", "added") } else { ("added", "removed") };
        let pair =
            |one: &str, other: &str| if back { format!("{other} {one}") } else { format!("{one} {other}") };
        let mut wanted = [
            format!("{backend} changed {b} {}", pair("pending", "stored")),
            format!("{backend} {removed} {c} {}", pair("stored", "-")),
            format!("{backend} {added} {d} {}", pair("-", "failed")),
        ];
        wanted.sort();
        wanted.to_vec()
    };
    let (backup, root_text) = (backup.to_str().unwrap(), root.to_str().unwrap());
    assert_eq!(rows(&["old", "new"], 1), wanted("-", false));
    assert_eq!(rows(&["new", "old"], 1), wanted("-", true));
    assert_eq!(rows(&[backup, "new"], 1), wanted("-", false));
    assert_eq!(rows(&[backup, "old"], 0), Vec::<String>::new());
    assert_eq!(rows(&[root_text, root_text], 0), Vec::<String>::new());
    let mut both = [wanted("old", false), wanted("new", true)].concat();
    both.sort();
    assert_eq!(rows(&[root_text, other.to_str().unwrap()], 1), both);
    // What one side cannot tell is on neither side, and a file in the working directory is not a backend's name.
    fs::create_dir_all(other.join("backends/later")).unwrap();
    fs::write(other.join("backends/later/pins.json"), "[]").unwrap();
    write(&root, "later", &crate::support::mappings("later", &old));
    assert_eq!(rows(&[root_text, other.to_str().unwrap()], 1), both);
    assert_eq!(rows(&["--skip-unreadable", root_text, root_text], 0), Vec::<String>::new());
    write(&root, "broken", &crate::support::mappings("broken", &old));
    write(&other, "broken", &crate::support::mappings("broken", &old));
    fs::write(place(&other, "broken"), "PAR1 and nothing else PAR1").unwrap();
    assert_eq!(rows(&["--skip-unreadable", root_text, other.to_str().unwrap()], 1), both);
    for args in [
        &["diff", root_text, other.to_str().unwrap()][..],
        &["--root", other.to_str().unwrap(), "diff", "--skip-unreadable", "broken", "old"],
        &["--root", other.to_str().unwrap(), "diff", "later", "old"],
        &["--root", other.to_str().unwrap(), "report", "missing-on", "--backend", "later"],
        &[
            "--root",
            other.to_str().unwrap(),
            "--skip-unreadable",
            "report",
            "missing-on",
            "--backend",
            "broken",
        ],
    ] {
        assert_eq!(pinql(&root, args).status.code(), Some(2), "{args:?}");
    }
    // The CAR beside the mappings, and copies of it elsewhere, in all its forms.
    let copy = temp.path().join("other/old.car");
    assert_eq!(pinql(&root, &["diff", "old@car", "old"]).status.code(), Some(2), "there is none yet");
    for format in ["car", "json"] {
        let made = pinql(&root, &["backend", "export-car", "old", "--car-format", format]);
        assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
        fs::copy(root.join("backends/old/pin_mappings.car"), &copy).unwrap();
        let copied = copy.to_str().unwrap();
        for old in ["old@car", copied] {
            assert_eq!(rows(&[old, "old"], 0), Vec::<String>::new(), "{format}");
            assert_eq!(rows(&[old, backup], 0), Vec::<String>::new(), "{format}");
            assert_eq!(rows(&[old, "new"], 1), wanted("-", false), "{format}");
            assert_eq!(rows(&["new", old], 1), wanted("-", true), "{format}");
        }
        // Of a damaged one nothing is told.
        let mut bytes = fs::read(&copy).unwrap();
        let middle = bytes.len() / 2;
        bytes.truncate(middle);
        fs::write(&copy, bytes).unwrap();
        let output = pinql(&root, &["diff", copied, "new"]);
        assert_eq!(output.status.code(), Some(2), "{format}");
        assert!(
            text(&output.stdout).is_empty() && text(&output.stderr).contains("old.car"),
            "{}",
            text(&output.stderr)
        );
    }
    let quiet = pinql(&samples(), &["diff", "github_mirror@car", "github_mirror"]);
    assert_eq!((quiet.status.code(), text(&quiet.stderr).as_str()), (Some(0), ""));
    fs::remove_file(&copy).unwrap();
    fs::remove_file(root.join("backends/old/pin_mappings.car")).unwrap();
    for args in [&["old", root_text], &["old", "nowhere"], &["nowhere@car", "old"]] {
        assert_eq!(pinql(&root, &["diff", args[0], args[1]]).status.code(), Some(2), "{args:?}");
    }
    // Nothing of the comparison is left behind.
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 3);
}

#[test]
fn bars_stand_below_a_table() {
    let output = text(&pinql(&samples(), &["report", "redundancy", "--chart"]).stdout);
    assert!(output.contains("\ncontents\n0 ███████████████████ 6\n"), "{output}");
}

/// A report with a line of more points than are drawn, and a period that is NULL.
const DAYS: [&str; 4] = ["report", "growth", "--by", "day"];

/// The periods of that report that are known.
fn days() -> Vec<String> {
    let rows = text(&pinql(&samples(), &[&DAYS[..], &["--format", "csv"]].concat()).stdout);
    let periods = rows.lines().skip(1).map(|row| row.split(',').next().unwrap().to_owned());
    periods.filter(|period| !period.is_empty()).collect()
}

#[test]
fn bars_of_a_line_are_those_of_its_end() {
    let days = days();
    let output = text(&pinql(&samples(), &[&DAYS[..], &["--chart"]].concat()).stdout);
    let bars: Vec<&str> = output.split("\ntotal_pins\n").nth(1).unwrap().lines().collect();
    assert_eq!((days.len(), bars.len()), (139, 51), "{output}");
    for (bar, day) in bars.iter().zip(&days[days.len() - 50..]) {
        assert!(bar.starts_with(&format!("{day} █")), "{bar}");
    }
    assert_eq!(bars[50], "(the last 50 of 139)");
}

#[test]
fn nothing_of_the_data_speaks_to_the_terminal_from_bars() {
    let sql = "SELECT * FROM (VALUES (chr(27) || '[31mred' || chr(9) || 'tape' || chr(10), 2), ('a\\N', NULL), (NULL, 1)) \
               AS t (name, \"n\u{1b}[2J\")";
    let output = text(&pinql(&samples(), &["--chart", "-c", sql]).stdout);
    let bars = output.split("\n\n").nth(1).unwrap();
    let wanted = [r"n\u{1b}[2J", r"\u{1b}[31mred\ttape\n ", r"a\N ", "NULL "];
    assert_eq!(bars.lines().count(), 4, "{output}");
    for (line, wanted) in bars.lines().zip(wanted) {
        assert!(line.starts_with(wanted), "{output}");
    }
    assert!(bars.contains("█ 2\n") && bars.contains(" NULL\n") && !output.contains('\u{1b}'), "{output}");
}

#[test]
fn a_chart_of_columns_that_are_not_there_is_left_out() {
    let temp = TempDir::new().unwrap();
    let (page, queries) = (temp.path().join("a.html"), temp.path().join("queries"));
    fs::create_dir(&queries).unwrap();
    let sql = "-- title: Mine\n-- chart: bar name bytez\nSELECT name, bytes FROM backends ORDER BY name\n";
    // One of a name that the dashboard has takes its place there.
    for name in ["mine", "balance"] {
        fs::write(queries.join(format!("{name}.sql")), sql).unwrap();
    }
    let (page, queries) = (page.to_str().unwrap(), queries.to_str().unwrap());
    let words = "no chart of Mine: the answer has no column `bytez`\n";
    for args in [&["report", "mine", "--html", page][..], &["dashboard", "--html", page]] {
        let output = pinql(&samples(), &[&["--queries", queries], args].concat());
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), words), "{args:?}");
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains(">Mine</h2>") && !page.contains("bytez"), "{args:?}");
    }
    let output = pinql(&samples(), &["--queries", queries, "report", "mine", "--chart"]);
    assert_eq!((output.status.code(), text(&output.stderr).starts_with(words)), (Some(0), true));
    assert!(!text(&output.stdout).contains('█'));
    let plain = pinql(&samples(), &["--queries", queries, "report", "mine"]);
    assert!(plain.stdout == output.stdout && !text(&plain.stderr).contains("chart"));
}

#[test]
fn bars_are_refused_where_none_can_be_drawn() {
    let temp = TempDir::new().unwrap();
    let at = |name: &str| temp.path().join(name).to_str().unwrap().to_owned();
    for args in
        [&["--format", "csv"][..], &["-o", &at("a.txt")], &["-o", &at("a.csv")], &["--html", &at("a.html")]]
    {
        let output = pinql(&samples(), &[&["report", "redundancy", "--chart"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains("--chart draws bars below a table on stdout"), "{args:?}");
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    assert_eq!(pinql(&samples(), &["report", "redundancy", "--chart", "-o", "-"]).status.code(), Some(0));
}

// ---------------------------------------------------------------------------------------------------- other programs

/// Chromium and the script that drives it, its library installed once.
fn browser() -> Result<(String, PathBuf), String> {
    let named = std::env::var("PINQL_CHROMIUM").ok();
    let known = ["chromium", "chromium-browser", "google-chrome"];
    let found = known
        .iter()
        .find_map(|name| run(Command::new("sh").args(["-c", &format!("command -v {name}")])).ok());
    let program = named.or(found.map(|path| path.trim().to_owned())).ok_or("there is no Chromium")?;
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    for file in ["pages.mjs", "package.json", "package-lock.json"] {
        fs::copy(repository("tests/pages").join(file), dir.join(file)).map_err(|error| error.to_string())?;
    }
    if !dir.join("node_modules/puppeteer-core").is_dir() {
        let mut npm = Command::new("npm");
        run(npm
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"])
            .current_dir(&dir))?;
    }
    Ok((program, dir.join("pages.mjs")))
}

#[test]
fn pages_work_in_a_browser() {
    let (program, script) = match browser() {
        Ok(found) => found,
        Err(why) => return skip(&why),
    };
    let temp = TempDir::new().unwrap();
    // What is filtered by, 11, stands in one row in a cell and in the other across two.
    let sql = "SELECT * FROM (VALUES ('11', 'x'), ('1', '1')) AS t (a, b)";
    // A page names the data directory, which may have any length.
    let root = temp.path().join("a_long_name_that_breaks_nowhere".repeat(3));
    run(Command::new("cp").arg("-r").arg(samples()).arg(&root)).unwrap();
    let pages = ["redundancy", "under-replicated", "overlap", "answer", "dashboard"].map(|name| {
        let page = temp.path().join(format!("{name}.html")).to_str().unwrap().to_owned();
        let args: &[&str] = match name {
            "dashboard" => &["dashboard"],
            "answer" => &["-c", sql],
            name => &["report", name],
        };
        assert_eq!(pinql(&root, &[args, &["--html", &page]].concat()).status.code(), Some(0), "{name}");
        page
    });
    // Pictures of the pages, to be looked at.
    let shots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shots");
    fs::create_dir_all(&shots).unwrap();
    let look = |pages: &[String]| -> Vec<Value> {
        let found = run(Command::new("node").arg(&script).arg(&program).arg(&shots).args(pages)).unwrap();
        serde_json::from_str(&found).unwrap()
    };
    let found = look(&pages);
    assert_eq!(found.len(), 10, "five pages in two widths");
    for page in &found {
        let name = page["page"].as_str().unwrap();
        assert_eq!((&page["trouble"], &page["asked"]), (&json!([]), &json!([])), "{name}");
        let (sections, charts, matrices) = match name {
            "redundancy.html" => (1, 1, 0),
            "under-replicated.html" | "answer.html" => (1, 0, 0),
            "overlap.html" => (1, 0, 1),
            _ => (11, 7, 1),
        };
        assert_eq!(page["sections"], json!(sections), "{name}");
        assert_eq!(page["charts"], json!(vec![true; charts]), "{name}: a chart is not painted");
        assert_eq!((&page["matrices"], &page["named"]), (&json!(matrices), &json!(true)), "{name}");
        assert!(
            page["overflow"].as_i64().unwrap() <= 0,
            "{name} is wider than {}: {}",
            page["width"],
            page["wide"]
        );
        assert!(page["contrast"].as_f64().unwrap() >= 4.5, "{name}: contrast {}", page["contrast"]);
        let column = |at: usize| -> Vec<&str> {
            page["sorted"][at].as_array().unwrap().iter().map(|cell| cell.as_str().unwrap()).collect()
        };
        let (up, mut down) = (column(0), column(1));
        assert!(up.is_sorted() && !up.is_empty(), "{name}: {up:?}");
        down.reverse();
        assert!(down.is_sorted() && down.len() == up.len(), "{name}: {down:?}");
        let wanted = page["filtered"]["wanted"].as_str().unwrap();
        let left = page["filtered"]["rows"].as_array().unwrap();
        assert!(!left.is_empty() && left.len() < up.len() || up.len() == 1, "{name}: {left:?}");
        assert!(left.iter().any(|cell| cell == wanted), "{name}: {left:?}");
    }
    // A matrix has the values of the table.
    let rows = text(&pinql(&samples(), &["report", "overlap", "--format", "csv"]).stdout);
    let rows: Vec<Vec<&str>> = rows.lines().skip(1).map(|row| row.split(',').collect()).collect();
    let page = found.iter().find(|page| page["page"] == "overlap.html").unwrap();
    let grid: Vec<Vec<String>> = serde_json::from_value(page["matrix"].clone()).unwrap();
    let names: Vec<&str> = grid.iter().map(|row| row[0].as_str()).collect();
    for row in &grid {
        for (other, shown) in names.iter().zip(&row[1..]) {
            let wanted = rows.iter().find(|pair| pair[0] == row[0] && pair[1] == *other);
            assert_eq!(shown, wanted.map_or("0", |pair| pair[3]), "{} {other}", row[0]);
        }
    }
    assert!(!grid.is_empty());
    // Of a line, the end is drawn.
    let page = temp.path().join("growth.html").to_str().unwrap().to_owned();
    assert_eq!(pinql(&samples(), &[&DAYS[..], &["--html", &page]].concat()).status.code(), Some(0));
    let (days, caption) = (days(), "total_pins, total_stored_bytes by period (the last 40 of 139)");
    for page in look(&[page]) {
        assert_eq!(page["trouble"], json!([]));
        assert_eq!(page["labels"], json!([&days[days.len() - 40..]]));
        assert_eq!(page["captions"], json!([caption]));
    }
}

/// A mapping as it is written: CID, path, time, size and metadata.
type Row<'a> = (String, Option<&'a str>, &'a str, Option<i64>, Option<String>);

#[test]
fn other_programs_read_what_was_written() {
    let python = match python() {
        Ok(found) => found,
        Err(why) => return skip(&why),
    };
    let temp = TempDir::new().unwrap();
    let hostile = [
        "plain",
        "",
        "a,b",
        "say \"hi\"",
        "two\nlines",
        "carriage\r\nreturn",
        " blank ",
        "=1+1",
        "@SUM(1)",
        "NULL",
        "\\N",
        "tab\there",
        "żółw 🐢",
        "null",
    ];
    let sizes = [Some(0), Some(i64::MAX), None, Some(9_007_199_254_740_993), Some(42)];
    let mut truth: Vec<Row<'_>> = Vec::new();
    for (at, words) in hostile.iter().enumerate() {
        let size = sizes[at % sizes.len()];
        let metadata = size.map(|size| json!({"size": size, "name": words}).to_string());
        let path = (at % 7 != 6).then_some(*words);
        truth.push((format!("{at:02}{words}"), path, "2026-01-31T12:00:00Z", size, metadata));
    }
    let column = |of: &dyn Fn(&Row<'_>) -> Option<String>| -> ArrayRef {
        std::sync::Arc::new(truth.iter().map(of).collect::<StringArray>())
    };
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("cid", column(&|row| Some(row.0.clone())), true),
        ("car_file_path", column(&|row| row.1.map(str::to_owned)), true),
        ("created_at", column(&|row| Some(row.2.to_owned())), true),
        ("metadata", column(&|row| row.4.clone()), true),
    ]);
    let root = temp.path().join("data");
    write_with(&place(&root, "hostile"), &rows.unwrap(), Default::default());
    let listed: Vec<Value> = truth.iter().map(|row| json!([row.0, row.1, row.2, row.3, row.4])).collect();
    fs::write(temp.path().join("truth.json"), json!(listed).to_string()).unwrap();
    let sql = "SELECT cid, car_file_path, created_at, size_bytes, metadata FROM pins ORDER BY cid";
    for end in ["csv", "csv.gz", "json", "ndjson", "parquet", "arrow", "xlsx"] {
        let file = temp.path().join(format!("pins.{end}"));
        let output = pinql(&root, &["-c", sql, "-o", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{end}: {}", text(&output.stderr));
    }
    for end in ["csv", "ndjson", "parquet"] {
        let dir = temp.path().join(format!("split-{end}"));
        let args = ["-c", sql, "--split-by", "car_file_path", "--format", end, "-o", dir.to_str().unwrap()];
        let output = pinql(&root, &args);
        assert_eq!(output.status.code(), Some(0), "{end}: {}", text(&output.stderr));
    }
    let script = repository("tests/readback/readback.py");
    let read =
        run(Command::new(python).arg(script).arg(temp.path())).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.lines().count(), 15, "{read}");
}

//! `pinql backend`: what people see of a migration, and what they do before and after it.

use std::fs;

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::cids::{raw, v0, v1};
use crate::support::tree::Tree;
use crate::support::{mappings, repository, write};

const MIGRATE: &str = "migrate-pin-mappings";

/// Backends that end in each of the ways there are, but for failure.
fn sound_tree() -> Tree {
    let tree = Tree::new();
    tree.pins_json(
        "github",
        format!(
            r#"[{{"cid": "{}", "created_at": "2024-05-01T10:00:00Z", "size_bytes": 1024}}, "{}", {{"cid": "{}", "status": "failed"}}]"#,
            v0(1),
            v1(1),
            v1(2)
        ),
    );
    write(&tree.root(), "kubo", &mappings("kubo", &[(&v1(1), "stored"), (&v1(2), "failed")]));
    tree.pins_json(
        "kubo",
        format!(r#"[{{"cid": "{}", "created_at": "2025-01-01", "status": "pinned"}}, "{}"]"#, v1(2), v1(1)),
    );
    write(&tree.root(), "old", &mappings("old", &[(&v1(1), "stored")]));
    tree
}

/// The same with a backend some of whose entries are rejected.
fn tree_with_rejects() -> Tree {
    let tree = sound_tree();
    tree.pins_json("s3_main", format!("[\n  \"{}\",\n  \"nonsense\",\n  {{\"name\": \"lost\"}}\n]", v1(3)));
    tree
}

/// The same with backends that fail.
fn failing_tree() -> Tree {
    let tree = tree_with_rejects();
    tree.pins_json("cut", "{\"pins\": [");
    tree.pins_json("torn", format!(r#"["{}"]"#, v1(1)));
    tree.write("torn", "pin_mappings.parquet", "PAR1");
    tree
}

#[test]
fn a_migration_without_trouble_is_exit_0() {
    assert_snapshot!(sound_tree().run(&["backend", MIGRATE]), @"
    backend │ state      │ found │ migrated │ repeated │ rejected │ already_there │ errors
    ────────┼────────────┼───────┼──────────┼──────────┼──────────┼───────────────┼───────
    github  │ migrated   │     3 │        2 │        1 │        0 │             0 │      0
    kubo    │ migrated   │     2 │        1 │        0 │        0 │             1 │      0
    old     │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    --- stderr
    old: has no CAR: `pinql backend export-car old` writes one
    --- exit 0
    ");
}

#[test]
fn rejects_are_told_and_are_exit_1() {
    let tree = tree_with_rejects();
    assert_snapshot!(tree.run(&["backend", MIGRATE]), @"
    backend │ state      │ found │ migrated │ repeated │ rejected │ already_there │ errors
    ────────┼────────────┼───────┼──────────┼──────────┼──────────┼───────────────┼───────
    github  │ migrated   │     3 │        2 │        1 │        0 │             0 │      0
    kubo    │ migrated   │     2 │        1 │        0 │        0 │             1 │      0
    old     │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    s3_main │ migrated   │     3 │        1 │        0 │        2 │             0 │      0
    --- stderr
    old: has no CAR: `pinql backend export-car old` writes one
    s3_main: entry 1 (line 3, column 3) rejected: not a CID: not the text of a multibase
    s3_main: entry 2 (line 4, column 3) rejected: no CID: has none of the keys cid, Cid, CID, hash, Hash, IpfsHash, ipfs_pin_hash, root, pin.cid
    --- exit 1
    ");
    // Nothing is left to do, and so nothing to complain of.
    assert_snapshot!(tree.run(&["backend", MIGRATE]), @"
    backend │ state      │ found │ migrated │ repeated │ rejected │ already_there │ errors
    ────────┼────────────┼───────┼──────────┼──────────┼──────────┼───────────────┼───────
    github  │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    kubo    │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    old     │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    s3_main │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    --- stderr
    old: has no CAR: `pinql backend export-car old` writes one
    --- exit 0
    ");
}

#[test]
fn failures_are_told_with_the_way_out_and_are_exit_2() {
    assert_snapshot!(failing_tree().run(&["backend", MIGRATE]), @"
    backend │ state      │ found │ migrated │ repeated │ rejected │ already_there │ errors
    ────────┼────────────┼───────┼──────────┼──────────┼──────────┼───────────────┼───────
    cut     │ failed     │     0 │        0 │        0 │        0 │             0 │      1
    github  │ migrated   │     3 │        2 │        1 │        0 │             0 │      0
    kubo    │ migrated   │     2 │        1 │        0 │        0 │             1 │      0
    old     │ up to date │     0 │        0 │        0 │        0 │             0 │      0
    s3_main │ migrated   │     3 │        1 │        0 │        2 │             0 │      0
    torn    │ failed     │     0 │        0 │        0 │        0 │             0 │      1
    --- stderr
    error: cut: ~/data/backends/cut/pins.json, line 1, column 11: the file ends here in the middle: it was cut off
    old: has no CAR: `pinql backend export-car old` writes one
    s3_main: entry 1 (line 3, column 3) rejected: not a CID: not the text of a multibase
    s3_main: entry 2 (line 4, column 3) rejected: no CID: has none of the keys cid, Cid, CID, hash, Hash, IpfsHash, ipfs_pin_hash, root, pin.cid
    error: torn: backend `torn`: its mappings cannot be read, and are not written over: backends/torn/pin_mappings.parquet: the footer is damaged: Parquet file too small. Size is 4 but need 8
    hint: put them back with `pinql backend restore torn --from car` or `--from backup`, then run this again
    --- exit 2
    ");
}

#[test]
fn a_dry_run_says_what_would_happen() {
    let tree = failing_tree();
    let predicted = tree.run(&["backend", MIGRATE, "--dry-run", "--verbose"]);
    assert_snapshot!(predicted, @"
    backend │ state         │ found │ migrated │ repeated │ rejected │ already_there │ errors
    ────────┼───────────────┼───────┼──────────┼──────────┼──────────┼───────────────┼───────
    cut     │ failed        │     0 │        0 │        0 │        0 │             0 │      1
    github  │ would migrate │     3 │        2 │        1 │        0 │             0 │      0
    kubo    │ would migrate │     2 │        1 │        0 │        0 │             1 │      0
    old     │ up to date    │     0 │        0 │        0 │        0 │             0 │      0
    s3_main │ would migrate │     3 │        1 │        0 │        2 │             0 │      0
    torn    │ failed        │     0 │        0 │        0 │        0 │             0 │      1
    --- stderr
    error: cut: ~/data/backends/cut/pins.json, line 1, column 11: the file ends here in the middle: it was cut off
    github: pins.json read as: list; 2 new, 0 updated, 2 mappings afterwards
    github: would write pin_mappings.car (700 B)
    github: would write pin_mappings.parquet (4.74 KiB)
    kubo: pins.json read as: list; 0 new, 1 updated, 2 mappings afterwards
    kubo: would write pin_mappings.car (742 B)
    kubo: would write pin_mappings.parquet (3.14 KiB)
    old: has no CAR: `pinql backend export-car old` writes one
    s3_main: entry 1 (line 3, column 3) rejected: not a CID: not the text of a multibase
    s3_main: entry 2 (line 4, column 3) rejected: no CID: has none of the keys cid, Cid, CID, hash, Hash, IpfsHash, ipfs_pin_hash, root, pin.cid
    s3_main: pins.json read as: list; 1 new, 0 updated, 1 mapping afterwards
    s3_main: would write pin_mappings.car (442 B)
    s3_main: would write pin_mappings.parquet (2.90 KiB)
    s3_main: would write pin_rejects.parquet (2.60 KiB)
    error: torn: backend `torn`: its mappings cannot be read, and are not written over: backends/torn/pin_mappings.parquet: the footer is damaged: Parquet file too small. Size is 4 but need 8
    hint: put them back with `pinql backend restore torn --from car` or `--from backup`, then run this again
    dry run: nothing was written
    --- exit 2
    ");
    let real = tree.run(&["backend", MIGRATE, "-v"]);
    // But for the words and the names of what is kept, it is what then happens.
    let told = |text: &str| -> Vec<String> {
        let kept = |line: &str| line.split("; the one before is kept").next().unwrap_or_default().to_owned();
        let lines = text.lines().filter(|line| !line.starts_with("dry run"));
        let same = |line: &str| {
            let line = line.replace("would write", "wrote").replace("would migrate", "migrated");
            kept(&line.split_whitespace().collect::<Vec<_>>().join(" ").replace('─', ""))
        };
        lines.map(same).collect()
    };
    assert_eq!(told(&predicted), told(&real));
}

#[test]
fn the_outcome_as_json_has_the_older_tools_keys() {
    let tree = failing_tree();
    let json = |args: &[&str]| -> Value {
        let output = tree.output(&[&["backend", MIGRATE, "--json"], args].concat());
        assert_eq!(output.status.code(), Some(2));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for (args, dry_run) in [(&["--dry-run"][..], true), (&[], false)] {
        let outcome = json(args);
        for (key, value) in
            [("total_backends", 6), ("analyzed", 6), ("migrated", 3), ("errors", 2), ("up_to_date", 1)]
        {
            assert_eq!(outcome[key], value, "{key} {outcome}");
        }
        assert_eq!((&outcome["success"], &outcome["dry_run"]), (&false.into(), &dry_run.into()));
        let results = outcome["backend_results"].as_array().unwrap();
        assert_eq!(results.len(), 6);
        for result in results {
            let failed = result["state"] == "failed";
            assert_eq!(result["success"], !failed, "{result}");
            assert_eq!(result["errors"].as_array().unwrap().len(), usize::from(failed), "{result}");
            assert_eq!(result["needs_migration"], result["state"] != "up to date", "{result}");
        }
        let s3 = results.iter().find(|result| result["backend_name"] == "s3_main").unwrap();
        assert_eq!(s3["rejects"][0]["line"], 3, "{s3}");
        assert_eq!((&s3["found"], &s3["migrated"], &s3["rejected"]), (&3.into(), &1.into(), &2.into()));
        let torn = results.iter().find(|result| result["backend_name"] == "torn").unwrap();
        assert!(torn["errors"][0]["hint"].as_str().unwrap().contains("backend restore torn"), "{torn}");
    }
}

#[test]
fn filters_choose_by_name_glob_and_part() {
    let chosen = |args: &[&str]| {
        let tree = tree_with_rejects();
        let output = tree.output(&[&["backend", MIGRATE, "--format", "csv", "--dry-run"], args].concat());
        let lines = String::from_utf8(output.stdout).unwrap();
        let names = lines.lines().skip(1).map(|line| line.split(',').next().unwrap_or_default().to_owned());
        (names.collect::<Vec<_>>().join(" "), output.status.code().unwrap())
    };
    for (args, names, code) in [
        (&["--filter", "github,k*"][..], "github kubo", 0),
        (&["--filter", "github", "--filter", "old"], "github old", 0),
        (&["--filter", "GITHUB"], "", 1),
        (&["--backend-filter", "HUB"], "github", 0),
        (&["--backend-filter", "s3"], "s3_main", 1),
        (&["--filter", "kubo, nothing"], "kubo", 1),
        (&[], "github kubo old s3_main", 1),
    ] {
        assert_eq!(chosen(args), (names.to_owned(), code), "{args:?}");
    }
    assert_snapshot!(sound_tree().run(&["backend", MIGRATE, "--filter", "nothing,kubo"]), @"
    backend │ state    │ found │ migrated │ repeated │ rejected │ already_there │ errors
    ────────┼──────────┼───────┼──────────┼──────────┼──────────┼───────────────┼───────
    kubo    │ migrated │     2 │        1 │        0 │        0 │             1 │      0
    --- stderr
    no backend fits the filter `nothing`
    --- exit 1
    ");
}

#[test]
fn the_older_spellings_work() {
    let tree = sound_tree();
    let root = tree.root().display().to_string();
    let other = Tree::new();
    let shown =
        other.run(&["backend", "migrate", "--ipfs-kit-path", &root, "--backend-filter", "git", "--verbose"]);
    assert!(shown.contains("github  │ migrated │") && shown.ends_with("--- exit 0"), "{shown}");
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM backends.github"), "n\n2");
}

#[test]
fn backends_are_listed_and_shown() {
    let tree = failing_tree();
    tree.run(&["backend", MIGRATE]);
    let list = tree.run(&["backend", "list", "--format", "csv"]);
    let states: Vec<_> =
        list.lines().map(|line| line.split(',').take(4).collect::<Vec<_>>().join(",")).collect();
    assert_eq!(
        states[..7],
        [
            "name,type,state,rows",
            "cut,,legacy,",
            "github,,ready,2",
            "kubo,,ready,2",
            "old,,ready,1",
            "s3_main,,ready,1",
            "torn,,unreadable,",
        ]
    );
    assert_snapshot!(tree.run(&["backend", "show", "s3_main"]), @"
    file                             │ what                                 │ bytes
    ─────────────────────────────────┼──────────────────────────────────────┼──────
    pin_mappings.parquet             │ the mappings                         │  2974
    pin_mappings.car                 │ the CAR of the mappings              │   442
    pin_rejects.parquet              │ what was no pin; the table `rejects` │  2662
    pins.json.backup.TIME │ kept of pins.json                    │   101
    --- stderr
    state: ready, rows: 1, laid_out: true
    --- exit 0
    ");
    assert_snapshot!(tree.run(&["backend", "show", "torn"]), @"
    file                 │ what                 │ bytes
    ─────────────────────┼──────────────────────┼──────
    pin_mappings.parquet │ the mappings         │     4
    pins.json            │ waits to be migrated │    63
    --- stderr
    state: unreadable, reason: backends/torn/pin_mappings.parquet: the footer is damaged: Parquet file too small. Size is 4 but need 8
    --- exit 0
    ");
    assert_snapshot!(tree.run(&["backend", "show", "githbu"]), @"
    --- stderr
    error: `githbu` is not a backend
    hint: did you mean `github`?
    --- exit 2
    ");
}

#[test]
fn verify_holds_the_two_against_each_other_both_ways() {
    let tree = sound_tree();
    tree.run(&["backend", MIGRATE]);
    assert_snapshot!(tree.run(&["backend", "verify", "--format", "csv"]), @"
    backend,state,mappings,in_car,different,car_root
    github,agrees,2,2,0,baguqeeralprjbee2gqpndfetazjer6ora2qyeyjhuzczlakfqu44ndol5vra
    kubo,agrees,2,2,0,baguqeera3tasheoiqvboyfhmclwnsy7otgafmqpszpead5qqerpq2cbndakq
    old,no CAR,1,,0,
    --- stderr
    old: there is no pin_mappings.car: `pinql backend export-car old` writes one
    --- exit 1
    ");
    // Other mappings than those of the CAR: one is only here, one only there, one differs.
    write(&tree.root(), "kubo", &mappings("kubo", &[(&v1(1), "pending"), (&v0(5), "stored")]));
    assert_snapshot!(tree.run(&["backend", "verify", "kubo", "--format", "csv"]), @"
    backend,state,mappings,in_car,different,car_root
    kubo,differs,2,2,3,baguqeera3tasheoiqvboyfhmclwnsy7otgafmqpszpead5qqerpq2cbndakq
    --- stderr
    kubo: QmUYxLuQVE6iavU8tNuvGuPJXRuBMy1X5qwQtsRLQYLaPC: only in pin_mappings.parquet
    kubo: bafybeievs7mjrakpcznx5vqrq4rmeqtr73emcjkni3sdpllkwjafa5r6fu: only in pin_mappings.car
    kubo: bafybeigrtcgngamyetyhl5qwo7q2n5klcybvq2cirzafc5l53zj233xyb4: differs in status
    --- exit 1
    ");
    // A byte of a block.
    let car = tree.file("github", "pin_mappings.car");
    let mut bytes = fs::read(&car).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    fs::write(&car, bytes).unwrap();
    let shown = tree.run(&["backend", "verify", "github"]);
    assert!(shown.contains("pin_mappings.car, byte") && shown.ends_with("--- exit 2"), "{shown}");
}

#[test]
fn what_older_tools_left_agrees_with_itself() {
    let root = repository("tests/data/documented");
    let output =
        Tree::new().output(&["--root", root.to_str().unwrap(), "backend", "verify", "--format", "csv"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().skip(1).filter(|line| line.contains(",agrees,")).count(), 12, "{text}");
}

#[test]
fn mappings_are_restored_from_their_car() {
    let tree = sound_tree();
    tree.run(&["backend", MIGRATE]);
    let before = tree.files("github");
    let rows = tree.csv("SELECT * FROM backends.github ORDER BY cid");
    fs::remove_file(tree.file("github", "pin_mappings.parquet")).unwrap();
    assert_snapshot!(tree.run(&["backend", "restore", "github", "--from", "car", "--dry-run"]), @"
    backend │ from             │ mappings
    ────────┼──────────────────┼─────────
    github  │ pin_mappings.car │        2
    --- stderr
    github: would write pin_mappings.parquet (4.74 KiB)
    --- exit 0
    ");
    assert!(!tree.file("github", "pin_mappings.parquet").exists());
    assert_snapshot!(tree.run(&["backend", "restore", "github", "--from", "car"]), @"
    backend │ from             │ mappings
    ────────┼──────────────────┼─────────
    github  │ pin_mappings.car │        2
    --- stderr
    github: wrote pin_mappings.parquet (4.74 KiB)
    --- exit 0
    ");
    assert_eq!(tree.csv("SELECT * FROM backends.github ORDER BY cid"), rows);
    // The same bytes: mappings, CAR and the root that they name.
    assert_eq!(tree.files("github"), before);
    // Over a damaged file, which is kept.
    tree.write("github", "pin_mappings.parquet", "PAR1 damaged");
    let shown = tree.run(&["backend", "restore", "github", "--from", "car"]);
    assert!(shown.contains("the one before is kept as pin_mappings.parquet.backup.TIME"), "{shown}");
    assert_eq!(tree.files("github")["pin_mappings.parquet"], before["pin_mappings.parquet"]);
    assert!(tree.files("github").values().any(|bytes| bytes == b"PAR1 damaged"));
}

#[test]
fn mappings_and_pins_json_are_restored_from_what_was_kept() {
    let tree = sound_tree();
    let old = fs::read(tree.file("kubo", "pin_mappings.parquet")).unwrap();
    let pins_json = fs::read(tree.file("kubo", "pins.json")).unwrap();
    tree.run(&["backend", MIGRATE]);
    let shown = tree.run(&["backend", "restore", "kubo", "--from", "backup"]);
    assert!(shown.contains("kubo    │ pin_mappings.parquet.backup.TIME"), "{shown}");
    for file in ["pin_mappings.parquet", "pin_mappings.car"] {
        assert!(shown.contains(&format!("; the one before is kept as {file}.backup.TIME\n")), "{shown}");
    }
    assert!(shown.ends_with("--- exit 0"), "{shown}");
    assert_eq!(fs::read(tree.file("kubo", "pin_mappings.parquet")).unwrap(), old, "byte for byte");
    assert!(tree.run(&["backend", "verify", "kubo"]).ends_with("--- exit 0"));
    // And the list that was migrated, to be migrated again.
    let name = tree.names("kubo").into_iter().find(|name| name.starts_with("pins.json.backup.")).unwrap();
    let shown = tree.run(&["backend", "restore", "kubo", "--backup", &name]);
    assert!(shown.contains("brings the file into them") && shown.ends_with("--- exit 0"), "{shown}");
    assert_eq!(fs::read(tree.file("kubo", "pins.json")).unwrap(), pins_json);
    let again = tree.run(&["backend", "restore", "kubo", "--backup", &name]);
    assert!(again.contains("waits to be migrated, and is not written over"), "{again}");
    assert!(tree.run(&["backend", MIGRATE]).ends_with("--- exit 0"));
    assert_eq!(tree.csv("SELECT status FROM backends.kubo ORDER BY 1"), "status\nstored\nstored");
    // What is not there is said, with what is.
    let shown = tree.run(&["backend", "restore", "kubo", "--backup", "pins.json.backup.x"]);
    assert!(
        shown.contains("nothing is kept under the name") && shown.contains("name one with --backup: "),
        "{shown}"
    );
    assert!(tree.run(&["backend", "restore", "old", "--from", "backup"]).contains("there are no backups"));
}

#[test]
fn a_damaged_car_gives_what_is_left_if_asked_to() {
    let many: Vec<_> = (0..6000).map(|number| format!("\"{}\"", v1(number))).collect();
    let tree = Tree::with("x", format!("[{}]", many.join(",")));
    tree.run(&["backend", MIGRATE]);
    let car = tree.file("x", "pin_mappings.car");
    let mut bytes = fs::read(&car).unwrap();
    assert!(bytes.len() > 1_000_000, "more than one block");
    bytes[5000] ^= 1;
    fs::write(&car, &bytes).unwrap();
    fs::remove_file(tree.file("x", "pin_mappings.parquet")).unwrap();
    let shown = tree.run(&["backend", "restore", "x", "--from", "car"]);
    assert!(
        shown.contains("pin_mappings.car, byte 100: the data of block") && shown.ends_with("--- exit 2"),
        "{shown}"
    );
    assert!(!tree.file("x", "pin_mappings.parquet").exists());
    let shown = tree.run(&["backend", "restore", "x", "--from", "car", "--salvage"]);
    assert!(shown.contains("x: passed over bytes 60-") && shown.ends_with("--- exit 0"), "{shown}");
    let left: u64 = tree.csv("SELECT COUNT(*) AS n FROM pins")[2..].parse().unwrap();
    assert!(left > 1000 && left < 6000, "{left}");
    assert!(tree.files("x").values().any(|kept| *kept == bytes), "the damaged CAR is kept");
}

#[test]
fn a_car_is_exported_again_with_the_same_bytes() {
    let tree = sound_tree();
    tree.run(&["backend", MIGRATE]);
    assert!(!tree.file("old", "pin_mappings.car").exists());
    let car = fs::read(tree.file("github", "pin_mappings.car")).unwrap();
    let shown = tree.run(&["backend", "export-car", "--format", "csv"]);
    for line in ["github,up to date,2,,baguqeera", "kubo,up to date,2,,baguqeera", "old,written,1,"] {
        assert!(shown.contains(line) && shown.ends_with("--- exit 0"), "{shown}");
    }
    fs::remove_file(tree.file("github", "pin_mappings.car")).unwrap();
    assert!(tree.run(&["backend", "verify", "github", "--format", "csv"]).contains("github,no CAR,2,,0,"));
    let shown = tree.run(&["backend", "export-car", "github", "--format", "csv"]);
    assert!(shown.contains("github,written,2,"), "{shown}");
    assert_eq!(fs::read(tree.file("github", "pin_mappings.car")).unwrap(), car);
    assert!(tree.run(&["backend", "verify", "--format", "csv"]).ends_with("--- exit 0"));
}

#[test]
fn the_plain_json_of_older_tools_is_written_if_asked_for() {
    let tree = sound_tree();
    assert!(tree.run(&["backend", MIGRATE, "--car-format", "json"]).ends_with("--- exit 0"));
    let shown = tree.run(&["backend", "verify", "github", "kubo", "--format", "csv"]);
    assert!(shown.contains("github,agrees,2,2,0,") && shown.ends_with("--- exit 0"), "{shown}");
    let before = tree.files("github");
    fs::remove_file(tree.file("github", "pin_mappings.parquet")).unwrap();
    assert!(
        tree.run(&["backend", "restore", "github", "--from", "car", "--car-format", "json"])
            .ends_with("--- exit 0")
    );
    assert_eq!(tree.files("github")["pin_mappings.car"], before["pin_mappings.car"]);
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM backends.github"), "n\n2");
    // The same bytes are no reason to keep them twice.
    let shown = tree.run(&["backend", "export-car", "github", "--car-format", "json", "--format", "csv"]);
    assert!(shown.contains("github,up to date,2,"), "{shown}");
    // Python reads it as it read the older one.
    let script = "import json, sys\n\
                  made = json.load(open(sys.argv[1]))\n\
                  print(sorted(made), made['format'], made['version'], len(made['pin_mappings']))\n\
                  print(list(made['pin_mappings'][0]), json.loads(made['pin_mappings'][0]['metadata']))";
    let output = std::process::Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(tree.file("kubo", "pin_mappings.car"))
        .output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(
        text,
        "['created_at', 'format', 'pin_mappings', 'version'] pin_mappings_car 1.0 2\n\
         ['cid', 'car_file_path', 'backend_name', 'created_at', 'status', 'metadata'] {'source_status': 'pinned'}\n"
    );
}

#[test]
fn backups_are_pruned_but_for_the_newest() {
    let tree = Tree::new();
    for number in 0..3 {
        tree.pins_json("x", format!(r#"["{}"]"#, v1(number)));
        tree.run(&["backend", MIGRATE]);
    }
    let kept = |tree: &Tree| tree.names("x").into_iter().filter(|name| name.contains(".backup.")).count();
    assert_eq!(kept(&tree), 7, "{:?}", tree.names("x"));
    let shown = tree.run(&["backend", "prune-backups", "--dry-run", "--format", "csv"]);
    assert!(shown.contains("dry run: nothing was removed") && shown.ends_with("--- exit 0"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("x,")).count(), 4, "{shown}");
    assert_eq!(kept(&tree), 7);
    tree.run(&["backend", "prune-backups", "x"]);
    assert_eq!(kept(&tree), 3);
    tree.run(&["backend", "prune-backups", "--keep", "0"]);
    assert_eq!(tree.names("x"), ["pin_mappings.car", "pin_mappings.parquet"]);
    let shown = tree.run(&["backend", "prune-backups", "y"]);
    assert!(shown.contains("error: `y` is not a backend") && shown.ends_with("--- exit 2"), "{shown}");
}

#[test]
fn wrong_words_are_exit_2_and_change_nothing() {
    let tree = sound_tree();
    let before = (tree.files("github"), tree.files("kubo"));
    for (args, word) in [
        (&["backend"][..], "Usage: pinql backend"),
        (&["backend", "migrat"], "migrate"),
        (&["backend", MIGRATE, "github"], "unexpected argument 'github'"),
        (&["backend", MIGRATE, "--filter", "a", "--backend-filter", "b"], "cannot be used with"),
        (&["backend", MIGRATE, "--car-format", "xml"], "car or json"),
        (&["backend", "restore"], "<NAME>"),
        (&["backend", "restore", "kubo"], "--from <SOURCE>"),
        (&["backend", "restore", "kubo", "--from", "tape"], "possible values: car, backup"),
        (
            &["backend", "restore", "kubo", "--from", "car", "--backup", "x"],
            "--backup does not go with --from car",
        ),
        (&["backend", "restore", "kubo", "--from", "backup", "--salvage"], "--salvage goes with --from car"),
        (&["backend", "restore", "nobody", "--from", "car"], "`nobody` is not a backend"),
        (&["backend", "verify", "nobody"], "`nobody` is not a backend"),
        (&["backend", "export-car", "nobody"], "`nobody` is not a backend"),
        (&["backend", "prune-backups", "--keep", "few"], "--keep"),
        (&["-c", "SELECT 1", "backend", "list"], "do not go with `backend`"),
    ] {
        let output = tree.output(args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(word), "{args:?}: {stderr}");
    }
    assert_eq!((tree.files("github"), tree.files("kubo")), before);
}

#[test]
fn another_codec_is_another_pin_in_every_command() {
    let tree = Tree::with("x", format!(r#"["{}", "{}"]"#, v1(1), raw(1)));
    tree.run(&["backend", MIGRATE]);
    let shown = tree.run(&["backend", "verify", "--format", "csv"]);
    assert!(shown.contains("x,agrees,2,2,0,"), "{shown}");
}

#[test]
fn completion_scripts_and_manual_pages_know_options_commands_and_reports() {
    let home = crate::cli::Home::new();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pinql"));
        let output = command.args(args).env_clear().env("HOME", home.path("")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (code, script) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        for word in ["migrate-pin-mappings", "under-replicated", "min-copies", "memory-limit"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    assert_eq!(run(&["completions", "csh"]).0, Some(2));
    let (_, page) = run(&["man"]);
    for word in [".TH pinql", "memory\\-limit", "under-replicated --min-copies 3"] {
        assert!(page.contains(word) || page.replace("\\-", "-").contains(word), "{word} in {page}");
    }
    let (_, page) = run(&["man", "report", "under-replicated"]);
    assert!(
        page.starts_with(".ie") && page.contains("under\\-replicated") && page.contains("min\\-copies"),
        "{page}"
    );
    assert_eq!(run(&["man", "reprot"]).0, Some(2));
}

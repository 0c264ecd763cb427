//! `pinql daemon intelligent`: every key that the older tool had, right numbers, exit codes, and pages.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::kit::{By, SECRETS, kit};
use crate::support::cids::{v0, v1};
use crate::support::terminal::Terminal;
use crate::support::tree::Tree;

/// The keys of the older `insights`; `/` parts what is within.
const INSIGHTS: [&str; 42] = [
    "bucket_analysis/total_buckets",
    "bucket_analysis/buckets_needing_backup",
    "bucket_analysis/average_pins_per_bucket",
    "bucket_analysis/bucket_backend_distribution",
    "backend_analysis/total_backends",
    "backend_analysis/backend_types",
    "backend_analysis/response_time_stats/average_ms",
    "backend_analysis/response_time_stats/median_ms",
    "backend_analysis/response_time_stats/max_ms",
    "backend_analysis/response_time_stats/min_ms",
    "backend_analysis/pin_distribution/total_pins",
    "backend_analysis/pin_distribution/average_per_backend",
    "backend_analysis/pin_distribution/max_pins",
    "backend_analysis/pin_distribution/backends_with_pins",
    "backend_analysis/total_pins",
    "backend_analysis/backends_with_pins",
    "backend_analysis/pin_status_distribution",
    "backend_analysis/average_redundancy",
    "sync_requirements/backends_needing_pin_sync",
    "sync_requirements/metadata_backup_targets",
    "sync_requirements/dirty_backend_actions",
    "sync_requirements/backends_with_failed_pins",
    "sync_requirements/backends_with_pending_pins",
    "operational_metrics/metadata_freshness_seconds",
    "operational_metrics/avg_backend_health_check_age",
    "operational_metrics/total_pending_actions",
    "pin_mapping_analysis/total_pins",
    "pin_mapping_analysis/backends_with_pins",
    "pin_mapping_analysis/pin_status_distribution",
    "pin_mapping_analysis/backends_with_failed_pins",
    "pin_mapping_analysis/backends_with_pending_pins",
    "pin_mapping_analysis/cid_redundancy",
    "pin_mapping_analysis/oldest_pin_date",
    "pin_mapping_analysis/newest_pin_date",
    "pin_mapping_analysis/total_unique_cids",
    "pin_mapping_analysis/average_redundancy",
    // pinql's own.
    "observed_at",
    "unreadable",
    "pin_mapping_analysis/complete",
    "pin_mapping_analysis/by_cid_text",
    "pin_mapping_analysis/invalid_cids",
    "pin_mapping_analysis/at_risk/contents",
];

/// The keys of the older `status`.
const STATUS: [&str; 39] = [
    "running",
    "thread_status/metadata_reader",
    "thread_status/dirty_monitor",
    "thread_status/health_monitor",
    "thread_status/task_executor",
    "metadata_driven_stats/total_buckets",
    "metadata_driven_stats/total_backends",
    "metadata_driven_stats/dirty_backends",
    "metadata_driven_stats/dirty_count",
    "metadata_driven_stats/unhealthy_backends",
    "metadata_driven_stats/unhealthy_count",
    "metadata_driven_stats/filesystem_backends",
    "metadata_driven_stats/last_bucket_scan",
    "metadata_driven_stats/bucket_scan_age_seconds",
    "task_management/active_tasks",
    "task_management/queued_tasks",
    "task_management/completed_tasks",
    "task_management/active_task_ids",
    "pin_mapping_summary/total_pins",
    "pin_mapping_summary/backends_with_pins",
    "pin_mapping_summary/total_unique_cids",
    "pin_mapping_summary/average_redundancy",
    "pin_mapping_summary/status_distribution",
    "pin_mapping_summary/failed_pin_backends",
    "pin_mapping_summary/pending_pin_backends",
    "backend_health_summary/healthy_backends",
    "backend_health_summary/total_monitored",
    "backend_health_summary/health_percentage",
    "intervals/bucket_scan_seconds",
    "intervals/dirty_check_seconds",
    "intervals/health_check_seconds",
    "intervals/task_check_seconds",
    "intervals/backup_check_seconds",
    "last_health_check",
    "backend_status_details",
    // pinql's own.
    "observed_at",
    "unreadable",
    "daemon",
    "pin_mapping_summary/complete",
];

/// The keys of each backend in `backend_status_details`.
const DETAILS: [&str; 7] =
    ["healthy", "last_check", "response_time_ms", "pin_count", "needs_sync", "needs_backup", "error"];

fn has(document: &Value, path: &str) -> bool {
    let found = path.split('/').try_fold(document, |part, key| part.as_object()?.get(key));
    found.is_some()
}

fn ask(tree: &Tree, args: &[&str]) -> (Value, i32) {
    let args = [&["daemon", "intelligent"], args].concat();
    let output = tree.output(&args);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{words}"));
    (document, output.status.code().unwrap())
}

/// What a page shows, without what changes from day to day.
fn page(tree: &Tree, args: &[&str]) -> String {
    let shown = tree.run(&[&["daemon", "intelligent"], args].concat());
    let mut steady = String::new();
    for line in shown.split_inclusive('\n') {
        let line = match line.split_once("  written   ") {
            Some((before, _)) => format!("{before}  written               TIME\n"),
            None => line.to_owned(),
        };
        let mut words = line.split(' ').peekable();
        let mut rest = Vec::new();
        while let Some(word) = words.next() {
            let ages =
                words.peek().is_some_and(|next| next.starts_with("days") || next.starts_with("seconds"));
            rest.push(if ages && word.parse::<u64>().is_ok() { "N" } else { word });
        }
        steady.push_str(&rest.join(" "));
    }
    steady
}

#[test]
fn every_old_key_is_there_whatever_there_is() {
    let empty = Tree::new();
    let bare = Tree::new();
    fs::remove_dir(bare.root().join("backends")).unwrap();
    let torn = kit(By::Daemon);
    fs::write(torn.root().join("backend_index/backend_registry.parquet"), "noise").unwrap();
    for tree in [&kit(By::Daemon), &kit(By::Cli), &empty, &bare, &torn] {
        let (insights, _) = ask(tree, &["insights", "--json"]);
        for key in INSIGHTS {
            assert!(has(&insights, key), "{key}: {insights:#}");
        }
        let (status, _) = ask(tree, &["status", "-j"]);
        for key in STATUS {
            assert!(has(&status, key), "{key}: {status:#}");
        }
        for (name, details) in status["backend_status_details"].as_object().unwrap() {
            assert!(DETAILS.iter().all(|key| has(details, key)), "{name}: {details}");
        }
        for (name, actions) in insights["sync_requirements"]["dirty_backend_actions"].as_object().unwrap() {
            let keys = ["total_actions", "unsynced_actions", "is_dirty"];
            assert!(keys.iter().all(|key| has(actions, key)), "{name}: {actions}");
        }
        // The older `analyze` gave what `insights` has within, at the top.
        let (analysis, _) = ask(tree, &["analyze", "--json-output"]);
        for key in INSIGHTS.iter().filter_map(|key| key.strip_prefix("pin_mapping_analysis/")) {
            assert!(has(&analysis, key), "{key}: {analysis:#}");
        }
    }
}

#[test]
fn numbers_are_those_of_the_files() {
    let tree = kit(By::Daemon);
    let (insights, code) = ask(&tree, &["insights", "--json", "--detailed"]);
    assert_eq!(code, 0);
    let pins = &insights["pin_mapping_analysis"];
    assert_eq!(pins["total_pins"], 8);
    assert_eq!(pins["backends_with_pins"], 3);
    assert_eq!(pins["pin_status_distribution"], json!({"stored": 5, "failed": 2, "pending": 1}));
    assert_eq!(pins["backends_with_failed_pins"], json!(["github", "s3_main"]));
    assert_eq!(pins["backends_with_pending_pins"], json!(["local_disk"]));
    // Content 1 is stored thrice, 2 once, 3 has failed, and 4 is pending.
    assert_eq!(pins["cid_redundancy"], json!({"0": 2, "1": 1, "3": 1}));
    assert_eq!((&pins["total_unique_cids"], &pins["average_redundancy"]), (&json!(4), &json!(1.0)));
    assert_eq!(pins["oldest_pin_date"], "2024-05-01 10:00:00+00:00");
    assert_eq!((&pins["invalid_cids"], &pins["complete"]), (&json!(1), &json!(true)));
    assert_eq!(pins["not_migrated_backends"], json!(["legacy_box"]));
    // By text, version 0 and version 1 of a content are two, and what is no CID is one.
    assert_eq!(
        pins["by_cid_text"],
        json!({"total_unique_cids": 6, "average_redundancy": 8.0 / 6.0, "cid_redundancy": {"1": 4, "2": 2}})
    );
    let buckets = &insights["bucket_analysis"];
    assert_eq!((&buckets["total_buckets"], &buckets["buckets_needing_backup"]), (&json!(2), &json!(1)));
    assert_eq!(buckets["average_pins_per_bucket"], 3.5);
    assert_eq!(buckets["bucket_backend_distribution"], json!({"photos": 2, "papers": 1}));
    let backends = &insights["backend_analysis"];
    // Four directories, and one that only the registry knows.
    assert_eq!((&backends["total_backends"], &backends["registered_backends"]), (&json!(5), &json!(3)));
    assert_eq!(
        backends["backend_types"],
        json!({"s3": 1, "filesystem": 1, "github": 1, "ftp": 1, "unknown": 1})
    );
    assert_eq!(
        backends["response_time_stats"],
        json!({"average_ms": 20.5, "median_ms": 20.5, "max_ms": 30.5, "min_ms": 10.5})
    );
    let spread = json!({
        "total_pins": 8, "average_per_backend": 8.0 / 3.0, "max_pins": 4, "backends_with_pins": 3, "registered_pins": 6,
    });
    assert_eq!(backends["pin_distribution"], spread);
    let sync = &insights["sync_requirements"];
    // Half of what github should have has failed there.
    assert_eq!(sync["backends_needing_pin_sync"], json!(["github", "local_disk", "s3_main"]));
    assert_eq!(sync["metadata_backup_targets"], json!(["local_disk"]));
    let actions = json!({"total_actions": 3, "unsynced_actions": 2, "is_dirty": true});
    assert_eq!(sync["dirty_backend_actions"]["s3_main"], actions);
    assert_eq!(insights["operational_metrics"]["total_pending_actions"], 2);
    let (status, _) = ask(&tree, &["status", "--json"]);
    let summary = json!({
        "total_pins": 8, "backends_with_pins": 3, "total_unique_cids": 4, "average_redundancy": 1.0,
        "status_distribution": {"stored": 5, "failed": 2, "pending": 1}, "failed_pin_backends": 2,
        "pending_pin_backends": 1, "complete": true,
    });
    assert_eq!(status["pin_mapping_summary"], summary);
    assert_eq!(status["metadata_driven_stats"]["dirty_backends"], json!(["local_disk", "s3_main"]));
    let s3 = &status["backend_status_details"]["s3_main"];
    assert_eq!((&s3["pin_count"], &s3["last_check"]), (&json!(4), &json!("2025-07-30T10:00:00Z")));
    assert_eq!(
        (&s3["needs_sync"], &s3["needs_backup"], &s3["healthy"]),
        (&json!(true), &json!(true), &json!(false))
    );
    // Buckets of the other tool do not say when they were backed up.
    let (insights, _) = ask(&kit(By::Cli), &["insights", "--json"]);
    let buckets = &insights["bucket_analysis"];
    assert_eq!(
        (&buckets["buckets_needing_backup"], &buckets["buckets_with_unknown_backup"]),
        (&json!(0), &json!(2))
    );
}

#[test]
fn numbers_of_one_backend_are_its_own_and_its_copies_those_on_all() {
    let tree = kit(By::Daemon);
    let (insights, code) = ask(&tree, &["insights", "--backend", "s3_main", "--json", "--detailed"]);
    assert_eq!((code, &insights["backend"]), (0, &json!("s3_main")));
    for key in INSIGHTS {
        assert!(has(&insights, key), "{key}: {insights:#}");
    }
    let pins = &insights["pin_mapping_analysis"];
    assert_eq!((&pins["total_pins"], &pins["backends_with_pins"]), (&json!(4), &json!(1)));
    assert_eq!(pins["pin_status_distribution"], json!({"stored": 3, "failed": 1}));
    // Content 1 is stored on two others as well, 2 only here, 3 nowhere; 4 is another's.
    assert_eq!(pins["cid_redundancy"], json!({"0": 1, "1": 1, "3": 1}));
    assert_eq!((&pins["total_unique_cids"], &pins["average_redundancy"]), (&json!(3), &json!(4.0 / 3.0)));
    assert_eq!((&pins["invalid_cids"], &pins["complete"]), (&json!(1), &json!(true)));
    assert_eq!(pins["not_migrated_backends"], json!([]));
    assert_eq!(
        pins["by_cid_text"],
        json!({"total_unique_cids": 4, "average_redundancy": 1.25, "cid_redundancy": {"1": 3, "2": 1}})
    );
    let buckets = &insights["bucket_analysis"];
    assert_eq!((&buckets["total_buckets"], &buckets["average_pins_per_bucket"]), (&json!(1), &json!(5.0)));
    assert_eq!(buckets["bucket_backend_distribution"], json!({"photos": 2}));
    let backends = &insights["backend_analysis"];
    assert_eq!((&backends["total_backends"], &backends["registered_backends"]), (&json!(1), &json!(1)));
    assert_eq!(backends["backend_types"], json!({"s3": 1}));
    assert_eq!(backends["response_time_stats"]["max_ms"], 10.5);
    let spread = json!({
        "total_pins": 4, "average_per_backend": 4.0, "max_pins": 4, "backends_with_pins": 1, "registered_pins": 4,
    });
    assert_eq!(backends["pin_distribution"], spread);
    let sync = &insights["sync_requirements"];
    assert_eq!(sync["backends_needing_pin_sync"], json!(["s3_main"]));
    assert_eq!(sync["dirty_backend_actions"].as_object().unwrap().len(), 1);
    assert_eq!(
        (&sync["backends_with_failed_pins"], &sync["metadata_backup_targets"]),
        (&json!(["s3_main"]), &json!([]))
    );
    // What failed here may have its one copy elsewhere.
    let (github, _) = ask(&tree, &["insights", "--backend", "github", "--json"]);
    assert_eq!(github["pin_mapping_analysis"]["at_risk_by_backend"]["s3_main"]["contents"], 1);
    let (status, _) = ask(&tree, &["status", "--backend", "s3_main", "--json"]);
    for key in STATUS {
        assert!(has(&status, key), "{key}: {status:#}");
    }
    assert_eq!(
        (&status["backend"], &status["metadata_driven_stats"]["total_backends"]),
        (&json!("s3_main"), &json!(1))
    );
    assert_eq!(status["metadata_driven_stats"]["dirty_backends"], json!(["s3_main"]));
    assert_eq!(status["backend_status_details"].as_object().unwrap().len(), 1);
    assert_eq!(status["pin_mapping_summary"]["average_redundancy"], 1.33);
    // One that only the registry knows has no mappings.
    let (status, code) = ask(&tree, &["status", "--backend", "elsewhere", "--json"]);
    assert_eq!((code, &status["pin_mapping_summary"]["total_pins"]), (0, &json!(0)));
    assert_eq!(status["backend_status_details"]["elsewhere"]["state"], "unknown");
    // Copies on one that cannot be read are not known; another's note is not this one's.
    tree.write("torn", "pin_mappings.parquet", "PAR1");
    fs::write(tree.root().join("backend_state/github_dirty.json"), "{").unwrap();
    for command in ["insights", "status"] {
        let (document, code) = ask(&tree, &[command, "--backend", "s3_main", "--json"]);
        assert_eq!((code, document["unreadable"].as_array().unwrap().len()), (1, 1), "{document:#}");
        assert_eq!(document["unreadable"][0]["name"], "torn");
    }
    let (insights, _) = ask(&tree, &["insights", "--backend", "s3_main", "--json"]);
    let pins = &insights["pin_mapping_analysis"];
    assert_eq!((&pins["complete"], &pins["total_pins"]), (&json!(false), &json!(4)));
    assert_eq!(pins["unreadable_backends"][0]["name"], "torn");
}

#[test]
fn nothing_at_all_is_zeros_and_empty_lists() {
    let tree = Tree::new();
    let (insights, code) = ask(&tree, &["insights", "--json"]);
    assert_eq!(code, 0);
    let pins = &insights["pin_mapping_analysis"];
    let zero = |key: &str| assert_eq!(pins[key].as_f64(), Some(0.0), "{key}");
    ["total_pins", "backends_with_pins", "total_unique_cids", "average_redundancy"]
        .into_iter()
        .for_each(zero);
    assert_eq!((&pins["cid_redundancy"], &pins["oldest_pin_date"]), (&json!({}), &Value::Null));
    let (status, code) = ask(&tree, &["status", "--json"]);
    assert_eq!((&status["running"], &status["backend_status_details"], code), (&json!(false), &json!({}), 0));
    assert_eq!(status["thread_status"]["metadata_reader"], Value::Null);
    assert_eq!(status["task_management"]["active_tasks"], Value::Null);
    assert_eq!(ask(&tree, &["health", "--json"]).1, 0);
}

#[test]
fn what_cannot_be_read_is_named_and_the_exit_code_tells() {
    let tree = kit(By::Daemon);
    tree.write("torn", "pin_mappings.parquet", "PAR1");
    fs::write(tree.root().join("bucket_index/bucket_registry.parquet"), "noise").unwrap();
    fs::write(tree.root().join("backend_state/github_dirty.json"), "{").unwrap();
    for command in ["insights", "status", "analyze", "health"] {
        let (document, code) = ask(&tree, &[command, "--json"]);
        assert_eq!(code, 1, "{command}");
        let unreadable: BTreeMap<&str, &str> = document["unreadable"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["what"].as_str().unwrap(), one["reason"].as_str().unwrap()))
            .collect();
        assert_eq!(
            unreadable.keys().copied().collect::<Vec<_>>(),
            ["backend", "buckets", "dirty"],
            "{command}"
        );
        assert!(
            unreadable["buckets"].starts_with("bucket_index/bucket_registry.parquet: "),
            "{unreadable:?}"
        );
        let words = tree.output(&["daemon", "intelligent", command]).stderr;
        let words = String::from_utf8(words).unwrap();
        for part in [
            "unreadable backend torn: backends/torn/",
            "unreadable, for buckets: bucket_index/",
            "github_dirty.json",
        ] {
            assert!(words.contains(part), "{command}: {words}");
        }
    }
    let (insights, _) = ask(&tree, &["insights", "--json"]);
    assert_eq!(insights["pin_mapping_analysis"]["complete"], false);
    assert_eq!(insights["pin_mapping_analysis"]["total_pins"], 8);
    assert_eq!(insights["sync_requirements"]["dirty_backend_actions"]["github"]["is_dirty"], Value::Null);
    assert_eq!(insights["bucket_analysis"]["total_buckets"], Value::Null);
    assert_eq!(insights["operational_metrics"]["total_pending_actions"], Value::Null);
    assert_eq!(insights["backend_analysis"]["registered_backends"], 3);
    let (analysis, code) = ask(&tree, &["analyze", "--backend", "torn", "--json"]);
    assert_eq!((code, &analysis["total_pins"], &analysis["state"]), (1, &Value::Null, &json!("unreadable")));
    // What others have is not known as long as one cannot be read.
    let (analysis, code) = ask(&tree, &["analyze", "--backend", "github", "--json"]);
    assert_eq!((code, &analysis["compared_without"][0]["name"]), (1, &json!("torn")));
}

#[test]
fn no_root_is_exit_2_and_misuse_is_told() {
    let tree = Tree::new();
    let run = |args: &[&str]| {
        let output = tree.output(&[&["daemon", "intelligent"], args].concat());
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for command in ["insights", "status", "health", "analyze"] {
        let (code, words) = run(&[command, "--root", "/nowhere"]);
        assert!(code == 2 && words.contains("no data directory at /nowhere"), "{words}");
    }
    for command in ["analyze", "health", "insights", "status"] {
        let (code, words) = run(&[command, "--backend", "s4"]);
        assert!(code == 2 && words.contains("`s4` is not a backend"), "{words}");
    }
    let (code, words) = run(&["status", "--format", "csv"]);
    assert!(code == 2 && words.contains("csv has no form for this"), "{words}");
}

#[test]
fn all_spellings_of_json_give_the_same_also_in_a_file() {
    let tree = kit(By::Daemon);
    let steady = |document: &Value| document["pin_mapping_analysis"].clone();
    let asked: Vec<Value> = [&["--json"][..], &["--json-output"], &["-j"], &["--format", "json"]]
        .into_iter()
        .map(|option| steady(&ask(&tree, &[&["insights"], option].concat()).0))
        .collect();
    assert!(asked.iter().all(|document| *document == asked[0]));
    let file = tree.home().join("insights.json");
    tree.output(&["daemon", "intelligent", "insights", "-o", file.to_str().unwrap()]);
    let written: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(steady(&written), asked[0]);
}

#[test]
fn health_is_judged_by_evidence() {
    let tree = Tree::new();
    let now = chrono::Utc::now().to_rfc3339();
    let pins = format!(
        r#"[{{"cid": "{}", "created_at": "{now}"}}, {{"cid": "{}", "created_at": "{now}"}}]"#,
        v0(1),
        v1(2)
    );
    tree.pins_json("fine", &pins);
    assert!(tree.output(&["backend", "migrate-pin-mappings"]).status.success());
    for more in [&[][..], &["--detailed"]] {
        let (health, code) = ask(&tree, &[&["health", "--json"], more].concat());
        assert_eq!(
            (code, &health["healthy"], &health["backends"][0]["state"]),
            (0, &json!(true), &json!("healthy"))
        );
    }
    // All of the CAR hangs on the hash that the mappings name.
    let car = tree.file("fine", "pin_mappings.car");
    let mut bytes = fs::read(&car).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    fs::write(&car, bytes).unwrap();
    for more in [&[][..], &["--detailed"]] {
        let (health, code) = ask(&tree, &[&["health", "--json"], more].concat());
        assert_eq!((code, &health["backends"][0]["state"]), (1, &json!("degraded")));
    }
    fs::remove_file(&car).unwrap();
    let (health, code) = ask(&tree, &["health", "--json"]);
    assert_eq!((code, &health["backends"][0]["reasons"]), (1, &json!(["there is no backup"])));
    // What nothing is known of is not healthy.
    tree.write("empty", "notes.txt", "");
    let (health, _) = ask(&tree, &["health", "--json", "--backend", "empty"]);
    assert_eq!((&health["backends"][0]["state"], &health["total_monitored"]), (&json!("unknown"), &json!(1)));
    // One that only the registry knows can be asked for, too.
    let (health, code) = ask(&kit(By::Daemon), &["health", "--json", "--backend", "elsewhere"]);
    assert_eq!(
        (code, &health["backends"][0]["state"], &health["total_monitored"]),
        (1, &json!("unknown"), &json!(1))
    );
}

#[test]
fn a_backup_is_not_called_compared_that_nobody_has_compared() {
    let tree = Tree::new();
    let now = chrono::Utc::now().to_rfc3339();
    let pin =
        |number| format!(r#"{{"cid": "{}", "created_at": "{now}", "note": "{number:0200}"}}"#, v1(number));
    let pins: Vec<_> = (0..6000).map(pin).collect();
    tree.pins_json("large", format!("[{}]", pins.join(",")));
    assert!(tree.output(&["backend", "migrate-pin-mappings"]).status.success());
    let car = tree.file("large", "pin_mappings.car");
    let whole = fs::read(&car).unwrap();
    assert!(whole.len() > 1_500_000, "it has several blocks");
    let look = |more: &[&str]| {
        let (health, code) = ask(&tree, &[&["health", "--json"], more].concat());
        let checks = health["backends"][0]["checks"].as_array().unwrap().clone();
        let check = checks.into_iter().find(|check| check["check"] == "backup").unwrap();
        (code, check["reason"].as_str().unwrap().to_owned(), health["backups_not_compared"].clone())
    };
    let (code, reason, not_compared) = look(&[]);
    assert_eq!((code, not_compared), (0, json!(["large"])));
    assert!(reason.starts_with("not compared to the end: "), "{reason}");
    assert!(tree.run(&["daemon", "intelligent", "health"]).contains("1 backup is not compared"));
    let details =
        |tree: &Tree| ask(tree, &["status", "--json"]).0["backend_status_details"]["large"]["backup"].clone();
    assert_eq!(details(&tree), "same_root");
    assert_eq!(look(&["--detailed"]), (0, "the backup is of these mappings".into(), json!([])));
    // Damage in the middle: only who compares sees that.
    let mut bytes = whole.clone();
    bytes[500_000] ^= 1;
    fs::write(&car, bytes).unwrap();
    assert_eq!((look(&[]).0, look(&["--detailed"]).0), (0, 1));
    // What is cut off, and another root, everybody sees.
    fs::write(&car, &whole[..whole.len() - 100]).unwrap();
    assert_eq!(look(&[]).0, 1);
    fs::write(&car, &whole[..700_000]).unwrap();
    let (code, reason, _) = look(&[]);
    assert!(code == 1 && reason.starts_with("the backup cannot be read: "), "{reason}");
    assert_eq!(details(&tree), "unreadable");
}

#[test]
fn thresholds_are_those_of_the_daemons_configuration() {
    let tree = kit(By::Daemon);
    let states = |args: &[&str]| {
        let health = |command: &str, more: &[&str]| {
            ask(&tree, &[&[command, "--backend", "github", "--json"], args, more].concat()).0
        };
        let of_health = health("health", &[])["backends"][0]["state"].clone();
        let of_status = health("status", &[])["backend_status_details"]["github"]["state"].clone();
        let of_report = health("analyze", &[])["health"].clone();
        assert_eq!((&of_health, &of_health), (&of_status, &of_report));
        of_health.as_str().unwrap().to_owned()
    };
    // Half of its mappings have failed.
    assert_eq!(states(&[]), "unhealthy");
    // What else is wrong with it is not their business.
    let lenient = "[health]\nfailed_percent = { degraded = 40, unhealthy = 60 }\n[observe]\ninterval = 5\n";
    let write = |path: &str, text: &str| {
        let path = tree.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("given.toml", lenient);
    assert_eq!(states(&["--config", "given.toml"]), "degraded");
    write(".config/pinql/daemon.toml", &lenient.replace("40", "60"));
    let found = ask(&tree, &["health", "--backend", "github", "--json"]).0;
    let failed = |document: &Value| {
        let checks = document["backends"][0]["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["check"] == "failed").unwrap()["state"].clone()
    };
    assert_eq!(failed(&found), "healthy");
    // The daemon that runs has one of its own.
    let dir = tree.root().join(".pinql/daemon");
    fs::create_dir_all(&dir).unwrap();
    let config = tree.home().join("given.toml").display().to_string();
    fs::write(dir.join("status.json"), json!({"pid": 42, "config": {"path": config}}).to_string()).unwrap();
    fs::write(dir.join("pid"), "42\n").unwrap();
    let held = File::open(&dir).unwrap();
    held.try_lock().unwrap();
    assert_eq!(states(&[]), "degraded");
    drop(held);
    for (text, words) in [("[health]\nfailed = 5\n", "line 2, column 1"), ("[health\n", "line 1")] {
        write("given.toml", text);
        let said = tree.run(&["daemon", "intelligent", "health", "--config", "given.toml"]);
        assert!(said.contains(words) && said.ends_with("--- exit 2"), "{said}");
    }
    let said = tree.run(&["daemon", "intelligent", "status", "--config", "none.toml"]);
    assert!(said.contains("cannot read") && said.ends_with("--- exit 2"), "{said}");
}

#[test]
fn a_daemon_is_believed_only_while_it_runs() {
    let tree = Tree::new();
    let dir = tree.root().join(".pinql/daemon");
    fs::create_dir_all(&dir).unwrap();
    let state =
        r#"{"pid": 42, "state": "running", "intervals": {"observe_seconds": 300.0, "poll_seconds": 30.0}}"#;
    fs::write(dir.join("status.json"), state).unwrap();
    fs::write(dir.join("pid"), "42\n").unwrap();
    assert_eq!(ask(&tree, &["status", "--json"]).0["running"], false);
    let held = File::open(&dir).unwrap();
    held.try_lock().unwrap();
    let (status, _) = ask(&tree, &["status", "--json"]);
    assert_eq!((&status["running"], &status["daemon"]["pid"]), (&json!(true), &json!(42)));
    assert_eq!(status["intervals"]["bucket_scan_seconds"], 300.0);
    assert_eq!(
        (&status["task_management"]["active_tasks"], &status["thread_status"]["dirty_monitor"]),
        (&json!(0), &json!(true))
    );
}

#[test]
fn secrets_are_shown_nowhere_and_nothing_is_written() {
    for by in [By::Daemon, By::Cli] {
        let tree = kit(by);
        let before = listing(&tree.root());
        for command in [
            "insights",
            "status",
            "health",
            "analyze",
            "analyze --backend s3_main",
            "health --backend github",
        ] {
            for more in ["--detailed", "-vvv --json --detailed"] {
                let args: Vec<&str> = "daemon intelligent"
                    .split(' ')
                    .chain(command.split(' '))
                    .chain(more.split_whitespace())
                    .collect();
                let output = tree.output(&args);
                let shown =
                    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
                assert!(SECRETS.iter().all(|secret| !shown.contains(secret)), "{args:?}: {shown}");
            }
        }
        assert_eq!(listing(&tree.root()), before);
    }
}

/// All files and directories below one, with their bytes.
fn listing(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.display().to_string(), fs::read(&path).unwrap_or_default());
            if path.is_dir() {
                left.push(path);
            }
        }
    }
    found
}

#[test]
fn pages_are_for_people() {
    let tree = kit(By::Daemon);
    for (name, args) in [
        ("status", &["status"][..]),
        ("insights", &["insights"]),
        ("health", &["health", "--detailed"]),
        ("analyze", &["analyze", "--detailed"]),
        ("analyze_backend", &["analyze", "--backend", "s3_main"]),
        ("analyze_legacy", &["analyze", "--backend", "legacy_box"]),
        ("insights_backend", &["insights", "--backend", "s3_main"]),
        ("status_backend", &["status", "--backend", "s3_main"]),
    ] {
        assert_snapshot!(format!("page_{name}"), page(&tree, args));
    }
    assert_snapshot!("page_status_empty", page(&Tree::new(), &["status"]));
}

#[test]
fn pages_fit_the_terminal_and_heed_its_colours() {
    let tree = kit(By::Daemon);
    let health = |color: &str| tree.run(&["daemon", "intelligent", "health", "--color", color]);
    assert!(health("always").contains("\u{1b}[33m"));
    assert!(!health("auto").contains('\u{1b}'));
    let args = ["daemon", "intelligent", "health"];
    for (columns, color) in [(100, "1"), (40, "1"), (100, "")] {
        let mut terminal =
            Terminal::with(&args, tree.home(), &tree.root(), (columns, 60), &[("NO_COLOR", color)]);
        let screen = terminal.until("page", |screen| screen.contains("s3_main"));
        assert_eq!(terminal.colors().contains("\u{1b}[33m"), color.is_empty(), "{screen}");
        // Each line is one of the page's own: none is broken by the terminal.
        let own = |line: &str| line.is_empty() || line == "Health" || line.starts_with("  ");
        assert!(screen.lines().all(own), "{screen}");
        assert_eq!(terminal.code(), 1);
    }
}

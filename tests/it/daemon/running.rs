//! A daemon that runs: what it notices, keeps and says, and how it begins and ends.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::process::{Daemon, QUICK, SLOW};
use crate::support::cids::v1;
use crate::support::tree::Tree;
use crate::support::{mappings, publish};

/// Publishes a backend with so many stored contents.
fn contents(tree: &Tree, backend: &str, count: u64) {
    let cids: Vec<String> = (0..count).map(v1).collect();
    let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
    publish(&tree.root(), backend, &mappings(backend, &rows));
}

fn backend<'a>(status: &'a Value, name: &str) -> &'a Value {
    let all = status["backends"].as_array().unwrap();
    all.iter().find(|backend| backend["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn changes_are_seen_and_only_what_has_changed_is_read() {
    let tree = Tree::new();
    for (name, count) in [("one", 3), ("two", 4), ("three", 5), ("four", 6)] {
        contents(&tree, name, count);
    }
    let daemon = Daemon::start(&tree, QUICK);
    let status = daemon.until("notices", |status| status["watching"] == "notices");
    assert_eq!(backend(&status, "three")["pins"], 5);
    assert_eq!(status["redundancy"]["contents_by_copies"], json!({"1": 1, "2": 1, "3": 1, "4": 3}));
    let read = |status: &Value| status["counts"]["backends_read"].as_u64().unwrap();
    let before = read(&status);
    contents(&tree, "two", 9);
    let status = daemon.until("change", |status| backend(status, "two")["pins"] == 9);
    assert_eq!((read(&status) - before, &status["observation"]["cause"]), (1, &json!("change")));
    assert_eq!(status["redundancy"]["without_copy"], 0);
    assert_eq!(status["redundancy"]["with_one_copy"], 3);
    // A new one, and one that goes.
    contents(&tree, "five", 1);
    daemon.until("new backend", |status| backend(status, "five")["pins"] == 1);
    fs::remove_dir_all(tree.root().join("backends/four")).unwrap();
    let status = daemon.until("end of a backend", |status| backend(status, "four").is_null());
    assert_eq!(status["redundancy"]["contents"], 9);
    // One that cannot be read is named, and the others go on.
    fs::write(tree.file("one", "pin_mappings.parquet"), "no parquet").unwrap();
    let status = daemon.until("fault", |status| backend(status, "one")["state"] == "unreadable");
    assert_eq!(backend(&status, "one")["pins"], Value::Null);
    assert_eq!(status["observation"]["complete"], false);
    contents(&tree, "one", 2);
    daemon.until("recovery", |status| backend(status, "one")["pins"] == 2);
    let (ended, log) = daemon.stop();
    assert!(ended.success(), "{log}");
    // What it has seen stands in SQL.
    let rows =
        tree.csv("SELECT cause, unreadable, pins, contents, with_one_copy FROM history ORDER BY observed_at");
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!(lines[1..3], ["start,0,18,6,1", "change,0,23,9,3"], "{rows}");
    assert!(lines.iter().any(|line| line.starts_with("change,1,")), "{rows}");
    let pins = tree.csv("SELECT DISTINCT pins FROM backend_history WHERE backend_name = 'two' ORDER BY 1");
    assert_eq!(pins, "pins\n4\n9");
    let both = "SELECT COUNT(*) = (SELECT SUM(backends) FROM history) AS all_there FROM backend_history";
    assert_eq!(tree.csv(both), "all_there\ntrue");
}

#[test]
fn changes_are_seen_without_notices_too() {
    let tree = Tree::new();
    contents(&tree, "one", 1);
    let daemon = Daemon::start(&tree, &QUICK.replace("[observe]", "[observe]\nwatch = false"));
    assert_eq!(daemon.status()["watching"], "polling: notices are switched off");
    contents(&tree, "one", 2);
    daemon.until("change", |status| backend(status, "one")["pins"] == 2);
}

#[test]
fn a_root_without_backends_is_watched_until_it_has_some() {
    let tree = Tree::new();
    fs::remove_dir(tree.root().join("backends")).unwrap();
    let daemon = Daemon::start(&tree, QUICK);
    assert_eq!(daemon.status()["backends"], json!([]));
    contents(&tree, "one", 1);
    daemon.until("backend", |status| backend(status, "one")["pins"] == 1);
    daemon.until("notices", |status| {
        status["watching"] == "notices" || status["counts"]["observations"]["change"].as_u64() > Some(0)
    });
}

#[test]
fn backends_that_vanish_as_a_whole_are_no_empty_collection() {
    let tree = Tree::new();
    contents(&tree, "one", 3);
    let alert = "[[alert]]\nname = \"few\"\nwhen = \"SELECT COUNT(*) FROM pins is below 1\"\n";
    let config = format!("{QUICK}{alert}");
    let daemon = Daemon::start(&tree, &config);
    let (place, elsewhere) = (tree.root().join("backends"), tree.root().join("elsewhere"));
    fs::rename(&place, &elsewhere).unwrap();
    let is_told = |status: &Value| {
        let problem = status["problems"]["observation"].as_str().unwrap_or_default();
        problem.contains("backends: it was there before and is gone")
    };
    let status = daemon.until("the problem", is_told);
    // What is known is what was known before.
    assert_eq!(
        (&backend(&status, "one")["pins"], &status["alerts"]["few"]["state"]),
        (&json!(3), &json!("unknown"))
    );
    let said = tree.run(&["daemon", "status"]);
    assert!(said.contains("is gone") && said.ends_with("--- exit 1"), "{said}");
    daemon.stop();
    // The next daemon knows it, too.
    let daemon = Daemon::spawn(&tree, &config);
    let status = daemon.until("the problem", is_told);
    assert_eq!(status["observation"], Value::Null);
    // A look is enough when it is back.
    fs::rename(&elsewhere, &place).unwrap();
    let status = daemon.until("its return", |status| status["problems"] == json!({}));
    assert_eq!(
        (&backend(&status, "one")["pins"], &status["alerts"]["few"]["state"]),
        (&json!(3), &json!("ok"))
    );
    daemon.stop();
    assert_eq!(tree.csv("SELECT COUNT(*) AS n FROM history WHERE backends <> 1"), "n\n0");
    // What was emptied on purpose is empty.
    fs::remove_dir_all(place.join("one")).unwrap();
    let daemon = Daemon::start(&tree, &config);
    assert_eq!(daemon.status()["backends"], json!([]));
}

#[cfg(unix)]
#[test]
fn an_empty_mount_point_is_no_backend_without_mappings() {
    let tree = Tree::new();
    contents(&tree, "one", 3);
    contents(&tree, "two", 3);
    let alert = "[[alert]]\nname = \"few\"\nwhen = \"SELECT COUNT(*) FROM pins is below 6\"\n";
    let daemon = Daemon::start(&tree, &format!("{QUICK}{alert}"));
    let (place, elsewhere) = (tree.root().join("backends/one"), tree.root().join("elsewhere"));
    fs::rename(&place, &elsewhere).unwrap();
    fs::create_dir(&place).unwrap();
    let status = daemon.until("its absence", |status| backend(status, "one")["state"] == "unreadable");
    assert_eq!(backend(&status, "one")["reason"], "backends/one: it was there before and is gone");
    assert_eq!(status["observation"]["complete"], false);
    daemon.until("an alert", |status| status["alerts"]["few"]["state"] == "unknown");
    fs::remove_dir(&place).unwrap();
    fs::rename(&elsewhere, &place).unwrap();
    let status = daemon.until("its return", |status| backend(status, "one")["pins"] == 3);
    assert_eq!(status["observation"]["complete"], true);
}

#[cfg(unix)]
#[test]
fn a_daemon_whose_directory_is_gone_ends() {
    let tree = Tree::new();
    contents(&tree, "one", 1);
    let mut daemon = Daemon::start(&tree, &QUICK.replace("1h", "200ms"));
    // What it writes meanwhile may be in the way.
    while fs::rename(tree.root().join(".pinql"), tree.home().join("gone")).is_err() {}
    let ended = daemon.ended();
    assert_eq!(ended.code(), Some(2), "{}", daemon.log());
    assert!(
        daemon.log().contains("is not the directory any more that this daemon began in"),
        "{}",
        daemon.log()
    );
}

#[test]
fn observations_are_made_at_each_interval() {
    let tree = Tree::new();
    contents(&tree, "one", 1);
    let daemon = Daemon::start(&tree, &QUICK.replace("1h", "200ms"));
    let status = daemon
        .until("observations", |status| status["counts"]["observations"]["interval"].as_u64() > Some(3));
    // Nothing has changed, so nothing is read anew.
    assert_eq!(status["counts"]["backends_read"], 1);
    daemon.stop();
    assert!(
        tree.csv("SELECT COUNT(*) > 3 AS n FROM history WHERE cause = 'interval' AND pins = 1")
            .ends_with("true")
    );
}

#[test]
fn there_is_one_daemon_of_a_data_directory() {
    let tree = Tree::new();
    let daemon = Daemon::start(&tree, QUICK);
    let second = tree.run(&["daemon", "run"]);
    assert!(second.contains(&format!("already, process {}", daemon.id())), "{second}");
    assert!(second.ends_with("--- exit 2"), "{second}");
    // Who asks gets in nobody's way.
    assert!(tree.run(&["daemon", "status"]).contains("running"));
    daemon.kill();
    // What it has left is not believed.
    let status = tree.run(&["daemon", "status"]);
    assert!(status.contains("stopped") && status.ends_with("--- exit 1"), "{status}");
    let next = Daemon::start(&tree, QUICK);
    next.stop();
    assert!(!tree.root().join(".pinql/daemon/status.json").exists());
    assert!(!tree.root().join(".pinql/daemon/pid").exists());
}

#[test]
fn a_bad_configuration_is_refused_with_its_place() {
    let tree = Tree::new();
    for (config, place, words) in [
        ("[observe]\ninterval = \"soon\"\n", "line 2, column 12", "`soon` is no length of time"),
        ("[observe]\nintervall = \"1m\"\n", "line 2, column 1", "unknown field `intervall`"),
        ("[http]\nlisten = \"0.0.0.0:9000\"\n", "line 1", "token_file"),
        ("[[alert]]\nname = \"a\"\nwhen = \"SELECT 1\"\n", "line 3, column 8", "a condition is"),
        (
            "[[alert]]\nname = \"a\"\nwhen = \"report at-rsk has rows\"\n",
            "line 3, column 8",
            "no report named `at-rsk`",
        ),
        (
            "[[alert]]\nname = \"a\"\nwhen = \"SELECT nonsense FROM pins has rows\"\n",
            "line 3, column 8",
            "nonsense",
        ),
        (
            "[[alert]]\nname = \"a\"\nwhen = \"DROP TABLE pins has rows\"\n",
            "line 3, column 8",
            "DROP TABLE is not allowed",
        ),
        (
            "[[alert]]\nname = \"a\"\nwhen = \"SELECT 1 has rows\"\nnotify = [\"x\"]\n",
            "line 4, column 11",
            "no [notify.x]",
        ),
        ("[[probe]]\nbackend = \"s3\"\ntcp = \"localhost\"\n", "line 2, column 11", "host:port"),
        ("[notify.x]\nwebhook = \"https://a.example/\"\nshell = \"true\"\n", "line 1", "give one of"),
        ("[history]\nkeep = \n", "line 2", ""),
    ] {
        let path = tree.home().join("daemon.toml");
        fs::write(&path, config).unwrap();
        for command in [
            &["daemon", "run", "--config", "daemon.toml"][..],
            &["daemon", "run", "--check", "--config", "daemon.toml"],
        ] {
            let said = tree.run(command);
            assert!(said.contains(place) && said.contains(words), "{config}: {said}");
            assert!(said.ends_with("--- exit 2"), "{config}: {said}");
        }
    }
    fs::write(tree.home().join("daemon.toml"), QUICK).unwrap();
    let said = tree.run(&["daemon", "run", "--check", "--config", "daemon.toml"]);
    assert!(said.contains("can be used") && said.ends_with("--- exit 0"), "{said}");
    let said = tree.run(&["daemon", "run", "--config", "none.toml"]);
    assert!(said.contains("cannot read") && said.ends_with("--- exit 2"), "{said}");
}

#[test]
fn a_configuration_is_read_anew_and_a_bad_one_changes_nothing() {
    let tree = Tree::new();
    contents(&tree, "one", 1);
    let daemon = Daemon::start(&tree, QUICK);
    fs::write(&daemon.config, "[observe]\ninterval = 5\n").unwrap();
    daemon.signal("-HUP");
    let status = daemon.until("problem", |status| status["config"]["problem"].is_string());
    let problem = status["config"]["problem"].as_str().unwrap();
    assert!(problem.contains("daemon.toml, line 2, column 12"), "{problem}");
    assert_eq!(status["intervals"]["observe_seconds"], 3600.0);
    daemon.says("the configuration stays what it was");
    let said = tree.run(&["daemon", "status"]);
    assert!(said.contains("line 2, column 12") && said.ends_with("--- exit 1"), "{said}");
    fs::write(&daemon.config, format!("{QUICK}\n[[alert]]\nname = \"any\"\nwhen = \"SELECT 1 has rows\"\n"))
        .unwrap();
    let said = tree.run(&["daemon", "reload"]);
    assert!(said.ends_with("--- exit 0"), "{said}");
    let status = daemon.until("alert", |status| status["alerts"]["any"]["state"] == "firing");
    assert_eq!(status["config"]["problem"], Value::Null);
    daemon.stop();
}

#[test]
fn reloads_however_often_they_come_leave_no_observation_undone() {
    let tree = Tree::new();
    contents(&tree, "one", 300);
    // Each observation takes two seconds at least.
    let config = format!("{QUICK}[limits]\ntimeout = \"2s\"\n{SLOW}");
    let daemon = Daemon::spawn(&tree, &config);
    daemon.says("the daemon begins");
    let more = "[[alert]]\nname = \"any\"\nwhen = \"SELECT 1 has rows\"\n";
    fs::write(&daemon.config, format!("{config}{more}")).unwrap();
    daemon.until("observations", |status| {
        daemon.signal("-HUP");
        std::thread::sleep(std::time::Duration::from_millis(200));
        let made = status["counts"]["observations"]["interval"].as_u64();
        made >= Some(2) && status["alerts"]["any"]["state"] == "firing"
    });
    // The end waits for none.
    let since = std::time::Instant::now();
    fs::write(&daemon.config, config.replace("2s", "10m")).unwrap();
    daemon.signal("-HUP");
    daemon.until("the configuration", |status| status["alerts"]["any"].is_null());
    let (ended, log) = daemon.stop();
    assert!(ended.success() && since.elapsed() < std::time::Duration::from_secs(60), "{log}");
}

#[test]
fn it_is_started_in_the_background_and_stopped() {
    let tree = Tree::new();
    contents(&tree, "one", 1);
    let said = tree.run(&["daemon", "start"]);
    assert!(said.contains("runs as process") && said.ends_with("--- exit 0"), "{said}");
    let again = tree.run(&["daemon", "start"]);
    assert!(again.contains("already") && again.ends_with("--- exit 2"), "{again}");
    let status = tree.output(&["daemon", "status", "--json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["state"], &status["observation"]["pins"]), (&json!("running"), &json!(1)));
    let log = fs::read_to_string(tree.root().join(".pinql/daemon/daemon.log")).unwrap();
    assert!(log.contains("the daemon begins") && !log.contains('\u{1b}'), "{log}");
    let said = tree.run(&["daemon", "stop"]);
    assert!(said.contains("has ended") && said.ends_with("--- exit 0"), "{said}");
    let said = tree.run(&["daemon", "stop"]);
    assert!(said.contains("no daemon runs") && said.ends_with("--- exit 0"), "{said}");
    // One that cannot begin says why.
    fs::write(tree.root().join(".pinql/daemon/history"), "").unwrap_err();
    fs::remove_dir_all(tree.root().join(".pinql/daemon/history")).unwrap();
    fs::write(tree.root().join(".pinql/daemon/history"), "").unwrap();
    let output = tree.output(&["daemon", "start"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("did not begin") && said.contains("daemon/history"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[test]
fn a_killed_daemon_loses_nothing_that_it_has_kept() {
    let tree = Tree::new();
    contents(&tree, "one", 1);
    let quick = QUICK.replace("1h", "10ms");
    let mut kept = 0;
    for kill in 0..12u64 {
        let daemon = Daemon::start(&tree, &quick);
        let enough = 3 + kill % 5;
        let status = daemon.until("observations", |status| {
            status["history"]["observations"].as_u64() >= Some(kept + enough)
        });
        std::thread::sleep(std::time::Duration::from_millis(kill * 7 % 40));
        daemon.kill();
        let told = status["history"]["observations"].as_u64().unwrap();
        let rows =
            tree.csv("SELECT COUNT(*), COUNT(DISTINCT observed_at), MIN(pins), MAX(pins) FROM history");
        let row = rows.lines().nth(1).unwrap().to_owned();
        let fields: Vec<u64> = row.split(',').map(|field| field.parse().unwrap()).collect();
        assert!(fields[0] >= told, "{told} were kept, and {row} are there");
        assert_eq!((fields[0], fields[2], fields[3]), (fields[1], 1, 1), "kill {kill}: {row}");
        kept = fields[0];
    }
    assert!(kept > 40, "{kept}");
    // They have been put together meanwhile, and nothing that a killed one left stays.
    let daemon = Daemon::start(&tree, QUICK);
    let status = daemon.status();
    assert!(status["history"]["files"].as_u64() < Some(kept / 2), "{status:#}");
    let names = fs::read_dir(tree.root().join(".pinql/daemon/history")).unwrap();
    let left = names.filter(|name| name.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
}

/// Fills the small disk that a daemon's root is on, and makes room again.
const ON_A_SMALL_DISK: &str = r#"
mount -t tmpfs -o size=2m tmpfs "$DISK" || exit 77
cp -a "$SOURCE/." "$DISK" || exit 78
export PINQL_ROOT="$DISK"
"$PINQL" daemon run --config "$CONFIG" 2> "$OUT/log" &
pid=$!
observations() { "$PINQL" -c 'SELECT COUNT(*) FROM history' --format csv | tail -1; }
wait_for() { i=0; while ! eval "$1"; do i=$((i + 1)); [ $i -lt 600 ] || { echo "no $1" > "$OUT/problem"; exit 80; }; sleep 0.1; done; }
wait_for '[ "$(observations)" -ge 3 ]'
dd if=/dev/zero of="$DISK/full" bs=1k 2> /dev/null
wait_for 'grep -q "could not be kept" "$OUT/log"'
before=$(observations)
"$PINQL" daemon status > "$OUT/while"
echo $? >> "$OUT/while"
"$PINQL" -c 'SELECT COUNT(*) FROM pins' --format csv > "$OUT/pins"
rm "$DISK/full"
wait_for "[ \"\$(observations)\" -gt $((before + 3)) ]"
"$PINQL" daemon status --json > "$OUT/status"
kill $pid
wait $pid
echo $? > "$OUT/code"
"#;

#[test]
fn a_full_disk_is_told_and_survived() {
    let tree = Tree::new();
    contents(&tree, "one", 3);
    let place = tempfile::tempdir().unwrap();
    let (disk, out) = (place.path().join("disk"), place.path().join("out"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&out).unwrap();
    let config = place.path().join("daemon.toml");
    fs::write(&config, QUICK.replace("1h", "100ms")).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", ON_A_SMALL_DISK])
        .env("DISK", &disk)
        .env("OUT", &out)
        .env("CONFIG", &config);
    command.env("SOURCE", tree.root()).env("PINQL", env!("CARGO_BIN_EXE_pinql")).env("HOME", tree.home());
    let ran = command.output().unwrap();
    if [77, 1].map(Some).contains(&ran.status.code()) && !out.join("log").exists() {
        println!("nothing can be mounted here, so no disk was filled: {ran:?}");
        return;
    }
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap_or_default();
    assert!(ran.status.success(), "{ran:?}\n{}\n{}", read("problem"), read("log"));
    assert_eq!((read("code").trim(), read("pins").trim()), ("0", "COUNT(*)\n3"), "{}", read("log"));
    assert!(read("while").ends_with("\n1\n"), "{}", read("while"));
    let status: Value = serde_json::from_str(&read("status")).unwrap();
    assert_eq!(status["problems"], json!({}), "it is over");
    assert!(status["counts"]["not_kept"].as_u64() > Some(0), "{status:#}");
}

#[test]
fn the_example_of_a_configuration_can_be_used() {
    let tree = Tree::new();
    let text = fs::read_to_string(crate::support::repository("examples/daemon/daemon.toml")).unwrap();
    // What is commented is what is usual.
    let all: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")).unwrap_or(line))
        .collect();
    fs::write(tree.home().join("token"), "0123456789abcdef").unwrap();
    let all = all.join("\n").replace("/etc/pinql/hook-token", "token");
    fs::write(tree.home().join("daemon.toml"), all).unwrap();
    let said = tree.run(&["daemon", "run", "--check", "--config", "daemon.toml"]);
    assert!(said.contains("can be used"), "{said}");
}

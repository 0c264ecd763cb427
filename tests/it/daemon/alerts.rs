//! Alerts and probes of a daemon that runs, told to a server that fails at first.

use std::collections::VecDeque;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::{get, head, post};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::process::{Daemon, QUICK, SLOW};
use crate::support::cids::v1;
use crate::support::tree::Tree;
use crate::support::{mappings, publish, runtime};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers what it is told to, then with success, and keeps what it has got.
struct Hook {
    address: SocketAddr,
    got: Got,
    _runtime: Runtime,
}

/// The answers to come, and what was answered to which requests.
type Heard = (VecDeque<StatusCode>, Vec<(StatusCode, String, Value)>);

#[derive(Clone, Default)]
struct Got(Arc<Mutex<Heard>>);

async fn take(State(got): State<Got>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut inside = got.0.lock().unwrap();
    let status = inside.0.pop_front().unwrap_or(StatusCode::NO_CONTENT);
    let token = headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
    inside.1.push((status, token, serde_json::from_slice(&body).unwrap()));
    status
}

impl Hook {
    fn open(first: &[StatusCode]) -> Hook {
        Hook::open_at(TcpListener::bind("127.0.0.1:0").unwrap(), first)
    }

    fn open_at(listener: TcpListener, first: &[StatusCode]) -> Hook {
        let got = Got::default();
        got.0.lock().unwrap().0.extend(first);
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let routes = Router::new()
            .route("/hook", post(take))
            .route("/moved", post(async || Redirect::to("/up")))
            .route("/up", get(async || "well"))
            .route("/down", get(async || StatusCode::BAD_GATEWAY))
            .route("/bucket", head(async || StatusCode::FORBIDDEN))
            .route("/no-bucket", head(async || StatusCode::NOT_FOUND))
            .route("/api/v0/version", post(async || r#"{"Version":"0.30.0"}"#))
            .with_state(got.clone());
        let runtime = runtime();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, routes).await.unwrap();
        });
        Hook { address, got, _runtime: runtime }
    }

    fn all(&self) -> Vec<(StatusCode, String, Value)> {
        self.got.0.lock().unwrap().1.clone()
    }

    /// What was taken, once there are so many.
    fn delivered(&self, count: usize, daemon: &Daemon) -> Vec<Value> {
        let since = Instant::now();
        loop {
            let all = self.all();
            let taken: Vec<_> =
                all.iter().filter(|got| got.0.is_success()).map(|got| got.2.clone()).collect();
            if taken.len() >= count {
                return taken;
            }
            assert!(since.elapsed() < PATIENCE, "{all:?}\n{}", daemon.log());
            sleep(Duration::from_millis(20));
        }
    }
}

fn pins(tree: &Tree, rows: &[(u64, &str)]) {
    let cids: Vec<(String, &str)> = rows.iter().map(|(number, status)| (v1(*number), *status)).collect();
    let rows: Vec<_> = cids.iter().map(|(cid, status)| (cid.as_str(), *status)).collect();
    publish(&tree.root(), "one", &mappings("one", &rows));
}

fn with_hook(hook: &Hook, more: &str) -> String {
    format!("{QUICK}[notify.ops]\nwebhook = \"http://{}/hook\"\ntoken_file = \"token\"\n{more}", hook.address)
}

const FAILED: &str = "[[alert]]\nname = \"failed\"\nwhen = \"SELECT cid FROM pins WHERE status = 'failed' has rows\"\n\
                      severity = \"critical\"\ndescription = \"look at the log of one\"\nnotify = [\"ops\"]\n";

#[test]
fn an_alert_is_told_once_even_if_that_fails_at_first_and_so_is_its_end() {
    let tree = Tree::new();
    fs::write(tree.home().join("token"), "0123456789abcdef\n").unwrap();
    pins(&tree, &[(1, "stored")]);
    let hook = Hook::open(&[StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE]);
    let daemon = Daemon::start(&tree, &with_hook(&hook, FAILED));
    assert_eq!(daemon.status()["alerts"]["failed"]["state"], "ok");
    pins(&tree, &[(1, "stored"), (2, "failed"), (3, "failed")]);
    let told = hook.delivered(1, &daemon);
    let got = hook.all();
    assert_eq!(got.len(), 3, "two attempts failed");
    assert!(got.iter().all(|got| got.1 == "Bearer 0123456789abcdef" && got.2 == told[0]));
    let notice = &told[0];
    assert_eq!(
        (&notice["kind"], &notice["alert"], &notice["severity"]),
        (&json!("firing"), &json!("failed"), &json!("critical"))
    );
    assert_eq!(notice["sample"], json!([{"cid": v1(2)}, {"cid": v1(3)}]));
    assert_eq!((&notice["rows"], &notice["description"]), (&json!(2), &json!("look at the log of one")));
    assert_eq!(notice["root"], tree.root().canonicalize().unwrap().display().to_string());
    // Another change does not tell it again, and neither does a restart.
    pins(&tree, &[(1, "stored"), (2, "failed")]);
    daemon.until("change", |status| status["alerts"]["failed"]["rows"] == 1);
    daemon.stop();
    let daemon = Daemon::start(&tree, &with_hook(&hook, FAILED));
    daemon.until("alert", |status| status["alerts"]["failed"]["state"] == "firing");
    pins(&tree, &[(1, "stored"), (2, "stored")]);
    let told = hook.delivered(2, &daemon);
    let kinds: Vec<_> = told.iter().map(|notice| notice["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["firing", "recovered"]);
    let status = daemon.until("delivery", |status| status["alerts"]["failed"]["state"] == "ok");
    assert_eq!(status["notices"]["given_up"], 0);
    let (_, log) = daemon.stop();
    assert!(!log.contains("0123456789abcdef"), "{log}");
}

#[test]
fn what_could_not_be_told_is_told_after_a_kill() {
    let tree = Tree::new();
    fs::write(tree.home().join("token"), "0123456789abcdef").unwrap();
    pins(&tree, &[(2, "failed")]);
    // Nobody listens yet.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config =
        format!("{QUICK}[notify.ops]\nwebhook = \"http://{address}/hook\"\ntoken_file = \"token\"\n{FAILED}");
    let daemon = Daemon::start(&tree, &config);
    daemon.says("cannot tell");
    daemon.kill();
    let hook = Hook::open_at(TcpListener::bind(address).unwrap(), &[]);
    let daemon = Daemon::start(&tree, &config);
    assert_eq!(hook.delivered(1, &daemon)[0]["kind"], "firing");
    daemon.until("delivery", |status| status["alerts"]["failed"]["state"] == "firing");
    daemon.stop();
    assert_eq!(hook.delivered(1, &Daemon::start(&tree, &config)).len(), 1);
}

#[test]
fn a_refused_notice_blocks_nothing_and_a_redirect_is_no_delivery() {
    let tree = Tree::new();
    fs::write(tree.home().join("token"), "0123456789abcdef").unwrap();
    pins(&tree, &[(1, "failed")]);
    let hook = Hook::open(&[StatusCode::PAYLOAD_TOO_LARGE]);
    let moved = format!("[notify.moved]\nwebhook = \"http://{}/moved\"\n", hook.address);
    let alerts = FAILED.replace("[\"ops\"]", "[\"ops\", \"moved\"]");
    let daemon = Daemon::start(&tree, &with_hook(&hook, &format!("{moved}{alerts}")));
    daemon.says("a notice is given up");
    daemon.says("answered 303");
    pins(&tree, &[(1, "stored")]);
    assert_eq!(hook.delivered(1, &daemon)[0]["kind"], "recovered");
    let status = daemon.until("a status", |status| status["alerts"]["failed"]["state"] == "ok");
    assert_eq!(
        (&status["notices"]["given_up"], status["notices"]["waiting"].as_u64() >= Some(2)),
        (&json!(1), true),
        "both wait for who has moved: {status:#}"
    );
}

#[test]
fn what_one_alert_has_found_is_told_before_the_next_is_asked() {
    let tree = Tree::new();
    fs::write(tree.home().join("token"), "0123456789abcdef").unwrap();
    let rows: Vec<_> = (0..300).map(|number| (number, "failed")).collect();
    pins(&tree, &rows);
    let hook = Hook::open(&[]);
    let daemon = Daemon::spawn(&tree, &with_hook(&hook, &format!("{FAILED}{SLOW}")));
    assert_eq!(hook.delivered(1, &daemon)[0]["kind"], "firing");
    // The other has not been answered yet, and what was told is kept all the same.
    assert_eq!(daemon.status()["observation"], Value::Null);
    let kept = fs::read(tree.root().join(".pinql/daemon/alerts.json")).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!((&kept["alerts"]["failed"]["firing"], &kept["alerts"]["slow"]), (&json!(true), &Value::Null));
    daemon.kill();
}

#[test]
fn commands_get_the_notice_and_silences_keep_it_back() {
    let tree = Tree::new();
    pins(&tree, &[(1, "failed")]);
    let note = tree.home().join("told");
    let config = |silence: &str| {
        format!(
            "{QUICK}{silence}\n[notify.a]\nshell = \"cat >> {0}; echo >> {0}\"\n[notify.b]\ncommand = [\"sh\", \"-c\", \"cat > {0}.b\"]\n\
             {1}",
            note.display(),
            FAILED.replace("[\"ops\"]", "[\"a\", \"b\"]")
        )
    };
    let quiet = "[[silence]]\nalerts = [\"fail*\"]\nfrom = 2020-01-01T00:00:00Z\nuntil = 2100-01-01T00:00:00Z\nreason = \"maintenance\"\n";
    let daemon = Daemon::start(&tree, &config(quiet));
    daemon.until("alert", |status| status["alerts"]["failed"]["state"] == "firing");
    assert_eq!(daemon.status()["notices"]["waiting"], 0);
    assert!(!note.exists());
    // When it is over, what is still so is told.
    fs::write(&daemon.config, config("")).unwrap();
    daemon.signal("-HUP");
    let since = Instant::now();
    while !note.with_extension("b").exists()
        || !note.exists()
        || fs::read_to_string(&note).unwrap().is_empty()
    {
        assert!(since.elapsed() < PATIENCE, "{}", daemon.log());
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(200));
    for path in [note.clone(), note.with_extension("b")] {
        let text = fs::read_to_string(&path).unwrap();
        let notice: Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((&notice["alert"], &notice["kind"]), (&json!("failed"), &json!("firing")), "{text}");
    }
}

#[test]
fn what_cannot_be_answered_is_unknown_and_told_as_such() {
    let tree = Tree::new();
    fs::write(tree.home().join("token"), "0123456789abcdef").unwrap();
    pins(&tree, &[(1, "failed")]);
    let hook = Hook::open(&[]);
    let value = "[[alert]]\nname = \"few\"\nwhen = \"SELECT COUNT(*) FROM pins is below 1\"\nnotify = [\"ops\"]\n\
                 [[alert]]\nname = \"largest\"\nwhen = \"SELECT MAX(CASE WHEN status = 'failed' THEN 1 END) FROM pins is above 0\"\n\
                 [[alert]]\nname = \"lenient\"\nwhen = \"SELECT COUNT(*) FROM pins is below 1\"\nskip_unreadable = true\n\
                 [[alert]]\nname = \"report\"\nwhen = \"report failures-by-backend has rows where failed_percent > 50\"\nskip_unreadable = true\n";
    let daemon = Daemon::start(&tree, &with_hook(&hook, value));
    let word =
        |status: &Value, name: &str| status["alerts"][name]["state"].as_str().unwrap_or_default().to_owned();
    let status = daemon.until("answers", |status| word(status, "report") == "firing");
    assert_eq!((word(&status, "few"), word(&status, "lenient")), ("ok".into(), "ok".into()));
    assert_eq!(
        (&status["alerts"]["few"]["value"], &status["alerts"]["report"]["rows"]),
        (&json!(1.0), &json!(1))
    );
    fs::write(tree.file("one", "pin_mappings.parquet"), "no parquet").unwrap();
    let status = daemon.until("fault", |status| word(status, "lenient") == "firing");
    assert_eq!((word(&status, "few"), word(&status, "report")), ("unknown".into(), "ok".into()));
    let told = hook.delivered(1, &daemon);
    assert_eq!(told[0]["kind"], "unknown");
    assert!(told[0]["problem"].as_str().unwrap().contains("backend `one` is unreadable"), "{told:?}");
    pins(&tree, &[(1, "stored")]);
    assert_eq!(hook.delivered(2, &daemon)[1]["kind"], "recovered");
    // NULL is no answer, and what fires is not over for it.
    let null = |status: &Value| {
        status["alerts"]["largest"]["problem"].as_str().is_some_and(|problem| problem.contains("is NULL"))
    };
    assert_eq!(word(&daemon.until("NULL", null), "largest"), "firing");
    // Neither is that nothing can be observed at all.
    let backends = tree.root().join("backends");
    fs::rename(&backends, tree.root().join("elsewhere")).unwrap();
    fs::write(&backends, "no directory").unwrap();
    let unknown = |status: &Value| {
        let problem = status["alerts"]["few"]["problem"].as_str();
        problem.is_some_and(|problem| problem.contains("nothing could be observed"))
    };
    let status = daemon.until("unknown", unknown);
    assert_ne!(word(&status, "few"), "ok");
    assert_eq!(word(&status, "largest"), "firing");
}

#[test]
fn probes_tell_what_can_be_reached_and_how_fast() {
    let tree = Tree::new();
    let hook = Hook::open(&[]);
    let at = hook.address;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = format!(
        "{}\n[[alert]]\nname = \"gone\"\nwhen = \"SELECT 1 FROM backend_history WHERE reachable = false has rows\"\n",
        QUICK.replace("1h", "300ms")
    );
    for (name, key, place) in [
        ("tcp_up", "tcp", at.to_string()),
        ("tcp_down", "tcp", closed.to_string()),
        ("http_up", "http", format!("http://{at}/up")),
        ("http_down", "http", format!("http://user:secret-word@{at}/down")),
        ("s3_up", "s3", format!("http://{at}/bucket")),
        ("s3_down", "s3", format!("http://{at}/no-bucket")),
        ("kubo_up", "kubo", format!("http://{at}")),
        ("kubo_down", "kubo", format!("http://{closed}")),
        ("path_up", "path", tree.home().display().to_string()),
        ("path_down", "path", "/no/such/mount".into()),
    ] {
        publish(&tree.root(), name, &mappings(name, &[(&v1(1), "stored")]));
        config += &format!("[[probe]]\nbackend = \"{name}\"\n{key} = \"{place}\"\nevery = \"100ms\"\n");
    }
    let daemon = Daemon::start(&tree, &config);
    let is_known = |status: &Value| {
        let all = status["backends"].as_array().cloned().unwrap_or_default();
        !all.is_empty() && all.iter().all(|backend| backend["probe"].is_object())
    };
    let status = daemon.until("answers", is_known);
    for backend in status["backends"].as_array().unwrap() {
        let name = backend["name"].as_str().unwrap();
        assert_eq!(backend["probe"]["reachable"], name.ends_with("_up"), "{backend:#}");
    }
    let status = daemon.until("alert", |status| status["alerts"]["gone"]["state"] == "firing");
    assert!(!status.to_string().contains("secret-word"));
    let (_, log) = daemon.stop();
    assert!(log.contains("answered 404") && !log.contains("secret-word"), "{log}");
    let kept = tree.csv(
        "SELECT COUNT(DISTINCT backend_name) AS backends, MIN(probe_ms) > 0 AS took FROM backend_history \
         WHERE reachable = (backend_name LIKE '%_up')",
    );
    assert_eq!(kept, "backends,took\n10,true");
}

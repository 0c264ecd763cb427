//! What a daemon shows over HTTP, read by Prometheus's own parsers.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::process::{Daemon, QUICK};
use crate::support::cids::v1;
use crate::support::programs::{python, run, skip};
use crate::support::tree::Tree;
use crate::support::{mappings, publish, repository};

/// The head and the body of an answer.
pub fn ask(address: &str, path: &str, header: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// Names that a text format must take care of.
const ODD: &str = r#"odd "name"\n{le="1"} é"#;

fn tree() -> Tree {
    let tree = Tree::new();
    let cids: Vec<String> = (0..4).map(v1).collect();
    publish(
        &tree.root(),
        "one",
        &mappings("one", &[(&cids[0], "stored"), (&cids[1], "failed"), (&cids[2], "in work")]),
    );
    publish(
        &tree.root(),
        ODD,
        &mappings(ODD, &[(&cids[0], "stored"), (&cids[3], "stored"), ("no CID", "pending")]),
    );
    fs::create_dir(tree.root().join("backends/torn")).unwrap();
    fs::write(tree.file("torn", "pin_mappings.parquet"), "no parquet").unwrap();
    tree
}

const ALERT: &str = "[[alert]]\nname = \"failed\"\nwhen = \"SELECT 1 FROM pins WHERE status = 'failed' has rows\"\nseverity = \"critical\"\n\
                     skip_unreadable = true\n[[probe]]\nbackend = \"one\"\npath = \"/\"\n";

fn served(tree: &Tree) -> (Daemon, String) {
    let daemon = Daemon::start(tree, &format!("{QUICK}[http]\nlisten = \"127.0.0.1:0\"\n{ALERT}"));
    let address = daemon.status()["http"].as_str().unwrap().to_owned();
    // The probe does not wait for observations, nor they for it.
    daemon.until("a probe", |_| ask(&address, "/metrics", "").1.contains("pinql_backend_reachable{"));
    (daemon, address)
}

#[test]
fn metrics_are_the_numbers_of_the_backends() {
    let tree = tree();
    let (daemon, address) = served(&tree);
    let (head, body) = ask(&address, "/metrics", "");
    assert!(
        head.starts_with("HTTP/1.1 200 OK") && head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let odd = r#"odd \"name\"\\n{le=\"1\"} é"#;
    for line in [
        "pinql_contents 4",
        "pinql_contents_without_copy 2",
        "pinql_contents_at_risk 1",
        "pinql_contents_by_copies{copies=\"2\"} 1",
        "pinql_contents_bytes 40",
        "pinql_observation_complete 0",
        "pinql_pins{backend=\"one\",status=\"in work\"} 1",
        "pinql_pins{backend=\"one\",status=\"pending\"} 0",
        &format!("pinql_pins{{backend=\"{odd}\",status=\"stored\"}} 2"),
        &format!("pinql_backend_only_copies{{backend=\"{odd}\"}} 1"),
        &format!("pinql_backend_invalid_cids{{backend=\"{odd}\"}} 1"),
        "pinql_backend_info{backend=\"torn\",state=\"unreadable\",type=\"\"} 1",
        "pinql_backend_readable{backend=\"torn\"} 0",
        "pinql_backend_reachable{backend=\"one\"} 1",
        "pinql_alert_state{alert=\"failed\",severity=\"critical\",state=\"firing\"} 1",
        "pinql_observations_total{cause=\"start\"} 1",
        "pinql_config_ok 1",
        "pinql_problems 0",
    ] {
        assert!(body.lines().any(|found| found == line), "{line} in\n{body}");
    }
    for name in [
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "pinql_observation_duration_seconds_bucket{le=\"+Inf\"}",
    ] {
        assert!(body.lines().any(|line| line.starts_with(name)), "{name} in\n{body}");
    }
    // What is not known is not there.
    assert!(!body.contains("pinql_pins{backend=\"torn\""), "{body}");
    let (head, body) = ask(&address, "/healthz", "");
    assert_eq!((&head[..15], body.trim()), ("HTTP/1.1 200 OK", r#"{"status":"ok"}"#));
    let (_, body) = ask(&address, "/status.json", "");
    let status: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["pid"], daemon.id());
    assert!(ask(&address, "/nothing", "").0.starts_with("HTTP/1.1 404"));
}

#[test]
fn who_listens_beyond_the_machine_lets_in_only_who_knows_the_token() {
    let tree = tree();
    fs::write(tree.home().join("token"), "a-long-and-secret-word").unwrap();
    let config = format!("{QUICK}[http]\nlisten = \"0.0.0.0:0\"\ntoken_file = \"token\"\n");
    let daemon = Daemon::start(&tree, &config);
    let address = daemon.status()["http"].as_str().unwrap().replace("0.0.0.0", "127.0.0.1");
    for path in ["/metrics", "/status.json"] {
        for header in [
            "",
            "Authorization: Bearer a-long-and-secret-wor\r\n",
            "Authorization: a-long-and-secret-word\r\n",
        ] {
            let (head, body) = ask(&address, path, header);
            assert!(
                head.starts_with("HTTP/1.1 401") && !body.contains("pinql"),
                "{path} {header}: {head}\n{body}"
            );
        }
        let (head, _) = ask(&address, path, "Authorization: Bearer a-long-and-secret-word\r\n");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    }
    assert_eq!(ask(&address, "/healthz", "").1.trim(), r#"{"status":"ok"}"#);
    // A shorter one is refused.
    fs::write(tree.home().join("token"), "short").unwrap();
    daemon.signal("-HUP");
    daemon.says("16 and more letters");
}

/// What a program says of what it is given on stdin, which it has to like.
fn fed(command: &mut Command, body: &str) -> Vec<u8> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    output.stdout
}

#[test]
fn prometheus_reads_the_metrics() {
    let python = match python() {
        Ok(found) => found,
        Err(why) => return skip(&why),
    };
    let tree = tree();
    let (_daemon, address) = served(&tree);
    let (_, body) = ask(&address, "/metrics", "");
    let said = fed(Command::new(python).arg(repository("tests/readback/metrics.py")), &body);
    let read: Value = serde_json::from_slice(&said).unwrap();
    let backends = read["pinql_pins"].as_array().unwrap().iter().map(|sample| &sample[0]["backend"]);
    assert!(backends.into_iter().any(|backend| backend == ODD), "{read:#}");
    assert_eq!(read["process_cpu_seconds"].as_array().unwrap().len(), 1);
}

#[test]
fn prometheus_likes_the_metrics_and_the_rules() {
    if let Err(why) = run(Command::new("promtool").arg("--version")) {
        return skip(&why);
    }
    let tree = tree();
    let (_daemon, address) = served(&tree);
    let (_, body) = ask(&address, "/metrics", "");
    fed(Command::new("promtool").args(["check", "metrics"]), &body);
    let rules = repository("examples/daemon/prometheus-rules.yml");
    run(Command::new("promtool").args(["check", "rules"]).arg(rules)).unwrap();
}

#[test]
fn dashboard_and_rules_ask_for_metrics_that_there_are() {
    let tree = tree();
    let (_daemon, address) = served(&tree);
    let (_, body) = ask(&address, "/metrics", "");
    let there: Vec<&str> = body
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    for file in ["grafana-dashboard.json", "prometheus-rules.yml"] {
        let text = fs::read_to_string(repository("examples/daemon").join(file)).unwrap();
        if file.ends_with("json") {
            serde_json::from_str::<Value>(&text).unwrap();
        }
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let asked: Vec<&str> =
            words.filter(|word| word.starts_with("pinql_") || word.starts_with("process_")).collect();
        assert!(asked.len() > 5, "{file}: {asked:?}");
        for name in asked {
            assert!(there.contains(&name), "{file} asks for {name}");
        }
    }
}

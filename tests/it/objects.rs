//! Answers that go to object stores: to a real S3 server, to one that speaks WebDAV, and to none at all.

use std::collections::HashMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::programs::{python, skip};
use crate::support::{repository, runtime};

/// Who writes, and what nobody may read.
const KEY: &str = "AKIAPINQLTEST";
const SECRET: &str = "this-is-never-to-be-shown";
/// An answer of 136 bytes for each of so many thousand rows.
fn large(thousands: usize) -> String {
    format!("SELECT value, REPEAT(MD5(CAST(value AS VARCHAR)), 4) AS words FROM ({})", numbers(thousands))
}

/// So many thousand numbers.
fn numbers(thousands: usize) -> String {
    format!(
        "SELECT a.x * 1000 + b.y AS value FROM UNNEST(RANGE(0, {thousands})) AS a(x) CROSS JOIN UNNEST(RANGE(0, 1000)) AS b(y)"
    )
}

/// An S3 server, until it is dropped.
struct S3 {
    server: Child,
    port: u16,
    _dir: TempDir,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl S3 {
    /// Starts one, with a bucket.
    fn start() -> Result<S3, String> {
        let (python, port, dir) = (python()?, free_port(), TempDir::new().unwrap());
        let mut command = Command::new(python);
        command
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .current_dir(dir.path());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().map_err(|error| error.to_string())?;
        let s3 = S3 { server, port, _dir: dir };
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err("the S3 server has not come up".into());
            }
            sleep(Duration::from_millis(100));
        }
        assert_eq!(s3.request(reqwest::Method::PUT, "answers").0, 200);
        Ok(s3)
    }

    fn request(&self, method: reqwest::Method, path: &str) -> (u16, Vec<u8>) {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        runtime().block_on(async {
            let response = reqwest::Client::new().request(method, url).send().await.unwrap();
            (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
        })
    }

    /// What stands under a key.
    fn object(&self, key: &str) -> Option<Vec<u8>> {
        let (status, bytes) = self.request(reqwest::Method::GET, &format!("answers/{key}"));
        (status == 200).then_some(bytes)
    }

    /// How many uploads have been begun and neither ended nor given up.
    fn uploads(&self) -> usize {
        let (status, bytes) = self.request(reqwest::Method::GET, "answers?uploads");
        assert_eq!(status, 200);
        String::from_utf8(bytes).unwrap().matches("<UploadId>").count()
    }

    fn pinql(&self, args: &[&str]) -> Command {
        let mut command = pinql(args);
        command
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", "us-east-1");
        command.env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port));
        command
    }
}

fn pinql(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
    command
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("PINQL_ROOT", repository("examples/ipfs_kit"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains(SECRET), "{text}");
    text
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(temp: &TempDir, name: &str) -> (PathBuf, String) {
    let path = temp.path().join(name);
    let text = path.to_str().unwrap().to_owned();
    (path, text)
}

#[test]
fn a_real_s3_server_gets_what_a_file_would() {
    let s3 = match S3::start() {
        Ok(s3) => s3,
        Err(why) => return skip(&why),
    };
    let temp = TempDir::new().unwrap();
    let ends = [
        "csv",
        "tsv",
        "json",
        "ndjson",
        "md",
        "html",
        "xlsx",
        "parquet",
        "arrow",
        "csv.gz",
        "ndjson.zst",
        "parquet.gz",
    ];
    for end in ends {
        let (path, local) = file(&temp, &format!("a.{end}"));
        let report = ["report", "under-replicated", "--min-copies", "3", "-o"];
        assert_eq!(pinql(&[&report[..], &[&local]].concat()).output().unwrap().status.code(), Some(0));
        // A key is taken as it stands.
        let (url, manifest) =
            (format!("s3://answers/a day/100%/a.{end}"), format!("s3://answers/{end}.json"));
        let output = s3.pinql(&[&report[..], &[&url, "--manifest", &manifest, "--verify"]].concat()).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{end}: {}", told(&output));
        let found =
            s3.object(&format!("a%20day/100%25/a.{end}")).unwrap_or_else(|| panic!("no object of {end}"));
        assert!(found == fs::read(&path).unwrap(), "{end}");
        let said: Value = serde_json::from_slice(&s3.object(&format!("{end}.json")).unwrap()).unwrap();
        assert_eq!((&said["file"], &said["rows"]), (&json!(url), &json!(44)), "{end}");
        assert_eq!((&said["sha256"], &said["bytes"]), (&json!(hash(&found)), &json!(found.len())), "{end}");
    }
    // Nothing at all is an object, too.
    let none = ["-c", "SELECT 1 AS a WHERE false", "-o", "s3://answers/none.ndjson", "--verify"];
    let output = s3.pinql(&none).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(s3.object("none.ndjson"), Some(vec![]));
    // In several parts.
    let (path, local) = file(&temp, "large.csv");
    let url = "s3://answers/large.csv";
    for (target, mut command) in [(local.as_str(), pinql(&[])), (url, s3.pinql(&[]))] {
        let output = command.args(["-c", &large(300), "-o", target, "--verify"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{target}: {}", told(&output));
    }
    let (found, wanted) = (s3.object("large.csv").unwrap(), fs::read(&path).unwrap());
    assert!(wanted.len() > 2 * (16 << 20), "it is of one part");
    assert_eq!(hash(&found), hash(&wanted));
    assert_eq!(s3.uploads(), 0);
}

#[test]
fn an_answer_that_does_not_come_to_its_end_leaves_no_object() {
    let s3 = match S3::start() {
        Ok(s3) => s3,
        Err(why) => return skip(&why),
    };
    let old = s3.pinql(&["-c", "SELECT 1 AS a", "-o", "s3://answers/old.csv"]).output().unwrap();
    assert_eq!(old.status.code(), Some(0), "{}", told(&old));
    let late = "CAST(CASE WHEN value = 440000 THEN 'x' ELSE '1' END AS BIGINT) AS n";
    let fails = large(450).replacen("SELECT", &format!("SELECT {late},"), 1);
    let endless = "SELECT COUNT(*) AS n FROM UNNEST(RANGE(0, 300000)) AS a(x) CROSS JOIN UNNEST(RANGE(0, 300000)) AS b(y) \
                   WHERE a.x % 7 = b.y % 5";
    for (args, code, words) in [
        (&["-c", fails.as_str()][..], 2, "cannot"),
        (&["-c", "SELECT nothing FROM pins"], 2, "no column named `nothing`"),
        (&["-c", endless, "--timeout", "1s"], 2, "took longer than its limit"),
        (&["-c", "SELECT 1 AS a, 2 AS a", "--format", "parquet"], 2, "two columns"),
        (&["-c", "SELECT 1 AS a", "--fail-if", "b > 1"], 2, "No field named b"),
    ] {
        for target in ["s3://answers/new.csv", "s3://answers/old.csv"] {
            let output = s3.pinql(&[args, &["-o", target]].concat()).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{args:?}: {}", told(&output));
            assert!(
                told(&output).to_lowercase().contains(&words.to_lowercase()),
                "{args:?}: {}",
                told(&output)
            );
        }
        assert_eq!(s3.object("new.csv"), None, "{args:?}");
        assert_eq!(s3.object("old.csv").as_deref(), Some(&b"a\n1\n"[..]), "{args:?}");
        assert_eq!(s3.uploads(), 0, "{args:?}: parts are left");
    }
    // Stopped and killed while parts are on their way.
    for (signal, left) in [("-INT", 0), ("-KILL", 1)] {
        let mut running = s3.pinql(&["-c", &large(9000), "-o", "s3://answers/old.csv"]).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while s3.uploads() == 0 && Instant::now() < until {
            sleep(Duration::from_millis(50));
        }
        // A part or two.
        sleep(Duration::from_millis(1500));
        assert!(running.try_wait().unwrap().is_none(), "it ended too soon");
        let killed = Command::new("kill").args([signal, &running.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let since = Instant::now();
        let ended = running.wait_with_output().unwrap();
        assert!(since.elapsed() < Duration::from_secs(15), "{signal}: {:?}", since.elapsed());
        let code = (signal == "-INT").then_some(130);
        assert_eq!(ended.status.code(), code, "{signal}: {}", told(&ended));
        assert_eq!(s3.object("old.csv").as_deref(), Some(&b"a\n1\n"[..]), "{signal}");
        assert_eq!(s3.uploads(), left, "{signal}");
    }
}

#[test]
fn what_is_wrong_with_a_store_is_said_soon_and_without_secrets() {
    let closed = format!("http://127.0.0.1:{}", free_port());
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_ENDPOINT_URL", &closed)];
    let nobody = [("AWS_METADATA_ENDPOINT", closed.as_str())];
    let secret_url = format!("https://me:{SECRET}@127.0.0.1/a.csv");
    for (url, variables, words) in [
        ("ftp://host/a.csv", &[][..], &["`ftp://` is no kind of store", "hint: known are s3://"][..]),
        ("file:///a.csv", &[], &["hint: leave out file://"]),
        ("s3://bucket", &[], &["it names no object", "hint: write s3://BUCKET/NAME"]),
        ("s3://bucket/a/../b.csv", &[], &["its name cannot be one of an object"]),
        ("s3://bucket/dir/", &[], &["it names no object"]),
        (
            "gs://bucket/a.csv",
            &[("GOOGLE_SERVICE_ACCOUNT_KEY", SECRET)],
            &["there is no way to it", "hint: set GOOGLE"],
        ),
        ("az://container/a.csv", &[], &["there is no way to it", "hint: set AZURE_STORAGE_ACCOUNT_NAME"]),
        (
            "s3://bucket/a.csv",
            &[("AWS_ACCESS_KEY_ID", KEY)],
            &["there is no way to it", "hint: set AWS_ACCESS_KEY_ID"],
        ),
        (&secret_url, &[], &["who writes does not stand in the URL", "https://***@127.0.0.1/a.csv"]),
        ("https://127.0.0.1/a.csv?X-Signature=1", &[], &["it has a `?`"]),
        (
            "s3://bucket/a.csv",
            &keys,
            &["cannot write s3://bucket/a.csv", "the server cannot be reached", "hint: look at"],
        ),
        ("s3://bucket/a.csv", &nobody, &["nothing says who writes", "hint: set AWS_ACCESS_KEY_ID"]),
    ] {
        let since = Instant::now();
        let output = pinql(&["-c", "SELECT 1 AS a", "-o", url, "--format", "csv"])
            .envs(variables.iter().copied())
            .output();
        let output = output.unwrap();
        let stderr = told(&output);
        assert_eq!(output.status.code(), Some(2), "{url}: {stderr}");
        assert!(words.iter().all(|words| stderr.contains(words)), "{url}: {stderr}");
        assert!(since.elapsed() < Duration::from_secs(20), "{url} took {:?}", since.elapsed());
        // A manifest is looked at before the answer is computed.
        let temp = TempDir::new().unwrap();
        if !words[0].starts_with("cannot write") && !words[0].starts_with("nothing says") {
            let (path, local) = file(&temp, "a.csv");
            let output = pinql(&["-c", "SELECT 1 AS a", "-o", &local, "--manifest", url]);
            let output = { output }.envs(variables.iter().copied()).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{url}: {}", told(&output));
            assert!(!path.exists(), "{url}");
        }
    }
    let s3 = match S3::start() {
        Ok(s3) => s3,
        Err(why) => return skip(&why),
    };
    let output = s3.pinql(&["-c", "SELECT 1 AS a", "-o", "s3://nobodys/a.csv"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = told(&output);
    assert!(
        stderr.contains("there is no such bucket or container (404 Not Found, NoSuchBucket)"),
        "{stderr}"
    );
}

#[test]
fn a_server_that_keeps_silent_does_not_hold_up_ctrl_c() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let mut command = pinql(&["-c", "SELECT 1 AS a", "-o", "s3://answers/a.csv"]);
    command
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_ENDPOINT_URL", address);
    let running = command.spawn().unwrap();
    let _held = silent.accept().unwrap();
    let since = Instant::now();
    assert!(Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap().success());
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", told(&ended));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

/// What a WebDAV server holds, and how often it still fails.
#[derive(Default)]
struct Dav {
    objects: HashMap<String, Vec<u8>>,
    directories: Vec<String>,
    failures: usize,
}

/// One that knows its user and makes no directories unasked.
async fn dav(state: Arc<Mutex<Dav>>, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let known =
        request.headers().get("authorization").is_some_and(|value| value == &format!("Bearer {SECRET}"));
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap().to_vec();
    let mut dav = state.lock().unwrap();
    let parent = Path::new(&path).parent().unwrap().to_str().unwrap().to_owned();
    let status = match method.as_str() {
        _ if !known => StatusCode::UNAUTHORIZED,
        "PUT" | "MKCOL" if parent != "/" && !dav.directories.contains(&parent) => StatusCode::CONFLICT,
        "MKCOL" => {
            dav.directories.push(path);
            StatusCode::CREATED
        }
        "PUT" if dav.failures > 0 => {
            dav.failures -= 1;
            StatusCode::SERVICE_UNAVAILABLE
        }
        "PUT" => {
            dav.objects.insert(path, body);
            StatusCode::CREATED
        }
        "GET" | "HEAD" => {
            return dav
                .objects
                .get(&path)
                .map_or((StatusCode::NOT_FOUND, vec![]), |o| (StatusCode::OK, o.clone()));
        }
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    (status, vec![])
}

#[test]
fn a_webdav_server_gets_an_answer_at_once() {
    let state = Arc::new(Mutex::new(Dav { failures: 2, ..Dav::default() }));
    let runtime = runtime();
    let shared = Arc::clone(&state);
    let address = runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(move |request| dav(Arc::clone(&shared), request));
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    });
    let url = format!("http://{address}/answers/a%20day/a.csv.gz");
    let manifest = format!("http://{address}/a.json");
    let args = ["report", "redundancy", "-o", &url, "--manifest", &manifest, "--verify"];
    let refused = pinql(&args).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    for words in ["the server does not allow it (401 Unauthorized)", "hint: set PINQL_HTTP_AUTHORIZATION"] {
        assert!(told(&refused).contains(words), "{}", told(&refused));
    }
    // Twice it cannot, and is asked again.
    let output = pinql(&args).env("PINQL_HTTP_AUTHORIZATION", format!("Bearer {SECRET}")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let temp = TempDir::new().unwrap();
    let (path, local) = file(&temp, "a.csv.gz");
    assert_eq!(pinql(&["report", "redundancy", "-o", &local]).output().unwrap().status.code(), Some(0));
    let dav = state.lock().unwrap();
    assert!(dav.objects["/answers/a%20day/a.csv.gz"] == fs::read(&path).unwrap());
    let said: Value = serde_json::from_slice(&dav.objects["/a.json"]).unwrap();
    assert_eq!(said["sha256"], json!(hash(&fs::read(&path).unwrap())));
    assert_eq!(dav.failures, 0);
}

/// It lets people log in first: what is put is answered with another page, which is there.
async fn login(request: Request<Body>) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    match (request.method().as_str(), request.uri().path()) {
        ("PUT", _) => (StatusCode::SEE_OTHER, [("location", "/login")], ""),
        (_, "/gone.csv") => (StatusCode::NOT_FOUND, [("x-a", "b")], ""),
        _ => (StatusCode::OK, [("x-a", "b")], "log in, please"),
    }
}

#[test]
fn what_a_server_redirects_does_not_count_as_written() {
    let runtime = runtime();
    let address = runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(login)).await });
        address
    });
    for (name, words) in
        [("a.csv", "took 4 bytes, and has 14"), ("gone.csv", "does not find it under this URL")]
    {
        let url = format!("http://{address}/{name}");
        let output = pinql(&["-c", "SELECT 1 AS a", "-o", &url]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        assert!(told(&output).contains(words), "{}", told(&output));
    }
}

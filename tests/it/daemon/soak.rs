//! Writers, readers and faults at once. Short by default; `PINQL_SOAK=600` lets it last so many seconds, and prints what it measures.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::process::{Daemon, QUICK};
use crate::support::cids::v1;
use crate::support::tree::Tree;
use crate::support::{mappings, publish};

/// How long it lasts, if nothing else is said.
const SECONDS: u64 = 8;
/// Backends that are published again and again, one that comes and goes, and one that is damaged and mended.
const BUSY: [&str; 3] = ["busy_one", "busy_two", "busy_three"];

/// Publishes a backend with other mappings than before.
fn republish(root: &std::path::Path, backend: &str, cids: &[String], number: u64) {
    let rows = (0..200 + number % 50).map(|row| {
        let status = if (row + number).is_multiple_of(17) { "failed" } else { "stored" };
        (cids[((row * 3 + number) % 400) as usize].as_str(), status)
    });
    publish(root, backend, &mappings(backend, &rows.collect::<Vec<_>>()));
}

#[test]
fn writers_readers_and_faults_at_once() {
    let named = std::env::var("PINQL_SOAK").ok().and_then(|seconds| seconds.parse().ok());
    let seconds: u64 = named.unwrap_or(SECONDS);
    let tree = Tree::new();
    let root = tree.root();
    let cids: Arc<Vec<String>> = Arc::new((0..400).map(v1).collect());
    for backend in BUSY.iter().chain(&["comes_and_goes", "damaged"]) {
        republish(&root, backend, &cids, 0);
    }
    let config = format!(
        "{}[http]\nlisten = \"127.0.0.1:0\"\n[[alert]]\nname = \"failed\"\nwhen = \"report failures-by-backend has rows where failed > 0\"\n\
         skip_unreadable = true\n[[probe]]\nbackend = \"busy_one\"\npath = \"/\"\nevery = \"100ms\"\n",
        QUICK.replace("1h", "500ms")
    );
    let mut daemon = Daemon::start(&tree, &config);
    let address = daemon.status()["http"].as_str().unwrap().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let published = Arc::new(AtomicU64::new(0));
    let until_stopped = |pause: u64, mut task: Box<dyn FnMut(u64) + Send>| {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            for number in 1.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                task(number);
                sleep(Duration::from_millis(pause));
            }
        })
    };
    let mut threads = Vec::new();
    for backend in BUSY {
        let (root, cids, published) = (root.clone(), Arc::clone(&cids), Arc::clone(&published));
        threads.push(until_stopped(
            5,
            Box::new(move |number| {
                republish(&root, backend, &cids, number);
                published.fetch_add(1, Ordering::Relaxed);
            }),
        ));
    }
    let (place, own) = (root.clone(), Arc::clone(&cids));
    threads.push(until_stopped(
        70,
        Box::new(move |number| match number % 4 {
            0 => drop(fs::remove_dir_all(place.join("backends/comes_and_goes"))),
            2 => republish(&place, "comes_and_goes", &own, number),
            // Written over in place, as older tools do.
            1 => fs::write(place.join("backends/damaged/pin_mappings.parquet"), "torn").unwrap(),
            _ => republish(&place, "damaged", &own, number),
        }),
    ));
    let (place, read) = (root.clone(), Arc::new(AtomicU64::new(0)));
    let reads = Arc::clone(&read);
    threads.push(until_stopped(
        50,
        Box::new(move |_| {
            let sql = "SELECT COUNT(*) = COUNT(DISTINCT observed_at) AND MIN(pins) > 0 AS sound FROM history";
            assert_eq!(crate::support::csv(&place, sql), "sound\ntrue");
            reads.fetch_add(1, Ordering::Relaxed);
        }),
    ));
    let asked = Arc::new(AtomicU64::new(0));
    let (asks, config_path) = (Arc::clone(&asked), daemon.config.clone());
    let id = daemon.id().to_string();
    threads.push(until_stopped(
        20,
        Box::new(move |number| {
            let (head, body) = super::metrics::ask(&address, "/metrics", "");
            assert!(head.starts_with("HTTP/1.1 200") && body.contains("\npinql_contents "), "{head}\n{body}");
            asks.fetch_add(1, Ordering::Relaxed);
            if number % 50 == 0 {
                // A configuration that cannot be, and the good one again.
                let text = if number % 100 == 0 { config.clone() } else { "[observe".into() };
                fs::write(&config_path, text).unwrap();
                assert!(std::process::Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
            }
        }),
    ));
    let since = Instant::now();
    let mut memory = Vec::new();
    while since.elapsed() < Duration::from_secs(seconds) {
        assert!(daemon.is_running(), "{}", daemon.log());
        let (resident, cpu) = daemon.usage();
        memory.push(resident);
        if named.is_some() && memory.len() % 20 == 1 {
            println!("{:4} s: {} MB, {cpu:.1} s of CPU", since.elapsed().as_secs(), resident >> 20);
        }
        sleep(Duration::from_millis(500));
    }
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let published = published.load(Ordering::Relaxed);
    println!(
        "{published} files published, {} reads, {} scrapes",
        read.load(Ordering::Relaxed),
        asked.load(Ordering::Relaxed)
    );
    assert!(published > 50 && read.load(Ordering::Relaxed) > 2 && asked.load(Ordering::Relaxed) > 10);
    // In the end it knows what is there.
    republish(&root, "damaged", &cids, 1);
    republish(&root, "comes_and_goes", &cids, 2);
    let sql = "SELECT COUNT(*), COUNT(DISTINCT content), COUNT(*) FILTER (WHERE status = 'failed') FROM pins";
    let truth = tree.csv(sql).lines().nth(1).unwrap().to_owned();
    daemon.until("truth", |status| {
        let failed =
            |backend: &serde_json::Value| backend["by_status"]["failed"].as_u64().unwrap_or_default();
        let failed: u64 = status["backends"].as_array().into_iter().flatten().map(failed).sum();
        truth == format!("{},{},{failed}", status["observation"]["pins"], status["redundancy"]["contents"])
    });
    // The allocator settles after a while: the second half takes no more than the first, and some room.
    let (first, second) = memory.split_at(memory.len() / 2);
    let most = |part: &[u64]| part.iter().max().copied().unwrap_or_default() >> 20;
    println!("resident: at most {} MB in the first half, {} MB in the second", most(first), most(second));
    assert!(most(second) < most(first) + 150, "memory grows: {memory:?}");
    let (ended, log) = daemon.stop();
    assert!(ended.success() && !log.contains("panicked"), "{log}");
}

#[test]
fn idle_it_takes_next_to_nothing() {
    let tree = Tree::new();
    let cids: Vec<String> = (0..400).map(v1).collect();
    for backend in BUSY {
        republish(&tree.root(), backend, &cids, 1);
    }
    let daemon = Daemon::start(&tree, "[http]\nlisten = \"127.0.0.1:0\"\n");
    sleep(Duration::from_millis(500));
    let (_, before) = daemon.usage();
    sleep(Duration::from_secs(3));
    let (resident, after) = daemon.usage();
    assert!(after - before <= 0.05, "{} s of CPU in 3 s", after - before);
    println!("{} MB", resident >> 20);
}

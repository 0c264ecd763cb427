//! The analysis: its numbers are those of a recount, and what cannot be read is named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use pinql::daemon::{self, Analysis, BackendState, Contents};
use pinql::session::{Options, Session};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::recount::{self, Root};
use crate::reports::for_random_roots;
use crate::support::cids::{raw, v0, v1};
use crate::support::tree::{NOW, Tree};
use crate::support::{mappings, repository, runtime, write};

fn session(root: &Path) -> Session {
    Session::open(root, Options { threads: Some(2), ..Options::default() }).unwrap()
}

fn analyze(root: &Path) -> Analysis {
    runtime().block_on(daemon::analyze(&session(root), NOW)).unwrap()
}

/// The rows of the report `backend-summary`, from an analysis.
fn backend_summary(analysis: &Analysis) -> Vec<Value> {
    let row = |backend: &daemon::BackendAnalysis| {
        // The report does not know a backend without files for one with no mappings.
        let counts = backend.counts().filter(|_| backend.files.bytes.is_some());
        let status = |word: &'static str| counts.map(|counts| counts.with_status(word));
        let known = |word: &str| ["stored", "pending", "failed"].contains(&word);
        let others = counts.map(|counts| {
            counts
                .by_status
                .iter()
                .filter(|(word, _)| !known(word))
                .map(|(_, counts)| counts.pins)
                .sum::<u64>()
        });
        let stored = counts.and_then(|counts| counts.by_status.get("stored"));
        let has_sizes = stored.filter(|stored| stored.pins > stored.unknown_sizes);
        json!({
            "backend_name": backend.name, "type": backend.kind, "state": backend.state.word(),
            "pins": counts.map(|counts| counts.pins),
            "stored": status("stored"), "pending": status("pending"), "failed": status("failed"),
            "other_status": others,
            "contents": counts.map(|counts| counts.contents),
            "stored_bytes": has_sizes.map(|stored| stored.bytes),
            "unknown_sizes": counts.map(|_| stored.map_or(0, |stored| stored.unknown_sizes)),
            "oldest": time(counts.and_then(|counts| counts.oldest())),
            "newest": time(counts.and_then(|counts| counts.newest())),
        })
    };
    analysis.backends.iter().map(row).collect()
}

fn time(micros: Option<i64>) -> Value {
    json!(micros.map(pinql::pin::time::format))
}

/// Contents counted from their sizes.
fn counted(sizes: impl Iterator<Item = Option<i64>>) -> Contents {
    sizes.fold(Contents::default(), |all, size| Contents {
        contents: all.contents + 1,
        bytes: all.bytes + i128::from(size.unwrap_or(0)),
        unknown_sizes: all.unknown_sizes + u64::from(size.is_none()),
    })
}

fn check(root: &Root, path: &Path, alone: bool) -> Result<(), TestCaseError> {
    let session = session(path);
    let whole = runtime().block_on(daemon::analyze(&session, NOW)).unwrap();
    let analysis = match alone {
        false => whole,
        true => {
            // The same in parts, each read alone.
            let backends = root.backends.iter().map(|backend| {
                runtime().block_on(daemon::analyze_backend(&session, &backend.name, NOW)).unwrap()
            });
            let parts = Analysis::of(NOW, backends.collect(), whole.redundancy.clone());
            prop_assert_eq!(&parts, &whole);
            parts
        }
    };
    prop_assert_eq!(backend_summary(&analysis), recount::backend_summary(root));
    let summary = recount::summary(root).remove(0);
    let contents = root.contents();
    let redundancy = &analysis.redundancy;
    prop_assert_eq!(&summary["pins"], &json!(analysis.pins()));
    prop_assert_eq!(&summary["backends_with_pins"], &json!(analysis.with_pins().count()));
    prop_assert_eq!(&summary["invalid_cids"], &json!(analysis.invalid_cids()));
    prop_assert_eq!(&summary["unknown_times"], &json!(analysis.unknown_times()));
    prop_assert_eq!(&summary["unique_contents"], &json!(redundancy.all().contents));
    prop_assert_eq!(&summary["unknown_sizes"], &json!(redundancy.all().unknown_sizes));
    prop_assert_eq!(&summary["unique_bytes"], &json!(redundancy.all().bytes));
    prop_assert_eq!(
        (&summary["oldest"], &summary["newest"]),
        (&time(analysis.oldest()), &time(analysis.newest()))
    );
    let by_copies: BTreeSet<u64> = contents.values().map(|content| content.stored_on.len() as u64).collect();
    prop_assert_eq!(redundancy.by_copies.keys().copied().collect::<BTreeSet<_>>(), by_copies.clone());
    for copies in by_copies {
        let such = contents.values().filter(|content| content.stored_on.len() as u64 == copies);
        prop_assert_eq!(redundancy.with_copies(copies), counted(such.map(|content| content.size)));
    }
    let copies: usize = contents.values().map(|content| content.stored_on.len()).sum();
    let average = (!contents.is_empty()).then(|| copies as f64 / contents.len() as f64);
    prop_assert_eq!((redundancy.copies(), redundancy.average()), (copies as u64, average));
    let mut only_on: BTreeMap<String, Vec<Option<i64>>> = BTreeMap::new();
    for content in contents.values().filter(|content| content.stored_on.len() == 1) {
        only_on.entry(content.stored_on.first().unwrap().clone()).or_default().push(content.size);
    }
    let only_on: BTreeMap<_, _> =
        only_on.into_iter().map(|(name, sizes)| (name, counted(sizes.into_iter()))).collect();
    prop_assert_eq!(&redundancy.only_on, &only_on);
    for backend in analysis.backends.iter().filter(|backend| backend.pins.is_some()) {
        let lacks = contents.values().filter(|content| !content.stored_on.is_empty());
        let lacks = lacks.filter(|content| !content.stored_on.contains(&backend.name)).count();
        prop_assert_eq!(analysis.lacks(&backend.name), Some(lacks as u64));
        let alone = contents_of(root, &backend.name);
        prop_assert_eq!(backend.counts().unwrap().stored, alone);
    }
    Ok(())
}

/// What one backend stores, each content once, with the largest size that this backend gives.
fn contents_of(root: &Root, name: &str) -> Contents {
    let backend = root.backends.iter().find(|backend| backend.name == name).unwrap();
    let alone = Root { backends: vec![backend.clone()] };
    let contents = alone.contents();
    counted(contents.values().filter(|content| !content.stored_on.is_empty()).map(|content| content.size))
}

#[test]
fn an_analysis_agrees_with_a_recount() {
    for_random_roots(|root, path, choice| check(root, path, choice == 0));
}

#[test]
fn nothing_is_analysed_as_nothing() {
    let temp = TempDir::new().unwrap();
    for with_backends in [false, true] {
        if with_backends {
            fs::create_dir(temp.path().join("backends")).unwrap();
        }
        let analysis = analyze(temp.path());
        assert_eq!((analysis.pins(), analysis.backends.len(), analysis.redundancy.average()), (0, 0, None));
        assert!(analysis.is_complete());
    }
    let unknown = runtime().block_on(daemon::analyze_backend(&session(temp.path()), "s3", NOW));
    assert_eq!(unknown.unwrap_err().to_string(), "`s3` is not a backend");
}

#[test]
fn a_backend_in_every_state_is_in_it() {
    let tree = Tree::new();
    write(
        &tree.root(),
        "ready",
        &mappings("ready", &[(&v0(1), "stored"), (&v1(1), "failed"), (&raw(1), "stored")]),
    );
    write(&tree.root(), "empty", &mappings("empty", &[]));
    tree.pins_json("legacy", "[]");
    tree.write("car_only", "pin_mappings.car", "{}");
    tree.write("torn", "pin_mappings.parquet", "PAR1");
    fs::create_dir(tree.file("bare", "")).ok();
    std::os::unix::fs::symlink(tree.file("ready", ""), tree.root().join("backends/twin")).unwrap();
    let analysis = analyze(&tree.root());
    let found: Vec<_> = analysis
        .backends
        .iter()
        .map(|backend| (backend.name.as_str(), backend.state, backend.counts().map(|counts| counts.pins)))
        .collect();
    assert_eq!(
        found,
        [
            ("bare", BackendState::Empty, Some(0)),
            ("car_only", BackendState::CarOnly, None),
            ("empty", BackendState::Empty, Some(0)),
            ("legacy", BackendState::Legacy, None),
            ("ready", BackendState::Ready, Some(3)),
            ("torn", BackendState::Unreadable, None),
            ("twin", BackendState::Alias, None),
        ]
    );
    let reason = analysis.backend("torn").unwrap().reason.as_deref().unwrap();
    assert!(reason.starts_with("backends/torn/pin_mappings.parquet: the footer is damaged"), "{reason}");
    // Two pins of one content are one content.
    let ready = analysis.backend("ready").unwrap().counts().unwrap();
    assert_eq!((ready.contents, ready.stored.contents), (1, 1));
    assert!(!analysis.is_complete());
}

#[test]
fn damage_below_the_footer_is_told_of_the_backend_and_counted_nowhere() {
    let tree = Tree::new();
    let rows: Vec<_> = (0..2000).map(|number| (v1(number), "stored")).collect();
    let rows: Vec<_> = rows.iter().map(|(cid, status)| (cid.as_str(), *status)).collect();
    write(&tree.root(), "sound", &mappings("sound", &rows[..1000]));
    write(&tree.root(), "torn", &mappings("torn", &rows));
    let file = tree.file("torn", "pin_mappings.parquet");
    let mut bytes = fs::read(&file).unwrap();
    // The pages come first, those of the CIDs before all others.
    bytes[1000..30_000].fill(0xAA);
    fs::write(&file, bytes).unwrap();
    let analysis = analyze(&tree.root());
    assert_eq!(analysis.backend("torn").unwrap().state, BackendState::Unreadable);
    assert_eq!((analysis.pins(), analysis.redundancy.copies()), (1000, 1000));
    let alone = runtime().block_on(daemon::analyze_backend(&session(&tree.root()), "torn", NOW)).unwrap();
    assert_eq!((alone.state, alone.pins.is_some()), (BackendState::Unreadable, false));
}

#[test]
fn files_that_are_replaced_meanwhile_are_not_mixed() {
    let tree = Tree::new();
    let old: Vec<String> = (0..50).map(v1).collect();
    let new: Vec<String> = (50..70).map(v1).collect();
    let rows = |cids: &[String]| {
        let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
        mappings("s3", &rows)
    };
    write(&tree.root(), "s3", &rows(&old));
    let root = tree.root();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut turn = false;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                crate::support::publish(&root, "s3", &rows(if turn { &old } else { &new }));
                turn = !turn;
            }
        });
        for _ in 0..40 {
            let analysis = analyze(&root);
            let counts = analysis.backend("s3").unwrap().counts().unwrap();
            let all = [
                counts.pins,
                counts.contents,
                counts.stored.contents,
                analysis.redundancy.at_risk().contents,
            ];
            assert!([[50; 4], [20; 4]].contains(&all), "{all:?}");
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn files_in_the_layout_give_what_those_of_others_give() {
    let tree = Tree::new();
    let from = repository("examples/ipfs_kit/backends");
    for entry in fs::read_dir(&from).unwrap().flatten() {
        let file = entry.path().join("pin_mappings.parquet");
        if file.is_file() {
            fs::copy(&file, tree.file(&entry.file_name().to_string_lossy(), "pin_mappings.parquet")).unwrap();
        }
    }
    let before = analyze(&tree.root());
    assert!(before.pins() > 100);
    let output = tree.output(&["backend", "optimize"]);
    assert!(output.status.success(), "{output:?}");
    let after = analyze(&tree.root());
    assert_eq!(after.redundancy, before.redundancy);
    assert_eq!(after.by_status(), before.by_status());
    for (one, other) in before.backends.iter().zip(&after.backends) {
        assert_eq!(one.pins, other.pins, "{}", one.name);
    }
    assert!(after.backends.iter().all(|backend| backend.files.laid_out == Some(true)));
}

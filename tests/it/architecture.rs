//! The rooms of `src/` and who may know whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::repository;

/// What each room may import of ours, and the engine's crates that only some rooms may name.
const ROOMS: [(&str, &[&str], &[&str]); 12] = [
    ("error.rs", &["pin"], &[]),
    ("pin", &["pin"], &["arrow"]),
    ("store", &["store", "pin", "error"], &["object_store"]),
    ("catalog", &["catalog", "store", "pin", "error"], &["arrow", "parquet", "datafusion", "object_store"]),
    (
        "session",
        // `report` for its bindings: values by name, with no engine in them.
        &["session", "catalog", "store", "pin", "error", "report"],
        &["arrow", "parquet", "datafusion", "object_store"],
    ),
    ("report", &["report", "pin", "error"], &[]),
    ("export", &["export", "pin", "error"], &["arrow", "parquet"]),
    ("format", &["format", "pin", "error"], &["arrow", "parquet"]),
    // `session` to read what a backend has already: the engine reads what any tool has written.
    ("migrate", &["migrate", "session", "format", "store", "pin", "error"], &["arrow", "parquet"]),
    ("diff.rs", &["diff", "error"], &["arrow"]),
    (
        "daemon",
        &[
            "daemon", "migrate", "session", "catalog", "report", "export", "format", "diff", "store", "pin",
            "error",
        ],
        &["arrow"],
    ),
    ("cli", &["cli"], &["arrow"]),
];

const ENGINE: [&str; 4] = ["arrow", "parquet", "datafusion", "object_store"];

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, into),
            false if path.extension().is_some_and(|end| end == "rs") => into.push(path),
            false => {}
        }
    }
}

/// The code of a file without its tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The words that follow `prefix` in `code`.
fn words_after<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let parts = code.split(prefix).skip(1);
    parts
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .collect()
}

#[test]
fn rooms_import_only_the_rooms_they_may() {
    let mut wrong = Vec::new();
    for (room, ours, engine) in ROOMS {
        let place = repository("src").join(room);
        let mut files = Vec::new();
        match place.is_dir() {
            true => sources(&place, &mut files),
            false => files.push(place.clone()),
        }
        assert!(!files.is_empty(), "no room {room}");
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let code = code(file);
            for word in words_after(&code, "crate::") {
                if !ours.contains(&word) && !word.starts_with(|first: char| first.is_uppercase()) {
                    wrong.push(format!("{} imports {word}", file.display()));
                }
            }
            for name in ENGINE {
                // `datafusion_proto` and its kin are DataFusion, too.
                let named = words_after(&code, "use ").iter().any(|word| word.starts_with(name))
                    || code.contains(&format!(" {name}::"))
                    || code.contains(&format!("({name}::"));
                if named && !engine.contains(&name) {
                    wrong.push(format!("{} names {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_readable_in_one_sitting() {
    let mut files = Vec::new();
    sources(&repository("src"), &mut files);
    let lines = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        text.split("#[cfg(test)]").next().unwrap_or_default().lines().count()
    };
    let long: Vec<_> = files.iter().filter(|path| !path.ends_with("tests.rs") && lines(path) > 400).collect();
    assert!(long.is_empty(), "more than 400 lines before the tests: {long:?}");
}

use std::io::Write;

use super::*;

fn dir(root: &Path, backend: &str) -> PathBuf {
    let path = root.join(layout::BACKENDS).join(backend);
    fs::create_dir_all(&path).unwrap();
    path
}

fn touch(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "x").unwrap();
}

/// Name and a word for what was found.
fn found(root: &Path) -> Vec<(String, String)> {
    let backends = DataDir::open(root).unwrap().backends().unwrap();
    let word = |backend: &BackendDir| match &backend.mappings {
        Mappings::Absent => "absent".to_owned(),
        Mappings::Files(files) => files.iter().map(|file| file.shown.as_str()).collect::<Vec<_>>().join(" "),
        Mappings::SameAs(other) => format!("same as {other}"),
        Mappings::Unreadable { reason, .. } => reason.clone(),
    };
    backends.iter().map(|backend| (backend.name.clone(), word(backend))).collect()
}

#[test]
fn a_root_that_is_not_there_is_an_error_and_an_empty_one_is_not() {
    let temp = tempfile::tempdir().unwrap();
    assert!(matches!(DataDir::open(&temp.path().join("x")), Err(Error::RootNotFound { .. })));
    touch(&temp.path().join("file"));
    assert!(matches!(DataDir::open(&temp.path().join("file")), Err(Error::RootNotFound { .. })));
    assert_eq!(found(temp.path()), []);
}

#[test]
fn backends_are_directories_whatever_their_names() {
    let temp = tempfile::tempdir().unwrap();
    let names = [
        "a b",
        "'quote\"",
        "$dollar",
        "-dash",
        "кириллица",
        "percent%20",
        "back\\slash",
        "star*?",
        "new\nline",
    ];
    for name in names {
        touch(&dir(temp.path(), name).join(layout::MAPPINGS));
    }
    touch(&temp.path().join("backends/s3.yaml"));
    fs::create_dir_all(temp.path().join("backends/.git")).unwrap();
    touch(&dir(temp.path(), ".hidden").join(layout::MAPPINGS));
    let mut expected: Vec<_> = names.iter().chain(&[".hidden"]).map(|name| (*name).to_owned()).collect();
    expected.sort();
    let shown: Vec<_> = found(temp.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(shown, expected);
}

#[test]
fn part_files_are_found_at_any_depth_and_a_writers_own_files_are_not_parts() {
    let temp = tempfile::tempdir().unwrap();
    let parts = dir(temp.path(), "s3").join(layout::MAPPINGS);
    for name in
        ["b.parquet", "a.PARQUET", "year=2024/c.parquet", "_SUCCESS", ".x.parquet", "_metadata", "notes.txt"]
    {
        touch(&parts.join(name));
    }
    let place = "backends/s3/pin_mappings.parquet";
    let expected = format!("{place}/a.PARQUET {place}/b.parquet {place}/year=2024/c.parquet");
    assert_eq!(found(temp.path()), [("s3".to_owned(), expected)]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_never_out_of_the_root() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    touch(&outside.path().join(layout::MAPPINGS));
    let temp = tempfile::tempdir().unwrap();
    let backends = temp.path().join(layout::BACKENDS);
    touch(&dir(temp.path(), "real").join(layout::MAPPINGS));
    touch(&temp.path().join("elsewhere").join(layout::MAPPINGS));
    symlink("real", backends.join("alias")).unwrap();
    symlink("../elsewhere", backends.join("inside")).unwrap();
    symlink(outside.path(), backends.join("outside")).unwrap();
    symlink("nowhere", backends.join("dangling")).unwrap();
    symlink("..", backends.join("up")).unwrap();
    symlink("cycle", backends.join("cycle")).unwrap();
    let mixed = dir(temp.path(), "mixed").join(layout::MAPPINGS);
    touch(&mixed.join("own.parquet"));
    symlink("../../real/pin_mappings.parquet", mixed.join("borrowed.parquet")).unwrap();
    symlink("../real/pin_mappings.parquet", dir(temp.path(), "linked_file").join(layout::MAPPINGS)).unwrap();
    let shown = found(temp.path());
    let word = |name: &str| shown.iter().find(|(found, _)| found == name).unwrap().1.clone();
    assert_eq!(word("real"), "backends/real/pin_mappings.parquet");
    assert_eq!(word("inside"), "backends/inside/pin_mappings.parquet");
    assert_eq!(word("alias"), "same as real");
    assert!(word("outside").starts_with("a link that leaves the data directory"), "{}", word("outside"));
    assert!(word("dangling").starts_with("a link to nowhere"), "{}", word("dangling"));
    assert_eq!(word("up"), "a link to a directory above it");
    assert!(word("cycle").starts_with("a link to nowhere"), "{}", word("cycle"));
    assert_eq!(word("linked_file"), "same as real");
    assert_eq!(word("mixed"), "the same file as one of backend real");
}

#[test]
fn a_backends_type_comes_from_its_configuration() {
    let temp = tempfile::tempdir().unwrap();
    let config = |place: &str, text: &str| {
        let path = temp.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    config("backend_configs/a.yaml", "name: a\ntype: s3\nconfig:\n  secret_key: hidden\n");
    config("backend_configs/b.json", r#"{"type": "github", "config": {"token": "hidden"}}"#);
    config("backends/c.yaml", "type: 'storacha'\n");
    config("backend_configs/d.yaml", "type: [");
    config("backend_configs/e.yaml", "name: e\n");
    let data = DataDir::open(temp.path()).unwrap();
    let types = ["a", "b", "c", "d", "e", "f"].map(|name| data.backend_type(name));
    let expected = [Some("s3"), Some("github"), Some("storacha"), None, None, None];
    assert_eq!(types, expected.map(|kind| kind.map(str::to_owned)));
}

#[test]
fn a_staged_file_appears_whole_or_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("out.csv");
    let mut dropped = StagedFile::beside(&target).unwrap();
    dropped.write_all(b"half").unwrap();
    drop(dropped);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);

    fs::write(&target, "old").unwrap();
    let mut staged = StagedFile::beside(&target).unwrap();
    staged.write_all(b"new").unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "old");
    staged.publish().unwrap();
    assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    assert!(StagedFile::beside(temp.path()).is_err());
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let mut null = StagedFile::beside(Path::new("/dev/null")).unwrap();
    null.write_all(b"x").unwrap();
    null.publish().unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let mut full = StagedFile::beside(Path::new("/dev/full")).unwrap();
    assert_eq!(full.write_all(b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_backend_that_goes_away_while_it_is_looked_at_is_not_known_to_have_no_mappings() {
    let temp = tempfile::tempdir().unwrap();
    let there = dir(temp.path(), "there");
    let data = DataDir::open(temp.path()).unwrap();
    let look = |path: PathBuf| look_into(&data.inside().unwrap(), "name".into(), path).unwrap().mappings;
    assert!(matches!(look(there.clone()), Mappings::Absent));
    let gone = look(there.with_file_name("gone"));
    assert!(matches!(gone, Mappings::Unreadable { path, .. } if path == "backends/name"));
}

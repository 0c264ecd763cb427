//! What a data directory holds, and what must hold of it after a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use pinql::session::Options;

use crate::support;

/// All files under a root by their paths in it. A link is its target.
pub type Listing = BTreeMap<String, Vec<u8>>;

pub fn listing(root: &Path) -> Listing {
    let mut found = Listing::new();
    walk(root, "", &mut |path, name| {
        let metadata = fs::symlink_metadata(path).unwrap();
        let bytes = match metadata.is_symlink() {
            true => format!("-> {}", fs::read_link(path).unwrap().display()).into_bytes(),
            false => fs::read(path).unwrap(),
        };
        found.insert(name.to_owned(), bytes);
    });
    found
}

/// The same, and when each file and each directory last changed: what a run without any trace leaves as it was.
pub fn listing_with_times(root: &Path) -> (Listing, BTreeMap<String, SystemTime>) {
    let mut times = BTreeMap::new();
    let mut dirs = vec![(root.to_owned(), String::new())];
    while let Some((dir, name)) = dirs.pop() {
        times.insert(name.clone(), fs::metadata(&dir).unwrap().modified().unwrap());
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let name = format!("{name}/{}", entry.file_name().to_string_lossy());
            let metadata = entry.metadata().unwrap();
            times.insert(name.clone(), metadata.modified().unwrap());
            if metadata.is_dir() {
                dirs.push((entry.path(), name));
            }
        }
    }
    (listing(root), times)
}

fn walk(dir: &Path, name: &str, found: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), &name, found),
            false => found(&entry.path(), &name),
        }
    }
}

/// A path without the time that the name of a kept file has in it: `pins.json.backup`.
fn timeless(path: &str) -> String {
    let parts = path.split('/').map(|name| match name.split_once(".backup.") {
        Some((file, _)) => format!("{file}.backup"),
        None => name.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn is_in_the_making(path: &str) -> bool {
    path.ends_with(".tmp")
}

/// How many mappings SQL finds in each backend; or why it cannot read them.
fn counts(root: &Path) -> BTreeSet<String> {
    let sql = "SELECT backend_name, COUNT(*) FROM pins GROUP BY backend_name";
    let told = support::try_csv(root, sql, Options::default()).unwrap_or_else(|error| error.to_string());
    told.lines().map(str::to_owned).collect()
}

/// The files in the place of each backend's mappings, without what is kept of earlier ones.
fn mappings(files: &Listing) -> BTreeMap<String, Listing> {
    let mut found: BTreeMap<String, Listing> = BTreeMap::new();
    for (path, bytes) in files {
        let mut parts = path.trim_start_matches("/backends/").splitn(2, '/');
        let (backend, name) = (parts.next().unwrap(), parts.next().unwrap_or_default());
        let own = found.entry(backend.to_owned()).or_default();
        if name.split('/').next() == Some("pin_mappings.parquet") {
            own.insert(name.to_owned(), bytes.clone());
        }
    }
    found
}

/// All mappings of a backend, as SQL reads them; or why it cannot.
pub fn rows_of(root: &Path, backend: &str) -> String {
    let sql = format!("SELECT * FROM backends.\"{backend}\" ORDER BY cid");
    support::try_csv(root, &sql, Options::default()).unwrap_or_else(|error| format!("error: {error}"))
}

/// A data directory as it was and as it will be, for what lies between.
pub struct Between {
    before: Listing,
    after: Listing,
    counts: BTreeSet<String>,
}

impl Between {
    pub fn new(before: &Path, after: &Path) -> Between {
        let counts = counts(before).into_iter().chain(counts(after)).collect();
        Between { before: listing(before), after: listing(after), counts }
    }

    /// Asserts that nothing is lost at this moment: every file that was there is there with its bytes, under its name or
    /// under that of a backup; and the mappings of each backend are byte for byte the old ones or the new ones, all of
    /// them, which SQL reads.
    pub fn assert_nothing_lost(&self, root: &Path, when: &str) {
        let now = listing(root);
        // `a/parts/x` is kept as `a/parts.backup.…/x`.
        let plain = |path: &str| timeless(path).replace(".backup", "");
        for (path, bytes) in &self.before {
            let here = now.iter().any(|(other, found)| plain(other) == plain(path) && found == bytes);
            assert!(here, "{when}: {path} is lost; there are {:?}", now.keys());
        }
        let (old, new) = (mappings(&self.before), mappings(&self.after));
        for (backend, files) in mappings(&now) {
            let known = [&old, &new].iter().any(|all| all.get(&backend) == Some(&files));
            assert!(known, "{when}: {backend} has {:?}, which are neither old nor new", files.keys());
        }
        let odd: Vec<_> = counts(root).into_iter().filter(|line| !self.counts.contains(line)).collect();
        assert!(odd.is_empty(), "{when}: SQL reads {odd:?} instead of {:?}", self.counts);
    }

    /// Asserts that the work is done as if there had been no fault: the same files with the same bytes and nothing beside
    /// them, but for one thing. A run that was stopped has put new files in place that the next run, which makes them
    /// again, keeps before it replaces them: so there may be further backups with the bytes of the *new* files.
    pub fn assert_finished(&self, root: &Path, when: &str) {
        let now = listing(root);
        let is_there = |wanted: &Listing, path: &str, bytes: &Vec<u8>| {
            wanted.iter().any(|(other, found)| timeless(other) == timeless(path) && found == bytes)
        };
        for (path, bytes) in &self.after {
            assert!(is_there(&now, path, bytes), "{when}: {path} differs; there are {:?}", now.keys());
        }
        for (path, bytes) in &now {
            let again = self.after.get(timeless(path).trim_end_matches(".backup")) == Some(bytes);
            let known = is_there(&self.after, path, bytes) || again;
            assert!(known, "{when}: {path} is left over ({} bytes)", bytes.len());
        }
    }
}

/// A state in short, so that the same one is not looked at twice: of files in the making only how many there are, for
/// nobody reads them.
pub fn essence(root: &Path) -> Vec<(String, Vec<u8>)> {
    let files = listing(root).into_iter().map(|(path, bytes)| match is_in_the_making(&path) {
        true => ("in the making".to_owned(), Vec::new()),
        false => (timeless(&path), bytes),
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

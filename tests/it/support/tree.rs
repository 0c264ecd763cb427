//! Data directories in which files are changed: made, migrated, and looked at.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use pinql::migrate::{self, BackendOutcome, MigrationOutcome, Mode, Options, Progress};
use pinql::session::{self, Session};
use tempfile::TempDir;

use super::{csv, runtime};

/// When every `pins.json` of the tests last changed: 2024-06-01T00:00:00Z.
pub const CHANGED: u64 = 1_717_200_000;
/// When the tests migrate, in microseconds: 2024-11-24T13:34:05Z.
pub const NOW: i64 = 1_732_455_245_000_000;

/// A home with a data directory `data` in it.
pub struct Tree {
    dir: TempDir,
}

impl Tree {
    pub fn new() -> Tree {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("data/backends")).unwrap();
        Tree { dir }
    }

    /// One backend with this `pins.json`.
    pub fn with(backend: &str, pins_json: impl AsRef<[u8]>) -> Tree {
        let tree = Tree::new();
        tree.pins_json(backend, pins_json);
        tree
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A file of a backend, whose directory is there from now on.
    pub fn file(&self, backend: &str, name: &str) -> PathBuf {
        let dir = self.root().join("backends").join(backend);
        fs::create_dir_all(&dir).unwrap();
        dir.join(name)
    }

    pub fn write(&self, backend: &str, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.file(backend, name), bytes).unwrap();
    }

    /// Puts a `pins.json` there that last changed at [`CHANGED`].
    pub fn pins_json(&self, backend: &str, bytes: impl AsRef<[u8]>) {
        self.write(backend, "pins.json", bytes);
        let file = File::options().write(true).open(self.file(backend, "pins.json")).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(CHANGED)).unwrap();
    }

    /// The files of a backend and their bytes, those in directories too.
    pub fn files(&self, backend: &str) -> BTreeMap<String, Vec<u8>> {
        let dir = self.file(backend, "");
        let mut found = BTreeMap::new();
        let mut left = vec![dir.clone()];
        while let Some(next) = left.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => left.push(path),
                    false => {
                        let name = path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned();
                        found.insert(name, fs::read(&path).unwrap_or_default());
                    }
                }
            }
        }
        found
    }

    pub fn names(&self, backend: &str) -> Vec<String> {
        self.files(backend).into_keys().collect()
    }

    pub fn csv(&self, sql: &str) -> String {
        csv(&self.root(), sql)
    }

    /// Migrates everything at [`NOW`].
    pub fn migrate(&self) -> MigrationOutcome {
        self.migrate_with(Options::at(NOW))
    }

    pub fn dry_run(&self) -> MigrationOutcome {
        self.migrate_with(Options { mode: Mode::DryRun, ..Options::at(NOW) })
    }

    pub fn migrate_with(&self, options: Options) -> MigrationOutcome {
        self.work(session::Options::default(), move |session| {
            migrate::migrate(session, &options, &Progress::default())
        })
        .unwrap()
    }

    /// Migrates a tree of one backend and gives what became of it.
    pub fn migrate_one(&self) -> BackendOutcome {
        let mut outcome = self.migrate();
        assert_eq!(outcome.backends.len(), 1);
        outcome.backends.remove(0)
    }

    /// Does something with a session where a runtime may be waited for.
    pub fn work<T: Send + 'static>(
        &self,
        options: session::Options,
        task: impl FnOnce(&Session) -> T + Send + 'static,
    ) -> T {
        let root = self.root();
        runtime().block_on(async {
            let session = Session::open(&root, options).unwrap();
            tokio::task::spawn_blocking(move || task(&session)).await.unwrap()
        })
    }

    /// The program over the data directory, in an environment without anything of the user's.
    pub fn pinql(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
        command.args(args).env_clear().env("HOME", self.home()).current_dir(self.home());
        command.env("PINQL_ROOT", self.root()).stdin(Stdio::null());
        command
    }

    pub fn output(&self, args: &[&str]) -> Output {
        self.pinql(args).output().unwrap()
    }

    /// Runs the program and shows all there is to see. The home's path and times of now are left out, and
    /// so is the log of `--verbose`.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().map_or("none".into(), |code| code.to_string());
        let shown = format!("{}--- stderr\n{}--- exit {code}", text(output.stdout), text(output.stderr));
        let lines = shown.split_inclusive('\n').filter(|line| !line.contains(" INFO pinql::"));
        without_times(&lines.collect::<String>().replace(&self.home().display().to_string(), "~"))
    }
}

/// The text with `TIME` in the place of what stands behind `.backup.`.
pub fn without_times(text: &str) -> String {
    let mut parts = text.split(".backup.");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str(".backup.TIME");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_'));
    }
    shown
}

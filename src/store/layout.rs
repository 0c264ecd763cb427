//! Every file name that pinql knows, spelled once.

/// Under the root: one directory for each backend.
pub const BACKENDS: &str = "backends";
/// Under the root: one YAML or JSON file for each backend, with secrets in it.
pub const BACKEND_CONFIGS: &str = "backend_configs";

/// Under the root: what a daemon keeps there: `.pinql/daemon`.
pub const DAEMON: [&str; 2] = [".pinql", "daemon"];
/// In a daemon's directory: what it knows at the moment, as long as it runs.
pub const STATUS: &str = "status.json";
/// In a daemon's directory: the number of its process.
pub const PID: &str = "pid";
/// In a daemon's directory: what its alerts are at, and what is still to be told.
pub const ALERTS: &str = "alerts.json";
/// In a daemon's directory: what it writes for people where it has no terminal.
pub const LOG: &str = "daemon.log";
/// In a daemon's directory: its observations, files called `<first>-<last>.parquet` by number.
pub const HISTORY: &str = "history";

/// Under the root: what older tools know of their backends, in [`BACKEND_REGISTRY`] and [`DIRTY_METADATA`].
pub const BACKEND_INDEX: &str = "backend_index";
/// Under [`BACKEND_INDEX`]: one row for each backend that a tool has registered.
pub const BACKEND_REGISTRY: &str = "backend_registry.parquet";
/// Under [`BACKEND_INDEX`]: what of each backend waits to be synced.
pub const DIRTY_METADATA: &str = "dirty_metadata";
/// Under the root: the same, as another tool notes it.
pub const BACKEND_STATE: &str = "backend_state";
/// How the name of such a note ends behind that of the backend.
pub const DIRTY_NOTE: &str = "_dirty.json";
/// How the name of an empty file ends that says no more than that a backend is dirty.
pub const DIRTY_FLAG: &str = ".dirty";
/// Under the root: what older tools know of their buckets, in [`BUCKET_REGISTRY`].
pub const BUCKET_INDEX: &str = "bucket_index";
/// Under [`BUCKET_INDEX`], or under the root itself: one row for each bucket.
pub const BUCKET_REGISTRY: &str = "bucket_registry.parquet";

/// Under the root: the same as JSON.
pub const BUCKET_REGISTRY_JSON: &str = "bucket_registry.json";
/// Under the root: one YAML file for each bucket, which may have secrets in it.
pub const BUCKET_CONFIGS: &str = "bucket_configs";

/// In a backend's directory: the mappings, a file or a directory of part files.
pub const MAPPINGS: &str = "pin_mappings.parquet";
/// In a backend's directory: the same mappings as content-addressed backup.
pub const CAR: &str = "pin_mappings.car";
/// In a backend's directory: the older format, until it is migrated.
pub const LEGACY: &str = "pins.json";

/// How the part files in a directory of mappings end.
pub const PART: &str = "parquet";

/// In a backend's directory: what a migration could not take for a pin, with reasons.
pub const REJECTS: &str = "pin_rejects.parquet";
/// Between the name of a file and the time when it was replaced, in the name of what is kept of it.
pub const BACKUP: &str = ".backup.";
/// How the name of a file in the making ends; it begins with a dot and the name of the file that it will be.
pub const STAGED: &str = ".tmp";

/// Whether a file is one in the making that nobody will finish, if nobody is writing.
pub fn is_leftover(name: &str) -> bool {
    let ours = [MAPPINGS, CAR, REJECTS, LEGACY];
    staged(name).is_some_and(|rest| ours.iter().any(|file| rest.starts_with(file)))
}

/// What the name of a file in the making holds between its dot and its end: the name that it will have, and more.
pub(super) fn staged(name: &str) -> Option<&str> {
    name.strip_prefix('.').and_then(|name| name.strip_suffix(STAGED))
}

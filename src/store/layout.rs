//! Every file name that pinql knows, spelled once.

/// Under the root: one directory for each backend.
pub const BACKENDS: &str = "backends";
/// Under the root: one YAML or JSON file for each backend, with secrets in it.
pub const BACKEND_CONFIGS: &str = "backend_configs";

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
    let rest = name.strip_prefix('.').and_then(|name| name.strip_suffix(STAGED));
    rest.is_some_and(|rest| ours.iter().any(|file| rest.starts_with(file)))
}

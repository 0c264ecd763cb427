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

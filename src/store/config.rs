//! What a backend's configuration says of its type. Its secrets are never read into memory that outlives the parsing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::{DataDir, layout};

/// The most of a configuration that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// The one key that matters; the others, secrets among them, are skipped.
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl DataDir {
    /// The type of backend (`s3`, `github`, …) that its configuration gives, if there is one that can be read.
    ///
    /// Looks where ipfs_kit keeps them: `backend_configs/<name>.yaml`, `.yml`, `.json`, then `backends/<name>.yaml`.
    pub fn backend_type(&self, name: &str) -> Option<String> {
        let configs = ["yaml", "yml", "json"].map(|end| (layout::BACKEND_CONFIGS, end));
        let places = configs.into_iter().chain([(layout::BACKENDS, "yaml"), (layout::BACKENDS, "yml")]);
        places
            .into_iter()
            .find_map(|(dir, end)| type_in(&self.root().join(dir).join(format!("{name}.{end}"))))
    }
}

fn type_in(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(LIMIT).read_to_string(&mut text).ok()?;
    // JSON is YAML too.
    let config: Config = serde_saphyr::from_str(&text).ok()?;
    config.kind.filter(|kind| !kind.trim().is_empty())
}

//! Where things lie that nobody named: the data directory, the user's reports, the history.

use std::env;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::failure::{Failure, Outcome};

/// The data directory: `--root`, else `$PINQL_ROOT`, else `$IPFS_KIT_PATH`, else that of the configuration, else
/// `~/.ipfs_kit`.
pub fn root(named: Option<&Path>, configured: Option<&Path>) -> Outcome<PathBuf> {
    let from = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = named.map(PathBuf::from).or_else(|| from("PINQL_ROOT")).or_else(|| from("IPFS_KIT_PATH"));
    let root = root.or_else(|| configured.map(PathBuf::from));
    let root = root.unwrap_or_else(|| PathBuf::from("~/.ipfs_kit"));
    let home = etcetera::home_dir().ok();
    expand(&root, home.as_deref()).ok_or_else(|| {
        Failure::misuse(
            format!("cannot tell what `~` is in {}", root.display()),
            "name the data directory with --root DIR, or set HOME",
        )
    })
}

/// The path with a leading `~` replaced by the home directory, which a shell does only in some places.
fn expand(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) => home.map(|home| home.join(rest)),
        Err(_) => Some(path.into()),
    }
}

/// The path with a leading `~` replaced, as far as that is known.
pub fn at_home(path: &Path) -> PathBuf {
    expand(path, etcetera::home_dir().ok().as_deref()).unwrap_or_else(|| path.into())
}

/// The configuration file. It need not be there.
pub fn config() -> Option<PathBuf> {
    let config = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(config.join("pinql").join("config.toml"))
}

/// The configuration of a daemon. It need not be there.
pub fn daemon_config() -> Option<PathBuf> {
    let config = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(config.join("pinql").join("daemon.toml"))
}

/// The directory of the user's own reports, if it is there.
pub fn user_queries() -> Option<PathBuf> {
    let config = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(config.join("pinql").join("queries")).filter(|dir| dir.is_dir())
}

/// The user's own prices, if there are any.
pub fn user_prices() -> Option<PathBuf> {
    let config = etcetera::choose_base_strategy().ok()?.config_dir();
    Some(config.join("pinql").join("prices.toml")).filter(|file| file.exists())
}

/// The file that the shell keeps its history in. It need not be there, nor be writable.
pub fn history() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    let state = strategy.state_dir().unwrap_or_else(|| strategy.data_dir());
    Some(state.join("pinql").join("history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_tilde_is_the_home_directory() {
        for (path, expanded) in [
            ("~/.ipfs_kit", Some("/home/ann/.ipfs_kit")),
            ("~", Some("/home/ann")),
            ("/srv/~", Some("/srv/~")),
            ("~ann/x", Some("~ann/x")),
        ] {
            let found = expand(Path::new(path), Some(Path::new("/home/ann")));
            assert_eq!(found, expanded.map(PathBuf::from), "{path}");
        }
        assert_eq!(expand(Path::new("~/x"), None), None);
    }
}

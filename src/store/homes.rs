//! Backends that had mappings, and whose directory is an empty one in another place now: what a mount that is gone leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{BackendDir, Mappings, layout};

/// What is said of what was there.
pub(super) const GONE: &str = "it was there before and is gone";

/// Where backends with mappings were.
#[derive(Debug, Default)]
pub(super) struct Homes(Mutex<BTreeMap<String, (u64, u64)>>);

impl Homes {
    /// Remembers where backends with mappings are. One that had some, and of which nothing but an empty directory elsewhere is left,
    /// is none without mappings: it cannot be read. Backends that are not listed any more are forgotten.
    pub fn look(&self, backends: &mut [BackendDir]) {
        let mut homes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names: BTreeSet<&str> = backends.iter().map(|backend| backend.name.as_str()).collect();
        homes.retain(|name, _| names.contains(name.as_str()));
        for backend in backends {
            match &backend.mappings {
                Mappings::Files(files) if !files.is_empty() => {
                    homes.extend(number(&backend.path).map(|number| (backend.name.clone(), number)));
                }
                Mappings::Absent => {
                    if let Some(home) = homes.get(&backend.name)
                        && number(&backend.path).is_some_and(|number| number != *home)
                        && is_bare(&backend.path)
                    {
                        let path = format!("{}/{}", layout::BACKENDS, backend.name);
                        backend.mappings = Mappings::Unreadable { path, reason: GONE.into() };
                    }
                }
                _ => {}
            }
        }
    }
}

fn is_bare(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(unix)]
fn number(dir: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(dir).ok()?;
    Some((found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn number(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DataDir;

    #[cfg(unix)]
    #[test]
    fn an_empty_directory_in_the_place_of_a_backend_is_no_backend_without_mappings() {
        let temp = tempfile::tempdir().unwrap();
        let (place, elsewhere) = (temp.path().join("backends/one"), temp.path().join("elsewhere"));
        fs::create_dir_all(&place).unwrap();
        let data = DataDir::open(temp.path()).unwrap().remembering();
        let is_gone = || {
            let found = data.backends().unwrap().remove(0).mappings;
            matches!(found, Mappings::Unreadable { reason, .. } if reason == GONE)
        };
        // One that never had any has none.
        assert!(!is_gone());
        fs::write(place.join(layout::MAPPINGS), "a").unwrap();
        assert!(!is_gone());
        fs::rename(&place, &elsewhere).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(is_gone());
        fs::remove_dir(&place).unwrap();
        fs::rename(&elsewhere, &place).unwrap();
        assert!(!is_gone());
        // One that was emptied where it is has none, nor has one that was removed.
        fs::rename(place.join(layout::MAPPINGS), &elsewhere).unwrap();
        assert!(!is_gone());
        fs::remove_dir(&place).unwrap();
        assert!(data.backends().unwrap().is_empty());
        fs::create_dir_all(temp.path().join("backends/other")).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(data.backends().unwrap().iter().all(|one| matches!(one.mappings, Mappings::Absent)));
    }
}

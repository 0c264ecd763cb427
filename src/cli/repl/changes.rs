//! Which backends have changed since they were last looked at: by the names, sizes and times of their files.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use pinql::store::{DataDir, Mappings};

/// The backends as they were at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Seen(BTreeMap<String, u64>);

impl Seen {
    /// Looks at the data directory: at directories and file metadata, at no file's contents.
    pub fn now(dir: &DataDir) -> Seen {
        let backends = dir.backends().unwrap_or_default().into_iter();
        Seen(backends.map(|backend| (backend.name.clone(), print(&backend.mappings))).collect())
    }

    /// What tells this moment from others.
    pub fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// The names of the backends.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// What has changed since an earlier moment, in words; nothing if nothing has.
    pub fn since(&self, earlier: &Seen) -> Option<String> {
        let new = self.0.keys().filter(|name| !earlier.0.contains_key(*name));
        let gone = earlier.0.keys().filter(|name| !self.0.contains_key(*name));
        let other =
            self.0.iter().filter(|(name, print)| earlier.0.get(*name).is_some_and(|was| was != *print));
        let list = |names: Vec<&String>, what: &str| {
            let few: Vec<&str> = names.iter().take(3).map(|name| name.as_str()).collect();
            let more = names.len() - few.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (!names.is_empty()).then(|| format!("{what} {}{more}", few.join(", ")))
        };
        let lists = [
            list(other.map(|(name, _)| name).collect(), "changed:"),
            list(new.collect(), "new:"),
            list(gone.collect(), "gone:"),
        ];
        let words: Vec<String> = lists.into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

fn print(mappings: &Mappings) -> u64 {
    let mut hasher = DefaultHasher::new();
    match mappings {
        Mappings::Files(files) => {
            for file in files {
                (&file.path, file.size, file.modified).hash(&mut hasher);
            }
        }
        other => format!("{other:?}").hash(&mut hasher),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_by_name() {
        let seen = |pairs: &[(&str, u64)]| {
            Seen(pairs.iter().map(|(name, print)| ((*name).into(), *print)).collect())
        };
        let before = seen(&[("a", 1), ("b", 1), ("c", 1)]);
        assert_eq!(before.since(&before), None);
        let after = seen(&[("a", 2), ("c", 1), ("d", 1)]);
        assert_eq!(after.since(&before).as_deref(), Some("changed: a; new: d; gone: b"));
        let many = seen(&[("a", 2), ("b", 2), ("c", 2), ("d", 1), ("e", 1), ("f", 1), ("g", 1)]);
        assert_eq!(many.since(&before).as_deref(), Some("changed: a, b, c; new: d, e, f and 1 more"));
    }
}

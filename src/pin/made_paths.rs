//! What all paths of CAR files in a file of mappings have in common, where each is a name made of its row's CID:
//! `/s3-bucket/cars/<cid>.car`. Such paths need not be read: they can be made of the CIDs.

use arrow::array::StringArray;

/// What stands before and after the CID in each path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadePaths {
    /// `/s3-bucket/cars/`.
    pub before: String,
    /// `.car`.
    pub after: String,
}

impl MadePaths {
    /// What stands before and after a CID in its path, if it is in there.
    fn of(cid: &str, path: &str) -> Option<MadePaths> {
        let (before, after) = path.split_once(cid).filter(|_| !cid.is_empty())?;
        Some(MadePaths { before: before.into(), after: after.into() })
    }

    /// Whether the path of a CID is made in this way.
    fn makes(&self, cid: &str, path: &str) -> bool {
        let rest = path.strip_prefix(&self.before[..]);
        rest.and_then(|rest| rest.strip_suffix(&self.after[..])) == Some(cid)
    }

    /// As it stands in the keys of a file, under [`CAR_PATHS_KEY`](super::schema::CAR_PATHS_KEY).
    pub fn text(&self) -> String {
        serde_json::json!([self.before, self.after]).to_string()
    }

    /// Reads [`MadePaths::text`].
    pub fn parse(text: &str) -> Option<MadePaths> {
        let [before, after] = serde_json::from_str(text).ok()?;
        Some(MadePaths { before, after })
    }
}

/// What the paths of a file in the making have in common so far.
#[derive(Debug, Default)]
pub enum CommonPaths {
    /// There are no rows.
    #[default]
    Unknown,
    /// All of them are made in the same way.
    Same(MadePaths),
    /// One is made in another way than those before, is no name made of a CID, or there is none.
    Differ,
}

impl CommonPaths {
    /// Adds the next rows: their CIDs and their paths.
    pub fn add(&mut self, cids: &StringArray, paths: &StringArray) {
        for row in cids.iter().zip(paths) {
            let (Some(cid), Some(path)) = row else {
                *self = CommonPaths::Differ;
                return;
            };
            match self {
                CommonPaths::Same(paths) if paths.makes(cid, path) => {}
                CommonPaths::Unknown => {
                    *self = MadePaths::of(cid, path).map_or(CommonPaths::Differ, CommonPaths::Same);
                }
                CommonPaths::Same(_) | CommonPaths::Differ => {
                    *self = CommonPaths::Differ;
                    return;
                }
            }
        }
    }

    /// What all of them have in common.
    pub fn common(&self) -> Option<&MadePaths> {
        match self {
            CommonPaths::Same(paths) => Some(paths),
            CommonPaths::Unknown | CommonPaths::Differ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(rows: &[(Option<&str>, Option<&str>)]) -> Option<MadePaths> {
        let mut paths = CommonPaths::default();
        for rows in rows.chunks(2) {
            let cids: StringArray = rows.iter().map(|(cid, _)| *cid).collect();
            let of_rows: StringArray = rows.iter().map(|(_, path)| *path).collect();
            paths.add(&cids, &of_rows);
        }
        paths.common().cloned()
    }

    #[test]
    fn paths_that_are_made_of_their_cids_are_known() {
        let paths = |before: &str, after: &str| {
            let paths = MadePaths { before: before.into(), after: after.into() };
            assert_eq!(MadePaths::parse(&paths.text()), Some(paths.clone()));
            Some(paths)
        };
        let (a, b) = ((Some("a"), Some("/x/a.c")), (Some("b"), Some("/x/b.c")));
        assert_eq!(common(&[]), None);
        assert_eq!(common(&[a]), paths("/x/", ".c"));
        assert_eq!(common(&[a, b, a, b, (Some(""), Some("/x/.c"))]), paths("/x/", ".c"));
        assert_eq!(common(&[(Some("a"), Some("a")), (Some("b"), Some("b"))]), paths("", ""));
        // A name may hold the CID twice; only one of them is where it stands in the others.
        assert_eq!(
            common(&[(Some("a"), Some("\"a\"a\n")), (Some("b"), Some("\"b\"a\n"))]),
            paths("\"", "\"a\n")
        );
        for other in [
            (None, Some("/x/b.c")),
            (Some("b"), None),
            (Some("b"), Some("/y/b.c")),
            (Some("b"), Some("/x/b.d")),
            (Some("b"), Some("/x/c.c")),
            (Some("b"), Some("/x/.c")),
            (Some("b"), Some("")),
            (Some(""), Some("")),
            (None, None),
        ] {
            assert_eq!(common(&[a, b, a, other]), None);
            assert_eq!(common(&[a, other, a, b]), None);
            assert_eq!(common(&[other, a, a]), None);
        }
        assert_eq!(common(&[(Some(""), Some("/x/.c"))]), None);
        assert_eq!(MadePaths::parse("[\"a\"]"), None);
        assert_eq!(MadePaths::parse("no JSON"), None);
    }
}

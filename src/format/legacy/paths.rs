//! Where the CAR of a pin lies on a backend, for entries that do not say it themselves.
//!
//! The paths are those that ipfs_kit makes up, so they are hints. To add a kind of backend, add a line to [`KNOWN`].

/// Words in a type or name → what comes before the CID. The first that fits counts: `sshfs` contains `hf`.
const KNOWN: &[(&str, &str)] = &[
    ("s3", "/s3-bucket/cars/"),
    ("github", "/github-repo/cars/"),
    ("storacha", "/storacha/"),
    ("sshfs", "/sshfs-mount/cars/"),
    ("huggingface", "/hf-repo/cars/"),
    ("hf", "/hf-repo/cars/"),
    ("ftp", "/ftp-storage/cars/"),
];

/// The paths of one backend's CARs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarPaths {
    before: String,
}

impl CarPaths {
    /// The paths of a backend of this type, else of this name. A type that says nothing is not overruled by the name.
    pub fn new(backend_name: &str, backend_type: Option<&str>) -> CarPaths {
        let said = backend_type.unwrap_or(backend_name).to_lowercase();
        let before = match KNOWN.iter().find(|(word, _)| said.contains(word)) {
            Some((_, before)) => (*before).to_owned(),
            None => format!("/{backend_name}/cars/"),
        };
        CarPaths { before }
    }

    /// Puts the path for `cid` into `path`.
    pub fn write(&self, cid: &str, path: &mut String) {
        path.clear();
        path.extend([&self.before, cid, ".car"]);
    }

    /// The same as bytes.
    pub fn write_bytes(&self, cid: &[u8], path: &mut Vec<u8>) {
        path.clear();
        [self.before.as_bytes(), cid, b".car"].iter().for_each(|part| path.extend_from_slice(part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides_and_else_the_name() {
        for (name, kind, path) in [
            ("my-S3-backend", None, "/s3-bucket/cars/C.car"),
            ("github_main", None, "/github-repo/cars/C.car"),
            ("my-storacha", None, "/storacha/C.car"),
            ("nas_sshfs", None, "/sshfs-mount/cars/C.car"),
            ("archive_hf", None, "/hf-repo/cars/C.car"),
            ("HuggingFace", None, "/hf-repo/cars/C.car"),
            ("ftp1", None, "/ftp-storage/cars/C.car"),
            ("local_fs", None, "/local_fs/cars/C.car"),
            ("Local", None, "/Local/cars/C.car"),
            ("mirror", Some("s3"), "/s3-bucket/cars/C.car"),
            ("github-mirror", Some("FTP"), "/ftp-storage/cars/C.car"),
            ("s3-like", Some("filesystem"), "/s3-like/cars/C.car"),
            ("x", Some("sshfs"), "/sshfs-mount/cars/C.car"),
        ] {
            let mut out = "before".to_owned();
            CarPaths::new(name, kind).write("C", &mut out);
            assert_eq!(out, path, "{name} {kind:?}");
        }
    }
}

//! Whole files: what is found in each, and what is not.
//!
//! `$A`, `$B` and `$C` stand for CIDs: a version 0, a dag-pb version 1 and a raw one.

mod entries;
mod hostile;
mod refused;
mod shapes;

use std::io;

use super::*;
use crate::pin::cid::codec_and_content_of;

const A: &str = "QmVbVokbi9uS8aPW1gzUKQHFB4qAwQicG5mMds9c3gsPX3";
const B: &str = "bafybeicnkabufupmjcfeohr2j74drxl7it2epdi67qceynl7jihl6xwkeq";
const C: &str = "bafkreiffzvhxqbbxsnctp5tvz4kgqminqeay5uq3zdddlho6vfbealu2eu";
/// 2024-05-01T10:00:00Z.
const AT: i64 = 1_714_557_600_000_000;

const NONE: &str =
    "no CID: has none of the keys cid, Cid, CID, hash, Hash, IpfsHash, ipfs_pin_hash, root, pin.cid";

fn with_cids(text: &str) -> String {
    text.replace("$A", A).replace("$B", B).replace("$C", C)
}

fn without_cids(text: &str) -> String {
    text.replace(A, "$A").replace(B, "$B").replace(C, "$C").replace(&format!("|{AT}|"), "|AT|")
}

/// Shows what it gets as lines: `index cid|created_at|status|metadata`, then the path if it is not the default one; for
/// a reject `index !line:column reason`.
#[derive(Default)]
struct Shown {
    lines: Vec<String>,
    entries: Vec<String>,
}

impl Sink for Shown {
    type Error = std::convert::Infallible;

    fn pin(&mut self, pin: Pin<'_>) -> Result<(), Self::Error> {
        let mapping = pin.mapping;
        let cid = mapping.cid.unwrap();
        let mut content = Vec::new();
        assert_eq!(codec_and_content_of(cid, &mut content), Some(pin.codec), "{cid}");
        assert_eq!((content.as_slice(), mapping.backend_name), (pin.content, Some("x")));
        let metadata = mapping.metadata.unwrap();
        let read: Result<serde_json::Map<String, serde_json::Value>, _> = serde_json::from_str(metadata);
        // serde_json has no lone surrogates.
        let lower = metadata.to_lowercase();
        let surrogate = lower
            .split("\\ud")
            .skip(1)
            .any(|rest| rest.starts_with(['8', '9', 'a', 'b', 'c', 'd', 'e', 'f']));
        assert!(read.is_ok() || surrogate, "{metadata}");
        let created_at = mapping.created_at.map_or("-".into(), |at| at.to_string());
        let mut line = format!("{} {cid}|{created_at}|{}|{metadata}", pin.index, mapping.status.unwrap());
        let path = mapping.car_file_path.unwrap();
        if path != format!("/x/cars/{cid}.car") {
            line += &format!(" @{path}");
        }
        if pin.other_backend {
            line += " other";
        }
        self.lines.push(without_cids(&line));
        Ok(())
    }

    fn reject(&mut self, reject: Reject<'_>) -> Result<(), Self::Error> {
        let Reject { index, line, column, reason, entry } = reject;
        self.lines.push(without_cids(&format!("{index} !{line}:{column} {reason}")));
        self.entries.push(without_cids(entry));
        Ok(())
    }
}

/// A source that gives a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(buffer.len());
        io::Read::read(&mut self.0, &mut buffer[..most])
    }
}

/// Reads a file whole and in pieces, which must make no difference.
fn read_bytes(bytes: &[u8]) -> (Shown, Result<Summary, String>) {
    let paths = CarPaths::new("x", None);
    let mut shown = Shown::default();
    let told = |result: Result<Summary, Failed<std::convert::Infallible>>| match result {
        Ok(summary) => Ok(summary),
        Err(Failed::File(error)) => Err(without_cids(&error.to_string())),
    };
    let summary = told(read(bytes, "x", &paths, &mut shown));
    for (most, window) in [(1, 16), (7, 16), (usize::MAX, 100)] {
        let mut again = Shown::default();
        let reader = Reader::with_sizes(Slow(bytes, most), window, 1 << 24);
        let result = told(walk::Walk::new(reader, "x", &paths, &mut again).run());
        assert_eq!((&again.lines, &again.entries, &result), (&shown.lines, &shown.entries, &summary));
    }
    if let Ok(summary) = &summary {
        assert_eq!(summary.found + summary.rejected, shown.lines.len() as u64);
        assert_eq!(summary.rejected, shown.entries.len() as u64);
    }
    (shown, summary)
}

fn read_text(text: &str) -> (Shown, Result<Summary, String>) {
    read_bytes(with_cids(text).as_bytes())
}

/// Where the first `part` of a file begins, as `line:column`, counted here in another way.
fn place(text: &str, part: &str) -> String {
    let text = with_cids(text);
    let before = &text[..text.find(&with_cids(part)).unwrap()];
    let line = before.rsplit('\n').next().unwrap();
    format!("{}:{}", before.split('\n').count(), line.chars().count() + 1)
}

/// What is found in a file that is understood.
#[track_caller]
fn found(text: &str, shape: Shape, lines: &[&str]) -> Summary {
    let (shown, summary) = read_text(text);
    assert_eq!(shown.lines, lines, "{text}\n{summary:?}");
    let summary = summary.unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(summary.shape, shape, "{text}");
    summary
}

/// The one line of a list of one entry.
fn entry(text: &str) -> String {
    let (shown, summary) = read_text(&format!("[{text}]"));
    assert!(summary.is_ok(), "{text}: {summary:?}");
    assert_eq!(shown.lines.len(), 1, "{text}");
    shown.lines[0].strip_prefix("0 ").unwrap().to_owned()
}

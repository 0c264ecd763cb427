//! `pins.json`, the older format → pins and rejects.
//!
//! Several tools have written files of that name, each in its own shape, so what a file holds is told by its contents:
//! [`Shape`] lists what is understood. [`read`] streams a file of any size and hands each entry to a [`Sink`], either as
//! a [`Pin`] or, with the reason, as a [`Reject`]; no entry is passed over. A file as a whole is refused only if it is not
//! JSON, or if there is no telling what in it would be a pin.
//!
//! `walk` finds the entries, `entry` makes pins of them with the help of `fields`, `status`, `time` and `metadata`, and
//! `reason` says why an entry is none. A new name for a CID, a time or a status goes into `fields`; a new word for a
//! status into `status`; a new kind of file into `walk`.

mod entry;
mod fields;
mod metadata;
mod paths;
mod reason;
mod status;
mod time;
mod walk;

use std::fmt;
use std::io::Read;

use crate::format::json::Reader;
pub use crate::format::json::{Failed, JsonError as LegacyError, Problem};
use crate::pin::Mapping;
pub use paths::CarPaths;

/// Takes what [`read`] finds, in the order of the file.
pub trait Sink {
    /// What may go wrong with it; [`read`] stops then.
    type Error;

    /// Takes an entry that is a pin.
    ///
    /// # Errors
    /// If the sink cannot take it.
    fn pin(&mut self, pin: Pin<'_>) -> Result<(), Self::Error>;

    /// Takes an entry that is no pin.
    ///
    /// # Errors
    /// If the sink cannot take it.
    fn reject(&mut self, reject: Reject<'_>) -> Result<(), Self::Error>;
}

/// An entry that is a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin<'a> {
    /// Which entry of the file it is, counted from 0.
    pub index: u64,
    /// Its columns; only `created_at` may be `None`.
    pub mapping: Mapping<'a>,
    /// Whether its `car_file_path` is that of [`CarPaths`]: the entry says none.
    pub usual_path: bool,
    /// What its CID names: the bytes of the multihash.
    pub content: &'a [u8],
    /// The codec of its CID.
    pub codec: u64,
    /// Whether the entry names another backend than the one that is read; its metadata has the name then.
    pub other_backend: bool,
}

/// An entry that is no pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject<'a> {
    /// Which entry of the file it is, counted from 0.
    pub index: u64,
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// The column at which it begins, in characters, counted from 1.
    pub column: u64,
    /// Why it is none.
    pub reason: &'a str,
    /// The entry as it was written, with its key if it has one. May be large.
    pub entry: &'a str,
}

/// What a file was, after all of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The entries that are pins.
    pub found: u64,
    /// The entries that are none.
    pub rejected: u64,
    /// The kind of file.
    pub shape: Shape,
    /// The number of pins that the file itself gives as its `count`: more than there are if it is one page of several.
    pub told_count: Option<u64>,
    /// The pins that name another backend.
    pub other_backend: u64,
    /// Whether the tool that wrote the file says in it that it failed before the end.
    pub incomplete: bool,
}

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// A list of CIDs or of objects: ipfs_kit, and IPFS Cluster before 1.0.
    List,
    /// An object whose keys are CIDs.
    Keyed,
    /// An object whose keys are names and whose values are CIDs.
    Named,
    /// An object that is one pin.
    Single,
    /// Objects one after the other: `ipfs pin ls --stream`, IPFS Cluster, Storacha.
    Lines,
    /// `{"Keys": …}`, or `{}` if there are none: Kubo.
    Kubo,
    /// `{"results": …}`: the Pinning Service API.
    PinningService,
    /// `{"rows": …}`: Pinata.
    Pinata,
    /// `{"pins": …}`
    Pins,
    /// `{"files": …}`
    Files,
    /// `{"items": …}`
    Items,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Shape::List => "list",
            Shape::Keyed => "keyed by CID",
            Shape::Named => "keyed by name",
            Shape::Single => "single pin",
            Shape::Lines => "one object after another",
            Shape::Kubo => "kubo",
            Shape::PinningService => "pinning service",
            Shape::Pinata => "pinata",
            Shape::Pins => "pins",
            Shape::Files => "files",
            Shape::Items => "items",
        })
    }
}

/// Reads the `pins.json` of a backend and hands its entries to `sink`, one by one and in order.
///
/// Memory does not grow with the file, but with its largest entry.
///
/// # Errors
/// If the file cannot be read, is not JSON, or holds nothing that could be a pin; or if the sink fails. Entries from before
/// the place of the error have gone to the sink by then.
pub fn read<R: Read, S: Sink>(
    source: R,
    backend: &str,
    paths: &CarPaths,
    sink: &mut S,
) -> Result<Summary, Failed<S::Error>> {
    walk::Walk::new(Reader::new(source), backend, paths, sink).run()
}

#[cfg(test)]
mod tests;

//! CAR, content-addressed archives: a strict reader, a reader of damaged files, a deterministic writer, and the backup
//! of pin mappings that is made of them.
//!
//! `docs/car-format.md` says what the backup looks like, byte by byte. From the bottom up:
//!
//! - `varint`, `cbor`, [`BlockCid`] and `hash` read the pieces; `source` reads a file by offset;
//! - [`CarReader`] gives the blocks of a file, [`check`] proves all of them, [`salvage`] finds what is left of one;
//! - `write` frames blocks; [`MappingsWriter`] makes a backup of them, [`JsonWriter`] the plain JSON of older tools;
//! - [`read_mappings`] and [`salvage_mappings`] give the rows of a backup.
//!
//! Limits are checked before memory is taken. To change what is written, change the page first, then `encode` and
//! `envelope`, then what reads it, `node` and `walk`.

mod cbor;
mod cid;
mod encode;
mod envelope;
mod error;
mod hash;
mod header;
mod index;
mod json;
mod node;
mod read;
mod salvage;
mod sniff;
mod source;
mod time;
mod varint;
mod walk;
mod write;

#[cfg(test)]
mod tests;

pub use cid::BlockCid;
pub use envelope::{MappingsWriter, Written};
pub use error::{CarError, CarProblem};
pub use hash::Checked;
pub use header::Header;
pub use json::JsonWriter;
pub use read::{Block, CarReader, Check, check};
pub use salvage::{Damage, EachBlock, Salvage, salvage};
pub use sniff::{Kind, sniff};
pub use walk::{Backup, SalvagedRows, read_mappings, salvage_mappings};

/// The longest header that is read, in bytes.
pub const MAX_HEADER: u64 = 32 << 20;
/// The longest section that is read: a CID with its data.
pub const MAX_SECTION: u64 = 8 << 20;
/// The longest data of a block that is written, in bytes: below the 1 MiB that IPFS tools pass on.
pub const MAX_WRITTEN_BLOCK: usize = 1_000_000;
/// The longest text of a row, in bytes.
pub const MAX_TEXT: usize = 256 << 20;

/// The value of `format` in the envelope.
const FORMAT: &str = "pin_mappings_car";
/// The version of an envelope that holds its rows.
const VERSION_ROWS: &str = "1.0";
/// The version of an envelope that links to its rows.
const VERSION_LINKS: &str = "1.1";

/// The multicodec of DAG-JSON.
const DAG_JSON: u64 = 0x0129;
/// The multicodec of plain JSON.
const JSON: u64 = 0x0200;

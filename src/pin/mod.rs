//! Vocabulary: what a pin mapping is made of. No I/O, no async, no SQL.
//!
//! A *pin mapping* says that one CID is kept on one backend. Its parts are a [`Cid`] and the [`Content`](cid::Content)
//! it names, a [`status`], a [`time`] and a [`size`]; [`schema`] puts them into columns.

pub mod cid;
mod count;
mod fast;
pub mod made_paths;
pub mod mapping;
pub mod observation;
pub(crate) mod reason;
pub mod schema;
pub(crate) mod secret;
pub mod size;
pub mod size_sums;
pub(crate) mod sought;
pub mod status;
pub mod time;

pub use cid::Cid;
pub use count::counted;
pub use mapping::Mapping;

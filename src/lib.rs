//! pinql: an embedded SQL query engine over IPFS pin mappings.

mod catalog;
pub mod error;
pub mod export;
pub mod pin;
pub mod report;
pub mod session;
pub mod store;

pub use error::{Error, Place, Result};

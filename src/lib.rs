//! pinql: an embedded SQL query engine over IPFS pin mappings, the records that say which CID is kept on which storage
//! backend.
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! use futures::TryStreamExt;
//! use pinql::session::{Options, Session};
//!
//! let session = Session::open("examples/ipfs_kit".as_ref(), Options::default())?;
//! let mut answer = session.query("SELECT COUNT(*) AS pins FROM pins WHERE status = 'failed'").await?;
//! while let Some(batch) = answer.try_next().await? {
//!     println!("{batch:?}");
//! }
//! # Ok::<(), pinql::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The rooms: [`pin`] is the vocabulary, [`store`] the data directory on disk, [`session`] the engine over its tables
//! (which the private room `catalog` makes), [`report`] the canned questions, [`export`] the encoders for answers,
//! [`diff`] what has changed, [`daemon`] what is true of all backends now, and [`error`] what can go wrong. A query goes from [`Session::query`](session::Session::query) to an
//! [`Answer`](session::Answer), a stream of Arrow record batches, and through an [`Encoder`](export::Encoder) to bytes.

mod catalog;
pub mod daemon;
pub mod diff;
pub mod error;
pub mod export;
pub mod format;
pub mod migrate;
pub mod pin;
pub mod report;
pub mod session;
pub mod store;

pub use error::{Error, Place, Result};

/// README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

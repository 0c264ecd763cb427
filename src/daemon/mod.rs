//! What is true of all backends now: the analysis that a daemon takes again and again, and what it makes of it.
//!
//! [`analyze`] reads the whole data directory once and gives an [`Analysis`]; [`analyze_backend`] and [`analyze_redundancy`]
//! read its parts anew where only something has changed. The library reads no clock: whoever asks says what time it is.

mod analysis;
mod observe;
mod rows;

pub use analysis::{
    Analysis, BackendAnalysis, BackendFiles, BackendState, Contents, PinCounts, Redundancy, StatusCounts,
};
pub use observe::{analyze, analyze_backend, analyze_redundancy};

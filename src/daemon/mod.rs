//! What is true of all backends now: the analysis that a daemon takes again and again, and what it makes of it.
//!
//! [`analyze`] reads the whole data directory once and gives an [`Analysis`]; [`analyze_backend`] and [`analyze_redundancy`]
//! read its parts anew where only something has changed. The library reads no clock: whoever asks says what time it is.
//!
//! [`Registries`] are what other tools have left word of, [`Backup`] what is known of a backup; [`BackendHealth`] judges by all of
//! these. [`Facts`] hold everything about all backends and [`BackendReport`] about one: what `pinql daemon intelligent` tells.

mod analysis;
mod backend_report;
mod backup;
mod documents;
mod facts;
mod findings;
mod health;
mod json;
mod observe;
mod registries;
mod rows;
mod status_document;

pub use analysis::{
    Analysis, BackendAnalysis, BackendFiles, BackendState, Contents, PinCounts, Redundancy, StatusCounts,
};
pub use backend_report::{BackendReport, Cost, Mappings, Month, Reason};
pub use backup::Backup;
pub use facts::{ByText, Detail, Facts};
pub use findings::{Finding, Severity};
pub use health::{BackendHealth, Check, Evidence, Health, HealthThresholds, Limits, ServiceCheck, judge_all};
pub use observe::{analyze, analyze_backend, analyze_redundancy};
pub use registries::{Bucket, Registered, Registries, UnreadableFile};

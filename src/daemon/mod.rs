//! What is true of all backends now: the analysis that a daemon takes again and again, and what it makes of it.
//!
//! [`analyze`] reads the whole data directory once and gives an [`Analysis`]; [`analyze_backend`] and [`analyze_redundancy`]
//! read its parts anew where only something has changed. The library reads no clock: whoever asks says what time it is.

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

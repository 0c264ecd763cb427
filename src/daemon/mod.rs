//! What is true of all backends now, and a process that watches over them.
//!
//! [`analyze`] reads the whole data directory once and gives an [`Analysis`]; [`analyze_backend`] reads what is of one backend
//! alone. The library reads no clock: whoever asks says what time it is.
//!
//! [`Registries`] are what other tools have left word of, [`Backup`] what is known of a backup; [`BackendHealth`] judges by all of
//! these. [`Facts`] hold everything about all backends and [`BackendReport`] about one: what `pinql daemon intelligent` tells.
//!
//! [`run()`] is the daemon: it notices changes ([`watch`]), reads what has changed (`seen`), keeps observations (`history`),
//! asks what an operator wants to be told of ([`alerts`]), probes places ([`probes`]), and shows what it knows: `status.json`,
//! and over HTTP (`metrics`, `http`), all made of one `picture`. What it is told to do is a [`config`].

pub mod alerts;
mod analysis;
mod backend_report;
mod backup;
mod clock;
pub mod config;
mod difference;
mod documents;
mod facts;
mod findings;
mod health;
mod history;
mod hold;
mod http;
mod json;
mod metrics;
mod observe;
mod picture;
pub mod probes;
mod record;
mod recount;
mod registries;
mod rows;
mod run;
mod seen;
mod silence;
mod states;
mod status_document;
mod surroundings;
pub mod watch;

pub use alerts::check_questions;
pub use analysis::{
    Analysis, BackendAnalysis, BackendFiles, BackendState, Contents, PinCounts, Redundancy, StatusCounts,
};
pub use backend_report::{BackendReport, Cost, Mappings, Month, Reason};
pub use backup::Backup;
pub use facts::{ByText, Detail, Facts};
pub use findings::{Finding, Severity};
pub use health::{BackendHealth, Check, Evidence, Health, HealthThresholds, Limits, ServiceCheck, judge_all};
pub use hold::{is_daemon, running, status};
pub use observe::{analyze, analyze_backend};
pub use registries::{Bucket, Registered, Registries, UnreadableFile};
pub use run::run;
pub use surroundings::{Clock, Order, Surroundings, Usage};

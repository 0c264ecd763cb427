//! What `pinql daemon` knows of all backends, and the process that watches over them.

mod alerts;
mod analysis;
#[cfg(unix)]
mod hanging;
mod intelligent;
mod kit;
mod metrics;
mod process;
mod registries;
mod running;
#[cfg(target_os = "linux")]
mod soak;
mod trends;

//! What `pinql daemon` knows of all backends.

mod analysis;
mod intelligent;
mod kit;
mod registries;

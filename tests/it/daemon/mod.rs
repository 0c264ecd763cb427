//! What `pinql daemon` knows of all backends.

mod analysis;
mod kit;
mod registries;

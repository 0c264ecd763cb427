//! Never loses a mapping: `migrate-pin-mappings`, `restore`, `export-car` and `optimize` killed between any two changes they make to
//! the disk, on full and broken disks, beside other writers, over links and over files that cannot be read.
//!
//! What must hold after a fault, whatever it was, stands in [`state`]; the faults themselves are made by [`shim`], which
//! needs a C compiler and a kernel with seccomp, and fails where there is none: a fault that is not made proves nothing.

mod at_once;
mod data;
mod disk;
mod dry_run;
mod kept;
mod killed;
mod links;
mod shim;
mod state;
mod steps;

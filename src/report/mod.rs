//! Canned reports: the SQL files of `queries/`. To add one, drop a file there and list it in [`BUILT_IN`].

mod params;

pub use params::{Bindings, Kind, Param, Value};

use std::path::Path;

use crate::error::{Error, Result};

/// The reports that come with pinql: name and file.
const BUILT_IN: &[(&str, &str)] = &[];

/// A named question: SQL with a header that gives its title and typed parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What people type: the file's name without `.sql`.
    pub name: String,
    /// One line.
    pub title: String,
    /// A sentence or more; empty if the header gives none.
    pub description: String,
    /// In the order of the header.
    pub params: Vec<Param>,
    /// The statement, header included.
    pub sql: String,
    /// Where it comes from: `built in`, or the path of the file.
    pub origin: String,
}

impl Report {
    /// Checks `values` (name, text) against the header and fills in the defaults.
    ///
    /// `now` is what a default of `now` stands for.
    pub fn bind(&self, values: &[(String, String)], now: chrono::DateTime<chrono::Utc>) -> Result<Bindings> {
        let _ = (values, now);
        unimplemented!()
    }
}

/// All the reports that one run knows, by name.
#[derive(Debug, Clone)]
pub struct Reports;

impl Reports {
    /// The reports that come with pinql.
    pub fn built_in() -> Reports {
        let _ = BUILT_IN;
        unimplemented!()
    }
    /// Adds the `.sql` files of a directory; one with the name of a known report takes its place.
    pub fn add_dir(&mut self, dir: &Path) -> Result<()> {
        let _ = dir;
        unimplemented!()
    }
    /// The report of that name.
    pub fn get(&self, name: &str) -> Result<&Report> {
        Err(Error::UnknownReport { name: name.into(), known: vec![] })
    }
    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Report> {
        std::iter::empty()
    }
}

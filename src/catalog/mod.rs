//! Tables: backends as the engine sees them.
//!
//! A query sees a [`Snapshot`] through a [`PinCatalog`]: `pins`, `records`, `rejects`, `backends`, what a daemon has observed
//! ([`history`]) and what other tools have left word of ([`registries`]) in the default schema, and one table for each backend in
//! the schema `backends`. To add a system table: a provider like [`system`]'s, and its name in
//! [`TABLES`].

mod adapter;
mod bloom;
mod buckets;
mod derive;
mod facts;
mod file;
mod file_rows;
mod footer;
mod foreign;
pub(crate) mod functions;
mod history;
mod history_scan;
mod notes;
mod page_scan;
mod pages;
mod ranges;
mod reader;
mod registries;
mod row_groups;
mod run_scans;
mod runs;
mod snapshot;
mod sought;
mod source;
mod system;
mod table;
mod totals;
mod values;
mod wanted;
pub(crate) mod wire;

pub(crate) use facts::ScanFacts;
pub(crate) use file::UnreadableFile;
pub(crate) use footer::Footers;
pub(crate) use ranges::{ContentRange, head};
pub(crate) use run_scans::FileScan;
pub(crate) use runs::{RunFacts, SortedScan};
pub(crate) use snapshot::{FilesOfBackend, Snapshot, Unreadable};
pub(crate) use source::{scanned_column, scanned_rows};
pub(crate) use totals::Totals;

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, SchemaProvider, TableProvider};
use datafusion::common::Result;

use crate::store::Mappings;
use history::HistoryTable;
use registries::{Registries, RegistryTable};
use system::BackendsTable;
use table::{PinTable, external};

/// The catalog's name in SQL.
pub(crate) const CATALOG: &str = "pinql";
/// The schema that names without one are looked up in.
pub(crate) const MAIN: &str = "main";
/// The schema with a table for each backend.
pub(crate) const BACKENDS: &str = "backends";

/// The table of [`MAIN`] with the rows of an earlier answer.
pub(crate) const REMEMBERED: &str = "_";

/// The tables of [`MAIN`].
pub(crate) const TABLES: [&str; 9] =
    ["backend_history", "backends", "buckets", "dirty", "history", "pins", "records", "registry", "rejects"];

/// Further tables of [`MAIN`] by name, which are the same in every snapshot.
pub(crate) type Tables = Arc<Vec<(&'static str, Arc<dyn TableProvider>)>>;

/// The tables of one snapshot.
#[derive(Debug)]
pub(crate) struct PinCatalog {
    main: Arc<MainSchema>,
    backends: Arc<BackendsSchema>,
}

impl PinCatalog {
    /// The tables over a snapshot, those that are given, and [`REMEMBERED`] if there is one.
    pub fn new(
        snapshot: &Arc<Snapshot>,
        given: &Tables,
        remembered: Option<Arc<dyn TableProvider>>,
    ) -> PinCatalog {
        PinCatalog {
            main: Arc::new(MainSchema {
                snapshot: Arc::clone(snapshot),
                given: Arc::clone(given),
                remembered,
            }),
            backends: Arc::new(BackendsSchema { snapshot: Arc::clone(snapshot) }),
        }
    }
}

impl CatalogProvider for PinCatalog {
    fn schema_names(&self) -> Vec<String> {
        vec![MAIN.to_owned(), BACKENDS.to_owned()]
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        match name {
            MAIN => Some(Arc::clone(&self.main) as _),
            BACKENDS => Some(Arc::clone(&self.backends) as _),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct MainSchema {
    snapshot: Arc<Snapshot>,
    remembered: Option<Arc<dyn TableProvider>>,
    given: Tables,
}

#[async_trait]
impl SchemaProvider for MainSchema {
    fn table_names(&self) -> Vec<String> {
        let remembered = self.remembered.is_some().then_some(REMEMBERED);
        let given = self.given.iter().map(|(name, _)| *name);
        TABLES.into_iter().chain(given).chain(remembered).map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let snapshot = Arc::clone(&self.snapshot);
        if let Some(of) = Registries::named(name) {
            return Ok(Some(Arc::new(RegistryTable::new(snapshot, of))));
        }
        Ok(match name {
            "pins" => Some(Arc::new(PinTable::pins(snapshot))),
            "records" => Some(Arc::new(PinTable::records(snapshot))),
            "rejects" => Some(Arc::new(PinTable::rejects(snapshot))),
            "backends" => Some(Arc::new(BackendsTable::new(snapshot))),
            "history" => Some(Arc::new(HistoryTable::totals(self.snapshot.dir().clone()))),
            "backend_history" => Some(Arc::new(HistoryTable::of_backends(self.snapshot.dir().clone()))),
            REMEMBERED => self.remembered.clone(),
            name => self.given.iter().find(|(given, _)| *given == name).map(|(_, table)| Arc::clone(table)),
        })
    }

    fn table_exist(&self, name: &str) -> bool {
        TABLES.contains(&name)
            || self.given.iter().any(|(given, _)| *given == name)
            || (name == REMEMBERED && self.remembered.is_some())
    }
}

#[derive(Debug)]
struct BackendsSchema {
    snapshot: Arc<Snapshot>,
}

#[async_trait]
impl SchemaProvider for BackendsSchema {
    fn table_names(&self) -> Vec<String> {
        // An error is told when a table is asked for.
        let backends = self.snapshot.backends().unwrap_or_default();
        let own = |mappings: &Mappings| !matches!(mappings, Mappings::SameAs(_));
        backends.iter().filter(|backend| own(&backend.mappings)).map(|backend| backend.name.clone()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let backends = self.snapshot.backends().map_err(external)?;
        let Some(backend) = backends.iter().find(|backend| backend.name == name) else { return Ok(None) };
        if let Mappings::SameAs(other) = &backend.mappings {
            let reason = format!("it is the same as backend `{other}`; ask for that one");
            let path = format!("backends/{name}");
            return Err(external(UnreadableFile { backend: name.to_owned(), path, reason }));
        }
        Ok(Some(Arc::new(PinTable::of_backend(Arc::clone(&self.snapshot), backend).await?)))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|known| known == name)
    }
}

//! Canned reports: the SQL files of `queries/`. To add one, drop a file there and list it in [`BUILT_IN`].

mod header;
pub(crate) mod interval;
mod params;
pub mod prices;

pub use params::{Allowed, Bindings, Kind, Many, Param, Value};

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{DateTime, Utc};

use crate::error::{Error, Result};

/// The reports that come with pinql: name and file.
const BUILT_IN: [(&str, &str); 38] = [
    ("at-risk", include_str!("../../queries/at-risk.sql")),
    ("at-risk-by-backend", include_str!("../../queries/at-risk-by-backend.sql")),
    ("backend-mismatch", include_str!("../../queries/backend-mismatch.sql")),
    ("backend-summary", include_str!("../../queries/backend-summary.sql")),
    ("bad-metadata", include_str!("../../queries/bad-metadata.sql")),
    ("balance", include_str!("../../queries/balance.sql")),
    ("capacity", include_str!("../../queries/capacity.sql")),
    ("codec-mismatch", include_str!("../../queries/codec-mismatch.sql")),
    ("cost", include_str!("../../queries/cost.sql")),
    ("cost-of-copy", include_str!("../../queries/cost-of-copy.sql")),
    ("cost-total", include_str!("../../queries/cost-total.sql")),
    ("duplicates", include_str!("../../queries/duplicates.sql")),
    ("failed-pins", include_str!("../../queries/failed-pins.sql")),
    ("failure-change", include_str!("../../queries/failure-change.sql")),
    ("failure-reasons", include_str!("../../queries/failure-reasons.sql")),
    ("failures-by-backend", include_str!("../../queries/failures-by-backend.sql")),
    ("growth", include_str!("../../queries/growth.sql")),
    ("invalid-cids", include_str!("../../queries/invalid-cids.sql")),
    ("largest", include_str!("../../queries/largest.sql")),
    ("missing-on", include_str!("../../queries/missing-on.sql")),
    ("observed-growth", include_str!("../../queries/observed-growth.sql")),
    ("oldest", include_str!("../../queries/oldest.sql")),
    ("over-replicated", include_str!("../../queries/over-replicated.sql")),
    ("overlap", include_str!("../../queries/overlap.sql")),
    ("pending-pins", include_str!("../../queries/pending-pins.sql")),
    ("prices", include_str!("../../queries/prices.sql")),
    ("redundancy", include_str!("../../queries/redundancy.sql")),
    ("redundancy-average", include_str!("../../queries/redundancy-average.sql")),
    ("repair-options", include_str!("../../queries/repair-options.sql")),
    ("repeated-failures", include_str!("../../queries/repeated-failures.sql")),
    ("status-conflicts", include_str!("../../queries/status-conflicts.sql")),
    ("status-distribution", include_str!("../../queries/status-distribution.sql")),
    ("storage", include_str!("../../queries/storage.sql")),
    ("summary", include_str!("../../queries/summary.sql")),
    ("under-replicated", include_str!("../../queries/under-replicated.sql")),
    ("where-is", include_str!("../../queries/where-is.sql")),
    ("without-backend", include_str!("../../queries/without-backend.sql")),
    ("without-backend-total", include_str!("../../queries/without-backend-total.sql")),
];

/// The origin of the reports that come with pinql.
const OURS: &str = "built in";

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
    /// The chart that shows its answer best: `bar`, `line`, `stack` or `matrix`, and the columns that it is of.
    pub chart: Option<String>,
    /// The statement, header included.
    pub sql: String,
    /// Where it comes from: `built in`, or the path of the file.
    pub origin: String,
}

/// All the reports that one run knows, by name.
#[derive(Debug, Clone)]
pub struct Reports {
    by_name: BTreeMap<String, Report>,
}

impl Report {
    /// Reads a report's header. `origin` is what errors name.
    ///
    /// # Errors
    /// If the header has no title, or a line that does not say what it must.
    pub fn parse(name: &str, sql: &str, origin: &str) -> Result<Report> {
        header::parse(name, sql, origin)
    }

    /// Checks `values` (name, text) against the header and fills in the defaults.
    ///
    /// `now` is what a default of `now` stands for.
    ///
    /// # Errors
    /// If a name is not in the header, a text is not of its kind, or a parameter without a default is not given.
    pub fn bind(&self, values: &[(String, String)], now: DateTime<Utc>) -> Result<Bindings> {
        let wrong = |name: &str, problem: String| Error::Parameter {
            report: self.name.clone(),
            name: name.to_owned(),
            problem,
        };
        if let Some((name, _)) =
            values.iter().find(|(name, _)| !self.params.iter().any(|param| param.name == *name))
        {
            let known: Vec<_> = self.params.iter().map(|param| param.name.as_str()).collect();
            let known = if known.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", known.join(", "))
            };
            return Err(wrong(name, format!("the report has no such parameter; {known}")));
        }
        let mut bindings = BTreeMap::new();
        for param in &self.params {
            let given = values.iter().filter(|(name, _)| *name == param.name);
            let mut texts: Vec<&str> = given.map(|(_, text)| text.as_str()).collect();
            if texts.is_empty() {
                let default = param.default.as_deref();
                texts.push(default.ok_or_else(|| wrong(&param.name, "it must be given".into()))?);
            }
            let value = param.read(&texts, now).map_err(|problem| wrong(&param.name, problem))?;
            bindings.insert(param.name.clone(), value);
        }
        Ok(Bindings(bindings))
    }
}

impl Reports {
    /// The reports that come with pinql.
    pub fn built_in() -> Reports {
        let parsed = BUILT_IN.iter().map(|(name, sql)| {
            let report =
                Report::parse(name, sql, OURS).expect("tests parse the reports that come with pinql");
            ((*name).to_owned(), report)
        });
        Reports { by_name: parsed.collect() }
    }

    /// Adds the `.sql` files of a directory; one with the name of a known report takes its place.
    ///
    /// Gives back the names of files that are no reports, and what is wrong with each: one that cannot be read, or whose
    /// header does not say what it must. There is no report of that name then, not even one that was known before.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn add_dir(&mut self, dir: &Path) -> Result<Vec<(String, Error)>> {
        let mut broken = Vec::new();
        let read = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Read { path, source }
        };
        for entry in fs::read_dir(dir).map_err(read(dir))? {
            let path = entry.map_err(read(dir))?.path();
            let Some(name) = report_name(&path) else { continue };
            let report = fs::read_to_string(&path).map_err(read(&path)).and_then(|sql| {
                // The mark that some editors put in front.
                let sql = sql.strip_prefix('\u{feff}').unwrap_or(&sql);
                Report::parse(&name, sql, &path.display().to_string())
            });
            match report {
                Ok(report) => drop(self.by_name.insert(name, report)),
                Err(error) => {
                    self.by_name.remove(&name);
                    broken.push((name, error));
                }
            }
        }
        broken.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(broken)
    }

    /// The report of that name.
    ///
    /// # Errors
    /// If there is none; the hint names those that exist.
    pub fn get(&self, name: &str) -> Result<&Report> {
        self.by_name.get(name).ok_or_else(|| Error::UnknownReport {
            name: name.to_owned(),
            known: self.by_name.keys().cloned().collect(),
        })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Report> {
        self.by_name.values()
    }
}

/// The name of the report in a file, if the file is one: `copies.sql` is `copies`.
fn report_name(path: &Path) -> Option<String> {
    let is_sql = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("sql")) && path.is_file();
    let name = path.file_stem()?.to_str()?;
    (is_sql && !name.starts_with('.')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn values(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_report_that_comes_with_pinql_has_a_sound_header() {
        for (name, sql) in BUILT_IN {
            let report = Report::parse(name, sql, OURS).unwrap_or_else(|error| panic!("{error}"));
            assert!(!report.description.is_empty(), "{name} has no description");
            for param in &report.params {
                assert!(sql.contains(&format!("${}", param.name)), "{name} does not use ${}", param.name);
                assert!(!param.help.is_empty(), "{name}: {} is not explained", param.name);
            }
        }
        // What stands in queries/ is listed, so that no file is forgotten.
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let mut files: Vec<_> =
            fs::read_dir(dir).unwrap().filter_map(|file| report_name(&file.unwrap().path())).collect();
        files.sort();
        assert_eq!(files, BUILT_IN.map(|(name, _)| name));
    }

    #[test]
    fn values_are_checked_and_defaults_filled_in() {
        let sql = "-- title: T\n-- param: n integer 2  how many\n-- param: at timestamp now  when\n-- param: cid text  which\nSELECT $n, $at, $cid";
        let report = Report::parse("r", sql, "r.sql").unwrap();
        let bound = report.bind(&values(&[("cid", "x'; DROP TABLE pins"), ("n", "3")]), now()).unwrap();
        assert_eq!(bound.0["n"], Value::Integer(3));
        assert_eq!(bound.0["at"], Value::Timestamp(1_700_000_000_000_000));
        assert_eq!(bound.0["cid"], Value::Text("x'; DROP TABLE pins".into()));
        for (given, problem) in [
            (values(&[]), "it must be given"),
            (values(&[("cid", "x"), ("cid", "x")]), "it is given twice"),
            (values(&[("cid", "x"), ("n", "two")]), "`two` is no whole number"),
            (values(&[("cid", "x"), ("at", "soon")]), "`soon` is no time"),
            (values(&[("cid", "x"), ("m", "1")]), "the report has no such parameter; it has n, at, cid"),
        ] {
            let error = report.bind(&given, now()).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_directory_adds_reports_and_replaces_those_of_the_same_name() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("summary.sql"), "-- title: Mine\nSELECT 1").unwrap();
        fs::write(temp.path().join("new.sql"), "-- title: New\nSELECT 2").unwrap();
        fs::write(temp.path().join("notes.txt"), "not a report").unwrap();
        let mut reports = Reports::built_in();
        reports.add_dir(temp.path()).unwrap();
        assert_eq!(reports.get("summary").unwrap().title, "Mine");
        assert_eq!(reports.get("new").unwrap().title, "New");
        assert_eq!(reports.iter().count(), BUILT_IN.len() + 1);
        assert!(matches!(reports.get("notes"), Err(Error::UnknownReport { .. })));
        fs::write(temp.path().join("bad.sql"), "SELECT 1").unwrap();
        fs::write(temp.path().join("summary.sql"), "SELECT 1").unwrap();
        fs::write(temp.path().join("marked.sql"), "\u{feff}-- title: Marked\nSELECT 3").unwrap();
        let broken = reports.add_dir(temp.path()).unwrap();
        let names: Vec<_> = broken.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["bad", "summary"]);
        assert!(matches!(broken[0].1, Error::ReportHeader { line: 1, .. }));
        // What was asked for is not answered by another of its name.
        assert!(reports.get("summary").is_err());
        let marked = reports.get("marked").unwrap();
        assert_eq!((marked.title.as_str(), marked.sql.as_str()), ("Marked", "-- title: Marked\nSELECT 3"));
    }
}

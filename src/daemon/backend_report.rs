//! All that is known of one backend: what `daemon intelligent analyze --backend` says.

use serde_json::{Value, json};

use super::analysis::mark;
use super::backup::damaged_mappings;
use super::findings::{Finding, findings};
use super::json::{contents, date, number};
use super::rows::{Row, Rows};
use super::{
    BackendAnalysis, BackendHealth, Backup, Contents, Detail, Evidence, HealthThresholds, PinCounts,
    Registries, analyze_backend,
};
use crate::error::{Error, Result};
use crate::migrate::{Diagnosis, Progress, diagnose};
use crate::pin::time;
use crate::report::{Reports, Value as Bound};
use crate::session::{Session, Skipped};
use crate::store::{BackendDir, backup};

/// What one backend has that others have not, and the other way round.
const STANDING: &str = "
WITH contents AS (
    SELECT
        content,
        COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
        COUNT(*) FILTER (WHERE backend_name = $name AND status = 'stored') AS here,
        COUNT(*) FILTER (WHERE backend_name = $name AND status = 'failed') AS failed,
        MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X''
    GROUP BY content
)
SELECT
    CASE
        WHEN here > 0 AND copies = 1 THEN 'only here'
        WHEN here = 0 AND copies > 0 THEN 'lacking'
        WHEN copies = 0 AND failed > 0 THEN 'failed'
    END AS part,
    COUNT(*) AS contents,
    COALESCE(SUM(size_bytes), 0) AS bytes,
    COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
FROM contents
GROUP BY 1";

const GROWTH: &str = "
SELECT
    SUBSTR(CAST(DATE_TRUNC('month', created_at) AS VARCHAR), 1, 7) AS month,
    COUNT(*) AS pins,
    COUNT(*) FILTER (WHERE status = 'stored') AS stored,
    COALESCE(SUM(size_bytes) FILTER (WHERE status = 'stored'), 0) AS bytes,
    COUNT(*) FILTER (WHERE status = 'stored' AND size_bytes IS NULL) AS unknown_sizes
FROM pins
WHERE backend_name = $name
GROUP BY 1
ORDER BY month NULLS LAST";

const REASONS: &str = "
SELECT
    status,
    METADATA_REASON(metadata) AS reason,
    COUNT(*) AS pins,
    MIN(created_at) AS oldest,
    MAX(created_at) AS newest
FROM pins
WHERE backend_name = $name AND status IN ('failed', 'pending')
GROUP BY status, reason
ORDER BY pins DESC, status, reason";

const FOREIGN: &str = "
SELECT COUNT(*) AS pins
FROM records
WHERE backend_name = $name AND recorded_backend_name <> backend_name";

/// All that is known of one backend.
#[derive(Debug, Clone)]
pub struct BackendReport {
    /// Its mappings, counted.
    pub analysis: BackendAnalysis,
    /// How well it is.
    pub health: BackendHealth,
    /// Its backup.
    pub backup: Backup,
    /// What else its mappings tell; `None` where they cannot be read or are not there.
    pub mappings: Option<Mappings>,
    /// Files that are kept of replaced ones, and their bytes.
    pub kept: (u64, u64),
    /// What other tools have left word of.
    pub registries: Registries,
    /// What to do, the worst first.
    pub findings: Vec<Finding>,
}

/// What the mappings of one backend tell beside their counts.
#[derive(Debug, Clone)]
pub struct Mappings {
    /// Contents of which no other backend has a copy.
    pub only_here: Contents,
    /// Contents that others have a copy of and this one has not.
    pub lacking: Contents,
    /// Contents that failed here and of which nobody has a copy.
    pub failed_everywhere: Contents,
    /// Other backends that could not be read: nobody knows what they have.
    pub without: Vec<Skipped>,
    /// Mappings by the month of their creation, the unknown last.
    pub growth: Vec<Month>,
    /// Why mappings failed or wait, the most frequent first.
    pub reasons: Vec<Reason>,
    /// Mappings whose file names another backend.
    pub foreign_names: u64,
    /// What it costs.
    pub cost: Option<Cost>,
    /// How its files are laid out.
    pub layout: Option<Diagnosis>,
}

/// The mappings of one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// `2026-11`; `None` for those of unknown time.
    pub month: Option<String>,
    /// Mappings.
    pub pins: u64,
    /// Those of them that are stored.
    pub stored: u64,
    /// The bytes of these, as far as they are known.
    pub bytes: i128,
}

/// Why mappings failed or wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `failed` or `pending`.
    pub status: String,
    /// As their metadata says.
    pub reason: Option<String>,
    /// Mappings.
    pub pins: u64,
    /// When the latest of them was made, in microseconds since 1970.
    pub newest: Option<i64>,
}

/// What a backend costs for a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The class of its price, or `unpriced`.
    pub class: String,
    /// US dollars with six decimals; `None` if it is unpriced.
    pub month_usd: Option<String>,
    /// Contents of unknown size, which are in no cost.
    pub unknown_sizes: u64,
    /// When the price was looked up.
    pub as_of: Option<String>,
}

impl BackendReport {
    /// Reads all there is of one backend, at a time in microseconds since 1970.
    ///
    /// # Errors
    /// If there is no such backend, and as [`analyze_backend`].
    pub async fn gather(
        session: &Session,
        name: &str,
        now: i64,
        thresholds: &HealthThresholds,
        detail: Detail,
    ) -> Result<BackendReport> {
        let mut analysis = analyze_backend(session, name, now).await?;
        let registries = Registries::read(session).await?;
        let dirs = session.data_dir().backends()?;
        let dir = dirs.into_iter().find(|dir| dir.name == name).ok_or_else(|| gone(name))?;
        let kept = backup::backups(&dir.path);
        let (backup, layout) = match look(session, dir.clone(), &analysis, now, detail).await {
            Err(error) => {
                mark(std::slice::from_mut(&mut analysis), &[damaged_mappings(error)?]);
                look(session, dir, &analysis, now, detail).await?
            }
            looked => looked?,
        };
        let mut mappings = None;
        if analysis.pins.is_some() {
            let (found, skipped) = Mappings::read(session, name).await?;
            // Other columns may be damaged than those that were counted: no number is known of it then.
            mark(std::slice::from_mut(&mut analysis), &skipped);
            mappings = analysis.pins.is_some().then_some(Mappings { layout, ..found });
        }
        let evidence = Evidence { backup: Some(&backup), registries: Some(&registries), probes: vec![] };
        let health = BackendHealth::judge(&analysis, &evidence, thresholds, now);
        let kept = (kept.len() as u64, kept.iter().map(|file| file.size).sum());
        let mut report =
            BackendReport { analysis, health, backup, mappings, kept, registries, findings: vec![] };
        report.findings = findings(&report);
        Ok(report)
    }

    /// The same as JSON.
    pub fn to_json(&self) -> Value {
        let BackendReport { analysis, health, registries, .. } = self;
        let counts = analysis.counts();
        let mappings = self.mappings.as_ref();
        let found = registries.registered(&analysis.name);
        let note = registries.dirty(&analysis.name);
        let by_status = counts.map(|counts| {
            let of = |of: &super::StatusCounts| {
                json!({
                    "pins": of.pins, "bytes": number(of.bytes), "unknown_sizes": of.unknown_sizes,
                    "oldest_pin_date": of.oldest.map(date), "newest_pin_date": of.newest.map(date),
                })
            };
            let all = counts.by_status.iter().map(|(status, counts)| (status.clone(), of(counts)));
            Value::from(all.collect::<serde_json::Map<_, _>>())
        });
        json!({
            "observed_at": time::format(analysis.observed_at),
            "backend": analysis.name,
            "type": analysis.kind.as_deref().or(found.and_then(|found| found.kind.as_deref())),
            "state": analysis.state,
            "reason": analysis.reason,
            "health": health.state,
            "checks": health.checks,
            "findings": self.findings,
            "total_pins": counts.map(|counts| counts.pins),
            "status": by_status,
            "invalid_cids": counts.map(|counts| counts.invalid_cids),
            "unknown_times": counts.map(|counts| counts.unknown_times),
            "contents": counts.map(|counts| counts.contents),
            "stored": counts.map(|counts| contents(counts.stored)),
            "oldest_pin_date": counts.and_then(PinCounts::oldest).map(date),
            "newest_pin_date": counts.and_then(PinCounts::newest).map(date),
            "only_here": mappings.map(|mappings| contents(mappings.only_here)),
            "lacking_here": mappings.map(|mappings| contents(mappings.lacking)),
            "failed_everywhere": mappings.map(|mappings| contents(mappings.failed_everywhere)),
            "compared_without": mappings.map(|mappings| mappings.without.iter().map(|one| json!({ "name": one.backend, "reason": format!("{}: {}", one.path, one.reason) })).collect::<Vec<_>>()),
            "growth": mappings.map(|mappings| mappings.growth.iter().map(|month| json!({
                "month": month.month, "pins": month.pins, "stored": month.stored, "bytes": number(month.bytes),
            })).collect::<Vec<_>>()),
            "failures": mappings.map(|mappings| mappings.reasons.iter().map(|reason| json!({
                "status": reason.status, "reason": reason.reason, "pins": reason.pins, "newest": reason.newest.map(time::format),
            })).collect::<Vec<_>>()),
            "foreign_backend_names": mappings.map(|mappings| mappings.foreign_names),
            "cost": mappings.and_then(|mappings| mappings.cost.as_ref()).map(|cost| json!({
                "class": cost.class,
                "month_usd": cost.month_usd.as_deref().and_then(|usd| usd.parse::<serde_json::Number>().ok()),
                "unknown_sizes": cost.unknown_sizes, "as_of": cost.as_of,
            })),
            "layout": mappings.and_then(|mappings| mappings.layout.as_ref()).map(|layout| json!({
                "layout": layout.layout, "is_laid_out": layout.is_laid_out, "files": layout.files,
                "row_groups": layout.row_groups, "bytes": layout.bytes, "lookup_bytes": layout.lookup_bytes,
                "lookup_bytes_laid_out": layout.lookup_bytes_laid_out,
            })),
            "files": analysis.files,
            "kept_files": self.kept.0,
            "kept_bytes": self.kept.1,
            "registry": found.map(|found| json!({
                "status": found.status, "last_check": found.last_check.map(time::format),
                "response_time_ms": found.response_time_ms, "error": found.error, "pin_count": found.pin_count,
            })),
            "dirty": note.map(|note| json!({
                "is_dirty": note.is_dirty, "total_actions": note.actions, "unsynced_actions": note.unsynced_actions,
                "reason": note.reason, "problem": note.problem,
            })),
            "unreadable": registries.unreadable,
        })
    }
}

/// Its backup and its layout, on a thread that may wait.
async fn look(
    session: &Session,
    dir: BackendDir,
    analysis: &BackendAnalysis,
    now: i64,
    detail: Detail,
) -> Result<(Backup, Option<Diagnosis>)> {
    let (session, can_be_read) = (session.clone(), analysis.pins.is_some());
    let looked = tokio::task::spawn_blocking(move || {
        let backup = match detail {
            Detail::Full if can_be_read => Backup::compare(&session, &dir, now, &Progress::default())?,
            _ => Backup::glance(&dir),
        };
        let has_files = can_be_read && !dir.files().is_empty();
        let layout = if has_files { Some(diagnose(&session, &dir)?) } else { None };
        Ok((backup, layout))
    });
    looked
        .await
        .unwrap_or_else(|failed| Err(Error::Engine { message: format!("the work panicked: {failed}") }))
}

fn gone(name: &str) -> Error {
    Error::Unknown { what: "a backend", text: name.to_owned(), known: vec![] }
}

impl Mappings {
    /// What the mappings tell, without the layout of their files.
    ///
    /// Also gives all backends that turned out to be unreadable: if this one is among them, the answer is of nothing.
    async fn read(session: &Session, name: &str) -> Result<(Mappings, Vec<Skipped>)> {
        let session = &session.at_once();
        let named = || vec![("name", Bound::Text(name.to_owned()))];
        let growth = Rows::of(session, GROWTH, named()).await?;
        let reasons = Rows::of(session, REASONS, named()).await?;
        let foreign = Rows::of(session, FOREIGN, named()).await?;
        let standing = Rows::of(session, STANDING, named()).await?;
        let part = |part: &str| {
            let found = standing.iter().find(|row| row.text("part").as_deref() == Some(part));
            found.map_or(Contents::default(), |row| Contents::of(&row))
        };
        let cost = Reports::built_in().get("cost")?.sql.clone();
        let cost = format!(
            "SELECT price_class, CAST(month_usd AS VARCHAR) AS usd, unknown_sizes, as_of FROM ({cost}) WHERE backend_name = $name"
        );
        let cost = Rows::of(session, &cost, named()).await?;
        // Each answer of the same session names all until then, and the cost needs further columns.
        let mut skipped = cost.skipped.clone();
        for rows in [&growth, &reasons, &foreign, &standing] {
            skipped.extend(rows.skipped.iter().filter(|one| one.backend == name).cloned());
        }
        let mappings = Mappings {
            only_here: part("only here"),
            lacking: part("lacking"),
            failed_everywhere: part("failed"),
            without: standing.skipped.clone(),
            growth: growth.iter().map(|row| Month::of(&row)).collect(),
            reasons: reasons.iter().map(|row| Reason::of(&row)).collect(),
            foreign_names: foreign.iter().map(|row| row.count("pins")).sum(),
            cost: cost.iter().next().map(|row| Cost::of(&row)),
            layout: None,
        };
        Ok((mappings, skipped))
    }
}

impl Month {
    fn of(row: &Row<'_>) -> Month {
        Month {
            month: row.text("month"),
            pins: row.count("pins"),
            stored: row.count("stored"),
            bytes: row.sum("bytes").unwrap_or_default(),
        }
    }
}

impl Reason {
    fn of(row: &Row<'_>) -> Reason {
        Reason {
            status: row.text("status").unwrap_or_default(),
            reason: row.text("reason"),
            pins: row.count("pins"),
            newest: row.time("newest"),
        }
    }
}

impl Cost {
    fn of(row: &Row<'_>) -> Cost {
        Cost {
            class: row.text("price_class").unwrap_or_default(),
            month_usd: row.text("usd"),
            unknown_sizes: row.count("unknown_sizes"),
            as_of: row.text("as_of"),
        }
    }
}

//! Takes an [`Analysis`]: statuses, sizes and times, then the contents of each backend, then all contents.

use std::collections::BTreeMap;

use super::analysis::{
    Analysis, BackendAnalysis, BackendFiles, BackendState, Contents, PinCounts, Redundancy, StatusCounts,
    mark,
};
use super::rows::{Row, Rows, names};
use crate::error::{Error, Result};
use crate::report::Value;
use crate::session::{Session, Skipped};

/// Backends with fewer mappings are counted together, as long as all of them together have no more than [`TOGETHER`].
const TOGETHER: u64 = 500_000;

const BACKENDS: &str = "SELECT * FROM backends ORDER BY name";
const BACKEND: &str = "SELECT * FROM backends WHERE name = $name";

/// Statuses, sizes and times, in words that the footers of laid-out files answer.
const STATUSES: &str = "
SELECT
    backend_name,
    status,
    COUNT(*) AS pins,
    COALESCE(SUM(size_bytes), 0) AS bytes,
    COUNT(*) - COUNT(size_bytes) AS unknown_sizes,
    MIN(created_at) AS oldest,
    MAX(created_at) AS newest,
    COUNT(*) - COUNT(created_at) AS unknown_times
FROM pins
WHERE ARRAY_HAS($names, backend_name)
GROUP BY backend_name, status";

/// They come first in laid-out files.
const INVALID_CIDS: &str = "
SELECT backend_name, COUNT(*) AS invalid_cids
FROM pins
WHERE content = X'' AND ARRAY_HAS($names, backend_name)
GROUP BY backend_name";

/// The contents of one backend: grouped by content alone, which needs no memory where files are sorted by it.
const CONTENTS_OF_ONE: &str = "
SELECT
    COUNT(*) AS contents,
    COUNT(*) FILTER (WHERE stored > 0) AS stored,
    COALESCE(SUM(size_bytes) FILTER (WHERE stored > 0), 0) AS bytes,
    COUNT(*) FILTER (WHERE stored > 0 AND size_bytes IS NULL) AS unknown_sizes
FROM (
    SELECT content, COUNT(*) FILTER (WHERE status = 'stored') AS stored, MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X'' AND backend_name = $name
    GROUP BY content
)";

/// The same of several, with a table of all their contents in memory.
const CONTENTS_OF_MANY: &str = "
SELECT
    backend_name,
    COUNT(*) AS contents,
    COUNT(*) FILTER (WHERE stored) AS stored,
    COALESCE(SUM(size_bytes) FILTER (WHERE stored), 0) AS bytes,
    COUNT(*) FILTER (WHERE stored AND size_bytes IS NULL) AS unknown_sizes
FROM (
    SELECT backend_name, content, BOOL_OR(status = 'stored') AS stored, MAX(size_bytes) AS size_bytes
    FROM pins
    WHERE content <> X'' AND ARRAY_HAS($names, backend_name)
    GROUP BY backend_name, content
)
GROUP BY backend_name";

/// What is on one backend, of all that is grouped.
pub(super) const HERE: &str = "HAVING COUNT(*) FILTER (WHERE backend_name = $name) > 0";

/// Copies of contents: those of mappings that hold a condition, and of them those that hold another as a whole.
fn redundancy_sql(condition: &str, having: &str) -> String {
    format!(
        "WITH contents AS (
            SELECT
                content,
                COUNT(DISTINCT backend_name) FILTER (WHERE status = 'stored') AS copies,
                MIN(backend_name) FILTER (WHERE status = 'stored') AS only_on,
                MAX(size_bytes) AS size_bytes
            FROM pins
            WHERE {condition}
            GROUP BY content
            {having}
        )
        SELECT
            copies,
            CASE WHEN copies = 1 THEN only_on END AS only_on,
            COUNT(*) AS contents,
            COALESCE(SUM(size_bytes), 0) AS bytes,
            COUNT(*) FILTER (WHERE size_bytes IS NULL) AS unknown_sizes
        FROM contents
        GROUP BY 1, 2"
    )
}

/// Takes the whole analysis, all of it of the files as they are now. Backends that cannot be read are in it with the reason.
///
/// Reads the statuses of all mappings once, and the contents twice: per backend and of all together. Files in pinql's layout
/// are streamed, whatever their number of contents; others are grouped in memory and spill.
///
/// # Errors
/// If the data directory cannot be listed, or the session's limits of memory or time do not suffice.
pub async fn analyze(session: &Session, observed_at: i64) -> Result<Analysis> {
    analyze_within(&session.at_once(), observed_at).await
}

/// The same over a session that is [`at_once`](Session::at_once) already: backends that it has skipped are in no number.
pub(super) async fn analyze_within(session: &Session, observed_at: i64) -> Result<Analysis> {
    let backends = analyze_backends_within(session, observed_at).await?;
    Ok(Analysis::of(observed_at, backends, redundancy(session).await?))
}

/// What is of each backend alone.
pub(super) async fn analyze_backends_within(
    session: &Session,
    observed_at: i64,
) -> Result<Vec<BackendAnalysis>> {
    let (mut backends, skipped) = listed(session, BACKENDS, vec![], observed_at).await?;
    let late = count(session, &mut backends, skipped, None).await?;
    mark(&mut backends, &late);
    Ok(backends)
}

/// Takes the analysis of one backend, and opens no file of another.
///
/// # Errors
/// If there is no such backend, and as [`analyze`].
pub async fn analyze_backend(session: &Session, name: &str, observed_at: i64) -> Result<BackendAnalysis> {
    analyze_backend_within(&session.at_once(), name, observed_at).await
}

/// The same of its files alone, without a look at its mappings: `pins` is `None`.
pub(super) async fn list_backend_within(
    session: &Session,
    name: &str,
    observed_at: i64,
) -> Result<Option<BackendAnalysis>> {
    let (mut found, skipped) = listed(session, BACKEND, named(name), observed_at).await?;
    mark(&mut found, &skipped);
    Ok(found.pop())
}

/// Takes the analysis of one backend alone, with the copies that its contents have on all; over a session as
/// [`analyze_within`] has it.
pub(super) async fn analyze_of_within(session: &Session, name: &str, observed_at: i64) -> Result<Analysis> {
    let backend = analyze_backend_within(session, name, observed_at).await?;
    let redundancy = redundancy_of(session, "content <> X''", HERE, named(name)).await?;
    Ok(Analysis::of(observed_at, vec![backend], redundancy))
}

/// The same without copies.
pub(super) async fn analyze_backend_within(
    session: &Session,
    name: &str,
    observed_at: i64,
) -> Result<BackendAnalysis> {
    analyze_backend_with(session, name, observed_at, None).await
}

/// The same where its distinct contents, and those of them that are stored, may be known already.
pub(super) async fn analyze_backend_with(
    session: &Session,
    name: &str,
    observed_at: i64,
    contents: Option<(u64, Contents)>,
) -> Result<BackendAnalysis> {
    let (mut found, skipped) = listed(session, BACKEND, named(name), observed_at).await?;
    let late = count(session, &mut found, skipped, contents).await?;
    mark(&mut found, &late);
    match found.pop() {
        Some(backend) => Ok(backend),
        None => {
            let known = session.data_dir().backends()?.into_iter().map(|backend| backend.name).collect();
            Err(Error::Unknown { what: "a backend", text: name.to_owned(), known })
        }
    }
}

fn named(name: &str) -> Vec<(&'static str, Value)> {
    vec![("name", Value::Text(name.to_owned()))]
}

/// Backends as the table of them says, without counts; and those that were found unreadable until then.
async fn listed(
    session: &Session,
    sql: &str,
    values: Vec<(&str, Value)>,
    observed_at: i64,
) -> Result<(Vec<BackendAnalysis>, Vec<Skipped>)> {
    let rows = Rows::of(session, sql, values).await?;
    let backends = rows.iter().map(|row| BackendAnalysis::of(&row, observed_at)).collect();
    Ok((backends, rows.skipped))
}

/// Counts the mappings of those that have some; of a single one, `contents` may be known. Gives the backends that turned out to be
/// unreadable.
async fn count(
    session: &Session,
    backends: &mut [BackendAnalysis],
    mut skipped: Vec<Skipped>,
    contents: Option<(u64, Contents)>,
) -> Result<Vec<Skipped>> {
    let ready = || backends.iter().filter(|backend| backend.state == BackendState::Ready);
    let all: Vec<&str> = ready().map(|backend| backend.name.as_str()).collect();
    let mut counts: BTreeMap<String, PinCounts> = BTreeMap::new();
    if !all.is_empty() {
        let rows = Rows::of(session, STATUSES, vec![("names", names(all.iter().copied()))]).await?;
        for row in rows.iter() {
            counts.entry(row.text("backend_name").unwrap_or_default()).or_default().add(&row);
        }
        let rows = Rows::of(session, INVALID_CIDS, vec![("names", names(all))]).await?;
        for row in rows.iter() {
            let name = row.text("backend_name").unwrap_or_default();
            counts.entry(name).or_default().invalid_cids = row.count("invalid_cids");
        }
        skipped = rows.skipped;
    }
    match contents {
        Some((contents, stored)) => {
            counts.values_mut().for_each(|counts| (counts.contents, counts.stored) = (contents, stored))
        }
        None => skipped = count_contents(session, &mut counts).await?.unwrap_or(skipped),
    }
    for backend in backends {
        if matches!(backend.state, BackendState::Ready | BackendState::Empty) {
            backend.pins = Some(counts.remove(&backend.name).unwrap_or_default());
        }
    }
    Ok(skipped)
}

/// Counts the contents of each backend by itself.
async fn count_contents(
    session: &Session,
    counts: &mut BTreeMap<String, PinCounts>,
) -> Result<Option<Vec<Skipped>>> {
    let mut skipped = None;
    for part in parts(counts) {
        let rows = match &part[..] {
            [name] => Rows::of(session, CONTENTS_OF_ONE, named(name)).await?,
            _ => {
                let names = names(part.iter().map(String::as_str));
                Rows::of(session, CONTENTS_OF_MANY, vec![("names", names)]).await?
            }
        };
        for row in rows.iter() {
            let name = row.text("backend_name").or_else(|| part.first().cloned()).unwrap_or_default();
            if let Some(counts) = counts.get_mut(&name) {
                counts.contents = row.count("contents");
                counts.stored = Contents { contents: row.count("stored"), ..Contents::of(&row) };
            }
        }
        skipped = Some(rows.skipped);
    }
    Ok(skipped)
}

/// The backends in parts whose contents are counted at once: large ones alone.
fn parts(counts: &BTreeMap<String, PinCounts>) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut room = 0;
    for (name, counts) in counts {
        match parts.last_mut() {
            Some(part) if counts.pins <= room => part.push(name.clone()),
            _ => {
                parts.push(vec![name.clone()]);
                room = TOGETHER;
            }
        }
        room = room.saturating_sub(counts.pins);
    }
    parts
}

/// One pass over the contents of all backends, as a session that is [`at_once`](Session::at_once) sees them.
pub(super) async fn redundancy(session: &Session) -> Result<Redundancy> {
    redundancy_of(session, "content <> X''", "", vec![]).await
}

async fn redundancy_of(
    session: &Session,
    condition: &str,
    having: &str,
    values: Vec<(&str, Value)>,
) -> Result<Redundancy> {
    let rows = Rows::of(session, &redundancy_sql(condition, having), values).await?;
    let mut redundancy = Redundancy { skipped: rows.skipped.clone(), ..Redundancy::default() };
    for row in rows.iter() {
        let contents = Contents::of(&row);
        redundancy.by_copies.entry(row.count("copies")).or_default().add(contents);
        if let Some(name) = row.text("only_on") {
            redundancy.only_on.entry(name).or_default().add(contents);
        }
    }
    Ok(redundancy)
}

impl BackendAnalysis {
    /// A row of the table `backends`.
    fn of(row: &Row<'_>, observed_at: i64) -> BackendAnalysis {
        BackendAnalysis {
            observed_at,
            name: row.text("name").unwrap_or_default(),
            kind: row.text("type"),
            state: match row.text("state").as_deref() {
                Some("ready") => BackendState::Ready,
                Some("empty") => BackendState::Empty,
                Some("legacy") => BackendState::Legacy,
                Some("car_only") => BackendState::CarOnly,
                Some("alias") => BackendState::Alias,
                _ => BackendState::Unreadable,
            },
            reason: row.text("reason"),
            files: BackendFiles {
                bytes: row.number("bytes").and_then(|bytes| u64::try_from(bytes).ok()),
                modified_at: row.time("modified_at"),
                has_car: row.truth("has_car").unwrap_or_default(),
                has_pins_json: row.truth("has_pins_json").unwrap_or_default(),
                laid_out: row.truth("laid_out"),
            },
            pins: None,
        }
    }
}

impl PinCounts {
    /// Adds the mappings of one status.
    fn add(&mut self, row: &Row<'_>) {
        self.pins += row.count("pins");
        self.unknown_times += row.count("unknown_times");
        let counts = StatusCounts {
            pins: row.count("pins"),
            bytes: row.sum("bytes").unwrap_or_default(),
            unknown_sizes: row.count("unknown_sizes"),
            oldest: row.time("oldest"),
            newest: row.time("newest"),
        };
        self.by_status.insert(row.text("status").unwrap_or_default(), counts);
    }
}

impl Contents {
    pub(super) fn of(row: &Row<'_>) -> Contents {
        Contents {
            contents: row.count("contents"),
            bytes: row.sum("bytes").unwrap_or_default(),
            unknown_sizes: row.count("unknown_sizes"),
        }
    }
}

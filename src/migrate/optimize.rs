//! Files of any writer → one file in pinql's layout, with the same mappings.

use std::io;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use tokio::runtime::Handle;

use super::backend::may_write;
use super::encode::Mappings as Written;
use super::existing::Existing;
use super::export::made_at;
use super::extras::Extras;
use super::left::left_behind;
use super::merge::Merge;
use super::publish::{check_room, put};
use super::sort::Sorter;
use super::target::Target;
use super::{Mode, Options, Progress, WrittenFile, spill_place};
use crate::error::{Error, Result};
use crate::format::parquet;
use crate::session::Session;
use crate::store::backup::{self, Stamp};
use crate::store::{BackendDir, Mappings, WriteLock, layout};

/// What became of one backend's mappings.
#[derive(Debug, Default)]
pub struct Optimized {
    /// The backend.
    pub backend: String,
    /// Its mappings.
    pub rows: u64,
    /// The bytes of the files before.
    pub bytes_before: u64,
    /// The new file; none if what is there is laid out already.
    pub file: Option<WrittenFile>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Writes the mappings of one backend anew, in pinql's layout. Every mapping and every further column stays. What is replaced
/// is kept only if something in it cannot be said in the new file, such as a `created_at` that is no time, or if it is a
/// directory of part files.
///
/// # Errors
/// If the mappings cannot be read, or there are none; nothing is changed then.
pub fn optimize(session: &Session, name: &str, options: &Options, progress: &Progress) -> Result<Optimized> {
    let backend = session.data_dir().backend(name)?;
    let _lock = WriteLock::take(&backend.path)?;
    may_write(&backend.path)?;
    if options.mode == Mode::Apply {
        backup::clear_leftovers(&backend.path)?;
    }
    // What was listed before the lock was ours may have changed since.
    let backend = session.data_dir().look_again(&backend)?;
    if let Mappings::Absent = backend.mappings {
        return Err(Error::Refused {
            backend: name.into(),
            reason: format!("it has no {}", layout::MAPPINGS),
            hint: "migrate its pins.json first, or restore its mappings".into(),
        });
    }
    let place = backend.path.join(layout::MAPPINGS);
    let mut optimized = Optimized {
        backend: name.into(),
        bytes_before: backend.files().iter().map(|file| file.size).sum(),
        ..Optimized::default()
    };
    if let ([file], false) = (backend.files(), place.is_dir())
        && let Ok(footer) = parquet::footer(&file.path)
        && parquet::is_up_to_date(&footer)
    {
        optimized.rows = footer.file_metadata().num_rows().max(0) as u64;
        return Ok(optimized);
    }
    let written = write(session, &backend, options, progress)?;
    optimized.rows = written.rows;
    optimized.notes = kept_for(session, &backend, &written)?;
    unchanged(session, &backend)?;
    let bytes = written.target.length();
    let is_file = std::fs::symlink_metadata(&place).is_ok_and(|found| found.is_file());
    let kept_as = match written.target {
        Target::Nowhere { .. } => check_room(&backend.path, bytes).map(|()| None)?,
        Target::File(new) if is_file && optimized.notes.is_empty() => {
            new.staged.publish_at(&place).map(|()| None)?
        }
        Target::File(new) => put(new.staged, &place, &Stamp::at(options.now))?,
    };
    optimized.file = Some(WrittenFile { name: layout::MAPPINGS.into(), bytes, kept_as });
    Ok(optimized)
}

/// Refuses to replace files that somebody who does not know our lock has replaced since they were read.
fn unchanged(session: &Session, backend: &BackendDir) -> Result<()> {
    let now = session.data_dir().look_again(backend)?;
    match now.files() == backend.files() {
        true => Ok(()),
        false => Err(Error::Read {
            path: backend.path.join(layout::MAPPINGS),
            source: io::Error::other("it was written to while it was being optimized; run this again"),
        }),
    }
}

/// Writes the new file and proves it.
fn write(session: &Session, backend: &BackendDir, options: &Options, progress: &Progress) -> Result<Written> {
    let (name, place) = (&backend.name, backend.path.join(layout::MAPPINGS));
    let mut existing = Existing::open(session, name)?;
    let extras = Extras::new(existing.extras.clone()).map_err(Error::of_rows)?;
    let mut sorter = Sorter::new(extras, &spill_place(&backend.path, options.mode), options.sort_memory);
    existing.push_into(&mut sorter, progress)?;
    let mut merge = Merge::keeping_all(sorter.finish(), name)?;
    let target = Target::beside(&place, options.mode)?;
    let root = backend.files().first().and_then(|file| parquet::car_root(&parquet::footer(&file.path).ok()?));
    let mut written =
        Written::write(target, &merge.schema(), made_at(backend), || Ok(root), &place, || merge.next())?;
    if written.rows != existing.rows {
        let problem = format!("{} mappings instead of {}", written.rows, existing.rows);
        return Err(Error::Unproved { path: place, problem });
    }
    written.prove(&place)?;
    Ok(written)
}

/// What the older files say and the new one cannot, in words.
fn kept_for(session: &Session, backend: &BackendDir, written: &Written) -> Result<Vec<String>> {
    let documented = crate::pin::schema::pins().len();
    let extras = written.schema.fields()[documented..].iter().map(|extra| extra.name().clone());
    let columns = left_behind(backend.files(), &extras.collect::<Vec<_>>())
        .into_iter()
        .map(|column| format!("column `{column}` has no place in the new file; the older one is kept"));
    let said = said_otherwise(session, &backend.name)?
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{count} {what}; the older file is kept"));
    Ok(columns.chain(said).collect())
}

/// How many mappings have a value that the layout writes as another one.
fn said_otherwise(session: &Session, name: &str) -> Result<[(&'static str, i64); 3]> {
    let sql = format!(
        "SELECT
            COUNT(*) FILTER (WHERE created_at IS NULL AND btrim(recorded_created_at) <> ''
                OR regexp_like(recorded_created_at, '\\.[0-9]{{6}}[0-9]*[1-9]')),
            COUNT(*) FILTER (WHERE recorded_status <> status),
            COUNT(*) FILTER (WHERE recorded_backend_name <> backend_name)
        FROM records WHERE backend_name = '{}'",
        name.replace('\'', "''")
    );
    let counts =
        Handle::current().block_on(async { session.faithful().query(&sql).await?.try_next().await })?;
    let count =
        |at: usize| counts.as_ref().map_or(0, |row| row.column(at).as_primitive::<Int64Type>().value(0));
    Ok([
        ("with a created_at that is no time, or finer than microseconds", count(0)),
        ("with a status in another spelling", count(1)),
        ("that name another backend", count(2)),
    ])
}

//! Copies after a change, counted anew for the contents that have changed.
//!
//! Who counted all contents keeps the files that were counted open. Of a backend that has other files now, the rows of both are
//! added up in buckets by content: where the sums are the same, so are the contents, and of what is left few contents are in
//! another state. These are counted over the files of then and over those of now, and the difference is what has changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use foldhash::quality::RandomState;
use futures::TryStreamExt;

use super::analysis::{Contents, Redundancy};
use super::observe::{redundancy, redundancy_among};
use crate::catalog::FilesOfBackend;
use crate::error::{Error, Result};
use crate::report::{Bindings, Value};
use crate::session::{Session, Skipped};

/// Contents are added up in so many buckets.
const BUCKETS: usize = 1 << 16;
/// Where more contents than this have changed, all are counted: looking up so many costs as much.
const MOST_CONTENTS: usize = 1_000;
/// Rows in buckets that differ that are held at most.
const MOST_ROWS: usize = 200_000;

const STATES: &str = "
SELECT content, status = 'stored' AS stored, size_bytes
FROM pins
WHERE content <> X'' AND backend_name = $name";

/// All contents, counted over the files that a session holds open.
#[derive(Debug)]
pub(super) struct Recount {
    session: Session,
    /// What was counted. The session would name fewer files, once it has found one damaged.
    files: BTreeMap<String, FilesOfBackend>,
    pub redundancy: Redundancy,
}

/// Files that are held open.
struct Side<'a> {
    session: &'a Session,
    files: &'a BTreeMap<String, FilesOfBackend>,
}

/// What counts of a content on one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    stored: bool,
    size: Option<i64>,
}

/// The sums of a backend's rows: those of now less those of then.
struct Sums {
    sums: Vec<u128>,
    hashers: [RandomState; 3],
}

impl Recount {
    /// Counts all contents over the files of a session that is [`at_once`](Session::at_once).
    pub async fn of_all(session: Session) -> Result<Recount> {
        let redundancy = redundancy(&session).await?;
        let files = session.files().await?;
        Ok(Recount { session, files, redundancy })
    }

    /// Counts over the files of another session, and looks at what has changed since only; `None` if that is too much, or cannot
    /// be told.
    ///
    /// # Errors
    /// If a limit of memory or time does not suffice.
    pub async fn since(&self, now: &Session) -> Result<Option<Recount>> {
        let (before, files) = (&self.files, now.files().await?);
        let names: BTreeSet<&String> = before.keys().chain(files.keys()).collect();
        let mut contents = BTreeSet::new();
        for name in names.into_iter().filter(|name| before.get(*name) != files.get(*name)) {
            let (then, new) =
                (Side { session: &self.session, files: before }, Side { session: now, files: &files });
            match in_another_state(&then, &new, name).await? {
                Some(other) if contents.len() + other.len() <= MOST_CONTENTS => contents.extend(other),
                _ => return Ok(None),
            }
        }
        let mut redundancy = self.redundancy.clone();
        if !contents.is_empty() {
            let then = redundancy_among(&self.session, &contents).await?;
            let new = redundancy_among(now, &contents).await?;
            let damaged = found_damaged(&then.skipped, before) || found_damaged(&new.skipped, &files);
            match redundancy.with(&then, &new) {
                Some(with) if !damaged => redundancy = with,
                _ => return Ok(None),
            }
        }
        let unreadable = files.values().filter_map(|files| files.as_ref().err());
        redundancy.skipped = unreadable.cloned().map(Skipped::from).collect();
        Ok(Some(Recount { session: now.clone(), files, redundancy }))
    }
}

/// Whether one of those that were skipped could be opened.
fn found_damaged(skipped: &[Skipped], files: &BTreeMap<String, FilesOfBackend>) -> bool {
    skipped.iter().any(|one| !matches!(files.get(&one.backend), Some(Err(_))))
}

/// The contents that are on a backend now and were not, or the other way round, or are in another state; `None` if they
/// are many, or that cannot be told.
async fn in_another_state(then: &Side<'_>, new: &Side<'_>, name: &str) -> Result<Option<Vec<Vec<u8>>>> {
    let mut sums = Sums::new();
    let whole = then.each_row(name, |content, state| sums.add(content, state, false)).await?
        && new.each_row(name, |content, state| sums.add(content, state, true)).await?;
    match sums.differing() {
        differing if !whole || differing > MOST_CONTENTS => return Ok(None),
        // The same rows, perhaps in another order.
        0 => return Ok(Some(Vec::new())),
        _ => {}
    }
    let mut states: HashMap<Vec<u8>, [Option<State>; 2]> = HashMap::new();
    let mut rows = 0;
    for (index, side) in [then, new].into_iter().enumerate() {
        let take = |content: &[u8], state| {
            if rows <= MOST_ROWS && sums.differ(content) {
                rows += 1;
                let known = &mut states.entry(content.to_vec()).or_default()[index];
                *known = Some(known.map_or(state, |known: State| known.and(state)));
            }
        };
        if !side.each_row(name, take).await? {
            return Ok(None);
        }
    }
    let other = states.into_iter().filter(|(_, [then, new])| then != new).map(|(content, _)| content);
    Ok((rows <= MOST_ROWS).then(|| other.collect()))
}

impl Side<'_> {
    /// Hands over each mapping of a backend whose CID is one. False if some turned out to be damaged.
    async fn each_row(&self, name: &str, mut take: impl FnMut(&[u8], State)) -> Result<bool> {
        let bindings = Bindings(BTreeMap::from([("name".to_owned(), Value::Text(name.to_owned()))]));
        let mut answer = self.session.query_with(STATES, &bindings).await?;
        while let Some(batch) = answer.try_next().await? {
            rows(&batch, &mut take).map_err(|error| Error::Engine { message: error.to_string() })?;
        }
        Ok(!found_damaged(&answer.skipped(), self.files))
    }
}

impl State {
    /// Of two mappings of one content.
    fn and(self, other: State) -> State {
        State { stored: self.stored || other.stored, size: self.size.max(other.size) }
    }
}

impl Sums {
    fn new() -> Sums {
        Sums { sums: vec![0; BUCKETS], hashers: Default::default() }
    }

    fn bucket(&self, content: &[u8]) -> usize {
        let [of_content, ..] = &self.hashers;
        of_content.hash_one(content) as usize % BUCKETS
    }

    fn add(&mut self, content: &[u8], state: State, is_new: bool) {
        let [_, high, low] = &self.hashers;
        let half = |hasher: &RandomState| u128::from(hasher.hash_one((content, state.stored, state.size)));
        let hash = half(high) << 64 | half(low);
        let bucket = self.bucket(content);
        let sum = &mut self.sums[bucket];
        *sum = if is_new { sum.wrapping_add(hash) } else { sum.wrapping_sub(hash) };
    }

    fn differ(&self, content: &[u8]) -> bool {
        self.sums[self.bucket(content)] != 0
    }

    fn differing(&self) -> usize {
        self.sums.iter().filter(|sum| **sum != 0).count()
    }
}

impl Redundancy {
    /// The same, where some contents were counted as `then` and now are as `new`; `None` if they were not counted so.
    fn with(&self, then: &Redundancy, new: &Redundancy) -> Option<Redundancy> {
        let mut with = self.clone();
        exchange(&mut with.by_copies, &then.by_copies, &new.by_copies)?;
        exchange(&mut with.only_on, &then.only_on, &new.only_on)?;
        Some(with)
    }
}

fn exchange<K: Ord + Clone>(
    all: &mut BTreeMap<K, Contents>,
    then: &BTreeMap<K, Contents>,
    new: &BTreeMap<K, Contents>,
) -> Option<()> {
    for (key, contents) in new {
        all.entry(key.clone()).or_default().add(*contents);
    }
    for (key, contents) in then {
        let left = all.get_mut(key)?;
        left.contents = left.contents.checked_sub(contents.contents)?;
        left.unknown_sizes = left.unknown_sizes.checked_sub(contents.unknown_sizes)?;
        left.bytes -= contents.bytes;
    }
    all.retain(|_, contents| contents.contents > 0);
    Some(())
}

fn rows(batch: &RecordBatch, take: &mut impl FnMut(&[u8], State)) -> Result<(), arrow::error::ArrowError> {
    let contents = cast(batch.column(0), &DataType::BinaryView)?;
    let (stored, sizes) =
        (cast(batch.column(1), &DataType::Boolean)?, cast(batch.column(2), &DataType::Int64)?);
    let (contents, stored) = (contents.as_binary_view(), stored.as_boolean());
    let sizes = sizes.as_primitive::<Int64Type>();
    for row in 0..batch.num_rows() {
        let size = sizes.is_valid(row).then(|| sizes.value(row));
        take(contents.value(row), State { stored: stored.is_valid(row) && stored.value(row), size });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, Int64Array, StringArray, new_null_array};

    use super::*;
    use crate::format::parquet::{LayoutWriter, file_schema};
    use crate::pin::schema::timestamp_type;
    use crate::pin::status;
    use crate::session::Options;

    /// A mapping: the number of its content, its status and its size.
    type Row = (u32, &'static str, Option<u32>);

    fn place(root: &Path, backend: &str) -> PathBuf {
        root.join("backends").join(backend).join("pin_mappings.parquet")
    }

    /// Puts mappings in the place of those of a backend.
    fn put(root: &Path, backend: &str, rows: &[Row]) {
        let content = |row: &Row| [&[0x12, 32][..], &[0; 28], &row.0.to_be_bytes()].concat();
        let cid = |row: &Row| {
            let bytes = [&[1, 0x55][..], &content(row)].concat();
            multibase::encode(multibase::Base::Base32Lower, bytes)
        };
        let section = |row: &Row| status::section(Some(row.1.as_bytes()));
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (section(row), row.0));
        let schema = file_schema(&[]);
        let batch = |rows: &[Row]| {
            let texts = |of: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
                Arc::new(rows.iter().map(of).collect::<StringArray>())
            };
            let columns: Vec<ArrayRef> = vec![
                texts(&|row| Some(cid(row))),
                texts(&|_| None),
                texts(&|_| Some(backend.to_owned())),
                new_null_array(&timestamp_type(), rows.len()),
                texts(&|row| Some(row.1.to_owned())),
                texts(&|_| None),
                Arc::new(BinaryArray::from_iter_values(rows.iter().map(content))),
                Arc::new(rows.iter().map(|row| row.2.map(i64::from)).collect::<Int64Array>()),
            ];
            RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
        };
        let place = place(root, backend);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let new = place.with_extension("new");
        let mut writer = LayoutWriter::new(File::create(&new).unwrap(), Arc::clone(&schema)).unwrap();
        rows.chunk_by(|one, other| section(one) == section(other))
            .for_each(|rows| writer.write(&batch(rows)).unwrap());
        writer.finish(None, 0).unwrap();
        fs::rename(new, place).unwrap();
    }

    fn session(root: &Path) -> Session {
        let options = Options { skip_unreadable: true, ..Options::default() };
        Session::open(root, options).unwrap()
    }

    /// A generator that gives the same numbers again.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> usize {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((self.0 >> 33) % sides) as usize
        }

        fn row(&mut self) -> Row {
            let status = ["stored", "stored", "stored", "failed", "pending"][self.roll(5)];
            (self.roll(400) as u32, status, [None, Some(self.roll(3) as u32)][self.roll(2)])
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn after_any_change_the_difference_gives_what_counting_all_gives() {
        let temp = tempfile::tempdir().unwrap();
        let (session, mut dice, mut used) = (session(temp.path()), Dice(1), 0);
        let mut backends: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
        for name in ["a", "b", "c", "d"] {
            let rows: Vec<Row> = (0..300).map(|_| dice.row()).collect();
            put(temp.path(), name, &rows);
            backends.insert(name, rows);
        }
        let mut counted = Recount::of_all(session.at_once()).await.unwrap();
        for step in 0..60 {
            for _ in 0..=dice.roll(2) {
                let name = ["a", "b", "c", "d", "e"][dice.roll(5)];
                let rows = backends.entry(name).or_default();
                for _ in 0..dice.roll(20) {
                    match (dice.roll(3), rows.len()) {
                        (0, 1..) => drop(rows.swap_remove(dice.roll(rows.len() as u64))),
                        (1, 1..) => {
                            let at = dice.roll(rows.len() as u64);
                            rows[at].1 = dice.row().1;
                        }
                        _ => rows.push(dice.row()),
                    }
                }
                match dice.roll(12) {
                    0 => {
                        let _ = fs::remove_dir_all(temp.path().join("backends").join(name));
                        rows.clear();
                    }
                    1 => {
                        fs::create_dir_all(place(temp.path(), name).parent().unwrap()).unwrap();
                        fs::write(place(temp.path(), name), "no Parquet").unwrap();
                    }
                    _ => put(temp.path(), name, rows),
                }
            }
            let now = session.at_once();
            let whole = Recount::of_all(session.at_once()).await.unwrap();
            let since = counted.since(&now).await.unwrap();
            if let Some(since) = &since {
                used += 1;
                assert_eq!(since.redundancy.by_copies, whole.redundancy.by_copies, "step {step}");
                assert_eq!(since.redundancy.only_on, whole.redundancy.only_on, "step {step}");
                let names =
                    |of: &Redundancy| of.skipped.iter().map(|one| one.backend.clone()).collect::<Vec<_>>();
                assert_eq!(names(&since.redundancy), names(&whole.redundancy), "step {step}");
            }
            counted = since.unwrap_or(whole);
        }
        assert!(used > 40, "only {used} of 60 steps by their difference");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn much_that_is_other_means_to_count_all() {
        let temp = tempfile::tempdir().unwrap();
        let rows =
            |from: u32| (from..from + 3000).map(|number| (number, "stored", None)).collect::<Vec<Row>>();
        put(temp.path(), "a", &rows(0));
        put(temp.path(), "b", &rows(0));
        let session = session(temp.path());
        let counted = Recount::of_all(session.at_once()).await.unwrap();
        put(temp.path(), "b", &rows(900));
        assert!(counted.since(&session.at_once()).await.unwrap().is_none());
        put(temp.path(), "b", &rows(300));
        let since = counted.since(&session.at_once()).await.unwrap().unwrap();
        let copies: Vec<_> = since.redundancy.by_copies.iter().map(|(n, of)| (*n, of.contents)).collect();
        assert_eq!(copies, [(1, 600), (2, 2700)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_counted_and_is_written_over_in_place_cannot_be_told() {
        let temp = tempfile::tempdir().unwrap();
        put(temp.path(), "a", &[(1, "stored", None), (2, "stored", None)]);
        put(temp.path(), "b", &[(1, "stored", None)]);
        let session = session(temp.path());
        let counted = Recount::of_all(session.at_once()).await.unwrap();
        put(temp.path(), "c", &[(1, "stored", None), (2, "failed", None), (3, "stored", None)]);
        let other = fs::read(place(temp.path(), "c")).unwrap();
        fs::write(place(temp.path(), "a"), other).unwrap();
        assert!(counted.since(&session.at_once()).await.unwrap().is_none());
    }
}

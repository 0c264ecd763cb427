//! Copies after a change, counted anew for the contents that have changed.
//!
//! Who counted all contents keeps the files that were counted open. Of backends that have other files now, the mappings of both
//! are compared. The contents that may be in another state are looked up as they were then and as they are now on all backends, and
//! the difference is what has changed.

use std::collections::{BTreeMap, BTreeSet};

use super::analysis::{Contents, Redundancy};
use super::difference::{MOST_CONTENTS, Side, perhaps_in_another_state};
use super::observe::redundancy;
use super::states::{Change, Contested, Difference};
use crate::catalog::FilesOfBackend;
use crate::error::Result;
use crate::session::{Session, Skipped};

/// All contents, counted over the files that a session holds open.
#[derive(Debug)]
pub(super) struct Recount {
    session: Session,
    /// What was counted. The session would name fewer files, once it has found one damaged.
    pub files: BTreeMap<String, FilesOfBackend>,
    pub redundancy: Redundancy,
}

/// The same after a change.
#[derive(Debug)]
pub(super) struct Since {
    pub recount: Recount,
    /// What has changed on each backend that has other files now.
    pub differences: BTreeMap<String, Difference>,
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
    pub async fn since(&self, now: &Session) -> Result<Option<Since>> {
        let files = now.files().await?;
        let (then, new) =
            (Side { session: &self.session, files: &self.files }, Side { session: now, files: &files });
        let names: BTreeSet<&String> = then.files.keys().chain(new.files.keys()).collect();
        let mut contents = Contested::new();
        for name in names.into_iter().filter(|name| then.files.get(*name) != new.files.get(*name)) {
            match perhaps_in_another_state(&then, &new, name).await? {
                Some(other) => contents.insert(name, other),
                None => return Ok(None),
            };
            // Looking up so many costs as much as to count all.
            if contents.values().map(BTreeSet::len).sum::<usize>() > MOST_CONTENTS {
                return Ok(None);
            }
        }
        let Some(change) = Change::of(&then, &new, &contents).await? else { return Ok(None) };
        let Some(mut redundancy) = self.redundancy.with(&change) else { return Ok(None) };
        let unreadable = files.values().filter_map(|files| files.as_ref().err());
        redundancy.skipped = unreadable.cloned().map(Skipped::from).collect();
        let differences = change.differences;
        Ok(Some(Since { recount: Recount { session: now.clone(), files, redundancy }, differences }))
    }
}

impl Redundancy {
    /// The same after a change; `None` if what was there then was not counted so.
    fn with(&self, change: &Change) -> Option<Redundancy> {
        let mut with = self.clone();
        exchange(&mut with.by_copies, &change.then.by_copies, &change.new.by_copies)?;
        exchange(&mut with.only_on, &change.then.only_on, &change.new.only_on)?;
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
        all.get_mut(key)?.take_away(*contents)?;
    }
    all.retain(|_, contents| contents.contents > 0);
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, new_null_array};
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::daemon::picture::Counts;
    use crate::daemon::seen::Seen;
    use crate::daemon::{Analysis, analyze};
    use crate::format::parquet::{LayoutWriter, file_schema};
    use crate::pin::schema::timestamp_type;
    use crate::pin::status;
    use crate::session::Options;
    use crate::store::layout;

    /// A mapping: the number of its content, its status and its size.
    type Row = (u32, &'static str, Option<u32>);

    fn place(root: &Path, backend: &str) -> PathBuf {
        root.join("backends").join(backend).join("pin_mappings.parquet")
    }

    fn content(row: &Row) -> Vec<u8> {
        [&[0x12, 32][..], &[0; 28], &row.0.to_be_bytes()].concat()
    }

    fn cid(row: &Row) -> String {
        multibase::encode(multibase::Base::Base32Lower, [&[1, 0x55][..], &content(row)].concat())
    }

    fn texts(rows: &[Row], of: impl Fn(&Row) -> Option<String>) -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    }

    /// A file in pinql's layout.
    fn laid_out(backend: &str, rows: &[Row]) -> Vec<u8> {
        let section = |row: &Row| status::section(Some(row.1.as_bytes()));
        let mut rows = rows.to_vec();
        rows.sort_by_key(|row| (section(row), row.0));
        let schema = file_schema(&[]);
        let batch = |rows: &[Row]| {
            let columns: Vec<ArrayRef> = vec![
                texts(rows, |row| Some(cid(row))),
                texts(rows, |_| None),
                texts(rows, |_| Some(backend.to_owned())),
                new_null_array(&timestamp_type(), rows.len()),
                texts(rows, |row| Some(row.1.to_owned())),
                texts(rows, |_| None),
                Arc::new(BinaryArray::from_iter_values(rows.iter().map(content))),
                Arc::new(rows.iter().map(|row| row.2.map(i64::from)).collect::<Int64Array>()),
            ];
            RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()
        };
        let mut writer = LayoutWriter::new(Vec::new(), Arc::clone(&schema)).unwrap();
        rows.chunk_by(|one, other| section(one) == section(other))
            .for_each(|rows| writer.write(&batch(rows)).unwrap());
        writer.finish(None, 0).unwrap()
    }

    /// A file of another tool, which has its rows as they come.
    fn foreign(rows: &[Row]) -> Vec<u8> {
        let columns = [
            ("cid", texts(rows, |row| Some(cid(row)))),
            ("status", texts(rows, |row| Some(row.1.to_owned()))),
            ("metadata", texts(rows, |row| row.2.map(|size| format!(r#"{{"size": {size}}}"#)))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    /// Puts a file in the place of a backend's.
    fn replace(root: &Path, backend: &str, bytes: &[u8]) {
        let place = place(root, backend);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place.with_extension("new"), bytes).unwrap();
        fs::rename(place.with_extension("new"), place).unwrap();
    }

    fn put(root: &Path, backend: &str, rows: &[Row]) {
        replace(root, backend, &laid_out(backend, rows));
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

        /// A backend that is another than before in some way.
        fn change(&mut self, root: &Path, backends: &mut BTreeMap<&str, Vec<Row>>) {
            let name = ["a", "b", "c", "d", "e"][self.roll(5)];
            let rows = backends.entry(name).or_default();
            let place = place(root, name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let kind = self.roll(16);
            if kind == 0 {
                return fs::write(place.with_file_name(layout::CAR), vec![0; self.roll(9)]).unwrap();
            }
            for _ in 0..self.roll(20) {
                match (self.roll(3), rows.len()) {
                    (0, 1..) => drop(rows.remove(self.roll(rows.len() as u64))),
                    (1, 1..) => {
                        let at = self.roll(rows.len() as u64);
                        rows[at].1 = self.row().1;
                    }
                    (_, most) => rows.insert(self.roll(most as u64 + 1), self.row()),
                }
            }
            match kind {
                1 => {
                    fs::remove_dir_all(place.parent().unwrap()).unwrap();
                    rows.clear();
                }
                2 => replace(root, name, b"no Parquet"),
                3 => {
                    let mut damaged = laid_out(name, rows);
                    let half = damaged.len() / 2;
                    damaged[4..half].fill(0xff);
                    replace(root, name, &damaged);
                }
                4 => fs::write(place, laid_out(name, rows)).unwrap(),
                5 | 6 => replace(root, name, &foreign(rows)),
                7 => {
                    rows.reverse();
                    replace(root, name, &foreign(rows));
                }
                _ => put(root, name, rows),
            }
        }
    }

    /// What is known of all backends, without what differs from one time to another.
    fn known(mut analysis: Analysis) -> Analysis {
        for backend in &mut analysis.backends {
            backend.observed_at = 0;
            // Damage is found early or late, and in one part or another.
            backend.reason = None;
            backend.files.laid_out = backend.files.laid_out.filter(|_| backend.pins.is_some());
        }
        analysis.redundancy.skipped.clear();
        analysis
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
        let (mut seen, mut counts) = (Seen::new(false), Counts::default());
        for step in 0..30 {
            for _ in 0..=dice.roll(2) {
                dice.change(temp.path(), &mut backends);
            }
            let now = session.at_once();
            let whole = known(analyze(&session, step).await.unwrap());
            counted = match counted.since(&now).await.ok().flatten() {
                Some(Since { recount, .. }) => {
                    used += 1;
                    assert_eq!(recount.redundancy.by_copies, whole.redundancy.by_copies, "step {step}");
                    assert_eq!(recount.redundancy.only_on, whole.redundancy.only_on, "step {step}");
                    recount
                }
                None => Recount::of_all(now).await.unwrap(),
            };
            let seen = seen.read(&session, step, &mut counts).await.unwrap();
            assert_eq!(known(seen), whole, "step {step}");
        }
        assert!(used > 15, "only {used} of 30 steps by their difference");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_lies_beside_mappings_does_not_mean_to_read_them() {
        let temp = tempfile::tempdir().unwrap();
        put(temp.path(), "a", &[(1, "stored", None)]);
        put(temp.path(), "b", &[(1, "stored", Some(2)), (2, "failed", None)]);
        let session = session(temp.path());
        let (mut seen, mut counts) = (Seen::new(false), Counts::default());
        seen.read(&session, 1, &mut counts).await.unwrap();
        let read = counts.backends_read;
        fs::write(place(temp.path(), "b").with_file_name(layout::CAR), "CAR").unwrap();
        let analysis = seen.read(&session, 2, &mut counts).await.unwrap();
        assert_eq!(counts.backends_read, read);
        let backend = analysis.backend("b").unwrap();
        assert!(backend.files.has_car && backend.observed_at == 2);
        assert_eq!(backend.pins.as_ref().unwrap().contents, 2);
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
        let since = counted.since(&session.at_once()).await.unwrap().unwrap().recount;
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

//! Contents of one backend that may be in another state than before.
//!
//! The mappings of then and of now are walked through side by side, in the order of their files. What is written anew has mostly
//! the same rows in the same order, so that few rows are held: those that the other side has not come to. It is right in any
//! order, but where that is another one they become many. Then rows are added up in buckets by content: where the sums
//! are the same, so are the contents, and the rows of the other buckets are compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;

use arrow::array::{Array, AsArray, BinaryViewArray, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use foldhash::quality::RandomState;
use futures::TryStreamExt;

use crate::catalog::FilesOfBackend;
use crate::error::{Error, Result};
use crate::pin::status;
use crate::report::{Bindings, Value};
use crate::session::{Answer, Session, Skipped};

/// Rows that only one side has had, which are held at most while both are walked through.
const MOST_ODD: u64 = if cfg!(test) { 40 } else { 20_000 };
/// Contents are added up in so many buckets.
const BUCKETS: usize = 1 << 16;
/// Where more buckets than this differ, so do more contents than are looked at.
pub(super) const MOST_CONTENTS: usize = 1_000;
/// Rows in buckets that differ that are held at most.
const MOST_ROWS: usize = 200_000;

const MAPPINGS: &str = "SELECT content, status, size_bytes FROM pins WHERE backend_name = $name";

/// Files that are held open.
pub(super) struct Side<'a> {
    pub session: &'a Session,
    pub files: &'a BTreeMap<String, FilesOfBackend>,
}

/// What counts of a content on one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub stored: bool,
    pub size: Option<i64>,
}

/// The mappings of a backend, one after the other.
struct Walk {
    answer: Answer,
    contents: BinaryViewArray,
    statuses: StringViewArray,
    sizes: Int64Array,
    /// The row of these that it is at.
    at: usize,
}

/// One of them, in the order that laid-out files have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mapping<'a> {
    section: usize,
    content: &'a [u8],
    size: Option<i64>,
}

/// Mappings that one side has had and the other has not: by content, how many more of each state are there now.
#[derive(Default)]
struct Odd {
    mappings: HashMap<Vec<u8>, Vec<(State, i64)>>,
    count: u64,
}

/// The sums of a backend's rows: those of now less those of then.
struct Sums {
    sums: Vec<u128>,
    hashers: [RandomState; 3],
}

/// All contents that are on a backend now and were not, or the other way round, or are in another state, and perhaps a few that
/// are not; `None` if they are many, or that cannot be told.
///
/// # Errors
/// If a limit of memory or time does not suffice, or files were written over since they were opened.
pub(super) async fn perhaps_in_another_state(
    then: &Side<'_>,
    new: &Side<'_>,
    name: &str,
) -> Result<Option<BTreeSet<Vec<u8>>>> {
    match side_by_side(then, new, name).await? {
        Some(contents) => Ok((contents.len() <= MOST_CONTENTS).then_some(contents)),
        None => by_sums(then, new, name).await,
    }
}

/// Whether one of those that were skipped could be opened.
pub(super) fn found_damaged(skipped: &[Skipped], files: &BTreeMap<String, FilesOfBackend>) -> bool {
    skipped.iter().any(|one| !matches!(files.get(&one.backend), Some(Err(_))))
}

/// Contents with other mappings than before; `None` if the order is another one, or some turned out to be damaged.
async fn side_by_side(then: &Side<'_>, new: &Side<'_>, name: &str) -> Result<Option<BTreeSet<Vec<u8>>>> {
    let (mut old, mut young) = (then.walk(name).await?, new.walk(name).await?);
    let mut odd = Odd::default();
    while odd.count <= MOST_ODD {
        match (old.goes_on().await?, young.goes_on().await?) {
            (true, true) => odd.walk(&mut old, &mut young),
            (true, false) => odd.rest(&mut old, -1),
            (false, true) => odd.rest(&mut young, 1),
            (false, false) if then.is_whole(&old) && new.is_whole(&young) => {
                return Ok(Some(odd.mappings.into_keys().collect()));
            }
            (false, false) => break,
        }
    }
    Ok(None)
}

/// The same for any order.
async fn by_sums(then: &Side<'_>, new: &Side<'_>, name: &str) -> Result<Option<BTreeSet<Vec<u8>>>> {
    let mut sums = Sums::new();
    let whole = then.each_row(name, |content, state| sums.add(content, state, false)).await?
        && new.each_row(name, |content, state| sums.add(content, state, true)).await?;
    match sums.differing() {
        differing if !whole || differing > MOST_CONTENTS => return Ok(None),
        // The same rows in another order.
        0 => return Ok(Some(BTreeSet::new())),
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
    async fn walk(&self, name: &str) -> Result<Walk> {
        let bindings = Bindings(BTreeMap::from([("name".to_owned(), Value::Text(name.to_owned()))]));
        let answer = self.session.in_order().query_with(MAPPINGS, &bindings).await?;
        let empty = RecordBatch::new_empty(answer.schema());
        Walk::new(answer, &empty).map_err(broken)
    }

    /// Whether none of what was walked through turned out to be damaged.
    fn is_whole(&self, walk: &Walk) -> bool {
        !found_damaged(&walk.answer.skipped(), self.files)
    }

    /// Hands over each mapping of a backend whose CID is one. False if some turned out to be damaged.
    async fn each_row(&self, name: &str, mut take: impl FnMut(&[u8], State)) -> Result<bool> {
        let mut walk = self.walk(name).await?;
        while walk.goes_on().await? {
            while let Some(mapping) = walk.here() {
                take(mapping.content, mapping.state());
                walk.at += 1;
            }
        }
        Ok(self.is_whole(&walk))
    }
}

impl State {
    /// Of two mappings of one content.
    fn and(self, other: State) -> State {
        State { stored: self.stored || other.stored, size: self.size.max(other.size) }
    }
}

impl Walk {
    fn new(answer: Answer, batch: &RecordBatch) -> Result<Walk, ArrowError> {
        let (contents, statuses, sizes) = columns(batch)?;
        Ok(Walk { answer, contents, statuses, sizes, at: 0 })
    }

    /// Whether there may be further mappings: reads on where those that were read have been walked through.
    async fn goes_on(&mut self) -> Result<bool> {
        while self.at >= self.contents.len() {
            let Some(batch) = self.answer.try_next().await? else { return Ok(false) };
            (self.contents, self.statuses, self.sizes) = columns(&batch).map_err(broken)?;
            self.at = 0;
        }
        Ok(true)
    }

    /// The mapping that it is at: the next one whose CID is one, of those that were read.
    fn here(&mut self) -> Option<Mapping<'_>> {
        while self.at < self.contents.len() && self.contents.value(self.at).is_empty() {
            self.at += 1;
        }
        (self.at < self.contents.len()).then(|| Mapping {
            section: status::section(Some(self.statuses.value(self.at).as_bytes())),
            content: self.contents.value(self.at),
            size: self.sizes.is_valid(self.at).then(|| self.sizes.value(self.at)),
        })
    }
}

impl Mapping<'_> {
    fn state(&self) -> State {
        State { stored: self.section == status::section(Some(status::STORED.as_bytes())), size: self.size }
    }
}

impl Odd {
    /// Walks through what both have read.
    fn walk(&mut self, old: &mut Walk, young: &mut Walk) {
        while self.count <= MOST_ODD
            && let (Some(then), Some(new)) = (old.here(), young.here())
        {
            if then == new {
                (old.at, young.at) = (old.at + 1, young.at + 1);
            // What the other has had already goes first: so they come side by side again, whatever their order.
            } else if self.has(&then, 1) || !self.has(&new, -1) && then < new {
                self.put(&then, -1);
                old.at += 1;
            } else {
                self.put(&new, 1);
                young.at += 1;
            }
        }
    }

    /// Walks through what only one has left.
    fn rest(&mut self, walk: &mut Walk, sign: i64) {
        while self.count <= MOST_ODD
            && let Some(mapping) = walk.here()
        {
            self.put(&mapping, sign);
            walk.at += 1;
        }
    }

    /// Whether the side of that sign has had a mapping more often.
    fn has(&self, mapping: &Mapping<'_>, sign: i64) -> bool {
        let states = self.mappings.get(mapping.content).map(Vec::as_slice).unwrap_or_default();
        states.iter().any(|(state, more)| *state == mapping.state() && more.signum() == sign)
    }

    fn put(&mut self, mapping: &Mapping<'_>, sign: i64) {
        let state = mapping.state();
        let states = self.mappings.entry(mapping.content.to_vec()).or_default();
        let at = states.iter().position(|(known, _)| *known == state).unwrap_or(states.len());
        if at == states.len() {
            states.push((state, 0));
        }
        let more = &mut states[at].1;
        self.count -= more.unsigned_abs();
        *more += sign;
        self.count += more.unsigned_abs();
        if *more == 0 {
            states.swap_remove(at);
        }
        if states.is_empty() {
            self.mappings.remove(mapping.content);
        }
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

fn columns(batch: &RecordBatch) -> Result<(BinaryViewArray, StringViewArray, Int64Array), ArrowError> {
    let column = |index: usize, of: &DataType| cast(batch.column(index), of);
    Ok((
        column(0, &DataType::BinaryView)?.as_binary_view().clone(),
        column(1, &DataType::Utf8View)?.as_string_view().clone(),
        column(2, &DataType::Int64)?.as_primitive().clone(),
    ))
}

fn broken(error: ArrowError) -> Error {
    Error::Engine { message: error.to_string() }
}

//! How some contents are on all backends, then and now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::analysis::{Contents, PinCounts, Redundancy};
use super::difference::{Side, State, found_damaged};
use super::rows::{Row, each_row, names};
use crate::error::Result;

/// Contents that may be in another state on a backend, as they were and as they are. `None` is where it has no mapping of them.
pub(super) type Difference = BTreeMap<Vec<u8>, [Option<State>; 2]>;

/// What has changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Some contents alone, as they were.
    pub then: Redundancy,
    /// The same contents as they are.
    pub new: Redundancy,
    /// By backend.
    pub differences: BTreeMap<String, Difference>,
}

/// By backend, the contents that may be in another state.
pub(super) type Contested<'a> = BTreeMap<&'a str, BTreeSet<Vec<u8>>>;

/// The copies of contents.
type Copies = HashMap<Vec<u8>, OfContent>;

#[derive(Default)]
struct OfContent {
    copies: u64,
    stored_on: Option<String>,
    size: Option<i64>,
}

impl Change {
    /// Looks contents up. On backends that have not changed they are as they were. `None` if some turned out to be damaged.
    ///
    /// # Errors
    /// If a limit of memory or time does not suffice.
    pub async fn of(then: &Side<'_>, new: &Side<'_>, contested: &Contested<'_>) -> Result<Option<Change>> {
        let contents: BTreeSet<&Vec<u8>> = contested.values().flatten().collect();
        let changed = contested.keys().copied();
        let mut differences: BTreeMap<String, Difference> =
            changed.clone().map(|name| (name.to_owned(), Difference::new())).collect();
        let (mut before, mut after) = (Copies::new(), Copies::new());
        if contents.is_empty() {
            return Ok(Some(Change { differences, ..Change::default() }));
        }
        let sql = states_sql(&contents, "");
        let skipped = each_row(new.session, &sql, vec![], |row| {
            let (content, backend, state) = state_of(&row);
            add(&mut after, &content, &backend, state);
            match differences.get_mut(&backend) {
                Some(difference) => difference.entry(content).or_default()[1] = Some(state),
                None => add(&mut before, &content, &backend, state),
            }
        });
        if found_damaged(&skipped.await?, new.files) {
            return Ok(None);
        }
        let sql = states_sql(&contents, "AND ARRAY_HAS($names, backend_name)");
        let values = vec![("names", names(changed))];
        let skipped = each_row(then.session, &sql, values, |row| {
            let (content, backend, state) = state_of(&row);
            add(&mut before, &content, &backend, state);
            if let Some(difference) = differences.get_mut(&backend) {
                difference.entry(content).or_default()[0] = Some(state);
            }
        });
        let whole = !found_damaged(&skipped.await?, then.files);
        // Where rows were seen some are found, unless what a file says of its pages is wrong.
        let is_found =
            |name: &str, content| differences.get(name).is_some_and(|found| found.contains_key(content));
        let found =
            contested.iter().all(|(name, contents)| contents.iter().all(|content| is_found(name, content)));
        Ok((whole && found).then(|| Change { then: redundancy(before), new: redundancy(after), differences }))
    }
}

fn states_sql(contents: &BTreeSet<&Vec<u8>>, condition: &str) -> String {
    let hex = |content: &&Vec<u8>| content.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let listed: Vec<String> = contents.iter().map(|content| format!("X'{}'", hex(content))).collect();
    format!(
        "SELECT content, backend_name, BOOL_OR(status = 'stored') AS stored, MAX(size_bytes) AS size_bytes
        FROM pins
        WHERE content IN ({}) {condition}
        GROUP BY content, backend_name",
        listed.join(", ")
    )
}

fn state_of(row: &Row<'_>) -> (Vec<u8>, String, State) {
    let state = State { stored: row.truth("stored").unwrap_or_default(), size: row.number("size_bytes") };
    (row.bytes("content").unwrap_or_default(), row.text("backend_name").unwrap_or_default(), state)
}

fn add(copies: &mut Copies, content: &[u8], backend: &str, state: State) {
    if !copies.contains_key(content) {
        copies.insert(content.to_vec(), OfContent::default());
    }
    if let Some(known) = copies.get_mut(content) {
        known.size = known.size.max(state.size);
        if state.stored {
            known.copies += 1;
            known.stored_on = Some(backend.to_owned());
        }
    }
}

fn redundancy(copies: Copies) -> Redundancy {
    let mut redundancy = Redundancy::default();
    for OfContent { copies, stored_on, size } in copies.into_values() {
        redundancy.by_copies.entry(copies).or_default().add(Contents::one(size));
        if let Some(name) = stored_on.filter(|_| copies == 1) {
            redundancy.only_on.entry(name).or_default().add(Contents::one(size));
        }
    }
    redundancy
}

impl PinCounts {
    /// Distinct contents after a change, and those of them that are stored; `None` if what was there then was not counted.
    pub(super) fn contents_after(&self, difference: &Difference) -> Option<(u64, Contents)> {
        let (mut contents, mut stored) = (self.contents, self.stored);
        for new in difference.values().filter_map(|[_, new]| *new) {
            contents += 1;
            if new.stored {
                stored.add(Contents::one(new.size));
            }
        }
        for then in difference.values().filter_map(|[then, _]| *then) {
            contents = contents.checked_sub(1)?;
            if then.stored {
                stored.take_away(Contents::one(then.size))?;
            }
        }
        Some((contents, stored))
    }
}

//! A plan that has run, in words: what each node did, how long it took, and what would make it faster.

use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable};

use crate::catalog::ScanFacts;
use crate::pin::schema::{CID, CONTENT, STATUS};

/// What is done by nodes that only hand on what they get.
const UNSEEN: [&str; 3] = ["CooperativeExec", "CoalesceBatchesExec", "BufferExec"];
/// What engineers call the nodes, and what they do.
const WORDS: [(&str, &str); 23] = [
    ("AggregateExec", "aggregate"),
    ("BoundedWindowAggExec", "window"),
    ("CoalescePartitionsExec", "gather"),
    ("CrossJoinExec", "cross join"),
    ("DataSourceExec", "read"),
    ("EmptyExec", "nothing"),
    ("FilterExec", "filter"),
    ("GlobalLimitExec", "limit"),
    ("HashJoinExec", "hash join"),
    ("InterleaveExec", "union"),
    ("LocalLimitExec", "limit"),
    ("NestedLoopJoinExec", "nested loop join"),
    ("PartialSortExec", "sort"),
    ("PlaceholderRowExec", "one row"),
    ("ProjectionExec", "compute"),
    ("RepartitionExec", "spread"),
    ("SectionsExec", "filter sections"),
    ("SortExec", "sort"),
    ("SortMergeJoinExec", "merge join"),
    ("SortPreservingMergeExec", "merge"),
    ("SymmetricHashJoinExec", "hash join"),
    ("UnionExec", "union"),
    ("WindowAggExec", "window"),
];

/// A plan that has run.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The node that made the answer.
    pub root: Node,
    /// What would make the query faster, in sentences.
    pub advice: Vec<String>,
}

/// One node of it.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it does, in a word or two.
    pub name: String,
    /// To what.
    pub detail: String,
    /// The rows that it handed over.
    pub rows: u64,
    /// The time that its threads worked, together.
    pub time: Duration,
    /// The bytes that it read from files.
    pub bytes: Option<u64>,
    /// The bytes that it wrote to disk for want of memory.
    pub spilled: u64,
    /// The nodes that it gets its rows from.
    pub inputs: Vec<Node>,
}

/// Describes a plan by what its nodes have counted.
pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Profile {
    let mut advice = vec![];
    let root = node(plan, None, &mut advice);
    let spilled = spilled(&root);
    if spilled > 0 {
        advice.push(format!(
            "{:.1} MB did not fit into memory and went to disk: a larger --memory-limit saves that",
            spilled as f64 / 1e6
        ));
    }
    advice.dedup();
    Profile { root, advice }
}

/// `kept` is what a filter above has left of the rows, if there is one.
fn node(plan: &Arc<dyn ExecutionPlan>, kept: Option<u64>, advice: &mut Vec<String>) -> Node {
    let metrics = plan.metrics().unwrap_or_default();
    let inputs = plan.children();
    if let ([input], true) = (&inputs[..], UNSEEN.contains(&plan.name())) {
        return node(input, kept, advice);
    }
    let rows = metrics.output_rows().unwrap_or_default() as u64;
    let facts = ScanFacts::of(plan.as_ref());
    if let Some(facts) = &facts {
        advice.extend(advise(facts, &metrics, rows, kept.unwrap_or(rows)));
    }
    let time = match facts.is_some() {
        true => named(&metrics, "time_elapsed_processing"),
        false => metrics.elapsed_compute(),
    };
    let kept = match plan.name() {
        "FilterExec" => Some(rows),
        // Rows pass one by one, so that what a filter leaves is still known.
        "RepartitionExec" | "ProjectionExec" => kept,
        _ => None,
    };
    Node {
        name: word(plan.name()),
        detail: facts.as_ref().map_or_else(|| detail(plan), scan_detail),
        rows,
        time: Duration::from_nanos(time.unwrap_or_default() as u64),
        bytes: facts.is_some().then(|| named(&metrics, "bytes_scanned").unwrap_or_default() as u64),
        spilled: metrics.spilled_bytes().unwrap_or_default() as u64,
        inputs: inputs.into_iter().map(|input| node(input, kept, advice)).collect(),
    }
}

fn spilled(node: &Node) -> u64 {
    node.spilled + node.inputs.iter().map(spilled).sum::<u64>()
}

/// What a node is called.
fn word(name: &str) -> String {
    // Some say how they do it: SortExec(TopK).
    let (plain, how) = name.split_once('(').map_or((name, None), |(plain, how)| (plain, Some(how)));
    let word = match WORDS.iter().find(|(known, _)| *known == plain) {
        Some((_, word)) => (*word).to_owned(),
        None => plain.trim_end_matches("Exec").to_owned(),
    };
    how.map_or_else(|| word.clone(), |how| format!("{word} ({how}"))
}

/// What a node says of itself, without the numbers of columns.
fn detail(plan: &Arc<dyn ExecutionPlan>) -> String {
    let line = displayable(plan.as_ref()).one_line().to_string();
    let line = line.trim();
    let text = line.split_once(": ").map_or("", |(_, text)| text);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        plain.push_str(&rest[..at]);
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            plain.push('@');
        }
        rest = &rest[at + 1 + digits..];
    }
    plain + rest
}

fn scan_detail(facts: &ScanFacts) -> String {
    let files = crate::pin::counted(facts.files as u64, "file", "files");
    let columns: Vec<&str> = facts.columns.iter().map(String::as_str).collect();
    let columns = if columns.is_empty() { "no column".to_owned() } else { columns.join(", ") };
    let filter = facts.predicate.as_ref().map(|predicate| format!(", where {}", without_numbers(predicate)));
    format!("{columns} of {files}{}", filter.unwrap_or_default())
}

/// A predicate without the numbers of its columns.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split('@');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}

/// What would let a scan read less, if it kept little of what it read.
fn advise(facts: &ScanFacts, metrics: &MetricsSet, rows: u64, kept: u64) -> Option<String> {
    let looked_at = named(metrics, "pushdown_rows_pruned").unwrap_or_default()
        + named(metrics, "pushdown_rows_matched").unwrap_or_default();
    let read = (looked_at as u64).max(rows);
    let about = |names: &[&str]| names.iter().any(|name| facts.filtered.contains(*name));
    // A filter that keeps much has nothing to skip, and a small scan is fast anyhow.
    if facts.filtered.is_empty()
        || read < 100_000
        || kept.saturating_mul(20) > read
        || read * 10 < facts.rows * 9
    {
        return None;
    }
    let all = format!("{kept} of {read} rows are wanted, and none could be skipped");
    let unsorted = facts.files - facts.laid_out;
    Some(match about(&[CID, CONTENT, STATUS]) {
        true if unsorted > 0 => format!(
            "{all}: {unsorted} of {} are in no order; `pinql backend optimize` sorts them",
            crate::pin::counted(facts.files as u64, "file", "files")
        ),
        true => {
            format!("{all}: compare `cid`, `content` or `status` itself, not what a function makes of it")
        }
        false => {
            let columns: Vec<&str> = facts.filtered.iter().map(String::as_str).collect();
            format!("{all}: files are laid out by status and content, not by {}", columns.join(", "))
        }
    })
}

/// The sum of a counter over all partitions and files.
fn named(metrics: &MetricsSet, name: &str) -> Option<usize> {
    metrics.sum(|metric| metric.value().name() == name).as_ref().map(MetricValue::as_usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(laid_out: usize, filtered: &str) -> ScanFacts {
        let filtered = [filtered.to_owned()].into();
        ScanFacts { files: 12, laid_out, rows: 1_000_000, filtered, ..ScanFacts::default() }
    }

    #[test]
    fn advice_is_given_where_little_of_much_is_kept_and_nothing_was_skipped() {
        let advice = |facts, read, kept| advise(&facts, &MetricsSet::new(), read, kept).unwrap_or_default();
        for (found, words) in [
            (advice(facts(9, CID), 1_000_000, 3), "3 of 12 files are in no order; `pinql backend optimize`"),
            (advice(facts(12, CONTENT), 1_000_000, 3), "compare `cid`, `content` or `status` itself"),
            (advice(facts(12, "created_at"), 1_000_000, 3), "not by created_at"),
        ] {
            assert!(found.starts_with("3 of 1000000 rows are wanted") && found.contains(words), "{found}");
        }
        // Much is kept, much was skipped, or there is little anyway.
        for (read, kept) in [(1_000_000, 500_000), (200_000, 3), (90_000, 3)] {
            assert_eq!(advice(facts(0, CID), read, kept), "");
        }
    }

    #[test]
    fn nodes_have_plain_names() {
        for (name, plain) in [("SortExec(TopK)", "sort (TopK)"), ("FilterExec", "filter"), ("OddExec", "Odd")]
        {
            assert_eq!(word(name), plain);
        }
        assert_eq!(without_numbers("status@4 = failed AND cid@0 = x"), "status = failed AND cid = x");
    }
}

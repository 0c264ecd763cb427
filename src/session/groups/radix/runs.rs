//! Rows of sorted runs, parted where they stand: the parts are ranges of contents.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::JoinSet;
use datafusion::common::{Result, exec_err, resources_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use tokio::task::yield_now;

use super::super::contents::RowContents;
use super::super::source::{Origin, Piece};
use super::super::task::{Aggregate, Task as Streamed};
use super::Task;
use super::gather::{Chunk, Gathered, Parts, joined, kept_schema, rows_of};
use crate::catalog::{ContentRange, FileScan, RunFacts, head};

/// Rows of a batch. Most runs have fewer.
const ROWS: usize = 32 << 10;
/// How many times the rows of all parts in the mean one part may have.
const UNEVEN: usize = 4;
/// The same of passes, in halves. There are at least three.
const UNEVEN_PASS: u64 = 5;
/// Every so many rows are looked at to cut parts anew.
const EVERY: usize = 64;

/// Reads and parts the rows of all runs, or those of a pass.
pub(super) async fn gather(
    runs: &Arc<Streamed>,
    turn: u64,
    pass: usize,
    task: &Arc<Task>,
    context: &Arc<TaskContext>,
) -> Result<Gathered> {
    let scan = &runs.chain.scan;
    let all = scan.ranges(task.parts);
    let [from, to] = [pass, pass + 1].map(|pass| pass * all.len() / task.passes);
    let parts: Arc<[ContentRange]> = all[from..to].into();
    let range = range_of(&parts).filter(|_| task.passes > 1);
    if pass == 0 && task.passes > 1 {
        are_even(runs, &all, task.passes).await?;
    }
    let reads = if parts.is_empty() { None } else { reads(runs, turn, range.as_ref())? };
    let Some(Reads { plan, runs: in_turn }) = reads else {
        let (backends, parts) = (Arc::clone(&runs.backends), Parts::Ranges(parts));
        return Ok(Gathered { chunks: Vec::new(), backends, parts, _memory: Vec::new() });
    };
    let rows = runs.chain.over(plan, ROWS)?;
    let kept = kept_schema(task, &rows.schema())?;
    let in_turn: Arc<[_]> = in_turn.into();
    let bounds = Arc::new(Bounds::new(&parts, runs.chain.skips_empty));
    let edges = range.as_ref().map(|range| Arc::new(Bounds::of(range, runs.chain.skips_empty)));
    let next = Arc::new(AtomicUsize::new(0));
    let mut gatherers = JoinSet::new();
    for _ in 0..task.partitions {
        let memory = MemoryConsumer::new("RadixGroupsExec").register(context.memory_pool());
        let mut gatherer = Gatherer {
            task: Arc::clone(task),
            bounds: Arc::clone(&bounds),
            edges: edges.clone(),
            kept: Arc::clone(&kept),
            chunks: Vec::new(),
            memory,
        };
        let (rows, in_turn, next) = (Arc::clone(&rows), Arc::clone(&in_turn), Arc::clone(&next));
        let context = Arc::clone(context);
        gatherers.spawn(async move {
            loop {
                let reading = next.fetch_add(1, Ordering::Relaxed);
                let Some(runs) = in_turn.get(reading) else { break };
                let batches = rows.execute(reading, Arc::clone(&context))?;
                gatherer.gather(batches, runs).await?;
            }
            Ok((gatherer.chunks, gatherer.memory))
        });
    }
    let (mut chunks, memory) = joined(gatherers).await?;
    match task.aggregates.iter().any(Aggregate::is_of_backends) {
        true => chunks.sort_by_key(|chunk| chunk.rows.origin.backend),
        // What is wanted of rows that stand side by side need not be asked row by row.
        false => chunks.sort_by(|one, other| one.rows.origin.wanted.cmp(&other.rows.origin.wanted)),
    }
    let parts = evened(&mut chunks, parts, runs.chain.skips_empty).await?;
    Ok(Gathered {
        chunks,
        backends: Arc::clone(&runs.backends),
        parts: Parts::Ranges(parts),
        _memory: memory,
    })
}

/// Sees, before any group is handed over, that no pass has far more rows than the others, and reads the page indexes for that. Footers may
/// cut badly; what fails now is planned again, and spills.
async fn are_even(runs: &Streamed, parts: &[ContentRange], passes: usize) -> Result<()> {
    let scan = &runs.chain.scan;
    let most = UNEVEN_PASS * scan.rows() / (2 * passes as u64);
    for pass in 0..passes {
        let [from, to] = [pass, pass + 1].map(|pass| pass * parts.len() / passes);
        let Some(range) = range_of(&parts[from..to]) else { continue };
        scan.load_indexes(&range).await?;
        if scan.rows_about(&range) > most {
            return resources_err!("contents are too uneven to be grouped in {passes} passes");
        }
    }
    Ok(())
}

/// What lies in any of some ranges that follow each other.
fn range_of(parts: &[ContentRange]) -> Option<ContentRange> {
    let (first, last) = parts.first().zip(parts.last())?;
    Some(ContentRange { from: first.from.clone(), to: last.to.clone() })
}

/// The parts, cut anew if one of them has far more rows than the others. Footers say between which two contents the rows of a
/// run lie: one that is far from all others, such as that of a text which is no CID, spoils that.
async fn evened(
    chunks: &mut [Chunk],
    parts: Arc<[ContentRange]>,
    skips_empty: bool,
) -> Result<Arc<[ContentRange]>> {
    let rows = |part: usize| -> usize {
        chunks.iter().map(|chunk| (chunk.starts[part + 1] - chunk.starts[part]) as usize).sum()
    };
    let of_parts: Vec<usize> = (0..parts.len()).map(rows).collect();
    let (all, most) = (of_parts.iter().sum::<usize>(), of_parts.iter().max().copied().unwrap_or_default());
    if most <= UNEVEN * (all / parts.len().max(1) + 1) {
        return Ok(parts);
    }
    let mut some: Vec<&[u8]> = Vec::new();
    for chunk in chunks.iter() {
        let contents = &chunk.rows.contents;
        some.extend((chunk.starts[0] as usize..contents.len()).step_by(EVERY).map(|row| contents.get(row)));
    }
    some.sort_unstable();
    let mut cuts: Vec<&[u8]> = (1..parts.len()).map(|cut| some[cut * some.len() / parts.len()]).collect();
    cuts.dedup();
    let cuts: Vec<Vec<u8>> = cuts.into_iter().filter(|cut| !cut.is_empty()).map(<[u8]>::to_vec).collect();
    let parts: Arc<[ContentRange]> = ContentRange::between(&cuts).into();
    let bounds = Bounds::new(&parts, skips_empty);
    for chunk in chunks {
        chunk.starts = bounds.starts(&chunk.rows.contents)?;
        // A query that is given up is to end soon.
        yield_now().await;
    }
    Ok(parts)
}

/// What is read one after the other: what is known of it, and how many rows it has, if that is known.
type InTurn = Vec<(Arc<Origin>, Option<u64>)>;

/// A scan with a partition for each of them.
struct Reads {
    plan: Arc<dyn ExecutionPlan>,
    runs: Vec<InTurn>,
}

/// Whether it is known of each run that all of its rows are read, or none.
pub(super) fn knows_rows(runs: &Streamed) -> bool {
    runs.chain.scan.facts().all(|facts| runs.chain.passes_filters(facts).is_some())
}

/// How the rows are read, all or those that a range may have; `None` if there are none.
fn reads(runs: &Streamed, turn: u64, range: Option<&ContentRange>) -> Result<Option<Reads>> {
    let (chain, scan) = (&runs.chain, &runs.chain.scan);
    let origin = |facts: &RunFacts| {
        let backend = runs.backends.partition_point(|name| *name < facts.backend) as u32;
        Arc::new(Origin { backend, wanted: runs.wanted.get(facts).cloned().unwrap_or_default() })
    };
    // To open a file takes longer than to read one more of its runs.
    if knows_rows(runs)
        && let Some(FileScan { plan, runs }) =
            scan.in_files(range, turn, ROWS, |facts| chain.passes_filters(facts) == Some(true))?
    {
        let with_origins = |runs: Vec<(RunFacts, u64)>| {
            runs.iter().map(|(facts, rows)| (origin(facts), Some(*rows))).collect()
        };
        return Ok(Some(Reads { plan, runs: runs.into_iter().map(with_origins).collect() }));
    }
    let one = |facts: &RunFacts| vec![(origin(facts), None)];
    let all = ContentRange { from: Vec::new(), to: None };
    let read = scan.within(range.unwrap_or(&all), ROWS)?;
    Ok(read.map(|read| Reads { plan: read.plan, runs: read.facts.iter().map(one).collect() }))
}

/// Takes runs one after the other.
struct Gatherer {
    task: Arc<Task>,
    bounds: Arc<Bounds>,
    /// Between which rows are wanted, if not all of them.
    edges: Option<Arc<Bounds>>,
    kept: SchemaRef,
    chunks: Vec<Chunk>,
    memory: MemoryReservation,
}

impl Gatherer {
    /// Takes the rows of runs that follow each other.
    async fn gather(&mut self, mut batches: SendableRecordBatchStream, runs: &InTurn) -> Result<()> {
        let mut runs = runs.iter();
        let (mut run, mut left) = (None, 0);
        while let Some(batch) = batches.try_next().await? {
            let mut from = 0;
            while from < batch.num_rows() {
                if left == 0 {
                    run = runs.next();
                    left = run.map_or(0, |(_, rows)| rows.map_or(usize::MAX, |rows| rows as usize));
                }
                let Some((origin, rows)) = run else {
                    return exec_err!("a file of pin mappings has more rows than its footer says");
                };
                let count = left.min(batch.num_rows() - from);
                self.add(&batch, from..from + count, origin)?;
                from += count;
                left -= if rows.is_some() { count } else { 0 };
            }
        }
        let fewer = run.is_some_and(|(_, rows)| rows.is_some() && left > 0)
            || runs.next().is_some_and(|(_, rows)| rows.is_some());
        if fewer {
            return exec_err!("a file of pin mappings has fewer rows than its footer says");
        }
        Ok(())
    }

    /// Takes some rows of a batch.
    fn add(&mut self, batch: &RecordBatch, rows: Range<usize>, origin: &Arc<Origin>) -> Result<()> {
        let Some(contents) = batch.column(self.task.content).as_binary_view_opt() else {
            return exec_err!("contents are no bytes");
        };
        if contents.null_count() > 0 {
            return exec_err!("a content is NULL");
        }
        let mut contents = contents.slice(rows.start, rows.len());
        let mut wanted = rows;
        if let Some(edges) = &self.edges {
            let edges = edges.starts(&RowContents::Read(contents.clone()))?;
            let [from, to] = [edges[0], edges[1]].map(|edge| edge as usize);
            contents = contents.slice(from, to - from);
            wanted = wanted.start + from..wanted.start + to;
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let (all, count) = (batch.num_rows(), wanted.len());
        // The pages that they stand in give way to the next ones, in memory that is in the cache.
        let contents = RowContents::held(&contents, 0..count);
        let starts = self.bounds.starts(&contents)?;
        let some = batch.slice(wanted.start, count);
        let kept = self.task.kept.iter().map(|expr| match expr.downcast_ref::<Column>() {
            // Otherwise it would hold on to all rows of the batch.
            Some(column) if count < all => rows_of(batch.column(column.index()), wanted.clone()),
            _ => expr.evaluate(&some)?.into_array(count),
        });
        let kept: Vec<_> = kept.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.kept), kept, &options)?;
        let size = contents.size() + rows.get_array_memory_size() + 4 * starts.len();
        self.memory.try_grow(size)?;
        self.chunks.push(Chunk { rows: Piece { origin: Arc::clone(origin), rows, contents }, starts });
        Ok(())
    }
}

/// The least content of each part, with its head.
struct Bounds(Vec<(u128, Vec<u8>)>);

impl Bounds {
    fn new(parts: &[ContentRange], skips_empty: bool) -> Bounds {
        let bounds = parts.iter().map(|part| match part.from.is_empty() && skips_empty {
            // The first content after the empty one.
            true => vec![0],
            false => part.from.clone(),
        });
        Bounds(bounds.map(|bound| (head(&bound), bound)).collect())
    }

    /// Where a range begins and where it ends, if contents go on there.
    fn of(range: &ContentRange, skips_empty: bool) -> Bounds {
        let behind = range.to.iter().map(|to| ContentRange { from: to.clone(), to: None });
        let both: Vec<_> = std::iter::once(range.clone()).chain(behind).collect();
        Bounds::new(&both, skips_empty)
    }

    /// Where each part begins in sorted contents, and where the last one ends.
    fn starts(&self, contents: &RowContents) -> Result<Vec<u32>> {
        let mut starts = Vec::with_capacity(self.0.len() + 1);
        let mut bounds = self.0.iter().map(|(head, bound)| (*head, &bound[..]));
        let (mut bound, mut before) = (bounds.next(), (0, &[][..]));
        for row in 0..contents.len() {
            let content = contents.get(row);
            let content = (head(content), content);
            if is_less(content, before) {
                return exec_err!("a file of pin mappings is not sorted as its footer says");
            }
            while bound.is_some_and(|bound| !is_less(content, bound)) {
                starts.push(row as u32);
                bound = bounds.next();
            }
            before = content;
        }
        starts.resize(self.0.len() + 1, contents.len() as u32);
        Ok(starts)
    }
}

/// Whether a content comes before another; each with its head.
#[inline]
fn is_less(one: (u128, &[u8]), other: (u128, &[u8])) -> bool {
    one.0 < other.0 || one.0 == other.0 && one.1 < other.1
}

#[cfg(test)]
mod tests {
    use arrow::array::BinaryViewArray;

    use super::*;

    #[test]
    fn parts_are_cut_anew_where_one_has_nearly_all_rows() {
        let hash = |number: u64| {
            [&[0x12, 0x20][..], &number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()].concat()
        };
        let chunk = |of: u64, bounds: &Bounds| {
            let mut contents: Vec<Vec<u8>> = (0..2000).map(|row| hash(of * 2000 + row)).collect();
            contents.extend([vec![], vec![], vec![0xff; 40]]);
            contents.sort();
            let contents: BinaryViewArray = contents.iter().map(|content| Some(&content[..])).collect();
            let contents = RowContents::held(&contents, 0..contents.len());
            let options = RecordBatchOptions::new().with_row_count(Some(contents.len()));
            let rows = RecordBatch::try_new_with_options(
                arrow::datatypes::Schema::empty().into(),
                Vec::new(),
                &options,
            )
            .unwrap();
            let origin = Arc::new(Origin { backend: of as u32, wanted: Vec::new() });
            let starts = bounds.starts(&contents).unwrap();
            Chunk { rows: Piece { origin, rows, contents }, starts }
        };
        let rows_of = |chunks: &[Chunk], part: usize| -> u32 {
            chunks.iter().map(|chunk| chunk.starts[part + 1] - chunk.starts[part]).sum()
        };
        for skips_empty in [false, true] {
            // As footers have it that say no more than that contents lie between nothing and 0xff….
            let cuts: Vec<Vec<u8>> = (1..50).map(|cut| vec![5 * cut]).collect();
            let parts: Arc<[ContentRange]> = ContentRange::between(&cuts).into();
            let bounds = Bounds::new(&parts, skips_empty);
            let mut chunks: Vec<Chunk> = (0..20).map(|of| chunk(of, &bounds)).collect();
            let most =
                |chunks: &[Chunk], parts: usize| (0..parts).map(|part| rows_of(chunks, part)).max().unwrap();
            assert!(most(&chunks, parts.len()) >= 40_000);
            let even =
                futures::executor::block_on(evened(&mut chunks, Arc::clone(&parts), skips_empty)).unwrap();
            assert!(even.len() > 45, "{}", even.len());
            assert!(most(&chunks, even.len()) < 2 * 40_000 / 50, "{}", most(&chunks, even.len()));
            let all: u32 = (0..even.len()).map(|part| rows_of(&chunks, part)).sum();
            assert_eq!(all, 20 * if skips_empty { 2001 } else { 2003 });
            // Those are left as they are.
            let again =
                futures::executor::block_on(evened(&mut chunks, Arc::clone(&even), skips_empty)).unwrap();
            assert!(Arc::ptr_eq(&again, &even));
        }
    }
}

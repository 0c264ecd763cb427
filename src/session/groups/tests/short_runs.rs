//! Many sorted files of few rows each.

use datafusion::physical_plan::{collect, displayable};

use super::super::Limits;
use super::trees::{Cuts, Dice, Row, Trees, lines, rows, texts, write_laid_out};
use super::{QUERIES, options, tiny};
use crate::session::{Bindings, Options};

#[test]
fn runs_that_are_short_are_parted() {
    let mut dice = Dice(31);
    let backends: Vec<_> = (0..40).map(|_| vec![rows(&mut dice, 90, 500)]).collect();
    let trees = Trees::of(&backends, Cuts { group: 1000, page: 100, sections: true });
    let plan = |sql: &str, limits: &Limits| {
        let session = trees.session("sorted", &options(2, None), limits.clone());
        lines(&session, &format!("EXPLAIN {sql}")).unwrap().concat()
    };
    let limits = Limits { short: 1000, ..tiny(None, 50, 40_000) };
    for sql in QUERIES {
        let streamed = plan(sql, &tiny(None, 50, 40_000));
        assert!(
            streamed.contains("ContentGroupsExec") && !streamed.contains("RadixGroupsExec"),
            "{streamed}"
        );
        let parted = plan(sql, &limits);
        assert!(parted.contains("RadixGroupsExec") && !parted.contains("ContentGroupsExec"), "{parted}");
        assert!(parted.contains(", runs="), "{parted}");
        trees.compare(sql, &options(2, None), &limits, None);
    }
}

#[test]
fn short_runs_may_have_pages_that_a_filter_passes_over() {
    let mut dice = Dice(37);
    let all = |dice: &mut Dice| {
        let mut all = rows(dice, 90, 500);
        // A section of nothing but empty contents, a page of them in another, and one content that is most of a run.
        let empty = all.iter().find(|row| row.content.is_empty()).cloned().unwrap();
        all.retain(|row| row.status != "expired");
        all.extend(vec![Row { status: "expired", ..empty.clone() }; 3]);
        all.extend(vec![Row { status: "stored", ..empty }; 15]);
        all
    };
    let backends: Vec<_> = (0..40).map(|_| vec![all(&mut dice)]).collect();
    let trees = Trees::of(&backends, Cuts { group: 1000, page: 5, sections: true });
    // Here each file is read as a whole.
    let limits = Limits { short: 1000, turn: 1000, ..tiny(None, 50, 40_000) };
    for sql in QUERIES {
        trees.compare(sql, &options(2, None), &limits, None);
    }
}

#[test]
fn short_runs_are_read_several_times_where_memory_is_little() {
    let mut dice = Dice(41);
    let backends: Vec<_> = (0..40).map(|_| vec![rows(&mut dice, 90, 500)]).collect();
    let trees = Trees::of(&backends, Cuts { group: 1000, page: 10, sections: true });
    let mut passes = Vec::new();
    for memory in [200 << 10, 60 << 10, 20 << 10] {
        let limits = Limits { short: 1000, ..tiny(Some(memory), 50, 40_000) };
        let session = trees.session("sorted", &options(2, None), limits.clone());
        for sql in QUERIES {
            let plan = lines(&session, &format!("EXPLAIN {sql}")).unwrap().concat();
            passes.extend(plan.split_once(", passes=").map(|(_, after)| {
                after.split(|sign: char| !sign.is_ascii_digit()).next().unwrap().to_owned()
            }));
            trees.compare(sql, &options(2, None), &limits, None);
        }
    }
    passes.sort_unstable();
    passes.dedup();
    assert!(passes.len() > 2, "{passes:?}");
}

#[test]
fn passes_are_for_contents_that_lie_evenly() {
    let mut dice = Dice(43);
    let hashes = |dice: &mut Dice| {
        let mut all = rows(dice, 200, 900);
        all.retain(|row| row.content.starts_with(&[0x12, 32]));
        all
    };
    let even: Vec<Vec<Vec<Row>>> = (0..40).map(|_| vec![hashes(&mut dice)]).collect();
    // One content in each run that lies far from all others spoils what footers say.
    let uneven = even.iter().map(|parts| {
        let mut parts = parts.clone();
        parts[0][0].content = vec![0, 1, 7];
        parts
    });
    let uneven: Vec<_> = uneven.collect();
    let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let sql = "SELECT content, COUNT(*), MAX(size_bytes), MIN(cid), COUNT(DISTINCT backend_name) FROM pins GROUP BY content";
    for (backends, is_even) in [(even, true), (uneven, false)] {
        let trees = Trees::of(&backends, Cuts { group: 1000, page: 5, sections: false });
        let wanted = lines(&trees.session("sorted", &Options::default(), Limits::new(None)), sql).unwrap();
        for memory in [1200 << 10, 700 << 10, 400 << 10] {
            let limits = Limits { short: 1000, ..tiny(Some(memory), 50, 40_000) };
            // The pool holds what the operator holds beside it: more than one pass, and less than all.
            let session = trees.session("sorted", &options(2, Some(16 << 20)), limits);
            let plan = workers.block_on(session.planner.plan(sql, &Bindings::default(), &[])).unwrap();
            let shown = displayable(plan.plan.as_ref()).indent(false).to_string();
            assert!(shown.contains(", passes="), "{shown}");
            let collected = workers.block_on(collect(plan.plan, plan.state.task_ctx()));
            match is_even {
                true => assert_eq!(texts(&collected.unwrap()), wanted, "{memory}"),
                false => {
                    let error = collected.unwrap_err().to_string();
                    assert!(error.contains("too uneven to be grouped in"), "{error}");
                    // It is planned again without passes.
                    assert_eq!(lines(&session, sql).unwrap(), wanted, "{memory}");
                }
            }
        }
    }
}

#[test]
fn runs_that_are_not_sorted_as_their_footer_says_are_an_error() {
    let mut dice = Dice(36);
    let mut backward = rows(&mut dice, 90, 500);
    backward.sort_by(|one, other| other.content.cmp(&one.content));
    let cuts = Cuts { group: 1000, page: 100, sections: false };
    let trees = Trees::of(&[vec![Vec::new()]], cuts);
    let file = trees.dir.path().join("sorted/backends/b00/pin_mappings.parquet");
    write_laid_out(&file, "b00", &[backward], cuts);
    let limits = Limits { short: 1000, ..tiny(None, 50, 40_000) };
    let session = trees.session("sorted", &options(2, None), limits);
    let error = lines(&session, "SELECT content, COUNT(*) FROM pins GROUP BY content").unwrap_err();
    assert!(error.to_string().contains("is not sorted as its footer says"), "{error}");
}

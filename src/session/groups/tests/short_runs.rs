//! Many sorted files of few rows each.

use super::super::Limits;
use super::trees::{Cuts, Dice, Row, Trees, lines, rows, write_laid_out};
use super::{QUERIES, options, tiny};

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

//! `pinql daemon intelligent health`: how well each backend is, and why.

use pinql::daemon::{Facts, Health};
use pinql::pin::counted;

use super::page::{Page, Paint};

/// `in_full`: with all that was looked at, and not only what is bad.
pub fn fill(page: &mut Page, facts: &Facts, in_full: bool) {
    page.heading("Health");
    if facts.health.len() != 1 {
        page.words(&facts.health_in_words(), None);
    }
    let not_compared = facts.not_compared().len() as u64;
    if not_compared > 0 {
        let backups = counted(not_compared, "backup is", "backups are");
        page.words(
            &format!("{backups} not compared with the mappings: --detailed does that"),
            Some(Paint::Quiet),
        );
    }
    for one in &facts.health {
        page.state(&one.name, one.state, &one.reasons().join("; "));
        for check in one.checks.iter().filter(|_| in_full) {
            let word = check.state.map_or("–", Health::word);
            let paint = check.state.map_or(Paint::Quiet, Paint::of);
            page.painted(&format!("  {}", check.check), &format!("{word}: {}", check.reason), Some(paint));
        }
    }
}

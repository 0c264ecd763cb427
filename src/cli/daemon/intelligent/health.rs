//! `pinql daemon intelligent health`: how well each backend is, and why.

use pinql::daemon::{BackendHealth, Facts, Health};

use super::page::{Page, Paint};

pub fn fill(page: &mut Page, facts: &Facts, only: Option<&str>, detailed: bool) {
    let chosen: Vec<&BackendHealth> =
        facts.health.iter().filter(|one| only.is_none_or(|name| one.name == name)).collect();
    page.heading("Health");
    match only {
        Some(_) => {}
        None => page.words(&facts.health_in_words(), None),
    }
    for one in &chosen {
        page.state(&one.name, one.state, &one.reasons().join("; "));
        if detailed || only.is_some() {
            for check in &one.checks {
                let word = check.state.map_or("–", Health::word);
                let words = format!("{word}: {}", check.reason);
                page.painted(
                    &format!("  {}", check.check),
                    &words,
                    Some(check.state.map_or(Paint::Quiet, Paint::of)),
                );
            }
        }
    }
}

//! Backends that a command is told by name: what is not known of them is not the same as nothing.

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};
use pinql::report::Bindings;

use super::failure::{Failure, Outcome, did_you_mean};
use super::runner::Runner;

/// What a data directory knows of one backend.
pub struct Known {
    pub name: String,
    pub state: String,
    reason: Option<String>,
}

/// All backends of a data directory.
pub fn all(runner: &mut Runner) -> Outcome<Vec<Known>> {
    let (_, batches) = runner.collect("SELECT name, state, reason FROM backends", &Bindings::default())?;
    Ok(batches.iter().flat_map(known).collect())
}

fn known(batch: &RecordBatch) -> Vec<Known> {
    let text = |column: usize| -> &StringViewArray { batch.column(column).as_string_view() };
    let (names, states, reasons) = (text(0), text(1), text(2));
    let row = |row: usize| Known {
        name: names.value(row).to_owned(),
        state: states.value(row).to_owned(),
        reason: reasons.is_valid(row).then(|| reasons.value(row).to_owned()),
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Refuses names of backends that are none, and backends whose pins cannot be told: that nothing is found of them would be no
/// good news.
pub fn check(names: &[String], known: &[Known]) -> Outcome<()> {
    names.iter().try_for_each(|name| match known.iter().find(|known| known.name == *name) {
        Some(known) => known.check(),
        None => {
            let all: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            Err(Failure::misuse(
                format!("there is no backend named `{name}`"),
                did_you_mean(name, &all).unwrap_or_else(|| hint(&all)),
            ))
        }
    })
}

impl Known {
    /// Whether its pins can be told.
    pub fn is_told(&self) -> bool {
        matches!(self.state.as_str(), "ready" | "empty")
    }

    /// Why they cannot.
    pub fn problem(&self) -> String {
        match (self.state.as_str(), &self.reason) {
            ("legacy", _) => "it has only a pins.json".into(),
            ("car_only", _) => "it has only a backup".into(),
            (_, Some(reason)) => reason.clone(),
            (state, None) => format!("it is {state}"),
        }
    }

    fn check(&self) -> Outcome<()> {
        if self.is_told() {
            return Ok(());
        }
        let hint = match self.state.as_str() {
            "legacy" => format!("`pinql backend migrate-pin-mappings --filter {}` brings it in", self.name),
            "car_only" => format!("`pinql backend restore {} --from car` makes it anew", self.name),
            "alias" => "name that one".into(),
            _ => "`pinql backend restore` can make it anew from a backup".into(),
        };
        Err(Failure::misuse(
            format!("nothing can be told of backend `{}`: {}", self.name, self.problem()),
            hint,
        ))
    }
}

/// What may be named.
pub fn hint(known: &[&str]) -> String {
    match known.is_empty() {
        true => "there is none in the data directory".into(),
        false => format!("known backends: {}", known.join(", ")),
    }
}

//! Gates for cron and CI: answers that mean trouble, as an exit code.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use clap::Args;
use pinql::Error;
use pinql::session::{Predicate, Session};

use super::failure::{Failure, Outcome};
use super::ui::{Ui, one_line};

/// What an answer must be for the exit code to be 0. The answer is written all the same.
#[derive(Debug, Clone, Default, Args)]
#[group(id = "gates")]
pub struct Options {
    /// Exit with 1 if the answer has rows.
    #[arg(long, global = true, conflicts_with = "max_rows_ok")]
    pub fail_if_rows: bool,

    /// Exit with 1 if the answer has more rows than this.
    #[arg(long, value_name = "N", global = true)]
    pub max_rows_ok: Option<u64>,

    /// Exit with 1 if this SQL condition on its columns is true of any row.
    #[arg(long, value_name = "CONDITION", global = true)]
    pub fail_if: Option<String>,
}

/// Watches one answer.
pub struct Gate {
    most_rows: Option<u64>,
    condition: Option<(String, Predicate)>,
    rows: u64,
    met: u64,
    /// Whether the rows are all there are.
    ended: bool,
}

impl Options {
    /// The name of a gate that was asked for.
    pub fn given(&self) -> Option<&'static str> {
        let Options { fail_if_rows, max_rows_ok, fail_if } = self;
        let gates = [
            (*fail_if_rows, "fail-if-rows"),
            (max_rows_ok.is_some(), "max-rows-ok"),
            (fail_if.is_some(), "fail-if"),
        ];
        gates.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }

    /// A gate for an answer with these columns. A condition that cannot be used is a failure before anything is written.
    pub fn gate(&self, session: &Session, columns: &SchemaRef) -> Outcome<Gate> {
        let most_rows = if self.fail_if_rows { Some(0) } else { self.max_rows_ok };
        let condition = match &self.fail_if {
            Some(sql) => Some((sql.clone(), session.predicate(sql, columns).map_err(misuse)?)),
            None => None,
        };
        Ok(Gate { most_rows, condition, rows: 0, met: 0, ended: false })
    }
}

impl Gate {
    /// Looks at a batch on its way, or at the end.
    pub fn watch(&mut self, batch: Option<&RecordBatch>) -> Outcome<()> {
        let Some(batch) = batch else {
            self.ended = true;
            return Ok(());
        };
        self.rows += batch.num_rows() as u64;
        if let Some((_, condition)) = &self.condition {
            self.met += condition.count(batch).map_err(misuse)?;
        }
        Ok(())
    }

    /// Says what of the rows seen does not pass, for the exit code to tell it.
    pub fn judge(&self, ui: &mut Ui) {
        let mut words = Vec::new();
        let least = if self.ended { "" } else { "at least " };
        if let Some(most) = self.most_rows.filter(|most| self.rows > *most) {
            words.push(format!("gate: {least}{}, and at most {most} may be", Ui::rows(self.rows)));
        }
        if let Some((sql, _)) = self.condition.as_ref().filter(|_| self.met > 0) {
            words.push(format!("gate: {least}{} with {sql}", Ui::rows(self.met)));
        }
        for words in words {
            ui.say(&one_line(&words));
            ui.has_found();
        }
    }
}

/// The condition is at fault, and not the SQL of the answer.
fn misuse(error: Error) -> Failure {
    Failure::Misuse { message: error.to_string(), hint: error.hint() }
}

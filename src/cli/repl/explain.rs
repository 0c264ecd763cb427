//! `\explain`: runs a statement and shows where its time and its bytes went.

use std::time::Duration;

use pinql::session::Node;

use super::{Asked, Shell};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::query;
use crate::cli::ui::{Ui, bytes_in_words, clipped, one_line};

impl Shell<'_> {
    /// Explains a statement, or the one that ran last.
    pub(super) fn explain(&mut self, sql: Option<String>) -> Outcome<()> {
        let asked = match sql {
            None => self.last.clone().ok_or_else(|| {
                Failure::misuse("there is no statement yet", "write \\explain SELECT …, or run one first")
            })?,
            Some(sql) => {
                let mut passages = query::split("", sql)?;
                let mut passage = passages.pop().filter(|_| passages.is_empty()).ok_or_else(|| {
                    Failure::misuse("\\explain takes one statement", "explain them one by one")
                })?;
                passage.origin = None;
                Asked { passage, bindings: pinql::report::Bindings::default() }
            }
        };
        let run = |shell: &mut Self| {
            let mut running = shell.engine.start(&asked.passage.sql, &asked.bindings)?;
            running.columns()?;
            while running.batch()?.is_some() {}
            let skipped = running.skipped().to_vec();
            let profile = running.gauge().and_then(|gauge| gauge.profile());
            shell.ui.skipped(&skipped);
            profile
                .ok_or_else(|| Failure::misuse("the engine told nothing of its plan", "try EXPLAIN ANALYZE"))
        };
        let profile = run(self).map_err(|failure| failure.over(&asked.passage))?;
        let room = Ui::stdout_width().unwrap_or(usize::MAX);
        self.output.write(|out| {
            lines(&profile.root)
                .iter()
                .try_for_each(|line| writeln!(out, "{}", clipped(line, room)))
                .map_err(Failure::output)
        })?;
        for advice in &profile.advice {
            self.ui.hint(&advice.replace("--memory-limit", "\\set memory_limit"));
        }
        Ok(())
    }
}

/// The tree with what each node did in columns before it.
fn lines(root: &Node) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>12} {:>10} {:>10}  what was done, from the end to the beginning",
        "rows", "CPU time", "read"
    )];
    push(root, "", "", &mut lines);
    lines
}

fn push(node: &Node, first: &str, further: &str, lines: &mut Vec<String>) {
    let read = node.bytes.map(bytes_in_words).unwrap_or_default();
    let spilled = match node.spilled {
        0 => String::new(),
        bytes => format!(" [{} to disk]", bytes_in_words(bytes)),
    };
    let what = one_line(format!("{} {}", node.name, node.detail).trim());
    lines.push(format!("{:>12} {:>10} {read:>10}  {first}{what}{spilled}", node.rows, time(node.time)));
    for (index, input) in node.inputs.iter().enumerate() {
        let (branch, below) = match index + 1 == node.inputs.len() {
            true => ("└─ ", "   "),
            false => ("├─ ", "│  "),
        };
        push(input, &format!("{further}{branch}"), &format!("{further}{below}"), lines);
    }
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use pinql::session::Profile;

    use super::*;

    fn node(name: &str, rows: u64, bytes: Option<u64>, inputs: Vec<Node>) -> Node {
        Node {
            name: name.into(),
            detail: "x".into(),
            rows,
            time: Duration::from_micros(1500),
            bytes,
            spilled: 0,
            inputs,
        }
    }

    #[test]
    fn a_plan_is_a_tree_with_its_costs_before_it() {
        let left = node("filter", 3, None, vec![node("read", 10, Some(2048), vec![])]);
        let profile = Profile {
            root: node("hash join", 1, None, vec![left, node("read", 5, Some(10), vec![])]),
            advice: vec![],
        };
        insta::assert_snapshot!(lines(&profile.root).join("\n"), @r"
                rows   CPU time       read  what was done, from the end to the beginning
                   1     1.5 ms             hash join x
                   3     1.5 ms             ├─ filter x
                  10     1.5 ms     2.0 kB  │  └─ read x
                   5     1.5 ms       10 B  └─ read x
        ");
    }
}

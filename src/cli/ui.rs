//! What people see: data on stdout, words on stderr, colour where it is wanted.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use arrow::datatypes::Schema;
use pinql::Error;
use pinql::export::{Section, Written};
use pinql::pin::counted;
use pinql::session::{Receipt, Skipped};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::failure::{Failure, Outcome};

/// What `--color` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    // No doc comments on these: clap would make half a page of help out of them.
    #[default]
    Auto,
    Always,
    Never,
}

/// The streams of one run.
#[derive(Debug)]
pub struct Ui {
    color: When,
    timing: bool,
    verbose: bool,
    skipped: Vec<Skipped>,
    /// Whether something was found which the exit code is to tell.
    found: bool,
}

#[derive(Clone, Copy)]
enum Paint {
    Error,
    Hint,
    Quiet,
}

impl Ui {
    pub fn new(color: When) -> Ui {
        Ui { color, timing: true, verbose: false, skipped: vec![], found: false }
    }

    /// Says whether more is to be told than what one needs.
    pub fn set_verbose(&mut self, verbose: bool) {
        self.verbose = verbose;
    }

    /// Whether more is to be told.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    pub fn stdin_is_terminal() -> bool {
        io::stdin().is_terminal()
    }

    pub fn stdout_is_terminal() -> bool {
        io::stdout().is_terminal()
    }

    pub fn stderr_is_terminal() -> bool {
        io::stderr().is_terminal()
    }

    /// The width of the terminal that stdout is, if it is one.
    pub fn stdout_width() -> Option<usize> {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.map(|(terminal_size::Width(width), _)| usize::from(width)).filter(|width| *width > 0)
    }

    /// The width of the terminal that stderr is, if it is one.
    pub fn stderr_width() -> Option<usize> {
        let size = terminal_size::terminal_size_of(io::stderr());
        size.map(|(terminal_size::Width(width), _)| usize::from(width)).filter(|width| *width > 0)
    }

    /// Draws on the terminal that stderr is, without a line break.
    pub fn draw(text: &str) {
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }

    /// The lines of the terminal that stdout is, if it is one.
    pub fn stdout_height() -> Option<usize> {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.map(|(_, terminal_size::Height(height))| usize::from(height)).filter(|height| *height > 0)
    }

    /// Whether a stream gets colour.
    fn colors(&self, is_terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                is_terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }

    /// Whether a page on stdout gets colour.
    pub fn stdout_colors(&self) -> bool {
        self.colors(Ui::stdout_is_terminal())
    }

    /// Whether words get colour.
    pub fn stderr_colors(&self) -> bool {
        self.colors(Ui::stderr_is_terminal())
    }

    /// Says something, a line or more. Nobody is left to tell if that fails.
    pub fn say(&self, words: &str) {
        self.tell(&printable(words));
    }

    fn tell(&self, painted: &str) {
        let _ = writeln!(io::stderr().lock(), "{painted}");
    }

    /// Says what failed, why, where, and what to do.
    pub fn fail(&self, failure: &Failure) {
        self.fail_with(failure, |hint| hint);
    }

    fn fail_with(&self, failure: &Failure, hint: impl Fn(String) -> String) {
        let mut lines = vec![self.labelled(Paint::Error, "error:", &failure.message())];
        lines.extend(failure.causes().iter().map(|cause| self.labelled(Paint::Error, "caused by:", cause)));
        lines.extend(failure.excerpt().iter().map(|line| printable(line)));
        lines.extend(failure.hint().map(|words| self.labelled(Paint::Hint, "hint:", &hint(words))));
        self.tell(&lines.join("\n"));
    }

    /// The same in the shell, where settings take the place of options.
    pub fn fail_in_shell(&self, failure: &Failure) {
        self.fail_with(failure, |hint| {
            ["memory-limit", "timeout", "skip-unreadable"].iter().fold(hint, |hint, option| {
                hint.replace(&format!("--{option}"), &format!("\\set {}", option.replace('-', "_")))
            })
        });
    }

    /// Says what failed at one backend of several.
    pub fn fail_at(&self, backend: &str, error: &Error) {
        let first = std::error::Error::source(error);
        let causes = std::iter::successors(first, |cause| cause.source()).map(ToString::to_string);
        let mut lines = vec![self.labelled(Paint::Error, "error:", &format!("{backend}: {error}"))];
        lines.extend(causes.map(|cause| self.labelled(Paint::Error, "caused by:", &cause)));
        lines.extend(error.hint().map(|hint| self.labelled(Paint::Hint, "hint:", &hint)));
        self.tell(&lines.join("\n"));
    }

    /// Names the backends that an answer goes without, each once in a run.
    pub fn skipped(&mut self, skipped: &[Skipped]) {
        for one in skipped {
            let Skipped { backend, path, reason } = one;
            if !self.skipped.contains(one) {
                self.say(&one_line(&format!("skipped backend {backend}: {path}: {reason}")));
                self.skipped.push(one.clone());
            }
        }
    }

    /// Fails if one of these backends has been skipped: what an answer tells of it is not true.
    pub fn has_answered_for(&self, backends: &[String]) -> Outcome<()> {
        let skipped = |name: &&String| self.skipped.iter().any(|skipped| skipped.backend == **name);
        match backends.iter().find(skipped) {
            Some(name) => Err(Failure::misuse(
                format!("backend `{name}` is damaged, and the answer above goes without it"),
                "`pinql backend restore` can make it anew from a backup",
            )),
            None => Ok(()),
        }
    }

    /// Says so if a chart cannot be drawn.
    pub fn chart(&self, section: &Section, answer: &Schema) {
        if let Some(column) = section.missing_column(answer) {
            let words = format!("no chart of {}: the answer has no column `{column}`", section.title);
            self.say(&one_line(&words));
        }
    }

    /// Remembers that something was found which the exit code is to tell.
    pub fn has_found(&mut self) {
        self.found = true;
    }

    /// Whether in this run a backend has been skipped, or a gate was shut.
    pub fn tells_something(&self) -> bool {
        self.found || !self.skipped.is_empty()
    }

    /// Forgets what has been skipped: each query of the shell tells of its own.
    pub fn forget_skipped(&mut self) {
        self.skipped.clear();
    }

    /// Switches the time below tables on or off; `None` changes to the other. Says which it is now.
    pub fn set_timing(&mut self, on: Option<bool>) -> bool {
        self.timing = on.unwrap_or(!self.timing);
        self.timing
    }

    /// Whether the time stands below tables.
    pub fn timing(&self) -> bool {
        self.timing
    }

    /// Says how many rows a table has and, on a terminal, how long it took and what was read.
    pub fn footer(&self, written: Written, took: Duration, receipt: Receipt) {
        let cost = (self.timing && Ui::stderr_is_terminal()).then_some((took, receipt));
        self.tell(&self.paint(Paint::Quiet, &footer(written, cost)));
    }

    /// Says something beside the matter.
    pub fn note(&self, words: &str) {
        self.tell(&self.paint(Paint::Quiet, &one_line(words)));
    }

    /// So many rows, in words.
    pub fn rows(rows: u64) -> String {
        counted(rows, "row", "rows")
    }

    /// Says what to do.
    pub fn hint(&self, words: &str) {
        self.tell(&self.labelled(Paint::Hint, "hint:", words));
    }

    /// Writes what the command line's parser says: help to stdout, complaints to stderr.
    pub fn clap(&self, words: &clap::Error) -> io::Result<()> {
        let styled = words.render();
        let text = |colors| if colors { styled.ansi().to_string() } else { styled.to_string() };
        if words.use_stderr() {
            let _ = write!(io::stderr().lock(), "{}", text(self.stderr_colors()));
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text(self.colors(Ui::stdout_is_terminal())).as_bytes())?;
        stdout.flush()
    }

    fn labelled(&self, paint: Paint, label: &str, words: &str) -> String {
        format!("{} {}", self.paint(paint, label), one_line(words))
    }

    fn paint(&self, paint: Paint, words: &str) -> String {
        let code = match paint {
            Paint::Error => "1;31",
            Paint::Hint => "1;36",
            Paint::Quiet => "2",
        };
        match self.stderr_colors() {
            true => format!("\u{1b}[{code}m{words}\u{1b}[0m"),
            false => words.into(),
        }
    }
}

/// The text without what would move a terminal's cursor or change its colours.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// The text with its control characters visible: names of files may have any, and are not to look like words of ours.
pub fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_control() {
            true => shown.extend(letter.escape_default()),
            false => shown.push(letter),
        }
    }
    shown
}

/// As much of a text as fits into so many cells, with `…` for what does not.
pub fn clipped(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.into();
    }
    let mut cells = 0;
    let fits = text.chars().take_while(|letter| {
        cells += letter.width().unwrap_or_default();
        cells < room
    });
    fits.chain(['…']).collect()
}

fn footer(written: Written, cost: Option<(Duration, Receipt)>) -> String {
    let Written { rows, shown } = written;
    let mut words = counted(rows, "row", "rows");
    if shown < rows {
        words.push_str(&format!(", {shown} shown"));
    }
    if let Some((took, Receipt { files, size, bytes })) = cost {
        words.push_str(&match took {
            took if took < Duration::from_secs(1) => format!(", {} ms", took.as_millis()),
            took => format!(", {:.1} s", took.as_secs_f64()),
        });
        if files > 0 {
            // Footers may be read again, and more than once.
            words.push_str(&format!(
                ", read {} of {}",
                bytes_in_words(bytes.min(size)),
                bytes_in_words(size)
            ));
        }
    }
    format!("({words})")
}

/// A number of bytes in the unit that suits it.
pub fn bytes_in_words(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_counts_rows_and_says_what_is_not_shown() {
        let receipt = |bytes, size| Receipt { files: u64::from(size > 0), size, bytes };
        for (rows, shown, cost, words) in [
            (0, 0, None, "(0 rows)"),
            (1, 1, None, "(1 row)"),
            (2, 2, Some((12, receipt(0, 0))), "(2 rows, 12 ms)"),
            (1200, 1000, None, "(1200 rows, 1000 shown)"),
            (
                1,
                0,
                Some((61_240, receipt(1_500, 142_000_000))),
                "(1 row, 0 shown, 61.2 s, read 1.5 kB of 142.0 MB)",
            ),
        ] {
            let cost = cost.map(|(millis, receipt)| (Duration::from_millis(millis), receipt));
            assert_eq!(footer(Written { rows, shown }, cost), words);
        }
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(clipped("abcdef", 6), "abcdef");
        assert_eq!(clipped("abcdef", 5), "abcd…");
        assert_eq!(clipped("漢字漢字", 5), "漢字…");
    }

    #[test]
    fn words_cannot_steer_the_terminal() {
        assert_eq!(one_line("a\nerror:\tb\u{1b}é"), r"a\nerror:\tb\u{1b}é");
        assert_eq!(printable("a\u{1b}[31mb\r\tc\n"), "a\u{fffd}[31mb\u{fffd}\tc\n");
    }
}

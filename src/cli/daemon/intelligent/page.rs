//! A page for a terminal: headings, lines of a label and what there is to say, and small tables; as wide as the terminal.

use pinql::daemon::{Contents, Health};
use pinql::pin::{counted, time};
use unicode_width::UnicodeWidthStr;

use crate::cli::ui::{Ui, one_line};

/// The cells of a line where no terminal says how many there are, and the fewest that are used.
const WIDTH: usize = 100;
const NARROWEST: usize = 24;
/// The cells of labels, and those where the terminal is narrow.
const LABELS: usize = 22;
const FEW_LABELS: usize = 12;

/// A page in the making.
pub struct Page {
    text: String,
    width: usize,
    colors: bool,
}

/// What a word is painted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Heading,
    Good,
    Odd,
    Bad,
    Worst,
    Quiet,
}

impl Page {
    /// `on_stdout`: whether it is written there, and not to a file.
    pub fn new(on_stdout: bool, ui: &Ui) -> Page {
        let width = Ui::stdout_width().filter(|_| on_stdout).unwrap_or(WIDTH);
        Page { text: String::new(), width: width.max(NARROWEST), colors: on_stdout && ui.stdout_colors() }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.text
    }

    /// Begins a part.
    pub fn heading(&mut self, words: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let words = self.paint(Paint::Heading, &one_line(words));
        self.text.push_str(&words);
        self.text.push('\n');
    }

    /// A label and what there is to say, in as many lines as it takes.
    pub fn line(&mut self, label: &str, words: &str) {
        self.painted(label, words, None);
    }

    /// The same in a colour.
    pub fn painted(&mut self, label: &str, words: &str, paint: Option<Paint>) {
        let labels = if self.width < 60 { FEW_LABELS } else { LABELS };
        let label = one_line(label);
        // A label that is too long has a line of its own.
        let alone = label.width() + 3 > labels;
        self.text.push_str("  ");
        self.text.push_str(&label);
        match alone {
            true => self.text.push('\n'),
            false => self.text.push_str(&" ".repeat(labels - 2 - label.width())),
        }
        let lines = wrapped(&one_line(words), self.width.saturating_sub(labels).max(8));
        for (index, line) in lines.iter().enumerate() {
            if index > 0 || alone {
                self.text.push_str(&" ".repeat(labels));
            }
            let line = paint.map_or_else(|| line.clone(), |paint| self.paint(paint, line));
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    /// A state, and why.
    pub fn state(&mut self, label: &str, state: Health, why: &str) {
        let words = if why.is_empty() { state.word().to_owned() } else { format!("{}: {why}", state.word()) };
        self.painted(label, &words, Some(Paint::of(state)));
    }

    /// Words without a label.
    pub fn words(&mut self, words: &str, paint: Option<Paint>) {
        for line in wrapped(&one_line(words), self.width.saturating_sub(2)) {
            let line = paint.map_or_else(|| line.clone(), |paint| self.paint(paint, &line));
            self.text.push_str(&format!("  {line}\n"));
        }
    }

    /// A table with a heading for each column: the first column is text, the others are numbers. Where it does not fit, each row is
    /// told in words.
    pub fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
        let widest = |column: usize| {
            let cells = rows.iter().map(|row| row[column].width());
            cells.chain([headings[column].width()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..headings.len()).map(widest).collect();
        if 2 + widths.iter().sum::<usize>() + 2 * (headings.len() - 1) > self.width {
            for row in &rows {
                let parts =
                    headings.iter().zip(row).skip(1).map(|(heading, cell)| format!("{heading} {cell}"));
                self.line(&row[0], &parts.collect::<Vec<_>>().join(", "));
            }
            return;
        }
        let line = |cells: Vec<&str>| {
            let cells = cells.iter().enumerate().map(|(column, cell)| {
                let room = " ".repeat(widths[column] - cell.width());
                if column == 0 { format!("{cell}{room}") } else { format!("{room}{cell}") }
            });
            format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        let first = self.paint(Paint::Quiet, &line(headings.to_vec()));
        self.text.push_str(&format!("{first}\n"));
        for row in &rows {
            self.text.push_str(&line(row.iter().map(String::as_str).collect()));
            self.text.push('\n');
        }
    }

    fn paint(&self, paint: Paint, words: &str) -> String {
        let code = match paint {
            Paint::Heading => "1",
            Paint::Good => "32",
            Paint::Odd => "35",
            Paint::Bad => "33",
            Paint::Worst => "1;31",
            Paint::Quiet => "2",
        };
        match self.colors {
            true => format!("\u{1b}[{code}m{words}\u{1b}[0m"),
            false => words.into(),
        }
    }
}

impl Paint {
    pub fn of(state: Health) -> Paint {
        match state {
            Health::Healthy => Paint::Good,
            Health::Unknown => Paint::Odd,
            Health::Degraded => Paint::Bad,
            Health::Unhealthy => Paint::Worst,
        }
    }
}

/// A text in lines of at most so many cells, broken between words where that is possible.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        let last = lines.last().expect("there is always one");
        if !last.is_empty() && last.width() + 1 + word.width() > room {
            lines.push(String::new());
        }
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() {
            line.push(' ');
        }
        while word.width() > room {
            let mut cells = 0;
            let fits = word.char_indices().find(|(_, letter)| {
                cells += unicode_width::UnicodeWidthChar::width(*letter).unwrap_or_default();
                cells > room
            });
            let (head, rest) =
                word.split_at(fits.map_or(word.len(), |(at, letter)| at.max(letter.len_utf8())));
            lines.last_mut().expect("there is always one").push_str(head);
            lines.push(String::new());
            word = rest;
        }
        lines.last_mut().expect("there is always one").push_str(word);
    }
    lines
}

/// Bytes in the unit that suits them.
pub fn bytes(count: i128) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut amount, mut unit) = (count as f64, 0);
    while amount.abs() >= 999.95 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{amount:.1} {}", units[unit]) }
}

/// Contents and what is known of their sizes: `19 contents, 14.9 GB and 4 of unknown size`.
pub fn contents(found: Contents) -> String {
    let size = match found.unknown_sizes {
        unknown if unknown == found.contents && unknown > 0 => "of unknown size".to_owned(),
        0 => bytes(found.bytes),
        unknown => format!("{} and {unknown} of unknown size", bytes(found.bytes)),
    };
    match found.contents {
        0 => "none".into(),
        count => format!("{}, {size}", counted(count, "content", "contents")),
    }
}

/// A time, if it is known.
pub fn at(micros: Option<i64>) -> String {
    micros.map_or_else(|| "unknown".into(), time::format)
}

/// Names, or a word where there are none.
pub fn names<S: AsRef<str>>(names: &[S]) -> String {
    match names.is_empty() {
        true => "none".into(),
        false => names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "),
    }
}

/// Counts by word: `54 stored, 3 failed`, the greatest first.
pub fn distribution<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_by_key(|(word, count)| (std::cmp::Reverse(*count), *word));
    let parts: Vec<_> = counts.into_iter().map(|(word, count)| format!("{count} {word}")).collect();
    names(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(width: usize, colors: bool) -> Page {
        Page { text: String::new(), width, colors }
    }

    #[test]
    fn lines_are_as_wide_as_the_terminal() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("bafybeidmrjnug7q2", 8), ["bafybeid", "mrjnug7q", "2"]);
        assert_eq!(wrapped("漢字漢字", 4), ["漢字", "漢字"]);
        assert_eq!(wrapped("", 4), [""]);
        let words = "a backend with a name of some length that cannot be read";
        for width in [24, 40, 80] {
            let mut page = page(width, false);
            page.line("label", words);
            page.line("a label that is longer than most", words);
            page.table(&["backend", "pins", "health"], &[vec!["s3".into(), "12".into(), "degraded".into()]]);
            page.words(words, None);
            let text = page.finish();
            assert!(text.lines().all(|line| line.width() <= width.max(34)), "{width}\n{text}");
        }
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let mut page = page(80, true);
        page.heading("s3\u{1b}[2J");
        page.painted("x\r", "y\u{7}", Some(Paint::Bad));
        page.table(&["a"], &[vec!["b\u{1b}c".into()]]);
        let text = page.finish();
        assert_eq!(text.matches('\u{1b}').count(), 6, "{text:?}");
        assert!(!text.contains(['\r', '\u{7}']), "{text:?}");
    }
}

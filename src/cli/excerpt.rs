//! The line of a statement that an error is about, with a caret under the place.

use pinql::Place;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The widest part of a line that is shown: longer lines are cut to the surroundings of the caret.
const WIDEST: usize = 100;
const TAB: &str = "    ";

/// A piece of SQL as people gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The file that it stands in, `stdin` or `-c`; `None` where there is no doubt about it.
    pub origin: Option<String>,
    /// The line of that file on which it starts, counted from 1.
    pub first_line: u64,
    /// Its text.
    pub sql: String,
}

impl Passage {
    /// Lines that show where in this passage the place is: the file, the line, the caret.
    ///
    /// Without a place the first line stands for the whole, and only where several statements could be meant.
    pub fn excerpt(&self, place: Option<Place>) -> Vec<String> {
        let Some(Place { line, column }) = place else {
            return match &self.origin {
                Some(origin) => vec![format!("  at {origin}:{}", self.first_line)],
                None => vec![],
            };
        };
        let lines: Vec<&str> = self.sql.lines().collect();
        let Some(last) = lines.len().checked_sub(1) else { return vec![] };
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(last).min(last);
        let number = (self.first_line + index as u64).to_string();
        let (text, caret) = window(lines[index], usize::try_from(column).unwrap_or(usize::MAX));
        let gutter = " ".repeat(number.len());
        let mut shown: Vec<String> =
            self.origin.iter().map(|origin| format!("  at {origin}:{number}")).collect();
        shown.push(format!("{number} | {text}").trim_end().into());
        shown.push(format!("{gutter} | {}^", " ".repeat(caret)));
        shown
    }
}

/// The line as a terminal can show it, and the cell of the character at `column` (counted from 1).
fn window(line: &str, column: usize) -> (String, usize) {
    let cells: Vec<String> = line.chars().map(cell).collect();
    let at = column.saturating_sub(1).min(cells.len());
    let width = |cells: &[String]| cells.iter().map(|cell| cell.width()).sum::<usize>();
    if width(&cells) <= WIDEST {
        return (cells.concat(), width(&cells[..at]));
    }
    let start = at.saturating_sub(WIDEST / 2);
    let end = (start + WIDEST).min(cells.len());
    let before = if start > 0 { "…" } else { "" };
    let after = if end < cells.len() { "…" } else { "" };
    let text = format!("{before}{}{after}", cells[start..end].concat());
    (text, before.width() + width(&cells[start..at]))
}

/// A character as it is shown: tabs as blanks, and nothing that moves the cursor.
fn cell(c: char) -> String {
    match c {
        '\t' => TAB.into(),
        c if c.width().is_none() => '\u{fffd}'.into(),
        c => c.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(origin: Option<&str>, first_line: u64, sql: &str) -> Passage {
        Passage { origin: origin.map(Into::into), first_line, sql: sql.into() }
    }

    fn caret(sql: &str, line: u64, column: u64) -> String {
        passage(None, 1, sql).excerpt(Some(Place { line, column })).join("\n")
    }

    #[test]
    fn the_caret_stands_under_the_character_whatever_is_before_it() {
        for (sql, line, column, shown) in [
            ("SELECT foo", 1, 8, "1 | SELECT foo\n  |        ^"),
            ("SELECT\n\tfoo", 2, 2, "2 |     foo\n  |     ^"),
            ("SELECT '漢字', foo", 1, 14, "1 | SELECT '漢字', foo\n  |                ^"),
            ("SELECT 'e\u{301}', foo", 1, 14, "1 | SELECT 'e\u{301}', foo\n  |             ^"),
            ("SELECT '\u{1b}[31m', x", 1, 17, "1 | SELECT '\u{fffd}[31m', x\n  |                 ^"),
            ("SELECT", 1, 7, "1 | SELECT\n  |       ^"),
        ] {
            assert_eq!(caret(sql, line, column), shown, "{sql:?}");
        }
    }

    #[test]
    fn a_place_beyond_the_statement_is_its_end() {
        assert_eq!(caret("SELECT\nFROM", 9, 99), "2 | FROM\n  |     ^");
        assert_eq!(caret("SELECT", 0, 0), "1 | SELECT\n  | ^");
        assert_eq!(caret("", 1, 1), "");
    }

    #[test]
    fn lines_are_counted_in_the_file_that_the_statement_stands_in() {
        let statement = passage(Some("daily.sql"), 12, "SELECT a,\n  b\nFROM pins");
        let place = Place { line: 2, column: 3 };
        assert_eq!(statement.excerpt(Some(place)), ["  at daily.sql:13", "13 |   b", "   |   ^"]);
        assert_eq!(statement.excerpt(None), ["  at daily.sql:12"]);
    }

    #[test]
    fn a_long_line_is_cut_to_the_surroundings_of_the_caret() {
        let sql = format!("SELECT {}x", "a, ".repeat(200));
        let shown = caret(&sql, 1, 608);
        let [text, marker] = shown.lines().collect::<Vec<_>>()[..] else { panic!("{shown}") };
        assert!(text.contains('…') && text.width() < 110, "{text}");
        let under = marker.chars().count() - 1;
        assert_eq!(text.chars().nth(under), Some('x'), "{shown}");
    }
}

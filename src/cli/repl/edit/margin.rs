//! The margin of the second and further lines of a statement: where the first line has its prompt.
//!
//! The line editor knows one prompt, for the first line. Further lines begin with as many [`BLANK`]s instead, which are drawn
//! as a prompt of their own and are no part of the statement.

use std::path::Path;

use rustyline::history::{FileHistory, History, SearchDirection, SearchResult};

/// A blank that nobody types.
pub const BLANK: char = '\u{2800}';
/// As wide as the prompt.
pub const WIDTH: usize = 7;

/// The text with a margin before its second and further lines.
pub fn with(text: &str) -> String {
    text.replace('\n', &line_break())
}

/// A line break and the margin of the next line.
pub fn line_break() -> String {
    std::iter::once('\n').chain(std::iter::repeat_n(BLANK, WIDTH)).collect()
}

/// The text without margins.
pub fn without(text: &str) -> String {
    text.replace(BLANK, "")
}

/// The text without margins, and where the cursor is in it.
pub fn without_at(text: &str, cursor: usize) -> (String, usize) {
    (without(text), cursor - before(text, cursor))
}

/// The text with blanks for its margins.
pub fn drawn(text: &str) -> String {
    text.replace(BLANK, " ")
}

/// How many bytes of margins stand before a place.
pub fn before(text: &str, at: usize) -> usize {
    text[..at].matches(BLANK).count() * BLANK.len_utf8()
}

/// The place in the text with margins of one in the text without.
pub fn place_with(text: &str, at: usize) -> usize {
    let mut left = at;
    for (place, letter) in text.char_indices() {
        if letter == BLANK {
            continue;
        }
        if left == 0 {
            return place;
        }
        left = left.saturating_sub(letter.len_utf8());
    }
    text.len()
}

/// Where the line break stands that ends directly before the cursor, with its margin.
pub fn break_before(text: &str, cursor: usize) -> Option<usize> {
    text[..cursor].trim_end_matches(BLANK).strip_suffix('\n').map(str::len)
}

/// Where the margin ends of the line break that stands directly behind the cursor.
pub fn break_behind(text: &str, cursor: usize) -> Option<usize> {
    let rest = text[cursor..].strip_prefix('\n')?;
    Some(text.len() - rest.trim_start_matches(BLANK).len())
}

/// Where the line of a place begins behind its margin, if it is not the first.
pub fn line_start(text: &str, at: usize) -> Option<usize> {
    let start = text[..at].rfind('\n')? + 1;
    Some(text.len() - text[start..].trim_start_matches(BLANK).len())
}

/// A history whose entries have margins when they are shown and none when they are kept.
pub struct Kept(pub FileHistory);

fn shown(found: Option<SearchResult<'_>>) -> Option<SearchResult<'_>> {
    found.map(|SearchResult { entry, idx, pos }| {
        let margins = entry[..pos].matches('\n').count() * WIDTH * BLANK.len_utf8();
        SearchResult { entry: with(&entry).into(), idx, pos: pos + margins }
    })
}

impl History for Kept {
    fn get(&self, index: usize, dir: SearchDirection) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(shown(self.0.get(index, dir)?))
    }

    fn add(&mut self, line: &str) -> rustyline::Result<bool> {
        self.0.add(&without(line))
    }

    fn add_owned(&mut self, line: String) -> rustyline::Result<bool> {
        self.0.add_owned(without(&line))
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn set_max_len(&mut self, len: usize) -> rustyline::Result<()> {
        self.0.set_max_len(len)
    }

    fn ignore_dups(&mut self, yes: bool) -> rustyline::Result<()> {
        self.0.ignore_dups(yes)
    }

    fn ignore_space(&mut self, yes: bool) {
        self.0.ignore_space(yes);
    }

    fn save(&mut self, path: &Path) -> rustyline::Result<()> {
        self.0.save(path)
    }

    fn append(&mut self, path: &Path) -> rustyline::Result<()> {
        self.0.append(path)
    }

    fn load(&mut self, path: &Path) -> rustyline::Result<()> {
        self.0.load(path)
    }

    fn clear(&mut self) -> rustyline::Result<()> {
        self.0.clear()
    }

    fn search(
        &self,
        term: &str,
        start: usize,
        dir: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(shown(self.0.search(&without(term), start, dir)?))
    }

    fn starts_with(
        &self,
        term: &str,
        start: usize,
        dir: SearchDirection,
    ) -> rustyline::Result<Option<SearchResult<'_>>> {
        Ok(shown(self.0.starts_with(&without(term), start, dir)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_again_with_and_without_margins() {
        let plain = "SELECT é,\nb\nFROM c";
        let text = with(plain);
        assert_eq!(without(&text), plain);
        for (at, _) in plain.char_indices() {
            let place = place_with(&text, at);
            assert_eq!(without_at(&text, place), (plain.to_owned(), at), "{at}");
            assert_eq!(text[place..].chars().next(), plain[at..].chars().next());
        }
        assert_eq!(place_with(&text, plain.len()), text.len());
    }

    #[test]
    fn a_line_break_is_one_with_its_margin() {
        let text = with("a\nb");
        let start = text.len() - 1;
        assert_eq!((break_before(&text, start), break_behind(&text, 1)), (Some(1), Some(start)));
        assert_eq!((break_before(&text, text.len()), break_behind(&text, 0)), (None, None));
        assert_eq!(break_before("a\nb", 2), Some(1));
        assert_eq!((line_start(&text, text.len()), line_start(&text, 1)), (Some(start), None));
    }
}

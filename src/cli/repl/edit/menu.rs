//! The list of completions below the line: Tab shows it, Tab again goes through it, whatever else is typed ends it.
//!
//! It is drawn as a hint, because the line editor's own list overwrites itself below statements of several lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustyline::{Cmd, ConditionalEventHandler, Event, EventContext, RepeatCount};
use unicode_width::UnicodeWidthStr;

use super::super::complete::{Assistance, Candidate};
use super::super::meta;
use super::keys::Edits;
use super::margin;
use super::paint::{Paint, Theme};
use crate::cli::ui::Ui;

/// The most lines of it.
const MOST_ROWS: usize = 12;
/// Between two columns.
const GAP: usize = 2;

/// The list, if there is one.
#[derive(Clone, Default)]
pub struct Menu(Arc<Mutex<Option<Open>>>);

/// An open list.
struct Open {
    /// The line and the cursor that it belongs to.
    line: String,
    cursor: usize,
    /// Where what is completed begins.
    start: usize,
    candidates: Vec<Candidate>,
    chosen: Option<usize>,
}

impl Menu {
    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list as it stands below this line, if it belongs to it. Else it is closed.
    pub fn below(&self, line: &str, cursor: usize) -> Option<String> {
        let mut open = self.open();
        if open.as_ref().is_some_and(|open| open.line != line || open.cursor != cursor) {
            *open = None;
        }
        open.as_ref().map(|open| open.drawn(Theme::None))
    }

    /// The same with the chosen candidate standing out, if that is what the text is.
    pub fn painted(&self, text: &str, theme: Theme) -> Option<String> {
        self.open().as_ref().filter(|open| open.drawn(Theme::None) == text).map(|open| open.drawn(theme))
    }

    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }
}

impl Open {
    fn drawn(&self, theme: Theme) -> String {
        let room = Ui::stdout_width().unwrap_or(80).saturating_sub(1);
        let above = self.line.matches('\n').count() + 1;
        let height = Ui::stdout_height().unwrap_or(24).saturating_sub(above + 1);
        let widest =
            self.candidates.iter().map(|candidate| candidate.display.width()).max().unwrap_or_default();
        let columns = ((room + GAP) / (widest + GAP)).max(1);
        let rows = self.candidates.len().div_ceil(columns);
        let most = height.clamp(1, MOST_ROWS);
        // A line is for how many there are.
        let shown = if rows > most { most.saturating_sub(1).max(1) } else { rows };
        let row_of_chosen = self.chosen.unwrap_or_default() / columns;
        let first = (row_of_chosen + 1).saturating_sub(shown);
        let mut text = String::new();
        for row in first..(first + shown).min(rows) {
            text.push('\n');
            let mut line = String::new();
            let in_row = self.candidates.iter().enumerate().skip(row * columns).take(columns);
            for (index, candidate) in in_row {
                let chosen = self.chosen == Some(index);
                let mark = if chosen && theme == Theme::None {
                    candidate.display.clone()
                } else {
                    theme.paint(if chosen { Paint::Chosen } else { Paint::Hint }, &candidate.display)
                };
                line.push_str(&mark);
                line.push_str(&" ".repeat(widest + GAP - candidate.display.width()));
            }
            text.push_str(line.trim_end_matches(' '));
        }
        if rows > shown {
            let left = self.candidates.len() - (shown * columns).min(self.candidates.len());
            text.push_str(&theme.paint(Paint::Hint, &format!("\n… {left} more")));
        }
        text
    }
}

/// The key that completes.
pub struct Tab {
    pub menu: Menu,
    pub assistance: Arc<Assistance>,
    pub edits: Edits,
    pub backward: bool,
}

impl ConditionalEventHandler for Tab {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let (line, cursor) = (context.line(), context.pos());
        let mut open = self.menu.open();
        if let Some(open) = open.as_mut().filter(|open| open.line == line && open.cursor == cursor) {
            return Some(self.choose_next(open));
        }
        *open = None;
        if self.backward {
            return Some(Cmd::Noop);
        }
        let (text, at) = margin::without_at(line, cursor);
        let (start, candidates) = self.assistance.complete(&text, at, meta::is_command(&text));
        let start = margin::place_with(line, start).min(cursor);
        let Some(common) = common(&candidates) else { return Some(Cmd::Noop) };
        let typed = &line[start..cursor];
        // As much as all have, in their case, if that takes nothing away.
        let reaches = common.to_lowercase().starts_with(&typed.to_lowercase());
        let text = if reaches || candidates.len() == 1 { common } else { typed.to_owned() };
        let (line, cursor) = (replaced(line, start, cursor, &text), start + text.len());
        if candidates.len() > 1 {
            *open = Some(Open { line: line.clone(), cursor, start, candidates, chosen: None });
        }
        Some(self.edits.make(line, cursor))
    }
}

impl Tab {
    fn choose_next(&self, open: &mut Open) -> Cmd {
        let last = open.candidates.len() - 1;
        let next = match (open.chosen, self.backward) {
            (None, false) => 0,
            (None, true) => last,
            (Some(index), false) => {
                if index == last {
                    0
                } else {
                    index + 1
                }
            }
            (Some(index), true) => index.checked_sub(1).unwrap_or(last),
        };
        open.chosen = Some(next);
        let text = open.candidates[next].replacement.clone();
        open.line = replaced(&open.line, open.start, open.cursor, &text);
        open.cursor = open.start + text.len();
        self.edits.make(open.line.clone(), open.cursor)
    }
}

/// The line with a text in the place of a part of it.
fn replaced(line: &str, start: usize, end: usize, text: &str) -> String {
    format!("{}{text}{}", &line[..start], &line[end..])
}

/// What all candidates begin with; `None` without any.
fn common(candidates: &[Candidate]) -> Option<String> {
    let (first, others) = candidates.split_first()?;
    let mut common = first.replacement.as_str();
    for other in others {
        let same = common.chars().zip(other.replacement.chars()).take_while(|(one, other)| one == other);
        common = &common[..same.map(|(letter, _)| letter.len_utf8()).sum::<usize>()];
    }
    Some(common.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(names: &[&str], chosen: Option<usize>) -> Open {
        let candidate = |name: &&str| Candidate { display: (*name).into(), replacement: (*name).into() };
        Open {
            line: "x".into(),
            cursor: 1,
            start: 0,
            candidates: names.iter().map(candidate).collect(),
            chosen,
        }
    }

    #[test]
    fn candidates_stand_in_columns_and_long_lists_say_how_many_are_left() {
        assert_eq!(open(&["a", "bb", "c"], None).drawn(Theme::None), "\na   bb  c");
        let wide = "x".repeat(60);
        let long = [wide.as_str()].repeat(40);
        let drawn = open(&long, Some(39)).drawn(Theme::None);
        assert_eq!(drawn.lines().count(), 1 + MOST_ROWS);
        assert!(drawn.ends_with("\n… 29 more"), "{drawn}");
    }

    #[test]
    fn the_common_beginning_is_put_in_at_once() {
        let of = |names: &[&str]| common(&open(names, None).candidates);
        assert_eq!(of(&["status", "starts_with("]).as_deref(), Some("sta"));
        assert_eq!(of(&["é", "è"]).as_deref(), Some(""));
        assert_eq!(of(&[]), None);
        assert_eq!(replaced("a se b", 2, 4, "SELECT"), "a SELECT b");
    }
}

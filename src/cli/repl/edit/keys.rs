//! Keys that must know of statements of several lines.
//!
//! The line editor counts what a key moves over or deletes by itself. Where a key means more, it says what the line becomes
//! ([`Edits`]), and that takes the editor's way for completions.

use std::sync::{Arc, Mutex, PoisonError};

use rustyline::{
    Cmd, ConditionalEventHandler, Editor, Event, EventContext, EventHandler, Helper, KeyCode, KeyEvent,
    Modifiers, RepeatCount,
};

use super::finished;
use super::margin::{self, Kept};

/// What the line and the cursor are to become.
#[derive(Clone, Default)]
pub struct Edits(Arc<Mutex<Option<(String, usize)>>>);

impl Edits {
    /// Says what the line becomes, and gives the command that makes it so.
    pub fn make(&self, line: String, cursor: usize) -> Cmd {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((line, cursor));
        Cmd::Complete
    }

    /// What the line becomes.
    pub fn take(&self) -> Option<(String, usize)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether something is to be changed.
    pub fn are_there(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Makes the keys of an editor know of margins.
pub fn bind<H: Helper>(editor: &mut Editor<H, Kept>, edits: &Edits) {
    let plain = |code| KeyEvent(code, Modifiers::NONE);
    for (key, does) in [
        (plain(KeyCode::Enter), Does::Enter),
        (KeyEvent::ctrl('J'), Does::Enter),
        (KeyEvent::alt('\r'), Does::BreakLine),
        (plain(KeyCode::Backspace), Does::DeleteBack),
        (KeyEvent::ctrl('H'), Does::DeleteBack),
        (KeyEvent::ctrl('W'), Does::DeleteWord),
        (plain(KeyCode::Left), Does::Left),
        (KeyEvent::ctrl('B'), Does::Left),
        (plain(KeyCode::Home), Does::Home),
        (KeyEvent::ctrl('A'), Does::Home),
        (plain(KeyCode::Delete), Does::Delete),
        (plain(KeyCode::Right), Does::Right),
        (KeyEvent::ctrl('F'), Does::Right),
    ] {
        let key_of = Key { does, edits: edits.clone() };
        editor.bind_sequence(key, EventHandler::Conditional(Box::new(key_of)));
    }
}

#[derive(Clone, Copy)]
enum Does {
    /// Ends the statement, or only its line.
    Enter,
    /// Ends the line, whatever is on it.
    BreakLine,
    DeleteBack,
    DeleteWord,
    Left,
    Home,
    Delete,
    Right,
}

struct Key {
    does: Does,
    edits: Edits,
}

impl ConditionalEventHandler for Key {
    /// `None`: the key does what it always does.
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext) -> Option<Cmd> {
        let (line, cursor) = (context.line(), context.pos());
        let moved = |cursor: usize| Some(self.edits.make(line.to_owned(), cursor));
        let without =
            |from: usize, to: usize| Some(self.edits.make(format!("{}{}", &line[..from], &line[to..]), from));
        match self.does {
            Does::Enter if finished(&margin::without(line)).is_some() => Some(Cmd::AcceptLine),
            Does::Enter | Does::BreakLine => Some(Cmd::Insert(1, margin::line_break())),
            // A line break and its margin are one letter to people.
            Does::DeleteBack => without(margin::break_before(line, cursor)?, cursor),
            Does::Left => moved(margin::break_before(line, cursor)?),
            Does::Delete => without(cursor, margin::break_behind(line, cursor)?),
            Does::Right => moved(margin::break_behind(line, cursor)?),
            Does::Home => moved(margin::line_start(line, cursor)?),
            // The margin is no part of the first word.
            Does::DeleteWord => {
                let start = margin::line_start(line, cursor)?;
                match line.get(start..cursor)?.trim() {
                    "" => without(margin::break_before(line, start)?, cursor),
                    word if word.contains(char::is_whitespace) => None,
                    word => without(line[..cursor].rfind(word)?, cursor),
                }
            }
        }
    }
}

//! The line editor: statements of several lines, edited as a whole, with colours, hints, completion, and a history that
//! outlives the shell.
//!
//! [`margin`] is why further lines can have a prompt, [`keys`] what keys do there, [`menu`] the list of completions, [`paint`]
//! the colours.

mod keys;
mod margin;
mod menu;
mod paint;

use std::borrow::Cow;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::line_buffer::LineBuffer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Behavior, Changeset, ColorMode, CompletionType, Config, Context, Editor, EventHandler, Helper, KeyCode,
    KeyEvent, Modifiers,
};

use super::complete::Assistance;
use super::meta;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::places;
use crate::cli::ui::Ui;
use keys::Edits;
use margin::Kept;
use menu::{Menu, Tab};
use paint::Paint;

pub use paint::Theme;

const PROMPT: &str = "pinql> ";
const REMEMBERED: usize = 10_000;

/// Reads what people type.
pub struct Prompt {
    editor: Editor<Assistant, Kept>,
    /// `None`: there is no place for it.
    history: Option<PathBuf>,
}

/// What someone typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A `\command`.
    Command(String),
    /// One or more statements, up to a semicolon.
    Sql(String),
    /// Ctrl-C, or nothing at all.
    Nothing,
    /// Ctrl-D.
    End,
}

impl Prompt {
    /// Sets up the editor and loads the history. A history that cannot be kept is no reason not to start.
    pub fn new(assistance: Arc<Assistance>) -> Outcome<Prompt> {
        let config = Config::builder()
            .auto_add_history(false)
            .history_ignore_space(true)
            .max_history_size(REMEMBERED)
            .map_err(unusable)?
            // A key that changes the line gives one completion.
            .completion_type(CompletionType::List)
            // The prompts of further lines are drawn as colours are, also where there are none.
            .color_mode(ColorMode::Forced)
            // Where stdout is a file or a pipe, only answers go there.
            .behavior(if Ui::stdout_is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm })
            .build();
        let kept = Kept(FileHistory::with_config(&config));
        let mut editor = Editor::with_history(config, kept).map_err(unusable)?;
        let menu = Menu::default();
        let edits = Edits::default();
        keys::bind(&mut editor, &edits);
        for (key, backward) in [(KeyCode::Tab, false), (KeyCode::BackTab, true)] {
            let tab = Tab {
                menu: menu.clone(),
                assistance: Arc::clone(&assistance),
                edits: edits.clone(),
                backward,
            };
            editor.bind_sequence(KeyEvent(key, Modifiers::NONE), EventHandler::Conditional(Box::new(tab)));
        }
        editor.set_helper(Some(Assistant {
            assistance,
            menu,
            edits,
            theme: Theme::None,
            functions: OnceLock::new(),
        }));
        let history = places::history()
            .filter(|path| path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()));
        if let Some(path) = &history {
            let _ = editor.load_history(path);
        }
        Ok(Prompt { editor, history })
    }

    /// Reads up to a semicolon, or a command, beginning with a text. Remembers it all as one entry.
    pub fn read(&mut self, theme: Theme, begun: &str) -> Outcome<Typed> {
        if let Some(assistant) = self.editor.helper_mut() {
            assistant.theme = theme;
        }
        let line = match self.editor.readline_with_initial(PROMPT, (&margin::with(begun), "")) {
            Ok(line) => margin::without(&line),
            Err(ReadlineError::Interrupted) => return Ok(Typed::Nothing),
            Err(ReadlineError::Eof) => return Ok(Typed::End),
            Err(error) => return Err(unusable(error)),
        };
        let typed = finished(&line).unwrap_or(Typed::Sql(line));
        self.remember(&typed);
        Ok(typed)
    }

    fn remember(&mut self, typed: &Typed) {
        let (Typed::Command(text) | Typed::Sql(text)) = typed else { return };
        // Written at once: a shell that is killed has a history too.
        if self.editor.add_history_entry(text.trim_end()).unwrap_or(false)
            && let Some(path) = &self.history
        {
            let _ = self.editor.append_history(path);
        }
    }
}

/// What the text is, unless more of it has to come.
pub fn finished(text: &str) -> Option<Typed> {
    match text {
        text if text.trim().is_empty() => Some(Typed::Nothing),
        text if meta::is_command(text) => Some(Typed::Command(text.into())),
        text if pinql::session::is_complete(text) => Some(Typed::Sql(text.into())),
        _ => None,
    }
}

fn unusable(error: ReadlineError) -> Failure {
    Failure::Misuse {
        message: format!("the terminal cannot be used: {error}"),
        hint: Some("give SQL with -c, with -f or on stdin".into()),
    }
}

/// What helps while someone types.
struct Assistant {
    assistance: Arc<Assistance>,
    menu: Menu,
    edits: Edits,
    theme: Theme,
    functions: OnceLock<HashSet<String>>,
}

impl Assistant {
    fn functions(&self) -> &HashSet<String> {
        let names = || self.assistance.functions().iter().map(|function| function.name.clone()).collect();
        self.functions.get_or_init(names)
    }
}

impl Helper for Assistant {}

impl Validator for Assistant {
    /// For terminals without keys of their own; elsewhere [`keys`] settles it.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(match finished(&margin::without(context.input())) {
            Some(_) => ValidationResult::Valid(None),
            None => ValidationResult::Incomplete,
        })
    }
}

/// Makes what keys have said that the line becomes. [`menu`] completes.
impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, _: &str, _: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, if self.edits.are_there() { vec![String::new()] } else { vec![] }))
    }

    fn update(&self, line: &mut LineBuffer, _: usize, _: &str, changes: &mut Changeset) {
        if let Some((text, cursor)) = self.edits.take() {
            line.update(&text, cursor, changes);
        }
    }
}

/// What stands behind or below the line.
struct Shown {
    text: String,
    /// Whether it can be taken over.
    takes: bool,
}

impl Hint for Shown {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.takes.then_some(self.text.as_str())
    }
}

impl Hinter for Assistant {
    type Hint = Shown;

    /// The menu, or the rest of the newest entry of the history that begins so.
    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<Shown> {
        if let Some(text) = self.menu.below(line, pos) {
            return Some(Shown { text, takes: false });
        }
        let typed = margin::without(line);
        if pos < line.len() || typed.trim().is_empty() {
            return None;
        }
        let history = context.history();
        let newest = history.len().checked_sub(1)?;
        let found =
            history.starts_with(&typed, newest, rustyline::history::SearchDirection::Reverse).ok()??;
        let entry = margin::without(&found.entry);
        let rest = entry.get(typed.len()..)?;
        (!rest.is_empty()).then(|| Shown { text: margin::with(rest), takes: true })
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Cow::Owned(paint::line(line, self.theme, self.functions()))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        let menu = self.menu.painted(hint, self.theme);
        Cow::Owned(menu.unwrap_or_else(|| self.theme.paint(Paint::Hint, &margin::drawn(hint))))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor || self.menu.is_open()
    }
}

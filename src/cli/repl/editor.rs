//! The line editor: prompts, several lines up to a semicolon, a history that outlives the shell.
//!
//! Completion and highlighting belong in [`Assistant`].

use std::fs;
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Behavior, ColorMode, Config, Editor, Helper};

use super::meta;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::places;
use crate::cli::ui::Ui;

const PROMPT: &str = "pinql> ";
const CONTINUED: &str = "   ...> ";
const REMEMBERED: usize = 10_000;

/// Reads what people type.
pub struct Prompt {
    editor: Editor<Assistant, FileHistory>,
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
    pub fn new(colors: bool) -> Outcome<Prompt> {
        let config = Config::builder()
            .auto_add_history(false)
            .history_ignore_space(true)
            .max_history_size(REMEMBERED)
            .map_err(unusable)?
            .color_mode(if colors { ColorMode::Enabled } else { ColorMode::Disabled })
            // Where stdout is a file or a pipe, only answers go there.
            .behavior(if Ui::stdout_is_terminal() { Behavior::Stdio } else { Behavior::PreferTerm })
            .build();
        let mut editor = Editor::with_config(config).map_err(unusable)?;
        editor.set_helper(Some(Assistant::default()));
        let history = places::history()
            .filter(|path| path.parent().is_some_and(|parent| fs::create_dir_all(parent).is_ok()));
        if let Some(path) = &history {
            let _ = editor.load_history(path);
        }
        Ok(Prompt { editor, history })
    }

    /// Reads up to a semicolon, or a command. Remembers it all as one entry.
    pub fn read(&mut self) -> Outcome<Typed> {
        let mut typed = String::new();
        loop {
            let prompt = if typed.is_empty() { PROMPT } else { CONTINUED };
            if let Some(assistant) = self.editor.helper_mut() {
                assistant.earlier.clone_from(&typed);
            }
            match self.editor.readline(prompt) {
                Ok(line) => typed.push_str(&line),
                Err(ReadlineError::Interrupted) => return Ok(Typed::Nothing),
                Err(ReadlineError::Eof) => return Ok(Typed::End),
                Err(error) => return Err(unusable(error)),
            }
            if let Some(typed) = finished(&typed) {
                self.remember(&typed);
                return Ok(typed);
            }
            typed.push('\n');
        }
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
fn finished(text: &str) -> Option<Typed> {
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
#[derive(Debug, Default)]
struct Assistant {
    /// The lines of the statement before the one that is being edited.
    earlier: String,
}

impl Helper for Assistant {}

impl Validator for Assistant {
    /// Enter ends a line. Whether it ends the statement too, [`Prompt::read`] decides, for the sake of its second prompt.
    fn validate(&self, _: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(ValidationResult::Valid(None))
    }
}

impl Completer for Assistant {
    type Candidate = String;
}

impl Hinter for Assistant {
    type Hint = String;
}

impl Highlighter for Assistant {}

//! `\o`, `\i` and `\e`: commands that name files.

use std::env;
use std::fs;
use std::path::Path;

use pinql::Error;

use super::edit::{Typed, finished};
use super::meta::{self, Meta};
use super::{Next, Shell};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::{pager, places};

/// Files that run each other.
const DEEPEST: usize = 16;

impl Shell<'_> {
    /// Sends the next answer to a file; without one, to the terminal after all.
    pub(super) fn send(&mut self, file: Option<&str>) -> Outcome<()> {
        let Some(file) = file else {
            self.once = None;
            self.ui.say("answers are shown here");
            return Ok(());
        };
        let path = places::at_home(Path::new(file));
        let output = Output::new(Some(&path), None, None)?;
        // Now, and not after a query of minutes. That its directory is one shows only from within.
        if let Some(parent) = output.file().and_then(Path::parent).filter(|dir| !dir.as_os_str().is_empty()) {
            fs::metadata(parent.join(".")).map_err(|source| Error::Write { path: path.clone(), source })?;
        }
        self.once = Some(output);
        self.ui.say(&format!("the next answer goes to {file}"));
        Ok(())
    }

    /// Runs what a file holds as if it were typed, up to the first failure.
    pub(super) fn include(&mut self, file: &str) -> Outcome<Next> {
        if self.depth >= DEEPEST {
            return Err(Failure::misuse(format!("{file} runs itself, again and again"), "take its \\i out"));
        }
        let path = places::at_home(Path::new(file));
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        self.depth += 1;
        let next = self.include_text(file, text.trim_start_matches('\u{feff}'));
        self.depth -= 1;
        next
    }

    fn include_text(&mut self, file: &str, text: &str) -> Outcome<Next> {
        let (mut gathered, mut first) = (String::new(), 1);
        for (line, number) in text.lines().zip(1..) {
            if gathered.is_empty() {
                first = number;
            }
            gathered.push_str(line);
            if let Some(typed) = finished(&gathered) {
                if typed != Typed::Nothing && self.included(&typed, file, first)? == Next::Quit {
                    return Ok(Next::Quit);
                }
                gathered.clear();
            } else {
                gathered.push('\n');
            }
        }
        // The last statement needs no semicolon.
        match gathered.trim().is_empty() {
            true => Ok(Next::Prompt),
            false => self.included(&Typed::Sql(gathered), file, first),
        }
    }

    /// Carries out what begins on this line of a file, and says so if it fails.
    fn included(&mut self, typed: &Typed, file: &str, line: u64) -> Outcome<Next> {
        self.carry_out(typed).map_err(|failure| match typed {
            // What a further file does wrong has been said to be of that one.
            Typed::Command(text) if matches!(meta::parse(text), Ok(Meta::Input(_))) => failure,
            Typed::Command(text) | Typed::Sql(text) => failure.within(file, line, text),
            Typed::Nothing | Typed::End => failure,
        })
    }

    /// Opens an editor on the last statement, or on a file, and begins the next prompt with what it leaves.
    pub(super) fn edit(&mut self, file: Option<&str>) -> Outcome<()> {
        let failed = |source| Failure::from(Error::Write { path: env::temp_dir(), source });
        let (path, _temporary) = match file {
            Some(file) => (places::at_home(Path::new(file)), None),
            None => {
                let temporary =
                    tempfile::Builder::new().prefix("pinql-").suffix(".sql").tempfile().map_err(failed)?;
                let last = self.last.as_ref().map(|last| format!("{};\n", last.passage.sql));
                fs::write(temporary.path(), last.unwrap_or_default()).map_err(failed)?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let named = ["VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(|name| !name.is_empty()));
        let editor = named.unwrap_or_else(|| if cfg!(windows) { "notepad".into() } else { "vi".into() });
        let quoted = if cfg!(windows) { "\"%PINQL_FILE%\"" } else { "\"$PINQL_FILE\"" };
        self.engine.interrupts().ignore(true);
        let ended = pager::shell(&format!("{editor} {quoted}")).env("PINQL_FILE", &path).status();
        self.engine.interrupts().ignore(false);
        match ended {
            Ok(status) if status.success() => {}
            _ => {
                return Err(Failure::misuse(
                    format!("the editor `{editor}` failed"),
                    "set EDITOR to another one",
                ));
            }
        }
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        self.begun = text.trim_end().to_owned();
        Ok(())
    }
}

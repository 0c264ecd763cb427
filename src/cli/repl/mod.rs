//! The shell: read, run, show, and go on whatever happens.

mod commands;
mod editor;
mod meta;

use pinql::report::{Bindings, Reports};

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::query;
use super::runner::Runner;
use super::ui::Ui;
use editor::{Prompt, Typed};

/// What the shell works with, and what its commands change.
struct Shell<'s> {
    engine: &'s mut Runner,
    reports: &'s Reports,
    output: Output,
    ui: &'s mut Ui,
}

/// Whether the shell goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Prompt,
    Quit,
}

/// Runs the shell until it is left.
pub fn run(engine: &mut Runner, reports: &Reports, output: Output, ui: &mut Ui) -> Outcome<()> {
    let mut prompt = Prompt::new(ui.stderr_colors())?;
    ui.say(&format!(
        "pinql {}. End statements with a semicolon; \\? lists the commands.",
        env!("CARGO_PKG_VERSION")
    ));
    let mut shell = Shell { engine, reports, output, ui };
    loop {
        let next = match prompt.read()? {
            Typed::End => Ok(Next::Quit),
            Typed::Nothing => Ok(Next::Prompt),
            typed => shell.carry_out(&typed),
        };
        match next {
            Ok(Next::Prompt) => {}
            Ok(Next::Quit) => return Ok(()),
            Err(failure) if failure.is_broken_pipe() => return Err(failure),
            Err(Failure::Interrupted) => shell.ui.say("\ncancelled"),
            Err(failure) => shell.ui.fail(&failure),
        }
    }
}

impl Shell<'_> {
    fn carry_out(&mut self, typed: &Typed) -> Outcome<Next> {
        self.engine.interrupts().clear();
        self.ui.forget_skipped();
        match typed {
            Typed::Command(line) => self.command(meta::parse(line)?),
            Typed::Sql(text) => self.script(text).map(|()| Next::Prompt),
            Typed::Nothing | Typed::End => Ok(Next::Prompt),
        }
    }

    fn script(&mut self, text: &str) -> Outcome<()> {
        for mut passage in query::split("", text.into())? {
            // It stands on the screen: no need to say where.
            passage.origin = None;
            query::answer(self.engine, &passage.sql, &Bindings::default(), &self.output, self.ui)
                .map_err(|failure| failure.over(&passage))?;
        }
        Ok(())
    }
}

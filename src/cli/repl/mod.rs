//! The shell: read, run, show, and go on whatever happens.
//!
//! [`edit`] reads what people type, [`complete`] helps with it, [`meta`] reads commands, and [`commands`] carries them out.

mod changes;
mod commands;
mod complete;
mod edit;
mod explain;
mod files;
mod meta;
mod settings;
mod summarize;
mod watch;

use std::sync::Arc;

use pinql::report::{Bindings, Reports};

use super::config::ShellConfig;
use super::excerpt::Passage;
use super::failure::{Failure, Outcome};
use super::kept::Kept;
use super::output::{Output, Rows};
use super::query;
use super::runner::Runner;
use super::ui::Ui;
use super::{pager, report};
use changes::Seen;
use complete::Assistance;
use edit::{Prompt, Theme, Typed};

pub use settings::check as check_setting;

/// What the shell works with, and what its commands change.
struct Shell<'s> {
    engine: &'s mut Runner,
    reports: &'s Reports,
    output: Output,
    /// Where the next answer goes, if not there.
    once: Option<Output>,
    ui: &'s mut Ui,
    assistance: Arc<Assistance>,
    theme: Theme,
    /// The statement that ran last, for `\watch`, `\explain` and `\e`.
    last: Option<Asked>,
    kept: Kept,
    /// The backends as the last query, or the last word about them, found them.
    seen: Seen,
    /// What the next prompt begins with.
    begun: String,
    /// Files that are being run, one by the other.
    depth: usize,
}

/// A statement with its parameters.
#[derive(Debug, Clone)]
struct Asked {
    passage: Passage,
    bindings: Bindings,
}

/// Whether the shell goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Prompt,
    Quit,
}

/// Runs the shell until it is left.
pub fn run(
    engine: &mut Runner,
    reports: &Reports,
    mut output: Output,
    config: &ShellConfig,
    ui: &mut Ui,
) -> Outcome<()> {
    let assistance = Assistance::new(engine.session(), reports.iter().cloned().collect())?;
    let assistance = Arc::new(assistance);
    let mut prompt = Prompt::new(Arc::clone(&assistance))?;
    output.set_units(Ui::stdout_is_terminal());
    let theme = if ui.stderr_colors() { Theme::of_environment() } else { Theme::None };
    let seen = Seen::now(engine.session().data_dir());
    let mut shell = Shell {
        engine,
        reports,
        output,
        once: None,
        ui,
        assistance,
        theme,
        last: None,
        kept: Kept::default(),
        seen,
        begun: String::new(),
        depth: 0,
    };
    shell.set_pager(pager::of_environment());
    for (name, value) in &config.settings {
        // Colours that nobody wants are not switched on.
        if name == "theme" && shell.theme == Theme::None {
            continue;
        }
        if let Err(failure) = shell.change(name, value) {
            shell.ui.say(&format!("config.toml: {}", failure.sentence()));
        }
    }
    shell.ui.say(&format!(
        "pinql {}. End statements with a semicolon; \\? lists the commands, Tab completes.",
        env!("CARGO_PKG_VERSION")
    ));
    loop {
        shell.tell_changes();
        let begun = std::mem::take(&mut shell.begun);
        let next = match prompt.read(shell.theme, &begun)? {
            Typed::End => Ok(Next::Quit),
            Typed::Nothing => Ok(Next::Prompt),
            typed => shell.carry_out(&typed),
        };
        match next {
            Ok(Next::Prompt) => {}
            Ok(Next::Quit) => return Ok(()),
            // A pipe that `\o` wrote to.
            Err(failure) if failure.is_broken_pipe() && Ui::stdout_is_terminal() => {}
            Err(failure) if failure.is_broken_pipe() => return Err(failure),
            Err(failure) => shell.tell(&failure),
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
        // It stands on the screen: no need to say where.
        let passages = query::split("", text.into()).map_err(Failure::without_origin)?;
        for mut passage in passages {
            passage.origin = None;
            self.ask(Asked { passage, bindings: Bindings::default() })?;
        }
        Ok(())
    }

    /// Runs a statement, shows its answer, and remembers both.
    fn ask(&mut self, asked: Asked) -> Outcome<()> {
        self.tell_changes();
        let output = self.once.clone().unwrap_or_else(|| self.output.clone());
        // An EXPLAIN is not what one wants to explain.
        if !asked.passage.sql.to_uppercase().starts_with("EXPLAIN") {
            self.last = Some(asked.clone());
        }
        let Asked { passage, bindings } = asked;
        let (engine, ui, kept) = (&mut *self.engine, &mut *self.ui, &mut self.kept);
        let written = query::answer(engine, &passage.sql, &bindings, &output, ui, Some(kept))
            .map_err(|failure| failure.over(&passage))?;
        self.engine.session().remember(self.kept.answer.clone())?;
        self.assistance.remember(self.kept.answer.clone())?;
        if self.kept.answer.is_none() {
            let most = Kept::MOST >> 20;
            self.ui.note(&format!(
                "this takes more than {most} MB and is not kept: there is no last result, table `_`"
            ));
        }
        let once = self.once.take();
        if let Some(path) = once.as_ref().and_then(Output::path) {
            let rows = pinql::pin::counted(written.rows, "row", "rows");
            self.ui.say(&format!("{rows} written to {}", path.display()));
        }
        Ok(())
    }

    /// Says which backends have changed since a query saw them, or since that was said.
    fn tell_changes(&mut self) {
        let now = Seen::now(self.engine.session().data_dir());
        if let Some(changes) = now.since(&self.seen) {
            self.ui.note(&format!("since the last query {changes}"));
            self.seen = now;
        }
    }

    /// Says what failed, as one mends it in the shell.
    fn tell(&self, failure: &Failure) {
        match failure {
            Failure::Interrupted => self.ui.say("\ncancelled"),
            failure => self.ui.fail_in_shell(failure),
        }
    }

    fn set_pager(&mut self, command: Option<String>) {
        let interrupts = self.engine.interrupts().clone();
        self.output.set_pager(command.map(|command| (command, interrupts)));
    }
}

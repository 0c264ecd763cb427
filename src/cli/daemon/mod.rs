//! `pinql daemon`: what is true of all backends now.

mod intelligent;

use clap::{ArgMatches, Command, FromArgMatches, Subcommand};

use super::Exit;
use super::args::Options;
use super::failure::{Failure, Outcome};
use super::ui::Ui;

#[derive(Debug, Subcommand)]
enum DaemonCommand {
    /// Tell how all backends are: the older tool's commands, and its JSON.
    #[command(subcommand)]
    Intelligent(intelligent::Intelligent),
}

/// The subcommand.
pub fn command() -> Command {
    let command = Command::new("daemon").about("Tell how all backends are");
    DaemonCommand::augment_subcommands(command.subcommand_required(true).arg_required_else_help(true))
}

/// Runs what the command line says.
pub fn run(options: &Options, given: &ArgMatches, ui: &mut Ui) -> Outcome<Exit> {
    let command = DaemonCommand::from_arg_matches(given)
        .map_err(|error| Failure::misuse(error.to_string(), "see `pinql daemon --help`"))?;
    match command {
        DaemonCommand::Intelligent(asked) => intelligent::run(&asked, options, ui),
    }
}

//! `pinql completions` and `pinql man`: what other programs need to help with the command line.

use std::str::FromStr;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use pinql::report::Reports;

use super::args;
use super::failure::{Failure, Outcome};
use super::output::Output;

const EXAMPLES: &str = "\
Examples:
  pinql completions bash > ~/.local/share/bash-completion/completions/pinql
  pinql completions zsh > ~/.zfunc/_pinql              # a directory of $fpath
  pinql completions fish > ~/.config/fish/completions/pinql.fish
  pinql completions powershell >> $PROFILE";

const MAN_EXAMPLES: &str = "\
Examples:
  pinql man | man -l -
  pinql man report under-replicated | man -l -
  pinql man > ~/.local/share/man/man1/pinql.1";

/// The subcommands.
pub fn commands() -> [Command; 2] {
    let shells = ["bash", "zsh", "fish", "powershell", "elvish"];
    [
        Command::new("completions")
            .about("Write the script with which a shell completes pinql's command line")
            .after_help(EXAMPLES)
            .arg(
                Arg::new("shell")
                    .value_name("SHELL")
                    .required(true)
                    .value_parser(PossibleValuesParser::new(shells)),
            ),
        Command::new("man")
            .about("Write the manual page of pinql, or of one of its commands")
            .after_help(MAN_EXAMPLES)
            .arg(Arg::new("command").value_name("COMMAND").action(ArgAction::Append)),
    ]
}

/// Writes a completion script. Reports that are known now are part of it.
pub fn complete(reports: &Reports, given: &ArgMatches, output: &Output) -> Outcome<()> {
    let shell = given.get_one::<String>("shell").and_then(|name| Shell::from_str(name).ok());
    let shell =
        shell.ok_or_else(|| Failure::misuse("no such shell", "pinql completions --help names them"))?;
    let mut script = vec![];
    clap_complete::generate(shell, &mut args::command(reports), "pinql", &mut script);
    output.write(|out| out.write_all(&script).map_err(Failure::output))
}

/// Writes a manual page.
pub fn man(reports: &Reports, given: &ArgMatches, output: &Output) -> Outcome<()> {
    let mut command = args::command(reports);
    command.build();
    let mut name = "pinql".to_owned();
    for word in given.get_many::<String>("command").into_iter().flatten() {
        command = command.find_subcommand(word).cloned().ok_or_else(|| {
            Failure::misuse(
                format!("{name} has no command `{word}`"),
                format!("{name} --help lists its commands"),
            )
        })?;
        name = format!("{name} {word}");
    }
    let mut page = vec![];
    let page_of = command.name(name.replace(' ', "-")).display_name(name.clone()).bin_name(name);
    Man::new(page_of).render(&mut page).map_err(Failure::output)?;
    output.write(|out| out.write_all(&page).map_err(Failure::output))
}

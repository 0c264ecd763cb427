//! `pinql daemon`: a process that watches over all backends, and what it tells.

mod intelligent;
mod log;
mod run;
mod start;
mod status;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use pinql::report::Reports;
use pinql::store::DataDir;

use super::args::Options;
use super::failure::Outcome;
use super::quantity;
use super::ui::Ui;
use super::{Exit, places};

pub use log::start as start_log;

/// How long `intelligent stop` waits.
const STOPPING: Duration = Duration::from_secs(30);

#[derive(Debug, Subcommand)]
enum DaemonCommand {
    /// Watch over all backends in the foreground, until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew.
    Run(RunArgs),
    /// The same in the background. Says where it writes its log.
    Start(ConfigArgs),
    /// End the daemon of the data directory and wait until it has ended.
    Stop {
        /// How long to wait.
        #[arg(long, value_name = "TIME", default_value = "30s", value_parser = quantity::parse_duration)]
        wait: Duration,
    },
    /// Let the daemon read its configuration anew.
    Reload,
    /// Tell whether a daemon runs, and what it knows; exit code 1 if none does or something is wrong.
    Status {
        /// All that it knows, as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell how all backends are: the older tool's commands, and its JSON.
    #[command(subcommand)]
    Intelligent(Older),
}

/// The older tool's commands.
#[derive(Debug, Subcommand)]
enum Older {
    /// Start the daemon: in the foreground, or with --detach in the background.
    Start {
        /// In the background, as `pinql daemon start` does.
        #[arg(short = 'd', long)]
        detach: bool,
    },
    /// The same as `pinql daemon stop`.
    Stop,
    #[command(flatten)]
    Asked(intelligent::Intelligent),
}

#[derive(Debug, Default, clap::Args)]
struct ConfigArgs {
    /// The configuration [default: $XDG_CONFIG_HOME/pinql/daemon.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Default, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only say whether the configuration can be used.
    #[arg(long)]
    check: bool,
    /// Write the log to this file, which is replaced when it has 10 MB, instead of to stderr.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// The subcommand.
pub fn command() -> Command {
    let command = Command::new("daemon")
        .about("Watch over all backends: how they are, history, alerts, metrics")
        .subcommand_required(true)
        .arg_required_else_help(true);
    DaemonCommand::augment_subcommands(command)
}

/// Where the log of `daemon run` goes, if that is what is asked: `None` within is stderr.
pub fn log_of(matches: &ArgMatches) -> Option<Option<PathBuf>> {
    match matches.subcommand_matches("daemon")?.subcommand()? {
        ("run", run) => Some(run.get_one::<PathBuf>("log").cloned()),
        ("intelligent", older) => {
            let start = older.subcommand_matches("start")?;
            (!start.get_flag("detach")).then_some(None)
        }
        _ => None,
    }
}

/// Does what the command line asks.
pub fn run(options: &Options, reports: &Reports, given: &ArgMatches, ui: &mut Ui) -> Outcome<Exit> {
    let command = DaemonCommand::from_arg_matches(given)
        .map_err(|error| super::failure::Failure::misuse(error.to_string(), "see `pinql daemon --help`"))?;
    let command = match command {
        DaemonCommand::Intelligent(Older::Asked(asked)) => return intelligent::run(&asked, options, ui),
        DaemonCommand::Intelligent(Older::Start { detach: true }) => {
            DaemonCommand::Start(ConfigArgs::default())
        }
        DaemonCommand::Intelligent(Older::Start { detach: false }) => DaemonCommand::Run(RunArgs::default()),
        DaemonCommand::Intelligent(Older::Stop) => DaemonCommand::Stop { wait: STOPPING },
        command => command,
    };
    let root = places::root(options.root.as_deref(), options.root_default.as_deref())?;
    match command {
        DaemonCommand::Run(args) => run::run(&root, &args, options, reports, ui),
        DaemonCommand::Start(args) => start::start(&DataDir::open(&root)?, &args, options, reports, ui),
        DaemonCommand::Stop { wait } => start::stop(&DataDir::open(&root)?, wait, ui),
        DaemonCommand::Reload => start::reload(&DataDir::open(&root)?, ui),
        DaemonCommand::Intelligent(_) => unreachable!("these have been replaced"),
        DaemonCommand::Status { json } => status::tell(&DataDir::open(&root)?, json, options, ui),
    }
}

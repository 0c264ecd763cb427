//! `pinql backend`: the directories of backends, what is in them, and the changes that pinql makes to them.

mod layout;
mod migrate;
mod pair;
mod show;

use std::path::PathBuf;

use chrono::Utc;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use pinql::migrate::{CarFormat, Mode, Options as Change};

use super::args::Options;
use super::failure::Outcome;
use super::ui::Ui;
use super::{Exit, open, output};

#[derive(Debug, Subcommand)]
enum BackendCommand {
    /// List the backends with their state, their mappings and what waits to be migrated.
    List,
    /// Show one backend: its files, what is kept of replaced ones, and what is wrong.
    Show {
        /// The backend.
        name: String,
    },
    /// Bring each backend's pins.json into its pin_mappings.parquet and CAR.
    #[command(alias = "migrate")]
    MigratePinMappings(MigrateArgs),
    /// Hold mappings and CAR against each other, row by row, and check every hash.
    Verify {
        /// The backends [default: all that have mappings].
        names: Vec<String>,
    },
    /// Put a backend's mappings back from its CAR, or from what was kept of a replaced file.
    Restore(RestoreArgs),
    /// Write the CAR of a backend's mappings anew.
    ExportCar {
        /// The backends [default: all that have mappings].
        names: Vec<String>,
        #[command(flatten)]
        car: CarArgs,
    },
    /// Write mappings anew in pinql's layout, which makes look-ups and redundancy fast. Nothing in them changes.
    Optimize {
        /// The backends [default: all that have mappings].
        names: Vec<String>,
        /// Do everything but write.
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell how each backend's mappings are laid out, and what optimizing them would gain.
    Doctor {
        /// The backends [default: all that have mappings].
        names: Vec<String>,
    },
    /// Remove what is kept of replaced files, but for the newest ones.
    PruneBackups {
        /// The backends [default: all].
        names: Vec<String>,
        /// How many to keep of each file.
        #[arg(long, value_name = "N", default_value_t = 1)]
        keep: usize,
        /// Only list what would be removed.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct MigrateArgs {
    /// Do everything but write: read, check, sort, and tell what would happen.
    #[arg(long)]
    dry_run: bool,
    /// Only these backends: names, or globs such as 's3*', separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    filter: Vec<String>,
    /// Only backends whose names have this text in them.
    #[arg(long, value_name = "TEXT", conflicts_with = "filter")]
    backend_filter: Option<String>,
    /// The data directory; the older spelling of --root.
    #[arg(long, value_name = "DIR")]
    ipfs_kit_path: Option<PathBuf>,
    /// Tell the outcome as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    car: CarArgs,
}

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct CarArgs {
    /// What to write as pin_mappings.car: a real CAR, or the plain JSON of older tools.
    #[arg(long, value_name = "FORMAT", default_value = "car", value_parser = car_format)]
    car_format: CarFormat,
}

#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The backend.
    name: String,
    /// What to restore from.
    #[arg(long, value_name = "SOURCE", required_unless_present = "backup", value_enum)]
    from: Option<Source>,
    /// With `--from backup`: the name of the kept file [default: the newest one of pin_mappings.parquet].
    #[arg(long, value_name = "FILE")]
    backup: Option<String>,
    /// With `--from car`: take what a damaged CAR has left.
    #[arg(long)]
    salvage: bool,
    /// Do everything but write.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    car: CarArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Source {
    Car,
    Backup,
}

fn car_format(text: &str) -> Result<CarFormat, String> {
    match text {
        "car" => Ok(CarFormat::Car),
        "json" => Ok(CarFormat::Json),
        _ => Err("car or json".into()),
    }
}

/// The subcommand.
pub fn command() -> Command {
    let command = Command::new("backend").about("List, migrate, verify and restore backends");
    BackendCommand::augment_subcommands(command.subcommand_required(true).arg_required_else_help(true))
}

/// Runs what the command line says.
pub fn run(options: &Options, given: &ArgMatches, ui: &mut Ui) -> Outcome<Exit> {
    let command = BackendCommand::from_arg_matches(given).expect("clap has matched it");
    let root = match &command {
        BackendCommand::MigratePinMappings(args) => args.ipfs_kit_path.clone(),
        _ => None,
    };
    let options = &Options { root: root.or_else(|| options.root.clone()), ..options.clone() };
    let output = output(options)?;
    let mut runner = open(options, ui)?;
    match command {
        BackendCommand::List => show::list(&mut runner, &output, ui),
        BackendCommand::Show { name } => show::one(&mut runner, &name, &output, ui),
        BackendCommand::MigratePinMappings(args) => migrate::run(&mut runner, &args, &output, ui),
        BackendCommand::Verify { names } => pair::verify(&mut runner, names, &output, ui),
        BackendCommand::Restore(args) => pair::restore(&mut runner, args, &output, ui),
        BackendCommand::ExportCar { names, car } => {
            pair::export_car(&mut runner, names, car.change(false), &output, ui)
        }
        BackendCommand::Optimize { names, dry_run } => {
            layout::optimize(&mut runner, names, dry_run, &output, ui)
        }
        BackendCommand::Doctor { names } => layout::doctor(&mut runner, names, &output, ui),
        BackendCommand::PruneBackups { names, keep, dry_run } => {
            show::prune(&mut runner, &names, keep, dry_run, &output, ui)
        }
    }
}

impl CarArgs {
    /// How to change things, now.
    fn change(self, dry_run: bool) -> Change {
        Change { car_format: self.car_format, ..change(dry_run) }
    }
}

/// How to change things, now.
fn change(dry_run: bool) -> Change {
    let mode = if dry_run { Mode::DryRun } else { Mode::Apply };
    Change { mode, ..Change::at(Utc::now().timestamp_micros()) }
}

/// A size as people read it.
fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

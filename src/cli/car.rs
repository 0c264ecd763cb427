//! `pinql car`: any CAR, not only those of pin mappings.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::ArrayRef;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use pinql::Error;
use pinql::format::car::{self, BlockCid, CarError, CarProblem, CarReader, Checked, Damage, Kind, Salvage};
use pinql::pin::{Mapping, cid, counted};

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::output::Output;
use super::rows::{number, text, write};
use super::ui::Ui;
use super::{Exit, output};

#[derive(Debug, Subcommand)]
enum CarCommand {
    /// List the blocks of a CAR.
    Ls(FileArgs),
    /// Show what a CAR says of itself: version, roots, blocks, and the mappings if it is a backup.
    Show {
        /// The CAR.
        file: PathBuf,
    },
    /// Read a whole CAR and check every hash.
    Verify(FileArgs),
}

#[derive(Debug, clap::Args)]
struct FileArgs {
    /// The CAR.
    file: PathBuf,
    /// Go on after damage, and tell what is left.
    #[arg(long)]
    salvage: bool,
}

/// The subcommand.
pub fn command() -> Command {
    let command = Command::new("car").about("List, show and verify any CAR file");
    CarCommand::augment_subcommands(command.subcommand_required(true).arg_required_else_help(true))
}

/// Runs what the command line says.
pub fn run(options: &Options, given: &ArgMatches, ui: &Ui) -> Outcome<Exit> {
    let command = CarCommand::from_arg_matches(given).expect("clap has matched it");
    let output = output(options)?;
    match command {
        CarCommand::Ls(args) => list(&args, &output, ui),
        CarCommand::Show { file } => show(&file, &output, ui),
        CarCommand::Verify(args) if args.salvage => verify_what_is_left(&args.file, &output, ui),
        CarCommand::Verify(args) => verify(&args.file, &output),
    }
}

fn open(path: &Path) -> Outcome<File> {
    Ok(File::open(path).map_err(|source| Error::Read { path: path.into(), source })?)
}

/// An error in the file at `path`.
fn at(path: &Path) -> impl Fn(CarError) -> Failure {
    move |error: CarError| error.in_file(path).into()
}

/// One block, as it is listed.
struct Listed {
    cid: BlockCid,
    offset: u64,
    length: u64,
}

fn list(args: &FileArgs, output: &Output, ui: &Ui) -> Outcome<Exit> {
    let path = &args.file;
    let mut blocks = Vec::new();
    let mut found = Exit::Done;
    if args.salvage {
        let salvage = car::salvage(open(path)?, &mut |block, data, _| {
            blocks.push(Listed { cid: block.cid.clone(), offset: block.offset, length: data.len() as u64 });
            Ok::<(), CarError>(())
        });
        if tell(&salvage.map_err(at(path))?, ui) {
            found = Exit::Found;
        }
    } else {
        for block in CarReader::open(open(path)?).map_err(at(path))? {
            let block = block.map_err(at(path))?;
            blocks.push(Listed { cid: block.cid, offset: block.offset, length: block.data_length as u64 });
        }
    }
    write(block_columns(&blocks), output)?;
    Ok(found)
}

fn block_columns(blocks: &[Listed]) -> Vec<(String, ArrayRef)> {
    vec![
        text("cid", blocks.iter().map(|block| Some(block.cid.to_string()))),
        text("codec", blocks.iter().map(|block| Some(cid::codec_name(block.cid.codec())))),
        text("hash", blocks.iter().map(|block| Some(cid::hash_name(block.cid.hash_code())))),
        number("offset", blocks.iter().map(|block| Some(block.offset))),
        number("bytes", blocks.iter().map(|block| Some(block.length))),
    ]
}

/// Says what is damaged. Whether anything is.
fn tell(salvage: &Salvage, ui: &Ui) -> bool {
    for Damage { from, to, problem } in &salvage.damages {
        ui.say(&format!("bytes {from} to {to}: {}", problem.problem));
    }
    let shown = salvage.damages.len() as u64;
    if salvage.damaged_parts > shown {
        let more = counted(salvage.damaged_parts - shown, "more damaged part", "more damaged parts");
        ui.say(&more);
    }
    if salvage.gave_up {
        ui.say("too much only looks like blocks: the search was cut short");
    }
    salvage.damaged_parts > 0
}

fn show(path: &Path, output: &Output, ui: &Ui) -> Outcome<Exit> {
    let mut file = open(path)?;
    let kind = car::sniff(&mut file).map_err(|source| Error::Read { path: path.into(), source })?;
    if kind == Kind::Json {
        let rows = pinql::format::envelope::read_json(file, &mut |_: Mapping<'_>| Ok::<(), Error>(()));
        let backup = rows.map_err(|failed| failed.in_file(path))?;
        let version = backup.version.unwrap_or_default();
        return fields(
            &[
                ("kind", "plain JSON of older tools".into()),
                ("backup_version", version),
                ("created_at", backup.created_at.map(pinql::pin::time::format).unwrap_or_default()),
                ("mappings", backup.rows.to_string()),
            ],
            output,
        );
    }
    let mut reader = CarReader::open(file).map_err(at(path))?;
    let header = reader.header().clone();
    let (mut blocks, mut bytes) = (0u64, 0u64);
    for block in reader.by_ref() {
        let block = block.map_err(at(path))?;
        blocks += 1;
        bytes += block.data_length as u64;
    }
    let roots: Vec<_> = header.roots.iter().map(ToString::to_string).collect();
    let mut shown = vec![
        ("kind", format!("CARv{}", header.version)),
        ("roots", roots.join(" ")),
        ("blocks", blocks.to_string()),
        ("data_bytes", bytes.to_string()),
    ];
    let mut exit = Exit::Done;
    match car::read_mappings(open(path)?, &mut |_| Ok::<(), CarError>(())) {
        Ok(backup) => shown.extend([
            ("backup_version", backup.version),
            ("created_at", backup.created_at.map(pinql::pin::time::format).unwrap_or_default()),
            ("mappings", backup.rows.to_string()),
        ]),
        Err(error) => {
            // That a sound CAR holds something else is nothing wrong.
            if !matches!(error.problem, CarProblem::NotABackup(_)) {
                exit = Exit::Found;
            }
            ui.say(&format!("no mappings: {}", error.problem));
        }
    }
    fields(&shown, output)?;
    Ok(exit)
}

fn fields(shown: &[(&str, String)], output: &Output) -> Outcome<Exit> {
    let columns = vec![
        text("what", shown.iter().map(|(name, _)| Some(name))),
        text("value", shown.iter().map(|(_, value)| Some(value).filter(|value| !value.is_empty()))),
    ];
    write(columns, output)?;
    Ok(Exit::Done)
}

fn verify(path: &Path, output: &Output) -> Outcome<Exit> {
    let check = car::check(open(path)?).map_err(at(path))?;
    let missing: Vec<_> = check.missing_roots.iter().map(ToString::to_string).collect();
    fields(
        &[
            ("kind", format!("CARv{}", check.header.version)),
            ("blocks", check.blocks.to_string()),
            ("data_bytes", check.data_bytes.to_string()),
            ("unchecked", check.unchecked.to_string()),
            ("duplicates", check.duplicates.to_string()),
            ("missing_roots", missing.join(" ")),
        ],
        output,
    )?;
    // A hash that is not known was not checked, and a root that is not there leads nowhere.
    Ok(if check.unchecked > 0 || !missing.is_empty() { Exit::Found } else { Exit::Done })
}

fn verify_what_is_left(path: &Path, output: &Output, ui: &Ui) -> Outcome<Exit> {
    let mut unchecked = 0u64;
    let salvage = car::salvage(open(path)?, &mut |_, _, checked| {
        unchecked += u64::from(checked == Checked::Unknown);
        Ok::<(), CarError>(())
    });
    let salvage = salvage.map_err(at(path))?;
    fields(
        &[
            ("blocks", salvage.blocks.to_string()),
            ("unchecked", unchecked.to_string()),
            ("damaged_parts", salvage.damaged_parts.to_string()),
            ("damaged_bytes", salvage.damaged_bytes.to_string()),
        ],
        output,
    )?;
    Ok(if tell(&salvage, ui) || unchecked > 0 { Exit::Found } else { Exit::Done })
}

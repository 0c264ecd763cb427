//! `pinql prices`: the prices in force, as a file to be edited.

use std::fs;
use std::path::PathBuf;

use clap::Command;
use pinql::Error;
use pinql::report::prices::{self, Prices};

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::output::Output;
use super::{Exit, places};

pub fn command() -> Command {
    Command::new("prices").about("Print the prices of storage that reports use, as a file to be edited")
}

/// The user's own prices, else those that come with pinql.
pub fn load(options: &Options) -> Outcome<Prices> {
    Ok(match file(options) {
        Some(file) => Prices::read(&file)?,
        None => Prices::default(),
    })
}

fn file(options: &Options) -> Option<PathBuf> {
    options.prices.clone().or_else(places::user_prices)
}

pub fn run(options: &Options) -> Outcome<Exit> {
    let text = match file(options) {
        Some(path) => {
            Prices::read(&path)?;
            fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?
        }
        None => prices::BUILT_IN.to_owned(),
    };
    let output = Output::new(options.output.as_deref(), Some(pinql::export::Format::Table), None)?;
    output.write(|out| out.write_all(text.as_bytes()).map_err(Failure::output))?;
    Ok(Exit::Done)
}

//! `pinql lookup`: where each of some CIDs is, or of a hundred thousand.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use pinql::Error;
use pinql::export::Format;
use pinql::migrate::Progress;
use pinql::session::Lookup;
use tokio::runtime::Handle;

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::runner::Runner;
use super::ui::Ui;
use super::{Exit, open, output};

/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(50);
/// CIDs that are looked up together.
const TOGETHER: usize = 50_000;

#[derive(Debug, Args)]
struct LookupArgs {
    /// The CIDs, in any version and base.
    #[arg(required_unless_present = "cids")]
    cid: Vec<String>,
    /// A file with one CID on each line; `-` is stdin. Blank lines and what follows a blank are passed over.
    #[arg(long, value_name = "FILE", conflicts_with = "cid")]
    cids: Option<PathBuf>,
}

/// What was found of all CIDs.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    found: u64,
    absent: u64,
    no_cids: u64,
}

/// The subcommand.
pub fn command() -> Command {
    let command =
        Command::new("lookup").about("Tell where CIDs are: every mapping of each, in the order asked");
    LookupArgs::augment_args(command.arg_required_else_help(true))
}

/// Runs what the command line says.
pub fn run(options: &Options, given: &ArgMatches, ui: &mut Ui) -> Outcome<Exit> {
    let args = LookupArgs::from_arg_matches(given).expect("clap has matched it");
    let output = output(options)?;
    let asked = match &args.cids {
        Some(path) => read(path)?,
        None => args.cid,
    };
    let mut runner = open(options, ui)?;
    let (mut chunks, mut totals) = (asked.chunks(TOGETHER), Totals::default());
    let first = look_up(&mut runner, chunks.next().unwrap_or_default(), &mut totals, ui)?;
    let columns = first.schema();
    let mut first = Some(first);
    let answer = output.encode(columns, || match first.take() {
        Some(batch) => Ok(Some(batch)),
        None => chunks.next().map(|chunk| look_up(&mut runner, chunk, &mut totals, ui)).transpose(),
    })?;
    let Totals { found, absent, no_cids } = totals;
    if output.format() == Format::Table || absent + no_cids > 0 {
        let mut words = format!("{found} found, {absent} absent");
        if no_cids > 0 {
            words.push_str(&format!(", {no_cids} no CID"));
        }
        ui.say(&format!("{words}; {}", Ui::rows(answer.written.rows)));
    }
    Ok(if absent + no_cids > 0 || ui.tells_something() { Exit::Found } else { Exit::Done })
}

fn look_up(runner: &mut Runner, asked: &[String], totals: &mut Totals, ui: &mut Ui) -> Outcome<RecordBatch> {
    let asked = asked.to_vec();
    let progress = Arc::default();
    let found = runner.work(
        &progress,
        |_| (),
        move |session, progress| {
            Handle::current().block_on(async {
                tokio::select! {
                    found = session.lookup(&asked) => found,
                    () = stopped(progress) => Err(Error::Stopped),
                }
            })
        },
    )?;
    let Lookup { rows, found, absent, no_cids, skipped, .. } = found;
    ui.skipped(&skipped);
    totals.found += found;
    totals.absent += absent;
    totals.no_cids += no_cids;
    Ok(rows)
}

/// Waits for Ctrl-C.
async fn stopped(progress: &Progress) {
    while progress.check().is_ok() {
        tokio::time::sleep(LOOK).await;
    }
}

/// The first word of each line.
fn read(path: &PathBuf) -> Outcome<Vec<String>> {
    let failed = |source: io::Error| Failure::from(Error::Read { path: path.clone(), source });
    let lines: Box<dyn BufRead> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::new(File::open(path).map_err(failed)?)),
    };
    let mut cids = Vec::new();
    for line in lines.lines() {
        let line = line.map_err(failed)?;
        cids.extend(line.trim_start_matches('\u{feff}').split_whitespace().next().map(str::to_owned));
    }
    Ok(cids)
}

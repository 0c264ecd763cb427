//! The command line: its options, and the order in which they were given.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, ValueEnum};
use pinql::export::Format;
use pinql::report::Reports;

use super::quantity::{self, MemoryLimit};
use super::ui::When;
use super::{backend, car, completions, daemon, dashboard, diff, export, gate, lookup, prices, report};

const EXAMPLES: &str = "\
Examples:
  pinql -c 'SELECT backend_name, COUNT(*) FROM pins GROUP BY 1'
  pinql report under-replicated --min-copies 3 --format json
  pinql -f daily.sql -o daily.csv
  echo 'SELECT * FROM backends' | pinql
  pinql lookup --cids cids.txt --format csv
  pinql backend migrate-pin-mappings --dry-run

Without SQL and without a command, pinql opens a shell.";

const REPORT_EXAMPLES: &str = "\
Examples:
  pinql report                                         # lists them
  pinql report redundancy
  pinql report under-replicated --min-copies 3 --format csv -o repair.csv
  pinql report where-is --cid QmUCGLrkAMb7P1bJUaYshCBuV1yHwHq9HCRjYSe4RBKg5W";

const LOOKUP_EXAMPLES: &str = "\
Examples:
  pinql lookup QmUCGLrkAMb7P1bJUaYshCBuV1yHwHq9HCRjYSe4RBKg5W
  pinql lookup --cids cids.txt --format csv            # one CID a line; exit 1 if any is nowhere";

const BACKEND_EXAMPLES: &str = "\
Examples:
  pinql backend list
  pinql backend migrate-pin-mappings --dry-run
  pinql backend optimize s3_main
  pinql backend restore s3_main --from car";

const DAEMON_EXAMPLES: &str = "\
Examples:
  pinql daemon run --config /etc/pinql/daemon.toml     # in the foreground
  pinql daemon run --config daemon.toml --check
  pinql daemon start
  pinql daemon status --json
  pinql daemon intelligent status
  pinql daemon intelligent insights --json | jq .pin_mapping_analysis
  pinql daemon intelligent health                       # exit 1 if a backend is not healthy
  pinql daemon intelligent analyze --backend s3_main";

const CAR_EXAMPLES: &str = "\
Examples:
  pinql car ls any.car
  pinql car verify any.car";

/// Ask SQL questions about the pins of many storage backends.
#[derive(Debug, Parser)]
#[command(name = "pinql", version, after_help = EXAMPLES)]
pub struct Args {
    /// Run these statements.
    #[arg(short = 'c', long = "command", value_name = "SQL", allow_hyphen_values = true, value_parser = sql)]
    commands: Vec<String>,

    /// Run the statements of this file; `-` is stdin.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    pub options: Options,

    /// What `-c` and `-f` gave, in the order of the command line.
    #[arg(skip)]
    pub inputs: Vec<Input>,
}

/// The options of all commands.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Options {
    /// The data directory, which holds `backends/` [default: $PINQL_ROOT, $IPFS_KIT_PATH or ~/.ipfs_kit].
    #[arg(long, value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,

    /// How answers are written [default: by the name of -o FILE, else table].
    #[arg(long, value_name = "FORMAT", global = true, value_parser = format())]
    pub format: Option<Format>,

    /// Write the answer to this file or URL (s3://, gs://, az://, https://), where it appears whole or not at all.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub output: Option<PathBuf>,

    /// The most rows of a table to show, 0 for all [default: 1000 on a terminal, else all].
    #[arg(long, value_name = "N", global = true)]
    pub max_rows: Option<usize>,

    /// The memory that queries may use: 512MB, 2GiB, 50%, none [default: 60%].
    #[arg(long, value_name = "SIZE", global = true, value_parser = quantity::parse_memory_limit)]
    pub memory_limit: Option<MemoryLimit>,

    /// The longest that one query may run: 500ms, 30s, 5m [default: no limit].
    #[arg(long, value_name = "TIME", global = true, value_parser = quantity::parse_duration)]
    pub timeout: Option<Duration>,

    /// The threads that queries use [default: one per core].
    #[arg(long, value_name = "N", global = true)]
    pub threads: Option<NonZeroUsize>,

    /// Go on without backends that cannot be read: stderr names them, and the exit code is 1.
    #[arg(long, global = true)]
    pub skip_unreadable: bool,

    /// Go on after a statement that fails; the exit code still tells.
    #[arg(long, global = true)]
    pub keep_going: bool,

    /// A directory of reports of your own, besides $XDG_CONFIG_HOME/pinql/queries.
    #[arg(long, value_name = "DIR", global = true)]
    pub queries: Option<PathBuf>,

    /// What storage costs, in place of $XDG_CONFIG_HOME/pinql/prices.toml and of the prices that come with pinql.
    #[arg(long, value_name = "FILE", global = true)]
    pub prices: Option<PathBuf>,

    #[command(flatten)]
    pub gate: gate::Options,

    #[command(flatten)]
    pub export: export::Options,

    /// When to use colour; auto is on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", global = true, value_enum, default_value_t)]
    pub color: When,

    /// Tell more on stderr about what is done; twice and three times for still more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// The data directory and the format where nothing else says them.
    #[arg(skip)]
    pub root_default: Option<PathBuf>,
    #[arg(skip)]
    pub format_default: Option<Format>,
}

impl Options {
    /// An option that was given, of those that only answers of reports and of SQL heed.
    pub fn of_answers(&self) -> Option<&'static str> {
        let manifest = self.export.manifest.as_ref().map(|_| "manifest");
        self.gate.given().or(manifest)
    }
}

/// A source of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The text of `-c`.
    Text(String),
    /// The file of `-f`.
    File(PathBuf),
    /// What comes on stdin.
    Stdin,
}

/// The whole command line, with a subcommand for each report.
pub fn command(reports: &Reports) -> clap::Command {
    Args::command()
        .subcommand(report::command(reports).after_help(REPORT_EXAMPLES))
        .subcommand(lookup::command().after_help(LOOKUP_EXAMPLES))
        .subcommand(backend::command().after_help(BACKEND_EXAMPLES))
        .subcommand(car::command().after_help(CAR_EXAMPLES))
        .subcommand(prices::command())
        .subcommand(diff::command())
        .subcommand(dashboard::command())
        .subcommand(daemon::command().after_help(DAEMON_EXAMPLES))
        .subcommands(completions::commands())
}

impl Args {
    /// Reads what clap has matched.
    pub fn from_matches(matches: &ArgMatches) -> Result<Args, clap::Error> {
        let mut args = Args::from_arg_matches(matches)?;
        let texts = args.commands.drain(..).map(Input::Text);
        let files = args.files.drain(..).map(|path| match path.as_os_str() == "-" {
            true => Input::Stdin,
            false => Input::File(path),
        });
        let at = |id| matches.indices_of(id).into_iter().flatten();
        let mut inputs: Vec<_> = at("commands").zip(texts).chain(at("files").zip(files)).collect();
        inputs.sort_by_key(|(index, _)| *index);
        args.inputs = inputs.into_iter().map(|(_, input)| input).collect();
        Ok(args)
    }
}

/// What has to be known before the command line can be understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// `--queries`: its reports become subcommands.
    pub queries: Option<PathBuf>,
    /// `--color`: the complaints of the parser obey it.
    pub color: Option<When>,
    /// Whether the word `report` stands somewhere.
    pub report: bool,
}

impl Early {
    /// Looks through the arguments, without the program's name. What is wrong with them is for clap to say.
    pub fn scan(args: &[OsString]) -> Early {
        let mut early = Early::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.to_str() {
                Some("--") => break,
                Some("-c" | "--command") => drop(rest.next()),
                Some("report") => early.report = true,
                _ => {}
            }
            if let Some(dir) = value_of(arg, "--queries", &mut rest) {
                early.queries = Some(dir.into());
            } else if let Some(when) = value_of(arg, "--color", &mut rest) {
                early.color = When::from_str(&when.to_string_lossy(), false).ok();
            }
        }
        early
    }
}

/// The value of the option `name`, if `arg` is that option.
fn value_of(arg: &OsStr, name: &str, rest: &mut std::slice::Iter<'_, OsString>) -> Option<OsString> {
    if arg == name {
        return rest.next().cloned();
    }
    let (option, value) = arg.to_str()?.split_once('=')?;
    (option == name).then(|| value.into())
}

fn format() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.map(|format| match format {
        Format::Ndjson => PossibleValue::new(format.to_string()).alias("jsonl"),
        Format::Markdown => PossibleValue::new(format.to_string()).alias("md"),
        _ => PossibleValue::new(format.to_string()),
    });
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Format>())
}

/// SQL may begin with a comment, and so with `--`; what looks like an option is one that lost its place.
fn sql(text: &str) -> Result<String, String> {
    let option =
        text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c == '-' || c.is_alphabetic()));
    match option && !text.contains(char::is_whitespace) {
        true => Err("expected SQL, found an option".into()),
        false => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        let words = std::iter::once("pinql").chain(line.split(' '));
        Args::from_matches(&Args::command().try_get_matches_from(words)?)
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn statements_and_files_keep_the_order_of_the_command_line() {
        let args = parse("-f a.sql -c SELECT --root /r -f - -c VALUES").expect("a good command line");
        let wanted = [
            Input::File("a.sql".into()),
            Input::Text("SELECT".into()),
            Input::Stdin,
            Input::Text("VALUES".into()),
        ];
        assert_eq!(args.inputs, wanted);
        assert!(parse("--keep-going").expect("no input").inputs.is_empty());
    }

    #[test]
    fn a_statement_may_begin_with_a_comment_but_an_option_is_none() {
        assert_eq!(sql("-- title\nSELECT 1").as_deref(), Ok("-- title\nSELECT 1"));
        for option in ["--format", "-o", "--format=json"] {
            assert!(sql(option).is_err(), "{option}");
        }
    }

    #[test]
    fn formats_go_by_their_other_names_too() {
        for (name, format) in [("jsonl", Format::Ndjson), ("md", Format::Markdown), ("arrow", Format::Arrow)]
        {
            let args = parse(&format!("--format {name}")).expect(name);
            assert_eq!(args.options.format, Some(format));
        }
        assert!(parse("--format xml").is_err());
    }

    #[test]
    fn the_early_look_takes_no_statement_for_an_option() {
        let scan = |line: &str| Early::scan(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let early = scan("report --queries /q x --color=never");
        assert_eq!(early, Early { queries: Some("/q".into()), color: Some(When::Never), report: true });
        for line in ["-c --queries=/q", "-- --queries /q", "--root=/q"] {
            assert_eq!(scan(line), Early::default(), "{line}");
        }
    }
}

//! The command line: parse, dispatch in one match, turn failures into exit codes.
//!
//! To add a command: a module here, its clap command in [`args::command`], an arm in [`dispatch`].

mod args;
mod backend;
mod bars;
mod car;
mod completions;
mod config;
mod daemon;
mod dashboard;
mod diff;
mod excerpt;
mod expanded;
mod export;
mod failure;
mod gate;
mod interrupt;
mod kept;
mod lookup;
mod meter;
mod named;
mod output;
mod pager;
mod places;
mod plans;
mod prices;
mod progress;
mod quantity;
mod query;
mod remote;
mod repl;
mod report;
mod rows;
mod runner;
mod split;
mod target;
mod trace;
mod ui;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue};
use pinql::export::Format;
use pinql::report::Reports;
use pinql::session::{self, Session};
use tracing::info;

use args::{Args, Early, Input, Options};
use config::Config;
use failure::{Failure, Outcome};
use output::Output;
use pinql::store::layout;
use report::Asked;
use runner::Runner;
use ui::Ui;

/// How a run ended, as its exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// All done.
    Done = 0,
    /// All done, and something was found: here, a backend that was skipped.
    Found = 1,
    /// Failed, or misused.
    Failed = 2,
    /// Ended by Ctrl-C.
    Interrupted = interrupt::EXIT_CODE as isize,
}

/// Runs the program and gives its exit code.
pub fn run() -> ExitCode {
    // Every backend keeps files open while it is read; where this fails, fewer will do.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let words: Vec<OsString> = std::env::args_os().collect();
    let early = Early::scan(words.get(1..).unwrap_or_default());
    let config = Config::load();
    let mut ui = Ui::new(early.color.or(config.color()).unwrap_or_default());
    let exit = parse_and_dispatch(&words, &early, &config, &mut ui).unwrap_or_else(|failure| match failure {
        // That nobody reads on does not undo what was found until then.
        failure if failure.is_broken_pipe() && ui.tells_something() => Exit::Found,
        failure if failure.is_broken_pipe() => Exit::Done,
        Failure::Interrupted => Exit::Interrupted,
        failure => {
            ui.fail(&failure);
            Exit::Failed
        }
    });
    ExitCode::from(exit as u8)
}

fn parse_and_dispatch(words: &[OsString], early: &Early, config: &Config, ui: &mut Ui) -> Outcome<Exit> {
    let (reports, wrong) = report::load(early, config.queries());
    let parsed = args::command(&reports).try_get_matches_from(words);
    if early.report {
        let asked = parsed.as_ref().ok().and_then(|matches| matches.subcommand_matches("report"));
        wrong.tell(asked.and_then(ArgMatches::subcommand_name), ui)?;
    }
    let parsed = parsed.and_then(|matches| Ok((Args::from_matches(&matches)?, matches)));
    match parsed {
        Ok((mut args, matches)) => {
            config.tell(opens_shell(&args, &matches), ui)?;
            config.fill(&mut args.options);
            match daemon::log_of(&matches) {
                Some(file) => daemon::start_log(file.as_deref(), args.options.verbose, ui.stderr_colors())?,
                None => trace::start(args.options.verbose, ui.stderr_colors())?,
            }
            ui.set_verbose(args.options.verbose > 0);
            dispatch(&args, &matches, &reports, config, ui)
        }
        Err(words) => complain(&words, ui),
    }
}

/// Passes on what the parser says: help and version, or what is wrong with the command line.
fn complain(words: &clap::Error, ui: &Ui) -> Outcome<Exit> {
    ui.clap(words).map_err(Failure::output)?;
    let is_sql = |word: &ContextValue| matches!(word, ContextValue::String(word) if word.contains(' '));
    if words.get(ContextKind::InvalidSubcommand).is_some_and(is_sql) {
        ui.hint("SQL goes with -c: pinql -c 'SELECT …'");
    }
    Ok(if words.use_stderr() { Exit::Failed } else { Exit::Done })
}

/// Whether this command line opens the shell.
fn opens_shell(args: &Args, matches: &ArgMatches) -> bool {
    matches.subcommand().is_none() && args.inputs.is_empty() && Ui::stdin_is_terminal()
}

/// Whether this command line asks for what gates and manifests are about: a report, or SQL outside of the shell.
fn gives_answers(args: &Args, matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some(("report", given)) => given.subcommand().is_some(),
        Some(_) => false,
        None => !opens_shell(args, matches),
    }
}

fn dispatch(
    args: &Args,
    matches: &ArgMatches,
    reports: &Reports,
    config: &Config,
    ui: &mut Ui,
) -> Outcome<Exit> {
    if !gives_answers(args, matches)
        && let Some(option) = args.options.of_answers()
    {
        return Err(Failure::misuse(
            format!("--{option} is for the answers of reports and of SQL"),
            "it goes with `report NAME`, -c, -f, or SQL on stdin",
        ));
    }
    match matches.subcommand() {
        Some((name, _)) if !args.inputs.is_empty() => {
            Err(Failure::misuse(format!("-c and -f do not go with `{name}`"), "run them one after the other"))
        }
        Some(("report", given)) => run_report(args, reports, given, ui),
        Some(("backend", given)) => backend::run(&args.options, given, ui),
        Some(("lookup", given)) => lookup::run(&args.options, given, ui),
        Some(("car", given)) => car::run(&args.options, given, ui),
        Some(("completions", given)) => {
            completions::complete(reports, given, &output(&args.options)?).map(|()| Exit::Done)
        }
        Some(("man", given)) => {
            completions::man(reports, given, &output(&args.options)?).map(|()| Exit::Done)
        }
        Some(("diff", given)) => diff::run(&args.options, given, ui),
        Some(("daemon", given)) => daemon::run(&args.options, reports, given, ui),
        Some(("dashboard", _)) => dashboard::run(&args.options, reports, ui),
        Some(("prices", _)) => prices::run(&args.options),
        Some((name, _)) => unreachable!("clap knows no command {name}"),
        None if !args.inputs.is_empty() => run_script(args, &args.inputs, ui),
        None if opens_shell(args, matches) => run_shell(args, reports, config, ui),
        None => run_script(args, &[Input::Stdin], ui),
    }
}

fn run_report(args: &Args, reports: &Reports, given: &ArgMatches, ui: &mut Ui) -> Outcome<Exit> {
    let output = output(&args.options)?;
    match report::asked(reports, given)? {
        Asked::List { json } => {
            report::list(reports, json, &output)?;
            Ok(Exit::Done)
        }
        Asked::Run(report, bindings) => {
            let mut runner = open(&args.options, ui)?;
            let named = report::check_backends(report, &bindings, &mut runner)?;
            let output = output.of_report(report);
            let asked = query::Asked { report: Some(&report.name), sql: &report.sql, bindings: &bindings };
            query::export(&mut runner, &asked, &output, &args.options, ui)
                .map_err(|failure| failure.over(&report::passage(report)))?;
            ui.has_answered_for(&named)?;
            Ok(if ui.tells_something() { Exit::Found } else { Exit::Done })
        }
    }
}

fn run_script(args: &Args, inputs: &[Input], ui: &mut Ui) -> Outcome<Exit> {
    let output = output(&args.options)?;
    let passages = query::read(inputs)?;
    output.can_hold(passages.len())?;
    let mut runner = open(&args.options, ui)?;
    let well = query::run(&mut runner, &passages, &output, &args.options, ui)?;
    Ok(match well {
        false => Exit::Failed,
        true if ui.tells_something() => Exit::Found,
        true => Exit::Done,
    })
}

fn run_shell(args: &Args, reports: &Reports, config: &Config, ui: &mut Ui) -> Outcome<Exit> {
    if args.options.output.is_some() {
        return Err(Failure::misuse(
            "the shell writes to the terminal",
            "give SQL with -c or -f, or leave out -o",
        ));
    }
    let output = output(&args.options)?;
    repl::run(&mut open(&args.options, ui)?, reports, output, &config.shell, ui)?;
    Ok(Exit::Done)
}

fn output(options: &Options) -> Outcome<Output> {
    let html = options.export.html.as_deref();
    let path = html.or(options.output.as_deref());
    let default = options.format_default.filter(|_| path.is_none());
    let format = if html.is_some() { Some(Format::Html) } else { options.format.or(default) };
    Output::new(path, format, options.max_rows)?.with(&options.export)
}

fn open(options: &Options, ui: &Ui) -> Outcome<Runner> {
    let root = places::root(options.root.as_deref(), options.root_default.as_deref())?;
    open_at(&root, options, ui)
}

fn open_at(root: &Path, options: &Options, ui: &Ui) -> Outcome<Runner> {
    let threads = options.threads.map(usize::from);
    let limits = session::Options {
        memory_limit: options.memory_limit.unwrap_or_default().bytes(),
        timeout: options.timeout,
        threads,
        skip_unreadable: options.skip_unreadable,
        prices: prices::load(options)?,
    };
    info!(root = %root.display(), ?limits, "opening the data directory");
    let session = Session::open(root, limits.clone())?;
    // No pins in the wrong place are not no pins.
    if !root.join(layout::BACKENDS).is_dir() {
        ui.say(&ui::one_line(&format!("note: there is no {}/ in {}", layout::BACKENDS, root.display())));
    }
    Runner::new(session, limits)
}

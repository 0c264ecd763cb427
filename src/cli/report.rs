//! `pinql report`: the canned questions, each a subcommand with options of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use chrono::Utc;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use pinql::Error;
use pinql::export::Format;
use pinql::report::{Allowed, Bindings, Kind, Many, Param, Report, Reports};
use serde_json::{Value, json};

use super::args::Early;
use super::excerpt::Passage;
use super::failure::{Failure, Outcome};
use super::named;
use super::output::Output;
use super::places;
use super::runner::Runner;
use super::ui::{Ui, one_line};

/// The option that takes any parameter by name, for those whose own option would clash with another.
const PARAM: &str = "param";

/// What is wrong with the user's own reports.
pub struct Wrong {
    /// A directory of them that cannot be read.
    dir: Option<Error>,
    /// Files that are no reports, by name.
    files: Vec<(String, Error)>,
}

/// The reports that this run knows, and what is wrong with the user's own ones.
pub fn load(early: &Early, configured: Option<PathBuf>) -> (Reports, Wrong) {
    let mut reports = Reports::built_in();
    let mut wrong = Wrong { dir: None, files: vec![] };
    for dir in places::user_queries().into_iter().chain(early.queries.clone().or(configured)) {
        match reports.add_dir(&dir) {
            Ok(files) => wrong.files.extend(files),
            Err(error) => wrong.dir = wrong.dir.or(Some(error)),
        }
    }
    // One of a later directory may have taken the name of a broken one.
    wrong.files.retain(|(name, _)| reports.get(name).is_err());
    (reports, wrong)
}

impl Wrong {
    /// Fails if it is about the report that was asked for, else only says what is wrong.
    pub fn tell(self, asked: Option<&str>, ui: &Ui) -> Outcome<()> {
        if let Some(error) = self.dir {
            return Err(error.into());
        }
        for (name, error) in self.files {
            match asked == Some(&name) {
                true => return Err(error.into()),
                false => {
                    ui.say(&one_line(&format!("skipped report {name}: {}", Failure::from(error).sentence())))
                }
            }
        }
        Ok(())
    }
}

/// The subcommand `report`, with one of its own for each report.
pub fn command(reports: &Reports) -> Command {
    let taken = taken();
    Command::new("report")
        .about("Answer a canned question, or list them all")
        .subcommand_value_name("REPORT")
        .subcommand_help_heading("Reports")
        .disable_help_subcommand(true)
        .args_conflicts_with_subcommands(false)
        .allow_external_subcommands(true)
        .arg(Arg::new("list").long("list").action(ArgAction::SetTrue).help("List the reports"))
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("List the reports as JSON, with their parameters"),
        )
        .subcommands(reports.iter().map(|report| subcommand(report, &taken)))
}

fn subcommand(report: &Report, taken: &[String]) -> Command {
    let long = match report.description.is_empty() {
        true => report.title.clone(),
        false => format!("{}\n\n{}", report.title, report.description),
    };
    let any = Arg::new(PARAM)
        .long(PARAM)
        .value_name("NAME=VALUE")
        .action(ArgAction::Append)
        .value_parser(pair)
        .help("Give a parameter by its name")
        .hide(report.params.is_empty());
    Command::new(report.name.clone())
        .about(report.title.clone())
        .long_about(long)
        .next_help_heading("Parameters")
        .args(report.params.iter().filter(|param| !taken.contains(&option_name(param))).map(option))
        .arg(any)
}

/// The names of options that all reports have already.
fn taken() -> Vec<String> {
    use clap::CommandFactory;
    let common = super::args::Args::command();
    let common = common.get_arguments().filter(|arg| arg.is_global_set()).filter_map(Arg::get_long);
    common.chain([PARAM, "help"]).map(str::to_owned).collect()
}

/// The option of one parameter.
fn option(param: &Param) -> Arg {
    let what = param.type_name().to_uppercase().replace("[]", ",…");
    let default = match &param.default {
        Some(default) if default.is_empty() => String::new(),
        Some(default) => format!(" [default: {default}]"),
        None => " [required]".into(),
    };
    let allowed = match &param.allowed {
        Allowed::Any => String::new(),
        allowed => format!(" [allowed: {allowed}]"),
    };
    // Not a default of clap's, and checked by the report: a missing value and a wrong one are told the same way everywhere.
    let arg = Arg::new(id(param)).long(option_name(param)).value_name(what).action(ArgAction::Append);
    let arg = arg.help(format!("{}{allowed}{default}", param.help).trim().to_owned());
    let arg = match &param.allowed {
        Allowed::Words(words) if param.many == Many::One => {
            arg.value_parser(PossibleValuesParser::new(words.clone())).hide_possible_values(true)
        }
        _ => arg,
    };
    match param.kind {
        Kind::Integer | Kind::Number => arg.allow_negative_numbers(true),
        Kind::Boolean => arg.num_args(0..=1).default_missing_value("true"),
        _ => arg,
    }
}

fn id(param: &Param) -> String {
    format!("param {}", param.name)
}

fn option_name(param: &Param) -> String {
    param.name.replace('_', "-")
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().into(), value.into()))
}

/// What a command line asks of the reports.
pub enum Asked<'r> {
    /// To be listed.
    List {
        /// As JSON with all there is to know.
        json: bool,
    },
    /// To run one, with these values for its parameters.
    Run(&'r Report, Bindings),
}

/// Reads what clap has matched below `report`.
pub fn asked<'r>(reports: &'r Reports, matches: &ArgMatches) -> Outcome<Asked<'r>> {
    let json = matches.get_flag("json");
    match matches.subcommand() {
        None => Ok(Asked::List { json }),
        Some(_) if json || matches.get_flag("list") => {
            Err(Failure::misuse("--list and --json list all reports", "leave out the name of the report"))
        }
        Some((name, given)) => {
            let report = reports.get(name)?;
            Ok(Asked::Run(report, bind(report, &values(report, given))?))
        }
    }
}

/// Checks the values and turns them into what the engine takes. Also for the shell's `\report`.
pub fn bind(report: &Report, values: &[(String, String)]) -> Outcome<Bindings> {
    let spelled = |(name, text): &(String, String)| (known_name(report, name), text.clone());
    let values: Vec<(String, String)> = values.iter().map(spelled).collect();
    Ok(report.bind(&values, Utc::now())?)
}

/// Refuses names of backends that are none, or of which nothing can be told. Gives the names.
pub fn check_backends(report: &Report, bindings: &Bindings, runner: &mut Runner) -> Outcome<Vec<String>> {
    let mut all = Vec::new();
    for param in report.params.iter().filter(|param| param.kind == Kind::Backend) {
        let names: Vec<String> = match bindings.0.get(&param.name) {
            Some(pinql::report::Value::List(_, names)) => names.iter().map(ToString::to_string).collect(),
            name => name.iter().map(ToString::to_string).collect(),
        };
        if names.is_empty() && param.default.is_none() {
            let known = named::all(runner)?;
            let known: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
            let message = format!("--{} names no backend", option_name(param));
            return Err(Failure::misuse(message, named::hint(&known)));
        }
        all.extend(names);
    }
    if !all.is_empty() {
        named::check(&all, &named::all(runner)?)?;
    }
    Ok(all)
}

/// The name as the report spells it, for `min-copies` as well as `min_copies`.
fn known_name(report: &Report, name: &str) -> String {
    let same = |param: &&Param| param.name == name || option_name(param) == name;
    report.params.iter().find(same).map_or(name.into(), |param| param.name.clone())
}

/// The parameters that were given, by their own options and by `--param`.
fn values(report: &Report, matches: &ArgMatches) -> Vec<(String, String)> {
    let own = report.params.iter().flat_map(|param| {
        let given = matches.try_get_many::<String>(&id(param)).ok().flatten();
        given.into_iter().flatten().map(|text| (param.name.clone(), text.clone()))
    });
    let any = matches.get_many::<(String, String)>(PARAM).into_iter().flatten().cloned();
    own.chain(any).collect()
}

/// The SQL of a report, as errors show it.
pub fn passage(report: &Report) -> Passage {
    let file = if Path::new(&report.origin).is_file() {
        report.origin.clone()
    } else {
        format!("{}.sql", report.name)
    };
    Passage { origin: Some(file), first_line: 1, sql: report.sql.clone() }
}

/// Writes the list of all reports. With a JSON format it has all there is to know about each.
pub fn list(reports: &Reports, json: bool, output: &Output) -> Outcome<()> {
    if json || output.format() == Format::Json {
        let all: Vec<Value> = reports.iter().map(description).collect();
        return output.write(|out| {
            serde_json::to_writer_pretty(&mut *out, &all).map_err(|error| Failure::output(error.into()))?;
            writeln!(out).map_err(Failure::output)
        });
    }
    let column = |text: fn(&Report) -> &str| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(reports.iter().map(text)))
    };
    let columns = [("name", column(|report| &report.name)), ("title", column(|report| &report.title))];
    let batch = RecordBatch::try_from_iter(columns).expect("two columns of one length");
    let schema = batch.schema();
    let mut batches = Some(batch);
    output.encode(schema, || Ok(batches.take()))?;
    Ok(())
}

fn description(report: &Report) -> Value {
    let parameters: Vec<Value> = report.params.iter().map(parameter).collect();
    json!({
        "name": report.name,
        "title": report.title,
        "description": report.description,
        "parameters": parameters,
        "chart": report.chart,
        "origin": report.origin,
    })
}

fn parameter(param: &Param) -> Value {
    let allowed = match &param.allowed {
        Allowed::Any => Value::Null,
        Allowed::Words(words) => json!(words),
        range => json!(range.to_string()),
    };
    let (kind, list) = (param.kind.to_string(), param.many == Many::List);
    json!({
        "name": param.name, "type": kind, "list": list, "default": param.default, "allowed": allowed,
        "help": param.help,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(params: &[(&str, Kind, Option<&str>)]) -> Report {
        let param = |(name, kind, default): &(&str, Kind, Option<&str>)| Param {
            name: (*name).into(),
            kind: *kind,
            many: Many::One,
            allowed: Allowed::Any,
            default: default.map(Into::into),
            help: "what it means".into(),
        };
        Report {
            name: "under-replicated".into(),
            title: "Under-replicated contents".into(),
            description: "Contents with too few copies.".into(),
            params: params.iter().map(param).collect(),
            chart: None,
            sql: "SELECT 1".into(),
            origin: "built in".into(),
        }
    }

    fn given(report: &Report, line: &str) -> Result<Vec<(String, String)>, clap::Error> {
        let words = std::iter::once("under-replicated").chain(line.split_whitespace());
        Ok(values(report, &subcommand(report, &taken()).try_get_matches_from(words)?))
    }

    #[test]
    fn parameters_are_options_in_kebab_case_and_pairs() {
        let report = report(&[("min_copies", Kind::Integer, Some("2")), ("all", Kind::Boolean, None)]);
        for (line, wanted) in [
            ("", vec![]),
            ("--min-copies 3", vec![("min_copies", "3")]),
            ("--min-copies=-1 --all", vec![("min_copies", "-1"), ("all", "true")]),
            ("--min-copies -1 --all false", vec![("min_copies", "-1"), ("all", "false")]),
            ("--param min_copies=4", vec![("min_copies", "4")]),
        ] {
            let wanted: Vec<_> =
                wanted.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            assert_eq!(given(&report, line).expect(line), wanted, "{line}");
        }
        assert!(given(&report, "--min-copy 3").is_err());
    }

    #[test]
    fn a_parameter_named_like_a_common_option_is_given_as_a_pair() {
        let report = report(&[("format", Kind::Text, None)]);
        let values = given(&report, "--param format=car").expect("a pair");
        assert_eq!(values, [("format".to_owned(), "car".to_owned())]);
    }

    #[test]
    fn parameters_may_be_spelled_as_in_sql_and_as_options() {
        let report = report(&[("min_copies", Kind::Integer, Some("2"))]);
        for name in ["min_copies", "min-copies"] {
            let bindings = bind(&report, &[(name.into(), "3".into())]).expect(name);
            assert_eq!(bindings.0["min_copies"], pinql::report::Value::Integer(3));
        }
        assert!(bind(&report, &[("copies".into(), "3".into())]).is_err());
    }

    #[test]
    fn help_shows_title_description_and_defaults() {
        let report = report(&[("min_copies", Kind::Integer, Some("2")), ("cid", Kind::Text, None)]);
        let help = subcommand(&report, &taken()).render_long_help().to_string();
        for part in [
            "Under-replicated contents",
            "Contents with too few copies.",
            "--min-copies <INTEGER>",
            "[default: 2]",
            "[required]",
        ] {
            assert!(help.contains(part), "{part} in {help}");
        }
    }
}

//! The configuration file, `config.toml` in the XDG directory: defaults for what the command line does not say.
//!
//! What is wrong with a line is told with its number. The shell goes on without that line; scripts fail.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use pinql::export::Format;
use toml::de::{DeTable, DeValue};

use super::args::Options;
use super::failure::{Failure, Outcome};
use super::places;
use super::quantity;
use super::repl::check_setting;
use super::ui::{Ui, When, one_line};

/// The options that have a default in the file.
const OPTIONS: [&str; 10] = [
    "color",
    "format",
    "keep_going",
    "max_rows",
    "memory_limit",
    "queries",
    "root",
    "skip_unreadable",
    "threads",
    "timeout",
];
/// The table with the settings of the shell, and those that are not options.
const SHELL: &str = "shell";
const SETTINGS: [&str; 5] = ["expanded", "pager", "theme", "timing", "units"];

/// What the file says.
#[derive(Debug, Default)]
pub struct Config {
    /// The options, with their values as they would be written on the command line.
    options: Vec<(String, String)>,
    /// What is for the shell alone.
    pub shell: ShellConfig,
    problems: Vec<String>,
}

/// Settings of the shell.
#[derive(Debug, Default)]
pub struct ShellConfig {
    /// Names and values, as `\set` takes them.
    pub settings: Vec<(String, String)>,
}

impl Config {
    /// Reads the file, if there is one.
    pub fn load() -> Config {
        let Some(path) = places::config() else { return Config::default() };
        match fs::read_to_string(&path) {
            Ok(text) => Config::parse(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Config::default(),
            Err(error) => {
                Config { problems: vec![format!("{}: {error}", path.display())], ..Config::default() }
            }
        }
    }

    fn parse(path: &Path, text: &str) -> Config {
        let mut config = Config::default();
        let mut kept = text.to_owned();
        // Of a line that is no TOML, the place is told; the others still count.
        for _ in 0..text.lines().count() + 1 {
            match DeTable::parse(&kept) {
                Ok(table) => {
                    config.take(path, &kept, table.get_ref());
                    return config;
                }
                Err(error) => {
                    let at = error.span().map_or(0, |span| span.start).min(kept.len());
                    let problem = error.message().lines().next().unwrap_or_default().to_owned();
                    config.problems.push(format!("{}:{}: {problem}", path.display(), line_of(&kept, at)));
                    let start = kept[..at].rfind('\n').map_or(0, |end| end + 1);
                    let end = kept[start..].find('\n').map_or(kept.len(), |end| start + end);
                    if kept[start..end].trim_start().starts_with('#') || start == end {
                        return config;
                    }
                    kept.replace_range(
                        start..end,
                        &format!("#{}", " ".repeat((end - start).saturating_sub(1))),
                    );
                }
            }
        }
        config
    }

    fn take(&mut self, path: &Path, text: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let line = line_of(text, key.span().start);
            let at = || format!("{}:{line}", path.display());
            let name: &str = key.get_ref();
            match value.get_ref() {
                DeValue::Table(settings) if name == SHELL => self.take_settings(path, text, settings),
                value => match (OPTIONS.contains(&name), plain(value)) {
                    (false, _) => self.problems.push(format!("{}: there is no option `{name}`", at())),
                    (true, None) => self
                        .problems
                        .push(format!("{}: {name} takes a text, a number or a truth value", at())),
                    (true, Some(value)) => match set(&mut Options::default(), name, &value) {
                        Ok(()) => self.options.push((name.into(), value)),
                        Err(what) => self.problems.push(format!("{}: {name}: {what}", at())),
                    },
                },
            }
        }
    }

    fn take_settings(&mut self, path: &Path, text: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let at = || format!("{}:{}", path.display(), line_of(text, key.span().start));
            let Some(value) = plain(value.get_ref()).filter(|_| SETTINGS.contains(&name)) else {
                self.problems.push(format!("{}: there is no setting `{name}` of the shell", at()));
                continue;
            };
            let value = match value.as_str() {
                "true" => "on".into(),
                "false" => "off".into(),
                _ => value,
            };
            match check_setting(name, &value) {
                Ok(()) => self.shell.settings.push((name.into(), value)),
                Err(what) => self.problems.push(format!("{}: {name}: {what}", at())),
            }
        }
    }

    /// Says what is wrong; outside of the shell, that is a failure.
    pub fn tell(&self, in_shell: bool, ui: &Ui) -> Outcome<()> {
        match (&self.problems[..], in_shell) {
            ([], _) => Ok(()),
            (problems, true) => {
                problems.iter().for_each(|problem| ui.say(&one_line(&format!("warning: {problem}"))));
                Ok(())
            }
            ([first, ..], false) => Err(Failure::misuse(
                first.clone(),
                "mend the line or take it out; the shell goes on without it",
            )),
        }
    }

    /// Gives the options that the command line does not say their defaults.
    pub fn fill(&self, options: &mut Options) {
        for (name, value) in &self.options {
            // Checked when it was read.
            let _ = set(options, name, value);
        }
    }

    /// When to use colour, if the file says so.
    pub fn color(&self) -> Option<When> {
        let (_, value) = self.options.iter().find(|(name, _)| name == "color")?;
        When::from_str(value, true).ok()
    }

    /// The directory of reports, if the file names one.
    pub fn queries(&self) -> Option<PathBuf> {
        self.options
            .iter()
            .find(|(name, _)| name == "queries")
            .map(|(_, value)| places::at_home(Path::new(value)))
    }
}

/// Gives one option a value if it has none.
fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    let truth = || value.parse::<bool>().map_err(|_| "write true or false".to_owned());
    match name {
        "root" => drop(options.root_default.get_or_insert(value.into())),
        "queries" => drop(options.queries.get_or_insert_with(|| places::at_home(Path::new(value)))),
        "format" => {
            let format = value.parse::<Format>().map_err(|error| error.to_string())?;
            options.format_default.get_or_insert(format);
        }
        "max_rows" => {
            let rows = value.parse().map_err(|_| format!("`{value}` is no number of rows"))?;
            options.max_rows.get_or_insert(rows);
        }
        "memory_limit" => drop(options.memory_limit.get_or_insert(quantity::parse_memory_limit(value)?)),
        "timeout" => drop(options.timeout.get_or_insert(quantity::parse_duration(value)?)),
        "threads" => {
            let threads: NonZeroUsize =
                value.parse().map_err(|_| format!("`{value}` is no number of threads"))?;
            options.threads.get_or_insert(threads);
        }
        "skip_unreadable" => options.skip_unreadable |= truth()?,
        "keep_going" => options.keep_going |= truth()?,
        _ => drop(When::from_str(value, true).map_err(|_| "write auto, always or never".to_owned())?),
    }
    Ok(())
}

/// A value as it would be written on the command line.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        Config::parse(Path::new("config.toml"), text)
    }

    #[test]
    fn good_lines_count_and_bad_ones_are_told_with_their_numbers() {
        let config = read(
            "timeout = \"30s\"\nmax_rows = 50\nthis is no TOML\nthreads = 0\ncolour = \"never\"\n\
             [shell]\ntiming = false\nexpanded = \"auto\"\nfont = 1\n",
        );
        let mut options = Options::default();
        config.fill(&mut options);
        assert_eq!(options.max_rows, Some(50));
        assert_eq!(options.timeout, Some(std::time::Duration::from_secs(30)));
        let settings =
            [("timing", "off"), ("expanded", "auto")].map(|(name, value)| (name.into(), value.into()));
        let mut found = config.shell.settings.clone();
        found.sort_by(|one, other| other.cmp(one));
        assert_eq!(found, settings);
        let mut problems = config.problems.clone();
        problems.sort();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].starts_with("config.toml:3: "), "{problems:?}");
        assert_eq!(problems[1], "config.toml:4: threads: `0` is no number of threads");
        assert_eq!(problems[2], "config.toml:5: there is no option `colour`");
        assert_eq!(problems[3], "config.toml:9: there is no setting `font` of the shell");
    }

    #[test]
    fn values_of_the_shells_settings_are_checked() {
        let config = read(
            "[shell]\ntheme = \"pink\"\nexpanded = \"maybe\"\npager = \"most -s\"\nunits = false\ntiming = 1\n",
        );
        let settings =
            [("pager", "most -s"), ("units", "off")].map(|(name, value)| (name.into(), value.into()));
        let mut found = config.shell.settings.clone();
        found.sort();
        assert_eq!(found, settings);
        let mut problems = config.problems.clone();
        problems.sort();
        assert_eq!(
            problems,
            [
                "config.toml:2: theme: `pink` is none of dark, light, none",
                "config.toml:3: expanded: `maybe` is none of on, off, auto",
                "config.toml:6: timing: `1` is none of on, off",
            ]
        );
    }

    #[test]
    fn the_command_line_goes_first() {
        let mut options = Options { max_rows: Some(7), ..Options::default() };
        read("max_rows = 50\nskip_unreadable = true").fill(&mut options);
        assert_eq!(options.max_rows, Some(7));
        assert!(options.skip_unreadable);
        assert!(read("").problems.is_empty());
    }

    #[test]
    fn every_option_of_the_file_can_be_set() {
        for name in OPTIONS {
            assert!(
                set(&mut Options::default(), name, "no such value at all").is_err()
                    || ["root", "queries"].contains(&name),
                "{name}"
            );
        }
    }
}

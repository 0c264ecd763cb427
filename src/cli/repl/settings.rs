//! What `\set` shows and changes.

use std::time::Duration;

use pinql::export::Format;
use pinql::session::Options;

use super::Shell;
use super::edit::Theme;
use crate::cli::failure::{Failure, Outcome, did_you_mean};
use crate::cli::output::Rows;
use crate::cli::quantity;
use crate::cli::{pager, rows};

/// A setting of the shell.
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Words that it takes.
    pub values: &'static [&'static str],
}

/// All settings by name.
pub const ALL: &[Setting] = &[
    Setting {
        name: "expanded",
        help: "rows as lists of their columns: on, off, or auto for those that are too wide",
        values: &["on", "off", "auto"],
    },
    Setting {
        name: "format",
        help: "the format of answers",
        values: &["table", "csv", "tsv", "json", "ndjson", "markdown"],
    },
    Setting { name: "max_rows", help: "the most rows of a table to show, 0 for all", values: &["0", "1000"] },
    Setting {
        name: "memory_limit",
        help: "the memory of queries: 512MB, 50%, none",
        values: &["none", "50%", "60%"],
    },
    Setting {
        name: "pager",
        help: "what shows long tables: off, auto for $PAGER or less, or a command",
        values: &["auto", "off"],
    },
    Setting {
        name: "skip_unreadable",
        help: "go on without backends that cannot be read",
        values: &["on", "off"],
    },
    Setting { name: "theme", help: "the colours of what is typed", values: &["dark", "light", "none"] },
    Setting { name: "threads", help: "the threads of queries: a number, or auto", values: &["auto"] },
    Setting {
        name: "timeout",
        help: "the longest that a query may run: 30s, 5m, none",
        values: &["none", "30s", "5m"],
    },
    Setting { name: "timing", help: "time and bytes read below tables", values: &["on", "off"] },
    Setting {
        name: "units",
        help: "sizes and durations in tables in units that are easy to read",
        values: &["on", "off"],
    },
];

/// Checks a value that a setting is to have and that is one of few words; `pager` takes any command.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    match ALL.iter().find(|setting| setting.name == name && name != "pager") {
        Some(setting) if !setting.values.contains(&value) => {
            Err(format!("`{value}` is none of {}", setting.values.join(", ")))
        }
        _ => Ok(()),
    }
}

/// `on` or `off`.
pub fn switch(text: &str) -> Outcome<bool> {
    match text {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        other => Err(Failure::misuse(format!("`{other}` is neither on nor off"), "write on, off or nothing")),
    }
}

fn word(on: bool) -> String {
    if on { "on" } else { "off" }.into()
}

impl Shell<'_> {
    /// Lists the settings, shows one, or changes one.
    pub(super) fn set(&mut self, name: Option<&str>, value: Option<&str>) -> Outcome<()> {
        let Some(name) = name else { return self.list_settings() };
        if !ALL.iter().any(|setting| setting.name == name) {
            let known: Vec<&str> = ALL.iter().map(|setting| setting.name).collect();
            let near = did_you_mean(name, &known).map(|near| near + " ").unwrap_or_default();
            return Err(Failure::misuse(
                format!("there is no setting `{name}`"),
                format!("{near}\\set lists the settings"),
            ));
        }
        if let Some(value) = value {
            self.change(name, value)?;
        }
        self.ui.say(&format!("{name} is {}", self.value(name)));
        Ok(())
    }

    fn list_settings(&self) -> Outcome<()> {
        let columns = vec![
            rows::text("name", ALL.iter().map(|setting| Some(setting.name))),
            rows::text("value", ALL.iter().map(|setting| Some(self.value(setting.name)))),
            rows::text("meaning", ALL.iter().map(|setting| Some(setting.help))),
        ];
        rows::write(columns, &self.output)
    }

    /// What a setting is now.
    fn value(&self, name: &str) -> String {
        let limits = self.engine.limits();
        let none = || "none".to_owned();
        match name {
            "expanded" => match self.output.rows() {
                Rows::Lines => word(false),
                Rows::Lists => word(true),
                Rows::Auto => "auto".into(),
            },
            "format" => self.output.format().to_string(),
            "max_rows" => self.output.max_rows().unwrap_or_default().to_string(),
            "memory_limit" => {
                limits.memory_limit.map_or_else(none, |bytes| format!("{} MB", bytes / 1_000_000))
            }
            "pager" => self.output.pager().map_or("off".into(), str::to_owned),
            "skip_unreadable" => word(limits.skip_unreadable),
            "theme" => self.theme.name().into(),
            "threads" => limits.threads.map_or("auto".into(), |threads| threads.to_string()),
            "timeout" => limits.timeout.map_or_else(none, |limit| format!("{} s", limit.as_secs_f64())),
            "timing" => word(self.ui.timing()),
            "units" => word(self.output.units()),
            _ => String::new(),
        }
    }

    /// Changes a setting.
    pub(super) fn change(&mut self, name: &str, value: &str) -> Outcome<()> {
        let wrong =
            |what: String| Failure::misuse(format!("{name}: {what}"), format!("\\set {name} shows it"));
        match name {
            "expanded" if value == "auto" => self.output.set_rows(Rows::Auto),
            "expanded" => self.output.set_rows(if switch(value)? { Rows::Lists } else { Rows::Lines }),
            "format" => self.output = self.output.with_format(value.parse::<Format>()?)?,
            "max_rows" => {
                let rows: usize =
                    value.parse().map_err(|_| wrong(format!("`{value}` is no number of rows")))?;
                self.output.set_max_rows((rows > 0).then_some(rows));
            }
            "pager" => self.set_pager(match value {
                "off" => None,
                "auto" | "on" => pager::of_environment(),
                command => Some(command.into()),
            }),
            "theme" => {
                self.theme = Theme::named(value)
                    .ok_or_else(|| wrong(format!("`{value}` is none of dark, light, none")))?;
            }
            "timing" => drop(self.ui.set_timing(Some(switch(value)?))),
            "units" => self.output.set_units(switch(value)?),
            _ => {
                let limits = changed(self.engine.limits().clone(), name, value)
                    .map_err(|what| what.map_or_else(|failure| failure, wrong))?;
                self.engine.set_limits(limits)?;
                // The new session is to know the last result, too.
                self.engine.session().remember(self.kept.answer.clone())?;
            }
        }
        Ok(())
    }
}

/// The limits with one of them changed; an error is a failure already, or words for one.
fn changed(limits: Options, name: &str, value: &str) -> Result<Options, Result<String, Failure>> {
    Ok(match name {
        "memory_limit" => {
            let limit = quantity::parse_memory_limit(value).map_err(Ok)?;
            Options { memory_limit: limit.bytes(), ..limits }
        }
        "timeout" if value == "none" => Options { timeout: None, ..limits },
        "timeout" => Options { timeout: Some(quantity::parse_duration(value).map_err(Ok)?), ..limits },
        "threads" if value == "auto" => Options { threads: None, ..limits },
        "threads" => match value.parse() {
            Ok(threads) if threads > 0 => Options { threads: Some(threads), ..limits },
            _ => return Err(Ok(format!("`{value}` is no number of threads"))),
        },
        _ => Options { skip_unreadable: switch(value).map_err(Err)?, ..limits },
    })
}

/// The time between two runs of `\watch`.
pub fn seconds(text: &str) -> Outcome<Duration> {
    let plain = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.1 && *seconds < 1e6);
    match plain {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => quantity::parse_duration(text)
            .map_err(|_| Failure::misuse(format!("`{text}` is no time to wait"), "write \\watch 5, or 1m")),
    }
}

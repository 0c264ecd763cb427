//! Completion of `\commands` and of what they take.

use std::path::Path;
use std::time::Instant;

use rustyline::completion::{FilenameCompleter, Pair};

use super::super::meta;
use super::super::settings;
use super::{Assistance, Candidate, filtered};
use crate::cli::places;

/// What can stand at the end of a line that is a command. `None`: SQL, which begins there.
pub fn complete(line: &str, known: &Assistance, until: Instant) -> Result<(usize, Vec<Candidate>), usize> {
    let begin = line.len() - line.trim_start().len();
    let start = line.rfind(char::is_whitespace).map_or(begin, |at| at + 1).max(begin);
    let word = &line[start..];
    let words: Vec<&str> = line[begin..start].split_whitespace().collect();
    let names = |names: Vec<(String, String)>| Ok((start, filtered(word, names)));
    let Some(command) = words.first() else {
        let commands = match word.starts_with('.') {
            true => meta::DOTTED.iter().map(|(dot, name)| ((*dot).into(), (*name).into())).collect(),
            false => meta::COMMANDS.iter().map(|(name, _, what)| ((*name).into(), (*what).into())).collect(),
        };
        return names(commands);
    };
    match (meta::spelled(command), words.len()) {
        ("\\d" | "\\summarize", 1) => Ok((start, known.tables(word, until))),
        ("\\df", 1) => names(known.functions().iter().map(|f| (f.name.clone(), f.usage.clone())).collect()),
        ("\\report", 1) => {
            names(known.reports.iter().map(|report| (report.name.clone(), report.title.clone())).collect())
        }
        ("\\report", _) => {
            let report = known.reports.iter().find(|report| report.name == words[1]);
            let params = report.into_iter().flat_map(|report| &report.params);
            let described = params.map(|param| (format!("{}=", param.name), described(param)));
            names(described.collect())
        }
        ("\\format", 1) => {
            let formats = pinql::export::Format::ALL.into_iter().filter(|format| !format.is_binary());
            names(formats.map(|format| (format.to_string(), String::new())).collect())
        }
        ("\\x", 1) => names(["on", "off", "auto"].map(|word| (word.into(), String::new())).into()),
        ("\\timing", 1) => names(["on", "off"].map(|word| (word.into(), String::new())).into()),
        ("\\set", 1) => names(settings::ALL.iter().map(|s| (s.name.into(), s.help.into())).collect()),
        ("\\set", 2) => {
            let values =
                settings::ALL.iter().find(|setting| setting.name == words[1]).map_or(&[][..], |s| s.values);
            names(values.iter().map(|value| ((*value).into(), String::new())).collect())
        }
        ("\\i" | "\\o" | "\\e", _) => Ok(files(line)),
        ("\\explain", _) => Err(line.find(char::is_whitespace).map_or(line.len(), |at| at + 1)),
        _ => Ok((start, vec![])),
    }
}

/// The files whose paths begin as a line ends.
fn files(line: &str) -> (usize, Vec<Candidate>) {
    let complete =
        |line: &str| FilenameCompleter::new().complete_path(line, line.len()).unwrap_or((line.len(), vec![]));
    let (at, mut found) = complete(line);
    // The home directory is asked for, and `~` stays.
    if line[at..].starts_with("~/") {
        let home = places::at_home(Path::new("~")).display().to_string();
        (_, found) = complete(&format!("{}{home}{}", &line[..at], &line[at + 1..]));
        for file in &mut found {
            if let Some(rest) = file.replacement.strip_prefix(&home) {
                file.replacement = format!("~{rest}");
            }
        }
    }
    let candidate = |Pair { display, replacement }| Candidate { display, replacement };
    (at, found.into_iter().map(candidate).collect())
}

fn described(param: &pinql::report::Param) -> String {
    let default = match &param.default {
        Some(default) => format!(", {default} if not given"),
        None => ", must be given".into(),
    };
    format!("{}{default}: {}", param.kind, param.help)
}

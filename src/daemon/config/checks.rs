//! What a configuration must be beyond its types.

use std::collections::HashSet;
use std::ops::Range;

use chrono::DateTime;

use super::{Channel, Config, Rule};
use crate::daemon::alerts::Question;
use crate::report::Reports;

/// Where it is, if that is known, and what is wrong.
type Wrong = (Option<Range<usize>>, String);

pub(super) fn check(config: &Config, reports: &Reports) -> Result<(), Wrong> {
    if config.listens_beyond() && config.http.token_file.is_none() {
        let problem = "http: who listens beyond this machine needs `token_file`, a file with a word that others must know";
        return Err((None, problem.into()));
    }
    if !(1..=100).contains(&config.observe.most_percent) {
        return Err((None, "observe: most_percent is from 1 to 100".into()));
    }
    if config.limits.threads == 0 {
        return Err((None, "limits: threads is at least 1".into()));
    }
    for (name, channel) in &config.channels {
        check_channel(channel).map_err(|problem| (None, format!("notify.{name}: {problem}")))?;
    }
    for probe in &config.probes {
        let span = probe.backend.span();
        probe
            .target()
            .map_err(|problem| (Some(span), format!("probe of {}: {problem}", probe.backend.get_ref())))?;
    }
    let mut names = HashSet::new();
    for rule in &config.alerts {
        if !names.insert(rule.name.get_ref()) {
            return Err((Some(rule.name.span()), format!("there are two alerts `{}`", rule.name.get_ref())));
        }
        check_rule(rule, config, reports)?;
    }
    for silence in &config.silences {
        if silence.from.is_none() && silence.until.is_none() && silence.daily.is_none() {
            return Err((None, "silence: say when, with `from`, `until` or `daily`".into()));
        }
    }
    Ok(())
}

fn check_channel(channel: &Channel) -> Result<(), String> {
    let Channel { command, shell, webhook, token_file, .. } = channel;
    let ways = [command.is_some(), shell.is_some(), webhook.is_some()];
    if ways.into_iter().filter(|given| *given).count() != 1 {
        return Err("give one of `command`, `shell` and `webhook`".into());
    }
    if command.as_ref().is_some_and(Vec::is_empty) {
        return Err(
            "`command` is a program and its arguments: [\"/usr/bin/logger\", \"-t\", \"pinql\"]".into()
        );
    }
    if let Some(address) = webhook {
        let parsed = url::Url::parse(address);
        if !parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()) {
            return Err("`webhook` is no address such as https://example.org/hook".into());
        }
    }
    if token_file.is_some() && webhook.is_none() {
        return Err("`token_file` is for a webhook".into());
    }
    Ok(())
}

fn check_rule(rule: &Rule, config: &Config, reports: &Reports) -> Result<(), Wrong> {
    let name = rule.name.get_ref();
    let sound = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(sound) {
        let problem = format!("`{name}` is no name of an alert: it takes letters, digits, -, _ and .");
        return Err((Some(rule.name.span()), problem));
    }
    for channel in &rule.notify {
        if !config.channels.contains_key(channel.get_ref()) {
            let known: Vec<_> = config.channels.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "there is none".into()
            } else {
                format!("known: {}", known.join(", "))
            };
            return Err((
                Some(channel.span()),
                format!("no [notify.{}] is there to be told; {known}", channel.get_ref()),
            ));
        }
    }
    if let Question::Report(report, values) = &rule.when.get_ref().question {
        // Any moment will do to check the values.
        let bound = reports.get(report).and_then(|report| report.bind(values, DateTime::UNIX_EPOCH));
        if let Err(error) = bound {
            let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err((Some(rule.when.span()), format!("{error}{hint}")));
        }
    }
    Ok(())
}

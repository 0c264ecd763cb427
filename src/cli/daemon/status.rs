//! `pinql daemon status`: what a daemon that runs knows.

use chrono::{DateTime, TimeDelta, Utc};
use pinql::daemon;
use pinql::pin::counted;
use pinql::store::DataDir;
use serde_json::{Value, json};

use crate::cli::args::Options;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::ui::{Ui, one_line};
use crate::cli::{Exit, output};

/// Tells it.
pub fn tell(data: &DataDir, as_json: bool, options: &Options, ui: &mut Ui) -> Outcome<Exit> {
    let pid = daemon::running(data);
    let status = daemon::status(data);
    let stopped = json!({ "version": 1, "state": "stopped", "root": data.root().display().to_string() });
    let starting =
        json!({ "version": 1, "state": "starting", "pid": pid, "root": data.root().display().to_string() });
    let shown = status.clone().unwrap_or(if pid.is_some() { starting } else { stopped });
    let late = status.as_ref().and_then(|status| late(status, Utc::now()));
    let text = match as_json {
        true => format!("{shown:#}\n"),
        false => page(&shown, late),
    };
    output(options)?.write(|out| out.write_all(text.as_bytes()).map_err(Failure::output))?;
    let well = status.is_some_and(|status| {
        let none = |key: &str| status[key].as_object().is_none_or(serde_json::Map::is_empty);
        let observed = !status["observation"].is_null();
        observed && none("problems") && status["config"]["problem"].is_null() && late.is_none()
    });
    if !well {
        ui.has_found();
    }
    Ok(if well { Exit::Done } else { Exit::Found })
}

/// How long nothing has been told, if that is longer than it should be: the daemon hangs.
fn late(status: &Value, now: DateTime<Utc>) -> Option<TimeDelta> {
    // When it looked last: it may tell of other things since.
    let looked_at: DateTime<Utc> = status["looked_at"].as_str()?.parse().ok()?;
    let interval = status["intervals"]["observe_seconds"].as_f64()?;
    let passed = now - looked_at;
    (passed.as_seconds_f64() > 2.0 * interval + 60.0).then_some(passed)
}

/// A page for people.
fn page(status: &Value, late: Option<TimeDelta>) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => one_line(text),
        Value::Null => "not known".into(),
        value => value.to_string(),
    };
    let mut lines = Vec::new();
    let mut line = |name: &str, value: String| lines.push(format!("{name:<13}{value}"));
    line("state", text(&status["state"]));
    line("root", text(&status["root"]));
    if status["state"] == "stopped" {
        return lines.join("\n") + "\n";
    }
    line("process", text(&status["pid"]));
    if status["state"] != "running" {
        line("problem", "nothing is known of it: it has just begun, or cannot write status.json".into());
        return lines.join("\n") + "\n";
    }
    line("since", text(&status["started_at"]));
    line(
        "config",
        match &status["config"]["path"] {
            Value::Null => "the defaults".into(),
            path => text(path),
        },
    );
    line("changes", text(&status["watching"]));
    let observation = &status["observation"];
    if !observation.is_null() {
        let cause = match observation["cause"].as_str() {
            Some("start") => "at the start",
            Some("change") => "after a change",
            _ => "as it was time",
        };
        line(
            "observed",
            format!("{}, {cause}, in {} ms", text(&observation["observed_at"]), observation["took_ms"]),
        );
        let backends = status["backends"].as_array().map_or(0, Vec::len) as u64;
        let pins = observation["pins"].as_u64().unwrap_or_default();
        line("backends", format!("{backends} with {}", counted(pins, "mapping", "mappings")));
    }
    for backend in status["backends"].as_array().into_iter().flatten() {
        if backend["probe"]["reachable"] == false {
            let detail = text(&backend["probe"]["detail"]);
            line("probe", format!("{} is not reachable: {detail}", text(&backend["name"])));
        }
    }
    line(
        "history",
        counted(
            status["history"]["observations"].as_u64().unwrap_or_default(),
            "observation",
            "observations",
        ),
    );
    for backend in status["backends"].as_array().into_iter().flatten() {
        let ill = !matches!(backend["health"].as_str(), None | Some("healthy"));
        if ill || backend["state"] == "unreadable" {
            let reasons = backend["health_reasons"].as_array().into_iter().flatten().map(text);
            let reasons: Vec<_> = reasons.collect();
            let why = if reasons.is_empty() { text(&backend["reason"]) } else { reasons.join("; ") };
            let word = backend["health"].as_str().unwrap_or("unreadable");
            line("backend", format!("{} is {word}: {why}", text(&backend["name"])));
        }
    }
    for (name, alert) in status["alerts"].as_object().into_iter().flatten() {
        if alert["state"] != "ok" {
            let why = match &alert["problem"] {
                Value::Null => format!("since {}", text(&alert["since"])),
                problem => text(problem),
            };
            line(
                "alert",
                format!("{name} is {}, {}: {why}", text(&alert["state"]), text(&alert["severity"])),
            );
        }
    }
    if let Some(waiting @ 1..) = status["notices"]["waiting"].as_u64() {
        line("notices", format!("{waiting} wait to be delivered"));
    }
    if let Value::String(problem) = &status["config"]["problem"] {
        line("problem", format!("the configuration stays what it was: {}", one_line(problem)));
    }
    if let Some(late) = late {
        line("problem", format!("nothing has been observed for {} s", late.num_seconds()));
    }
    for (about, problem) in status["problems"].as_object().into_iter().flatten() {
        line("problem", format!("{about}: {}", text(problem)));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_tells_nothing_for_long_is_not_well() {
        let status =
            json!({ "looked_at": "2026-11-28T18:00:00.000000Z", "intervals": { "observe_seconds": 300.0 } });
        let late = |at: &str| late(&status, at.parse().unwrap()).map(|late| late.num_seconds());
        for (at, wanted) in [
            ("2026-11-28T17:00:00Z", None),
            ("2026-11-28T18:11:00Z", None),
            ("2026-11-28T18:11:01Z", Some(661)),
        ] {
            assert_eq!(late(at), wanted, "{at}");
        }
    }
}

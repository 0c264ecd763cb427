//! `pinql daemon status`: what a daemon that runs knows.

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
    let text = match as_json {
        true => format!("{shown:#}\n"),
        false => page(&shown),
    };
    output(options)?.write(|out| out.write_all(text.as_bytes()).map_err(Failure::output))?;
    let well = status.is_some_and(|status| {
        let none = |key: &str| status[key].as_object().is_none_or(serde_json::Map::is_empty);
        none("problems") && status["config"]["problem"].is_null()
    });
    if !well {
        ui.has_found();
    }
    Ok(if well { Exit::Done } else { Exit::Found })
}

/// A page for people.
fn page(status: &Value) -> String {
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
    for (about, problem) in status["problems"].as_object().into_iter().flatten() {
        line("problem", format!("{about}: {}", text(problem)));
    }
    lines.join("\n") + "\n"
}

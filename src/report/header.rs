//! The header of a report: the comment lines at its top.
//!
//! ```sql
//! -- title: Under-replicated contents
//! -- description: Contents with fewer copies than they should have.
//! --   A second line of it is indented.
//! -- chart: bar copies contents
//! -- param: min_copies integer 2  copies every content should have
//! -- param: cid text  the CID to look for; without a default it must be given
//! -- param: by text month {day, month, year}  the length of a period
//! -- param: backends text[] ''  only these backends; all if there is none
//! ```
//!
//! A parameter is its name, its kind (with `[]` if it takes a list), its default (in single quotes if it has blanks; none if
//! it must be given), the values that are allowed, if not all of its kind are, and after two blanks what it means.

use super::Report;
use super::params::{Allowed, Kind, Many, Param};
use crate::error::{Error, Result};

pub(super) fn parse(name: &str, sql: &str, origin: &str) -> Result<Report> {
    let mut report = Report {
        name: name.to_owned(),
        title: String::new(),
        description: String::new(),
        params: Vec::new(),
        chart: None,
        sql: sql.to_owned(),
        origin: origin.to_owned(),
    };
    let mut in_description = false;
    let wrong = |line: usize, problem: String| {
        let origin = if origin == super::OURS { format!("{name}.sql") } else { origin.to_owned() };
        Error::ReportHeader { origin, line, problem }
    };
    for (index, line) in sql.lines().enumerate() {
        let Some(comment) = line.trim_start().strip_prefix("--") else { break };
        let said = comment.trim();
        match said.split_once(':').map(|(key, rest)| (key.trim(), rest.trim())) {
            Some(("title", title)) => report.title = title.to_owned(),
            Some(("description", text)) => report.description = text.to_owned(),
            Some(("chart", text)) => {
                report.chart = Some(parse_chart(text).map_err(|problem| wrong(index + 1, problem))?);
            }
            Some(("param", text)) => {
                let param = parse_param(text).map_err(|problem| wrong(index + 1, problem))?;
                if report.params.iter().any(|known| known.name == param.name) {
                    return Err(wrong(index + 1, format!("parameter `{}` stands there twice", param.name)));
                }
                report.params.push(param);
            }
            _ if in_description && comment.starts_with("   ") => {
                report.description = format!("{} {said}", report.description);
                continue;
            }
            // Any other comment.
            _ => {}
        }
        in_description = said.starts_with("description:");
    }
    let titled = !report.title.is_empty();
    if titled { Ok(report) } else { Err(wrong(1, "a report begins with `-- title: …`".into())) }
}

/// A kind of chart and its columns: `bar X Y…`, `line X Y…`, `stack X PARTS Y`, `matrix X Y VALUE`.
fn parse_chart(text: &str) -> Result<String, String> {
    let words: Vec<_> = text.split_whitespace().collect();
    match (words.first().copied(), words.len()) {
        (Some("bar" | "line"), 3..) | (Some("stack" | "matrix"), 4) => Ok(words.join(" ")),
        _ => {
            Err("a chart is `bar X Y…`, `line X Y…`, `stack X PARTS Y` or `matrix X Y VALUE`, of columns"
                .into())
        }
    }
}

fn parse_param(text: &str) -> Result<Param, String> {
    let usage = "a parameter is `-- param: NAME KIND [DEFAULT] [{ALLOWED}]  MEANING`, with two blanks before the meaning";
    let (definition, help) = split_meaning(text);
    let (definition, allowed) = match definition.strip_suffix('}').and_then(|text| text.rsplit_once('{')) {
        Some((definition, allowed)) => (definition.trim_end(), allowed.parse()?),
        None => (definition, Allowed::Any),
    };
    let (name, rest) = definition.split_once(char::is_whitespace).ok_or(usage)?;
    let sound = |letter: char| letter == '_' || letter.is_ascii_digit() || letter.is_ascii_lowercase();
    if name.is_empty() || !name.chars().all(sound) {
        return Err(format!("`{name}` is no name of a parameter: it takes a-z, 0-9 and _"));
    }
    let rest = rest.trim_start();
    let (kind, default) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let (kind, many) = match kind.strip_suffix("[]") {
        Some(kind) => (kind, Many::List),
        None => (kind, Many::One),
    };
    let kind: Kind = kind.parse()?;
    if matches!(allowed, Allowed::Range(_)) && kind != Kind::Integer {
        return Err(format!("a range is for whole numbers, and `{name}` takes {kind}"));
    }
    let default = default.trim();
    let default = default.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).or(match default {
        "" => None,
        text => Some(text),
    });
    let default = default.map(str::to_owned);
    let param = Param { name: name.to_owned(), kind, many, allowed, default, help: help.to_owned() };
    if let Some(default) = &param.default {
        param
            .read(&[default], chrono::DateTime::UNIX_EPOCH)
            .map_err(|problem| format!("the default: {problem}"))?;
    }
    Ok(param)
}

/// What stands before and after the first two blanks that are not in quotes.
fn split_meaning(text: &str) -> (&str, &str) {
    let (mut quoted, mut blank) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' | '{' | '}' => quoted = !quoted,
            ' ' if blank && !quoted => return (text[..at].trim(), text[at..].trim()),
            _ => {}
        }
        blank = letter == ' ';
    }
    (text.trim(), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_gives_title_description_and_parameters() {
        let sql = "-- title: Old pins\n-- description: One line\n--   and another.\n-- param: status text 'in  work'  the state\n\
                   -- param: cid text  which\n-- just a comment: with a colon\nSELECT 1 -- title: not this\n";
        let report = parse("old", sql, "old.sql").unwrap();
        assert_eq!(
            (report.title.as_str(), report.description.as_str()),
            ("Old pins", "One line and another.")
        );
        let params: Vec<_> = report
            .params
            .iter()
            .map(|param| (param.name.as_str(), param.default.as_deref(), param.help.as_str()))
            .collect();
        assert_eq!(params, [("status", Some("in  work"), "the state"), ("cid", None, "which")]);
    }

    #[test]
    fn lists_and_allowed_values_stand_in_the_header() {
        let sql = "-- title: T\n-- param: backends text[] ''  only these\n-- param: by text month {day,  month}  a\n\
                   -- param: n integer 20 {1..}  b\n-- param: age interval 30d  c";
        let params = parse("r", sql, "r.sql").unwrap().params;
        let shown: Vec<_> = params
            .iter()
            .map(|param| (param.type_name(), param.allowed.to_string(), param.help.as_str()))
            .collect();
        let wanted = [
            ("text[]", "", "only these"),
            ("text", "day, month", "a"),
            ("integer", "1..", "b"),
            ("interval", "", "c"),
        ];
        assert_eq!(shown, wanted.map(|(kind, allowed, help)| (kind.to_owned(), allowed.to_owned(), help)));
    }

    #[test]
    fn a_line_that_says_nothing_sound_is_named() {
        for (sql, line, problem) in [
            ("SELECT 1", 1, "begins with"),
            ("-- title: T\n-- chart: pie x y", 2, "a chart is"),
            ("-- title: T\n-- param: x", 2, "NAME KIND"),
            ("-- title: T\n-- param: X integer  a", 2, "is no name"),
            ("-- title: T\n-- param: x float  a", 2, "is no kind"),
            ("-- title: T\n-- param: x integer two  a", 2, "the default: `two`"),
            ("-- title: T\n-- param: x text c {a, b}  a", 2, "is not one of a, b"),
            ("-- title: T\n-- param: x text {1..2}  a", 2, "a range is for"),
            ("-- title: T\n-- param: x text  a\n-- param: x text  b", 3, "twice"),
        ] {
            let Err(Error::ReportHeader { line: at, problem: said, .. }) = parse("r", sql, "r.sql") else {
                panic!("accepted {sql:?}")
            };
            assert!(at == line && said.contains(problem), "{sql:?}: line {at}: {said}");
        }
    }
}

//! The shell's `\commands`: what they are called and what they take. [`super::commands`] carries them out.

use super::settings::switch;
use crate::cli::failure::{Failure, Outcome, did_you_mean};

/// A command of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meta {
    /// `\q`
    Quit,
    /// `\?`
    Help,
    /// `\d`
    Tables,
    /// `\d TABLE`
    Columns {
        /// The schema, if one is named.
        schema: Option<String>,
        /// The table.
        table: String,
    },
    /// `\df [NAME]`
    Functions(Option<String>),
    /// `\reports`
    Reports,
    /// `\report NAME k=v…`
    Report {
        /// Which one.
        name: String,
        /// The parameters that are given.
        values: Vec<(String, String)>,
    },
    /// `\x`
    Expanded(Option<String>),
    /// `\format [F]`
    Format(Option<String>),
    /// `\timing`
    Timing(Option<bool>),
    /// `\set [NAME [VALUE]]`
    Set(Option<String>, Option<String>),
    /// `\o FILE`, or `\o` to take it back.
    Output(Option<String>),
    /// `\i FILE`
    Input(String),
    /// `\e [FILE]`
    Edit(Option<String>),
    /// `\watch [SECONDS]`
    Watch(Option<String>),
    /// `\explain [SQL]`
    Explain(Option<String>),
    /// `\summarize TABLE`
    Summarize(String),
    /// `\full`
    Full,
    /// `\refresh`
    Refresh,
}

/// The commands as `\?` shows them.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("\\d", "[TABLE]", "list the tables, or the columns of one"),
    ("\\df", "[NAME]", "list the functions, or show one; * stands for any letters"),
    ("\\summarize", "TABLE", "what the columns of a table hold: types, NULLs, least, greatest, how many"),
    ("\\reports", "", "list the reports"),
    ("\\report", "NAME [PARAMETER=VALUE]…", "run a report"),
    ("\\explain", "[SQL]", "run a statement, or the last one, and show how its time went"),
    ("\\watch", "[SECONDS]", "run the last statement again and again and show what changes"),
    ("\\full", "", "show the last result, table `_`, with nothing shortened"),
    ("\\format", "[FORMAT]", "show or choose the format of answers"),
    ("\\x", "[on|off|auto]", "show each row as a list of its columns"),
    ("\\timing", "[on|off]", "show how long queries take and what they read"),
    ("\\set", "[NAME [VALUE]]", "list, show or change settings"),
    ("\\o", "[FILE]", "write the next answer to a file"),
    ("\\i", "FILE", "run the statements and commands of a file"),
    ("\\e", "[FILE]", "edit the last statement, or a file, in $EDITOR"),
    ("\\refresh", "", "look at the data directory anew"),
    ("\\?", "", "show this list"),
    ("\\q", "", "quit; so does Ctrl-D"),
];

/// The spellings of DuckDB and SQLite, and the command that each stands for.
pub const DOTTED: &[(&str, &str)] = &[
    (".columns", "\\d"),
    (".describe", "\\d"),
    (".edit", "\\e"),
    (".exit", "\\q"),
    (".functions", "\\df"),
    (".help", "\\?"),
    (".maxrows", "\\set max_rows"),
    (".mode", "\\format"),
    (".once", "\\o"),
    (".output", "\\o"),
    (".pager", "\\set pager"),
    (".quit", "\\q"),
    (".read", "\\i"),
    (".schema", "\\d"),
    (".settings", "\\set"),
    (".show", "\\set"),
    (".summarize", "\\summarize"),
    (".tables", "\\d"),
    (".timer", "\\timing"),
];

/// The command that a spelling stands for; what is no spelling is itself.
pub fn spelled(name: &str) -> &str {
    let others = [
        ("\\quit", "\\q"),
        ("\\h", "\\?"),
        ("\\help", "\\?"),
        ("\\dt", "\\d"),
        ("\\edit", "\\e"),
        ("\\include", "\\i"),
        ("\\out", "\\o"),
    ];
    let known = DOTTED.iter().chain(&others).find(|(known, _)| *known == name);
    known.map_or(name, |(_, command)| *command)
}

/// Whether a first line is a command and not SQL.
pub fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    let dotted =
        line.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    line.starts_with('\\') || dotted || bare_word(line).is_some()
}

/// Words that people type without a backslash, and that SQL never begins with.
fn bare_word(line: &str) -> Option<Meta> {
    match line.trim().trim_end_matches(';').trim_end().to_ascii_lowercase().as_str() {
        "quit" | "exit" => Some(Meta::Quit),
        "help" => Some(Meta::Help),
        _ => None,
    }
}

/// Reads a command.
pub fn parse(line: &str) -> Outcome<Meta> {
    if let Some(meta) = bare_word(line) {
        return Ok(meta);
    }
    let line = line.trim().trim_end_matches(';').trim_end();
    let (typed, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let (name, first) =
        spelled(typed).split_once(' ').map_or((spelled(typed), None), |(name, first)| (name, Some(first)));
    let optional = || (!rest.is_empty()).then(|| rest.to_owned());
    // SQL has quotes of its own.
    if name == "\\explain" {
        return Ok(Meta::Explain(optional()));
    }
    let mut words = words(rest)?;
    words.splice(0..0, first.map(str::to_owned));
    let meta = match (name, &words[..]) {
        ("\\q", []) => Meta::Quit,
        ("\\?", _) => Meta::Help,
        ("\\d", []) => Meta::Tables,
        ("\\d", [_]) => table(rest),
        ("\\df", []) => Meta::Functions(None),
        ("\\df", [name]) => Meta::Functions(Some(name.clone())),
        ("\\reports", []) => Meta::Reports,
        ("\\report", [name, values @ ..]) => Meta::Report {
            name: name.clone(),
            values: values.iter().map(|word| pair(word)).collect::<Outcome<_>>()?,
        },
        ("\\x", []) => Meta::Expanded(None),
        ("\\x", [how]) => Meta::Expanded(Some(how.clone())),
        ("\\timing", []) => Meta::Timing(None),
        ("\\timing", [word]) => Meta::Timing(Some(switch(word)?)),
        ("\\format", []) => Meta::Format(None),
        ("\\format", [format]) => match format.as_str() {
            "line" => Meta::Expanded(Some("on".into())),
            "jsonlines" => Meta::Format(Some("ndjson".into())),
            "tabs" => Meta::Format(Some("tsv".into())),
            "box" | "duckbox" | "column" => Meta::Format(Some("table".into())),
            format => Meta::Format(Some(format.into())),
        },
        ("\\set", []) => Meta::Set(None, None),
        ("\\set", [name]) => Meta::Set(Some(name.clone()), None),
        ("\\set", [name, value @ ..]) => Meta::Set(Some(name.clone()), Some(value.join(" "))),
        ("\\o", words) if words.len() <= 1 => Meta::Output(words.first().cloned()),
        ("\\i", [file]) => Meta::Input(file.clone()),
        ("\\e", words) if words.len() <= 1 => Meta::Edit(words.first().cloned()),
        ("\\watch", words) if words.len() <= 1 => Meta::Watch(words.first().cloned()),
        ("\\summarize", [_, ..]) => Meta::Summarize(rest.to_owned()),
        ("\\full", []) => Meta::Full,
        ("\\refresh", []) => Meta::Refresh,
        _ => return Err(misused(typed)),
    };
    Ok(meta)
}

/// Why a command cannot be read: it does not exist, or it takes something else.
fn misused(typed: &str) -> Failure {
    let name = spelled(typed);
    let name = name.split(' ').next().unwrap_or(name);
    if let Some((name, takes, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) {
        return Failure::misuse(
            format!("`{typed}` takes something else"),
            format!("write {name} {takes}").trim_end(),
        );
    }
    let names = COMMANDS.iter().map(|(name, ..)| *name);
    let known: Vec<&str> = names.chain(DOTTED.iter().map(|(name, _)| *name)).collect();
    let near = did_you_mean(typed, &known).map(|near| near + " ").unwrap_or_default();
    Failure::misuse(format!("there is no command `{typed}`"), format!("{near}\\? lists the commands"))
}

fn pair(word: &str) -> Outcome<(String, String)> {
    let (name, value) = word.split_once('=').ok_or_else(|| {
        Failure::misuse(format!("`{word}` gives no parameter a value"), "write PARAMETER=VALUE")
    })?;
    Ok((name.trim_start_matches('-').into(), value.into()))
}

/// `schema.table`, where names without quotes are lower case, as in SQL.
fn table(text: &str) -> Meta {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.last_mut().expect("there is always a last part");
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => last.push('"'),
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            c if quoted => last.push(c),
            c => last.extend(c.to_lowercase()),
        }
    }
    let table = parts.pop().expect("there is always a last part");
    Meta::Columns { schema: parts.pop(), table }
}

/// Splits at blanks outside of quotes and drops the quotes. A backslash outside of quotes takes from a sign its meaning, as names of
/// files are completed; where it is part of a path, and before letters and digits, it stands for itself.
fn words(text: &str) -> Outcome<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut escaped = || chars.next_if(|next| !next.is_alphanumeric());
        match (c, quote) {
            ('\\', None) if !cfg!(windows) => {
                word.get_or_insert_default().push(escaped().unwrap_or(c));
            }
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(Failure::misuse(
            format!("a quote is not closed: {text}"),
            format!("close it with {open}"),
        ));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, values: &[(&str, &str)]) -> Meta {
        let values = values.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        Meta::Report { name: name.into(), values }
    }

    fn columns(schema: Option<&str>, table: &str) -> Meta {
        Meta::Columns { schema: schema.map(Into::into), table: table.into() }
    }

    #[test]
    fn commands_are_read_with_what_they_take() {
        for (line, meta) in [
            ("\\q", Meta::Quit),
            (" exit; ", Meta::Quit),
            ("\\?", Meta::Help),
            ("\\d", Meta::Tables),
            ("\\d Pins;", columns(None, "pins")),
            ("\\d ipfs.\"My \"\"Backend.1\"", columns(Some("ipfs"), "My \"Backend.1")),
            ("\\df", Meta::Functions(None)),
            ("\\df cid_*", Meta::Functions(Some("cid_*".into()))),
            ("\\reports", Meta::Reports),
            ("\\report at-risk", report("at-risk", &[])),
            (
                "\\report at-risk min_copies=3 since='2026-01-01 00:00'",
                report("at-risk", &[("min_copies", "3"), ("since", "2026-01-01 00:00")]),
            ),
            ("\\report at-risk --min-copies=3", report("at-risk", &[("min-copies", "3")])),
            ("\\x", Meta::Expanded(None)),
            ("\\x auto", Meta::Expanded(Some("auto".into()))),
            (".mode line", Meta::Expanded(Some("on".into()))),
            (".tables", Meta::Tables),
            (".maxrows 5", Meta::Set(Some("max_rows".into()), Some("5".into()))),
            ("\\explain SELECT 'a b';", Meta::Explain(Some("SELECT 'a b'".into()))),
            ("\\watch 5", Meta::Watch(Some("5".into()))),
            ("\\x on", Meta::Expanded(Some("on".into()))),
            ("\\i 'my file.sql'", Meta::Input("my file.sql".into())),
            ("\\report x a=b\\c", report("x", &[("a", "b\\c")])),
            ("\\format", Meta::Format(None)),
            ("\\format json", Meta::Format(Some("json".into()))),
            ("\\timing off", Meta::Timing(Some(false))),
        ] {
            assert_eq!(parse(line).expect(line), meta, "{line}");
            assert!(is_command(line), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_of_files_are_read_as_they_are_completed() {
        for (line, file) in [
            ("\\i my\\ file.sql", "my file.sql"),
            ("\\i it\\'s\\\\\\(1\\).sql", "it's\\(1).sql"),
            ("\\i ../a.sql", "../a.sql"),
        ] {
            assert_eq!(parse(line).expect(line), Meta::Input(file.into()), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_gets_a_hint() {
        for (line, message, hint) in [
            (
                "\\reprots",
                "there is no command `\\reprots`",
                "did you mean `\\reports`? \\? lists the commands",
            ),
            ("\\frobnicate", "there is no command `\\frobnicate`", "\\? lists the commands"),
            ("\\report", "`\\report` takes something else", "write \\report NAME [PARAMETER=VALUE]…"),
            ("\\report x y", "`y` gives no parameter a value", "write PARAMETER=VALUE"),
            ("\\timing maybe", "`maybe` is neither on nor off", "write on, off or nothing"),
            ("\\report x a='b", "a quote is not closed: x a='b", "close it with '"),
        ] {
            let failure = parse(line).expect_err(line);
            assert_eq!(
                (failure.message().as_str(), failure.hint().as_deref()),
                (message, Some(hint)),
                "{line}"
            );
        }
    }

    #[test]
    fn sql_is_no_command() {
        for line in ["SELECT 1;", "", "quit_table", "helpful"] {
            assert!(!is_command(line), "{line}");
        }
    }
}

//! The shell's `\commands`: what they are called and what they take. [`super::commands`] carries them out.

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
    Expanded(Option<bool>),
    /// `\format [F]`
    Format(Option<String>),
    /// `\timing`
    Timing(Option<bool>),
}

/// The commands as `\?` shows them.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("\\d", "[TABLE]", "list the tables, or the columns of one"),
    ("\\df", "[NAME]", "list the functions, or show one; * stands for any letters"),
    ("\\reports", "", "list the reports"),
    ("\\report", "NAME [PARAMETER=VALUE]…", "run a report"),
    ("\\format", "[FORMAT]", "show or choose the format of answers"),
    ("\\x", "[on|off]", "show each row as a list of its columns"),
    ("\\timing", "[on|off]", "show how long queries take"),
    ("\\?", "", "show this list"),
    ("\\q", "", "quit; so does Ctrl-D"),
];

/// Whether a first line is a command and not SQL.
pub fn is_command(line: &str) -> bool {
    line.trim_start().starts_with('\\') || bare_word(line).is_some()
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
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let words = words(rest)?;
    let meta = match (name, &words[..]) {
        ("\\q" | "\\quit", []) => Meta::Quit,
        ("\\?" | "\\h" | "\\help", []) => Meta::Help,
        ("\\d" | "\\dt", []) => Meta::Tables,
        ("\\d", [_]) => table(rest.trim()),
        ("\\df", []) => Meta::Functions(None),
        ("\\df", [name]) => Meta::Functions(Some(name.clone())),
        ("\\reports", []) => Meta::Reports,
        ("\\report", [name, values @ ..]) => Meta::Report {
            name: name.clone(),
            values: values.iter().map(|word| pair(word)).collect::<Outcome<_>>()?,
        },
        ("\\x", words) if words.len() <= 1 => Meta::Expanded(switch(words)?),
        ("\\timing", words) if words.len() <= 1 => Meta::Timing(switch(words)?),
        ("\\format", []) => Meta::Format(None),
        ("\\format", [format]) => Meta::Format(Some(format.clone())),
        (name, _) => return Err(misused(name)),
    };
    Ok(meta)
}

/// Why a command cannot be read: it does not exist, or it takes something else.
fn misused(name: &str) -> Failure {
    if let Some((name, takes, _)) = COMMANDS.iter().find(|(known, ..)| *known == name) {
        return Failure::misuse(
            format!("`{name}` takes something else"),
            format!("write {name} {takes}").trim_end(),
        );
    }
    let known: Vec<&str> = COMMANDS.iter().map(|(name, ..)| *name).collect();
    let near = did_you_mean(name, &known).map(|near| near + " ").unwrap_or_default();
    Failure::misuse(format!("there is no command `{name}`"), format!("{near}\\? lists the commands"))
}

fn switch(words: &[String]) -> Outcome<Option<bool>> {
    match words.first().map(String::as_str) {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => {
            Err(Failure::misuse(format!("`{other}` is neither on nor off"), "write on, off or nothing"))
        }
    }
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

/// Splits at blanks outside of quotes and drops the quotes.
fn words(text: &str) -> Outcome<Vec<String>> {
    let mut words = vec![];
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in text.chars() {
        match (c, quote) {
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
            ("\\x on", Meta::Expanded(Some(true))),
            ("\\format", Meta::Format(None)),
            ("\\format json", Meta::Format(Some("json".into()))),
            ("\\timing off", Meta::Timing(Some(false))),
        ] {
            assert_eq!(parse(line).expect(line), meta, "{line}");
            assert!(is_command(line), "{line}");
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
            ("\\x maybe", "`maybe` is neither on nor off", "write on, off or nothing"),
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

//! The functions of a session, for those who help with writing SQL.

use datafusion::execution::SessionState;
use datafusion::logical_expr::Documentation;

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// What it is called.
    pub name: String,
    /// How it is called, `upper(str)`, as far as it is known.
    pub usage: String,
    /// What it does, in a line; may be empty.
    pub help: String,
}

/// All functions by name.
pub(super) fn functions(state: &SessionState) -> Vec<Function> {
    let scalar = state.scalar_functions().iter().map(|(name, f)| function(name, f.documentation()));
    let aggregate = state.aggregate_functions().iter().map(|(name, f)| function(name, f.documentation()));
    let window = state.window_functions().iter().map(|(name, f)| function(name, f.documentation()));
    let mut all: Vec<Function> = scalar.chain(aggregate).chain(window).collect();
    all.sort_by(|one, other| (&one.name, &other.usage).cmp(&(&other.name, &one.usage)));
    all.dedup_by(|one, other| one.name == other.name);
    all
}

fn function(name: &str, documentation: Option<&Documentation>) -> Function {
    let usage = documentation.map(|documentation| documentation.syntax_example.trim().replace('\n', " "));
    let help = documentation.map(|documentation| first_sentence(&documentation.description));
    let own = |usage: String| {
        // An alias is documented under its function's name.
        let called = usage.split('(').next().unwrap_or_default();
        match called.eq_ignore_ascii_case(name) || called.contains(' ') || called.is_empty() {
            true => usage,
            false => format!("{name}{}", &usage[called.len()..]),
        }
    };
    Function {
        name: name.to_owned(),
        usage: usage.map_or_else(|| format!("{name}(…)"), own),
        help: help.unwrap_or_default(),
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = text.find(". ").unwrap_or(text.len());
    text[..end].trim_end_matches('.').to_owned()
}

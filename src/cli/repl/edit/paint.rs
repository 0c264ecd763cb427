//! The colours of what is typed, and the prompts of its second and further lines.

use std::collections::HashSet;
use std::env;
use std::ops::Range;
use std::sync::LazyLock;

use pinql::session::{Part, lexemes};

use super::super::complete::words;
use super::super::meta;
use super::margin;

/// Which colours suit the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Light letters on a dark background.
    Dark,
    /// Dark letters on a light background.
    Light,
    /// No colours.
    None,
}

impl Theme {
    /// The theme of this name.
    pub fn named(name: &str) -> Option<Theme> {
        match name {
            "dark" => Some(Theme::Dark),
            "light" => Some(Theme::Light),
            "none" => Some(Theme::None),
            _ => None,
        }
    }

    /// The theme that the environment suggests: some terminals say their colours in `$COLORFGBG`. None is ever asked.
    pub fn of_environment() -> Theme {
        let colors = env::var("COLORFGBG").unwrap_or_default();
        match colors.rsplit(';').next().and_then(|background| background.parse::<u8>().ok()) {
            Some(7 | 9..=15) => Theme::Light,
            _ => Theme::Dark,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Dark => "dark",
            Theme::Light => "light",
            Theme::None => "none",
        }
    }

    fn code(self, paint: Paint) -> Option<&'static str> {
        let (dark, light) = match paint {
            Paint::Keyword => ("94", "34"),
            Paint::Function => ("96", "36"),
            Paint::Text => ("92", "32"),
            Paint::Number => ("95", "35"),
            Paint::Comment | Paint::Hint | Paint::Margin => ("90", "90"),
            Paint::Open => ("4;93", "4;31"),
            Paint::Wrong => ("1;97;41", "1;97;41"),
            Paint::Command => ("1;96", "1;34"),
            Paint::Chosen => ("7", "7"),
        };
        match self {
            Theme::Dark => Some(dark),
            Theme::Light => Some(light),
            Theme::None => None,
        }
    }

    /// A text in one of the colours.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        match self.code(paint) {
            Some(code) if !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.into(),
        }
    }
}

/// What a part of the line is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Keyword,
    Function,
    Text,
    Number,
    Comment,
    /// A quote or a parenthesis that is not closed yet.
    Open,
    /// A parenthesis that closes nothing.
    Wrong,
    Command,
    /// The candidate that has been chosen in the menu.
    Chosen,
    Hint,
    Margin,
}

/// The line with colours and with prompts in its margins. `functions` are the names of functions.
pub fn line(text: &str, theme: Theme, functions: &HashSet<String>) -> String {
    let plain = margin::without(text);
    let painted = painted(&plain, functions);
    let mut out = String::with_capacity(text.len() * 2);
    let mut parts = painted.iter().peekable();
    let mut at = 0;
    // Letter by letter, because margins stand anywhere between.
    let mut run = String::new();
    let mut paint: Option<Paint> = None;
    let mut blanks = 0;
    let flush = |run: &mut String, paint: Option<Paint>, out: &mut String| {
        let text = std::mem::take(run);
        out.push_str(&paint.map_or_else(|| text.clone(), |paint| theme.paint(paint, &text)));
    };
    for letter in text.chars() {
        if letter == margin::BLANK {
            flush(&mut run, paint, &mut out);
            blanks += 1;
            if blanks == margin::WIDTH {
                out.push_str(&theme.paint(Paint::Margin, prompt(&plain[..at])));
            }
            continue;
        }
        // A part of a margin stays what it is: blank.
        if blanks > 0 && blanks < margin::WIDTH {
            out.extend(std::iter::repeat_n(' ', blanks));
        }
        blanks = 0;
        while parts.next_if(|(range, _)| range.end <= at).is_some() {}
        let now = parts.peek().filter(|(range, _)| range.contains(&at)).map(|(_, paint)| *paint);
        if now != paint || letter == '\n' {
            flush(&mut run, paint, &mut out);
            paint = now;
        }
        run.push(letter);
        at += letter.len_utf8();
        if letter == '\n' {
            flush(&mut run, None, &mut out);
        }
    }
    flush(&mut run, paint, &mut out);
    out.extend(std::iter::repeat_n(' ', if blanks < margin::WIDTH { blanks } else { 0 }));
    out
}

/// The prompt of a line that follows this text: it tells what is still open.
fn prompt(before: &str) -> &'static str {
    match lexemes(before).last().map(|lexeme| lexeme.part) {
        Some(Part::OpenText) => "    '> ",
        Some(Part::OpenQuoted) => "    \"> ",
        Some(Part::OpenComment) => "   /*> ",
        _ if open_parentheses(before).0.is_empty() => "  ...> ",
        _ => "    (> ",
    }
}

/// Where parentheses are that are not closed, and those that close nothing.
fn open_parentheses(text: &str) -> (Vec<usize>, Vec<usize>) {
    let (mut open, mut wrong) = (vec![], vec![]);
    for lexeme in lexemes(text).iter().filter(|lexeme| lexeme.part == Part::Symbol) {
        match &text[lexeme.range.clone()] {
            "(" => open.push(lexeme.range.start),
            ")" if open.pop().is_none() => wrong.push(lexeme.range.start),
            ";" => open.clear(),
            _ => {}
        }
    }
    (open, wrong)
}

/// The parts of a text that have a colour, in order.
fn painted(text: &str, functions: &HashSet<String>) -> Vec<(Range<usize>, Paint)> {
    if meta::is_command(text) {
        let start = text.len() - text.trim_start().len();
        let end = text[start..].find(char::is_whitespace).map_or(text.len(), |at| start + at);
        return vec![(start..end, Paint::Command)];
    }
    let (open, wrong) = open_parentheses(text);
    let all = lexemes(text);
    let paint = |index: usize| {
        let lexeme = &all[index];
        let word = &text[lexeme.range.clone()];
        let next = all.get(index + 1).map(|next| &text[next.range.clone()]);
        match lexeme.part {
            Part::Word if next == Some("(") && functions.contains(&word.to_lowercase()) => {
                Some(Paint::Function)
            }
            Part::Word => is_keyword(word).then_some(Paint::Keyword),
            Part::Text => Some(Paint::Text),
            Part::Number | Part::Parameter => Some(Paint::Number),
            Part::Comment | Part::OpenComment => Some(Paint::Comment),
            Part::OpenText | Part::OpenQuoted => Some(Paint::Open),
            Part::Symbol if open.contains(&lexeme.range.start) => Some(Paint::Open),
            Part::Symbol if wrong.contains(&lexeme.range.start) => Some(Paint::Wrong),
            Part::Symbol | Part::Quoted => None,
        }
    };
    (0..all.len()).filter_map(|index| Some((all[index].range.clone(), paint(index)?))).collect()
}

fn is_keyword(word: &str) -> bool {
    static KEYWORDS: LazyLock<HashSet<&str>> = LazyLock::new(words::all);
    KEYWORDS.contains(word.to_uppercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, theme: Theme) -> String {
        line(&margin::with(text), theme, &HashSet::from(["upper".to_owned()]))
    }

    #[test]
    fn keywords_functions_texts_and_numbers_have_colours() {
        assert_eq!(
            show("SELECT upper('a'), 1 -- x", Theme::Dark).replace('\u{1b}', "^"),
            "^[94mSELECT^[0m ^[96mupper^[0m(^[92m'a'^[0m), ^[95m1^[0m ^[90m-- x^[0m"
        );
        assert_eq!(show("SELECT 'é", Theme::None), "SELECT 'é");
    }

    #[test]
    fn what_is_open_or_closes_nothing_shows() {
        assert_eq!(show("a('x", Theme::Dark).replace('\u{1b}', "^"), "a^[4;93m('x^[0m");
        assert_eq!(show("a)", Theme::Light).replace('\u{1b}', "^"), "a^[1;97;41m)^[0m");
    }

    #[test]
    fn the_prompts_of_further_lines_tell_what_is_open() {
        for (text, shown) in [
            ("SELECT\n1", "SELECT\n  ...> 1"),
            ("SELECT (\n1", "SELECT (\n    (> 1"),
            ("SELECT 'a\nb", "SELECT 'a\n    '> b"),
            ("SELECT \"a\n", "SELECT \"a\n    \"> "),
            ("SELECT /* a\n", "SELECT /* a\n   /*> "),
        ] {
            assert_eq!(show(text, Theme::None), shown);
        }
    }
}

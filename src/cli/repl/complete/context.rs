//! What can stand at the cursor, told from the text before it.

use std::ops::Range;

use pinql::session::{Lexeme, Part, lexemes};

/// What is to be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// What can stand there.
    pub wanted: Wanted,
    /// Where the word begins that is to be completed: behind the quote, where there is one.
    pub start: usize,
    /// What of it has been typed.
    pub word: String,
}

/// What can stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing that is known: a new name, a number, a comment.
    Nothing,
    /// A statement.
    Start,
    /// A table.
    Table,
    /// What follows a table.
    BehindTable,
    /// A value, in some clause; `first` directly behind SELECT.
    Operand { clause: Clause, first: bool },
    /// What follows a value.
    Operator(Clause),
    /// A part of what has this name: a column of a table, a table of a schema.
    PartOf(String),
    /// A text that is compared with this column, of this table if one is named.
    Value { table: Option<String>, column: String },
    /// A name whose quote is open.
    QuotedName { table: bool },
}

/// The clause that a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clause {
    Select,
    From,
    Where,
    GroupBy,
    OrderBy,
    Having,
    On,
    Limit,
    With,
    None,
}

/// The statement around a place: from the semicolon before it to the one behind it.
pub fn statement(text: &str, cursor: usize) -> Range<usize> {
    let ends = lexemes(text);
    let ends =
        || ends.iter().filter(|lexeme| lexeme.part == Part::Symbol && &text[lexeme.range.clone()] == ";");
    let start =
        ends().filter(|end| end.range.end <= cursor).map(|end| end.range.end).next_back().unwrap_or(0);
    let end = ends().find(|end| end.range.start >= cursor).map_or(text.len(), |end| end.range.start);
    start..end
}

/// What can stand at the end of a text, which is the beginning of a statement.
pub fn context(before: &str) -> Context {
    let all = lexemes(before);
    let word = |lexeme: &Lexeme| &before[lexeme.range.clone()];
    let at_end = |lexeme: &&Lexeme| lexeme.range.end == before.len();
    let here = |wanted, start: usize| Context { wanted, start, word: before[start..].to_owned() };
    match all.last().filter(at_end) {
        Some(last)
            if matches!(last.part, Part::Comment | Part::OpenComment) && !word(last).ends_with("*/") =>
        {
            here(Wanted::Nothing, before.len())
        }
        Some(last) if matches!(last.part, Part::Number | Part::Parameter) => {
            here(Wanted::Nothing, last.range.start)
        }
        Some(last) if last.part == Part::OpenText => {
            let start = last.range.start + word(last).find('\'').map_or(1, |quote| quote + 1);
            here(compared(before, &all[..all.len() - 1]), start)
        }
        Some(last) if last.part == Part::OpenQuoted => {
            let wanted = match wanted(before, &all[..all.len() - 1]) {
                Wanted::PartOf(name) => Wanted::PartOf(name),
                wanted => Wanted::QuotedName { table: wanted == Wanted::Table },
            };
            here(wanted, last.range.start + 1)
        }
        Some(last) if last.part == Part::Word => {
            here(wanted(before, &all[..all.len() - 1]), last.range.start)
        }
        _ => here(wanted(before, &all), before.len()),
    }
}

/// The column that a text behind these parts is compared with.
fn compared(before: &str, parts: &[Lexeme]) -> Wanted {
    let text = |lexeme: &Lexeme| before[lexeme.range.clone()].to_uppercase();
    let mut rest = parts;
    // A list: x IN ('a', 'b', …
    while let [earlier @ .., value, comma] = rest
        && text(comma) == ","
        && value.part == Part::Text
    {
        rest = earlier;
    }
    if let [earlier @ .., list, open] = rest
        && text(open) == "("
        && text(list) == "IN"
    {
        rest = earlier;
    } else if let [earlier @ .., operator] = rest
        && ["=", "<>", "!=", "LIKE", "ILIKE", "<", ">", "<=", ">=", "=="].contains(&text(operator).as_str())
        && rest.len() == parts.len()
    {
        rest = earlier;
    } else if let [.., function, open] = rest
        && text(open) == "("
        && text(function).starts_with("CID_")
    {
        return Wanted::Value { table: None, column: "cid".into() };
    } else {
        return Wanted::Nothing;
    }
    if let [earlier @ .., not] = rest
        && text(not) == "NOT"
    {
        rest = earlier;
    }
    match rest {
        [.., table, dot, column] if text(dot) == "." => {
            Wanted::Value { table: Some(name(before, table)), column: name(before, column) }
        }
        [.., column] if matches!(column.part, Part::Word | Part::Quoted) => {
            Wanted::Value { table: None, column: name(before, column) }
        }
        _ => Wanted::Nothing,
    }
}

/// A name as the engine knows it.
pub fn name(text: &str, lexeme: &Lexeme) -> String {
    let written = &text[lexeme.range.clone()];
    match lexeme.part {
        Part::Quoted => written[1..written.len() - 1].replace("\"\"", "\""),
        _ => written.to_lowercase(),
    }
}

/// What can follow these parts.
fn wanted(before: &str, parts: &[Lexeme]) -> Wanted {
    let text = |lexeme: &Lexeme| before[lexeme.range.clone()].to_uppercase();
    let parts: Vec<&Lexeme> = parts.iter().filter(|part| part.part != Part::Comment).collect();
    let Some(last) = parts.last() else { return Wanted::Start };
    let word = if last.part == Part::Quoted { String::new() } else { text(last) };
    match (word.as_str(), &parts[..]) {
        (".", [.., table, _]) => return Wanted::PartOf(name(before, table)),
        ("AS" | "LIMIT" | "OFFSET" | "." | "::", _) => return Wanted::Nothing,
        ("EXPLAIN" | "ANALYZE" | "VERBOSE", _) => return Wanted::Start,
        ("DESCRIBE" | "DESC", [_]) => return Wanted::Table,
        _ => {}
    }
    let (clause, at) = clause(before, &parts);
    // Behind the first parenthesis of a subquery.
    let subquery = word == "("
        && parts
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|before| ["FROM", "JOIN", "AS"].contains(&text(before).as_str()));
    match clause {
        _ if subquery => Wanted::Start,
        Clause::None if ["UNION", "ALL", "INTERSECT", "EXCEPT"].contains(&word.as_str()) => Wanted::Start,
        Clause::None | Clause::With if parts.len() == 1 || word == ")" => Wanted::Start,
        Clause::None | Clause::With | Clause::Limit => Wanted::Nothing,
        Clause::From if ["FROM", "JOIN", ",", "("].contains(&word.as_str()) => Wanted::Table,
        Clause::From => Wanted::BehindTable,
        clause if expects_value(&word, last.part, parts.len() - 1 > at + 1) => {
            Wanted::Operand { clause, first: word == "SELECT" }
        }
        clause => Wanted::Operator(clause),
    }
}

/// Whether a value has to follow. `more`: there is something between the clause's keyword and the word.
fn expects_value(word: &str, part: Part, more: bool) -> bool {
    const BEFORE_VALUES: [&str; 22] = [
        "SELECT", "DISTINCT", "WHERE", "HAVING", "BY", "ON", "AND", "OR", "NOT", "CASE", "WHEN", "THEN",
        "ELSE", "BETWEEN", "LIKE", "ILIKE", "IN", "USING", "ROLLUP", "CUBE", "ALL", "PREWHERE",
    ];
    match part {
        Part::Word => BEFORE_VALUES.contains(&word),
        // A star is all columns directly behind SELECT, else a product.
        Part::Symbol => word != ")" && word != "]" && (word != "*" || more),
        _ => false,
    }
}

/// The clause that the end of these parts is in, and where its keyword stands.
fn clause(before: &str, parts: &[&Lexeme]) -> (Clause, usize) {
    let text = |index: usize| before[parts[index].range.clone()].to_uppercase();
    let mut depth = 0;
    for index in (0..parts.len()).rev() {
        let earlier = || if index > 0 { text(index - 1) } else { String::new() };
        match (parts[index].part, text(index).as_str()) {
            (Part::Symbol, ")") => depth += 1,
            // Out of a call's arguments or a list, into what is around it.
            (Part::Symbol, "(") => depth = (depth - 1).max(0),
            (Part::Word, word) if depth == 0 => {
                let clause = match word {
                    "SELECT" => Clause::Select,
                    // EXTRACT (x FROM y), IS DISTINCT FROM
                    "FROM" if earlier() == "DISTINCT" => continue,
                    "FROM" | "JOIN" => Clause::From,
                    "WHERE" => Clause::Where,
                    "HAVING" => Clause::Having,
                    "ON" | "USING" => Clause::On,
                    "LIMIT" | "OFFSET" => Clause::Limit,
                    "BY" if earlier() == "GROUP" => Clause::GroupBy,
                    "BY" => Clause::OrderBy,
                    "WITH" => Clause::With,
                    "UNION" | "INTERSECT" | "EXCEPT" => Clause::None,
                    _ => continue,
                };
                return (clause, index);
            }
            _ => {}
        }
    }
    (Clause::None, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(before: &str) -> (Wanted, String) {
        let context = context(before);
        assert_eq!(&before[context.start..], context.word);
        (context.wanted, context.word)
    }

    fn value(table: Option<&str>, column: &str) -> Wanted {
        Wanted::Value { table: table.map(Into::into), column: column.into() }
    }

    #[test]
    fn what_can_stand_follows_from_what_stands_before() {
        let operand = |clause| Wanted::Operand { clause, first: false };
        for (before, wanted, word) in [
            ("", Wanted::Start, ""),
            ("SEL", Wanted::Start, "SEL"),
            ("EXPLAIN ", Wanted::Start, ""),
            ("SELECT ", Wanted::Operand { clause: Clause::Select, first: true }, ""),
            ("SELECT cid, b", operand(Clause::Select), "b"),
            ("SELECT upper(", operand(Clause::Select), ""),
            ("SELECT cid ", Wanted::Operator(Clause::Select), ""),
            ("SELECT * ", Wanted::Operator(Clause::Select), ""),
            ("SELECT a * ", operand(Clause::Select), ""),
            ("SELECT cid AS ", Wanted::Nothing, ""),
            ("SELECT cid FROM ", Wanted::Table, ""),
            ("SELECT cid FROM pi", Wanted::Table, "pi"),
            ("SELECT cid FROM pins, ", Wanted::Table, ""),
            ("SELECT cid FROM pins ", Wanted::BehindTable, ""),
            ("SELECT cid FROM (", Wanted::Start, ""),
            ("SELECT cid FROM backends.", Wanted::PartOf("backends".into()), ""),
            ("SELECT cid FROM backends.\"s3", Wanted::PartOf("backends".into()), "s3"),
            ("SELECT cid FROM \"b", Wanted::QuotedName { table: true }, "b"),
            ("SELECT p.c", Wanted::PartOf("p".into()), "c"),
            ("SELECT a FROM pins WHERE ", operand(Clause::Where), ""),
            ("SELECT a FROM pins WHERE x ", Wanted::Operator(Clause::Where), ""),
            ("SELECT a FROM pins WHERE (x = 1 OR ", operand(Clause::Where), ""),
            ("SELECT a FROM pins GROUP BY ", operand(Clause::GroupBy), ""),
            ("SELECT a FROM pins ORDER BY a ", Wanted::Operator(Clause::OrderBy), ""),
            ("SELECT a FROM p JOIN q ON ", operand(Clause::On), ""),
            ("SELECT a FROM pins LIMIT ", Wanted::Nothing, ""),
            ("SELECT a -- from ", Wanted::Nothing, ""),
            ("SELECT 12", Wanted::Nothing, "12"),
            ("SELECT a FROM pins WHERE status = '", value(None, "status"), ""),
            ("SELECT a FROM pins p WHERE p.status <> 'st", value(Some("p"), "status"), "st"),
            ("SELECT a FROM pins WHERE status NOT IN ('a', '", value(None, "status"), ""),
            ("SELECT a FROM pins WHERE \"Status\" LIKE 'x", value(None, "Status"), "x"),
            ("SELECT cid_content('bafy", value(None, "cid"), "bafy"),
            ("SELECT 'x", Wanted::Nothing, "x"),
        ] {
            assert_eq!(at(before), (wanted, word.to_owned()), "{before:?}");
        }
    }

    #[test]
    fn a_statement_lies_between_semicolons() {
        let text = "SELECT 1; SELECT 2; SELECT 3";
        for (cursor, found) in [(3, "SELECT 1"), (12, " SELECT 2"), (text.len(), " SELECT 3")] {
            assert_eq!(&text[statement(text, cursor)], found);
        }
    }
}

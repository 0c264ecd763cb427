//! The tables that a place in a statement can name columns of.

use std::ops::Range;

use pinql::session::{Lexeme, Part, lexemes};

use super::context::name;

/// A table of a FROM clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it stands there: a name, or a query in parentheses.
    pub sql: String,
    /// What its columns are called by: its alias, else its name.
    pub name: String,
}

/// What stands before the first SELECT of a statement with WITH: as much of it as is whole before the cursor.
pub fn with_clause(statement: &str, cursor: usize) -> &str {
    let all = lexemes(statement);
    let text = |lexeme: &Lexeme| statement[lexeme.range.clone()].to_uppercase();
    let Some(first) = all.first().filter(|first| text(first) == "WITH") else { return "" };
    let (mut depth, mut end) = (0, None);
    for lexeme in &all {
        match text(lexeme).as_str() {
            "(" => depth += 1,
            ")" => {
                depth -= 1;
                // A query before the cursor, or one behind it that does not hold it.
                if depth == 0 && lexeme.range.start < cursor {
                    end = Some(lexeme.range.end);
                }
            }
            "SELECT" if depth == 0 => break,
            _ => {}
        }
    }
    end.map_or("", |end| &statement[first.range.start..end])
}

/// The tables around a place, the nearest first.
pub fn sources(statement: &str, cursor: usize) -> Vec<Source> {
    let all = lexemes(statement);
    let mut around: Vec<Range<usize>> = Vec::new();
    around.push(0..all.len());
    let mut open = vec![];
    for (index, lexeme) in all.iter().enumerate() {
        match &statement[lexeme.range.clone()] {
            "(" if lexeme.part == Part::Symbol => open.push(index),
            ")" if lexeme.part == Part::Symbol => {
                let Some(start) = open.pop() else { continue };
                if all[start].range.end <= cursor && cursor <= lexeme.range.start {
                    around.push(start + 1..index);
                }
            }
            _ => {}
        }
    }
    around.extend(
        open.into_iter().filter(|start| all[*start].range.end <= cursor).map(|start| start + 1..all.len()),
    );
    // What is inside begins later.
    around.sort_by_key(|range| std::cmp::Reverse(range.start));
    around
        .into_iter()
        .flat_map(|range| in_from(statement, &all[union_part(statement, &all, range, cursor)]))
        .collect()
}

/// The part of a range between the UNIONs around the cursor.
fn union_part(statement: &str, all: &[Lexeme], range: Range<usize>, cursor: usize) -> Range<usize> {
    let (mut depth, mut start, mut end) = (0, range.start, range.end);
    for index in range {
        match statement[all[index].range.clone()].to_uppercase().as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            "UNION" | "INTERSECT" | "EXCEPT" if depth == 0 && all[index].part == Part::Word => {
                if all[index].range.end <= cursor {
                    start = index + 1;
                } else {
                    end = index;
                    break;
                }
            }
            _ => {}
        }
    }
    start..end.max(start)
}

/// The tables of the FROM clause of these parts, not of those in parentheses.
fn in_from(statement: &str, parts: &[Lexeme]) -> Vec<Source> {
    let text = |index: usize| {
        parts.get(index).map_or(String::new(), |part: &Lexeme| statement[part.range.clone()].to_uppercase())
    };
    let (mut found, mut depth, mut from, mut index) = (vec![], 0, false, 0);
    while index < parts.len() {
        let word = if parts[index].part == Part::Quoted { String::new() } else { text(index) };
        index += 1;
        match word.as_str() {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ if depth != 0 => {}
            "FROM" | "JOIN" => {
                from = true;
                index = source(statement, parts, index, &mut found);
            }
            "," if from => index = source(statement, parts, index, &mut found),
            "WHERE" | "GROUP" | "ORDER" | "HAVING" | "LIMIT" | "SELECT" | "WINDOW" => from = false,
            _ => {}
        }
    }
    found
}

/// Reads one table at `index` and gives the place behind it.
fn source(statement: &str, parts: &[Lexeme], mut index: usize, found: &mut Vec<Source>) -> usize {
    const NO_ALIAS: [&str; 22] = [
        "WHERE",
        "JOIN",
        "LEFT",
        "RIGHT",
        "FULL",
        "INNER",
        "CROSS",
        "NATURAL",
        "ON",
        "USING",
        "GROUP",
        "ORDER",
        "HAVING",
        "LIMIT",
        "OFFSET",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "WINDOW",
        "LATERAL",
        "FETCH",
        "SELECT",
    ];
    let text = |index: usize| parts.get(index).map_or("", |part| &statement[part.range.clone()]);
    let is_name =
        |index: usize| parts.get(index).is_some_and(|part| matches!(part.part, Part::Word | Part::Quoted));
    let start = index;
    let mut named = String::new();
    if text(index) == "(" {
        let mut depth = 0;
        while index < parts.len() {
            depth += match text(index) {
                "(" => 1,
                ")" => -1,
                _ => 0,
            };
            index += 1;
            if depth == 0 {
                break;
            }
        }
        if depth != 0 {
            // The cursor is inside of it.
            return start;
        }
    } else {
        while is_name(index) {
            named = name(statement, &parts[index]);
            index += 1;
            if text(index) != "." {
                break;
            }
            index += 1;
        }
    }
    // Nothing, a function, or a name that is still being typed.
    if index == start || text(index) == "(" || text(index - 1) == "." {
        return index;
    }
    let sql = statement[parts[start].range.start..parts[index - 1].range.end].to_owned();
    if text(index).eq_ignore_ascii_case("AS") {
        index += 1;
    }
    if is_name(index) && !NO_ALIAS.contains(&text(index).to_uppercase().as_str()) {
        named = name(statement, &parts[index]);
        index += 1;
    }
    found.push(Source { sql, name: named });
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables around the `|` in a text.
    fn around(marked: &str) -> Vec<(String, String)> {
        let cursor = marked.find('|').expect("a cursor");
        let statement = marked.replacen('|', "", 1);
        sources(&statement, cursor).into_iter().map(|source| (source.sql, source.name)).collect()
    }

    #[test]
    fn tables_are_those_of_the_query_around_the_cursor_and_of_those_around_it() {
        for (marked, wanted) in [
            ("SELECT |", &[][..]),
            ("SELECT | FROM pins", &[("pins", "pins")]),
            (
                "SELECT p.| FROM pins AS p JOIN backends.\"s 3\" q ON 1=1, records WHERE x",
                &[("pins", "p"), ("backends.\"s 3\"", "q"), ("records", "records")],
            ),
            ("SELECT a FROM (SELECT | FROM pins WHERE x", &[("pins", "pins")]),
            ("SELECT | FROM (SELECT cid FROM pins) AS x", &[("(SELECT cid FROM pins)", "x")]),
            (
                "SELECT a FROM backends b WHERE EXISTS (SELECT 1 FROM pins WHERE |)",
                &[("pins", "pins"), ("backends", "b")],
            ),
            ("SELECT a FROM pins UNION ALL SELECT | FROM backends", &[("backends", "backends")]),
            ("SELECT upper(|) FROM pins", &[("pins", "pins")]),
            ("SELECT 1 FROM pins JOIN backends.|", &[("pins", "pins")]),
            ("SELECT 1 FROM pins JOIN backends.\"my|", &[("pins", "pins")]),
        ] {
            let wanted: Vec<_> = wanted.iter().map(|(sql, name)| ((*sql).into(), (*name).into())).collect();
            assert_eq!(around(marked), wanted, "{marked}");
        }
    }

    #[test]
    fn queries_of_a_with_clause_are_whole() {
        let statement = "WITH a AS (SELECT 1), b AS (SELECT 2) SELECT x FROM a";
        assert_eq!(with_clause(statement, statement.len()), "WITH a AS (SELECT 1), b AS (SELECT 2)");
        assert_eq!(with_clause(statement, 29), "WITH a AS (SELECT 1)");
        assert_eq!(with_clause("SELECT 1", 8), "");
    }
}

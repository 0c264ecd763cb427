//! The keywords of SQL, by the places where they can stand.

use std::collections::HashSet;

/// At the beginning of a statement.
pub const START: &[&str] =
    &["SELECT", "WITH", "EXPLAIN", "EXPLAIN ANALYZE", "SHOW TABLES", "DESCRIBE", "VALUES"];
/// Where a value is expected.
pub const OPERAND: &[&str] = &[
    "CASE",
    "NOT",
    "NULL",
    "TRUE",
    "FALSE",
    "CAST",
    "EXISTS",
    "INTERVAL",
    "EXTRACT",
    "DATE",
    "TIMESTAMP",
    "SELECT",
];
/// Directly behind SELECT.
pub const BEHIND_SELECT: &[&str] = &["DISTINCT", "DISTINCT ON", "ALL"];
/// Behind a value.
pub const OPERATOR: &[&str] = &[
    "AND",
    "OR",
    "IS NULL",
    "IS NOT NULL",
    "IN",
    "NOT IN",
    "LIKE",
    "NOT LIKE",
    "ILIKE",
    "BETWEEN",
    "OVER",
    "FILTER",
    "IS DISTINCT FROM",
];
/// Inside of CASE.
pub const CASES: &[&str] = &["WHEN", "THEN", "ELSE", "END"];
/// Behind a table.
pub const BEHIND_TABLE: &[&str] = &[
    "WHERE",
    "JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "INNER JOIN",
    "CROSS JOIN",
    "ON",
    "USING",
    "AS",
];
/// The clauses, in their order.
pub const CLAUSES: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP BY",
    "HAVING",
    "WINDOW",
    "ORDER BY",
    "LIMIT",
    "OFFSET",
    "UNION",
    "UNION ALL",
    "INTERSECT",
    "EXCEPT",
];
/// Behind a column of ORDER BY.
pub const ORDERS: &[&str] = &["ASC", "DESC", "NULLS FIRST", "NULLS LAST"];
/// Behind GROUP BY.
pub const GROUPS: &[&str] = &["ALL", "ROLLUP", "CUBE", "GROUPING SETS"];
/// Those that are never offered and have the colour of keywords all the same.
const OTHERS: &[&str] =
    &["RECURSIVE", "PARTITION", "ROWS", "RANGE", "PRECEDING", "FOLLOWING", "UNBOUNDED", "BY", "OUTER"];

/// All of them, word by word.
pub fn all() -> HashSet<&'static str> {
    let lists =
        [CASES, START, OPERAND, BEHIND_SELECT, OPERATOR, BEHIND_TABLE, CLAUSES, ORDERS, GROUPS, OTHERS];
    lists.into_iter().flatten().flat_map(|words| words.split(' ')).collect()
}

//! What the shell's commands do, on a pseudo-terminal.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::{ENDLESS, Home};
use crate::support::terminal::{CTRL_C, CTRL_D, Terminal};
use crate::support::{HELLO, RAW, mappings, repository, write};

const SIZE: (u16, u16) = (100, 40);

/// A shell over the sample collection.
fn shell(home: &Home) -> Terminal {
    Terminal::shell(&home.path(""), &repository("examples/ipfs_kit"), SIZE, &[])
}

/// A shell over one backend with two mappings, and where it lies.
fn small(home: &Home, more: &[(&str, &str)]) -> (Terminal, PathBuf) {
    let root = home.path("data");
    write(&root, "s3", &mappings("s3", &[(HELLO, "stored"), (RAW, "failed")]));
    (Terminal::shell(&home.path(""), &root, SIZE, more), root)
}

/// Checks that a screen has all these texts.
fn has(screen: &str, texts: &[&str]) {
    for text in texts {
        assert!(screen.contains(text), "no {text:?} in\n{screen}");
    }
}

#[test]
fn a_wrong_statement_keeps_the_shell() {
    let home = Home::new();
    let mut shell = shell(&home);
    let screen = shell.run("SELECT foo FROM pins;");
    has(&screen, &["error: no column named `foo`\n1 | SELECT foo FROM pins\n  |        ^\nhint: "]);
    has(&shell.run("\\frob"), &["error: there is no command `\\frob`\nhint: \\? lists the commands"]);
    has(&shell.run("SELECT 40 + 2 AS a;"), &["42"]);
    shell.keys("\\q\n");
    assert_eq!(shell.code(), 0);
}

#[test]
fn commands_show_tables_columns_functions_and_reports() {
    let home = Home::new();
    let report = "-- title: Two\n-- param: how_many integer 1  how many\nSELECT $how_many AS n\n";
    home.write(".config/pinql/queries/two.sql", report);
    let mut shell = shell(&home);
    for (line, seen) in [
        ("\\d", "rejects"),
        (".tables", "rejects"),
        ("\\d pins", "car_file_path"),
        (".schema pins", "car_file_path"),
        ("\\d pinz", "did you mean `pins`?"),
        ("\\df uppe*", "upper(str)"),
        ("\\df upperr", "did you mean `upper`?"),
        ("\\reports", "under-replicated"),
        ("\\report under-replicated min_copies=x", "no whole number"),
        ("\\report two how-many=5", "5\n(1 row"),
        ("\\report missing-on backend=s3_mian", "did you mean `s3_main`?"),
        ("\\report missing-on backend=s3_main", "(31 rows"),
        ("\\format jsn", "did you mean `json`?"),
        ("\\format parquet", "not written to a terminal"),
        ("\\format csv", "the format is csv"),
        ("SELECT 1 AS a;", "a\n1\n"),
        (".mode table", "the format is table"),
        ("\\timing off", "timing is off"),
        ("SELECT 2 AS a;", "(1 row)"),
        ("\\timing on", "timing is on"),
        ("SELECT COUNT(cid) AS n FROM pins;", " of "),
        ("\\x", "lists"),
        ("SELECT 1 AS a, 'two' AS bee;", "── row 1 ──\na   │ 1\nbee │ two\n"),
        ("\\x off", "rows are shown as lines"),
        ("help", "\\report NAME"),
        ("\\refresh", "10 backends"),
    ] {
        has(&shell.run(line), &[seen]);
    }
    shell.keys("exit\n");
    assert_eq!(shell.code(), 0);
}

#[test]
fn what_is_typed_ahead_is_run_too() {
    let home = Home::new();
    let mut shell = shell(&home);
    shell.keys("SELECT 1 AS a;\nSELECT 40 + 2 AS b;\n");
    shell.shows("b\n──\n42");
}

#[test]
fn ctrl_c_stops_any_query_at_once_and_keeps_the_shell() {
    let home = Home::new();
    let mut shell = shell(&home);
    shell.keys("SELECT garbage");
    shell.shows("garbage");
    shell.keys(CTRL_C);
    shell.prompt();
    let joined = "SELECT COUNT(*) FROM pins a, pins b, pins c, pins d, pins e WHERE a.cid || b.cid || c.cid || d.cid || e.cid = ''";
    for query in [ENDLESS, joined] {
        shell.keys("\u{c}");
        shell.until("clear screen", |screen| screen == "pinql>");
        shell.keys(&format!("{query};\n"));
        // It runs: the line that tells how far it is has come.
        shell.until("progress", |screen| screen.ends_with(" s") && screen.contains(" rows, "));
        let since = Instant::now();
        shell.keys(CTRL_C);
        shell.shows("cancelled");
        let screen = shell.prompt();
        assert!(!screen.contains(" rows, "), "{screen}");
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
        has(&shell.run("SELECT 40 + 2 AS a;"), &["42"]);
    }
    shell.keys(CTRL_D);
    assert_eq!(shell.code(), 0);
}

#[test]
fn the_last_result_is_a_table_and_can_be_seen_in_full() {
    let home = Home::new();
    let mut shell = Terminal::shell(&home.path(""), &repository("examples/ipfs_kit"), (60, 40), &[]);
    has(&shell.run("SELECT * FROM _;"), &["no table named `_`"]);
    let sql = "SELECT cid, backend_name FROM pins WHERE backend_name = 'kubo_office' ORDER BY cid LIMIT 2;";
    let screen = shell.run(sql);
    assert!(screen.contains('…'), "{screen}");
    let full = shell.run("\\full");
    assert!(!full.contains('…'), "{full}");
    has(&shell.run("SELECT COUNT(*) AS kept FROM _;"), &["kept\n────\n   2"]);
    has(&shell.run("SELECT kept + 1 AS more FROM _;"), &["more\n────\n   3"]);
    has(&shell.run("\\x auto"), &["too wide"]);
    has(&shell.run(sql), &["── row 1 ──", "── row 2 ──"]);
    has(&shell.run("SELECT 1 AS a;"), &["a\n─\n1"]);
}

#[test]
fn the_last_result_is_kept_up_to_its_own_size_and_else_that_is_said() {
    let home = Home::new();
    let mut shell = shell(&home);
    shell.run("\\set max_rows 5");
    let many = "SELECT a.cid || b.cid AS cids FROM pins a, pins b, pins c";
    let screen = shell.run(&format!("{many} LIMIT 200000;"));
    has(&screen, &["(200000 rows, 5 shown"]);
    assert!(!screen.contains("not kept"), "{screen}");
    has(&shell.run("SELECT COUNT(*) AS n FROM _;"), &["200000"]);
    has(&shell.run(&format!("{many} LIMIT 2000000;")), &["more than 128 MB and is not kept"]);
    has(&shell.run("SELECT COUNT(*) AS n FROM _;"), &["no table named `_`"]);
}

#[test]
fn a_statement_that_fails_or_is_stopped_leaves_the_last_result_as_it_is() {
    let home = Home::new();
    let mut shell = shell(&home);
    shell.run("SELECT 7 AS seven;");
    // Some rows, and then an error.
    shell.run("SELECT 1 / (1000 - row_number() OVER ()) AS n FROM pins a, pins b;");
    has(
        &shell.run("SELECT COUNT(*) AS kept, MAX(seven) AS seven FROM _;"),
        &["kept │ seven", "   1 │     7"],
    );
    shell.run("SELECT 8 AS eight;");
    shell.run("\\set max_rows 5");
    shell.run("\\set timeout 1s");
    has(&shell.run("SELECT a.cid FROM pins a, pins b, pins c, pins d, pins e;"), &["longer than its limit"]);
    has(&shell.run("\\full"), &["eight\n─────\n    8"]);
    has(&shell.run("SELECT COUNT(*) AS kept FROM _;"), &["kept\n────\n   1"]);
}

#[test]
fn settings_can_be_listed_shown_and_changed() {
    let home = Home::new();
    let (mut shell, _) = small(&home, &[]);
    for (line, seen) in [
        ("\\set", "skip_unreadable"),
        ("\\set timeout", "timeout is none"),
        ("\\set timeout 30s", "timeout is 30 s"),
        ("\\set timeout soon", "write a time such as 500ms"),
        ("\\set memory_limit 512MB", "memory_limit is 512 MB"),
        ("\\set threads 1", "threads is 1"),
        (".maxrows 1", "max_rows is 1"),
        ("SELECT cid FROM pins;", "(2 rows, 1 shown"),
        ("\\set fromat csv", "did you mean `format`?"),
        ("SELECT 2000000 AS bytes;", "2.0 MB"),
        ("\\x on", "lists"),
        (
            "SELECT 'a' AS a, 2000000 AS bytes, NULL::BIGINT AS n_bytes, 7 AS n;",
            "a       │ a\nbytes   │ 2.0 MB\nn_bytes │ NULL\nn       │ 7",
        ),
        ("\\set units off", "units is off"),
        ("SELECT 2000000 AS bytes;", "bytes │ 2000000"),
        ("\\x off", "lines"),
        ("SELECT 2000000 AS bytes;", "2000000"),
    ] {
        has(&shell.run(line), &[seen]);
    }
    shell.run("SELECT 5 AS five;");
    shell.run("\\set threads auto");
    has(&shell.run("SELECT five FROM _;"), &["five\n────\n   5"]);
    // With less, the join may be out of memory before it is out of time.
    shell.run("\\set memory_limit 8GB");
    let screen = shell.run("\\set timeout 1s");
    has(&screen, &["timeout is 1 s"]);
    has(&shell.run(&format!("{ENDLESS};")), &["longer than its limit of 1 s", "\\set timeout"]);
}

#[test]
fn answers_go_to_files_and_statements_come_from_them() {
    let home = Home::new();
    home.write("ask.sql", "-- both\n\\timing off\nSELECT 1\n  AS one;\n.mode csv\nSELECT 2 AS two");
    home.write("loop.sql", "\\i loop.sql\n");
    let (mut shell, _) = small(&home, &[]);
    has(&shell.run("\\i ask.sql"), &["one\n───\n  1\n(1 row)\n", "two\n2\n"]);
    has(&shell.run("\\i loop.sql"), &["runs itself"]);
    has(&shell.run("\\i none.sql"), &["cannot read none.sql"]);
    has(&shell.run("\\o out.json"), &["the next answer goes to out.json"]);
    has(&shell.run("SELECT status FROM pins ORDER BY 1;"), &["2 rows written to out.json"]);
    let written = fs::read_to_string(home.path("out.json")).expect("a file");
    assert_eq!(written, "[\n{\"status\":\"failed\"},\n{\"status\":\"stored\"}\n]\n");
    has(&shell.run("SELECT 3 AS three;"), &["three\n3\n"]);
}

#[test]
fn names_of_files_may_have_blanks_and_begin_at_home_and_are_looked_at_at_once() {
    let home = Home::new();
    home.write("my answer.sql", "SELECT 40 + 2 AS a;");
    let (mut shell, _) = small(&home, &[]);
    for file in ["my\\ answer.sql", "~/my\\ answer.sql", "'my answer.sql'"] {
        has(&shell.run(&format!("\\i {file}")), &["a\n──\n42"]);
    }
    has(&shell.run("\\o ~/out.csv"), &["the next answer goes to ~/out.csv"]);
    has(&shell.run("SELECT 1 AS a;"), &["1 row written to "]);
    assert_eq!(fs::read_to_string(home.path("out.csv")).expect("a file"), "a\n1\n");
    has(&shell.run("\\o /no-such-place/x.csv"), &["error: cannot write /no-such-place/x.csv"]);
    has(&shell.run("SELECT 3 AS b;"), &["b\n─\n3"]);
}

#[test]
fn what_fails_in_a_file_is_told_with_the_file_and_the_line() {
    let home = Home::new();
    home.write("wrong.sql", "SELECT 1 AS a;\n\n-- why\nSELECT\n  foo\nFROM pins;\n");
    home.write("command.sql", "\\timing off\n\\frob\n");
    home.write("both.sql", "SELECT 2 AS b;\n\\i command.sql\n");
    home.write("none.sql", "\n\\i no-such.sql\n");
    home.write("open.sql", "SELECT 1 AS a;\nSELECT 'x");
    let (mut shell, _) = small(&home, &[]);
    has(&shell.run("\\i wrong.sql"), &["no column named `foo`\n  at wrong.sql:5\n5 |   foo\n  |   ^\n"]);
    has(&shell.run("\\i both.sql"), &["b\n─\n2", "error: command.sql:2: there is no command `\\frob`"]);
    has(&shell.run("\\i none.sql"), &["error: cannot read no-such.sql"]);
    has(&shell.run("\\i open.sql"), &["  at open.sql:2\n2 | SELECT 'x"]);
}

#[test]
fn an_editor_gets_the_last_statement_and_gives_the_next() {
    let home = Home::new();
    home.write("editor.sh", "sed -i 's/40/41/' \"$1\"\n");
    let editor = format!("sh {}", home.path("editor.sh").display());
    let (mut shell, _) = small(&home, &[("EDITOR", &editor)]);
    has(&shell.run("SELECT 40 + 2 AS a;"), &["42"]);
    shell.keys("\\e\n");
    shell.shows("pinql> SELECT 41 + 2 AS a;");
    shell.keys("\n");
    shell.shows("43\n(1 row");
    let other = Home::new();
    let (mut failing, _) = small(&other, &[("EDITOR", "false")]);
    has(&failing.run("\\e"), &["the editor `false` failed"]);
}

#[test]
fn a_watched_statement_shows_what_changes_and_the_prompt_tells_of_changed_backends() {
    let home = Home::new();
    let (mut shell, root) = small(&home, &[]);
    has(&shell.run("\\watch 1"), &["there is no statement to watch"]);
    shell.run("SELECT status, COUNT(*) AS n FROM pins GROUP BY 1 ORDER BY 1;");
    shell.keys("\\watch 0.2\n");
    shell.shows("Ctrl-C ends it");
    write(&root, "s3", &mappings("s3", &[(HELLO, "stored"), (RAW, "stored")]));
    let screen = shell.shows("+ │ stored");
    has(&screen, &["- │ failed │ 1\n- │ stored │ 1\n+ │ stored │ 2"]);
    shell.keys(CTRL_C);
    shell.shows("no longer watched");
    shell.shows("since the last query changed: s3");
    shell.prompt();
    write(&root, "ftp", &mappings("ftp", &[(HELLO, "stored")]));
    has(&shell.run("SELECT COUNT(*) AS n FROM pins;"), &["since the last query new: ftp", "n\n─\n3"]);
}

#[test]
fn too_many_rows_are_refused_by_watch_as_soon_as_they_are_too_many() {
    let home = Home::new();
    let mut shell = shell(&home);
    shell.run("\\set timeout 5s");
    let endless = "SELECT a.cid FROM pins a, pins b, pins c, pins d, pins e, pins f;";
    has(&shell.run(endless), &["longer than its limit"]);
    has(&shell.run("\\watch"), &["error: more than 100000 rows are too many to be watched"]);
}

#[test]
fn a_table_is_summarized_column_by_column() {
    let home = Home::new();
    let (mut shell, _) = small(&home, &[]);
    let screen = shell.run("\\summarize pins");
    has(&screen, &["column ", "different", "failed", "stored", "(2 rows; different values are estimated"]);
    has(&shell.run("\\summarize backends.s3"), &["created_at"]);
    has(&shell.run("\\summarize pinz"), &["no table named `pinz`"]);
}

#[test]
fn explain_shows_what_was_done_with_rows_time_and_bytes() {
    let home = Home::new();
    let mut shell = shell(&home);
    let screen =
        shell.run("\\explain SELECT status, COUNT(*) FROM pins WHERE status <> 'x' GROUP BY 1 ORDER BY 2");
    has(&screen, &["CPU time", "sort", "aggregate", "└─ ", "read status of", " kB"]);
    shell.run("SELECT COUNT(*) FROM pins;");
    has(&shell.run("\\explain"), &["what was done"]);
    has(&shell.run("\\explain SELECT foo FROM pins"), &["no column named `foo`", "^"]);
}

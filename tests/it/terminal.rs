//! What the shell's screens look like: editing, completion, tables of every width, pager, progress.

use std::fs;

use insta::assert_snapshot;

use crate::cli::Home;
use crate::support::terminal::{BACKSPACE, CTRL_C, CTRL_D, CTRL_R, HOME, LEFT, TAB, Terminal, UP};
use crate::support::{HELLO, mappings, repository, write};

/// A shell over the sample collection in a terminal of this size.
fn shell(home: &Home, size: (u16, u16)) -> Terminal {
    Terminal::shell(&home.path(""), &repository("examples/ipfs_kit"), size, &[])
}

/// The screen without what differs from run to run.
fn steady(screen: &str) -> String {
    let mut out = String::new();
    for line in screen.lines() {
        let line = match line.find(" ms, read ").or(line.find(" ms)")) {
            Some(end) => {
                let start = line[..end].rfind(' ').map_or(0, |at| at + 1);
                let rest = if line[end..].starts_with(" ms)") { " ms)" } else { " ms, read …)" };
                format!("{}N{rest}", &line[..start])
            }
            None => line.to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[test]
fn a_statement_of_several_lines_is_edited_and_remembered_as_a_whole() {
    let home = Home::new();
    let mut first = shell(&home, (80, 24));
    first.keys("SELECT 40 + 1\nAS kept\n;\n");
    let screen = first.until("answer", |screen| screen.contains("(1 row") && screen.ends_with("pinql>"));
    assert_snapshot!(steady(&screen), @"
    pinql 0.1.0. End statements with a semicolon; \\? lists the commands, Tab completes.
    pinql> SELECT 40 + 1
      ...> AS kept
      ...> ;
    kept
    ────
      41
    (1 row, N ms)
    pinql>
    ");
    first.prompt();
    // Back in one piece, and its first line can be changed.
    first.keys(UP);
    first.shows("\npinql> SELECT 40 + 1\n  ...> AS kept\n  ...> ;");
    first.keys(&format!("{UP}{UP}"));
    first.goes_to("pinql> SELECT 40 + 1");
    first.keys(&format!("{HOME}{}", "\u{1b}[C".repeat(8)));
    first.keys(&format!("{BACKSPACE}5"));
    first.shows("SELECT 50 + 1\n  ...> AS kept");
    first.keys("\n");
    first.shows("  51\n");
    first.prompt();
    first.keys(CTRL_D);
    assert_eq!(first.code(), 0);
    let history = fs::read_to_string(home.path(".local/state/pinql/history")).expect("a history");
    assert!(history.contains("SELECT 40 + 1\\nAS kept\\n;"), "{history}");
    assert!(
        fs::read_dir(home.path("")).expect("home").flatten().all(|entry| entry.file_name() != ".history")
    );

    // Another shell finds it, by letters in it, too.
    let mut second = shell(&home, (80, 24));
    second.keys(CTRL_R);
    second.shows("reverse-i-search");
    second.keys("0 + 1");
    second.shows("SELECT 50 + 1");
    second.keys("\n");
    second.shows("  51\n");
}

#[test]
fn backspace_joins_lines_and_the_prompt_tells_what_is_open() {
    let home = Home::new();
    let mut shell = shell(&home, (80, 24));
    shell.keys("SELECT ('a\n");
    shell.shows("    '>");
    shell.keys("b',\n");
    shell.shows("    (>");
    shell.keys("1");
    shell.shows("    (> 1");
    shell.keys(&format!("{LEFT}{BACKSPACE}"));
    let screen = shell.until("joined lines", |screen| screen.ends_with("b',1"));
    assert!(screen.ends_with("pinql> SELECT ('a\n    '> b',1"), "{screen}");
    // A word is no more than itself, and where there is none, the line break.
    shell.keys("\u{3}");
    shell.prompt();
    shell.keys("SELECT 4,\ntwo words\u{17}\u{17}");
    shell.until("no word", |screen| screen.ends_with("pinql> SELECT 4,\n  ...>"));
    shell.keys("\u{17}5");
    shell.until("no second line", |screen| screen.ends_with("\npinql> SELECT 4,5"));
    // What is pasted stays as it is.
    shell.keys("\u{3}");
    shell.prompt();
    shell.keys("\u{1b}[200~SELECT 7\n AS pasted;\u{1b}[201~");
    shell.shows("AS pasted;");
    shell.keys("\n");
    shell.shows("pasted\n──────\n     7");
}

#[test]
fn two_shells_at_once_keep_each_others_history() {
    let home = Home::new();
    let (mut one, mut other) = (shell(&home, (80, 24)), shell(&home, (80, 24)));
    one.run("SELECT 'one';");
    other.run("SELECT 'other';");
    one.run("SELECT 'one again';");
    let history = fs::read_to_string(home.path(".local/state/pinql/history")).expect("a history");
    for entry in ["SELECT 'one';", "SELECT 'other';", "SELECT 'one again';"] {
        assert_eq!(history.matches(entry).count(), 1, "{entry} in {history}");
    }
}

#[test]
fn a_home_that_cannot_be_written_is_no_obstacle() {
    let home = Home::new();
    fs::write(home.path(".local"), "a file in the way").expect("a file");
    let mut shell = shell(&home, (80, 24));
    assert!(shell.run("SELECT 40 + 2 AS a;").contains("42"));
}

#[test]
fn tables_columns_functions_and_keywords_are_completed_where_they_can_stand() {
    let home = Home::new();
    let mut shell = shell(&home, (100, 24));
    shell.keys(&format!("SELECT cid, st{TAB}"));
    let screen = shell.settles_on("starts_with(");
    assert_snapshot!(screen.lines().take(4).collect::<Vec<_>>().join("\n"), @"
    pinql 0.1.0. End statements with a semicolon; \\? lists the commands, Tab completes.
    pinql> SELECT cid, st
    status  text
    starts_with(      starts_with(str, substr)  Tests if a string starts with a substring
    ");
    shell.keys(&format!("{TAB} FROM {TAB}"));
    let screen = shell.settles_on("what waits to be synced");
    assert_snapshot!(screen, @"
    pinql 0.1.0. End statements with a semicolon; \\? lists the commands, Tab completes.
    pinql> SELECT cid, status FROM
    pins             the mappings of all backends
    records          the same, with what the files themselves say
    backends         the backends and their states; backends.NAME is one of them
    rejects          entries of a pins.json that are no pins
    history          what a daemon has observed of all backends
    backend_history  what a daemon has observed of each backend
    registry         what other tools know of their backends
    buckets          what other tools know of their buckets
    dirty            what waits to be synced, as other tools noted it
    ");
    shell.keys(&format!("backends.kub{TAB} k WHERE k.cre{TAB} IS NOT NULL{TAB}"));
    shell.shows("FROM backends.kubo_office k WHERE k.created_at IS NOT NULL");
    shell.keys("\u{3}");
    shell.prompt();
    // A keyword in the case that was not typed.
    shell.keys(&format!("sel{TAB} 1 AS a or{TAB}"));
    shell.shows("SELECT 1 AS a OR");
}

#[test]
fn names_get_the_quotes_that_they_need() {
    let home = Home::new();
    let root = home.path("data");
    for name in ["my-backend", "s3"] {
        write(&root, name, &mappings(name, &[(HELLO, "stored")]));
    }
    let mut shell = Terminal::shell(&home.path(""), &root, (80, 24), &[]);
    shell.keys(&format!("SELECT 1 FROM backends.my{TAB} JOIN backends.\"my{TAB} JOIN backends.s{TAB};"));
    shell.shows("FROM backends.\"my-backend\" JOIN backends.\"my-backend\" JOIN backends.s3;");
    shell.keys("\u{3}");
    shell.prompt();
    shell.keys(&format!(
        "\u{c}WITH w AS (SELECT cid AS of_late FROM pins) SELECT of FROM w{}",
        LEFT.repeat(7)
    ));
    complete(&mut shell, "SELECT of_late");
}

#[test]
fn values_are_completed_from_the_data() {
    let home = Home::new();
    let mut shell = shell(&home, (100, 24));
    shell.keys("SELECT 1 FROM pins WHERE status = '");
    shell.shows("status = '");
    // They may come after the time that a key may take; then the next one has them.
    shell.keys(TAB);
    shell.shows("failed");
    shell.keys(&format!("sto{TAB} AND backend_name = 'kubo"));
    shell.shows("status = 'stored' AND backend_name = 'kubo");
    complete(&mut shell, "backend_name = 'kubo_office'");
    shell.keys(" AND cid = 'QmUCGLrkAMb7P1");
    shell.shows("QmUCGLrkAMb7P1");
    complete(&mut shell, "cid = 'QmUCGLrkAMb7P1bJUaYshCBuV1yHwHq9HCRjYSe4RBKg5W'");
}

#[test]
fn values_beyond_the_most_frequent_are_completed_by_how_they_begin() {
    let home = Home::new();
    let mut shell = shell(&home, (100, 24));
    // In the order of text, v1 to v181 are the first hundred.
    let many = "WITH w AS (SELECT 'v' || value AS v FROM generate_series(1, 500))";
    shell.keys(&format!("{many} SELECT 1 FROM w WHERE v = 'v49"));
    complete(&mut shell, "v497");
}

#[test]
fn the_last_result_and_its_columns_are_completed() {
    let home = Home::new();
    let mut shell = shell(&home, (100, 24));
    for column in ["first_one", "second_one"] {
        shell.run(&format!("SELECT 'x' AS {column};"));
        shell.keys("SELECT * FROM ");
        complete(&mut shell, "_                the last answer");
        let begin = &column[..3];
        shell.keys(CTRL_C);
        shell.prompt();
        shell.keys(&format!("SELECT {begin} FROM _{}", LEFT.repeat(" FROM _".len())));
        complete(&mut shell, &format!("SELECT {column} FROM _"));
        shell.keys(CTRL_C);
        shell.prompt();
    }
}

#[test]
fn a_quote_that_is_closed_already_is_not_closed_again() {
    let home = Home::new();
    let mut shell = shell(&home, (100, 24));
    for (typed, completed) in [
        ("SELECT 1 FROM pins WHERE status = 'sto'", "status = 'stored'"),
        ("SELECT 1 FROM backends.\"kubo_o\"", "backends.\"kubo_office\""),
        ("SELECT \"stat\" FROM pins", "SELECT \"status\" FROM pins"),
    ] {
        shell.keys(typed);
        let behind = typed.len() - typed.rfind(['\'', '"']).expect("a quote");
        shell.keys(&LEFT.repeat(behind));
        complete(&mut shell, completed);
        let screen = shell.screen();
        assert!(screen.lines().any(|line| line.ends_with(completed)), "{screen}");
        shell.keys("\u{3}");
        shell.prompt();
    }
}

/// Tab, again and again while the answer is under way.
fn complete(shell: &mut Terminal, wanted: &str) {
    let since = std::time::Instant::now();
    while !shell.screen().contains(wanted) {
        assert!(since.elapsed().as_secs() < 90, "no {wanted} on\n{}", shell.screen());
        shell.keys(TAB);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn commands_and_what_they_take_are_completed() {
    let home = Home::new();
    home.write("answers.sql", "SELECT 1;");
    home.write("my questions.sql", "SELECT 1;");
    let mut shell = shell(&home, (100, 24));
    shell.keys(&format!("\\rep{TAB}"));
    shell.shows("\\reports");
    shell.keys(&format!(" under{TAB} {TAB}"));
    shell.shows("\\report under-replicated min_copies=");
    for (keys, shown) in [
        ("\\i ans\t", "\\i answers.sql"),
        ("\\i my\t", "\\i my\\ questions.sql"),
        ("\\i my\\ qu\t", "\\i my\\ questions.sql"),
        ("\\o ~/ans\t", "\\o ~/answers.sql"),
        ("\\set time\t", "\\set timeout"),
        (".tab\t", "pinql> .tables"),
        ("\\d recor\t", "\\d records"),
        ("\\format mark\t", "\\format markdown"),
        ("\\explain SELECT car_f\t", "SELECT car_file_path"),
    ] {
        shell.keys("\u{3}");
        shell.prompt();
        shell.keys("\u{c}");
        shell.until("clear screen", |screen| screen == "pinql>");
        shell.keys(keys);
        shell.shows(shown);
    }
}

#[test]
fn hints_come_from_the_history_and_can_be_taken() {
    let home = Home::new();
    let mut shell = shell(&home, (80, 24));
    shell.run("SELECT 41 + 1 AS answer;");
    shell.keys("\u{c}SELECT 4");
    shell.shows("SELECT 41 + 1 AS answer;");
    shell.keys("\u{1b}[C");
    shell.keys("\n");
    shell.shows("answer\n──────\n    42");
}

#[test]
fn keywords_and_what_is_open_have_colours_unless_nobody_wants_them() {
    let home = Home::new();
    let root = repository("examples/ipfs_kit");
    for (more, keyword) in [
        (&[("NO_COLOR", "")][..], Some("\u{1b}[94mSELECT")),
        (&[("NO_COLOR", ""), ("COLORFGBG", "0;15")], Some("\u{1b}[34mSELECT")),
        (&[], None),
    ] {
        let mut shell = Terminal::shell(&home.path(""), &root, (80, 24), more);
        shell.keys("SELECT 'x");
        shell.shows("SELECT 'x");
        let colors = shell.colors();
        match keyword {
            Some(keyword) => assert!(colors.contains(keyword), "{colors:?}"),
            None => assert!(!colors.contains("\u{1b}[34m") && !colors.contains("\u{1b}[94m"), "{colors:?}"),
        }
    }
}

#[test]
fn tables_fit_narrow_and_wide_terminals() {
    let sql = "SELECT cid, backend_name, status, size_bytes FROM pins WHERE backend_name = 'kubo_office' ORDER BY cid LIMIT 2;";
    let home = Home::new();
    let mut narrow = shell(&home, (60, 24));
    let screen = narrow.run(sql);
    let fits = |line: &str| line.chars().count() <= 60;
    assert!(screen.lines().skip(1).all(fits), "{screen}");
    assert_snapshot!(steady(&screen), @"
    pinql> SELECT cid, backend_name, status, size_bytes FROM pins WHERE backend_name = 'kubo_office' ORDER BY cid LIMIT 2;
    cid                     │ backend_name │ status │ size_bytes
    ────────────────────────┼──────────────┼────────┼───────────
    QmP8BaDA2A5…94V7BSHrqNV │ kubo_office  │ stored │    39.9 MB
    QmPT24mm6KY…sYPAMNa8w2p │ kubo_office  │ stored │    45.1 MB
    (2 rows, N ms, read …)
    pinql>
    ");
    let mut wide = shell(&home, (140, 24));
    assert_snapshot!(steady(&wide.run(sql)), @"
    pinql> SELECT cid, backend_name, status, size_bytes FROM pins WHERE backend_name = 'kubo_office' ORDER BY cid LIMIT 2;
    cid                                            │ backend_name │ status │ size_bytes
    ───────────────────────────────────────────────┼──────────────┼────────┼───────────
    QmP8BaDA2A5LzUJ2jn8MNhMVpiMHq48JU6X94V7BSHrqNV │ kubo_office  │ stored │    39.9 MB
    QmPT24mm6KYG37VFwyX8ipXE6ntoHnfNBs1sYPAMNa8w2p │ kubo_office  │ stored │    45.1 MB
    (2 rows, N ms, read …)
    pinql>
    ");
}

#[test]
fn a_long_table_goes_through_the_pager_and_the_shell_goes_on() {
    let home = Home::new();
    home.write("pager.sh", "echo PAGED; head -3; echo END; cat > /dev/null\n");
    home.write("leave.sh", "echo LEFT\n");
    let root = repository("examples/ipfs_kit");
    let pager = format!("sh {}", home.path("pager.sh").display());
    let mut shell = Terminal::shell(&home.path(""), &root, (80, 12), &[("PINQL_PAGER", &pager)]);
    let screen = shell.run("SELECT cid FROM pins;");
    for text in ["PAGED\ncid\n", "END\n", " rows, "] {
        assert!(screen.contains(text), "{screen}");
    }
    assert!(!shell.run("SELECT 1 AS a;").contains("PAGED"));
    shell.run(&format!("\\set pager sh {}", home.path("leave.sh").display()));
    assert!(shell.run("SELECT * FROM pins;").contains("LEFT"));
    shell.run("\\set pager off");
    assert!(!shell.run("SELECT cid FROM pins LIMIT 20;").contains("LEFT"));
}

#[test]
fn rows_are_shown_all_the_same_where_the_pager_cannot_be_run() {
    let home = Home::new();
    let root = repository("examples/ipfs_kit");
    let mut shell = Terminal::shell(&home.path(""), &root, (80, 30), &[("PINQL_PAGER", "no-such-pager")]);
    let screen = shell.run("SELECT 'row ' || value AS a FROM generate_series(1, 40);");
    assert!(screen.contains("row 40\n(40 rows, "), "{screen}");
    // More than a pipe holds, so that writing fails.
    shell.run("\\format csv");
    let screen = shell
        .run("SELECT 'row ' || value || repeat('x', 65) AS a FROM generate_series(1, 9000) ORDER BY value;");
    assert!(screen.contains("row 9000x"), "{screen}");
}

#[test]
fn ctrl_c_in_the_pager_stops_the_query_and_never_ends_the_shell() {
    let home = Home::new();
    // It takes nothing before Enter, so that the query waits for it.
    home.write("pager.sh", "trap '' INT\necho PAGED\nread key < /dev/tty\necho CLOSED\n");
    let root = repository("examples/ipfs_kit");
    let pager = format!("sh {}", home.path("pager.sh").display());
    let mut shell = Terminal::shell(&home.path(""), &root, (80, 24), &[("PINQL_PAGER", &pager)]);
    shell.run("\\format csv");
    shell.keys("SELECT repeat('x', 4000) AS x FROM pins a, pins b;\n");
    shell.shows("PAGED");
    for _ in 0..3 {
        shell.keys(CTRL_C);
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    shell.keys("\n");
    shell.shows("CLOSED");
    shell.shows("cancelled");
    shell.prompt();
    assert!(shell.run("SELECT 40 + 2 AS a;").contains("42"));
}

#[test]
fn an_answer_whose_pager_is_left_early_is_the_last_result_all_the_same() {
    let home = Home::new();
    home.write("leave.sh", "echo LEFT\n");
    let root = repository("examples/ipfs_kit");
    let pager = format!("sh {}", home.path("leave.sh").display());
    let mut shell = Terminal::shell(&home.path(""), &root, (80, 24), &[("PINQL_PAGER", &pager)]);
    shell.run("SELECT 1 AS a;");
    // More than a pipe holds: the pager has gone before it has everything.
    shell.run("\\set max_rows 0");
    let screen = shell.run("SELECT repeat('x', 60) AS x FROM pins a, pins b;");
    assert!(screen.contains("LEFT") && screen.contains(" rows, "), "{screen}");
    let screen = shell.run("SELECT COUNT(*) > 20000 AS many FROM _;");
    assert!(screen.contains("many\n────\ntrue"), "{screen}");
}

#[test]
fn rows_are_seen_before_the_rest_is_counted_and_so_is_how_far_that_is() {
    let endless = "SELECT a.cid FROM pins a, pins b, pins c, pins d, pins e, pins f;\n";
    let home = Home::new();
    home.write("leave.sh", "head -3\necho LEFT\n");
    let root = repository("examples/ipfs_kit");
    let pager = format!("sh {}", home.path("leave.sh").display());
    for (rows, pager, above) in [(3, "", "\n───"), (1000, pager.as_str(), "LEFT\n")] {
        let mut shell = Terminal::shell(&home.path(""), &root, (80, 24), &[("PINQL_PAGER", pager)]);
        shell.run(&format!("\\set max_rows {rows}"));
        shell.keys(endless);
        let counted = |screen: &str| screen.lines().last().is_some_and(|line| line.contains(" rows, "));
        let screen = shell.until("rows and progress", |screen| screen.contains(above) && counted(screen));
        assert!(screen.contains("\ncid"), "{screen}");
        shell.keys(CTRL_C);
        shell.shows("cancelled");
        let screen = shell.prompt();
        assert!(screen.contains(above) && !screen.contains(" rows, "), "{screen}");
    }
}

#[test]
fn a_bad_line_of_the_configuration_warns_in_the_shell_and_fails_in_scripts() {
    let home = Home::new();
    home.write(".config/pinql/config.toml", "max_rows = 2\nthreads = \"many\"\n[shell]\ntiming = false\n");
    let mut shell = shell(&home, (100, 24));
    let screen = shell.screen();
    assert!(screen.contains("config.toml:2: threads: `many` is no number of threads"), "{screen}");
    assert!(shell.run("SELECT cid FROM pins;").contains("rows, 2 shown)"));
    let mut script = std::process::Command::new(env!("CARGO_BIN_EXE_pinql"));
    let script = script.env_clear().env("HOME", home.path("")).env("PINQL_ROOT", home.path("data"));
    let output = script.args(["-c", "SELECT 1"]).output().expect("the program starts");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("config.toml:2"));
    home.write(".config/pinql/config.toml", "[shell]\ntheme = \"pink\"\n");
    let output = script.output().expect("the program starts");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("config.toml:2: theme: `pink` is none of dark, light, none"), "{said}");
}

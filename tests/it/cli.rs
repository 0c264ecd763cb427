//! The program as scripts see it: stdout, stderr, exit code.
//!
//! Each test gets a data directory of its own and an environment without anything of the user's. Those that run SQL
//! need the engine; see the second half.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use tempfile::TempDir;

/// A query that takes longer than anyone waits, over tables that every session has.
pub const ENDLESS: &str = "\
SELECT COUNT(*) FROM information_schema.routines a, information_schema.routines b, information_schema.routines c, \
information_schema.routines d WHERE concat(a.description, b.description, c.description, d.description) = ''";

/// A home with a data directory `data` that has no backends yet.
pub struct Home {
    dir: TempDir,
}

impl Home {
    pub fn new() -> Home {
        let home = Home { dir: tempfile::tempdir().expect("a temporary directory") };
        fs::create_dir_all(home.path("data/backends")).expect("a directory in it");
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the home")).expect("directories for it");
        fs::write(&path, text).expect("a file of the test");
    }

    /// What a directory of the home holds.
    fn files(&self, dir: &str) -> Vec<OsString> {
        fs::read_dir(self.path(dir)).expect("a directory").flatten().map(|entry| entry.file_name()).collect()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("the file was written")
    }

    /// The program in this home, over its data directory.
    fn pinql(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        command.env("PINQL_ROOT", self.path("data"));
        command
    }

    /// The program in this home, over what it finds by itself.
    fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pinql"));
        command.args(args).env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs the program and shows all there is to see, with this home's path left out.
    fn run(&self, args: &[&str]) -> String {
        self.show(self.pinql(args).output().expect("the program starts"))
    }

    fn run_with_stdin(&self, args: &[&str], stdin: &str) -> String {
        let mut command = self.pinql(args);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the program starts");
        child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()).expect("the program reads it");
        self.show(child.wait_with_output().expect("the program ends"))
    }

    fn show(&self, output: Output) -> String {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let shown = format!("{}--- stderr\n{}", text(output.stdout), text(output.stderr));
        let code = output.status.code().map_or("none".into(), |code| code.to_string());
        let home = self.dir.path().display().to_string();
        format!("{}--- exit {code}", shown.replace(&home, "~"))
    }
}

#[test]
fn help_names_every_option() {
    assert_snapshot!(Home::new().run(&["--help"]), @"
    Ask SQL questions about the pins of many storage backends

    Usage: pinql [OPTIONS] [COMMAND]

    Commands:
      report       Answer a canned question, or list them all
      lookup       Tell where CIDs are: every mapping of each, in the order asked
      backend      List, migrate, verify and restore backends
      car          List, show and verify any CAR file
      prices       Print the prices of storage that reports use, as a file to be edited
      diff         Tell which pins were added or removed, or are in another state; exit code 1 if any
      dashboard    Write one page with charts and tables of the main reports: --html FILE
      daemon       Watch over all backends: how they are, history, alerts, metrics
      completions  Write the script with which a shell completes pinql's command line
      man          Write the manual page of pinql, or of one of its commands
      help         Print this message or the help of the given subcommand(s)

    Options:
      -c, --command <SQL>  Run these statements
      -f, --file <FILE>    Run the statements of this file; `-` is stdin
      -h, --help           Print help
      -V, --version        Print version

    Options of all commands:
          --root <DIR>           The data directory, which holds `backends/` [default: $PINQL_ROOT,
                                 $IPFS_KIT_PATH or ~/.ipfs_kit]
          --format <FORMAT>      How answers are written [default: by the name of -o FILE, else table]
                                 [possible values: table, csv, tsv, json, ndjson, markdown, html, xlsx,
                                 parquet, arrow]
      -o, --output <FILE>        Write the answer to this file or URL (s3://, gs://, az://, https://),
                                 where it appears whole or not at all
          --max-rows <N>         The most rows of a table to show, 0 for all [default: 1000 on a
                                 terminal, else all]
          --memory-limit <SIZE>  The memory that queries may use: 512MB, 2GiB, 50%, none [default: 60%]
          --timeout <TIME>       The longest that one query may run: 500ms, 30s, 5m [default: no limit]
          --threads <N>          The threads that queries use [default: one per core]
          --skip-unreadable      Go on without backends that cannot be read: stderr names them, and the
                                 exit code is 1
          --keep-going           Go on after a statement that fails; the exit code still tells
          --queries <DIR>        A directory of reports of your own, besides
                                 $XDG_CONFIG_HOME/pinql/queries
          --prices <FILE>        What storage costs, in place of $XDG_CONFIG_HOME/pinql/prices.toml and
                                 of the prices that come with pinql
          --fail-if-rows         Exit with 1 if the answer has rows
          --max-rows-ok <N>      Exit with 1 if the answer has more rows than this
          --fail-if <CONDITION>  Exit with 1 if this SQL condition on its columns is true of any row
          --html <FILE>          Write a page with the answer, and its chart if the report has one:
                                 short for --format html -o FILE
          --chart                Show a table's answer as bars, too
          --compress <METHOD>    Compress the answer [default: by the name of -o FILE, .gz or .zst]
                                 [possible values: gzip, zstd]
          --bom                  Begin CSV with the mark by which Excel knows UTF-8
          --spreadsheet-safe     In CSV and TSV, put a ' before text that a spreadsheet would run as a
                                 formula
          --numbers-as-text      In JSON, write 64-bit integers and decimals as strings
          --manifest <FILE>      Write a file that says what the answer is: rows, SHA-256, columns,
                                 query, parameters, sources
          --split-by <COLUMN,…>  Make a directory of -o, with a file for each value of these columns:
                                 column=value/part-0.parquet
          --verify               Read back what -o names, a file before it takes its place, and compare
          --color <WHEN>         When to use colour; auto is on a terminal, unless NO_COLOR is set
                                 [default: auto] [possible values: auto, always, never]
      -v, --verbose...           Tell more on stderr about what is done; twice and three times for still
                                 more

    Examples:
      pinql -c 'SELECT backend_name, COUNT(*) FROM pins GROUP BY 1'
      pinql report under-replicated --min-copies 3 --format json
      pinql -f daily.sql -o daily.csv
      echo 'SELECT * FROM backends' | pinql
      pinql lookup --cids cids.txt --format csv
      pinql backend migrate-pin-mappings --dry-run

    Without SQL and without a command, pinql opens a shell.
    --- stderr
    --- exit 0
    ");
}

#[test]
fn a_wrong_command_line_is_exit_2_with_a_word_on_stderr_only() {
    let home = Home::new();
    for (args, word) in [
        (vec!["--fromat", "csv"], "'--format'"),
        (vec!["--format", "jsn"], "'json'"),
        (vec!["--memory-limit", "lots"], "512MB, 2GiB or 50%"),
        (vec!["--timeout", "5"], "500ms, 30s, 5m"),
        (vec!["--threads", "0"], "--threads"),
        (vec!["--max-rows", "many"], "--max-rows"),
        (vec!["reprot"], "'report'"),
        (vec!["SELECT 1"], "pinql -c"),
        (vec!["-c", "--format"], "expected SQL"),
        (vec!["-c", "SELECT 1", "report"], "do not go with `report`"),
        (vec!["report", "--json", "summary"], "leave out the name"),
        (vec!["-c", "SELECT 1", "-o", "out.xyz"], "--format"),
        (vec!["-c", "", "-o", "out.csv"], "no statement"),
    ] {
        let output = home.pinql(&args).output().expect("the program starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(stderr.starts_with("error: ") && stderr.contains(word), "{args:?}: {stderr}");
    }
}

#[test]
fn a_missing_data_directory_is_named_with_a_hint() {
    assert_snapshot!(Home::new().run(&["--root", "/nowhere", "-c", "SELECT 1"]), @"
    --- stderr
    error: no data directory at /nowhere
    hint: name the directory that holds `backends/` with --root DIR, or set PINQL_ROOT
    --- exit 2
    ");
}

#[test]
fn the_root_is_the_option_else_the_variables_else_the_home_directory() {
    let home = Home::new();
    let cases = [
        (["/option", "/pinql", "/kit"], "/option"),
        (["~/option", "/pinql", "/kit"], "~/option"),
        (["", "/pinql", "/kit"], "/pinql"),
        (["", "~/pinql", ""], "~/pinql"),
        (["", "", "/kit"], "/kit"),
        (["", "", ""], "~/.ipfs_kit"),
    ];
    for ([option, variable, kit], root) in cases {
        let mut command = home.bare(&["-c", "SELECT 1"]);
        if !option.is_empty() {
            command.args(["--root", option]);
        }
        let output = command.env("PINQL_ROOT", variable).env("IPFS_KIT_PATH", kit).output();
        let shown = home.show(output.expect("the program starts"));
        assert!(shown.contains(&format!("error: no data directory at {root}\n")), "{root}: {shown}");
    }
}

#[test]
fn options_stand_before_and_after_a_command() {
    let home = Home::new();
    let before = home.run(&["--format", "csv", "report"]);
    assert_eq!(before, home.run(&["report", "--format", "csv"]));
    assert!(before.starts_with("name,title\n"), "{before}");
}

#[test]
fn a_misspelt_report_gets_the_nearest_name() {
    assert_snapshot!(Home::new().run(&["report", "under-replicatd", "--min-copies", "3"]), @"
    --- stderr
    error: no report named `under-replicatd`
    hint: did you mean `under-replicated`? `pinql report` lists them
    --- exit 2
    ");
}

#[test]
fn the_help_of_a_report_shows_its_title_and_its_parameters() {
    let help = Home::new().run(&["report", "under-replicated", "--help"]);
    for part in ["Under-replicated contents", "--min-copies <INTEGER>", "[default: 2]", "--- exit 0"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn reports_are_listed_as_json_with_all_there_is_to_know() {
    let home = Home::new();
    home.write(
        "mine/two.sql",
        "-- title: Two\n-- description: Adds.\n-- param: n integer 1  how many\nSELECT $n + 1 AS two\n",
    );
    let output = home
        .pinql(&["report", "--list", "--json", "--queries", "mine"])
        .output()
        .expect("the program starts");
    let all: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    let two = all.iter().find(|report| report["name"] == "two").expect("the user's report is listed");
    assert_snapshot!(serde_json::to_string_pretty(two).expect("JSON"), @r#"
    {
      "name": "two",
      "title": "Two",
      "description": "Adds.",
      "parameters": [
        {
          "name": "n",
          "type": "integer",
          "list": false,
          "default": "1",
          "allowed": null,
          "help": "how many"
        }
      ],
      "chart": null,
      "origin": "mine/two.sql"
    }
    "#);
}

#[test]
fn a_report_with_a_bad_header_stops_nothing_but_itself() {
    let home = Home::new();
    home.write("mine/bad.sql", "SELECT 1\n");
    home.write("mine/good.sql", "\u{feff}-- title: Good\nSELECT 1 AS one\n");
    assert_snapshot!(home.run(&["report", "--queries", "mine", "good", "--format", "csv"]), @"
    one
    1
    --- stderr
    skipped report bad: mine/bad.sql, line 1: a report begins with `-- title: …`
    --- exit 0
    ");
    assert_snapshot!(home.run(&["report", "--queries", "mine", "bad"]), @"
    --- stderr
    error: mine/bad.sql, line 1: a report begins with `-- title: …`
    --- exit 2
    ");
    assert!(home.run(&["--queries", "mine", "-c", ""]).ends_with("--- exit 0"));
}

#[test]
fn a_reader_that_goes_away_is_a_quiet_success() {
    let home = Home::new();
    for args in [
        vec!["--help"],
        vec!["--version"],
        vec!["report"],
        vec!["report", "--json"],
        vec!["report", "summary", "--help"],
    ] {
        assert_eq!(without_reader(&home, &args), "--- stderr\n--- exit 0", "{args:?}");
    }
}

#[test]
fn a_failure_before_the_reader_goes_away_is_one_all_the_same() {
    let home = Home::new();
    for format in ["table", "csv"] {
        let args = ["--keep-going", "--format", format, "-c", "SELECT nope; SELECT 1"];
        let shown = without_reader(&home, &args);
        assert!(shown.contains("no column named `nope`") && shown.ends_with("--- exit 2"), "{shown}");
    }
}

#[test]
fn a_gate_that_is_shut_stays_shut_when_the_reader_goes_away() {
    let home = Home::new();
    for (sql, gate, code, words) in [
        ("SELECT * FROM generate_series(1, 3)", &["--fail-if-rows"][..], 1, "gate: 3 rows, and at most 0"),
        ("SELECT * FROM generate_series(1, 3000000)", &["--fail-if-rows"], 1, "gate: at least "),
        ("SELECT * FROM generate_series(1, 3000000)", &["--fail-if", "value = 1"], 1, "gate: at least 1 row"),
        ("SELECT * FROM generate_series(1, 3000000)", &["--max-rows-ok", "3000000"], 0, ""),
        ("SELECT 1; SELECT 2 WHERE false; SELECT 3", &["--fail-if", "1 = 2"], 0, ""),
    ] {
        for format in ["table", "csv"] {
            let args = [&["--format", format, "-c", sql], gate].concat();
            let shown = without_reader(&home, &args);
            assert!(shown.ends_with(&format!("--- exit {code}")), "{args:?}: {shown}");
            assert!(shown.contains(words) && !shown.contains("error"), "{args:?}: {shown}");
        }
    }
}

/// Runs the program with a stdout that nobody reads.
fn without_reader(home: &Home, args: &[&str]) -> String {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let child = home.pinql(args).stdout(writer).stderr(Stdio::piped()).spawn().expect("the program starts");
    home.show(child.wait_with_output().expect("the program ends"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_even_if_it_shows_only_at_the_end() {
    let home = Home::new();
    for args in [vec!["--help"], vec!["report"], vec!["report", "--json"], vec!["-c", "SELECT 1"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
        let child =
            home.pinql(&args).stdout(full).stderr(Stdio::piped()).spawn().expect("the program starts");
        let shown = home.show(child.wait_with_output().expect("the program ends"));
        assert!(
            shown.contains("error: cannot write the answer\ncaused by: No space left"),
            "{args:?}: {shown}"
        );
        assert!(shown.ends_with("--- exit 2"), "{args:?}: {shown}");
    }
}

// ---- From here on the engine answers. ----

#[test]
fn data_goes_to_stdout_and_words_to_stderr() {
    assert_snapshot!(Home::new().run(&["-c", "SELECT 1 AS a, 'x' AS b"]), @"
    a │ b
    ──┼──
    1 │ x
    --- stderr
    (1 row)
    --- exit 0
    ");
}

#[test]
fn only_tables_have_a_footer() {
    let home = Home::new();
    for format in ["csv", "tsv", "json", "ndjson", "markdown", "parquet", "arrow"] {
        let output =
            home.pinql(&["--format", format, "-c", "SELECT 1 AS a"]).output().expect("the program starts");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{format}");
    }
}

#[test]
fn rows_beyond_max_rows_are_counted() {
    assert_snapshot!(Home::new().run(&["--max-rows", "1", "-c", "VALUES (1), (2), (3)"]), @"
    column1
    ───────
          1
    --- stderr
    (3 rows, 1 shown)
    --- exit 0
    ");
}

#[test]
fn statements_run_in_the_order_of_the_command_line() {
    let home = Home::new();
    home.write("two.sql", "-- a comment; no statement\nSELECT 2 AS two;\n\nSELECT 3 AS three;\n");
    let args = [
        "--format",
        "csv",
        "-c",
        "SELECT 1 AS one",
        "-f",
        "two.sql",
        "-c",
        "-- more\nSELECT 4 AS four",
        "-f",
        "-",
    ];
    assert_snapshot!(home.run_with_stdin(&args, "SELECT 5 AS five"), @"
    one
    1
    two
    2
    three
    3
    four
    4
    five
    5
    --- stderr
    --- exit 0
    ");
}

#[test]
fn without_a_command_sql_comes_from_stdin() {
    let home = Home::new();
    assert_snapshot!(home.run_with_stdin(&["--format", "csv"], "SELECT 1 AS a;\n"), @"
    a
    1
    --- stderr
    --- exit 0
    ");
    assert_eq!(home.run_with_stdin(&[], ""), "--- stderr\n--- exit 0");
}

#[test]
fn an_error_shows_the_line_and_the_place() {
    assert_snapshot!(Home::new().run(&["-c", "SELECT\n\t'漢字', foo\nFROM pins"]), @"
    --- stderr
    error: no column named `foo`
    2 |     '漢字', foo
      |             ^
    hint: known columns: cid, car_file_path, backend_name, created_at, status, metadata, content, size_bytes; text stands in single quotes
    --- exit 2
    ");
}

#[test]
fn an_error_in_a_script_says_which_file_and_line() {
    let home = Home::new();
    home.write("daily.sql", "SELECT 1 AS a;\n\nSELECT cid\nFROM pinz;\nSELECT 2 AS b;\n");
    assert_snapshot!(home.run(&["--format", "csv", "-f", "daily.sql"]), @"
    a
    1
    --- stderr
    error: no table named `pinz`
      at daily.sql:4
    4 | FROM pinz
      |      ^
    hint: did you mean `pins`?
    --- exit 2
    ");
    assert_snapshot!(home.run(&["--format", "csv", "--keep-going", "-f", "daily.sql"]), @"
    a
    1
    b
    2
    --- stderr
    error: no table named `pinz`
      at daily.sql:4
    4 | FROM pinz
      |      ^
    hint: did you mean `pins`?
    --- exit 2
    ");
}

#[test]
fn nothing_runs_unless_all_of_it_can_be_read() {
    let home = Home::new();
    home.write("open.sql", "SELECT 2;\nSELECT 'open;\n");
    assert_snapshot!(home.run(&["-c", "SELECT 1", "-f", "open.sql"]), @"
    --- stderr
    error: unterminated string literal
      at open.sql:2
    2 | SELECT 'open;
      |        ^
    --- exit 2
    ");
    assert_snapshot!(home.run(&["-c", "SELECT 1", "-f", "missing.sql"]), @"
    --- stderr
    error: cannot read missing.sql
    caused by: No such file or directory (os error 2)
    --- exit 2
    ");
}

#[test]
fn a_file_gets_the_format_of_its_name_and_one_answer() {
    let home = Home::new();
    assert_eq!(home.run(&["-c", "SELECT 1 AS a", "-o", "out.csv"]), "--- stderr\n--- exit 0");
    assert_eq!(home.read("out.csv"), "a\n1\n");
    assert_eq!(
        home.run(&["-c", "SELECT 1 AS a", "-o", "out.csv", "--format", "ndjson"]),
        "--- stderr\n--- exit 0"
    );
    assert_eq!(home.read("out.csv"), "{\"a\":1}\n");
    assert_snapshot!(home.run(&["-c", "SELECT 1; SELECT 2", "-o", "out.csv"]), @"
    --- stderr
    error: out.csv cannot hold the answers of 2 statements
    hint: run the statements one by one, each with its own -o FILE
    --- exit 2
    ");
    assert_eq!(home.read("out.csv"), "{\"a\":1}\n");
}

#[test]
fn a_query_that_fails_leaves_the_file_as_it_was() {
    let home = Home::new();
    home.write("out/a.csv", "before\n");
    for sql in ["SELECT nothing", "SELECT 1 / (a - 3) AS a FROM (VALUES (1), (2), (3)) AS t(a)"] {
        assert!(home.run(&["-c", sql, "-o", "out/a.csv"]).ends_with("--- exit 2"), "{sql}");
    }
    assert_eq!(home.read("out/a.csv"), "before\n");
    assert_eq!(home.files("out"), ["a.csv"]);
}

#[cfg(unix)]
#[test]
fn an_answer_can_go_to_a_pipe_by_its_name() {
    assert_snapshot!(Home::new().run(&["-c", "SELECT 1 AS a", "--format", "csv", "-o", "/dev/stdout"]), @"
    a
    1
    --- stderr
    --- exit 0
    ");
}

#[test]
fn a_reader_that_has_seen_enough_of_an_answer_is_no_error() {
    let home = Home::new();
    for format in ["table", "csv", "ndjson"] {
        let shown = without_reader(
            &home,
            &[
                "--format",
                format,
                "-c",
                "SELECT a.routine_name FROM information_schema.routines a, information_schema.routines b",
            ],
        );
        assert_eq!(shown, "--- stderr\n--- exit 0", "{format}");
    }
}

#[test]
fn an_unreadable_backend_stops_the_query_or_is_skipped_by_name() {
    let home = Home::new();
    home.write("data/backends/s3/pin_mappings.parquet", "no Parquet");
    let sql = "SELECT COUNT(*) AS pins FROM pins";
    assert_snapshot!(home.run(&["-c", sql]), @"
    --- stderr
    error: backend `s3` is unreadable: backends/s3/pin_mappings.parquet: not a Parquet file
    hint: see `SELECT name, state, reason FROM backends`; --skip-unreadable goes on without it
    --- exit 2
    ");
    // Said once, however many statements miss it.
    assert_snapshot!(home.run(&["--skip-unreadable", "--format", "csv", "-c", sql, "-c", sql]), @"
    pins
    0
    pins
    0
    --- stderr
    skipped backend s3: backends/s3/pin_mappings.parquet: not a Parquet file
    --- exit 1
    ");
}

#[test]
fn a_report_takes_its_parameters_as_options_and_as_pairs() {
    let home = Home::new();
    home.write(
        ".config/pinql/queries/two.sql",
        "-- title: Two\n-- param: how_many integer 1  how many\nSELECT $how_many AS n\n",
    );
    for (args, n) in [
        (vec!["report", "two"], 1),
        (vec!["report", "two", "--how-many", "2"], 2),
        (vec!["report", "two", "--how-many=-3"], -3),
        (vec!["report", "two", "--param", "how_many=4"], 4),
        (vec!["report", "--root", "data", "two", "--param", "how-many=5"], 5),
    ] {
        let args: Vec<&str> = args.into_iter().chain(["--format", "csv"]).collect();
        assert_eq!(home.run(&args), format!("n\n{n}\n--- stderr\n--- exit 0"), "{args:?}");
    }
    assert_snapshot!(home.run(&["report", "two", "--how-many", "few"]), @"
    --- stderr
    error: parameter `how_many` of report `two`: `few` is no whole number
    --- exit 2
    ");
    assert!(home.run(&["report", "two", "--param", "many=1"]).ends_with("--- exit 2"));
}

#[test]
fn a_query_beyond_its_time_is_stopped() {
    let since = Instant::now();
    assert_snapshot!(Home::new().run(&["--timeout", "300ms", "-c", ENDLESS]), @"
    --- stderr
    error: the query took longer than its limit of 0.3 s
    hint: raise --timeout, or ask for less at once
    --- exit 2
    ");
    assert!(since.elapsed() < Duration::from_secs(10));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_script_at_once_and_leaves_no_file() {
    let home = Home::new();
    let mut child =
        home.pinql(&["--keep-going", "-o", "out.csv", "-c", ENDLESS]).spawn().expect("the program starts");
    let since = Instant::now();
    while home.files("").len() < 2 && since.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(20));
    }
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("kill runs").success());
    assert_eq!(child.wait().expect("the program ends").code(), Some(130));
    assert_eq!(home.files(""), ["data"], "nothing is left of the answer");
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_no_spill_files() {
    let home = Home::new();
    fs::create_dir(home.path("spill")).expect("a directory");
    let sort = "SELECT SUM(r) FROM (SELECT row_number() OVER (ORDER BY -value) AS r FROM generate_series(1, 100000000))";
    let mut command = home.pinql(&["--memory-limit", "10MB", "-c", sort]);
    let mut child = command.env("TMPDIR", home.path("spill")).spawn().expect("the program starts");
    let since = Instant::now();
    while home.files("spill").is_empty() && since.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(20));
    }
    assert!(!home.files("spill").is_empty(), "nothing was spilled");
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.expect("kill runs").success());
    assert_eq!(child.wait().expect("the program ends").code(), Some(130));
    assert_eq!(home.files("spill"), [""; 0]);
}

#[cfg(unix)]
#[test]
fn stdout_by_its_name_keeps_what_stands_there() {
    let home = Home::new();
    for name in ["/dev/stdout", "/dev/fd/1", "-"] {
        let script =
            format!("(echo before; \"$0\" -c 'SELECT 1 AS a' --format csv -o {name}; echo after) > kept");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_pinql")]).current_dir(home.path(""));
        assert!(shell.env("PINQL_ROOT", home.path("data")).status().expect("sh runs").success());
        assert_eq!(home.read("kept"), "before\na\n1\nafter\n", "{name}");
    }
}

/// The most memory that a run takes, in bytes, as the system counts it. The allocator is told to give back at once what is
/// freed, else the holes that it keeps differ from run to run.
#[cfg(target_os = "linux")]
fn peak_memory(home: &Home, args: &[&str]) -> u64 {
    let mut command = home.pinql(args);
    command.env("MIMALLOC_PURGE_DELAY", "0");
    let mut child = command.stdout(Stdio::null()).spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = kilobytes.map_or(peak, |kilobytes| kilobytes << 10);
        sleep(Duration::from_millis(10));
    }
    assert!(child.wait().expect("the program ends").success());
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_of_any_length_takes_no_more_memory_than_a_short_one() {
    let home = Home::new();
    for (format, many) in [("csv", "500000"), ("ndjson", "500000"), ("table", "300000")] {
        let rows = |count: &str| {
            let sql = format!("SELECT value, repeat('x', 200) AS text FROM generate_series(1, {count})");
            peak_memory(&home, &["--format", format, "-c", &sql])
        };
        let (short, long) = (rows("50000"), rows(many));
        // The long one is 50 MB more at least.
        assert!(long < short + (32 << 20), "{format}: {short} bytes, then {long}");
    }
}

#[test]
fn verbose_runs_tell_what_was_read() {
    let home = Home::new();
    let sample = crate::support::repository("examples/ipfs_kit");
    let sql = "SELECT COUNT(cid) FROM pins WHERE backend_name = 'cluster_eu'";
    let output = home.bare(&["-v", "-c", sql, "--root"]).arg(&sample).output().expect("the program starts");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && stderr.contains("read files=2 bytes="), "{stderr}");
}

#[test]
fn a_root_without_backends_is_remarked_on() {
    let home = Home::new();
    insta::assert_snapshot!(home.run(&["--root", "data/backends", "--format", "csv", "-c", "SELECT COUNT(*) AS n FROM pins"]), @r"
    n
    0
    --- stderr
    note: there is no backends/ in data/backends
    --- exit 0
    ");
}

#[test]
fn colours_come_only_where_they_are_asked_for() {
    let home = Home::new();
    let stderr = |args: &[&str]| home.pinql(args).output().expect("the program starts").stderr;
    assert!(!stderr(&["-c", "SELECT nothing"]).contains(&0x1b));
    assert!(stderr(&["--color", "always", "-c", "SELECT nothing"]).starts_with(b"\x1b[1;31merror:\x1b[0m "));
}

#[test]
fn nothing_is_written_to_the_home_directory() {
    let home = Home::new();
    assert!(home.run(&["-c", "SELECT 1"]).ends_with("--- exit 0"));
    assert_eq!(home.files(""), ["data"]);
}

/// A backend of many rows whose last pages are damaged, and one that is sound.
fn damaged_late(home: &Home) {
    use crate::support::{mappings, place, write, write_with};
    let cids: Vec<String> =
        (0..60_000).map(|row| format!("no cid, but text of some length: {row:0100}")).collect();
    let rows: Vec<_> = cids.iter().map(|cid| (cid.as_str(), "stored")).collect();
    let path = place(&home.path("data"), "torn");
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        .set_max_row_group_row_count(Some(20_000));
    write_with(&path, &mappings("torn", &rows), properties.build());
    let mut bytes = fs::read(&path).unwrap();
    let (start, end) = (bytes.len() * 3 / 4, bytes.len() * 7 / 8);
    bytes[start..end].fill(0xab);
    fs::write(&path, bytes).unwrap();
    write(&home.path("data"), "good", &mappings("good", &[("one", "stored"), ("two", "stored")]));
}

#[test]
fn a_file_of_answers_begins_anew_without_a_backend_that_is_found_damaged_late() {
    let home = Home::new();
    damaged_late(&home);
    let sql = "SELECT cid, car_file_path, backend_name FROM pins";
    for threads in ["1", "2", "4"] {
        let args = ["--skip-unreadable", "--threads", threads, "-o", "answer.csv", "-c", sql];
        let shown = home.run(&args);
        assert!(
            shown.contains("skipped backend torn: backends/torn/pin_mappings.parquet: the data is damaged")
        );
        assert!(shown.ends_with("--- exit 1"), "{shown}");
        let answer = home.read("answer.csv");
        assert_eq!(answer.lines().count(), 3, "{threads}");
        // Nothing can be taken back from stdout, but nothing wrong is advised either.
        let output = home
            .pinql(&["--skip-unreadable", "--threads", threads, "--format", "csv", "-c", sql])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with(
                "error: backend `torn` turned out to be damaged after rows had been handed over"
            ),
            "{said}"
        );
        assert!(said.contains("hint: write the answer to a file with -o"), "{said}");
        assert_eq!(output.status.code(), Some(2));
    }
    // What is small enough has not been handed over when the damage is found.
    let few = home.run(&[
        "--skip-unreadable",
        "--threads",
        "1",
        "--format",
        "csv",
        "-c",
        "SELECT created_at, cid FROM pins WHERE length(cid) < 10 OR cid LIKE '%9'",
    ]);
    assert!(few.contains("one") && few.ends_with("--- exit 1"), "{few}");
    let failed = home.run(&["-c", "SELECT max(cid || car_file_path) FROM pins"]);
    assert!(failed.contains("hint: --skip-unreadable goes on without it"), "{failed}");
}

#[test]
fn names_cannot_pass_for_words_of_ours() {
    use crate::support::{mappings, write};
    let home = Home::new();
    write(&home.path("data"), "x\nskipped backend s3\t", &mappings("x", &[("one", "stored")]));
    assert_snapshot!(home.run(&["--skip-unreadable", "--format", "csv", "-c", "SELECT COUNT(*) AS n FROM pins"]), @r"
    n
    0
    --- stderr
    skipped backend x\nskipped backend s3\t: backends/x\nskipped backend s3\t/pin_mappings.parquet: its path has control characters, such as line breaks
    --- exit 1
    ");
    let failed = home.pinql(&["-c", "SELECT * FROM pins"]).output().unwrap();
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(said.starts_with(r"error: backend `x\nskipped backend s3\t` is unreadable"), "{said}");
}

#[test]
fn rows_of_one_column_are_kept_by_readers_of_csv() {
    let home = Home::new();
    let sql = "SELECT * FROM (VALUES (1, NULL), (2, ''), (3, 'NULL'), (4, 'a')) t(n, v) ORDER BY n";
    let one = format!("SELECT v FROM ({sql}) ORDER BY n");
    assert_snapshot!(home.run(&["--format", "csv", "-c", &one]), @r#"
    v
    NULL
    ""
    "NULL"
    a
    --- stderr
    --- exit 0
    "#);
    assert_snapshot!(home.run(&["--format", "csv", "-c", sql]), @r#"
    n,v
    1,
    2,""
    3,NULL
    4,a
    --- stderr
    --- exit 0
    "#);
    // As Python reads it, where there is one.
    let csv = home.pinql(&["--format", "csv", "-o", "one.csv", "-c", &one]).status().unwrap();
    assert!(csv.success());
    let program = "import csv; print([row for row in csv.reader(open('one.csv')) if row])";
    if let Ok(python) = Command::new("python3").args(["-c", program]).current_dir(home.path("")).output() {
        let read = String::from_utf8(python.stdout).unwrap();
        assert_eq!(read.trim(), "[['v'], ['NULL'], [''], ['NULL'], ['a']]");
    }
}

#[cfg(unix)]
#[test]
fn an_answer_goes_where_a_link_points_even_if_nothing_is_there_yet() {
    let home = Home::new();
    fs::create_dir(home.path("real")).unwrap();
    std::os::unix::fs::symlink("real/one.csv", home.path("second")).unwrap();
    std::os::unix::fs::symlink("second", home.path("first")).unwrap();
    for _ in 0..2 {
        assert!(
            home.run(&["--format", "csv", "-o", "first", "-c", "SELECT 1 AS one"]).ends_with("--- exit 0")
        );
        assert_eq!(home.read("real/one.csv"), "one\n1\n");
        assert!(home.path("first").is_symlink() && home.path("second").is_symlink());
    }
}

#[test]
fn a_long_expression_is_called_as_it_was_written() {
    let home = Home::new();
    let text = "a".repeat(70);
    let shown = home.run(&["--format", "csv", "-c", &format!("SELECT '{text}' || (1 + 1)")]);
    assert!(shown.starts_with(&format!("'{text}' || (1 + 1)\n")), "{shown}");
}

//! The shell, on a pseudo-terminal that Python opens for us.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::{ENDLESS, Home};

/// Starts the program on a terminal 80 cells wide. For each pair of arguments it types the first, with `\n` for Enter and
/// `^C` and `^D` for those keys, and waits until the second has appeared. Then it prints what was to be seen.
const TYPIST: &str = r#"
import os, pty, re, select, struct, sys, fcntl, termios, time
program, steps = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execv(program, [program])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
seen, mark = "", 0
def wait_for(text):
    global seen, mark
    end = time.time() + 20
    while text not in seen[mark:]:
        if time.time() > end:
            sys.exit("no " + repr(text) + " in " + repr(seen[mark:]))
        if select.select([fd], [], [], 0.1)[0]:
            try:
                more = os.read(fd, 65536).decode("utf-8", "replace")
            except OSError:
                break
            seen += re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", more).replace("\r", "")
    mark = seen.find(text, mark) + len(text)
wait_for("pinql> ")
for keys, answer in zip(steps[::2], steps[1::2]):
    time.sleep(0.1)
    os.write(fd, keys.replace("\n", "\r").replace("^C", "\x03").replace("^D", "\x04").encode())
    wait_for(answer)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(seen + "--- exit " + str(code))
"#;

/// Types into a shell and gives what was to be seen.
fn shell(home: &Home, steps: &[(&str, &str)]) -> String {
    let mut typist = Command::new("python3");
    typist
        .args(["-c", TYPIST, env!("CARGO_BIN_EXE_pinql")])
        .args(steps.iter().flat_map(|(keys, answer)| [keys, answer]));
    typist
        .env("HOME", home.path(""))
        .env("PINQL_ROOT", home.path("data"))
        .env("TERM", "xterm")
        .env("NO_COLOR", "1");
    for variable in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "PINQL_LOG"] {
        typist.env_remove(variable);
    }
    let output = typist.output().expect("python3 runs");
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{seen}{}", String::from_utf8_lossy(&output.stderr));
    seen
}

const QUIT: (&str, &str) = ("\\q\n", "\n");

#[test]
fn a_statement_goes_on_until_its_semicolon() {
    let seen =
        shell(&Home::new(), &[("SELECT 1 AS a,\n", "   ...> "), ("'x;' AS b;\n", "(1 row, "), ("^D", "\n")]);
    assert!(seen.contains("a │ b\n──┼───\n1 │ x;\n"), "{seen}");
    assert!(seen.ends_with("--- exit 0\n"), "{seen}");
}

#[test]
fn a_wrong_statement_keeps_the_shell() {
    let steps = [
        ("SELECT foo FROM pins;\n", "hint: "),
        ("\\frob\n", "\\? lists the commands"),
        ("SELECT 42;\n", "42\n"),
        QUIT,
    ];
    let seen = shell(&Home::new(), &steps);
    assert!(
        seen.contains("error: no column named `foo`\n1 | SELECT foo FROM pins\n  |        ^\nhint: "),
        "{seen}"
    );
    assert!(seen.contains("error: there is no command `\\frob`"), "{seen}");
    assert!(seen.ends_with("--- exit 0\n"), "{seen}");
}

#[test]
fn commands_show_tables_columns_functions_and_reports() {
    let home = Home::new();
    let report = "-- title: Two\n-- param: how_many integer 1  how many\nSELECT $how_many AS n\n";
    home.write(".config/pinql/queries/two.sql", report);
    shell(
        &home,
        &[
            ("\\d\n", "rejects"),
            ("\\d pins\n", "car_file_path"),
            ("\\d pinz\n", "did you mean `pins`?"),
            ("\\df uppe*\n", "upper(str)"),
            ("\\df upperr\n", "did you mean `upper`?"),
            ("\\reports\n", "under-replicated"),
            ("\\report under-replicated min_copies=x\n", "no whole number"),
            ("\\report two how-many=5\n", "5\n"),
            ("\\format jsn\n", "did you mean `json`?"),
            ("\\format parquet\n", "not written to a terminal"),
            ("\\format csv\n", "the format is csv"),
            ("SELECT 1 AS a;\n", "a\n1\n"),
            ("\\format table\n", "the format is table"),
            ("\\timing off\n", "timing is off"),
            ("SELECT 2 AS a;\n", "(1 row)"),
            ("\\x\n", "lists"),
            ("SELECT 1 AS a, 'two' AS bee;\n", "── row 1 ──\na   │ 1\nbee │ two\n"),
            ("help\n", "\\report NAME"),
            ("exit\n", "\n"),
        ],
    );
}

#[test]
fn ctrl_c_clears_the_line_and_stops_a_query_and_keeps_the_shell() {
    let since = Instant::now();
    let endless = format!("{ENDLESS};\n");
    let seen = shell(
        &Home::new(),
        &[
            ("SELECT garbage^C", "pinql> "),
            ("SELECT\n", "   ...> "),
            ("^C", "pinql> "),
            (&endless, "= '';\n"),
            ("^C", "cancelled\npinql> "),
            ("SELECT 40 + 2 AS a;\n", "42\n"),
            ("^D", "\n"),
        ],
    );
    assert!(seen.ends_with("--- exit 0\n"), "{seen}");
    assert!(since.elapsed() < Duration::from_secs(15), "it took {:?}", since.elapsed());
}

#[test]
fn the_history_outlives_the_shell() {
    let home = Home::new();
    shell(&home, &[("SELECT 40 + 1\n", "   ...> "), ("AS kept;\n", "41\n"), QUIT]);
    let history = std::fs::read_to_string(home.path(".local/state/pinql/history")).expect("a history");
    assert!(history.contains("SELECT 40 + 1\\nAS kept;"), "{history}");
    let arrow_up = "\u{1b}[A\u{1b}[A";
    shell(&home, &[(arrow_up, "AS kept;"), ("\n", "41\n"), QUIT]);
}

#[test]
fn a_home_that_cannot_be_written_is_no_obstacle() {
    let home = Home::new();
    std::fs::write(home.path(".local"), "a file in the way").expect("a file");
    shell(&home, &[("SELECT 40 + 2 AS a;\n", "42\n"), QUIT]);
}

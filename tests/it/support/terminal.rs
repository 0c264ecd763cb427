//! A pseudo-terminal with the program in it, and what its screen shows.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a screen may take to be what is waited for: on a busy machine everything takes long.
const PATIENCE: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

pub const UP: &str = "\u{1b}[A";
pub const LEFT: &str = "\u{1b}[D";
pub const HOME: &str = "\u{1b}[H";
pub const CTRL_C: &str = "\u{3}";
pub const CTRL_D: &str = "\u{4}";
pub const CTRL_R: &str = "\u{12}";
pub const TAB: &str = "\t";
pub const BACKSPACE: &str = "\u{7f}";

/// The program in a terminal.
pub struct Terminal {
    parser: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    // Held: the terminal lives as long as this does.
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts the program in a terminal of this size, with nothing of the user's in its environment.
    pub fn open(home: &Path, root: &Path, size: (u16, u16), more: &[(&str, &str)]) -> Terminal {
        Terminal::with(&[], home, root, size, more)
    }

    /// The same with words on its command line.
    pub fn with(
        args: &[&str],
        home: &Path,
        root: &Path,
        (columns, rows): (u16, u16),
        more: &[(&str, &str)],
    ) -> Terminal {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pinql"));
        command.args(args);
        command.env_clear();
        command.cwd(home);
        let path = std::env::var("PATH").unwrap_or_default();
        let own = [("PATH", path.as_str()), ("TERM", "xterm-256color"), ("NO_COLOR", "1"), ("PAGER", "cat")];
        for (name, value) in own.iter().chain(more) {
            command.env(name, value);
        }
        command.env("HOME", home);
        command.env("PINQL_ROOT", root);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        let parser = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let mut output = pair.master.try_clone_reader().expect("its output");
        let seen = Arc::clone(&parser);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                seen.lock().expect("nobody panics with it").process(&buffer[..read]);
            }
        });
        let keys = pair.master.take_writer().expect("its input");
        Terminal { parser, keys, child, _master: pair.master }
    }

    /// The same, once it shows its prompt.
    pub fn shell(home: &Path, root: &Path, size: (u16, u16), more: &[(&str, &str)]) -> Terminal {
        let mut terminal = Terminal::open(home, root, size, more);
        terminal.prompt();
        terminal
    }

    /// Types keys; `\n` is Enter.
    pub fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.replace('\n', "\r").as_bytes()).expect("the terminal takes keys");
        self.keys.flush().expect("the terminal takes keys");
    }

    /// The screen without blanks at the ends of its lines and without empty lines at its end.
    pub fn screen(&self) -> String {
        let contents = self.parser.lock().expect("nobody panics with it").screen().contents();
        let lines: Vec<&str> = contents.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// The line of the screen that the cursor is in.
    fn line_of_cursor(&self) -> String {
        let parser = self.parser.lock().expect("nobody panics with it");
        let (row, _) = parser.screen().cursor_position();
        let (_, columns) = parser.screen().size();
        // What is wrapped is one line of the contents, and several rows.
        let line = parser.screen().rows(0, columns.get()).nth(usize::from(row)).unwrap_or_default();
        line.trim_end().to_owned()
    }

    /// What the screen would have to be sent to look as it does, colours and all.
    pub fn colors(&self) -> String {
        self.parser.lock().expect("nobody panics with it").screen().contents_formatted()
    }

    /// Waits until the screen is as it is to be, and gives it.
    pub fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(since.elapsed() < PATIENCE, "no {what} on\n{screen}");
            thread::sleep(LOOK);
        }
    }

    /// Waits until a text is to be seen.
    pub fn shows(&mut self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until the cursor is in this line.
    pub fn goes_to(&mut self, line: &str) {
        let since = Instant::now();
        while self.line_of_cursor() != line {
            assert!(
                since.elapsed() < PATIENCE,
                "the cursor is in {:?} of\n{}",
                self.line_of_cursor(),
                self.screen()
            );
            thread::sleep(LOOK);
        }
    }

    /// Waits until a text is to be seen and nothing more comes for a while, so that the whole screen can be held against another.
    pub fn settles_on(&mut self, text: &str) -> String {
        let (mut before, mut since) = (self.shows(text), Instant::now());
        while since.elapsed() < 15 * LOOK {
            thread::sleep(LOOK);
            let screen = self.screen();
            if screen != before {
                (before, since) = (screen, Instant::now());
            }
        }
        before
    }

    /// Waits for an empty prompt.
    pub fn prompt(&mut self) -> String {
        self.until("prompt", |screen| screen.ends_with("pinql>"))
    }

    /// Types a line or more and waits for the next prompt.
    pub fn run(&mut self, text: &str) -> String {
        // On a clear screen, so that what is seen is of this line.
        self.keys("\u{c}");
        self.until("clear screen", |screen| screen == "pinql>");
        self.keys(text);
        let first = text.lines().next().unwrap_or_default().to_owned();
        self.until(&first, |screen| screen.contains(&first) || !screen.starts_with("pinql>"));
        self.keys("\n");
        self.until("answer", |screen| screen.ends_with("pinql>") && screen != "pinql>")
    }

    /// Waits for the end of the program and gives its exit code.
    pub fn code(mut self) -> u32 {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status.exit_code();
            }
            assert!(since.elapsed() < PATIENCE, "it does not end:\n{}", self.screen());
            thread::sleep(LOOK);
        }
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has a size")
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

//! A pager for what is longer than the terminal: `$PINQL_PAGER`, `$PAGER`, else less. What fits is written as it is.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::interrupt::Interrupts;
use super::meter;

/// What a shell reports for a command that it cannot run, or not find.
const NOT_RUN: [i32; 2] = [126, 127];
/// More than any pipe holds: a pager that took so much is alive.
const PROVEN: usize = 2 << 20;

/// Whether a pager has the terminal.
static OPEN: AtomicBool = AtomicBool::new(false);

/// Whether a pager has the terminal, so that nobody else may write there.
pub fn is_open() -> bool {
    OPEN.load(Ordering::SeqCst)
}

/// The pager that the environment names, else less. `None`: none is wanted.
pub fn of_environment() -> Option<String> {
    let named = ["PINQL_PAGER", "PAGER"].into_iter().find_map(|name| env::var(name).ok());
    let pager = named.unwrap_or_else(|| "less".into());
    Some(pager).filter(|pager| !pager.trim().is_empty() && pager.trim() != "cat")
}

/// Writes to stdout, or to a pager once there are more lines than the terminal has.
pub struct Paged<'i> {
    command: String,
    /// The lines that the terminal has room for.
    room: usize,
    interrupts: &'i Interrupts,
    held: Vec<u8>,
    lines: usize,
    pager: Option<Pager>,
    /// What the pager was given, until it is known to be alive.
    unproven: Option<Vec<u8>>,
    /// There is no such pager.
    direct: bool,
    /// The pager was closed before it had everything: nobody wants to see the rest.
    left: bool,
}

/// A pager that runs: what it reads, and who waits for its end. That is told at once, also while no row is written to it.
struct Pager {
    input: ChildStdin,
    end: JoinHandle<io::Result<ExitStatus>>,
}

impl<'i> Paged<'i> {
    pub fn new(command: &str, room: usize, interrupts: &'i Interrupts) -> Paged<'i> {
        Paged {
            command: command.into(),
            room,
            interrupts,
            held: vec![],
            lines: 0,
            pager: None,
            unproven: Some(vec![]),
            direct: false,
            left: false,
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let mut command = shell(&self.command);
        // Long lines are cut and not wrapped, colours are passed on, and the last page stays on the screen.
        command.stdin(Stdio::piped()).env("LESS", env::var_os("LESS").unwrap_or_else(|| "-SRX".into()));
        meter::clear();
        match command.spawn() {
            Ok(mut child) => {
                OPEN.store(true, Ordering::SeqCst);
                self.interrupts.share(true);
                let interrupts = self.interrupts.clone();
                let input = child.stdin.take().expect("it has just been piped");
                let end = thread::spawn(move || {
                    let ended = child.wait();
                    interrupts.share(false);
                    OPEN.store(false, Ordering::SeqCst);
                    ended
                });
                self.pager = Some(Pager { input, end });
            }
            Err(_) => self.direct = true,
        }
        let held = std::mem::take(&mut self.held);
        self.pass(&held)
    }

    fn pass(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(pager) = &mut self.pager else {
            return meter::Stdout.write_all(bytes);
        };
        if let Some(unproven) = &mut self.unproven {
            unproven.extend_from_slice(bytes);
        }
        self.unproven.take_if(|given| given.len() > PROVEN);
        match pager.input.write_all(bytes) {
            // The answer goes on to its end all the same: its rows are counted, and kept.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.left = !self.close()?;
                Ok(())
            }
            written => written,
        }
    }

    /// Waits until the pager is closed. One that could not be run has shown nothing: what it was given is written as it is,
    /// and so is what comes after. Says whether that is so.
    fn close(&mut self) -> io::Result<bool> {
        let Some(Pager { input, end }) = self.pager.take() else { return Ok(self.direct) };
        drop(input);
        // Ctrl-C is the pager's meanwhile.
        self.interrupts.ignore(true);
        let ended = end.join().unwrap_or_else(|_| Err(io::Error::other("nobody waited for the pager")));
        self.interrupts.ignore(false);
        let ran = ended?.code().is_none_or(|code| !NOT_RUN.contains(&code));
        if let Some(given) = self.unproven.take().filter(|_| !ran) {
            self.direct = true;
            meter::Stdout.write_all(&given)?;
        }
        Ok(self.direct)
    }

    /// Writes what is left and waits until the pager is closed.
    pub fn finish(&mut self) -> io::Result<()> {
        if self.pager.is_some() {
            self.close()?;
        }
        let held = std::mem::take(&mut self.held);
        meter::Stdout.write_all(&held)?;
        meter::Stdout.flush()
    }
}

impl Write for Paged<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left {
            return Ok(bytes.len());
        }
        if self.pager.is_some() || self.direct {
            self.pass(bytes)?;
            return Ok(bytes.len());
        }
        self.held.extend_from_slice(bytes);
        self.lines += bytes.split(|byte| *byte == b'\n').count() - 1;
        if self.lines > self.room {
            self.open()?;
        }
        Ok(bytes.len())
    }

    /// All that there is to see has come, and may be whole long before the query is: a pager has it, and what fits is written.
    fn flush(&mut self) -> io::Result<()> {
        match self.pager.is_some() || self.left {
            true => Ok(()),
            false => {
                self.direct = true;
                let held = std::mem::take(&mut self.held);
                self.pass(&held)?;
                meter::Stdout.flush()
            }
        }
    }
}

impl Drop for Paged<'_> {
    fn drop(&mut self) {
        // After a failure: what has been written is read to its end all the same.
        if self.pager.is_some() {
            let _ = self.finish();
        }
    }
}

/// A command as people write it, with its arguments.
pub fn shell(command: &str) -> Command {
    #[cfg(unix)]
    let (program, flag) = ("sh", "-c");
    #[cfg(windows)]
    let (program, flag) = ("cmd", "/C");
    let mut shell = Command::new(program);
    shell.arg(flag).arg(OsStr::new(command));
    shell
}

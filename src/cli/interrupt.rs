//! Ctrl-C. The first one asks for the running query to stop, a second one while that is pending ends the process, unless a
//! pager is open.
//!
//! Signals have a thread and a runtime of their own: the engine's workers may all be busy, and the main thread may be
//! blocked on a full pipe.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;

use tokio::sync::Notify;

/// What a shell reports for a program that Ctrl-C ended: 128 + SIGINT.
pub const EXIT_CODE: u8 = 130;

/// Those who listen first, for what waits for a server and knows of no query.
static FIRST: OnceLock<Interrupts> = OnceLock::new();

/// Whether someone has asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<State>);

/// Whether someone has asked this process to stop.
pub fn is_pending() -> bool {
    FIRST.get().is_some_and(Interrupts::is_pending)
}

#[derive(Debug, Default)]
struct State {
    pending: AtomicBool,
    /// Whether Ctrl-C is meant for another program that has the terminal.
    ignored: AtomicBool,
    /// Whether another program has the terminal, too: this one does not end before it.
    shared: AtomicBool,
    changed: Notify,
}

impl Interrupts {
    /// Starts to listen. Before this, Ctrl-C ends the process as usual.
    pub fn listen() -> io::Result<Interrupts> {
        let interrupts = Interrupts::default();
        let heard = interrupts.clone();
        let (ready, started) = mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || heard.run(&ready))?;
        started.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals ended")))?;
        let _ = FIRST.set(interrupts.clone());
        Ok(interrupts)
    }

    fn run(&self, ready: &mpsc::Sender<io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let listening = runtime.and_then(|runtime| {
            let context = runtime.enter();
            let signals = ctrl_c()?;
            drop(context);
            Ok((runtime, signals))
        });
        match listening {
            Ok((runtime, mut signals)) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(async {
                    while signals.recv().await.is_some() {
                        self.raise();
                    }
                });
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    }

    fn raise(&self) {
        if self.0.ignored.load(Ordering::SeqCst) {
            return;
        }
        if self.0.pending.swap(true, Ordering::SeqCst) && !self.0.shared.load(Ordering::SeqCst) {
            process::exit(EXIT_CODE.into());
        }
        self.0.changed.notify_waiters();
    }

    /// Leaves Ctrl-C to another program that has the terminal, a pager or an editor.
    pub fn ignore(&self, yes: bool) {
        self.0.ignored.store(yes, Ordering::SeqCst);
    }

    /// Shares Ctrl-C with another program that has the terminal: it stops the query, and never ends the process.
    pub fn share(&self, yes: bool) {
        self.0.shared.store(yes, Ordering::SeqCst);
    }

    /// Forgets what has been asked before: the shell does so at each prompt.
    pub fn clear(&self) {
        self.0.pending.store(false, Ordering::SeqCst);
    }

    /// Whether someone has asked to stop since the last [`Interrupts::clear`].
    pub fn is_pending(&self) -> bool {
        self.0.pending.load(Ordering::SeqCst)
    }

    /// Returns when someone has asked to stop.
    pub async fn pending(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.is_pending() {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(unix)]
fn ctrl_c() -> io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())
}

#[cfg(windows)]
fn ctrl_c() -> io::Result<tokio::signal::windows::CtrlC> {
    tokio::signal::windows::ctrl_c()
}

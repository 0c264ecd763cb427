//! How the daemon begins, and how it ends: what hangs is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::timeout;

use super::{Daemon, show};
use crate::daemon::config::Config;
use crate::daemon::hold::{self, Hold};
use crate::daemon::http::Server;
use crate::daemon::picture::Picture;
use crate::daemon::silence::Silence;
use crate::daemon::surroundings::{Order, Surroundings};
use crate::error::{Error, Result};
use crate::store::DataDir;

/// How long what is being done may take to end, before it is left: a file system that hangs keeps whoever asks it.
const LEAVING: Duration = Duration::from_secs(3);
/// How long the last word may take.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Runs until it is told to stop. Needs the data directory to itself: one daemon for each.
///
/// Whatever reads files runs on `workers`, a multi-threaded runtime, and keeps its threads while a file system hangs. The runtime
/// that this is awaited on reads none: it hears orders, asks probes, delivers notices, and answers over HTTP meanwhile. Return does
/// not mean that the threads of `workers` are free.
///
/// # Errors
/// If it cannot begin: another daemon is there, its directory cannot be written, its address not be listened on, or the question of
/// an alert not be asked. Once it has begun it goes on, whatever happens, and says what is wrong.
pub async fn run(
    root: &Path,
    config: Config,
    world: Surroundings,
    mut orders: mpsc::Receiver<Order>,
    workers: &Handle,
) -> Result<()> {
    let process = world.process;
    let (sender, receiver) = mpsc::unbounded_channel();
    let ((pictures, seen), silence) = (watch::channel(None), Silence::default());
    let told = Told { pictures, silence: silence.clone(), desk: Handle::current() };
    let mut work = workers.spawn(work(root.to_owned(), config, world, receiver, told));
    let again = || show::tell_again(root, process, seen.borrow().clone());
    let mut watching = std::pin::pin!(silence.watch(root, again));
    let panicked = |error: JoinError| Error::Engine { message: format!("the daemon panicked: {error}") };
    loop {
        tokio::select! {
            ended = &mut work => return ended.map_err(panicked)?,
            () = &mut watching => {}
            order = orders.recv() => match order {
                None | Some(Order::Stop) => break,
                Some(order) => drop(sender.send(order)),
            },
        }
    }
    // Nobody left to give orders means to stop.
    drop(sender);
    if let Ok(ended) = timeout(LEAVING, &mut work).await {
        return ended.map_err(panicked)?;
    }
    work.abort();
    let root = root.to_owned();
    let leave = workers.spawn_blocking(move || {
        tracing::warn!("what is being read does not answer: it is left");
        hold::leave(&root, process);
        tracing::info!("the daemon ends");
    });
    let _ = timeout(LAST_WORD, leave).await;
    Ok(())
}

/// What those need who tell others, while all else waits for a file system.
pub(super) struct Told {
    pub pictures: watch::Sender<Option<Arc<Picture>>>,
    pub silence: Silence,
    /// Where nothing reads files, so that nothing waits for one.
    pub desk: Handle,
}

/// All of it that reads files.
async fn work(
    root: PathBuf,
    config: Config,
    world: Surroundings,
    orders: UnboundedReceiver<Order>,
    told: Told,
) -> Result<()> {
    tracing::info!(root = %root.display(), "looking at the data directory");
    let data = DataDir::open(&root)?.remembering();
    let hold = Hold::take(&data, world.process)?;
    let server = Server::start(&config.http, told.pictures.subscribe(), &told.desk).await?;
    let mut daemon = Daemon::new(data, hold, config, world, told, server)?;
    daemon.show();
    daemon.check_questions().await?;
    daemon.begin_tasks();
    tracing::info!(root = %daemon.data.root().display(), "the daemon begins");
    let ended = daemon.course(orders).await;
    tracing::info!("the daemon ends");
    ended
}

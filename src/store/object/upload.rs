//! An object in the making: sent in parts while it is written, and there only when it is whole.

use std::future::Future;
use std::io::{self, Write};
use std::time::Duration;

use futures::TryStreamExt;
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::problem::{explained, stopped};
use super::{Kind, ObjectUrl, Stop};
use crate::error::{Advised, Error, Result};

/// The bytes of a part: a store takes 10,000 of them.
const PART: usize = 16 << 20;
const MOST_PARTS: usize = 10_000;
/// Parts that are under way while the next one is filled.
const UNDER_WAY: usize = 2;
/// What HTTP takes has no parts, and is held in memory until it is whole.
const MOST_AT_ONCE: usize = 256 << 20;
/// How long a store may take to begin, to put a part or an object away, to put the parts together, and to forget them.
const BEGINNING: Duration = Duration::from_secs(30);
const PUTTING: Duration = Duration::from_secs(300);
const COMPLETING: Duration = Duration::from_secs(300);
const FORGETTING: Duration = Duration::from_secs(10);
/// How often it is asked whether to stop.
const LOOK: Duration = Duration::from_millis(50);

/// An object in the making. Dropped without [`Upload::publish`], it leaves nothing: what was sent is given up.
pub struct Upload {
    object: ObjectUrl,
    stop: Stop,
    threads: Threads,
    buffer: Vec<u8>,
    /// `None` where an object is put at once, and when all is done.
    parts: Option<Parts>,
    /// Whether anything went wrong, so that it must not appear.
    failed: bool,
}

struct Parts {
    upload: Box<dyn MultipartUpload>,
    under_way: JoinSet<object_store::Result<()>>,
    begun: usize,
}

impl Upload {
    pub(super) fn begin(object: ObjectUrl, stop: Stop) -> Result<Upload> {
        let failed = |source| Error::Write { path: object.as_str().into(), source };
        let threads = Threads::new().map_err(failed)?;
        let mut upload = Upload { object, stop, threads, buffer: Vec::new(), parts: None, failed: false };
        if upload.object.kind != Kind::Http {
            let (store, path) = (upload.object.store.clone(), upload.object.path.clone());
            let begun = upload.wait(BEGINNING, async move { store.put_multipart(&path).await });
            let begun = begun.map_err(|source| upload.error(source))?;
            upload.parts = Some(Parts { upload: begun, under_way: JoinSet::new(), begun: 0 });
        }
        Ok(upload)
    }

    /// Makes it the object of that name, at once and whole.
    ///
    /// # Errors
    /// [`Error::Write`]; what stood there before still does, unless the last answer of the store was lost on its way.
    pub fn publish(mut self) -> Result<()> {
        let published = self.complete();
        self.failed = published.is_err();
        published.map_err(|source| self.error(source))
    }

    fn complete(&mut self) -> io::Result<()> {
        if self.failed {
            return Err(Advised::error("a part of it was not written", ""));
        }
        if self.parts.is_none() {
            let (object, payload) = (self.object.clone(), PutPayload::from(std::mem::take(&mut self.buffer)));
            let sent = payload.content_length() as u64;
            self.wait(PUTTING, async move { object.store.put(&object.path, payload).await.map(drop) })?;
            return self.look_at(sent);
        }
        if !self.buffer.is_empty() {
            self.send()?;
        }
        self.wait_for_parts(0)?;
        let Some(parts) = &mut self.parts else { return Ok(()) };
        let completed = self.threads.wait(&self.stop, COMPLETING, parts.upload.complete())?;
        completed.map_err(|error| self.explain(&error))?;
        // There is nothing left to be given up.
        self.parts = None;
        Ok(())
    }

    /// Looks whether so many bytes are there: a redirection turns a `PUT` into a `GET`, which succeeds and writes nothing.
    fn look_at(&self, sent: u64) -> io::Result<()> {
        let found = self.threads.wait(&self.stop, BEGINNING, self.object.store.head(&self.object.path))?;
        let hint =
            "the server may have sent pinql to another address: look at the URL; it has to answer HEAD";
        match found {
            Ok(found) if found.size == sent => Ok(()),
            Ok(found) => Err(Advised::error(
                format!("the server took {sent} bytes, and has {} under this URL", found.size),
                hint,
            )),
            Err(object_store::Error::NotFound { .. }) => {
                Err(Advised::error("the server took it, and does not find it under this URL", hint))
            }
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// Sends what is in the buffer as a part.
    fn send(&mut self) -> io::Result<()> {
        self.wait_for_parts(UNDER_WAY - 1)?;
        let payload = PutPayload::from(std::mem::take(&mut self.buffer));
        let Some(parts) = &mut self.parts else { return Ok(()) };
        parts.begun += 1;
        if parts.begun > MOST_PARTS {
            return Err(Advised::error(
                format!("it is larger than {} GiB", (MOST_PARTS * PART) >> 30),
                "compress it, or ask for less at once",
            ));
        }
        let part = parts.upload.put_part(payload);
        parts.under_way.spawn_on(part, self.threads.runtime().handle());
        Ok(())
    }

    /// Waits until no more than so many parts are under way.
    fn wait_for_parts(&mut self, most: usize) -> io::Result<()> {
        while let Some(parts) = self.parts.as_mut().filter(|parts| parts.under_way.len() > most) {
            match self.threads.wait(&self.stop, PUTTING, parts.under_way.join_next())? {
                Some(Ok(Ok(()))) | None => {}
                Some(Ok(Err(error))) => return Err(self.explain(&error)),
                Some(Err(error)) => return Err(io::Error::other(error)),
            }
        }
        Ok(())
    }

    fn wait<T>(&self, limit: Duration, task: impl Future<Output = object_store::Result<T>>) -> io::Result<T> {
        self.threads.wait(&self.stop, limit, task)?.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &object_store::Error) -> io::Error {
        explained(error, &self.object)
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Write { path: self.object.as_str().into(), source }
    }
}

impl ObjectUrl {
    /// Reads the object, piece by piece.
    ///
    /// # Errors
    /// [`Error::Read`]
    pub fn read(&self, stop: &Stop, mut each: impl FnMut(&[u8])) -> Result<()> {
        let failed = |source| Error::Read { path: self.as_str().into(), source };
        let explain = |error| failed(explained(&error, self));
        let threads = Threads::new().map_err(failed)?;
        let got = threads.wait(stop, BEGINNING, self.store.get(&self.path)).map_err(failed)?;
        let mut bytes = got.map_err(explain)?.into_stream();
        while let Some(piece) =
            threads.wait(stop, PUTTING, bytes.try_next()).map_err(failed)?.map_err(explain)?
        {
            each(&piece);
        }
        Ok(())
    }
}

/// Threads on which parts are on their way while the next rows are computed.
struct Threads(Option<Runtime>);

impl Threads {
    fn new() -> io::Result<Threads> {
        Builder::new_multi_thread().worker_threads(1).enable_all().build().map(Some).map(Threads)
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("only drop takes it away")
    }

    /// Waits for a task, but not longer than it may take, and not once it is told to stop.
    fn wait<T>(&self, stop: &Stop, limit: Duration, task: impl Future<Output = T>) -> io::Result<T> {
        self.runtime().block_on(async {
            let told = async {
                while !stop() {
                    tokio::time::sleep(LOOK).await;
                }
            };
            tokio::select! {
                biased;
                done = task => Ok(done),
                () = told => Err(stopped()),
                () = tokio::time::sleep(limit) => Err(Advised::error(
                    format!("the server has not answered for {} s", limit.as_secs()),
                    "try again later",
                )),
            }
        })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // One of them may look for a name, which nothing ends.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = match self.parts {
            Some(_) => PART - self.buffer.len(),
            None => MOST_AT_ONCE - self.buffer.len(),
        };
        let taken = &bytes[..bytes.len().min(room)];
        if taken.is_empty() && !bytes.is_empty() {
            self.failed = true;
            return Err(Advised::error(
                format!(
                    "over HTTP, at most {} MiB go to a server, for it takes no parts",
                    MOST_AT_ONCE >> 20
                ),
                "compress the answer, or write it to a file or to an object store",
            ));
        }
        self.buffer.extend_from_slice(taken);
        if self.parts.is_some() && self.buffer.len() == PART {
            self.send().inspect_err(|_| self.failed = true)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A part goes when it is full.
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        // Told to stop or not: what has been sent would stay in the store, paid for and out of sight.
        let forgotten = self.threads.runtime().block_on(async {
            parts.under_way.shutdown().await;
            tokio::time::timeout(FORGETTING, parts.upload.abort()).await
        });
        if !matches!(forgotten, Ok(Ok(()))) {
            tracing::warn!(url = self.object.as_str(), "parts of an upload may be left in the store");
        }
    }
}

//! Where the bytes go: one buffer, and errors that keep their kind.

use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

use super::Format;

/// What an encoder is given to write to.
pub(super) type Sink<'w> = Box<dyn Write + Send + 'w>;

/// What goes out at once.
pub(super) const BUFFER: usize = 128 * 1024;

/// Text on its way out.
pub(super) struct Output<'w>(BufWriter<Sink<'w>>);

impl<'w> Output<'w> {
    pub(super) fn new(out: Sink<'w>) -> Self {
        Output(BufWriter::with_capacity(BUFFER, out))
    }

    pub(super) fn put(&mut self, text: &(impl AsRef<[u8]> + ?Sized)) -> Result<()> {
        let written = self.0.write_all(text.as_ref());
        written.map_err(|source| Error::Output { source })
    }

    pub(super) fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(|source| Error::Output { source })
    }
}

/// Bytes on their way out through somebody else's writer, which would wrap an [`io::Error`] until its kind is lost.
/// This remembers it in a [`Failure`].
pub(super) struct Remembering<'w> {
    out: BufWriter<Sink<'w>>,
    failure: Failure,
}

/// The error that stopped a [`Remembering`] writer, if one did.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl<'w> Remembering<'w> {
    pub(super) fn new(out: Sink<'w>) -> (Self, Failure) {
        let failure = Failure::default();
        let out = BufWriter::with_capacity(BUFFER, out);
        (Remembering { out, failure: failure.clone() }, failure)
    }
}

impl Write for Remembering<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        written.map_err(|error| self.failure.remember(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        flushed.map_err(|error| self.failure.remember(error))
    }
}

impl Failure {
    /// Keeps the error and returns its like, because an [`io::Error`] cannot be cloned.
    fn remember(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        // Callers try again after an interruption, so it has stopped nothing.
        if kind != io::ErrorKind::Interrupted {
            let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slot.get_or_insert(error);
        }
        kind.into()
    }

    /// What really went wrong when the writer above failed with `error`.
    pub(super) fn explain(&self, format: Format, error: impl std::fmt::Display) -> Error {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.take() {
            Some(source) => Error::Output { source },
            None => Error::Encode { format: format.to_string(), problem: error.to_string() },
        }
    }
}

//! Pin mappings → the plain JSON that older tools wrote under the name of a CAR.

use std::io::{self, Write};

use crate::pin::Mapping;

use super::{FORMAT, VERSION_ROWS, encode, time};

/// How much is handed on at a time.
const BUFFER: usize = 256 << 10;

/// Writes pin mappings as plain JSON, row by row, a row a line. It hands large pieces to `out`, which needs no buffer,
/// and neither flushes nor syncs.
pub struct JsonWriter<W> {
    out: W,
    buffer: Vec<u8>,
    rows: u64,
    bytes: u64,
}

impl<W: Write> JsonWriter<W> {
    /// Begins an envelope that says it was made at `created_at`, in microseconds since 1970.
    pub fn new(out: W, created_at: i64) -> JsonWriter<W> {
        let mut buffer =
            format!(r#"{{"format":"{FORMAT}","version":"{VERSION_ROWS}","created_at":""#).into_bytes();
        time::encode(created_at, &mut buffer);
        buffer.extend_from_slice(b"\",\"pin_mappings\":[");
        JsonWriter { out, buffer, rows: 0, bytes: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn push(&mut self, row: &Mapping<'_>) -> io::Result<()> {
        self.buffer.extend_from_slice(if self.rows == 0 { b"\n" } else { b",\n" });
        encode::legacy_row(row, &mut self.buffer);
        self.rows += 1;
        if self.buffer.len() >= BUFFER { self.hand_on() } else { Ok(()) }
    }

    /// Ends the envelope, and gives `out` back with the number of rows and of bytes.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn finish(mut self) -> io::Result<(W, u64, u64)> {
        self.buffer.extend_from_slice(if self.rows == 0 { b"]}\n" } else { b"\n]}\n" });
        self.hand_on()?;
        Ok((self.out, self.rows, self.bytes))
    }

    fn hand_on(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

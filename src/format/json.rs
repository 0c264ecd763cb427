//! JSON of any size in bounded memory: the containers at the top are walked step by step, each value in them is handed
//! out whole.
//!
//! [`Reader`] holds a window of the file. [`Reader::enter`] goes into the container that is next, [`Reader::element`] and
//! [`Reader::member`] go from one of its values to the next, and [`Reader::take`] gives the value there as one checked
//! slice. Only a single large value makes the window grow. jiter, which is in the build already, cannot do this part: it
//! refuses lone surrogates, which Python writes.

mod reader;
mod scan;
mod text;

use std::io;
use std::path::Path;

use memchr::{memchr_iter, memrchr};

pub use reader::{Entry, Reader};
pub use scan::{MAX_DEPTH, Member};
pub use text::{Decoded, decode, inside, minify, unescape};

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
    /// The bytes before it.
    pub offset: u64,
}

/// Where a file is not what it should be, and why.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct JsonError {
    /// The line, counted from 1.
    pub line: u64,
    /// The column in characters, counted from 1.
    pub column: u64,
    /// The bytes before the place.
    pub offset: u64,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It has nothing but whitespace.
    #[error("the file is blank")]
    Blank,
    /// It is text in another encoding.
    #[error("the file is {0}, not UTF-8")]
    Encoding(&'static str),
    /// It has bytes that are no UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// It ends within a value.
    #[error("the file ends here in the middle: it was cut off")]
    CutOff,
    /// Something else had to be here.
    #[error("not JSON: {0} was expected here")]
    Expected(&'static str),
    /// A number in a form that JSON does not have.
    #[error("not JSON: a malformed number")]
    Number,
    /// A backslash that begins no escape.
    #[error("not JSON: a malformed escape")]
    Escape,
    /// A line break or the like within a string.
    #[error("not JSON: a control character in a string")]
    Control,
    /// Values within values, too many.
    #[error("nested more than {MAX_DEPTH} deep")]
    Depth,
    /// A value too large to be held.
    #[error("a single value of more than {0} bytes")]
    Large(usize),
    /// Something after the end.
    #[error("the file goes on after its end")]
    Trailing,
    /// JSON, but not what was to be read.
    #[error("{0}")]
    Content(String),
}

/// Why reading stopped: the file is not what it should be, or whoever takes its entries failed.
#[derive(Debug)]
pub enum Failed<E> {
    /// The file is not what it should be.
    File(JsonError),
    /// The taker's own error.
    Sink(E),
}

impl JsonError {
    /// The error as one of the file at `path`.
    pub fn in_file(self, path: &Path) -> crate::Error {
        match self.problem {
            Problem::Read(source) => crate::Error::Read { path: path.into(), source },
            problem => {
                let place = format!("line {}, column {}", self.line, self.column);
                crate::Error::Format { path: path.into(), place, problem: problem.to_string() }
            }
        }
    }
}

impl Failed<crate::Error> {
    /// The error as one of the file at `path`, or the taker's own.
    pub fn in_file(self, path: &Path) -> crate::Error {
        match self {
            Failed::File(error) => error.in_file(path),
            Failed::Sink(error) => error,
        }
    }
}

impl<E> From<JsonError> for Failed<E> {
    fn from(error: JsonError) -> Self {
        Failed::File(error)
    }
}

impl Place {
    /// An error at this place.
    pub fn error(self, problem: Problem) -> JsonError {
        let Place { line, column, offset } = self;
        JsonError { line, column, offset, problem }
    }

    /// The place that lies `bytes` further.
    fn after(self, bytes: &[u8]) -> Place {
        let (line, line_start, column) = match memrchr(b'\n', bytes) {
            Some(last) => (self.line + memchr_iter(b'\n', bytes).count() as u64, last + 1, 1),
            None => (self.line, 0, self.column),
        };
        let column = column + characters(&bytes[line_start..]) as u64;
        Place { line, column, offset: self.offset + bytes.len() as u64 }
    }
}

/// The characters that begin in `bytes`: all bytes but those that continue one.
fn characters(bytes: &[u8]) -> usize {
    let count = |chunk: &[u8]| match chunk.is_ascii() {
        true => chunk.len(),
        false => chunk.iter().filter(|&&byte| byte & 0xc0 != 0x80).count(),
    };
    bytes.chunks(1024).map(count).sum()
}

/// What kind of value a text of JSON is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    List,
    /// `"…"`
    Text,
    /// A number, `NaN` and the infinities too.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

impl Kind {
    /// The kind of the value that begins with this byte.
    pub fn of(first: u8) -> Kind {
        match first {
            b'{' => Kind::Object,
            b'[' => Kind::List,
            b'"' => Kind::Text,
            b't' | b'f' => Kind::Bool,
            b'n' => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The kind of a value as written.
    pub fn of_value(value: &str) -> Kind {
        Kind::of(value.bytes().next().unwrap_or(b'n'))
    }

    /// The kind in words, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Object => "an object",
            Kind::List => "a list",
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Bool => "true or false",
            Kind::Null => "null",
        }
    }
}

/// Finds the members of an object. `value` is a value as an [`Entry`] has it, or a part of one.
pub fn members(value: &str, out: &mut Vec<Member>) {
    if scan::value(value.as_bytes(), out).is_err() {
        out.clear();
    }
}

#[cfg(test)]
mod tests;

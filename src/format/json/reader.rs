//! A window that moves over a file of JSON, value by value.

use std::cell::Cell;
use std::io::{self, Read};
use std::ops::Range;

use super::scan::{self, Stop, Why};
use super::{JsonError, Member, Place, Problem};

/// The window at first, in bytes.
const WINDOW: usize = 256 << 10;
/// The largest single value, in bytes.
const LARGEST: usize = 64 << 20;

/// One value and, in an object, its key.
pub struct Entry<'a> {
    /// The key as written, without its quotes; `None` in a list.
    pub key: Option<&'a str>,
    /// The value as written.
    pub value: &'a str,
    /// Where its members lie in `value`, if it is an object.
    pub members: &'a [Member],
    /// Key and value as written.
    pub written: &'a str,
    window: &'a [u8],
    marks: &'a Marks,
    at: usize,
}

impl Entry<'_> {
    /// Where the entry begins: its key, or its value if it has none. Costs a look at what lies since the last place.
    pub fn place(&self) -> Place {
        self.marks.place(self.window, self.at)
    }

    /// The place of a byte of the value.
    pub fn place_in_value(&self, at: usize) -> Place {
        let before = self.written.len() - self.value.len();
        self.marks.place(self.window, self.at + before + at)
    }
}

/// Known places in the window, so that each byte is counted only once.
struct Marks {
    /// The beginning of the window.
    window: Place,
    /// The place that was asked for last, with its index in the window.
    last: Cell<(usize, Place)>,
}

impl Marks {
    fn place(&self, window: &[u8], at: usize) -> Place {
        let (mut from, mut place) = self.last.get();
        if at < from {
            (from, place) = (0, self.window);
        }
        let place = place.after(&window[from..at]);
        self.last.set((at, place));
        place
    }
}

impl From<Place> for Marks {
    /// Marks for a window that begins at this place.
    fn from(window: Place) -> Marks {
        Marks { window, last: Cell::new((0, window)) }
    }
}

/// Whether the first character of `bytes` is whole or at least well begun.
fn begins_as_utf8(bytes: &[u8]) -> bool {
    match str::from_utf8(&bytes[..bytes.len().min(4)]) {
        Ok(_) => true,
        Err(wrong) => wrong.valid_up_to() > 0 || wrong.error_len().is_none(),
    }
}

/// A window that moves over a file.
pub struct Reader<R> {
    source: R,
    /// What is in the window lies before `end`, what is still to be read from `start` on.
    window: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the source has been asked, and whether it has no more.
    begun: bool,
    finished: bool,
    /// Whether nothing of the innermost open container has been read.
    fresh: bool,
    /// The key of the value that is next and the beginning of this value, from `start` on.
    key: Option<Range<usize>>,
    value: usize,
    members: Vec<Member>,
    marks: Marks,
    largest: usize,
}

impl<R: Read> Reader<R> {
    /// Reads from the beginning of `source`.
    pub fn new(source: R) -> Reader<R> {
        Reader::with_sizes(source, WINDOW, LARGEST)
    }

    /// The same with a window of `window` bytes at first and `largest` at most.
    pub(crate) fn with_sizes(source: R, window: usize, largest: usize) -> Reader<R> {
        let beginning = Place { line: 1, column: 1, offset: 0 };
        Reader {
            source,
            window: vec![0; window.max(16)],
            start: 0,
            end: 0,
            begun: false,
            finished: false,
            fresh: true,
            key: None,
            value: 0,
            members: Vec::new(),
            marks: Marks::from(beginning),
            largest,
        }
    }

    /// The place of what is next.
    pub fn place(&self) -> Place {
        self.place_at(self.start)
    }

    /// The first byte of what is next after whitespace; `None` at the end of the file.
    pub fn peek(&mut self) -> Result<Option<u8>, JsonError> {
        loop {
            self.start = scan::blank(&self.window[..self.end], self.start);
            match self.window[..self.end].get(self.start).copied() {
                Some(byte) => return Ok(Some(byte)),
                None if self.fill()? => {}
                None => return Ok(None),
            }
        }
    }

    /// The first byte of the file's first value.
    ///
    /// # Errors
    /// If there is none, or the file is no UTF-8.
    pub fn first(&mut self) -> Result<u8, JsonError> {
        match self.peek()? {
            Some(byte) => Ok(byte),
            None if self.place().column == 1 && self.place().line == 1 => Err(self.error(Problem::Empty)),
            None => Err(self.error(Problem::Blank)),
        }
    }

    /// Goes into the container that is next, which [`first`](Self::first), [`element`](Self::element) or
    /// [`member`](Self::member) has told.
    pub fn enter(&mut self) {
        self.start += self.value + 1;
        (self.key, self.value, self.fresh) = (None, 0, true);
    }

    /// Goes to the next element of the list that was entered, and tells its first byte; `None` past the list's end.
    pub fn element(&mut self) -> Result<Option<u8>, JsonError> {
        let Some(first) = self.step(b']', scan::COMMA_OR_LIST_END)? else { return Ok(None) };
        (self.key, self.value) = (None, 0);
        Ok(Some(first))
    }

    /// Goes to the next member of the object that was entered, and tells the first byte of its value; `None` past the
    /// object's end.
    pub fn member(&mut self) -> Result<Option<u8>, JsonError> {
        if self.step(b'}', scan::COMMA_OR_OBJECT_END)?.is_none() {
            return Ok(None);
        }
        loop {
            match scan::key(&self.window[self.start..self.end]) {
                Ok((key, value)) => {
                    let written = &self.window[self.start..self.start + key.end];
                    if let Err(wrong) = str::from_utf8(written) {
                        let at = self.start + wrong.valid_up_to();
                        return Err(self.place_at(at).error(Problem::NotUtf8));
                    }
                    (self.key, self.value) = (Some(key), value);
                    return Ok(Some(self.window[self.start + value]));
                }
                Err(stop) => self.more_or_fail(self.start, stop)?,
            }
        }
    }

    /// Goes past the comma before the next value of a container, or past the container's end.
    fn step(&mut self, close: u8, expected: &'static str) -> Result<Option<u8>, JsonError> {
        let mut next = self.peek()?;
        if next == Some(close) {
            self.start += 1;
            self.fresh = false;
            return Ok(None);
        }
        if !std::mem::replace(&mut self.fresh, false) && next.is_some() {
            if next != Some(b',') {
                return Err(self.error(Problem::Expected(expected)));
            }
            self.start += 1;
            next = self.peek()?;
        }
        next.map(Some).ok_or_else(|| self.error(Problem::CutOff))
    }

    /// The key of the member that is next, as written.
    pub fn key(&self) -> &str {
        let key = self.key.clone().unwrap_or_default();
        str::from_utf8(&self.window[self.start + key.start..self.start + key.end]).unwrap_or_default()
    }

    /// Takes the value that is next, with its key.
    ///
    /// # Errors
    /// If it is no JSON, no UTF-8, too deep or too large.
    pub fn take(&mut self) -> Result<Entry<'_>, JsonError> {
        let length = self.value + self.length()?;
        let written = &self.window[self.start..self.start + length];
        let written = str::from_utf8(written)
            .map_err(|wrong| self.place_at(self.start + wrong.valid_up_to()).error(Problem::NotUtf8))?;
        let entry = Entry {
            key: self.key.take().map(|key| &written[key]),
            value: &written[self.value..],
            members: &self.members,
            written,
            window: &self.window,
            marks: &self.marks,
            at: self.start,
        };
        self.start += length;
        self.value = 0;
        Ok(entry)
    }

    /// The length of the value that is next, once all of it is in the window.
    fn length(&mut self) -> Result<usize, JsonError> {
        loop {
            let rest = &self.window[self.start + self.value..self.end];
            match scan::value(rest, &mut self.members) {
                // A number at the end of the window may go on after it.
                Ok(length) if length == rest.len() && rest[length - 1].is_ascii_digit() => {
                    if !self.fill()? {
                        return Ok(length);
                    }
                }
                Ok(length) => return Ok(length),
                Err(stop) => self.more_or_fail(self.start + self.value, stop)?,
            }
        }
    }

    /// After a scan from `from` on that stopped: reads more if that may help.
    fn more_or_fail(&mut self, from: usize, stop: Stop) -> Result<(), JsonError> {
        let at = from + stop.at;
        let problem = match stop.why {
            Why::End if self.fill()? => return Ok(()),
            Why::End => return Err(self.place_at(self.end).error(Problem::CutOff)),
            // Whether this is a character shows only once all of it is there.
            _ if self.window[at] >= 0x80 && self.end - at < 4 && self.fill()? => return Ok(()),
            _ if !begins_as_utf8(&self.window[at..self.end]) => Problem::NotUtf8,
            Why::Expected(what) => Problem::Expected(what),
            Why::Number => Problem::Number,
            Why::Escape => Problem::Escape,
            Why::Control => Problem::Control,
            Why::Depth => Problem::Depth,
        };
        Err(self.place_at(at).error(problem))
    }

    /// Moves the window on and fills it; `false` if the file has no more.
    fn fill(&mut self) -> Result<bool, JsonError> {
        if self.finished {
            return Ok(false);
        }
        let place = self.place();
        self.window.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        self.marks = Marks::from(place);
        if self.end == self.window.len() {
            self.grow()?;
        }
        let had = self.end;
        while self.end < self.window.len() && !self.finished {
            match self.source.read(&mut self.window[self.end..]) {
                Ok(length) => {
                    self.end += length;
                    self.finished = length == 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.place_at(self.end).error(Problem::Read(error))),
            }
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.begin()?;
        }
        Ok(self.end > had)
    }

    fn grow(&mut self) -> Result<(), JsonError> {
        if self.end >= self.largest {
            return Err(self.error(Problem::Large(self.largest)));
        }
        self.window.resize((self.end * 2).min(self.largest), 0);
        Ok(())
    }

    /// Looks at the file's first bytes: goes past a byte order mark, and refuses other encodings.
    fn begin(&mut self) -> Result<(), JsonError> {
        let encoding = match self.window[..self.end] {
            [0xef, 0xbb, 0xbf, ..] => {
                // It is a character, but none of the first line's.
                self.marks = Marks::from(Place { line: 1, column: 0, offset: 0 });
                self.start = 3;
                return Ok(());
            }
            [0, 0, 0xfe, 0xff, ..]
            | [0xff, 0xfe, 0, 0, ..]
            | [0, 0, 0, 1..=0xff, ..]
            | [1..=0xff, 0, 0, 0, ..] => "UTF-32",
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0xff, ..] | [1..=0xff, 0, ..] => "UTF-16",
            _ => return Ok(()),
        };
        Err(self.error(Problem::Encoding(encoding)))
    }

    fn place_at(&self, at: usize) -> Place {
        self.marks.place(&self.window, at)
    }

    /// # Errors
    /// If anything but whitespace follows.
    pub fn finish(&mut self) -> Result<(), JsonError> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.error(Problem::Trailing)),
        }
    }

    /// An error at the place of what is next.
    pub fn error(&self, problem: Problem) -> JsonError {
        self.place().error(problem)
    }
}

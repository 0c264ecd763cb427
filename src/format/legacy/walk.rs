//! The kinds of files: where in one the entries are.

use std::io::Read;

use super::entry::{Maker, Naming};
use super::fields::{Fields, Object};
use super::{CarPaths, Failed, LegacyError, Pin, Problem, Reject, Shape, Sink, Summary, reason};
use crate::format::json::{self, Entry, Kind, Place, Reader};

/// How much of an object is kept until it shows what it is, in bytes.
const LARGEST_START: usize = 16 << 20;

/// The members that hold the pins, and the kind of file that has them.
const CONTAINERS: &[(&str, Shape)] = &[
    ("pins", Shape::Pins),
    ("Keys", Shape::Kubo),
    ("rows", Shape::Pinata),
    ("results", Shape::PinningService),
    ("files", Shape::Files),
    ("items", Shape::Items),
];

/// A walk over one file.
pub(super) struct Walk<'w, R, S> {
    reader: Reader<R>,
    maker: Maker<'w>,
    sink: &'w mut S,
    /// The kind of file, once it has shown.
    shape: Option<Shape>,
    summary: Summary,
}

/// A member of the object at the top that may or may not be an entry, kept until the object shows what it is.
struct Kept {
    place: Place,
    key: String,
    value: String,
    written: String,
}

type Done<S> = Result<(), Failed<<S as Sink>::Error>>;

impl<'w, R: Read, S: Sink> Walk<'w, R, S> {
    pub fn new(reader: Reader<R>, backend: &'w str, paths: &'w CarPaths, sink: &'w mut S) -> Self {
        let summary = Summary {
            found: 0,
            rejected: 0,
            shape: Shape::List,
            told_count: None,
            other_backend: 0,
            incomplete: false,
        };
        Walk { reader, maker: Maker::new(backend, paths), sink, shape: None, summary }
    }

    pub fn run(mut self) -> Result<Summary, Failed<S::Error>> {
        match Kind::of(self.reader.first()?) {
            Kind::List => {
                self.shape = Some(Shape::List);
                self.list()?;
            }
            Kind::Object => self.top_object()?,
            _ => return Err(self.wrong_top()?.into()),
        }
        self.reader.finish()?;
        self.summary.shape = self.shape.unwrap_or(Shape::List);
        Ok(self.summary)
    }

    /// The error for a file that is neither a list nor an object.
    fn wrong_top(&mut self) -> Result<LegacyError, LegacyError> {
        let entry = self.reader.take()?;
        let kind = Kind::of_value(entry.value).name();
        let problem = format!("wrong type at the top: {kind}, where a list or an object of pins should be");
        Ok(entry.place().error(Problem::Content(problem)))
    }

    /// Reads the list that is next.
    fn list(&mut self) -> Done<S> {
        self.reader.enter();
        while self.reader.element()?.is_some() {
            let entry = self.reader.take()?;
            let made = self.maker.element(self.summary.entries(), &entry);
            deliver(made, || Written::of(&entry), &mut self.summary, self.sink)?;
        }
        Ok(())
    }

    /// Reads the members of the object that is next: CIDs, or names of pins.
    fn members(&mut self) -> Done<S> {
        self.reader.enter();
        while self.reader.member()?.is_some() {
            self.member()?;
        }
        Ok(())
    }

    /// Reads the member that is next as an entry.
    fn member(&mut self) -> Done<S> {
        let entry = self.reader.take()?;
        let made = self.maker.member(self.summary.entries(), &entry);
        deliver(made, || Written::of(&entry), &mut self.summary, self.sink)
    }

    /// Reads an object at the top: whether it is a pin itself or holds pins shows in its members.
    fn top_object(&mut self) -> Done<S> {
        let place = self.reader.place();
        let mut kept: Vec<Kept> = Vec::new();
        let mut size = 0;
        self.reader.enter();
        while let Some(first) = self.reader.member()? {
            if let Some(shape) = self.container(Kind::of(first)) {
                self.decide(shape, &mut kept)?;
                self.hold(Kind::of(first))?;
            } else if self.maker.is_cid(self.reader.key()) {
                self.decide(Shape::Keyed, &mut kept)?;
                let entry = self.reader.take()?;
                let made = self.maker.keyed(self.summary.entries(), &entry);
                deliver(made, || Written::of(&entry), &mut self.summary, self.sink)?;
            } else {
                let rest = Kept::of(&self.reader.take()?);
                match self.shape {
                    Some(_) => self.leftover(rest)?,
                    None => {
                        size += rest.written.len();
                        if size > LARGEST_START {
                            let problem = "no pins in the first 16 MiB of the object".to_owned();
                            return Err(rest.place.error(Problem::Content(problem)).into());
                        }
                        kept.push(rest);
                    }
                }
            }
        }
        match self.shape {
            Some(_) => Ok(()),
            None => self.pin_at_top(place, kept),
        }
    }

    /// The kind of file, if the member that is next holds pins.
    fn container(&self, kind: Kind) -> Option<Shape> {
        let (_, shape) = CONTAINERS.iter().find(|(name, _)| *name == self.reader.key())?;
        matches!(kind, Kind::List | Kind::Object | Kind::Null).then_some(*shape)
    }

    /// Reads the pins in the member that is next.
    fn hold(&mut self, kind: Kind) -> Done<S> {
        match kind {
            Kind::List => self.list(),
            Kind::Object => self.members(),
            // Go writes null for an empty list.
            _ => {
                self.reader.take()?;
                Ok(())
            }
        }
    }

    /// Settles what the object at the top is, and with it what the members were that came before.
    fn decide(&mut self, shape: Shape, kept: &mut Vec<Kept>) -> Done<S> {
        if self.shape.is_none() {
            self.shape = Some(shape);
            for rest in kept.drain(..) {
                self.leftover(rest)?;
            }
        }
        Ok(())
    }

    /// Beside a container, a CID is a pin of its own, such as that of the directory of all files, and all else a remark.
    /// Beside members with CIDs as their keys, it is an entry that went wrong.
    fn leftover(&mut self, rest: Kept) -> Done<S> {
        if self.shape == Some(Shape::Keyed) {
            let made = Err(reason::key(&rest.key));
            return deliver(made, || rest.written(), &mut self.summary, self.sink);
        }
        if rest.key == "count" {
            self.summary.told_count = rest.value.parse().ok();
        }
        self.named(&rest)
    }

    /// Reads a member as the name of a CID, if it is one.
    fn named(&mut self, rest: &Kept) -> Done<S> {
        if !self.maker.is_cid_value(&rest.value) {
            return Ok(());
        }
        let made = self.maker.text(self.summary.entries(), &rest.value, Naming::Name(&rest.key));
        deliver(made, || rest.written(), &mut self.summary, self.sink)
    }

    /// Reads an object at the top that holds no others: it is a pin, or the first of many.
    fn pin_at_top(&mut self, place: Place, kept: Vec<Kept>) -> Done<S> {
        let many = self.reader.peek()? == Some(b'{');
        if kept.is_empty() && !many {
            self.shape = Some(Shape::Kubo);
            return Ok(());
        }
        let members: Vec<&str> = kept.iter().map(|rest| rest.written.as_str()).collect();
        let text = format!("{{{}}}", members.join(", "));
        let mut places = Vec::new();
        json::members(&text, &mut places);
        let object = Object { text: &text, members: &places };
        let made = self.maker.object(self.summary.entries(), object, Naming::None);
        let written = Written { place, text: &text };
        match (many, made) {
            (true, made) => {
                self.shape = Some(Shape::Lines);
                self.summary.incomplete |= is_error(object);
                deliver(made, || written, &mut self.summary, self.sink)?;
                self.lines()
            }
            (false, Ok(pin)) => {
                self.shape = Some(Shape::Single);
                deliver(Ok(pin), || written, &mut self.summary, self.sink)
            }
            (false, Err(reason)) => self.names_at_top(place, kept, &reason),
        }
    }

    /// Reads an object at the top whose values are CIDs and whose keys are not.
    fn names_at_top(&mut self, place: Place, kept: Vec<Kept>, reason: &str) -> Done<S> {
        self.shape = Some(Shape::Named);
        for rest in &kept {
            self.named(rest)?;
        }
        match self.summary.found {
            0 => Err(place.error(Problem::Content(format!("no pins in it: {reason}"))).into()),
            _ => Ok(()),
        }
    }

    /// Reads the objects that follow the first one.
    fn lines(&mut self) -> Done<S> {
        while self.reader.peek()? == Some(b'{') {
            let entry = self.reader.take()?;
            let made = self.maker.element(self.summary.entries(), &entry);
            self.summary.incomplete |= made.is_err() && is_error(Object::of(&entry));
            deliver(made, || Written::of(&entry), &mut self.summary, self.sink)?;
        }
        Ok(())
    }
}

/// Whether this is what Kubo writes in the place of a pin when it fails.
fn is_error(object: Object<'_>) -> bool {
    reason::error_message(&Fields::of(object)).is_some()
}

/// An entry as written, and where.
struct Written<'a> {
    place: Place,
    text: &'a str,
}

impl<'a> Written<'a> {
    fn of(entry: &Entry<'a>) -> Written<'a> {
        Written { place: entry.place(), text: entry.written }
    }
}

impl Kept {
    fn of(entry: &Entry<'_>) -> Kept {
        let key = entry.key.unwrap_or_default().into();
        Kept { place: entry.place(), key, value: entry.value.into(), written: entry.written.into() }
    }

    fn written(&self) -> Written<'_> {
        Written { place: self.place, text: &self.written }
    }
}

impl Summary {
    fn entries(&self) -> u64 {
        self.found + self.rejected
    }
}

/// Hands an entry to the sink as what it is, and counts it. Only a reject needs its place.
#[inline]
fn deliver<'a, S: Sink>(
    made: Result<Pin<'_>, String>,
    written: impl FnOnce() -> Written<'a>,
    summary: &mut Summary,
    sink: &mut S,
) -> Done<S> {
    match made {
        Ok(pin) => {
            summary.found += 1;
            summary.other_backend += u64::from(pin.other_backend);
            sink.pin(pin)
        }
        Err(reason) => {
            let Written { place: Place { line, column, .. }, text } = written();
            let index = summary.entries();
            summary.rejected += 1;
            sink.reject(Reject { index, line, column, reason: &reason, entry: text })
        }
    }
    .map_err(Failed::Sink)
}

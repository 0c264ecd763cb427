//! One entry → a pin, or the reason why it is none.

use super::fields::{CID_NAMES, Fields, Known, Object, TIMES, cid_text, says_nothing};
use super::metadata::Writer;
use super::status::{self, Said};
use super::{CarPaths, Pin, reason, time};
use crate::format::json::{self, Entry, Kind, Member};
use crate::pin::Mapping;
use crate::pin::cid::codec_and_content_of;

/// What the key of an entry says about it, as written between its quotes.
#[derive(Clone, Copy)]
pub(super) enum Naming<'a> {
    /// There is none: the entry stands in a list.
    None,
    /// It is the CID.
    Cid,
    /// It is a name.
    Name(&'a str),
}

/// Makes pins of entries. Its buffers serve one entry after the other, so that none costs an allocation.
pub(super) struct Maker<'s> {
    backend: &'s str,
    paths: &'s CarPaths,
    cid: String,
    content: Vec<u8>,
    codec: u64,
    path: String,
    usual_path: bool,
    status: String,
    metadata: String,
    nested: Vec<Member>,
    /// The members that the columns say all of.
    left_out: Vec<usize>,
}

/// Where in an object its CID stands.
enum CidPlace {
    /// In none of its members.
    Key,
    Member,
    /// In this member of this member.
    Within(usize, usize),
}

impl<'s> Maker<'s> {
    pub fn new(backend: &'s str, paths: &'s CarPaths) -> Maker<'s> {
        Maker {
            backend,
            paths,
            cid: String::new(),
            content: Vec::new(),
            codec: 0,
            path: String::new(),
            usual_path: false,
            status: String::new(),
            metadata: String::new(),
            nested: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Whether this is a CID, as written between its quotes; if so, it is kept for the pin to be made.
    pub fn is_cid(&mut self, raw: &str) -> bool {
        self.cid.clear();
        json::unescape(raw, &mut self.cid);
        self.content.clear();
        match codec_and_content_of(&self.cid, &mut self.content) {
            Some(codec) => self.codec = codec,
            None => return false,
        }
        true
    }

    /// Whether a value is the text of a CID.
    pub fn is_cid_value(&mut self, value: &str) -> bool {
        cid_text(value, &mut self.nested).is_some_and(|raw| self.is_cid(raw))
    }

    /// Makes a pin of an entry of a list.
    pub fn element(&mut self, index: u64, entry: &Entry<'_>) -> Result<Pin<'_>, String> {
        match Kind::of_value(entry.value) {
            Kind::Text => self.text(index, entry.value, Naming::None),
            Kind::Object => self.object(index, Object::of(entry), Naming::None),
            kind => Err(reason::no_pin(kind)),
        }
    }

    /// Makes a pin of a member of an object: of one with a CID as its key, or of a name and what has it.
    pub fn member(&mut self, index: u64, entry: &Entry<'_>) -> Result<Pin<'_>, String> {
        let key = entry.key.unwrap_or_default();
        if self.is_cid(key) {
            return self.keyed(index, entry);
        }
        match Kind::of_value(entry.value) {
            Kind::Text => self.text(index, entry.value, Naming::Name(key)),
            Kind::Object => self.object(index, Object::of(entry), Naming::Name(key)),
            _ => Err(reason::key(key)),
        }
    }

    /// Makes a pin of a member whose key is a CID, as [`is_cid`](Self::is_cid) has just told.
    pub fn keyed(&mut self, index: u64, entry: &Entry<'_>) -> Result<Pin<'_>, String> {
        let kind = Kind::of_value(entry.value);
        if kind == Kind::Object {
            return self.object(index, Object::of(entry), Naming::Cid);
        }
        let text = json::inside(entry.value).unwrap_or_default();
        let said = status::from_word(text, &mut self.status);
        let mut metadata = Writer::begin(&mut self.metadata);
        match (kind, said) {
            (Kind::Null, _) | (Kind::Text, Said::Status) => {}
            (Kind::Text, Said::OtherWord) => metadata.text("source_status", text),
            (Kind::Text, Said::Else) => metadata.text("name", text),
            _ => metadata.member("value", entry.value),
        }
        metadata.end();
        self.take_usual_path();
        Ok(self.pin(index, None, false))
    }

    /// Makes a pin of a CID alone or with a name.
    pub fn text(&mut self, index: u64, value: &str, naming: Naming<'_>) -> Result<Pin<'_>, String> {
        if !self.is_cid_value(value) {
            return Err(match naming {
                Naming::Name(key) => reason::key(key),
                _ => reason::text(&self.cid),
            });
        }
        status::from_word("", &mut self.status);
        let mut metadata = Writer::begin(&mut self.metadata);
        if let Naming::Name(name) = naming {
            metadata.text("name", name);
        }
        metadata.end();
        self.take_usual_path();
        Ok(self.pin(index, None, false))
    }

    /// Makes a pin of an object.
    pub fn object(&mut self, index: u64, object: Object<'_>, naming: Naming<'_>) -> Result<Pin<'_>, String> {
        let fields = Fields::of(object);
        self.left_out.clear();
        let place = match naming {
            // It is in the buffers already.
            Naming::Cid => self.same_cid(&fields),
            _ => self.find_cid(&fields).ok_or_else(|| reason::object(&fields, naming))?,
        };
        let created_at = self.created_at(&fields);
        let origin = status::decide(&fields, &mut self.status, &mut self.nested);
        self.left_out.extend(origin.said_by);
        self.car_file_path(&fields);
        let other_backend = self.other_backend(&fields);
        let replaced = origin.replaced.filter(|_| fields.place(Known::SourceStatus).is_none());
        self.write_metadata(&fields, place, replaced, naming);
        Ok(self.pin(index, created_at, other_backend))
    }

    /// Finds the first CID of an object and keeps it. Names for it that say nothing are left out of the metadata.
    fn find_cid(&mut self, fields: &Fields<'_>) -> Option<CidPlace> {
        for rank in 0..CID_NAMES.len() {
            let Some((index, value)) = fields.get(Known::Cid(rank)) else { continue };
            if says_nothing(value) {
                self.left_out.push(index);
            } else if self.is_cid_value(value) {
                self.left_out.push(index);
                self.leave_out_empty(fields, rank + 1);
                return Some(CidPlace::Member);
            }
        }
        // A link alone, as DAG-JSON writes it.
        if fields.object.members.len() == 1 && self.is_cid_value(fields.object.text) {
            self.left_out.push(0);
            return Some(CidPlace::Member);
        }
        self.find_cid_in_pin(fields)
    }

    /// Finds the CID in the member `pin`, which has it in the Pinning Service API.
    fn find_cid_in_pin(&mut self, fields: &Fields<'_>) -> Option<CidPlace> {
        let (index, value) = fields.get(Known::Pin)?;
        let mut members = Vec::new();
        json::members(value, &mut members);
        let pin = Object { text: value, members: &members };
        let inner = pin.find("cid")?;
        if !self.is_cid_value(pin.value(inner)) {
            return None;
        }
        if members.len() == 1 {
            self.left_out.push(index);
        }
        Some(CidPlace::Within(index, inner))
    }

    /// Leaves out the names for a CID that say nothing, from this one on.
    fn leave_out_empty(&mut self, fields: &Fields<'_>, from: usize) {
        for rank in from..CID_NAMES.len() {
            match fields.get(Known::Cid(rank)) {
                Some((index, value)) if says_nothing(value) => self.left_out.push(index),
                _ => {}
            }
        }
    }

    /// Leaves out what repeats the CID that the key of an object says.
    fn same_cid(&mut self, fields: &Fields<'_>) -> CidPlace {
        for rank in 0..CID_NAMES.len() {
            let Some((index, value)) = fields.get(Known::Cid(rank)) else { continue };
            if says_nothing(value) || cid_text(value, &mut self.nested) == Some(&self.cid) {
                self.left_out.push(index);
            }
        }
        CidPlace::Key
    }

    /// The first of the times. Only `created_at` itself is left out of the metadata, and only if the column has all of it.
    fn created_at(&mut self, fields: &Fields<'_>) -> Option<i64> {
        let (mut found, mut scratch) = (None, String::new());
        for rank in 0..TIMES {
            let Some((index, value)) = fields.get(Known::Created(rank)) else { continue };
            let read = time::read(value, &mut scratch);
            if rank == 0 && (value == "null" || read.is_some_and(|time| time.exact)) {
                self.left_out.push(index);
            }
            found = read.map(|time| time.micros);
            if found.is_some() {
                break;
            }
        }
        found
    }

    /// The entry's own path, or the default for its CID.
    fn car_file_path(&mut self, fields: &Fields<'_>) {
        if let Some((index, value)) = fields.get(Known::CarFilePath) {
            if says_nothing(value) {
                self.left_out.push(index);
            } else if let Some(raw) = json::inside(value) {
                self.usual_path = false;
                self.path.clear();
                if json::unescape(raw, &mut self.path) {
                    self.left_out.push(index);
                }
                return;
            }
        }
        self.take_usual_path();
    }

    fn take_usual_path(&mut self) {
        self.usual_path = true;
        self.paths.write(&self.cid, &mut self.path);
    }

    /// Whether the entry says that another backend has it; then this stays in its metadata.
    fn other_backend(&mut self, fields: &Fields<'_>) -> bool {
        let Some((index, value)) = fields.get(Known::BackendName) else { return false };
        let mut scratch = String::new();
        let name = json::inside(value).map(|raw| json::decode(raw, &mut scratch).text);
        let same = says_nothing(value) || name == Some(self.backend);
        if same {
            self.left_out.push(index);
        }
        !same
    }

    fn write_metadata(
        &mut self,
        fields: &Fields<'_>,
        place: CidPlace,
        replaced: Option<usize>,
        naming: Naming<'_>,
    ) {
        let object = fields.object;
        let mut metadata = Writer::begin(&mut self.metadata);
        for index in (0..object.members.len()).filter(|index| !self.left_out.contains(index)) {
            let (key, value) = (object.key(index), object.value(index));
            match place {
                CidPlace::Within(outer, inner) if outer == index => {
                    json::members(value, &mut self.nested);
                    metadata.object_without(key, Object { text: value, members: &self.nested }, inner);
                }
                _ => metadata.member(key, value),
            }
        }
        if let Some(index) = replaced {
            metadata.member("source_status", object.value(index));
        }
        if let Naming::Name(name) = naming {
            // An entry may have a name of its own.
            metadata.text(if fields.place(Known::Name).is_none() { "name" } else { "key" }, name);
        }
        metadata.end();
    }

    /// The pin that is in the buffers.
    fn pin(&self, index: u64, created_at: Option<i64>, other_backend: bool) -> Pin<'_> {
        let mapping = Mapping {
            cid: Some(&self.cid),
            car_file_path: Some(&self.path),
            backend_name: Some(self.backend),
            created_at,
            status: Some(&self.status),
            metadata: Some(&self.metadata),
        };
        Pin {
            index,
            mapping,
            usual_path: self.usual_path,
            content: &self.content,
            codec: self.codec,
            other_backend,
        }
    }
}

//! The members of an entry whose names we know.

use crate::format::json::{self, Entry, Kind, Member};

/// The names under which a CID may stand, the first that holds one counts; then `pin.cid`.
pub(super) const CID_NAMES: [&str; 8] =
    ["cid", "Cid", "CID", "hash", "Hash", "IpfsHash", "ipfs_pin_hash", "root"];

/// A member whose name we know. `Cid` and `Created` count their names in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    Cid(usize),
    Created(usize),
    Pin,
    Status,
    CapitalStatus,
    PeerMap,
    KuboType,
    DateUnpinned,
    BadNodes,
    Err,
    CarFilePath,
    BackendName,
    SourceStatus,
    Name,
    Message,
}

const CIDS: usize = CID_NAMES.len();
pub(super) const TIMES: usize = 8;
const OTHERS: usize = 13;

impl Known {
    /// The member of this name.
    #[inline]
    fn named(name: &str) -> Option<Known> {
        Some(match name {
            "cid" => Known::Cid(0),
            "Cid" => Known::Cid(1),
            "CID" => Known::Cid(2),
            "hash" => Known::Cid(3),
            "Hash" => Known::Cid(4),
            "IpfsHash" => Known::Cid(5),
            "ipfs_pin_hash" => Known::Cid(6),
            "root" => Known::Cid(7),
            "created_at" => Known::Created(0),
            "created" => Known::Created(1),
            "createdAt" => Known::Created(2),
            "date_pinned" => Known::Created(3),
            "insertedAt" => Known::Created(4),
            "pinned_at" => Known::Created(5),
            "timestamp" => Known::Created(6),
            "date_queued" => Known::Created(7),
            "pin" => Known::Pin,
            "status" => Known::Status,
            "Status" => Known::CapitalStatus,
            "peer_map" => Known::PeerMap,
            "Type" => Known::KuboType,
            "date_unpinned" => Known::DateUnpinned,
            "BadNodes" => Known::BadNodes,
            "Err" => Known::Err,
            "car_file_path" => Known::CarFilePath,
            "backend_name" => Known::BackendName,
            "source_status" => Known::SourceStatus,
            "name" => Known::Name,
            "Message" => Known::Message,
            _ => return None,
        })
    }

    fn slot(self) -> usize {
        match self {
            Known::Cid(rank) => rank,
            Known::Created(rank) => CIDS + rank,
            Known::Pin => CIDS + TIMES,
            Known::Status => CIDS + TIMES + 1,
            Known::CapitalStatus => CIDS + TIMES + 2,
            Known::PeerMap => CIDS + TIMES + 3,
            Known::KuboType => CIDS + TIMES + 4,
            Known::DateUnpinned => CIDS + TIMES + 5,
            Known::BadNodes => CIDS + TIMES + 6,
            Known::Err => CIDS + TIMES + 7,
            Known::CarFilePath => CIDS + TIMES + 8,
            Known::BackendName => CIDS + TIMES + 9,
            Known::SourceStatus => CIDS + TIMES + 10,
            Known::Name => CIDS + TIMES + 11,
            Known::Message => CIDS + TIMES + 12,
        }
    }
}

/// An object as written, with its members.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    pub text: &'a str,
    pub members: &'a [Member],
}

impl<'a> Object<'a> {
    /// The object that an entry is, or one without members.
    pub fn of(entry: &Entry<'a>) -> Object<'a> {
        Object { text: entry.value, members: entry.members }
    }

    /// A member's key as written.
    pub fn key(&self, index: usize) -> &'a str {
        &self.text[self.members[index].key.clone()]
    }

    /// A member's value as written.
    pub fn value(&self, index: usize) -> &'a str {
        &self.text[self.members[index].value.clone()]
    }

    /// The last member of this name, as JSON's readers have it.
    pub fn find(&self, name: &str) -> Option<usize> {
        (0..self.members.len()).rev().find(|&index| self.key(index) == name)
    }
}

/// Where in an object the members lie whose names we know; of equal names the last.
pub(super) struct Fields<'a> {
    pub object: Object<'a>,
    places: [Option<usize>; CIDS + TIMES + OTHERS],
}

impl<'a> Fields<'a> {
    pub fn of(object: Object<'a>) -> Fields<'a> {
        let mut places = [None; CIDS + TIMES + OTHERS];
        for index in 0..object.members.len() {
            let key = object.key(index);
            // An escape in a name is rare, but allowed.
            let known = Known::named(key).or_else(|| match key.contains('\\') {
                true => Known::named(json::decode(key, &mut String::new()).text),
                false => None,
            });
            if let Some(known) = known {
                places[known.slot()] = Some(index);
            }
        }
        Fields { object, places }
    }

    /// Which member it is.
    #[inline]
    pub fn place(&self, known: Known) -> Option<usize> {
        self.places[known.slot()]
    }

    /// Which member it is, and its value as written.
    #[inline]
    pub fn get(&self, known: Known) -> Option<(usize, &'a str)> {
        self.place(known).map(|index| (index, self.object.value(index)))
    }

    /// Its value as written, unless it says nothing.
    pub fn value(&self, known: Known) -> Option<&'a str> {
        self.get(known).map(|(_, value)| value).filter(|value| !says_nothing(value))
    }

    /// A text, decoded.
    pub fn text(&self, known: Known) -> Option<String> {
        let mut text = String::new();
        json::unescape(json::inside(self.value(known)?)?, &mut text);
        Some(text)
    }
}

/// Whether a value is null or a text without characters.
pub(super) fn says_nothing(value: &str) -> bool {
    value == "null" || value == "\"\""
}

/// The text of a CID as written between its quotes: of a string, or of `{"/": "…"}`.
pub(super) fn cid_text<'a>(value: &'a str, members: &mut Vec<Member>) -> Option<&'a str> {
    match Kind::of_value(value) {
        Kind::Text => json::inside(value),
        Kind::Object => {
            json::members(value, members);
            match members[..] {
                [ref link] if &value[link.key.clone()] == "/" => json::inside(&value[link.value.clone()]),
                _ => None,
            }
        }
        _ => None,
    }
}

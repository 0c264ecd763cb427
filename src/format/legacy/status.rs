//! The state of a pin in the words of its service → `stored`, `pending`, `failed`, or the word itself.

use super::fields::{Fields, Known, Object};
use crate::format::json::{self, Kind, Member};
use crate::pin::status::{STORED, normal};

/// Asked for, and not there yet.
const PENDING: &str = "pending";
/// Asked for, and gone wrong.
const FAILED: &str = "failed";
/// Kept only as a part of another pin, which need not be on the list: no copy of its own.
const INDIRECT: &str = "indirect";
const UNPINNED: &str = "unpinned";
/// IPFS Cluster's word for a pin of which nothing is known.
const UNDEFINED: &str = "undefined";
const UNKNOWN: &str = "unknown";

/// Where a status came from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The member that the status says all of.
    pub said_by: Option<usize>,
    /// The member whose word was replaced by another one.
    pub replaced: Option<usize>,
}

/// What a service's word for a state means, in lower case.
pub(super) fn meaning(word: &str) -> Option<&'static str> {
    Some(match word {
        "stored" | "pinned" => STORED,
        "pending" | "queued" | "pinning" | "pin_queued" | "prechecking" | "searching" | "retrieving"
        | "unpinning" | "unpin_queued" => PENDING,
        "failed"
        | "pin_error"
        | "unpin_error"
        | "cluster_error"
        | "error"
        | "unexpectedly_unpinned"
        | "expired"
        | "over_free_limit"
        | "over_max_size"
        | "invalid_object"
        | "bad_host_node" => FAILED,
        _ => return None,
    })
}

/// Puts the status of an entry into `status`.
pub(super) fn decide(fields: &Fields<'_>, status: &mut String, nested: &mut Vec<Member>) -> Origin {
    status.clear();
    let named = [Known::Status, Known::CapitalStatus].into_iter().filter_map(|known| fields.get(known));
    let mut named = named.filter(|(_, value)| !is_blank(value));
    if fields.value(Known::DateUnpinned).is_some() {
        status.push_str(UNPINNED);
        return Origin::default();
    }
    if let Some((index, value)) = named.next() {
        return from_value(index, value, status);
    }
    // A status that says nothing need not be kept.
    let said_by = fields.place(Known::Status).or(fields.place(Known::CapitalStatus));
    status.push_str(STORED);
    if let Some(map) = fields.value(Known::PeerMap).filter(|map| Kind::of_value(map) == Kind::Object) {
        from_peers(map, status, nested);
    } else if fields.value(Known::BadNodes).is_some() || fields.value(Known::Err).is_some() {
        replace(status, FAILED);
    } else if fields.value(Known::KuboType).is_some_and(is_indirect) {
        replace(status, INDIRECT);
    }
    Origin { said_by, replaced: None }
}

/// What a text says that is all there is about a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The status, in this very word.
    Status,
    /// The status, in a word of its own.
    OtherWord,
    /// No status that is known.
    Else,
}

/// Puts the status that such a text names into `status`; it is `stored` if the text names none.
pub(super) fn from_word(raw: &str, status: &mut String) -> Said {
    let word = normal(raw);
    let known = meaning(&word);
    replace(status, known.unwrap_or(STORED));
    match known {
        None => Said::Else,
        Some(known) if known == word => Said::Status,
        Some(_) => Said::OtherWord,
    }
}

fn replace(status: &mut String, word: &str) {
    status.clear();
    status.push_str(word);
}

fn is_blank(value: &str) -> bool {
    match json::inside(value) {
        None => value == "null",
        // The usual case: nothing to decode.
        Some(text) if text.starts_with(|first: char| first.is_ascii_alphanumeric()) => false,
        Some(text) => decoded(text).trim().is_empty(),
    }
}

/// Kubo writes `indirect`, or `indirect through <cid>`.
fn is_indirect(kubo_type: &str) -> bool {
    json::inside(kubo_type).is_some_and(|text| text == INDIRECT || text.starts_with("indirect through"))
}

fn decoded(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    json::unescape(raw, &mut text);
    text
}

/// The status that a member names.
fn from_value(index: usize, value: &str, status: &mut String) -> Origin {
    let raw = match Kind::of_value(value) {
        Kind::Text => json::inside(value).unwrap_or_default(),
        Kind::Object | Kind::List => {
            status.push_str(UNKNOWN);
            return Origin::default();
        }
        _ => value,
    };
    // The usual case: nothing to decode, to trim or to fold.
    if let Some(word) = meaning(raw) {
        status.push_str(word);
        return Origin { said_by: Some(index), replaced: (word != raw).then_some(index) };
    }
    let mut text = String::new();
    let faithful = json::unescape(raw, &mut text);
    let word = normal(&text);
    let meaning = meaning(&word);
    status.push_str(meaning.unwrap_or(&word));
    let replaced = meaning.is_some_and(|meaning| meaning != word);
    Origin { said_by: faithful.then_some(index), replaced: replaced.then_some(index) }
}

/// The best that any peer says: one that has pinned it makes a copy, whatever the others say.
fn from_peers(map: &str, status: &mut String, nested: &mut Vec<Member>) {
    json::members(map, nested);
    let peers = Object { text: map, members: nested };
    let mut own = Vec::new();
    // What none of the three words covers is told by the first peer that says it.
    let mut best: (u8, String) = (4, UNDEFINED.into());
    for peer in 0..peers.members.len() {
        json::members(peers.value(peer), &mut own);
        let peer = Object { text: peers.value(peer), members: &own };
        let said = peer.find("status").map(|index| peer.value(index));
        let Some(value) = said.filter(|value| !is_blank(value)) else { continue };
        let text = decoded(json::inside(value).unwrap_or(value));
        let word = normal(&text);
        let candidate = match meaning(&word) {
            Some(STORED) => (0, STORED.into()),
            Some(PENDING) => (1, PENDING.into()),
            Some(FAILED) => (2, FAILED.into()),
            _ => (3, word.into_owned()),
        };
        if candidate.0 < best.0 {
            best = candidate;
        }
    }
    replace(status, &best.1);
}

//! Why an entry is no pin, in words that help to mend it. Only the entries that are refused cost what is done here.

use super::entry::Naming;
use super::fields::{CID_NAMES, Fields, Known, cid_text};
use crate::format::json::{self, Kind};
use crate::pin::Cid;

/// The longest text that a reason repeats, in characters.
const LONGEST: usize = 80;

/// Of a value that is neither a text nor an object.
pub(super) fn no_pin(kind: Kind) -> String {
    format!("{} is no pin", kind.name())
}

/// Of a text that should be a CID.
pub(super) fn text(text: &str) -> String {
    let Err(why) = text.parse::<Cid>() else { return "not a CID".into() };
    let bare = text.trim();
    let hint = if bare.contains("://") || bare.starts_with("/ipfs/") || bare.starts_with("ipfs/") {
        "; it is an address, and only the CID in it would do"
    } else if bare != text && bare.parse::<Cid>().is_ok() {
        "; there is whitespace around it"
    } else {
        ""
    };
    format!("not a CID: {why}{hint}")
}

/// Of a member whose key says nothing else than what it should say: a CID.
pub(super) fn key(raw: &str) -> String {
    let mut key = String::new();
    json::unescape(raw, &mut key);
    match key.parse::<Cid>() {
        Ok(_) => "no pin".into(),
        Err(why) => format!("the key is no CID: {why}"),
    }
}

/// Of an object without a CID.
pub(super) fn object(fields: &Fields<'_>, naming: Naming<'_>) -> String {
    let own = without_cid(fields);
    match naming {
        Naming::Name(raw) => format!("{}; {own}", key(raw)),
        _ => own,
    }
}

fn without_cid(fields: &Fields<'_>) -> String {
    // Kubo's last line after it failed: what comes before is not all there is.
    if let Some(message) = error_message(fields) {
        return format!("an error and no pin, so the list is incomplete: {}", cut(&message));
    }
    let named =
        (0..CID_NAMES.len()).filter_map(|rank| Some((CID_NAMES[rank], fields.value(Known::Cid(rank))?)));
    let found: Vec<String> =
        named.map(|(name, value)| format!("`{name}` is {}", value_in_words(value))).collect();
    if !found.is_empty() {
        return format!("no CID: {}", found.join(", "));
    }
    if let Some(inner) = pin_cid(fields) {
        return format!("no CID: `pin.cid` is {}", value_in_words(&inner));
    }
    let empty = (0..CID_NAMES.len()).find(|&rank| fields.place(Known::Cid(rank)).is_some());
    match empty {
        Some(rank) => format!("no CID: `{}` is empty", CID_NAMES[rank]),
        None => format!("no CID: has none of the keys {}, pin.cid", CID_NAMES.join(", ")),
    }
}

/// What Kubo says instead of a pin, if it does.
pub(super) fn error_message(fields: &Fields<'_>) -> Option<String> {
    let is_error = fields.text(Known::KuboType).is_some_and(|kind| kind == "error");
    fields.text(Known::Message).filter(|_| is_error)
}

fn pin_cid(fields: &Fields<'_>) -> Option<String> {
    let value = fields.value(Known::Pin)?;
    let mut members = Vec::new();
    json::members(value, &mut members);
    let member = members.iter().rev().find(|member| &value[member.key.clone()] == "cid")?;
    Some(value[member.value.clone()].to_owned())
}

/// What stands in the place of a CID.
fn value_in_words(value: &str) -> String {
    match cid_text(value, &mut Vec::new()) {
        Some(raw) => {
            let mut decoded = String::new();
            json::unescape(raw, &mut decoded);
            text(&decoded)
        }
        None => Kind::of_value(value).name().into(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

//! The JSON of a backup's blocks → rows and links.
//!
//! A list holds either rows or links. Nothing is copied but strings with escapes, and those into memory that is used
//! again.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::pin::{self, Mapping};

use super::cid::BlockCid;
use super::encode::TEXTS;
use super::error::CarProblem;
use super::{FORMAT, VERSION_LINKS, VERSION_ROWS, time};

/// A text of a row.
#[derive(Debug, Default)]
pub(super) enum Text<'de> {
    /// It is missing, or null.
    #[default]
    Null,
    /// As it stands in the block.
    Here(&'de str),
    /// In [`Held`].
    Held,
    /// In blocks of its own.
    Linked(Vec<BlockCid>),
}

/// The texts of the row that is being read, as far as they do not stand in the block as they are.
pub(super) type Held = [String; TEXTS];

/// A row as its block has it; the texts in the order of [`super::encode::texts`].
#[derive(Debug, Default)]
pub(super) struct Row<'de> {
    pub(super) texts: [Text<'de>; TEXTS],
    pub(super) created_at: Option<i64>,
    /// Keys that a backup does not have.
    pub(super) unknown_keys: u64,
    /// A time is there, but in no form that is known.
    pub(super) has_unreadable_time: bool,
}

impl<'de> Row<'de> {
    /// The row with what is held of it. Texts in blocks of their own must have been put there.
    pub(super) fn mapping<'a>(&'a self, held: &'a Held) -> Mapping<'a> {
        let text = |index: usize| match &self.texts[index] {
            Text::Null => None,
            Text::Here(text) => Some(*text),
            Text::Held | Text::Linked(_) => Some(held[index].as_str()),
        };
        Mapping {
            backend_name: text(0),
            car_file_path: text(1),
            cid: text(2),
            created_at: self.created_at,
            metadata: text(3),
            status: text(4),
        }
    }
}

/// What a list holds.
enum Element<'de> {
    Row(Row<'de>),
    Link(BlockCid),
}

/// Reads a list: hands rows on as they come, and gives the links.
///
/// # Errors
/// It is no such list, or `each` does not want to go on and returns `false`.
pub(super) fn parse_list(
    text: &str,
    held: &mut Held,
    each: &mut dyn FnMut(&Row<'_>, &mut Held) -> bool,
) -> serde_json::Result<Vec<BlockCid>> {
    let mut json = serde_json::Deserializer::from_str(text);
    let links = json.deserialize_seq(ListVisitor { held, each })?;
    json.end()?;
    Ok(links)
}

struct ListVisitor<'a> {
    held: &'a mut Held,
    each: &'a mut dyn FnMut(&Row<'_>, &mut Held) -> bool,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = Vec<BlockCid>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pin mappings or of links")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<BlockCid>, A::Error> {
        let (mut links, mut has_rows) = (Vec::new(), false);
        while let Some(element) = list.next_element_seed(ElementSeed(self.held))? {
            match element {
                Element::Link(link) => links.push(link),
                Element::Row(row) if (self.each)(&row, self.held) => has_rows = true,
                Element::Row(_) => return Err(A::Error::custom("stopped")),
            }
            if has_rows && !links.is_empty() {
                return Err(A::Error::custom("pin mappings and links in one list"));
            }
        }
        Ok(links)
    }
}

struct ElementSeed<'a>(&'a mut Held);

impl<'de> DeserializeSeed<'de> for ElementSeed<'_> {
    type Value = Element<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Element<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ElementSeed<'_> {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pin mapping or a link")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element<'de>, A::Error> {
        let mut row = Row::default();
        let mut seen = [false; TEXTS + 1];
        let mut is_first = true;
        while let Some(key) = map.next_key()? {
            if let Key::Text(index) | Key::Time(index) = key
                && std::mem::replace(&mut seen[index], true)
            {
                return Err(A::Error::custom("a key twice in one pin mapping"));
            }
            match key {
                Key::Slash if is_first => return rest_of_link(map).map(Element::Link),
                Key::Text(index) => row.texts[index] = map.next_value_seed(TextSeed(&mut self.0[index]))?,
                Key::Time(_) => (row.created_at, row.has_unreadable_time) = time_of(map.next_value()?)?,
                Key::Slash | Key::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                    row.unknown_keys += 1;
                }
            }
            is_first = false;
        }
        Ok(Element::Row(row))
    }
}

/// A key of a row, with its place among the keys.
#[derive(Clone, Copy)]
enum Key {
    Text(usize),
    Time(usize),
    Slash,
    Unknown,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Key, D::Error> {
        json.deserialize_identifier(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        Ok(match key {
            "backend_name" => Key::Text(0),
            "car_file_path" => Key::Text(1),
            "cid" => Key::Text(2),
            "metadata" => Key::Text(3),
            "status" => Key::Text(4),
            "created_at" => Key::Time(TEXTS),
            "/" => Key::Slash,
            _ => Key::Unknown,
        })
    }
}

struct TextSeed<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for TextSeed<'_> {
    type Value = Text<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Text<'de>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextSeed<'_> {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, null, or a list of links")
    }

    fn visit_unit<E: Error>(self) -> Result<Text<'de>, E> {
        Ok(Text::Null)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text::Here(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
        self.0.clear();
        self.0.push_str(text);
        Ok(Text::Held)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text<'de>, A::Error> {
        let mut links = Vec::new();
        while let Some(Link(link)) = list.next_element()? {
            links.push(link);
        }
        Ok(Text::Linked(links))
    }
}

/// A link where nothing else may stand.
struct Link(BlockCid);

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Link, D::Error> {
        json.deserialize_map(LinkVisitor).map(Link)
    }
}

struct LinkVisitor;

impl<'de> Visitor<'de> for LinkVisitor {
    type Value = BlockCid;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a link")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BlockCid, A::Error> {
        match map.next_key()? {
            Some(Key::Slash) => rest_of_link(map),
            _ => Err(A::Error::custom("a map that is no link")),
        }
    }
}

/// The CID behind the key `/`, and nothing after it.
fn rest_of_link<'de, A: MapAccess<'de>>(mut map: A) -> Result<BlockCid, A::Error> {
    let text: String = map.next_value()?;
    if map.next_key::<IgnoredAny>()?.is_some() {
        return Err(A::Error::custom("a link with more than one key"));
    }
    BlockCid::from_text(&text).map_err(A::Error::custom)
}

/// A recorded time, and whether there is one that cannot be read. Text that is no time is NULL, never a guess.
fn time_of<E: Error>(recorded: &RawValue) -> Result<(Option<i64>, bool), E> {
    let raw = recorded.get();
    let micros = match raw.as_bytes() {
        b"null" | b"\"\"" => return Ok((None, false)),
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => time::parse(&raw[1..raw.len() - 1]),
        [b'"', ..] => time::parse(&serde_json::from_str::<String>(raw).map_err(E::custom)?),
        [b'-' | b'0'..=b'9', ..] => match raw.parse() {
            Ok(number) => pin::time::from_integer(number),
            Err(_) => raw.parse().ok().and_then(pin::time::from_float),
        },
        _ => return Err(E::custom("created_at is neither text nor a number")),
    };
    Ok((micros, micros.is_none()))
}

/// The envelope of a backup.
#[derive(Debug)]
pub(super) struct Envelope<'a> {
    pub(super) version: &'static str,
    pub(super) created_at: Option<i64>,
    /// The text of the list.
    pub(super) pin_mappings: &'a str,
}

#[derive(Deserialize)]
struct RawEnvelope<'a> {
    #[serde(borrow)]
    format: Option<&'a RawValue>,
    version: Option<&'a RawValue>,
    created_at: Option<&'a RawValue>,
    pin_mappings: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads a root. Keys that it does not know are ignored.
    pub(super) fn parse(text: &'a str) -> Result<Envelope<'a>, CarProblem> {
        // Serde would take a list of four values for the four keys.
        let raw = match serde_json::from_str::<RawEnvelope<'a>>(text) {
            Ok(raw) if text.trim_start().starts_with('{') => raw,
            _ => return Err(CarProblem::NotABackup("its root is no envelope")),
        };
        let string =
            |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        if string(raw.format).as_deref() != Some(FORMAT) {
            return Err(CarProblem::NotABackup("its root does not say so"));
        }
        let version = match string(raw.version).as_deref() {
            Some(VERSION_ROWS) => VERSION_ROWS,
            Some(VERSION_LINKS) => VERSION_LINKS,
            _ => {
                let found = raw.version.map_or("", RawValue::get);
                let shown = found.trim_matches('"').chars().take(40).collect();
                return Err(CarProblem::BackupVersion(shown));
            }
        };
        let created_at = raw.created_at.and_then(|raw| time_of::<serde_json::Error>(raw).ok()?.0);
        let pin_mappings = raw.pin_mappings.map(RawValue::get).filter(|list| list.starts_with('['));
        let pin_mappings =
            pin_mappings.ok_or(CarProblem::NotABackup("its root has no list of pin mappings"))?;
        Ok(Envelope { version, created_at, pin_mappings })
    }
}

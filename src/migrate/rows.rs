//! Rows on their way through a sort, each as a record of bytes: what rows are ordered by, the columns of `pin_mappings`
//! without `backend_name`, and the further columns of the file that they were merged onto.
//!
//! A record is: the length of all of it in 4 bytes; flags and the length of the content in 1 each; `created_at`, the size
//! and the number in 8 each; the content; the codec and the lengths of five texts as varints; the texts.

use crate::pin::{Mapping, schema, size, status};

/// Rows from the entry of this number on are new ones; those before it stood in the file.
pub(super) const NEW: u64 = 1 << 63;

const HAS_CREATED: u8 = 1;
const HAS_SIZE: u8 = 1 << 1;
const HAS_CID: u8 = 1 << 2;
const HAS_CAR: u8 = 1 << 3;
const USUAL_CAR: u8 = 1 << 4;
const HAS_STATUS: u8 = 1 << 5;
const HAS_METADATA: u8 = 1 << 6;

/// The bytes before the content.
const FIXED: usize = 4 + 2 + 3 * 8;
/// The most bytes of a varint.
const VARINT: usize = 10;

/// A row, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub cid: Option<&'a [u8]>,
    pub car: CarPath<'a>,
    pub created_at: Option<i64>,
    pub status: Option<&'a [u8]>,
    pub metadata: Option<&'a [u8]>,
    pub size: Option<i64>,
    /// Empty if the CID is none.
    pub content: &'a [u8],
    pub codec: u64,
    pub number: u64,
    /// What the further columns hold, as arrow encodes rows; empty if the row has none of them.
    pub extras: &'a [u8],
}

/// Where the CAR of a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CarPath<'a> {
    /// Where the backend's CARs usually are: it need not be kept.
    Usual,
    Said(Option<&'a [u8]>),
}

impl<'a> Row<'a> {
    /// A row of this mapping. `content` is empty if its CID is none.
    pub fn of(mapping: &Mapping<'a>, content: &'a [u8], codec: u64, number: u64) -> Row<'a> {
        Row {
            cid: mapping.cid.map(str::as_bytes),
            car: CarPath::Said(mapping.car_file_path.map(str::as_bytes)),
            created_at: mapping.created_at,
            status: mapping.status.map(str::as_bytes),
            metadata: mapping.metadata.map(str::as_bytes),
            size: mapping.metadata.and_then(size::from_metadata),
            content,
            codec,
            number,
            extras: &[],
        }
    }

    /// The row of the record with which `bytes` begin.
    pub fn read(bytes: &'a [u8]) -> Row<'a> {
        let mut rest = Rest(bytes);
        rest.take(4);
        let flags = rest.take(1)[0];
        let content = usize::from(rest.take(1)[0]);
        let [created, size, number] = [(); 3].map(|()| rest.number());
        let content = rest.take(content);
        let codec = rest.varint();
        let lengths = [(); 5].map(|()| rest.varint() as usize);
        let [cid, car, status, metadata, extras] = lengths.map(|length| rest.take(length));
        let if_has = |flag: u8, text: &'a [u8]| (flags & flag != 0).then_some(text);
        Row {
            cid: if_has(HAS_CID, cid),
            car: match flags & USUAL_CAR {
                0 => CarPath::Said(if_has(HAS_CAR, car)),
                _ => CarPath::Usual,
            },
            created_at: (flags & HAS_CREATED != 0).then_some(created as i64),
            status: if_has(HAS_STATUS, status),
            metadata: if_has(HAS_METADATA, metadata),
            size: (flags & HAS_SIZE != 0).then_some(size as i64),
            content,
            codec,
            number,
            extras,
        }
    }

    /// The most bytes that its record takes.
    pub fn most_bytes(&self) -> usize {
        FIXED + self.content.len() + 6 * VARINT + self.texts().iter().map(|text| text.len()).sum::<usize>()
    }

    /// Appends its record.
    pub fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let flag = |there: bool, flag: u8| if there { flag } else { 0 };
        let flags = flag(self.created_at.is_some(), HAS_CREATED)
            | flag(self.size.is_some(), HAS_SIZE)
            | flag(self.cid.is_some(), HAS_CID)
            | flag(matches!(self.car, CarPath::Said(Some(_))), HAS_CAR)
            | flag(self.car == CarPath::Usual, USUAL_CAR)
            | flag(self.status.is_some(), HAS_STATUS)
            | flag(self.metadata.is_some(), HAS_METADATA);
        let content =
            u8::try_from(self.content.len()).expect("a multihash that parses is shorter than 256 bytes");
        out.extend_from_slice(&[0, 0, 0, 0, flags, content]);
        for number in
            [self.created_at.unwrap_or_default() as u64, self.size.unwrap_or_default() as u64, self.number]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(self.content);
        varint(self.codec, out);
        let texts = self.texts();
        texts.iter().for_each(|text| varint(text.len() as u64, out));
        texts.iter().for_each(|text| out.extend_from_slice(text));
        let length = u32::try_from(out.len() - start).expect("a row is smaller than 4 GiB");
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn texts(&self) -> [&'a [u8]; 5] {
        let car = match self.car {
            CarPath::Said(path) => path,
            CarPath::Usual => None,
        };
        let [cid, car, status, metadata] =
            [self.cid, car, self.status, self.metadata].map(Option::unwrap_or_default);
        [cid, car, status, metadata, self.extras]
    }

    pub fn is_new(&self) -> bool {
        self.number >= NEW
    }

    /// The section of the file that the row belongs to.
    pub fn section(&self) -> usize {
        status::section(self.status)
    }

    /// The pin that the row is of: what tells it apart from the other pins of its backend.
    pub fn pin(&self) -> (&'a [u8], u64) {
        (self.content, self.codec)
    }

    /// What rows are ordered by: the pin, then what decides which mapping of a pin wins, the last one.
    pub fn key(&self) -> (&'a [u8], u64, Option<i64>, u64) {
        (self.content, self.codec, self.created_at, self.number)
    }

    /// The columns, by name, in which two rows differ, if both paths are said.
    pub fn differing(&self, other: &Row<'_>) -> Vec<&'static str> {
        let pairs = [
            (schema::CID, self.cid == other.cid),
            (schema::CAR_FILE_PATH, self.car == other.car),
            (schema::CREATED_AT, self.created_at == other.created_at),
            (schema::STATUS, self.status == other.status),
            (schema::METADATA, self.metadata == other.metadata),
        ];
        pairs.into_iter().filter(|(_, same)| !same).map(|(column, _)| column).collect()
    }
}

/// The length of the record with which `bytes` begin.
pub(super) fn length(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |length| u32::from_le_bytes(*length) as usize)
}

/// The first bytes of a content, which nearly always decide the order.
pub(super) fn prefix(content: &[u8]) -> u64 {
    match content.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..content.len()].copy_from_slice(content);
            u64::from_be_bytes(first)
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8));
        u64::from_le_bytes(bytes)
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..300))
    }

    proptest! {
        #[test]
        fn a_record_reads_as_it_was_written(
            (cid, car, status, metadata) in (bytes(), bytes(), bytes(), bytes()),
            usual in any::<bool>(),
            created_at in any::<Option<i64>>(),
            size in any::<Option<i64>>(),
            content in prop::collection::vec(any::<u8>(), 0..140),
            (codec, number) in any::<(u64, u64)>(),
            extras in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let row = Row {
                cid: cid.as_deref(),
                car: if usual { CarPath::Usual } else { CarPath::Said(car.as_deref()) },
                created_at,
                status: status.as_deref(),
                metadata: metadata.as_deref(),
                size,
                content: &content,
                codec,
                number,
                extras: &extras,
            };
            let mut out = vec![1, 2, 3];
            row.append(&mut out);
            prop_assert!(out.len() - 3 <= row.most_bytes());
            prop_assert_eq!(length(&out[3..]), out.len() - 3);
            out.extend_from_slice(&[9; 5]);
            prop_assert_eq!(Row::read(&out[3..]), row);
        }

        #[test]
        fn prefixes_are_ordered_as_contents_are(
            one in prop::collection::vec(any::<u8>(), 0..12),
            other in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            if prefix(&one) != prefix(&other) {
                prop_assert_eq!(prefix(&one) < prefix(&other), one < other);
            }
        }
    }
}

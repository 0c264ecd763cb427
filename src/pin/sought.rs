//! Whether a text names one of some contents. Most texts that do not are told by their last characters alone.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use foldhash::fast::FixedState;
use multibase::Base;

use super::cid;

/// Characters that are looked at first. In base32 they are 40 bits.
const LOOKED_AT: usize = 8;

/// Contents that are looked for, in order and each once.
#[derive(Debug)]
pub struct Sought {
    contents: Vec<Vec<u8>>,
    /// `None` if one of them is too short for that.
    ends: Option<Ends>,
}

/// How the usual spellings of contents end.
#[derive(Debug)]
struct Ends {
    /// In base32, but for the last character, by the bits that this one has too many.
    base32: [HashSet<u64, FixedState>; 5],
    /// As version 0.
    v0: HashSet<u64, FixedState>,
}

impl Sought {
    /// Looks for these contents. An empty one is that of all texts that are no CID.
    pub fn new(mut contents: Vec<Vec<u8>>) -> Sought {
        contents.sort_unstable();
        contents.dedup();
        let ends = Ends::of(&contents);
        Sought { contents, ends }
    }

    /// Whether `text` names one of the contents.
    pub fn names(&self, text: &str, scratch: &mut Vec<u8>) -> bool {
        if self.ends.as_ref().is_some_and(|ends| ends.rule_out(text.as_bytes())) {
            return false;
        }
        scratch.clear();
        cid::content_of(text, scratch);
        self.contents.binary_search_by(|content| content.as_slice().cmp(scratch)).is_ok()
    }
}

impl PartialEq for Sought {
    fn eq(&self, other: &Sought) -> bool {
        self.contents == other.contents
    }
}

impl Eq for Sought {}

impl Hash for Sought {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.contents.hash(state);
    }
}

impl Ends {
    fn of(contents: &[Vec<u8>]) -> Option<Ends> {
        let mut ends = Ends { base32: Default::default(), v0: HashSet::default() };
        for content in contents {
            let last = u64::from_be_bytes(*content.last_chunk()?);
            for (bits, known) in ends.base32.iter_mut().enumerate() {
                known.insert(base32_before_last(last, bits as u32));
            }
            // A version 0 is that of a whole sha2-256.
            if content.len() == 34 && content.starts_with(&[0x12, 32]) {
                ends.v0.extend(last_characters(Base::Base58Btc.encode(content).as_bytes()));
            }
        }
        Some(ends)
    }

    /// Whether `text` names none of the contents for sure.
    #[inline]
    fn rule_out(&self, text: &[u8]) -> bool {
        match text {
            [b'Q', b'm', ..] if text.len() == 46 => {
                last_characters(text).is_some_and(|end| !self.v0.contains(&end))
            }
            [b'b', rest @ ..] => {
                let bits = match rest.len() % 8 {
                    0 => 0,
                    2 => 2,
                    4 => 4,
                    5 => 1,
                    7 => 3,
                    // No bytes have so many characters: it is no CID, and none of the contents is empty.
                    _ => return true,
                };
                // Case does not matter, and a digit stays what it is.
                let end = last_characters(&rest[..rest.len().saturating_sub(1)]);
                end.is_some_and(|end| !self.base32[bits].contains(&(end | 0x2020_2020_2020_2020)))
            }
            _ => false,
        }
    }
}

fn last_characters(text: &[u8]) -> Option<u64> {
    text.last_chunk::<LOOKED_AT>().map(|end| u64::from_ne_bytes(*end))
}

/// The characters before the last one of bytes that end in `last`, if the last one has so many bits too many.
fn base32_before_last(last: u64, bits: u32) -> u64 {
    let before = (last << bits) >> 5;
    let mut characters = [0; LOOKED_AT];
    for (index, character) in characters.iter_mut().rev().enumerate() {
        *character = b"abcdefghijklmnopqrstuvwxyz234567"[(before >> (5 * index)) as usize & 31];
    }
    u64::from_ne_bytes(characters)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contents of several lengths, and texts: every spelling of them, also with what is wrong or in the other case.
    fn texts_of(content: &[u8]) -> Vec<String> {
        let mut texts = vec![Base::Base58Btc.encode(content)];
        for codec in [vec![0x55], vec![0x70], vec![0x81, 0x01], vec![0xa9, 0xe4, 0x03]] {
            let bytes = [&[1], &codec[..], content].concat();
            for base in
                [Base::Base32Lower, Base::Base32Upper, Base::Base58Btc, Base::Base16Lower, Base::Base36Lower]
            {
                let text = multibase::encode(base, &bytes);
                let (first, rest) = text.split_at(1);
                texts.extend([
                    format!("{first}{}", rest.to_ascii_uppercase()),
                    format!("{text}a"),
                    format!(" {text}"),
                ]);
                texts.extend((1..4).map(|less| text[..text.len() - less].to_owned()));
                let mut other = rest.to_owned().into_bytes();
                let at = other.len() - 1;
                other[at] = if other[at] == b'b' { b'c' } else { b'b' };
                texts.push(format!("{first}{}", String::from_utf8(other).unwrap()));
                texts.push(text);
            }
        }
        texts
    }

    #[test]
    fn what_is_ruled_out_would_not_have_been_found() {
        let mut seed = 7u64;
        let mut byte = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 56) as u8
        };
        let mut contents = Vec::new();
        for (head, length) in [
            (vec![0x12, 32], 32),
            (vec![0x12, 20], 20),
            (vec![0x13, 64], 64),
            (vec![0, 9], 9),
            (vec![0xb2, 0xa0, 0x02, 33], 33),
        ] {
            for _ in 0..6 {
                contents.push([head.clone(), (0..length).map(|_| byte()).collect()].concat());
            }
        }
        let texts: Vec<_> = contents
            .iter()
            .flat_map(|content| texts_of(content))
            .chain(["".into(), "no CID".into(), "b".into()])
            .collect();
        let (mut scratch, mut found) = (Vec::new(), 0);
        for wanted in [&contents[..1], &contents[5..9], &contents[..], &contents[29..]] {
            let sought = Sought::new(wanted.to_vec());
            assert!(sought.ends.is_some());
            for text in &texts {
                let mut content = Vec::new();
                cid::content_of(text, &mut content);
                found += usize::from(wanted.contains(&content));
                assert_eq!(sought.names(text, &mut scratch), wanted.contains(&content), "{text}");
            }
        }
        assert!(found > 500, "{found}");
    }

    #[test]
    fn the_content_of_what_is_no_cid_can_be_looked_for() {
        let sought = Sought::new(vec![vec![]]);
        let names = |text: &str| sought.names(text, &mut Vec::new());
        assert!(names("no CID") && names("") && names("bxyz"));
        assert!(!names("QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN"));
    }
}

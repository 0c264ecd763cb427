//! CIDs: text → version, codec, base and multihash, and back.
//!
//! Two CIDs name the same content if their multihashes agree, whatever their version, codec or base: compare
//! [`Content`], never text. What a CID is made of: <https://github.com/multiformats/cid>; the tables of codes:
//! <https://github.com/multiformats/multicodec>.

use std::fmt;
use std::str::FromStr;

use multibase::Base;

use super::fast;

/// The longest digest that pinql reads, in bytes: Kubo's limit for identity hashes.
pub const MAX_DIGEST: usize = 128;

/// Version, codec, multihash code and length, and the longest digest.
pub(super) const MAX_BYTES: usize = 4 * 10 + MAX_DIGEST;

const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// A content identifier. Holding one means that its text parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct Cid {
    version: u8,
    codec: u64,
    base: Base,
    content: Content,
}

/// What a CID names: the bytes of its multihash (code, length, digest).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Content(Box<[u8]>);

/// Why a text is not a CID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CidError {
    /// There is no text.
    #[error("empty")]
    Empty,
    /// The first character names no base, or another one does not belong to it.
    #[error("not the text of a multibase")]
    Base,
    /// The version is neither 0 nor 1, or a version 0 is not spelled as one.
    #[error("no CID version 0 or 1")]
    Version,
    /// The bytes end too early.
    #[error("cut off")]
    Truncated,
    /// The bytes go on after the multihash.
    #[error("bytes after the multihash")]
    Trailing,
    /// A number that is written too long or is too large.
    #[error("a malformed varint")]
    Varint,
    /// A digest of more than [`MAX_DIGEST`] bytes.
    #[error("a digest of more than {MAX_DIGEST} bytes")]
    Digest,
}

/// The parts of a CID's bytes, borrowed.
pub(super) struct Parts<'a> {
    pub version: u8,
    pub codec: u64,
    /// Code, length and digest.
    pub multihash: &'a [u8],
}

impl Cid {
    /// The version, 0 or 1.
    pub fn version(&self) -> u8 {
        self.version
    }

    /// The multicodec of the content: `0x55` is raw, `0x70` is dag-pb.
    pub fn codec(&self) -> u64 {
        self.codec
    }

    /// The name of the codec in the multicodec table, or its number in hexadecimal.
    pub fn codec_name(&self) -> String {
        codec_name(self.codec)
    }

    /// The name of the hash function in the multicodec table, or its number in hexadecimal.
    pub fn hash_name(&self) -> String {
        hash_name(self.content.hash_code())
    }

    /// The name of the base in the multibase table, such as `base32`.
    pub fn base_name(&self) -> &'static str {
        base_name(self.base)
    }

    /// What the CID names.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The text as version 1 in base32, the usual spelling.
    pub fn to_v1(&self) -> String {
        let mut bytes = Vec::with_capacity(4 + self.content.0.len());
        bytes.push(1);
        write_varint(&mut bytes, self.codec);
        bytes.extend_from_slice(&self.content.0);
        multibase::encode(Base::Base32Lower, bytes)
    }

    /// The text as version 0, which exists for dag-pb with a whole sha2-256 only.
    pub fn to_v0(&self) -> Option<String> {
        let fits =
            self.codec == DAG_PB && self.content.0.len() == 34 && self.content.0.starts_with(&[0x12, 0x20]);
        fits.then(|| Base::Base58Btc.encode(&self.content.0))
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Cid, CidError> {
        let mut scratch = [0; MAX_BYTES];
        if let Some(bytes) = fast::decode(text.as_bytes(), &mut scratch) {
            let base = if bytes.len() == 34 && bytes[0] != 1 { Base::Base58Btc } else { Base::Base32Lower };
            return Ok(Cid::from_parts(parts(bytes)?, base));
        }
        let (bytes, base) = decode_any(text)?;
        Ok(Cid::from_parts(parts(&bytes)?, base))
    }
}

impl Cid {
    fn from_parts(parts: Parts<'_>, base: Base) -> Cid {
        Cid { version: parts.version, codec: parts.codec, base, content: Content(parts.multihash.into()) }
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({})", self.to_v1())
    }
}

impl Content {
    /// The bytes of the multihash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The code of the hash function: `0x12` is sha2-256.
    pub fn hash_code(&self) -> u64 {
        read_varint(&self.0).map_or(0, |(code, _)| code)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Appends the multihash that `text` names to `out`, and says whether there was one.
///
/// The same as parsing a [`Cid`], without its allocations: this runs once per row of files without a `content` column.
pub fn content_of(text: &str, out: &mut Vec<u8>) -> bool {
    codec_and_content_of(text, out).is_some()
}

/// Appends the multihash that `text` names to `out` and gives the codec: the two that tell the pins of a backend apart.
pub fn codec_and_content_of(text: &str, out: &mut Vec<u8>) -> Option<u64> {
    let mut scratch = [0; MAX_BYTES];
    let decoded;
    let bytes = match fast::decode(text.as_bytes(), &mut scratch) {
        Some(bytes) => bytes,
        None => {
            decoded = decode_any(text).ok()?.0;
            &decoded
        }
    };
    let parts = parts(bytes).ok()?;
    out.extend_from_slice(parts.multihash);
    Some(parts.codec)
}

/// Decodes a CID in any spelling.
fn decode_any(text: &str) -> Result<(Vec<u8>, Base), CidError> {
    // A version 0 has no multibase prefix: 46 characters of base58btc that begin with Qm.
    if text.len() == 46 && text.starts_with("Qm") {
        let bytes = Base::Base58Btc.decode(text).map_err(|_| CidError::Base)?;
        return Ok((bytes, Base::Base58Btc));
    }
    if text.is_empty() {
        return Err(CidError::Empty);
    }
    // Far beyond the longest CID in base2, so that a long text costs nothing.
    if text.len() > MAX_BYTES * 8 + 1 {
        return Err(CidError::Digest);
    }
    // Case does not matter in base16, base32 and base36, and other tools write both.
    let (base, bytes) = multibase::decode(text).or_else(|_| fold_case(text)).map_err(|_| CidError::Base)?;
    match bytes.first() {
        Some(1) => Ok((bytes, base)),
        _ => Err(CidError::Version),
    }
}

/// Decodes text in a base without case whose letters are in the other case than its prefix says.
fn fold_case(text: &str) -> multibase::Result<(Base, Vec<u8>)> {
    let folded = match text.chars().next() {
        Some('b' | 'f' | 'k' | 'v' | 't' | 'c' | 'h') => text.to_ascii_lowercase(),
        Some('B' | 'F' | 'K' | 'V' | 'T' | 'C') => text.to_ascii_uppercase(),
        _ => return Err(multibase::Error::InvalidBaseString),
    };
    multibase::decode(folded)
}

/// Reads the bytes of a CID of either version.
pub(super) fn parts(bytes: &[u8]) -> Result<Parts<'_>, CidError> {
    if bytes.len() == 34 && bytes.starts_with(&[SHA2_256 as u8, 32]) {
        return Ok(Parts { version: 0, codec: DAG_PB, multihash: bytes });
    }
    let (version, rest) = read_varint(bytes)?;
    if version != 1 {
        return Err(CidError::Version);
    }
    let (codec, multihash) = read_varint(rest)?;
    let (_, rest) = read_varint(multihash)?;
    let (length, digest) = read_varint(rest)?;
    match usize::try_from(length) {
        Ok(length) if length <= MAX_DIGEST => match digest.len() {
            have if have < length => Err(CidError::Truncated),
            have if have > length => Err(CidError::Trailing),
            _ => Ok(Parts { version: 1, codec, multihash }),
        },
        _ => Err(CidError::Digest),
    }
}

/// Reads an unsigned varint in its shortest form, at most nine bytes, and returns what follows.
fn read_varint(bytes: &[u8]) -> Result<(u64, &[u8]), CidError> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = *byte != 0 || index == 0;
            return if shortest { Ok((value, &bytes[index + 1..])) } else { Err(CidError::Varint) };
        }
    }
    Err(if bytes.len() < 9 { CidError::Truncated } else { CidError::Varint })
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The name of a codec in the multicodec table, or its number in hexadecimal.
pub fn codec_name(code: u64) -> String {
    name_in(CODECS, code)
}

/// The name of a hash function in the multicodec table, or its number in hexadecimal.
pub fn hash_name(code: u64) -> String {
    name_in(HASHES, code)
}

fn name_in(table: &[(u64, &str)], code: u64) -> String {
    match table.iter().find(|(known, _)| *known == code) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("0x{code:x}"),
    }
}

/// The multibase table's name of a base.
fn base_name(base: Base) -> &'static str {
    match base {
        Base::Identity => "identity",
        Base::Base2 => "base2",
        Base::Base8 => "base8",
        Base::Base10 => "base10",
        Base::Base16Lower => "base16",
        Base::Base16Upper => "base16upper",
        Base::Base32Lower => "base32",
        Base::Base32Upper => "base32upper",
        Base::Base32PadLower => "base32pad",
        Base::Base32PadUpper => "base32padupper",
        Base::Base32HexLower => "base32hex",
        Base::Base32HexUpper => "base32hexupper",
        Base::Base32HexPadLower => "base32hexpad",
        Base::Base32HexPadUpper => "base32hexpadupper",
        Base::Base32Z => "base32z",
        Base::Base36Lower => "base36",
        Base::Base36Upper => "base36upper",
        Base::Base45 => "base45",
        Base::Base58Flickr => "base58flickr",
        Base::Base58Btc => "base58btc",
        Base::Base64 => "base64",
        Base::Base64Pad => "base64pad",
        Base::Base64Url => "base64url",
        Base::Base64UrlPad => "base64urlpad",
        Base::Base256Emoji => "base256emoji",
    }
}

/// Codecs that pins really have; the others are shown by number.
const CODECS: &[(u64, &str)] = &[
    (0x51, "cbor"),
    (0x55, "raw"),
    (0x70, "dag-pb"),
    (0x71, "dag-cbor"),
    (0x72, "libp2p-key"),
    (0x78, "git-raw"),
    (0x7b, "torrent-info"),
    (0x7c, "torrent-file"),
    (0x85, "dag-jose"),
    (0x86, "dag-cose"),
    (0x90, "eth-block"),
    (0x93, "eth-tx"),
    (0xb0, "bitcoin-block"),
    (0xb1, "bitcoin-tx"),
    (0x0129, "dag-json"),
    (0x0200, "json"),
    (0x0202, "car"),
    (0xf101, "fil-commitment-unsealed"),
    (0xf102, "fil-commitment-sealed"),
];

/// Hash functions that pins really have; the others are shown by number.
const HASHES: &[(u64, &str)] = &[
    (0x00, "identity"),
    (0x11, "sha1"),
    (0x12, "sha2-256"),
    (0x13, "sha2-512"),
    (0x14, "sha3-512"),
    (0x15, "sha3-384"),
    (0x16, "sha3-256"),
    (0x17, "sha3-224"),
    (0x1b, "keccak-256"),
    (0x1e, "blake3"),
    (0x20, "sha2-384"),
    (0x56, "dbl-sha2-256"),
    (0x1012, "sha2-256-trunc254-padded"),
    (0x1013, "sha2-224"),
    (0xb220, "blake2b-256"),
    (0xb240, "blake2b-512"),
    (0xb260, "blake2s-256"),
    (0xb401, "poseidon-bls12_381-a2-fc1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V0: &str = "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN";
    const V1: &str = "bafybeiffndsajwhk3lwjewwdxqntmjm4b5wxaaanokonsggenkbw6slwk4";
    const BASE36: &str = "k2jmtxvhiy25o2vnw7h4bdboly9dhaf75v3ttv1ggm04t3547s33fo0n";
    const BASE58: &str = "zdj7WgZb7dJCFFLxEgawRRQ5M6Eni9d8ix75bfo2JC14nHRQJ";
    const RAW: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

    fn content(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(content_of(text, &mut out), "{text}");
        out
    }

    #[test]
    fn spellings_of_one_cid_have_one_content() {
        let upper = V1.to_ascii_uppercase();
        let mixed = format!("b{}", &upper[1..]);
        for text in [V0, V1, BASE36, BASE58, &upper, &mixed] {
            assert_eq!(content(text), content(V1), "{text}");
            let cid: Cid = text.parse().unwrap();
            assert_eq!(cid.content().as_bytes(), content(V1), "{text}");
            assert_eq!((cid.to_v1().as_str(), cid.to_v0().as_deref()), (V1, Some(V0)), "{text}");
        }
        assert_ne!(content(RAW), content(V1));
    }

    #[test]
    fn parts_of_a_cid_are_named() {
        for (text, version, codec, hash, base) in [
            (V0, 0, "dag-pb", "sha2-256", "base58btc"),
            (V1, 1, "dag-pb", "sha2-256", "base32"),
            (BASE36, 1, "dag-pb", "sha2-256", "base36"),
            (RAW, 1, "raw", "sha2-256", "base32"),
            ("bafkqaaa", 1, "raw", "identity", "base32"),
            ("f01551100", 1, "raw", "sha1", "base16"),
            ("f01ff7f1200", 1, "0x3fff", "sha2-256", "base16"),
        ] {
            let cid: Cid = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            let named = (cid.version(), cid.codec_name(), cid.hash_name(), cid.base_name());
            assert_eq!(named, (version, codec.to_owned(), hash.to_owned(), base), "{text}");
        }
        assert_eq!(RAW.parse::<Cid>().unwrap().to_v0(), None);
    }

    #[test]
    fn text_that_is_not_a_cid_is_refused() {
        let spaced = format!(" {V1}");
        let path = format!("/ipfs/{V1}");
        let below = format!("{V1}/a.txt");
        let cut = &V1[..57];
        let longer = format!("{V1}aa");
        for (text, why) in [
            ("", CidError::Empty),
            ("pins", CidError::Base),
            ("Qm", CidError::Base),
            ("QmTestCID123456789abcdef", CidError::Base),
            ("QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXE0", CidError::Base),
            ("bafy!", CidError::Base),
            (&spaced, CidError::Base),
            (&path, CidError::Base),
            (&below, CidError::Base),
            (cut, CidError::Truncated),
            (&longer, CidError::Trailing),
            ("f02551200", CidError::Version),
            ("f0180001200", CidError::Varint),
            ("f0155128101", CidError::Digest),
        ] {
            let mut out = Vec::new();
            assert!(!content_of(text, &mut out) && out.is_empty(), "{text:?}");
            assert_eq!(text.parse::<Cid>().unwrap_err(), why, "{text:?}");
        }
        // A version 0 has no multibase prefix.
        assert!(format!("z{V0}").parse::<Cid>().is_err());
    }

    #[test]
    fn identity_hashes_of_up_to_128_bytes_parse() {
        for (length, fits) in
            [(0usize, true), (1, true), (64, true), (65, true), (127, true), (128, true), (129, false)]
        {
            let mut bytes = vec![1, 0x55, 0x00];
            write_varint(&mut bytes, length as u64);
            bytes.resize(bytes.len() + length, 7);
            for base in [Base::Base32Lower, Base::Base58Btc, Base::Base16Lower, Base::Base2] {
                assert_eq!(
                    multibase::encode(base, &bytes).parse::<Cid>().is_ok(),
                    fits,
                    "{length} in {base:?}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_cid_agrees_with_the_reference_parser(
            codec in prop_oneof![Just(0x55u64), Just(0x70), 0u64..0x20000],
            code in prop_oneof![Just(0x12u64), 0u64..0x20000],
            digest in prop::collection::vec(any::<u8>(), 0..=128),
            base in prop::sample::select(vec![
                Base::Base32Lower, Base::Base32Upper, Base::Base36Lower, Base::Base58Btc, Base::Base16Lower,
                Base::Base64, Base::Base64Url, Base::Base32Z, Base::Base32HexLower,
            ]),
        ) {
            let hash = cid::multihash::Multihash::<128>::wrap(code, &digest).unwrap();
            let reference = cid::CidGeneric::<128>::new_v1(codec, hash);
            let text = reference.to_string_of_base(base).unwrap();
            let ours: Cid = text.parse().unwrap();
            prop_assert_eq!(ours.content().as_bytes(), reference.hash().to_bytes());
            prop_assert_eq!((ours.codec(), ours.content().hash_code()), (codec, code));
            prop_assert_eq!(content(&text), reference.hash().to_bytes());
        }

        #[test]
        fn version_0_agrees_with_the_reference_parser(digest in prop::array::uniform32(any::<u8>())) {
            let hash = cid::multihash::Multihash::<128>::wrap(0x12, &digest).unwrap();
            let reference = cid::CidGeneric::<128>::new_v0(hash).unwrap();
            let text = reference.to_string();
            prop_assert_eq!(content(&text), reference.hash().to_bytes());
            prop_assert_eq!(text.parse::<Cid>().unwrap().to_v0(), Some(text));
        }

        #[test]
        fn any_text_is_parsed_or_refused_alike(text in "[a-zA-Z0-9+/=_-]{0,80}|b[a-z2-7]{50,62}|Qm[a-zA-Z0-9]{44}|\\PC{0,50}") {
            let mut out = Vec::new();
            let found = content_of(&text, &mut out);
            match text.parse::<Cid>() {
                Ok(cid) => prop_assert!(found && cid.content().as_bytes() == out),
                Err(_) => prop_assert!(!found && out.is_empty()),
            }
        }
    }
}

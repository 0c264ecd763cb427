//! The CIDs of blocks, in bytes, as they stand before the data of a section, in a header and in links.

use std::fmt;

use multibase::Base;

use super::varint;

/// The longest digest that is read, in bytes: Kubo's limit for identity hashes.
const MAX_DIGEST: u64 = 128;
/// Version, codec, hash function, length, and the longest digest.
pub(super) const MAX_CID: usize = 4 * varint::MAX_BYTES + MAX_DIGEST as usize;

const DAG_PB: u64 = 0x70;
/// How a CID of version 0 begins: the multihash of a sha2-256.
const V0: [u8; 2] = [0x12, 32];
const V0_BYTES: usize = 34;
const V0_TEXT: usize = 46;

/// The hash "function" whose digest is the data.
pub(super) const IDENTITY: u64 = 0x00;

/// The CID of a block. Holding one means that its bytes are sound.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BlockCid {
    bytes: Box<[u8]>,
    codec: u64,
    hash_code: u64,
    /// Where the digest begins.
    digest_at: u8,
}

impl BlockCid {
    /// Reads the CID that `bytes` begin with.
    pub(super) fn prefix_of(bytes: &[u8]) -> Result<BlockCid, &'static str> {
        if bytes.starts_with(&V0) {
            let bytes = bytes.get(..V0_BYTES).ok_or("cut off")?;
            return Ok(BlockCid { bytes: bytes.into(), codec: DAG_PB, hash_code: 0x12, digest_at: 2 });
        }
        let mut at = 0;
        let mut number = || -> Result<u64, &'static str> {
            let (value, length) = varint::decode(&bytes[at..]).map_err(|bad| match bad {
                varint::Bad::Short => "cut off",
                varint::Bad::Malformed => "a malformed varint",
            })?;
            at += length;
            Ok(value)
        };
        if number()? != 1 {
            return Err("neither version 0 nor version 1");
        }
        let (codec, hash_code, length) = (number()?, number()?, number()?);
        if length > MAX_DIGEST {
            return Err("a digest of more than 128 bytes");
        }
        let whole = bytes.get(..at + length as usize).ok_or("cut off")?;
        Ok(BlockCid { bytes: whole.into(), codec, hash_code, digest_at: at as u8 })
    }

    /// Reads a CID that fills `bytes`.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<BlockCid, &'static str> {
        let cid = BlockCid::prefix_of(bytes)?;
        if cid.bytes.len() == bytes.len() { Ok(cid) } else { Err("bytes after it") }
    }

    /// Reads a CID's text: version 0, or version 1 in any multibase.
    pub(super) fn from_text(text: &str) -> Result<BlockCid, &'static str> {
        let bytes = match text.len() {
            // Far beyond the longest CID in base2, so that a long text costs nothing.
            length if length > MAX_CID * 8 + 1 => return Err("too long for a CID"),
            V0_TEXT if text.starts_with("Qm") => Base::Base58Btc.decode(text).ok(),
            _ => {
                multibase::decode(text).ok().map(|(_, bytes)| bytes).filter(|bytes| bytes.first() == Some(&1))
            }
        };
        BlockCid::from_bytes(&bytes.ok_or("not the text of a CID")?)
    }

    /// The bytes of the CID.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The version, 0 or 1.
    pub fn version(&self) -> u8 {
        if self.bytes.starts_with(&V0) { 0 } else { 1 }
    }

    /// The multicodec of the data: `0x55` is raw, `0x70` is dag-pb, `0x0129` is dag-json.
    pub fn codec(&self) -> u64 {
        self.codec
    }

    /// The code of the hash function: `0x12` is sha2-256.
    pub fn hash_code(&self) -> u64 {
        self.hash_code
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        &self.bytes[usize::from(self.digest_at)..]
    }

    /// The data, if the CID itself holds them: the digest of the identity hash.
    pub fn inline_data(&self) -> Option<&[u8]> {
        (self.hash_code == IDENTITY).then(|| self.digest())
    }
}

/// The usual text: `Qm…` for version 0, base32 for version 1.
impl fmt::Display for BlockCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version() {
            0 => f.write_str(&Base::Base58Btc.encode(&self.bytes)),
            _ => f.write_str(&multibase::encode(Base::Base32Lower, &self.bytes)),
        }
    }
}

impl fmt::Debug for BlockCid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockCid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_text_and_parts_agree() {
        for (text, version, codec, hash) in [
            ("QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN", 0, 0x70, 0x12),
            ("bafybeiffndsajwhk3lwjewwdxqntmjm4b5wxaaanokonsggenkbw6slwk4", 1, 0x70, 0x12),
            ("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am", 1, 0x55, 0x12),
            ("bafkqaaa", 1, 0x55, 0),
        ] {
            let cid = BlockCid::from_text(text).unwrap();
            assert_eq!((cid.version(), cid.codec(), cid.hash_code()), (version, codec, hash), "{text}");
            assert_eq!(cid.to_string(), text);
            let mut more = cid.as_bytes().to_vec();
            more.extend(b"data");
            assert_eq!(BlockCid::prefix_of(&more).unwrap(), cid);
            assert_eq!(BlockCid::from_bytes(&more), Err("bytes after it"));
            for cut in 0..cid.as_bytes().len() {
                assert!(BlockCid::prefix_of(&cid.as_bytes()[..cut]).is_err(), "{text} {cut}");
            }
            let reference = ::cid::CidGeneric::<128>::try_from(cid.as_bytes()).unwrap();
            assert_eq!(reference.hash().digest(), cid.digest());
        }
    }

    #[test]
    fn identity_digests_go_up_to_128_bytes() {
        let with = |length: u8| {
            let mut bytes = vec![1, 0x55, 0];
            varint::encode(length.into(), &mut bytes);
            bytes.resize(bytes.len() + usize::from(length), 7);
            BlockCid::from_bytes(&bytes)
        };
        assert_eq!(with(128).unwrap().inline_data(), Some(&[7; 128][..]));
        assert_eq!(with(129), Err("a digest of more than 128 bytes"));
    }

    #[test]
    fn what_is_no_cid_is_refused() {
        let long = "b".repeat(5_000);
        for text in ["", "Qm", "b", "bafy!", "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXE0", &long] {
            assert!(BlockCid::from_text(text).is_err(), "{text}");
        }
        assert_eq!(BlockCid::from_bytes(&[2, 0x55, 0, 0]), Err("neither version 0 nor version 1"));
        assert_eq!(BlockCid::from_bytes(&[1, 0xd5, 0, 0, 0]), Err("a malformed varint"));
    }
}

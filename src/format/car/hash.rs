//! Does a block's data match its CID?

use sha2::Digest;

use super::cid::{BlockCid, IDENTITY};

/// The shortest digest that proves anything.
const MIN_DIGEST: usize = 20;

/// What a block's hash says about its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The data are what the CID names.
    Good,
    /// They are not.
    Bad,
    /// The hash function is unknown, or the digest is too short to prove anything: nothing was checked.
    Unknown,
}

/// Holds `data` against the hash in `cid`. A digest that is cut to 20 bytes or more still proves its data.
pub(super) fn check(cid: &BlockCid, data: &[u8]) -> Checked {
    let digest = cid.digest();
    let good = match cid.hash_code() {
        IDENTITY => return if digest == data { Checked::Good } else { Checked::Bad },
        _ if digest.len() < MIN_DIGEST => return Checked::Unknown,
        0x11 => agrees(&sha1::Sha1::digest(data), digest),
        0x12 => agrees(&sha2_256(data), digest),
        0x13 => agrees(&sha2::Sha512::digest(data), digest),
        0x14 => agrees(&sha3::Sha3_512::digest(data), digest),
        0x15 => agrees(&sha3::Sha3_384::digest(data), digest),
        0x16 => agrees(&sha3::Sha3_256::digest(data), digest),
        0x17 => agrees(&sha3::Sha3_224::digest(data), digest),
        0x1b => agrees(&sha3::Keccak256::digest(data), digest),
        0x1e => blake3_agrees(data, digest),
        0x20 => agrees(&sha2::Sha384::digest(data), digest),
        0x56 => agrees(&sha2_256(&sha2_256(data)), digest),
        0x1013 => agrees(&sha2::Sha224::digest(data), digest),
        0xb220 | 0xb240 | 0xb260 => blake2_agrees(cid.hash_code(), data, digest),
        _ => return Checked::Unknown,
    };
    if good { Checked::Good } else { Checked::Bad }
}

/// Whether data that match `cid` are proved to be its data: a whole digest of a known function, which bytes that only
/// look like a CID do not have by chance.
pub(super) fn is_proof(cid: &BlockCid) -> bool {
    let whole = match cid.hash_code() {
        0x11 => 20,
        0x17 | 0x1013 => 28,
        0x12 | 0x16 | 0x1b | 0x1e | 0x56 | 0xb220 | 0xb260 => 32,
        0x15 | 0x20 => 48,
        0x13 | 0x14 | 0xb240 => 64,
        _ => return false,
    };
    cid.digest().len() == whole
}

/// The sha2-256 of `data`. ring has it in assembly, which counts on processors without instructions of their own for it.
pub(super) fn sha2_256(data: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, data).as_ref());
    digest
}

fn agrees(whole: &[u8], digest: &[u8]) -> bool {
    whole.starts_with(digest)
}

/// BLAKE2 in the sizes that CIDs have: 2b with 256 and 512 bits, 2s with 256. Its crate is one generation behind the
/// others.
fn blake2_agrees(code: u64, data: &[u8], digest: &[u8]) -> bool {
    use blake2::{Blake2b, Blake2b512, Blake2s256, Digest, digest::consts::U32};
    match code {
        0xb220 => agrees(&Blake2b::<U32>::digest(data), digest),
        0xb240 => agrees(&Blake2b512::digest(data), digest),
        _ => agrees(&Blake2s256::digest(data), digest),
    }
}

fn blake3_agrees(data: &[u8], digest: &[u8]) -> bool {
    let mut whole = [0; 128];
    blake3::Hasher::new().update(data).finalize_xof().fill(&mut whole);
    agrees(&whole, digest)
}

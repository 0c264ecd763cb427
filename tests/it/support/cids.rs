//! CIDs by number, in several spellings, from the reference implementation.

use cid::Cid;
use cid::multibase::Base;
use cid::multihash::Multihash;
use sha2::{Digest, Sha256};

const DAG_PB: u64 = 0x70;
const RAW: u64 = 0x55;

fn hash(number: u64) -> Multihash<64> {
    Multihash::wrap(0x12, &Sha256::digest(format!("content {number}"))).unwrap()
}

/// Version 0: `Qm…`.
pub fn v0(number: u64) -> String {
    Cid::new_v0(hash(number)).unwrap().to_string()
}

/// The same pin in version 1: `bafybei…`.
pub fn v1(number: u64) -> String {
    Cid::new_v1(DAG_PB, hash(number)).to_string()
}

/// The same pin in version 1 and base58: `zdj7…`.
pub fn base58(number: u64) -> String {
    Cid::new_v1(DAG_PB, hash(number)).to_string_of_base(Base::Base58Btc).unwrap()
}

/// The same content with another codec, which is another pin: `bafkrei…`.
pub fn raw(number: u64) -> String {
    Cid::new_v1(RAW, hash(number)).to_string()
}

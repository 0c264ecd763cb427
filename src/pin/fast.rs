//! The two spellings that nearly all pins have, decoded without allocation: base32 `b…` and version 0 `Qm…`.
//!
//! Everything else goes the general way; both ways agree, which tests hold.

use super::cid::MAX_BYTES;

/// Value of each base32 character (RFC 4648, lower case), or 0xff.
const BASE32: [u8; 256] = table(b"abcdefghijklmnopqrstuvwxyz234567");
/// Value of each base58btc character, or 0xff.
const BASE58: [u8; 256] = table(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");

const fn table(alphabet: &[u8]) -> [u8; 256] {
    let mut values = [0xff; 256];
    let mut index = 0;
    while index < alphabet.len() {
        values[alphabet[index] as usize] = index as u8;
        index += 1;
    }
    values
}

/// Decodes `text` into `scratch` if it is one of the two spellings and sound; `None` leaves it to the general way.
pub(super) fn decode<'a>(text: &[u8], scratch: &'a mut [u8; MAX_BYTES]) -> Option<&'a [u8]> {
    match text {
        [b'Q', b'm', ..] if text.len() == 46 => base58_v0(text, scratch),
        [b'b', rest @ ..] if rest.len() * 5 / 8 <= MAX_BYTES => base32(rest, scratch),
        _ => None,
    }
}

fn base32<'a>(text: &[u8], scratch: &'a mut [u8; MAX_BYTES]) -> Option<&'a [u8]> {
    let length = text.len() * 5 / 8;
    let (mut bits, mut held, mut at, mut seen) = (0u64, 0u32, 0usize, 0u8);
    for &character in text {
        let value = BASE32[character as usize];
        seen |= value;
        bits = bits << 5 | u64::from(value & 31);
        held += 5;
        if held >= 8 {
            held -= 8;
            scratch[at] = (bits >> held) as u8;
            at += 1;
        }
    }
    // A character outside of the alphabet, bits left over that are not zero, or a length that no bytes give.
    let sound = seen < 32 && bits & ((1 << held) - 1) == 0 && held < 5;
    (sound && scratch[0] == 1).then(|| &scratch[..length])
}

/// 46 characters are 58^46 at the most, which is a little more than 34 bytes: the carry tells.
fn base58_v0<'a>(text: &[u8], scratch: &'a mut [u8; MAX_BYTES]) -> Option<&'a [u8]> {
    // Nine limbs of 32 bits, the least significant first. Five characters scale by 58^5 < 2^30, so no product overflows.
    let mut limbs = [0u32; 9];
    for group in text.chunks(5) {
        let (mut value, mut scale) = (0u64, 1u64);
        for &character in group {
            let digit = BASE58[character as usize];
            if digit == 0xff {
                return None;
            }
            value = value * 58 + u64::from(digit);
            scale *= 58;
        }
        let mut carry = value;
        for limb in &mut limbs {
            let sum = u64::from(*limb) * scale + carry;
            *limb = sum as u32;
            carry = sum >> 32;
        }
    }
    // 34 bytes are eight limbs and a half.
    if limbs[8] >> 16 != 0 {
        return None;
    }
    scratch[..2].copy_from_slice(&(limbs[8] as u16).to_be_bytes());
    for (index, limb) in limbs[..8].iter().rev().enumerate() {
        scratch[2 + index * 4..6 + index * 4].copy_from_slice(&limb.to_be_bytes());
    }
    scratch[..34].starts_with(&[0x12, 32]).then(|| &scratch[..34])
}

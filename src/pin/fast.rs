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
    let (groups, rest) = text.as_chunks::<8>();
    let mut sound = true;
    for (group, bytes) in groups.iter().zip(scratch.as_chunks_mut::<5>().0) {
        let (bits, is_base32) = forty_bits(*group);
        sound &= is_base32;
        bytes.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    let (mut bits, mut held, mut at, mut seen) = (0u64, 0u32, groups.len() * 5, 0u8);
    for &character in rest {
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
    let sound = sound && seen < 32 && bits & ((1 << held) - 1) == 0 && held < 5;
    (sound && scratch[0] == 1).then(|| &scratch[..length])
}

/// What eight characters of base32 stand for, all at once, and whether they are of its alphabet.
#[inline]
fn forty_bits(characters: [u8; 8]) -> (u64, bool) {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let text = u64::from_be_bytes(characters);
    // A letter's low five bits are 1 to 26 and stand for 0 to 25; a digit's are 18 to 23 and stand for 26 to 31.
    let letters = text >> 6 & each(1);
    let values = (text & each(31)).wrapping_add(each(8)).wrapping_sub(letters * 9);
    // Written again they must be the same text: values below 32 carry nothing from byte to byte.
    let digits = ((values & each(31)) + each(128 - 26)) >> 7 & each(1);
    let again = (values & each(31)) + each(b'a') - digits * u64::from(b'a' + 26 - b'2');
    let is_base32 = values & each(!31) == 0 && again == text;
    let tens = (values & 0x1f00_1f00_1f00_1f00) >> 3 | values & 0x001f_001f_001f_001f;
    let twenties = (tens & 0x03ff_0000_03ff_0000) >> 6 | tens & 0x0000_03ff_0000_03ff;
    (twenties >> 32 << 20 | twenties & 0xf_ffff, is_base32)
}

/// 46 characters are 58^46 at the most, which is a little more than 34 bytes: the carry tells.
fn base58_v0<'a>(text: &[u8], scratch: &'a mut [u8; MAX_BYTES]) -> Option<&'a [u8]> {
    // Five limbs, the least significant first. Ten characters scale by 58^10 < 2^59, so that so many groups fill so many limbs.
    let (mut limbs, mut seen) = ([0u64; 5], 0u8);
    for (before, group) in text.chunks(10).enumerate() {
        let (mut value, mut scale) = (0u64, 1u64);
        for &character in group {
            let digit = BASE58[character as usize];
            seen |= digit;
            value = value * 58 + u64::from(digit);
            scale *= 58;
        }
        let mut carry = value;
        for limb in &mut limbs[..=before] {
            let sum = u128::from(*limb) * u128::from(scale) + u128::from(carry);
            *limb = sum as u64;
            carry = (sum >> 64) as u64;
        }
    }
    // 34 bytes are four limbs and a quarter; a character outside of the alphabet has all bits.
    let [low @ .., high] = limbs;
    if seen == 0xff || high >> 16 != 0 {
        return None;
    }
    scratch[..2].copy_from_slice(&(high as u16).to_be_bytes());
    for (index, limb) in low.iter().rev().enumerate() {
        scratch[2 + index * 8..10 + index * 8].copy_from_slice(&limb.to_be_bytes());
    }
    scratch[..34].starts_with(&[0x12, 32]).then(|| &scratch[..34])
}

//! Which contents the CIDs can name that begin with some letters: a range of multihashes, by which laid-out files skip pages.

/// The alphabets of base32 (RFC 4648, lower case) and base58 (Bitcoin).
const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";
const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// The length of a CID of version 0, and of what it stands for.
const V0_LETTERS: usize = 46;
const V0_BYTES: usize = 34;
/// Longer than any multihash that is compared with it.
const MORE: usize = 40;

/// The least and the greatest content of the CIDs that begin so; `None` if the letters do not tell.
pub fn contents(prefix: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    match prefix.as_bytes().first()? {
        b'Q' => version_0(prefix),
        b'b' => version_1(&prefix[1..]),
        _ => None,
    }
}

fn version_0(prefix: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let missing = V0_LETTERS.checked_sub(prefix.len())?;
    let filled = |letter: char| base58(&(prefix.to_owned() + &letter.to_string().repeat(missing)));
    let mut greatest = filled('z')?;
    greatest.extend([0xff; MORE]);
    Some((filled('1')?, greatest))
}

/// The number that the letters write, as bytes; the greatest one if it is too large.
fn base58(text: &str) -> Option<Vec<u8>> {
    let mut bytes = [0_u8; V0_BYTES];
    for letter in text.chars() {
        let mut carry = BASE58.find(letter)? as u32;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return Some(vec![0xff; V0_BYTES]);
        }
    }
    Some(bytes.to_vec())
}

fn version_1(letters: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut bits = Vec::with_capacity(letters.len() * 5);
    for letter in letters.chars() {
        let value = BASE32.find(letter)?;
        bits.extend((0..5).rev().map(|bit| value >> bit & 1 == 1));
    }
    let bytes = |fill: bool| -> Vec<u8> {
        let byte =
            |bits: &[bool]| (0..8).fold(0, |byte, at| byte << 1 | u8::from(*bits.get(at).unwrap_or(&fill)));
        bits.chunks(8).map(byte).collect()
    };
    let (mut least, mut greatest) = (bytes(false), bytes(true));
    // The last letter of a CID has bits of no byte.
    least.truncate(bits.len() / 8);
    // Behind the version and the codec, which are numbers whose last byte is less than 128.
    let whole = bits.len() / 8;
    let codec = least.get(1..whole)?.iter().position(|byte| *byte < 128)? + 1;
    let start = codec + 1;
    greatest.extend([0xff; MORE]);
    (least.first() == Some(&1) && start < least.len())
        .then(|| (least[start..].to_vec(), greatest[start..].to_vec()))
}

#[cfg(test)]
mod tests {
    use pinql::pin::Cid;

    use super::*;

    #[test]
    fn every_beginning_of_a_cid_gives_a_range_that_holds_it() {
        for text in [
            "QmUCGLrkAMb7P1bJUaYshCBuV1yHwHq9HCRjYSe4RBKg5W",
            "bafybeiffndsajwhk3lwjewwdxqntmjm4b5wxaaanokonsggenkbw6slwk4",
            "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am",
        ] {
            let cid: Cid = text.parse().expect(text);
            let content = cid.content().as_bytes();
            let mut known = 0;
            for length in 1..=text.len() {
                if let Some((least, greatest)) = contents(&text[..length]) {
                    assert!(least.as_slice() <= content && content <= greatest.as_slice(), "{text} {length}");
                    known += 1;
                }
            }
            assert!(known > 40, "{text}: {known}");
        }
        for text in ["", "x", "zb2r", "b", "ba", "Q0", "b1", "bafy\u{e9}"] {
            assert_eq!(contents(text), None, "{text}");
        }
    }
}

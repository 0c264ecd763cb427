//! Unsigned varints: seven bits a byte, the lowest first, in the shortest form.

/// The most bytes that a varint has: 63 bits.
pub(super) const MAX_BYTES: usize = 9;

/// Why bytes are no varint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// They end before it does.
    Short,
    /// It is longer than it need be or may be.
    Malformed,
}

/// Reads the varint that `bytes` begin with: its value and its length.
pub(super) fn decode(bytes: &[u8]) -> Result<(u64, usize), Bad> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(MAX_BYTES) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || index == 0;
            return if shortest { Ok((value, index + 1)) } else { Err(Bad::Malformed) };
        }
    }
    Err(if bytes.len() < MAX_BYTES { Bad::Short } else { Bad::Malformed })
}

/// Appends `value`.
pub(super) fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_only_in_their_shortest_form() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), (1 << 63) - 1] {
            let mut bytes = Vec::new();
            encode(value, &mut bytes);
            bytes.push(0xff);
            assert_eq!(decode(&bytes), Ok((value, bytes.len() - 1)), "{value}");
        }
        for (bytes, why) in [
            (&[][..], Bad::Short),
            (&[0x80], Bad::Short),
            (&[0xff; 8], Bad::Short),
            (&[0xff; 9], Bad::Malformed),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Bad::Malformed),
            (&[0x80, 0], Bad::Malformed),
            (&[0x81, 0x80, 0], Bad::Malformed),
        ] {
            assert_eq!(decode(bytes), Err(why), "{bytes:x?}");
        }
    }
}

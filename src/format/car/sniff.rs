//! What a file called `pin_mappings.car` really is.

use std::io::{self, Read, Seek, SeekFrom};

use super::{header, varint};

/// Enough for a byte order mark and a page of blank lines.
const LOOKED_AT: u64 = 4096;

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A CAR of version 1, or something that begins like one.
    CarV1,
    /// A CAR of version 2.
    CarV2,
    /// JSON text: what older tools wrote under this name.
    Json,
    /// Anything else, an empty file among it.
    Other,
}

/// Looks at the first bytes of `file` and puts it back where it stood.
///
/// # Errors
/// The file cannot be read.
pub fn sniff<F: Read + Seek>(mut file: F) -> io::Result<Kind> {
    let stood = file.stream_position()?;
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(LOOKED_AT).read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(stood))?;
    Ok(kind_of(&bytes))
}

fn kind_of(bytes: &[u8]) -> Kind {
    if bytes.starts_with(&header::PRAGMA) {
        return Kind::CarV2;
    }
    // A length, then the head of a map: never text, as no character begins with such a byte.
    if let Ok((1.., skipped)) = varint::decode(bytes)
        && bytes.get(skipped).is_some_and(|byte| byte >> 5 == 5)
    {
        return Kind::CarV1;
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match text.trim_ascii_start().first() {
        Some(b'{' | b'[') => Kind::Json,
        None if !bytes.is_empty() => Kind::Json,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_kinds_apart() {
        for (bytes, kind) in [
            (&b"\x3b\xa2\x65roots"[..], Kind::CarV1),
            (b"{\xa2\x65roots", Kind::CarV1),
            (b"\x80\x01\xa2", Kind::CarV1),
            (b"\x0a\xa1\x67version\x02\0\0", Kind::CarV2),
            (b"\x0a\xa1\x67version\x01", Kind::CarV1),
            (b"{}", Kind::Json),
            (b"\n\n  {\"format\":", Kind::Json),
            (b"\xef\xbb\xbf{}", Kind::Json),
            (b"[]", Kind::Json),
            (b" \n", Kind::Json),
            (b"", Kind::Other),
            (b"PAR1", Kind::Other),
            (b"\0\xa2", Kind::Other),
        ] {
            assert_eq!(kind_of(bytes), kind, "{bytes:x?}");
        }
        let mut file = io::Cursor::new(b"{}");
        file.set_position(1);
        assert_eq!((sniff(&mut file).unwrap(), file.position()), (Kind::Json, 1));
    }
}

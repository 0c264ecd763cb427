//! Bloom filters on `content`: a few bytes of a row group's filter tell that it has none of some contents, and no page of it is read.
//!
//! The format: <https://parquet.apache.org/docs/file-format/bloomfilter/>. A filter that is not of the one form that there is says
//! nothing.

use std::io;
use std::ops::Range;

use parquet::file::metadata::ColumnChunkMetaData;
use twox_hash::XxHash64;

use super::file::PinnedFile;
use super::wanted::Content;

/// Bytes of a block: all that a value leaves in a filter is in one.
const BLOCK: usize = 32;
/// What spreads a hash over the words of a block; the format's own.
const SALT: [u32; BLOCK / 4] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];
/// The most bytes of a header: what it says beside the number of bytes is always the same.
const HEADER: u64 = 1 + 5 + SPLIT_BLOCKS.len() as u64;
/// Split blocks, xxHash, not compressed; in Thrift's compact protocol.
const SPLIT_BLOCKS: [u8; 13] = [0x1c, 0x1c, 0, 0, 0x1c, 0x1c, 0, 0, 0x1c, 0x1c, 0, 0, 0];
/// For more contents than this a filter is read as a whole: rather one large read than many small ones.
const MOST_BLOCKS: usize = 64;

/// Those of some contents that a row group may have: all of them where nothing rules them out.
///
/// Whoever goes by it has to see afterwards that the file [is unchanged](PinnedFile::is_unchanged).
///
/// # Errors
/// If the filter cannot be read.
pub(super) fn perhaps_in<'a>(
    file: &PinnedFile,
    group: usize,
    column: &ColumnChunkMetaData,
    contents: &'a [Content],
) -> io::Result<Vec<&'a Content>> {
    let known = &file.filters[group];
    let bits = match known.get() {
        Some(bits) => bits.clone(),
        None => {
            let bits = bits_of(file, column)?;
            known.get_or_init(|| bits).clone()
        }
    };
    let Some(bits) = bits else { return Ok(contents.iter().collect()) };
    let blocks = (bits.end - bits.start) / BLOCK as u64;
    if contents.len() > MOST_BLOCKS {
        let mut filter = vec![0; (bits.end - bits.start) as usize];
        file.peek(&mut filter, bits.start)?;
        let (filter, _) = filter.as_chunks();
        let has = |content: &&Content| {
            filter.get(block_of(content.hash, blocks) as usize).is_none_or(|block| has(block, content.hash))
        };
        return Ok(contents.iter().filter(has).collect());
    }
    let mut perhaps = Vec::with_capacity(contents.len());
    for content in contents {
        let mut block = [0; BLOCK];
        file.peek(&mut block, bits.start + BLOCK as u64 * block_of(content.hash, blocks))?;
        if has(&block, content.hash) {
            perhaps.push(content);
        }
    }
    Ok(perhaps)
}

/// What filters know of a content.
pub(super) fn hash(content: &[u8]) -> u64 {
    XxHash64::oneshot(0, content)
}

/// Whether a block has the bits of a value with this hash: one in each of its words.
fn has(block: &[u8; BLOCK], hash: u64) -> bool {
    let (words, _) = block.as_chunks();
    words.iter().zip(SALT).all(|(word, salt)| {
        let bit = (hash as u32).wrapping_mul(salt) >> 27;
        u32::from_le_bytes(*word) >> bit & 1 == 1
    })
}

/// Where the bits of a column's filter lie, if it has one of the form that is known.
fn bits_of(file: &PinnedFile, column: &ColumnChunkMetaData) -> io::Result<Option<Range<u64>>> {
    let place = column.bloom_filter_offset().zip(column.bloom_filter_length());
    let Some((Ok(start), Ok(length))) =
        place.map(|(start, length)| (u64::try_from(start), u64::try_from(length)))
    else {
        return Ok(None);
    };
    let Some(end) = start.checked_add(length).filter(|end| length > HEADER && *end <= file.meta().size)
    else {
        return Ok(None);
    };
    let mut header = [0; HEADER as usize];
    file.peek(&mut header, start)?;
    Ok(length_of_header(&header, length).map(|header| start + header..end))
}

/// The bytes that a header takes of a filter of `length` bytes; `None` if it is not the one that such a filter has.
fn length_of_header(header: &[u8], length: u64) -> Option<u64> {
    let [0x15, number @ ..] = header else { return None };
    let bytes = number.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let zigzag = number[..bytes].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    let taken = 1 + bytes + SPLIT_BLOCKS.len();
    let is_known = zigzag % 2 == 0
        && header.get(1 + bytes..taken) == Some(&SPLIT_BLOCKS)
        && taken as u64 + zigzag / 2 == length
        && zigzag / 2 % BLOCK as u64 == 0
        && zigzag > 0;
    is_known.then_some(taken as u64)
}

/// Which of so many blocks a value with this hash is in.
fn block_of(hash: u64, blocks: u64) -> u64 {
    ((hash >> 32) * blocks) >> 32
}

#[cfg(test)]
mod tests {
    use parquet::bloom_filter::Sbbf;

    use super::*;

    #[test]
    fn a_block_says_what_the_whole_filter_says() {
        for values in [1_u32, 40, 5_000, 200_000] {
            let mut filter = Sbbf::new_with_ndv_fpp(values.into(), 0.05).unwrap();
            let content = |number: u32| [&[0x12, 0x20][..], &number.to_be_bytes()].concat();
            (0..values).for_each(|number| filter.insert(&content(number)[..]));
            let mut bytes = Vec::new();
            filter.write(&mut bytes).unwrap();
            let length = bytes.len() as u64;
            let header = length_of_header(&bytes[..HEADER as usize], length).unwrap();
            let bits = &bytes[header as usize..];
            let blocks = (bits.len() / BLOCK) as u64;
            assert_eq!(blocks, filter.num_blocks() as u64);
            for number in 0..2 * values + 100 {
                let content = content(number);
                let at = block_of(hash(&content), blocks) as usize * BLOCK;
                let block = bits[at..].first_chunk().unwrap();
                let found = has(block, hash(&content));
                assert_eq!(found, filter.check(&content[..]));
                assert!(found || number >= values);
            }
        }
    }

    #[test]
    fn what_is_no_header_of_such_a_filter_says_nothing() {
        let mut bytes = Vec::new();
        Sbbf::new_with_ndv_fpp(1_000, 0.05).unwrap().write(&mut bytes).unwrap();
        let (header, length) = (bytes[..HEADER as usize].to_vec(), bytes.len() as u64);
        assert!(length_of_header(&header, length).is_some());
        assert!(
            length_of_header(&header, length + 32).is_none()
                && length_of_header(&header, length - 1).is_none()
        );
        for at in 0..length_of_header(&header, length).unwrap() as usize {
            for bit in 0..8 {
                let mut other = header.clone();
                other[at] ^= 1 << bit;
                assert_eq!(length_of_header(&other, length), None, "bit {bit} of byte {at}");
            }
        }
        assert_eq!(length_of_header(&[], length), None);
        assert_eq!(length_of_header(&[0x15, 0xff, 0xff], length), None);
    }
}

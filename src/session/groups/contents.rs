//! The contents of rows: as they were read, or side by side in memory of their own.

use std::mem::size_of;

use arrow::array::{Array, BinaryViewArray, LargeBinaryArray};
use arrow::buffer::Buffer;

/// The length of nearly all contents: a SHA-256 with its two bytes before it.
const SHA_256: usize = 34;

/// The contents of some rows, none of which is NULL.
#[derive(Debug, Clone)]
pub(super) enum RowContents {
    /// As they were read. They hold on to the pages that they stand in.
    Read(BinaryViewArray),
    /// Of one length, one after the other: half the memory, and no way from a view to what it is of.
    SideBySide { bytes: Buffer, length: usize, count: usize },
    /// The same of several lengths.
    Mixed(LargeBinaryArray),
}

impl RowContents {
    /// Those of some rows in memory of their own.
    pub fn held(contents: &BinaryViewArray, rows: impl ExactSizeIterator<Item = usize>) -> RowContents {
        // A view begins with the length.
        let mut lengths = contents.views().iter().map(|view| *view as u32 as usize);
        let (count, length) = (rows.len(), lengths.next().unwrap_or_default());
        if lengths.any(|other| other != length) {
            return RowContents::Mixed(LargeBinaryArray::from_iter_values(
                rows.map(|row| contents.value(row)),
            ));
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(count * length);
        for row in rows {
            let content = contents.value(row);
            // A copy whose length is known is a few instructions.
            match <&[u8; SHA_256]>::try_from(content) {
                Ok(content) => bytes.extend_from_slice(content),
                Err(_) => bytes.extend_from_slice(content),
            }
        }
        RowContents::SideBySide { bytes: bytes.into(), length, count }
    }

    pub fn len(&self) -> usize {
        match self {
            RowContents::Read(views) => views.len(),
            RowContents::Mixed(contents) => contents.len(),
            RowContents::SideBySide { count, .. } => *count,
        }
    }

    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        match self {
            RowContents::Read(views) => views.value(row),
            RowContents::Mixed(contents) => contents.value(row),
            RowContents::SideBySide { bytes, length, .. } => &bytes[row * length..][..*length],
        }
    }

    pub fn slice(&self, from: usize, rows: usize) -> RowContents {
        match self {
            RowContents::Read(views) => RowContents::Read(views.slice(from, rows)),
            RowContents::Mixed(contents) => RowContents::Mixed(contents.slice(from, rows)),
            RowContents::SideBySide { bytes, length, .. } => {
                let bytes = bytes.slice_with_length(from * length, rows * length);
                RowContents::SideBySide { bytes, length: *length, count: rows }
            }
        }
    }

    /// The memory of them.
    pub fn size(&self) -> usize {
        match self {
            RowContents::Read(views) => views.get_array_memory_size(),
            RowContents::Mixed(contents) => contents.get_array_memory_size(),
            RowContents::SideBySide { bytes, .. } => size_of::<RowContents>() + bytes.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_what_was_read() {
        let of = |lengths: &[usize]| -> Vec<Vec<u8>> {
            (0..100).map(|row| vec![row as u8; lengths[row % lengths.len()]]).collect()
        };
        for lengths in [&[34][..], &[36], &[5], &[0], &[34, 36], &[0, 34]] {
            let wanted = of(lengths);
            let read: BinaryViewArray = wanted.iter().map(|content| Some(&content[..])).collect();
            let some: Vec<usize> = (0..200).map(|at| at * 37 % 100).collect();
            let held = RowContents::held(&read, some.iter().copied());
            assert_eq!(matches!(held, RowContents::SideBySide { .. }), lengths.len() == 1);
            // Memory is asked for while it grows.
            let bytes: usize = some.iter().map(|row| wanted[*row].len()).sum();
            assert!(held.size() <= 2 * bytes + 8 * 256 + 512, "{} of {bytes}", held.size());
            for contents in [&held, &held.slice(0, 200)] {
                assert_eq!(contents.len(), 200);
                assert!(some.iter().enumerate().all(|(at, row)| contents.get(at) == wanted[*row]));
            }
            let part = held.slice(150, 30);
            assert!(part.len() == 30 && (0..30).all(|at| part.get(at) == wanted[some[150 + at]]));
        }
    }
}

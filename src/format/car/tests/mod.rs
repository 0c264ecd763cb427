//! Tests of the room as a whole, and what they build files with.

mod backup;
mod damage;
mod reading;

use std::io::Cursor;

use sha2::Digest;

use crate::pin::Mapping;

use super::*;

const AT: i64 = 1_714_557_600_000_000;

type Bytes = Cursor<Vec<u8>>;

/// A CIDv1 with a whole digest.
fn cid(codec: u64, hash_code: u64, digest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    for number in [codec, hash_code, digest.len() as u64] {
        varint::encode(number, &mut bytes);
    }
    bytes.extend_from_slice(digest);
    bytes
}

fn sha(codec: u64, data: &[u8]) -> Vec<u8> {
    cid(codec, 0x12, &sha2::Sha256::digest(data))
}

fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint::encode(parts.iter().map(|part| part.len() as u64).sum(), &mut bytes);
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// A header as every writer makes it: `roots`, then `version`.
fn header_of(roots: &[Vec<u8>]) -> Vec<u8> {
    let mut body = b"\xa2\x65roots".to_vec();
    body.push(0x80 + roots.len() as u8);
    for root in roots {
        body.extend_from_slice(&[0xd8, 0x2a, 0x58, root.len() as u8 + 1, 0]);
        body.extend_from_slice(root);
    }
    body.extend_from_slice(b"\x67version\x01");
    framed(&[&body])
}

fn car(roots: &[Vec<u8>], blocks: &[(Vec<u8>, &[u8])]) -> Vec<u8> {
    let mut bytes = header_of(roots);
    blocks.iter().for_each(|(cid, data)| bytes.extend(framed(&[cid, data])));
    bytes
}

/// A CAR of three raw blocks, the last of which is the root.
fn three() -> Vec<u8> {
    let blocks = [&b"first"[..], b"second, which is longer", b"third"].map(|data| (sha(0x55, data), data));
    car(&[blocks[2].0.clone()], &blocks)
}

fn v2(inner: &[u8], padding: usize, index: &[u8]) -> Vec<u8> {
    let mut bytes = header::PRAGMA.to_vec();
    bytes.extend_from_slice(&[0; 16]);
    let start = 51 + padding;
    let index_at = if index.is_empty() { 0 } else { start + inner.len() + padding };
    [start, inner.len(), index_at].iter().for_each(|number| bytes.extend((*number as u64).to_le_bytes()));
    bytes.resize(start, 0);
    bytes.extend_from_slice(inner);
    if !index.is_empty() {
        bytes.resize(index_at, 0);
        bytes.extend_from_slice(index);
    }
    bytes
}

fn check_bytes(bytes: &[u8]) -> Result<Check, CarError> {
    check(Cursor::new(bytes))
}

/// The message of what is wrong, with its place.
fn wrong(bytes: &[u8]) -> String {
    check_bytes(bytes).expect_err("a broken file").to_string()
}

/// A row that can be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Owned {
    texts: [Option<String>; 5],
    created_at: Option<i64>,
}

impl Owned {
    fn of(row: &Mapping<'_>) -> Owned {
        Owned { texts: encode::texts(row).map(|text| text.map(str::to_owned)), created_at: row.created_at }
    }

    fn row(&self) -> Mapping<'_> {
        let text = |index: usize| self.texts[index].as_deref();
        Mapping {
            backend_name: text(0),
            car_file_path: text(1),
            cid: text(2),
            metadata: text(3),
            status: text(4),
            created_at: self.created_at,
        }
    }
}

fn some_rows(count: usize) -> Vec<Owned> {
    let texts = |index: usize| {
        let path = format!("/cars/{index}.car");
        let metadata = format!("{{\"size\":{},\"name\":\"é\\u0000\"}}", index * 7);
        [Some("s3".into()), Some(path), Some(format!("Qm{index}")), Some(metadata), Some("stored".into())]
    };
    (0..count).map(|index| Owned { texts: texts(index), created_at: Some(AT + index as i64) }).collect()
}

fn write(rows: &[Owned], limit: usize) -> (Vec<u8>, Written) {
    let mut writer = MappingsWriter::with_limit(Bytes::default(), AT, limit).unwrap();
    rows.iter().for_each(|row| writer.push(&row.row()).unwrap());
    let (file, written) = writer.finish().unwrap();
    assert_eq!(file.position(), file.get_ref().len() as u64);
    (file.into_inner(), written)
}

fn read(bytes: &[u8]) -> Result<(Vec<Owned>, Backup), CarError> {
    let mut rows = Vec::new();
    let backup = read_mappings(Cursor::new(bytes), &mut |row| {
        rows.push(Owned::of(&row));
        Ok::<(), CarError>(())
    })?;
    assert_eq!(backup.rows, rows.len() as u64);
    Ok((rows, backup))
}

fn rescue(bytes: &[u8]) -> (Vec<Owned>, SalvagedRows) {
    let mut rows = Vec::new();
    let found = salvage_mappings(Cursor::new(bytes), &mut |row| {
        rows.push(Owned::of(&row));
        Ok::<(), CarError>(())
    });
    (rows, found.expect("bytes in memory can be read"))
}

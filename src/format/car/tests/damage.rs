//! Damaged files: nothing goes unnoticed, and what is left is found.

use proptest::prelude::*;

use super::*;

fn salvaged(bytes: &[u8]) -> (Vec<Vec<u8>>, Salvage) {
    let mut blocks = Vec::new();
    let found = salvage(Cursor::new(bytes), &mut |block, data, checked| {
        assert_eq!(&bytes[block.data_offset as usize..block.end() as usize], data);
        assert_ne!(checked, Checked::Bad);
        blocks.push(data.to_vec());
        Ok::<(), CarError>(())
    });
    let found = found.expect("bytes in memory can be read");
    assert_eq!(found.blocks, blocks.len() as u64);
    (blocks, found)
}

/// Twenty blocks of raw data, the last one the root, and where their sections begin.
fn twenty() -> (Vec<u8>, Vec<Vec<u8>>, Vec<u64>) {
    let data: Vec<Vec<u8>> = (0..20u8).map(|index| vec![index; 50 + 37 * usize::from(index)]).collect();
    let blocks: Vec<_> = data.iter().map(|data| (sha(0x55, data), &data[..])).collect();
    let bytes = car(&[blocks[19].0.clone()], &blocks);
    let places = CarReader::open(Cursor::new(&bytes)).unwrap().map(|block| block.unwrap().offset).collect();
    (bytes, data, places)
}

#[test]
fn a_sound_file_is_salvaged_whole() {
    let (bytes, data, _) = twenty();
    for bytes in [bytes.clone(), v2(&bytes, 7, b"\x80\x08index")] {
        let (blocks, found) = salvaged(&bytes);
        assert_eq!(blocks, data);
        assert_eq!((found.damaged_parts, found.damaged_bytes, found.roots.len()), (0, 0, 1));
    }
}

#[test]
fn one_wrong_byte_costs_one_block() {
    let (bytes, data, places) = twenty();
    for at in places[0]..bytes.len() as u64 {
        let mut damaged = bytes.clone();
        damaged[at as usize] ^= 0x10;
        let (blocks, found) = salvaged(&damaged);
        let hit = places.partition_point(|place| *place <= at) - 1;
        let left: Vec<_> = data
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != hit)
            .map(|(_, data)| data.clone())
            .collect();
        // No hash covers the codec, which stands behind the length and the version. A hash function that becomes an
        // unknown one makes a block that is not checked.
        let codec = places[hit] + 2 + u64::from(36 + data[hit].len() > 127);
        match found.unchecked {
            _ if at == codec => assert_eq!((found.blocks, found.damaged_parts), (20, 0), "{at}"),
            0 => {
                assert_eq!(blocks, left, "{at}");
                assert_eq!(found.damaged_parts, 1, "{at}");
                let end = places.get(hit + 1).copied().unwrap_or(bytes.len() as u64);
                assert_eq!((found.damages[0].from, found.damages[0].to), (places[hit], end), "{at}");
            }
            _ => assert_eq!((found.unchecked, found.blocks, found.damaged_parts), (1, 20, 0), "{at}"),
        }
    }
}

#[test]
fn holes_cuts_and_insertions_are_found_and_bounded() {
    let (bytes, data, places) = twenty();
    let place = |index: usize| places[index] as usize;
    let without = |from: usize, to: usize| [&bytes[..from], &bytes[to..]].concat();
    let mut zeros = bytes.clone();
    zeros[place(5) + 1..place(8)].fill(0);
    let inserted =
        [&bytes[..place(5)], &b"some garbage, longer than nothing"[..], &bytes[place(5)..]].concat();
    let header = [&vec![0xff; 5][..], &bytes[5..]].concat();
    for (what, damaged, lost, parts) in [
        ("zeros", zeros, 5..8, 1),
        ("a hole in the middle of blocks", without(place(5) + 20, place(7) + 9), 5..8, 1),
        ("an insertion", inserted, 0..0, 1),
        ("no end", bytes[..place(19) + 3].to_vec(), 19..20, 1),
        ("no header", bytes[place(0)..].to_vec(), 0..0, 1),
        ("a broken header", header, 0..0, 1),
        ("something at the end", [&bytes[..], &[0; 9]].concat(), 0..0, 1),
        ("a file cut at a boundary", bytes[..place(12)].to_vec(), 12..20, 0),
    ] {
        let (blocks, found) = salvaged(&damaged);
        let left: Vec<_> = data
            .iter()
            .enumerate()
            .filter(|(index, _)| !lost.contains(index))
            .map(|(_, data)| data.clone())
            .collect();
        assert_eq!(blocks, left, "{what}");
        assert_eq!((found.damaged_parts, found.gave_up), (parts, false), "{what}");
    }
}

#[test]
fn a_backup_gives_the_rows_that_are_left() {
    let mut rows = some_rows(200);
    rows[40].texts[3] = Some("long ".repeat(500));
    let (bytes, _) = write(&rows, 1500);
    let (all, found) = rescue(&bytes);
    assert!(all == rows && found.incomplete_rows == 0);
    let blocks: Vec<_> = CarReader::open(Cursor::new(&bytes)).unwrap().map(Result::unwrap).collect();
    for block in &blocks {
        let mut damaged = bytes.clone();
        damaged[block.data_offset as usize + 1] ^= 1;
        let (left, found) = rescue(&damaged);
        assert_eq!((found.salvage.damaged_parts, found.salvage.blocks), (1, blocks.len() as u64 - 1));
        assert!(left.iter().all(|row| rows.contains(row)) && left.len() >= rows.len() - 12);
        // A row whose text is gone is counted, not handed out without it.
        assert!(left.len() == rows.len() || left.len() as u64 + found.incomplete_rows <= rows.len() as u64);
        assert!(read(&damaged).is_err());
    }
    let (left, _) = rescue(&bytes[100..bytes.len() - 100]);
    assert!(left.len() > 180);
    let (small, _) = write(&some_rows(2), MAX_WRITTEN_BLOCK);
    assert_eq!(rescue(&small[1..]).0, some_rows(2));
    assert_eq!(rescue(&three()).0, []);
}

#[test]
fn every_flipped_bit_of_a_backup_is_noticed() {
    let rows = some_rows(9);
    for limit in [500, MAX_WRITTEN_BLOCK] {
        let (bytes, _) = write(&rows, limit);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(read(&damaged).is_err(), "bit {bit} of byte {at}");
                assert!(rescue(&damaged).0.iter().all(|row| rows.contains(row)), "bit {bit} of byte {at}");
            }
        }
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
    }
}

#[test]
fn what_only_looks_like_blocks_takes_bounded_time() {
    // Every 41 bytes something claims eight megabytes.
    let header = [&[0x80, 0x80, 0x80, 0x04][..], &sha(0x55, b"x")].concat();
    let looks = header.repeat((12 << 20) / header.len());
    let started = std::time::Instant::now();
    let (_, found) = salvaged(&looks);
    assert!(found.gave_up && found.damaged_bytes > 0);
    // The same with sound little blocks between, which are all found.
    let sound = framed(&[&sha(0x55, b"y"), b"y"]);
    let mixed = [&header[..], &sound].concat().repeat(1 << 17);
    let (_, found) = salvaged(&mixed);
    assert!(found.blocks > 0);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

/// All readers, on bytes that may be anything.
fn survive(bytes: &[u8]) {
    let _ = sniff(Cursor::new(bytes));
    let strict = check_bytes(bytes);
    let _ = read(bytes);
    let (_, found) = salvaged(bytes);
    let _ = rescue(bytes);
    if let Ok(strict) = strict {
        assert_eq!((strict.blocks, found.damaged_parts), (found.blocks, 0));
    }
    assert!(found.damaged_bytes <= bytes.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survive(&bytes);
        survive(&[&header_of(&[])[..], &bytes].concat());
        survive(&[&header::PRAGMA[..], &bytes].concat());
    }

    #[test]
    fn mutated_files_do_no_harm(
        version_2: bool,
        limit in 450usize..3000,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let mut bytes = write(&some_rows(12), limit).0;
        if version_2 {
            bytes = v2(&bytes, 2, b"\x80\x08index");
        }
        for (place, byte, kind) in edits {
            let at = place.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match kind {
                _ if bytes.is_empty() => {}
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at + usize::from(byte)),
            }
        }
        survive(&bytes);
    }
}

//! CARs of every kind, sound and unsound.

use super::*;

#[test]
fn blocks_come_with_their_places() {
    let bytes = three();
    let mut reader = CarReader::open(Cursor::new(&bytes)).unwrap();
    let blocks: Vec<Block> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!((reader.header().version, reader.header().end), (1, bytes.len() as u64));
    assert_eq!(reader.header().roots, [blocks[2].cid.clone()]);
    assert_eq!(blocks[0].offset, reader.header().first_section);
    let mut data = Vec::new();
    for (block, expected) in blocks.iter().zip([&b"first"[..], b"second, which is longer", b"third"]) {
        assert_eq!(reader.data(block, &mut data).unwrap(), Checked::Good);
        assert_eq!(data, expected);
        assert_eq!(&bytes[block.data_offset as usize..block.end() as usize], expected);
    }
    assert!(blocks.windows(2).all(|pair| pair[0].end() == pair[1].offset));
    assert_eq!(blocks[0].cid.to_string(), "bafkreifhsn5wjogkuwhqg4q3w25m6xdyzmrv727a44frxbgntfkbiynary");
}

#[test]
fn every_hash_function_is_checked_and_unknown_ones_are_counted() {
    let data = b"some data";
    let digest = |digest: &[u8]| digest.to_vec();
    let known = [
        (0x00, data.to_vec()),
        (0x11, digest(&sha1::Sha1::digest(data))),
        (0x12, digest(&sha2::Sha256::digest(data))),
        (0x12, digest(&sha2::Sha256::digest(data)[..20])),
        (0x13, digest(&sha2::Sha512::digest(data))),
        (0x14, digest(&sha3::Sha3_512::digest(data))),
        (0x15, digest(&sha3::Sha3_384::digest(data))),
        (0x16, digest(&sha3::Sha3_256::digest(data))),
        (0x17, digest(&sha3::Sha3_224::digest(data))),
        (0x1b, digest(&sha3::Keccak256::digest(data))),
        (0x1e, blake3::hash(data).as_bytes().to_vec()),
        (0x20, digest(&sha2::Sha384::digest(data))),
        (0x56, digest(&sha2::Sha256::digest(sha2::Sha256::digest(data)))),
        (0x1013, digest(&sha2::Sha224::digest(data))),
        (0xb240, {
            use blake2::Digest;
            blake2::Blake2b512::digest(data).to_vec()
        }),
        (0xb260, {
            use blake2::Digest;
            blake2::Blake2s256::digest(data).to_vec()
        }),
    ];
    for (code, digest) in known {
        let found = check_bytes(&car(&[], &[(cid(0x55, code, &digest), data)])).unwrap();
        assert_eq!((found.blocks, found.unchecked), (1, 0), "{code:x}");
        let other = car(&[], &[(cid(0x55, code, &digest), b"some Data")]);
        assert!(wrong(&other).contains("do not match its hash (at byte "), "{code:x}");
    }
    for (code, digest) in [(0x12, &[0; 19][..]), (0x99, &[0; 32]), (0x1012, &[0; 32]), (0x12, &[])] {
        let found = check_bytes(&car(&[], &[(cid(0x55, code, digest), data)])).unwrap();
        assert_eq!((found.blocks, found.unchecked), (1, 1), "{code:x}");
    }
}

#[test]
fn known_digests_are_what_other_programs_say() {
    // echo -n abc | sha1sum, b2sum -l 256, openssl dgst -sha3-256, b3sum
    for (code, digest) in [
        (0x11, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (0x12, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (0x16, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        (0x1e, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        (0xb220, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"),
    ] {
        let digest = multibase::Base::Base16Lower.decode(digest).unwrap();
        let found = check_bytes(&car(&[], &[(cid(0x55, code, &digest), b"abc")])).unwrap();
        assert_eq!(found.unchecked, 0, "{code:x}");
    }
}

#[test]
fn version_0_and_identity_cids_are_read() {
    let v0 = [&[0x12, 0x20][..], &sha2::Sha256::digest(b"node")].concat();
    let inline = cid(0x55, 0, &[7; 128]);
    let bytes = car(&[v0.clone(), inline.clone()], &[(v0, b"node"), (cid(0x55, 0, b"hi"), b"hi")]);
    let found = check_bytes(&bytes).unwrap();
    assert_eq!((found.blocks, found.unchecked, found.missing_roots.len()), (2, 0, 0));
    assert!(found.header.roots[0].to_string().starts_with("Qm"));
    assert_eq!(found.header.roots[1].as_bytes(), inline);
}

#[test]
fn missing_roots_and_duplicates_are_named() {
    let (one, two) = (sha(0x55, b"one"), sha(0x55, b"two"));
    let blocks = [(one.clone(), &b"one"[..]), (one.clone(), b"one"), (one.clone(), b"one")];
    let found = check_bytes(&car(&[one, two.clone(), two.clone()], &blocks)).unwrap();
    assert_eq!((found.blocks, found.duplicates, found.data_bytes), (3, 2, 9));
    assert_eq!(found.missing_roots.iter().map(BlockCid::as_bytes).collect::<Vec<_>>(), [two]);
    assert_eq!(check_bytes(&header_of(&[])).unwrap().blocks, 0);
}

#[test]
fn a_car_in_a_car_v2_is_read_with_padding_and_index() {
    for (padding, index) in [(0, &b""[..]), (0, b"\x80\x08index"), (9, b"\x81\x08index")] {
        let bytes = v2(&three(), padding, index);
        let found = check_bytes(&bytes).unwrap();
        assert_eq!((found.header.version, found.blocks, found.missing_roots.len()), (2, 3, 0));
        let (place, _) =
            bytes.windows(index.len().max(1)).enumerate().rfind(|(_, part)| *part == index).unzip();
        assert_eq!(found.header.index_offset, place.map(|place| place as u64));
    }
}

#[test]
fn a_car_v2_that_cannot_be_is_refused() {
    let sound = v2(&three(), 0, b"\x80\x08index");
    let with = |at: usize, number: u64| {
        let mut bytes = sound.clone();
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        wrong(&bytes)
    };
    let length = three().len() as u64;
    for (at, number, expected) in [
        (27, 50, "a CARv2 header that cannot be: the data begin inside the header (at byte 27)"),
        (27, 1 << 40, "a CARv2 header that cannot be: the data end after the file (at byte 27)"),
        (27, u64::MAX, "a CARv2 header that cannot be: the data end after the file (at byte 27)"),
        (35, u64::MAX, "a CARv2 header that cannot be: the data end after the file (at byte 35)"),
        (35, length + 99, "a CARv2 header that cannot be: the data end after the file (at byte 35)"),
        (35, length - 1, &format!("the file ends inside a section (at byte {})", 51 + length - 42)),
        (35, 0, "the file ends inside the header (at byte 51)"),
        (43, 51, "a CARv2 header that cannot be: the index begins inside the data (at byte 43)"),
        (43, u64::MAX, "a CARv2 header that cannot be: the index begins after the file (at byte 43)"),
        (43, 0, &format!("7 bytes after the end of the blocks (at byte {})", 51 + length)),
    ] {
        assert_eq!(with(at, number), expected, "{at} {number}");
    }
    assert_eq!(
        wrong(&v2(&v2(&three(), 0, b""), 0, b"")),
        "CAR version 2, and version 1 belongs here (at byte 61)"
    );
    assert_eq!(wrong(&header::PRAGMA), "the file ends inside the CARv2 header (at byte 11)");
}

#[test]
fn every_fault_of_a_header_has_its_place() {
    let root = sha(0x55, b"one");
    let linked = [&[0xd8, 0x2a, 0x58, 0x25, 0][..], &root].concat();
    let roots = [&b"\x65roots\x81"[..], &linked].concat();
    let header = |parts: &[&[u8]]| wrong(&framed(parts));
    let version = b"\x67version\x01";
    for (found, expected) in [
        (wrong(b""), "the file ends inside the header (at byte 0)"),
        (wrong(b"\x80"), "the file ends inside the header (at byte 0)"),
        (wrong(b"\0"), "no CAR header: it is empty (at byte 0)"),
        (wrong(b"\x80\0"), "a malformed varint (at byte 0)"),
        (
            wrong(b"\x81\x80\x80\x10"),
            "a header of 33554433 bytes, and no more than 33554432 are read (at byte 0)",
        ),
        (wrong(b"\x05\xa2"), "the file ends inside the header (at byte 0)"),
        (header(&[b"{}"]), "no CAR header: not a map (at byte 1)"),
        (header(&[b"\xa1", version]), "no CAR header: no roots (at byte 1)"),
        (header(&[b"\xa1", &roots]), "no CAR header: no version (at byte 1)"),
        (header(&[b"\xa1\x67version\x03"]), "CAR version 3, and version 1 belongs here (at byte 10)"),
        (header(&[b"\xa1\x67version\x611"]), "no CAR header: the version is no number (at byte 10)"),
        (
            header(&[b"\xa1\x67version\x18\x01"]),
            "no CAR header: a number that is not in its shortest form (at byte 10)",
        ),
        (header(&[b"\xbf\x67version\x01\xff"]), "no CAR header: an item of indefinite length (at byte 1)"),
        (header(&[b"\xa1\x7f"]), "no CAR header: an item of indefinite length (at byte 2)"),
        (header(&[b"\xa1\x7c"]), "no CAR header: a reserved kind of number (at byte 2)"),
        (header(&[b"\xa2", version, version]), "no CAR header: a key twice (at byte 11)"),
        (header(&[b"\xa2\x65roots\x80\x65roots\x80"]), "no CAR header: a key twice (at byte 9)"),
        (
            header(&[b"\xa3", version, b"\x61x\x01"]),
            "no CAR header: a key that is neither `roots` nor `version` (at byte 11)",
        ),
        (header(&[b"\xa1\x01\x01"]), "no CAR header: a key that is no text (at byte 2)"),
        (header(&[b"\xa1\x65roots\x01"]), "no CAR header: roots are not a list (at byte 8)"),
        (header(&[b"\xa1\x65roots\x81\x01"]), "no CAR header: a root is no link (at byte 9)"),
        (header(&[b"\xa1\x65roots\x81\xd8\x2b\x40"]), "no CAR header: a root is no link (at byte 9)"),
        (header(&[b"\xa1\x65roots\x81\xd8\x2a\x61x"]), "no CAR header: a link without bytes (at byte 11)"),
        (
            header(&[b"\xa1\x65roots\x81\xd8\x2a\x41\x01"]),
            "no CAR header: a link that does not begin with a zero byte (at byte 12)",
        ),
        (
            header(&[b"\xa1\x65roots\x81\xd8\x2a\x42\0\x02"]),
            "no CID: neither version 0 nor version 1 (at byte 13)",
        ),
        (
            header(&[b"\xa1\x65roots\x9b\xff\xff\xff\xff\xff\xff\xff\xff"]),
            "no CAR header: cut off (at byte 17)",
        ),
        (header(&[b"\xa1\x7b\xff\xff\xff\xff\xff\xff\xff\xff"]), "no CAR header: cut off (at byte 11)"),
        (header(&[b"\xa2", &roots, version, b"\0"]), "no CAR header: bytes after its end (at byte 59)"),
        (
            header(&[b"\xa2", &roots, b"\x67version\x03"]),
            "CAR version 3, and version 1 belongs here (at byte 58)",
        ),
    ] {
        assert_eq!(found, expected);
    }
    // Not the canonical order, but no doubt about what is meant.
    assert_eq!(check_bytes(&framed(&[b"\xa2", version, &roots])).unwrap().missing_roots.len(), 1);
}

#[test]
fn every_fault_of_a_section_has_its_place() {
    let header = header_of(&[]);
    let at = header.len();
    for (tail, expected) in [
        (&b"\0"[..], format!("a section without a block (at byte {at})")),
        (b"\x80", format!("the file ends inside the length of a section (at byte {at})")),
        (b"\x80\0", format!("a malformed varint (at byte {at})")),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", format!("a malformed varint (at byte {at})")),
        (
            b"\x81\x80\x80\x04",
            format!("a section of 8388609 bytes, and no more than 8388608 are read (at byte {at})"),
        ),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            format!("a section of {} bytes, and no more than 8388608 are read (at byte {at})", i64::MAX),
        ),
        (b"\x05abc", format!("the file ends inside a section (at byte {at})")),
        (b"\x03abc", format!("no CID: neither version 0 nor version 1 (at byte {})", at + 1)),
        (b"\x03\x01\x55\x12", format!("no CID: cut off (at byte {})", at + 1)),
        (b"\x05\x01\x55\x12\x20\x12", format!("no CID: cut off (at byte {})", at + 1)),
        (
            b"\x06\x01\x55\x12\x81\x01\0",
            format!("no CID: a digest of more than 128 bytes (at byte {})", at + 1),
        ),
        (b"\x02\x12\x20", format!("no CID: cut off (at byte {})", at + 1)),
    ] {
        assert_eq!(wrong(&[&header[..], tail].concat()), expected);
    }
    let mut bytes = three();
    bytes.push(0);
    assert_eq!(wrong(&bytes), format!("a section without a block (at byte {})", three().len()));
}

#[test]
fn every_prefix_is_an_error_or_a_shorter_file() {
    let whole = three();
    let reader = CarReader::open(Cursor::new(&whole)).unwrap();
    let mut ends = vec![reader.header().first_section];
    ends.extend(reader.map(|block| block.unwrap().end()));
    for length in 0..whole.len() {
        match ends.iter().position(|end| *end == length as u64) {
            Some(blocks) => assert_eq!(check_bytes(&whole[..length]).unwrap().blocks, blocks as u64),
            None => assert!(wrong(&whole[..length]).starts_with("the file ends inside "), "{length}"),
        }
        assert!(check_bytes(&v2(&whole, 3, b"\x80\x08")[..length]).is_err());
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is on fire"))
        }
    }
    impl std::io::Seek for Failing {
        fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
            Ok(1000)
        }
    }
    let error = check(Failing).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the file (at byte 0)");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is on fire");
    assert!(salvage(Failing, &mut |_, _, _| Ok::<(), CarError>(())).is_err());
}

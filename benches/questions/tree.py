#!/usr/bin/env python3
"""Makes a data directory with many pins, for benches/questions.py. Needs numpy and pyarrow.

    python3 benches/questions/tree.py DIR --pins 1200000 --backends 12

Seeded: the same numbers give the same rows. Each content is on one to five backends and named by a CIDv1, dag-pb or raw;
some contents have CIDv0 spellings on some of their backends. The files are written as pandas writes them: unsorted, snappy,
row groups of 1,048,576 rows, all six columns text. Beside `backends/` stand `cids.txt`, CIDs to look for, each spelled in
one way only and nine tenths of them present, and `truth.json`, the answers as the generator knows them.
"""

import argparse, json, math, multiprocessing, os, shutil, tempfile

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

NAMES = ["s3_main", "github_mirror", "storacha_hot", "hf_datasets", "ftp_mirror", "kubo_office", "cluster_eu", "pinata",
         "filecoin_deals", "s3_archive", "lighthouse", "cold_store"]
PATHS = [("s3", "/s3-bucket/cars/"), ("github", "/github-repo/cars/"), ("storacha", "/storacha/"), ("hf", "/hf-repo/cars/"),
         ("ftp", "/ftp-storage/cars/")]
STATUSES = ["stored", "pending", "failed"]
COPIES = [8, 25, 65, 90, 100]  # per cent of the contents with at most one backend, two, … five
GROUP = 1_048_576
CHUNK = 1 << 20
BASE32 = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)
BASE58 = np.frombuffer(b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", dtype=np.uint8)
# How a size is written: before it, between it and the name, after the name. One in a hundred has none.
METADATA = [('{"size": ', ', "name": "file-', '.bin"}'),
            ('{"size_bytes": ', ', "name": "file-', '.bin"}'),
            ('{"size": ', ', "name": "file-', '.car", "tags": ["dataset", "2024"], "replication_min": 3}'),
            ('{"metadata": {"size_bytes": ', '}, "name": "file-', '.bin"}'),
            ('{', '"name": "file-', '.bin"}')]
METADATA_UPTO = [80, 90, 96, 99, 100]


def mix(values, stream, seed):
    """Uniform 64-bit numbers, one for each value (splitmix64)."""
    offset = (seed * 1_000_003 + stream + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    z = values.astype(np.uint64) + np.uint64(offset)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def percent(values, stream, seed):
    return (mix(values, stream, seed) % np.uint64(100)).astype(np.uint8)


def digests(contents, seed):
    words = np.stack([mix(contents, 100 + word, seed) for word in range(4)], axis=1)
    return words.astype(">u8").view(np.uint8).reshape(len(contents), 32)


def version_1(raw, digest):
    head = np.zeros((len(digest), 40), dtype=np.uint8)
    head[:, :4] = [1, 0x70, 0x12, 0x20]
    head[raw, 1] = 0x55
    head[:, 4:36] = digest
    fives = head.reshape(len(digest), 8, 5).astype(np.uint64)
    value = sum(fives[:, :, at] << np.uint64(8 * (4 - at)) for at in range(5))
    text = np.empty((len(digest), 8, 8), dtype=np.uint8)
    for at in range(8):
        text[:, :, at] = BASE32[((value >> np.uint64(5 * (7 - at))) & np.uint64(31)).astype(np.uint8)]
    return np.concatenate([np.full((len(digest), 1), ord("b"), np.uint8), text.reshape(len(digest), 64)[:, :58]], axis=1)


def version_0(digest):
    head = np.zeros((len(digest), 36), dtype=np.uint8)
    head[:, 2:4] = [0x12, 0x20]
    head[:, 4:] = digest
    limbs = head.view(">u4").astype(np.uint64)
    text = np.empty((len(digest), 50), dtype=np.uint8)
    for turn in range(10):  # five digits a turn
        rest = np.zeros(len(digest), dtype=np.uint64)
        for limb in range(9):
            value = (rest << np.uint64(32)) | limbs[:, limb]
            limbs[:, limb] = value // np.uint64(58**5)
            rest = value - limbs[:, limb] * np.uint64(58**5)
        for digit in range(5):
            text[:, 49 - 5 * turn - digit] = BASE58[(rest % np.uint64(58)).astype(np.uint8)]
            rest //= np.uint64(58)
    return text[:, 4:]


def is_raw(contents, seed):
    return percent(contents, 1, seed) < 15


def is_mixed(contents, seed):
    """Whether some backends spell this content as a CIDv0."""
    return ~is_raw(contents, seed) & (percent(contents, 2, seed) < 10)


def cids(contents, turn, seed):
    """The CIDs as text; the first backend of a content always writes version 1."""
    text = np.zeros((len(contents), 59), dtype=np.uint8)
    old = is_mixed(contents, seed) & (turn % 2 == 1)
    digest = digests(contents, seed)
    text[~old] = version_1(is_raw(contents, seed)[~old], digest[~old])
    text[old, :46] = version_0(digest[old])
    return strings(text, np.where(old, 46, 59))


def strings(matrix, lengths):
    """An Arrow array of the first bytes of each line."""
    ends = np.zeros(len(matrix) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    text = matrix[np.arange(matrix.shape[1]) < lengths[:, None]] if len(matrix) else matrix
    return pa.LargeStringArray.from_buffers(len(matrix), pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(text)))


def times(pins, seed):
    day = np.datetime_as_string(np.datetime64("2023-01-01") + np.arange(1000)).astype("S10").view(np.uint8).reshape(-1, 10)
    second = np.datetime_as_string(np.datetime64("2023-01-01T00:00:00") + np.arange(86400)).astype("S19")
    second = second.view(np.uint8).reshape(-1, 19)[:, 10:]
    at = mix(pins, 3, seed)
    text = np.full((len(pins), 20), ord("Z"), dtype=np.uint8)
    text[:, :10] = day[(at % np.uint64(1000)).astype(int)]
    text[:, 10:19] = second[((at >> np.uint64(20)) % np.uint64(86400)).astype(int)]
    return strings(text, np.full(len(pins), 20))


def sizes(contents, seed):
    """From 256 bytes to 4 GiB, small ones as frequent as large ones."""
    return (2.0 ** (8 + 24 * (mix(contents, 4, seed) >> np.uint64(11)) / 2.0**53)).astype(np.int64)


def metadata(contents, pins, seed):
    kind = np.searchsorted(METADATA_UPTO, percent(pins, 5, seed), side="right")
    part = lambda at: pa.array([form[at] for form in METADATA], pa.large_string()).take(pa.array(kind))
    size = sizes(contents, seed)
    known = kind != len(METADATA) - 1
    shown = pc.if_else(pa.array(known), pc.cast(pa.array(size), pa.large_string()), pa.scalar("", pa.large_string()))
    number = pc.cast(pa.array(contents.astype(np.int64)), pa.large_string())
    text = pc.binary_join_element_wise(part(0), shown, part(1), number, part(2), pa.scalar("", pa.large_string()))
    return text, np.where(known, size, 0)


def status_of(pins, seed):
    return np.searchsorted([97, 99, 100], percent(pins, 6, seed), side="right")


def placements(args, count, room):
    """For each chunk of contents: how many backends hold each, and which; `count` pins in all."""
    at = 0
    while count > 0:
        contents = np.arange(at, at + CHUNK, dtype=np.uint64)
        copies = np.searchsorted(COPIES, percent(contents, 7, args.seed), side="right") + 1
        copies = np.minimum(copies, args.backends)
        ends = np.cumsum(copies)
        used = int(np.searchsorted(ends, count)) + 1
        contents, copies = contents[:used], copies[:used]
        copies[-1] -= max(0, int(copies.sum()) - count)
        width = min(room, args.backends)
        chosen = np.full((len(contents), width), 1 << 30, dtype=np.int64)
        for turn in range(width):  # the turn-th of those that are left
            one = (mix(contents, 10 + turn, args.seed) % np.uint64(args.backends - turn)).astype(np.int64)
            earlier = np.sort(chosen[:, :turn], axis=1)
            for place in range(turn):
                one += one >= earlier[:, place]
            chosen[:, turn] = one
        yield contents, copies, chosen
        count -= int(copies.sum())
        at += CHUNK


def path_of(name):
    return next((path for part, path in PATHS if part in name), f"/{name}/cars/")


def write_backend(job):
    args, name, pins_file = job
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    pins = np.fromfile(pins_file, dtype=np.uint64)  # content * 8 + turn
    os.remove(pins_file)
    np.random.default_rng([args.seed, len(pins), *name.encode()]).shuffle(pins)
    os.makedirs(os.path.join(args.dir, "backends", name))
    text = pa.large_string()
    schema = pa.schema([(column, text) for column in
                        ["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"]])
    counts, held = np.zeros(3, dtype=np.int64), 0
    target = os.path.join(args.dir, "backends", name, "pin_mappings.parquet")
    with pq.ParquetWriter(target, schema) as writer:
        for start in range(0, max(len(pins), 1), GROUP):
            some = pins[start:start + GROUP]
            contents = some >> np.uint64(3)
            cid = cids(contents, (some & np.uint64(7)).astype(np.int64), args.seed)
            status = status_of(some, args.seed)
            form, size = metadata(contents, some, args.seed)
            path = pc.binary_join_element_wise(pa.scalar(path_of(name), text), cid, pa.scalar(".car", text), pa.scalar("", text))
            columns = [cid, path, pa.repeat(pa.scalar(name, text), len(some)), times(some, args.seed),
                       pa.array(STATUSES, text).take(pa.array(status)), form]
            writer.write_table(pa.table(columns, schema), row_group_size=GROUP)
            counts += np.bincount(status, minlength=3)
            held += int(size.sum())
    return name, dict(zip(STATUSES, counts.tolist())), held


def make(args):
    os.makedirs(os.path.join(args.dir, "backends"))
    names = [NAMES[at] if at < len(NAMES) else f"backend_{at:04}" for at in range(args.backends)]
    work = tempfile.mkdtemp(dir=args.dir)
    files = [os.path.join(work, name) for name in names]
    redundancy, contents = np.zeros(6, dtype=np.int64), 0
    for ids, copies, chosen in placements(args, args.pins, len(COPIES)):
        turns = np.arange(chosen.shape[1])
        pins = (ids[:, None] << np.uint64(3)) | turns.astype(np.uint64)
        held = turns < copies[:, None]
        stored = (status_of(pins.ravel(), args.seed).reshape(pins.shape) == 0) & held
        redundancy += np.bincount(stored.sum(axis=1), minlength=6)
        contents += len(ids)
        pins, backend = pins[held], chosen[held]
        order = np.argsort(backend, kind="stable")
        pins, ends = pins[order], np.searchsorted(backend[order], np.arange(args.backends + 1))
        for at, file in enumerate(files):
            if ends[at] < ends[at + 1]:
                with open(file, "ab") as out:
                    pins[ends[at]:ends[at + 1]].tofile(out)
    for file in files:
        open(file, "ab").close()
    with multiprocessing.Pool(args.jobs) as pool:
        done = list(pool.imap_unordered(write_backend, [(args, *job) for job in zip(names, files)]))
        pool.close()
        pool.join()
    shutil.rmtree(work)
    done.sort()
    look_for(args, contents)
    truth = {"pins": args.pins, "backends": args.backends, "seed": args.seed, "contents": contents,
             "redundancy": {str(at): int(n) for at, n in enumerate(redundancy)},
             "status": {name: counts for name, counts, _ in done}, "bytes": {name: held for name, _, held in done}}
    with open(os.path.join(args.dir, "truth.json"), "w") as out:
        json.dump(truth, out, indent=1)


def look_for(args, contents):
    """900 CIDs that are there and 100 that are not, none with two spellings."""
    random = np.random.default_rng(args.seed)
    pick = lambda low, high, count: [int(one) for one in random.integers(low, high, 4 * count + 100)]
    ids = np.array(pick(0, contents, 900) + pick(1 << 40, 1 << 41, 100), dtype=np.uint64)
    ids = ids[~is_mixed(ids, args.seed)]
    there, absent = np.unique(ids[ids < contents])[:], np.unique(ids[ids >= contents])[:100]
    random.shuffle(there)
    some = np.concatenate([there[:900], absent])
    text = cids(some, np.zeros(len(some), dtype=np.int64), args.seed)
    with open(os.path.join(args.dir, "cids.txt"), "w") as out:
        out.writelines(f"{cid}\n" for cid in text.to_pylist())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dir")
    parser.add_argument("--pins", type=int, default=1_200_000)
    parser.add_argument("--backends", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="backends written at once")
    make(parser.parse_args())


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What the machine can do, and what an answer is, for benches/questions.py. Needs duckdb, numpy and pyarrow.

    measure.py hash FILE FORMAT COLUMN…    rows, and a hash of them that does not depend on their order
    measure.py machine DIR THREADS         rates of memory, disk and decompression
    measure.py columns ROOT THREADS COLUMN…    compressed bytes of these columns, and the milliseconds that pyarrow needs
                                           to read and decode them; without columns, those of the footers
"""

import glob, json, os, sys, time
from concurrent.futures import ThreadPoolExecutor


def fingerprint(file, format, *columns):
    import duckdb

    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    text = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    source = f"read_csv('{file}', header = true, delim = ',', quote = '\"', escape = '\"', auto_detect = false, columns = {{{text}}})"
    if format != "csv":
        source = f"read_ndjson('{file}', columns = {{{text}}})"
    same = lambda column: f"epoch_us({column}::TIMESTAMPTZ)" if column == "created_at" else column
    values = ", ".join(same(column) for column in columns)
    return list(map(str, db.execute(f"SELECT COUNT(*), SUM(hash({values})::HUGEINT) FROM {source}").fetchone()))


def fastest(work, turns=3):
    times = []
    for _ in range(turns):
        since = time.perf_counter()
        work()
        times.append(time.perf_counter() - since)
    return min(times)


def machine(root, threads):
    import numpy as np, pyarrow as pa

    pool, threads = ThreadPoolExecutor(int(threads)), int(threads)
    every = lambda work: list(pool.map(lambda _: work(), range(threads)))
    block = np.ones(1 << 25)
    copies = [np.empty_like(block) for _ in range(threads)]
    copied = fastest(lambda: list(pool.map(lambda target: np.copyto(target, block), copies)))
    rates = {"memory copied": threads * block.nbytes / copied}
    file = glob.glob(os.path.join(root, "backends", "*", "pin_mappings.parquet"))[0]
    import pyarrow.parquet as pq
    group = pq.ParquetFile(file).read_row_group(0, columns=["cid", "metadata"])
    text = b"".join(buffer for column in group.columns for buffer in column.chunk(0).buffers() if buffer)[:1 << 26]
    for name in ["snappy", "zstd"]:
        packed = pa.compress(text, codec=name, asbytes=True)
        seconds = fastest(lambda: every(lambda: pa.decompress(packed, len(text), codec=name)))
        rates[f"{name} decompressed to"] = threads * len(text) / seconds
    rates["file written"] = len(text) * 8 / fastest(lambda: write(root, text, 8))
    rates["disk read"] = os.path.getsize(file) / fastest(lambda: read_anew(file), 1)
    return rates


def write(root, text, turns):
    path = os.path.join(root, "written")
    with open(path, "wb", buffering=0) as out:
        for _ in range(turns):
            out.write(text)
    os.remove(path)


def read_anew(file):
    with open(file, "rb", buffering=0) as source:
        os.fsync(source.fileno())
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while source.read(1 << 22):
            pass


def columns(root, threads, *names):
    import pyarrow.parquet as pq

    files = glob.glob(os.path.join(root, "backends", "*", "pin_mappings.parquet"))
    if not names:
        size = sum(pq.read_metadata(file).serialized_size for file in files)
        return size, fastest(lambda: [pq.read_metadata(file) for file in files]) * 1e3
    size, groups = 0, []
    for file in files:
        footer = pq.read_metadata(file)
        for group in range(footer.num_row_groups):
            groups.append((file, group, footer))
            chunks = (footer.row_group(group).column(at) for at in range(footer.num_columns))
            size += sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema in names)
    read = lambda one: pq.ParquetFile(one[0], metadata=one[2]).read_row_group(one[1], columns=list(names), use_threads=False)
    pool = ThreadPoolExecutor(int(threads))
    return size, fastest(lambda: sum(pool.map(lambda one: read(one).num_rows, groups))) * 1e3


print(json.dumps({"hash": fingerprint, "machine": machine, "columns": columns}[sys.argv[1]](*sys.argv[2:])))

#!/usr/bin/env python3
"""Writes the test data beside this script.

documented/  the documented situation: 12 backends, two of which hold the same two contents, ten are empty
writers/     the same 30 mappings as different tools write them; a directory's name says what is special about its file

Everything is computed, without clock and without chance, so running it again (with the same pyarrow; 26.0.1 wrote the
files in the repository) gives the same bytes. Both directories are removed first.

    python generate.py        needs only pyarrow

At the end it reads every file back (recount.py) and compares it with what was meant.
"""

import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.dont_write_bytecode = True

from cids import COLUMNS, DAG_PB, RAW, Content, pandas_note, write_json_car
from recount import Facts, microseconds, parse_cid, read_rows, word

HERE = Path(__file__).resolve().parent

# ---------------------------------------------------------------------------------------------------------------------
# documented/

DOCUMENTED = [
    "archive_hf",
    "backup_github",
    "cluster_eu",
    "cold_storage",
    "filecoin_deals",
    "ftp_mirror",
    "kubo_home",
    "local_fs",
    "my-s3-backend",
    "my-storacha-backend",
    "pinata_main",
    "sshfs_nas",
]
HOLDERS = {"my-s3-backend": "/s3-bucket/cars/{}.car", "my-storacha-backend": "/storacha/{}.car"}
RECORDED = "2025-01-31T12:25:00"


def write_documented():
    cids = [Content(f"documented mapping {i}\n".encode(), DAG_PB).cid() for i in (1, 2)]
    for name in DOCUMENTED:
        folder = HERE / "documented" / "backends" / name
        folder.mkdir(parents=True)
        rows = []
        if name in HOLDERS:
            for i, cid in enumerate(cids, 1):
                metadata = f'{{"size_bytes": {1234 * i}, "upload_method": "direct"}}'
                rows.append(dict(zip(COLUMNS, [cid, HOLDERS[name].format(cid), name, RECORDED, "stored", metadata])))
        kind = pa.large_string() if rows else pa.null()
        notes = pandas_note(COLUMNS, "str", "object") if rows else pandas_note(COLUMNS, "object", "empty")
        table = pa.table({column: pa.array([row[column] for row in rows], kind) for column in COLUMNS})
        pq.write_table(table.replace_schema_metadata(notes), folder / "pin_mappings.parquet", compression="snappy")
        write_json_car(folder / "pin_mappings.car", RECORDED, rows)


# ---------------------------------------------------------------------------------------------------------------------
# writers/: the 30 mappings
#
# Row i is stored, stored, stored, pending, failed by turns: 18, 6 and 6. Its CID is by turns raw CIDv1, dag-pb CIDv1 and
# dag-pb CIDv0. Times are whole seconds, every fifth one is a midnight; the last row has no time and the one before it no
# metadata.

COUNT = 30


def make_mappings():
    rows = []
    for i in range(COUNT):
        content = Content(f"writers mapping {i}\n".encode(), RAW if i % 3 == 0 else DAG_PB)
        cid = content.cid("v0" if i % 3 == 2 else "v1")
        midnight = datetime(2025, 3, 1 + i // 5, tzinfo=timezone.utc)
        instant = midnight + (i % 5) * timedelta(hours=3, minutes=7, seconds=11)
        rows.append(
            {
                "cid": cid,
                "car_file_path": f"/writers/cars/{cid}.car",
                "created_at": instant if i < COUNT - 1 else None,
                "status": ["stored", "stored", "stored", "pending", "failed"][i % 5],
                "metadata": f'{{"size_bytes": {10_000 + 1_000 * i}}}' if i != COUNT - 2 else None,
            }
        )
    return rows


MAPPINGS = make_mappings()
INSTANTS = [row["created_at"] for row in MAPPINGS]
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def epoch(unit):
    return [t and int(t.timestamp()) * PER_SECOND[unit] for t in INSTANTS]


def timestamps(unit, zone=None):
    return pa.array(epoch(unit), pa.timestamp(unit, zone))


def text_times(*forms):
    """Forms by turns: z, naive, offset, fraction, date (that one where the time is a midnight)."""
    east = timezone(timedelta(hours=2))
    spell = {
        "z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "naive": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S"),
        "offset": lambda t: t.astimezone(east).isoformat(),
        "fraction": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.000000+00:00"),
        "date": lambda t: t.strftime("%Y-%m-%d"),
    }
    assert all(t.hour == 0 for i, t in enumerate(INSTANTS) if t and forms[i % len(forms)] == "date")
    return pa.array([t and spell[forms[i % len(forms)]](t) for i, t in enumerate(INSTANTS)], pa.string())


def mappings(case, text=pa.string(), times=None):
    """The 30 mappings as a table: texts of one type, created_at as given, else timestamp[us, UTC]."""
    columns = {}
    for name in COLUMNS:
        if name == "created_at":
            columns[name] = timestamps("us", "UTC") if times is None else times
        else:
            columns[name] = pa.array([case if name == "backend_name" else row[name] for row in MAPPINGS], text)
    return pa.table(columns)


def file_of(case):
    folder = HERE / "writers" / "backends" / case
    folder.mkdir(parents=True)
    return folder / "pin_mappings.parquet"


def write(case, table, compression="zstd", **options):
    pq.write_table(table, file_of(case), compression=compression, **options)


def write_text_types():
    write("string", mappings("string"))
    write("large_string", mappings("large_string", pa.large_string()))
    write("string_view", mappings("string_view", pa.string_view()))
    write("binary", mappings("binary", pa.binary()))  # no String annotation in the Parquet schema
    table = mappings("dictionary", times=text_times("z"))
    write("dictionary", pa.table({name: table[name].dictionary_encode() for name in COLUMNS}))


def write_times():
    for unit in PER_SECOND:  # Parquet knows no seconds: the file holds milliseconds, only ARROW:schema says s
        for zone, suffix in ((None, "naive"), ("UTC", "utc"), ("+02:00", "plus2")):
            case = f"timestamp_{unit}_{suffix}"
            write(case, mappings(case, times=timestamps(unit, zone)))
    write("timestamp_int96", mappings("timestamp_int96"), use_deprecated_int96_timestamps=True)
    for case, times in {
        "text_z": text_times("z"),
        "text_naive": text_times("naive"),
        "text_offset": text_times("offset"),
        "text_mixed": text_times("date", "z", "naive", "offset", "fraction"),
        "epoch_seconds": pa.array(epoch("s"), pa.int64()),
        "epoch_ms_double": pa.array(epoch("ms"), pa.float64()),
        "epoch_us": pa.array(epoch("us"), pa.int64()),
        "epoch_ns": pa.array(epoch("ns"), pa.int64()),
        "epoch_seconds_text": pa.array([t and str(t) for t in epoch("s")], pa.string()),
    }.items():
        write(case, mappings(case, times=times))


def write_columns():
    for name in ("created_at", "status", "metadata"):
        write(f"no_{name}", mappings(f"no_{name}").drop_columns([name]))
    capitals = {name: name.upper() if name == "cid" else name.capitalize() for name in COLUMNS}
    write("capitals", mappings("capitals").rename_columns([capitals[name] for name in COLUMNS]))
    table = mappings("shuffled_extra").select(
        ["status", "metadata", "cid", "created_at", "backend_name", "car_file_path"]
    )
    table = table.append_column("updated_at", pa.array([1_740_800_000 + i for i in range(COUNT)], pa.int64()))
    replica = pa.struct([("region", pa.string()), ("count", pa.int32())])
    table = table.append_column("replica", pa.array([{"region": "eu", "count": i} for i in range(COUNT)], replica))
    table = table.append_column("tags", pa.array([["a"] * (i % 3) for i in range(COUNT)], pa.list_(pa.string())))
    write("shuffled_extra", table)


def write_layouts():
    write("small_row_groups", mappings("small_row_groups"), row_group_size=3)
    write("data_page_v2", mappings("data_page_v2"), data_page_version="2.0")
    write("no_arrow_schema", mappings("no_arrow_schema"), store_schema=False)
    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        write(f"codec_{codec}", mappings(f"codec_{codec}"), compression=codec)
    parts = file_of("part_files")
    parts.mkdir()
    table = mappings("part_files")
    pq.write_table(table.slice(0, 12), parts / "part-00000.parquet", compression="zstd")
    pq.write_table(table.slice(12), parts / "part-00001.parquet", compression="zstd")


def write_empty_and_broken():
    write("all_null_zero_rows", pa.table({name: pa.array([], pa.null()) for name in COLUMNS}))
    write("zero_columns", pa.table({}))
    write("damaged", mappings("damaged"))
    path = HERE / "writers" / "backends" / "damaged" / "pin_mappings.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    file_of("empty_file").write_bytes(b"")
    lines = [",".join(COLUMNS)]
    for row in MAPPINGS[:3]:
        lines.append(f"{row['cid']},{row['car_file_path']},not_parquet,{row['created_at']:%Y-%m-%dT%H:%M:%SZ},stored,")
    file_of("not_parquet").write_bytes("\n".join(lines + [""]).encode())


# ---------------------------------------------------------------------------------------------------------------------
# Reading back

NO_ROWS = ["all_null_zero_rows", "zero_columns"]
UNREADABLE = ["damaged", "empty_file", "not_parquet"]


def check_writers():
    backends = HERE / "writers" / "backends"
    good = 0
    for folder in sorted(backends.iterdir()):
        case, path = folder.name, folder / "pin_mappings.parquet"
        try:
            rows = read_rows(path)
        except pa.ArrowInvalid:
            assert case in UNREADABLE, case
            continue
        assert case not in UNREADABLE, case
        if case in NO_ROWS:
            assert rows == [], case
            continue
        assert len(rows) == COUNT, case
        for row, meant in zip(rows, MAPPINGS):
            for name in COLUMNS:
                found, wanted = row.get(name), meant.get(name)
                if name == "backend_name":
                    wanted = case
                elif case == f"no_{name}":
                    assert name not in row
                    wanted = None
                elif name == "created_at":
                    found, wanted = microseconds(found), wanted and int(wanted.timestamp()) * 1_000_000
                assert found == wanted, (case, name, found, wanted)
        good += 1
    print(f"writers: {len(list(backends.iterdir()))} cases, {good} with the {COUNT} mappings, {len(NO_ROWS)} without rows, "
          f"{len(UNREADABLE)} unreadable")  # fmt: skip

    rows = read_rows(backends / "string" / "pin_mappings.parquet")
    statuses = [word(row) for row in rows]
    cids = [parse_cid(row["cid"]) for row in rows]
    sizes = [int(row["metadata"].split(":")[1].rstrip("}")) for row in rows if row["metadata"]]
    times = [microseconds(row["created_at"]) for row in rows if row["created_at"] is not None]
    first, last = (datetime.fromtimestamp(t / 1e6, timezone.utc) for t in (min(times), max(times)))
    print(f"  per status      { {status: statuses.count(status) for status in sorted(set(statuses))} }")
    print(f"  CIDv0           {sum(version == 0 for version, _, _ in cids)}")
    print(f"  unique contents {len({multihash for _, _, multihash in cids})}")
    print(f"  created_at      {len(times)} known, {first:%Y-%m-%dT%H:%M:%SZ} to {last:%Y-%m-%dT%H:%M:%SZ}")
    print(f"  size_bytes      {len(sizes)} known, sum {sum(sizes)}")


def main():
    for name in ("documented", "writers"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    write_documented()
    write_text_types()
    write_times()
    write_columns()
    write_layouts()
    write_empty_and_broken()
    print("documented:")
    print(Facts(HERE / "documented").report())
    check_writers()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Writes the sample collection beside this script: backends/ and backend_configs/.

The collection is that of an invented museum. Each backend is written as a different tool would have written it:
other column types, time formats, column orders, codecs. Everything is computed from the tables below, without clock and
without chance, so running it again (with the same pyarrow; 26.0.1 wrote the files in the repository) gives the same
bytes. backends/ and backend_configs/ are removed first, so it also undoes a migration of the sample.

    python generate.py        needs only pyarrow

At the end it reads the Parquet files back with code of its own (tests/data/recount.py) and prints the facts that
README.md quotes.
"""

import hashlib
import json
import re
import shutil
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "data"))
sys.dont_write_bytecode = True

from cids import COLUMNS, DAG_PB, RAW, Content, pandas_note, write_json_car
from recount import Facts, parse_cid

# ---------------------------------------------------------------------------------------------------------------------
# The collection: key | accessioned | name | kind | bytes | block | where
#
# where: a backend's code, then `=status` unless stored, `/form` of the CID unless the backend's usual one, and
# `@date` unless soon after the accession (`@none`: no time recorded).
# The CID is that of a small text which stands in for the item (see `content`), the size is the item's own.

ITEMS = """
website-2026  | 2026-03-02 | Museum website, spring 2026             | website  |    48213977 | pb  | s3 gh ku cl st
website-2025  | 2025-02-11 | Museum website, winter 2025             | website  |    45120388 | pb  | s3 gh ku cl/base36
website-2024  | 2024-02-08 | Museum website, winter 2024             | website  |    39874410 | pb  | s3 gh ku ft
website-2023  | 2023-03-14 | Museum website, first edition           | website  |    22610934 | pb  | gh ku ft
catalogue     | 2025-09-19 | Collection catalogue (CSV)              | dataset  |     2194310 | raw | s3 gh hf ku cl
vocabulary    | 2024-04-23 | Controlled vocabulary of boat types     | dataset  |      318442 | raw | gh hf cl/base58 st
handbook      | 2024-06-04 | Handbook of digital preservation        | document |     5120443 | pb  | s3 gh ku cl=pending@2025-07-03
emblem        | 2023-02-20 | Museum emblem (SVG)                     | scan     |       18233 | raw | gh ku s3=null st
deed-1874     | 2023-05-09 | Deed of gift, 1874                      | scan     |    61440200 | pb  | s3 gh ku ft
annual-2023   | 2024-01-30 | Annual report 2023                      | document |     3411870 | raw | gh ku ft
annual-2024   | 2025-01-28 | Annual report 2024                      | document |     3620114 | raw | gh ku
annual-2025   | 2026-01-27 | Annual report 2025                      | document |     3902556 | raw | gh ku cl
chart-1893    | 2023-09-12 | Harbour survey chart, 1893              | scan     |   734003200 | pb  | s3=sloppy fc ku cl
chart-1902    | 2023-09-12 | Channel chart with soundings, 1902      | scan     |   698351616 | pb  | s3 fc cl
chart-1911    | 2023-09-13 | Coast chart, north sheet, 1911          | scan     |   711983104 | pb  | s3 fc cl=failed@2026-02-17
chart-1930    | 2023-09-13 | Coast chart, south sheet, 1930          | scan     |   702545920 | pb  | s3 hf/raw
chart-1947    | 2023-09-14 | Wreck chart, 1947                       | scan     |   645922816 | pb  | s3 fc=pending@2025-03-06
tides-1911    | 2023-10-03 | Tide tables 1911                        | scan     |    94371840 | pb  | s3 ft
tides-1936    | 2023-10-03 | Tide tables 1936                        | scan     |    88080384 | pb  | ft
tides-data    | 2024-05-15 | Tide readings 1898-1936 (transcribed)   | dataset  |    12582912 | raw | hf gh cl
log-aurora    | 2023-06-21 | Logbook of the bark Aurora, 1884-86     | scan     |   412090368 | pb  | s3 ku fc ft
log-petrel    | 2023-06-22 | Logbook of the cutter Petrel, 1899      | scan     |   388972544 | pb  | s3 ku fc
log-marie     | 2023-06-22 | Logbook of the ketch Marie, 1907        | scan     |   401604608 | pb  | s3 ft=sloppy-failed
log-sigrun    | 2023-06-23 | Logbook of the trawler Sigrún, 1926     | scan     |   377487360 | pb  | ft
keeper-1916   | 2024-07-18 | Lighthouse keeper's diary, 1916         | scan     |   209715200 | pb  | s3 fc=failed@2024-07-20 fc@2024-08-09
keeper-1917   | 2024-07-18 | Lighthouse keeper's diary, 1917         | scan     |   214958080 | pb  | s3=failed fc=pending@2024-08-02
keeper-1918   | 2024-07-19 | Lighthouse keeper's diary, 1918         | scan     |   198180864 | pb  | s3 cl
oral-berg     | 2024-10-08 | Interview: T. Berg, pilot               | audio    |   318767104 | pb  | st cl=pending@2026-10-19
oral-castell  | 2024-10-08 | Interview: M. Castell, net maker        | audio    |   287309824 | pb  | st cl=pending@2026-10-19
oral-dunne    | 2024-10-22 | Interview: P. Dunne, lock keeper        | audio    |   342884352 | pb  | st
oral-eriksen  | 2024-11-05 | Interview: A. Eriksen, boat builder     | audio    |   301989888 | pb  | st
oral-fofana   | 2024-11-19 | Interview: I. Fofana, fish buyer        | audio    |   295698432 | pb  | st fc=failed@2026-09-28
oral-garcia   | 2025-01-14 | Interview: L. García, cannery worker    | audio    |   333447168 | pb  | st ku cl=failed@2026-10-20
oral-hughes   | 2025-01-14 | Interview: R. Hughes, radio operator    | audio    |   310378496 | pb  | st
oral-lund     | 2024-10-22 | Interview: A. Lund, ferryman            | audio    |   276824064 | pb  | cl=failed@2026-10-20 st=unpinning@2026-10-06
songs-1961    | 2025-03-04 | Work songs, tape of 1961                | audio    |   524288000 | raw | s3 st fc
bells         | 2025-03-05 | Fog bells and horns of the bay          | audio    |   146800640 | raw | st cl
film-1938     | 2024-08-27 | Film: laying the breakwater, 1938       | video    |  8589934592 | pb  | fc s3
film-1954     | 2024-08-28 | Film: the regatta of 1954               | video    |  7516192768 | pb  | fc=failed st=sloppy-failed
film-1967     | 2024-08-28 | Film: last steam ferry, 1967            | video    |  9663676416 | pb  | fc
film-1972     | 2024-08-29 | Film: storm over the quay, 1972         | video    |  6979321856 | pb  | fc st
tour          | 2026-05-12 | Video tour of the boat shed             | video    |  1288490188 | pb  | s3 st cl ku=unpinning@2026-10-12
photo-quay    | 2023-04-18 | Glass negative 1: the old quay          | photo    |    83886080 | raw | s3 gh ku ft
photo-crane   | 2023-04-18 | Glass negative 2: steam crane           | photo    |    81788928 | raw | s3 ku ft
photo-slip    | 2023-04-19 | Glass negative 3: slipway               | photo    |    85983232 | raw | s3/BASE32 ft
photo-herring | 2023-04-19 | Glass negative 4: herring market        | photo    |    84934656 | raw | s3 ku
photo-children| 2023-04-20 | Glass negative 5: children on the ice   | photo    |    79691776 | raw | s3 ku=failed@2023-05-02
photo-launch  | 2023-04-20 | Glass negative 6: launch of the Marie   | photo    |    82837504 | raw | ku
photo-broken  | 2023-04-21 | Glass negative 7: broken corner         | photo    |    80740352 | raw | s3=failed
photo-smith   | 2023-04-21 | Glass negative 8: anchor smith          | photo    |    86507520 | raw | s3 ku
album-regatta | 2025-06-24 | Regatta album, 214 photographs          | photo    |  1610612736 | pb  | st
album-storm   | 2025-11-11 | The storm of November 2025, 87 photos   | photo    |   905969664 | pb  | s3 st cl
model-figure  | 2025-05-20 | 3D scan: figurehead of the Aurora       | model    |   268435456 | pb  | hf cl st
model-lens    | 2025-05-20 | 3D scan: lighthouse lens                | model    |   335544320 | pb  | hf st/base36
model-buoy    | 2025-05-21 | 3D scan: bell buoy                      | model    |   251658240 | pb  | hf=failed ku=pending@2025-05-30
model-skiff   | 2025-05-21 | 3D scan: rowing skiff                   | model    |   402653184 | pb  | st
ships         | 2024-03-26 | Register of ships 1850-1950             | dataset  |    25690112 | raw | hf gh s3 cl
crews         | 2024-03-26 | Crew lists 1884-1913                    | dataset  |    31457280 | raw | hf gh
weather       | 2024-09-17 | Keeper's weather observations           | dataset  |     9437184 | raw | hf
plankton      | 2026-06-16 | Plankton net samples, summer 2026       | dataset  |    57671680 | raw | hf=pending@2026-10-27
ocr-model     | 2025-08-26 | Model that reads keepers' handwriting   | software |   188743680 | raw | hf s3=pending@2026-10-28
scanner-tool  | 2023-11-07 | Scanning bench control software         | software |     1468006 | raw | gh ku ku@2024-02-19
labels        | 2026-09-08 | Exhibition labels, autumn 2026          | document |      734003 | pb  | gh ku ku/v1
loans-2019    | 2023-02-27 | Loan agreements 2019                    | document |    11534336 | pb  | ft=null@none
loans-2022    | 2023-02-27 | Loan agreements 2022                    | document |    12897484 | pb  | ku@none ft@none
floorplan     | 2023-12-05 | Floor plans of the boat shed            | document |     6291456 | pb  | gh@none s3
grant-2025    | 2025-04-01 | Grant report: voices of the bay         | document |     2097152 | raw | st gh=failed@2025-04-03
"""

# Rows whose cid is no CID: backend, cid, status, date, metadata
NO_CIDS = [
    ("s3_main", "QmTestCID123456789abcdef", "stored", "2023-02-16", {"name": "upload test", "size_bytes": 11}),
    ("ftp_mirror", "not-a-cid", "pending", "2023-03-01", {"name": "readme.txt"}),
]

# A row moved here from an older bucket: it still records the old name.
RECORDED_NAME = {("s3_main", "deed-1874"): "s3_old"}

# Metadata that is written as it stands: a Python dict printed instead of JSON, and none at all.
METADATA_AS_IS = {
    ("ftp_mirror", "tides-1911"): "{'name': 'Tide tables 1911', 'size': 94371840}",
    ("ftp_mirror", "loans-2019"): None,
}

# What old_laptop's pins.json lists: a CID alone, or an object. The last is no content of the collection's table.
LAPTOP_PINS = [
    ("website-2023", "v0", None),
    ("photo-quay", "v1", None),
    ("photo-broken", "v1", None),
    ("deed-1874", "v0", None),
    ("keeper-1917", "v0", {"created_at": "2024-07-16T18:22:05", "status": "stored", "size": 214958080}),
    ("tides-1936", "v1", {"created_at": "2023-09-30T09:10:00Z", "size_bytes": 88080384}),
    ("film-1954", "v0", {"created_at": "2024-08-25T20:41:37", "status": "failed", "error": "no space left on device"}),
    ("slides-2017", "v1", {"key": "hash", "created_at": "2023-01-12T08:00:00+01:00", "size_bytes": 5242880}),
]

# ---------------------------------------------------------------------------------------------------------------------
# The backends. Paths as ipfs_kit makes them up from the backend's name.


class Backend:
    def __init__(self, code, name, opened, path, describe, error=None, form="v1"):
        self.code, self.name, self.path, self.describe, self.error, self.form = code, name, path, describe, error, form
        self.opened = at(opened)
        self.rows = []  # (row, instant)


def at(date, hour=0):
    return datetime.fromisoformat(date).replace(tzinfo=timezone.utc) + timedelta(hours=hour)


def number(*words, below):
    """A number that depends on nothing but the words."""
    return int.from_bytes(hashlib.sha256(" ".join(words).encode()).digest()[:6], "big") % below


def s3_metadata(item, row):
    return {"size_bytes": item["size"], "upload_method": "multipart" if item["size"] > 100_000_000 else "direct"}


def github_metadata(item, row):
    return {"size": item["size"], "lfs": item["size"] > 50_000_000}


def hf_metadata(item, row):
    text = item["key"] in ("ships", "crews", "weather")  # written by an early script: numbers as text
    return {"size_bytes": str(item["size"]) if text else item["size"], "repo": "lantern-bay/collection"}


def storacha_metadata(item, row):
    return {"size_bytes": item["size"], "shards": 1 + item["size"] // 133_169_152}


def filecoin_metadata(item, row):
    return {
        "size_bytes": item["size"],
        "deal_id": 90_000_000 + number("deal", item["key"], below=999_999),
        "provider": f"f0{1_000 + number('provider', item['key'], below=8_999)}",
        "verified": True,
    }


def kubo_metadata(item, row):
    if item["added"] < at("2023-07-01"):  # the first pins were listed without sizes
        return {"type": "recursive"}
    return {"type": "recursive", "metadata": {"size_bytes": item["size"]}}


def cluster_metadata(item, row):
    return {"size": item["size"], "replication_factor": 3, "peers": ["harbour", "attic", "university"]}


def ftp_metadata(item, row):
    return {"size": item["size"]} if item["kind"] == "photo" else {}


BACKENDS = [
    Backend("s3", "s3_main", "2023-02-13", "/s3-bucket/cars/{}.car", s3_metadata,
            "SlowDown: please reduce your request rate"),
    Backend("gh", "github_mirror", "2023-01-09", "/github-repo/cars/{}.car", github_metadata,
            "file exceeds the limit of 100 MB"),
    Backend("hf", "hf_datasets", "2024-03-25", "/hf-repo/cars/{}.car", hf_metadata, "413 payload too large"),
    Backend("st", "storacha_hot", "2024-09-30", "/storacha/{}.car", storacha_metadata, "space over its plan limit"),
    Backend("fc", "filecoin_deals", "2024-06-10", "/filecoin_deals/cars/{}.car", filecoin_metadata,
            "deal expired before activation"),
    Backend("ku", "kubo_office", "2023-01-16", "/kubo_office/cars/{}.car", kubo_metadata, "context deadline exceeded",
            form="v0"),
    Backend("cl", "cluster_eu", "2025-06-02", "/cluster_eu/cars/{}.car", cluster_metadata,
            "not enough peers to allocate"),
    Backend("ft", "ftp_mirror", "2023-01-23", "/ftp-storage/cars/{}.car", ftp_metadata, "550 permission denied",
            form="v0"),
]  # fmt: skip
BY_CODE = {backend.code: backend for backend in BACKENDS}
BY_NAME = {backend.name: backend for backend in BACKENDS}

STATUS = {None: "stored", "null": None, "sloppy": " STORED ", "sloppy-failed": "Failed"}
PLACE = re.compile(r"(?P<code>\w\w)(=(?P<status>[\w-]+))?(/(?P<form>\w+))?(@(?P<date>[\w-]+))?$")


def content(key, codec):
    return Content(f"Lantern Bay Museum, digital collection, item {key}\n".encode(), codec)


def read_items():
    items = []
    for line in ITEMS.strip().splitlines():
        key, added, name, kind, size, block, where = (field.strip() for field in line.split("|"))
        items.append({"key": key, "added": at(added), "name": name, "kind": kind, "size": int(size),
                      "content": content(key, RAW if block == "raw" else DAG_PB), "where": where.split()})  # fmt: skip
    return items


def place(item, where):
    """Adds the row of one placement to its backend."""
    match = PLACE.match(where)
    backend, date = BY_CODE[match["code"]], match["date"]
    cid_form = match["form"] or ("v0" if backend.form == "v0" and item["content"].codec == DAG_PB else "v1")
    cid = item["content"].cid(cid_form)
    status = STATUS.get(match["status"], match["status"])

    seconds = number(where, item["key"], "time", below=9 * 3600)
    if date == "none":
        instant = None
    elif date:
        instant = at(date, 8) + timedelta(seconds=seconds)
    else:
        days = number(where, item["key"], "days", below=20)
        instant = max(item["added"], backend.opened) + timedelta(days=days, hours=8, seconds=seconds)

    metadata = {"name": item["name"], "kind": item["kind"]} | backend.describe(item, status)
    if (status or "").lower() == "failed":
        metadata |= {"error": backend.error, "retries": 1 + number(where, item["key"], below=5)}
    elif status == "pending":
        metadata |= {"retries": number(where, item["key"], below=3)}
    text = METADATA_AS_IS.get((backend.name, item["key"]), json.dumps(metadata))
    recorded = RECORDED_NAME.get((backend.name, item["key"]), backend.name)
    backend.rows.append((dict(zip(COLUMNS, [cid, backend.path.format(cid), recorded, None, status, text])), instant))


def fill_backends():
    for item in read_items():
        for where in item["where"]:
            place(item, where)
    for name, cid, status, date, metadata in NO_CIDS:
        backend = BY_NAME[name]
        row = [cid, backend.path.format(cid), name, None, status, json.dumps(metadata)]
        backend.rows.append((dict(zip(COLUMNS, row)), at(date, 10)))
    for backend in BACKENDS:  # in the order in which they were recorded; the undated come last
        backend.rows.sort(key=lambda entry: (entry[1] is None, entry[1] or at("2023-01-01"), entry[0]["cid"]))


# ---------------------------------------------------------------------------------------------------------------------
# Writing. How each backend's tool would have written its file.

CAR_WRITTEN = "2026-10-31T23:30:00.000000"  # the nightly backup, in local time without zone


def times_as_text(instants, forms):
    """ISO texts whose forms take turns: `z`, `naive`, `offset` (+01:00), `fraction` (as datetime.now() prints it)."""
    office = timezone(timedelta(hours=1))
    spell = {
        "z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "naive": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S"),
        "offset": lambda t: t.astimezone(office).isoformat(),
        "fraction": lambda t: t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{number(str(t), below=999_999) + 1:06}",
    }
    return [t and spell[forms[i % len(forms)]](t) for i, t in enumerate(instants)]


def epoch(instants, unit):
    return [
        t and int(t.timestamp()) * {"s": 1, "ms": 1000, "us": 1_000_000, "ns": 1_000_000_000}[unit] for t in instants
    ]


def table(backend, times, text=pa.string(), notes=None):
    """The six columns of a backend, all texts in one type; `times` is the finished created_at column."""
    columns = {name: pa.array([row[name] for row, _ in backend.rows], text) for name in COLUMNS}
    columns["created_at"] = times
    return pa.table(columns).replace_schema_metadata(notes)


def write(backend, table, codec, path=None):
    path = path or folder(backend.name) / "pin_mappings.parquet"
    pq.write_table(table, path, compression=codec)


def write_car(backend, times):
    """`times` as the older tool's JSON had them: text as it was, timestamps as milliseconds."""
    rows = [row | {"created_at": time} for (row, _), time in zip(backend.rows, times)]
    write_json_car(folder(backend.name) / "pin_mappings.car", CAR_WRITTEN, rows)


def folder(name):
    path = HERE / "backends" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def instants_of(backend):
    return [instant for _, instant in backend.rows]


def write_s3_main():
    """pandas 3: large_string throughout, times as text in several forms, snappy."""
    backend = BY_NAME["s3_main"]
    times = times_as_text(instants_of(backend), ["z", "naive", "z", "offset", "fraction"])
    text = pa.large_string()
    write(backend, table(backend, pa.array(times, text), text, pandas_note(COLUMNS, "str", "object")), "snappy")
    write_car(backend, times)


def write_github_mirror():
    """A tool with a proper schema: string and timestamp[us, UTC], zstd."""
    backend = BY_NAME["github_mirror"]
    times = pa.array(epoch(instants_of(backend), "us"), pa.timestamp("us", "UTC"))
    write(backend, table(backend, times), "zstd")
    write_car(backend, epoch(instants_of(backend), "ms"))


def write_hf_datasets():
    """pandas 2: string, timestamp[ns] without zone, snappy."""
    backend = BY_NAME["hf_datasets"]
    times = pa.array(epoch(instants_of(backend), "ns"), pa.timestamp("ns"))
    notes = pandas_note(COLUMNS, "object", version="2.2.3", created_at=("datetime", "datetime64[ns]"))
    write(backend, table(backend, times, notes=notes), "snappy")
    write_car(backend, epoch(instants_of(backend), "ms"))


def write_storacha_hot():
    """Dictionary columns, timestamp[ms, UTC], gzip."""
    backend = BY_NAME["storacha_hot"]
    times = pa.array(epoch(instants_of(backend), "ms"), pa.timestamp("ms", "UTC"))
    mappings = table(backend, times)
    for index, name in enumerate(COLUMNS):
        if name != "created_at":
            mappings = mappings.set_column(index, name, mappings[name].dictionary_encode())
    write(backend, mappings, "gzip")
    write_car(backend, epoch(instants_of(backend), "ms"))


def write_filecoin_deals():
    """Epoch seconds in an int64 column, zstd."""
    backend = BY_NAME["filecoin_deals"]
    times = epoch(instants_of(backend), "s")
    write(backend, table(backend, pa.array(times, pa.int64())), "zstd")
    write_car(backend, times)


def write_kubo_office():
    """An earlier ipfs_kit: text times and a seventh column `updated_at`, null unless the row was updated; snappy."""
    backend = BY_NAME["kubo_office"]
    times = times_as_text(instants_of(backend), ["fraction"])
    text = pa.large_string()
    updated = [
        (instant + timedelta(minutes=7)).strftime("%Y-%m-%dT%H:%M:%S") if row["status"] == "unpinning" else None
        for row, instant in backend.rows
    ]
    notes = pandas_note(COLUMNS + ["updated_at"], "str", "object")
    mappings = table(backend, pa.array(times, text), text).append_column("updated_at", pa.array(updated, text))
    write(backend, mappings.replace_schema_metadata(notes), "snappy")
    rows = [row | {"created_at": time, "updated_at": new} for (row, _), time, new in zip(backend.rows, times, updated)]
    write_json_car(folder(backend.name) / "pin_mappings.car", CAR_WRITTEN, rows)


def write_cluster_eu():
    """A directory of two part files, as Spark or Dask leave it: string and timestamp[us] without zone, zstd."""
    backend = BY_NAME["cluster_eu"]
    parts = folder(backend.name) / "pin_mappings.parquet"
    parts.mkdir()
    mappings = table(backend, pa.array(epoch(instants_of(backend), "us"), pa.timestamp("us")))
    half = mappings.num_rows // 2
    write(backend, mappings.slice(0, half), "zstd", parts / "part-00000.parquet")
    write(backend, mappings.slice(half), "zstd", parts / "part-00001.parquet")
    write_car(backend, epoch(instants_of(backend), "ms"))


def write_ftp_mirror():
    """A script of the university's: columns in another order, text times with Z or without, gzip."""
    backend = BY_NAME["ftp_mirror"]
    times = times_as_text(instants_of(backend), ["naive", "z"])
    order = ["backend_name", "status", "created_at", "metadata", "cid", "car_file_path"]
    write(backend, table(backend, pa.array(times, pa.string())).select(order), "gzip")
    write_car(backend, times)


def write_cold_storage():
    """Set up and never used: no rows, so pandas gave all six columns the null type."""
    empty = pa.table({name: pa.array([], pa.null()) for name in COLUMNS})
    empty = empty.replace_schema_metadata(pandas_note(COLUMNS, "object", "empty"))
    pq.write_table(empty, folder("cold_storage") / "pin_mappings.parquet", compression="snappy")
    write_json_car(folder("cold_storage") / "pin_mappings.car", CAR_WRITTEN, [])


def write_old_laptop():
    """Only the older format: texts and objects mixed in one list."""
    contents = {item["key"]: item["content"] for item in read_items()}
    contents["slides-2017"] = content("slides-2017", DAG_PB)
    names = {item["key"]: item["name"] for item in read_items()} | {"slides-2017": "Slides of the 2017 lectures"}
    pins = []
    for key, form, details in LAPTOP_PINS:
        cid = contents[key].cid(form)
        if details is None:
            pins.append(cid)
        else:
            details = dict(details)
            pins.append({details.pop("key", "cid"): cid, "name": names[key]} | details)
    text = json.dumps(pins, indent=2, ensure_ascii=False) + "\n"
    (folder("old_laptop") / "pins.json").write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------------------
# Configurations, with secrets that are none: nothing may ever print them.

FAKE = "EXAMPLE-NOT-A-REAL-SECRET"

CONFIGS = {
    "s3_main": ("s3", True, "Master copies", {
        "endpoint": "https://s3.example.org", "region": "eu-central-1", "bucket": "lantern-bay-masters",
        "access_key": "EXAMPLE-NOT-A-REAL-KEY", "secret_key": FAKE}),
    "github_mirror": ("github", True, "Everything small and public", {
        "repository": "lantern-bay-museum/pins", "branch": "main", "token": FAKE}),
    "hf_datasets": ("huggingface", True, "Datasets and 3D scans for research", {
        "repo_id": "lantern-bay/collection", "repo_type": "dataset", "token": FAKE}),
    "storacha_hot": ("storacha", True, "Oral history project. The provider closes at the end of 2026", {
        "endpoint": "https://storacha.example.org", "space": "lantern-bay-voices", "api_key": FAKE}),
    "filecoin_deals": ("filecoin", True, "Film and chart masters, 540-day deals", {
        "api": "https://lotus.example.org/rpc/v1", "wallet": "EXAMPLE-NOT-A-REAL-WALLET", "token": FAKE}),
    "kubo_office": ("ipfs", True, "The node under the desk", {
        "api": "http://127.0.0.1:5001", "auth_secret": FAKE}),
    "ftp_mirror": ("ftp", True, "Mirror at the university, until 2024", {
        "host": "ftp.example.edu", "user": "lanternbay", "password": FAKE}),
    "cold_storage": ("filesystem", False, "Tape library, not yet in use", {
        "path": "/mnt/tape/pins", "encryption_key": FAKE}),
}  # fmt: skip

CLUSTER_CONFIG = ("ipfs_cluster", True, "Three nodes: harbour, attic, university", {
    "api": "https://cluster.example.org:9094", "basic_auth_user": "museum", "basic_auth_password": FAKE,
    "cluster_secret": FAKE})  # fmt: skip


def write_config(path, name, kind, enabled, description, config):
    settings = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in config.items())
    path.write_text(
        f"name: {name}\n"
        f"type: {kind}\n"
        f"created_at: '2023-01-09T09:00:00'\n"
        f"updated_at: '2026-09-01T09:00:00'\n"
        f"enabled: {str(enabled).lower()}\n"
        f"config:\n{settings}"
        f"metadata:\n  version: '1.0'\n  description: {json.dumps(description)}\n",
        encoding="utf-8",
    )


def write_configs():
    (HERE / "backend_configs").mkdir()
    for name, config in CONFIGS.items():
        write_config(HERE / "backend_configs" / f"{name}.yaml", name, *config)
    write_config(HERE / "backends" / "cluster_eu.yaml", "cluster_eu", *CLUSTER_CONFIG)  # where newer versions look


# ---------------------------------------------------------------------------------------------------------------------


def laptop_facts(facts):
    """What a migration of old_laptop would change, from its file."""
    stored = set()
    for pin in json.loads((HERE / "backends" / "old_laptop" / "pins.json").read_text(encoding="utf-8")):
        pin = {"cid": pin} if isinstance(pin, str) else pin
        if pin.get("status", "stored") == "stored":
            stored.add(parse_cid(pin.get("cid") or pin["hash"])[2])
    before = {multihash: len(backends) for multihash, backends in facts.stored_on.items()}
    after = Counter(before.get(multihash, 0) + (multihash in stored) for multihash in stored | set(before))
    return "\n".join(
        [
            f"old_laptop           {len(LAPTOP_PINS)} pins, {len(stored)} stored",
            f"  no copy elsewhere  {len(stored & facts.lost)}, one copy: {sum(before.get(m) == 1 for m in stored)}, "
            f"named nowhere else: {len(stored - set(before))}",
            f"  by copies after it {', '.join(f'{copies}: {after[copies]}' for copies in sorted(after))}",
        ]
    )


def main():
    for name in ("backends", "backend_configs"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    fill_backends()
    write_s3_main()
    write_github_mirror()
    write_hf_datasets()
    write_storacha_hot()
    write_filecoin_deals()
    write_kubo_office()
    write_cluster_eu()
    write_ftp_mirror()
    write_cold_storage()
    write_old_laptop()
    write_configs()
    facts = Facts(HERE)
    print(facts.report())
    print(laptop_facts(facts))


if __name__ == "__main__":
    main()

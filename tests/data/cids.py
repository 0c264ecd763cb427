"""CIDs and small helpers shared by the scripts that write the sample data.

Encoding only: `recount.py` reads CIDs back with code of its own, so that the two check each other.
"""

import hashlib
import json

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

RAW = 0x55
DAG_PB = 0x70

COLUMNS = ["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"]


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def by_division(data, alphabet):
    """Base 58 and base 36: the bytes as one big number; each leading zero byte is a leading zero digit."""
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, len(alphabet))
        digits = alphabet[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return alphabet[0] * zeros + digits


def base32(data):
    """RFC 4648 in lower case without padding."""
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(BASE32[int(bits[i : i + 5], 2)] for i in range(0, len(bits), 5))


def unixfs_file(data):
    """The dag-pb block of a small UnixFS file whose bytes lie in the block itself, as `ipfs add` makes it."""

    def field(number, value):  # protobuf, wire type 2
        return bytes([number << 3 | 2]) + varint(len(value)) + value

    unixfs = bytes([1 << 3, 2]) + field(2, data) + bytes([3 << 3]) + varint(len(data))  # Type = File, Data, filesize
    return field(1, unixfs)  # PBNode.Data, no links


class Content:
    """One block: raw bytes or a UnixFS file, and its CID in any spelling."""

    def __init__(self, data, codec):
        self.codec = codec
        block = data if codec == RAW else unixfs_file(data)
        self.multihash = b"\x12\x20" + hashlib.sha256(block).digest()

    def cid(self, form="v1"):
        """`v1` base32, `v0`, `base36`, `base58`, `BASE32` in capitals; `raw` claims the codec raw whatever it is."""
        if form == "v0":
            assert self.codec == DAG_PB, "CIDv0 is always dag-pb"
            return by_division(self.multihash, BASE58)
        codec = RAW if form == "raw" else self.codec
        binary = b"\x01" + varint(codec) + self.multihash
        return {
            "v1": lambda: "b" + base32(binary),
            "raw": lambda: "b" + base32(binary),
            "BASE32": lambda: "B" + base32(binary).upper(),
            "base36": lambda: "k" + by_division(binary, BASE36),
            "base58": lambda: "z" + by_division(binary, BASE58),
        }[form]()


# "hello world\n" as `ipfs add` names it
assert Content(b"hello world\n", DAG_PB).cid("v0") == "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"


def pandas_note(columns, numpy_type, pandas_type="unicode", version="3.0.0", **others):
    """The `pandas` entry that DataFrame.to_parquet leaves in a file's key-value metadata.

    `others`: (pandas_type, numpy_type) of single columns.
    """
    described = [
        {
            "name": name,
            "field_name": name,
            "pandas_type": others.get(name, (pandas_type, numpy_type))[0],
            "numpy_type": others.get(name, (pandas_type, numpy_type))[1],
            "metadata": None,
        }
        for name in columns
    ]
    note = {
        "index_columns": [],
        "column_indexes": [],
        "columns": described,
        "attributes": {},
        "creator": {"library": "pyarrow", "version": "22.0.0"},
        "pandas_version": version,
    }
    return {"pandas": json.dumps(note)}


def write_json_car(path, created_at, rows):
    """`pin_mappings.car` as older tools wrote it: not a CAR, but the rows as indented JSON."""
    envelope = {
        "format": "pin_mappings_car",
        "version": "1.0",
        "created_at": created_at,
        "pin_mappings": rows,
    }
    path.write_text(json.dumps(envelope, indent=2), encoding="utf-8")

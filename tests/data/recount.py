"""Reads pin mappings back and counts them, without any of the code that wrote them."""

import base64
from collections import Counter, defaultdict
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"]


class NotACid(ValueError):
    pass


def number_of(text, alphabet):
    number = 0
    for letter in text:
        if letter not in alphabet:
            raise NotACid(text)
        number = number * len(alphabet) + alphabet.index(letter)
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def from_base58(text):
    return number_of(text, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")


def from_base36(text):
    return number_of(text.lower(), "0123456789abcdefghijklmnopqrstuvwxyz")


def from_base32(text):
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except ValueError as error:
        raise NotACid(text) from error


def read_varint(data):
    value = shift = 0
    for used, byte in enumerate(data, 1):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, data[used:]
        shift += 7
    raise NotACid(data)


def parse_cid(text):
    """(version, codec, multihash) of a CID; raises NotACid."""
    if text is None:
        raise NotACid(text)
    if len(text) == 46 and text.startswith("Qm"):
        version, codec, multihash = 0, 0x70, from_base58(text)
    else:
        decode = {"b": from_base32, "B": from_base32, "k": from_base36, "K": from_base36, "z": from_base58}
        if text[:1] not in decode:
            raise NotACid(text)
        version, rest = read_varint(decode[text[0]](text[1:]))
        if version != 1:
            raise NotACid(text)
        codec, multihash = read_varint(rest)
    function, rest = read_varint(multihash)
    length, digest = read_varint(rest)
    if (function, length, len(digest)) != (0x12, 32, 32):  # the samples hold sha2-256 only
        raise NotACid(text)
    return version, codec, multihash


def microseconds(value):
    """A recorded time as microseconds since 1970 in UTC, None if unknown. No zone means UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            time = datetime.fromisoformat(value)
            time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
            difference = time - datetime(1970, 1, 1, tzinfo=timezone.utc)
            return (difference.days * 86400 + difference.seconds) * 1_000_000 + difference.microseconds
    for limit, unit in ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1)):  # seconds, milliseconds, microseconds
        if abs(value) < limit:
            return int(value * unit)
    return int(value) // 1000  # nanoseconds


def parts(path):
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def read_rows(path):
    """The rows of a mapping file, or of a directory of part files, as dicts with lower-case keys."""
    rows = []
    for part in parts(Path(path)):
        table = pq.ParquetFile(part).read()
        names = [name.lower() for name in table.column_names]
        columns = []
        for column in table.columns:
            if pa.types.is_timestamp(column.type):
                column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
            values = column.to_pylist()
            columns.append([value.decode() if isinstance(value, bytes) else value for value in values])
        rows += [dict(zip(names, values)) for values in zip(*columns)]
    return rows


def word(row):
    """The status for counting: trimmed, lower case, `stored` if there is none."""
    status = row.get("status")
    return "stored" if status is None else status.strip().lower()


class Facts:
    """What a root with `backends/` holds, counted from its Parquet files alone."""

    def __init__(self, root):
        self.rows_of = {}
        for backend in sorted(Path(root, "backends").iterdir()):
            if (backend / "pin_mappings.parquet").exists():
                self.rows_of[backend.name] = read_rows(backend / "pin_mappings.parquet")
        self.mappings = 0
        self.statuses = Counter()
        self.invalid = []
        self.foreign = []
        self.undated = 0
        self.repeats = 0
        times = []
        self.stored_on = defaultdict(set)  # multihash -> backends with a stored mapping of it
        codecs = defaultdict(set)
        for backend, rows in self.rows_of.items():
            pins = Counter()
            for row in rows:
                self.mappings += 1
                self.statuses[word(row)] += 1
                time = microseconds(row.get("created_at"))
                times += [time] if time is not None else []
                self.undated += time is None
                if row.get("backend_name") != backend:
                    self.foreign.append((backend, row.get("backend_name")))
                try:
                    _, codec, multihash = parse_cid(row.get("cid"))
                except NotACid:
                    self.invalid.append((backend, row.get("cid"), word(row)))
                    continue
                pins[codec, multihash] += 1
                codecs[multihash].add(codec)
                self.stored_on[multihash] |= {backend} if word(row) == "stored" else set()
            self.repeats += sum(pins.values()) - len(pins)
        self.contents = len(self.stored_on)
        self.copies = Counter(len(backends) for backends in self.stored_on.values())
        self.lost = {multihash for multihash, backends in self.stored_on.items() if not backends}
        self.only_on = Counter(next(iter(backends)) for backends in self.stored_on.values() if len(backends) == 1)
        self.mismatches = sum(len(found) > 1 for found in codecs.values())
        instants = (
            [datetime.fromtimestamp(time / 1e6, timezone.utc) for time in (min(times), max(times))] if times else []
        )
        self.first_and_last = " to ".join(instant.strftime("%Y-%m-%dT%H:%M:%SZ") for instant in instants)

    def report(self):
        def listed(counter):
            return ", ".join(f"{key}: {counter[key]}" for key in sorted(counter))

        return "\n".join(
            [
                f"mappings             {self.mappings}",
                f"  per backend        {listed({name: len(rows) for name, rows in self.rows_of.items()})}",
                f"  per status         {listed(self.statuses)}",
                f"  invalid CIDs       {len(self.invalid)} ({', '.join(f'{cid} on {b}, {s}' for b, cid, s in self.invalid)})",
                f"  without created_at {self.undated}",
                f"  foreign names      {', '.join(f'{name} in {b}' for b, name in self.foreign) or 'none'}",
                f"  repeated pins      {self.repeats} (same codec and multihash again in one backend)",
                f"created_at           {self.first_and_last}",
                f"unique contents      {self.contents}",
                f"  by copies          {listed(self.copies)}",
                f"  1 copy, only on    {listed(self.only_on)}",
                f"  codec mismatches   {self.mismatches}",
            ]
        )

"""Reads exports back with other programs and compares them with the rows that were written: readback.py DIR

DIR has truth.json, rows as lists of cid, car_file_path, created_at, size_bytes and metadata, and pins.* in every format.
"""

import csv, gzip, json, os, sys

import duckdb, openpyxl, pandas, pyarrow.dataset, pyarrow.ipc, pyarrow.parquet
from openpyxl.utils.escape import unescape

NAMES = ["cid", "car_file_path", "created_at", "size_bytes", "metadata"]
os.chdir(sys.argv[1])
with open("truth.json") as file:
    truth = json.load(file)


def same(program, rows, wanted=truth):
    rows = [list(row) for row in rows]
    for at, (found, row) in enumerate(zip(rows, wanted)):
        assert found == row, f"{program}, row {at}: {found!r} instead of {row!r}"
    assert len(rows) == len(wanted), f"{program}: {len(rows)} rows instead of {len(wanted)}"
    print(program)


def typed(row):
    """The row of a reader that knows text only and no NULL."""
    return [*row[:3], int(row[3]) if row[3] else None, row[4]]


blank = [[value if value is not None or at == 3 else "" for at, value in enumerate(row)] for row in truth]
for name, opened in [("pins.csv", open), ("pins.csv.gz", gzip.open)]:
    with opened(name, "rt", newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    assert head == NAMES
    same(f"csv of Python, {name}", map(typed, rows), blank)

kinds = "{'cid': 'VARCHAR', 'car_file_path': 'VARCHAR', 'created_at': 'VARCHAR', 'size_bytes': 'BIGINT', 'metadata': 'VARCHAR'}"
query = f"SELECT * FROM read_csv('pins.csv', header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, columns = {kinds})"
same("DuckDB, CSV with NULL and empty text", duckdb.sql(query).fetchall())
same("DuckDB, NDJSON", duckdb.sql(f"SELECT * FROM read_ndjson('pins.ndjson', columns = {kinds})").fetchall())
text_of_time = "strftime(created_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ')"
query = f"SELECT cid, car_file_path, {text_of_time}, size_bytes, metadata FROM 'pins.parquet'"
same("DuckDB, Parquet", duckdb.sql(query).fetchall())

frame = pandas.read_csv("pins.csv", dtype=str, keep_default_na=False)
same("pandas, CSV", (typed(row) for row in frame.values.tolist()), blank)

with open("pins.json") as file:
    same("json of Python", ([row[name] for name in NAMES] for row in json.load(file)))
with open("pins.ndjson") as file:
    same("json of Python, NDJSON", ([json.loads(line)[name] for name in NAMES] for line in file))

time = lambda value: value and value.strftime("%Y-%m-%dT%H:%M:%SZ")
for program, table in [("pyarrow, Parquet", pyarrow.parquet.read_table("pins.parquet")),
                       ("pyarrow, Arrow", pyarrow.ipc.open_file("pins.arrow").read_all())]:
    rows = ([row["cid"], row["car_file_path"], time(row["created_at"]), row["size_bytes"], row["metadata"]] for row in table.to_pylist())
    same(program, rows)

head, *rows = openpyxl.load_workbook("pins.xlsx").active.iter_rows()
assert [cell.value for cell in head] == NAMES
assert all(cell.data_type != "f" for row in rows for cell in row), "a text has become a formula"
# A carriage return is written `_x000D_`, as the format has it; openpyxl leaves that to its caller.
text = lambda value: unescape(value) if isinstance(value, str) else "" if value is None else value
cells = [[text(cell.value) for cell in row] for row in rows]
# What a double cannot hold exactly is text.
wide = [[*row[:3], "" if row[3] is None else row[3] if row[3] < 10**15 else str(row[3]), row[4]] for row in blank]
same("openpyxl, XLSX", cells, wide)

# A directory for each value of car_file_path, which the files have not.
QUOTE = "'\"'"
left = kinds.replace(", 'car_file_path': 'VARCHAR'", "")
for end, read in [("parquet", "read_parquet('split-parquet/**/*.parquet', "),
                  ("csv", f"read_csv('split-csv/**/*.csv', header = true, auto_detect = false, delim = ',', quote = {QUOTE}, escape = {QUOTE}, nullstr = '', allow_quoted_nulls = false, columns = {left}, "),
                  ("ndjson", f"read_ndjson('split-ndjson/**/*.ndjson', columns = {left}, ")]:
    time_of = text_of_time if end == "parquet" else "created_at"
    query = f"SELECT cid, car_file_path, {time_of}, size_bytes, metadata FROM {read} hive_partitioning = true, hive_types = {{'car_file_path': VARCHAR}}) ORDER BY cid"
    same(f"DuckDB, split {end}", duckdb.sql(query).fetchall())
parts = pyarrow.dataset.partitioning(pyarrow.schema([("car_file_path", pyarrow.string())]), flavor="hive")
table = pyarrow.dataset.dataset("split-parquet", format="parquet", partitioning=parts).to_table()
same("pyarrow, split Parquet", ([row["cid"], row["car_file_path"], time(row["created_at"]), row["size_bytes"], row["metadata"]] for row in sorted(table.to_pylist(), key=lambda row: row["cid"])))

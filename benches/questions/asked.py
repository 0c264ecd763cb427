"""What is asked, in the words of each engine. To add a question, put it into QUESTIONS and into peers.py.

pinql goes by what a CID names. Others can do that only where a file has pinql's column `content`; on files without it they
go by the CID's text, which gives other numbers as soon as one content has two spellings (`by_text`).
"""

import base64, os
from dataclasses import dataclass

ROWS = "cid, car_file_path, backend_name, created_at, status, metadata"
STORED = "FILTER (WHERE status = 'stored')"


@dataclass
class Question:
    name: str
    title: str
    answer: str  # the columns of the answer
    raw: list | None  # the columns that have to be read from files that are not laid out; none: footers; None: little of them
    optimised: list | None  # and from files that are
    sql: str  # with {key}, {size}, {here} and {among}
    format: str = "csv"
    by_text: bool = False
    only: tuple = ()


HISTOGRAM = "SELECT copies, COUNT(*) AS contents FROM (SELECT {key}, COUNT(%s) " + STORED + \
    " AS copies FROM pins GROUP BY {key}) AS c GROUP BY copies"
UNDER = f"SELECT MIN(cid) AS cid, COUNT(DISTINCT backend_name) {STORED} AS copies FROM pins GROUP BY {{key}} " \
    f"HAVING COUNT(DISTINCT backend_name) {STORED} < 3"
# DataFusion keeps a set for each group: 13 GB for a million pins. Counting pairs is what it does best.
PAIRS = "SELECT {key} AS k, CASE WHEN status = 'stored' THEN backend_name END AS b, MIN(cid) AS c FROM pins GROUP BY 1, 2"
IN_PAIRS = {
    "redundancy": f"SELECT copies, COUNT(*) AS contents FROM (SELECT k, COUNT(b) AS copies FROM ({PAIRS}) AS p GROUP BY k) AS c "
    "GROUP BY copies",
    "under": f"SELECT MIN(c) AS cid, COUNT(b) AS copies FROM ({PAIRS}) AS p GROUP BY k HAVING COUNT(b) < 3",
}
SIX = ROWS.split(", ")

QUESTIONS = [
    Question("start", "nothing (`SELECT 1`)", "one", None, None, "SELECT 1 AS one"),
    Question("count", "how many pins", "pins", [], [], "SELECT COUNT(*) AS pins FROM pins"),
    Question("where", "where is one CID", "backend_name, status, car_file_path", ["cid"], None,
             "SELECT backend_name, status, car_file_path FROM pins WHERE {here}"),
    Question("lookup", "where are 1,000 CIDs", "backend_name, status, cid, car_file_path, created_at", ["cid"], None,
             "SELECT backend_name, status, cid, car_file_path, created_at FROM pins WHERE {among}"),
    Question("failed", "failed pins, listed", "cid, backend_name, created_at", ["cid", "status", "created_at"],
             ["cid", "status", "created_at"], "SELECT cid, backend_name, created_at FROM pins WHERE status = 'failed'"),
    Question("status", "status by backend", "backend_name, status, pins", ["status"], ["status"],
             "SELECT backend_name, status, COUNT(*) AS pins FROM pins GROUP BY backend_name, status"),
    Question("bytes", "bytes by backend", "backend_name, bytes", ["metadata"], ["size_bytes"],
             "SELECT backend_name, SUM({size}) AS bytes FROM pins GROUP BY backend_name"),
    Question("redundancy", "contents by copies", "copies, contents", ["cid", "status"], ["content", "status"],
             HISTOGRAM % "DISTINCT backend_name", by_text=True),
    Question("redundancy-unique", "the same, if no backend has a content twice", "copies, contents", ["cid", "status"],
             ["content", "status"], HISTOGRAM % "*", by_text=True),
    Question("redundancy-text", "CIDs by copies, spelling by spelling", "copies, contents", ["cid", "status"],
             ["cid", "status"], (HISTOGRAM % "DISTINCT backend_name").replace("{key}", "cid"),
             only=("pinql", "duckdb", "duckdb-cli")),
    Question("under", "contents with fewer than 3 copies, listed", "cid, copies", ["cid", "status"],
             ["content", "cid", "status"], UNDER, by_text=True),
    Question("csv", "all pins as CSV", ROWS, SIX, SIX, f"SELECT {ROWS} FROM pins"),
    Question("ndjson", "all pins as NDJSON", ROWS, SIX, SIX, f"SELECT {ROWS} FROM pins", format="json"),
]

IN_JSON = "json_extract_string(metadata, ['$.size_bytes', '$.size', '$.metadata.size_bytes', '$.metadata.size'])"
SIZE = {  # of files without `size_bytes`; DataFusion has no JSON functions of its own
    "duckdb": f"coalesce({', '.join(f'{IN_JSON}[{at}]' for at in (1, 2, 3, 4))})::BIGINT",
    "datafusion": """CAST(regexp_match(metadata, '"size(?:_bytes)?": *([0-9]+)')[1] AS BIGINT)""",
}


class Asked:
    """The questions about one data directory."""

    def __init__(self, root, layout):
        self.laid_out = layout == "optimised"
        self.cids = open(os.path.join(root, "cids.txt")).read().split()

    def pinql(self, question):
        among = ", ".join(f"cid_content('{cid}')" for cid in self.cids)
        return question.sql.format(key="content", size="size_bytes", here=f"content = cid_content('{self.cids[0]}')",
                                   among=f"content IN ({among})")

    def peer(self, question, engine):
        """The cheapest form that we know which gives the same answer."""
        dialect = engine.removesuffix("-cli")
        texts = ", ".join(f"'{cid}'" for cid in self.cids)
        here, among = f"cid = '{self.cids[0]}'", f"cid IN ({texts})"
        # DuckDB's program is of before 2.0, which finds no bytes by a Bloom filter: https://github.com/duckdb/duckdb/pull/23829
        if self.laid_out and engine != "duckdb-cli":
            here += f" AND content = {binary(self.cids[0], dialect)}"
        size = "size_bytes" if self.laid_out else SIZE.get(dialect)
        sql = IN_PAIRS.get(question.name, question.sql) if dialect == "datafusion" else question.sql
        return sql.format(key="content" if self.laid_out else "cid", size=size, here=here, among=among)


def binary(cid, dialect):
    text = cid[1:].upper()
    content = base64.b32decode(text + "=" * (-len(text) % 8))[2:].hex()  # without version and codec
    return f"from_hex('{content}')" if dialect == "duckdb" else f"X'{content}'"

#!/usr/bin/env python3
"""Other engines asked the same, for benches/questions.py: `peers.py ENGINE ROOT LAYOUT THREADS`.

Reads requests from stdin, one JSON object a line: `question`, `sql` for the engines that take it, and, if the answer is
wanted, the file `out` for it with its `format`. Writes for each the milliseconds until the whole answer has been taken, and
its rows. LAYOUT says whether the files have pinql's columns `content` and `size_bytes` (`optimised`) or not (`raw`).

`peers.py sort FROM TO THREADS` has DuckDB write a data directory anew, each backend's file sorted by CID.

`pandas` does what ipfs_kit's analysis does: it loads every file whole, concatenates the frames, and counts in the one frame.
"""

import glob, json, os, sys, time

LOOKED_UP = ["backend_name", "status", "cid", "car_file_path", "created_at"]


class DuckDb:
    def __init__(self, root, files, layout, threads):
        import duckdb, pyarrow  # which else the first answer would load

        self.db = duckdb.connect()
        for setting in [f"threads = {threads}", "TimeZone = 'UTC'", "preserve_insertion_order = false",
                        "parquet_metadata_cache = true"]:
            self.db.execute(f"SET {setting}")
        self.db.execute(f"CREATE VIEW pins AS SELECT * FROM read_parquet({files})")

    def ask(self, request):
        if request.get("out"):
            form = "CSV, HEADER" if request["format"] == "csv" else "JSON"
            return self.db.execute(f"COPY ({request['sql']}) TO '{request['out']}' (FORMAT {form})").fetchone()[0]
        reader = self.db.sql(request["sql"]).to_arrow_reader(100_000)
        return sum(batch.num_rows for batch in reader)


class DataFusion:
    def __init__(self, root, files, layout, threads):
        import datafusion

        settings = datafusion.SessionConfig().with_target_partitions(threads)
        settings = settings.set("datafusion.execution.listing_table_ignore_subdirectory", "false")
        self.session = datafusion.SessionContext(settings)
        self.session.register_parquet("pins", os.path.join(root, "backends"))

    def ask(self, request):
        # Pushed down, predicates that leave little are faster, and others slower.
        down = "true" if request["question"] in ("where", "lookup", "failed") else "false"
        self.session.sql(f"SET datafusion.execution.parquet.pushdown_filters = {down}").collect()
        sql = request["sql"]
        if request.get("out"):
            form = "CSV OPTIONS ('format.has_header' 'true')" if request["format"] == "csv" else "JSON"
            sql = f"COPY ({sql}) TO '{request['out']}' STORED AS {form}"
            return self.session.sql(sql).collect()[0].column(0)[0].as_py()
        return sum(batch.to_pyarrow().num_rows for batch in self.session.sql(sql).execute_stream())


class Polars:
    def __init__(self, root, files, layout, threads):
        import polars

        self.pl = polars
        self.pins = polars.scan_parquet(files)
        self.laid_out = layout == "optimised"
        self.cids = open(os.path.join(root, "cids.txt")).read().split()

    def plan(self, question):
        pl, pins = self.pl, self.pins
        stored = pl.col("status") == "stored"
        key = "content" if self.laid_out else "cid"
        size = pl.col("size_bytes") if self.laid_out else pl.col("metadata").str.extract(
            r'"size(?:_bytes)?": *(\d+)').cast(pl.Int64)
        copy = pl.when(stored).then(pl.col("backend_name")).alias("copy")
        pairs = pins.group_by(pl.col(key).alias("key"), copy)  # faster than `n_unique` by key
        match question:
            case "start":
                return pl.LazyFrame({"one": [1]})
            case "count":
                return pins.select(pl.len().alias("pins"))
            case "where":
                return pins.filter(pl.col("cid") == self.cids[0]).select("backend_name", "status", "car_file_path")
            case "lookup":
                return pins.filter(pl.col("cid").is_in(self.cids)).select(LOOKED_UP)
            case "failed":
                return pins.filter(pl.col("status") == "failed").select("cid", "backend_name", "created_at")
            case "status":
                return pins.group_by("backend_name", "status").agg(pl.len().alias("pins"))
            case "bytes":
                return pins.group_by("backend_name").agg(size.sum().alias("bytes"))
            case "redundancy":
                counted = pairs.agg().group_by("key").agg(pl.col("copy").count().alias("copies"))
                return counted.group_by("copies").agg(pl.len().alias("contents"))
            case "redundancy-unique":
                counted = stored.sum().alias("copies")
                return pins.group_by(key).agg(counted).group_by("copies").agg(pl.len().alias("contents"))
            case "under":
                spelled = pairs.agg(pl.col("cid").min()).group_by("key")
                short = spelled.agg(pl.col("cid").min(), pl.col("copy").count().alias("copies"))
                return short.filter(pl.col("copies") < 3).select("cid", "copies")
        return pins.select("cid", "car_file_path", "backend_name", "created_at", "status", "metadata")

    def ask(self, request):
        plan, out = self.plan(request["question"]), request.get("out")
        if not out:
            return plan.collect(engine="streaming").height
        plan.sink_csv(out) if request["format"] == "csv" else plan.sink_ndjson(out)
        return None  # it does not tell


class Pandas:
    def __init__(self, root, files, layout, threads):
        import pandas, pyarrow

        pyarrow.set_cpu_count(threads)
        self.pd, self.files, self.root = pandas, files, root

    def answer(self, question):
        pd = self.pd
        if question == "start":
            return pd.DataFrame({"one": [1]})
        pins = pd.concat([pd.read_parquet(file) for file in self.files], ignore_index=True)
        stored = pins[pins["status"] == "stored"]
        cids = open(os.path.join(self.root, "cids.txt")).read().split()
        match question:
            case "count":
                return pd.DataFrame({"pins": [len(pins)]})
            case "where":
                return pins.loc[pins["cid"] == cids[0], ["backend_name", "status", "car_file_path"]]
            case "lookup":
                return pins.loc[pins["cid"].isin(cids), LOOKED_UP]
            case "failed":
                return pins.loc[pins["status"] == "failed", ["cid", "backend_name", "created_at"]]
            case "status":
                return pins.groupby(["backend_name", "status"]).size().reset_index(name="pins")
            case "bytes":
                sizes = pins["metadata"].map(lambda text: size_in(json.loads(text)))
                return sizes.groupby(pins["backend_name"]).sum().reset_index(name="bytes")
            case "redundancy" | "redundancy-unique" | "under":
                by_cid = stored.groupby("cid")["backend_name"]
                copies = by_cid.nunique() if question != "redundancy-unique" else by_cid.size()
                copies = copies.reindex(pins["cid"].unique(), fill_value=0)
                if question == "under":
                    return copies[copies < 3].rename_axis("cid").reset_index(name="copies")
                return copies.value_counts().rename_axis("copies").reset_index(name="contents")
        return pins[["cid", "car_file_path", "backend_name", "created_at", "status", "metadata"]]

    def ask(self, request):
        frame, out = self.answer(request["question"]), request.get("out")
        if out and request["format"] == "csv":
            frame.to_csv(out, index=False)
        elif out:
            frame.to_json(out, orient="records", lines=True, date_format="iso", date_unit="us")
        return len(frame)


def size_in(metadata):
    inner = metadata.get("metadata", {})
    found = [place[key] for place in (metadata, inner) for key in ("size_bytes", "size") if key in place]
    return found[0] if found else 0


ENGINES = {"duckdb": DuckDb, "datafusion": DataFusion, "polars": Polars, "pandas": Pandas}


def sort(root, to, threads):
    import duckdb

    db = duckdb.connect()
    db.execute(f"SET threads = {threads}")
    for file in sorted(glob.glob(os.path.join(root, "backends", "*", "pin_mappings.parquet"))):
        out = os.path.join(to, os.path.relpath(file, root))
        os.makedirs(os.path.dirname(out), exist_ok=True)
        db.execute(f"COPY (SELECT * FROM read_parquet('{file}') ORDER BY cid) TO '{out}' (FORMAT parquet)")


def main():
    if sys.argv[1] == "sort":
        return sort(*sys.argv[2:])
    engine, root, layout, threads = sys.argv[1:]
    os.environ["POLARS_MAX_THREADS"] = threads  # read when it is imported
    files = sorted(glob.glob(os.path.join(root, "backends", "*", "pin_mappings.parquet")))
    engine = ENGINES[engine](root, files, layout, int(threads))
    for line in sys.stdin:
        request = json.loads(line)
        since = time.monotonic()
        rows = engine.ask(request)
        print(json.dumps({"ms": (time.monotonic() - since) * 1e3, "rows": rows}), flush=True)


main()

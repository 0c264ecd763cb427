#!/usr/bin/env python3
"""Measures questions: pinql beside DuckDB, DataFusion, Polars and pandas, on the same files, with the same threads.

    cargo build --release --bins --example ask
    python3 benches/questions.py --pins 1200000
    python3 benches/questions.py --scale

Makes a data directory (seeded, see benches/questions/tree.py), as pandas writes one, a copy of it that `pinql backend optimize`
has laid out, and with `--layouts raw,optimised,sorted` one that DuckDB has written, sorted by CID. Asks each question of each
engine in turn, A, B, C, A, B, C, …: cold, as a process of its own, from its start until its answer stands in a file; and warm, in
a process that stays open, whose first run does not count, until all rows have been taken. Prints medians as Markdown, of wall time
and of CPU time, which a busy machine disturbs less; peak memory; and how long the columns that a question needs take to decode.
All engines' answers must be the same. With --scale it asks pinql alone, about more pins and more backends.
"""

import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.abspath(__file__))
BESIDE = os.path.join(ROOT, "questions")
sys.path.insert(0, BESIDE)
sys.dont_write_bytecode = True
from asked import QUESTIONS, Asked

PACKAGES = ["datafusion", "duckdb", "duckdb-cli", "numpy", "pandas", "polars", "pyarrow"]
ENGINES = ["pinql", "duckdb", "duckdb-cli", "datafusion", "polars", "pandas"]
EXPORTS = ("csv", "ndjson")
MEASURES = ["cold, wall", "cold, CPU", "cold, peak memory", "warm, wall", "warm, CPU"]


class Engine:
    """One engine on one data directory: cold, and warm once `open` has been called."""

    def __init__(self, name, args, root, layout):
        self.name, self.args, self.root, self.layout = name, args, root, layout
        self.asked, self.process = Asked(root, layout), None
        self.out = os.path.join(args.work, name)
        self.stays_open = name not in ("duckdb-cli", "pandas")  # ipfs_kit's analysis keeps nothing

    def request(self, question, wanted=True):
        sql = self.asked.pinql(question) if self.name == "pinql" else self.asked.peer(question, self.name)
        out = {"out": f"{self.out}.{question.format}", "format": question.format} if wanted else {}
        return {"question": question.name, "sql": sql, **out}

    def peer(self):
        return [self.args.python, os.path.join(BESIDE, "peers.py"), self.name, self.root, self.layout, str(self.args.threads)]

    def cold(self, question, *options):
        """Milliseconds of wall and of CPU time, and peak megabytes, of a whole process that writes its answer to a file."""
        request = self.request(question)
        given, out = f"{self.out}.in", subprocess.DEVNULL
        if self.name == "pinql":
            form = "csv" if question.format == "csv" else "ndjson"
            command, text = [self.args.pinql, "--root", self.root, "--threads", str(self.args.threads), *options], request["sql"]
            if question.name == "lookup" and self.args.has_lookup:
                command += ["lookup", "--cids", os.path.join(self.root, "cids.txt"), "--format", form]
            else:
                command += ["--format", form, "-f", given]
            out = open(request["out"], "wb")
        elif self.name == "duckdb-cli":
            command, text = [os.path.join(os.path.dirname(self.args.python), "duckdb"), "-f", given], self.script(request)
        else:
            command, text = self.peer(), json.dumps(request)
        with open(given, "w") as file:
            file.write(text)
        return measured(command, given, out)

    def script(self, request):
        files = os.path.join(self.root, "backends", "*", "pin_mappings.parquet")
        form = "CSV, HEADER" if request["format"] == "csv" else "JSON"
        return f"""SET threads = {self.args.threads}; SET preserve_insertion_order = false; SET TimeZone = 'UTC';
            CREATE VIEW pins AS SELECT * FROM read_parquet('{files}');
            COPY ({request["sql"]}) TO '{request["out"]}' (FORMAT {form});"""

    def open(self):
        if self.name == "pinql":
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 6 // 10
            command = [self.args.ask, self.root, str(self.args.threads), str(memory)]
        else:
            command = self.peer()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def warm(self, question, wanted=False):
        """Milliseconds of wall and of CPU time, the latter in ticks of a hundredth of a second."""
        before = self.ticks()
        self.process.stdin.write(json.dumps(self.request(question, wanted)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline() or sys.exit(f"{self.name} failed at {question.name}")
        return json.loads(answer)["ms"], (self.ticks() - before) * 1e3 / os.sysconf("SC_CLK_TCK")

    def ticks(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def answer(self, question):
        """A hash of the answer that was written last."""
        file = f"{self.out}.{question.format}"
        return tool(self.args, "hash", file, question.format, *question.answer.split(", "))

    def forget(self, question):
        """Removes the answer that was written last: those of exports are large."""
        os.remove(f"{self.out}.{question.format}")


def measured(command, given, out=subprocess.DEVNULL):
    with open(given) as stdin:
        since = time.monotonic()
        child = subprocess.Popen(command, stdin=stdin, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        took = time.monotonic() - since
    child.returncode = os.waitstatus_to_exitcode(status)
    found = 1 if "lookup" in command else 0  # which says so if a CID is nowhere
    if child.returncode not in (0, found):
        sys.exit(f"{command} failed")
    return took * 1e3, (usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / 1024


def tool(args, *words):
    return json.loads(subprocess.check_output([args.python, os.path.join(BESIDE, "measure.py"), *map(str, words)]))


class Answers:
    """What each engine answered: all must agree, also from one layout to the other, and with what the generator knows."""

    def __init__(self):
        self.kept = {}

    def take(self, engine, question, found):
        # By its text, a content with two spellings is two: such answers are held against each other only.
        by_text = question.by_text and (engine.name == "pandas" or engine.layout != "optimised" and engine.name != "pinql")
        key = (question.name, "text" if by_text else "content")
        first, who = self.kept.setdefault(key, (found, engine.name))
        if found != first:
            sys.exit(f"{question.name}: {engine.name} answers {found}, {who} {first} ({engine.layout} files)")

    def truth(self, args, root):
        with open(os.path.join(root, "truth.json")) as file:
            truth = json.load(file)
        table = lambda names, rows: [names, *([str(value) for value in row] for row in rows)]
        known = {
            "count": table(["pins"], [[truth["pins"]]]),
            "bytes": table(["backend_name", "bytes"], truth["bytes"].items()),
            "status": table(["backend_name", "status", "pins"], [
                (name, status, n) for name, counts in truth["status"].items() for status, n in counts.items() if n]),
            "redundancy": table(["copies", "contents"], [row for row in truth["redundancy"].items() if row[1]]),
        }
        known["redundancy-unique"] = known["redundancy"]
        for name, rows in known.items():
            path = os.path.join(args.work, "truth.csv")
            with open(path, "w") as out:
                out.writelines(",".join(row) + "\n" for row in rows)
            self.kept[name, "content"] = (tool(args, "hash", path, "csv", *rows[0]), "the generator")


def compare(args, root, layout, answers):
    """What each question cost each engine: for each measure, by question and engine, all runs."""
    engines = [Engine(name, args, root, layout) for name in args.engines]
    costs = {measure: {} for measure in MEASURES}
    for engine in engines:
        if engine.stays_open:
            engine.open()
    for question in args.questions:
        if layout != "optimised" or question.name != "redundancy-text":
            asked = [one for one in engines if not question.only or one.name in question.only]
            ask_cold(args, question, asked, costs, answers)
            if question.name not in EXPORTS:
                ask_warm(args, question, [one for one in asked if one.stays_open], costs, answers)
            print(f"{layout}: {question.name}", file=sys.stderr, flush=True)
    for engine in engines:
        if engine.stays_open:
            engine.close()
    return costs


def ask_cold(args, question, engines, costs, answers):
    for turn in range(args.export_runs if question.name in EXPORTS else args.runs):
        for engine in engines:
            for measure, cost in zip(MEASURES[:3], engine.cold(question)):
                costs[measure].setdefault((question.name, engine.name), []).append(cost)
            if turn == 0 and not (question.name == "lookup" and engine.name == "pinql" and args.has_lookup):
                answers.take(engine, question, engine.answer(question))
            engine.forget(question)


def ask_warm(args, question, engines, costs, answers):
    for turn in range(args.runs + 1):
        for engine in engines:
            spent = engine.warm(question, wanted=turn == 0)
            if turn == 0:
                answers.take(engine, question, engine.answer(question))
                engine.forget(question)
                continue
            for measure, cost in zip(MEASURES[3:], spent):
                costs[measure].setdefault((question.name, engine.name), []).append(cost)


def number(value):
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def table(title, args, values, unit, limits=None):
    """Medians, with how many times pinql's the others are."""
    if not values:
        return
    engines = [name for name in args.engines if any(key[1] == name for key in values)]
    head = [title] + (["must be read, MB", "decoded in, ms", "pinql ÷ that"] if limits else [])
    head += [f"{name}, {unit}" for name in engines]
    print("\n| " + " | ".join(head) + " |\n| --- |" + " ---: |" * (len(head) - 1))
    for question in args.questions:
        ours = values.get((question.name, "pinql"))
        line = [question.title]
        if not any(key[0] == question.name for key in values):
            continue
        if limits:
            size, least = limits.get(question.name, (None, None))
            line += [number(size / 1e6), number(least)] if least else ["–", "–"]
            line.append(f"{statistics.median(ours) / least:.1f}" if least and ours else "–")
        for name in engines:
            theirs = values.get((question.name, name))
            text = number(statistics.median(theirs)) if theirs else "–"
            if theirs and ours and name != "pinql" and statistics.median(ours) > 0:
                text += f" (×{statistics.median(theirs) / statistics.median(ours):.2f})"
            line.append(text)
        print("| " + " | ".join(line) + " |")
    spread = statistics.median(max(times) / max(min(times), 1) for times in values.values())
    print(f"\nThe slowest run of a cell is ×{spread:.2f} the fastest, in the median over all cells.", flush=True)


def limits(args, root, layout):
    """For each question: the bytes of the columns that it needs, and how long pyarrow reads and decodes them."""
    found, known = {}, {}
    for question in args.questions:
        columns = question.optimised if layout == "optimised" else question.raw
        if columns is not None:
            key = tuple(sorted(columns))
            found[question.name] = known[key] = known.get(key) or tool(args, "columns", root, args.threads, *key)
    return found


def scale(args):
    """pinql alone: each question on trees of different sizes, and redundancy within 1 GB. Trees in `--tree` are kept, and laid out
    where they are if nothing else is asked about."""
    sizes = [(pins, args.backends) for pins in args.scale_pins] + [(10_000_000, 1000)]
    times, bounded, names = {}, {}, []
    for pins, backends in sizes:
        name = f"{pins / 1e6:g} M on {backends}"
        raw = make(args, os.path.join(args.tree or args.work, f"scale-{pins}-{backends}"), pins, backends)
        for layout in args.layouts.split(","):
            alone = args.layouts == "optimised"
            if alone:
                measured([args.pinql, "--root", raw, "backend", "optimize"], os.devnull)
            root = raw if alone or layout == "raw" else optimised(args, raw, None)
            if root is None:
                continue
            engine, column = Engine("pinql", args, root, layout), f"{name}, {layout}"
            names.append(column)
            for question in args.questions:
                if question.name in EXPORTS + ("redundancy-text",):
                    continue
                times[question.name, column] = [engine.cold(question)[0] for _ in range(args.export_runs)]
            question = next(one for one in QUESTIONS if one.name == "redundancy")
            bounded[column] = engine.cold(question, "--memory-limit", "1GB")
            if root != raw:
                shutil.rmtree(root)
            print(column, file=sys.stderr, flush=True)
        if not args.tree:
            shutil.rmtree(raw)
    args.engines = names  # the columns
    table("cold", args, times, "ms")
    print("\n| redundancy with `--memory-limit 1GB` | ms | peak memory, MB |\n| --- | ---: | ---: |")
    for column, (took, _, peak) in bounded.items():
        print(f"| {column} | {number(took)} | {number(peak)} |")


def make(args, root, pins, backends):
    if not os.path.exists(os.path.join(root, "truth.json")):
        since = time.monotonic()
        subprocess.check_call([args.python, os.path.join(BESIDE, "tree.py"), root, "--pins", str(pins),
                               "--backends", str(backends), "--seed", str(args.seed)])
        print(f"made {pins} pins in {time.monotonic() - since:.0f} s", file=sys.stderr)
    return root


def optimised(args, raw, kept):
    """A copy that pinql has laid out; None as long as it cannot."""
    if kept and os.path.exists(kept):
        return kept
    known = subprocess.run([args.pinql, "backend", "optimize", "--help"], capture_output=True)
    if known.returncode != 0:
        print("this pinql has no `backend optimize`: unsorted files only", file=sys.stderr)
        return None
    root = kept or tempfile.mkdtemp(prefix="optimised-", dir=args.work)
    shutil.copytree(raw, root, dirs_exist_ok=True)
    took, _, peak = measured([args.pinql, "--root", root, "backend", "optimize"], os.devnull)
    print(f"optimised in {took / 1e3:.1f} s, {peak:.0f} MB", file=sys.stderr)
    return root


def sorted_by_duckdb(args, raw, kept):
    """A copy that DuckDB has written in its own way, sorted by CID: what it finds a CID in best."""
    root = kept or tempfile.mkdtemp(prefix="sorted-", dir=args.work)
    if not os.path.exists(os.path.join(root, "cids.txt")):
        subprocess.check_call([args.python, os.path.join(BESIDE, "peers.py"), "sort", raw, root, str(args.threads)])
        for name in ("cids.txt", "truth.json"):
            shutil.copy(os.path.join(raw, name), root)
    return root


def environment(args):
    if not args.python:
        venv = os.path.join(os.path.dirname(ROOT), "target", "bench-venv")
        args.python = os.path.join(venv, "bin", "python")
        if not os.path.exists(args.python):
            subprocess.check_call([sys.executable, "-m", "venv", venv])
            subprocess.check_call([args.python, "-m", "pip", "install", "--quiet", *PACKAGES])
    text = "import importlib.metadata as m; print(', '.join(f'{p} {m.version(p)}' for p in %r))" % PACKAGES
    args.has_lookup = subprocess.run([args.pinql, "lookup", "--help"], capture_output=True).returncode == 0
    return subprocess.check_output([args.python, "-c", text], text=True).strip()


def parsed():
    target = os.path.join(os.path.dirname(ROOT), "target", "release")
    parser = argparse.ArgumentParser()
    parser.add_argument("--pins", type=int, default=1_200_000)
    parser.add_argument("--backends", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--export-runs", type=int, default=3, help="runs of exports, and of each question with --scale")
    parser.add_argument("--only", help="these questions: " + ",".join(one.name for one in QUESTIONS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--pandas-below", type=int, default=3_000_000, help="leave pandas out above so many pins")
    parser.add_argument("--layouts", default="raw,optimised", help="of raw, optimised, sorted")
    parser.add_argument("--tree", metavar="DIR", help="make the data here, unless it is there, and keep it")
    parser.add_argument("--optimised", metavar="DIR", help="the same for the copy that is laid out")
    parser.add_argument("--sorted", metavar="DIR", help="the same for the copy that DuckDB has sorted")
    parser.add_argument("--dir", help="where to work [default: a temporary directory]")
    parser.add_argument("--pinql", default=os.path.join(target, "pinql"))
    parser.add_argument("--ask", default=os.path.join(target, "examples", "ask"))
    parser.add_argument("--python", help="a Python that has the packages [default: one made under target/]")
    parser.add_argument("--scale", action="store_true", help="pinql alone, on trees of several sizes")
    parser.add_argument("--scale-pins", default="1000000,10000000,100000000")
    args = parser.parse_args()
    args.scale_pins = [int(one) for one in args.scale_pins.split(",")]
    wanted = args.only.split(",") if args.only else [one.name for one in QUESTIONS]
    args.questions = [one for one in QUESTIONS if one.name in wanted]
    args.engines = args.engines.split(",")
    unknown = set(args.layouts.split(",")) - ({"raw", "optimised"} if args.scale else {"raw", "optimised", "sorted"})
    if unknown:
        parser.error(f"no such layout: {', '.join(sorted(unknown))}")
    return args


def main():
    args = parsed()
    print(f"With {args.threads} threads: {environment(args)}.")
    args.work = tempfile.mkdtemp(prefix="pinql-questions-", dir=args.dir)
    try:
        if args.scale:
            return scale(args)
        raw = make(args, args.tree or os.path.join(args.work, "tree"), args.pins, args.backends)
        if json.load(open(os.path.join(raw, "truth.json")))["pins"] > args.pandas_below and "pandas" in args.engines:
            args.engines.remove("pandas")
        answers = Answers()
        answers.truth(args, raw)
        rates = tool(args, "machine", raw, args.threads)
        print("The machine, GB/s: " + ", ".join(f"{name} {rate / 1e9:.1f}" for name, rate in rates.items()) + ".")
        apart = {}
        for layout in args.layouts.split(","):
            match layout:
                case "raw":
                    root = raw
                case "optimised":
                    root = optimised(args, raw, args.optimised)
                case "sorted":
                    root = sorted_by_duckdb(args, raw, args.sorted)
            if root:
                costs = compare(args, root, layout, answers)
                least = limits(args, root, layout)
                for measure, values in costs.items():
                    unit = "MB" if measure.endswith("memory") else "ms"
                    table(f"{layout} files, {measure}", args, values, unit, least if measure == "warm, wall" else None)
                    apart.setdefault(measure, {})[layout] = values
        for layout, files in (("raw", "as pandas wrote them"), ("sorted", "that DuckDB wrote, sorted by CID")):
            for measure in ("cold, wall", "warm, wall"):
                ours, theirs = (apart.get(measure, {}).get(one, {}) for one in ("optimised", layout))
                beside = {key: runs for key, runs in ours.items() if key[1] == "pinql"}
                beside |= {key: runs for key, runs in theirs.items() if key[1] != "pinql"}
                if ours and theirs:
                    table(f"pinql on files that it laid out, others on files {files}, {measure}", args, beside, "ms")
    finally:
        shutil.rmtree(args.work)


main()

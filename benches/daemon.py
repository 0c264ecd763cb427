#!/usr/bin/env python3
"""Measures the daemon: what asking costs, what it costs while nothing happens, after a change, and after thousands of them.

    cargo build --release
    python3 benches/daemon.py --tree DIR                # a data directory such as benches/questions.py keeps; it is copied
    python3 benches/daemon.py --republish 10000         # only the last part, which makes its own

Asks `pinql daemon intelligent insights` as a process of its own. Then runs `pinql daemon run`: its start, an idle time, changes of
one backend (a migration of so many new pins each, which has its own process), and a file republished again and again. CPU is
that of the process, user and system, memory what is resident.
"""

import argparse, json, os, re, shutil, signal, subprocess, sys, tempfile, time, urllib.request

sys.dont_write_bytecode = True
from migrate import generate

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CONFIG = """[observe]
interval = "{interval}"
debounce = "{debounce}"
most_percent = 100
[http]
listen = "127.0.0.1:0"
"""


class Daemon:
    def __init__(self, args, root, interval="1h", debounce="100ms"):
        self.root, config = root, os.path.join(args.work, "daemon.toml")
        with open(config, "w") as file:
            file.write(CONFIG.format(interval=interval, debounce=debounce))
        log = open(os.path.join(args.work, "daemon.log"), "w")
        self.process = subprocess.Popen([args.pinql, "--root", root, "daemon", "run", "--config", config], stderr=log)
        self.observed(0)

    def status(self):
        try:
            with open(os.path.join(self.root, ".pinql", "daemon", "status.json")) as file:
                return json.load(file)
        except (FileNotFoundError, json.JSONDecodeError):
            return {}

    def metric(self, name):
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"http://{self.status()['http']}/metrics") as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? ([0-9.e+]+)$", text, re.M))

    def observed(self, more_than):
        """Waits until there are more observations."""
        while True:
            if self.process.poll() is not None:
                sys.exit("the daemon has ended")
            if self.status().get("observation") and self.metric("pinql_observations_total") > more_than:
                return
            time.sleep(0.05)

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(rf"^{what}:\s+(\d+)", file.read(), re.M)[1]) / 1024

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def show(what, value):
    print(f"| {what} | {value} |", flush=True)


def measured(command):
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    since = time.monotonic()
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{command} failed")
    return f"{usage.ru_utime + usage.ru_stime:.2f} s of CPU, {time.monotonic() - since:.2f} s, {usage.ru_maxrss / 1024:.0f} MB"


def asking(args):
    for turn in range(args.runs):
        for what in ("insights", "health"):
            command = [args.pinql, "--root", args.root, "--threads", "2", "daemon", "intelligent", what, "--json"]
            show(f"`intelligent {what}`", measured(command))


def changes(args):
    daemon = Daemon(args, args.root)
    start = daemon.cpu()
    show("the start: everything read", f"{start:.2f} s of CPU, {daemon.resident():.0f} MB resident")
    time.sleep(2)
    before = daemon.cpu()
    time.sleep(args.idle)
    show(f"idle for {args.idle} s", f"{daemon.cpu() - before:.2f} s of CPU, {daemon.resident():.0f} MB resident")
    for number, entries in enumerate([1, 100, 500, 500_000]):
        place = os.path.join(args.root, "backends", "s3_main", "pins.json")
        generate(place, entries, 1000 + number)
        before, seen = daemon.cpu(), daemon.metric("pinql_observations_total")
        subprocess.check_call([args.pinql, "--root", args.root, "backend", "migrate-pin-mappings", "--filter", "s3_main"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The CAR appears before the mappings, which may make two observations of one change.
        daemon.observed(seen)
        time.sleep(3)
        count = daemon.metric("pinql_observations_total") - seen
        took = daemon.cpu() - before
        show(f"one backend gets {entries:,} more",
             f"{took:.2f} s of CPU in {count:.0f} observations: {start / took:.1f} times less than the start")
    show("memory at most", f"{daemon.resident('VmHWM'):.0f} MB")
    daemon.end()


def republishing(args):
    root = os.path.join(args.work, "small")
    files = []
    for number in range(2):
        backend = os.path.join(root, "backends", f"b{number}")
        os.makedirs(backend)
        generate(os.path.join(backend, "pins.json"), 20_000, number)
    subprocess.check_call([args.pinql, "--root", root, "backend", "migrate-pin-mappings"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for number in range(2):
        files.append(open(os.path.join(root, "backends", f"b{number}", "pin_mappings.parquet"), "rb").read())
    daemon = Daemon(args, root, interval="1s", debounce="10ms")
    place = os.path.join(root, "backends", "b0", "pin_mappings.parquet")
    tenth, since, begun = args.republish // 10, time.monotonic(), daemon.cpu()
    for number in range(1, args.republish + 1):
        with open(place + ".new", "wb") as out:
            out.write(files[number % 2])
        os.rename(place + ".new", place)
        time.sleep(args.pause)
        if number % tenth == 0:
            show(f"after {number:,} republished files", f"{daemon.resident():.0f} MB resident, "
                 f"{daemon.metric('pinql_observations_total'):.0f} observations, "
                 f"{len(os.listdir(f'/proc/{daemon.process.pid}/fd'))} open files, "
                 f"{daemon.cpu() - begun:.0f} s of CPU in {time.monotonic() - since:.0f} s")
    show("memory at most", f"{daemon.resident('VmHWM'):.0f} MB")
    daemon.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tree", metavar="DIR", help="a data directory with a backend s3_main; a copy of it is used")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--idle", type=int, default=60, help="seconds")
    parser.add_argument("--republish", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between republished files")
    parser.add_argument("--pinql", default=os.path.join(ROOT, "target/release/pinql"))
    parser.add_argument("--dir", help="where to work [default: a temporary directory]")
    args = parser.parse_args()
    args.work = tempfile.mkdtemp(prefix="pinql-daemon-", dir=args.dir)
    try:
        print("| what | measured |\n| --- | --- |")
        if args.tree:
            args.root = os.path.join(args.work, "root")
            shutil.copytree(args.tree, args.root)
            asking(args)
            changes(args)
        if args.republish:
            republishing(args)
    finally:
        shutil.rmtree(args.work)


main()

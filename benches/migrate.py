#!/usr/bin/env python3
"""Measures a migration: CPU time, wall time and peak memory of whole processes.

    cargo build --release
    python3 benches/migrate.py --entries 1000000

Makes a pins.json (seeded, like ipfs_kit's: about 188 bytes an entry), then runs, each as a process of its own: the
migration, the same file once more onto the mappings (a merge), a run with nothing to do, and verify. With --reference it
also does what ipfs_kit's migrator does, with pandas, on the same file.
"""

import argparse, base64, json, os, random, shutil, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def generate(path, entries, seed):
    source = random.Random(seed)
    b32 = lambda raw: "b" + base64.b32encode(raw).decode().lower().rstrip("=")
    prefix = bytes([1, 0x70, 0x12, 0x20])
    with open(path, "w", buffering=1 << 20) as out:
        out.write("[\n")
        for index in range(entries):
            cid = b32(prefix + source.randbytes(32))
            status = "stored" if index % 100 < 97 else "pending" if index % 100 < 99 else "failed"
            at = f"2024-{index % 12 + 1:02}-{index % 28 + 1:02}T{index % 24:02}:{index % 60:02}:00Z"
            comma = "," if index + 1 < entries else ""
            out.write(
                f'{{"cid": "{cid}", "created_at": "{at}", "status": "{status}", '
                f'"size": {source.randrange(1 << 30)}, "name": "file-{index}.bin"}}{comma}\n'
            )
        out.write("]\n")


def run(command):
    since = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - since, usage.ru_maxrss / 1024


REFERENCE = """
import json, sys
import pandas as pd
pins = json.load(open(sys.argv[1]))
rows = [{
    "cid": pin["cid"], "car_file_path": f"/s3-bucket/cars/{pin['cid']}.car", "backend_name": "s3_main",
    "created_at": pin["created_at"], "status": pin["status"],
    "metadata": json.dumps({key: value for key, value in pin.items() if key != "cid"}),
} for pin in pins]
frame = pd.DataFrame(rows)
frame.to_parquet(sys.argv[2])
envelope = {"format": "pin_mappings_car", "version": "1.0", "pin_mappings": frame.to_dict("records")}
json.dump(envelope, open(sys.argv[3], "w"), indent=2)
"""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pinql", default=os.path.join(ROOT, "target/release/pinql"))
    parser.add_argument("--dir", help="where to work [default: a temporary directory]")
    parser.add_argument("--only-first", action="store_true", help="only the migration itself")
    parser.add_argument("--reference", action="store_true", help="also the same with pandas (needs pandas and pyarrow)")
    args = parser.parse_args()
    work = tempfile.mkdtemp(prefix="pinql-migrate-", dir=args.dir)
    try:
        backend = os.path.join(work, "backends", "s3_main")
        os.makedirs(backend)
        pins, kept = os.path.join(backend, "pins.json"), os.path.join(work, "pins.json")
        generate(kept, args.entries, args.seed)
        shutil.copyfile(kept, pins)
        print(f"{args.entries} entries, {os.path.getsize(pins) / 1e6:.0f} MB of JSON")
        migrate = [args.pinql, "--root", work, "backend", "migrate-pin-mappings", "--json"]
        show = lambda what, cost: print(f"{what:<28} {cost[0]:8.2f} s CPU {cost[1]:8.2f} s wall {cost[2]:8.0f} MB", flush=True)
        show("migrate", run(migrate))
        for name in ["pin_mappings.parquet", "pin_mappings.car"]:
            print(f"  {name}: {os.path.getsize(os.path.join(backend, name)) / 1e6:.1f} MB")
        if not args.only_first:
            shutil.copyfile(kept, pins)
            show("the same again, merged", run(migrate))
            show("nothing to do", run(migrate))
            show("verify", run([args.pinql, "--root", work, "backend", "verify"]))
        if args.reference:
            names = [os.path.join(work, name) for name in ("reference.parquet", "reference.car")]
            show("the same with pandas", run([sys.executable, "-c", REFERENCE, kept, *names]))
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What it costs to be looked at: a million records and more by polling, in CPU time of the process a record, with
    bare      no admin server at all (bench_bare)
    admin     admin server and tap are there, nobody asks: what every daemon has
    scraped   /metrics and /status are asked for once a second
    reader    and somebody reads the tap
    stuck     and somebody asks for the tap, records whole, and takes nothing
All of them in turn, in cycles; a ratio is that of the minima, and beside it the median of the cycles' ratios.

    bench/admin.py BUILD [--cycles 5] [--records 2000000] [--check]

BUILD is made with -DWEIR_BUILD_BENCH=ON. --check: exit 1 above 2 % (admin, scraped) and 5 % (stuck)."""
import argparse
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import corpus
import poll

PAGE_RECORDS, SHARDS = 1000, 8
VARIANTS = ("bare", "admin", "scraped", "reader", "stuck")
LIMITS = {"admin": 1.02, "scraped": 1.02, "stuck": 1.05}


def ask(path, target):
    """An answer of the daemon; empty where it is not there, or gone."""
    parts = []
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(str(path))
            link.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while part := link.recv(1 << 16):
                parts.append(part)
    except OSError:
        pass
    return b"".join(parts).decode(errors="replace")


class Looker(threading.Thread):
    """What looks at a run, until it has ended."""

    def __init__(self, variant, path):
        super().__init__(daemon=True)
        self.variant, self.path, self.over = variant, path, threading.Event()
        self.dropped = self.scrapes = self.lines = 0
        self.start()

    def run(self):
        while not self.path.exists() and not self.over.is_set():
            time.sleep(0.005)
        if self.variant == "scraped":
            while not self.over.is_set():
                self.scrapes += bool(ask(self.path, "/metrics") and ask(self.path, "/status"))
                self.over.wait(1)
        elif self.variant in ("reader", "stuck"):
            self.tap()

    def tap(self):
        target = "/tap" if self.variant == "reader" else "/tap?record=1"
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.connect(str(self.path))
                link.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                while self.variant == "reader" and (part := link.recv(1 << 16)):
                    self.lines += part.count(b"data: ")
            except OSError:
                pass
            while self.variant == "stuck" and not self.over.wait(0.2):
                for line in ask(self.path, "/metrics").splitlines():
                    if line.startswith("weir_tap_dropped_total "):
                        self.dropped = int(line.split()[1])


def measure(build, variant, page, records):
    with tempfile.TemporaryDirectory() as work, poll.Streams(
            build, page, work, shards=SHARDS, records=records // SHARDS) as streams:
        streams.environment["XDG_RUNTIME_DIR"] = work
        program = "bench/bench_bare" if variant == "bare" else "weir"
        weir = poll.Weir(build, streams, work, {"batch_size": PAGE_RECORDS}, once=True, program=program, admin={"tap": True})
        looker = Looker(variant, Path(work) / "weir" / "bench.sock")
        arrived = weir.wait()
        looker.over.set()
        looker.join()
    if arrived["records"] != records:
        raise SystemExit(f"{variant}: {arrived['records']} records arrived, not {records}")
    return arrived["cpu_us"] / records, (arrived["last_us"] - arrived["first_us"]) / 1e6, looker


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda text: Path(text).resolve())
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--records", type=int, default=2000000)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=VARIANTS, help="these, and bare")
    parser.add_argument("--page", type=Path, help="the file of a page of records; made where it is not given")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    variants = tuple(one for one in VARIANTS if one == "bare" or one in given.only)
    costs, notes = {variant: [] for variant in variants}, {}
    with tempfile.TemporaryDirectory() as folder:
        page = given.page or corpus.stream_page_file(Path(folder))
        for cycle in range(given.cycles):
            first = cycle % len(variants)
            for variant in variants[first:] + variants[:first]:
                cost, seconds, looker = measure(given.build, variant, page, given.records)
                costs[variant].append(cost)
                notes[variant] = looker
                print(f"  {cycle} {variant:8} {cost:.4f} us a record, {seconds:.1f} s, lines {looker.lines}, "
                      f"dropped {looker.dropped}, scrapes {looker.scrapes}", file=sys.stderr)
    worst = 0
    print(f"{given.records} records, {given.cycles} cycles, load {os.getloadavg()[0]:.1f}")
    print("| variant | us of CPU a record, minimum | against bare | median of the cycles |\n|---|---|---|---|")
    for variant in variants:
        ratio = min(costs[variant]) / min(costs["bare"])
        median = statistics.median(one / bare for one, bare in zip(costs[variant], costs["bare"]))
        print(f"| {variant} | {min(costs[variant]):.4f} | {(ratio - 1) * 100:+.1f} % | {(median - 1) * 100:+.1f} % |")
        worst = max(worst, ratio / LIMITS.get(variant, float("inf")))
    if "stuck" in notes:
        print(f"tap lines that the stuck reader lost: {notes['stuck'].dropped}; records that anybody lost: 0")
    if given.check and (worst > 1 or ("stuck" in notes and not notes["stuck"].dropped)):
        raise SystemExit("above its limit")


main()

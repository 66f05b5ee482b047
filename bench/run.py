#!/usr/bin/env python3
"""Runs the benchmarks and prints one table. Started by scripts/bench, which builds them first.

Every program prints lines of values between tabs:
    T1 NAME records hits checksum ns_per_record MB/s peak_KB      (decode and route one body)
    T2 NAME records records_per_s us_of_CPU_per_record            (price changes to an endpoint)
All programs of a row run in turn, CYCLES times; ratios are formed inside one cycle, so that a machine that gets slower
or faster for a while changes all of them, and the median of the cycles is shown. Clients run on the last processor,
the endpoint on the first.

T4, polling, runs the whole program against a server that bench/poll.py starts; no peers there.

--peers FILE adds other programs that print such lines, one a line of the file, run by the shell:
    T1 COMMAND with {body}            T2 put|batch COMMAND with {endpoint}
"""
import argparse
import json
import os
import re
import resource
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import corpus
import poll

ROOT = Path(__file__).resolve().parents[1]
DELAY_MS = 5
CLIENT, SERVER = str(max(os.sched_getaffinity(0))), str(min(os.sched_getaffinity(0)))
SINKS = {"put": {"batch": 1, "concurrency": 64}, "batch": {"batch": 25, "concurrency": 16}}
OWN = ("weir", "bench_pipeline", "bench_price.so", "pricehistory.so", "stdout.so", "sqs.so")
ENVIRONMENT = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


def pinned(command, **options):
    return subprocess.run(["taskset", "-c", CLIENT, *map(str, command)], capture_output=True, text=True, timeout=600,
                          **options)


def line_of(kind, command, cwd=None):
    """The values of the line that a program prints; None, and a word about it, without one."""
    result = pinned(command, cwd=cwd)
    for line in result.stdout.splitlines():
        if line.startswith(kind + "\t"):
            return line.split("\t")[1:]
    print(f"left out, no {kind} line: {shlex.join(map(str, command))}: {result.stderr.strip()[-200:]}", file=sys.stderr)
    return None


# ---- T1 ----

def own_t1(builds):
    """Name and command, {body} in it."""
    commands = []
    for suffix, build in builds.items():
        bench = build / "bench"
        modes = [("direct", "price")] if suffix else [("direct", "price"), ("router", "price"), ("direct", "one"),
                                                      ("direct", "all")]
        commands += [(suffix, [bench / "bench_pipeline", "{body}", bench, *mode]) for mode in modes]
    bench = builds[""] / "bench"
    commands += [("", [bench / name, "{body}"]) for name in ("bench_decode", "bench_cjson", "bench_simdjson")
                 if (bench / name).exists()]
    return commands


def expected(body):
    return Path(f"{body}.expect").read_text().split()


def run_t1(builds, peers, bodies, cycles):
    """{body: {name: [(ns, MB/s, peak KB) or None a cycle]}}"""
    commands = own_t1(builds) + [("", ["sh", "-c", text]) for kind, text in peers if kind == "T1"]
    results = {body: defaultdict(lambda: [None] * cycles) for body in bodies}
    for body, path in bodies.items():
        for cycle in range(cycles):
            for suffix, command in commands:
                values = line_of("T1", [str(part).replace("{body}", str(path)) for part in command])
                if not values:
                    continue
                name = values[0] + suffix
                if values[1:4] != expected(path) and not re.search("-(one|all|keep)$", name):
                    raise SystemExit(f"{name} found {values[1:4]} in {body}, not {expected(path)}")
                results[body][name][cycle] = (float(values[4]), float(values[5]), int(values[6]))
    return results


# ---- T2 ----

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Endpoint:
    def __init__(self, build):
        self.port = free_port()
        self.process = subprocess.Popen(["taskset", "-c", SERVER, build / "bench" / "bench_endpoint", str(self.port),
                                         str(DELAY_MS)], stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def run_weir(build, sink, changes, preload=None):
    """The whole program over a file: (seconds, CPU seconds, allocations by object)."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "weir.json"
        config.write_text(json.dumps({"name": "bench", "log": {"level": "warn"}, "aws": {"region": "eu-west-1"},
                                      "state": {"path": f"{folder}/state.db"}, "sinks": {"sink": sink(folder)}}))
        environment = {**ENVIRONMENT, **({"LD_PRELOAD": str(preload)} if preload else {})}
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        result = subprocess.run(["taskset", "-c", CLIENT, build / "weir", "run", "-c", config, "--from", changes],
                                env=environment, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                timeout=600)
        seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    delivered = re.search(r"delivered (\d+)", result.stderr)
    if result.returncode != 0 or not delivered or int(delivered[1]) != int(expected(changes)[0]):
        raise SystemExit(f"weir did not deliver everything: {result.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, allocations(result.stderr)


def pricehistory(url, mode):
    return lambda folder: {"plugin": "pricehistory",
                           "config": {**SINKS[mode], "endpoint": url, "announce": False}}


def run_t2(build, peers, folder, cycles):
    """{mode: {name: [(records/s, us of CPU a record) or None a cycle]}}"""
    results = {mode: defaultdict(lambda: [None] * cycles) for mode in SINKS}
    counts = {"put": 20000, "batch": 200000}
    with Endpoint(build) as endpoint:
        for mode, count in counts.items():
            changes = corpus.change_file(folder, count)
            for cycle in range(cycles):
                seconds, cpu, _ = run_weir(build, pricehistory(endpoint.url, mode), changes)
                results[mode]["weir-pricehistory"][cycle] = (count / seconds, cpu * 1e6 / count)
                for kind, text in peers:
                    if kind != f"T2 {mode}":
                        continue
                    values = line_of("T2", ["sh", "-c", text.replace("{endpoint}", endpoint.url)])
                    if values:
                        results[mode][values[0]][cycle] = (float(values[2]), float(values[3]))
    return results


# ---- allocations ----

def allocations(text):
    """What bench_count.so wrote: {object: calls}."""
    return {name: int(calls) for calls, name in re.findall(r"^mallocs (\d+) (\S+)$", text, re.M)}


def run_mallocs(build, bodies, folder):
    """{what: {object: allocations per record}} in steady state: what a longer run makes more than a shorter one."""
    counter, bench, found = build / "bench" / "bench_count.so", build / "bench", {}
    environment = {**os.environ, "LD_PRELOAD": str(counter)}

    def each(more, less, records):
        return {name: (more[name] - less.get(name, 0)) / records for name in more if more[name] != less.get(name, 0)}

    def counted(mode, passes):
        result = subprocess.run([bench / "bench_pipeline", bodies["small"], bench, mode, "price", str(passes)],
                                env=environment, capture_output=True, text=True, check=True)
        return allocations(result.stderr)

    for mode in ("direct", "router"):
        found[f"bodies of 100 records, {mode}"] = each(counted(mode, 1100), counted(mode, 100), 100000)
    with Endpoint(build) as endpoint:
        sinks = {"stdout, json": lambda folder: {"plugin": "stdout", "config": {"format": "json"}},
                 "stdout, pretty": lambda folder: {"plugin": "stdout"},
                 "pricehistory, sqlite": lambda folder: {"plugin": "pricehistory", "config": {
                     "store": "sqlite", "path": f"{folder}/prices.db", "announce": False}},
                 "pricehistory, PutItem": pricehistory(endpoint.url, "put"),
                 "pricehistory, BatchWriteItem": pricehistory(endpoint.url, "batch")}
        few, many = corpus.change_file(folder, 20000), corpus.change_file(folder, 40000)
        for name, sink in sinks.items():
            more, less = (run_weir(build, sink, changes, counter)[2] for changes in (many, few))
            found[f"weir over a file, {name}"] = each(more, less, 20000)
    return found


# ---- tables ----

def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def ratio(of, to, pick, cycles):
    """Median over the cycles of pick(of) / pick(to), where both ran."""
    return median([pick(of[k]) / pick(to[k]) for k in range(cycles) if of[k] and to[k]])


def table(title, heads, rows):
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_t1(results, cycles):
    for body, names in results.items():
        rows = []
        for name, values in names.items():
            weir = ratio(values, names["weir-plugin-price"], lambda v: v[0], cycles)
            rows.append((median([v and v[0] for v in values]), [
                name, *(f"{median([v and v[i] for v in values]):,.0f}" for i in (0, 1)),
                f"{median([v and v[2] for v in values]) / 1024:.1f}", f"{weir:.2f}"]))
        table(f"Decode, match, call the plugin: {body}",
              ["program", "ns a record", "MB/s", "peak RSS MB", "time / weir's"], [row for _, row in sorted(rows)])


def print_t2(results, cycles):
    for mode, names in results.items():
        own, rows = names["weir-pricehistory"], []
        for name, values in names.items():
            rows.append((-median([v and v[0] for v in values]), [
                name, f"{median([v and v[0] for v in values]):,.0f}", f"{median([v and v[1] for v in values]):,.1f}",
                f"{ratio(own, values, lambda v: v[0], cycles):.2f}",
                f"1/{ratio(values, own, lambda v: v[1], cycles):.2f}"]))
        table(f"Price changes to an endpoint that answers after {DELAY_MS} ms: {mode}",
              ["program", "records/s", "us of CPU a record", "weir's records/s to its", "weir's CPU to its"],
              [row for _, row in sorted(rows)])


# ---- T4: polling ----

def print_t4(build, folder, cycles):
    page, works = corpus.stream_page_file(folder), folder / "poll"
    works.mkdir(exist_ok=True)

    def medians(**what):
        runs = [poll.throughput(build, page, works, **what) for _ in range(cycles)]
        return {name: median([run[name] for run in runs]) for name in runs[0]}

    def row(name, shards, result):
        return [name, f"{shards:,}", f"{result['rate']:,.0f}", f"{result['cpu']:.2f}", f"{result['all']:.2f}",
                f"{result['busiest']:.2f}",
                f"{result['peak_mb']:.0f}", f"{result['connections']:.0f}", f"{result['server_cpu']:.2f}"]

    heads = ["", "shards", "records/s", "CPU s a million", "with start and end",
             "of the busiest thread", "peak RSS MB", "connections",
             "server's CPU s a million"]
    counts = (1, 10, 100, 1000)
    table("A million small records, client and server on a processor each", heads,
          [row("TLS" if tls else "plain", shards, medians(tls=tls, shards=shards, records=10**6))
           for tls in (False, True) for shards in counts])
    table("From fewer to more records: TLS", heads,
          [row(f"{records:,}", 100, medians(tls=True, shards=100, records=records))
           for records in (250_000, 10**6, 4 * 10**6)])
    table("2,000 shards with 100 records each: TLS", heads,
          [row("batch_size 100", 2000, medians(tls=True, shards=2000, records=200_000, batch_size=100))])
    table("More loops: TLS, two million records, client and server on both processors", heads,
          [row(f"loops {loops}", 100, medians(tls=True, shards=100, records=2 * 10**6, loops=loops, pinned=False))
           for loops in (1, 2)])
    for rate, title in ((0, "Nothing to read"), (1, "A record a second in each shard")):
        rows = []
        for tls in (False, True):
            for shards in counts:
                result = poll.daemon(build, page, works, tls, shards, rate)
                delays = [f"{result[name]:.0f}" for name in ("p50_ms", "p99_ms", "max_ms")] if rate else []
                rows.append(["TLS" if tls else "plain", f"{shards:,}", f"{result['core']:.3f}",
                             f"{result['calls']:,.0f}", f"{result['connections']}", f"{result['rss_mb']:.0f}", *delays])
        table(f"{title}, default settings, answers after 5 ms", [
            "", "shards", "processors", "calls/s", "connections", "RSS MB",
            *(["delay p50 ms", "p99", "max"] if rate else [])], rows)


def read_peers(path):
    peers = []
    for line in path.read_text().splitlines() if path else []:
        match = re.fullmatch(r"(T1|T2 (?:put|batch)) (.+)", line)
        if match:
            peers.append((match[1], match[2]))
        elif line and not line.startswith("#"):
            raise SystemExit(f"{path}: neither T1 nor T2: {line}")
    return peers


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--build", type=lambda path: Path(path).resolve(), required=True, help="the release build")
    arguments.add_argument("--portable", type=Path, help="a build without the passes for newer processors")
    arguments.add_argument("--cycles", type=int, default=3)
    arguments.add_argument("--peers", type=Path, metavar="FILE")
    arguments.add_argument("--only", choices=("t1", "t2", "mallocs", "t4"), action="append")
    options = arguments.parse_args()
    only = options.only or ("t1", "t2", "mallocs", "t4")
    folder, peers = ROOT / "build" / "bench", read_peers(options.peers)
    bodies = corpus.all_bodies(folder)
    if "t1" in only:
        builds = {"": options.build, **({"-portable": options.portable} if options.portable else {})}
        print_t1(run_t1(builds, peers, bodies, options.cycles), options.cycles)
    if "t2" in only:
        print_t2(run_t2(options.build, peers, folder, options.cycles), options.cycles)
    if "t4" in only:
        print_t4(options.build, folder, options.cycles)
    if "mallocs" in only:
        rows = [[what, f"{sum(n for name, n in made.items() if name in OWN):.3f}",
                 ", ".join(f"{name} {n:.3f}" for name, n in sorted(made.items()))]
                for what, made in run_mallocs(options.build, bodies, folder).items()]
        table("Allocations a record in steady state", ["what", "by weir and its plugins", "by whom"], rows)


main()

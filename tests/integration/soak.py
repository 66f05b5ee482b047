#!/usr/bin/env python3
"""By hand: the daemon at modest load for a while, whose memory and descriptors must not grow.

    tests/integration/soak.py [MINUTES]      default 60; 200 records a second, a shard rotation every 20 s,
                                             expired iterators and errors now and then
Fails when resident memory grows by more than 1 MiB, or descriptors by more than 2, from the end of the first
fifth to the end (medians), or when anything is lost.
"""
import statistics
import sys
import time
from pathlib import Path

from harness import equal, folder, holds
from polling import LINES, Daemon, Fake, judge_lines, judge_rows, price_sink, records

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 60
RATE, ROTATION_S, SAMPLE_S = 200, 20, 2
FAULTS = [{"op": "GetRecords", "do": "throttle", "every": 97}, {"op": "GetRecords", "do": "broken", "every": 101},
          {"op": "GetRecords", "do": "cut", "every": 103}, {"op": "BatchWriteItem", "do": "unprocessed", "every": 53},
          {"op": "BatchWriteItem", "do": "cut", "every": 59}, {"op": "GetRecords", "do": "expire", "every": 211}]


def sample(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    memory = int(status.split("VmRSS:")[1].split()[0])
    threads = int(status.split("Threads:")[1].split()[0])
    return memory, len(list(Path(f"/proc/{pid}/fd").iterdir())), threads


def write_for(fake, weir, seconds, samples):
    """Writes at the rate, rotates, samples; returns how many records were written."""
    shard, count, began = fake.stream.shard(), 0, time.monotonic()
    rotated = sampled = began
    while time.monotonic() < began + seconds:
        due = int((time.monotonic() - began) * RATE)
        if due > count:
            shard.add(*records(count, due - count, products=500))
            count = due
        if time.monotonic() > rotated + ROTATION_S:
            shard, rotated = shard.split(), time.monotonic()
        if time.monotonic() > sampled + SAMPLE_S:
            samples.append(sample(weir.process.pid))
            sampled = time.monotonic()
            holds(weir.alive(), f"weir ended:\n{weir.log()[-2000:]}")
        time.sleep(0.05)
    return count


def main():
    samples = []
    with Fake() as fake, folder() as path:
        fake.aws.faults.set(FAULTS)
        with Daemon(path, fake.url, {"price": price_sink(), "lines": LINES}) as weir:
            weir.start()
            count = write_for(fake, weir, MINUTES * 60, samples)
            weir.until(lambda: fake.rows() >= count, 60, "everything is delivered")
            equal(weir.term(), 0)
            judge_rows(fake.aws, records(0, count, products=500))
            judge_lines(weir, records(0, count, products=500))
            shards = len(fake.stream.shards)
    fifth = len(samples) // 5
    first, last = samples[fifth:2 * fifth], samples[-fifth:]
    early, late = ([statistics.median(s[i] for s in part) for i in range(3)] for part in (first, last))
    print(f"{MINUTES:g} minutes, {count} records, {shards} shards: RSS {early[0] / 1024:.1f} -> {late[0] / 1024:.1f} MiB, "
          f"descriptors {early[1]:g} -> {late[1]:g}, threads {early[2]:g} -> {late[2]:g}; lost 0, extra 0")
    holds(late[0] - early[0] <= 1024, "resident memory grows")
    holds(late[1] - early[1] <= 2, "descriptors grow")


main()

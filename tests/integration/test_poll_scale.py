#!/usr/bin/env python3
"""Many shards at once: everything arrives, within 100 MB and 128 connections, on one loop and on several. Speed is
bench/'s, not asserted here."""
import sys
import time

from harness import BUILD, ROOT, SANITIZED, equal, folder, holds, main, test

sys.path.insert(0, str(ROOT / "bench"))

import corpus  # noqa: E402  (found by the line above)
import poll  # noqa: E402

SHARDS, RECORDS = (200, 50) if SANITIZED else (2000, 100)


def page(path):
    return corpus.stream_page_file(path)


def read_all(loops, **source):
    with folder() as path, poll.Streams(BUILD, page(path), path, tls=True, pinned=False, shards=SHARDS,
                                        records=RECORDS, delay_ms=2) as streams:
        weir = poll.Weir(BUILD, streams, path, {"loops": loops, **source}, once=True, pinned=False)
        arrived, counts = weir.wait(), streams.counts()
        print(f"     loops {loops}: peak {weir.peak_mb:.0f} MB, {counts['most_open']} connections")
        equal(arrived["records"], SHARDS * RECORDS)
        equal(counts["records"], SHARDS * RECORDS)  # none was read twice either
        holds(counts["most_open"] <= 128, "at most 128 connections")
        holds(SANITIZED or weir.peak_mb < 100, "below 100 MB")


@test
def two_thousand_shards_are_read_whole_within_100_mb():
    read_all(1)


@test
def the_same_on_two_loops():
    read_all(2)


@test
def pages_of_a_thousand_records_stay_within_100_mb():
    shards = 20 if SANITIZED else 100
    for loops in (1, 3):
        with folder() as path, poll.Streams(BUILD, page(path), path, tls=True, pinned=False, shards=shards,
                                            records=2000) as streams:
            weir = poll.Weir(BUILD, streams, path, {"loops": loops, "batch_size": 1000}, once=True, pinned=False)
            equal(weir.wait()["records"], shards * 2000)
            print(f"     loops {loops}: peak {weir.peak_mb:.0f} MB")
            holds(SANITIZED or weir.peak_mb < 100, "below 100 MB")


@test
def a_stop_loses_and_repeats_nothing_on_two_loops():
    shards, records = 20, 5000
    with folder() as path, poll.Streams(BUILD, page(path), path, tls=False, pinned=False, shards=shards,
                                        records=records, delay_ms=5) as streams:
        first = poll.Weir(BUILD, streams, path, {"loops": 2}, pinned=False)
        while streams.counts()["records"] < shards * 300:
            time.sleep(0.01)
        before = first.wait(stop=True)["records"]
        holds(0 < before < shards * records, f"stopped in the middle: {before}")
        rest = poll.Weir(BUILD, streams, path, {"loops": 2}, once=True, pinned=False).wait()["records"]
        equal(before + rest, shards * records)


main()

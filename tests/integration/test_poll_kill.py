#!/usr/bin/env python3
"""SIGKILL at any system call of a run of the daemon: 300 records in a shard and its two children, against the
fake server. After the kill the daemon is started again and runs to the end: nothing missing, nothing extra,
each product in order.

In ctest 50 seeded stops. By hand:
    WEIR_TEST_KILL_POINTS=1000 tests/integration/test_poll_kill.py      evenly spread over the whole run
"""
import concurrent.futures
import os
import random

from harness import BUILD, equal, folder, holds, main, test, watchdog
from polling import LINES, Daemon, Fake, judge_lines, judge_rows, price_sink, records

POINTS = int(os.environ.get("WEIR_TEST_KILL_POINTS", 0))
SEEDED, SIDE_BY_SIDE = 50, 4
KILL_AT = BUILD / "tests" / "integration" / "kill_at"


def pipeline(path, fake):
    """State is written often, in small batches, so that kills also meet its writing."""
    return Daemon(path, fake.url, {"price": price_sink(), "lines": LINES},
                  source={"batch_size": 20}, state={"every": "100ms"})


def tree(fake):
    parent = fake.stream.shard(records=records(0, 100))
    left, right = parent.split(2)
    # Products stay on their side of the split, as keys do.
    for number in range(100, 300):
        (left if number % 7 < 3 else right).add(*records(number, 1))
    # A slow sink: positions are stored in the middle of the run too.
    fake.aws.faults.set([{"op": "BatchWriteItem", "do": "delay", "ms": 15}])
    return fake.stream.records()


def killed_at(stop):
    """One life ended at `stop` (0: never) and the next one to the end. Returns the first's number of stops,
    whether it was killed, and how many lines were repeated."""
    with Fake() as fake, folder() as path:
        expected = tree(fake)
        with pipeline(path, fake) as weir:
            weir.start("--once", wrap=[KILL_AT, stop, path / "stops"])
            code = weir.wait(60)
            stops = int((path / "stops").read_text())
            holds(code in (0, 137), f"the first run ended with {code}")
            if code == 137:
                equal(weir.once(), 0, "exit code of the second run")
            equal(fake.asked("GetRecords") != [], True, "the stream was read")
            judge_rows(fake.aws, expected)
            repeats = judge_lines(weir, expected)
            fake.aws.streams.log.clear()
            equal(weir.once(), 0, "exit code of a run with nothing to do")
            equal(weir.lines(weir.runs), [], "records repeated after a clean end")
    return stops, code == 137, repeats


@test
def F70_killed_at_any_system_call():
    stops = killed_at(0)[0]
    chosen = ([1 + i * stops // POINTS for i in range(POINTS)] if POINTS
              else sorted(random.Random(70).sample(range(1, stops), SEEDED)))

    def one(number):
        try:
            return killed_at(number)
        except AssertionError as error:
            raise AssertionError(f"killed at stop {number} of {stops}: {error}") from None

    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:  # each waits most of its time
        results = list(pool.map(one, chosen))
    kills, most = sum(r[1] for r in results), max(r[2] for r in results)
    print(f"     a run has {stops} stops; {len(chosen)} points, {kills} kills; lost 0, extra 0; "
          f"at most {most} lines repeated")
    holds(kills >= len(chosen) * 0.9, "most points were reached")


watchdog(60 * (60 if POINTS else 4))
main()

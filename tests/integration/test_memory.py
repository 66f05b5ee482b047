#!/usr/bin/env python3
"""Memory of the Lambda runtime: a 6 MB event costs its body plus 4 MB at most, and a hostile one no more;
and no leak or wild access on that way (valgrind)."""
import json
import re
import shutil
from pathlib import Path

import events
from harness import LambdaWeir, config, equal, folder, holds, main, test, until, watchdog

MIB = 1 << 20
ALLOWED = 4 * MIB


def peak(runtime):
    status = Path(f"/proc/{runtime.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


def runtime_with(path, wrap=()):
    config(path, {"price": {"plugin": "pricehistory",
                            "config": {"store": "sqlite", "path": str(path / "h.db"), "announce": False}}})
    return LambdaWeir(path, wrap=wrap)


def batch_of(megabytes, item_bytes):
    filler, records, size = "x" * item_bytes, [], 0
    while size < megabytes * 1e6:
        n = len(records) + 1
        records.append(events.record(n, f"p{n}", {"price": n, "text": filler}, {"price": n + 1, "text": filler}))
        size += len(json.dumps(records[-1])) + 2
    return json.dumps(events.batch(records)).encode()


def cost(body, kind):
    """Peak above an idle runtime that has served one small event."""
    with folder() as path, runtime_with(path) as runtime:
        equal(runtime.invoke(batch_of(0.01, 500)).kind, "response")
        until(runtime.api.waiting.is_set, 5, "idle")
        idle = peak(runtime)
        equal(runtime.invoke(body).kind, kind)
        above = peak(runtime) - idle
        print(f"     body {len(body) / MIB:.2f} MiB, idle {idle / MIB:.1f} MiB, peak above it {above / MIB:.2f} MiB")
        return above


@test
def F28_F81_a_6_mb_event_costs_its_body_and_4_mb():
    for item_bytes in (300, 5500):
        body = batch_of(5.9, item_bytes)
        holds(cost(body, "response") <= len(body) + ALLOWED, "peak within body + 4 MiB")


@test
def F81_a_hostile_6_mb_event_costs_no_more_and_is_refused():
    size = 6 * MIB
    hostile = {"numbers": b"[" + b"0," * (size // 2 - 1) + b"0]", "open arrays": b"[" * size,
               "objects": b'{"Records":[' + b"{}," * (size // 3 - 8) + b"{}]}"}
    for name, body in hostile.items():
        print(f"     {name}")
        holds(cost(body, "error") <= len(body) + ALLOWED, f"{name}: peak within body + 4 MiB")


@test
def F81_one_record_of_countless_values_is_refused_at_a_bound():
    """The values of a record become nodes, up to 200,000 of them: that bound costs more than text does."""
    record = json.dumps(events.batch([events.price(1, "p", 1, 2)])).encode()
    body = record.replace(b'"price": {"N": "2"}', b'"l":{"L":[' + b'{"M":{}},' * (6 * MIB // 9) + b'{"M":{}}]}')
    holds(cost(body, "error") <= len(body) + 7 * MIB, "peak within body + 7 MiB")


@test
def memory_is_given_back_between_invocations():
    body = batch_of(5.9, 800)
    with folder() as path, runtime_with(path) as runtime:
        for _ in range(3):
            equal(runtime.invoke(body).kind, "response")
        first = peak(runtime)
        for _ in range(15):
            equal(runtime.invoke(body).kind, "response")
        holds(peak(runtime) - first < MIB, f"peak grew by {(peak(runtime) - first) / MIB:.2f} MiB in 15 invocations")


@test
def valgrind_finds_nothing_on_the_lambda_path():
    holds(shutil.which("valgrind"), "valgrind is installed")
    with folder() as path:
        wrap = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--track-fds=no",
                "--errors-for-leak-kinds=definite", "--log-file=" + str(path / "valgrind.log")]
        with runtime_with(path, wrap) as runtime:
            for turn in range(5):
                batch = [events.price(100 * turn + n, f"p{n % 7}", n, n + 1) for n in range(1, 50)]
                equal(runtime.invoke(events.batch(batch)).kind, "response")
            equal(runtime.invoke(b'{"Records":[1]}').kind, "error")
            runtime.api.close()  # `next` fails: the runtime ends by itself, in order
            holds(runtime.wait_exit(60) != 99, (path / "valgrind.log").read_text())
            equal((path / "valgrind.log").read_text(), "", "valgrind's log")


watchdog(280)
main()

#!/usr/bin/env python3
"""The file source: all shapes from files and from stdin, exit codes, signals, closed pipes."""
import json
import os
import signal
import subprocess
import time

import events
from harness import (DATA, WEIR, aws_server, config, environment, equal, folder, holds, main, rows, start, stop,
                     test, until, watchdog, weir)

SAMPLES = DATA / "samples"


def price_sink(path, **more):
    return {"plugin": "pricehistory", "config": {"store": "sqlite", "path": str(path / "h.db"), **more}}


def stored(path):
    return sorted((p, str(o), str(n)) for p, o, n in
                  rows(path / "h.db", "SELECT product_id, old_price, new_price FROM price_history"))


def run(cfg, source, stdin=None, **options):
    return weir("run", "-c", cfg, "--from", source, "--once", stdin=stdin, **options)


SHAPES = ["lambda-event.json", "pipes-array.json", "getrecords.json", "records.jsonl", "kinesis-event.json"]


@test
def every_shape_gives_the_same_rows_from_a_file_and_from_stdin():
    seen = set()
    for shape in SHAPES:
        for stdin in (None, (SAMPLES / shape).read_bytes()):
            with folder() as path:
                mode = {"timestamp": "text"} if shape.startswith("kinesis") else {}
                cfg = config(path, {"price": price_sink(path, **mode)})
                done = run(cfg, "-" if stdin else SAMPLES / shape, stdin)
                equal(done.returncode, 0, f"{shape}: {done.stderr.decode()}")
                seen.add(tuple(stored(path)))
    equal(len(seen), 1, f"different rows from different shapes: {seen}")
    equal(list(seen)[0], (("p1", "10", "12.5"), ("p1", "12.5", "11"), ("p2", "0.1", "0.10000000000000001"),
                          ("p3", "5", "free")), "rows")


@test
def a_second_play_changes_nothing():
    with folder() as path:
        cfg = config(path, {"price": price_sink(path)})
        for _ in range(2):
            equal(run(cfg, SAMPLES / "records.jsonl").returncode, 0)
        equal(len(stored(path)), 4, "rows")


@test
def the_summary_adds_up():
    with folder() as path:
        cfg = config(path, {"price": price_sink(path), "all": {"plugin": "stdout", "config": {"format": "json"}}})
        done = run(cfg, SAMPLES / "records.jsonl")
        equal(done.returncode, 0, done.stderr.decode())
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        equal(len(lines), len((SAMPLES / "records.jsonl").read_text().splitlines()), "records on stdout")
        text = done.stderr.decode()
        holds("price" in text and "delivered" in text, f"summary on stderr: {text}")


@test
def F80_what_cannot_be_delivered_is_exit_1_and_the_rest_is_delivered():
    records = [events.price(n, f"p{n}", n, n + 1) for n in range(1, 6)]
    text = events.lines(records).splitlines(keepends=True)
    text[2] = b'{"eventID":"x","dynamodb":{"Keys":\n'
    with folder() as path:
        cfg = config(path, {"price": price_sink(path)}, on_poison="block")
        done = run(cfg, "-", b"".join(text))
        equal(done.returncode, 1, done.stderr.decode())
        equal(len(stored(path)), 4, "rows of the neighbours")


@test
def exit_codes():
    with folder() as path:
        cfg = config(path, {"price": price_sink(path)})
        equal(run(cfg, path / "absent.jsonl").returncode in (1, 75, 78), True, "a missing input is a failure")
        bad = config(path, {"price": {**price_sink(path), "onn_exhausted": "drop"}}, name="bad.json")
        done = run(bad, SAMPLES / "records.jsonl")
        equal(done.returncode, 78)
        holds(b"onn_exhausted" in done.stderr and b"bad.json:" in done.stderr, done.stderr.decode())
        equal(weir("run", "-c", cfg, "--form", "x").returncode, 2)
        equal(weir("chekc").returncode, 2)
        equal(weir("run", cwd=path / "..", env={"XDG_CONFIG_HOME": path, "HOME": path}).returncode, 78)
        equal(run(cfg, "-", b"this is no stream\n").returncode, 1)
        equal(run(cfg, "-", b"").returncode, 0)


@test
def F22_what_fails_is_stored_beside_the_config_when_nothing_else_is_said():
    bad = json.loads(events.lines([events.price(1, "p1", 1, 2)]))
    bad["dynamodb"]["Keys"] = {"another": {"S": "p1"}}
    with folder() as path:
        cfg = config(path, {"price": price_sink(path)})
        done = run(cfg, "-", json.dumps(bad).encode() + b"\n" + events.lines([events.price(2, "p2", 1, 2)]))
        equal(done.returncode, 1, done.stderr.decode())  # one record was not delivered
        holds(b"after 1 attempts" in done.stderr, done.stderr.decode())
        letters = rows(path / "state" / "weir.db", "SELECT sink, attempts, reason, record FROM dead_letter")
        equal([letter[:2] for letter in letters], [("price", 1)])
        holds("product_id" in letters[0][2], letters[0][2])
        equal(json.loads(letters[0][3])["dynamodb"]["Keys"], bad["dynamodb"]["Keys"])
        equal(len(stored(path)), 1)


@test
def F75_a_reader_that_goes_away():
    with folder() as path:
        big = path / "big.jsonl"
        big.write_bytes(events.lines([events.price(n, f"p{n % 9}", n, n + 1) for n in range(1, 20000)]))
        cfg = config(path, {"all": {"plugin": "stdout", "config": {"format": "json"},
                                    "retry": {"max_attempts": 2, "base": "1ms", "cap": "2ms"}}})
        process = start([WEIR, "run", "-c", cfg, "--from", big, "--once"], stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, env=environment())
        first = process.stdout.readline()
        process.stdout.close()
        holds(json.loads(first), "one line")
        try:
            code = process.wait(20)
        except subprocess.TimeoutExpired:
            raise AssertionError("still running 20 s after its reader went away") from None
        holds(code in (1, 75), f"says that not all was delivered: {code} {process.stderr.read().decode()[-500:]}")
        stop(process)


@test
def standard_output_that_is_closed_is_no_other_file():
    """The number 1 would go to the state file, and each record into that."""
    with folder() as path:
        cfg = config(path, {"all": {"plugin": "stdout", "config": {"format": "json"}}, "price": price_sink(path)})
        process = start(["sh", "-c", 'exec "$@" >&-', "sh", WEIR, "run", "-c", cfg, "--from", SAMPLES / "records.jsonl",
                         "--once"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment())
        said = process.communicate(timeout=60)[1].decode()
        equal(process.returncode, 1, said)
        holds("nobody reads standard output" in said, said)
        equal(rows(path / "h.db", "PRAGMA integrity_check"), [("ok",)])
        equal(len(stored(path)), 4, "rows")
        stop(process)


@test
def an_answer_that_can_not_be_written_is_told():
    for line in (["version"], ["sample", "modify"], ["help"], ["config", "init"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([WEIR, *line], stdout=full, stderr=subprocess.PIPE, timeout=60, env=environment())
        equal((done.returncode, done.stderr), (1, b"weir: can't write to standard output: No space left on device\n"))


def slow_play(path, aws):
    """weir with 2,000 records before it and a server that takes 50 ms for each call."""
    big = path / "big.jsonl"
    big.write_bytes(events.lines([events.price(n, f"p{n % 9}", n, n + 1) for n in range(1, 2001)]))
    cfg = config(path, {"price": {"plugin": "pricehistory", "concurrency": 1, "config": {"table": "PriceHistory"}}},
                 aws={"endpoint_url": aws.url})
    process = start([WEIR, "run", "-c", cfg, "--from", big, "--once"], stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE, env=environment())
    until(lambda: len(aws.tables["PriceHistory"].items) > 25, 20, "some rows")
    return process


@test
def F71_a_signal_drains_and_exits_0():
    for number in (signal.SIGINT, signal.SIGTERM):
        aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp")},
                                   rules=[{"do": "delay", "ms": 50}])
        with folder() as path:
            process = slow_play(path, aws)
            process.send_signal(number)
            out = process.communicate(timeout=30)[1].decode()
            equal(process.returncode, 0, out[-500:])
            holds(len(aws.tables["PriceHistory"].items) < 2000, "stopped before the end")
            stop(process)
        aws.close()


@test
def F71_a_signal_ends_a_run_that_waits_for_its_input():
    with folder() as path:
        cfg = config(path, {"all": {"plugin": "stdout", "config": {"format": "json"}}})
        process = start([WEIR, "run", "-c", cfg, "--from", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, env=environment())
        process.stdin.write(events.lines([events.price(1, "p1", 1, 2)]))
        process.stdin.flush()
        holds(process.stdout.readline(), "the first record came through")
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        finally:
            stop(process)
        equal(process.returncode, 0, process.stderr.read().decode()[-500:])


@test
def F71_a_second_signal_ends_at_once():
    aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp")},
                               rules=[{"do": "delay", "ms": 50, "times": 3}, {"do": "hang", "ms": 20000}])
    with folder() as path:
        process = slow_play(path, aws)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        holds(process.poll() is None, "the first one waits for what is open")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
        equal(process.returncode, 128 + signal.SIGINT)
        holds(time.monotonic() - began < 2, "at once")
        stop(process)
    aws.close()


@test
def F83_hostile_values_stay_on_their_line():
    hostile = "a\x1b[2J\nb\u2028c\u009b31m\x7f\x00d\ud83d\ude00"
    record = events.record(1, hostile.encode("utf-16", "surrogatepass").decode("utf-16"), {"price": 1}, {"price": 2})
    for shape in ("pretty", "json", "plain"):
        with folder() as path:
            cfg = config(path, {"all": {"plugin": "stdout", "config": {"format": shape}}})
            done = run(cfg, "-", events.lines([record]), env={"NO_COLOR": "1"})
            equal(done.returncode, 0, done.stderr.decode())
            equal(done.stdout.count(b"\n"), 1, f"{shape}: {done.stdout!r}")
            holds(all(32 <= byte < 127 for byte in done.stdout.rstrip(b"\n")), f"{shape} is ASCII: {done.stdout!r}")


@test
def dry_run_delivers_to_nobody():
    with folder() as path:
        cfg = config(path, {"price": price_sink(path)})
        done = weir("run", "-c", cfg, "--from", SAMPLES / "records.jsonl", "--once", "--dry-run")
        equal(done.returncode, 0, done.stderr.decode())
        holds(not (path / "h.db").exists(), "no file written")
        change = json.loads(events.lines([events.price(1, "p1", 1, 2)]))
        del change["dynamodb"]["OldImage"]  # a record that would become a dead letter
        done = weir("run", "-c", cfg, "--from", "-", "--once", "--dry-run", stdin=json.dumps(change).encode())
        equal(done.returncode, 1, done.stderr.decode())
        holds(b"dropped 1" in done.stderr, done.stderr.decode())
        equal([entry.name for entry in path.iterdir()], ["weir.json"], "no file written")


@test
def stdin_may_trickle():
    with folder() as path:
        cfg = config(path, {"all": {"plugin": "stdout", "config": {"format": "json"}}})
        read, write = os.pipe()
        process = start([WEIR, "run", "-c", cfg, "--from", "-", "--once"], stdin=read, stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE, env=environment())
        os.close(read)
        body = events.lines([events.price(1, "p1", 1, 2), events.price(2, "p1", 2, 3)])
        for place in range(0, len(body), 97):
            os.write(write, body[place:place + 97])
            time.sleep(0.002)
        os.close(write)
        out, err = process.communicate(timeout=20)
        equal((process.returncode, out.count(b"\n")), (0, 2), err.decode())
        stop(process)


watchdog(280)
main()

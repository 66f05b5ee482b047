#!/usr/bin/env python3
"""Source kcl against a fake MultiLangDaemon: whole shards, checkpoints that fail, leases that are lost, and ends
of every kind. At any moment every record up to the checkpoint is with the sink."""
import base64
import json
import random
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import events
from harness import RUNTIME, WEIR, config, environment, equal, folder, holds, main, rows, start, stop, test, until, watchdog, weir
from fakes.multilang import END, Daemon, Gone

PRODUCTS = 7
SOURCE = {"kind": "kcl", "streams": [events.ARN]}


def changes(count, **more):
    return [events.price(n, f"p{n % PRODUCTS}", n, n + 1, **more) for n in range(1, count + 1)]


def history(path):
    return {"plugin": "pricehistory",
            "config": {"store": "sqlite", "path": str(path / "h.db"), "announce": False}}


class Shard:
    """A weir process under a fake daemon; after it is gone, another one goes on at the checkpoint."""

    def __init__(self, path, sinks, records, **sections):
        self.path, self.daemon = path, Daemon(records)
        self.config = config(path, sinks, source=SOURCE, **sections)
        self.log = tempfile.TemporaryFile()
        self.process = None

    def start(self):
        if self.process:
            self.close()
        self.process = start([WEIR, "run", "-c", self.config], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=self.log, cwd=self.path, env=environment())
        self.daemon.attach(self.process)
        self.daemon.initialize()
        return self.daemon

    def close(self):
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        stop(self.process)

    def ends(self, code, seconds=20):
        try:
            equal(self.process.wait(seconds), code, "exit code")
        except (AssertionError, subprocess.TimeoutExpired):
            print(self.output()[-3000:])
            raise
        equal(self.process.stdout.read(), b"", "lines behind the last one")

    def output(self):
        self.log.seek(0)
        return self.log.read().decode()

    def said(self, code):
        holds(f'"code":"{code}"' in self.output() or code in self.output(), f"{code} is logged")

    def stored(self):
        """The sequence numbers that are in the history."""
        try:
            return {int(r[0]) for r in rows(self.path / "h.db", "SELECT old_price FROM price_history")}
        except sqlite3.OperationalError:
            return set()  # not there yet

    def judge(self, count):
        found = [tuple(map(str, r)) for r in rows(
            self.path / "h.db", "SELECT product_id, old_price, new_price FROM price_history")]
        expected = {(f"p{n % PRODUCTS}", str(n), str(n + 1)) for n in range(1, count + 1)}
        missing, extra = len(expected - set(found)), len(found) - len(expected & set(found))
        print(f"     {len(found)} rows; missing {missing}, extra {extra}")
        equal((missing, extra), (0, 0), "missing, extra")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.output()[-3000:])
        if self.process:
            self.close()
        self.log.close()


def shard(path, records, **sinks):
    return Shard(path, sinks or {"price": history(path)}, records)


# ---- the ordinary course ----

def whole_shard(action, reason):
    with folder() as path, shard(path, changes(500), price=history(path),
                                 lines={"plugin": "stdout", "config": {"format": "json"}}) as s:
        daemon = s.start()
        for _ in range(5):
            daemon.process_records(100)
            equal(daemon.place(daemon.checkpoint), daemon.given, "all that was answered is checkpointed")
            equal(len(s.stored()), daemon.given, "and stored")
        daemon.process_records(0)
        daemon.finish(action, reason)
        equal(daemon.checkpoint, END)
        daemon.hang_up()
        s.ends(0)
        s.judge(500)
        lines = [json.loads(line) for line in s.output().splitlines() if '"eventID"' in line]
        equal(len(lines), 500, "lines of the stdout sink on standard error")
        equal({line["eventSourceARN"] for line in lines}, {events.ARN})
        holds(not (path / "state").exists(), "no local state")


@test
def F6_a_whole_shard_of_kcl_1():
    whole_shard("shutdown", "TERMINATE")


@test
def F6_a_whole_shard_of_kcl_2():
    whole_shard("shardEnded", None)


@test
def a_graceful_end_and_another_process():
    with folder() as path, shard(path, changes(60)) as s:
        for place in range(3):
            daemon = s.start()
            daemon.process_records(20)
            daemon.finish("shutdownRequested")
            daemon.finish("leaseLost")
            daemon.hang_up()
            s.ends(0)
            equal(daemon.place(daemon.checkpoint), 20 * place + 20)
        s.judge(60)


@test
def a_plugin_that_closes_descriptor_1_does_not_reach_the_protocol():
    with folder() as path, shard(path, changes(40), rude={"plugin": "rude"}) as s:
        daemon = s.start()
        daemon.process_records(20)
        daemon.process_records(20)
        daemon.finish("shardEnded")
        daemon.hang_up()
        s.ends(0)


@test
def a_line_of_ten_megabytes():
    big = [events.record(n, f"p{n}", {"price": ("N", str(n)), "text": "x" * 390000},
                         {"price": ("N", str(n + 1)), "text": "y" * 390000}) for n in range(1, 10)]
    with folder() as path, shard(path, big) as s:
        daemon = s.start()
        daemon.process_records(9)
        equal(s.stored(), set(range(1, 10)))
        daemon.hang_up()
        s.ends(75)


# ---- killed ----

@test
def F70_killed_at_any_moment_nothing_is_missing_and_no_checkpoint_is_ahead():
    count, kills, rng = 3000, 0, random.Random(5)
    with folder() as path, shard(path, changes(count)) as s:
        daemon = s.start()
        while daemon.place(daemon.checkpoint) < count:
            try:
                if kills < 40 and rng.random() < 0.6:
                    daemon.give(rng.randrange(1, 60)) # so few that all kills fit in, also on a fast machine
                    time.sleep(rng.random() * 0.02)
                    s.process.send_signal(signal.SIGKILL)
                    kills += 1
                    # what it had asked for before it died, KCL has stored
                    daemon.await_status("processRecords")
                else:
                    daemon.process_records(rng.randrange(1, 20 if kills < 40 else 120))
            except Gone:
                s.process.wait()
                covered = set(range(1, daemon.place(daemon.checkpoint) + 1))
                holds(covered <= s.stored(), f"records up to the checkpoint are stored: {covered - s.stored()}")
                daemon = s.start()
        print(f"     killed {kills} times, {len(daemon.asked)} checkpoints")
        holds(kills == 40, "the process was killed 40 times")
        daemon.finish("shardEnded")
        s.judge(count)


@test
def F70_the_daemon_dies():
    sink = {"plugin": "never", "timeout": "1h"}
    for sinks, give in (({"never": sink}, 20), ({"never": sink}, 0), ({}, 0)):
        with folder() as path, shard(path, changes(20), **sinks) as s:
            daemon = s.start()
            if give:
                daemon.give(give)
                daemon.silent(0.3)
            daemon.hang_up()
            s.ends(75)
            equal(daemon.asked, [], "checkpoints")
            s.said("W1005")


# ---- checkpoints and leases ----

@test
def a_throttled_checkpoint_is_tried_again():
    with folder() as path, shard(path, changes(20)) as s:
        daemon = s.start()
        daemon.errors = ["ThrottlingException", "KinesisClientLibDependencyException", "ThrottlingException"]
        daemon.process_records(20)
        equal([error for _, error in daemon.asked],
              ["ThrottlingException", "KinesisClientLibDependencyException", "ThrottlingException", None])
        s.judge(20)


@test
def a_checkpoint_refused_for_good_ends_the_process():
    with folder() as path, shard(path, changes(20)) as s:
        daemon = s.start()
        daemon.errors = ["InvalidStateException"]
        daemon.give(20)
        try:
            daemon.await_status("processRecords")
            raise AssertionError("there was a status")
        except Gone:
            pass
        s.ends(75)
        s.said("W1002")
        equal(daemon.checkpoint, "TRIM_HORIZON")
        daemon = s.start()
        daemon.process_records(20)
        s.judge(20)


@test
def F18_a_lease_that_was_lost_is_never_checkpointed_again():
    with folder() as path, shard(path, changes(60)) as s:
        daemon = s.start()
        daemon.process_records(20)
        daemon.errors = ["ShutdownException"]
        daemon.process_records(20)
        daemon.process_records(20)
        daemon.finish("shutdown", "ZOMBIE")
        equal(len(daemon.asked), 2)
        daemon.hang_up()
        s.ends(0)
        equal(daemon.place(daemon.checkpoint), 20)
        holds(40 not in s.stored() or 41 not in s.stored(), "nothing is delivered without the lease")


@test
def F18_a_stopped_process_wakes_after_its_lease_was_taken():
    with folder() as path, shard(path, changes(40)) as s:
        old = s.start()
        old.give(20)
        # not while it holds the lock of the database that both write to
        until(lambda: len(s.stored()) == 20, 10, "what it was given is stored")
        s.process.send_signal(signal.SIGSTOP)
        frozen, checkpoint = s.process, old.checkpoint
        s.process = None
        other = s.start()  # the same shard, from the checkpoint
        other.process_records(40)
        other.finish("shardEnded")
        lines, log = frozen.stdout, s.process
        frozen.send_signal(signal.SIGCONT)
        old.attach(frozen)
        old.checkpoint, old.errors = checkpoint, ["ShutdownException"]
        old.given = 20
        old.await_status("processRecords")
        old.finish("shutdown", "ZOMBIE")
        frozen.stdin.close()
        equal(frozen.wait(20), 0)
        lines.close()
        stop(frozen)
        s.process = log
        s.judge(40)


# ---- lines that can't be ----

@test
def malformed_lines_end_the_process():
    for line in (b"hello\n", b"{}\n", b"\n", b'{"action":"initialize"}\n', b'{"action":"fly"}\n', b"\xff\xfe\n",
                 b'{"action":"processRecords","records":[{"data":"e30="}]}\n', b"[" * 100000 + b"\n",
                 b'{"action":"checkpoint","sequenceNumber":"1","error":null}\n',
                 b'{"action":"processRecords","records":[],"records":[]}\n'):
        with folder() as path, shard(path, changes(5)) as s:
            daemon = s.start()
            daemon.send(line)
            s.ends(70)
            s.said("W1001")


@test
def a_line_without_an_end():
    with folder() as path, shard(path, changes(5)) as s:
        daemon = s.start()
        try:
            for _ in range(17):
                daemon.send(b" " * (1 << 20))
        except Gone:
            pass
        s.ends(70)


@test
def bad_base64_and_broken_records_are_poison():
    with folder() as path, Shard(path, {"price": history(path)}, changes(3), on_poison="drop") as s:
        daemon = s.start()
        daemon.give(0)
        daemon.await_status("processRecords")
        one = changes(3)
        good = json.dumps({**one[0], "dynamodb": {**one[0]["dynamodb"], "ApproximateCreationDateTime": 1}}).encode()
        texts = [base64.b64encode(good).decode(), "no base64!", base64.b64encode(good[:40]).decode()]
        daemon.given = 3
        daemon.send({"action": "processRecords", "records": [
            {"data": text, "sequenceNumber": events.sequence(n + 1)} for n, text in enumerate(texts)]})
        daemon.await_status("processRecords")
        equal(daemon.place(daemon.checkpoint), 3)
        equal(s.stored(), {1})
        s.said("W0507")


# ---- asked to end ----

@test
def F71_stopped_while_idle():
    for signum in (signal.SIGTERM, signal.SIGINT):
        with folder() as path, shard(path, changes(20)) as s:
            daemon = s.start()
            daemon.process_records(20)
            s.process.send_signal(signum)
            s.ends(0)


@test
def F71_stopped_in_the_middle():
    with folder() as path, Shard(path, {"price": history(path), "hang": {"plugin": "never", "timeout": "1h"}},
                                 changes(20), shutdown={"grace": "1s"}) as s:
        daemon = s.start()
        daemon.give(20)
        until(lambda: len(s.stored()) == 20, 10, "the other sink has its records")
        s.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        while True:
            try:
                message = daemon.receive(20)
                raise AssertionError(f"said {message}")  # not even the first record is finished
            except Gone:
                break
        holds(time.monotonic() - began < 15, "it ends after the grace")
        holds(s.process.wait(20) in (75, 70), "and says that it was cut short")
        s.said("W0701")


@test
def each_process_of_a_shard_has_a_socket_of_its_own_and_no_port_of_all():
    sockets = Path(RUNTIME) / "weir"
    sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder() as path, shard(path, changes(200)) as s, socket.socket(socket.AF_UNIX) as dead:
        left = sockets / "weir.2147483647.sock"  # no process has this number
        dead.bind(str(left))
        dead.close()
        daemon = s.start()
        daemon.process_records(200)
        own = sockets / f"weir.{s.process.pid}.sock"
        holds(own.exists() and not left.exists(), f"the sockets are {sorted(sockets.iterdir())}")

        def verb(*words):
            done = weir(*words, "--socket", str(own))
            equal(done.returncode, 0, done.stderr)
            return done.stdout.decode()
        told = json.loads(verb("status", "--json"))
        equal((told["source"]["kind"], told["source"]["records"]), ("kcl", 200))
        equal([(sink["name"], sink["delivered"]) for sink in told["sinks"]], [("price", 200)])
        holds("is paused" in verb("pause", "price") and "goes on" in verb("resume", "price"), "pause and resume")
        s.process.send_signal(signal.SIGTERM)
        s.ends(0)
        holds(not own.exists(), "its socket is left behind")
        for listen, code in (("127.0.0.1:9630", 78), ("127.0.0.1:0", 0)):
            written = config(path, {"console": {"plugin": "stdout"}}, source=SOURCE, admin={"listen": listen})
            done = weir("check", "-c", written)
            equal(done.returncode, code, f"{listen}: {done.stderr.decode()}")
            holds(not code or b"would want port 9630" in done.stderr, done.stderr)


@test
def what_can_not_run_is_refused():
    with folder() as path:
        config(path, {"a": {"plugin": "stdout"}}, source=SOURCE)
        out = weir("run", "--dry-run", "-c", path / "weir.json", stdin=b"")
        equal((out.returncode, out.stdout), (2, b""))
        config(path, {"a": {"plugin": "stdout", "on_exhausted": "dead"}}, source=SOURCE)
        out = weir("run", "-c", path / "weir.json", stdin=b"")
        equal((out.returncode, out.stdout), (78, b""))
        holds(b"W0306" in out.stderr, "W0306 is said")
        config(path, {"a": {"plugin": "sqs", "config": {"queue_url": "https://sqs.us-east-1.amazonaws.com/1/q"}},
                      "price": {"plugin": "pricehistory", "config": {"table": "Products"}}}, source=SOURCE)
        out = weir("run", "-c", path / "weir.json", stdin=b"")
        holds(out.returncode != 0 and b"W0310" in out.stderr, "the loop is refused")


watchdog(280)
main()

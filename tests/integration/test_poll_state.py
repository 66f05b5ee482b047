#!/usr/bin/env python3
"""State that can't be written or has another owner: a full disk, an I/O error, a read-only folder, a second
daemon, one that was stopped for longer than its lease. strace makes system calls fail; a tmpfs of 256 KiB and a
read-only mount are the real thing."""
import os
import signal
import sqlite3
import time
from pathlib import Path

from harness import equal, folder, holds, main, start, stop, test, until, watchdog
from local import Local
from polling import LINES, Daemon, Fake, identity, judge_lines, judge_rows, price_sink, records


class failing:
    """strace on the running weir: these system calls fail while the block runs, all of them, or the first of
    each thread ("1"). SQLite alone uses them here."""

    def __init__(self, weir, calls, error, when="1+"):
        self.weir, self.argv = weir, ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
                                      "-e", f"inject={calls}:error={error}:when={when}", "-p", weir.process.pid]

    def __enter__(self):
        self.strace = start(self.argv)
        until(self.attached, 20, "strace is attached")

    def attached(self):
        tasks = Path(f"/proc/{self.weir.process.pid}/task").glob("*/status")
        return all("TracerPid:\t0\n" not in task.read_text() for task in tasks)

    def __exit__(self, *_):
        if self.strace.poll() is None:
            self.strace.terminate()  # which detaches
            self.strace.wait(20)
        stop(self.strace)


WRITES, SYNCS = "pwrite64", "fsync,fdatasync"


def mounts(script):
    """A mount namespace of its own, set up by a shell script, around weir."""
    own = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-r", "-m"]
    return [*own, "sh", "-c", f'{script} && exec "$@"', "sh"]


def stored_positions(daemon):
    with sqlite3.connect(f"file:{daemon.database}?mode=ro", uri=True) as db:
        return {(sink, shard): int(position) for sink, shard, position in db.execute(
            "SELECT sink, shard, position FROM progress WHERE kind = 'position' AND position <> ''")}


def positions_are_true(daemon, fake):
    """No stored position is ahead of what its sink holds."""
    rows = {i["old_price"]["N"] for i in fake.aws.tables["PriceHistory"].items.values()}
    lines = set(daemon.lines())
    stored = stored_positions(daemon)
    for (sink, shard), position in stored.items():
        for record in fake.stream.shards[shard].records:
            if identity(record)[0] <= position:
                has = identity(record) in lines if sink == "lines" else record["dynamodb"]["OldImage"]["price"]["N"] in rows
                holds(has, f"{sink} has not got {identity(record)}, its position is {position}")
    return stored


def pipeline(path, fake, **more):
    return Daemon(path, fake.url, {"price": price_sink(), "lines": LINES}, **more)


# ---- F73: writing fails ----

def state_fails_while_it_runs(calls, error, words):
    """The state can't be written from some moment on: records go on, the message says why and what to do.
    Stopped then, no stored position is ahead, and the next run brings what was not stored; or the trouble ends."""
    for ends in (False, True):  # what is wrong, before the daemon does
        with Fake() as fake, folder() as path, pipeline(path, fake) as weir:
            shard = fake.stream.shard(records=records(0, 50))
            weir.start()
            weir.until(lambda: fake.rows() == 50 and len(weir.lines()) == 50, 20, "the first records")
            time.sleep(0.3)
            before = positions_are_true(weir, fake)
            equal(len(before), 2, "stored positions")
            with failing(weir, calls, error):
                shard.add(*records(50, 50))
                weir.until(lambda: fake.rows() == 100 and len(weir.lines()) == 100, 30, "records with a failing state")
                for word in ("can't be stored", *words):
                    weir.says(word, 30)
                equal(positions_are_true(weir, fake), before, "positions while nothing can be stored")
                if not ends:
                    holds(weir.term(60) == 75, "an exit code that tells of it")
            if ends:
                weir.says("stored again", 40)
                equal(weir.term(), 0)
            after = positions_are_true(weir, fake)
            holds(all(after.get(key, -1) >= value for key, value in before.items()), f"{before} became {after}")
            equal(weir.once(), 0, "with a sound state again")
            judge_rows(fake.aws, records(0, 100))
            judge_lines(weir, records(0, 100))
            if ends:
                equal(weir.lines(weir.runs), [], "lines after a clean end")


@test
def F73_disk_full():
    state_fails_while_it_runs(WRITES, "ENOSPC", ["room"])


@test
def F73_io_error_at_a_sync():
    state_fails_while_it_runs(SYNCS, "EIO", ["disk"])


@test
def F73_state_became_read_only():
    state_fails_while_it_runs(WRITES, "EROFS", ["disk"])  # SQLite does not tell it from an I/O error


@test
def F73_one_failure_is_tried_again():
    for calls, error in ((WRITES, "ENOSPC"), (SYNCS, "EIO"), (WRITES, "EIO")):
        with Fake() as fake, folder() as path, pipeline(path, fake) as weir:
            shard = fake.stream.shard(records=records(0, 30))
            weir.start()
            weir.until(lambda: fake.rows() == 30, 20, "the first records")
            with failing(weir, calls, error, "1"):
                for first in range(30, 300, 30):
                    shard.add(*records(first, 30))
                    time.sleep(0.15)
                weir.until(lambda: fake.rows() == 300 and len(weir.lines()) == 300, 20, "all records")
            equal(weir.term(60), 0, f"exit code after one {error}")
            equal(weir.once(), 0)
            equal(weir.lines(weir.runs), [], "lines repeated")
            judge_rows(fake.aws, records(0, 300))


@test
def F73_a_dead_letter_that_is_not_stored_finishes_nothing():
    refused = {"op": "BatchWriteItem", "do": "error", "type": "ValidationException", "match": rb'"p3"'}
    with Fake() as fake, folder() as path:
        with Daemon(path, fake.url, {"price": price_sink(on_exhausted="dead")}) as weir:
            fake.aws.faults.set([refused, {**refused, "op": "PutItem"}])
            shard = fake.stream.shard()
            everything = records(0, 14)
            fine = [r for r in everything if identity(r)[1] != "p3"]
            weir.start()
            until(lambda: fake.asked("GetRecords"), 20, "it reads")
            with failing(weir, WRITES, "ENOSPC"):
                shard.add(*everything)
                weir.until(lambda: fake.rows() == len(fine), 30, "the other records")
                time.sleep(2)
                equal(letters(weir), set(), "letters with a full disk")
                weir.process.kill()
                weir.wait()
            weir.start()
            wanted = {identity(r)[0] for r in everything} - {identity(r)[0] for r in fine}
            weir.until(lambda: letters(weir) == wanted, 20, "the letters")
            equal(weir.term(), 0)
            judge_rows(fake.aws, fine)


def letters(weir):
    with sqlite3.connect(f"file:{weir.database}?mode=ro", uri=True) as db:
        return {int(number) for number, in db.execute("SELECT sequence FROM dead_letter")}


@test
def F73_a_small_disk():
    with Fake() as fake, folder() as path, pipeline(path, fake) as weir:
        (path / "state").mkdir()
        shard = fake.stream.shard(records=records(0, 20))
        weir.start(wrap=mounts("mount -t tmpfs -o size=256k none state"))
        weir.until(lambda: fake.rows() == 20 and len(weir.lines()) == 20, 20, "the first records")
        inside = f"/proc/{weir.process.pid}/root{path}/state"
        time.sleep(0.5)
        with open(inside + "/filler", "wb") as filler, contextless():
            while True:
                os.write(filler.fileno(), b"x" * 512)
        for first in range(20, 220, 20):
            shard.add(*records(first, 20))
            time.sleep(0.15)
        weir.until(lambda: fake.rows() == 220 and len(weir.lines()) == 220, 20, "records with a full disk")
        said = "can't be stored" in weir.log()  # a write-ahead log with room left goes on for a while
        os.unlink(inside + "/filler")
        equal(weir.term(), 0)
        if said:
            holds("stored again" in weir.log(), "it says that the trouble is over")
        judge_lines(weir, records(0, 220))
        judge_rows(fake.aws, records(0, 220))


class contextless:
    """Ends the block at "no space left"."""

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        return isinstance(value, OSError)


@test
def F73_a_read_only_folder_is_refused():
    with Fake() as fake, folder() as path, pipeline(path, fake) as weir:
        (path / "state").mkdir()
        weir.start(wrap=mounts("mount --bind state state && mount -o remount,bind,ro state"))
        equal(weir.wait(), 73)
        for word in ("weir.db", "ead-only"):
            holds(word in weir.log(), f"{word} is not in {weir.log()}")
        equal(fake.asked("GetRecords"), [], "nothing was read")


@test
def F74_state_that_is_damaged_is_refused():
    with Fake() as fake, folder() as path, pipeline(path, fake) as weir:
        fake.stream.shard(records=records(0, 20))
        weir.start()
        weir.until(lambda: fake.rows() == 20, 20, "the first records")
        equal(weir.term(), 0)
        whole = weir.database.read_bytes()
        for name, damaged in (("torn", whole[:len(whole) // 2]), ("foreign", b"x" * 4096),
                              ("header", b"\0" * 100 + whole[100:])):
            weir.database.write_bytes(damaged)
            reads = len(fake.asked("GetRecords"))
            code = weir.start().wait()
            holds(code in (73, 75, 78), f"{name}: exit {code}: {weir.log()}")
            holds("weir.db" in weir.log(), f"{name}: {weir.log()}")
            equal(len(fake.asked("GetRecords")), reads, f"{name}: calls of GetRecords")
            equal(weir.database.read_bytes(), damaged, f"{name}: the file is left as it was found")
        weir.database.write_bytes(whole)
        equal(weir.once(), 0)
        equal(weir.lines(weir.runs), [], "with the old file nothing is repeated")


# ---- F18: two daemons and one lease ----

@test
def F18_B16_a_standby_takes_over_and_the_zombie_stops():
    """Two daemons with state in DynamoDB; the owner is stopped (SIGSTOP) for longer than its lease."""
    pause_s = int(os.environ.get("WEIR_TEST_PAUSE_S", 20))
    with Local() as local, Fake() as fake, folder() as path:
        local.table("WeirState", ("pk", "S"), ("sk", "S"))
        more = {"state": {"kind": "dynamodb", "table": "WeirState"},
                "source": {"tables": None, "streams": [fake.stream.arn]},
                "aws": {"endpoints": {"dynamodb": "http://" + local.address, "dynamodb_streams": fake.url}}}
        shard = fake.stream.shard(records=records(0, 50))
        (path / "a").mkdir(), (path / "b").mkdir()
        sinks = {"lines": LINES}
        with Daemon(path / "a", fake.url, sinks, **more) as one, Daemon(path / "b", fake.url, sinks, **more) as two:
            one.start()
            one.until(lambda: len(one.lines()) == 50, 20, "the first one delivers")
            two.start()
            shard.add(*records(50, 50))
            one.until(lambda: len(one.lines()) == 100, 20, "the owner delivers")
            time.sleep(1)
            equal(two.lines(), [], "the standby delivers nothing")
            one.signal(signal.SIGSTOP)
            began = time.monotonic()
            shard.add(*records(100, 50))
            two.until(lambda: len(two.lines()) >= 50, 60, "the standby takes over")
            took = time.monotonic() - began
            while time.monotonic() < began + pause_s:
                time.sleep(0.1)
            given = len(one.lines())
            one.signal(signal.SIGCONT)
            shard.add(*records(150, 50))
            two.until(lambda: {identity(r) for r in records(100, 100)} <= set(two.lines()), 30, "the new owner goes on")
            time.sleep(2)
            equal(len(one.lines()), given, "lines of the one that was stopped, after it woke up")
            print(f"     taken over after {took:.1f} s; the zombie slept {pause_s} s and delivered nothing afterwards")
            equal(two.term(), 0)
            everything = set(one.lines()) | set(two.lines())
            equal(everything, {identity(r) for r in records(0, 200)}, "lines of both")
            if one.alive():  # it stands by again
                shard.add(*records(200, 10))
                one.until(lambda: {identity(r) for r in records(200, 10)} <= set(one.lines()), 60, "its turn again")
                equal(one.term(), 0)


watchdog(280)
main()

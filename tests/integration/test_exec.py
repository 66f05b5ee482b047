#!/usr/bin/env python3
"""The exec sink in the whole program: a child that is killed, hangs, is slow, writes garbage and goes away, and what becomes
of the records; of the child when weir is killed; and of weir's secrets."""
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time

import events
from harness import LambdaWeir, ROOT, WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog, weir

ITEMS, RETRY = 25, {"max_attempts": 50, "base": "1ms", "cap": "20ms"}

NASTY = '''#!%s
"""Stores each record in a file, and misbehaves as another one says: [[what, after how many records], ...]."""
import json, os, sys, time
folder = sys.argv[1]
done = os.path.join(folder, "done")
plan = json.load(open(os.path.join(folder, "plan")))[os.path.getsize(done) if os.path.exists(done) else 0:]
out = open(os.path.join(folder, "stored"), "a", buffering=1)
count = 0
for line in sys.stdin:
    message, what = json.loads(line), None
    count += 1
    if plan and count >= plan[0][1]:
        what, count = plan.pop(0)[0], 0
        open(done, "a").write(".")
    if what == "killed_before":
        os.kill(os.getpid(), 9)
    if what == "hangs":
        time.sleep(1000)
    if what == "exits":
        sys.exit(0)
    if what == "closes_output":
        os.close(1)
        time.sleep(1000)
    if what == "closes_input":
        os.close(0)
        time.sleep(1000)
    if what == "writes_garbage":
        os.write(1, b"\\x00\\xff garbage \\x1b[2J\\n" * 10)
    if what == "writes_without_end":
        while True:
            os.write(1, b"x" * 65536)
    if what == "answers_others":
        print('{"id":%%d,"ok":true}' %% (message["id"] + 1000), flush=True)
    if what == "tears_its_answer":
        os.write(1, b'{"id":%%d,"ok' %% message["id"])
        os._exit(0)
    if what == "is_slow":
        time.sleep(0.3)
    if what == "complains":
        sys.stderr.write("oh no\\n" * 20000)
    out.write(message["record"]["eventID"] + "\\n")
    if what == "killed_after":
        os.kill(os.getpid(), 9)
    if what == "retries":
        print(json.dumps({"id": message["id"], "retry": "busy", "after_ms": 20}), flush=True)
    else:
        print(json.dumps({"id": message["id"], "ok": True}), flush=True)
''' % sys.executable
DEEDS = ("killed_before killed_after hangs exits closes_output closes_input writes_garbage writes_without_end answers_others "
         "tears_its_answer is_slow complains retries").split()


def program(path, text, name="child.py"):
    file = path / name
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def changes(count):
    return [events.record(n, f"p{n % ITEMS}", None if n < ITEMS else {"price": ("N", str(n - ITEMS))}, {"price": ("N", str(n))})
            for n in range(count)]


def feed(path, records):
    file = path / "records.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in records))
    return file


def exec_sink(file, *args, **options):
    return {"plugin": "exec", "retry": RETRY, "config": {"program": file, "args": list(args), **options}}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def judge(records, stored):
    """Lost 0; and a repeat comes before the next change of its item, never after it."""
    equal(set(stored), {r["eventID"] for r in records}, "records")
    place = {r["eventID"]: n for n, r in enumerate(records)}
    last = {}
    for event_id in stored:
        number = place[event_id]
        holds(last.get(number % ITEMS, -1) <= number, f"{event_id} came after a later change of its item")
        last[number % ITEMS] = number


@test
def nothing_is_lost_whatever_the_program_does():
    records = changes(1000)
    dice = random.Random(7)
    plan = [(deed, dice.randrange(2, 40)) for deed in dice.sample(DEEDS * 2, 2 * len(DEEDS))]
    with folder() as path:
        (path / "plan").write_text(json.dumps(plan))
        sink = exec_sink(program(path, NASTY), str(path), answer_timeout="1500ms", restart_max="50ms", window=8)
        done = weir("run", "-c", config(path, {"child": sink}), "--from", feed(path, records), "--once", seconds=150)
        equal(done.returncode, 0, done.stderr.decode()[-3000:])
        stored = (path / "stored").read_text().split()
        equal(len((path / "done").read_text()), len(plan), "misdeeds")
        lives = done.stderr.count(b"runs as process")
    judge(records, stored)
    print(f"1000 records, {len(plan)} misdeeds, {lives} programs, {len(stored) - 1000} repeats, lost 0")


@test
def a_program_that_is_killed_from_outside_again_and_again_loses_nothing():
    records = changes(1500)
    text = NASTY.replace("time.sleep(1000)", 'open(os.path.join(folder, f"here{len(plan)}"), "w").write(str(os.getpid()))\n'
                         "        time.sleep(1000)", 1)
    with folder() as path:
        (path / "plan").write_text(json.dumps([("hangs", 90)] * 10))
        sink = exec_sink(program(path, text), str(path), restart_max="20ms")
        process = start([WEIR, "run", "-c", config(path, {"child": sink}), "--from", feed(path, records), "--once"],
                        env=environment())
        for left in reversed(range(10)):
            here = path / f"here{left}"
            until(lambda: here.exists() and here.read_text(), 60, "it is at work")
            os.kill(int(here.read_text()), signal.SIGKILL)
        equal(process.wait(60), 0)
        stop(process)
        stored = (path / "stored").read_text().split()
    judge(records, stored)
    print(f"1500 records, killed 10 times, {len(stored) - 1500} repeats, lost 0")


WAITING = '''#!%s
import os, sys, time
open(sys.argv[1], "w").write(str(os.getpid()))
sys.stdin.readline()
time.sleep(1000)
''' % sys.executable


@test
def no_program_outlives_weir():
    with folder() as path:
        file = program(path, WAITING)
        cfg = config(path, {"child": exec_sink(file, str(path / "pid"))}, shutdown={"grace": "1s"})
        for how in (signal.SIGKILL, signal.SIGTERM):
            (path / "pid").unlink(missing_ok=True)
            process = start([WEIR, "run", "-c", cfg, "--from", feed(path, changes(3)), "--once"], env=environment())
            until(lambda: (path / "pid").exists() and (path / "pid").read_text(), 60, "the program runs")
            pid = int((path / "pid").read_text())
            holds(alive(pid), "it runs")
            process.send_signal(how)
            process.wait(60)
            until(lambda: not alive(pid), 30, f"the program ends with weir ({how.name})")
            stop(process)


@test
def the_example_keeps_prices():
    with folder() as path:
        shutil.copytree(ROOT / "examples" / "exec", path / "example")
        cfg = json.loads((path / "example" / "weir.json").read_text())
        cfg = config(path / "example", cfg["sinks"])
        sample = weir("sample", "modify", "--count", "500", "--price-walk").stdout
        for _ in range(2):  # the second time all are repeats
            done = weir("run", "-c", cfg, "--from", "-", "--once", stdin=sample, seconds=120, cwd="/")
            equal(done.returncode, 0, done.stderr.decode()[-2000:])
        with sqlite3.connect(path / "example" / "prices.db") as db:
            equal(db.execute("SELECT count(*), count(price), count(DISTINCT product) > 0 FROM prices").fetchone(), (500, 500, 1))
    lines = len((ROOT / "examples" / "exec" / "prices.py").read_text().splitlines())
    holds(lines <= 25, f"{lines} lines")


ECHO = '''#!%s
import json, os, sys
for line in sys.stdin:
    with open(sys.argv[1], "a") as out:
        out.write(json.dumps({"pid": os.getpid(), "env": dict(os.environ), "record": json.loads(line)["record"]}) + "\\n")
    print(json.dumps({"id": json.loads(line)["id"], "ok": True}), flush=True)
''' % sys.executable


@test
def one_program_serves_all_invocations_of_a_lambda_and_sees_no_key():
    with folder() as path:
        file = program(path, ECHO)
        config(path, {"child": exec_sink(file, str(path / "out"), env={"TOKEN": "${TOKEN}"})})
        with LambdaWeir(path, TOKEN="t0") as runtime:
            for number in range(3):
                answer = runtime.invoke({"Records": changes(30)[number * 10:number * 10 + 10]})
                equal(json.loads(answer.body)["statusCode"], 200)
        seen = [json.loads(line) for line in (path / "out").read_text().splitlines()]
    equal(len(seen), 30)
    equal(len({s["pid"] for s in seen}), 1, "programs")
    equal({n for s in seen for n in s["env"] if n.startswith(("AWS", "LAMBDA", "_HANDLER"))}, set())
    equal({s["env"]["TOKEN"] for s in seen}, {"t0"})


if __name__ == "__main__":
    watchdog(280)
    main()

#!/usr/bin/env python3
"""What a person sees: the demo, progress and colours, on a terminal (a pty) and through pipes."""
import json
import os
import pty
import re
import select
import subprocess
import time

from harness import (WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog, weir)

ESCAPE = b"\x1b"


def on_terminal(*arguments, stdin=None, seconds=90, out=True, **env):
    """Runs weir with standard error (and `out`) on a terminal; its exit code and all that stood there."""
    mine, theirs = pty.openpty()
    process = start([WEIR, *arguments], stdin=stdin or subprocess.DEVNULL, stdout=theirs if out else subprocess.DEVNULL,
                    stderr=theirs, env=environment(TERM="xterm", **env), cwd="/")
    os.close(theirs)
    seen, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([mine], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(mine, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        seen += piece
    os.close(mine)
    code = process.wait(10)
    stop(process)
    return code, seen


@test
def the_demo_ends_with_what_to_try_and_leaves_nothing():
    with folder() as path:
        done = weir("demo", cwd=path)
        equal(done.returncode, 0, done.stderr.decode())
        text = done.stdout.decode()
        holds(ESCAPE not in done.stdout + done.stderr, "an escape byte through a pipe")
        holds(re.search(r"price 32.12 -> 10 .*\n.*MODIFY  product_id=p4 *\n", text), "10, then 10.00: " + text)
        equal(text.count("\n  weir "), 4, "what to try next")
        holds("price        delivered 16" in done.stderr.decode(), done.stderr.decode())
        equal(list(path.iterdir()), [], "files")


@test
def run_without_a_configuration_is_78_but_on_a_terminal_the_demo():
    with folder() as path:
        done = weir("run", cwd=path, env={"HOME": path, "XDG_CONFIG_HOME": path})
        equal(done.returncode, 78)
        holds(b"no configuration" in done.stderr and b"weir.json" in done.stderr, done.stderr)
        code, seen = on_terminal("run", HOME=path, XDG_CONFIG_HOME=path)
        holds(code == 0 and b"Try next:" in seen and ESCAPE in seen, seen[-500:])


@test
def no_color_and_its_kin_are_honoured():
    rows = [({}, (), True), ({"NO_COLOR": "1"}, (), False), ({"TERM": "dumb"}, (), False), ({}, ("--color", "never"), False),
            ({"NO_COLOR": "1"}, ("--color", "always"), True), ({"WEIR_COLOR": "never"}, (), False)]
    with folder() as path:
        (path / "r.json").write_bytes(weir("sample", "modify").stdout)
        cfg = config(path, {"console": {"plugin": "stdout"}})
        for env, flags, coloured in rows:
            mine, theirs = pty.openpty()
            done = subprocess.run([WEIR, "run", "-c", cfg, "--from", path / "r.json", "--once", *flags], stdout=theirs,
                                  stderr=subprocess.PIPE, env=environment(**{"TERM": "xterm", **env}), timeout=60)
            os.close(theirs)
            seen = os.read(mine, 65536)
            os.close(mine)
            equal((done.returncode, ESCAPE in seen), (0, coloured), f"{env} {flags}: {seen}")
        piped = weir("run", "-c", cfg, "--from", path / "r.json", "--once")
        holds(ESCAPE not in piped.stdout + piped.stderr, "an escape byte through a pipe")
        forced = weir("run", "-c", cfg, "--from", path / "r.json", "--once", "--color=always")
        holds(ESCAPE in forced.stdout, "--color always through a pipe")


def slow_pipe(path, seconds):
    """Records that come over some time, so that there is a progress to see."""
    script = f"'{WEIR}' sample modify --count 500; sleep {seconds}; '{WEIR}' sample modify --count 500"
    return subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, env=environment())


@test
def progress_is_in_place_on_a_terminal_and_lines_elsewhere():
    with folder() as path:
        cfg = config(path, {"h": {"plugin": "pricehistory", "config": {"store": "memory", "announce": False}}})
        feed = slow_pipe(path, 1)
        code, seen = on_terminal("run", "-c", cfg, "--from", "-", "--once", stdin=feed.stdout)
        equal(code, 0, seen)
        holds(re.search(rb"\r500 records, \d+/s *\r", seen), seen)
        holds(ESCAPE not in seen, seen)
        holds(re.search(rb"\r *\r1000 records in", seen), f"the line is left empty before the summary: {seen}")
        feed = slow_pipe(path, 3)
        done = subprocess.run([WEIR, "run", "-c", cfg, "--from", "-", "--once"], stdin=feed.stdout, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment(), timeout=60)
        equal(done.returncode, 0, done.stderr)
        holds(re.search(rb"^500 records, \d+/s\n", done.stderr), done.stderr)
        holds(b"\r" not in done.stderr, done.stderr)
        equal(done.stdout, b"", "talk on standard output")
        feed = slow_pipe(path, 1)
        code, seen = on_terminal("run", "-c", cfg, "--from", "-", "--once", "--quiet", stdin=feed.stdout)
        equal((code, seen), (0, b""), "with --quiet")


@test
def data_is_on_stdout_and_talk_on_stderr():
    with folder() as path:
        cfg = config(path, {"console": {"plugin": "stdout", "config": {"format": "json"}}})
        records = weir("sample", "modify", "--count", "20").stdout
        done = weir("run", "-c", cfg, "--from", "-", "--once", stdin=records)
        equal(len([json.loads(line) for line in done.stdout.splitlines()]), 20)
        holds(b"20 records in" in done.stderr, done.stderr)


watchdog(280)
main()

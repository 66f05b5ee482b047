#!/usr/bin/env python3
"""Bars that an operator feels and that no other test holds by itself: the first coloured change, suggestions for slips, TERM
under load. The others: unit.cli_agree (check and run agree), unit.observe_metrics and test_admin.py (/metrics), test_reload.py
(HUP with a broken file), test_terminal.py (pipes, NO_COLOR), test_readme.py and test_docs.py (commands of the documents),
test_plugin_new.py (the scaffold)."""
import json
import os
import pty
import re
import threading
import time

from harness import SANITIZED, WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog, weir
from polling import LINES, Daemon, Fake, judge_lines, judge_rows, price_sink, records


@test
def the_first_coloured_change_comes_within_60_s_and_without_a_network_call():
    with folder() as path:
        trace = path / "trace"
        # the first line of the demo's stream is a change; strace can't follow a program under LeakSanitizer
        wrap = [] if SANITIZED else ["strace", "-f", "-o", trace, "-e", "trace=socket,connect,sendto,bind"]
        mine, theirs = pty.openpty()
        began = time.monotonic()
        process = start([*wrap, WEIR, "run"], stdout=theirs, stderr=theirs, cwd=path,
                        env=environment(TERM="xterm", HOME=path, XDG_CONFIG_HOME=path, XDG_STATE_HOME=path))
        os.close(theirs)
        seen = b""
        while not re.search(rb"\x1b\[\d+mMODIFY\x1b\[0m .*price [0-9.]+ -> [0-9.]+", seen):
            seen += os.read(mine, 65536)  # an error, when it ends before
        holds(time.monotonic() - began < 60, "the first coloured change")
        stop(process)
        os.close(mine)
        calls = trace.read_text() if wrap else ""
        equal(re.findall(r".*AF_(?!UNIX).*", calls), [], "network calls")  # the socket of weir status is none
        equal([p.name for p in path.iterdir() if p != trace], [], "files")


def slip(path, change):
    """The problems of a right configuration in which one text stands for another."""
    text = json.dumps({"source": {"kind": "poll", "tables": ["Products"], "batch_size": 10}, "plugin_dirs": [],
                       "sinks": {"price": {"plugin": "pricehistory", "match": {"events": ["MODIFY"]},
                                           "retry": {"max_attempts": 3}, "config": {"table": "PriceHistory"}},
                                 "out": {"plugin": "stdout"}}}, indent=1)
    was, now = change
    equal(text.count(f'"{was}"'), 1, was)
    file = path / "weir.json"
    file.write_text(text.replace(f'"{was}"', f'"{now}"').replace(' "plugin_dirs": [],\n', ""))
    place = next((n, line.index(f'"{now}"') + 1) for n, line in enumerate(file.read_text().splitlines(), 1) if f'"{now}"' in line)
    done = weir("check", "--json", "-c", file)
    return done.returncode, json.loads(done.stdout)["problems"], place


@test
def a_slip_gets_the_right_suggestion_at_its_place():
    keys = [("source", "souce"), ("tables", "tabels"), ("batch_size", "bacth_size"), ("sinks", "sink"), ("match", "macth"),
            ("events", "evnts"), ("retry", "rety"), ("max_attempts", "max_atempts"), ("table", "tabel")]
    values = [("MODIFY", "MODFIY"), ("pricehistory", "pricehistry"), ("stdout", "stdotu"), ("poll", "pol")]
    with folder() as path:
        for change in keys + values:
            code, problems, place = slip(path, change)
            equal(code, 78, f"{change}")
            told = [p for p in problems if (p["line"], p["col"]) == place]
            equal(len(told), 1, f"{change}: {problems}")
            holds(f'did you mean "{change[0]}"?' in told[0]["help"], f"{change}: {told}")


@test
def a_slip_on_the_command_line_is_told_in_three_lines():
    verbs = ["run", "demo", "check", "test", "explain", "plan", "doctor", "sample", "status", "reload", "top", "tap", "completion",
             "version", "help"]
    rows = [([verb[:1] + verb[2:3] + verb[1:2] + verb[3:]], f'"{verb}"') for verb in verbs if len(verb) > 3]
    rows += [(["config", "int"], "init"), (["plugin", "lst"], "list"), (["lambda", "tempalte"], "template"),
             (["run", "--onec"], "--once"), (["check", "--stict"], "--strict"), (["check", "--confg", "x"], "--config"),
             (["run", "--dryrun"], "--dry-run"), (["test", "--junti", "x"], "--junit"), (["plan", "--shard", "1"], "--shards"),
             (["run", "--log-level", "inof"], "info"), (["completion", "bsh"], "bash")]
    for words, meant in rows:
        done = weir(*words)
        said = done.stderr.decode()
        equal((done.returncode, done.stdout), (2, b""), f"{words}: {said}")
        holds(1 <= said.count("\n") <= 3 and meant in said, f"{words}: {said}")


@test
def TERM_under_load_ends_inside_the_grace_with_nothing_lost_and_the_checkpoint_current():
    with folder() as path, Fake() as fake, Daemon(path, fake.url, {"price": price_sink(), "lines": LINES},
                                                  shutdown={"grace": "20s"}) as daemon:
        everything, ended = [], threading.Event()
        shard = fake.stream.shard()

        def load():
            while not ended.is_set():
                some = records(len(everything), 50)
                everything.extend(some)
                shard.add(*some)
                time.sleep(0.02)

        feeder = threading.Thread(target=load)
        feeder.start()
        try:
            for round_ in range(3):
                before = fake.rows()
                daemon.start()
                daemon.until(lambda: fake.rows() > before + 200, 60, "rows under load")
                began = time.monotonic()
                equal(daemon.term(60), 0, daemon.log()[-2000:])
                holds(time.monotonic() - began < 20, "inside the grace")
                holds("positions are stored" in daemon.log(), daemon.log()[-2000:])
        finally:
            ended.set()
            feeder.join()
        equal(daemon.once(120), 0)
        judge_rows(fake.aws, everything)
        equal(judge_lines(daemon, everything), 0, "repeats: the checkpoint was not current")
        equal(fake.aws.tables["PriceHistory"].puts, len(everything), "rows written twice")


watchdog(230)
main()

#!/usr/bin/env python3
"""What a sink keeps (weir.kv/1) over the death of the daemon: the http sink's Retry-After, with SIGKILL, while the sink
is out of the configuration, and where there is no state file."""
import contextlib
import re
import sqlite3
import urllib.request

from harness import equal, folder, holds, main, test, watchdog
from polling import LINES, Daemon, Fake, records
from fakes import webhook

LONG = [{"op": "hook", "do": "status", "status": 429, "headers": [("Retry-After", "600")], "times": 1}]
COUNT = 5


def kept(weir):
    with contextlib.closing(sqlite3.connect(f"file:{weir.database}?mode=ro", uri=True)) as db:
        return db.execute("SELECT pipeline, sink, plugin, key FROM sink_value").fetchall()


def waits(weir):
    """How often this process held a request back for Retry-After."""
    address = re.search(r"listening on (http://127\.0\.0\.1:\d+/)", weir.log())
    if not address:
        return 0
    text = urllib.request.urlopen(address[1] + "metrics", timeout=20).read().decode()
    found = re.search(r'weir_plugin_http_waits_total\{sink="hook",why="retry_after"\} (\d+)', text)
    return int(found[1]) if found else 0


@test
def a_killed_daemon_still_waits_as_the_server_said():
    with Fake() as fake, folder() as path, contextlib.closing(webhook.Webhook(rules=LONG)) as hook:
        fake.stream.shard(records=records(0, COUNT))
        sinks = {"hook": {"plugin": "http", "config": {"url": hook.url + "/", "concurrency": 1}}, "lines": LINES}
        with Daemon(path, fake.url, sinks, admin={"listen": "127.0.0.1:0"}) as weir:
            weir.start().until(lambda: hook.refused and kept(weir), 30, "the server's wish is stored")
            weir.kill()
            equal(kept(weir), [("prices", "hook", "http", "retry_after")])

            weir.start().until(lambda: waits(weir) > 0, 30, "the next process waits")
            weir.kill()

            weir.write({**weir.value, "sinks": {"lines": LINES}})
            equal(weir.once(), 0, "exit code of a run without the sink")
            equal(len(kept(weir)), 1, "values of a sink that went")

            weir.write({**weir.value, "sinks": sinks})
            weir.start().until(lambda: waits(weir) > 0, 30, "the sink that came back waits")
            weir.kill()
            equal((len(hook.requests), len(hook.refused)), (0, 1), "requests so far")

            weir.change("state", kind="memory")  # there nothing is kept, and nobody knows
            weir.start().until(lambda: len(hook.requests) >= COUNT, 30, "it asks at once")
            equal(weir.term(), 0, "exit code")
            holds("would not outlive" not in weir.logs(), weir.logs())


@test
def delivering_a_dead_letter_again_keeps_nothing():
    bad = {"op": "hook", "do": "status", "status": 400, "times": 1}
    with Fake() as fake, folder() as path, contextlib.closing(webhook.Webhook(rules=[bad, *LONG])) as hook:
        fake.stream.shard(records=records(0, 1))
        with Daemon(path, fake.url, {"hook": {"plugin": "http", "config": {"url": hook.url + "/"}}}) as weir:
            equal(weir.once(), 1, "exit code: it is a dead letter")
            code, said = weir.verb("dead", "retry", "1")
            equal(code, 1, said)
            holds("status 429" in said and "would not outlive" not in said, said)
            equal(kept(weir), [])


watchdog(110)
main()

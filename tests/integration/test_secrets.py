#!/usr/bin/env python3
"""S16 to S19: planted canaries, in the environment's credentials, a file, a plugin's secret option and the values of
records, show up in no output of any verb and in no log."""
import copy
import json
import os
import re
import signal
import urllib.request

from harness import config, environment, equal, folder, holds, main, test, watchdog, weir
from polling import Daemon, Fake, price_sink, records

OPTION, VALUE = "canary-of-an-option-7f3a", "4815162342"


def marked(first=0):
    changes = copy.deepcopy(records(first, 5))
    for change in changes:
        change["dynamodb"]["NewImage"]["note"] = {"S": VALUE}
    return changes


@test
def S17_S19_canaries_are_never_shown():
    credential = environment()["AWS_SECRET_ACCESS_KEY"]
    said = {}
    with Fake() as fake, folder() as path:
        (path / "token").write_text(OPTION + "\n")
        hook = {"plugin": "http", "required": False, "retry": {"max_attempts": 2, "base": "1ms"},
                "on_exhausted": "drop",
                "config": {"url": "http://127.0.0.1:9/hook", "secret": "${file:token}"}}
        shard = fake.stream.shard(records=marked())
        with Daemon(path, fake.url, {"price": price_sink(), "hook": hook},
                    env={"WEIR_LOG_LEVEL": "info"}, admin={"listen": "127.0.0.1:0", "tap": True},
                    log={"redact": ["note"]}) as weir:
            text = weir.config.read_text()
            for words in (("check",), ("check", "--json"), ("config", "show"), ("config", "show", "--json"),
                          ("lambda", "iam")):
                said[" ".join(words)] = weir.verb(*words)[1]
            weir.start()
            weir.until(lambda: fake.rows() == 5, 20, "the records are delivered")
            weir.until(lambda: "sink.hook" in weir.log(), 20, "the hook's trouble is in the log")
            url = re.search(r"http://127.0.0.1:\d+/", weir.log())[0]
            with urllib.request.urlopen(url + "tap", timeout=20) as tap:
                shard.add(*marked(5))
                said["tap"] = "".join(tap.readline().decode() for _ in range(8))
                holds('"price"' in said["tap"], f"the tap shows records: {said['tap']}")
            for page in ("config", "status", "metrics"):
                said["/" + page] = urllib.request.urlopen(url + page, timeout=20).read().decode()
            for words in (("status",), ("status", "--json"), ("shards", "--json")):
                said[" ".join(words)] = weir.verb(*words)[1]
            broken = json.loads(text)
            broken["sinks"]["hook"]["config"]["secret"] = OPTION  # written in the file: refused
            weir.write(broken)
            for words in (("check",), ("check", "--json"), ("reload",), ("config", "show")):
                said["broken " + " ".join(words)] = weir.verb(*words)[1]
            broken["sinks"]["hook"]["config"].update(secret="${file:token}", timeout="${file:token}")
            weir.write(broken)
            for words in (("check",), ("reload",)):
                said["misplaced " + " ".join(words)] = weir.verb(*words)[1]
            weir.signal(signal.SIGUSR1)
            weir.says("bytes under way")
            with open(f"/proc/{weir.process.pid}/limits") as limits:
                core = next(line for line in limits if line.startswith("Max core file size"))
            equal(core.split()[4:6], ["0", "0"], "limits of a core dump")
            equal(weir.term(), 0, "exit code after TERM")
            said["log"] = weir.log()
        for where, output in said.items():
            holds(output.strip(), f"{where} says something")
            for canary in (credential, OPTION, VALUE):
                holds(canary not in output, f"{where} shows {canary}: {output[:2000]}")


@test
def S17_a_secret_option_is_masked_in_whatever_is_logged():
    """Of a plugin's option that came from the environment; here it is a word that weir itself would write."""
    name = "hook-canary-91c4"
    with folder() as path:
        (path / "r.json").write_text(json.dumps(records(0, 1)[0]))
        hook = {"plugin": "http", "retry": {"max_attempts": 1}, "on_exhausted": "drop",
                "config": {"url": "http://127.0.0.1:9/hook", "authorization": "${MINE}"}}
        cfg = config(path, {name: hook})
        done = weir("run", "-c", cfg, "--from", path / "r.json", "--once", "--dry-run", "-q", "--log-level", "debug",
                    cwd=path, env={"MINE": name})
        text = done.stderr.decode()
        holds("sink ***: " in text and f"sink {name}: " not in text, text)


@test
def S19_a_crash_leaves_no_core_dump():
    """The kernel itself is asked, by how the process ended: WNOWAIT leaves it to be waited for."""
    with Fake() as fake, folder() as path:
        fake.stream.shard(records=marked())
        unlimited = ["sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh"]
        with Daemon(path, fake.url, {"price": price_sink()}, wrap=unlimited) as weir:
            weir.start().until(lambda: fake.rows() == 5, 20, "the records are delivered")
            weir.signal(signal.SIGABRT)
            ended = os.waitid(os.P_PID, weir.process.pid, os.WEXITED | os.WNOWAIT)
            equal((ended.si_code, ended.si_status), (os.CLD_KILLED, signal.SIGABRT), "how it ended; 3 = with a dump")
            weir.wait()
            equal([one.name for one in path.iterdir() if one.name.startswith("core")], [])


watchdog(100)
main()

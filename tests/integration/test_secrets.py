#!/usr/bin/env python3
"""S16 to S19: planted canaries, in the environment's credentials, a file, a plugin's secret option and the values of
records, show up in no output of any verb and in no log."""
import copy
import json
import signal

from harness import environment, equal, folder, holds, main, test, watchdog
from polling import Daemon, Fake, price_sink, records

OPTION, VALUE = "canary-of-an-option-7f3a", "4815162342"


def marked():
    changes = copy.deepcopy(records(0, 5))
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
        fake.stream.shard(records=marked())
        with Daemon(path, fake.url, {"price": price_sink(), "hook": hook},
                    env={"WEIR_LOG_LEVEL": "info"}) as weir:
            text = weir.config.read_text()
            for words in (("check",), ("check", "--json"), ("config", "show"), ("config", "show", "--json"),
                          ("lambda", "iam")):
                said[" ".join(words)] = weir.verb(*words)[1]
            weir.start()
            weir.until(lambda: fake.rows() == 5, 20, "the records are delivered")
            weir.until(lambda: "sink.hook" in weir.log(), 20, "the hook's trouble is in the log")
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


watchdog(100)
main()

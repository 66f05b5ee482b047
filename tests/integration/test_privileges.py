#!/usr/bin/env python3
"""No more rights than are needed: those of the process."""
import os
import signal

from harness import LambdaWeir, config, equal, folder, holds, main, test, watchdog, weir
from polling import Daemon, Fake, price_sink, records


# ---- the process ----

def no_new_privileges(pid):
    with open(f"/proc/{pid}/status") as status:
        return [line.split()[1] for line in status if line.startswith("NoNewPrivs:")] == ["1"]


@test
def S28_a_daemon_can_gain_no_rights_and_says_once_that_it_is_root():
    with Fake() as fake, folder() as path:
        fake.stream.shard(records=records(0, 5))
        with Daemon(path, fake.url, {"price": price_sink()}, env={"WEIR_LOG_LEVEL": "info"}) as daemon:
            daemon.start()
            daemon.until(lambda: fake.rows() == 5, 30, "the records are delivered")
            holds(no_new_privileges(daemon.process.pid), "NoNewPrivs")
            daemon.change("sinks", price=price_sink(retry={"base": "7ms", "cap": "90ms"}))
            daemon.signal(signal.SIGHUP)
            daemon.says("W1210", 30)
            equal(daemon.term(), 0)
            equal(daemon.log().count("W0711"), 1 if os.geteuid() == 0 else 0, daemon.log())


@test
def S28_a_run_of_a_file_and_lambda_do_not_mind_root():
    with folder() as path:
        config(path, {"lines": {"plugin": "stdout", "config": {"format": "json"}}})
        ran = weir("run", "--from", "-", "--once", stdin=weir("sample", "modify").stdout, cwd=path)
        holds(ran.returncode == 0 and b"W0711" not in ran.stderr, ran.stderr)
        with LambdaWeir(path) as function:
            function.invoke({"Records": []})
            holds(no_new_privileges(function.process.pid), "NoNewPrivs")
            holds("W0711" not in function.output(), function.output())


if __name__ == "__main__":
    watchdog(230)
    main()

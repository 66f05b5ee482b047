#!/usr/bin/env python3
"""An operator's first five minutes, as the contract has them, word for word, in one folder and one shell a line. Only the
ports are this test's own: 8000 and 9630 may be somebody else's here."""
import os
import pty
import re
import signal
import subprocess

from harness import BUILD, environment, equal, folder, free_port, holds, main, start, stop, test, until, watchdog
from local import Local

FOLDER = {}


def shell(line, seconds=60):
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=FOLDER["path"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds, env=FOLDER["env"])
    equal(done.returncode, 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def the_demo():
    mine, theirs = pty.openpty()
    process = start(["bash", "-c", "weir run"], cwd=FOLDER["path"], stdout=theirs, stderr=theirs,
                    env={**FOLDER["env"], "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(mine, 65536):
            seen += piece
    except OSError:  # the other side is closed
        pass
    os.close(mine)
    equal(process.wait(30), 0)
    stop(process)
    holds(re.search(rb"\x1b\[\d+mMODIFY\x1b\[0m .*price 26.75 -> 28.2", seen), "the first coloured price change")
    holds(b"Try next:" in seen, seen[-400:])


def the_daemon(line, local):
    """The daemon on DynamoDB Local, looked at by `weir top`, and ended by TERM."""
    process = start(["bash", "-c", f"exec {line}"], cwd=FOLDER["path"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                    env=FOLDER["env"])
    for price in (1, 2, 3):
        local.dynamodb.dynamodb("PutItem", TableName="Products",
                                Item={"product_id": {"S": "p1"}, "price": {"N": str(price)}})
    until(lambda: len(local.scan("PriceHistory")) == 2, 60, "two rows")
    holds("price" in shell("weir top --count 1").stdout, "weir top")
    process.send_signal(signal.SIGTERM)
    equal(process.wait(40), 0, "TERM")
    stop(process)


@test
def the_first_five_minutes():
    with folder() as path, Local() as local:
        tools = path / "bin"
        tools.mkdir()
        (tools / "weir").symlink_to(BUILD / "weir")
        work = path / "work"
        work.mkdir()
        admin = free_port()
        FOLDER.update(path=work, env=environment(
            PATH=f"{tools}:{os.environ['PATH']}", HOME=work, XDG_CONFIG_HOME=work, XDG_RUNTIME_DIR=path,
            NO_COLOR=None))
        the_demo()
        shell("weir config init --sinks stdout,pricehistory > weir.json")
        text = (work / "weir.json").read_text()
        holds('"admin": { "listen": "127.0.0.1:9630" }' in text and '"tests"' in text, text)
        (work / "weir.json").write_text(text.replace("9630", str(admin)))
        done = shell("weir sample modify --price-walk --count 50 | weir run -c weir.json --from - --once")
        equal((done.stdout.count("\n"), "50 records in" in done.stderr), (50, True))
        done = shell("weir check")
        holds(re.match(r"ok: 2 sinks, 0 warnings \(\d+ ms\)\n", done.stdout), done.stdout)
        done = shell("weir sample modify | weir explain")
        holds(re.search(r"^price: MATCH \(MODIFY, price 48.5 -> 48.95\)$", done.stdout, re.M), done.stdout)
        holds(re.search(r"^console: MATCH", done.stdout, re.M), done.stdout)
        holds(shell("weir test").stdout.endswith("2 passed, 0 failed\n"), "weir test")
        local.history()
        local.table("Products", ("product_id", "S"), stream=True)
        the_daemon(f"weir run --set aws.endpoint_url=http://{local.address} --set 'source.tables=[\"Products\"]' "
                   "--set sinks.price.config.store=dynamodb", local)
        done = shell("weir lambda invoke-local <(weir sample modify)")
        holds('"batchItemFailures":[]' in done.stdout, done.stdout)


watchdog(280)
main()

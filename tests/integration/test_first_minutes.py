#!/usr/bin/env python3
"""The first five minutes of an operator and of a plugin's developer, word for word, with an installed weir, in one folder and
one shell a line. Only the ports are this test's own: 8000 and 9630 may be somebody else's here. What docs/quickstart.md says
to type is what is typed."""
import os
import pty
import re
import signal
import subprocess

from harness import BUILD, ROOT, environment, equal, folder, free_port, holds, main, start, stop, test, until, watchdog
from local import Local

FOLDER = {}
TYPED = []


def shell(line, seconds=60):
    TYPED.append(line)
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], cwd=FOLDER["path"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds, env=FOLDER["env"])
    equal(done.returncode, 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done


def install(path):
    """The last of `cmake -S . -B build && cmake --build build -j && sudo cmake --install build`."""
    subprocess.run(["cmake", "--install", BUILD, "--prefix", path / "usr"], check=True, stdout=subprocess.DEVNULL)
    work = path / "work"
    work.mkdir()
    FOLDER.update(path=work, env=environment(
        PATH=f"{path / 'usr' / 'bin'}:{os.environ['PATH']}", HOME=work, XDG_CONFIG_HOME=work, XDG_RUNTIME_DIR=path,
        NO_COLOR=None))
    return work


def the_demo():
    TYPED.append("weir run")
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
    TYPED.append(line)
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
        work = install(path)
        admin = free_port()
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
        done = shell("weir bench")
        equal(re.findall(r"^(\w+): \w+: 100000 records, ", done.stdout, re.M), ["console", "price"], done.stdout)
        local.history()
        local.table("Products", ("product_id", "S"), stream=True)
        poll = (f"--set aws.endpoint_url=http://{local.address} --set 'source.tables=[\"Products\"]' "
                "--set sinks.price.config.store=dynamodb")
        done = shell(f"weir doctor --set source.kind=poll {poll}")
        holds("fail" not in done.stdout and "table PriceHistory is there" in done.stdout, done.stdout)
        the_daemon(f"weir run {poll}", local)
        done = shell("weir lambda invoke-local <(weir sample modify)")
        holds('"batchItemFailures":[]' in done.stdout, done.stdout)
        typed = {re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", line).split(" --count 1")[0] for line in TYPED}
        page = re.findall(r"^```\n(.*?)^```$", (ROOT / "docs/quickstart.md").read_text(), re.M | re.S)
        told = [re.sub(r" {2,}#.*", "", line) for block in page for line in block.splitlines()]
        equal([line for line in told if line not in typed and not line.startswith("cmake ")], [], "told, not typed")
        holds(len(told) >= 9, f"{told}")


@test
def a_plugin_in_five_minutes():
    with folder() as path:
        work = install(path)
        holds("Next:" in shell("weir plugin new my_sink && cd my_sink").stdout, "weir plugin new")
        FOLDER["path"] = work / "my_sink"
        names = {p.name for p in FOLDER["path"].iterdir()}
        holds({"my_sink.c", "CMakeLists.txt", "test_my_sink.c", "README.md", "weir.json"} <= names, f"{names}")
        done = shell("cmake -S . -B build && cmake --build build && ctest --test-dir build", 120)
        holds("100% tests passed" in done.stdout and "warning" not in done.stdout + done.stderr, done.stdout)
        holds(re.search(r"passed: \d+ checks", shell("weir plugin check build/my_sink.so", 120).stdout), "weir plugin check")
        holds("options" in shell("weir plugin info build/my_sink.so").stdout, "weir plugin info")
        done = shell("weir sample modify | weir run --plugin build/my_sink.so --from - --once")
        holds(re.search(r"^1 records in.*\n  my_sink  .* delivered 1", done.stderr, re.M), done.stderr)
        done = shell("weir bench --plugin build/my_sink.so --records 100000")
        holds(done.stdout.startswith("my_sink: 100000 records, "), done.stdout)
        holds("Next:" in shell("weir plugin new my_rust_sink --lang rust").stdout, "in Rust")


watchdog(280)
main()

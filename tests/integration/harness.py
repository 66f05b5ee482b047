"""What the integration tests share: where things are, running weir, and a very small test runner.

A test program defines functions decorated with @test and ends with `main()`. Run by hand:
    tests/integration/test_lambda.py [--list] [WORD...]     only the tests whose name holds a WORD
WEIR_BUILD names the build folder (default: build/dev).
"""
import atexit
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build" / "dev")).resolve()
DATA = ROOT / "tests" / "data"
sys.path.insert(0, str(ROOT / "tests"))

from fakes import aws_server, runtime_api  # noqa: E402  (found by the line above)


WEIR = BUILD / "weir"
if not WEIR.exists():
    raise SystemExit(f"{WEIR} is not built")
SANITIZED = "WEIR_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text()


def plugin_dirs():
    """The bundled plugins, and the tests' own."""
    return [str(BUILD / "plugins"), str(BUILD / "tests" / "plugins")]


# ---- processes ----

_started = []


def _end(process):
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


@atexit.register
def _end_all():
    for process in _started:
        _end(process)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def start(argv, **options):
    """Popen in a process group of its own, ended with the test program whatever happens."""
    process = subprocess.Popen([str(a) for a in argv], start_new_session=True, **options)
    _started.append(process)
    return process


def stop(process):
    _end(process)
    _started.remove(process)


def free_port(count=1):
    """The first of `count` consecutive ports that nobody uses now. Below the range that outgoing connections
    are given from: those of tests beside this one must not take it before its server is up."""
    for _ in range(100):
        port = random.randrange(15000, 32000)
        try:
            for number in range(port, port + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port
    raise RuntimeError("no free port")


def emulator(name, *arguments, ports=1, **options):
    """Starts scripts/emulators/NAME; returns (process, port) once the port answers."""
    script = ROOT / "scripts" / "emulators" / name
    subprocess.run([script, "--fetch"], check=True)
    port = free_port(ports)
    log = tempfile.TemporaryFile()
    # A server must not outlive this program, even when that is killed.
    process = start(["setpriv", "--pdeathsig", "KILL", script, "--exec", "--port", port, *arguments],
                    stdout=log, stderr=log, **options)
    until(lambda: process.poll() is not None or listening(port), 90, f"{name} answers")
    if process.poll() is not None:
        log.seek(0)
        raise AssertionError(f"{name} ended while starting:\n{log.read().decode()}")
    return process, port


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition, seconds, what):
    """Waits for a condition; no test waits without one."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


# ---- weir ----

RUNTIME = tempfile.mkdtemp(prefix="weir-run-")  # where the daemons' sockets are
atexit.register(shutil.rmtree, RUNTIME, ignore_errors=True)


def environment(**extra):
    """A clean environment: nothing of the caller's AWS or weir settings gets through."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH",
                                                "ASAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    kept.update(AWS_ACCESS_KEY_ID=aws_server.KEY_ID, AWS_SECRET_ACCESS_KEY=aws_server.SECRET,
                AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", XDG_RUNTIME_DIR=RUNTIME)
    kept.update(extra)
    return {name: str(value) for name, value in kept.items() if value is not None}


def weir(*arguments, stdin=None, seconds=60, cwd=None, env=None):
    """Runs weir to its end. Output as bytes."""
    process = start([WEIR, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, cwd=cwd, env=environment(**(env or {})))
    try:
        out, err = process.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        raise AssertionError(f"weir {' '.join(map(str, arguments))}: still running after {seconds} s") from None
    finally:
        stop(process)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def config(folder, sinks, name="weir.json", **sections):
    """Writes a config with the build's plugin folders; returns its path."""
    value = {"plugin_dirs": plugin_dirs(), **sections, "sinks": sinks}
    path = Path(folder) / name
    path.write_text(json.dumps(value, indent=1))
    return path


class LambdaWeir:
    """weir as a Lambda runtime, started the way Lambda does it, against the fake Runtime API."""

    def __init__(self, task_root, wrap=(), api=None, handler="weir.json", **env):
        self.api = api or runtime_api.RuntimeApi()
        self.task_root, self.wrap, self.handler, self.env = Path(task_root), list(wrap), handler, env
        self.log = tempfile.TemporaryFile()
        self.process = None
        self.start()

    def start(self):
        self.api.waiting.clear()
        self.process = start(
            [*self.wrap, WEIR], cwd=self.task_root, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, env=environment(AWS_LAMBDA_RUNTIME_API=self.api.address, _HANDLER=self.handler,
                                             LAMBDA_TASK_ROOT=self.task_root, **self.env))

    def alive(self):
        return self.process.poll() is None

    def invoke(self, event, deadline_ms=60000, **headers):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return self.api.invoke(body, deadline_ms, self.alive, **headers)

    def output(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def wait_exit(self, seconds=20):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"weir did not end within {seconds} s:\n{self.output()}") from None

    def kill(self):
        _end(self.process)

    def close(self):
        """Ends the runtime as the end of an environment does, and the API."""
        if self.process in _started:
            stop(self.process)
        self.api.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not isinstance(value, AssertionError):
            print(self.output(), file=sys.stderr)
        elif kind is not None:
            print(self.output()[-4000:], file=sys.stderr)
        self.close()


# ---- assertions and the runner ----

def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what or 'value'}: expected {expected!r}, got {actual!r}")


def holds(condition, what):
    if not condition:
        raise AssertionError(what)


def rows(path, query, *arguments):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute(query, arguments).fetchall()


class folder:
    """A temporary folder, removed when the block ends."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="weir-test-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


_tests = []


def test(function):
    _tests.append(function)
    return function


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("-")]
    chosen = [t for t in _tests if not words or any(w in t.__name__ for w in words)]
    if "--list" in sys.argv:
        print("\n".join(t.__name__ for t in chosen))
        return
    failed = 0
    for function in chosen:
        began = time.monotonic()
        try:
            function()
            print(f"ok   {function.__name__}  {time.monotonic() - began:.1f} s", flush=True)
        except Exception as error:  # a failing test must not hide the others
            failed += 1
            print(f"FAIL {function.__name__}: {error}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc()
    print(f"{len(chosen) - failed} passed, {failed} failed", flush=True)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(1 if failed or not chosen else 0)


def watchdog(seconds):
    """Ends the program with all stacks printed when it hangs."""
    import faulthandler
    faulthandler.dump_traceback_later(seconds, exit=False)
    timer = threading.Timer(seconds + 1, lambda: (_end_all(), os._exit(124)))
    timer.daemon = True
    timer.start()

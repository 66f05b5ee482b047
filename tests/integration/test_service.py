#!/usr/bin/env python3
"""weir under a service manager: what it tells it, and what systemd's own tools say of the unit."""
import os
import re
import shutil
import signal
import socket
import subprocess

from harness import ROOT, WEIR, equal, folder, holds, main, test, until, watchdog
from polling import LINES, Daemon, Fake, records

UNIT = ROOT / "deploy" / "systemd" / "weir.service"


class Manager:
    """The socket that a service manager listens at."""

    def __init__(self, name):
        self.name, self.heard = name, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.setblocking(False)

    def hears(self, state, times=1):
        try:
            while True:
                self.heard.append(self.socket.recv(4096).decode())
        except BlockingIOError:
            return self.heard.count(state) >= times


def life(name, path):
    manager = Manager(name)
    with Fake() as fake:
        fake.stream.shard(records=records(0, 10))
        with Daemon(path, fake.url, {"lines": LINES}, env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000"}) as weir:
            weir.start()
            until(lambda: manager.hears("READY=1"), 20, "READY=1")
            equal(manager.heard[0], "READY=1")
            until(lambda: manager.hears("WATCHDOG=1", 2), 20, "WATCHDOG=1, and again")
            weir.process.send_signal(signal.SIGSTOP)  # SIGSTOP: a loop that does not turn says nothing
            manager.hears("WATCHDOG=1")
            while manager.hears("nothing else"):
                pass
            count = manager.heard.count("WATCHDOG=1")
            manager.socket.settimeout(1)
            try:
                manager.socket.recv(4096)
                raise AssertionError("a stopped process was heard")
            except TimeoutError:
                manager.socket.setblocking(False)
            weir.process.send_signal(signal.SIGCONT)
            until(lambda: manager.hears("WATCHDOG=1", count + 1), 20, "WATCHDOG=1 after it goes on")
            equal(weir.term(), 0)
            holds(manager.hears("STOPPING=1"), "STOPPING=1")
            equal(manager.heard.count("READY=1"), 1)


@test
def a_manager_hears_start_life_and_end():
    with folder() as path:
        life(str(path / "notify"), path)


@test
def a_manager_with_an_abstract_socket_hears_it():
    with folder() as path:
        life(f"@weir-test-{os.getpid()}", path)


@test
def a_configuration_that_is_refused_is_never_ready():
    with folder() as path:
        manager = Manager(str(path / "notify"))
        (path / "weir.json").write_text('{"sinks": {"a": {"plugin": "no_such"}}}')
        ran = subprocess.run([WEIR, "run", "-c", path / "weir.json"], capture_output=True,
                             env={**os.environ, "NOTIFY_SOCKET": manager.name})
        equal(ran.returncode, 78, ran.stderr.decode())
        holds(not manager.hears("READY=1") and manager.heard == [], manager.heard)


# ---- the unit ----

def systemd():
    if not shutil.which("systemd-analyze"):
        subprocess.run(["bash", "-c", f". {ROOT}/scripts/lib.sh && install systemd-analyze=systemd"], check=True)
    return "systemd-analyze"


@test
def the_unit_is_hardened():
    ran = subprocess.run([systemd(), "security", "--offline=true", "--threshold=25", "--no-pager", UNIT],
                         capture_output=True, text=True)
    equal(ran.returncode, 0, ran.stdout[-600:] + ran.stderr)
    exposure = float(re.search(r"exposure level for weir.service: ([\d.]+)", ran.stdout)[1])
    holds(exposure < 2.5, f"exposure {exposure}")


@test
def the_unit_is_a_sound_unit():
    with folder() as path:
        text = UNIT.read_text().replace("/usr/bin/weir", str(WEIR))
        (path / "weir.service").write_text(text.replace("/usr/share/doc/weir/", f"{ROOT}/"))
        ran = subprocess.run([systemd(), "verify", "--man=no", path / "weir.service"], capture_output=True, text=True)
        said = [line for line in ran.stderr.splitlines() if "weir.service" in line]
        equal((ran.returncode, said), (0, []), ran.stderr)


def group(name, seen):
    """The system calls of a group of systemd's, such as @system-service."""
    text = subprocess.run([systemd(), "syscall-filter", "--no-pager", name], capture_output=True, text=True, check=True).stdout
    calls = set()
    for line in text.splitlines()[1:]:
        word = line.strip()
        if word.startswith("@") and word not in seen:
            calls |= group(word, seen | {word})
        elif re.fullmatch(r"\w+", word):
            calls.add(word)
    return calls


@test
def the_unit_permits_every_system_call_of_a_whole_life():
    allowed = group("@default", set())
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.M):
        for word in line.lstrip("~").split():
            calls = group(word, set())
            allowed = allowed - calls if line.startswith("~") else allowed | calls
    with folder() as path, Fake() as fake:
        fake.stream.shard(records=records(0, 50))
        trace = path / "trace"
        with Daemon(path, fake.url, {"lines": LINES}, wrap=["strace", "-D", "-f", "-o", str(trace)]) as weir:
            weir.start()
            weir.until(lambda: len(weir.lines()) >= 50, 60, "50 records are delivered")
            equal(weir.term(), 0)
        until(lambda: "+++ exited with 0 +++" in trace.read_text(errors="replace").rsplit("\n", 2)[-2], 20, "the trace's end")
        made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(errors="replace"), re.M))
    holds(len(made) > 20, sorted(made))
    as_root = {"fchown"}  # by SQLite, so that root's files have the owner of their database; the unit is not root
    equal(made - allowed - as_root, set(), "refused by the unit")


if __name__ == "__main__":
    watchdog(200)
    main()

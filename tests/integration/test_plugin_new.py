#!/usr/bin/env python3
"""From nothing to a passing plugin, as a stranger does it: an installed weir and nothing of its sources. Every
example (they are what `weir plugin new` copies) is built against a staged installation, its tests pass, `weir
plugin check` passes, 100,000 records go through it, and what one costs is printed. Prints commands and times."""
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from harness import BUILD, ROOT, environment, holds, main, test, watchdog

LIMIT_C_S = 60  # of machine time, from nothing to a passing plugin in C
KINDS = ["sync", "async", "aws"]
OFFERED = {"c": KINDS, "c++": KINDS, "rust": KINDS, "go": ["sync", "async"], "zig": KINDS}
EXAMPLES = [(language, kind) for language, kinds in OFFERED.items() for kind in kinds]
RECORDS = 100_000
stage = Path(tempfile.mkdtemp(prefix="weir-kit-"))
built = {}


def install():
    """A packager's way (DESTDIR), then moved: nothing may remember where it was."""
    subprocess.run(["cmake", "--install", BUILD, "--prefix", "/opt/weir"], check=True, stdout=subprocess.DEVNULL,
                   env=dict(os.environ, DESTDIR=str(stage / "dest")))
    (stage / "dest" / "opt" / "weir").rename(stage / "weir")
    shutil.rmtree(stage / "dest")


@functools.cache
def zig():
    """Its folder. Without Zig nothing here runs: it is one of the languages."""
    return subprocess.run([ROOT / "scripts" / "zig"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@functools.cache
def records():
    path = stage / "records.jsonl"
    shell(f"weir sample modify --count {RECORDS} --price-walk > {path}", stage, quiet=True)
    return path


def shell(command, where, quiet=False):
    """Runs one line of a stranger's; prints it with its time; returns (output, seconds of machine time)."""
    path = f"{stage}/weir/bin:{os.environ['PATH']}:{zig()}"
    before, began = os.times(), time.monotonic()
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=where, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=400,
                          env=environment(PATH=path, NO_COLOR="1", TERM="dumb"))
    after = os.times()
    machine_s = after.children_user + after.children_system - before.children_user - before.children_system
    said = done.stdout.decode("utf-8", "replace")
    if not quiet:
        print(f"     {time.monotonic() - began:5.1f} s  $ {command}")
    holds(done.returncode == 0, f"`{command}` ended with {done.returncode}:\n{said}")
    return said, machine_s


def build_one(language, kind):
    name = f"price_{kind}"
    where = Path(tempfile.mkdtemp(prefix=f"{re.sub('[^a-z]', 'p', language)}-", dir=stage))
    said, machine_s = shell(f"weir plugin new {name} --lang {language} --kind {kind}", where)
    holds("Next:" in said, said)
    home, library = where / name, f"build/{name}.so"
    built[language, kind] = home / library
    cmake = (home / "CMakeLists.txt").exists()
    lines = ["cmake -S . -B build && cmake --build build && ctest --test-dir build --verbose" if cmake else "make test",
             f"weir plugin check {library}", f"weir plugin info {library}", bench_of(library, kind)]
    for line in lines:
        said, took_s = shell(line, home)
        machine_s += took_s
        holds("warning" not in said, f"{line}: {said}")
        if line.startswith("weir plugin check"):
            holds("FAIL" not in said and re.search(r"passed: \d+ checks", said), said)
        elif line.startswith("weir bench"):
            all_were_done(json.loads(said), kind)
        elif not line.startswith("weir"):
            holds("3 passed, 0 failed" in said, said)
    if kind != "aws":
        all_records_arrive(library, home, kind)
    # The configuration that comes along is right; in its folder.
    shell("weir check weir.json", home)
    holds("my_sink" not in "".join(p.read_text() for p in home.iterdir() if p.is_file()), "the model's name is left")
    print(f"     {language} {kind}, from nothing: {machine_s:.1f} s of machine time")
    return machine_s


def bench_of(library, kind):
    """All records, but for those that wait for the disk with each batch: they come in all_records_arrive."""
    return f"weir bench --plugin {library} --records {RECORDS // 20 if kind == 'async' else RECORDS} --json"


def all_were_done(result, kind):
    """Of what `weir bench` says; returns its ns a record."""
    wanted = RECORDS // 20 if kind == "async" else RECORDS
    holds(result["records"] == wanted and result["given"] > wanted * 0.99 and result["not_ok"] == 0, result)
    holds(result["calls"] == (result["given"] if kind == "aws" else 0), result)
    return result["record_ns"]


def all_records_arrive(library, home, kind):
    """Each record once: a line in the log, or one in the file."""
    written = home / ("changes.jsonl" if kind == "async" else "log")
    written.unlink(missing_ok=True)  # weir bench wrote there
    shell(f"weir run --plugin {library} --from {records()} --once 2> log", home)
    log = (home / "log").read_text()
    holds(f"delivered {RECORDS}, filtered 0, dead 0" in log, log[-400:])
    lines = sum(("price: " in line if kind == "sync" else '"eventID"' in line) for line in written.open())
    holds(lines == RECORDS, f"{lines} lines")
    written.unlink()


@test
def a_plugin_in_c_takes_less_than_a_minute_of_machine_time():
    machine_s = build_one("c", "sync")
    holds(machine_s < LIMIT_C_S, f"{machine_s:.1f} s of machine time")


for _language, _kind in EXAMPLES[1:]:
    def _case(language=_language, kind=_kind):
        build_one(language, kind)
    _case.__name__ = f"a_plugin_in_{_language.replace('+', 'p')}_{_kind}"
    test(_case)


@test
def a_pair_that_is_not_offered_says_which_kinds_there_are():
    missing = [(language, kind) for language in OFFERED for kind in KINDS if kind not in OFFERED[language]]
    for language, kind in missing:
        said, _ = shell(f"weir plugin new never --lang {language} --kind {kind}\n[ $? -eq 2 ]", stage, quiet=True)
        there = ", ".join(OFFERED[language])
        holds(said == f"weir: no kind {kind} in {language}, which has: {there}\n", said)
    holds(missing and not (stage / "never").exists(), "nothing is left out")


@test
def a_name_that_can_not_be_built_is_refused():
    """`test` and `clean` are targets of CMake's own."""
    for name in "test", "clean", "9x", "Sink", "my-sink", "../x", "x" * 41:
        said, _ = shell(f"weir plugin new {name}\n[ $? -eq 2 ]", stage, quiet=True)
        holds(said.startswith(f'weir: "{name}" can\'t be the name of a plugin'), said)
        holds(not (stage / name).exists(), f"{name} was made")


@test
def costs_of_a_record_beside_c():
    """The least of three, in turn; bench/languages does it with care."""
    least = dict.fromkeys(OFFERED, float("inf"))
    for _ in range(3):
        for language in OFFERED:
            said, _ = shell(bench_of(built[language, "sync"], "sync"), stage, quiet=True)
            least[language] = min(least[language], all_were_done(json.loads(said), "sync"))
    for language, cost in least.items():
        print(f"     {language:5} {cost:7.0f} ns a record, {cost / least['c']:.1f} times C")
        holds(cost < 100_000, f"{language}: {cost} ns a record")


def steps(page):
    """The tutorial's blocks in order: ("console", [(command, shown)]) or ("diff", text)."""
    for language, text in re.findall(r"^```(console|diff)\n(.*?)^```$", page, re.M | re.S):
        if language == "diff":
            yield "diff", text
            continue
        commands = []
        for line in text.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        yield "console", commands


def shows(shown, said):
    pattern = r"\s*".join(".*?".join(map(re.escape, line.split("..."))) for line in shown if line.strip())
    return re.search(pattern, said, re.S) is not None


@test
def the_tutorial_does_what_it_says():
    where, ran = Path(tempfile.mkdtemp(dir=stage)), 0
    for kind, block in steps((ROOT / "docs" / "plugins.md").read_text()):
        if kind == "diff":
            subprocess.run(["patch", "-s", "-p0"], cwd=where, input=block.encode(), check=True)
            continue
        for command, shown in block:
            ran += 1
            if command.startswith("cd "):
                where = where / command[3:]
                continue
            wanted = int((re.search(r"# exit (\d+)$", command) or [0, 0])[1])
            said, _ = shell(f"{command}\n[ $? -eq {wanted} ]", where, quiet=True)
            holds(shows(shown, said), f"`{command}` does not print what is shown, but:\n{said}")
    print(f"     {ran} commands")
    holds(ran >= 10, "the tutorial has lost its steps")


@test
def the_kit_names_no_path_of_this_machine():
    for file in stage.rglob("weir/lib/**/*"):
        if file.suffix in (".cmake", ".pc"):
            holds(str(BUILD) not in file.read_text() and "/opt/weir" not in file.read_text(), f"{file.name} names a path")
    shutil.rmtree(stage)


watchdog(780)
try:
    install()
    main()
finally:
    shutil.rmtree(stage, ignore_errors=True)

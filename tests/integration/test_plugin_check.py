#!/usr/bin/env python3
"""`weir plugin check` has teeth: plugins that behave pass, each that does not is found out, and what is said
names the fault and what to do."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

from harness import (BUILD, SANITIZED, WEIR, config, environment, equal, folder, holds, main, start, stop, test, until,
                     watchdog)

PLUGINS = BUILD / "tests" / "plugins"
QUEUE = '{"queue_url":"https://sqs.us-east-1.amazonaws.com/123456789012/orders.fifo"}'
SED = r's/^."id":\([0-9]*\),.*/{"id":\1,"ok":true}/'  # a sink in one line
KAFKA = '{"brokers":"mock","topic":"t","properties":{"test.mock.num.brokers":1}}'


def check(file, *arguments):
    done = subprocess.run([WEIR, "plugin", "check", file, *arguments], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200, env=environment())
    return done.returncode, done.stdout.decode()


@test
def plugins_that_behave_pass():
    good = [(PLUGINS / f"{name}.so", "{}") for name in ("good", "thread", "mirror", "noop", "bigstruct", "smallstruct")]
    good += [(BUILD / "plugins" / "sqs.so", QUEUE), (BUILD / "plugins" / "stdout.so", "{}"),
             (BUILD / "plugins" / "pricehistory.so", '{"store":"sqlite","path":"history.db"}'),
             (BUILD / "plugins" / "pricehistory.so", "{}"),
             (BUILD / "plugins" / "http.so", '{"url":"https://example.com/hook"}'),
             (BUILD / "plugins" / "http.so", '{"url":"https://example.com/hook","rate":20}'),
             (BUILD / "plugins" / "exec.so", json.dumps({"program": "/usr/bin/sed", "args": ["-u", SED]})),
             (BUILD / "plugins" / "sns.so", '{"topic_arn":"arn:aws:sns:eu-west-1:1:t.fifo"}'),
             (BUILD / "plugins" / "lambda.so", '{"function":"prices"}')]
    good += [(file, None) for file in sorted((BUILD / "plugins").glob("*.so"))
             if file.stem in ("dynamodb", "eventbridge", "kinesis", "file")]
    for file, options in good:
        for seed in "1", "7":
            code, said = check(file, *(["--options", options] if options else []), "--seed", seed)
            holds(code == 0 and "FAIL" not in said, f"{file.name}, seed {seed}:\n{said}")
            holds(re.search(r"passed: \d+ checks", said), said)


@test
def a_plugin_whose_library_has_threads_passes():
    code, said = check(BUILD / "plugins" / "kafka.so", "--options", KAFKA, "--seed", "1")
    holds(code == 0 and "FAIL" not in said, said)


def in_use(path):
    """A file is in the folder, or a process (the plugin's): it is being used, not only just made."""
    if list(path.glob("weir-*/*")):
        return True
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(f"{path}/weir-"):
                return True
        except OSError:  # it has ended, or is another user's
            pass
    return False


@test
def a_check_or_bench_that_is_killed_leaves_no_folder_behind():
    with folder() as path:
        price = {"plugin": "pricehistory", "config": {"store": "sqlite", "path": "h.db"}}
        for arguments in (["plugin", "check", PLUGINS / "hang.so", "--timeout", "300"],
                          ["bench", "-c", config(path, {"price": price}), "--records", "100000000"]):
            for signum in signal.SIGINT, signal.SIGKILL:
                process = start([WEIR, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                env=environment(TMPDIR=path))
                until(lambda: in_use(path), 60, "its folder")
                process.send_signal(signum)
                equal(process.wait(60), -signum)
                until(lambda: not list(path.glob("weir-*")), 60, "the folder goes with it")
                stop(process)


def faults():
    """(plugin, options, the check that fails, what is said)"""
    yield from [
        ("badabi", "{}", "descriptor", "built for plugin ABI 2"),
        ("badmin", "{}", "descriptor", "needs 1.99 or newer"),
        ("noentry", "{}", "exports", "weir_plugin_entry is not exported"),
        ("unresolved", "{}", "descriptor", "undefined symbol"),
        ("execstack", "{}", "file", "executable stack"),
        ("ctor_exit", "{}", "crash", "ended the process with exit code 0 while: loading"),
        ("openfails", '{"code":-5}', "open", "could not be opened"),
        ("openfails", '{"target":"bad"}', "open", "no queue URL"),
        ("double", "{}", "completion", "completed before"),
        ("liar", "{}", "completion", "completed before"),
        ("never", "{}", "completion", "never completed"),
        ("late", "{}", "completion", "only when their delivery was revoked"),
        ("leak", '{"what":"garbage"}', "completion", "none of WEIR_OK"),
        ("leak", '{"what":"file"}', "leaks", "files or connections open"),
        ("leak", '{"what":"file_in_open"}', "open", "open() leaves 1 files"),
        ("leak", '{"what":"thread"}', "leaks", "threads behind"),
        ("leak", '{"what":"block"}', "blocking", "record() took"),
        ("rude", "{}", "process", "working folder"),
        ("rude", "{}", "process", "umask"),
        ("rude", "{}", "process", "descriptor 1"),
        ("extensions", '{"script":"t"}', "crash", "in a host without weir.timer/1"),
        ("scripted", '{"script":{"*":["never"]}}', "completion", "only when their delivery was revoked"),
        ("hang", "{}", "hang", "no sign of life for 4 s"),
        ("hang", '{"spin":true}', "hang", "no sign of life for 4 s"),
    ]
    if not SANITIZED:  # the sanitizers see the heap and the signals first
        yield from [("leak", '{"what":"memory"}', "leaks", "every round leaves memory behind"),
                    ("crash", "{}", "crash", "died of signal 11"),
                    ("crash", '{"how":"abort"}', "crash", "died of signal 6"),
                    ("crash", '{"how":"overflow"}', "crash", "died of signal 11"),
                    ("crash", '{"how":"exit"}', "crash", "ended the process with exit code")]


@test
def F60_F62_F63_F64_F66_F67_each_fault_is_found_and_named():
    for name, options, what, words in faults():
        limit = ["--timeout", "4"] if name == "hang" else ["--timeout", "60"]
        code, said = check(PLUGINS / f"{name}.so", "--options", options, *limit)
        found = [line for line in said.splitlines() if re.match(rf"  FAIL  {what} ", line) and words in line]
        holds(code == 1 and found, f"{name} {options}: exit {code}, wanted {what}: {words}\n{said}")
        holds("help: " in said, f"{name}: no word on what to do:\n{said}")


@test
def F65_writing_into_records_and_keeping_them_is_found_and_named():
    writes, keeps = "it writes into a record:", "it reads a record's text after it completed it:"
    for how, words in [("write_text", writes), ("write_value", writes), ("after", keeps), ("next", keeps), ("timer", keeps),
                       ("value", keeps)]:
        for seed in "1", "7":
            code, said = check(PLUGINS / "keeps.so", "--options", json.dumps({"how": how}), "--seed", seed)
            found = [line for line in said.splitlines() if line.startswith("  FAIL  records ") and words in line]
            holds(code == 1 and found, f"{how}: exit {code}, wanted {words}\n{said}")
            holds(said.count("FAIL  ") == 1 and "help: Copy what you" in said, f"{how}: not one fault\n{said}")


@test
def what_it_printed_is_shown_and_json_is_json():
    code, said = check(PLUGINS / "openfails.so", "--options", '{"code":-5}', "--json")
    answer = json.loads(said)
    holds(code == 1 and answer["passed"] is False, said)
    holds([c for c in answer["checks"] if c["result"] == "fail" and c["check"] == "open" and c["help"]], said)
    code, said = check(PLUGINS / "good.so", "--json")
    holds(code == 0 and json.loads(said)["passed"] is True, said)


@test
def files_that_weir_would_not_run_are_named():
    with folder() as path:
        open_file = path / "good.so"
        shutil.copy(PLUGINS / "good.so", open_file)
        open_file.chmod(0o666)
        code, said = check(open_file)
        holds(code == 0 and "note  file" in said and "changed by others" in said, said)
        whole = (PLUGINS / "good.so").read_bytes()
        (path / "cut.so").write_bytes(whole[: len(whole) // 2])
        code, said = check(path / "cut.so")
        holds(code == 1 and "FAIL  file" in said, said)
        (path / "text.so").write_text("no ELF")
        holds(check(path / "text.so")[0] == 1, "a text file")
        shutil.copy(PLUGINS / "good.so", path / "other.so")
        code, said = check(path / "other.so")
        holds(code == 0 and "rename it to good.so" in said, said)
    code, said = check("nowhere.so")
    holds(code == 78 and "nowhere.so" in said, said)


watchdog(280)
main()

#!/usr/bin/env python3
"""weir lambda invoke-local: what it starts, how, and what it says of it."""
import json
import sys

import events
from harness import config, equal, folder, holds, main, test, watchdog, weir

CONSOLE = {"console": {"plugin": "stdout", "config": {"format": "json"}}}

# A runtime of a few lines. What it does with an event, the event says.
RUNTIME = r"""#!%s
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base, count = "/2018-06-01/runtime/", 0

def call(method, path, body=None):
    api.request(method, base + path, body)
    reply = api.getresponse()
    return reply, reply.read()

while True:
    reply, body = call("GET", "invocation/next")
    event, count = json.loads(body), count + 1
    id = reply.headers["Lambda-Runtime-Aws-Request-Id"]
    do = event.get("do", "look")
    if do == "exit":
        sys.exit(3)
    if do == "signal":
        os.kill(os.getpid(), 11)
    if do == "sleep":
        time.sleep(60)
    if do == "error":
        call("POST", f"invocation/{id}/error", json.dumps({"errorType": "My.Own", "errorMessage": "no"}))
    elif do == "large":
        print("status", call("POST", f"invocation/{id}/response", "x" * 6291557)[0].status, flush=True)
    elif do == "chunks":
        api.request("POST", base + f"invocation/{id}/response", iter([b'{"a":', b'"' + b"x" * 70000 + b'"}']),
                    encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
        print("chunks", api.getresponse().read(), flush=True)
    elif do == "stranger":
        statuses = [call("POST", "invocation/another/response", "{}")[0].status,
                    call("POST", f"invocation/{id}/response", "[]")[0].status,
                    call("POST", f"invocation/{id}/response", "[]")[0].status, call("GET", "elsewhere")[0].status]
        print("statuses", statuses, flush=True)
    else:
        call("POST", f"invocation/{id}/response", json.dumps({
            "count": count, "argv": sys.argv, "cwd": os.getcwd(), "env": dict(os.environ), "event": event,
            "headers": dict(reply.headers), "now": time.time()}))
""" % sys.executable


def runtime(path):
    program = path / "boot"
    program.write_text(RUNTIME)
    program.chmod(0o755)
    return program


def invoke(path, *events_, more=(), **env):
    """(exit code, what went to standard output, by line, what to standard error)"""
    body = "".join(json.dumps(e) + "\n" for e in events_).encode()
    ran = weir("lambda", "invoke-local", "-", *more, stdin=body, cwd=path, env=env)
    return ran.returncode, [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr.decode()


def played(path, *events_, more=(), **env):
    """The same with the runtime above."""
    if not (path / "weir.json").exists():
        config(path, CONSOLE)
    return invoke(path, *events_, more=("--bootstrap", runtime(path), *more), **env)


@test
def weir_itself_answers_logs_and_is_measured():
    with folder() as path:
        config(path, CONSOLE)
        code, answers, said = invoke(path, events.batch([events.price(1, "p1", 10, 12)]))
        equal((code, len(answers), answers[0]["batchItemFailures"]), (0, 1, []))
        holds('"eventName":"MODIFY"' in said, "the sink's output is with the logs")
        last = said.splitlines()[-1]
        holds(last.startswith("invocation 1: response in ") and " ms of start; peak memory " in last, last)


@test
def it_is_started_as_lambda_starts_it():
    with folder() as path, folder() as elsewhere:
        config(path, CONSOLE, name="shop.json")
        code, answers, _ = played(elsewhere, {"x": 1}, more=("-c", path / "shop.json", "--timeout", "7"), MY_OWN="v",
                                  AWS_LAMBDA_RUNTIME_API="127.0.0.1:1", TZ="Europe/Berlin")
        equal(code, 0)
        saw = answers[0]
        env = saw["env"]
        equal((saw["argv"], saw["cwd"], saw["event"]), ([str(elsewhere / "boot")], str(path), {"x": 1}))
        equal([env[k] for k in ("LAMBDA_TASK_ROOT", "_HANDLER", "TZ", "MY_OWN", "AWS_LAMBDA_FUNCTION_VERSION")],
              [str(path), "shop.json", ":UTC", "v", "$LATEST"])
        holds(env["AWS_LAMBDA_RUNTIME_API"] != "127.0.0.1:1", "the API is the one played here")
        left = int(saw["headers"]["Lambda-Runtime-Deadline-Ms"]) / 1000 - saw["now"]
        holds(6 < left <= 7, f"the deadline is in {left} s")
        for name in ("Aws-Request-Id", "Invoked-Function-Arn", "Trace-Id"):
            holds(saw["headers"]["Lambda-Runtime-" + name], name)


@test
def one_event_a_line_one_environment_for_all():
    with folder() as path:
        code, answers, said = played(path, {"a": 1}, {"a": 2}, {"a": 3})
        equal((code, [(a["count"], a["event"]["a"]) for a in answers]), (0, [(1, 1), (2, 2), (3, 3)]))
        equal(said.count(" ms of start"), 1, "cold starts")


@test
def a_file_of_many_lines_is_one_event():
    with folder() as path:
        config(path, CONSOLE)
        (path / "event.json").write_text(json.dumps(events.batch([events.price(1, "p1", 10, 12)]), indent=2))
        ran = weir("lambda", "invoke-local", "event.json", cwd=path)
        equal((ran.returncode, len(ran.stdout.splitlines())), (0, 1), ran.stderr)


@test
def errors_timeouts_and_ends_are_told_apart():
    with folder() as path:
        code, answers, said = played(path, *({"do": d} for d in ("error", "exit", "signal", "sleep", "look")),
                                     more=("--json", "--timeout", "1"))
        equal(code, 1)
        equal([a["kind"] for a in answers], ["error", "exit", "exit", "timeout", "response"])
        texts = [a["answer"].get("errorMessage", "") for a in answers]
        equal(answers[0]["answer"]["errorType"], "My.Own")
        holds("exit status 3" in texts[1] and "signal: 11" in texts[2], texts)
        holds("Task timed out after 1.00 seconds" in texts[3], texts)
        equal(answers[4]["answer"]["count"], 1, "a new process after each of them")
        equal([a["init_us"] > 0 for a in answers], [True, False, True, True, True], "cold starts")
        holds(answers[4]["peak_rss_kb"] > 1000, "memory is measured")


@test
def the_runtime_api_answers_as_lambdas_does():
    with folder() as path:
        code, answers, said = played(path, {"do": "stranger"}, {"do": "large"}, {})  # the last one's words may be lost
        equal((code, answers[0]), (1, []))
        # the second answer: 400 once the next invocation has begun
        holds("statuses [400, 202, 403, 404]" in said or "statuses [400, 202, 400, 404]" in said, said)
        holds("status 413" in said and answers[1]["errorType"] == "Function.ResponseSizeTooLarge", said)


@test
def answers_in_chunks_are_put_together():
    with folder() as path:
        code, answers, said = played(path, {"do": "chunks"}, {"a": 1})
        equal((code, answers[0], answers[1]["count"]), (0, {"a": "x" * 70000}, 2), said)


@test
def an_init_error_is_the_answer():
    with folder() as path:
        config(path, {"console": {**CONSOLE["console"], "bacth_size": 1}})
        code, answers, said = invoke(path, {}, {})
        equal((code, [a["errorType"] for a in answers]), (1, ["Weir.ConfigInvalid"] * 2))
        holds("bacth_size" in answers[0]["errorMessage"], answers)


@test
def a_batch_that_fails_in_part_is_exit_1():
    with folder() as path:
        program = path / "boot"
        program.write_text(RUNTIME.replace('json.dumps({\n            "count"', 'json.dumps({"batchItemFailures": [{"itemIdentifier": "1"}], "count"'))
        program.chmod(0o755)
        config(path, CONSOLE)
        code, answers, _ = invoke(path, {}, more=("--bootstrap", program))
        equal((code, answers[0]["batchItemFailures"]), (1, [{"itemIdentifier": "1"}]))


@test
def what_is_not_there_is_said():
    with folder() as path:
        ran = weir("lambda", "invoke-local", "-", stdin=b"{}", cwd=path, env={"HOME": path})
        equal(ran.returncode, 78)
        holds(b"no configuration; looked for: " in ran.stderr, ran.stderr)
        config(path, CONSOLE)
        for arguments, word in ((["nothing.json"], b"nothing.json: no such file"),
                                (["-", "--bootstrap", "nothing"], b"nothing: ")):
            ran = weir("lambda", "invoke-local", *arguments, stdin=b"{}", cwd=path)
            equal(ran.returncode, 1)
            holds(word in ran.stderr, ran.stderr)


watchdog(110)
main()

#!/usr/bin/env python3
"""weir lambda invoke-local --esm: a whole event source mapping over the fake Streams service, with the real runtime
and with one that answers as told. What each number of the mapping means is tests/unit/esm's; here the parts hold
together."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog, weir
from polling import Fake, judge_rows, price_sink, records

# A runtime that does what stands next in the file `plan`, the last thing again and again, and notes each batch. Its
# environments share the plan.
RUNTIME = r"""#!%s
import fcntl, http.client, json, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
base = "/2018-06-01/runtime/invocation/"

def call(method, path, body=None):
    api.request(method, base + path, body)
    reply = api.getresponse()
    return reply, reply.read()

while True:
    reply, body = call("GET", "next")
    id = reply.headers["Lambda-Runtime-Aws-Request-Id"]
    batch = [r["dynamodb"]["SequenceNumber"] for r in json.loads(body)["Records"]]
    with open("plan", "r+") as plan, open("seen", "a") as seen:
        fcntl.flock(plan, fcntl.LOCK_EX)
        steps = json.load(plan)
        seen.write(json.dumps([int(n[-6:]) for n in batch]) + "\n")
        step = steps[0]
        if len(steps) > 1:
            plan.seek(0)
            plan.truncate()
            plan.write(json.dumps(steps[1:]))
    if isinstance(step, dict) and "sleep" in step:
        time.sleep(step["sleep"])
        step = None
    if isinstance(step, dict) and "poison" in step:  # fails while that record is in the batch
        step = "error" if step["poison"] in [int(n[-6:]) for n in batch] else None
    if isinstance(step, int):
        step = {"batchItemFailures": [{"itemIdentifier": n} for n in batch if int(n[-6:]) == step]}
    if step == "error":
        call("POST", f"{id}/error", json.dumps({"errorType": "My.Own", "errorMessage": "as told"}))
    elif step == "exit":
        os._exit(3)
    else:
        call("POST", f"{id}/response", json.dumps(step))
""" % sys.executable

REPORTS = ("--set", "lambda.report_batch_item_failures=true")


def now_records(first, count, age_s=0, **more):
    return records(first, count, when=int(time.time() - age_s), **more)


class Case:
    """The fake with a stream, a folder with a function, and what a mapping made of them."""

    def __init__(self, *plan, sinks=None):
        self.plan, self.sinks = list(plan), sinks

    def __enter__(self):
        self.fake_context, self.folder_context = Fake(), folder()
        self.fake, self.path = self.fake_context.__enter__(), self.folder_context.__enter__()
        self.stream = self.fake.stream
        config(self.path, self.sinks or {"console": {"plugin": "stdout", "config": {"format": "json"}}})
        (self.path / "plan").write_text(json.dumps(self.plan))
        boot = self.path / "boot"
        boot.write_text(RUNTIME)
        boot.chmod(0o755)
        self.own = ["--bootstrap", boot] if self.plan else []
        self.env = {"AWS_ENDPOINT_URL": self.fake.url}
        return self

    def __exit__(self, *error):
        self.folder_context.__exit__(*error)
        self.fake_context.__exit__(*error)

    def arguments(self, *more, source="Products", **keys):
        sets = [word for key, value in keys.items() for word in ("--set", f"source.{key}={value}")]
        return ["lambda", "invoke-local", "--esm", source, *self.own, *sets, *more]

    def once(self, *more, **keys):
        ran = weir(*self.arguments("--once", *more, **keys), cwd=self.path, env=self.env)
        self.code, self.said = ran.returncode, ran.stderr.decode()
        self.lines = ran.stdout.decode().splitlines()
        return self

    def decisions(self):
        """What each line says behind its batch and its time."""
        return [line.split(" ms: ", 1)[-1].split(" of start: ")[-1].split("; ")[0] for line in self.lines]

    def seen(self):
        path = self.path / "seen"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def span(first, last):
    return list(range(first, last + 1))


# ---- the whole way ----

@test
def prices_reach_their_table_shard_after_shard():
    with Case(sinks={"price": price_sink()}) as case:
        first = case.stream.shard(records=now_records(0, 30))
        second = first.split(records=now_records(30, 20))
        second.split(records=now_records(50, 5))
        case.once(batch_size=7)
        equal(case.code, 0, case.said)
        judge_rows(case.fake.aws, now_records(0, 55))
        case.fake.parents_came_first()
        equal(len(case.lines), 5 + 3 + 1, case.lines)
        equal(set(case.decisions()), {"done"})
        holds("55 records read: 55 delivered; 9 invocations\n" in case.said, case.said)
        holds("1 environment, peak memory" in case.said, "one shard after the other needs one environment")


@test
def a_sink_that_is_down_is_the_mappings_to_repeat():
    with Case(sinks={"price": price_sink()}) as case:
        case.fake.aws.faults.set([{"op": "BatchWriteItem", "do": "throttle", "times": 2}])
        case.stream.shard(records=now_records(0, 10))
        case.once(maximum_retry_attempts=5)
        equal(case.code, 0, case.said)
        judge_rows(case.fake.aws, now_records(0, 10))
        holds("all again in 200 ms, retry 1 of 5" in case.lines[0], case.lines)
        equal(case.decisions()[-1], "done")


@test
def lanes_of_a_shard_run_in_environments_of_their_own():
    with Case({"sleep": 0.2}, sinks=None) as case:
        case.stream.shard(records=now_records(0, 40, products=20))
        case.once(parallelization_factor=3, batch_size=4)
        equal(case.code, 0, case.said)
        holds("3 environments, peak memory" in case.said, case.said)
        of_item = {}
        for batch in case.seen():
            for number in batch:
                of_item.setdefault(number % 20, []).append(number)
        equal(of_item, {n: [n, n + 20] for n in range(20)}, "each item's records, in order")


# ---- 2.3 ----

@test
def a_partial_response_is_taken_up_from_its_lowest_record():
    with Case({"batchItemFailures": []}, 4, None) as case:
        case.stream.shard(records=now_records(0, 12))
        case.once(*REPORTS, batch_size=6)
        equal(case.seen(), [span(0, 5), span(6, 11)], "4 is not in the second batch: an empty list")
    with Case(4, None) as case:
        case.stream.shard(records=now_records(0, 6))
        case.once(*REPORTS, batch_size=6)
        equal((case.code, case.seen()), (0, [span(0, 5), [4, 5]]))
        equal(case.decisions(), ["4 done, the rest again in 200 ms, retry 1", "done"])
        holds(re.search(r'; batchItemFailures \[{"itemIdentifier": "\d+04"}\]$', case.lines[0]), case.lines)


@test
def answers_that_make_the_whole_batch_fail():
    for answer, why in (({"batchItemFailures": [{"itemIdentifier": ""}]}, "an itemIdentifier is empty"),
                        ({"batchItemFailures": [{"itemIdentifier": None}]}, "an itemIdentifier is null"),
                        ({"batchItemFailures": [{"id": "1"}]}, "has no itemIdentifier"),
                        ({"batchItemFailures": [{"itemIdentifier": "1"}]}, "is not in the batch"),
                        ("error", "My.Own: as told"), ("exit", "Runtime exited with error: exit status 3")):
        with Case(answer, None) as case:
            case.stream.shard(records=now_records(0, 3))
            case.once(*REPORTS, maximum_retry_attempts=1)
            equal((case.code, case.seen()), (0, [span(0, 2)] * 2), (answer, case.said))
            holds("all again in 200 ms, retry 1 of 1" in case.lines[0] and why in case.lines[0], case.lines)


@test
def without_report_batch_item_failures_the_answer_is_ignored():
    with Case(4) as case:
        case.stream.shard(records=now_records(0, 6))
        case.once()
        equal((case.code, case.seen(), case.decisions()), (0, [span(0, 5)], ["done"]))
        holds("partial responses are ignored" in case.said, case.said)


# ---- 2.4 ----

@test
def retries_end_in_the_destination_and_the_next_batch_comes():
    for retries in (1, 3):
        with Case(*["error"] * (retries + 1), None) as case:
            shard = case.stream.shard(records=now_records(0, 4))
            case.once("--on-failure", "failed.jsonl", batch_size=2, maximum_retry_attempts=retries)
            equal((case.code, case.seen()), (1, [[0, 1]] * (retries + 1) + [[2, 3]]))
            equal(case.decisions()[-2:], ["2 given up: RetryAttemptsExhausted", "done"])
            documents = [json.loads(line) for line in (case.path / "failed.jsonl").read_text().splitlines()]
            equal(len(documents), 1)
            equal({k: v for k, v in documents[0]["requestContext"].items() if k != "requestId"},
                  {"functionArn": "arn:aws:lambda:us-east-1:000000000000:function:local",
                   "condition": "RetryAttemptsExhausted", "approximateInvokeCount": retries + 1})
            equal(documents[0]["responseContext"],
                  {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"})
            info = documents[0]["DDBStreamBatchInfo"]
            equal((info["shardId"], info["batchSize"], info["streamArn"]), (shard.id, 2, case.stream.arn))
            equal([int(info[k][-6:]) for k in ("startSequenceNumber", "endSequenceNumber")], [0, 1])
            holds("4 records read: 2 delivered, 2 given up" in case.said, case.said)


@test
def bisect_finds_the_one_that_fails():
    with Case({"poison": 5}) as case:
        case.stream.shard(records=now_records(0, 8))
        case.once("--on-failure", "bucket/", bisect_batch_on_function_error="true", maximum_retry_attempts=1)
        equal((case.code, case.seen()),
              (1, [span(0, 7), span(0, 3), span(4, 7), [4, 5], [4], [5], [5], [6, 7]]))
        objects = [p for p in (case.path / "bucket").rglob("*") if p.is_file()]
        equal(len(objects), 1)
        equal(objects[0].relative_to(case.path / "bucket").parts[:2], ("aws", "lambda"))
        document = json.loads(objects[0].read_text())
        equal([int(r["dynamodb"]["SequenceNumber"][-6:]) for r in document["payload"]["Records"]], [5])
        equal(document["requestContext"]["approximateInvokeCount"], 2)


@test
def old_records_are_given_up_without_a_response():
    with Case(None) as case:
        case.stream.shard(records=now_records(0, 2, age_s=3600) + now_records(2, 2))
        case.once(maximum_record_age="60s")
        equal((case.code, case.seen()), (1, [[2, 3]]))
        holds(any(line.endswith(" given up: RecordAgeExceeded") and ": 2 records from " in line for line in case.lines),
              case.lines)
        document = json.loads(next(line for line in case.said.splitlines() if "requestContext" in line))
        equal(document["requestContext"]["condition"], "RecordAgeExceeded")
        holds("responseContext" not in document, document)


@test
def a_function_that_takes_too_long_has_failed():
    with Case({"sleep": 30}, None) as case:
        case.stream.shard(records=now_records(0, 2))
        case.once("--timeout", "1", maximum_retry_attempts=1)
        equal((case.code, case.seen()), (0, [[0, 1]] * 2))
        holds("Task timed out after 1.00 seconds" in case.lines[0], case.lines)


# ---- 2.1, 2.2 ----

@test
def filtered_records_are_passed_over():
    with Case(sinks={"price": price_sink()}) as case:
        change = now_records(0, 4)
        change[1]["eventName"] = change[3]["eventName"] = "INSERT"
        case.stream.shard(records=change)
        printed = weir("lambda", "filter", cwd=case.path)
        equal(printed.returncode, 0, printed.stderr)
        (case.path / "filter.json").write_bytes(printed.stdout)
        case.once("--filter", "filter.json")
        equal((case.code, len(case.lines)), (0, 1))
        holds(": 2 records " in case.lines[0], case.lines)
        holds("4 records read: 2 delivered, 2 filtered; 1 invocation\n" in case.said, case.said)
        holds(f"checkpoint {change[3]['dynamodb']['SequenceNumber']}\n" in case.said, "it is beyond what was filtered")


@test
def the_window_gathers():
    with Case(None) as case:
        case.stream.shard(records=now_records(0, 3))
        began = time.monotonic()
        case.once(maximum_batching_window="2s", batch_size=100)
        holds(time.monotonic() - began >= 2, "the window was waited for")
        equal(case.seen(), [span(0, 2)])


class Running:
    """A mapping that goes on until a signal."""

    def __init__(self, case, *more, **keys):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = start([WEIR, *case.arguments(*more, **keys)], cwd=case.path, stdin=subprocess.DEVNULL,
                             stdout=self.out, stderr=self.err, env=environment(**case.env))

    def text(self, file):
        file.seek(0)
        return file.read().decode()

    def says(self, words):
        until(lambda: words in self.text(self.err), 20, words)

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        code = self.process.wait(20)
        stop(self.process)
        return code


@test
def latest_begins_behind_what_is_there():
    with Case(None) as case:
        old = case.stream.shard(records=now_records(0, 5))
        shard = old.split(records=now_records(5, 5))
        running = Running(case, starting_position="LATEST")
        until(lambda: len(case.fake.asked("GetRecords")) > 1, 20, "the open shard is read")
        shard.add(*now_records(10, 2))
        until(lambda: case.seen(), 20, "the new records arrive")
        shard.split(records=now_records(12, 3))  # a child that appears later is read from its start
        until(lambda: len(case.seen()) >= 2, 30, "those of the new shard, too")
        equal(running.end(), 0)
        equal(sorted(sum(case.seen(), [])), span(10, 14))
        kinds = [kind for _, _, kind in case.fake.asked("GetShardIterator")]
        equal(kinds, ["LATEST", "TRIM_HORIZON"])


@test
def ctrl_c_lets_the_function_finish_and_sums_up():
    with Case({"sleep": 1}) as case:
        case.stream.shard(records=now_records(0, 4))
        running = Running(case, batch_size=2)
        until(lambda: case.seen(), 20, "the function runs")
        equal(running.end(), 0)
        equal((case.seen(), len(running.text(running.out).splitlines())), ([[0, 1]], 1))
        holds("4 records read: 2 delivered, 2 not finished" in running.text(running.err), running.text(running.err))


@test
def a_second_ctrl_c_ends_at_once():
    with Case({"sleep": 60}) as case:
        case.stream.shard(records=now_records(0, 1))
        running = Running(case, "--timeout", "100")
        until(lambda: case.seen(), 20, "the function runs")
        running.process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        equal(running.end(), 128 + signal.SIGINT)


# ---- the source's faults ----

@test
def faults_of_the_source_lose_and_repeat_nothing():
    with Case(None) as case:
        case.fake.aws.faults.set([{"op": "GetRecords", "do": "throttle", "every": 3},
                                  {"op": "GetShardIterator", "do": "throttle", "every": 2},
                                  {"op": "DescribeStream", "do": "cut", "every": 2},
                                  {"op": "GetRecords", "do": "truncate", "every": 5}])
        first = case.stream.shard(records=now_records(0, 50))
        first.split(records=now_records(50, 20))
        running = Running(case, batch_size=10)
        until(lambda: len(sum(case.seen(), [])) >= 70, 40, "all is delivered")
        case.fake.aws.streams.expire_iterators()
        leaf = list(case.stream.shards.values())[-1]
        leaf.add(*now_records(70, 5))
        until(lambda: len(sum(case.seen(), [])) >= 75, 40, "also behind an expired iterator")
        equal(running.end(), 0)
        equal(sum(case.seen(), []), span(0, 74))


@test
def a_disabled_stream_is_read_to_its_end():
    with Case(None) as case:
        case.stream.shard(records=now_records(0, 5))
        case.stream.disable()
        case.once()
        equal((case.code, case.seen()), (0, [span(0, 4)]), case.said)


@test
def what_cant_be_is_said():
    with Case(None) as case:
        case.stream.shard(records=now_records(0, 1))
        for code, words, more, keys in (
                (78, "there is no table Nothing", (), {"source": "Nothing"}),
                (78, "is no stream's ARN", (), {"source": "arn:aws:sqs:us-east-1:0:q"}),
                (78, "can't start at AT_TIMESTAMP", ("--set", "source.starting_timestamp=2026-01-01T00:00:00Z"),
                 {"starting_position": "AT_TIMESTAMP"}),
                (78, '"maximum_record_age" must be 1m to', (), {"maximum_record_age": "59s"}),
                (78, '"batch_size" must be 1 to 10000', (), {"batch_size": "10001"}),
                (78, '"parallelization_factor" must be 1 to 10', (), {"parallelization_factor": "11"}),
                (78, '"maximum_batching_window" must be 0', (), {"maximum_batching_window": "301s"}),
                (78, '"maximum_retry_attempts" must be -1 to 10000', (), {"maximum_retry_attempts": "-2"}),
                (1, "nothing.json: no such file", ("--filter", "nothing.json"), {}),
                (78, "Invalid filter pattern definition.", ("--filter", "bad.json"), {}),
                (73, "No such file", ("--on-failure", "no/such/file"), {}),
                (2, "there is no EVENT with it", ("event.json",), {})):
            (case.path / "bad.json").write_text('{"Filters":[{"Pattern":"{\\"eventName\\":\\"MODIFY\\"}"}]}')
            case.once(*more, **keys)
            equal(case.code, code, (words, case.said))
            holds(words in case.said, (words, case.said))
        equal(case.seen(), [])
        for arguments in ((), ("event.json", "--once")):
            equal(weir("lambda", "invoke-local", *arguments, cwd=case.path).returncode, 2)


@test
def a_source_that_does_not_answer_is_given_up():
    with Case(None) as case:
        case.env["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
        case.once()
        equal((case.code, case.lines), (69, []), case.said)


watchdog(110)
main()

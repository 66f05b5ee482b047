#!/usr/bin/env python3
"""weir as the Lambda runtime, against the fake Runtime API: what it answers, and when it must not."""
import json
import os
import random
import re
import signal
import socket
import threading
import time

import events
from harness import (LambdaWeir, aws_server, config, equal, folder, holds, main, rows, test,
                     until, watchdog)

SUCCESS = {"statusCode": 200, "body": '"Successfully processed stream records"', "batchItemFailures": []}
RETRY = {"max_attempts": 2, "base": "1ms", "cap": "5ms"}
FREEZE_S = float(os.environ.get("WEIR_FREEZE_S", 5.4))  # by hand: WEIR_FREEZE_S=60


def failures(*identifiers):
    return [{"itemIdentifier": i} for i in identifiers]


def history(aws=None, **more):
    """A pricehistory sink on the fake DynamoDB."""
    return {"plugin": "pricehistory", "retry": RETRY, "config": {"table": "PriceHistory"}, **more}


class Setup:
    """A folder, a fake AWS, a config and a running runtime."""

    def __init__(self, sinks, partial=False, wrap=(), rules=(), **sections):
        self.folder = folder()
        self.path = self.folder.__enter__()
        self.aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp")},
                                        queues=["all", "all.fifo"], rules=rules)
        sinks = {name: self.resolve(sink) for name, sink in sinks.items()}
        lambda_section = {"report_batch_item_failures": partial, **sections.pop("lambda_section", {})}
        config(self.path, sinks, aws={"endpoint_url": self.aws.url}, **{"lambda": lambda_section}, **sections)
        self.weir = LambdaWeir(self.path, wrap)

    def resolve(self, sink):
        text = json.dumps(sink).replace("QUEUE:", self.aws.url + "/000000000000/")
        return json.loads(text)

    def __enter__(self):
        self.weir.__enter__()
        return self

    def __exit__(self, *trace):
        self.weir.__exit__(*trace)
        problems = self.aws.signature_problems
        self.aws.close()
        self.folder.__exit__()
        if trace[0] is None:
            equal(problems, [], "signatures")

    def invoke(self, records, **options):
        return self.weir.invoke(events.batch(records) if isinstance(records, list) else records, **options)

    def rows(self):
        return sorted((item["product_id"]["S"], item["old_price"].get("N"), item["new_price"].get("N"))
                      for item in self.aws.tables["PriceHistory"].items.values())


def changes(count, first=1, products=5):
    """Price changes, each product's price counting up."""
    return [events.price(first + n, f"p{n % products}", first + n, first + n + 1) for n in range(count)]


def refuse(product, kind="ValidationException", **more):
    """A rule: the server refuses each write of this product."""
    return {"do": "error", "type": kind, "match": rb'"S":\s*"%s"' % product.encode(), **more}


# ---- the good case ----

@test
def success_answers_as_the_article_does():
    with Setup({"price": history()}) as it:
        answer = it.invoke(changes(10))
        equal((answer.kind, answer.json), ("response", SUCCESS))
        equal(len(it.rows()), 10, "rows")
        answer = it.invoke([events.record(99, "p1", {"price": 1, "stock": 1}, {"price": 1, "stock": 2})])
        equal((answer.kind, answer.json), ("response", SUCCESS))
        equal(len(it.rows()), 10, "rows")


@test
def F13_the_same_batch_twice_is_the_same_table():
    with Setup({"price": history()}) as it:
        for _ in range(2):
            equal(it.invoke(changes(30)).json, SUCCESS)
        equal(len(it.rows()), 30, "rows")


@test
def F30_one_batch_in_two_environments_at_once():
    with Setup({"price": history()}) as it, LambdaWeir(it.path) as second:
        body = json.dumps(events.batch(changes(100))).encode()
        answers = [it.weir.api.start_invoke(body), second.api.start_invoke(body)]
        for answer in answers:
            holds(answer.done.wait(20), "answered")
            equal(answer.json, SUCCESS)
        equal(len(it.rows()), 100, "rows")


# ---- failures ----

@test
def F20_without_the_switch_a_failing_record_is_an_invocation_error():
    with Setup({"price": history()}, rules=[refuse("p3")]) as it:
        answer = it.invoke(changes(10))
        equal(answer.kind, "error")
        holds(answer.json["errorMessage"] and answer.json["errorType"].startswith("Weir."), answer.json)
        equal(answer.headers.get("Lambda-Runtime-Function-Error-Type"), answer.json["errorType"])
        holds(events.sequence(4) in answer.json["errorMessage"], f"names the record: {answer.json}")


@test
def F21_B18_exactly_one_identifier_the_lowest_unfinished():
    rng = random.Random(21)
    with Setup({"price": history()}, partial=True) as it:
        for turn in range(25):
            batch = changes(20, first=1 + 100 * turn, products=20)
            bad = rng.sample(range(20), rng.randint(1, 6))
            it.aws.faults.set([refuse(f"p{n}") for n in bad])
            answer = it.invoke(batch)
            lowest = batch[min(bad)]["dynamodb"]["SequenceNumber"]
            equal((answer.kind, answer.json["batchItemFailures"]), ("response", failures(lowest)), f"turn {turn}")


@test
def B18_what_follows_the_failed_record_is_not_lost():
    """Plays the mapping: repeats from the identifier on, until the batch is done."""
    with Setup({"price": history()}, partial=True, rules=[refuse("p3", times=9)]) as it:
        batch, turns = changes(20), 0
        while batch:
            turns += 1
            answer = it.invoke(batch)
            equal(answer.kind, "response")
            lowest = [f["itemIdentifier"] for f in answer.json["batchItemFailures"]]
            batch = [r for r in batch if lowest and int(r["dynamodb"]["SequenceNumber"]) >= int(lowest[0])]
            holds(turns < 50, "ends")
        holds(turns > 1, "something failed")
        equal(len(it.rows()), 20, "rows")


@test
def F21_pipes_name_the_event_id():
    with Setup({"price": history()}, partial=True, rules=[refuse("p2")]) as it:
        batch = changes(5)
        answer = it.weir.invoke(batch)
        equal(answer.json["batchItemFailures"], failures(batch[2]["eventID"]))


@test
def F21_kinesis_input_names_the_envelopes_number():
    sink = history()
    sink["config"]["timestamp"] = "text"
    with Setup({"price": sink}, partial=True, rules=[refuse("p2")]) as it:
        event = events.kinesis(changes(5))
        answer = it.weir.invoke(event)
        equal(answer.json["batchItemFailures"], failures(event["Records"][2]["kinesis"]["sequenceNumber"]))


@test
def F22_a_record_that_always_fails_becomes_a_dead_letter_whole():
    sinks = {"price": history(on_exhausted={"to": "dead"}),
             "dead": {"plugin": "sqs", "only_from": ["price"], "config": {"queue_url": "QUEUE:all"}}}
    with Setup(sinks, rules=[refuse("p3")]) as it:
        equal(it.invoke(changes(10)).json, SUCCESS)
        letters = [json.loads(m["MessageBody"]) for m in it.aws.queues["all"].messages]
        equal(len(letters), 2, "dead letters (p3 changed twice)")
        holds(all("ValidationException" in json.dumps(one) and events.sequence(0)[:20] in json.dumps(one)
                  for one in letters), f"reason and record: {letters[:1]}")
        equal(len(it.rows()), 8, "rows")


@test
def F22_a_record_is_not_finished_before_its_dead_letter_is():
    sinks = {"price": history(on_exhausted={"to": "dead"}),
             "dead": {"plugin": "sqs", "only_from": ["price"], "retry": RETRY,
                      "config": {"queue_url": "QUEUE:all"}}}
    rules = [refuse("p3"), {"op": "SendMessageBatch", "do": "error", "type": "InvalidMessageContents"}]
    with Setup(sinks, partial=True, rules=rules) as it:
        answer = it.invoke(changes(10))
        holds(answer.kind == "error" or answer.json["batchItemFailures"] == failures(events.sequence(4)),
              f"not acknowledged: {answer.body}")


@test
def F41_a_dead_letter_that_is_too_large_blocks_or_goes_without_its_images():
    for on_oversize in ("block", "pointer"):
        sinks = {"price": history(on_exhausted={"to": "dead", "on_oversize": on_oversize}),
                 "dead": {"plugin": "sqs", "only_from": ["price"],
                          "config": {"queue_url": "QUEUE:all", "max_message_bytes": "2KiB"}}}
        event = changes(10)
        for record in event:
            record["dynamodb"]["NewImage"]["note"] = {"S": "x" * 4000}
        with Setup(sinks, rules=[refuse("p3")]) as it:
            answer = it.invoke(event)
            letters = [json.loads(m["MessageBody"]) for m in it.aws.queues["all"].messages]
            equal(len(it.rows()), 8, "rows")
            if on_oversize == "block":
                equal((answer.kind, letters), ("error", []))
                continue
            equal(answer.json, SUCCESS)
            equal(len(letters), 2, "dead letters (p3 changed twice)")
            for letter in letters:
                holds(letter["pointer"] is True and "ValidationException" in letter["reason"], letter)
                change = letter["record"]["dynamodb"]
                equal((change["Keys"], change["SequenceNumber"]), ({"product_id": {"S": "p3"}}, letter["sequence"]))
                holds("NewImage" not in change and "OldImage" not in change, "no images")


@test
def F32_unprocessed_items_are_sent_again():
    sink = history(retry={**RETRY, "max_attempts": 4})  # one record may be left out each time
    with Setup({"price": sink}, rules=[{"op": "BatchWriteItem", "do": "unprocessed", "times": 3}]) as it:
        equal(it.invoke(changes(60)).json, SUCCESS)
        equal(len(it.rows()), 60, "rows")


@test
def F31_F39_F48_throttling_and_lost_answers_lose_nothing():
    rules = [{"do": "error", "type": "ProvisionedThroughputExceededException", "every": 5, "times": 3},
             {"do": "cut", "every": 4, "times": 3}, {"do": "truncate", "every": 3, "times": 2},
             {"do": "reset", "every": 3, "times": 2}]
    sink = history(retry={"max_attempts": 10, "base": "1ms", "cap": "5ms"})
    with Setup({"price": sink}, partial=True, rules=rules) as it:
        batch = changes(200, products=40)
        for _ in range(20):
            answer = it.invoke(batch, deadline_ms=20000)
            if answer.kind == "response" and not answer.json["batchItemFailures"]:
                break
        equal(answer.json, SUCCESS)
        equal(len(it.rows()), 200, "rows")


@test
def F36_a_missing_table_ends_the_invocation_with_an_error():
    sink = history()
    sink["config"]["table"] = "NoSuchTable"
    with Setup({"price": sink}, partial=True) as it:
        answer = it.invoke(changes(5), deadline_ms=20000)
        holds(answer.kind == "error" or answer.json["batchItemFailures"] == failures(events.sequence(1)),
              f"not acknowledged: {answer.body}")
        holds(answer.seconds < 10, f"did not wait for the deadline: {answer.seconds:.1f} s")


@test
def B17_redelivery_repeats_nothing_for_a_sink_that_was_done():
    sinks = {"price": history(), "queue": {"plugin": "sqs", "config": {"queue_url": "QUEUE:all"}}}
    with Setup(sinks, rules=[refuse("p3", times=6)]) as it:
        batch, kinds = changes(12), []
        for _ in range(6):
            kinds.append(it.invoke(batch).kind)
            if kinds[-1] == "response":
                break
        equal((kinds[0], kinds[-1]), ("error", "response"))
        equal(len(it.aws.queues["all"].messages), 12, "messages over all redeliveries")
        equal(it.invoke(batch).kind, "response")
        equal(len(it.aws.queues["all"].messages), 24, "after a success a batch is new")


# ---- deadline, freeze ----

@test
def F23_near_the_deadline_the_first_unfinished_is_reported():
    for partial in (True, False):
        with Setup({"price": history()}, partial=partial,
                   rules=[{"match": rb'"S":\s*"p3"', "do": "hang", "ms": 20000}]) as it:
            batch = changes(40, products=40)
            answer = it.invoke(batch, deadline_ms=3000)
            holds(answer.seconds < 3, f"answered after {answer.seconds:.2f} s of 3")
            if partial:
                holds(int(answer.json["batchItemFailures"][0]["itemIdentifier"]) <= int(events.sequence(4)),
                      answer.body)
            else:
                equal(answer.kind, "error")
            it.aws.faults.set([])
            equal(it.invoke(batch).json, SUCCESS, "the next invocation")
            equal(len(it.rows()), 40, "rows")


@test
def F24_after_a_thaw_old_connections_do_no_harm():
    with Setup({"price": history()}) as it:
        equal(it.invoke(changes(5)).json, SUCCESS)
        until(it.weir.api.waiting.is_set, 5, "asks for the next")
        for number in range(3):
            it.weir.process.send_signal(signal.SIGSTOP)
            time.sleep(0.3)
            it.weir.process.send_signal(signal.SIGCONT)
            equal(it.invoke(changes(5, first=100 * (number + 1))).json, SUCCESS)
        equal(len(it.rows()), 20, "rows")


def waits_for_ever(process):
    """Does it wait without a time limit, that is, with no timer armed? (epoll_pwait: descriptor, events, count,
    timeout.) None where the kernel does not tell."""
    try:
        with open(f"/proc/{process.pid}/syscall") as file:
            words = file.read().split()
    except OSError:
        return None
    return len(words) > 4 and int(words[4], 16) & 0xffffffff == 0xffffffff


@test
def F24_nothing_is_armed_while_it_waits_for_an_event():
    """Neither by the router, which times each delivery, nor by libcurl: all of it would be overdue after a thaw."""
    sinks = {"price": history(), "queue": {"plugin": "sqs", "config": {"queue_url": "QUEUE:all"}}}
    with Setup(sinks, rules=[refuse("p3", times=1)], partial=True) as it:
        until(it.weir.api.waiting.is_set, 5, "asks for the first")
        if waits_for_ever(it.weir.process) is None:
            return
        for turn in range(3):
            until(lambda: waits_for_ever(it.weir.process), 1, f"no timer is armed before invocation {turn + 1}")
            it.invoke(changes(10))
            it.weir.api.waiting.wait(5)
        until(lambda: waits_for_ever(it.weir.process), 1, "no timer is armed after the last")


class Vanishing:
    """Passes connections on to a server; those open at vanish() are gone without a trace: nothing that is
    sent on them arrives, and nobody says so."""

    def __init__(self, upstream):
        self.upstream, self.generation = upstream.split(":"), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection((self.upstream[0], int(self.upstream[1])))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(*pair, self.generation), daemon=True).start()

    def carry(self, source, target, born):
        try:
            while data := source.recv(65536):
                if born != self.generation:
                    continue
                target.sendall(data)
            if born == self.generation:
                target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def vanish(self):
        self.generation += 1


@test
def F24_connections_gone_without_a_trace_after_a_freeze():
    """More than 5 s are a freeze: nothing pooled is used after it. (The figure is the source's, 60 s or 6.)"""
    with Setup({"price": history()}) as it:
        middle = Vanishing(it.aws.url[len("http://"):])
        config(it.path, {"price": history()}, aws={"endpoint_url": f"http://{middle.address}"})
        with LambdaWeir(it.path) as runtime:
            equal(runtime.invoke(events.batch(changes(30))).json, SUCCESS)
            until(runtime.api.waiting.is_set, 5, "asks for the next")
            runtime.process.send_signal(signal.SIGSTOP)
            middle.vanish()
            time.sleep(FREEZE_S)
            runtime.process.send_signal(signal.SIGCONT)
            answer = runtime.invoke(events.batch(changes(30, first=100)), deadline_ms=10000)
            equal(answer.json, SUCCESS)
            holds(answer.seconds < 2, f"as if nothing had been: {answer.seconds:.2f} s")
        middle.listener.close()
        equal(len(it.rows()), 60, "rows")


@test
def F24_connections_gone_without_a_trace_within_moments():
    with Setup({"price": history()}) as it:
        middle = Vanishing(it.aws.url[len("http://"):])
        config(it.path, {"price": history(retry={"max_attempts": 5, "base": "1ms", "cap": "5ms"})},
               aws={"endpoint_url": f"http://{middle.address}"})
        with LambdaWeir(it.path) as runtime:
            equal(runtime.invoke(events.batch(changes(30))).json, SUCCESS)
            until(runtime.api.waiting.is_set, 5, "asks for the next")
            middle.vanish()
            answer = runtime.invoke(events.batch(changes(30, first=100)), deadline_ms=20000)
            equal(answer.json, SUCCESS)
        middle.listener.close()
        equal(len(it.rows()), 60, "rows")


# ---- logs and metrics ----

def json_lines(text):
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@test
def each_invocation_is_a_set_of_metric_lines():
    sinks = {"price": history(), "queue": {"plugin": "sqs", "config": {"queue_url": "QUEUE:all"}}}
    with Setup(sinks, partial=True, rules=[refuse("p3")]) as it:
        answers = [it.invoke(changes(10)), it.invoke([])]
        equal(answers[0].json["batchItemFailures"], failures(events.sequence(4)))
        lines = [line for line in json_lines(it.weir.output()) if "_aws" in line]
        by_id = [[line for line in lines if line["function_request_id"] == a.request_id] for a in answers]
        equal([len(group) for group in by_id], [3, 1], "lines: the invocation's, and each sink's")
        whole, *of_sinks = by_id[0]
        for line in lines:
            metrics = line["_aws"]["CloudWatchMetrics"][0]
            equal(metrics["Namespace"], "Weir")
            for name in [m["Name"] for m in metrics["Metrics"]] + metrics["Dimensions"][0]:
                holds(name in line, f"{name} has a value")
            holds(abs(line["_aws"]["Timestamp"] / 1000 - time.time()) < 60, "a time in milliseconds")
        equal(whole["_aws"]["CloudWatchMetrics"][0]["Dimensions"], [["service"]])
        equal([whole[k] for k in ("RecordsReceived", "RecordsDelivered", "RecordsFailed", "BatchItemFailures",
                                  "ColdStart")], [10, 18, 2, 1, 1])
        holds(whole["RecordAge"] > 0 and whole["SinkLatency"] >= 0, whole)
        holds(all(line["SinkLatency"] >= 0 for line in of_sinks), of_sinks)
        equal({line["sink"]: (line["RecordsDelivered"], line["RecordsFailed"]) for line in of_sinks},
              {"price": (8, 2), "queue": (10, 0)})
        equal([by_id[1][0][k] for k in ("RecordsReceived", "BatchItemFailures", "ColdStart")], [0, 0, 0])


@test
def metric_lines_can_be_switched_off_or_renamed():
    with Setup({"price": history()}, metrics={"emf": {"enabled": False}}) as it:
        it.invoke(changes(3))
        equal([line for line in json_lines(it.weir.output()) if "_aws" in line], [])
    with Setup({"price": history()}, metrics={"emf": {"namespace": "Shop"}}) as it:
        it.invoke(changes(3))
        names = {line["_aws"]["CloudWatchMetrics"][0]["Namespace"] for line in json_lines(it.weir.output())
                 if "_aws" in line}
        equal(names, {"Shop"})


@test
def the_functions_own_log_settings_are_kept_to():
    with Setup({"price": history()}, log={"level": "error"}) as it:
        with LambdaWeir(it.path, AWS_LAMBDA_LOG_LEVEL="INFO", AWS_LAMBDA_LOG_FORMAT="JSON",
                        AWS_LAMBDA_FUNCTION_NAME="prices", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128") as runtime:
            answer = runtime.invoke(events.batch(changes(1)), Lambda_Runtime_Trace_Id="Root=1-5759e988;Sampled=1")
            said = [line for line in json_lines(runtime.output()) if line.get("message", "").startswith("Price updated")]
            equal(len(said), 1, "lines at level info")
            equal([said[0][k] for k in ("level", "function_name", "function_memory_size", "function_request_id",
                                        "cold_start", "xray_trace_id")],
                  ["INFO", "prices", 128, answer.request_id, True, "Root=1-5759e988;Sampled=1"])
        with LambdaWeir(it.path, AWS_LAMBDA_LOG_LEVEL="DEBUG", AWS_LAMBDA_LOG_FORMAT="Text") as runtime:
            runtime.invoke(events.batch(changes(1, first=50)))
            holds(any(" INFO " in line and "Price updated" in line for line in runtime.output().splitlines()),
                  runtime.output())
        it.invoke(changes(1, first=70))
        holds("Price updated" not in it.weir.output(), "the config's level, where Lambda has none")


@test
def the_trace_goes_on_with_the_requests():
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    with Setup({"price": history()}) as it:
        it.weir.invoke(events.batch(changes(1)), Lambda_Runtime_Trace_Id=trace)
        it.weir.invoke(events.batch(changes(1, first=9)))
        equal(it.aws.traces, [trace, None])


@test
def the_trace_stands_in_the_environment_for_plugins():
    with folder() as path:
        config(path, {"x": {"plugin": "environ"}})
        with LambdaWeir(path) as runtime:
            for trace in ("Root=1-5759e988;Sampled=1", "Root=1-6859e988;Sampled=0", None):
                headers = {"Lambda_Runtime_Trace_Id": trace} if trace else {}
                equal(runtime.invoke(events.batch(changes(1)), **headers).json, SUCCESS)
                last = [line for line in runtime.output().splitlines() if "_X_AMZN_TRACE_ID=" in line][-1]
                holds(f"_X_AMZN_TRACE_ID={trace or ''}" + ("" if trace else '"') in last, last)


@test
def each_level_of_lambdas_is_one_of_ours():
    for level, said in (("TRACE", True), ("DEBUG", True), ("INFO", True), ("WARN", False), ("ERROR", False),
                        ("FATAL", False)):
        with folder() as path:
            config(path, {"price": {"plugin": "pricehistory",
                                    "config": {"store": "sqlite", "path": str(path / "h.db")}}})
            with LambdaWeir(path, AWS_LAMBDA_LOG_LEVEL=level, AWS_LAMBDA_LOG_FORMAT="JSON") as runtime:
                runtime.invoke(events.batch(changes(1)))
                lines = [line for line in json_lines(runtime.output()) if "Price updated" in line.get("message", "")]
                equal(len(lines), int(said), f"lines at {level}")
                for line in lines:  # what Lambda's own filter needs: RFC 3339, and a level it knows
                    holds(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"]), line)
                    equal(line["level"], "INFO")


# ---- the Runtime API misbehaves ----

@test
def F25_a_refused_answer_is_logged_and_not_followed_by_another():
    with Setup({"price": history()}) as it:
        for status in (400, 403, 413):
            it.weir.api.report_status = [status]
            answer = it.invoke(changes(5))
            equal(it.invoke(changes(5)).json, SUCCESS, "and it goes on")
            equal([r.kind for r in answer.reports], ["response"])


@test
def F25_a_container_error_ends_the_process():
    with Setup({"price": history()}) as it:
        it.weir.api.report_status = [500]
        it.invoke(changes(5))
        holds(it.weir.wait_exit() != 0, "exit not 0")


# ---- other events ----

@test
def F28_no_records_is_success():
    with Setup({"price": history()}) as it:
        equal(it.invoke([]).json, SUCCESS)
        equal(it.weir.invoke([]).json, SUCCESS, "a bare empty array")


@test
def F28_foreign_events_are_clear_errors():
    with Setup({"price": history()}, partial=True) as it:
        for event in (b'{"key1":"value1","key2":"value2","key3":"value3"}', b'{}', b'null', b'"x"', b'[1,2',
                      b'{"Records":{}}', b'{"Records":[{"eventSource":"aws:s3","s3":{}}]}', b''):
            answer = it.weir.invoke(event)
            equal(answer.kind, "error", repr(event))
            holds(len(answer.json["errorMessage"]) > 10, answer.body)
        equal(it.invoke(changes(3)).json, SUCCESS, "and it goes on")


@test
def F28_an_event_of_6_mb():
    filler = "x" * 5500
    batch = [events.record(n, f"p{n}", {"price": n, "text": filler}, {"price": n + 1, "text": filler})
             for n in range(1, 530)]
    with Setup({"price": history()}) as it:
        body = json.dumps(events.batch(batch)).encode()
        holds(5.9e6 < len(body) < 6.3e6, len(body))
        equal(it.weir.invoke(body).json, SUCCESS)
        equal(len(it.rows()), 529, "rows")


@test
def F82_a_poison_record_with_an_identifier_is_named_and_its_neighbours_are_stored():
    batch = changes(5)
    batch[2]["dynamodb"]["NewImage"]["price"] = {"N": {}}
    for partial in (True, False):
        with Setup({"price": history()}, partial=partial) as it:
            answer = it.invoke(batch)
            if partial:
                equal(answer.json["batchItemFailures"], failures(events.sequence(3)))
            else:
                equal(answer.kind, "error")
            equal(len(it.rows()), 4, "rows")


@test
def F82_a_poison_record_without_an_identifier_fails_the_invocation():
    batch = changes(5)
    batch[2]["dynamodb"]["SequenceNumber"] = 7
    with Setup({"price": history()}, partial=True) as it:
        equal(it.invoke(batch).kind, "error")


# ---- start ----

def init_error(path, word, **env):
    with LambdaWeir(path, **env) as runtime:
        equal(runtime.wait_exit(), 1, "exit code")
        equal(len(runtime.api.init_errors), 1, "init errors")
        headers, body = runtime.api.init_errors[0]
        error = json.loads(body)
        holds(error["errorType"].startswith("Weir."), error)
        holds(word in error["errorMessage"], f"{word!r} is in {error['errorMessage']!r}")
        holds(word in runtime.output(), "the log says the same")
        equal(headers.get("Lambda-Runtime-Function-Error-Type"), error["errorType"])
        equal(runtime.api.next_calls, 0, "calls of next")


@test
def F27_a_bad_config_is_an_init_error():
    with folder() as path:
        config(path, {"price": {**history(), "bacth_size": 1}})
        init_error(path, "bacth_size")


@test
def F27_no_config_names_the_places_it_looked_at():
    with folder() as path:
        init_error(path, "/opt/weir/weir.json", handler="shop.json")


@test
def F27_a_missing_plugin_is_an_init_error():
    with folder() as path:
        config(path, {"price": {"plugin": "pricehistroy"}})
        init_error(path, "pricehistroy")


@test
def F27_F58_a_plugin_of_another_abi_is_an_init_error():
    with folder() as path:
        config(path, {"x": {"plugin": "badabi"}})
        init_error(path, "ABI 2")


@test
def handler_names_the_config():
    with folder() as path:
        config(path, {"x": {"plugin": "stdout"}}, name="shop.json")
        with LambdaWeir(path, handler="shop.json") as runtime:
            equal(runtime.invoke(events.batch(changes(1))).json, SUCCESS)


@test
def variables_and_headers_that_may_be_missing_may_be_missing():
    """_HANDLER, region, and all that AWS_LAMBDA_ begins, but the API; and headers that mean nothing to us may be there."""
    with folder() as path:
        config(path, {"x": {"plugin": "stdout"}})
        with LambdaWeir(path, handler=None, AWS_REGION=None) as runtime:
            equal(runtime.invoke(events.batch(changes(1))).json, SUCCESS)
            equal(runtime.invoke(events.batch(changes(1)), Lambda_Runtime_Client_Context="e30=",
                                 Lambda_Runtime_Cognito_Identity="{}", Lambda_Runtime_Aws_Tenant_Id="t1").json, SUCCESS)


@test
def an_api_that_is_gone_ends_the_process():
    with folder() as path:
        config(path, {"x": {"plugin": "stdout"}})
        with LambdaWeir(path) as runtime:
            until(runtime.api.waiting.is_set, 10, "asks for the next")
            runtime.api.close()
            equal(runtime.wait_exit(), 1)


@test
def TERM_ends_it_at_once():
    """As with an external extension: 300 ms are left to it. Nothing is open, so it needs none of them."""
    with Setup({"price": history()}) as it:
        equal(it.invoke(changes(3)).json, SUCCESS)
        it.weir.api.waiting.wait(5)
        began = time.monotonic()
        it.weir.process.send_signal(signal.SIGTERM)
        it.weir.wait_exit()
        holds(time.monotonic() - began < 2, "it ends")
        equal(len(it.rows()), 3, "rows")


@test
def F29_nothing_is_deferred_past_the_answer():
    with folder() as path:
        config(path, {"price": {"plugin": "pricehistory", "config": {"store": "sqlite", "path": str(path / "h.db")}}})
        with LambdaWeir(path) as runtime:
            for turn in range(10):
                equal(runtime.invoke(events.batch(changes(20, first=1 + 20 * turn))).json, SUCCESS)
                runtime.kill()
                equal(rows(path / "h.db", "SELECT count(*) FROM price_history"), [(20 * (turn + 1),)])
                runtime.start()


watchdog(280 + FREEZE_S)
main()

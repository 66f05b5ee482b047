#!/usr/bin/env python3
"""No more rights than are needed: those of the process, and those of each sink in AWS, under a server that refuses what the
policy printed by weir does not allow."""
import contextlib
import json
import os
import signal

import events
from harness import LambdaWeir, WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog, weir
from fakes import aws_server
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


# ---- the sinks ----

TOPIC = "arn:aws:sns:us-east-1:123456789012:prices"
SINKS = {
    "rows in batches": ({"plugin": "pricehistory", "config": {"table": "PriceHistory", "announce": False}},
                        {"dynamodb:BatchWriteItem"}),
    "rows one by one": ({"plugin": "pricehistory", "config": {"table": "PriceHistory", "announce": False, "batch": 1}},
                        {"dynamodb:PutItem"}),
    "a replica": ({"plugin": "dynamodb", "config": {"table": "Copy"}}, {"dynamodb:PutItem", "dynamodb:DeleteItem"}),
    "a replica with tombstones": ({"plugin": "dynamodb", "config": {"table": "Copy", "removes": "tombstone"}},
                                  {"dynamodb:PutItem"}),
    "a queue": ({"plugin": "sqs", "config": {"queue_url": "URL/000000000000/orders"}}, {"sqs:SendMessage"}),
    "a FIFO queue": ({"plugin": "sqs", "config": {"queue_url": "URL/000000000000/orders.fifo"}}, {"sqs:SendMessage"}),
    "a topic": ({"plugin": "sns", "config": {"topic_arn": TOPIC}}, {"sns:Publish"}),
    "a stream": ({"plugin": "kinesis", "config": {"stream": "prices"}}, {"kinesis:PutRecords"}),
    "a bus": ({"plugin": "eventbridge", "config": {"bus": "shop"}}, {"events:PutEvents"}),
    "a function": ({"plugin": "lambda", "config": {"function": "indexer"}}, {"lambda:InvokeFunction"}),
    "a function's alias": ({"plugin": "lambda", "config": {"function": "indexer", "qualifier": "live"}},
                           {"lambda:InvokeFunction"}),
}
STREAM_READER = {"dynamodb:ListStreams", "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator",
                 "logs:CreateLogStream", "logs:PutLogEvents"}


def server():
    aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp"), "Copy": ("product_id",)},
                               queues=["orders", "orders.fifo"])
    aws.kinesis_streams.add("prices")
    aws.buses.add("shop")
    aws.topics[TOPIC] = []
    for name in ("indexer", "indexer:live"):
        aws.functions[name] = aws_server.Function(lambda event: None)
    return aws


def changes():
    """Items that are made, changed and removed."""
    images = [{"price": ("N", str(n))} for n in range(2)]
    return [events.record(3 * item + step, f"p{item}", old, new) for item in range(5)
            for step, (old, new) in enumerate(((None, images[0]), (images[0], images[1]), (images[1], None)))]


def prepare(path, aws, sink):
    """(the configuration of this sink alone, its policy as `weir lambda iam` prints it without the stream's part)"""
    sink = json.loads(json.dumps(sink).replace("URL", aws.url))
    where = config(path, {"it": {**sink, "retry": {"base": "2ms", "cap": "40ms"}}},
                   aws={"region": "us-east-1", "endpoint_url": aws.url})
    (path / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in changes()))
    ran = weir("lambda", "iam", "-c", where)
    equal(ran.returncode, 0, ran.stderr)
    policy = json.loads(ran.stdout)
    policy["Statement"] = [s for s in policy["Statement"] if not set(s["Action"]) <= STREAM_READER]
    return where, policy


def actions(policy):
    return {action for statement in policy["Statement"] for action in statement["Action"]}


@test
def S34_each_sink_works_under_the_policy_that_is_printed_for_it():
    for name, (sink, wanted) in SINKS.items():
        with contextlib.closing(server()) as aws, folder() as path:
            where, aws.policy = prepare(path, aws, sink)
            equal(actions(aws.policy), wanted, name)
            ran = weir("run", "-c", where, "--from", path / "records.jsonl", "--once")
            equal((ran.returncode, aws.denied, aws.signature_problems), (0, [], []), f"{name}: {ran.stderr.decode()[-1500:]}")
            holds(sum(aws.calls.values()) > 0, f"{name} made no call")


@test
def S34_each_action_is_needed_and_named_when_it_is_denied():
    for name, (sink, wanted) in SINKS.items():
        for gone in sorted(wanted):
            with contextlib.closing(server()) as aws, folder() as path:
                where, policy = prepare(path, aws, sink)
                aws.policy = {"Statement": [{**s, "Action": [a for a in s["Action"] if a != gone]} for s in policy["Statement"]]}
                with open(path / "log", "wb") as log:
                    process = start([WEIR, "run", "-c", where, "--from", path / "records.jsonl", "--once"], cwd=path,
                                    stdout=log, stderr=log, env=environment())
                try:
                    until(lambda: f"not authorized to perform: {gone} " in (path / "log").read_text(errors="replace")
                          or process.poll() is not None, 30, f"{name}: {gone} is named")
                    said = (path / "log").read_text(errors="replace")
                    holds(f"not authorized to perform: {gone} " in said, f"{name} without {gone}: {said[-1500:]}")
                    holds(process.poll() != 0, f"{name} without {gone}: it is done nevertheless")
                finally:
                    stop(process)
                equal({action for action, _ in aws.denied}, {gone}, name)


@test
def S34_the_daemon_works_under_its_plan_and_names_what_is_missing():
    # a table's stream is found by DescribeTable or by ListStreams: neither is needed alone
    needed = {"dynamodb:DescribeStream", "dynamodb:GetShardIterator", "dynamodb:GetRecords"}
    for gone in (None, *sorted(needed)):
        with Fake() as fake, folder() as path:
            fake.stream.shard(records=records(0, 5))
            with Daemon(path, fake.url, {"price": price_sink()}) as daemon:
                code, said = daemon.verb("plan", "--json")
                equal(code, 0, said)
                policy = json.loads(said)["policy"]
                holds(needed <= actions(policy), f"{needed} in {policy}")
                fake.aws.policy = {"Statement": [{**s, "Action": [a for a in s["Action"] if a != gone]}
                                                 for s in policy["Statement"]]}
                daemon.start()
                if gone:
                    daemon.says(gone.partition(":")[2], 30)
                    equal({action for action, _ in fake.aws.denied}, {gone})
                    equal(fake.rows(), 0, gone)
                else:
                    daemon.until(lambda: fake.rows() == 5, 30, "the records are delivered")
                    equal(daemon.term(), 0)
                    equal(fake.aws.denied, [], "denied under the whole policy")


if __name__ == "__main__":
    watchdog(230)
    main()

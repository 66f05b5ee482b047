#!/usr/bin/env python3
"""The sinks sns, kinesis and eventbridge against moto, lambda against AWS's Runtime Interface Emulator: servers that others
wrote."""
import base64
import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request

import events
from harness import WEIR, config, emulator, environment, equal, folder, holds, main, stop, test, watchdog, weir
from fakes import webhook

REGION, ITEMS, COUNT = "us-east-1", 12, 240


class Moto:
    """moto does not look at signatures, but learns from them which service is meant."""

    def __init__(self):
        self.process, self.port = emulator("moto")
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self):
        stop(self.process)

    def ask(self, service, body, headers):
        request = urllib.request.Request(self.url, body.encode(), {
            **headers, "Authorization": f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/{REGION}/{service}/aws4_request, "
                                        "SignedHeaders=host, Signature=0"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{service}: {error.read().decode()}") from None

    def json(self, service, target, **request):
        answer = self.ask(service, json.dumps(request), {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1"})
        return json.loads(answer or "{}")

    def query(self, service, **parameters):
        return self.ask(service, urllib.parse.urlencode({"Version": "2010-03-31", **parameters}),
                        {"Content-Type": "application/x-www-form-urlencoded"})

    def queue(self, name):
        """Its URL and ARN."""
        attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        url = self.json("sqs", "AmazonSQS.CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:123456789012:{name}"

    def messages(self, url):
        while True:
            got = self.json("sqs", "AmazonSQS.ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10,
                            MessageAttributeNames=["All"], WaitTimeSeconds=0).get("Messages", [])
            if not got:
                return
            for message in got:
                yield message
                self.json("sqs", "AmazonSQS.DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def changes():
    """Changes of the items in turn."""
    return [events.record(number, f"p{number % ITEMS}", {"price": ("N", str(number))}, {"price": ("N", str(number + 1))})
            for number in range(COUNT)]


def play(moto, path, records, sink):
    feed = path / "records.jsonl"
    feed.write_text("".join(json.dumps(r) + "\n" for r in records))
    done = weir("run", "-c", config(path, {"out": sink}, aws={"region": REGION, "endpoint_url": moto.url}), "--from", feed,
                "--once", seconds=60)
    equal(done.returncode, 0, done.stderr.decode()[-2000:])


def by_item(records):
    found = {}
    for record in records:
        found.setdefault(record["dynamodb"]["Keys"]["product_id"]["S"], []).append(record["eventID"])
    return found


@test
def what_is_published_arrives_at_the_queues_of_the_topic():
    records = changes()
    with contextlib.closing(Moto()) as moto, folder() as path:
        for name in ("prices", "prices.fifo"):
            fifo = {"Attributes.entry.1.key": "FifoTopic", "Attributes.entry.1.value": "true"} if "." in name else {}
            moto.query("sns", Action="CreateTopic", Name=name, **fifo)
            topic = f"arn:aws:sns:{REGION}:123456789012:{name}"
            url, arn = moto.queue(name)
            moto.query("sns", Action="Subscribe", TopicArn=topic, Protocol="sqs", Endpoint=arn,
                       **{"Attributes.entry.1.key": "RawMessageDelivery", "Attributes.entry.1.value": "true"})
            play(moto, path, records, {"plugin": "sns", "config": {"topic_arn": topic}})
            got = list(moto.messages(url))
            bodies = [json.loads(m["Body"]) for m in got]
            equal(sorted(b["eventID"] for b in bodies), sorted(r["eventID"] for r in records), name)
            equal({m["MessageAttributes"]["eventName"]["StringValue"] for m in got}, {"MODIFY"})
            if fifo:
                equal(by_item(bodies), by_item(records), "order of an item")
        gone = {"out": {"plugin": "sns", "config": {"topic_arn": topic + "x"}}}
        cfg = config(path, gone, aws={"region": REGION, "endpoint_url": moto.url})
        done = weir("check", "--probe", "-c", cfg)
        holds(done.returncode == 1 and b"there is no topic prices.fifox" in done.stderr, f"{done}")


@test
def a_stream_and_a_bus_get_every_record():
    records = changes()
    with contextlib.closing(Moto()) as moto, folder() as path:
        moto.json("kinesis", "Kinesis_20131202.CreateStream", StreamName="changes", ShardCount=2)
        play(moto, path, records, {"plugin": "kinesis", "config": {"stream": "changes"}})
        got = []
        for shard in moto.json("kinesis", "Kinesis_20131202.ListShards", StreamName="changes")["Shards"]:
            iterator = moto.json("kinesis", "Kinesis_20131202.GetShardIterator", StreamName="changes",
                                 ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
            page = moto.json("kinesis", "Kinesis_20131202.GetRecords", ShardIterator=iterator)["Records"]
            holds(page, "a shard without a record")
            got += [json.loads(base64.b64decode(r["Data"])) for r in page]
        equal(by_item(got), by_item(records), "order of an item")

        url, arn = moto.queue("bus")
        moto.json("events", "AWSEvents.PutRule", Name="all", EventPattern=json.dumps({"source": ["my.shop"]}))
        moto.json("events", "AWSEvents.PutTargets", Rule="all", Targets=[{"Id": "1", "Arn": arn}])
        play(moto, path, records, {"plugin": "eventbridge", "config": {"event_source": "my.shop"}})
        got = [json.loads(m["Body"]) for m in moto.messages(url)]
        equal(sorted(e["detail"]["eventID"] for e in got), sorted(r["eventID"] for r in records))
        equal({e["detail-type"] for e in got}, {"MODIFY"})


@test
def a_function_in_the_runtime_interface_emulator_gets_every_record():
    """The function is weir, too: it calls a webhook, which refuses a part, and answers batchItemFailures."""
    records = changes()
    rules = [{"op": "hook", "do": "status", "status": 408, "every": 7}]
    with contextlib.closing(webhook.Webhook(rules=rules)) as hook, folder() as task, folder() as path:
        config(task, {"hook": {"plugin": "http", "retry": {"max_attempts": 1}, "config": {"url": hook.url + "/"}}},
               **{"lambda": {"report_batch_item_failures": True}})
        rie, port = emulator("lambda-rie", WEIR, "weir.json", ports=2, cwd=task,
                             env=environment(LAMBDA_TASK_ROOT=task, AWS_LAMBDA_FUNCTION_TIMEOUT=20))
        sink = {"plugin": "lambda", "retry": {"max_attempts": 20, "base": "2ms", "cap": "20ms"},
                "config": {"function": "function", "batch": 20, "concurrency": 1}}  # the emulator takes one at a time
        feed = path / "records.jsonl"
        feed.write_text("".join(json.dumps(r) + "\n" for r in records))
        done = weir("run", "-c", config(path, {"fn": sink}, aws={"region": REGION, "endpoints": {
            "lambda": f"http://127.0.0.1:{port}"}}), "--from", feed, "--once", seconds=90)
        stop(rie)
    equal(done.returncode, 0, done.stderr.decode()[-2000:])
    got = [json.loads(body) for _, _, _, body in hook.requests]
    equal({r["eventID"] for r in records} - {r["eventID"] for r in got}, set(), "lost")
    equal(by_item({r["eventID"]: r for r in got}.values()), by_item(records), "order of an item")
    holds(len(hook.refused) > 10, "the webhook refused nothing")
    print(f"     {COUNT} records, {len(hook.refused)} refused at first, {len(got) - COUNT} repeats, lost 0")


if __name__ == "__main__":
    watchdog(230)
    main()

#!/usr/bin/env python3
"""The sinks kinesis, eventbridge, sns, lambda, http and dynamodb in the whole program, behind servers that throttle, refuse parts, cut
and truncate: nothing lost, repeats as their READMEs say, order per item."""
import base64
import contextlib
import json
import subprocess
import time

import events
import local
from harness import WEIR, config, environment, equal, folder, holds, main, start, test, watchdog, weir
from fakes import aws_server, fault_proxy, webhook

ITEMS, RETRY = 40, {"max_attempts": 20, "base": "2ms", "cap": "40ms"}


def faults(op, error):
    return [{"op": op, "do": "unprocessed", "every": 5}, {"op": op, "do": "error", "type": error, "every": 7},
            {"op": op, "do": "cut", "every": 11}, {"op": op, "do": "truncate", "every": 13},
            {"op": op, "do": "reset", "every": 17}]


def changes(count):
    """`count` changes of the items in turn: made, changed, and every seventh time removed."""
    records, state = [], {}
    for number in range(count):
        item = f"p{number % ITEMS}"
        old = state.get(item)
        new = None if old and number // ITEMS % 7 == 6 else {"price": ("N", str(number))}
        records.append(events.record(number, item, old, new))
        state[item] = new
    return records, {item: image for item, image in state.items() if image}


def play(path, records, sinks, env=None, **aws):
    feed = path / "records.jsonl"
    feed.write_text("".join(json.dumps(r) + "\n" for r in records))
    done = weir("run", "-c", config(path, sinks, aws=aws), "--from", feed, "--once", seconds=120, env=env)
    equal(done.returncode, 0, done.stderr.decode()[-2000:])


def first_seen(ids):
    return list(dict.fromkeys(ids))


@test
def kinesis_gets_every_record_in_the_order_of_its_item():
    records, _ = changes(1000)
    with contextlib.closing(aws_server.AwsServer()) as aws, folder() as path:
        aws.faults.set(faults("PutRecords", "ProvisionedThroughputExceededException"))
        play(path, records, {"stream": {"plugin": "kinesis", "retry": RETRY, "config": {"stream": "prices"}}},
             region="us-east-1", endpoint_url=aws.url)
        equal(aws.signature_problems, [])
        taken = [(key, json.loads(data)) for key, data in aws.kinesis]
    by_key = {}
    for key, record in taken:
        by_key.setdefault(key, []).append(record)
    equal(len(by_key), ITEMS, "partition keys")
    for of_item in by_key.values():
        ids = first_seen(r["eventID"] for r in of_item)
        item = of_item[0]["dynamodb"]["Keys"]["product_id"]["S"]
        equal(ids, [r["eventID"] for r in records if r["dynamodb"]["Keys"]["product_id"]["S"] == item], item)
    print(f"1000 records, {len(taken) - 1000} repeats, lost 0")


@test
def eventbridge_gets_every_record():
    records, _ = changes(1000)
    with contextlib.closing(aws_server.AwsServer()) as aws, folder() as path:
        aws.faults.set(faults("PutEvents", "ThrottlingException"))
        play(path, records, {"bus": {"plugin": "eventbridge", "retry": RETRY,
                                     "config": {"bus": "shop", "detail_type": "{table} {event}"}}},
             region="us-east-1", endpoint_url=aws.url)
        equal(aws.signature_problems, [])
        taken = aws.events
    ids = [json.loads(e["Detail"])["eventID"] for e in taken]
    equal(sorted(set(ids)), sorted(r["eventID"] for r in records), "events")
    equal({e["DetailType"] for e in taken}, {"Products INSERT", "Products MODIFY", "Products REMOVE"})
    print(f"1000 records, {len(ids) - 1000} repeats, lost 0")


def of_items(records):
    """{item: the event ids of its records, in order}"""
    by_item = {}
    for record in records:
        by_item.setdefault(record["dynamodb"]["Keys"]["product_id"]["S"], []).append(record["eventID"])
    return by_item


@test
def a_topic_gets_every_record():
    records, _ = changes(1000)
    for topic in ("prices", "prices.fifo"):
        arn = "arn:aws:sns:eu-west-1:123456789012:" + topic
        with contextlib.closing(aws_server.AwsServer()) as aws, folder() as path:
            aws.topics[arn] = []
            aws.faults.set(faults("PublishBatch", "Throttling"))
            play(path, records, {"topic": {"plugin": "sns", "retry": RETRY, "config": {"topic_arn": arn}}},
                 region="us-east-1", endpoint_url=aws.url)
            equal(aws.signature_problems, [])
            taken = aws.topics[arn]
            holds(aws.faults.stats["PublishBatch:truncate"] > 0, "no fault came")
        got = [json.loads(entry["Message"]) for entry in taken]
        equal({r["eventID"] for r in got}, {r["eventID"] for r in records}, "messages")
        equal({entry["attributes"]["table"] for entry in taken}, {("String", "Products")})
        if topic.endswith(".fifo"):
            equal(len(got), 1000, "a FIFO topic drops what comes twice")
            equal(of_items(got), of_items(records), "order of an item")
            equal(len({entry["MessageGroupId"] for entry in taken}), ITEMS)
        print(f"{topic}: 1000 records, {len(got) - 1000} repeats, lost 0")


def lambda_sink(**options):
    return {"fn": {"plugin": "lambda", "retry": RETRY, "config": {"function": "indexer", "batch": 50, **options}}}


def done_of(function):
    """What a function that is given `event` stores, and its own answer: it stops at a record that it fails at."""
    stored, tried = [], {}

    def run(event):
        for number, record in enumerate(event["Records"]):
            sequence = record["dynamodb"]["SequenceNumber"]
            tried[sequence] = tried.get(sequence, 0) + 1
            failure = function(record, tried[sequence])
            if failure:
                return {"batchItemFailures": [{"itemIdentifier": sequence}]}
            stored.append(record)
        return None
    return stored, tried, aws_server.Function(run)


@test
def a_function_gets_every_record_in_the_order_of_its_item():
    records, _ = changes(1000)
    with contextlib.closing(aws_server.AwsServer()) as aws, folder() as path:
        # every 23rd record fails at first, and then once more
        numbers = {r["dynamodb"]["SequenceNumber"]: i for i, r in enumerate(records)}
        stored, tried, aws.functions["indexer:live"] = done_of(
            lambda record, time: numbers[record["dynamodb"]["SequenceNumber"]] % 23 == 0 and time < 3)
        aws.faults.set([{"op": "Invoke", "do": "error", "type": "TooManyRequestsException", "status": 429, "every": 19,
                         "times": 1}, {"op": "Invoke", "do": "function_error", "every": 5}, *faults("Invoke", "x")[2:]])
        play(path, records, lambda_sink(qualifier="live"), region="us-east-1", endpoint_url=aws.url)
        equal(aws.signature_problems, [])
        sent = aws.functions["indexer:live"].events
    equal(of_items(first_once(stored)), of_items(records), "order of an item")
    holds(all(tried[s] >= (3 if i % 23 == 0 else 1) for s, i in numbers.items()), "a failure was taken for a success")
    equal({len(e["Records"]) <= 50 for e in sent}, {True})
    print(f"1000 records in {len(sent)} invocations, {len(stored) - 1000} repeats, lost 0")


def first_once(records):
    return list({r["eventID"]: r for r in records}.values())


@test
def one_record_that_a_function_dies_of_holds_up_no_other():
    records, _ = changes(200)
    bad = records[77]["eventID"]

    def dies(record, _time):
        if record["eventID"] == bad:
            raise RuntimeError("out of memory")

    with contextlib.closing(aws_server.AwsServer()) as aws, folder() as path:
        stored, tried, aws.functions["indexer"] = done_of(dies)
        sink = lambda_sink(on_function_error="fail")
        sink["fn"]["on_exhausted"] = "drop"
        feed = path / "records.jsonl"
        feed.write_text("".join(json.dumps(r) + "\n" for r in records))
        done = weir("run", "-c", config(path, sink, aws={"region": "us-east-1", "endpoint_url": aws.url}), "--from", feed,
                    "--once", seconds=60)
    equal({r["eventID"] for r in stored}, {r["eventID"] for r in records} - {bad})
    equal(tried[records[77]["dynamodb"]["SequenceNumber"]], 2, "with its batch, then alone")
    equal(done.returncode, 1, done.stderr.decode()[-2000:])
    holds(b"out of memory" in done.stderr, done.stderr.decode()[-2000:])


@test
def events_left_with_lambda_are_every_record():
    records, _ = changes(1000)
    with contextlib.closing(aws_server.AwsServer()) as aws, folder() as path:
        aws.functions["indexer"] = aws_server.Function(None)
        aws.faults.set(faults("Invoke", "TooManyRequestsException")[1:])
        play(path, records, lambda_sink(invocation_type="Event"), region="us-east-1", endpoint_url=aws.url)
        equal(aws.signature_problems, [])
        taken = [r for event in aws.functions["indexer"].queue for r in event["Records"]]
    equal({r["eventID"] for r in taken}, {r["eventID"] for r in records}, "events")
    print(f"1000 records, {len(taken) - 1000} repeats, lost 0")


def hook_sink(url, **options):
    return {"plugin": "http", "retry": RETRY, "config": {"url": url, **options}}


@test
def a_webhook_gets_every_record_signed_in_the_order_of_its_item():
    records, _ = changes(600)
    key = bytes(range(32))
    secret = "whsec_" + base64.b64encode(key).decode()
    rules = [{"op": "hook", "do": "status", "status": 500, "every": 29}, {"op": "hook", "do": "cut", "every": 11},
             {"op": "hook", "do": "reset", "every": 17}, {"op": "hook", "do": "status", "status": 408, "every": 13}]
    for batch in (1, 20):
        with contextlib.closing(webhook.Webhook(key, rules)) as hook, folder() as path:
            play(path, records, {"hook": hook_sink(hook.url + "/in?a=b", batch=batch, secret="${HOOK_SECRET}",
                                                   authorization="Bearer ${HOOK_TOKEN}", headers={"X-Shop": "one"})},
                 env={"HOOK_SECRET": secret, "HOOK_TOKEN": "t0"})
            equal(hook.problems, [])
        got = [json.loads(body) for _, _, _, body in hook.requests]
        equal({(p, h["X-Shop"], h["Content-Type"], h["Authorization"]) for _, p, h, _ in hook.requests},
              {("/in?a=b", "one", "application/json", "Bearer t0")})
        taken = [r for one in got for r in (one if batch > 1 else [one])]
        by_item = {}
        for record in taken:
            by_item.setdefault(record["dynamodb"]["Keys"]["product_id"]["S"], []).append(record["eventID"])
        for item, ids in by_item.items():
            equal(first_seen(ids), [r["eventID"] for r in records if r["dynamodb"]["Keys"]["product_id"]["S"] == item])
        equal(len(by_item), ITEMS)
        # a request that came twice says so by its id, unless it was put together anew
        if batch == 1:
            ids = {(h["webhook-id"], body) for _, _, h, body in hook.requests}
            equal(len({i for i, _ in ids}), 600, "one id for each record")
        print(f"batch {batch}: 600 records in {len(got)} requests, {len(taken) - 600} repeats, lost 0")


@test
def a_webhook_is_not_asked_before_its_retry_after_and_not_above_the_rate():
    records, _ = changes(40)
    with contextlib.closing(webhook.Webhook(rules=[{"op": "hook", "do": "status", "status": 429, "skip": 5, "times": 1,
                                                    "headers": [("Retry-After", "2")]}])) as hook, folder() as path:
        play(path, records, {"hook": hook_sink(hook.url + "/", rate=100, concurrency=1)})
    (refused_at, _), = hook.refused
    later = [at for at, *_ in hook.requests if at > refused_at]
    holds(min(later) - refused_at >= 1.9, f"asked again after {min(later) - refused_at:.2f} s")
    equal(len(hook.requests), 40)
    paced = sorted(later)[5:]
    holds(len(paced) < 30 or paced[-1] - paced[0] >= (len(paced) - 30) / 100, "faster than the rate")


@test
def a_webhook_that_ends_its_answers_by_closing_is_believed():
    records, _ = changes(40)
    with contextlib.closing(webhook.Webhook(rules=[{"op": "hook", "do": "close"}])) as hook, folder() as path:
        play(path, records, {"hook": hook_sink(hook.url + "/")})
    equal(len(hook.requests), 40, "requests")


@test
def a_webhook_that_refuses_one_record_gets_the_others():
    records, _ = changes(60)
    bad = records[17]["eventID"]
    with contextlib.closing(webhook.Webhook(rules=[{"op": "hook", "do": "status", "status": 422,
                                                    "match": bad.encode()}])) as hook, folder() as path:
        sink = {**hook_sink(hook.url + "/", batch=20), "on_exhausted": "drop"}
        feed = path / "records.jsonl"
        feed.write_text("".join(json.dumps(r) + "\n" for r in records))
        done = weir("run", "-c", config(path, {"hook": sink}), "--from", feed, "--once", seconds=60)
    got = {r["eventID"] for _, _, _, body in hook.requests for r in json.loads(body)}
    equal(got, {r["eventID"] for r in records} - {bad})
    equal(done.returncode, 1, done.stderr.decode()[-2000:])


def lines_of(folder):
    """All lines of the file and of those moved away, in the order written."""
    old = sorted(folder.glob("out.jsonl.*"), key=lambda p: (p.name.split("Z")[0], int(p.name[:-4].partition("Z-")[2] or 0)))
    texts = [subprocess.run(["zstd", "-dcq", p], check=True, capture_output=True).stdout for p in old]
    now = folder / "out.jsonl"
    texts.append(now.read_bytes() if now.exists() else b"")
    return len(old), [json.loads(line) for text in texts for line in text.splitlines()]


@test
def the_file_holds_every_record_in_order_through_rotations_and_kills():
    records, _ = changes(4000)
    with folder() as path:
        feed = path / "records.jsonl"
        feed.write_text("".join(json.dumps(r) + "\n" for r in records))
        sink = {"plugin": "file", "config": {"path": str(path / "out.jsonl"), "rotate_bytes": "200KiB",
                                             "compress": "zstd"}}
        cfg = config(path, {"out": sink})
        for kill_after in (0.05, 0.1, 0.2):
            process = start([WEIR, "run", "-c", cfg, "--from", feed, "--once"], env=environment())
            time.sleep(kill_after)
            process.kill()
            process.wait()
            for name in path.glob("out.jsonl.*Z*"):  # killed between rotation and compression
                if name.suffix == ".part" or path / (name.name + ".zst") in path.iterdir():
                    name.unlink()
                elif name.suffix != ".zst":
                    subprocess.run(["zstd", "-q", "--rm", name], check=True)
        play(path, records, {"out": sink})
        count, written = lines_of(path)
    ids = [r["eventID"] for r in written]
    equal(set(ids), {r["eventID"] for r in records}, "records")
    by_item = {}
    for record in written[-4000:]:
        by_item.setdefault(record["dynamodb"]["Keys"]["product_id"]["S"], []).append(record["eventID"])
    for item, of_item in by_item.items():
        equal(of_item, [r["eventID"] for r in records if r["dynamodb"]["Keys"]["product_id"]["S"] == item], item)
    holds(count >= 4, f"{count} files were moved away")
    print(f"4000 records, {len(ids) - 4000} repeats of killed runs, {count} files moved away, no torn line")


@test
def the_replica_equals_its_source_and_late_records_change_nothing():
    records, state = changes(800)
    with local.Local() as server, folder() as path:
        for name, removes in (("Copy", "delete"), ("Graves", "tombstone")):
            server.table(name, ("product_id", "S"))
            proxy = fault_proxy.FaultProxy(server.address)
            for op in ("PutItem", "DeleteItem"):
                proxy.faults.rules += faults(op, "ThrottlingException")[1:]
            sinks = {"copy": {"plugin": "dynamodb", "retry": RETRY,
                              "config": {"table": name, "removes": removes, "concurrency": 8}}}
            play(path, records, sinks, region="us-east-1", endpoint_url=proxy.url)
            judge_replica(server, name, state)
            # the last half again, as a second daemon from an old position would: each write is a late one
            play(path, records[400:], sinks, region="us-east-1", endpoint_url=proxy.url)
            judge_replica(server, name, state)
            holds(proxy.faults.stats["PutItem:cut"] > 0, "the proxy did nothing")
            proxy.close()
        equal(len(server.scan("Graves")), ITEMS, "each item leaves at least its tombstone")


def judge_replica(server, name, state):
    live = {i["product_id"]["S"]: i["price"]["N"] for i in server.scan(name) if "weir_removed" not in i}
    equal(live, {item: image["price"][1] for item, image in state.items()}, name)


if __name__ == "__main__":
    watchdog(280)
    main()

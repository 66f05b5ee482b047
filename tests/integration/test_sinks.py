#!/usr/bin/env python3
"""The sinks kinesis, eventbridge and dynamodb in the whole program, behind servers that throttle, refuse parts, cut
and truncate: nothing lost, repeats as their READMEs say, order per item."""
import contextlib
import json

import events
import local
from harness import config, equal, folder, holds, main, test, watchdog, weir
from fakes import aws_server, fault_proxy

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


def play(path, records, sinks, **aws):
    feed = path / "records.jsonl"
    feed.write_text("".join(json.dumps(r) + "\n" for r in records))
    done = weir("run", "-c", config(path, sinks, aws=aws), "--from", feed, "--once", seconds=120)
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

#!/usr/bin/env python3
"""The sinks kinesis, eventbridge, http and dynamodb in the whole program, behind servers that throttle, refuse parts, cut
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

#!/usr/bin/env python3
"""The kafka sink in the whole program, before a cluster that answers with errors, is slow and goes away: nothing lost,
each item's changes in one partition and in order. The cluster is librdkafka's own (plugins/kafka/tests/mock.c)."""
import json
import random
import subprocess
import time

import events
from harness import BUILD, WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog, weir

MOCK = BUILD / "tests" / "sinks" / "kafka" / "kafka_mock"
ITEMS, RETRY = 40, {"max_attempts": 30, "base": "2ms", "cap": "40ms"}
PRODUCE = 0  # the API's number
# what a server may say of a produce request: not the leader, timed out, too few replicas (before, after storing)
AGAIN = (6, 7, 19, 20)


class Cluster:
    def __init__(self, *topics):
        self.process = start([MOCK, *topics], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.brokers = self.process.stdout.readline().split()[1]

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline().strip()) != "done":
            holds(line, f"the mock ended while: {words}")
            lines.append(json.loads(line))
        return lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        stop(self.process)


def changes(count):
    return [events.record(n, f"p{n % ITEMS}", None if n < ITEMS else {"price": ("N", str(n - ITEMS))}, {"price": ("N", str(n))})
            for n in range(count)]


def lines(records):
    return "".join(json.dumps(r) + "\n" for r in records).encode()


# The mock stores a batch behind one that it refused, which no server does (the sequence has a gap): the client takes that
# for proof that the first one is stored. One request at a time leaves no such gap.
ONE_AT_A_TIME = {"max.in.flight.requests.per.connection": 1}


def sink(cluster, **more):
    return {"prices": {"plugin": "kafka", "retry": RETRY,
                       "config": {"brokers": cluster.brokers, "topic": "prices", "delivery_timeout": "10s",
                                  "properties": ONE_AT_A_TIME, **more}}}


def judge(records, stored):
    """Lost 0; one partition for each item, and a repeat before the next change of its item, never behind it."""
    place = {r["eventID"]: n for n, r in enumerate(records)}
    lost = set(place) - {m["value"]["eventID"] for m in stored}
    holds(not lost, f"{len(lost)} of {len(records)} lost, {len(stored)} stored: {sorted(place[i] for i in lost)[:20]}")
    partition, key, last = {}, {}, {}
    for message in sorted(stored, key=lambda m: (m["partition"], m["offset"])):
        number = place[message["value"]["eventID"]]
        item = number % ITEMS
        equal(partition.setdefault(item, message["partition"]), message["partition"], f"partition of {item}")
        equal(key.setdefault(item, message["key"]), message["key"], f"key of {item}")
        equal(message["headers"]["eventID"], message["value"]["eventID"], "header")
        holds(last.get(item, -1) <= number, f"record {number} is behind {last.get(item)} of its item")
        last[item] = number
    equal(len(set(key.values())), min(ITEMS, len(records)), "keys")
    holds(len(set(partition.values())) > 1, "partitions")


@test
def nothing_is_lost_and_each_items_order_is_kept_through_faults():
    records, dice = changes(5000), random.Random(5)
    faults = [("errors", PRODUCE, *(dice.choice(AGAIN) if dice.random() < 0.3 else 0 for _ in range(40))) for _ in range(4)]
    faults += [("down", 2), ("slow", 1, 60), ("down", 3), ("errors", PRODUCE, 0, 0, 10), ("slow", 1, 0), ("down", 1)]
    with Cluster("prices") as cluster, folder() as path, open(path / "log", "wb") as log:
        process = start([WEIR, "run", "-c", config(path, sink(cluster)), "--from", "-", "--once"], stdin=subprocess.PIPE,
                        stderr=log, env=environment())
        step = len(records) // (len(faults) + 1)
        for number, fault in enumerate(faults):
            process.stdin.write(lines(records[number * step:(number + 1) * step]))
            process.stdin.flush()
            cluster.tell(*fault)
            if fault[0] == "down":  # weir takes no more when this lasts, so it does not wait for the next ones
                time.sleep(0.7)
                cluster.tell("up", fault[1])
        process.stdin.write(lines(records[len(faults) * step:]))
        process.stdin.close()
        equal(process.wait(120), 0, (path / "log").read_text()[-3000:])
        stop(process)
        stored = cluster.tell("read", "prices", len(records))
    judge(records, stored)
    print(f"5000 records, {len(faults)} faults, {len(stored) - 5000} repeats, lost 0")


@test
def a_producer_that_can_not_go_on_is_replaced():
    records = changes(600)
    with Cluster("prices") as cluster, folder() as path:
        # out of order, unknown producer, an old epoch: after these the client may not go on by itself
        cluster.tell("errors", PRODUCE, 0, 0, 0, 45, 0, 0, 0, 59, 0, 0, 0, 47, 0, 0, 45)
        done = weir("run", "-c", config(path, sink(cluster)), "--from", "-", "--once", stdin=lines(records), seconds=120)
        equal(done.returncode, 0, done.stderr.decode()[-3000:])
        stored = cluster.tell("read", "prices", len(records))
    judge(records, stored)
    fatal = done.stderr.count(b"a new one is made")
    holds(fatal > 0, "none was replaced")
    print(f"600 records, {fatal} producers replaced, {len(stored) - 600} repeats, lost 0")


@test
def a_batch_that_is_refused_is_sent_one_by_one():
    records = changes(200)
    for error in (10, 87):  # too large together; one of them is bad: once only, or it would be said of a single one
        with Cluster("prices") as cluster, folder() as path:
            cluster.tell("errors", PRODUCE, error)
            done = weir("run", "-c", config(path, sink(cluster)), "--from", "-", "--once", stdin=lines(records), seconds=120)
            equal(done.returncode, 0, done.stderr.decode()[-3000:])
            judge(records, cluster.tell("read", "prices", len(records)))


@test
def a_record_that_is_refused_alone_is_given_up():
    records = changes(1)
    with Cluster("prices") as cluster, folder() as path:
        cluster.tell("errors", PRODUCE, 87, 87)
        done = weir("run", "-c", config(path, sink(cluster)), "--from", "-", "--once", stdin=lines(records), seconds=120)
        equal(done.returncode, 1, done.stderr.decode()[-3000:])
        holds(b"dead 1" in done.stderr, done.stderr.decode()[-1000:])


@test
def a_cluster_that_is_away_holds_the_sink_until_it_is_back():
    records = changes(300)
    with Cluster("prices") as cluster, folder() as path, open(path / "log", "wb") as log:
        for broker in (1, 2, 3):
            cluster.tell("down", broker)
        process = start([WEIR, "run", "-c", config(path, sink(cluster, delivery_timeout="1s")), "--from", "-", "--once"],
                        stdin=subprocess.PIPE, stderr=log, env=environment())
        process.stdin.write(lines(records))
        process.stdin.close()
        until(lambda: b"W0501" in (path / "log").read_bytes(), 60, "the sink is down")
        for broker in (1, 2, 3):
            cluster.tell("up", broker)
        equal(process.wait(100), 0, (path / "log").read_text()[-3000:])
        stop(process)
        judge(records, cluster.tell("read", "prices", len(records)))


if __name__ == "__main__":
    watchdog(280)
    main()

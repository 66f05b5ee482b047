#!/usr/bin/env python3
"""SIGKILL at random points of a Lambda batch; the batch is delivered again, as the mapping would.
200 kills against each store: nothing missing, nothing extra."""
import json
import os
import random
import time

import events
from harness import LambdaWeir, aws_server, config, equal, folder, holds, main, rows, runtime_api, test, watchdog

KILLS = int(os.environ.get("WEIR_TEST_KILLS", 200))
BATCH, PRODUCTS = 40, 7


def batch_of(number):
    first = 1 + number * BATCH
    return [events.price(n, f"p{n % PRODUCTS}", n, n + 1) for n in range(first, first + BATCH)]


def kill_sweep(path, stored):
    """Runs batches through until KILLS kills have been made. Returns how many batches were finished,
    and figures."""
    rng, kills, answered, batches = random.Random(70), 0, 0, 1
    api = runtime_api.RuntimeApi()
    began = time.monotonic()
    runtime = LambdaWeir(path, api=api)
    equal(runtime.invoke(events.batch(batch_of(0))).kind, "response")
    typical = time.monotonic() - began  # from the start of the process to its first answer
    runtime.kill()
    runtime.start()
    while kills < KILLS:
        body, done = json.dumps(events.batch(batch_of(batches))).encode(), False
        while not done:
            answer = api.start_invoke(body)
            # The point of the kill is spread over the start, the batch, and a little after its answer.
            time.sleep(rng.uniform(0, 1.3 * typical))
            runtime.kill()
            kills += 1
            # What was answered as a success is stored, whatever happened right after.
            done = bool(answer.reports) and answer.kind == "response"
            answered += done
            if done:
                holds(stored() >= (batches + 1) * BATCH, f"batch {batches} was acknowledged but is not stored")
            drain(api)
            runtime.start()
            if kills >= KILLS and not done:  # the last batch is delivered in peace
                equal(runtime.invoke(body).kind, "response")
                done = True
        batches += 1
    runtime.close()
    return batches, f"{kills} kills, {answered} after the answer, {batches} batches"


def drain(api):
    """Takes back an event that the killed runtime had not fetched."""
    while not api.events.empty():
        api.events.get()


def judge(found, batches, figures):
    expected = {(f"p{n % PRODUCTS}", str(n), str(n + 1)) for n in range(1, batches * BATCH + 1)}
    missing, extra = len(expected - set(found)), len(found) - len(expected & set(found))
    print(f"     {figures}: {len(found)} rows, missing {missing}, extra {extra}")
    equal((missing, extra), (0, 0), "missing, extra")


@test
def F29_F70_sqlite_store():
    with folder() as path:
        config(path, {"price": {"plugin": "pricehistory",
                                "config": {"store": "sqlite", "path": str(path / "h.db"), "announce": False}}})

        def stored():
            return rows(path / "h.db", "SELECT count(*) FROM price_history")[0][0]

        batches, figures = kill_sweep(path, stored)
        judge([tuple(map(str, r)) for r in rows(path / "h.db", "SELECT product_id, old_price, new_price FROM price_history")],
              batches, figures)


@test
def F29_F70_dynamodb_store():
    aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp")})
    items = aws.tables["PriceHistory"].items
    with folder() as path:
        config(path, {"price": {"plugin": "pricehistory", "config": {"table": "PriceHistory", "announce": False}}},
               aws={"endpoint_url": aws.url})
        batches, figures = kill_sweep(path, lambda: len(items))
    judge([(i["product_id"]["S"], i["old_price"]["N"], i["new_price"]["N"]) for i in items.values()], batches, figures)
    equal(aws.signature_problems, [])
    aws.close()


watchdog(280)
main()

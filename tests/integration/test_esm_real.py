#!/usr/bin/env python3
"""weir lambda invoke-local --esm on DynamoDB Local: the stream is a real server's, the sink's calls go through a proxy
that throttles and cuts them, and what the function fails the mapping repeats."""
from harness import config, equal, folder, holds, main, test, watchdog, weir
from local import Local, judge_rows, lambda_shape, price_changes, read_stream, write_all
from polling import price_sink
import shop
from fakes import fault_proxy

FAULTS = [{"op": "BatchWriteItem", "do": "cut", "every": 5}, {"op": "BatchWriteItem", "do": "unprocessed", "every": 4},
          {"op": "BatchWriteItem", "do": "throttle", "every": 7}, {"op": "GetRecords", "do": "cut", "every": 6},
          {"op": "GetShardIterator", "do": "throttle", "every": 2}]


@test
def every_price_change_is_one_row():
    with Local() as local, folder() as path:
        local.history()
        local.table("Products", ("product_id", "S"), stream=True)
        for thread in write_all(local, "Products", shop.writes(3, 500, 40), 2):
            thread.join()
        proxy = fault_proxy.FaultProxy(local.address, FAULTS)
        sink = price_sink()
        sink["retry"]["max_attempts"] = 1  # what fails is the mapping's to repeat
        config(path, {"price": sink}, **{"lambda": {"report_batch_item_failures": True}})
        for more in (("--set", "source.batch_size=100"),
                     ("--set", "source.batch_size=30", "--set", "source.parallelization_factor=4")):
            ran = weir("lambda", "invoke-local", "--esm", "Products", "--once", *more, cwd=path, seconds=120,
                       env={"AWS_ENDPOINT_URL": proxy.url})
            said = ran.stderr.decode().splitlines()
            equal(ran.returncode, 0, said[-5:])
            arn = local.stream_arn("Products")
            expected = [lambda_shape(r, arn) for r in read_stream(local.dynamodb, arn)]
            judge_rows(local.scan("PriceHistory"), price_changes(expected))
            total = next(line for line in said if " records read: " in line)
            print("     " + total)
            holds(total.startswith(f"{len(expected)} records read: {len(expected)} delivered;"), total)
            holds("again in" in ran.stdout.decode(), "something was repeated")
        proxy.close()


watchdog(300)
main()

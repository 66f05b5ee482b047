#!/usr/bin/env python3
"""The daemon on DynamoDB Local: written to while it runs, killed every two seconds, throttled and cut off in
between; with the server's clock moved; with streams that are disabled and made anew."""
import time

from harness import equal, folder, holds, main, test, until, watchdog
from local import Local, judge_rows, lambda_shape, price_changes, read_stream, write_all
from polling import LINES, Daemon, judge_lines, price_sink
import shop
from fakes import fault_proxy

FAULTS = [{"op": "GetRecords", "do": "throttle", "every": 7}, {"op": "GetRecords", "do": "cut", "every": 11},
          {"op": "GetShardIterator", "do": "throttle", "every": 5}, {"op": "DescribeStream", "do": "broken", "every": 4},
          {"op": "BatchWriteItem", "do": "error", "type": "ProvisionedThroughputExceededException", "every": 9},
          {"op": "BatchWriteItem", "do": "unprocessed", "every": 10}, {"op": "BatchWriteItem", "do": "cut", "every": 13},
          {"op": "*", "do": "reset", "every": 17}, {"op": "GetRecords", "do": "truncate", "every": 19}]


def stream_of(local, table):
    arn = local.stream_arn(table)
    return [lambda_shape(r, arn) for r in read_stream(local.dynamodb, arn)]


def sinks(**more):
    return {"price": price_sink(batch_records=25, **more), "lines": LINES}


def judge(local, weir, expected):
    judge_rows(local.scan("PriceHistory"), price_changes(expected))
    return judge_lines(weir, expected)


def numbers(records):
    return {int(r["dynamodb"]["SequenceNumber"]) for r in records}


def delivered(weir, local, expected, seconds=30):
    wanted, rows = numbers(expected), len(price_changes(expected))
    weir.until(lambda: wanted <= {n for n, _ in weir.lines()}, seconds, f"{len(wanted)} lines")
    weir.until(lambda: len(local.scan("PriceHistory")) >= rows, seconds, f"{rows} rows")


# ---- killed while it works ----

def killed_every_two_seconds(tables, count, products, seconds):
    """Writes `count` items to the tables while the daemon reads them and is killed; then lets it finish."""
    with Local() as local, folder() as path:
        local.history()
        for table in tables:
            local.table(table, ("product_id", "S"), stream=True)
        proxy = fault_proxy.FaultProxy(local.address, FAULTS)
        with Daemon(path, proxy.url, sinks(), source={"tables": tables, "batch_size": 1000}) as weir:
            began, kills = time.monotonic(), 0
            writers = [thread for table in tables for thread in write_all(
                local, table, shop.writes(4, count // len(tables), products, name=table), 2 if len(tables) == 1 else 1)]
            weir.start()
            while any(w.is_alive() for w in writers) or kills < 3:
                time.sleep(2)
                weir.kill()
                kills += 1
                weir.start()
                holds(time.monotonic() < began + seconds, "the writers are done in time")
            expected = [r for table in tables for r in stream_of(local, table)]
            equal(len(expected), count, "records in the streams")
            wrote = time.monotonic() - began
            wanted = numbers(expected)
            weir.until(lambda: wanted <= {n for n, _ in weir.lines()}, seconds, "every record was delivered")
            equal(weir.term(30), 0, "exit code after TERM")
            did = {k: v for k, v in proxy.faults.stats.items() if ":" in k}
            print(f"     {count} writes to {len(tables)} tables in {wrote:.0f} s, {kills} kills, all delivered after "
                  f"{time.monotonic() - began:.0f} s; injected {did}")
            holds(len(did) >= 5, "faults were injected")
            print(f"     {judge(local, weir, expected)} lines were repeated")
            equal(weir.once(), 0)
            equal(weir.lines(weir.runs), [], "lines repeated after a clean stop")
        proxy.close()


@test
def F03_F13_F48_F70_F71_20000_writes_and_kills():
    killed_every_two_seconds(["Products"], 20000, 1000, 120)


@test
def F03_F13_F48_F70_F71_three_tables_and_kills():
    killed_every_two_seconds(["Books", "Games", "Tools"], 1500, 30, 90)


# ---- the server's clock ----

class MovedClock:
    """DynamoDB Local whose clock is moved, a daemon on it through a proxy, and a shop."""

    def __init__(self, on_gap):
        self.on_gap = on_gap

    def __enter__(self):
        self.folder = folder()
        path = self.folder.__enter__()
        self.clock = path / "clock"
        self.clock.write_text("+0\n")
        self.local = Local(FAKETIME_FILE=str(self.clock))
        self.local.history()
        self.local.table("Products", ("product_id", "S"), stream=True)
        self.proxy = fault_proxy.FaultProxy(self.local.address)
        self.weir = Daemon(path, self.proxy.url, sinks(), source={"on_gap": self.on_gap})
        self.writes, self.expected = shop.writes(5, 600), []
        self.last = -1
        return self

    def __exit__(self, *error):
        self.weir.__exit__(*error)
        self.proxy.close()
        self.local.stop()
        self.folder.__exit__(*error)

    def move(self, hours):
        self.clock.write_text(f"+{hours}h\n")
        until(lambda: self.local.clock() > time.time() + hours * 3600 - 60, 20, "the server's clock moved")

    def write(self, count):
        """Carries out the next writes; returns their records."""
        writes, self.writes = self.writes[:count], self.writes[count:]
        for thread in write_all(self.local, "Products", writes, 1):
            thread.join()
        new = [r for r in stream_of(self.local, "Products") if int(r["dynamodb"]["SequenceNumber"]) > self.last]
        equal(len(new), count, "new records")
        self.last = max(numbers(new))
        return new

    def lose(self):
        """100 records that nobody reads within a day, then 50 more. Returns the last number before the gap, and
        the records behind it."""
        first = self.write(150)
        self.weir.start()
        delivered(self.weir, self.local, first)
        self.expected += first
        time.sleep(1)
        self.proxy.faults.set([{"op": "GetRecords", "do": "throttle"}])
        self.write(100)
        self.move(25)
        # As long as there is nothing newer, the server refuses every iterator, also one for the beginning.
        behind = self.write(50)
        self.proxy.faults.set([])
        return max(numbers(first)), behind


@test
def F01_sixteen_minutes_lose_nothing():
    with MovedClock("stop") as case:
        weir, expected = case.weir, case.write(200)
        weir.start()
        delivered(weir, case.local, expected)
        iterators = case.proxy.faults.stats["GetShardIterator"]
        case.move(0.27)
        expected += case.write(200)
        delivered(weir, case.local, expected)
        holds(case.proxy.faults.stats["GetShardIterator"] > iterators, "an iterator expired")
        equal(weir.term(), 0)
        equal(judge(case.local, weir, expected), 0, "lines repeated")


@test
def F02_twenty_five_hours_and_continue():
    with MovedClock("continue") as case:
        last, behind = case.lose()
        case.expected += behind
        delivered(case.weir, case.local, case.expected)
        log = case.weir.log()
        for number in (last, min(numbers(behind))):
            holds(str(number) in log, f"the gap names {number}: {log}")
        equal(case.weir.term(), 0)
        equal(judge(case.local, case.weir, case.expected), 0, "lines repeated")


@test
def F02_twenty_five_hours_and_stop():
    with MovedClock("stop") as case:
        last, behind = case.lose()
        case.weir.says(str(last), 30)
        case.weir.says(str(min(numbers(behind))), 30)
        case.weir.says("accept-gap")
        time.sleep(1)
        equal(numbers(behind) & {n for n, _ in case.weir.lines()}, set(), "records behind the gap")
        code, out = case.weir.verb("shards", "accept-gap", "--all")
        equal(code, 0, out)
        case.expected += behind
        delivered(case.weir, case.local, case.expected)
        equal(case.weir.term(), 0)
        equal(judge(case.local, case.weir, case.expected), 0, "lines repeated")


# ---- streams that come and go ----

@test
def F10_F11_a_stream_is_enabled_again():
    with Local() as local, folder() as path:
        local.history()
        local.table("Products", ("product_id", "S"), stream=True)
        with Daemon(path, "http://" + local.address, sinks()) as weir:
            writes = shop.writes(6, 300)
            weir.start()
            for thread in write_all(local, "Products", writes[:150], 1):
                thread.join()
            expected = stream_of(local, "Products")
            local.enable_stream("Products", False)
            delivered(weir, local, expected)
            local.enable_stream("Products", True)
            for thread in write_all(local, "Products", writes[150:], 1):
                thread.join()
            second = stream_of(local, "Products")
            equal(len(expected) + len(second), 300, "records in both streams")
            expected += second
            delivered(weir, local, expected, 90)
            equal(weir.term(), 0)
            equal(judge(local, weir, expected), 0, "lines repeated")


watchdog(400)
main()

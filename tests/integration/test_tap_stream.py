#!/usr/bin/env python3
"""weir tap --stream: what is written to a stream from now on, shown; nothing is stored or delivered."""
import json
import signal
import subprocess

from harness import WEIR, config, environment, equal, folder, holds, main, start, stop, test, until, watchdog
from polling import Fake, price_sink, records


class Tap:
    """A tap over the fake server; lines() are those that it has printed."""

    def __init__(self, path, fake, *words):
        self.path, self.fake, self.output = path, fake, path / "tap.out"
        with open(self.output, "wb") as out, open(path / "tap.err", "wb") as err:
            self.process = start([WEIR, "tap", "--stream", *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 cwd=path, env=environment(AWS_ENDPOINT_URL=fake.url, WEIR_CONFIG=""))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.said())
        stop(self.process)

    def said(self):
        return (self.path / "tap.err").read_text()

    def lines(self):
        return self.output.read_text().splitlines()

    def reads(self):
        """LATEST is where the stream is when it is asked for."""
        until(lambda: self.fake.asked("GetRecords") or self.process.poll() is not None, 20, "it reads")

    def shows(self, count):
        until(lambda: len(self.lines()) >= count or self.process.poll() is not None, 20, f"{count} lines")
        equal(len(self.lines()), count, self.said())

    def ends(self, code):
        equal(self.process.wait(20), code, self.said())


@test
def what_comes_is_shown_what_was_is_not_and_nothing_is_kept():
    with Fake() as fake, folder() as path:
        shard = fake.stream.shard(records(0, 10))
        with Tap(path, fake, fake.stream.arn, "--json") as tap:
            tap.reads()
            shard.add(*records(10, 5))
            tap.shows(5)
            children = shard.split(2)
            children[0].add(*records(15, 3, name="q"))
            tap.shows(8)
            tap.process.send_signal(signal.SIGTERM)
            tap.ends(0)
            shown = [json.loads(line) for line in tap.lines()]
        equal([one["changes"][0]["new"] for one in shown], [str(n + 1) for n in range(10, 18)])
        equal([one["sinks"] for one in shown], [[]] * 8)
        equal([one["record"]["new"]["price"] for one in shown], [{"N": str(n + 1)} for n in range(10, 18)])
        equal(shown[0]["record"]["stream"], fake.stream.arn)
        equal(sorted(one.name for one in path.iterdir()), ["tap.err", "tap.out"], "files that it left")
        equal({entry[0] for entry in fake.aws.streams.log} - {"DescribeStream", "GetShardIterator", "GetRecords"}, set(),
              "other calls")


@test
def by_its_table_with_filters_a_count_and_the_sinks_of_a_configuration():
    with Fake() as fake, folder() as path:
        shard = fake.stream.shard()
        written = config(path, {"price": price_sink(), "none": {"plugin": "stdout", "match": {"events": ["REMOVE"]}}},
                         source={"kind": "poll", "tables": ["Products"]}, log={"redact": ["*.product_id"]},
                         aws={"endpoint_url": fake.url})
        with Tap(path, fake, "Products", "-c", str(written), "--sink", "price", "--event", "MODIFY", "--count", "3") as tap:
            tap.reads()
            shard.add(*records(0, 9))
            tap.ends(0)
            equal(len(tap.lines()), 3)
            for line in tap.lines():
                holds("product_id=***" in line and "price match" in line and line.endswith("none -"), line)
        equal(fake.rows(), 0, "rows that were delivered")


@test
def what_can_not_be_read_is_said():
    gone = "arn:aws:dynamodb:us-east-1:000000000000:table/None/stream/2026-01-01T00:00:00.000"
    with Fake() as fake, folder() as path:
        for words, code, says in (((gone,), 78, "not found"), (("None",), 78, "None"),
                                  ((gone, "--from", "-"), 2, "--from"), ((gone, "--sink", "x"), 1, "no sink")):
            with Tap(path, fake, *words) as tap:
                tap.ends(code)
                holds(says in tap.said() and not tap.lines(), tap.said())
        fake.stream.shard()
        fake.aws.faults.set([{"op": "DescribeStream", "do": "error", "status": 400, "type": "AccessDeniedException"}])
        with Tap(path, fake, fake.stream.arn) as tap:
            tap.ends(77)


watchdog(100)
main()

"""What the tests of the daemon share: a pipeline over a stream, run as a process, killed, stopped and run
again; and the judgement on what its sinks then hold."""
import json
import signal
import subprocess
import time
from pathlib import Path

import events
from harness import WEIR, environment, equal, holds, plugin_dirs, start, stop, until
from fakes import aws_server


def records(first, count, products=7, name="p", when=1795385220):
    """Price changes as GetRecords gives them, numbered from `first`; number n is of product n % products. What
    shards that stand side by side hold needs names of its own."""
    return events.get_records([events.price(n, f"{name}{n % products}", n, n + 1, when=when)
                               for n in range(first, first + count)])["Records"]


LINES = {"plugin": "stdout", "config": {"format": "json"}}


def price_sink(**more):
    return {"plugin": "pricehistory", "retry": {"base": "5ms", "cap": "100ms"},
            "config": {"table": "PriceHistory", "announce": False}, **more}


class Daemon:
    """A pipeline: its folder, its config, and the process of the moment. Each run has its own standard output
    and log."""

    def __init__(self, folder, url, sinks, source=None, state=None, name="prices", wrap=(), env=None, **sections):
        self.folder, self.wrap, self.env = Path(folder), list(wrap), env or {}
        self.runs, self.process = 0, None
        self.config = self.folder / f"{name}.json"
        self.database = self.folder / "state" / "weir.db"
        source = {"kind": "poll", "tables": ["Products"], "idle_poll": "250ms", **(source or {})}
        self.write({"name": name, "plugin_dirs": plugin_dirs(),
                    "source": {key: value for key, value in source.items() if value is not None},
                    "state": {"path": str(self.database), "every": "100ms", **(state or {})},
                    "aws": {"endpoint_url": url}, "sinks": sinks, **sections})

    def write(self, config):
        self.value = config
        self.config.write_text(json.dumps(config, indent=1))

    def change(self, section, **values):
        self.value.setdefault(section, {}).update(values)
        self.write(self.value)

    def start(self, *arguments, wrap=None):
        self.runs += 1
        with open(self.out_path(), "wb") as out, open(self.log_path(), "wb") as log:
            self.process = start([*(self.wrap if wrap is None else wrap), WEIR, "run", "-c", self.config, *arguments],
                                 cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                                 env=environment(**self.env))
        return self

    def out_path(self, run=None):
        return self.folder / f"run-{run or self.runs}.out"

    def log_path(self, run=None):
        return self.folder / f"run-{run or self.runs}.log"

    def log(self, run=None):
        return self.log_path(run).read_text(errors="replace")

    def logs(self):
        return "".join(self.log(run) for run in range(1, self.runs + 1))

    def verb(self, *words):
        """Another weir with the same config, beside the daemon; (exit code, output)."""
        done = subprocess.run([str(WEIR), *words, "-c", str(self.config)], cwd=self.folder, timeout=30,
                              env=environment(**self.env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds=20):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"weir did not end within {seconds} s") from None
        stop(self.process)
        return code

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.wait()

    def term(self, seconds=20):
        """TERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def once(self, seconds=60):
        """A run to the end of what there is; the exit code."""
        return self.start("--once").wait(seconds)

    def until(self, condition, seconds, what):
        """Waits for a condition, or for the process to end, which is a failure."""
        until(lambda: condition() or not self.alive(), seconds, what)
        holds(condition(), f"weir ended before: {what}")

    def says(self, text, seconds=10):
        self.until(lambda: text in self.log(), seconds, f"a log line with {text!r}")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.alive():
            self.process.kill()
            self.wait()
        if kind is not None and self.runs:
            print(f"--- the last run's log:\n{self.log()[-3000:]}", flush=True)

    # ---- what the stdout sink was given ----
    def lines(self, run=None):
        """(sequence number, product) of each whole line that a run printed; of all runs without `run`."""
        found = []
        for one in [run] if run else range(1, self.runs + 1):
            for line in self.out_path(one).read_bytes().split(b"\n")[:-1]:
                if line.startswith(b"{") and line.endswith(b"}"):
                    change = json.loads(line)["dynamodb"]
                    found.append((int(change["SequenceNumber"]), change["Keys"]["product_id"]["S"]))
        return found


def identity(record):
    return int(record["dynamodb"]["SequenceNumber"]), record["dynamodb"]["Keys"]["product_id"]["S"]


def judge_lines(daemon, expected):
    """Everything arrived; within a run nothing twice, and each product's changes in order. Returns how many
    lines were repeats of an earlier run."""
    everything, total = set(), 0
    for run in range(1, daemon.runs + 1):
        lines, last = daemon.lines(run), {}
        for sequence, product in lines:
            holds(last.get(product, -1) < sequence,
                  f"run {run}: {product} {sequence} came after {last.get(product)}")
            last[product] = sequence
        everything.update(lines)
        total += len(lines)
    wanted = {identity(one) for one in expected}
    missing, foreign = wanted - everything, everything - wanted
    equal((len(missing), len(foreign)), (0, 0), f"missing and foreign lines, such as {sorted(missing)[:3]}")
    return total - len(everything)


def expected_rows(expected):
    return {(r["dynamodb"]["Keys"]["product_id"]["S"], r["dynamodb"]["OldImage"]["price"]["N"],
             r["dynamodb"]["NewImage"]["price"]["N"]) for r in expected}


def judge_rows(aws, expected, table="PriceHistory"):
    """PriceHistory of the fake server holds exactly these changes."""
    rows = [(i["product_id"]["S"], i["old_price"]["N"], i["new_price"]["N"]) for i in aws.tables[table].items.values()]
    wanted = expected_rows(expected)
    missing, extra = wanted - set(rows), len(rows) - len(wanted & set(rows))
    equal((len(missing), extra), (0, 0), f"rows missing, rows extra; such as {sorted(missing)[:3]}")


class Fake:
    """The fake server with a PriceHistory table and one stream of Products."""

    def __enter__(self):
        self.aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp")})
        self.stream = self.aws.streams.create("Products")
        return self

    def __exit__(self, kind, value, trace):
        self.aws.close()
        if kind is None:
            equal(self.aws.signature_problems, [])

    @property
    def url(self):
        return self.aws.url

    def rows(self):
        return len(self.aws.tables["PriceHistory"].items)

    def asked(self, *ops):
        return self.aws.streams.asked(*ops)

    def parents_came_first(self):
        """No child was read before its listed parent was read to its end."""
        ended, reads = set(), [e for e in self.asked("GetRecords") if isinstance(e[2], int)]
        given = dict.fromkeys((s for s in self.stream.shards), 0)
        for _, shard_id, count in reads:
            shard = self.stream.shards[shard_id]
            parent = self.stream.shards.get(shard.parent)
            if parent is not None and parent.known:
                holds(parent.id in ended, f"{shard_id} was read before the end of {parent.id}")
            given[shard_id] += count
            if shard.closed and given[shard_id] >= len(shard.records) - shard.trimmed:
                ended.add(shard_id)


def timed(call, *arguments):
    began = time.monotonic()
    result = call(*arguments)
    return result, time.monotonic() - began

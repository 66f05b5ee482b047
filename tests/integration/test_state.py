#!/usr/bin/env python3
"""The stored state of a daemon on DynamoDB Local: one owner of a file; two daemons and a table, of which one
is stopped and wakes up; what `weir shards` says of both."""
import http.client
import http.server
import json
import os
import signal
import tempfile
import threading
import time

from harness import (WEIR, emulator, environment, equal, folder, holds, main, plugin_dirs, start, stop, test, until,
                     watchdog, weir)
from fakes import aws_client

SERVERS = []


def local():
    if not SERVERS:
        _, port = emulator("dynamodb-local")
        SERVERS.append((aws_client.Client(f"http://127.0.0.1:{port}", "dynamodb"), f"http://127.0.0.1:{port}"))
    return SERVERS[0]


def table(name, *keys, stream=False):
    more = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}
    local()[0].dynamodb(
        "CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": k, "AttributeType": t} for k, t in keys],
        KeySchema=[{"AttributeName": k, "KeyType": kind} for (k, _), kind in zip(keys, ("HASH", "RANGE"))], **more)


def tables(name):
    table(f"{name}Products", ("product_id", "S"), stream=True)
    table(f"{name}History", ("product_id", "S"), ("timestamp", "N"))


def write(name, first, last):
    """One change of price each, of four products; the first of a product is no change."""
    for price in range(first, last):
        local()[0].dynamodb("PutItem", TableName=f"{name}Products", Item={
            "product_id": {"S": f"p{price % 4}"}, "price": {"N": str(price)}})


def history(name):
    items, at = [], {}
    while True:
        page = local()[0].dynamodb("Scan", TableName=f"{name}History", ConsistentRead=True, **at)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return sorted(int(item["new_price"]["N"]) for item in items)
        at = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def config_of(where, name, url=None, **state):
    (where / "weir.json").write_text(json.dumps({
        "name": name.lower(), "plugin_dirs": plugin_dirs(), "aws": {"endpoint_url": url or local()[1]},
        "source": {"kind": "poll", "tables": [f"{name}Products"], "idle_poll": "250ms"},
        "state": state or {"path": "state/weir.db"},
        "sinks": {"price": {"plugin": "pricehistory",
                            "config": {"table": f"{name}History", "announce": False}}}}))


class Daemon:
    def __init__(self, where):
        self.log = tempfile.TemporaryFile()
        self.process = start([WEIR, "run", "-c", where / "weir.json"], cwd=where, stdout=self.log, stderr=self.log,
                             env=environment())

    def output(self):
        self.log.seek(0)
        return self.log.read().decode()

    def signal(self, number):
        os.kill(self.process.pid, number)

    def ends(self, code, seconds=30):
        until(lambda: self.process.poll() is not None, seconds, f"the daemon ends:\n{self.output()[-3000:]}")
        equal(self.process.returncode, code, self.output()[-3000:])
        stop(self.process)


def shards(where):
    answer = weir("shards", "--json", "-c", where / "weir.json", cwd=where)
    equal(answer.returncode, 0, answer.stderr)
    return json.loads(answer.stdout)


def positions(where):
    return [sink["position"] for stream in shards(where)["streams"] for shard in stream["shards"]
            for sink in shard["sinks"]]


@test
def one_daemon_owns_the_file_and_positions_outlive_a_kill():
    with folder() as where:
        tables("File")
        config_of(where, "File")
        daemon = Daemon(where)
        write("File", 0, 40)
        until(lambda: history("File") == list(range(4, 40)), 30, "the first 36 changes are delivered")
        second = Daemon(where)
        second.ends(73)
        holds(f"is in use by process {daemon.process.pid};" in second.output(), second.output())
        until(lambda: any(positions(where)), 20, "a position is stored")
        holds(b"  price  " in weir("shards", "-c", where / "weir.json", cwd=where).stdout, "shards as text")
        daemon.signal(signal.SIGKILL)
        daemon.ends(-9)
        write("File", 40, 60)
        daemon = Daemon(where)
        until(lambda: history("File") == list(range(4, 60)), 30, "the rest is delivered after the kill")
        daemon.signal(signal.SIGTERM)
        daemon.ends(0)
        holds(not (where / "state" / "weir.db-wal").exists(), "a clean end leaves no log beside the file")


@test
def F18_a_standby_takes_over_and_the_zombie_ends():
    with folder() as one, folder() as two:
        tables("Pair")
        table("PairState", ("pk", "S"), ("sk", "S"))
        for where in (one, two):
            config_of(where, "Pair", kind="dynamodb", table="PairState", lease="3s", every="500ms")
        first = Daemon(one)
        write("Pair", 0, 40)
        until(lambda: history("Pair") == list(range(4, 40)), 30, "the first 36 changes are delivered")
        second = Daemon(two)
        until(lambda: "standing by" in second.output(), 10, "the second stands by")
        holds(f"process {first.process.pid} on " in second.output(), second.output())
        first.signal(signal.SIGSTOP)
        write("Pair", 40, 60)
        until(lambda: history("Pair") == list(range(4, 60)), 30, "the second takes over")
        first.signal(signal.SIGCONT)
        until(lambda: first.process.poll() is not None, 20, f"the zombie ends:\n{first.output()[-3000:]}")
        holds(first.process.returncode not in (0, 70), first.output()[-3000:])
        holds("another process took pipeline pair over" in first.output(), first.output()[-3000:])
        stop(first.process)
        until(lambda: any(positions(one)), 20, "the table tells positions, wherever one asks")
        write("Pair", 60, 80)
        until(lambda: history("Pair") == list(range(4, 80)), 30, "the second goes on")
        second.signal(signal.SIGTERM)
        second.ends(0)
        third = Daemon(one)
        began = time.monotonic()
        write("Pair", 80, 84)
        until(lambda: history("Pair") == list(range(4, 84)), 10, "a clean stop leaves it to the next at once")
        holds(time.monotonic() - began < 3 or "standing by" not in third.output(), "no lease to wait for")
        third.signal(signal.SIGTERM)
        third.ends(0)


class Recording:
    """Between the daemon and the server: keeps the bodies of TransactWriteItems, as weir wrote them."""

    def __enter__(self):
        bodies = self.bodies = []
        server = local()[1].removeprefix("http://")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["X-Amz-Target"].endswith(".TransactWriteItems"):
                    bodies.append(json.loads(body))
                behind = http.client.HTTPConnection(server, timeout=60)
                behind.request("POST", self.path, body, dict(self.headers))
                answer = behind.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower().startswith("x-amz"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                behind.close()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@test
def D10_an_accepted_gap_is_not_opened_again_by_a_write_that_comes_late():
    """A position of a shard that is gone makes a gap. What weir sent to store it is sent once more after the gap
    was accepted: the real server must refuse it."""
    with folder() as where, Recording() as between:
        tables("Late")
        table("LateState", ("pk", "S"), ("sk", "S"))
        config_of(where, "Late", between.url, kind="dynamodb", table="LateState", every="500ms")
        daemon = Daemon(where)
        write("Late", 0, 12)
        until(lambda: history("Late") == list(range(4, 12)), 30, "the first changes are delivered")
        until(lambda: any(positions(where)), 20, "a position is stored")
        daemon.signal(signal.SIGTERM)
        daemon.ends(0)

        def stored():
            return local()[0].dynamodb("Scan", TableName="LateState", ConsistentRead=True)["Items"]

        row = next(item for item in stored() if item.get("kind") == {"S": "position"} and "position" in item)
        gone = row["shard"]["S"][:-8] + "00000000"
        row["sk"] = {"S": row["sk"]["S"].replace(row["shard"]["S"], gone)}
        row["shard"] = {"S": gone}
        local()[0].dynamodb("PutItem", TableName="LateState", Item=row)
        daemon = Daemon(where)

        def gaps():
            return [item for item in stored() if item.get("kind") == {"S": "gap"}]

        until(lambda: gaps() or daemon.process.poll() is not None, 60, "the gap is stored")
        late = [action for body in between.bodies for action in body["TransactItems"]
                if action.get("Put", {}).get("Item", {}).get("kind") == {"S": "gap"}][-1]
        holds("ConditionExpression" in late["Put"], late)
        answer = weir("shards", "accept-gap", "--all", "-c", where / "weir.json", cwd=where)
        equal(answer.stdout, b"accepted 1 gap\n")
        equal([gap["done"] for gap in gaps()], [{"BOOL": True}])
        try:
            local()[0].dynamodb("TransactWriteItems", TransactItems=[late])
            raise AssertionError("the server took it")
        except aws_client.AwsError as failure:
            holds("ConditionalCheckFailed" in str(failure), str(failure))
        equal([gap["done"] for gap in gaps()], [{"BOOL": True}])
        local()[0].dynamodb("DeleteItem", TableName="LateState", Key={k: gaps()[0][k] for k in ("pk", "sk")})
        local()[0].dynamodb("TransactWriteItems", TransactItems=[late])  # nobody has accepted that one
        holds("done" not in gaps()[0], gaps())
        daemon.signal(signal.SIGTERM)
        daemon.ends(0)


@test
def a_state_table_that_is_not_there_is_said():
    with folder() as where:
        tables("None")
        config_of(where, "None", kind="dynamodb", table="NoneState")
        daemon = Daemon(where)
        until(lambda: daemon.process.poll() is not None, 20, f"the daemon ends:\n{daemon.output()[-3000:]}")
        holds(daemon.process.returncode not in (0, 70), daemon.output())
        holds("aws dynamodb create-table --table-name NoneState" in daemon.output(), daemon.output())
        answer = weir("shards", "-c", where / "weir.json", cwd=where)
        equal(answer.returncode, 73, answer.stderr)
        holds(b"aws dynamodb create-table --table-name NoneState" in answer.stderr, answer.stderr)


watchdog(280)
main()

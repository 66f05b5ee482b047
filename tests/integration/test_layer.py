#!/usr/bin/env python3
"""The built layer, unpacked as /opt in a mount namespace of its own with a function as /var/task, under AWS's
Runtime Interface Emulator: what a user of the layer gets, but for Amazon Linux itself."""
import collections
import http.client
import json
import os
import platform
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import zipfile
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import events
from harness import (BUILD, ROOT, emulator, environment, equal, folder, free_port, holds, listening, main, start,
                     stop, test, until, watchdog)
from fakes import aws_client

ARCH = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
OUT = ROOT / "build" / "layer-out"
# In the namespace: the layer as /opt, the function as /var/task (there is none on the machine: /var is covered).
MOUNTS = """
mount --make-rprivate / && mount --bind "$1" /opt && mount -t tmpfs none /var &&
mkdir /var/task && mount --bind "$2" /var/task && cd /var/task && shift 2 && exec "$@"
"""


def namespace():
    """The command that makes a mount namespace here: as root, or where users may have their own."""
    for flags in (["-m"], ["-r", "-m"]):
        if subprocess.run(["unshare", *flags, "true"], stderr=subprocess.DEVNULL).returncode == 0:
            return ["unshare", *flags]
    raise AssertionError("no mount namespace can be made here: run this as root")


_unpacked = []


def layer():
    """The folder of the unpacked zip."""
    if not _unpacked:
        began = time.monotonic()
        subprocess.run([ROOT / "scripts" / "layer", ARCH], check=True, stdout=subprocess.DEVNULL)
        print(f"     layer built in {time.monotonic() - began:.0f} s")
        where = BUILD / "layer-unpacked"
        shutil.rmtree(where, ignore_errors=True)
        with zipfile.ZipFile(OUT / f"weir-layer-{ARCH}.zip") as archive:
            for entry in archive.infolist():
                os.chmod(archive.extract(entry, where), entry.external_attr >> 16)
        _unpacked.append(where)
    return _unpacked[0]


class Function:
    """The layer with this config as a function under the emulator; `runtime`: another folder with a bootstrap."""

    def __init__(self, value, timeout_s=20, runtime=None, **env):
        self.folder = folder()
        task = self.folder.__enter__()
        (task / "weir.json").write_text(json.dumps(value))
        script = ROOT / "scripts" / "emulators" / "lambda-rie"
        subprocess.run([script, "--fetch"], check=True)
        self.port = free_port(2)
        self.log = open(task / "log", "w+b")
        self.process = start(
            [*namespace(), "sh", "-c", MOUNTS, "sh", runtime or layer(), task, "setpriv", "--pdeathsig", "KILL", script,
             "--exec", "--port", self.port], stdout=self.log, stderr=self.log,
            env=environment(AWS_LAMBDA_FUNCTION_TIMEOUT=timeout_s, AWS_LAMBDA_FUNCTION_NAME="weir",
                            LAMBDA_TASK_ROOT="/var/task", _HANDLER="weir.json", **env))
        until(lambda: self.process.poll() is not None or listening(self.port), 30, "the emulator answers")
        holds(self.process.poll() is None, f"the emulator runs: {self.output()}")

    def output(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def invoke(self, event):
        """(HTTP status, answer, seconds)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        began = time.monotonic()
        connection.request("POST", "/2015-03-31/functions/function/invocations",
                           event if isinstance(event, bytes) else json.dumps(event))
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, json.loads(body or b"null") if body[:1] in b"{[\"n" else body.decode(), \
            time.monotonic() - began

    def bootstrap(self):
        """The runtime's process id; the emulator is its parent."""
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                if parent == str(self.process.pid) and (entry / "cmdline").read_bytes() == b"/opt/bootstrap\0":
                    return int(entry.name)
            except OSError:  # it has ended meanwhile
                pass
        return None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.output()[-3000:])
        pid = self.bootstrap()
        stop(self.process)
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.log.close()
        self.folder.__exit__()


# ---- what is sent, and what must come of it ----

def shop_records(count=1000, products=40):
    """Price changes, changes of something else, inserts and removals; each product's prices form a chain."""
    rng, prices, records = random.Random(5), {}, []
    for number in range(1, count + 1):
        product = f"p{rng.randrange(products)}"
        old = prices.get(product)
        dice = rng.random()
        new = f"{rng.randrange(1, 9999)}.{rng.randrange(100):02d}" if old is None or dice < 0.7 else old
        if old is not None and dice > 0.95:
            records.append(events.record(number, product, {"price": ("N", old)}, None))
            del prices[product]
            continue
        before = None if old is None else {"price": ("N", old), "stock": number}
        records.append(events.record(number, product, before, {"price": ("N", new), "stock": number + 1}))
        prices[product] = new
    return records


def expected_rows(records):
    rows = {}
    for r in records:
        change = r["dynamodb"]
        if r["eventName"] == "MODIFY" and Decimal(change["OldImage"]["price"]["N"]) != Decimal(change["NewImage"]["price"]["N"]):
            rows[int(change["SequenceNumber"]) % 10 ** 28, change["Keys"]["product_id"]["S"]] = (
                Decimal(change["OldImage"]["price"]["N"]), Decimal(change["NewImage"]["price"]["N"]))
    return rows


@test
def a_thousand_records_reach_a_table_and_a_queue():
    local, port = emulator("dynamodb-local")
    queue, queue_port = emulator("elasticmq")
    dynamodb = aws_client.Client(f"http://127.0.0.1:{port}", "dynamodb")
    sqs = aws_client.Client(f"http://127.0.0.1:{queue_port}", "sqs")
    dynamodb.dynamodb("CreateTable", TableName="PriceHistory", BillingMode="PAY_PER_REQUEST",
                      AttributeDefinitions=[{"AttributeName": "product_id", "AttributeType": "S"},
                                            {"AttributeName": "timestamp", "AttributeType": "N"}],
                      KeySchema=[{"AttributeName": "product_id", "KeyType": "HASH"},
                                 {"AttributeName": "timestamp", "KeyType": "RANGE"}])
    sqs.sqs("CreateQueue", QueueName="all")
    url = f"http://127.0.0.1:{queue_port}/000000000000/all"
    records = shop_records()
    value = {"lambda": {"report_batch_item_failures": True},
             "aws": {"endpoints": {"dynamodb": f"http://127.0.0.1:{port}", "sqs": f"http://127.0.0.1:{queue_port}"}},
             "sinks": {"price": {"plugin": "pricehistory", "config": {"table": "PriceHistory"}},
                       "all": {"plugin": "sqs", "config": {"queue_url": url}}}}
    with Function(value) as function:
        times = []
        for place in range(0, len(records), 100):
            status, answer, seconds = function.invoke(events.batch(records[place:place + 100]))
            equal((status, answer.get("batchItemFailures")), (200, []), f"answer {answer}")
            times.append(seconds * 1000)
        print(f"     first invocation {times[0]:.1f} ms, later ones {sorted(times[1:])[len(times) // 2]:.1f} ms (median)")
    # DynamoDB Local closes connections that idle.
    dynamodb = aws_client.Client(f"http://127.0.0.1:{port}", "dynamodb")
    sqs = aws_client.Client(f"http://127.0.0.1:{queue_port}", "sqs")
    items, start_key = [], {}
    while True:
        page = dynamodb.dynamodb("Scan", TableName="PriceHistory", ConsistentRead=True, **start_key)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        start_key = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    found = {(int(i["timestamp"]["N"].partition(".")[2].ljust(28, "0")), i["product_id"]["S"]):
             (Decimal(i["old_price"]["N"]), Decimal(i["new_price"]["N"])) for i in items}
    equal(found, expected_rows(records), "PriceHistory")
    got = collections.Counter()
    while True:
        messages = sqs.sqs("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get("Messages", [])
        if not messages:
            break
        got.update(json.loads(m["Body"])["dynamodb"]["SequenceNumber"] for m in messages)
    equal(got, collections.Counter(r["dynamodb"]["SequenceNumber"] for r in records), "messages")
    print(f"     PriceHistory: {len(found)} rows, queue: {sum(got.values())} messages, of {len(records)} records")
    stop(local)
    stop(queue)


CONSOLE = {"sinks": {"console": {"plugin": "stdout", "config": {"format": "json"}}}}


class Answering(BaseHTTPRequestHandler):
    """DynamoDB, as far as BatchWriteItem needs it."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"UnprocessedItems":{}}'
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: 1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@test
def S33_the_sums_and_the_bill_of_materials_are_there():
    bill = json.loads((layer() / "weir" / "sbom.json").read_text())
    equal({c["name"] for c in bill["components"]}, {"openssl", "libuv", "cjson", "curl"})
    holds(f"weir-layer-{ARCH}.zip" in (OUT / "SHA256SUMS").read_text(), "the zip has its sum")
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=OUT, check=True)


@test
def tls_works_and_verifies():
    """The layer's OpenSSL is set up only now: deploy/layer/deps keeps libcurl from doing it at start."""
    with folder() as path:
        for name in ("ours", "another"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days",
                            "2", "-addext", "subjectAltName=DNS:localhost", "-keyout", path / "key-of-the-last",
                            "-out", path / name], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path / "another", path / "key-of-the-last")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        server.handle_error = lambda *_: None  # a client that refuses the certificate
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        value = {"aws": {"endpoint_url": f"https://localhost:{server.server_address[1]}"},
                 "sinks": {"price": {"plugin": "pricehistory", "config": {"table": "PriceHistory"},
                                     "retry": {"max_attempts": 1}}}}
        for bundle, good in (("another", True), ("ours", False)):
            with Function(value, timeout_s=5, AWS_CA_BUNDLE=path / bundle) as function:
                status, answer, _ = function.invoke(events.batch([events.price(1, "p1", 1, 2)]))
                equal(answer.get("batchItemFailures") == [], good, f"{bundle}: {answer}")
        server.shutdown()


@test
def F27_an_init_error_is_readable_from_outside():
    with Function({"sinks": {"console": {"plugin": "stdout", "bacth_size": 1}}}) as function:
        for _ in range(2):  # init runs again for the next invocation
            status, answer, _ = function.invoke(events.batch([]))
            equal((status, answer["errorType"]), (502, "Weir.ConfigInvalid"))
            holds("bacth_size" in answer["errorMessage"] and "weir.json:1:" in answer["errorMessage"], answer)


@test
def F28_an_event_of_6_mb():
    filler = "x" * 5500
    batch = [events.record(n, f"p{n}", {"price": n, "text": filler}, {"price": n + 1, "text": filler})
             for n in range(1, 530)]
    body = json.dumps(events.batch(batch)).encode()
    holds(5.9e6 < len(body) < 6.3e6, len(body))
    with Function(CONSOLE) as function:
        status, answer, seconds = function.invoke(body)
        equal((status, answer["batchItemFailures"]), (200, []))
        print(f"     6 MB in {seconds * 1000:.0f} ms")


@test
def F23_near_the_timeout_it_answers_by_itself():
    silent = socket.create_server(("127.0.0.1", 0))
    value = {"aws": {"endpoint_url": "http://127.0.0.1:%d" % silent.getsockname()[1]},
             "sinks": {"price": {"plugin": "pricehistory", "config": {"table": "PriceHistory"}}}}
    with Function(value, timeout_s=2) as function:
        for number in (1, 2):
            status, answer, seconds = function.invoke(events.batch([events.price(number, "p1", 1, 2)]))
            equal((status, answer["errorType"]), (200, "Weir.NotDelivered"))
            holds(1 < seconds < 2.5, f"after {seconds:.2f} s of 2")
        holds("timed out" not in function.output(), "the emulator had to end nothing")
    silent.close()


@test
def a_runtime_that_is_killed_at_the_timeout_starts_again():
    with Function(CONSOLE, timeout_s=2) as function:
        equal(function.invoke(events.batch([events.price(1, "p1", 1, 2)]))[0], 200)
        first = function.bootstrap()
        holds(first, "the bootstrap runs as /opt/bootstrap")
        os.kill(first, signal.SIGSTOP)
        answer = function.invoke(events.batch([events.price(2, "p1", 2, 3)]))[1]
        holds("timed out after 2.00 seconds" in json.dumps(answer), answer)
        status, answer, _ = function.invoke(events.batch([events.price(2, "p1", 2, 3)]))
        equal((status, answer["batchItemFailures"]), (200, []))
        holds(function.bootstrap() != first, "a new process")


if __name__ == "__main__":
    watchdog(580)
    main()

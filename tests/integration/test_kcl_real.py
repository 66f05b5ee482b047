#!/usr/bin/env python3
"""Fleets: KCL's real engines over DynamoDB Local, a weir process per shard. Two workers; the one that holds the
lease is killed while it works, the other takes the lease over. Leases and checkpoints are KCL's."""
import http.client
import os
import signal
import subprocess
import time

from harness import ROOT, WEIR, config, environment, equal, folder, holds, main, start, test, until, watchdog
from local import Local, judge_rows, lambda_shape, price_changes, read_stream, write_all
from polling import price_sink
from fakes import fault_proxy

WRITES, PRODUCTS = 5000, 50
REGION = "us-east-1"
APPLICATION = "weir-test"


class RegionProxy(fault_proxy.FaultProxy):
    """Shows DynamoDB Local's region, `ddblocal`, as a real one: the streams adapter 2.0.1 refuses ARNs that
    say otherwise."""

    def ask(self, method, path, body, headers):
        named = f"arn:aws:dynamodb:{REGION}:000000000000".encode()
        status, answered, out = super().ask(method, path, body.replace(named, named.replace(REGION.encode(), b"ddblocal")),
                                            headers)
        kept = [(name, value) for name, value in answered if name.lower() != "x-amz-crc32"]
        return status, kept, out.replace(b"ddblocal", REGION.encode())


class Worker:
    """A Java process of an engine, with weir processes under it."""

    def __init__(self, engine, name, path, properties, url, sinks, endpoint):
        self.folder = path / name
        self.folder.mkdir()
        arn = properties.get("streamArn") or properties["streamName"]
        config(self.folder, sinks, source={"kind": "kcl", "streams": ["${STREAM_ARN}"]},
               aws={"endpoints": {"dynamodb": endpoint}})
        run = self.folder / "weir"
        run.write_text(f'#!/bin/sh\n[ "$STREAM_ARN" = "{arn}" ] || exit 78\necho $$ >>"{self.folder}/pids"\n'
                       f'exec "{WEIR}" run -c "{self.folder}/weir.json"\n')
        run.chmod(0o755)
        file = self.folder / f"{name}.properties"
        values = {"executableName": run, "workerId": name, **properties}
        file.write_text("".join(f"{key} = {value}\n" for key, value in values.items()))
        built = subprocess.run([ROOT / "scripts/emulators/kcl", engine], check=True, capture_output=True, text=True)
        jars = built.stdout.strip() + ("/lib" if engine == "multilang" else "")
        self.log = open(self.folder / "log", "wb")
        self.process = start(
            ["nice", ROOT / "deploy/kcl" / engine / "start", file], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, cwd=self.folder,
            env=environment(WEIR_KCL_JARS=jars, AWS_ENDPOINT_URL=url, JAVA_HOME=os.environ.get("JAVA_HOME"),
                            WEIR_KCL_JAVA_OPTIONS="-Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"))

    def children(self):
        """The weir processes that it has started, ever."""
        file = self.folder / "pids"
        return [int(pid) for pid in file.read_text().split()] if file.exists() else []

    def kill(self):
        """The worker alone: what is under it notices by the closed pipe."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def tail(self):
        self.log.flush()
        return (self.folder / "log").read_bytes()[-6000:].decode("utf-8", "replace")


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


def changes(first, count):
    """A new price of one product after the other."""
    return [(f"p{n % PRODUCTS}", {"product_id": {"S": f"p{n % PRODUCTS}"}, "price": {"N": f"{n}.5"}})
            for n in range(first, first + count)]


def write(local, first, count):
    for thread in write_all(local, "Products", changes(first, count), writers=1):
        thread.join()


def stored(local):
    """Rows of the history; the server, busy on two cores, now and then closes a connection."""
    try:
        return len(local.scan("PriceHistory"))
    except (http.client.HTTPException, ConnectionError):
        holds(local.process.poll() is None, "DynamoDB Local runs")
        local.dynamodb = local.client()
        return len(local.scan("PriceHistory"))


def lease_tables(local, name):
    """KCL 3 waits for a minute and more for tables that it makes; a fleet does that once."""
    local.table(f"{name}-CoordinatorState", ("key", "S"))
    local.table(f"{name}-WorkerMetricStats", ("wid", "S"))
    local.dynamodb.dynamodb(
        "CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("leaseKey", "leaseOwner")],
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "LeaseOwnerToLeaseKeyIndex", "Projection": {"ProjectionType": "KEYS_ONLY"},
            "KeySchema": [{"AttributeName": "leaseOwner", "KeyType": "HASH"},
                          {"AttributeName": "leaseKey", "KeyType": "RANGE"}]}])


def takeover(engine, properties_of, through_proxy, more=None):
    with Local() as local, folder() as path:
        local.history()
        if engine == "bridge":
            lease_tables(local, APPLICATION)
        local.table("Products", ("product_id", "S"), stream=True)
        proxy = RegionProxy(local.address)
        arn = local.stream_arn("Products")
        shown = arn.replace("ddblocal", REGION) if through_proxy else arn
        url = proxy.url if through_proxy else "http://" + local.address

        def worker(name):
            # small deliveries, so that the kill finds much under way
            sink = price_sink(batch_records=25, concurrency=1)
            return Worker(engine, name, path, properties_of(shown, url), url, {"price": sink}, "http://" + local.address)

        def rows(count, who, seconds):
            end = time.monotonic() + seconds
            while stored(local) < count:
                alive = who.process.poll() is None
                holds(alive and time.monotonic() < end,
                      f"{who.folder.name}: not {count} rows within {seconds} s:\n{who.tail()}")
                time.sleep(0.3)

        began = time.monotonic()
        write(local, 0, 500)
        first = worker("first")
        rows(450, first, 150)
        print(f"     {engine}: the first worker delivers after {time.monotonic() - began:.0f} s")
        second = worker("second")
        write(local, 500, WRITES // 2 - 500)
        rows(700, first, 60)
        killed = stored(local)
        first.kill()
        when = time.monotonic()
        until(lambda: all(gone(pid) for pid in first.children()), 20, "weir ends with its worker")
        write(local, WRITES // 2, WRITES - WRITES // 2)
        rows(WRITES - PRODUCTS, second, 150)
        print(f"     {engine}: killed at {killed} rows; all are there {time.monotonic() - when:.0f} s later")
        more and more(local, second, rows)
        records = [lambda_shape(r, arn) for r in read_stream(local.dynamodb, arn)]
        holds(len(records) >= WRITES, "records in the stream")
        judge_rows(local.scan("PriceHistory"), price_changes(records))
        holds(second.children(), "the second worker started weir")
        proxy.close()


def child_killed_then_stopped(local, worker, rows):
    """The bridge starts another weir for the same records; on SIGTERM it lets it finish and gives the lease back."""
    os.kill(worker.children()[-1], signal.SIGKILL)
    write(local, WRITES, 500)
    rows(WRITES - PRODUCTS + 500, worker, 60)
    holds(len(worker.children()) > 1, "another weir was started")
    began = time.monotonic()
    worker.process.send_signal(signal.SIGTERM)
    worker.process.wait(40)
    until(lambda: all(gone(pid) for pid in worker.children()), 10, "weir ends with its worker")
    log = worker.tail()
    print(f"     the bridge ended {time.monotonic() - began:.0f} s after SIGTERM")
    holds("no graceful end" not in log and "W1005" not in log.rsplit("exit code", 1)[-1], f"a graceful end:\n{log}")


@test
def F18_F70_kcl_1_a_worker_is_killed_and_the_other_takes_over():
    takeover("multilang", lambda arn, url: {
        "streamName": arn, "kinesisEndpoint": url, "dynamoDBEndpoint": url, "applicationName": APPLICATION,
        "AWSCredentialsProvider": "DefaultAWSCredentialsProviderChain", "initialPositionInStream": "TRIM_HORIZON", "regionName": REGION, "metricsLevel": "NONE",
        "idleTimeBetweenReadsInMillis": 250, "maxRecords": 1000, "failoverTimeMillis": 5000}, False)


@test
def F18_F70_kcl_3_a_worker_is_killed_and_the_other_takes_over():
    takeover("bridge", lambda arn, url: {
        "streamArn": arn, "applicationName": APPLICATION, "idleTimeBetweenReadsInMillis": 250,
        "clientVersionConfig": "COMPATIBLE_WITH_2X", "workerMetricsReporterFreqInMillis": 2000,
        "shardSyncIntervalMillis": 1000, "failoverTimeMillis": 5000}, True, child_killed_then_stopped)


watchdog(590)
main()

#!/usr/bin/env python3
"""The main job against real servers: a Products table on DynamoDB Local, its real stream read by a small
event source mapping, weir as the Lambda runtime (against the fake Runtime API, and under AWS's Runtime
Interface Emulator), PriceHistory rows on DynamoDB Local, messages on ElasticMQ; with a proxy in between that
throttles and cuts connections."""
import collections
import http.client
import json
import threading

import events
import local
import shop
from local import judge_rows, lambda_shape, price_changes, read_stream
from harness import LambdaWeir, WEIR, config, emulator, environment, equal, folder, holds, main, stop, test, watchdog
from fakes import aws_client, fault_proxy

RETRY = {"max_attempts": 6, "base": "5ms", "cap": "100ms"}


# ---- the servers ----

class Servers(local.Local):
    """Started once for all tests here."""

    def __init__(self):
        super().__init__()
        self.mq, mq_port = emulator("elasticmq")
        self.sqs = aws_client.Client(f"http://127.0.0.1:{mq_port}", "sqs")
        self.to_dynamodb = fault_proxy.FaultProxy(self.address)
        self.to_sqs = fault_proxy.FaultProxy(f"127.0.0.1:{mq_port}", error_prefix="com.amazonaws.sqs#")

    def queue(self, name, **attributes):
        self.sqs.sqs("CreateQueue", QueueName=name, Attributes=attributes)
        return f"{self.to_sqs.url}/000000000000/{name}"

    def receive_all(self, name):
        """All messages in the order given out; each deleted, so that FIFO groups go on."""
        url, messages, empty = f"{self.to_sqs.url}/000000000000/{name}", [], 0
        while empty < 2:
            got = self.sqs.sqs("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60,
                               MessageAttributeNames=["All"], AttributeNames=["All"]).get("Messages", [])
            empty = 0 if got else empty + 1
            messages += got
            if got:
                self.sqs.sqs("DeleteMessageBatch", QueueUrl=url, Entries=[
                    {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])
        return messages


# ---- a small event source mapping ----

class Mapping:
    """Batches, retries of the rest after an error or from the lowest identifier on, no give-up; every third
    batch that succeeded is delivered once more, as after a lost answer."""

    def __init__(self, invoke, partial, batch_size=50):
        self.invoke, self.partial, self.batch_size = invoke, partial, batch_size
        self.figures = collections.Counter()

    def play(self, records):
        for place in range(0, len(records), self.batch_size):
            batch = records[place:place + self.batch_size]
            self.deliver(batch)
            if place // self.batch_size % 3 == 2:
                self.figures["delivered again"] += 1
                self.deliver(batch)

    def deliver(self, batch):
        for _ in range(200):
            if not batch:
                return
            self.figures["invocations"] += 1
            failed, answer = self.invoke(events.batch(batch))
            if failed:
                self.figures["errors"] += 1
                continue
            named = [f["itemIdentifier"] for f in answer.get("batchItemFailures", [])] if self.partial else []
            if not named:
                return
            self.figures["partial answers"] += 1
            equal(len(named), 1, "one identifier")
            numbers = [int(r["dynamodb"]["SequenceNumber"]) for r in batch]
            holds(int(named[0]) in numbers, "the identifier is of this batch")
            batch = [r for r, number in zip(batch, numbers) if number >= int(named[0])]
        raise AssertionError("a batch was not done after 200 invocations")


# ---- the judgement ----

def literal_key_loss(records):
    """What the key (product, second) of the article leaves over on the same records."""
    expected = price_changes(records)
    return len(expected) - len({(product, int(key)) for product, key in expected})


def body_of(message):
    body = json.loads(message["Body"])
    return body["dynamodb"]["SequenceNumber"], body["dynamodb"]["Keys"]["product_id"]["S"]


def judge_queues(servers, records, plain, fifo):
    expected = [(r["dynamodb"]["SequenceNumber"], r["dynamodb"]["Keys"]["product_id"]["S"]) for r in records]
    got = [body_of(m) for m in servers.receive_all(plain)]
    print(f"     standard queue: {len(got)} messages of {len(expected)} records, missing "
          f"{len(set(expected) - set(got))}, foreign {len(set(got) - set(expected))}")
    equal(set(got), set(expected), "records on the standard queue")
    got = [body_of(m) for m in servers.receive_all(fifo)]
    print(f"     FIFO queue: {len(got)} messages, missing {len(set(expected) - set(got))}, twice {len(got) - len(set(got))}")
    equal(sorted(got), sorted(expected), "messages on the FIFO queue")
    for product in {product for _, product in expected}:
        equal([s for s, p in got if p == product], [s for s, p in expected if p == product], f"order of {product}")


# ---- tests ----

def fill_products(servers):
    """The writes, from four writers: each product's in order. Returns the stream's records."""
    servers.table("Products", ("product_id", "S"), stream=True)
    lists = collections.defaultdict(list)
    for product, item in shop.writes():
        lists[sum(product.encode()) % 4].append((product, item))

    def write(list_):
        client = aws_client.Client("http://" + servers.dynamodb.host, "dynamodb")
        for product, item in list_:
            if item is None:
                client.dynamodb("DeleteItem", TableName="Products", Key={"product_id": {"S": product}})
            else:
                client.dynamodb("PutItem", TableName="Products", Item=item)

    threads = [threading.Thread(target=write, args=(l,)) for l in lists.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    arn = servers.dynamodb.dynamodb("DescribeTable", TableName="Products")["Table"]["LatestStreamArn"]
    records = []
    for _ in range(50):
        records = [lambda_shape(r, arn) for r in read_stream(servers.dynamodb, arn)]
        if len(records) >= shop.WRITES:
            break
    equal(len(records), shop.WRITES, "records in the stream")
    print(f"     stream: {len(records)} records, {len(price_changes(records))} price changes; the article's key "
          f"(product, second) would lose {literal_key_loss(records)} of them")
    return records


FAULTS = {
    "dynamodb": [{"do": "error", "type": "ProvisionedThroughputExceededException", "every": 4},
                 {"do": "cut", "every": 5}, {"do": "reset", "every": 6},
                 {"do": "error", "type": "InternalServerError", "status": 500, "every": 11},
                 {"op": "BatchWriteItem", "do": "unprocessed", "every": 2}, {"do": "truncate", "every": 9}],
    "sqs": [{"do": "error", "type": "ThrottlingException", "every": 7}, {"do": "reset", "every": 6},
            {"op": "SendMessageBatch", "do": "unprocessed", "every": 3}, {"do": "cut", "every": 9}],
}


def sinks_for(servers, name):
    """Three sinks with targets of their own; returns (sinks, table, standard queue, FIFO queue)."""
    servers.table(f"History{name}", ("product_id", "S"), ("timestamp", "N"))
    plain, fifo = f"all-{name}", f"all-{name}.fifo"
    urls = servers.queue(plain), servers.queue(fifo, FifoQueue="true")
    return {
        "price": {"plugin": "pricehistory", "retry": RETRY, "config": {"table": f"History{name}"}},
        "all": {"plugin": "sqs", "retry": RETRY, "config": {"queue_url": urls[0]}},
        "ordered": {"plugin": "sqs", "retry": RETRY, "config": {"queue_url": urls[1]}},
    }, f"History{name}", plain, fifo


def play(servers, records, partial, name):
    sinks, table, plain, fifo = sinks_for(servers, name)
    servers.to_dynamodb.faults.set(FAULTS["dynamodb"])
    servers.to_sqs.faults.set(FAULTS["sqs"])
    with folder() as path:
        config(path, sinks, **{"lambda": {"report_batch_item_failures": partial}, "aws": {
            "endpoints": {"dynamodb": servers.to_dynamodb.url, "sqs": servers.to_sqs.url}}})
        with LambdaWeir(path) as runtime:
            def invoke(event):
                answer = runtime.invoke(event, deadline_ms=15000)
                return answer.kind == "error", answer.json

            mapping = Mapping(invoke, partial)
            mapping.play(records)
    for proxy in (servers.to_dynamodb, servers.to_sqs):
        did = {k: v for k, v in proxy.faults.stats.items() if ":" in k}
        print(f"     injected: {did}")
        holds(len(did) >= 3, "faults were injected")
        proxy.faults.stats.clear()
        proxy.faults.set([])
    print(f"     mapping: {dict(mapping.figures)}")
    judge_rows(servers.scan(table), price_changes(records))
    judge_queues(servers, records, plain, fifo)


_servers, _records = [], []


def servers_and_records():
    if not _servers:
        _servers.append(Servers())
        _records.extend(fill_products(_servers[0]))
    return _servers[0], _records


@test
def F13_F31_F32_F39_F40_F45_F48_main_job_with_partial_answers():
    play(*servers_and_records(), True, "Partial")


@test
def F20_main_job_without_partial_answers():
    play(*servers_and_records(), False, "Whole")


@test
def main_job_under_the_runtime_interface_emulator():
    servers, records = servers_and_records()
    sinks, table, plain, fifo = sinks_for(servers, "Rie")
    with folder() as path:
        config(path, sinks, **{"lambda": {"report_batch_item_failures": True}, "aws": {
            "endpoints": {"dynamodb": servers.to_dynamodb.url, "sqs": servers.to_sqs.url}}})
        rie, port = emulator("lambda-rie", WEIR, "weir.json", ports=2, cwd=path,
                             env=environment(LAMBDA_TASK_ROOT=path, AWS_LAMBDA_FUNCTION_TIMEOUT=20))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def invoke(event):
            connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event))
            answer = json.loads(connection.getresponse().read())
            return "errorType" in answer or "errorMessage" in answer, answer

        mapping = Mapping(invoke, True, batch_size=100)
        mapping.play(records)
        stop(rie)
    print(f"     mapping: {dict(mapping.figures)}")
    judge_rows(servers.scan(table), price_changes(records))
    judge_queues(servers, records, plain, fifo)


watchdog(400)
main()

"""A fake AWS JSON server: as much of DynamoDB, its Streams, SQS, Kinesis and EventBridge as weir uses, in memory, with every
signature verified and faults by rule (faults.py).

    aws = AwsServer(tables={"PriceHistory": ("product_id", "timestamp")}, queues=["orders.fifo"])
    aws.url, aws.tables["PriceHistory"].items, aws.queues["orders.fifo"].messages, aws.faults.set([...])
    aws.streams.create("Products").shard(records=[...])      # streams.py
"""
import base64
import binascii
import collections
import hashlib
import json
import threading
import time
import urllib.parse
import uuid
from decimal import Context, Decimal
from http.server import BaseHTTPRequestHandler

from . import faults as faults_module
from . import sigv4
from . import streams as streams_module
from .server import Server
from .streams import Refused

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EXACT = Context(prec=200)  # the default context would round to 28 digits
STREAMS_TARGET = "DynamoDBStreams_20120810"
BATCH_ITEMS, BATCH_ENTRIES, ENTRY_BYTES, KINESIS_RECORDS = 25, 10, 1024 * 1024, 500
SERVICES = {"AmazonSQS": "sqs", "Kinesis_20131202": "kinesis", "AWSEvents": "events"}


def key_text(value):
    (kind, text), = value.items()
    if kind != "N":
        return kind, text
    digits = Decimal(text)
    if len(digits.as_tuple().digits) > 38:
        raise Refused("ValidationException", "Number has more than 38 significant digits")
    return kind, format(digits.normalize(EXACT), "f")


class Table:
    def __init__(self, keys):
        self.keys, self.items, self.puts = keys, {}, 0

    def key(self, item):
        try:
            return tuple(key_text(item[name]) for name in self.keys)
        except KeyError as missing:
            raise Refused("ValidationException", f"missing the key {missing} in the item") from None

    def put(self, item):
        self.puts += 1
        self.items[self.key(item)] = item


class Queue:
    def __init__(self):
        self.messages, self.dedup, self.lock = [], {}, threading.Lock()

    def send(self, entry):
        """Stores an entry and returns its MessageId; a known deduplication id stores nothing."""
        dedup = entry.get("MessageDeduplicationId")
        with self.lock:
            if dedup is not None and dedup in self.dedup:
                return self.dedup[dedup]
            message_id = str(uuid.uuid4())
            if dedup is not None:
                self.dedup[dedup] = message_id
            self.messages.append(entry)
            return message_id


class AwsServer:
    def __init__(self, tables=None, queues=(), rules=()):
        self.tables = {name: Table(keys) for name, keys in (tables or {}).items()}
        self.queues = {name: Queue() for name in queues}
        self.streams = streams_module.Streams()
        self.kinesis_streams, self.buses = {"changes"}, {"default"}
        self.mappings = []  # event source mappings, as Lambda lists them
        self.ahead_s = 0  # of this machine's clock: the Date of each answer
        self.kinesis, self.events = [], []  # (partition key, data) and entries, in the order taken
        self.faults = faults_module.Faults(rules)
        self.lock, self.signature_problems = threading.Lock(), []
        self.calls = collections.Counter()
        self.traces = []  # X-Amzn-Trace-Id of each request, or None
        self.server = Server(self.handler())
        self.url = "http://" + self.server.address

    def queue_url(self, name):
        return f"{self.url}/000000000000/{name}"

    def close(self):
        self.server.close()

    # ---- operations ----
    def table(self, name):
        if name not in self.tables:
            raise Refused("ResourceNotFoundException", "Requested resource not found")
        return self.tables[name]

    def put_item(self, request):
        table, item = self.table(request["TableName"]), request["Item"]
        condition = request.get("ConditionExpression")
        if set(table.keys) - set(item):
            raise Refused("ValidationException", "One of the required keys was not given a value")
        if condition == "attribute_exists(pk) AND attribute_not_exists(pk)":  # no item meets it
            raise Refused("ConditionalCheckFailedException", "The conditional request failed")
        with self.lock:
            old = table.items.get(table.key(item))
            if condition and old is not None and not self.same_event(request, old):
                raise Refused("ConditionalCheckFailedException", "The conditional request failed")
            table.put(item)
        return {}

    @staticmethod
    def same_event(request, old):
        """The one condition in use: the item is absent, or a named attribute has a given value."""
        names = request.get("ExpressionAttributeNames", {})
        for text, value in request.get("ExpressionAttributeValues", {}).items():
            for side in request["ConditionExpression"].replace(text, " ").split():
                attribute = names.get(side, side)
                if old.get(attribute) == value:
                    return True
        return False

    def batch_write_item(self, request, rule=None):
        left = {}
        writes = [(name, one["PutRequest"]["Item"])
                  for name, list_ in request["RequestItems"].items() for one in list_]
        if not 0 < len(writes) <= BATCH_ITEMS:
            raise Refused("ValidationException", "between 1 and 25 items are wanted")
        with self.lock:
            keys = [(name, self.table(name).key(item)) for name, item in writes]
            if len(set(keys)) != len(keys):
                raise Refused("ValidationException", "Provided list of item keys contains duplicates")
            for index, (name, item) in enumerate(writes):
                if rule and rule["do"] == "unprocessed" and index % 2:
                    left.setdefault(name, []).append({"PutRequest": {"Item": item}})
                else:
                    self.table(name).put(item)
        return {"UnprocessedItems": left}

    def send_message_batch(self, request, rule=None):
        queue = self.queues.get(request["QueueUrl"].rsplit("/", 1)[-1])
        if queue is None:
            raise Refused("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
        entries = request["Entries"]
        if len(entries) > BATCH_ENTRIES:
            raise Refused("com.amazonaws.sqs#TooManyEntriesInBatchRequest")
        if len({e["Id"] for e in entries}) != len(entries):
            raise Refused("com.amazonaws.sqs#BatchEntryIdsNotDistinct")
        if sum(len(e["MessageBody"].encode()) for e in entries) > ENTRY_BYTES:
            raise Refused("com.amazonaws.sqs#BatchRequestTooLong")
        good, bad = [], []
        for index, entry in enumerate(entries):
            if rule and rule["do"] == "unprocessed" and index % 2:
                bad.append({"Id": entry["Id"], "SenderFault": rule.get("sender_fault", False),
                            "Code": rule.get("type", "InternalError"), "Message": "injected"})
                continue
            good.append({"Id": entry["Id"], "MessageId": queue.send(entry), **digests(entry)})
        return {"Successful": good, "Failed": bad}

    def put_records(self, request, rule=None):
        if not 0 < len(request["Records"]) <= KINESIS_RECORDS:
            raise Refused("ValidationException", "between 1 and 500 records are wanted")
        answers = []
        for index, one in enumerate(request["Records"]):
            if rule and rule["do"] == "unprocessed" and index % 2:
                answers.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "injected"})
                continue
            with self.lock:
                self.kinesis.append((one["PartitionKey"], base64.b64decode(one["Data"], validate=True)))
            answers.append({"SequenceNumber": str(len(self.kinesis)), "ShardId": "shardId-000000000000"})
        failed = sum("ErrorCode" in a for a in answers)
        return {"FailedRecordCount": failed, "Records": answers}

    def put_events(self, request, rule=None):
        if not 0 < len(request["Entries"]) <= BATCH_ENTRIES:
            raise Refused("ValidationException", "between 1 and 10 entries are wanted")
        answers = []
        for index, entry in enumerate(request["Entries"]):
            if rule and rule["do"] == "unprocessed" and index % 2:
                answers.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "injected"})
                continue
            json.loads(entry["Detail"])
            with self.lock:
                self.events.append(entry)
            answers.append({"EventId": str(uuid.uuid4())})
        return {"FailedEntryCount": sum("ErrorCode" in a for a in answers), "Entries": answers}

    def describe_table(self, request, rule=None):
        name = request["TableName"]
        told = self.streams.describe_table(name)
        if told is None:
            told = {"TableName": name, "TableStatus": "ACTIVE", "KeySchema": [
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(self.table(name).keys, ("HASH", "RANGE"))]}
        return {"Table": told}

    @staticmethod
    def look_up(known, name, kind):
        if name not in known:
            raise Refused(kind, f"there is no {name}")
        return {}

    def operations(self):
        return {"PutItem": lambda request, rule: self.put_item(request), "BatchWriteItem": self.batch_write_item,
                "DescribeTable": self.describe_table, "SendMessageBatch": self.send_message_batch,
                "GetQueueUrl": lambda request, rule: self.look_up(
                    self.queues, request["QueueName"], "com.amazonaws.sqs#QueueDoesNotExist"),
                "DescribeStreamSummary": lambda request, rule: self.look_up(
                    self.kinesis_streams, request["StreamName"], "ResourceNotFoundException"),
                "DescribeEventBus": lambda request, rule: self.look_up(
                    self.buses, request["Name"], "ResourceNotFoundException"),
                "PutRecords": self.put_records, "PutEvents": self.put_events,
                **self.streams.operations()}

    def answer(self, op, request, rule):
        carry_out = self.operations().get(op)
        if carry_out is None:
            raise Refused("UnknownOperationException", op)
        return carry_out(request, rule)

    # ---- HTTP ----
    def handler(self):
        aws = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def reply(self, status, answer, cut=False):
                body = json.dumps(answer).encode()
                kind = "1.0"
                head = (f"HTTP/1.1 {status} Status\r\nContent-Type: application/x-amz-json-{kind}\r\n"
                        f"x-amzn-RequestId: {uuid.uuid4()}\r\n"
                        f"x-amz-crc32: {binascii.crc32(body)}\r\n"
                        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + aws.ahead_s))}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n").encode()
                self.wfile.write(head + (body[: len(body) // 2] if cut else body))
                if cut:
                    self.close_connection = True

            def do_GET(self):
                """Lambda's ListEventSourceMappings."""
                path, _, query = self.path.partition("?")
                asked = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
                wrong = sigv4.problem("GET", self.path, self.headers, b"", {KEY_ID: (SECRET, None)}, service="lambda",
                                      max_skew_s=300 + abs(aws.ahead_s))
                if wrong or path != "/2015-03-31/event-source-mappings/":
                    aws.signature_problems.append(f"GET {self.path}: {wrong}")
                    return self.reply(403, {"Type": "User", "Message": wrong})
                aws.calls["ListEventSourceMappings"] += 1
                rule = aws.faults.pick("ListEventSourceMappings")
                if rule:
                    return self.reply(rule["status"], {"__type": rule["type"], "Message": "injected"})
                return self.reply(200, {"EventSourceMappings": [
                    m for m in aws.mappings if m["EventSourceArn"] == asked.get("EventSourceArn", m["EventSourceArn"])
                    and m["FunctionArn"].endswith(":" + asked.get("FunctionName", m["FunctionArn"].rpartition(":")[2]))]})

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                if len(body) != size:  # the client was killed meanwhile: nobody asked for this
                    self.close_connection = True
                    return None
                target, _, op = self.headers.get("X-Amz-Target", "").rpartition(".")
                op = op or "-"
                aws.calls[op] += 1
                aws.traces.append(self.headers.get("X-Amzn-Trace-Id"))
                wrong = sigv4.problem("POST", self.path, self.headers, body, {KEY_ID: (SECRET, None)},
                                      service=SERVICES.get(target, "dynamodb"),
                                      max_skew_s=300 + abs(aws.ahead_s))
                if (target == STREAMS_TARGET) != (op in aws.streams.operations()):
                    wrong = wrong or f"{target} has no {op}"
                if wrong:
                    aws.signature_problems.append(f"{op}: {wrong}")
                    return self.reply(403, {"__type": "InvalidSignatureException", "message": wrong})
                rule = aws.faults.pick(op, body)
                do = rule["do"] if rule else None
                if do == "error":
                    return self.reply(rule.get("status", 400), {
                        "__type": "com.amazonaws.dynamodb.v20120810#" + rule["type"],
                        "message": rule.get("message", "injected")})
                if do == "delay":
                    time.sleep(rule["ms"] / 1000)
                if do in ("reset", "hang"):
                    time.sleep(rule.get("ms", 0) / 1000)
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                try:
                    status, answer = 200, aws.answer(op, json.loads(body), rule)
                except Refused as no:
                    status, answer = no.status, {"__type": no.kind, "message": no.message}
                if do == "cut":
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                return self.reply(status, answer, cut=do == "truncate")

        return Handler


def digests(entry):
    return {"MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode()).hexdigest()}

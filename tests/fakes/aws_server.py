"""A fake AWS server: as much of DynamoDB, its Streams, SQS, SNS, Kinesis, EventBridge and Lambda as weir uses, in memory,
with every signature verified and faults by rule (faults.py).

    aws = AwsServer(tables={"PriceHistory": ("product_id", "timestamp")}, queues=["orders.fifo"])
    aws.url, aws.tables["PriceHistory"].items, aws.queues["orders.fifo"].messages, aws.faults.set([...])
    aws.streams.create("Products").shard(records=[...])      # streams.py
"""
import base64
import binascii
import collections
import fnmatch
import hashlib
import json
import threading
import time
import uuid
from decimal import Context, Decimal
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from . import faults as faults_module
from . import sigv4
from . import streams as streams_module
from .server import Server
from .streams import Refused

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EXACT = Context(prec=200)  # the default context would round to 28 digits
STREAMS_TARGET = "DynamoDBStreams_20120810"
BATCH_ITEMS, BATCH_ENTRIES, ENTRY_BYTES, KINESIS_RECORDS = 25, 10, 1024 * 1024, 500
SNS_BYTES, SYNC_BYTES, ASYNC_BYTES = 256 * 1024, 6 * 1024 * 1024, 1024 * 1024
# Where the permission has another name than the operation.
ACTIONS = {"SendMessageBatch": "SendMessage", "PublishBatch": "Publish", "Invoke": "InvokeFunction"}
ACCOUNT, REGION = "123456789012", "us-east-1"
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


def members(form, prefix):
    """A form's "PREFIX.1.Name=...&PREFIX.2.Name=..." as dicts, in order; deeper names keep their dots."""
    lists = {}
    for name, value in form:
        if name.startswith(prefix + "."):
            number, _, rest = name[len(prefix) + 1:].partition(".")
            lists.setdefault(int(number), {})[rest] = value
    return [lists[number] for number in sorted(lists)]


def xml(name, value):
    if isinstance(value, dict):
        inside = "".join(xml(key, one) for key, one in value.items())
    elif isinstance(value, list):
        inside = "".join(xml("member", one) for one in value)
    else:
        inside = escape(str(value).lower() if isinstance(value, bool) else str(value))
    return f"<{name}>{inside}</{name}>" if inside else f"<{name}/>"


class Function:
    """A Lambda function in Python: run(event) answers what it returns, or fails with what it raises."""

    def __init__(self, run):
        self.run, self.events, self.headers, self.queue = run, [], [], []


class AwsServer:
    def __init__(self, tables=None, queues=(), rules=()):
        self.tables = {name: Table(keys) for name, keys in (tables or {}).items()}
        self.queues = {name: Queue() for name in queues}
        self.streams = streams_module.Streams()
        self.kinesis_streams, self.buses = {"changes"}, {"default"}
        self.mappings = []  # event source mappings, as Lambda lists them
        self.topics, self.functions = {}, {}  # ARN: entries in the order taken; name: Function
        self.topic_ids = {}  # of FIFO topics: deduplication ids seen
        self.ahead_s = 0  # of this machine's clock: the Date of each answer
        self.kinesis, self.events = [], []  # (partition key, data) and entries, in the order taken
        self.faults = faults_module.Faults(rules)
        self.policy = None  # of IAM, as dict: what it does not allow is denied
        self.denied = []  # (action, resource) of each such call
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

    def delete_item(self, request, rule=None):
        table = self.table(request["TableName"])
        with self.lock:
            old = table.items.get(table.key(request["Key"]))
            if old is not None and "ConditionExpression" in request and not self.same_event(request, old):
                raise Refused("ConditionalCheckFailedException", "The conditional request failed")
            table.items.pop(table.key(request["Key"]), None)
        return {}

    @staticmethod
    def same_event(request, old):
        """The conditions in use: the item is absent, or a named attribute has a given value, or none above it."""
        names = request.get("ExpressionAttributeNames", {})
        if request["ConditionExpression"] == "attribute_not_exists(#s) OR #s <= :s":
            return old.get(names["#s"], {"S": ""})["S"] <= request["ExpressionAttributeValues"][":s"]["S"]
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

    # ---- SNS: forms and XML ----
    def publish_batch(self, form, rule=None):
        topic = dict(form).get("TopicArn")
        if topic not in self.topics:
            raise Refused("NotFound", "Topic does not exist", 404)
        entries = members(form, "PublishBatchRequestEntries.member")
        if not 0 < len(entries) <= BATCH_ENTRIES:
            raise Refused("TooManyEntriesInBatchRequest")
        if len({e["Id"] for e in entries}) != len(entries):
            raise Refused("BatchEntryIdsNotDistinct")
        if sum(len(e["Message"].encode()) for e in entries) > SNS_BYTES:
            raise Refused("BatchRequestTooLong")
        good, bad = [], []
        for index, entry in enumerate(entries):
            entry["attributes"] = {a["Name"]: (a["Value.DataType"], a["Value.StringValue"]) for a in members(
                [(k, v) for k, v in entry.items()], "MessageAttributes.entry")}
            if rule and rule["do"] == "unprocessed" and index % 2:
                bad.append({"Id": entry["Id"], "Code": rule.get("type", "InternalError"), "Message": "injected <&>",
                            "SenderFault": rule.get("sender_fault", False)})
                continue
            if topic.endswith(".fifo") and not (entry.get("MessageGroupId") and entry.get("MessageDeduplicationId")):
                raise Refused("InvalidParameter", "a FIFO topic wants MessageGroupId and MessageDeduplicationId")
            with self.lock:
                once = entry.get("MessageDeduplicationId")
                if not once or once not in self.topic_ids.setdefault(topic, set()):
                    self.topics[topic].append(entry)
                    self.topic_ids.setdefault(topic, set()).add(once)
            good.append({"Id": entry["Id"], "MessageId": str(uuid.uuid4())})
        return {"Successful": good, "Failed": bad}

    def get_topic_attributes(self, form, rule=None):
        self.look_up(self.topics, dict(form)["TopicArn"], "NotFound")
        return {"Attributes": ""}

    # ---- Lambda: REST ----
    def invoke(self, name, headers, body, rule=None):
        """(status, more headers, body bytes)"""
        function = self.functions.get(name)
        if function is None:
            raise Refused("ResourceNotFoundException", f"Function not found: {name}", 404)
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if len(body) > (ASYNC_BYTES if kind == "Event" else SYNC_BYTES):
            raise Refused("RequestTooLargeException", f"{len(body)} byte payload is too large", 413)
        if kind == "DryRun":
            return 204, "", b""
        event = json.loads(body)
        with self.lock:
            function.headers.append(dict(headers))
            (function.queue if kind == "Event" else function.events).append(event)
        if kind == "Event":
            return 202, "", b""
        try:
            return 200, "X-Amz-Executed-Version: $LATEST\r\n", json.dumps(function.run(event)).encode()
        except Exception as error:
            return 200, "X-Amz-Function-Error: Unhandled\r\n", json.dumps(
                {"errorMessage": str(error), "errorType": type(error).__name__}).encode()

    @staticmethod
    def look_up(known, name, kind):
        if name not in known:
            raise Refused(kind, f"there is no {name}")
        return {}

    def operations(self):
        return {"PutItem": lambda request, rule: self.put_item(request), "BatchWriteItem": self.batch_write_item,
                "DeleteItem": self.delete_item,
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

    def denial(self, way):
        """What AWS says where the policy does not allow an action on all that a request names; None where it does."""
        if self.policy is None:
            return None
        action = way.service + ":" + ACTIONS.get(way.op, way.op)
        for resource in way.resources():
            allowed = [s["Resource"] for s in self.policy["Statement"] if action in s["Action"]]
            if not any(resource == "*" or fnmatch.fnmatchcase(resource, pattern) for pattern in allowed):
                self.denied.append((action, resource))
                return (f"User: arn:aws:iam::{ACCOUNT}:user/weir is not authorized to perform: {action} on resource: {resource} "
                        f"because no identity-based policy allows the {action} action")
        return None

    # ---- HTTP ----
    def handler(self):
        aws = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def reply(self, status, body, more, cut=False):
                head = (f"HTTP/1.1 {status} Status\r\n{more}x-amzn-RequestId: {uuid.uuid4()}\r\n"
                        f"x-amz-crc32: {binascii.crc32(body)}\r\n"
                        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime(time.time() + aws.ahead_s))}\r\n"
                        f"Content-Length: {len(body)}\r\n\r\n").encode()
                self.wfile.write(head + (body[: len(body) // 2] if cut else body))
                if cut:
                    self.close_connection = True

            def reply_json(self, status, answer):
                return self.reply(status, json.dumps(answer).encode(), "Content-Type: application/json\r\n")

            def do_GET(self):
                """Lambda's ListEventSourceMappings."""
                path, _, query = self.path.partition("?")
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                wrong = sigv4.problem("GET", self.path, self.headers, b"", {KEY_ID: (SECRET, None)}, service="lambda",
                                      max_skew_s=300 + abs(aws.ahead_s))
                if wrong or path != "/2015-03-31/event-source-mappings/":
                    aws.signature_problems.append(f"GET {self.path}: {wrong}")
                    return self.reply_json(403, {"Type": "User", "Message": wrong})
                aws.calls["ListEventSourceMappings"] += 1
                rule = aws.faults.pick("ListEventSourceMappings")
                if rule:
                    return self.reply_json(rule["status"], {"__type": rule["type"], "Message": "injected"})
                return self.reply_json(200, {"EventSourceMappings": [
                    m for m in aws.mappings if m["EventSourceArn"] == asked.get("EventSourceArn", m["EventSourceArn"])
                    and m["FunctionArn"].endswith(":" + asked.get("FunctionName", m["FunctionArn"].rpartition(":")[2]))]})

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                if len(body) != size:  # the client was killed meanwhile: nobody asked for this
                    self.close_connection = True
                    return None
                way = ways(self.path, self.headers, body)
                op = way.op
                aws.calls[op] += 1
                aws.traces.append(self.headers.get("X-Amzn-Trace-Id"))
                wrong = sigv4.problem("POST", self.path, self.headers, body, {KEY_ID: (SECRET, None)},
                                      service=way.service, max_skew_s=300 + abs(aws.ahead_s))
                wrong = wrong or way.wrong(aws)
                if wrong:
                    aws.signature_problems.append(f"{op}: {wrong}")
                    return self.refuse(way, 403, "InvalidSignatureException", wrong)
                denied = aws.denial(way)
                if denied:
                    return self.refuse(way, *way.DENIED, denied)
                rule = aws.faults.pick(op, body)
                do = rule["do"] if rule else None
                if do == "error":
                    return self.refuse(way, rule.get("status", 400), rule["type"], rule.get("message", "injected"))
                if do == "delay":
                    time.sleep(rule["ms"] / 1000)
                if do in ("reset", "hang"):
                    time.sleep(rule.get("ms", 0) / 1000)
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                try:
                    answer = way.carry_out(aws, rule)
                except Refused as no:
                    return self.refuse(way, no.status, no.kind, no.message)
                if do == "cut":
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                return self.reply(*answer, cut=do == "truncate")

            def refuse(self, way, status, kind, message):
                return self.reply(status, *way.error(kind, message))

        return Handler


# ---- the protocols ----

def arn(service, name, account=ACCOUNT):
    return name if name.startswith("arn:") else f"arn:aws:{service}:{REGION}:{account}:{name}"


class Json:
    HEAD = "Content-Type: application/x-amz-json-1.0\r\n"
    DENIED = 400, "AccessDeniedException"

    def __init__(self, headers, body):
        self.target, _, op = headers.get("X-Amz-Target", "").rpartition(".")
        self.op, self.body = op or "-", body
        self.service = SERVICES.get(self.target, "dynamodb")

    def wrong(self, aws):
        if (self.target == STREAMS_TARGET) != (self.op in aws.streams.operations()):
            return f"{self.target} has no {self.op}"
        return None

    def resources(self):
        """What the request names, as IAM names it; "*" where that is nothing, or an iterator stands for it."""
        request, service = json.loads(self.body), self.service
        if self.op == "ListStreams" or "ShardIterator" in request:
            return ["*"]
        if service == "sqs":
            account, name = request["QueueUrl"].split("/")[-2:]
            return [arn("sqs", name, account)]
        if service == "events":
            return [arn("events", "event-bus/" + e.get("EventBusName", "default")) for e in request["Entries"]]
        if service == "kinesis":
            return [arn("kinesis", "stream/" + request["StreamName"])]
        if "StreamArn" in request:
            return [request["StreamArn"]]
        tables = request.get("RequestItems") or [request["TableName"]]
        return [arn("dynamodb", name if name.startswith("arn:") else "table/" + name) for name in tables]

    def carry_out(self, aws, rule):
        return 200, json.dumps(aws.answer(self.op, json.loads(self.body), rule)).encode(), self.HEAD

    def error(self, kind, message):
        name = kind if "#" in kind else "com.amazonaws.dynamodb.v20120810#" + kind
        return json.dumps({"__type": name, "message": message}).encode(), self.HEAD


class Query:
    HEAD, service, DENIED = "Content-Type: text/xml\r\n", "sns", (403, "AuthorizationError")

    def __init__(self, body):
        self.form = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
        self.op = dict(self.form).get("Action", "-")

    def wrong(self, aws):
        return None if dict(self.form).get("Version") == "2010-03-31" else "another version"

    def resources(self):
        return [dict(self.form)["TopicArn"]]

    def carry_out(self, aws, rule):
        operations = {"PublishBatch": aws.publish_batch, "GetTopicAttributes": aws.get_topic_attributes}
        if self.op not in operations:
            raise Refused("InvalidAction", self.op)
        answer = {f"{self.op}Result": operations[self.op](self.form, rule),
                  "ResponseMetadata": {"RequestId": str(uuid.uuid4())}}
        return 200, xml(f"{self.op}Response", answer).encode(), self.HEAD

    def error(self, kind, message):
        said = {"Error": {"Type": "Sender", "Code": kind, "Message": message}, "RequestId": str(uuid.uuid4())}
        return ('<?xml version="1.0"?>\n' + xml("ErrorResponse", said)).encode(), self.HEAD


class Rest:
    op, service, DENIED = "Invoke", "lambda", (403, "AccessDeniedException")

    def __init__(self, path, headers, body):
        parts = urlsplit(path)
        *_, name, verb = parts.path.split("/")
        self.name, self.verb, self.headers, self.body = unquote(name), verb, headers, body
        self.qualifier = dict(parse_qsl(parts.query)).get("Qualifier")

    def wrong(self, aws):
        return None if self.verb == "invocations" else f"no {self.verb}"

    def resources(self):
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return [arn("lambda", name if name.startswith("arn:") else "function:" + name)]

    def carry_out(self, aws, rule):
        if rule and rule["do"] == "function_error":
            return 200, b'{"errorMessage":"injected"}', "X-Amz-Function-Error: Unhandled\r\n"
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        status, head, body = aws.invoke(name, self.headers, self.body, rule)
        return status, body, head

    def error(self, kind, message):
        return (json.dumps({"Type": "User", "message": message}).encode(),
                f"x-amzn-ErrorType: {kind}:http://internal.amazon.com/coral/\r\nContent-Type: application/json\r\n")


def ways(path, headers, body):
    """The protocol of a request, by which it is read and answered."""
    if path.startswith("/2015-03-31/functions/"):
        return Rest(path, headers, body)
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return Query(body)
    return Json(headers, body)


def digests(entry):
    return {"MD5OfMessageBody": hashlib.md5(entry["MessageBody"].encode()).hexdigest()}

#!/usr/bin/env python3
"""The fakes themselves: a judge must be right before it judges."""
import http.client
import json
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fakes import aws_client, aws_server, fault_proxy, runtime_api  # noqa: E402


def test_signature_is_checked():
    aws = aws_server.AwsServer(tables={"T": ("id",)})
    good = aws_client.Client(aws.url, "dynamodb")
    good.call("DynamoDB_20120810.PutItem", TableName="T", Item={"id": {"S": "a"}})
    bad = aws_client.Client(aws.url, "dynamodb", secret="x")
    try:
        bad.call("DynamoDB_20120810.PutItem", TableName="T", Item={"id": {"S": "b"}})
        raise AssertionError("a wrong signature passed")
    except aws_client.AwsError as error:
        assert error.kind == "InvalidSignatureException", error.kind
    assert len(aws.tables["T"].items) == 1 and len(aws.signature_problems) == 1
    aws.close()


def test_number_keys_are_exact():
    aws = aws_server.AwsServer(tables={"T": ("id", "at")})
    client = aws_client.Client(aws.url, "dynamodb")
    big = "1795385220.0000000000000000000000000001"
    for at in (big, big[:-1] + "2", big[:-1] + "2"):
        client.call("DynamoDB_20120810.PutItem", TableName="T", Item={"id": {"S": "a"}, "at": {"N": at}})
    assert len(aws.tables["T"].items) == 2
    aws.close()


def test_faults_between():
    aws = aws_server.AwsServer(tables={"T": ("id",)})
    proxy = fault_proxy.FaultProxy(aws.url.removeprefix("http://"))
    client = aws_client.Client(proxy.url, "dynamodb")

    def put(key):
        client.call("DynamoDB_20120810.PutItem", TableName="T", Item={"id": {"S": key}})

    proxy.faults.set([{"do": "cut", "times": 1}])
    try:
        put("cut")
        raise AssertionError("an answer came")
    except (http.client.HTTPException, OSError):
        pass
    assert ("S", "cut") in {key[0] for key in aws.tables["T"].items}, "cut carries the request out"
    proxy.faults.set([{"do": "reset", "times": 1}])
    try:
        put("reset")
        raise AssertionError("an answer came")
    except (http.client.HTTPException, OSError):
        pass
    assert len(aws.tables["T"].items) == 1, "reset does not"
    # The proxy would have to sign the shortened request anew; the fake server splits batches itself.
    proxy.faults.set([])
    aws.faults.set([{"do": "unprocessed", "op": "BatchWriteItem"}])
    writes = [{"PutRequest": {"Item": {"id": {"S": f"b{n}"}}}} for n in range(4)]
    left = client.call("DynamoDB_20120810.BatchWriteItem", RequestItems={"T": writes})["UnprocessedItems"]
    assert len(left["T"]) == 2 and len(aws.tables["T"].items) == 3
    proxy.close()
    aws.close()


def test_runtime_api_answers_once():
    api = runtime_api.RuntimeApi()
    base = f"http://{api.address}/2018-06-01/runtime/invocation/"

    def runtime():
        with urllib.request.urlopen(base + "next") as reply:
            request_id = reply.headers["Lambda-Runtime-Aws-Request-Id"]
            body = reply.read()
        for expected in (202, 403):
            try:
                with urllib.request.urlopen(base + request_id + "/response", data=body) as reply:
                    status = reply.status
            except urllib.error.HTTPError as error:
                status = error.code
            assert status == expected, (status, expected)

    thread = threading.Thread(target=runtime)
    thread.start()
    answer = api.invoke(b'{"x":1}', 2000)
    thread.join()
    assert answer.kind == "response" and answer.json == {"x": 1}
    assert [r.status for r in answer.reports] == [202, 403]
    api.close()


if __name__ == "__main__":
    tests = [value for name, value in sorted(globals().items()) if name.startswith("test_")]
    for one in tests:
        one()
    print(f"{len(tests)} passed, 0 failed")

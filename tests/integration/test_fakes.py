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


def stream_record(number):
    return {"eventID": str(number), "eventName": "MODIFY", "dynamodb": {
        "SequenceNumber": str(10 ** 23 + number), "ApproximateCreationDateTime": 1795385220.0,
        "Keys": {"id": {"S": "a"}}}}


def read_shard(client, arn, shard, limit=1000, kind="TRIM_HORIZON", **more):
    """Every record of a shard, and whether it ended."""
    iterator = client.streams("GetShardIterator", StreamArn=arn, ShardId=shard, ShardIteratorType=kind,
                              **more)["ShardIterator"]
    records = []
    while iterator:
        page = client.streams("GetRecords", ShardIterator=iterator, Limit=limit)
        records += [int(r["eventID"]) for r in page["Records"]]
        iterator = page.get("NextShardIterator")
        if iterator and not page["Records"]:
            return records, False
    return records, True


def refused(call, *arguments, **more):
    try:
        call(*arguments, **more)
    except aws_client.AwsError as error:
        return error.kind
    raise AssertionError("it was accepted")


def test_streams_are_read_as_scripted():
    aws = aws_server.AwsServer()
    client = aws_client.Client(aws.url, "dynamodb")
    stream = aws.streams.create("Products")
    arn = client.dynamodb("DescribeTable", TableName="Products")["Table"]["LatestStreamArn"]
    assert arn == stream.arn
    parent = stream.shard(records=[stream_record(n) for n in range(7)])
    left, right = parent.split(2)
    left.add(stream_record(7))
    assert read_shard(client, arn, parent.id, limit=3) == (list(range(7)), True)
    assert read_shard(client, arn, left.id) == ([7], False)
    assert read_shard(client, arn, right.id, kind="LATEST") == ([], False)
    after = {"kind": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": stream_record(4)["dynamodb"]["SequenceNumber"]}
    assert read_shard(client, arn, parent.id, **after) == ([5, 6], True)
    parent.trim(6)
    assert refused(read_shard, client, arn, parent.id, **after) == "TrimmedDataAccessException"
    assert read_shard(client, arn, parent.id) == ([6], True)
    stream.page_shards = 2
    first = client.streams("DescribeStream", StreamArn=arn)["StreamDescription"]
    second = client.streams("DescribeStream", StreamArn=arn, ExclusiveStartShardId=first["LastEvaluatedShardId"])
    assert [len(first["Shards"]), len(second["StreamDescription"]["Shards"])] == [2, 1]
    children = client.streams("DescribeStream", StreamArn=arn, ShardFilter={
        "Type": "CHILD_SHARDS", "ShardId": parent.id})["StreamDescription"]["Shards"]
    assert [s["ShardId"] for s in children] == [left.id, right.id]
    parent.forget()
    assert refused(read_shard, client, arn, parent.id) == "ResourceNotFoundException"
    assert aws.signature_problems == []
    aws.close()


def test_iterators_expire_and_ends_have_their_spellings():
    aws = aws_server.AwsServer()
    client = aws_client.Client(aws.url, "dynamodb")
    stream = aws.streams.create("Products")
    shard = stream.shard(records=[stream_record(n) for n in range(3)])
    iterator = client.streams("GetShardIterator", StreamArn=stream.arn, ShardId=shard.id,
                              ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    aws.faults.set([{"op": "GetRecords", "do": "empty", "times": 1}, {"op": "GetRecords", "do": "throttle", "times": 1}])
    page = client.streams("GetRecords", ShardIterator=iterator)
    assert page["Records"] == [] and page["NextShardIterator"]
    assert refused(client.streams, "GetRecords", ShardIterator=iterator) == "LimitExceededException"
    aws.streams.expire_iterators()
    assert refused(client.streams, "GetRecords", ShardIterator=iterator) == "ExpiredIteratorException"
    stream.disable()
    for key, told in (("absent", {}), ("null", {"NextShardIterator": None}), ("empty", {"NextShardIterator": ""})):
        aws.streams.end_key = key
        iterator = client.streams("GetShardIterator", StreamArn=stream.arn, ShardId=shard.id,
                                  ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        page = client.streams("GetRecords", ShardIterator=iterator)
        assert len(page.pop("Records")) == 3 and page == told
    table = client.dynamodb("DescribeTable", TableName="Products")["Table"]
    assert table["LatestStreamArn"] == stream.arn and "StreamSpecification" not in table
    stream.delete()
    assert "LatestStreamArn" not in client.dynamodb("DescribeTable", TableName="Products")["Table"]
    assert refused(client.streams, "DescribeStream", StreamArn=stream.arn) == "ResourceNotFoundException"
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

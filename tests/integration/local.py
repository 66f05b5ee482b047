"""DynamoDB Local as the tests use it: tables, what their streams hold, and what a history of prices must then
hold."""
import email.utils
import http.client
import os
import threading
from decimal import Decimal

from harness import emulator, equal, stop
from fakes import aws_client


class Local:
    """A DynamoDB Local of its own. It gets slow with more than one table that has a stream, and stays slow."""

    def __init__(self, **environment):
        self.process, self.port = emulator("dynamodb-local", env={**os.environ, **environment})
        self.address = f"127.0.0.1:{self.port}"
        self.dynamodb = self.client()

    def client(self):
        """For a thread of its own."""
        return aws_client.Client("http://" + self.address, "dynamodb")

    def clock(self):
        """What the server takes the time for."""
        connection = http.client.HTTPConnection(self.address, timeout=20)
        connection.request("GET", "/")
        date = connection.getresponse().getheader("Date")
        connection.close()
        return email.utils.parsedate_to_datetime(date).timestamp()

    def stop(self):
        stop(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def table(self, name, *keys, stream=False):
        more = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}} if stream else {}
        self.dynamodb.dynamodb(
            "CreateTable", TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": k, "AttributeType": t} for k, t in keys],
            KeySchema=[{"AttributeName": k, "KeyType": kind} for (k, _), kind in zip(keys, ("HASH", "RANGE"))], **more)

    def scan(self, table):
        items, start = [], {}
        while True:
            page = self.dynamodb.dynamodb("Scan", TableName=table, ConsistentRead=True, **start)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def history(self, name="PriceHistory"):
        self.table(name, ("product_id", "S"), ("timestamp", "N"))

    def enable_stream(self, table, enabled):
        spec = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"} if enabled else {"StreamEnabled": False}
        self.dynamodb.dynamodb("UpdateTable", TableName=table, StreamSpecification=spec)

    def stream_arn(self, table):
        return self.dynamodb.dynamodb("DescribeTable", TableName=table)["Table"].get("LatestStreamArn")


def lambda_shape(record, arn):
    change = {**record["dynamodb"]}
    change["ApproximateCreationDateTime"] = int(change["ApproximateCreationDateTime"])
    out = {**record, "dynamodb": change, "eventSourceARN": arn}
    if record.get("userIdentity"):
        out["userIdentity"] = {k[0].lower() + k[1:]: v for k, v in record["userIdentity"].items()}
    return out


def read_stream(client, arn):
    """Every record of the stream, by GetRecords, until it has nothing more."""
    shards = client.streams("DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"]
    records = []
    for shard in shards:
        iterator = client.streams("GetShardIterator", StreamArn=arn, ShardId=shard["ShardId"],
                                  ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = client.streams("GetRecords", ShardIterator=iterator, Limit=1000)
            records += page["Records"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
    return records


def same(one, other):
    if one and other and "N" in one and "N" in other:
        return Decimal(one["N"]) == Decimal(other["N"])
    return one == other


def price_changes(records):
    """What the history must hold: {(product, timestamp key): (old, new)}, from the stream itself."""
    expected = {}
    for r in records:
        change = r["dynamodb"]
        old, new = change.get("OldImage", {}).get("price"), change.get("NewImage", {}).get("price")
        if r["eventName"] == "MODIFY" and old and new and not same(old, new):
            key = f"{int(change['ApproximateCreationDateTime'])}.{change['SequenceNumber'].lstrip('0').zfill(28)}"
            expected[change["Keys"]["product_id"]["S"], Decimal(key)] = (old, new)
    return expected


def judge_rows(items, expected):
    found = {(i["product_id"]["S"], Decimal(i["timestamp"]["N"])): (i["old_price"], i["new_price"]) for i in items}
    missing = [k for k in expected if k not in found]
    wrong = [k for k in found if k in expected and not all(map(same, found[k], expected[k]))]
    extra = [k for k in found if k not in expected]
    print(f"     PriceHistory: {len(found)} rows of {len(expected)} changes; "
          f"missing {len(missing)}, extra {len(extra)}, wrong {len(wrong)}")
    equal((missing, extra, wrong), ([], [], []), "missing, extra, wrong")


def write_all(local, table, writes, writers=2):
    """Carries out (product, item or None) writes in batches from several writers; each product's in order."""
    lists = [[w for w in writes if sum(w[0].encode()) % writers == own] for own in range(writers)]

    def write(list_):
        client, batch = local.client(), {}
        for product, item in [*list_, (None, None)]:
            if product is None or product in batch or len(batch) == 25:
                while batch:
                    left = client.dynamodb("BatchWriteItem", RequestItems={table: list(batch.values())})
                    batch = dict(enumerate(left.get("UnprocessedItems", {}).get(table, [])))
            batch[product] = ({"DeleteRequest": {"Key": {"product_id": {"S": product}}}} if item is None
                              else {"PutRequest": {"Item": item}})

    threads = [threading.Thread(target=write, args=(one,)) for one in lists]
    for thread in threads:
        thread.start()
    return threads

"""Stream records for the tests, in the shapes that weir reads."""
import base64
import json

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/Products/stream/2026-01-01T00:00:00.000"


def sequence(number):
    """A sequence number of 24 digits, as the service uses them."""
    return str(100000000000000000000000 + number)


def typed(value):
    """A Python value as DynamoDB types it; a string of digits stays a string, numbers are given as int or
    as ("N", text)."""
    if isinstance(value, tuple):
        return {value[0]: value[1]}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if value is None:
        return {"NULL": True}
    return {"S": value}


def image(product, attributes):
    return {"product_id": typed(product), **{name: typed(value) for name, value in attributes.items()}}


def record(number, product, old, new, when=1795385220, arn=ARN):
    """One record in Lambda's shape. `old` and `new` are dicts of attributes, or None: it is an INSERT
    without old, a REMOVE without new."""
    name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    change = {"ApproximateCreationDateTime": when, "Keys": {"product_id": typed(product)},
              "SequenceNumber": sequence(number), "SizeBytes": 59, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    if new is not None:
        change["NewImage"] = image(product, new)
    if old is not None:
        change["OldImage"] = image(product, old)
    return {"eventID": f"{number:032x}", "eventName": name, "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "us-east-1", "dynamodb": change,
            "eventSourceARN": arn}


def price(number, product, old, new, **more):
    """A price change; prices are decimal texts."""
    return record(number, product, {"price": ("N", str(old))}, {"price": ("N", str(new))}, **more)


def batch(records):
    return {"Records": records}


def get_records(records):
    """The answer of GetRecords: no ARN, capital identity, fractional seconds."""
    bare = []
    for one in records:
        change = {**one["dynamodb"], "ApproximateCreationDateTime": one["dynamodb"]["ApproximateCreationDateTime"] + 0.0}
        bare.append({**{k: v for k, v in one.items() if k != "eventSourceARN"}, "dynamodb": change})
    return {"NextShardIterator": "x", "Records": bare}


def kinesis(records):
    """The event of a Kinesis data stream for DynamoDB: each record in base64, in microseconds."""
    out = []
    for number, one in enumerate(records):
        change = {k: v for k, v in one["dynamodb"].items() if k not in ("SequenceNumber", "StreamViewType")}
        change["ApproximateCreationDateTime"] *= 1000000
        change["ApproximateCreationDateTimePrecision"] = "MICROSECOND"
        inner = {"awsRegion": "us-east-1", "eventID": one["eventID"], "eventName": one["eventName"],
                 "userIdentity": None, "recordFormat": "application/json", "tableName": "Products",
                 "dynamodb": change, "eventSource": "aws:dynamodb"}
        data = base64.b64encode(json.dumps(inner).encode()).decode()
        out.append({"kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "k", "data": data,
                                "sequenceNumber": str(49590338271490256608559692538361571095921575989136588898 + number),
                                "approximateArrivalTimestamp": 1795385220.123},
                    "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"shardId-000:{number}",
                    "eventName": "aws:kinesis:record", "awsRegion": "us-east-1",
                    "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/products"})
    return {"Records": out}


def lines(records):
    return "".join(json.dumps(one) + "\n" for one in records).encode()

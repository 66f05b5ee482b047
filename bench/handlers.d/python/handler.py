"""The article's handler: boto3, raw event dicts, a put_item for each changed price."""
import os
from decimal import Decimal

import boto3

table = boto3.resource("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL_DYNAMODB"]).Table("PriceHistory")


def handler(event, context):
    for record in event["Records"]:
        change = record["dynamodb"]
        if record["eventName"] != "MODIFY" or change["OldImage"]["price"] == change["NewImage"]["price"]:
            continue
        table.put_item(Item={
            "product_id": change["Keys"]["product_id"]["S"], "timestamp": int(change["ApproximateCreationDateTime"]),
            "old_price": Decimal(change["OldImage"]["price"]["N"]), "new_price": Decimal(change["NewImage"]["price"]["N"])})
    return {"batchItemFailures": []}

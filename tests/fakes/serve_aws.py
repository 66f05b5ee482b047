#!/usr/bin/env python3
"""AwsServer as a program: a table PriceHistory, fault rules as JSON in the first argument.

Prints its port, and ends when its standard input is closed.
"""
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from fakes.aws_server import AwsServer  # noqa: E402


def main():
    aws = AwsServer(tables={"PriceHistory": ("product_id", "timestamp")})
    aws.faults.set(json.loads(sys.argv[1]))
    print(aws.url.rpartition(":")[2].strip("/"), flush=True)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()

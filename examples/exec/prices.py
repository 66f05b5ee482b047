#!/usr/bin/env python3
"""A sink of weir in Python: keeps each product's changes of price in an SQLite file."""
import json
import sqlite3
import sys

db = sqlite3.connect(sys.argv[1], isolation_level=None)  # each statement is stored before it is answered
db.execute("CREATE TABLE IF NOT EXISTS prices (event_id TEXT PRIMARY KEY, product, price, time)")

for line in sys.stdin:
    message = json.loads(line, parse_float=str)  # exact numbers
    record, answer = message["record"], {"id": message["id"]}
    try:
        row = record["event_id"], json.dumps(record["keys"]), record.get("new", {}).get("price"), record["time"]
        db.execute("INSERT OR IGNORE INTO prices VALUES (?, ?, ?, ?)", row)  # a repeat changes nothing
        answer["ok"] = True
    except KeyError as missing:  # this record will never do
        answer["error"] = f"no {missing}"
    except sqlite3.OperationalError as trouble:  # not the record's fault: weir holds all of them
        answer["down"] = str(trouble)
    print(json.dumps(answer), flush=True)

#!/usr/bin/env python3
"""Writes the sample files beside it: the same seven changes in each shape that weir reads."""
import json
import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1] / "integration"))
import events  # noqa: E402

record, n = events.record, lambda text: ("N", text)
changes = [
    record(1, "p1", None, {"price": 10, "name": "tea"}),
    record(2, "p1", {"price": 10, "name": "tea"}, {"price": n("12.5"), "name": "tea"}),
    record(3, "p1", {"price": n("12.5")}, {"price": 11}),
    record(4, "p2", {"price": n("0.1")}, {"price": n("0.10000000000000001")}),
    record(5, "p2", {"price": 10, "stock": 1}, {"price": n("10.00"), "stock": 2}),
    record(6, "p3", {"price": 5}, {"price": "free"}),
    record(7, "p1", {"price": 11}, None),
]
(here / "lambda-event.json").write_text(json.dumps(events.batch(changes), indent=1) + "\n")
(here / "pipes-array.json").write_text(json.dumps(changes, indent=1) + "\n")
(here / "getrecords.json").write_text(json.dumps(events.get_records(changes), indent=1) + "\n")
(here / "records.jsonl").write_bytes(events.lines(changes))
(here / "kinesis-event.json").write_text(json.dumps(events.kinesis(changes), indent=1) + "\n")

"""A fake of KCL's MultiLangDaemon for one shard: keeps the lease and its checkpoint, speaks the protocol with a
process on its standard streams, and checks every line that comes.

    daemon = Daemon(records)        records as Lambda gets them
    daemon.attach(process)          Popen with pipes; again with a new one after the old one is gone
    daemon.initialize(); daemon.process(100); daemon.finish("shardEnded")
"""
import base64
import json
import select
import time

END = "SHARD_END"


class Gone(Exception):
    """The process ended before it had answered."""


class Daemon:
    def __init__(self, records, shard="shardId-00000001700000000000-00000001"):
        self.records, self.shard = records, shard
        self.checkpoint = "TRIM_HORIZON"
        self.given = 0  # records given to the process of now
        self.errors = []  # what the next checkpoints fail with, in order; None = that one is stored
        self.asked = []  # the checkpoints asked for: (number or None, error or None)
        self.process, self.rest = None, b""

    # ---- lines ----

    def attach(self, process):
        self.process, self.rest = process, b""
        return self

    def send(self, message):
        line = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Gone() from None

    def receive(self, seconds=20):
        """The next line; it has to be one whole JSON object."""
        end = time.monotonic() + seconds
        while b"\n" not in self.rest:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"no line within {seconds} s")
            piece = self.process.stdout.read1(65536)
            if not piece:
                if self.rest:
                    raise AssertionError(f"half a line: {self.rest!r}")
                raise Gone()
            self.rest += piece
        line, self.rest = self.rest.split(b"\n", 1)
        message = json.loads(line)
        if not isinstance(message, dict) or not all(32 <= c < 127 for c in line):
            raise AssertionError(f"no line of the protocol: {line!r}")
        return message

    def silent(self, seconds):
        """Nothing comes for so long."""
        if self.rest or select.select([self.process.stdout], [], [], seconds)[0]:
            raise AssertionError(f"a line that was not expected: {self.rest or self.process.stdout.read1(1000)!r}")

    # ---- the protocol ----

    def place(self, number):
        """How many records a checkpoint covers."""
        if number == "TRIM_HORIZON":
            return 0
        if number == END:
            return len(self.records)
        return 1 + next(i for i, r in enumerate(self.records) if r["dynamodb"]["SequenceNumber"] == number)

    def store(self, number, at_end):
        """What KCL checks, and stores."""
        error = self.errors.pop(0) if self.errors else None
        if error is None:
            new = number or (END if at_end else self.records[self.given - 1]["dynamodb"]["SequenceNumber"])
            if not self.place(self.checkpoint) <= self.place(new) <= self.given and new != END:
                raise AssertionError(f"checkpoint {new} is not between {self.checkpoint} and what was given")
            self.checkpoint = new
        self.asked.append((number, error))
        self.send({"action": "checkpoint", "sequenceNumber": number, "subSequenceNumber": None, "error": error})

    def await_status(self, action, at_end=False, seconds=20):
        while True:
            message = self.receive(seconds)
            if message == {"action": "status", "responseFor": action}:
                return
            if message.pop("action") != "checkpoint" or not set(message) <= {"sequenceNumber"}:
                raise AssertionError(f"said {message} in answer to {action}")
            self.store(message.get("sequenceNumber"), at_end)

    def initialize(self):
        self.given = self.place(self.checkpoint)
        self.send({"action": "initialize", "shardId": self.shard, "sequenceNumber": self.checkpoint, "subSequenceNumber": 0})
        self.await_status("initialize")

    def give(self, count):
        """Sends records without waiting for their status."""
        records = []
        for one in self.records[self.given:self.given + count]:
            change = {**one["dynamodb"]}
            change["ApproximateCreationDateTime"] = int(change["ApproximateCreationDateTime"] * 1000)
            inner = {**{k: v for k, v in one.items() if k != "eventSourceARN"}, "dynamodb": change}
            records.append({"data": base64.b64encode(json.dumps(inner).encode()).decode(), "partitionKey": None,
                            "sequenceNumber": change["SequenceNumber"], "subSequenceNumber": None, "action": "record",
                            "approximateArrivalTimestamp": change["ApproximateCreationDateTime"]})
        self.given += len(records)
        self.send({"action": "processRecords", "records": records, "millisBehindLatest": 0})

    def process_records(self, count, seconds=20):
        self.give(count)
        self.await_status("processRecords", seconds=seconds)

    def finish(self, action, reason=None):
        """A last action, its status, and the end of the pipe."""
        at_end = action == "shardEnded" or reason == "TERMINATE"
        self.send({"action": action, **({"reason": reason} if reason else {})})
        self.await_status(action, at_end)
        if at_end and self.checkpoint != END and not any(error for _, error in self.asked):
            raise AssertionError("the end of the shard was not checkpointed")

    def hang_up(self):
        self.process.stdin.close()

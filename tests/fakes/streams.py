"""The Streams service of the fake AWS server: shard trees that a test scripts, also while they are read.

    stream = aws.streams.create("Products")              # DescribeTable names its ARN from now on
    parent = stream.shard(records=[...])                 # records as GetRecords gives them
    left, right = parent.split(2)                        # closes it; children
    parent.trim(10); left.forget(); aws.streams.expire_iterators(); stream.disable()
    aws.streams.log                                      # what was asked, in order: (op, shard id, detail)

What the service does that readers have stumbled over is by default done here too: lists come in pages, a
closed shard's last page has no next iterator, an iterator into trimmed records is refused.
"""
import json
import threading
import time

PAGE_BYTES, PAGE_RECORDS, ITERATOR_LIFE_S = 1 << 20, 1000, 900


class Refused(Exception):
    """An error answer."""

    def __init__(self, kind, message="", status=400):
        super().__init__(message)
        self.kind, self.message, self.status = kind, message, status


def number_of(record):
    return int(record["dynamodb"]["SequenceNumber"])


class Shard:
    def __init__(self, stream, shard_id, parent, records):
        self.stream, self.id, self.parent = stream, shard_id, parent
        self.records, self.trimmed = [], 0  # trimmed: how many of the first are gone
        self.closed, self.listed, self.known = False, True, True
        self.sizes = []
        self.add(*records)

    def add(self, *records):
        """Appends records; a reader sees all of them or none."""
        sizes = [len(json.dumps(one)) for one in records]
        with self.stream.service.lock:
            assert not self.closed, f"{self.id} is closed"
            self.sizes += sizes
            self.records += records

    def close(self):
        with self.stream.service.lock:
            self.closed = True

    def split(self, count=1, **more):
        """Ends the shard as a rotation (count 1) or a split does; returns its children."""
        self.close()
        children = [self.stream.shard(parent=self.id, **more) for _ in range(count)]
        return children[0] if count == 1 else children

    def trim(self, count=None):
        """The first `count` records (all that there are) pass the horizon."""
        with self.stream.service.lock:
            self.trimmed = len(self.records) if count is None else count

    def forget(self):
        """As some time after its end: not listed, and unknown to every call."""
        with self.stream.service.lock:
            self.listed = self.known = False

    def after(self, sequence):
        """The place of the first record behind a sequence number."""
        for place, record in enumerate(self.records):
            if number_of(record) > sequence:
                return place
        return len(self.records)

    def told(self):
        first = str(number_of(self.records[0])) if self.records else "100000000000000000000"
        span = {"StartingSequenceNumber": first}
        if self.closed:
            span["EndingSequenceNumber"] = str(number_of(self.records[-1])) if self.records else first
        told = {"ShardId": self.id, "SequenceNumberRange": span}
        if self.parent:
            told["ParentShardId"] = self.parent
        return told


class Stream:
    def __init__(self, service, table, arn, view_type):
        self.service, self.table, self.arn, self.view_type = service, table, arn, view_type
        self.status, self.known, self.shards = "ENABLED", True, {}
        self.page_shards = 100
        # A script for inconsistent lists: called with (shards, number of the sweep), returns the shards told.
        self.edit_list, self.sweeps = None, 0

    def shard(self, records=(), parent=None, shard_id=None):
        made = next(self.service.shard_ids)
        shard_id = shard_id or f"shardId-{made:020d}-{made % 0xffffffff:08x}"
        shard = Shard(self, shard_id, parent, records)
        with self.service.lock:
            self.shards[shard_id] = shard
        return shard

    def disable(self):
        """StreamEnabled: false. All shards close; they stay readable, and the table still names the ARN."""
        with self.service.lock:
            self.status = "DISABLED"
            for shard in self.shards.values():
                shard.closed = True

    def delete(self):
        """As a day after that, or with its table: not found."""
        with self.service.lock:
            self.known = False
            if self.service.latest.get(self.table) == self.arn:
                self.service.latest[self.table] = None

    def records(self):
        return [record for shard in self.shards.values() for record in shard.records]


def counting_ids():
    """Ids in the order of making, also within one millisecond."""
    last = 0
    while True:
        last = max(last + 1, int(time.time() * 1000))
        yield last


class Streams:
    """The service; `operations()` maps its operations to functions (request, rule) -> answer."""

    def __init__(self):
        self.lock = threading.RLock()
        self.streams, self.latest, self.log = {}, {}, []
        self.shard_ids = counting_ids()
        self.valid_from, self.iterator_life_s = 0.0, ITERATOR_LIFE_S
        self.at_timestamp = False  # the service itself refuses AT_TIMESTAMP
        self.child_filter = True   # False: the filter is ignored, as by DynamoDB Local
        self.end_key = "absent"    # how the end of a shard is told: absent, null, empty
        self.end_page = True       # False: the last records still have an iterator; an empty page ends
        self.serials = iter(range(1, 1 << 62))

    # ---- what a test does ----
    def create(self, table, view_type="NEW_AND_OLD_IMAGES", label=None):
        label = label or f"2026-01-01T00:00:00.{next(self.serials):03d}"
        arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/{label}"
        stream = Stream(self, table, arn, view_type)
        with self.lock:
            self.streams[arn], self.latest[table] = stream, arn
        return stream

    def expire_iterators(self):
        """All iterators given out so far are 15 minutes old."""
        self.valid_from = time.monotonic()

    def asked(self, *ops):
        with self.lock:
            return [entry for entry in self.log if not ops or entry[0] in ops]

    # ---- operations ----
    def operations(self):
        return {"ListStreams": self.list_streams, "DescribeStream": self.describe_stream,
                "GetShardIterator": self.get_shard_iterator, "GetRecords": self.get_records}

    def stream_of(self, arn):
        stream = self.streams.get(arn)
        if stream is None or not stream.known:
            raise Refused("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found")
        return stream

    def shard_of(self, arn, shard_id):
        shard = self.stream_of(arn).shards.get(shard_id)
        if shard is None or not shard.known:
            raise Refused("ResourceNotFoundException",
                          f"Requested resource not found: Shard: {shard_id} in stream: {arn} not found")
        return shard

    def list_streams(self, request, rule):
        with self.lock:
            self.log.append(("ListStreams", None, request.get("TableName")))
            found = [s for s in self.streams.values()
                     if s.known and request.get("TableName") in (None, s.table)]
            start = request.get("ExclusiveStartStreamArn")
            if start is not None:
                found = found[[s.arn for s in found].index(start) + 1:]
            limit = min(request.get("Limit", 100), 100)
            answer = {"Streams": [{"StreamArn": s.arn, "TableName": s.table, "StreamLabel": s.arn.rsplit("/", 1)[-1]}
                                  for s in found[:limit]]}
            if len(found) > limit:
                answer["LastEvaluatedStreamArn"] = found[limit - 1].arn
            return answer

    def describe_stream(self, request, rule):
        with self.lock:
            stream = self.stream_of(request["StreamArn"])
            start, wanted = request.get("ExclusiveStartShardId"), request.get("ShardFilter")
            self.log.append(("DescribeStream", start, wanted and wanted.get("ShardId")))
            if start is None:
                stream.sweeps += 1
            told = [s.told() for s in stream.shards.values() if s.listed]
            if stream.edit_list:
                told = stream.edit_list(told, stream.sweeps)
            if wanted:
                if wanted.get("Type") != "CHILD_SHARDS" or "ShardId" not in wanted:
                    raise Refused("ValidationException", "ShardFilter")
                if self.child_filter:
                    told = [s for s in told if s.get("ParentShardId") == wanted["ShardId"]]
            told = [s for s in told if start is None or s["ShardId"] > start]
            limit = min(request.get("Limit", 100), stream.page_shards)
            description = {"StreamArn": stream.arn, "StreamLabel": stream.arn.rsplit("/", 1)[-1],
                           "StreamStatus": stream.status, "StreamViewType": stream.view_type,
                           "TableName": stream.table, "CreationRequestDateTime": 1795385220.0,
                           "KeySchema": [{"AttributeName": "product_id", "KeyType": "HASH"}],
                           "Shards": told[:limit]}
            if len(told) > limit:
                description["LastEvaluatedShardId"] = told[limit - 1]["ShardId"]
            return {"StreamDescription": description}

    def get_shard_iterator(self, request, rule):
        kind, sequence = request["ShardIteratorType"], request.get("SequenceNumber")
        with self.lock:
            shard = self.shard_of(request["StreamArn"], request["ShardId"])
            self.log.append(("GetShardIterator", shard.id, f"{kind} {sequence}" if sequence else kind))
            if kind == "TRIM_HORIZON":
                place = shard.trimmed
            elif kind == "LATEST":
                place = len(shard.records)
            elif kind in ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"):
                if not sequence or not 21 <= len(sequence) <= 40 or not sequence.isdecimal():
                    raise Refused("ValidationException", "Invalid SequenceNumber")
                place = shard.after(int(sequence) - (kind == "AT_SEQUENCE_NUMBER"))
                if shard.trimmed and int(sequence) <= number_of(shard.records[shard.trimmed - 1]):
                    raise Refused("TrimmedDataAccessException", "the sequence number is beyond the trim horizon")
            elif kind == "AT_TIMESTAMP" and self.at_timestamp:
                when = float(request["Timestamp"])
                place = next((i for i, r in enumerate(shard.records)
                              if r["dynamodb"]["ApproximateCreationDateTime"] >= when), len(shard.records))
                place = max(place, shard.trimmed)
            else:
                raise Refused("ValidationException", f"1 validation error detected: Value '{kind}'")
            return {"ShardIterator": self.iterator(shard, place)}

    def iterator(self, shard, place):
        return f"{shard.stream.arn}|1|{shard.id}|{place}|{time.monotonic():.6f}|{next(self.serials)}"

    def get_records(self, request, rule):
        limit = request.get("Limit", PAGE_RECORDS)
        if not 1 <= limit <= PAGE_RECORDS:
            raise Refused("ValidationException", "Limit must be between 1 and 1000")
        try:
            arn, _, shard_id, place, made, _ = request["ShardIterator"].split("|")
            place, made = int(place), float(made)
        except ValueError:
            raise Refused("ValidationException", "Invalid ShardIterator") from None
        with self.lock:
            shard = self.shard_of(arn, shard_id)
            if made <= self.valid_from or time.monotonic() - made > self.iterator_life_s:
                self.log.append(("GetRecords", shard_id, "expired"))
                raise Refused("ExpiredIteratorException", "")
            if place < shard.trimmed:
                self.log.append(("GetRecords", shard_id, "trimmed"))
                raise Refused("TrimmedDataAccessException", "The data you are trying to access has been trimmed")
            page, size = [], 0
            if not (rule and rule["do"] == "empty"):
                for record, bytes_ in zip(shard.records[place:place + limit], shard.sizes[place:place + limit]):
                    if page and size + bytes_ > PAGE_BYTES:
                        break
                    page.append(record)
                    size += bytes_
            place += len(page)
            at_end = place == len(shard.records) and shard.closed and not (rule and rule["do"] == "empty")
            answer = {"Records": page}
            if not at_end or (page and not self.end_page):
                answer["NextShardIterator"] = self.iterator(shard, place)
            elif self.end_key != "absent":
                answer["NextShardIterator"] = None if self.end_key == "null" else ""
            self.log.append(("GetRecords", shard_id, len(page)))
            return answer

    def describe_table(self, table):
        """The part of DescribeTable that tells of the stream; None = no such table here."""
        with self.lock:
            if table not in self.latest:
                return None
            arn = self.latest[table]
            told = {"TableName": table, "TableStatus": "ACTIVE",
                    "KeySchema": [{"AttributeName": "product_id", "KeyType": "HASH"}]}
            if arn:
                told |= {"LatestStreamArn": arn,
                         "LatestStreamLabel": arn.rsplit("/", 1)[-1]}
                if self.streams[arn].status == "ENABLED":
                    told["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": self.streams[arn].view_type}
            return told

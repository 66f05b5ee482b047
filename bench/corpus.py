"""The bodies that the benchmarks read, made new and always the same, with what has to be found in them.

small    100 records of about 0.7 KB
wide     100 records of about 6 KB: 40 attributes, nested maps and lists, other prices inside
big      as many small records as fit below 6 MB
changes  price changes of as many products, for the sinks

70 % MODIFY (half of them with a changed price), 20 % INSERT, 10 % REMOVE. What has to be found: the records, the
hits (a MODIFY with another price), and the checksum that harness.h describes.
"""
import json
import random

TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/Products"
STREAM = TABLE + "/stream/2026-11-01T00:00:00.000"
WORDS = ("anchor basket candle dagger easel feather goblet hammer inkwell jacket kettle ladder mirror needle "
         "orchid pillow quiver ribbon saddle teapot urn violin wagon yoke zither").split()
START, BIG_BYTES, BIG_RECORDS = 1_790_000_000, 6_000_000, 10_000


def words(rng, low, high):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))


def price(rng):
    return {"N": f"{rng.randint(1, 999)}.{rng.randint(0, 99):02d}"}


def title(rng):
    tail = {0: " 15\" \\ caf\u00e9", 1: " 15\" \\ \u00fcber", 2: " \u2603 \U0001F680"}
    return {"S": words(rng, 2, 5) + tail.get(rng.randrange(50), "")}


def number(rng, low, high):
    return {"N": str(rng.randint(low, high))}


def small_item(rng):
    return {"price": price(rng), "title": title(rng), "stock": number(rng, 0, 5000), "category": {"S": rng.choice(WORDS)}}


def specification(rng):
    return {"M": {"unit": {"S": rng.choice(WORDS)}, "value": number(rng, 0, 10**6), "price": price(rng),
                  "tags": {"L": [{"S": rng.choice(WORDS)} for _ in range(4)]},
                  "size": {"M": {"w": number(rng, 1, 99), "h": number(rng, 1, 99)}}}}


def history(rng):
    return {"L": [{"M": {"at": number(rng, 1_700_000_000, 1_710_000_000), "by": {"S": rng.choice(WORDS)}}}
                  for _ in range(3)]}


def wide_item(rng):
    item = {"title": title(rng)}
    item.update({f"text_{i:02d}": {"S": words(rng, 4, 12)} for i in range(12)})
    item.update({f"number_{i:02d}": number(rng, -10**9, 10**12) for i in range(10)})
    item.update({f"flag_{i}": {"BOOL": rng.random() < 0.5} for i in range(3)})
    item["deleted_at"] = {"NULL": True}
    item["price"] = price(rng)
    item.update({f"spec_{i}": specification(rng) for i in range(4)})
    item.update({f"history_{i}": history(rng) for i in range(4)})
    item["labels"] = {"SS": sorted({rng.choice(WORDS) for _ in range(6)})}
    item["sizes"] = {"NS": [str(n) for n in sorted({rng.randint(1, 500) for _ in range(5)})]}
    item["image"] = {"B": "".join(rng.choice("ABCDEFGHabcdefgh0123") for _ in range(120))}
    item["category"] = {"S": rng.choice(WORDS)}
    return item


def event_record(rng, index, name, key, new, old):
    change = {"ApproximateCreationDateTime": START + index // 40, "Keys": key}
    if new:
        change["NewImage"] = {**key, **new}
    if old:
        change["OldImage"] = {**key, **old}
    change["SequenceNumber"] = f"{4421584500000000000000 + index * 137 + rng.randint(0, 99):021d}"
    change["SizeBytes"] = len(json.dumps(change)) // 2
    change["StreamViewType"] = "NEW_AND_OLD_IMAGES"
    return {"eventID": f"{rng.getrandbits(128):032x}", "eventName": name, "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "eu-west-1", "dynamodb": change, "eventSourceARN": STREAM}


def mixed_record(rng, index, make_item):
    key = {"product_id": {"S": f"P{rng.randint(0, 9_999_999):07d}-{rng.choice(WORDS)}"}}
    name = rng.choices(("MODIFY", "INSERT", "REMOVE"), (70, 20, 10))[0]
    item = make_item(rng)
    if name != "MODIFY":
        return event_record(rng, index, name, key, item if name == "INSERT" else None, item if name == "REMOVE" else None)
    old = dict(item)
    old["stock" if "stock" in item else "number_00"] = number(rng, 0, 5000)
    if rng.random() < 0.5:
        old["price"] = price(rng)
    return event_record(rng, index, name, key, item, old)


class Found:
    """What a reader has to find."""

    def __init__(self):
        self.records, self.hits, self.checksum = 0, 0, 0xCBF29CE484222325

    def add(self, record):
        change = record["dynamodb"]
        self.records += 1
        if record["eventName"] != "MODIFY" or change["OldImage"]["price"] == change["NewImage"]["price"]:
            return
        self.hits += 1
        for text in (change["Keys"]["product_id"]["S"], str(change["ApproximateCreationDateTime"]),
                     change["OldImage"]["price"]["N"], change["NewImage"]["price"]["N"], record["eventID"]):
            for byte in text.encode() + b"\n":
                self.checksum = (self.checksum ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF

    def __str__(self):
        return f"{self.records} {self.hits} {self.checksum:016x}"


def mixed(count, make_item, limit_bytes=None):
    rng, texts, size, found = random.Random(20261101), [], 14, Found()
    while len(texts) < count:
        record = mixed_record(rng, len(texts), make_item)
        text = json.dumps(record, separators=(",", ":"))
        size += len(text) + 1
        if limit_bytes and size > limit_bytes:
            break
        texts.append(text)
        found.add(record)
    return '{"Records":[' + ",".join(texts) + "]}", str(found)


def changes(count):
    """One record a line: a changed price of a product of its own each."""
    rng, lines = random.Random(20261102), []
    for index in range(count):
        new = small_item(rng)
        key = {"product_id": {"S": f"P{index:07d}-{rng.choice(WORDS)}"}}
        old = {**new, "price": {"N": new["price"]["N"] + "1"}}
        lines.append(json.dumps(event_record(rng, index, "MODIFY", key, new, old), separators=(",", ":")))
    return "\n".join(lines) + "\n"


def stream_page(count=1000):
    """One record a line, as GetRecords shows them, with the places that bench_streamsd writes over: '#' the sequence
    number, '@' when the record became available (us), '%' the same in seconds, '$' its shard."""
    rng, lines = random.Random(20261103), []
    for index in range(count):
        record = mixed_record(rng, index, lambda rng: {**small_item(rng), "stamp": {"N": "@" * 16}})
        change = record["dynamodb"]
        key = {"product_id": {"S": f"P$$$$$-{index:04d}-{rng.choice(WORDS)}"}}
        change["Keys"] = key
        for image in ("NewImage", "OldImage"):
            if image in change:
                change[image].update(key)
        change["SequenceNumber"] = "#" * 21
        record["eventID"] = "#" * 21 + record["eventID"][21:]
        del record["eventSourceARN"]
        change["ApproximateCreationDateTime"] = 1111111111
        lines.append(json.dumps(record, separators=(",", ":")).replace(":1111111111,", ":" + "%" * 10 + ","))
    return "\n".join(lines) + "\n"


def write(folder, name, make):
    """folder/name.json and .expect, made when they are not there. Returns the path."""
    path = folder / f"{name}.json"
    expect = folder / f"{name}.json.expect"
    if not path.exists() or not expect.exists():
        text, found = make()
        path.write_text(text)
        expect.write_text(found + "\n")
    return path


def all_bodies(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return {"small": write(folder, "small", lambda: mixed(100, small_item)),
            "wide": write(folder, "wide", lambda: mixed(100, wide_item)),
            "big": write(folder, "big", lambda: mixed(BIG_RECORDS, small_item, BIG_BYTES))}


def change_file(folder, count):
    folder.mkdir(parents=True, exist_ok=True)
    return write(folder, f"changes-{count}", lambda: (changes(count), str(count)))


def stream_page_file(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return write(folder, "stream-page", lambda: (stream_page(), "1000"))

#!/usr/bin/env python3
"""The record decoder against Python's json and decimal: thousands of documents, sound and broken.

    differential.py DRIVER [COUNT [SEED]]

Every document holds three records; the middle one is hostile. Where Python's strict reading of the document
succeeds, the decoder must agree on every record: sound with equal content, or poison for a reason that
the model below knows. Where it fails, the decoder must refuse the body or mark the record as poison, and
deliver its neighbours whenever the brackets balance. Documented differences to Python: lone surrogates, a
name twice, NaN and Infinity are malformed.
"""
import base64
import json
import random
import re
import subprocess
import sys
from decimal import Decimal

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")
RECORD_NAMES = {"eventID", "eventName", "awsRegion", "dynamodb", "eventSourceARN", "userIdentity",
                "tableName", "recordFormat", "kinesis", "data", "sequenceNumber"}
CHANGE_NAMES = {"Keys", "NewImage", "OldImage", "ApproximateCreationDateTime", "SequenceNumber",
                "SizeBytes", "StreamViewType"}


class Poison(Exception):
    pass


class Pairs(list):
    """A JSON object with its members in order, duplicates included."""

    def get(self, name):
        for key, value in self:
            if key == name:
                return value
        return None


class Raw(str):
    """A JSON number as written."""


def refuse(text):
    raise ValueError("not JSON: " + text)


def strict(data):
    """The document, or ValueError; lone surrogates only make their record poison, later."""
    text = data.decode("utf-8", "strict")
    return json.loads(text, object_pairs_hook=Pairs, parse_constant=refuse, parse_int=Raw,
                      parse_float=Raw)


def check_text(text):
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise Poison("lone surrogate")


def check_tree(value, depth=0):
    """What is validated everywhere: surrogates and depth."""
    stack = [(value, depth)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, list):
            if depth >= 128:
                raise Poison("depth")
            for entry in value:
                if isinstance(value, Pairs):
                    check_text(entry[0])
                    entry = entry[1]
                stack.append((entry, depth + 1))
        elif isinstance(value, str) and not isinstance(value, Raw):
            check_text(value)


def is_text(value):
    return isinstance(value, str) and not isinstance(value, Raw)


def need(condition, why):
    if not condition:
        raise Poison(why)


def number(text):
    need(is_text(text) and NUMBER.match(text), "N")
    value = Decimal(text) if len(text) < 1000 else None
    need(value is not None, "long N")
    if value == 0:
        return text
    digits = "".join(map(str, value.as_tuple().digits)).strip("0")
    need(len(digits) <= 38 and -130 <= value.adjusted() <= 125, "range of N")
    return text


def binary(text):
    need(is_text(text), "B")
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Poison("B") from None
    need(base64.b64encode(decoded).decode() == text, "B spelling")
    return text


def plain(text):
    need(is_text(text), "S")
    return text


SCALARS = {"S": plain, "N": number, "B": binary}


def attribute(value):
    need(isinstance(value, Pairs) and len(value) == 1, "wrapper")
    kind, content = value[0]
    if kind in SCALARS:
        return [kind, SCALARS[kind](content)]
    if kind in ("BOOL", "NULL"):
        need(content is True or content is False, "BOOL")
        return [kind, "true" if content else "false"]
    if kind in ("SS", "NS", "BS"):
        need(type(content) is list, "set")
        return [kind, [[kind[0], SCALARS[kind[0]](entry)] for entry in content]]
    if kind == "L":
        need(type(content) is list, "list")
        return ["L", [attribute(entry) for entry in content]]
    need(kind == "M", "type")
    return image(content)


def image(content):
    need(isinstance(content, Pairs), "map")
    names = [name for name, _ in content]
    need(len(set(names)) == len(names), "a name twice")
    return ["M", [[name, attribute(value)] for name, value in content]]


def once(pairs, names):
    known = [name for name, _ in pairs if name in names]
    need(len(set(known)) == len(known), "a member twice")


def optional_text(value):
    need(value is None or is_text(value), "text expected")
    return value or ""


def created(value):
    if value is None:
        return 0, 0
    need(isinstance(value, Raw) and not value.startswith("-"), "time")
    exact = Decimal(value)
    if exact == 0:
        return 0, 1
    whole = exact.adjusted() + 1
    need(whole <= 17, "time")
    unit = 10**6 if whole <= 11 else 10**3 if whole <= 14 else 1
    us = int(exact * unit)
    if unit == 10**6 and exact == exact.to_integral_value():
        return us, 1
    return us, 2 if unit >= 1000 and us % 1000 == 0 and exact * unit == us else 3


def model(record):
    """What a record decodes to; Poison where it must not decode."""
    check_tree(record)
    need(isinstance(record, Pairs), "object")
    once(record, RECORD_NAMES)
    change = record.get("dynamodb")
    need(isinstance(change, Pairs), "dynamodb")
    once(change, CHANGE_NAMES)
    user = record.get("userIdentity")
    need(user is None or isinstance(user, Pairs), "user")
    for name, value in user or []:
        if name in ("type", "Type", "principalId", "PrincipalId"):
            optional_text(value)
    optional_text(change.get("StreamViewType"))
    optional_text(record.get("awsRegion"))
    optional_text(record.get("tableName"))
    sequence = change.get("SequenceNumber")
    need(sequence is None or (is_text(sequence) and re.fullmatch("[0-9]{1,128}", sequence)), "seq")
    images = [change.get(name) for name in ("Keys", "OldImage", "NewImage")]
    us, precision = created(change.get("ApproximateCreationDateTime"))
    return {"poison": 0, "id": optional_text(record.get("eventID")),
            "name": optional_text(record.get("eventName")), "sequence": sequence or "",
            "arn": optional_text(record.get("eventSourceARN")), "us": us, "precision": precision,
            "keys": images[0] if images[0] is None else image(images[0]),
            "old": images[1] if images[1] is None else image(images[1]),
            "new": images[2] if images[2] is None else image(images[2])}


# ---- making documents ----

TEXTS = ["", "x", "plain text", "caf\u00e9", "\u2603 \U0001F680", "q\"uote\\", "a\tb\nc", "\u0000", "\u2028",
         "n" * 70, "/", "\x7f", "tail\\"]
NAMES = ["price", "title", "a", "b", "product_id", "x.y", "caf\u00e9", "q\"", "", "long_attribute_name_%d"]
NUMBERS = ["0", "-0", "1", "19.99", "-5", "1e10", "1E-5", "0010.00", "+3", "12345678901234567890123456789012345678",
           "0.1", "9.9e125", "1e-130"]
BAD_NUMBERS = ["", "x", "1.", ".5", "--1", "1e", "NaN", "1e126", "1e-131", "0x10", " 1", "1 ",
               "123456789012345678901234567890123456789", "1_0"]
TIMES = ["1768471200", "1768471200.000", "1768471200.25", "1768471200123", "1768471200123456", "1.7684712E9",
         "0", "1e3", "null"]
BAD_TIMES = ["-1", "\"x\"", "true", "1e99", "{}", "[]"]
ODD_TEXT = ["\"\\ud800\"", "\"\\udc00x\"", "\"\\uGGGG\"", "\"\\x\"", "\"a\x01b\"", "\"a\nb\"", "\"unterminated"]


def quoted(random_, text):
    out = []
    for c in text:
        roll = random_.random()
        if roll < 0.05 or c in "\"\\" or c < " ":
            unit = c.encode("utf-16-be")
            out += ["\\u%02x%02x" % (unit[i], unit[i + 1]) for i in range(0, len(unit), 2)]
        else:
            out.append("\\/" if c == "/" and roll < 0.5 else c)
    return "\"" + "".join(out) + "\""


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.bad = 0.0
        self.space = 0.0

    def odd(self):
        return self.r.random() < self.bad

    def ws(self):
        if self.r.random() < self.space:
            return self.r.choice([" ", "\n", "\t", "\r\n", "  "])
        return ""

    def members(self, pairs):
        body = ("," + self.ws()).join(
            self.ws() + name + self.ws() + ":" + self.ws() + value + self.ws() for name, value in pairs)
        return "{" + body + "}"

    def text(self):
        if self.odd():
            return self.r.choice(ODD_TEXT + ["7", "null", "{}", "[]", "true"])
        return quoted(self.r, self.r.choice(TEXTS))

    def content(self, kind, depth):
        r = self.r
        if kind == "S":
            return self.text()
        if kind == "N":
            if self.odd():
                return r.choice(["{}", "1", "null"] + [json.dumps(n) for n in BAD_NUMBERS])
            return quoted(r, r.choice(NUMBERS))
        if kind == "B":
            if self.odd():
                return r.choice(["\"A\"", "\"AB==\"", "\"AA-_\"", "\"A===\"", "\"AAAA=\"", "7"])
            return quoted(r, base64.b64encode(r.randbytes(r.randint(0, 40))).decode())
        if kind in ("BOOL", "NULL"):
            return r.choice(["\"true\"", "1", "null", "tru"]) if self.odd() else r.choice(["true", "false"])
        if kind in ("SS", "NS", "BS"):
            entries = [self.content(kind[0], depth) for _ in range(r.randint(0, 4))]
            return "{}" if self.odd() else "[" + ",".join(entries) + "]"
        if kind == "L":
            entries = [self.value(depth + 1) for _ in range(r.randint(0, 3))]
            return "[" + (self.ws() + ",").join(entries) + self.ws() + "]"
        return self.image(depth + 1)

    def value(self, depth):
        kinds = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS"] + (["M", "L"] if depth < 6 else [])
        kind = self.r.choice(kinds)
        content = self.content(kind, depth)
        if self.odd():
            return self.r.choice(["{}", "7", "{\"X\":\"1\"}", "{\"S\":\"a\",\"N\":\"1\"}", "[]"])
        return self.members([(quoted(self.r, kind), content)])

    def image(self, depth=0):
        count = self.r.choice([0, 1, 2, 5, 12, 70] if depth == 0 else [0, 1, 3])
        names = []
        for i in range(count):
            name = self.r.choice(NAMES) if count < 6 else NAMES[-1] % i
            if name not in names or self.odd():
                names.append(name)
        return self.members([(quoted(self.r, name), self.value(depth)) for name in names])

    def change(self, sequence):
        r = self.r
        time = r.choice(BAD_TIMES if self.odd() else TIMES)
        pairs = [("\"ApproximateCreationDateTime\"", time),
                 ("\"Keys\"", self.members([("\"id\"", "{\"S\":\"k\"}")])),
                 ("\"NewImage\"", "7" if self.odd() else self.image()),
                 ("\"OldImage\"", r.choice(["null", self.image()])),
                 ("\"SequenceNumber\"", r.choice(["7", "\"x\"", "null", "\"1\\u0032\""]) if self.odd()
                  else "\"%d\"" % sequence),
                 ("\"SizeBytes\"", r.choice(["1", "1.5e3", "01", "\"x\"", "[[]]"]) if self.odd() else "59"),
                 ("\"StreamViewType\"", self.text() if self.odd() else "\"NEW_AND_OLD_IMAGES\"")]
        return self.shape(pairs)

    def shape(self, pairs):
        if self.odd():
            pairs.append(self.r.choice(pairs))
        if self.odd():
            self.r.shuffle(pairs)
        if self.odd():
            del pairs[self.r.randrange(len(pairs))]
        return self.members(pairs)

    def record(self, sequence):
        pairs = [("\"eventID\"", self.text() if self.odd() else "\"id-%d\"" % sequence),
                 ("\"eventName\"", "\"%s\"" % self.r.choice(["INSERT", "MODIFY", "REMOVE", "OTHER"])),
                 ("\"eventVersion\"", "\"1.1\""), ("\"awsRegion\"", "\"eu-west-1\""),
                 ("\"dynamodb\"", self.r.choice(["7", "null"]) if self.odd() else self.change(sequence)),
                 ("\"eventSourceARN\"", "\"arn:aws:dynamodb:eu-west-1:1:table/T/stream/L\"")]
        if self.r.random() < 0.3:
            pairs.append(("\"userIdentity\"", self.text() if self.odd() else
                          "{\"type\":\"Service\",\"principalId\":\"dynamodb.amazonaws.com\"}"))
        return self.shape(pairs)


def mutate(r, data):
    """Damages bytes of a record, but for its first and its last bracket."""
    data = bytearray(data)
    for _ in range(r.choice([1, 1, 1, 2, 5])):
        if len(data) < 4:
            break
        at = r.randrange(1, len(data) - 1)
        roll = r.random()
        if roll < 0.3:
            data[at] = r.randrange(256)
        elif roll < 0.5:
            del data[at]
        elif roll < 0.7:
            data[at:at] = bytes([r.choice(b"\"\\{}[],:0e-\xff\x00\x1f u")])
        elif roll < 0.85:
            end = min(len(data) - 1, at + r.randint(1, 12))
            del data[at:end]
        else:
            end = min(len(data) - 1, at + r.randint(1, 12))
            data[at:at] = data[at:end]
    return bytes(data)


def balanced(data):
    """Does the value end exactly at the end, counting brackets outside of strings?"""
    depth, at = 0, 0
    while at < len(data):
        c = data[at]
        if c == 0x22:
            at += 1
            while at < len(data) and data[at] != 0x22:
                at += 2 if data[at] == 0x5C else 1
            if at >= len(data):
                return False
        elif c in b"{[":
            depth += 1
        elif c in b"}]":
            depth -= 1
        at += 1
        if depth == 0:
            return at == len(data)
    return False


def document(seed):
    maker = Maker(seed)
    r = maker.r
    first, last = maker.record(100), maker.record(300)
    maker.space = r.choice([0, 0, 0.1, 0.5])
    maker.bad = r.choice([0, 0, 0.01, 0.05])
    middle = maker.record(200).encode("utf-8", "surrogatepass")
    if r.random() < 0.5:
        middle = mutate(r, middle)
    head, tail = r.choice([(b"{\"Records\":[", b"]}"), (b"[", b"]"), (b"{\"Records\": [ ", b" ] }\n")])
    return middle, head + first.encode() + b"," + middle + b"," + last.encode() + tail


def same(got, expected):
    return all(got[name] == value for name, value in expected.items())


def expectation(record):
    try:
        return model(record)
    except (Poison, RecursionError):
        return {"poison": 1}


def check(middle, data, got):
    """None, or what is wrong."""
    records = got["records"]
    try:
        whole = strict(data)
    except (ValueError, RecursionError):
        whole = None
    if whole is not None:
        rows = whole.get("Records") if isinstance(whole, Pairs) else whole
        if got["rc"] != 0:
            return "refused: " + got["error"]
        if len(rows) != len(records):
            return "%d records, expected %d" % (len(records), len(rows))
        for at, row in enumerate(rows):
            if not same(records[at], expectation(row)):
                return "record %d differs: expected %r" % (at, expectation(row))
        return None
    if got["rc"] == 0 and not any(record["poison"] for record in records):
        return "malformed, yet accepted"
    if not balanced(middle):
        return None
    if got["rc"] != 0 or len(records) != 3 or not records[1]["poison"]:
        return "brackets balance: one poison record of three was expected"
    outer = strict(data.replace(middle, b"null", 1))
    rows = outer.get("Records") if isinstance(outer, Pairs) else outer
    for at in (0, 2):
        if not same(records[at], model(rows[at])):
            return "neighbour %d differs" % at
    return None


def main():
    driver = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 4000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    documents = [document(seed * 1000003 + i) for i in range(count)]
    feed = b"".join(b"%d\n%s" % (len(data), data) for _, data in documents)
    run = subprocess.run([driver], input=feed, stdout=subprocess.PIPE, check=False)
    lines = run.stdout.decode("ascii").split("\n")[:-1]
    if run.returncode != 0 or len(lines) != count:
        sys.exit("the driver ended with %d after %d documents" % (run.returncode, len(lines)))
    wrong = poison = refused = 0
    for (middle, data), line in zip(documents, lines):
        got = json.loads(line)
        why = check(middle, data, got)
        poison += any(record["poison"] for record in got["records"])
        refused += got["rc"] != 0
        if why:
            wrong += 1
            if wrong <= 5:
                print("%s\n  record %r\n  got %s" % (why[:400], middle[:600], line[:600]))
    print("%d documents: %d with poison, %d refused, %d wrong" % (count, poison, refused, wrong))
    sys.exit(1 if wrong or not poison or not refused else 0)


if __name__ == "__main__":
    main()

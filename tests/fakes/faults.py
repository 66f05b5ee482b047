"""What goes wrong, when: a list of rules shared by the fake AWS server and the fault proxy.

A rule is a dict; the first one that applies to a request wins.
    op     operation ("BatchWriteItem"), or "*"
    skip   let the first `skip` requests by
    times  act at most `times` times
    every  act on each `every`th request only
    do     error | delay | reset | cut | truncate | unprocessed | hang
             error        an AWS JSON error, `status` and `type`; nothing is carried out
             delay        wait `ms`, then carry it out
             reset        TCP reset before it is carried out
             cut          carried out, then TCP reset: the answer is lost
             truncate     carried out; headers and half of the body are sent
             unprocessed  BatchWriteItem: every second item comes back, the rest is carried out
             hang         no answer for `ms`, then the connection is closed; not carried out
             empty        GetRecords of the fake: no records, and an iterator at the same place
             and, short for an error of that name: throttle, expire, trim, missing, denied, broken (500)
    match  a pattern (bytes): only requests whose body has it
    odds   0..1: act with this chance only (drawn from the seed)
"""
import collections
import random
import re
import socket
import struct
import threading


SHORT = {"throttle": (400, "LimitExceededException"), "expire": (400, "ExpiredIteratorException"),
         "trim": (400, "TrimmedDataAccessException"), "missing": (400, "ResourceNotFoundException"),
         "denied": (400, "AccessDeniedException"), "broken": (500, "InternalServerError")}


def spelt_out(rule):
    if rule["do"] not in SHORT:
        return rule
    status, kind = SHORT[rule["do"]]
    return {**rule, "do": "error", "status": status, "type": kind}


class Faults:
    def __init__(self, rules=(), seed=1):
        self.lock, self.rules = threading.Lock(), [spelt_out(r) for r in rules]
        self.seen, self.acted = collections.Counter(), collections.Counter()
        self.stats, self.random = collections.Counter(), random.Random(seed)

    def set(self, rules):
        with self.lock:
            self.rules = [spelt_out(r) for r in rules]
            self.seen.clear()
            self.acted.clear()

    def pick(self, op, body=b""):
        with self.lock:
            self.stats[op] += 1
            for index, rule in enumerate(self.rules):
                if rule.get("op", "*") not in ("*", op) or not re.search(rule.get("match", b""), body):
                    continue
                self.seen[index] += 1
                count = self.seen[index] - rule.get("skip", 0)
                if count <= 0 or count % rule.get("every", 1):
                    continue
                if self.acted[index] >= rule.get("times", 1 << 60):
                    continue
                if self.random.random() >= rule.get("odds", 1):
                    continue
                self.acted[index] += 1
                self.stats[op + ":" + rule["do"]] += 1
                return rule
        return None


def reset(connection):
    """Closes with a TCP reset instead of a FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

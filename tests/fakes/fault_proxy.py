"""A proxy that knows AWS JSON requests: passes them on to a real server, and spoils some (faults.py).

    proxy = FaultProxy("127.0.0.1:8000", rules=[...])      proxy.url, proxy.faults.stats
"""
import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler

from . import faults as faults_module
from .server import Server

HOP_HEADERS = {"content-length", "connection", "transfer-encoding", "keep-alive"}


def split_batch(op, request):
    """Cuts every second entry out of a batch; returns what was cut out, in the answer's terms."""
    if op == "BatchWriteItem":
        left = {}
        for table, writes in request["RequestItems"].items():
            left[table], request["RequestItems"][table] = writes[1::2], writes[0::2]
        return {"UnprocessedItems": {table: writes for table, writes in left.items() if writes}}
    if op == "SendMessageBatch":
        left, request["Entries"] = request["Entries"][1::2], request["Entries"][0::2]
        return {"Failed": [{"Id": e["Id"], "SenderFault": False, "Code": "InternalError",
                            "Message": "injected"} for e in left]}
    return {}


def merge(answer, extra):
    for name, value in extra.items():
        if isinstance(value, dict):
            answer.setdefault(name, {}).update(value)
        else:
            answer.setdefault(name, []).extend(value)
    return answer


class FaultProxy:
    def __init__(self, upstream, rules=(), seed=1, error_prefix="com.amazonaws.dynamodb.v20120810#"):
        self.faults = faults_module.Faults(rules, seed)
        self.upstream, self.local, self.error_prefix = upstream, threading.local(), error_prefix
        self.server = Server(self.handler())
        self.url = "http://" + self.server.address

    def close(self):
        self.server.close()

    def ask(self, method, path, body, headers):
        """One exchange with the upstream, on this thread's kept connection."""
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = self.local.connection = http.client.HTTPConnection(self.upstream, timeout=60)
            try:
                connection.request(method, path, body, headers)
                reply = connection.getresponse()
                return reply.status, reply.getheaders(), reply.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                self.local.connection = None
                if attempt == 2:
                    raise
        return None

    def handler(self):
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def reply(self, status, headers, body, cut=False):
                head = f"HTTP/1.1 {status} Status\r\nContent-Length: {len(body)}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in headers)
                self.wfile.write(head.encode() + b"\r\n" + (body[: len(body) // 2] if cut else body))
                if cut:
                    self.close_connection = True

            def do_POST(self):
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size)
                if len(body) != size:  # the client was killed meanwhile: nobody asked for this
                    self.close_connection = True
                    return None
                op = self.headers.get("X-Amz-Target", "").rpartition(".")[2] or "-"
                rule = proxy.faults.pick(op, body)
                do = rule["do"] if rule else None
                if do == "error":
                    error = {"__type": proxy.error_prefix + rule["type"], "message": "injected"}
                    return self.reply(rule.get("status", 400),
                                      [("Content-Type", "application/x-amz-json-1.0")],
                                      json.dumps(error).encode())
                if do == "delay":
                    time.sleep(rule["ms"] / 1000)
                if do in ("reset", "hang"):
                    time.sleep(rule.get("ms", 0) / 1000)
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                extra = {}
                if do == "unprocessed":
                    request = json.loads(body)
                    extra = split_batch(op, request)
                    body = json.dumps(request).encode()
                headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP_HEADERS}
                status, answer_headers, answer = proxy.ask("POST", self.path, body, headers)
                dropped = set(HOP_HEADERS)
                if extra and status == 200:
                    answer = json.dumps(merge(json.loads(answer), extra)).encode()
                    dropped.add("x-amz-crc32")
                if do == "cut":
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                kept = [(k, v) for k, v in answer_headers if k.lower() not in dropped]
                return self.reply(status, kept, answer, cut=do == "truncate")

        return Handler

"""A fake Lambda Runtime API (2018-06-01): hands out invocations and records what the runtime answers.

    api = RuntimeApi()
    ... start the runtime with AWS_LAMBDA_RUNTIME_API=api.address ...
    answer = api.invoke(event_bytes, deadline_ms=3000)
    answer.kind     "response" or "error"; what the *first* report of the invocation was
    answer.reports  every report made for it, in order: (kind, status that we gave, headers, body)
"""
import collections
import json
import queue
import socket
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler

from .server import Server

BASE = "/2018-06-01/runtime/"
Report = collections.namedtuple("Report", "kind status headers body")


class RuntimeGone(Exception):
    """The runtime ended, or did not answer in time."""


class Answer:
    def __init__(self, request_id):
        self.request_id, self.reports, self.done = request_id, [], threading.Event()
        self.seconds = 0.0

    kind = property(lambda self: self.reports[0].kind)
    body = property(lambda self: self.reports[0].body)
    headers = property(lambda self: self.reports[0].headers)
    json = property(lambda self: json.loads(self.body))


def gone(connection):
    """Has the peer closed? Nothing else arrives while a runtime waits for its next event."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class RuntimeApi:
    def __init__(self):
        self.events, self.answers, self.init_errors = queue.Queue(), {}, []
        self.lock, self.next_calls = threading.Lock(), 0
        self.waiting = threading.Event()  # the runtime has asked for its next invocation
        self.init_failed = threading.Event()
        self.report_status = []  # statuses for the next reports, then 202
        self.closed = False
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def reply(self, status, body=b'{"status":"OK"}\n', headers=()):
                head = f"HTTP/1.1 {status} Status\r\nContent-Length: {len(body)}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in headers)
                self.wfile.write(head.encode() + b"\r\n" + body)

            def do_GET(self):
                if self.path != BASE + "invocation/next":
                    return self.reply(404, b"{}")
                api.next_calls += 1
                api.waiting.set()
                item = api.take(self.connection)
                if item is None:  # gone: drop the connection, as a vanished API would
                    self.close_connection = True
                    return None
                answer, event, headers = item
                api.waiting.clear()
                return self.reply(200, event, headers)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Transfer-Encoding"):
                    return self.reply(411, b"{}")
                if self.path == BASE + "init/error":
                    api.init_errors.append((dict(self.headers), body))
                    api.init_failed.set()
                    return self.reply(202)
                parts = self.path[len(BASE):].split("/")
                if len(parts) != 3 or parts[0] != "invocation" or parts[2] not in ("response", "error"):
                    return self.reply(404, b"{}")
                return self.report(parts[1], parts[2], body)

            def report(self, request_id, kind, body):
                with api.lock:
                    answer = api.answers.get(request_id)
                    if answer is None:
                        return self.reply(400, b'{"errorType":"InvalidRequestID"}')
                    status = api.report_status.pop(0) if api.report_status else 202
                    status = 403 if answer.reports else status  # one report closes it, also a refused one
                    answer.reports.append(Report(kind, status, dict(self.headers), body))
                self.reply(status, b"{}")
                answer.done.set()
                return None

        self.server = Server(Handler)
        self.address = self.server.address

    def take(self, connection):
        """The next event for a waiting runtime; None when it or the API has gone."""
        while not self.closed:
            try:
                item = self.events.get(timeout=0.2)
            except queue.Empty:
                if gone(connection):
                    return None
                continue
            if gone(connection):  # killed while it waited: the event is the next one's
                self.events.put(item)
                return None
            return item
        return None

    def start_invoke(self, event, deadline_ms=60000, **headers):
        """Queues an invocation and returns its Answer, not yet done."""
        answer = Answer(str(uuid.uuid4()))
        deadline = int(time.time() * 1000) + deadline_ms
        head = [("Lambda-Runtime-Aws-Request-Id", answer.request_id),
                ("Lambda-Runtime-Deadline-Ms", deadline),
                ("Lambda-Runtime-Invoked-Function-Arn",
                 "arn:aws:lambda:us-east-1:123456789012:function:weir"),
                ("Content-Type", "application/json")]
        head += [(name.replace("_", "-"), value) for name, value in headers.items()]
        with self.lock:
            self.answers[answer.request_id] = answer
        self.events.put((answer, event, head))
        return answer

    def invoke(self, event, deadline_ms=60000, alive=None, **headers):
        """Invokes and waits for the report. `alive` tells whether the runtime still runs."""
        began = time.monotonic()
        answer = self.start_invoke(event, deadline_ms, **headers)
        while not answer.done.wait(0.02):
            if alive is not None and not alive() and not answer.done.wait(0.2):
                raise RuntimeGone("the runtime ended during the invocation")
            if time.monotonic() - began > deadline_ms / 1000 + 5:
                raise RuntimeGone("no report 5 s after the deadline")
        answer.seconds = time.monotonic() - began
        return answer

    def close(self):
        self.closed = True
        self.server.close()

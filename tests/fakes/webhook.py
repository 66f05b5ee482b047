"""A web server that takes webhooks: checks Standard Webhooks signatures, and misbehaves by rule (faults.py, op "hook";
status and headers of a rule with do=status are its answer)."""
import base64
import hashlib
import hmac
import threading
import time
from http.server import BaseHTTPRequestHandler

from . import faults as faults_module
from .server import Server


class Webhook:
    def __init__(self, key=None, rules=()):
        self.key, self.faults = key, faults_module.Faults(rules)
        self.lock, self.requests, self.refused, self.problems = threading.Lock(), [], [], []
        self.server = Server(self.handler())
        self.url = "http://" + self.server.address

    def close(self):
        self.server.close()

    def problem(self, headers, body):
        if self.key is None:
            return None
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(self.key, signed, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(wanted, headers["webhook-signature"] or ""):
            return "signature"
        return None if abs(int(headers["webhook-timestamp"]) - time.time()) < 300 else "timestamp"

    def handler(self):
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def answer(self, status, headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                wrong = hook.problem(self.headers, body)
                if wrong:
                    hook.problems.append(wrong)
                    return self.answer(401)
                rule = hook.faults.pick("hook", body)
                if rule and rule["do"] == "reset":
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                if rule and rule["do"] == "hang":
                    time.sleep(rule["ms"] / 1000)
                    self.close_connection = True
                    return None
                if rule and rule["do"] == "status":
                    with hook.lock:
                        hook.refused.append((time.monotonic(), body))
                    return self.answer(rule["status"], rule.get("headers", ()))
                with hook.lock:
                    hook.requests.append((time.monotonic(), self.path, dict(self.headers), body))
                if rule and rule["do"] == "cut":
                    self.close_connection = True
                    return faults_module.reset(self.connection)
                if rule and rule["do"] == "close":  # as small servers do: no length, its end is the connection's
                    self.close_connection = True
                    self.send_response(200)
                    self.end_headers()
                    return self.wfile.write(b"thanks")
                return self.answer(204)

            do_PUT = do_POST

        return Handler

#!/usr/bin/env python3
"""Everything that hands out credentials, and a service that takes only those.

A container's endpoint, an instance's metadata service (version 2 only) and STS, as strict as the
real ones. Each gives the keys of its own name. POSTs with X-Amz-Target are the service: signed by
known keys they get 200.

Prints its port, and ends when its standard input is closed.
"""
import json
import os
import pathlib
import sys
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from fakes import sigv4  # noqa: E402
from fakes.server import Server  # noqa: E402

SECRETS = {name: (f"secret/of+{name}", f"token/of+{name}==")
           for name in ("CONTAINER", "INSTANCE", "WEB", "ROLE", "SECONDROLE")}
SECRETS["BASE"] = ("base-secret", None)
TOKEN, IDENTITY = "container-token", "eyJhbGciOiJub25lIn0.e30.x_-"
SESSION = "AQAEAFakeSession=="
ROLES = "/latest/meta-data/iam/security-credentials/"


def expiry():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))


def document(name):
    secret, token = SECRETS[name]
    return json.dumps({"Code": "Success", "AccessKeyId": name, "SecretAccessKey": secret,
                       "Token": token, "Expiration": expiry()})


def xml(action, name):
    secret, token = SECRETS[name]
    return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <{action}Result>\n'
            f"    <Credentials>\n      <AccessKeyId>{name}</AccessKeyId>\n"
            f"      <SecretAccessKey>{secret}</SecretAccessKey>\n"
            f"      <SessionToken>{token}</SessionToken>\n"
            f"      <Expiration>{expiry()}</Expiration>\n    </Credentials>\n"
            f"  </{action}Result>\n</{action}Response>\n")


def xml_error(code):
    return f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def reply(self, status, text=""):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        asked = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        if self.path == "/latest/api/token" and asked == "21600":
            self.reply(200, SESSION)
        else:
            self.reply(400)

    def do_GET(self):
        if self.path == "/hang":
            time.sleep(60)
        elif self.path.startswith("/latest/"):
            self.metadata()
        elif self.path != "/container?id=1":
            self.reply(404)
        elif self.headers.get("Authorization") != TOKEN:
            self.reply(403, '{"code":"AccessDenied","message":"wrong token"}')
        else:
            self.reply(200, document("CONTAINER"))

    def metadata(self):
        if self.headers.get("X-aws-ec2-metadata-token") != SESSION:
            self.reply(401)
        elif self.path == ROLES:
            self.reply(200, "instance-role")
        elif self.path == ROLES + "instance-role":
            self.reply(200, document("INSTANCE"))
        else:
            self.reply(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        problem = sigv4.problem("POST", self.path, self.headers, body, SECRETS)
        if "X-Amz-Target" not in self.headers:
            self.sts({name: values[0] for name, values in parse_qs(body.decode()).items()}, problem)
        elif problem:
            self.reply(403, json.dumps({"__type": "InvalidSignatureException", "message": problem}))
        else:
            self.reply(200, "{}")

    def sts(self, form, problem):
        action = form.get("Action")
        if form.get("Version") != "2011-06-15" or not form.get("RoleSessionName"):
            self.reply(400, xml_error("ValidationError"))
        elif action == "AssumeRoleWithWebIdentity":
            good = form.get("WebIdentityToken") == IDENTITY and "Authorization" not in self.headers
            self.reply(*((200, xml(action, "WEB")) if good else (400, xml_error("InvalidIdentityToken"))))
        elif problem:
            self.reply(403, xml_error("SignatureDoesNotMatch"))
        elif form.get("ExternalId") != "external id/1":
            self.reply(403, xml_error("AccessDenied"))
        else:
            self.reply(200, xml(action, form["RoleArn"]))


def main():
    server = Server(Handler)
    print(server.server_address[1], flush=True)
    while os.read(0, 4096):
        pass
    server.close()


if __name__ == "__main__":
    main()

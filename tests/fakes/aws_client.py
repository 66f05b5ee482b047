"""A small client of the AWS JSON protocol, signed; for drivers that set up tables and read results."""
import hashlib
import hmac
import http.client
import json
import time

from . import aws_server

JSON_VERSION = {"dynamodb": "1.0", "sqs": "1.0"}


class AwsError(Exception):
    def __init__(self, kind, message):
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Client:
    def __init__(self, url, service, region="us-east-1", secret=aws_server.SECRET):
        self.host = url.removeprefix("http://").rstrip("/")
        self.service, self.region, self.secret = service, region, secret
        self.connection, self.used_at = http.client.HTTPConnection(self.host, timeout=60), 0.0

    def _signed(self, target, body):
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers = {"content-type": f"application/x-amz-json-{JSON_VERSION[self.service]}",
                   "host": self.host, "x-amz-date": when, "x-amz-target": target}
        names = sorted(headers)
        canonical = "\n".join(["POST", "/", ""] + [f"{n}:{headers[n]}" for n in names]
                              + ["", ";".join(names), hashlib.sha256(body).hexdigest()])
        scope = f"{when[:8]}/{self.region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{when}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = ("AWS4" + self.secret).encode()
        for step in scope.split("/"):
            key = hmac.new(key, step.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={aws_server.KEY_ID}/{scope}, "
                                    f"SignedHeaders={';'.join(names)}, Signature={signature}")
        return headers

    def call(self, target, **request):
        body = json.dumps(request).encode()
        if time.monotonic() - self.used_at > 20:  # servers close what is idle
            self.connection.close()
        self.used_at = time.monotonic()
        try:
            self.connection.request("POST", "/", body, self._signed(target, body))
            reply = self.connection.getresponse()
            answer = json.loads(reply.read() or b"{}")
        except (http.client.HTTPException, OSError):
            self.connection.close()
            raise
        if reply.status != 200:
            raise AwsError(answer.get("__type", "?").rpartition("#")[2],
                           answer.get("message", answer.get("Message", "")))
        return answer

    def dynamodb(self, operation, **request):
        return self.call("DynamoDB_20120810." + operation, **request)

    def streams(self, operation, **request):
        return self.call("DynamoDBStreams_20120810." + operation, **request)

    def sqs(self, operation, **request):
        return self.call("AmazonSQS." + operation, **request)

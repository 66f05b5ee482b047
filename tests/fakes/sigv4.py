"""Verifies AWS Signature Version 4, on the standard library only, from the published description."""
import hashlib
import hmac
import time
from calendar import timegm
from urllib.parse import quote, unquote

REQUIRED = {"host", "x-amz-date"}


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _query(query):
    pairs = [p.partition("=") for p in query.split("&") if p]
    encoded = [(quote(unquote(k), safe="-_.~"), quote(unquote(v), safe="-_.~")) for k, _, v in pairs]
    return "&".join(f"{k}={v}" for k, v in sorted(encoded))


def problem(method, path, headers, body, secrets, max_skew_s=300, service=None):
    """None when the request is properly signed, else what is wrong. `headers`: an email.Message;
    `secrets`: access key id -> (secret key, session token or None); `service`: the name it must be signed for."""
    given = headers.get("Authorization", "")
    scheme, _, rest = given.partition(" ")
    if scheme != "AWS4-HMAC-SHA256":
        return "no AWS4-HMAC-SHA256 Authorization header"
    try:
        parts = dict(p.strip().split("=", 1) for p in rest.split(","))
        key_id, date, region, signed_for, terminator = parts["Credential"].split("/")
        signed = parts["SignedHeaders"].split(";")
    except (KeyError, ValueError):
        return f"malformed Authorization header: {given}"
    if service not in (None, signed_for):
        return f"signed for {signed_for!r}, not for {service!r}"
    if key_id not in secrets:
        return f"unknown access key id {key_id!r}"
    secret, token = secrets[key_id]
    if token is not None and headers.get("X-Amz-Security-Token") != token:
        return "wrong or missing session token"
    when = headers.get("X-Amz-Date", "")
    if terminator != "aws4_request" or not when.startswith(date):
        return "credential scope does not fit x-amz-date"
    needed = set(REQUIRED)
    for name in ("X-Amz-Target", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "Content-Type"):
        if headers.get(name) is not None:
            needed.add(name.lower())
    if signed != sorted(signed) or not needed <= set(signed):
        return f"signed headers {signed} lack {sorted(needed - set(signed))} or are not sorted"
    skew = abs(time.time() - timegm(time.strptime(when, "%Y%m%dT%H%M%SZ")))
    if skew > max_skew_s:
        return f"signature is {skew:.0f} s off"
    path, _, query = path.partition("?")
    canonical = [method, quote(path, safe="/-_.~"), _query(query)]  # encoded twice: every service but S3
    canonical += [f"{n}:{' '.join((headers.get(n) or '').split())}" for n in signed]
    canonical += ["", ";".join(signed), hashlib.sha256(body).hexdigest()]
    scope = "/".join((date, region, signed_for, terminator))
    text = "\n".join(("AWS4-HMAC-SHA256", when, scope,
                      hashlib.sha256("\n".join(canonical).encode()).hexdigest()))
    key = ("AWS4" + secret).encode()
    for step in (date, region, signed_for, terminator):
        key = _hmac(key, step)
    expected = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, parts.get("Signature", "")):
        return "signature does not match"
    return None

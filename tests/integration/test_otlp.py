#!/usr/bin/env python3
"""Metrics and traces for an OpenTelemetry collector: its own receiver understands them, and one that is down, slow,
full or cut off costs no record and no time."""
import json
import re
import socket
import time
import urllib.request

from harness import (DATA, LambdaWeir, config, emulator, equal, folder, holds, main, stop, test, watchdog, weir)
from polling import LINES, Daemon, Fake, judge_lines, price_sink, records
from fakes.webhook import Webhook

COUNT = 60
SECRET = "otlp-canary-5e7b"
SINKS = {"price": price_sink(), "lines": LINES}


def attributes(of):
    return {one["key"]: next(iter(one["value"].values())) for one in of.get("attributes", [])}


def taken(path):
    """What the collector took: (resource, {metric: of the last export}, spans)."""
    metrics, spans, resource = {}, [], {}
    for line in path.read_text().splitlines():
        for kind, document in json.loads(line).items():
            for part in document["resourceMetrics" if kind == "metrics" else "resourceSpans"]:
                resource = attributes(part["resource"])
                for scope in part["scopeMetrics" if kind == "metrics" else "scopeSpans"]:
                    equal(scope["scope"]["name"], "weir")
                    spans += scope.get("spans", [])
                    metrics.update({metric["name"]: metric for metric in scope.get("metrics", [])})
    return resource, metrics, spans


def points(metric):
    return next(metric[kind] for kind in ("sum", "gauge", "histogram") if kind in metric)["dataPoints"]


def value(metric, **labels):
    found = [point for point in points(metric) if labels.items() <= attributes(point).items()]
    equal(len(found), 1, f"points of {metric['name']} with {labels}")
    return int(found[0]["asInt"]) if "asInt" in found[0] else found[0]["asDouble"]


def judge_spans(spans):
    """Each delivery is a child of its batch, in time and trace; all ids differ."""
    ids = [span["spanId"] for span in spans]
    equal(len(set(ids)), len(ids), "span ids")
    batches = {span["spanId"]: span for span in spans if not span.get("parentSpanId")}
    holds(batches and len(batches) < len(spans), "batches and deliveries")
    for span in spans:
        facts = attributes(span)
        holds(re.fullmatch("[0-9a-f]{32}", span["traceId"]) and re.fullmatch("[0-9a-f]{16}", span["spanId"]), span)
        equal((span["kind"], facts["messaging.system"], facts["messaging.destination.name"]),
              (5, "dynamodb_streams", "Products"))
        holds(int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), span)
        if not span.get("parentSpanId"):
            equal(span["name"], "process Products")
            continue
        equal(batches[span["parentSpanId"]]["traceId"], span["traceId"])
        equal(span["name"], "deliver " + facts["messaging.consumer.group.name"])
    for sink in SINKS:
        mine = [attributes(span) for span in spans if span["name"] == f"deliver {sink}"]
        equal(sum(int(facts.get("weir.records.ok", 0)) for facts in mine), COUNT, f"records in the spans of {sink}")
    equal(sum(int(attributes(span)["messaging.batch.message_count"]) for span in batches.values()), COUNT)


@test
def the_collector_understands_metrics_and_traces():
    with folder() as path, Fake() as fake:
        out = path / "taken"
        out.touch()
        process, port = emulator("otelcol", out)
        fake.stream.shard(records=records(0, COUNT))
        env = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=a%20b,service.name=other",
               "OTEL_SERVICE_NAME": "prices-eu"}
        with Daemon(path, fake.url, SINKS, env=env, admin={"listen": "127.0.0.1:0"},
                    otlp={"endpoint": f"http://127.0.0.1:{port}/", "interval": "1s", "traces": 1}) as daemon:
            daemon.start().until(lambda: len(daemon.lines()) == COUNT, 30, "all is delivered")
            daemon.until(lambda: out.stat().st_size > 0, 30, "the first export")
            url = re.search(r"http://127.0.0.1:\d+/", daemon.log())[0]
            daemon.until(lambda: 'weir_otlp_exports_total{signal="metrics",result="done"} 0' not in
                         urllib.request.urlopen(url + "metrics", timeout=20).read().decode(), 20, "a counted export")
            prometheus = urllib.request.urlopen(url + "metrics", timeout=20).read().decode()
            equal(daemon.term(), 0, daemon.log())
        stop(process)
        resource, metrics, spans = taken(out)
        equal({key: resource.get(key) for key in ("service.name", "deployment.environment.name", "weir.pipeline")},
              {"service.name": "prices-eu", "deployment.environment.name": "a b", "weir.pipeline": "prices"})
        named = {re.sub("_total$", "", name) for name in re.findall(r"^# TYPE (\w+)", prometheus, re.M)
                 if re.search(rf"^{name}(_count)?[ {{]", prometheus, re.M)}
        equal(set(metrics), named, "metrics")
        # the last export came after the last record
        for sink in SINKS:
            equal(value(metrics["weir_sink_records"], sink=sink, outcome="delivered"), COUNT)
        equal(value(metrics["weir_source_records"], source="Products", event="MODIFY"), COUNT)
        delivered = metrics["weir_sink_records"]
        equal((delivered["unit"], delivered["sum"]["isMonotonic"], delivered["sum"]["aggregationTemporality"]),
              ("{record}", True, 2))
        for point in points(metrics["weir_sink_delivery_seconds"]):
            equal(sum(int(count) for count in point["bucketCounts"]), int(point["count"]))
            equal(len(point["bucketCounts"]), len(point["explicitBounds"]) + 1)
        judge_spans(spans)


def traced_records(hook, sink):
    spans = [span for _, where, _, body in hook.requests if where == "/v1/traces"
             for part in json.loads(body)["resourceSpans"] for scope in part["scopeSpans"] for span in scope["spans"]]
    return sum(int(attributes(span)["weir.records.ok"]) for span in spans if span["name"] == f"deliver {sink}")


def refusing_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@test
def a_collector_in_trouble_costs_no_record_and_no_time():
    troubles = [
        ("down", None, False),
        ("silent", [{"op": "hook", "do": "hang", "ms": 20000}], False),
        ("full", [{"op": "hook", "do": "status", "status": 429, "headers": [("Retry-After", "1")], "times": 4}], True),
        ("refusing", [{"op": "hook", "do": "status", "status": 400}], False),
        ("cut off", [{"op": "hook", "do": "reset", "times": 2}], True),
    ]
    for name, rules, recovers in troubles:
        hook = Webhook(rules=rules or ())
        with folder() as path, Fake() as fake:
            shard = fake.stream.shard(records=records(0, COUNT))
            endpoint = hook.url if rules else f"http://127.0.0.1:{refusing_port()}"
            with Daemon(path, fake.url, SINKS, admin={"listen": "127.0.0.1:0"},
                        otlp={"endpoint": endpoint, "interval": "1s", "timeout": "2s", "traces": 1}) as daemon:
                daemon.start().until(lambda: len(daemon.lines()) == COUNT, 30, f"{name}: all is delivered")
                daemon.says("W1230", 30)
                shard.add(*records(COUNT, COUNT))
                daemon.until(lambda: len(daemon.lines()) == 2 * COUNT, 30, f"{name}: all is delivered, later too")
                if recovers:
                    daemon.says("W1231", 60)
                began = time.monotonic()
                equal(daemon.term(), 0, f"{name}: {daemon.log()}")
                holds(time.monotonic() - began < 15, f"{name}: {time.monotonic() - began:.1f} s to end")
                judge_lines(daemon, records(0, 2 * COUNT))
                equal(fake.rows(), 2 * COUNT, f"{name}: rows")
                if recovers:
                    equal(traced_records(hook, "lines"), 2 * COUNT, f"{name}: records in the spans that came")
        hook.close()


@test
def headers_reach_the_collector_and_nobody_else():
    hook = Webhook()
    for by_config in (True, False):
        with folder() as path, Fake() as fake:
            fake.stream.shard(records=records(0, 5))
            env = {"TOKEN": SECRET} if by_config else {
                "OTEL_EXPORTER_OTLP_ENDPOINT": hook.url,
                "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}, x-team=prices"}
            otlp = {"interval": "1s"}
            if by_config:
                otlp.update(endpoint=hook.url, headers="authorization=Bearer ${TOKEN},x-team=prices")
            hook.requests.clear()
            with Daemon(path, fake.url, {"lines": LINES}, env=env, admin={"listen": "127.0.0.1:0"}, otlp=otlp,
                        log={"level": "debug"}) as daemon:
                daemon.start().until(lambda: hook.requests, 30, "an export")
                url = re.search(r"http://127.0.0.1:\d+/", daemon.log())[0]
                shown = [urllib.request.urlopen(url + page, timeout=20).read().decode()
                         for page in ("config", "status", "metrics")]
                shown.append(daemon.verb("config", "show")[1])
                equal(daemon.term(), 0)
                shown.append(daemon.logs())
            _, where, headers, body = hook.requests[0]
            equal((where, headers["Content-Type"], headers.get("authorization"), headers.get("x-team")),
                  ("/v1/metrics", "application/json", f"Bearer {SECRET}", "prices"))
            for text in shown + [body.decode()]:
                holds(SECRET not in text, f"the header's value is shown: {text[:1500]}")
    hook.close()


@test
def what_is_wrong_is_said():
    rows = [({"endpoint": "http://collector.example:4318"}, "W0109", "otlp"),
            ({"endpoint": "http://169.254.169.254"}, "W0109", "metadata"),
            ({"endpoint": "collector:4317"}, "W0109", "begin"),
            ({"headers": f"authorization={SECRET}"}, "W0108", "${NAME}"),
            ({"interval": "1ms"}, "W0105", "interval"),
            ({"traces": -1}, "W0105", "traces")]
    for section, code, word in rows:
        with folder() as path:
            config(path, {"lines": LINES}, otlp=section)
            done = weir("check", "-c", path / "weir.json", cwd=path)
            text = (done.stdout + done.stderr).decode()
            holds(done.returncode == 78 and code in text and word in text and SECRET not in text, f"{section}: {text}")
    with folder() as path, Fake() as fake:
        fake.stream.shard(records=records(0, 5))
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.example:4318"}
        with Daemon(path, fake.url, {"lines": LINES}, env=env) as daemon:
            equal(daemon.once(), 0)
            holds("W1233" in daemon.log() and "plain http" in daemon.log(), daemon.log())


@test
def lambda_the_demo_and_dry_runs_export_nothing():
    hook = Webhook()
    event = (DATA / "samples" / "lambda-event.json").read_bytes()
    with folder() as path:
        config(path, {"console": LINES}, otlp={"endpoint": hook.url, "traces": 1})
        with LambdaWeir(path, OTEL_EXPORTER_OTLP_ENDPOINT=hook.url) as runtime:
            runtime.invoke(event)
        (path / "event.json").write_bytes(event)
        for words in (("demo",), ("run", "--dry-run", "-c", path / "weir.json", "--from", path / "event.json")):
            done = weir(*words, cwd=path, env={"OTEL_EXPORTER_OTLP_ENDPOINT": hook.url})
            equal(done.returncode, 0, done.stderr.decode())
        equal(hook.requests, [])
        done = weir("run", "-c", path / "weir.json", "--from", path / "event.json", cwd=path)
        equal(done.returncode, 0, done.stderr.decode())
        equal(sorted(where for _, where, _, _ in hook.requests), ["/v1/metrics", "/v1/traces"],
              "what the end of a run over a file sends")
    hook.close()


watchdog(230)
main()

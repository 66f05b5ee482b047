#!/usr/bin/env python3
"""The dashboards and alerts in deploy/ against what weir really exports: a metric that they name is one that
/metrics, or Lambda's metric lines, have; with the labels that they ask for."""
import json
import re
import subprocess
import urllib.request

from harness import DATA, ROOT, LambdaWeir, config, equal, folder, holds, main, test, watchdog
from polling import LINES, Daemon, Fake, price_sink, records

DEPLOY = ROOT / "deploy"
NAME = re.compile(r"\b((?:weir|process)_[a-z_]+)(?:\{([^}]*)\})?")


def exported():
    """{metric: label names} of a daemon that has delivered something."""
    with Fake() as fake, folder() as path:
        fake.stream.shard(records=records(0, 20))
        with Daemon(path, fake.url, {"price": price_sink(), "lines": LINES}, admin={"listen": "127.0.0.1:0"},
                    otlp={"endpoint": "http://127.0.0.1:9"}) as weir:
            weir.start().until(lambda: len(weir.lines()) == 20, 20, "all is delivered")
            url = re.search(r"http://127.0.0.1:\d+/", weir.log())[0]
            text = urllib.request.urlopen(url + "metrics", timeout=20).read().decode()
            weir.term()
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, labels = line.rpartition(" ")[0].partition("{")
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def check(expression, metrics, where):
    used = NAME.findall(expression)
    holds(used, f"{where}: {expression} names no metric")
    for name, selector in used:
        holds(name in metrics, f"{where}: {name} is not in /metrics")
        for label in re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', selector):
            holds(label in metrics[name] | {"instance"}, f"{where}: {name} has no label {label}")
    for labels in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in re.split(r",\s*", labels):
            holds(any(label in metrics[name] | {"instance"} for name, _ in used), f"{where}: nothing has {label}")


@test
def dashboard_and_alerts_name_what_is_exported():
    metrics = exported()
    rules = (DEPLOY / "prometheus" / "weir.rules.yaml").read_text()
    expressions = re.findall(r"^ +expr: (?:>-\n((?: {10}.*\n)+)|(.*)$)", rules, re.M)
    equal(len(expressions), rules.count("- alert:"), "alerts with an expression")
    for several, one in expressions:
        check(several or one, metrics, "weir.rules.yaml")
    dashboard = json.loads((DEPLOY / "grafana" / "weir.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            check(target["expr"], metrics, f"the panel {panel['title']!r}")
    shown = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    holds(len(set(re.findall(r"weir_\w+", shown))) > 15, "the dashboard shows most of them")


@test
def the_documentation_names_all_of_them():
    text = (ROOT / "docs" / "operating.md").read_text()
    table = re.findall(r'\{"((?:weir|process)_\w+)",', (ROOT / "core" / "observe" / "metrics.c").read_text())
    holds(len(table) > 25, "metric_table is not where this test looks")
    for name in table:
        holds(f"`{name}`" in text, f"docs/operating.md lacks {name}")
    alerts = re.findall(r"- alert: (\w+)", (DEPLOY / "prometheus" / "weir.rules.yaml").read_text())
    for name in alerts:
        holds(re.search(rf"^\|[^|]*\b{name}\b", text, re.M), f"docs/operating.md lacks the alert {name}")


@test
def prometheus_takes_the_rules_and_they_fire():
    for words in (("check", "rules", "weir.rules.yaml"), ("test", "rules", "weir.test.yaml")):
        done = subprocess.run(["promtool", *words], cwd=DEPLOY / "prometheus", stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60)
        equal(done.returncode, 0, f"promtool {' '.join(words)}: {done.stdout.decode()}")


@test
def the_cloudwatch_dashboard_names_what_lambda_logs():
    event = (DATA / "samples" / "lambda-event.json").read_bytes()
    with folder() as path:
        config(path, {"console": {"plugin": "stdout", "config": {"format": "json"}}})
        with LambdaWeir(path) as runtime:
            runtime.invoke(event)
            documents = [json.loads(line) for line in runtime.output().splitlines() if '"_aws"' in line]
    kinds = [one["_aws"]["CloudWatchMetrics"][0] for one in documents]
    logged = {metric["Name"] for kind in kinds for metric in kind["Metrics"]}
    dimensions = {tuple(names) for kind in kinds for names in kind["Dimensions"]}
    spaces = {kind["Namespace"] for kind in kinds}
    equal(dimensions, {("service",), ("service", "sink")})
    dashboard = json.loads((DEPLOY / "cloudwatch" / "dashboard.json").read_text())
    named = set()
    for widget in dashboard["widgets"]:
        for metric in widget["properties"]["metrics"]:
            if isinstance(metric[0], dict):
                space, *names = re.search(r"\{([\w,]+)\}", metric[0]["expression"])[1].split(",")
                holds(space in spaces and tuple(names) in dimensions, metric[0]["expression"])
                named.update(re.findall(r'MetricName="(\w+)"', metric[0]["expression"]))
            elif metric[0] != "...":
                holds(metric[0] in spaces | {"."}, f"{metric}")
                named.add(metric[1])
    equal(named - logged, set(), "metrics that no invocation logs")
    equal(logged - named, set(), "metrics that the dashboard leaves out")


watchdog(110)
main()

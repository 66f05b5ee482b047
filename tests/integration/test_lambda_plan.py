#!/usr/bin/env python3
"""weir lambda template, iam and filter, and the templates in deploy/."""
import json
import subprocess

import events
from harness import ROOT, config, equal, folder, holds, main, test, watchdog, weir

PRICE = {"plugin": "pricehistory", "config": {"table": "PriceHistory"}}
QUEUE = {"plugin": "sqs", "config": {"queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/all"}}
DEPLOY = ROOT / "deploy"


def printed(what, sinks, *more, **sections):
    with folder() as path:
        config(path, sinks, **sections)
        ran = weir("lambda", what, *more, cwd=path)
        equal(ran.returncode, 0, ran.stderr)
        return ran.stdout.decode()


def patterns(sinks):
    return [json.loads(f["Pattern"]) for f in json.loads(printed("filter", sinks))["Filters"]]


# ---- filter ----

@test
def the_filter_is_the_union_of_what_sinks_want():
    rows = [
        ({"price": PRICE}, [{"eventName": ["MODIFY"]}]),
        ({"price": PRICE, "all": QUEUE}, []),
        ({"price": PRICE, "gone": {**QUEUE, "match": {"events": ["REMOVE"]}}}, [{"eventName": ["MODIFY", "REMOVE"]}]),
        ({"some": {**QUEUE, "match": {"events": ["INSERT"]}}}, [{"eventName": ["INSERT"]}]),
        ({"price": {**PRICE, "on_exhausted": {"to": "dead"}}, "dead": {**QUEUE, "only_from": ["price"]}},
         [{"eventName": ["MODIFY"]}]),
        ({"price": PRICE, "off": {**QUEUE, "enabled": False}}, [{"eventName": ["MODIFY"]}]),
    ]
    for sinks, wanted in rows:
        equal(patterns(sinks), wanted, json.dumps(sinks))


@test
def a_sink_of_ttl_deletes_has_a_pattern_of_its_own():
    expired = {**QUEUE, "match": {"events": ["REMOVE"], "ttl": "only"}}
    ttl = {"eventName": ["REMOVE"], "userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}}
    equal(patterns({"price": PRICE, "expired": expired}), [{"eventName": ["MODIFY"]}, ttl])
    equal(patterns({"expired": expired, "gone": {**QUEUE, "match": {"events": ["REMOVE"]}}}), [{"eventName": ["REMOVE"]}])


@test
def what_a_sink_wants_passes_its_filter():
    """The filter language that weir has from AWS decides: with the derived filter as the sinks' own match
    nothing else comes out."""
    sample = weir("sample", "insert,modify,remove", "--count", "300").stdout
    for match in ({"events": ["MODIFY"], "changed": ["price"]}, {"events": ["INSERT", "REMOVE"]}, {"events": ["REMOVE"]}):
        console = {"plugin": "stdout", "config": {"format": "json"}, "match": match}
        found = patterns({"console": console})
        holds(found, "there is a filter")
        counts = []
        for narrowed in (match, {**match, "filter": {"Filters": [{"Pattern": json.dumps(p)} for p in found]}}):
            with folder() as path:
                config(path, {"console": {**console, "match": narrowed}})
                ran = weir("run", "--from", "-", "--once", "-q", stdin=sample, cwd=path)
                equal(ran.returncode, 0, ran.stderr)
                counts.append(len(ran.stdout.splitlines()))
        holds(counts[0] > 0, match)
        equal(counts[1], counts[0], json.dumps(match))


# ---- iam ----

@test
def the_policy_allows_what_the_sinks_declare():
    policy = json.loads(printed("iam", {"price": PRICE, "again": {**PRICE, "match": {"present": ["price"]}}, "all": QUEUE},
                                "--table", "Shop"))
    allowed = {(action, s["Resource"]) for s in policy["Statement"] for action in s["Action"]}
    stream, logs = "arn:aws:dynamodb:*:*:table/Shop/stream/*", "arn:aws:logs:*:*:log-group:/aws/lambda/*"
    equal(allowed, {("dynamodb:ListStreams", "*"), ("dynamodb:DescribeStream", stream), ("dynamodb:GetRecords", stream),
                    ("dynamodb:GetShardIterator", stream), ("logs:CreateLogStream", logs), ("logs:PutLogEvents", logs),
                    ("dynamodb:BatchWriteItem", "arn:aws:dynamodb:*:*:table/PriceHistory"),
                    ("sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:all")})
    equal(len(policy["Statement"]), 5, "no statement twice")


# ---- --sinks ----

@test
def some_of_the_sinks_are_enough():
    dead = {**QUEUE, "config": {"queue_url": QUEUE["config"]["queue_url"].replace("all", "dead")}, "only_from": ["price"]}
    sinks = {"price": {**PRICE, "on_exhausted": {"to": "dead"}}, "all": QUEUE, "dead": dead}
    equal(json.loads(printed("filter", sinks, "--sinks", "price"))["Filters"], [{"Pattern": '{"eventName":["MODIFY"]}'}])
    equal(json.loads(printed("filter", sinks, "--sinks", "price,all"))["Filters"], [])
    policy = printed("iam", sinks, "--sinks", "price")
    holds("table/PriceHistory" in policy and ":dead" in policy and ":all" not in policy, policy)
    equal(printed("template", sinks, "--sinks", "price,all,dead"), printed("template", sinks))
    template = printed("template", sinks, "--sinks", "all")
    holds("PriceHistoryTable" not in template and "dynamodb:BatchWriteItem" not in template, template)
    with folder() as path:
        config(path, {**sinks, "off": {**QUEUE, "enabled": False}})
        for wrong in ("al", "off", "price,"):
            ran = weir("lambda", "template", "--sinks", wrong, cwd=path)
            equal((ran.returncode, ran.stdout), (2, b""), wrong)
            holds(b"no enabled sink named" in ran.stderr and b"price, all, dead" in ran.stderr, ran.stderr)


# ---- template ----

@test
def the_templates_in_deploy_are_what_weir_prints():
    for name, more in (("sam", ["--sam"]), ("cloudformation", [])):
        ran = weir("lambda", "template", "-c", DEPLOY / "weir.json", *more)
        equal(ran.returncode, 0, ran.stderr)
        equal(ran.stdout.decode(), (DEPLOY / name / "template.yaml").read_text(), name)


@test
def variables_of_the_config_become_parameters():
    with folder() as path:
        config(path, {"all": {"plugin": "sqs", "config": {"queue_url": "${QUEUE_URL}"}}})
        url = QUEUE["config"]["queue_url"]
        text = weir("lambda", "template", cwd=path, env={"QUEUE_URL": url}).stdout.decode()
    holds(f'  QueueUrl:\n    Type: String\n    Default: "{url}"\n' in text, text)
    holds("          QUEUE_URL: !Ref QueueUrl\n" in text, text)
    holds("FilterCriteria" not in text, "a sink of everything needs everything")
    # the config above has no switch of its own: both stay off
    holds('WEIR_REPORT_BATCH_ITEM_FAILURES: "false"' in text and "FunctionResponseTypes: []" in text, text)


@test
def tables_have_the_keys_that_the_sink_writes():
    sink = {"plugin": "pricehistory", "config": {"table": "History", "key_attribute": "sku", "timestamp": "text",
                                                 "timestamp_name": "when"}}
    text = printed("template", {"price": sink}, "--table", "Shop", "--key", "sku")
    for piece in ('TableName: "Shop"', 'TableName: "History"', '- AttributeName: "when"\n          AttributeType: S',
                  "table/History"):
        holds(piece in text, f"{piece} in {text}")


@test
def a_bad_config_prints_its_problems_only():
    with folder() as path:
        config(path, {"price": {**PRICE, "bacth_size": 1}})
        for what in ("template", "iam", "filter"):
            ran = weir("lambda", what, cwd=path)
            equal((ran.returncode, ran.stdout), (78, b""), what)
            holds(b"bacth_size" in ran.stderr, ran.stderr)


# ---- the linter ----

def lint(*files):
    ran = subprocess.run([ROOT / "scripts" / "lint-deploy", *files], capture_output=True, text=True, timeout=200)
    return ran.returncode, ran.stdout + ran.stderr


@test
def the_templates_pass_the_linter():
    code, said = lint()
    equal(code, 0, said)


@test
def the_linter_refuses_one_switch_without_the_other():
    plain = (DEPLOY / "cloudformation" / "template.yaml").read_text()
    sam = (DEPLOY / "sam" / "template.yaml").read_text()
    terraform = (DEPLOY / "terraform" / "main.tf").read_text()
    on = 'WEIR_REPORT_BATCH_ITEM_FAILURES: "true"'
    rows = [
        ("a.yaml", plain.replace(on, 'WEIR_REPORT_BATCH_ITEM_FAILURES: "false"'), "the function lacks"),
        ("b.yaml", plain.replace("[ReportBatchItemFailures]", "[]"), "records would vanish"),
        ("c.yaml", sam.replace(on, "OTHER: x"), "the function lacks"),
        ("d.yaml", sam.replace("      FunctionResponseTypes: [ReportBatchItemFailures]\n", ""), "records would vanish"),
        ("e.yaml", sam.replace("provided.al2023\n      Handler", "provided.al2099\n      Handler"), "provided.al2099"),
        ("f.yaml", plain.replace("BatchSize: 100", "BatchSize: 100000"), "100000"),
        ("g.tf", terraform.replace("tostring(var.report_batch_item_failures)", '"false"'), "the function lacks"),
        ("h.tf", terraform.replace('var.report_batch_item_failures ? ["ReportBatchItemFailures"] : []', "[]"),
         "records would vanish"),
    ]
    with folder() as path:
        for name, text, _ in rows:
            (path / name).write_text(text)
        code, said = lint(*(path / name for name, _, _ in rows))
        equal(code, 1, said)
        for name, _, because in rows:
            holds(any(f"/{name}: " in line and because in line for line in said.splitlines()), f"{name}: {said}")


watchdog(280)
main()

#!/usr/bin/env python3
"""`weir doctor` and `weir check --probe`: what they find, against the fake AWS server."""
import contextlib
import json
import re
import subprocess

from harness import WEIR, config, environment, equal, folder, free_port, holds, main, test, watchdog, weir
from fakes import aws_server, webhook
from polling import Fake

SINKS = {"price": {"plugin": "pricehistory", "config": {"table": "PriceHistory", "announce": False}}}
CANARY = "canarycanarycanarycanarycanarycanarycanar"


class Case(Fake):
    """The fake server, a shard, and a configuration of it."""

    def __enter__(self):
        super().__enter__()
        self.stream.shard()
        return self

    def doctor(self, path, *arguments, sinks=None, source=None, url=None, env=None, **sections):
        source = {"kind": "poll", "tables": ["Products"], **(source or {})}
        cfg = config(path, sinks or SINKS, source={name: value for name, value in source.items() if value is not None},
                     aws={"endpoint_url": url or self.url}, **sections)
        done = weir("doctor", "-c", cfg, *arguments, env=env)
        equal(done.stderr, b"")
        holds(b"wJalrXUtnFEMI" not in done.stdout, "no secret is shown")
        return done.returncode, done.stdout.decode()

    def fails(self, path, **more):
        """{what: (text, help)} of what is not ok."""
        code, said = self.doctor(path, "--json", **more)
        said = json.loads(said)
        equal(code == 0, said["ok"])
        for one in said["findings"]:
            equal(one["help"] is None, one["state"] == "ok", one["text"])
        return {one["what"]: (one["state"], one["text"], one["help"])
                for one in said["findings"] if one["state"] != "ok"}


@test
def all_is_well():
    with Case() as case, folder() as path:
        code, said = case.doctor(path)
        lines = [line.split(None, 2) for line in said.splitlines()]
        equal((code, [(state, what) for state, what, _ in lines]), (0, [("ok", what) for what in (
            "config", "region", "credentials", "endpoint", "clock", "permission", "stream", "view", "permission",
            "sink", "state", "limits")]), said)
        holds(re.search(r'credentials  by the provider "environment"', said), said)
        equal(case.aws.tables["PriceHistory"].items, {}, "nothing is written")
        equal([read[2] for read in case.asked("GetRecords")], [0], "reading was tried")
        equal(list(path.iterdir()), [path / "weir.json"], "nothing is made")


@test
def each_thing_that_is_wrong_is_named_with_its_fix():
    rows = [  # a rule of the fake, what fails, what its text and its help hold
        ({"op": "DescribeTable", "do": "denied"}, "permission", "dynamodb:DescribeTable", "weir plan"),
        ({"op": "DescribeStream", "do": "denied"}, "permission", "dynamodb:DescribeStream", "weir plan"),
        ({"op": "ListStreams", "do": "denied"}, "permission", "dynamodb:ListStreams", "weir plan"),
        ({"op": "GetShardIterator", "do": "denied"}, "permission", "dynamodb:GetShardIterator", "weir plan"),
        ({"op": "GetRecords", "do": "denied"}, "permission", "dynamodb:GetRecords", "weir plan"),
        ({"op": "DescribeTable", "do": "missing"}, "source", "Products is not there", "region"),
    ]
    with Case() as case, folder() as path:
        for rule, what, text, fix in rows:
            case.aws.faults.set([{**rule, "times": 1}])
            found = case.fails(path)
            holds(what in found and text in found[what][1] and fix in found[what][2], f"{rule}: {found}")
            equal(found[what][0], "fail", f"{rule}")
        case.aws.faults.set([{"op": "DescribeTable", "do": "denied", "match": b"PriceHistory"}])
        found = case.fails(path)  # the sink itself needs no DescribeTable: exit 0
        equal((list(found), found["sink"][0]), (["sink"], "warn"))
        case.aws.faults.set([])
        case.stream.view_type = "KEYS_ONLY"
        found = case.fails(path)
        holds("needs both images" in found["sink"][1] and "NEW_AND_OLD_IMAGES" in found["sink"][2], f"{found}")
        case.stream.view_type = "NEW_AND_OLD_IMAGES"
        found = case.fails(path, sinks={"price": {**SINKS["price"], "config": {"table": "Gone", "announce": False}}})
        equal(found["sink"][:2], ("fail", "price: there is no table Gone"))
        found = case.fails(path, source={"tables": ["PriceHistory"]}, sinks={"s": {"plugin": "stdout"}})
        equal(found["stream"][:2], ("fail", "table PriceHistory has no stream"))
        case.aws.ahead_s = 3600
        found = case.fails(path)
        equal(list(found), ["clock"])
        holds(re.fullmatch(r"this machine is 3[56]\d\d s behind AWS; .*", found["clock"][1]), f"{found}")


@test
def the_state_is_tried_where_it_will_be():
    with Case() as case, folder() as path:
        (path / "kept").mkdir()
        (path / "file").write_text("")
        where = {"path": str(path / "file" / "weir.db")}
        found = case.fails(path, state=where)
        holds(found["state"][0] == "fail" and "Not a directory" in found["state"][1], f"{found}")
        equal(case.fails(path, state={"path": str(path / "kept" / "deeper" / "weir.db")}), {})
        equal(list((path / "kept").iterdir()), [], "nothing is made")
        holds("in memory" in case.fails(path, state={"kind": "memory"})["state"][1], "memory")
        table = {"kind": "dynamodb", "table": "State"}
        equal(case.fails(path, state=table)["state"][:2], ("fail", "there is no table State"))
        case.aws.tables["State"] = aws_server.Table(("pk", "sk"))
        equal(case.fails(path, state=table), {})
        equal(case.aws.tables["State"].items, {}, "nothing is written")
        case.aws.faults.set([{"op": "PutItem", "do": "denied"}])
        found = case.fails(path, state=table)["state"]
        holds(found[0] == "fail" and "dynamodb:PutItem" in found[1] and "weir plan" in found[2], f"{found}")
        case.aws.faults.set([])
        found = case.fails(path, state={**table, "table": "PriceHistory"})["state"]
        holds(found[0] == "fail" and "is no state table" in found[1], f"{found}")


FILTER = {"Filters": [{"Pattern": '{ "eventName" : ["MODIFY"] }'}]}
GOOD = {"State": "Enabled", "LastProcessingResult": "OK", "BatchSize": 50, "MaximumBatchingWindowInSeconds": 2,
        "ParallelizationFactor": 3, "BisectBatchOnFunctionError": True, "MaximumRetryAttempts": 10,
        "MaximumRecordAgeInSeconds": -1, "FunctionResponseTypes": ["ReportBatchItemFailures"], "FilterCriteria": FILTER,
        "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:1:failures"}}}


@test
def the_event_source_mapping_is_held_against_the_configuration():
    rows = [  # what is otherwise than good; state, a part of the text, a part of the fix
        ({"FunctionResponseTypes": []}, "fail", "they would be lost", "report_batch_item_failures"),
        ({"State": "Disabled"}, "warn", "is Disabled", "Enable"),
        ({"LastProcessingResult": "PROBLEM: Function call failed"}, "warn", "Function call failed", "log"),
        ({"MaximumRetryAttempts": -1}, "warn", "24 h old and lost", "MaximumRetryAttempts"),
        ({"DestinationConfig": {}}, "warn", "after 10 retries is lost", "destination"),
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]}}, "warn", "not what the sinks want",
         "weir lambda filter"),
        ({"FilterCriteria": None}, "warn", "no filter", "weir lambda filter"),
    ]
    with Case() as case, folder() as path:
        arn = {"EventSourceArn": case.stream.arn, "FunctionArn": "arn:aws:lambda:us-east-1:1:function:prices"}

        def found(mappings, *arguments, tables=None, **lambda_section):
            case.aws.mappings = mappings
            said = json.loads(case.doctor(path, "--json", *arguments, source={"kind": "lambda", "tables": tables},
                                          **{"lambda": {"report_batch_item_failures": True, **lambda_section}})[1])
            return [f for f in said["findings"] if f["what"] in ("mapping", "limits", "stream", "view", "permission")]

        named = ("--function", "prices")
        for arguments, tables in ((named, None), ((), ["Products"]), (named, ["Products"]),
                                  (("--function", arn["FunctionArn"]), ["Products"])):
            good = found([{**GOOD, **arn}], *arguments, tables=tables)
            equal([f["state"] for f in good], ["ok"] * 7, f"{arguments}: {good}")
        texts = [f["text"] for f in good]
        holds("prices: batches of up to 50, gathered for 2 s, 3 at a time per shard, halved when they fail" in texts,
              f"{texts}")
        holds("prices: gives up after 10 retries, to arn:aws:sqs:us-east-1:1:failures" in texts, f"{texts}")
        for change, state, text, fix in rows:
            bad = [f for f in found([{**GOOD, **arn, **change}], *named) if f["state"] != "ok"]
            equal([(f["state"], f["what"]) for f in bad], [(state, "mapping")], f"{change}: {bad}")
            holds(text in bad[0]["text"] and fix in bad[0]["help"], f"{change}: {bad}")
        bad = [f for f in found([{**GOOD, **arn}], *named, report_batch_item_failures=False) if f["state"] != "ok"]
        holds(len(bad) == 1 and "one failure fails the whole batch" in bad[0]["text"], f"{bad}")
        others = [{**GOOD, **arn, "FunctionArn": f"arn:aws:lambda:us-east-1:1:function:f{n}"} for n in range(2)]
        bad = [f for f in found([{**GOOD, **arn}, *others], *named, tables=["Products"]) if f["state"] != "ok"]
        equal([(f["state"], f["what"]) for f in bad], [("warn", "limits")], f"{bad}")
        bad = [f for f in found(others, *named, tables=["Products"]) if f["state"] != "ok"]
        equal([(f["state"], f["text"]) for f in bad],
              [("fail", "the function prices has no event source mapping for this stream")])
        bad = [f for f in found([], *named) if f["state"] != "ok"]
        equal([(f["state"], f["text"]) for f in bad], [("fail", "the function prices has no event source mapping")])
        bad = found([{**GOOD, **arn}])
        equal([(f["state"], f["what"]) for f in bad], [("warn", "mapping")], "nobody says which function")
        case.aws.faults.set([{"op": "ListEventSourceMappings", "do": "denied"}])
        bad = [f for f in found([{**GOOD, **arn}], *named) if f["state"] != "ok"]
        holds(len(bad) == 1 and "lambda:ListEventSourceMappings" in bad[0]["text"], f"{bad}")


@test
def too_few_open_files_are_told():
    with Case() as case, folder() as path:
        cfg = config(path, SINKS, source={"kind": "poll", "tables": ["Products"]}, aws={"endpoint_url": case.url})
        done = subprocess.run(["bash", "-c", f"ulimit -n 200; exec '{WEIR}' doctor -c '{cfg}'"], stdout=subprocess.PIPE,
                              env=environment(), cwd=path, timeout=60)
        holds(done.returncode == 0 and b"but only 200 are allowed" in done.stdout, done.stdout.decode())


@test
def a_check_with_probe_marks_the_sink():
    with Case() as case, folder() as path:
        cfg = config(path, SINKS, aws={"endpoint_url": case.url})
        equal(weir("check", "--probe", "-c", cfg).returncode, 0)
        cfg = config(path, {"price": {**SINKS["price"], "config": {"table": "Gone", "announce": False}}},
                     aws={"endpoint_url": case.url})
        calls = case.aws.calls.total()
        equal(weir("check", "-c", cfg).returncode, 0)
        equal(case.aws.calls.total(), calls, "without --probe nobody is asked")
        done = weir("check", "--probe", "--json", "-c", cfg)
        problem, = json.loads(done.stdout)["problems"]
        equal((done.returncode, problem["code"], problem["message"]), (1, "W0314", "price: there is no table Gone"))
        holds(problem["line"] > 1 and problem["help"], f"{problem}")
        case.aws.faults.set([{"op": "DescribeTable", "do": "denied"}])
        done = weir("check", "--probe", "-c", cfg)
        holds(done.returncode == 0 and b"warning[W0314]" in done.stdout, f"{done}")
        equal(weir("check", "--probe", "--strict", "-c", cfg).returncode, 78)


def sinks_of(aws, hook):
    """One of each that can be asked after; what it is, and its option that names it."""
    return {"queue": ("sqs", "queue_url", aws.queue_url("orders"), aws.queue_url("gone")),
            "fifo": ("sqs", "queue_url", aws.queue_url("orders.fifo"), aws.queue_url("gone.fifo")),
            "stream": ("kinesis", "stream", "changes", "gone"),
            "bus": ("eventbridge", "bus", "default", "gone"),
            "topic": ("sns", "topic_arn", "arn:aws:sns:us-east-1:1:prices", "arn:aws:sns:us-east-1:1:gone"),
            "fn": ("lambda", "function", "indexer", "gone"),
            "fn_arn": ("lambda", "function", "arn:aws:lambda:us-east-1:1:function:indexer", "gone"),
            "replica": ("dynamodb", "table", "PriceHistory", "Gone"),
            "price": ("pricehistory", "table", "PriceHistory", "Gone"),
            "hook": ("http", "url", hook.url + "/secret", f"http://127.0.0.1:{free_port()}/secret")}


@test
def what_each_sink_writes_to_is_looked_for():
    aws = aws_server.AwsServer(tables={"PriceHistory": ("product_id", "timestamp")}, queues=["orders", "orders.fifo"])
    aws.topics["arn:aws:sns:us-east-1:1:prices"] = []
    aws.functions = {name: aws_server.Function(None) for name in ("indexer", "arn:aws:lambda:us-east-1:1:function:indexer")}
    hook = webhook.Webhook()
    with contextlib.closing(aws), contextlib.closing(hook), folder() as path:
        all_, event = sinks_of(aws, hook), path / "none.json"
        event.write_bytes(b"")

        def ask(gone, *verb):
            sinks = {name: {"plugin": plugin, "config": {option: gone_ if name == gone else there}}
                     for name, (plugin, option, there, gone_) in all_.items()}
            return weir(*verb, "-c", config(path, sinks, aws={"endpoint_url": aws.url}))

        done = ask(None, "check", "--probe", "--strict")
        equal(done.returncode, 0, done.stdout.decode() + done.stderr.decode())
        done = ask(None, "run", "--from", event, "--once", "--require-healthy")
        equal(done.returncode, 0, done.stderr.decode())
        for name in all_:
            done = ask(name, "run", "--from", event, "--once", "--require-healthy", "--log-format", "json")
            lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith(b"{")]
            equal((done.returncode, [(line["component"], line["code"]) for line in lines if line["level"] == "ERROR"]),
                  (69, [(f"sink.{name}", "W0314")]), done.stderr.decode())
            holds(b"weir: not every sink can be reached; nothing was started" in done.stderr, done.stderr)
            holds(b"secret" not in done.stderr, "a webhook's path is a secret")
            equal(ask(name, "check", "--probe").returncode, 1, name)
        equal((aws.signature_problems, aws.kinesis, aws.events, hook.requests), ([], [], [], []), "nothing is written")
        equal([f.events + f.queue for f in aws.functions.values()], [[], []], "nothing is invoked")


@test
def a_sink_is_asked_after_at_its_own_endpoint():
    with contextlib.closing(aws_server.AwsServer(tables={"There": ("id",)}, queues=["orders"])) as aws, \
            contextlib.closing(aws_server.AwsServer()) as usual, folder() as path:
        cfg = config(path, {"replica": {"plugin": "dynamodb", "config": {"table": "There", "endpoint": aws.url}},
                            "queue": {"plugin": "sqs", "config": {"queue_url": aws.queue_url("orders")}}},
                     aws={"endpoint_url": usual.url})
        done = weir("check", "--probe", "-c", cfg)
        equal((done.returncode, aws.calls, usual.calls), (0, {"DescribeTable": 1, "GetQueueUrl": 1}, {}),
              done.stdout.decode() + done.stderr.decode())


@test
def without_credentials_endpoint_or_region_nothing_else_is_asked():
    with Case() as case, folder() as path:
        none = {"AWS_ACCESS_KEY_ID": None, "HOME": path}
        found = case.fails(path, env=none)
        equal((list(found), case.aws.calls), (["credentials"], {}))
        holds("AWS_ACCESS_KEY_ID" in found["credentials"][1], f"{found}")
        (path / ".aws").mkdir()
        (path / ".aws" / "credentials").write_text(
            f"[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {CANARY}\n")
        code, said = case.doctor(path, env=none)
        holds(code == 1 and 'by the provider "profile"' in said and CANARY not in said, said)
        case.aws.signature_problems.clear()
        found = case.fails(path, url=f"http://127.0.0.1:{free_port()}")
        equal(list(found), ["endpoint"])
        found = case.fails(path, env={"AWS_REGION": None})
        holds("AWS_REGION" in found["region"][2], f"{found}")


watchdog(110)
main()

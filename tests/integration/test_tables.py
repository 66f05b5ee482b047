#!/usr/bin/env python3
"""The tables of keys and options as the only source: parser, schema and what is shown agree with them, both ways."""
import json
import re

from harness import DATA, ROOT, config, equal, folder, holds, main, test, watchdog, weir
from jsonschema import Draft202012Validator

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*|/\*.*?\*/)*[}\]])', re.S)
BASE = {"sinks": {"console": {"plugin": "stdout"}}}
# What no schema can say: names that are there twice, what depends on other values, plugins or the machine.
STRUCTURE = {"W0101", "W0104", "W0107"}


def jsonc(text):
    """A configuration as Python reads it: without comments and trailing commas."""
    return json.loads(TOKEN.sub(lambda m: m.group() if m.group()[0] == '"' else "", text))


def schema(*arguments):
    done = weir("config", "schema", *arguments, cwd="/")
    equal(done.returncode, 0, done.stderr.decode())
    return json.loads(done.stdout)


def check(path, **env):
    return json.loads(weir("check", "--json", path, cwd=DATA / "config", env=env).stdout)


def sections(definition, defs, prefix=""):
    """(path, schema) of every key, as it is written in a config."""
    for name, value in definition.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, value
        yield from sections(value, defs, f"{path}.")
        items = value.get("items", {})
        for below in [value.get("additionalProperties") or {}, items, *value.get("anyOf", [])]:
            if not isinstance(below, dict) or "$ref" not in below or "interpol" in below["$ref"]:
                continue
            step = "NAME." if below is value.get("additionalProperties") else "0." if below is items else ""
            yield from sections(defs[below["$ref"].split("/")[-1]], defs, f"{path}.{step}")


def table_names():
    """Every key that the tables of core/config name."""
    names = set()
    for file in ("keys.c", "special.c", "tests.c"):
        names |= set(re.findall(r'\.name = "([^"]+)"', (ROOT / "core/config" / file).read_text()))
    return names


def example(value, defs):
    """A value that the schema allows."""
    if "$ref" in value:
        return example(defs[value["$ref"].split("/")[-1]], defs)
    if "default" in value:
        return value["default"]
    if "anyOf" in value:
        return example(value["anyOf"][0], defs)
    if "enum" in value:
        return value["enum"][0]
    if "pattern" in value:
        return {"^[0-9]+(ms": "1m", "^[0-9]+(B|": "8MiB", "^[0-9]{4}-": "2026-01-15T10:00:00Z"}.get(
            value["pattern"][:10], "a")
    if value.get("type") == "object":
        return {name: example(value["properties"][name], defs) for name in value.get("required", [])}
    if value.get("type") == "array":
        return [example(value["items"], defs)]
    if value.get("type") == "integer":
        return value.get("minimum", 1)
    return "a" * max(1, value.get("minLength", 1))


@test
def the_schema_is_one_and_agrees_with_check():
    whole = schema()
    Draft202012Validator.check_schema(whole)
    validator, accepted, refused = Draft202012Validator(whole), 0, 0
    files = sorted((DATA / "config").glob("*.json")) + sorted((ROOT / "examples").glob("*.json"))
    for file in files:
        try:
            value = jsonc(file.read_bytes().decode())
        except ValueError:
            continue  # a syntax error, or bytes that are no text
        problems = check(file, BATCH="many", ORDERS_QUEUE_URL="https://sqs.us-east-1.amazonaws.com/1/q",
                         DLQ_URL="https://sqs.us-east-1.amazonaws.com/1/d")
        codes = {p["code"] for p in problems["problems"] if p["severity"] == "error"}
        found = [e.message for e in validator.iter_errors(value)]
        if not codes:
            holds(not found, f"{file.name}: check accepts it, the schema says {found}")
            accepted += 1
        elif codes & STRUCTURE:
            # what an interpolation stands for, and the 30th of February, are not the schema's to know
            holds(found or "${" in file.read_text() or file.stem == "starting-timestamp", f"{file.name}: check says {codes}, the schema accepts it")
            refused += 1
    holds(accepted >= 4 and refused >= 10, f"{accepted} accepted, {refused} refused: too few to mean anything")


@test
def each_key_of_the_tables_is_accepted_and_in_the_schema():
    whole = schema()
    listed = dict(sections(whole, whole["$defs"]))
    equal({p.split(".")[-1] for p in listed}, table_names(), "keys of the schema and of the tables")
    with folder() as path:
        for key, value in listed.items():
            *parents, last = key.split(".")
            for name, wanted in ((last, False), (f"{last}_q", True)):
                tree = json.loads(json.dumps(BASE))
                at = tree
                for parent in parents:
                    parent = "console" if parent == "NAME" else parent
                    if parent == "0":
                        at.append({})
                        at = at[0]
                    else:
                        fresh = [] if parent in ("tests",) else {}
                        if parent in ("on_exhausted", "on_poison"):
                            fresh = {"to": "console"}
                        at = at.setdefault(parent, fresh)
                at[name] = example(value, whole["$defs"])
                (path / "weir.json").write_text(json.dumps(tree))
                problems = check(path / "weir.json")["problems"]
                unknown = [p for p in problems if p["code"] == "W0101" and f'"{name}"' in p["message"]]
                holds(bool(unknown) == wanted, f"{key} as {name}: {problems}")


@test
def each_key_that_the_parser_reads_is_in_the_tables():
    names, read = table_names(), 0
    for file in [*(ROOT / "core/config").glob("*.c"), ROOT / "core/cli/config_test.c", ROOT / "core/cli/pipeline.c"]:
        for name in re.findall(r'(?:json_member0|json_text|value_at|place_of)\((?:[^()"]|\([^()]*\))*"([^"]+)"',
                               file.read_text()):
            holds(name in names, f"{file.name} reads \"{name}\", which no table has")
            read += 1
    holds(read > 20, f"only {read} reads were found: this test looks for the wrong words")


@test
def each_option_of_a_plugin_is_in_its_table_and_read():
    for name in ("pricehistory", "stdout", "sqs"):
        info = json.loads(weir("plugin", "info", name, "--json", cwd="/").stdout)
        table = {o["name"] for o in info["options"]}
        files = [*(ROOT / "plugins" / name).glob("*.c"), *(ROOT / "plugins/shared").glob("*.[ch]"),
                 *(ROOT / "core/plugin").glob("*envelope.c")]  # which reads raw and template for them
        source = "".join(f.read_text() for f in files)
        body = re.sub(r"static const weir_option options\[\] = \{.*?\n\};", "", source, flags=re.S)
        for option in table:
            holds(f'"{option}"' in body, f"{name}: nobody reads its option {option}")
        own = "".join(f.read_text() for f in (ROOT / "plugins" / name).glob("*.c"))
        read = set(re.findall(r'option_(?:str|i64)\([^,]+, "([^"]+)"', own))
        holds(read <= table, f"{name} reads {read - table}, which its table has not")
        properties = schema()["$defs"][f"plugin.{name}"]["properties"]
        equal(set(properties), table, f"{name}: options in the schema")


@test
def what_is_shown_has_origins_and_no_secret():
    canary = "canary-7f3a"
    with folder() as path:
        (path / "secret").write_text(canary)
        cfg = config(path, {"o": {"plugin": "options", "config": {"table": "x", "key": "${file:secret}"}},
                            "c": {"plugin": "stdout", "enabled": "${ON}", "x-note": "mine"}},
                     aws={"region": "${REGION:-eu-west-1}", "profile": "${MY_TOKEN}"})
        env = {"ON": "true", "MY_TOKEN": canary}
        done = weir("config", "show", "-c", cfg, "--set", "name=mine", "--json", env=env)
        equal(done.returncode, 0, done.stderr.decode())
        shown = json.loads(done.stdout)
        equal(shown["config"]["aws"], {"region": "eu-west-1", "profile": "***", "allow_http": False})
        equal(shown["config"]["sinks"]["c"]["enabled"], True)
        equal(shown["config"]["name"], "mine")
        equal(shown["origins"]["name"], "command line")
        equal(shown["origins"]["limits.in_flight"], "default")
        equal(re.sub(r":\d+:\d+", ":L:C", shown["origins"]["aws.region"]), f'{cfg}:L:C, "${{REGION:-eu-west-1}}"')
        text = weir("config", "show", "-c", cfg, env=env).stdout.decode()
        holds(canary not in text and canary not in done.stdout.decode(), "the canary is shown")
        again = path / "again.json"
        again.write_text(text.replace('"***"', '"${MY_TOKEN}"'))
        second = json.loads(weir("config", "show", "-c", again, "--json", env=env).stdout)["config"]
        first = json.loads(weir("config", "show", "-c", cfg, "--json", env=env).stdout)["config"]
        equal(second, first, "what was shown, read again")


@test
def the_graph_shows_where_records_go():
    with folder() as path:
        cfg = config(path, {"a": {"plugin": "stdout", "match": {"events": ["INSERT"]}, "on_exhausted": {"to": "b"}},
                            "b": {"plugin": "stdout", "only_from": ["a"], "on_exhausted": "block"},
                            "c": {"plugin": "stdout", "on_exhausted": "drop"}})
        graph = json.loads(weir("config", "graph", "-c", cfg, "--json").stdout)
        equal([n["id"] for n in graph["nodes"]], ["source", "sink.a", "sink.b", "sink.c", "drop"])
        equal([(e["from"], e["to"], e["kind"], e["text"]) for e in graph["edges"]],
              [("source", "sink.a", "match", "INSERT"), ("sink.a", "sink.b", "dead", "given up"),
               ("source", "sink.c", "match", "everything"), ("sink.c", "drop", "dead", "given up")])
        dot = weir("config", "graph", "-c", cfg).stdout.decode()
        holds(dot.startswith("digraph weir {") and '"sink.a" -> "sink.b" [label="given up", style=dashed];' in dot, dot)


@test
def a_starter_passes_its_own_check_and_tests():
    for sinks in ("stdout", "pricehistory", "stdout,pricehistory", "options"):
        with folder() as path:
            # the plugins of the tests are beside the bundled ones only by --set
            done = weir("config", "init", "--sinks", sinks, cwd=path)
            if sinks == "options":
                equal(done.returncode, 2)
                continue
            equal(done.returncode, 0, done.stderr.decode())
            (path / "weir.json").write_bytes(done.stdout)
            checked = weir("check", "--strict", cwd=path)
            equal(checked.returncode, 0, checked.stderr.decode())
            holds(b"0 warnings" in checked.stdout, checked.stdout)
            tested = weir("test", cwd=path)
            equal((tested.returncode, tested.stdout.splitlines()[-1]), (0, b"2 passed, 0 failed"))
            Draft202012Validator(schema()).validate(jsonc(done.stdout.decode()))
    done = weir("config", "init", "--sinks", "sdtout")
    equal((done.returncode, done.stderr), (2, b'weir: no plugin named "sdtout". Did you mean "stdout"?\n'))


def explain(cfg, records, *arguments):
    done = weir("explain", "-c", cfg, *arguments, stdin=json.dumps(records).encode())
    return done.returncode, done.stdout.decode()


def record(event, old=None, new=None):
    images = {"OldImage": old, "NewImage": new}
    return {"eventName": event, "eventID": "e", "dynamodb": {
        "Keys": {"id": {"S": "k"}}, "SequenceNumber": "100", "ApproximateCreationDateTime": 1768471200,
        **{k: v for k, v in images.items() if v is not None}}, "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/T/stream/x"}


@test
def explain_names_the_first_condition_that_failed():
    price = lambda n: {"price": {"N": n}, "offers": {"L": [{"M": {"cents": {"N": n}}}]}}  # noqa: E731
    deep = {"events": ["MODIFY"], "changed": ["offers[0].cents"]}
    rows = [
        ({"events": ["MODIFY"]}, record("INSERT", None, price("1")), "event", "no match: INSERT, wants MODIFY", []),
        (deep, record("MODIFY", price("1"), price("1.0")), "changed",
         "no match: offers[0].cents is 1 before and 1.0 after",
         [{"path": "offers[0].cents", "old": {"N": "1"}, "new": {"N": "1.0"}}]),
        (deep, record("MODIFY", price("1"), price("2")), None, "MATCH (MODIFY, offers[0].cents 1 -> 2)",
         [{"path": "offers[0].cents", "old": {"N": "1"}, "new": {"N": "2"}}]),
        (deep, record("MODIFY", None, price("2")), "images",
         "FAIL: the record has no OldImage, which this sink needs: see the stream's view type", []),
        ({"present": ["x"]}, record("MODIFY", price("1"), price("2")), "present", "no match: neither image has x",
         [{"path": "x", "old": None, "new": None}]),
        ({"ttl": "only"}, record("REMOVE", price("1")), "ttl", "no match: not a TTL delete", []),
        ({"filter": {"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"price": {"N": ["12"]}}}}},
         record("MODIFY", price("1"), price("2")), "filter",
         'no match: the filter at dynamodb.NewImage.price.N does not allow "2"',
         [{"path": "dynamodb.NewImage.price.N", "values": ["2"]}]),
        ({"filter": {"dynamodb": {"NewImage": {"gone": {"S": [{"exists": True}]}}}}},
         record("MODIFY", price("1"), price("2")), "filter",
         "no match: the filter at dynamodb.NewImage.gone.S wants a value, there is none",
         [{"path": "dynamodb.NewImage.gone.S", "values": []}]),
    ]
    with folder() as path:
        for match, one, condition, line, compared in rows:
            cfg = config(path, {"s": {"plugin": "stdout", "match": match}})
            equal(explain(cfg, {"Records": [one]}), (0, f"s: {line}\n"))
            said = json.loads(explain(cfg, {"Records": [one]}, "--json")[1])["sinks"][0]
            equal((said["condition"], said["text"], said["compared"], said["matched"]),
                  (condition, line, compared, condition is None))


@test
def tests_take_plain_and_typed_values_with_exact_digits():
    long = "12345678901234567890.123456789012345678"
    cases = [
        ({"old": {"price": "@"}, "new": {"price": {"N": long + "0"}}}, 0),   # the digits, not a double
        ({"old": {"price": "@"}, "new": {"price": {"S": long}}}, 1),         # another type
        ({"old": {"a": {"b": [1, {"c": True}]}, "price": 1},
          "new": {"a": {"M": {"b": {"L": [{"N": "1.0"}, {"M": {"c": {"BOOL": True}}}]}}}, "price": 1}}, 0),
        ({"old": {"price": None}, "new": {"price": {"NULL": True}}}, 0),
        ({"old": {"price": {"S": 5}}, "new": {"price": {"S": 6}}}, 1),       # no typed value: a map with the key S
        ([{"old": {"price": 1}, "new": {"price": 2}}, {"new": {"price": 2}}], 1),
        ({"record": record("MODIFY", {"price": {"N": "1"}}, {"price": {"N": "2"}})}, 1),
        ({"old": {"price": 1}, "ttl": True}, 0),
    ]
    tests = [{"name": f"case {i}", "input": given, "expect": {"sinks": {"s": wanted}}}
             for i, (given, wanted) in enumerate(cases)]
    with folder() as path:
        cfg = config(path, {"s": {"plugin": "stdout", "match": {"events": ["MODIFY"], "changed": ["price", "a"]}}},
                     tests=tests)
        cfg.write_text(cfg.read_text().replace('"@"', long))
        done = weir("test", cfg)
        equal((done.returncode, done.stdout.decode().splitlines()[-1]), (0, "8 passed, 0 failed"), done.stdout.decode())


@test
def a_failing_test_says_why_in_every_form():
    with folder() as path:
        cfg = config(path, {"s": {"plugin": "stdout", "match": {"changed": ["price"]}}}, tests=[
            {"name": "good <&>", "input": {"old": {"price": 1}, "new": {"price": 2}}, "expect": {"sinks": {"s": 1}}},
            {"name": "bad", "input": {"old": {"price": 1}, "new": {"price": 1.0}}, "expect": {"sinks": {"s": 1}}}])
        done = weir("test", cfg, "--junit", path / "j.xml")
        equal((done.returncode, done.stdout.decode()), (1, "ok    good <&>\nFAIL  bad\n      s: wants 1 record, gets 0\n"
              "        no match: price is 1 before and 1.0 after\n1 passed, 1 failed\n"))
        import xml.etree.ElementTree as xml
        suite = xml.parse(path / "j.xml").getroot()
        equal((suite.get("tests"), suite.get("failures"), suite[0].get("name")), ("2", "1", "good <&>"))
        holds("gets 0" in suite[1][0].get("message"), "the reason is in the report")
        equal(weir("test", cfg, "--tap").stdout.decode(), "TAP version 13\nok 1 - good <&>\nnot ok 2 - bad\n"
              "# s: wants 1 record, gets 0\n#   no match: price is 1 before and 1.0 after\n1..2\n")
        said = json.loads(weir("test", cfg, "--json").stdout)
        equal((said["passed"], said["failed"], [t["ok"] for t in said["tests"]]), (1, 1, [True, False]))
        equal(weir("test", cfg, "--filter", "good").returncode, 0)
        equal(weir("test", cfg, "--filter", "none").returncode, 1)


@test
def the_tap_shows_a_file_with_and_without_a_configuration():
    old = {"product_id": {"S": "p1"}, "price": {"N": "10"}, "ssn": {"S": "canary"}}
    new = {**old, "price": {"N": "12.5"}, "ssn": {"S": "canary2"}}
    changed = record("MODIFY", old, new)
    changed["dynamodb"]["ApproximateCreationDateTime"] = 1700000000.031
    gone = record("REMOVE", old)
    lines = "".join(json.dumps(one) + "\n" for one in (changed, gone)).encode()
    with folder() as path:
        plain = weir("tap", "--from", "-", "--event", "MODIFY", stdin=lines, cwd=path)
        equal((plain.returncode, plain.stdout.decode()), (0, "22:13:20.031  MODIFY  id=k              "
              "price 10 -> 12.5   +2.5  ssn canary -> canary2\n"))
        (path / "r.jsonl").write_bytes(lines)
        cfg = config(path, {"price": {"plugin": "stdout", "match": {"events": ["MODIFY"]}}}, log={"redact": ["ssn"]})
        shown = weir("tap", "-c", cfg, "--from", path / "r.jsonl").stdout.decode().splitlines()
        equal(shown[0], "22:13:20.031  MODIFY  id=k              price 10 -> 12.5   +2.5  ssn *** -> ***  price match")
        holds(re.fullmatch(r".{14}REMOVE  id=k +price -", shown[1]), f"{shown}")
        said = [json.loads(line) for line in weir("tap", "-c", cfg, "--from", "-", "--json", stdin=lines).stdout.splitlines()]
        equal([(one["event"], one["at"], one["sinks"][0]["outcome"]) for one in said],
              [("MODIFY", "2023-11-14T22:13:20.031Z", "match"), ("REMOVE", said[1]["at"], "-")])
        equal(said[0]["changes"], [{"name": "price", "old": "10", "new": "12.5", "delta": "+2.5"},
                                   {"name": "ssn", "old": "***", "new": "***"}])
        equal(len(weir("tap", "-c", cfg, "--from", "-", "--sink", "price", stdin=lines).stdout.splitlines()), 1)
        equal(len(weir("tap", "-c", cfg, "--from", "-", "--count", "1", stdin=lines).stdout.splitlines()), 1)
        refused = weir("tap", "-c", cfg, "--from", "-", "--sink", "none", stdin=lines)
        equal((refused.returncode, refused.stderr), (1, b'weir: no sink "none" is enabled\n'))
        bad = weir("tap", "-c", path / "none.json", "--from", "-", stdin=lines)
        equal((bad.returncode, bad.stdout), (78, b""))
        broken = lines + b'{"eventName":"MODIFY","dynamodb":{"Keys":{"a":{"N":true}}}}\n'
        poison = weir("tap", "--from", "-", stdin=broken, cwd=path, env={"WEIR_CONFIG": cfg})
        holds(poison.returncode == 1 and b"record 3 can't be decoded" in poison.stderr, f"{poison}")
        equal(len(poison.stdout.splitlines()), 2)


@test
def the_bench_goes_through_each_sink_of_a_configuration():
    with folder() as path:
        cfg = config(path, {
            "price": {"plugin": "pricehistory", "config": {"store": "sqlite", "path": "h.db"}},
            "file": {"plugin": "file", "config": {"path": "records.jsonl"}},
            "out": {"plugin": "stdout"},
            "off": {"plugin": "stdout", "enabled": False},
            "program": {"plugin": "exec", "config": {"program": "/bin/cat"}},
            "hook": {"plugin": "http", "config": {"url": "http://127.0.0.1:1/"}}})
        done = weir("bench", "-c", cfg, "--records", "300", "--json", cwd=path)
        equal((done.returncode, done.stderr), (0, b"weir: program is left out: it would start or change something\n"))
        found = [json.loads(line) for line in done.stdout.splitlines()]
        equal([(f["sink"], f["plugin"], f["records"], f["not_ok"]) for f in found], [
            ("price", "pricehistory", 300, 0), ("file", "file", 300, 0), ("out", "stdout", 300, 0), ("hook", "http", 300, 0)])
        holds(all(f["given"] > 50 and 0 < f["p50_ns"] <= f["p99_ns"] for f in found), f"{found}")
        equal([f["calls"] for f in found], [0, 0, 0, 300])
        equal(list(path.iterdir()), [cfg], "nothing is written beside it")
        text = weir("bench", "-c", cfg, "--records", "300", "-q", cwd=path)
        holds(re.match(rb"price: pricehistory: 300 records, \d+ given, \d+ ns a record \(p50 \d+, p99 \d+\), \d+ records/s\n",
                       text.stdout), text.stdout)
        equal((text.stderr, weir("bench", "--options", "{}").returncode), (b"", 2))


@test
def the_plan_counts_the_calls_of_every_bundled_sink():
    queue = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
    rows = [  # plugin, its options; calls a day for a million records, dollars
        ("pricehistory", {"table": "Table"}, 40000, 0.625), ("dynamodb", {"table": "T"}, 1000000, 0.625),
        ("sqs", {"queue_url": queue}, 100000, 0.04), ("kinesis", {"stream": "s"}, 2000, 0.014),
        ("eventbridge", {}, 100000, 1.0), ("http", {"url": "https://example.org/"}, 1000000, 0.0),
        ("sns", {"topic_arn": "arn:aws:sns:us-east-1:123456789012:t"}, 100000, 0.05),
        ("lambda", {"function": "f"}, 10000, 0.002),
        ("file", {"path": "f"}, None, None), ("stdout", {}, None, None), ("exec", {"program": "/bin/cat"}, None, None),
        ("kafka", {"brokers": "127.0.0.1:9092", "topic": "t"}, None, None)]
    bundled = {p["name"] for p in json.loads(weir("plugin", "list", "--json").stdout) if (ROOT / "plugins" / p["name"]).is_dir()}
    with folder() as path:
        for plugin, options, per_day, usd in rows:
            if plugin not in bundled:
                continue
            cfg = config(path, {"one": {"plugin": plugin, "config": options}}, source={"kind": "file", "path": "-"})
            done = weir("plan", "-c", cfg, "--json", "--records-per-day", "1000000")
            equal(done.returncode, 0, done.stderr.decode())
            plan = json.loads(done.stdout)
            equal([(c["operation"], c["per_day"], c["usd_per_day"]) for c in plan["calls"]],
                  [("one", per_day, usd)] if per_day else [], plugin)
            bundled.remove(plugin)
        equal(plan["prices"], "us-east-1, November 2026, on demand")
    equal(bundled, set(), "bundled sinks without a row here")


@test
def the_plan_has_policy_calls_and_guarantees():
    with folder() as path:
        cfg = config(path, {
            "price": {"plugin": "pricehistory", "allow_loop": True, "config": {"table": "Products"}, "on_exhausted": {"to": "dlq"}},
            "dlq": {"plugin": "sqs", "only_from": ["price"],
                    "config": {"queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/q"}},
            "out": {"plugin": "stdout", "required": False}},
            source={"kind": "poll", "tables": ["Products"], "idle_poll": "2s"})
        done = weir("plan", "-c", cfg, "--json", "--records-per-day", "1000000", "--shards", "2")
        equal(done.returncode, 0, done.stderr.decode())
        plan = json.loads(done.stdout)
        equal([(s["sink"], s["repeats"], s["required"], s["given_up"]) for s in plan["sinks"]],
              [("price", "once", True, "dlq"), ("dlq", "keyed", True, "dead"), ("out", "twice", False, "dead")])
        equal(plan["loops"], ["price"])
        equal([(c["operation"], c["per_day"], c["usd_per_day"]) for c in plan["calls"]],
              [("GetRecords", 86400, 0.0173), ("price", 40000, 0.625)])
        actions = {a: s["Resource"] for s in plan["policy"]["Statement"] for a in s["Action"]}
        equal(actions["dynamodb:BatchWriteItem"], "arn:aws:dynamodb:*:*:table/Products")
        equal(actions["dynamodb:GetRecords"], "arn:aws:dynamodb:*:*:table/Products/stream/*")
        holds(any(a.startswith("sqs:SendMessage") for a in actions), actions)
        text = weir("plan", "-c", cfg).stdout.decode()
        holds("price: effectively once" in text and "writes to the table it reads" in text, text)


watchdog(280)
main()

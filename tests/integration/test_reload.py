#!/usr/bin/env python3
"""Another configuration for a daemon that runs: all of it or nothing, and no record lost or doubled by it."""
import copy
import json
import os
import random
import re
import signal
import subprocess
from pathlib import Path

from harness import WEIR, environment, equal, folder, holds, main, start, test, until, watchdog
from fakes import aws_server
from polling import LINES, Daemon, Fake, identity, judge_lines, judge_rows, price_sink, records

RELOADS = int(os.environ.get("RELOADS", "100"))


class Case:
    """The fake and a daemon on it, both ended with the block."""

    def __init__(self, sinks=None, **more):
        self.sinks, self.more = sinks or {"price": price_sink(), "lines": LINES}, more

    def __enter__(self):
        self.fake_context, self.folder = Fake(), folder()
        self.fake, self.path = self.fake_context.__enter__(), self.folder.__enter__()
        self.aws, self.stream = self.fake.aws, self.fake.stream
        self.weir = Daemon(self.path, self.fake.url, self.sinks, **self.more)
        return self

    def __exit__(self, *error):
        self.weir.__exit__(*error)
        self.folder.__exit__(*error)
        self.fake_context.__exit__(*error)

    def send(self, number):
        self.weir.process.send_signal(number)

    def status(self):
        """(reloads that succeeded, refused), as USR1 has them written."""
        seen = self.weir.log().count("bytes under way")
        self.send(signal.SIGUSR1)
        self.weir.until(lambda: self.weir.log().count("bytes under way") > seen, 10, "a status in the log")
        last = re.findall(r"reloads (\d+), refused (\d+)", self.weir.log())[-1]
        return int(last[0]), int(last[1])

    def write(self, text):
        """As editors do it: beside, then renamed."""
        beside = self.weir.config.with_suffix(".new")
        beside.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
        beside.rename(self.weir.config)

    def reload(self, text):
        """(succeeded, refused) by this one."""
        before = self.status()
        self.write(text)
        self.send(signal.SIGHUP)
        until(lambda: sum(self.status()) > sum(before), 40, "the outcome of a reload")
        after = self.status()
        return after[0] - before[0], after[1] - before[1]

    @staticmethod
    def socket():
        return str(Path(environment()["XDG_RUNTIME_DIR"]) / "weir" / "prices.sock")

    def changed(self, **sinks):
        config = copy.deepcopy(self.weir.value)
        for name, values in sinks.items():
            config["sinks"][name].update(values)
        return config

    def delivered(self, expected, seconds=20):
        wanted = {identity(one) for one in expected}
        self.weir.until(lambda: self.fake.rows() >= len(wanted) and wanted <= set(self.weir.lines()), seconds,
                        f"all {len(wanted)} records are delivered")

    def errors(self, code):
        return [json.loads(line) for line in self.weir.log().splitlines() if f'"{code}"' in line]


@test
def HUP_with_a_broken_file_keeps_what_runs():
    broken = {
        "syntax": lambda text: text.replace('"sinks"', '"sinks" "x"', 1),
        "key": lambda text: text.replace('"retry"', '"rety"', 1),
        "plugin": lambda text: text.replace('"table": "PriceHistory"', '"tabel": "PriceHistory"', 1),
    }
    with Case() as case:
        shard = case.stream.shard(records=records(0, 10))
        case.weir.start()
        case.delivered(records(0, 10))
        text = case.weir.config.read_text()
        for count, (what, breaks) in enumerate(broken.items(), 1):
            equal(case.reload(breaks(text)), (0, 1), f"a file with a wrong {what}: succeeded, refused")
            lines = case.errors("W1211")
            equal(len(lines), count, "errors of reloads in the log")
            holds(re.match(r".*prices\.json:\d+:\d+: W0\d+ .*; the running configuration was kept$",
                           lines[-1]["message"]), f"place and outcome are named: {lines[-1]['message']}")
            equal(lines[-1]["level"], "ERROR", "its level")
        shard.add(*records(10, 10))
        case.delivered(records(0, 20))
        judge_rows(case.aws, records(0, 20))
        equal(case.reload(text), (1, 0), "the file as it was: succeeded, refused")
        equal(case.weir.term(), 0, "exit code after TERM")


@test
def what_needs_a_restart_is_refused_as_a_whole():
    def change(config, path, value):
        at = config
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value
        config["sinks"]["lines"]["match"] = {"events": ["REMOVE"]}
        return config

    rows = [(("source", "batch_size"), 7, "source.batch_size"), (("state", "every"), "9s", "state.every"),
            (("aws", "region"), "eu-central-1", "aws.region"), (("name",), "other", "name")]
    with Case() as case:
        shard = case.stream.shard(records=records(0, 5))
        case.weir.start()
        case.delivered(records(0, 5))
        for path, value, named in rows:
            equal(case.reload(change(case.changed(), path, value)), (0, 1), f"{named}: succeeded, refused")
            message = case.errors("W1212")[-1]["message"]
            holds(named in message and message.endswith("restart needed; the running configuration was kept"),
                  f"what and why is named: {message}")
        explicit = case.changed()
        explicit["source"]["batch_size"] = 100  # the default
        equal(case.reload(explicit), (1, 0), "a default that is written out: succeeded, refused")
        shard.add(*records(5, 5))
        case.delivered(records(0, 10))  # lines still gets everything
        equal(case.weir.term(), 0, "exit code after TERM")


@test
def a_sink_that_is_removed_or_disabled_holds_nothing_any_more():
    """late can't store anything, and goes; so does lines, later. After a restart both go on where they were."""
    for how in ("removed", "disabled"):
        sinks = {"price": price_sink(on_exhausted="block", order="shard"), "lines": LINES,
                 "late": {**price_sink(), "config": {"table": "Missing", "announce": False}, "on_exhausted": "block"}}
        with Case(sinks) as case:
            shard = case.stream.shard(records=records(0, 10))
            case.weir.start()
            case.delivered(records(0, 10))
            config = case.changed()
            if how == "removed":
                del config["sinks"]["late"]
            else:
                config["sinks"]["late"]["enabled"] = False
            equal(case.reload(config), (1, 0), f"{how}: succeeded, refused")
            holds("in force; removed: late" in case.errors("W1210")[-1]["message"], "what was removed is named")
            shard.add(*records(10, 20))
            case.delivered(records(0, 30))
            holds("sink.late" not in case.weir.log().split("in force; removed: late")[1], "it says nothing any more")
            again = json.loads(json.dumps(config))
            again["sinks"]["lines"]["batch_records"] = 3
            equal(case.reload(again), (1, 0), "another one beside the empty place: succeeded, refused")
            only = json.loads(json.dumps(config))
            del only["sinks"]["lines"]
            equal(case.reload(only), (1, 0), "a second one removed: succeeded, refused")
            shard.add(*records(30, 10))
            case.weir.until(lambda: case.fake.rows() == 40, 20, "price goes on alone")
            equal(case.weir.term(), 0, "exit code after TERM")
            judge_rows(case.aws, records(0, 40))
            equal(len(case.weir.lines()), 30, "lines got nothing after it went")
            case.weir.write(case.changed(late={"config": {"table": "PriceHistory", "announce": False}}))
            shard.add(*records(40, 5))
            case.weir.start()  # lines goes on from its own position, and so does the one that came back
            case.weir.until(lambda: case.fake.rows() == 45, 20, "price goes on after the restart")
            case.weir.until(lambda: {identity(one) for one in records(30, 15)} <= set(case.weir.lines(2)), 20,
                            "lines gets what it has not got")
            equal(case.weir.term(), 0, "exit code after TERM")
            equal(sorted(case.weir.lines(2)), sorted(identity(one) for one in records(30, 15)), "and nothing else")


@test
def a_sink_that_comes_or_comes_back_gets_what_it_lacks():
    """more is new and begins at the horizon; lines goes and comes back; neither needs a restart."""
    table = "PriceHistoryMore"
    with Case() as case:
        case.aws.tables[table] = aws_server.Table(("product_id", "timestamp"))
        shard = case.stream.shard(records=records(0, 10))
        case.weir.start()
        case.delivered(records(0, 10))
        config = case.changed()
        config["sinks"]["more"] = price_sink()
        config["sinks"]["more"]["config"]["table"] = table
        equal(case.reload(config), (1, 0), "more comes: succeeded, refused")
        holds("in force; added: more" in case.errors("W1210")[-1]["message"], "what was added is named")
        case.weir.until(lambda: len(case.aws.tables[table].items) == 10, 20, "it has what was there before")
        del config["sinks"]["lines"]
        equal(case.reload(config), (1, 0), "lines goes: succeeded, refused")
        shard.add(*records(10, 10))
        case.weir.until(lambda: case.fake.rows() == 20 and len(case.aws.tables[table].items) == 20, 20, "both have all")
        equal(len(case.weir.lines()), 10, "lines got nothing after it went")
        config["sinks"]["lines"] = case.changed()["sinks"]["lines"]
        equal(case.reload(config), (1, 0), "lines comes back: succeeded, refused")
        shard.add(*records(20, 10))
        case.delivered(records(0, 30))
        config["sinks"]["more"]["enabled"] = False
        config["sinks"]["lines"]["plugin"] = "noop"
        del config["sinks"]["lines"]["config"]
        equal(case.reload(config), (1, 0), "another plugin of a sink: succeeded, refused")
        shard.add(*records(30, 10))
        case.weir.until(lambda: case.fake.rows() == 40, 20, "price goes on")
        equal(case.weir.term(), 0, "exit code after TERM")
        judge_rows(case.aws, records(0, 40))
        equal(sorted(case.weir.lines()), sorted(identity(one) for one in records(0, 30)), "each line once")
        equal(len(case.aws.tables[table].items), 30, "more got nothing after it was disabled")


@test
def another_match_and_other_options_hold_from_the_next_batch_on():
    with Case() as case:
        shard = case.stream.shard(records=records(0, 10))
        case.weir.start()
        case.delivered(records(0, 10))
        equal(case.reload(case.changed(lines={"match": {"events": ["REMOVE"]}}, price={"required": False})), (1, 0),
              "succeeded, refused")
        shard.add(*records(10, 10))
        case.weir.until(lambda: case.fake.rows() == 20, 20, "price goes on")
        equal(case.reload(case.changed(lines={"config": {"format": "pretty"}})), (1, 0), "succeeded, refused")
        shard.add(*records(20, 1))
        case.weir.until(lambda: "MODIFY  " in case.weir.out_path().read_text(), 20, "lines are of the new format")
        case.weir.until(lambda: case.fake.rows() == 21, 20, "price has the last one")
        judge_rows(case.aws, records(0, 21))
        equal(case.weir.term(), 0, "exit code after TERM")


@test
def reloads_good_and_bad_under_load_lose_and_double_nothing():
    """Records come all the time; lines and two more come and go, removed or disabled; what each sink got in the
    end is judged, in its order."""
    chance = random.Random(7)
    tables = {"more": "More", "most": "Most"}

    def with_more(config):
        for name, table in tables.items():
            config["sinks"][name] = price_sink()
            config["sinks"][name]["config"]["table"] = table
        return config

    def some_config(case):
        config = with_more(case.changed(
            price={"retry": {"base": f"{chance.randint(1, 9)}ms", "cap": "50ms"}, "required": chance.random() < 0.7,
                   "concurrency": chance.randint(1, 8), "batch_records": chance.choice([1, 7, 25])},
            lines={"order": chance.choice(["item", "shard"]), "batch_records": chance.choice([1, 3, 100])}))
        config["sinks"]["price"]["config"]["announce"] = chance.random() < 0.5
        for name in ("lines", *tables):
            how = chance.choice(["here", "here", "removed", "disabled"])
            if how == "removed":
                del config["sinks"][name]
            elif how == "disabled":
                config["sinks"][name]["enabled"] = False
        config["log"] = {"levels": {"sink.price": chance.choice(["warn", "info"])}}
        bad = chance.random() < 0.4
        if bad:
            config["sinks"]["price"][chance.choice(["bad", "plugin", "timeout"])] = -1
        return config, bad

    with Case(source={"batch_size": 20}) as case:
        case.aws.tables.update({table: aws_server.Table(("product_id", "timestamp")) for table in tables.values()})
        first = [i * 1000000 for i in range(3)]  # a number stands for one record of the stream
        begun = [records(first[i], 3, name=f"s{i}") for i in range(3)]
        shards = [case.stream.shard(records=some) for some in begun]
        expected = sum(begun, [])
        case.weir.start()
        case.delivered(expected)
        good = refused = came = went = 0
        here = {"price", "lines"}
        for n in range(RELOADS):
            i = n % 3
            more = records(first[i] + 3 + 4 * (n // 3), 4, name=f"s{i}")
            shards[i].add(*more)
            expected += more
            config, bad = some_config(case)
            outcome = case.reload(config)
            equal(outcome, (0, 1) if bad else (1, 0), f"reload {n}: succeeded, refused")
            good, refused = good + outcome[0], refused + outcome[1]
            if not bad:
                then, here = here, {name for name, sink in config["sinks"].items() if sink.get("enabled", True)}
                came, went = came + len(here - then), went + len(then - here)
        equal(case.status(), (good, refused), "reloads in all: succeeded, refused")
        equal(case.reload(with_more(case.changed())), (1, 0), "all of them come: succeeded, refused")
        case.delivered(expected, 60)
        for table in tables.values():
            case.weir.until(lambda: len(case.aws.tables[table].items) == len(expected), 60, f"{table} has all")
            judge_rows(case.aws, expected, table)
        equal(case.weir.term(), 0, "exit code after TERM")
        judge_rows(case.aws, expected)
        judge_lines(case.weir, expected)
        print(f"    {good} reloads, {came} sinks came, {went} went, {refused} refused, {len(expected)} records to each of "
              "four sinks")


@test
def watch_config_reloads_when_the_file_changes():
    with Case() as case:
        case.stream.shard(records=records(0, 5))
        case.weir.start("--watch-config")
        case.delivered(records(0, 5))
        case.write(case.changed(lines={"batch_records": 3}))
        until(lambda: case.status() == (1, 0), 20, "the file that was renamed into place is in force")
        case.weir.config.write_text("{")
        until(lambda: case.status() == (1, 1), 20, "a broken one is refused")
        case.weir.config.unlink()
        case.write(case.changed(lines={"batch_records": 4}))
        until(lambda: case.status() == (2, 1), 20, "the next one is in force")
        equal(case.weir.term(), 0, "exit code after TERM")


@test
def watch_config_sees_links_that_are_swapped_and_files_that_are_written_in_place():
    """As Kubernetes mounts a ConfigMap: the file is a link through ..data, which another link replaces."""
    with Case() as case:
        def publish(version, config):
            mounted = case.path / f"..{version}"
            mounted.mkdir()
            (mounted / "prices.json").write_text(json.dumps(config))
            (case.path / "..data_tmp").symlink_to(mounted.name)
            (case.path / "..data_tmp").rename(case.path / "..data")

        publish("v1", case.changed())
        case.weir.config.unlink()
        case.weir.config.symlink_to("..data/prices.json")
        case.stream.shard(records=records(0, 5))
        case.weir.start("--watch-config")
        case.delivered(records(0, 5))
        publish("v2", case.changed(lines={"batch_records": 3}))
        until(lambda: case.status() == (1, 0), 20, "what the swapped link leads to is in force")
        with open(case.path / "..v2" / "prices.json", "r+") as file:  # the same inode
            file.write(json.dumps(case.changed(lines={"batch_records": 4})))
            file.truncate()
        until(lambda: case.status() == (2, 0), 20, "what was written in place is in force")
        equal(case.weir.term(), 0, "exit code after TERM")


@test
def USR2_shows_everything_and_levels_of_components_hold():
    with Case() as case:
        case.stream.shard(records=records(0, 5))
        case.weir.start()
        case.delivered(records(0, 5))
        config = case.changed()
        config["log"] = {"level": "info", "levels": {"reload": "error"}}
        equal(case.reload(config), (1, 0), "succeeded, refused")
        equal(case.errors("W1210"), [], "what is said below the component's level")
        case.send(signal.SIGUSR2)
        case.weir.until(lambda: case.errors("W1220"), 10, "that everything is logged is said")
        equal(case.reload(case.changed()), (1, 0), "succeeded, refused")
        holds(case.errors("W1210"), "everything is logged for a while")
        holds('"DEBUG"' in case.weir.log(), "debug lines are written")
        equal(case.weir.term(), 0, "exit code after TERM")


@test
def weir_reload_tells_the_outcome():
    with Case() as case:
        case.stream.shard(records=records(0, 5))
        equal(case.weir.verb("reload")[0], 69, "exit code without a daemon")
        case.weir.start()
        case.delivered(records(0, 5))
        text = case.weir.config.read_text()
        socket = case.socket()
        case.write(case.changed(lines={"batch_records": 3}))
        code, said = case.weir.verb("reload")
        equal((code, said), (0, "the new configuration is in force; built anew: lines\n"), "exit code, text")
        equal(case.weir.verb("reload"), (0, "nothing that is in use differs\n"), "once more")
        case.write(text.replace('"retry"', '"rety"', 1))
        code, said = case.weir.verb("reload", "--socket", socket)
        equal(code, 78, f"exit code with a broken file, of: {said}")
        holds("rety" in said, f"the problem is shown: {said}")
        equal(case.weir.term(), 0, "exit code after TERM")


THROTTLED = [{"op": "*", "match": b"PriceHistory", "do": "throttle"}]


@test
def a_reload_while_weir_drains_is_refused_and_the_drain_goes_on():
    """HUP, POST and a broken file; one HUP is given before TERM, and waits for the sink that TERM needs."""
    for before in (False, True):
        sinks = {"price": price_sink(on_exhausted="block"), "lines": LINES}
        with Case(sinks, shutdown={"grace": "4m"}) as case:
            case.stream.shard(records=records(0, 40))
            case.aws.faults.set(THROTTLED)
            case.weir.start()
            case.weir.until(lambda: len(case.weir.lines()) == 40 and sum(case.aws.faults.acted.values()), 20,
                            "lines has all, price nothing")
            case.write(case.changed(price={"batch_records": 7}))
            if before:
                case.aws.faults.set([{**THROTTLED[0], "do": "delay", "ms": 3000, "times": 1}, *THROTTLED])
                case.weir.until(lambda: case.aws.faults.acted[0], 20, "price waits for an answer")
                case.send(signal.SIGHUP)
                case.status()  # HUP is heard
            case.send(signal.SIGTERM)
            case.weir.says("W0708")
            asked = case.errors("W1213")
            equal(len(asked), int(before and not case.errors("W1210")), "the reload that was under way is given up")
            case.send(signal.SIGHUP)
            case.weir.until(lambda: len(case.errors("W1213")) == len(asked) + 1, 10, "HUP is refused")
            case.write("{")
            equal(case.weir.verb("reload", "--socket", case.socket()),
                  (1, "weir is stopping; the running configuration was kept\n"), "POST is refused")
            holds(case.weir.alive(), "it drains still")
            equal(case.errors("W1211"), [], "what the file says is not looked at")
            case.aws.faults.set([])
            equal(case.weir.wait(60), 0, "exit code")
            judge_rows(case.aws, records(0, 40))
            case.weir.write(case.weir.value)
            case.weir.once()
            equal(len(case.weir.lines(2)), 0, "nothing comes twice after it")


@test
def of_many_at_once_the_last_content_wins():
    """20 HUPs, a file for each, and POSTs between them; each POST is answered. Five files on, price is as it was."""
    with Case() as case:
        shard = case.stream.shard(records=records(0, 10))
        case.weir.start()
        case.delivered(records(0, 10))
        asked = []
        for n in range(20):
            case.write(case.changed(lines={"batch_records": n + 10}, price={"batch_records": n % 5 + 1}))
            case.send(signal.SIGHUP)
            if n % 7 == 3:
                asked.append(start([WEIR, "reload", "-c", case.weir.config], cwd=case.path, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, env=environment()))
            shard.add(*records(10 + n, 1))
        for one in asked:
            equal(one.wait(30), 0, "exit code of weir reload")
            said = one.stdout.read().decode()
            holds(re.fullmatch(r"the new configuration is in force; built anew: (price, lines|lines)\n|"
                               r"nothing that is in use differs\n", said), f"what it says: {said}")
        equal(case.weir.verb("reload"), (0, "nothing that is in use differs\n"), "the last content is in force")
        case.delivered(records(0, 30))
        holds(case.status()[0] >= 2 and case.status()[1] == 0, f"each was good: {case.status()}")
        equal(case.weir.term(), 0, "exit code after TERM")
        judge_rows(case.aws, records(0, 30))
        equal(sorted(case.weir.lines()), sorted(identity(one) for one in records(0, 30)), "each line once")


@test
def a_slow_open_holds_up_no_other_and_a_failed_one_closes_those_before_it():
    with Case() as case:
        shard = case.stream.shard(records=records(0, 10))
        case.weir.start()
        case.delivered(records(0, 10))
        notes, gate = case.path / "notes", case.path / "gate"

        def opening(kind, **more):
            return {"plugin": "openfails", "config": {"log": str(notes), "kind": kind, **more}}

        config = case.changed(lines={"batch_records": 3})
        config["sinks"]["first"] = opening("first")
        config["sinks"]["second"] = opening("second", until=str(gate))
        config["sinks"]["third"] = opening("third", target="bad")
        case.write(config)
        before = case.status()
        case.send(signal.SIGHUP)
        until(lambda: notes.exists(), 20, "the first one is open")
        del config["sinks"]["third"]
        case.write(config)  # while the second one opens
        case.send(signal.SIGHUP)
        gate.touch()
        shard.add(*records(10, 10))
        case.weir.until(lambda: case.errors("W1210"), 30, "the later one is in force")
        equal(notes.read_text().split("\n"), ["open first", "open second", "close first", "close second", "open first",
                                              "open second", ""], "what was opened and closed")
        message = case.errors("W1211")[0]["message"]
        holds("is no queue URL; the running configuration was kept" in message, f"what was wrong: {message}")
        equal(case.status(), (before[0] + 1, before[1] + 1), "succeeded, refused")
        case.delivered(records(0, 20))
        equal(case.weir.term(), 0, "exit code after TERM")
        judge_rows(case.aws, records(0, 20))
        equal(sorted(case.weir.lines()), sorted(identity(one) for one in records(0, 20)), "each line once")
        equal(notes.read_text().count("close"), 4, "all are closed in the end")


watchdog(280)
main()

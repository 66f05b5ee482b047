#!/usr/bin/env python3
"""The admin server of a daemon at work: what it answers, whom it refuses, what it bears."""
import copy
import http.client
import json
import os
import re
import socket
import stat
import subprocess
import time
from pathlib import Path

from harness import (DATA, RUNTIME, WEIR, LambdaWeir, config, environment, equal, folder, free_port, holds, main,
                     test, until, watchdog, weir)
from polling import LINES, Daemon, Fake, judge_lines, judge_rows, price_sink, records

# UX 3.7; of a polling daemon all of them are there.
METRICS = """weir_build_info weir_start_time_seconds weir_source_records_total weir_source_bytes_total
    weir_source_errors_total weir_shards weir_shard_lag_seconds weir_source_lag_seconds weir_sink_records_total
    weir_source_poison_total weir_source_gaps_total weir_http_ambiguous_total weir_late_completions_total
    weir_sink_retries_total weir_sink_queue_records weir_sink_inflight_records weir_sink_delivery_seconds_count
    weir_sink_up weir_checkpoint_age_seconds weir_config_reloads_total
    weir_config_last_reload_success_timestamp_seconds weir_loop_lag_seconds weir_tap_dropped_total
    weir_log_dropped_total process_cpu_seconds_total process_resident_memory_bytes process_open_fds""".split()


class Case:
    """A daemon with an admin server, over the fake."""

    def __init__(self, sinks=None, admin=None, **more):
        self.sinks = sinks or {"price": price_sink(), "lines": copy.deepcopy(LINES)}
        self.more = {"admin": {"listen": "127.0.0.1:0", "tap": True, **(admin or {})}, **more}

    def __enter__(self):
        self.fake_context, self.folder = Fake(), folder()
        self.fake, self.path = self.fake_context.__enter__(), self.folder.__enter__()
        self.shard = self.fake.stream.shard()
        self.weir = Daemon(self.path, self.fake.url, self.sinks, **self.more).start()
        self.weir.says("listening on http://")
        self.port = int(re.search(r"listening on http://127.0.0.1:(\d+)/", self.weir.log())[1])
        self.socket = Path(RUNTIME) / "weir" / "prices.sock"
        return self

    def __exit__(self, *error):
        self.weir.__exit__(*error)
        self.folder.__exit__(*error)
        self.fake_context.__exit__(*error)

    def get(self, path, method="GET", **headers):
        """(status, headers, body)"""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        link.request(method, path, headers=headers)
        answer = link.getresponse()
        body = answer.read()
        link.close()
        return answer.status, answer.headers, body

    def local(self, request):
        """Bytes to the unix socket; the whole answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(20)
            link.connect(str(self.socket))
            link.sendall(request)
            return read_all(link)

    def metrics(self):
        return figures(self.get("/metrics")[2].decode())

    def ready(self):
        return self.get("/readyz")[0] == 200

    def verb(self, *words, cwd=None):
        return subprocess.run([str(WEIR), *words], cwd=cwd or self.path, env=environment(), timeout=30,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_all(link):
    parts = []
    while part := link.recv(65536):
        parts.append(part)
    return b"".join(parts)


def figures(text):
    """{'name{labels}': value}"""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
            for line in text.splitlines() if line and not line.startswith("#")}


def total(found, *words):
    return sum(value for name, value in found.items() if all(word in name for word in words))


@test
def P4_every_metric_is_there_and_they_agree():
    with Case() as case:
        case.shard.add(*records(0, 300))
        case.weir.until(lambda: len(case.weir.lines()) == 300 and case.fake.rows() == 300, 20, "all is delivered")
        case.weir.until(case.ready, 20, "it is ready")
        status, headers, body = case.get("/metrics")
        equal((status, headers["Content-Type"]), (200, "text/plain; version=0.0.4; charset=utf-8"))
        checked = subprocess.run(["promtool", "check", "metrics"], input=body, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        equal((checked.returncode, checked.stdout.decode()), (0, ""), "promtool check metrics")
        found = figures(body.decode())
        for name in METRICS:
            holds(any(key == name or key.startswith(name + "{") for key in found), f"{name} is not in /metrics")
        equal(total(found, "weir_source_records_total"), 300)
        for sink in ("price", "lines"):
            known = (total(found, "weir_sink_records_total", f'"{sink}"') +
                     total(found, "weir_sink_queue_records", f'"{sink}"') +
                     total(found, "weir_sink_inflight_records", f'"{sink}"'))
            equal(known, 300, f"what became of the records at {sink}")
        told = json.loads(case.get("/status")[2])
        equal([sink["delivered"] for sink in told["sinks"]], [300, 300])
        equal([(one["table"], one["state"]) for one in told["shards"]], [("Products", "reading")])
        holds(told["readiness"]["ready"] and told["source"]["lag_ms"] < 10000, f"status: {told}")


@test
def each_endpoint_answers():
    with Case() as case:
        for path, kind in (("/healthz", "json"), ("/readyz", "json"), ("/status", "json"), ("/endpoints", "json"),
                           ("/config", "json"), ("/metrics", "plain"), ("/", "html")):
            if path == "/readyz":
                case.weir.until(case.ready, 20, "it is ready")
            status, headers, body = case.get(path)
            equal(status, 200, path)
            holds(kind in headers["Content-Type"] and body, f"{path}: {headers}")
            equal(headers["X-Content-Type-Options"], "nosniff")
            if kind == "json":
                json.loads(body)
            status, headers, body = case.get(path, "HEAD")
            equal((status, body), (200, b""), f"HEAD {path}")
        listed = {(one["method"], one["path"]) for one in json.loads(case.get("/endpoints")[2])}
        holds(("GET", "/readyz") in listed and ("POST", "/reload") in listed, f"{listed}")
        equal(case.get("/nothing")[0], 404)


@test
def S31_only_its_own_page_may_ask_and_nobody_may_write_over_tcp():
    with Case() as case:
        own = f"127.0.0.1:{case.port}"
        for headers, status in (({}, 200), ({"Host": "localhost"}, 200), ({"Host": "[::1]:99"}, 200),
                                ({"Host": "weir.example.com"}, 403), ({"Host": "10.0.0.1"}, 403),
                                ({"Host": ""}, 403), ({"Origin": f"http://{own}"}, 200),
                                ({"Origin": "http://evil.example.com"}, 403), ({"Origin": "null"}, 403),
                                ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Sec-Fetch-Site": "cross-site"}, 403)):
            equal(case.get("/status", **headers)[0], status, f"{headers}")
        for path in ("/reload", "/log-level?level=debug"):
            equal(case.get(path, "POST")[0], 403, path)
        equal(case.get("/reload")[0], 405)
        equal(case.get("/status", "POST")[0], 405)
        equal(stat.S_IMODE(case.socket.stat().st_mode), 0o600)
        equal(stat.S_IMODE(case.socket.parent.stat().st_mode), 0o700)
        answer = case.local(b"POST /log-level?level=debug&seconds=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        holds(answer.startswith(b"HTTP/1.1 200") and answer.endswith(b'{"level":"debug"}\n'), f"{answer}")
        answer = case.local(b"POST /log-level?level=loud HTTP/1.1\r\nHost: x\r\n\r\n")
        holds(answer.startswith(b"HTTP/1.1 400"), f"{answer}")
        equal(case.weir.term(), 0)
        holds(not case.socket.exists(), "the socket is left behind")


def talk(port, request):
    """The status that some bytes are answered with; None: the connection was closed."""
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(request)
        link.shutdown(socket.SHUT_WR)
        answer = read_all(link)
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else None


@test
def S31_what_is_no_request_is_refused():
    host = b"Host: localhost\r\n"
    with Case() as case:
        for request, status in ((b"GET / HTTP/1.1\r\n" + host + b"\r\n", 200),
                                (b"GET / HTTP/1.0\r\n" + host + b"\r\n", 200),
                                (b"GET / HTTP/2.0\r\n" + host + b"\r\n", 505),
                                (b"PUT / HTTP/1.1\r\n" + host + b"\r\n", 405),
                                (b"GET http://localhost/ HTTP/1.1\r\n" + host + b"\r\n", 400),
                                (b"GET / HTTP/1.1\r\n" + host + host + b"\r\n", 400),
                                (b"GET / HTTP/1.1\r\n" + host + b" folded\r\n\r\n", 400),
                                (b"GET / HTTP/1.1\r\n" + host + b"A : b\r\n\r\n", 400),
                                (b"GET / HTTP/1.1\r\n" + host + b"A: \x01\r\n\r\n", 400),
                                (b"GET / HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked\r\n\r\n", 501),
                                (b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 999999\r\n\r\n", 413),
                                (b"GET / HTTP/1.1\r\n" + host + b"Content-Length: -1\r\n\r\n", 400),
                                (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 65 + host + b"\r\n", 431),
                                (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
                                (b"A" * 20000, 431), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n", 400),
                                (b"", None), (b"GET / HT", None)):
            equal(talk(case.port, request), status, repr(request[:60]))
        equal(case.get("/healthz")[0], 200)


@test
def S31_slow_clients_are_given_up_and_hold_up_nobody():
    with Case() as case:
        case.shard.add(*records(0, 50))
        slow = []
        for _ in range(40):
            link = socket.create_connection(("127.0.0.1", case.port), 20)
            link.sendall(b"GET /status HT")
            slow.append(link)
        began = time.monotonic()
        refused = [link for link in slow[32:] if link.recv(100).startswith(b"HTTP/1.1 503")]
        equal(len(refused), 8, "connections beyond 32 that were refused")
        case.weir.until(lambda: len(case.weir.lines()) == 50, 20, "all is delivered")
        status = case.verb("status")
        equal(status.returncode, 0, f"weir status beside them: {status.stderr}")
        for link in slow[:32]:
            holds(read_all(link).startswith(b"HTTP/1.1 408"), "a slow client was not answered 408")
        holds(time.monotonic() - began < 15, "slow clients were borne for long")
        for link in slow:
            link.close()
        case.weir.until(lambda: talk(case.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == 200, 10,
                        "others are served again")


@test
def a_stuck_reader_of_the_tap_loses_lines_only():
    with Case() as case:
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        link.connect(("127.0.0.1", case.port))
        link.sendall(b"GET /tap HTTP/1.1\r\nHost: localhost\r\n\r\n")
        count, end = 0, time.monotonic() + 60
        while case.metrics()["weir_tap_dropped_total"] == 0:
            holds(time.monotonic() < end, "nothing was dropped")
            case.shard.add(*records(count, 200, name="a-long-name-of-a-product-" * 8))
            count += 200
            time.sleep(0.2)
        case.weir.until(lambda: len(case.weir.lines()) == count, 30, "all is delivered")
        equal(case.get("/healthz")[0], 200)
        link.close()


@test
def S19_the_tap_shows_changes_and_hides_what_is_to_be_hidden():
    with Case(log={"redact": ["*.price"]}) as case:
        reader = subprocess.Popen([str(WEIR), "tap", "--count", "20", "--json"], env=environment(),
                                  stdout=subprocess.PIPE, text=True)
        count = 0
        while reader.poll() is None and count < 3000:  # it may not listen yet
            case.shard.add(*records(count, 20))
            count += 20
            time.sleep(0.2)
        lines = [json.loads(line) for line in reader.communicate(timeout=20)[0].splitlines()]
        equal(len(lines), 20)
        for one in lines:
            equal(one["event"], "MODIFY")
            equal(one["changes"], [{"name": "price", "old": "***", "new": "***"}])
            record = one["record"]
            equal((record["old"]["price"], record["new"]["price"], record["new"]["product_id"]),
                  ("***", "***", {"S": one["keys"]["product_id"]}))
            holds(record["sequence"] and record["eventID"], f"{record}")
            equal([sink["outcome"] for sink in one["sinks"]], ["ok", "ok"])
    with Case(admin={"tap": False}) as case:
        equal(case.get("/tap")[0], 403)
        refused = case.verb("tap")
        holds(refused.returncode == 1 and "tap" in refused.stderr, f"{refused}")


@test
def a_sink_that_is_down_is_named_by_readyz():
    with Case() as case:
        case.weir.until(case.ready, 20, "it is ready")
        case.fake.aws.faults.set([{"op": "BatchWriteItem", "do": "error", "status": 500, "type": "InternalServerError"}])
        case.shard.add(*records(0, 5))
        case.weir.until(lambda: not case.ready(), 20, "it is not ready")
        status, _, body = case.get("/readyz")
        reasons = json.loads(body)["reasons"]
        equal((status, reasons[0]["what"], reasons[0]["name"]), (503, "sink", "price"))
        holds(reasons[0]["why"].startswith("down for "), f"{reasons}")
        equal(case.get("/healthz")[0], 200, "alive all the same")
        equal(case.metrics()['weir_sink_up{sink="price"}'], 0)
        told = case.verb("status")
        holds("not ready" in told.stdout and "sink price: down for" in told.stdout, told.stdout)
        case.fake.aws.faults.set([])
        case.weir.until(case.ready, 60, "it is ready again")


@test
def status_and_top_tell_of_the_daemon_and_69_of_none():
    with Case() as case:
        case.shard.add(*records(0, 30))
        case.weir.until(lambda: len(case.weir.lines()) == 30, 20, "all is delivered")
        told = case.verb("status")
        equal(told.returncode, 0, told.stderr)
        holds(re.search(r"^price +up +30\b", told.stdout, re.M), told.stdout)
        holds("Products: running; shards: 1 reading" in told.stdout, told.stdout)
        holds("\033" not in told.stdout, "colours in a pipe")
        equal(json.loads(case.verb("status", "--json").stdout)["pipeline"], "prices")
        top = case.verb("top", "--count", "2")
        equal((top.returncode, top.stdout.count("source  poll")), (0, 2), top.stderr)
        holds("/s" in top.stdout.split("source  poll")[2], top.stdout)
        case.weir.term()
        for verb in ("status", "top", "tap"):
            none = case.verb(verb)
            holds(none.returncode == 69 and "no weir is running" in none.stderr, f"{verb}: {none}")
        equal(len(none.stderr.splitlines()), 2)


@test
def a_socket_that_nobody_has_counts_for_nothing_and_a_bad_configuration_is_named():
    with Case() as case:
        dead = Path(RUNTIME) / "weir" / "killed.sock"
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(dead))
        (case.path / "other.json").write_text('{"sinks":{"a":{"plugin":"stdout","enabled":"yes"}}}')
        with folder() as elsewhere:
            told = case.verb("status", cwd=elsewhere)
        equal(told.returncode, 0, told.stderr)
        for name, problem in ("none.json", "none.json: error[W0002]"), ("other.json", "error[W0107]"):
            for verb in "status", "top", "tap", "reload":
                told = case.verb(verb, "-c", name)
                holds(told.returncode == 78 and problem in told.stderr, f"{verb}: {told}")
        dead.unlink()


@test
def an_address_that_is_taken_ends_a_daemon_and_a_socket_does_not():
    with Case() as case, folder() as path:
        other = Daemon(path, case.fake.url, {"lines": LINES}, admin={"listen": f"127.0.0.1:{case.port}"})
        equal(other.start().wait(), 73)
        holds(f"can't listen on 127.0.0.1:{case.port}" in other.log(), other.log())
        other.value.pop("admin")
        other.write(other.value)
        other.start()
        other.says("W0704")
        case.shard.add(*records(0, 5))
        other.until(lambda: len(other.lines()) == 5, 20, "it reads all the same")
        equal(other.term(), 0)
        holds(case.verb("status").returncode == 0, "the first one's socket was taken away")


@test
def a_reload_is_asked_for_on_the_socket():
    request = b"POST /reload HTTP/1.1\r\nHost: x\r\n\r\n"
    with Case() as case:
        case.shard.add(*records(0, 5))
        case.weir.until(lambda: len(case.weir.lines()) == 5, 20, "it runs")
        holds(case.local(request).startswith(b"HTTP/1.1 200"), "nothing differs, and that is told")
        case.weir.value["sinks"]["lines"]["config"]["format"] = "plain"
        case.weir.write(case.weir.value)
        answer = case.local(request)
        holds(answer.startswith(b"HTTP/1.1 200") and b'"result":"done"' in answer, f"{answer}")
        holds(json.loads(case.get("/config")[2])["config"]["sinks"]["lines"]["config"]["format"] == "plain", "/config")
        case.weir.config.write_text("{")
        answer = case.local(request)
        holds(answer.startswith(b"HTTP/1.1 409") and b'"result":"invalid"' in answer, f"{answer}")
        found = case.metrics()
        equal(found['weir_config_reloads_total{result="refused"}'], 1)
        equal(found['weir_config_reloads_total{result="success"}'], 2)
        told = json.loads(case.get("/status")[2])["reload"]
        equal((told["refused"], told["last_result"]), (1, "invalid"))


@test
def a_sink_is_paused_and_resumed_under_load_and_nothing_is_lost_or_doubled():
    rounds, each, count = 6, 60, 0
    with Case() as case:
        for number in range(rounds):
            verb, name = ("pause", "resume")[number % 2], ("lines", "price")[number // 2 % 2]
            case.shard.add(*records(count, each // 2))
            told = case.verb(verb, name, "--json")
            equal((told.returncode, json.loads(told.stdout)),
                  (0, {"sink": name, "paused": verb == "pause", "changed": True}), told.stderr)
            case.shard.add(*records(count + each // 2, each // 2))
            count += each
            if verb == "pause" and name == "lines":
                case.weir.until(lambda: case.fake.rows() == count, 20, "the other sink goes on")
        case.weir.until(lambda: len(case.weir.lines()) == count and case.fake.rows() == count, 30, "all is delivered")
        equal(judge_lines(case.weir, records(0, count)), 0, "repeats")
        judge_rows(case.fake.aws, records(0, count))
        equal([sink["duplicate"] for sink in json.loads(case.get("/status")[2])["sinks"]], [0, 0])
        equal(case.weir.term(), 0)


@test
def a_paused_sink_is_shown_survives_a_reload_and_ends_with_the_process():
    with Case() as case:
        case.shard.add(*records(0, 20))
        case.weir.until(lambda: len(case.weir.lines()) == 20 and case.fake.rows() == 20, 20, "it runs")
        equal(case.verb("pause", "lines").stdout,
              "sink lines is paused: it gets nothing new until `weir resume lines`, or a restart\n")
        equal(case.verb("pause", "lines").stdout, "sink lines was paused already\n")
        for name, code in (("nobody", 1), ("a/b", 1)):
            none = case.verb("pause", name)
            holds(none.returncode == code and "no sink" in none.stderr, f"{none}")
        case.weir.value["sinks"]["lines"]["config"]["format"] = "plain"
        case.weir.write(case.weir.value)
        equal(case.verb("reload").returncode, 0)
        case.weir.value["sinks"]["lines"]["config"]["format"] = "json"
        case.weir.write(case.weir.value)
        equal(case.verb("reload").returncode, 0)
        case.shard.add(*records(20, 20))
        case.weir.until(lambda: case.fake.rows() == 40, 20, "the other sink goes on")
        equal(len(case.weir.lines()), 20, "lines of a paused sink")
        told = {sink["name"]: sink for sink in json.loads(case.get("/status")[2])["sinks"]}
        equal([(told[name]["paused"], told[name]["up"]) for name in ("lines", "price")], [(True, True), (False, True)])
        found = case.metrics()
        equal((found['weir_sink_up{sink="lines"}'], found['weir_sink_up{sink="price"}']), (0, 1))
        case.weir.until(lambda: not case.ready(), 10, "it is not ready")
        reason = json.loads(case.get("/readyz")[2])["reasons"][0]
        holds(reason["name"] == "lines" and reason["why"].startswith("paused by an operator"), f"{reason}")
        holds(re.search(r"^lines +paused +20\b", case.verb("status").stdout, re.M), case.verb("status").stdout)
        began = time.monotonic()
        equal(case.weir.term(), 0, "a stop waits for no paused sink")
        holds(time.monotonic() - began < 20, "the stop took as long as shutdown.grace")
        case.weir.start()
        case.weir.until(lambda: len(case.weir.lines(2)) == 20, 20, "a restart resumes it")
        equal(judge_lines(case.weir, records(0, 40)), 0, "repeats")
        equal(case.weir.term(), 0)


@test
def S31_over_tcp_only_the_token_allows_a_change():
    token = "an-admin-token-" + "c4n4ry" * 4
    with folder() as path:
        file = Path(path) / "token"
        file.write_text(token + "\n")
        file.chmod(0o600)
        with Case(admin={"writable": True, "token_file": str(file)}) as case:
            case.weir.until(case.ready, 20, "it is ready")
            for given, status in ((None, 401), ("", 401), (token, 401), ("Bearer", 401), ("Bearer " + token[:-1], 401),
                                  ("Bearer " + token + "x", 401), ("Bearer " + "x" * len(token), 401),
                                  ("Basic " + token, 401), ("Bearer " + token, 200), ("bearer " + token, 200)):
                headers = {} if given is None else {"Authorization": given}
                answer = case.get("/sinks/lines/pause", "POST", **headers)
                equal(answer[0], status, f"{given}")
                equal(answer[1]["WWW-Authenticate"], "Bearer" if status == 401 else None)
            good = {"Authorization": "Bearer " + token}
            equal(json.loads(case.get("/sinks/lines/resume", "POST", **good)[2]),
                  {"sink": "lines", "paused": False, "changed": True})
            for path, headers, status in (("/reload", good, 200), ("/log-level?level=info", good, 200),
                                          ("/sinks/none/pause", good, 404), ("/sinks//pause", good, 404),
                                          ("/reload", {**good, "Origin": "http://evil.example.com"}, 403),
                                          ("/reload", {**good, "Host": "evil.example.com"}, 403)):
                equal(case.get(path, "POST", **headers)[0], status, f"{path} {headers}")
            seen = b"".join(case.get(path)[2] for path in ("/config", "/status", "/metrics", "/endpoints"))
            equal(case.weir.term(), 0)
            holds(token.encode() not in seen and token not in case.weir.log(), "the token is shown")
            holds("W0705" in case.weir.log() and "W0511" in case.weir.log(), case.weir.log())


@test
def S31_a_token_file_that_others_may_read_or_write_is_refused():
    good = "x" * 16
    with folder() as path:
        file, link, open_folder = Path(path) / "token", Path(path) / "link", Path(path) / "open"
        link.symlink_to(file)
        open_folder.mkdir()
        open_folder.chmod(0o777)
        inside = open_folder / "token"
        inside.write_text(good)
        inside.chmod(0o600)
        for name, text, mode, says in ((file, good, 0o600, None), (file, good + "\r\n", 0o440, None),
                                       (file, good, 0o604, "everybody may read"),
                                       (file, good, 0o620, "changed by others"),
                                       (file, "x" * 15, 0o600, "16 to 512"), (file, "x" * 513, 0o600, "16 to 512"),
                                       (file, "x" * 9000, 0o600, "16 to 512"), (file, "", 0o600, "16 to 512"),
                                       (file, good + "\nmore", 0o600, "one line"), (file, "ä" * 16, 0o600, "one line"),
                                       (link, None, 0, "symbolic link"), (inside, None, 0, "changed by others"),
                                       (Path(path) / "none", None, 0, "No such file"),
                                       (Path(path), None, 0, "not a regular file"), (None, None, 0, "token_file")):
            if text is not None:
                file.unlink(missing_ok=True)
                file.write_text(text)
                file.chmod(mode)
            admin = {"listen": "127.0.0.1:0", "writable": True, **({"token_file": str(name)} if name else {})}
            written = config(path, {"console": {"plugin": "stdout"}}, source={"kind": "file", "path": "-"}, admin=admin)
            for words in (["check"], ["run", "--dry-run"]):
                done = weir(*words, "-c", written, stdin=b"")
                error = done.stderr.decode()
                equal(done.returncode, 78 if says else 0, f"{words} {name} {text!r} {mode:o}: {error}")
                holds(not says or says in error, f"{name} {mode:o}: {error}")
                holds(not text or len(text) < 16 or text[:16] not in error, "the token is shown")


@test
def a_socket_left_behind_is_replaced():
    with Case() as case:
        case.weir.kill()
        holds(case.socket.exists(), "a killed daemon leaves its socket")
        case.weir.start()
        case.weir.says("listening on http://")
        equal(case.verb("status").returncode, 0)


@test
def other_machines_have_to_be_allowed():
    for listen, allow, code in (("0.0.0.0:9630", False, 78), ("0.0.0.0:9630", True, 0), ("[::1]:9630", False, 0),
                                ("localhost:9630", False, 0), ("example.com:80", False, 78), ("9630", False, 78),
                                ("127.0.0.1:65536", False, 78)):
        with folder() as path:
            file = config(path, {"console": {"plugin": "stdout"}}, source={"kind": "file", "path": "-"},
                          admin={"listen": listen, "allow_remote": allow})
            done = weir("check", "-c", file)
            equal(done.returncode, code, f"{listen} {allow}: {done.stderr.decode()}")


def listens(pid):
    """Whether a process has a listening socket, of any kind."""
    inodes = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except OSError:
            continue
    for table, state, at, inode in (("tcp", "0A", 3, 9), ("tcp6", "0A", 3, 9), ("unix", "01", 5, 6)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listening = fields[at] == state and (table != "unix" or fields[3] == "00010000")
            if listening and f"socket:[{fields[inode]}]" in inodes:
                return True
    return False


@test
def in_lambda_nothing_listens():
    event = (DATA / "samples" / "lambda-event.json").read_bytes()
    with folder() as path:
        config(path, {"console": {"plugin": "stdout", "config": {"format": "json"}}},
               admin={"listen": f"127.0.0.1:{free_port()}"})
        with LambdaWeir(path) as runtime:
            equal(json.loads(runtime.invoke(event).body)["batchItemFailures"], [])
            holds(not listens(runtime.process.pid), "the Lambda runtime listens")
    with Case() as case:
        holds(listens(case.weir.process.pid), "a daemon does, else this test sees nothing")


watchdog(110)
main()

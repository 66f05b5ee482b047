"""Measures weir as a poller: the whole program, its state in SQLite, against bench_streamsd, into a sink that counts.
Used by run.py (T4).

Every run has a server of its own. Where the client is pinned, it is to the last processor, the server to the first.
Rates, and CPU time, which is the client's alone, are those between the first and the last delivery; "all" is the CPU
time from start to end: with --once a shard counts as read after ten empty pages.
"""
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

FIRST, LAST = str(min(os.sched_getaffinity(0))), str(max(os.sched_getaffinity(0)))
TICKS = os.sysconf("SC_CLK_TCK")
WARM_S, WINDOW_S = 5, 10


class Streams:
    """A running bench_streamsd."""

    def __init__(self, build, page, folder, tls=False, pinned=True, **options):
        self.certificate = Path(folder) / "ca.pem"
        arguments = [f"page={page}", *(f"{name}={value}" for name, value in options.items())]
        arguments += [f"tls={self.certificate}"] if tls else []
        self.process = subprocess.Popen([*(["taskset", "-c", FIRST] if pinned else []),
                                         build / "bench" / "bench_streamsd", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = self.process.stdout.readline().split()[1]
        self.environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
                            "AWS_ENDPOINT_URL": f"http{'s' if tls else ''}://127.0.0.1:{port}",
                            "AWS_CA_BUNDLE": str(self.certificate)}

    def counts(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Weir:
    """A running weir. After wait(): its CPU time by thread, its peak RSS, and what the sink counted."""

    def __init__(self, build, streams, folder, source, delays=False, once=False, pinned=True, program="weir", **sections):
        config = Path(folder) / "weir.json"
        sink = {"plugin": "bench_arrivals", "config": {"delays": delays, "warm": f"{WARM_S}s"}}
        config.write_text(json.dumps({
            "name": "bench", "log": {"level": "warn", "format": "json"}, "aws": {"region": "eu-west-1"},
            "source": {"kind": "poll", "tables": ["Products"], **source}, "plugin_dirs": [str(build / "bench")],
            "state": {"path": "state.db"}, "sinks": {"sink": sink}, **sections}))
        self.process = subprocess.Popen([*(["taskset", "-c", LAST] if pinned else []), build / program, "run", "-c",
                                         config, *(["--once"] if once else [])], env=streams.environment, text=True,
                                        cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.threads, self.ended = {}, threading.Event()
        self.watcher = threading.Thread(target=self.watch)
        self.watcher.start()

    def watch(self):
        """A thread's CPU time is gone with it: the last one seen counts."""
        while not self.ended.wait(0.02):
            try:
                for task in Path(f"/proc/{self.process.pid}/task").iterdir():
                    fields = (task / "stat").read_text().rpartition(")")[2].split()
                    self.threads[task.name] = (int(fields[11]) + int(fields[12])) / TICKS
            except OSError:
                continue

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def wait(self, stop=False):
        if stop:
            self.process.send_signal(signal.SIGTERM)
        log = self.process.stderr.read()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended.set()
        self.watcher.join()
        self.process.stderr.close()
        self.cpu_all_s = usage.ru_utime + usage.ru_stime
        self.peak_mb = usage.ru_maxrss / 1024
        lines = [json.loads(line)["message"] for line in log.splitlines() if line.startswith("{")]
        found = [json.loads(line[9:]) for line in lines if line.startswith("arrivals ")]
        if self.process.returncode != 0 or not found:
            raise SystemExit(f"weir ended with {self.process.returncode}: {log[-2000:]}")
        return found[0]


def throughput(build, page, folder, tls, shards, records, loops=1, pinned=True, **source):
    """Reads `records` records of `shards` shards once."""
    with tempfile.TemporaryDirectory(dir=folder) as work, Streams(
            build, page, work, tls, pinned, shards=shards, records=records // shards) as streams:
        weir = Weir(build, streams, work, {"batch_size": 1000, "loops": loops, **source}, once=True, pinned=pinned)
        arrived = weir.wait()
        counts = streams.counts()
    if arrived["records"] != records:
        raise SystemExit(f"{arrived['records']} records arrived, not {records}")
    seconds = (arrived["last_us"] - arrived["first_us"]) / 1e6
    return {"rate": records / seconds, "cpu": arrived["cpu_us"] / records, "all": weir.cpu_all_s * 1e6 / records, "peak_mb": weir.peak_mb,
            "busiest": max(weir.threads.values(), default=0) * 1e6 / records, "connections": counts["most_open"],
            "server_cpu": counts["cpu_s"] * 1e6 / records}


def daemon(build, page, folder, tls, shards, rate, delay_ms=5):
    """A daemon at default settings; `rate`: records a second in each shard, 0 = nothing ever comes."""
    options = {"records": 10**9, "rate": rate} if rate else {"records": 0}
    with tempfile.TemporaryDirectory(dir=folder) as work, Streams(
            build, page, work, tls, shards=shards, delay_ms=delay_ms, **options) as streams:
        weir = Weir(build, streams, work, {}, delays=True)
        time.sleep(WARM_S)
        calls, cpu_s, start = streams.counts()["get_records"], weir.cpu_s(), time.monotonic()
        time.sleep(WINDOW_S)
        seconds = time.monotonic() - start
        cpu_s, counts, rss_mb = weir.cpu_s() - cpu_s, streams.counts(), weir.rss_mb()
        arrived = weir.wait(stop=True)
    return {**arrived, "core": cpu_s / seconds, "calls": (counts["get_records"] - calls) / seconds,
            "connections": counts["most_open"], "rss_mb": rss_mb}

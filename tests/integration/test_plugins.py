#!/usr/bin/env python3
"""Plugins that misbehave, in the Lambda runtime: whatever one does, no record is acknowledged that it did not
report as stored."""
import json
import random
import signal

import events
from harness import SANITIZED, LambdaWeir, config, equal, folder, holds, main, runtime_api, test, watchdog

RETRY = {"max_attempts": 2, "base": "1ms", "cap": "2ms"}


def records(count, first=1, products=None):
    return [events.price(n, f"p{n % (products or count)}", n, n + 1) for n in range(first, first + count)]


class Runtime(LambdaWeir):
    def __init__(self, plugin, partial=False, retry=RETRY, **options):
        self.folder = folder()
        path = self.folder.__enter__()
        options = {name: path / value if name == "log" else value for name, value in options.items()}
        config(path, {"x": {"plugin": plugin, "retry": retry, "config": {
            k: str(v) if k == "log" else v for k, v in options.items()}}},
            **{"lambda": {"report_batch_item_failures": partial}})
        super().__init__(path)

    def __exit__(self, *trace):
        super().__exit__(*trace)
        self.folder.__exit__()

    def deliveries(self, name="log"):
        return (self.task_root / name).read_text().splitlines()


def identifiers(answer):
    equal(answer.kind, "response")
    return [f["itemIdentifier"] for f in answer.json["batchItemFailures"]]


@test
def F26_F63_a_crash_acknowledges_nothing_and_is_named():
    for how, number in (("segv", signal.SIGSEGV), ("abort", signal.SIGABRT), ("fpe", signal.SIGFPE),
                        ("overflow", signal.SIGSEGV)):
        batch = records(5)
        with Runtime("crash", how=how, at=batch[3]["eventID"]) as it:
            answer = it.api.start_invoke(json.dumps(events.batch(batch)).encode())
            code = it.wait_exit()
            equal(answer.reports, [], "reports")
            if SANITIZED:  # a sanitizer sees the crash first, and ends the process its own way
                holds(code != 0, f"{how}: exit {code}")
                continue
            equal(code, -number, f"{how}: ended by the signal itself")
            holds("sink x" in it.output() and events.sequence(4) in it.output(),
                  f"names the sink and the record: {it.output()}")


@test
def F60_exit_inside_a_call_acknowledges_nothing():
    with Runtime("crash", how="exit") as it:
        answer = it.api.start_invoke(json.dumps(events.batch(records(5))).encode())
        it.wait_exit()
        holds(not any(r.kind == "response" for r in answer.reports), "no response")


@test
def F62_a_hang_acknowledges_nothing():
    with Runtime("hang", partial=True) as it:
        try:
            answer = it.invoke(events.batch(records(5)), deadline_ms=1500)
            holds(answer.kind == "error" or identifiers(answer), f"acknowledged: {answer.body}")
        except runtime_api.RuntimeGone:
            pass  # Lambda ends it at the deadline


@test
def F64_completions_twice_count_once():
    for first, kind in (("ok", "response"), ("fail", "error")):
        with Runtime("double", first=first) as it:
            for turn in range(3):
                equal(it.invoke(events.batch(records(20, first=1 + 20 * turn))).kind, kind, first)


@test
def F64_never_completed_is_never_acknowledged():
    for partial in (False, True):
        with Runtime("never", partial=partial) as it:
            for _ in range(2):
                answer = it.invoke(events.batch(records(10)), deadline_ms=1500)
                holds(answer.seconds < 1.5, f"answered after {answer.seconds:.2f} s of 1.5")
                holds(answer.kind == "error" or identifiers(answer) == [events.sequence(1)], answer.body)


@test
def F64_F23_late_completions_count_for_the_redelivery_only():
    with Runtime("late", after="50ms") as it:
        kinds = []
        for _ in range(6):
            answer = it.invoke(events.batch(records(10)), deadline_ms=1500)
            kinds.append(answer.kind)
            if answer.kind == "response":
                break
        equal((kinds[0], kinds[-1]), ("error", "response"), f"kinds {kinds}")


@test
def F69_completions_from_other_threads():
    with Runtime("thread", threads=4) as it:
        for turn in range(20):
            equal(it.invoke(events.batch(records(100, first=1 + 100 * turn, products=9))).kind, "response")


@test
def F64_a_liar_stops_nothing_but_itself():
    for seed in range(1, 13):
        with Runtime("liar", seed=seed, partial=True) as it:
            for turn in range(5):
                answer = it.invoke(events.batch(records(20, first=1 + 20 * turn)), deadline_ms=5000)
                holds(answer.kind in ("response", "error"), answer.body)
                holds(answer.kind == "error" or len(identifiers(answer)) <= 1, answer.body)


@test
def F64_an_outcome_that_does_not_exist_is_no_acknowledgement():
    with Runtime("scripted", partial=True, script={"*": ["garbage"] * 9}) as it:
        answer = it.invoke(events.batch(records(4)))
        holds(answer.kind == "error" or identifiers(answer) == [events.sequence(1)], answer.body)


@test
def F21_the_lowest_unfinished_over_random_outcomes():
    rng = random.Random(1)
    endings = {"ok": ["ok"], "skip": ["skip"], "retried": ["retry", "ok"], "fail": ["fail"],
               "exhausted": ["retry", "retry", "retry"]}
    for turn in range(15):
        batch = records(20)
        chosen = [rng.choices(list(endings), [8, 3, 3, 1, 1])[0] for _ in batch]
        script = {r["eventID"]: endings[c] for r, c in zip(batch, chosen)}
        with Runtime("scripted", partial=True, script=script, async_ms=rng.choice([-1, 0, 3])) as it:
            lowest = [r["dynamodb"]["SequenceNumber"] for r, c in zip(batch, chosen) if c in ("fail", "exhausted")][:1]
            equal(identifiers(it.invoke(events.batch(batch))), lowest, f"turn {turn}")


@test
def B18_order_of_an_item_through_retries():
    """Promise 3: with order item, a later change of an item waits for the earlier one."""
    batch = records(60, products=6)
    rng = random.Random(2)
    script = {r["eventID"]: ["retry"] * rng.choice([0, 0, 0, 1, 2]) + ["ok"] for r in batch}
    with Runtime("scripted", script=script, async_ms=1, log="log",
                 retry={"max_attempts": 5, "base": "1ms", "cap": "3ms"}) as it:
        equal(it.invoke(events.batch(batch)).kind, "response")
        stored = {}
        for line in it.deliveries():
            event_id, number, _, outcome = line.split()[:4]
            product = int(event_id, 16) % 6
            holds(int(number) >= stored.get(product, 0), f"{line} after a later change was stored")
            if outcome == "ok":
                holds(int(number) > stored.get(product, 0), f"{line}: twice")
                stored[product] = int(number)
        equal(len(stored), 6)


@test
def B17_redelivery_gives_a_sink_only_what_it_had_not_finished():
    batch = records(10)
    script = {batch[4]["eventID"]: ["fail", "fail", "ok"]}
    with Runtime("scripted", script=script, log="log") as it:
        equal([it.invoke(events.batch(batch)).kind for _ in range(3)], ["error", "error", "response"])
        lines = [line.split()[0] for line in it.deliveries()]
        equal(len(lines), 12, "deliveries: ten, and twice the one")
        equal(lines.count(batch[4]["eventID"]), 3)


@test
def down_ends_the_invocation_and_counts_no_attempt():
    batch = records(6)
    with Runtime("scripted", script={"*": ["down", "ok"]}, log="log", retry={**RETRY, "max_attempts": 1}) as it:
        for _ in range(10):
            answer = it.invoke(events.batch(batch), deadline_ms=20000)
            holds(answer.seconds < 10, f"ended at once: {answer.seconds:.1f} s")
            if answer.kind == "response":
                break
        equal(answer.kind, "response", "in the end")


@test
def F67_a_rude_plugin_disturbs_nobody():
    with Runtime("rude") as it:
        for turn in range(3):
            equal(it.invoke(events.batch(records(10, first=1 + 10 * turn))).kind, "response")


watchdog(280)
main()

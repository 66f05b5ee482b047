#!/usr/bin/env python3
"""The page at "/", in a browser, over a daemon at work: what it shows, by keyboard and on a phone, and that the
browser has nothing to complain of. WEIR_SCREENSHOTS names a folder for what it looked like."""
import os
import re
from pathlib import Path

from browser import Browser
from harness import equal, folder, holds, main, test, until, watchdog
from polling import LINES, Daemon, Fake, price_sink, records

TAB = "\ue004"


class Page:
    """A daemon and a browser that has opened its page."""

    def __init__(self, shards=1, sinks=None, tap=True, **browser):
        self.shards, self.tap, self.browser_options = shards, tap, browser
        self.sinks = sinks or {"price": price_sink(), "lines": LINES}

    def __enter__(self):
        self.fake_context, self.folder = Fake(), folder()
        self.fake, self.path = self.fake_context.__enter__(), self.folder.__enter__()
        self.shard_list = [self.fake.stream.shard() for _ in range(self.shards)]
        self.weir = Daemon(self.path, self.fake.url, self.sinks, admin={"listen": "127.0.0.1:0", "tap": self.tap}).start()
        self.weir.says("listening on http://", 30)
        self.url = re.search(r"http://127.0.0.1:\d+/", self.weir.log())[0]
        self.browser = Browser(**self.browser_options)
        self.browser.open(self.url)
        return self

    def __exit__(self, kind, *error):
        quiet = []
        try:
            if kind is None:
                quiet = self.browser.log()
        finally:
            self.browser.__exit__(kind, *error)
            self.weir.__exit__(kind, *error)
            self.folder.__exit__(kind, *error)
            self.fake_context.__exit__(kind, *error)
        equal(quiet, [], "what the browser complained of")

    def until(self, selector, condition, seconds, what):
        until(lambda: condition(" ".join(self.browser.text(selector))), seconds, what)

    def picture(self, name):
        if os.environ.get("WEIR_SCREENSHOTS"):
            self.browser.screenshot(Path(os.environ["WEIR_SCREENSHOTS"]) / f"{name}.png")

    def overflow(self):
        return self.browser.run("return document.documentElement.scrollWidth - window.innerWidth")


@test
def it_shows_what_happens():
    with Page() as page:
        page.until("#state", lambda text: text == "ready", 20, "the page says ready")
        equal(page.browser.text("#name"), ["prices"])
        number = 0
        while not page.browser.text("#tail li"):  # the tail may not be open yet
            page.shard_list[0].add(*records(number, 20))
            number += 20
            holds(number < 6000, "no record came to the live tail")
        page.until("#records", lambda text: text == f"{number:,}", 20, "the records read")
        for sink in ("price", "lines"):
            page.until("#sinks", lambda text: f"{sink}up{number:,}" in text, 20, f"what {sink} delivered")
        line = page.browser.text("#tail li")[0]
        holds(re.search(r"MODIFY  product_id=p\d  price \d+ → \d+ \(\+1\)  price ok \d+ ms  lines ok \d+ ms", line), line)
        holds("Products" in page.browser.text("#shards tr")[0], "the shard's table")
        until(lambda: page.browser.run("return document.getElementById('line').points.length") > 1, 20, "a chart")
        page.picture("light")


@test
def it_shows_what_fails():
    sinks = {"price": price_sink(retry={"max_attempts": 1}, on_exhausted="drop"), "lines": LINES}
    with Page(sinks=sinks, dark=True) as page:
        page.until("#state", lambda text: text == "ready", 20, "the page says ready")
        page.fake.aws.faults.set([{"op": op, "do": "error", "status": 400, "type": "ValidationException"}
                                  for op in ("BatchWriteItem", "PutItem")])
        page.shard_list[0].add(*records(0, 3))
        page.until("#dead tr", lambda text: text.count("pricedropped") == 3, 30, "the records that were given up on")
        page.until("#sinks", lambda text: "ValidationException" in text, 20, "the last error")
        page.fake.aws.faults.set([{"op": "BatchWriteItem", "do": "error", "status": 500, "type": "InternalServerError"}])
        page.shard_list[0].add(*records(10, 3))
        page.until("#state", lambda text: text == "not ready", 30, "the page says not ready")
        page.until("#reasons li", lambda text: "sink price: down for" in text, 20, "and why")
        equal(page.weir.verb("pause", "lines")[0], 0)
        page.until("#sinks", lambda text: "linespaused" in text, 20, "that a sink is paused")
        page.until("#reasons li", lambda text: "sink lines: paused by an operator" in text, 20, "and why it is not ready")
        page.picture("dark")


@test
def two_thousand_shards_are_bearable_and_found():
    with Page(shards=2000, tap=False) as page:
        page.until("#shard-count", lambda text: text == "2,000", 60, "all shards are known to the page")
        equal(page.browser.text("#place"), ["1 to 100 of 2,000"])
        equal(len(page.browser.text("#shards tr")), 100)
        page.browser.run("document.getElementById('next').click()")
        equal(page.browser.text("#place"), ["101 to 200 of 2,000"])
        wanted = page.browser.run("return state.now.shards[1234].id")
        page.browser.run("document.getElementById('find').focus()")
        page.browser.keys(wanted)
        page.until("#place", lambda text: text == "1 to 1 of 1", 10, "one is found")
        holds(wanted in page.browser.text("#shards tr")[0], "and it is the wanted one")
        spent = page.browser.run("const t = performance.now(); for (let i = 0; i < 10; i++) show();"
                                 "return (performance.now() - t) / 10")
        print(f"     {spent:.0f} ms to show 2,000 shards")
        holds(spent < 500, f"{spent} ms to show 2,000 shards")
        holds("off" in page.browser.text("#tail-note")[0], "the tail says that it is off")
        page.browser.run("document.getElementById('find').value = ''; show()")
        page.picture("shards")


@test
def all_of_it_is_reached_by_keyboard():
    with Page() as page:
        page.until("#state", lambda text: text == "ready", 20, "the page says ready")
        reached = set()
        for _ in range(40):
            page.browser.keys(TAB)
            reached.add(page.browser.run("const e = document.activeElement;"
                                         "return e.id || e.getAttribute('aria-labelledby') || e.getAttribute('href')"))
        for wanted in ("find", "order", "pause", "tail-sink", "tail-event", "tail", "h-sinks", "h-shards", "h-dead",
                       "/status", "/metrics"):
            holds(wanted in reached, f"{wanted} is not reached by Tab: {reached}")
        unnamed = page.browser.run(
            "return [...document.querySelectorAll('input, select, button, svg')].filter(e => !e.labels?.length &&"
            "!e.textContent.trim() && !e.getAttribute('aria-label') && !e.getAttribute('aria-hidden')).map(e => e.id)")
        equal(unnamed, [], "controls without a name")


@test
def a_phone_can_show_it():
    with Page(width=375, height=800) as page:
        page.shard_list[0].add(*records(0, 20))
        page.until("#records", lambda text: text == "20", 20, "the records read")
        equal(page.browser.run("return window.innerWidth"), 375)
        equal(page.overflow(), 0, "the page is wider than the screen")
        page.picture("phone")


@test
def S31_what_is_not_its_own_is_not_run():
    with Page() as page:
        page.until("#state", lambda text: text == "ready", 20, "the page says ready")
        ran = page.browser.run("const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
                               "document.body.append(s); return window.ran || 0")
        equal(ran, 0, "a script that was not there at the start")
        refused = page.browser.log()
        holds(any("Content Security Policy" in line for line in refused), f"{refused}")
        outside = page.browser.call("POST", "/execute/async", {"args": [], "script":
            "const done = arguments[0]; fetch('http://example.com/').then(() => done('sent'), () => done('refused'))"})
        equal(outside, "refused")
        page.browser.log()


watchdog(170)
main()

"""A headless Chromium over WebDriver's plain HTTP: what a page shows, and what the browser has to say of it."""
import base64
import json
import subprocess
import urllib.request

from harness import free_port, listening, start, stop, until


class Browser:
    def __init__(self, width=1280, height=900, dark=False):
        self.port = free_port()
        self.driver = start(["chromedriver", f"--port={self.port}", "--log-level=SEVERE"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listening(self.port), 30, "chromedriver answers")
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--window-size={width},{height}"]
        if dark:
            arguments.append("--blink-settings=preferredColorScheme=0")
        options = {"args": arguments}
        if width < 500:  # a window is never so narrow
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2.0}}
        made = self.call("POST", "", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = made["sessionId"]

    def call(self, method, path, body=None):
        session = f"/{self.session}" if hasattr(self, "session") else ""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/session{session}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value that a function's body returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def keys(self, text):
        """Typed to whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def log(self):
        """What the console was told since it was asked last: errors of scripts, and what the CSP refused."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", "")
        finally:
            stop(self.driver)

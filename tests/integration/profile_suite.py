#!/usr/bin/env python3
"""The parser cases that the AWS SDKs share, against core/aws/profile.c. They come with the crate
aws-runtime (Apache-2.0), pinned by version. Usage: profile_suite.py DRIVER
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import crates

CRATE, VERSION = "aws-runtime", "1.10.2"


def read(driver, case, folder):
    """(profiles and sessions) or the error's text."""
    paths = {}
    for variable, name in (("AWS_CONFIG_FILE", "configFile"), ("AWS_SHARED_CREDENTIALS_FILE", "credentialsFile")):
        paths[variable] = str(folder / name)
        (folder / name).write_bytes(case["input"].get(name, "").encode())
    done = subprocess.run([driver], env={**os.environ, **paths}, stdout=subprocess.PIPE)
    text = done.stdout.decode()
    if done.returncode:
        return text
    found = {"profiles": {}, "sso_sessions": {}}
    for record in text.split("\x1e")[:-1]:
        kind, section, key, value = record.split("\x1f")
        properties = found[kind].setdefault(section, {})
        if key:
            properties[key] = value
    return found


def problem(case, found):
    expected = case["output"]
    if "errorContaining" in expected:
        wrong = not isinstance(found, str) or expected["errorContaining"] not in found
    else:
        config = expected["config"]
        wrong = found != {"profiles": config["profiles"], "sso_sessions": config.get("sso_sessions", {})}
    return f"{case['name']}: {found!r}, expected {expected!r}" if wrong else None


def main():
    tests = json.loads((crates.fetch(CRATE, VERSION) / "test-data/profile-parser-tests.json").read_text())["tests"]
    with tempfile.TemporaryDirectory() as folder:
        problems = [problem(case, read(sys.argv[1], case, pathlib.Path(folder))) for case in tests]
    problems = [text for text in problems if text]
    print("\n".join(problems))
    print(f"{len(tests)} cases, {len(problems)} failed")
    return 1 if problems or len(tests) < 60 else 0


if __name__ == "__main__":
    sys.exit(main())

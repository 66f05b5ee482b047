#!/usr/bin/env python3
"""What is under deploy/kcl as text: it parses, names what exists, and says the same in all places."""
import json
import os
import re
import subprocess

import yaml

from harness import ROOT, equal, folder, holds, main, plugin_dirs, test, watchdog, weir

KCL = ROOT / "deploy" / "kcl"
ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/Products/stream/2026-01-15T10:00:00.000"
ENVIRONMENT = {"STREAM_ARN": ARN, "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/weir-dead-letters"}


def properties(text):
    lines = [line.strip() for line in text.splitlines()]
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines if line and not line.startswith("#"))


def documents():
    return {(d["kind"], d["metadata"]["name"]): d for d in yaml.safe_load_all((KCL / "kubernetes.yaml").read_text())}


@test
def the_config_is_sound_also_the_one_in_the_config_map():
    mapped = documents()["ConfigMap", "weir-kcl"]["data"]["kcl.json"]
    plain = re.sub(r"^\s*//.*\n", "", (KCL / "kcl.json").read_text(), flags=re.M)
    equal(json.loads(mapped), json.loads(plain), "kcl.json in kubernetes.yaml")
    with folder() as path:
        file = path / "kcl.json"
        for text in (mapped, (KCL / "kcl.json").read_text()):
            file.write_text(text)
            out = weir("check", "--strict", "-c", file, "--set", f"plugin_dirs={json.dumps(plugin_dirs())}", env=ENVIRONMENT)
            equal(out.returncode, 0, out.stderr.decode())


@test
def the_properties_are_those_that_the_bridge_knows():
    source = (KCL / "bridge/src/main/java/weir/kcl/Settings.java").read_text()
    known = set(re.findall(r'"(\w+)"', re.search(r"KEYS = Set.of\((.*?)\);", source, re.S)[1]))
    for text in ((KCL / "bridge/bridge.properties").read_text(),
                 documents()["ConfigMap", "weir-kcl"]["data"]["bridge.properties"]):
        given = properties(text)
        equal(set(given) - known, set(), "unknown properties")
        holds({"executableName", "streamArn", "applicationName"} <= set(given), "what has to be there is there")


@test
def the_deployment_ends_later_than_the_bridge():
    spec = documents()["Deployment", "weir-kcl"]["spec"]["template"]["spec"]
    grace = int(properties(documents()["ConfigMap", "weir-kcl"]["data"]["bridge.properties"])["shutdownGraceMillis"])
    holds(spec["terminationGracePeriodSeconds"] * 1000 > grace + 5000, "room for the graceful end")
    container, = spec["containers"]
    volumes = {v["name"] for v in spec["volumes"]}
    equal({m["name"] for m in container["volumeMounts"]}, volumes)
    named = set(re.findall(r"\$\{(\w+)\}", documents()["ConfigMap", "weir-kcl"]["data"]["kcl.json"]))
    equal(named - {e["name"] for e in container["env"]}, {"STREAM_ARN"}, "what the bridge gives")


@test
def the_image_takes_what_exists():
    for line in (KCL / "Dockerfile").read_text().splitlines():
        words = line.split()
        if words[:1] == ["COPY"] and not words[1].startswith("--from"):
            holds((ROOT / words[1]).exists(), f"{words[1]} exists")
    json.loads((KCL / "policy.json").read_text())


@test
def the_start_scripts_find_jars_file_and_stream():
    with folder() as path:
        java = path / "java"
        java.write_text('#!/bin/sh\necho "$STREAM_ARN"\nfor a; do echo "$a"; done\n')
        java.chmod(0o755)
        for engine, last in (("multilang", "multilang.properties"), ("bridge", str(KCL / "bridge/bridge.properties"))):
            out = subprocess.run([KCL / engine / "start", KCL / engine / f"{engine}.properties"], check=True, text=True,
                                 capture_output=True, env={"PATH": f"{path}:{os.environ['PATH']}", "WEIR_KCL_JARS": "/jars"})
            lines = out.stdout.splitlines()
            equal(lines[-1], last)
            holds(any("/jars" in line for line in lines), "the jars are on the class path")
            equal(lines[0], ARN if engine == "multilang" else "", "the stream's ARN, which the bridge gives by itself")
            equal(subprocess.run([KCL / engine / "start"], capture_output=True).returncode != 0, True)


watchdog(50)
main()

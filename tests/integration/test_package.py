#!/usr/bin/env python3
"""The Debian packages, built and unpacked into an empty root: the daemon runs there, a plugin is built with the kit."""
import json
import re
import shutil
import subprocess

from harness import ROOT, equal, folder, holds, main, test, watchdog

OUT = ROOT / "build" / "package-out"
_built = []


def package(name):
    if not _built:
        subprocess.run([ROOT / "scripts" / "package"], check=True, stdout=subprocess.DEVNULL)
        _built.append(True)
    found, = OUT.glob(f"{name}_*.deb")
    return found


def unpacked(path, *names):
    for name in names:
        subprocess.run(["dpkg-deb", "-x", package(name), path], check=True)
    return path / "usr"


def field(name, which):
    return subprocess.run(["dpkg-deb", "-f", package(name), which], capture_output=True, text=True, check=True).stdout.strip()


@test
def the_packages_say_what_they_are():
    for name in ("weir", "weir-plugin-dev", "weir-kafka"):
        equal(field(name, "Package"), name)
        version = re.search(r'define WEIR_VERSION "(.*)"', (ROOT / "include/weir/version.h").read_text())[1]
        equal(field(name, "Version"), version)
    equal(re.sub(r" \(.*?\)", "", field("weir-kafka", "Depends")), "weir, libc6, librdkafka1")
    for library in ("libc6", "libcurl4", "libuv1", "libssl3", "libsqlite3-0", "libcjson1"):
        holds(library in field("weir", "Depends"), f"{library} in {field('weir', 'Depends')}")


@test
def S33_the_sums_lie_beside_the_packages():
    package("weir")
    equal({line.split()[1] for line in (OUT / "SHA256SUMS").read_text().splitlines()}, {p.name for p in OUT.glob("*.deb")})
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], cwd=OUT, check=True)


@test
def the_paths_are_those_of_a_package():
    listed = {name: subprocess.run(["dpkg-deb", "-c", package(name)], capture_output=True, text=True, check=True).stdout
              for name in ("weir", "weir-plugin-dev")}
    files = {name: re.findall(r"^-.* \.(/\S+)$", text, re.M) for name, text in listed.items()}
    for path in ("/usr/bin/weir", "/usr/lib/weir/plugins/pricehistory.so", "/usr/share/doc/weir/copyright"):
        holds(path in files["weir"], path)
    holds([f for f in files["weir"] if f.endswith("systemd/system/weir.service")], "the unit")
    holds("/usr/include/weir/plugin.h" in files["weir-plugin-dev"], "the header")
    equal([f for f in files["weir"] + files["weir-plugin-dev"] if not f.startswith(("/usr/", "/lib/"))], [])
    equal(set(files["weir"]) & set(files["weir-plugin-dev"]), set(), "in both")
    equal([line for line in listed["weir"].splitlines() if " root/root " not in line], [], "of other owners")


@test
def the_daemon_runs_from_where_it_was_unpacked():
    with folder() as path:
        usr = unpacked(path / "root", "weir")
        weir = usr / "bin" / "weir"
        clean = {"PATH": "/usr/bin:/bin", "HOME": str(path)}
        said = subprocess.run([weir, "version"], capture_output=True, text=True, env=clean, check=True).stdout
        holds(field("weir", "Version") in said, said)
        (path / "weir.json").write_text(json.dumps({"sinks": {"console": {"plugin": "stdout", "config": {"format": "json"}}}}))
        sample = subprocess.run([weir, "sample", "modify", "--count", "20"], capture_output=True, env=clean, check=True).stdout
        ran = subprocess.run([weir, "run", "-c", path / "weir.json", "--from", "-", "--once"], input=sample,
                             capture_output=True, env=clean)
        equal(ran.returncode, 0, ran.stderr.decode())
        equal(len(ran.stdout.splitlines()), 20, ran.stderr.decode())


@test
def the_container_starts_what_the_package_installs():
    """deploy/ecs as text: its config is sound, and what it names is what the package holds."""
    with folder() as path:
        usr = unpacked(path / "root", "weir")
        ran = subprocess.run([usr / "bin" / "weir", "check", "--strict", "-c", ROOT / "deploy/ecs/weir.json"],
                             capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", **ECS})
        equal(ran.returncode, 0, ran.stderr + ran.stdout)
        command = json.loads(re.search(r"^ENTRYPOINT (.*)$", (ROOT / "deploy/ecs/Dockerfile").read_text(), re.M)[1])
        holds((path / "root" / command[0].lstrip("/")).exists(), command)
    template = (ROOT / "deploy/ecs/template.yaml").read_text()
    named = set(re.findall(r"\$\{(\w+)", (ROOT / "deploy/ecs/weir.json").read_text()))
    equal(named - set(re.findall(r"\{Name: (\w+), Value", template)), set(), "variables that the task lacks")


ECS = {"DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/dead", "AWS_REGION": "eu-west-1"}


@test
def a_plugin_is_built_and_tested_with_the_kit():
    with folder() as path:
        usr = unpacked(path / "root", "weir", "weir-plugin-dev")
        source = path / "plugin"
        shutil.copytree(ROOT / "examples" / "plugins" / "c-sync", source)
        for command in (["cmake", "-S", source, "-B", path / "build", f"-DCMAKE_PREFIX_PATH={usr}"],
                        ["cmake", "--build", path / "build"],
                        ["ctest", "--test-dir", path / "build", "--no-tests=error"]):
            ran = subprocess.run(command, capture_output=True, text=True)
            equal(ran.returncode, 0, ran.stdout[-800:] + ran.stderr[-800:])
        built, = (path / "build").rglob("*.so")
        info = subprocess.run([usr / "bin" / "weir", "plugin", "info", built], capture_output=True, text=True)
        equal(info.returncode, 0, info.stderr)
        holds(info.stdout.strip(), "it is described")


if __name__ == "__main__":
    watchdog(550)
    main()

#!/usr/bin/env python3
"""Runs every command of the documents, word for word, in a clean copy of the sources, in order. In a fenced
block marked `console`, a line that starts with `$ ` is a command; what follows, up to the next one, is what it
prints, where `...` stands for anything. A command must end with 0 and print what is shown; one that ends in
`# exit N` must end with N."""
import re
import subprocess

from harness import ROOT, environment, folder, holds, main, test, watchdog

PAGES = ["README.md", "CONTRIBUTING.md", "docs/lambda.md", "docs/config.md", "docs/architecture.md"]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
LONG = {"scripts/test", ".ci/run"}  # would run this very program


def commands(page):
    """(command, shown output) of a page. A command goes on over lines that end with a backslash."""
    found = []
    for block in BLOCK.findall((ROOT / page).read_text()):
        going_on = False
        for line in block.splitlines():
            if going_on:
                found[-1][0] += "\n" + line
            elif line.startswith("$ "):
                found.append([line[2:], []])
            elif found:
                found[-1][1].append(line)
            going_on = line.endswith("\\") and (going_on or line.startswith("$ "))
    return found


def copy_sources(target):
    names = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           capture_output=True, check=True).stdout
    subprocess.run(["tar", "-C", ROOT, "--null", "-T", "-", "-cf", target / "sources.tar"], input=names, check=True)
    subprocess.run(["tar", "-C", target, "-xf", target / "sources.tar"], check=True)


def shown_matches(shown, printed):
    pattern = r"\s*".join(".*?".join(map(re.escape, line.split("..."))) for line in shown if line.strip())
    return re.search(pattern, printed, re.S) is not None


@test
def every_command_of_the_documents_works():
    ran = 0
    with folder() as path:
        copy_sources(path)
        for page in PAGES:
            for command, shown in commands(page):
                if command.split()[0] in LONG:
                    continue
                wanted = int((re.search(r"# exit (\d+)$", command) or [0, 0])[1])
                done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=path, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=400,
                                      env=environment(NO_COLOR="1", TERM="dumb"))
                printed = done.stdout.decode("utf-8", "replace")
                holds(done.returncode == wanted, f"{page}: `{command}` ended with {done.returncode}:\n{printed[-3000:]}")
                holds(shown_matches(shown, printed), f"{page}: `{command}` does not print what is shown, but:\n{printed}")
                ran += 1
    print(f"     {ran} commands")
    holds(ran >= 7, f"only {ran} commands were found in the documents")


watchdog(580)
main()

#!/usr/bin/env python3
"""What is made from the tables: help, man pages, completions and the reference in docs."""
import json
import os
import re
import subprocess

from harness import BUILD, ROOT, WEIR, environment, equal, folder, holds, main, test, watchdog, weir

SHELLS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}


def ask(*arguments):
    done = weir(*arguments, cwd="/")
    equal(done.returncode, 0, done.stderr.decode())
    return done.stdout.decode()


HELP = json.loads(ask("help", "--json"))
KEYS = json.loads(ask("help", "config", "--json"))["keys"]


def make_man(path):
    subprocess.run([ROOT / "scripts/docs", "man", WEIR, path], check=True, env=environment())
    return {f.name: f.read_text() for f in path.iterdir()}


@test
def man_pages_are_clean_and_hold_every_verb_option_key_and_code():
    with folder() as path:
        pages = make_man(path)
        done = subprocess.run(["mandoc", "-Tlint", *sorted(path.iterdir())], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        # the pages refer to each other, which mandoc looks for where they are not installed
        found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
        equal(found, [], "mandoc -Tlint")
        for name, section in set(re.findall(r"^\.Xr (\S+) (\d)", "\n".join(pages.values()), re.M)):
            holds(f"{name}.{section}" in pages, f"no page {name}({section})")
        for verb in HELP["verbs"]:
            text = pages[f"weir-{verb['name'].replace(' ', '-')}.1"]
            for option in verb["options"]:
                holds(f"Fl \\-{option['name']}" in text, f"{verb['name']}: --{option['name']} is not in its page")
        for option in HELP["options"]:
            holds(f"Fl \\-{option['name']}" in pages["weir.1"], f"--{option['name']} is not in weir(1)")
        for key in KEYS:
            holds(f".It Va {key['path']}\n" in pages["weir.json.5"], f"{key['path']} is not in weir.json(5)")
        for code in HELP["codes"]:
            holds(f".It Er {code['code']}\n" in pages["weir-messages.7"], f"{code['code']} is not in weir-messages(7)")


@test
def the_documents_are_what_the_tables_say():
    done = subprocess.run([ROOT / "scripts/docs", "check", WEIR], stdout=subprocess.PIPE, text=True, env=environment())
    equal((done.returncode, done.stdout), (0, ""))


def option_of(verb, name):
    return any(name == f"--{o['name']}" or name == f"-{o['letter']}" for o in verb["options"] + HELP["options"])


@test
def every_command_in_the_man_pages_is_one_that_weir_takes():
    """Those that are written out run: what they would do is replaced by --help, after which their words are judged."""
    ran = set()
    with folder() as path:
        for name, page in make_man(path).items():
            plain = re.sub(r"\\e", r"\\", page.replace("\n", " "))
            for command in {c.strip() for c in re.findall(r"`(weir [^`]+)`", plain)}:
                words = re.split(r"\s+", re.split(r" [|<>(]", command)[0])[1:]
                count = 2 if " ".join(words[:2]) in {v["name"] for v in HELP["verbs"]} else 1
                verb = next((v for v in HELP["verbs"] if v["name"] == " ".join(words[:count])), None)
                group = any(v["name"].startswith(words[0] + " ") for v in HELP["verbs"])
                holds(verb or (group and len(words) == 1), f"{name}: `{command}`: no such verb")
                for word in words[count:] if verb else []:
                    holds(not word.startswith("-") or word == "-" or option_of(verb, word.split("=")[0]),
                          f"{name}: `{command}`: no option {word}")
                if verb:
                    holds(f"weir {verb['name']}" in ask(*words[:count], "--help"), command)
                    ran.add(command)
    holds(len(ran) > 15, f"only {len(ran)} commands found: {ran}")
    print(f"     {len(ran)} commands")


@test
def the_site_builds_without_a_network():
    with folder() as path:
        own = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "-r", "--net"]
        done = subprocess.run([*own, "mkdocs", "build", "--site-dir", path / "site"], cwd=ROOT, timeout=90,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())
        equal(done.returncode, 0, done.stdout)
        pages = {p.relative_to(path / "site").as_posix(): p.read_text() for p in (path / "site").glob("**/*.html")}
        for source in [*(ROOT / "docs").glob("*.md"), *(ROOT / "plugins").glob("*/README.md")]:
            name = f"sinks/{source.parent.name}" if source.name == "README.md" else source.stem
            holds(f"{name}.html" in pages, f"no page of {source}")
            holds(f'{name}.html"' in pages["faq.html"] or name in ("index", "faq"), f"{name} is not in the navigation")
        for name, page in pages.items():
            asked = re.findall(r"""<(?:script|img|link)[^>]*(?:src|href)="((?:https?:)?//[^"]+)""", page)
            equal(asked, [], f"{name} asks others")
        for target in set(re.findall(r'href="([^"#:]+)"', pages["index.html"])):
            holds((path / "site" / target).exists(), f"index.html: {target}")
        sinks = (ROOT / "docs/sinks.md").read_text()
        for source in (ROOT / "plugins").glob("*/README.md"):
            holds(f"(../plugins/{source.parent.name}/README.md)" in sinks, f"docs/sinks.md: no {source.parent.name}")


@test
def completions_are_valid_in_their_shells():
    with folder() as path:
        for shell, command in SHELLS.items():
            script = path / shell
            script.write_text(ask("completion", shell))
            done = subprocess.run([*command, script], stderr=subprocess.PIPE, text=True, env=environment())
            equal((done.returncode, done.stderr), (0, ""), shell)


def complete_in_bash(*words):
    line = " ".join(f"'{w}'" for w in words)
    script = (f"source <('{WEIR}' completion bash); COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _weir; "
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "-c", script], stdout=subprocess.PIPE, text=True, check=True, cwd="/",
                          env=environment()).stdout.split()


@test
def bash_offers_verbs_options_and_choices():
    firsts = {v["name"].split()[0] for v in HELP["verbs"]}
    equal({w for w in complete_in_bash("weir", "") if not w.startswith("-")}, firsts)
    equal(complete_in_bash("weir", "chec"), ["check"])
    equal(complete_in_bash("weir", "config", "s"), ["show", "schema"])
    equal(complete_in_bash("weir", "check", "--str"), ["--strict"])
    equal(complete_in_bash("weir", "check", "--color", "a"), ["auto", "always"])
    holds("--junit" in complete_in_bash("weir", "test", "--"), "options of test")
    holds("--junit" not in complete_in_bash("weir", "check", "--"), "options of check")


@test
def every_code_that_the_program_uses_is_explained():
    known = {c["code"] for c in HELP["codes"]}
    used = set()
    for file in (ROOT / "core").glob("*/*.c"):
        if file.name != "codes.c":
            used |= set(re.findall(r'"(W\d{4})"', file.read_text()))
    equal(used - known, set(), "codes without an explanation")
    for code in HELP["codes"]:
        said = ask("help", code["code"])
        holds(code["remedy"] and f"What to do: {code['remedy']}" in said, code["code"])


@test
def an_installed_weir_has_its_pages():
    if "WEIR_SANITIZE:STRING=\n" not in (BUILD / "CMakeCache.txt").read_text():
        return  # made by the plain build
    with folder() as path:
        subprocess.run(["cmake", "--install", BUILD, "--prefix", path], check=True, stdout=subprocess.DEVNULL)
        pages = {f.name for f in (path / "share/man").glob("*/*")}
        holds({"weir.1", "weir-run.1", "weir.json.5", "weir-plugin.7"} <= pages, pages)
        holds((path / "share/bash-completion/completions/weir").stat().st_size > 1000, "bash completion")


watchdog(110)
main()

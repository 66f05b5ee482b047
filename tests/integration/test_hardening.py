#!/usr/bin/env python3
"""What the project promises of its own files: format strings, hardened binaries, the security policy, the versions that it is
built with, and the sums beside what is published. Each gate is shown something bad, which it has to refuse."""
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess

from harness import BUILD, ROOT, equal, folder, holds, main, test, watchdog


def ran(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **options)
    return done.returncode, done.stdout + done.stderr


# ---- format strings ----

def commands():
    """{source below the root: the words that compile it}, of core and the plugins."""
    if (BUILD / "build.ninja").exists():
        listed = json.loads(subprocess.run(["ninja", "-C", BUILD, "-t", "compdb"], capture_output=True, check=True).stdout)
    else:
        listed = json.loads((BUILD / "compile_commands.json").read_text())
    found = {}
    for entry in listed:
        source = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
        if re.fullmatch(r"(core|plugins)/(?!.*tests/).*\.c", source) and " -c " in entry["command"]:
            found[source] = shlex.split(entry["command"])
    return found


def compiled(words, text, where):
    """The text compiled with the flags of another file."""
    source = where / "snippet.c"
    source.write_text(text)
    words = words[:words.index("-c")] + ["-c", str(source), "-o", str(where / "snippet.o")]
    for flag in ("-MF", "-MT", "-o"):
        while flag in words[:-1]:
            at = words.index(flag)
            del words[at:at + 2]
    if "WEIR_WERROR:BOOL=OFF" in (BUILD / "CMakeCache.txt").read_text():
        words.append("-Werror")
    return ran(*words, "-o", where / "snippet.o", cwd=BUILD)


@test
def S26_every_file_is_compiled_with_the_flags():
    found = commands()
    holds(len(found) > 200 and any(s.startswith("plugins/") for s in found), f"{len(found)} files")
    wanted = {"-Wformat=2"} | ({"-Werror"} if "WEIR_WERROR:BOOL=ON" in (BUILD / "CMakeCache.txt").read_text() else set())
    equal({source for source, words in found.items() if not wanted <= set(words)}, set(), f"files without {wanted}")
    equal({source for source, words in found.items() if any(w.startswith("-Wno-format") and w != "-Wno-format-truncation"
                                                           or w == "-w" for w in words)}, set(), "silenced")
    presets = {p["name"]: p for p in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
    for name, preset in presets.items():
        values = {}
        while preset:
            values = {**preset.get("cacheVariables", {}), **values}
            preset = presets.get(preset.get("inherits"))
        equal(values.get("WEIR_WERROR"), "ON", f"WEIR_WERROR of preset {name}")


@test
def S26_a_format_out_of_data_is_refused_by_the_compiler():
    found = commands()
    core = '#include "observe/log.h"\nint f(struct log *log, const char *data);\n' \
        'int f(struct log *log, const char *data)\n{\n    log_line(log, 0, "a", "W0001", %s);\n    return 0;\n}\n'
    plugin = '#include <weir/util.h>\nvoid f(const weir_host *host, weir_instance *own, const char *data);\n' \
        'void f(const weir_host *host, weir_instance *own, const char *data)\n{\n    weir_logf(host, own, 0, %s);\n}\n'
    for source, text in (("core/router/router.c", core), ("plugins/sqs/sqs.c", plugin)):
        with folder() as where:
            code, said = compiled(found[source], text % '"%s", data', where)
            equal(code, 0, f"a sound one: {said}")
            for wrong in ("data", '"%d", data', '"%s"'):
                code, said = compiled(found[source], text % wrong, where)
                holds(code != 0 and "format" in said, f"{wrong} with the flags of {source}: {said}")


@test
def S26_every_function_that_takes_a_format_says_so():
    declared = {}
    files = [f for part in ("core", "include", "plugins") for ext in ("h", "c") for f in (ROOT / part).rglob(f"*.{ext}")]
    for file in files:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read_text(), flags=re.S)
        text = re.sub(r'"(\\.|[^"\\\n])*"|^\s*#.*(\\\n.*)*', "", text, flags=re.M)
        for piece in re.split(r"[;{}]", text):
            marked = "format(printf" in piece
            plain = re.sub(r"__attribute__\(\(.*?\)\)\)", "", piece, flags=re.S)
            head = re.search(r"^[\s\w*]*?(\w+)\s*\(([^()]*(\.\.\.|const char \*format,\s*va_list \w+))\s*\)\s*$", plain)
            if head:
                declared.setdefault(head[1], []).append(marked)
    holds(len(declared) > 25 and {"log_line", "err_set", "buf_printf", "weir_logf"} <= set(declared), sorted(declared))
    equal([name for name, marked in declared.items() if not any(marked)], [], "without the attribute")


# ---- binaries ----

SOUND = ["-O2", "-fstack-protector-strong", "-shared", "-fPIC", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"]
GUARDED = "int other(char *);\nint other(char *at) { return *at; }\n" \
    "int guarded(const char *from);\nint guarded(const char *from)\n{\n    char volatile own[64];\n" \
    "    for (int i = 0; i < 64 && from[i]; i++)\n        own[i] = from[i];\n    return other((char *)own);\n}\n"


def linked(where, name, flags, source=GUARDED):
    code = where / "code.c"
    code.write_text(source)
    subprocess.run([os.environ.get("CC", "cc"), code, *flags, "-o", where / name], check=True)
    return where / name


def without(*gone, more=()):
    return [flag for flag in SOUND if flag not in gone] + list(more)


@test
def S27_a_binary_that_is_not_hardened_is_refused():
    program = GUARDED + "int main(int n, char **words) { (void)n; return guarded(words[0]); }\n"
    rows = [
        ("not position independent", without("-shared", "-fPIC", more=["-no-pie"]), program),
        ("no RELRO", without("-Wl,-z,relro,-z,now", more=["-Wl,-z,norelro,-z,now"]), GUARDED),
        ("lazy binding", without("-Wl,-z,relro,-z,now", more=["-Wl,-z,relro,-z,lazy"]), GUARDED),
        ("executable stack", without("-Wl,-z,noexecstack", more=["-Wl,-z,execstack"]), GUARDED),
        ("no stack protector", without("-fstack-protector-strong", more=["-fno-stack-protector"]), GUARDED),
    ]
    gate = ROOT / "scripts" / "check-hardening"
    with folder() as where:
        sound = linked(where, "sound.so", SOUND)
        code, said = ran(gate, sound)
        equal((code, said), (0, "1 linked files are hardened\n"))
        pie = linked(where, "sound", without("-shared", "-fPIC", more=["-fPIE", "-pie"]), program)
        equal(ran(gate, pie)[0], 0, "a program")
        for because, flags, source in rows:
            code, said = ran(gate, sound, linked(where, "bad.so", flags, source))
            holds(code == 1 and because in said and "bad.so" in said, f"{because}: exit {code}: {said}")


@test
def S27_what_is_built_here_is_hardened():
    code, said = ran(ROOT / "scripts" / "check-hardening", BUILD)
    equal(code, 0, said)


# ---- what it is built with ----

WANTED = {name: version for name, version in re.findall(
    r"pkg_check_modules\(\w+ (?:REQUIRED )?IMPORTED_TARGET ([\w-]+)>=([\d.]+)\)",
    (ROOT / "cmake" / "WeirDependencies.cmake").read_text())}


def configured(where, *old):
    """What CMake makes of the dependencies where these modules of pkg-config are of version 0.1."""
    (where / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(probe LANGUAGES NONE)\nset(WEIR_SQLITE ON)\n"
        f"find_package(PkgConfig REQUIRED)\ninclude({ROOT}/cmake/WeirDependencies.cmake)\n"
        'message("sqlite=${SQLITE_FOUND} zstd=${ZSTD_FOUND} kafka=${RDKAFKA_FOUND}")\n')
    files = where / "pc"
    files.mkdir()
    for name in WANTED:
        version = "0.1" if name in old else WANTED[name]
        (files / f"{name}.pc").write_text(f"Name: {name}\nDescription: {name}\nVersion: {version}\nLibs: -L{where} -l{name}\n")
        (where / f"lib{name}.so").touch()
    return ran("cmake", "-S", where, "-B", where / "build", env={**os.environ, "PKG_CONFIG_LIBDIR": str(files)})


@test
def S35_a_library_that_is_too_old_is_refused():
    equal(set(WANTED), {"libuv", "libcurl", "libcjson", "libcrypto", "sqlite3", "libzstd", "rdkafka"})
    with folder() as where:
        code, said = configured(where)
        holds(code == 0 and "sqlite=1 zstd=1 kafka=1" in said, f"the least versions do: {said}")
    for name, version in WANTED.items():
        with folder() as where:
            code, said = configured(where, name)
        holds(f"Package '{name}' has version '0.1', required version is '>= {version}'" in said, said)
        optional = {"libzstd": "zstd= kafka=1", "rdkafka": "zstd=1 kafka=\n"}
        if name in optional:
            holds(code == 0 and optional[name] in said, f"{name} is left out: {said}")
        else:
            holds(code != 0 and "A required package was not found" in said, f"{name}: exit {code}: {said}")


@test
def S35_the_documents_name_the_least_versions():
    said = (ROOT / "docs" / "quickstart.md").read_text()
    names = {"libcjson": "cJSON", "libcrypto": "OpenSSL", "sqlite3": "SQLite", "rdkafka": "librdkafka"}
    equal([name for name, version in WANTED.items() if f"{names.get(name, name)} {version}" not in said], [])


# ---- the policy, and what is published ----

@test
def S32_the_security_policy_says_where_what_and_when():
    text = " ".join((ROOT / "SECURITY.md").read_text().split())
    for wanted in (r"report a weakness privately", r"not in a public issue", r"answer within three working days",
                   r"a fix or a plan within thirty", r"The latest release is supported", r"no back-ports"):
        holds(re.search(wanted, text), f"{wanted}: {text[:600]}")
    holds("SECURITY.md" in (ROOT / "cmake" / "WeirInstall.cmake").read_text(), "it is installed")


@test
def S33_the_sums_are_those_of_the_files():
    with folder() as where:
        for name, content in (("weir_1.deb", b"one"), ("weir-kafka_1.deb", b"two"), ("notes.txt", b"three")):
            (where / name).write_bytes(content)
        for _ in range(2):
            code, said = ran("bash", "-c", '. "$1" && sums "$2" deb', "sh", ROOT / "scripts" / "lib.sh", where)
            equal(code, 0, said)
        lines = (where / "SHA256SUMS").read_text().splitlines()
        equal(lines, [hashlib.sha256(content).hexdigest() + "  " + name
                      for name, content in (("weir-kafka_1.deb", b"two"), ("weir_1.deb", b"one"))])
        equal(ran("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=where)[0], 0)
        (where / "weir_1.deb").write_bytes(b"another")
        equal(ran("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=where)[0], 1, "a changed one")
    for script, ending in (("layer", "zip"), ("package", "deb")):
        holds(f'sums "$out" {ending}\n' in (ROOT / "scripts" / script).read_text(), f"scripts/{script} writes them")


@test
def S33_the_same_content_is_the_same_zip_and_bill():
    with folder() as where:
        manifest = where / "MANIFEST"
        manifest.write_text("openssl 3.0.1\nlibuv 1.44.2\ncjson 1.7.15\ncurl 8.1.0\n")
        made = []
        for number, names in enumerate((("bootstrap", "a.so", "b.so"), ("b.so", "a.so", "bootstrap"))):
            tree = where / f"tree{number}"
            tree.mkdir()
            for name in names:
                (tree / name).write_bytes(name.encode() * 100)
                (tree / name).chmod(0o755 if number else 0o700)
                os.utime(tree / name, (number * 10**8, number * 10**8))
            bill = subprocess.run([ROOT / "deploy/layer/sbom.py", manifest, "1.0.0", "x86_64"], capture_output=True, check=True)
            (tree / "sbom.json").write_bytes(bill.stdout)
            subprocess.run([ROOT / "deploy/layer/pack.py", where / f"{number}.zip", tree], check=True, stdout=subprocess.DEVNULL)
            made.append((where / f"{number}.zip").read_bytes())
        holds(made[0] == made[1], "two zips of the same content differ")
        bill = json.loads(bill.stdout)
        equal((bill["bomFormat"], {c["name"]: c["version"] for c in bill["components"]}),
              ("CycloneDX", {"openssl": "3.0.1", "libuv": "1.44.2", "cjson": "1.7.15", "curl": "8.1.0"}))
        manifest.write_text("openssl 3.0.1\nlibuv 1.44.2\n")
        code, said = ran(ROOT / "deploy/layer/sbom.py", manifest, "1.0.0", "x86_64")
        holds(code == 1 and "does not name" in said, f"an incomplete one: {said}")


@test
def S33_where_it_was_built_is_not_in_the_bytes():
    """A plugin with the flags of the layer, from two copies of the sources in folders of different names."""
    with folder() as where:
        built = []
        for name in ("one", "another-place"):
            tree, build = where / name / "weir", where / name / "build"
            for part in ("core", "include", "plugins", "cmake", "deploy", "docs", "examples"):
                shutil.copytree(ROOT / part, tree / part)
            for file in ("CMakeLists.txt", "LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md"):
                shutil.copy(ROOT / file, tree)
            for command in (["cmake", "-G", "Ninja", "-S", tree, "-B", build, "-DCMAKE_BUILD_TYPE=Release", "-DWEIR_LAYER=ON",
                             "-DWEIR_SQLITE=OFF", "-DWEIR_BUILD_TESTS=OFF"],
                            ["cmake", "--build", build, "--target", "stdout"]):
                code, said = ran(*command)
                equal(code, 0, said[-1500:])
            built.append((build / "plugins" / "stdout.so").read_bytes())
        holds(built[0] == built[1], "two builds differ")
        holds(str(where).encode() not in built[0], "it names the folder")


if __name__ == "__main__":
    watchdog(230)
    main()

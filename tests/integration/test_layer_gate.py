#!/usr/bin/env python3
"""The layer's gate lets a sound file pass and refuses each of the faults that it is there for."""
import os
import subprocess

from harness import ROOT, folder, holds, main, test

GATE = ROOT / "deploy" / "layer" / "gate"
ENTRY = 'const void *weir_plugin_entry(unsigned abi) { (void)abi; return 0; }\n'
# the flags of cmake/WeirPlugin.cmake
FLAGS = ["-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"]
EXPORTED = '__attribute__((visibility("default"))) '


def build(where, name, source, *more, flags=FLAGS):
    code, out = where / (name + ".c"), where / name
    code.write_text(source)
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", out, code, *more], check=True)
    return out


def gate(*files):
    ran = subprocess.run([GATE, *files], capture_output=True, text=True, timeout=60)
    return ran.returncode, ran.stdout + ran.stderr


def refused(where, name, because, source, *more, flags=FLAGS):
    sound = build(where, "sound.so", EXPORTED + ENTRY)
    code, said = gate(sound, build(where, name, source, *more, flags=flags))
    holds(code == 1, f"{name}: exit {code}: {said}")
    holds(because in said, f"{name}: {said}")
    holds("sound.so" not in said, f"blamed the sound one: {said}")


@test
def a_sound_plugin_passes():
    with folder() as where:
        code, said = gate(build(where, "sound.so", EXPORTED + ENTRY))
        holds(code == 0 and "1 files are fit" in said, said)


@test
def a_newer_glibc_is_refused():
    with folder() as where:  # arc4random came with glibc 2.36
        refused(where, "newer.so", "asks for glibc 2.36, the layer's is 2.34: arc4random",
                "unsigned arc4random(void);\n" + EXPORTED +
                "const void *weir_plugin_entry(unsigned abi) { return (void *)(unsigned long)(abi + arc4random()); }\n")


@test
def an_executable_stack_is_refused():
    with folder() as where:
        refused(where, "stack.so", "executable stack", EXPORTED + ENTRY, "-Wl,-z,execstack")


@test
def an_extra_export_is_refused():
    with folder() as where:
        refused(where, "exports.so", 'exports "another weir_plugin_entry"',
                EXPORTED + ENTRY + EXPORTED + "int another(void) { return 1; }\n")


@test
def a_program_that_exports_is_refused():
    with folder() as where:
        refused(where, "bootstrap", 'open_to_all"',
                EXPORTED + "int open_to_all(void) { return 1; }\nint main(void) { return open_to_all(); }\n",
                flags=["-fPIE", "-pie", "-rdynamic", "-fvisibility=hidden", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack"])


@test
def a_library_besides_libc_is_refused():
    with folder() as where:
        refused(where, "needs.so", "needs libcrypto.so.3",
                "const char *OpenSSL_version(int);\n" + EXPORTED +
                "const void *weir_plugin_entry(unsigned abi) { return OpenSSL_version((int)abi); }\n", "-lcrypto")


@test
def lazy_binding_a_run_path_and_a_fixed_address_are_refused():
    with folder() as where:
        lazy = [flag.replace(",-z,now", ",-z,lazy") for flag in FLAGS]
        refused(where, "lazy.so", "not bound at start", EXPORTED + ENTRY, flags=lazy)
        refused(where, "path.so", "has a run path", EXPORTED + ENTRY, "-Wl,-rpath,/somewhere")
        refused(where, "fixed", "not position independent", "int main(void) { return 0; }\n",
                flags=["-no-pie", "-Wl,-z,relro,-z,now"])


@test
def what_is_no_program_is_refused():
    with folder() as where:
        text = where / "text.so"
        text.write_text("not a program\n")
        code, said = gate(text)
        holds(code == 1 and "not an ELF file" in said, said)


if __name__ == "__main__":
    main()

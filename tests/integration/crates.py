"""Published test data that comes inside Rust crates: cargo fetches a pinned version, checks its hash
against the registry, and keeps it in its own cache."""
import json
import pathlib
import subprocess
import tempfile


def fetch(name, version):
    """The folder of the crate, in cargo's cache."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "lib.rs").write_text("")
        (root / "Cargo.toml").write_text(
            f'[package]\nname = "suite"\nversion = "0.0.0"\nedition = "2021"\n[lib]\npath = "lib.rs"\n'
            f'[dependencies]\n{name} = {{ version = "={version}", default-features = false }}\n')
        subprocess.run(["cargo", "fetch", "--quiet"], cwd=root, check=True)
        out = subprocess.run(["cargo", "metadata", "--format-version", "1", "--offline"], cwd=root,
                             check=True, stdout=subprocess.PIPE).stdout
    for package in json.loads(out)["packages"]:
        if package["name"] == name:
            return pathlib.Path(package["manifest_path"]).parent
    raise SystemExit(f"{name} is not among the fetched packages")

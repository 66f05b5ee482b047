#!/usr/bin/env python3
"""pack.py OUT.zip FOLDER: the folder as a zip for Lambda, the same bytes for the same content.

Names sorted, times fixed, modes 0755 or 0644. Refuses links, a bootstrap that is not executable, and what is
beyond Lambda's limits (50 MB to upload at once, 250 MB unpacked, all layers together).
"""
import os
import stat
import sys
import zipfile
from pathlib import Path

UPLOAD_BYTES, UNPACKED_BYTES = 50 * 1000 * 1000, 250 * 1000 * 1000


def entry(path, name):
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # Unix: the mode counts
    info.compress_type = zipfile.ZIP_DEFLATED
    mode = 0o755 if os.access(path, os.X_OK) else 0o644
    info.external_attr = (stat.S_IFREG | mode) << 16
    return info


def main(out, folder):
    paths = sorted(p for p in Path(folder).rglob("*") if not p.is_dir())
    unpacked = 0
    for path in paths:
        if path.is_symlink() or not path.is_file():
            sys.exit(f"pack: {path} is not a plain file")
    bootstrap = Path(folder, "bootstrap")
    if bootstrap.exists() and not os.access(bootstrap, os.X_OK):
        sys.exit("pack: bootstrap is not executable")
    with zipfile.ZipFile(out, "w", compresslevel=9) as archive:
        for path in paths:
            content = path.read_bytes()
            unpacked += len(content)
            archive.writestr(entry(path, path.relative_to(folder).as_posix()), content)
    packed = os.path.getsize(out)
    if packed > UPLOAD_BYTES or unpacked > UNPACKED_BYTES:
        sys.exit(f"pack: {out}: {packed} bytes, {unpacked} unpacked: more than Lambda takes")
    print(f"{os.path.basename(out):24} {packed / 1e6:6.2f} MB zipped, {unpacked / 1e6:6.2f} MB unpacked, "
          f"{len(paths)} files")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

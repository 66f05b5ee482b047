#!/usr/bin/env python3
"""sbom.py MANIFEST VERSION ARCH: what is inside the bootstrap, as a CycloneDX 1.5 document on stdout.

MANIFEST is the one that deploy/layer/deps writes: `name version` lines, then checksums. The same input gives the
same bytes: no time, no random serial number.
"""
import json
import sys

LICENCES = {"openssl": "Apache-2.0", "libuv": "MIT", "cjson": "MIT", "curl": "curl"}
DEBIAN = {"openssl", "libuv", "cjson"}


def purl(name, version, arch):
    if name not in DEBIAN:
        return f"pkg:generic/{name}@{version}"
    return f"pkg:deb/debian/{name}@{version}?arch={arch}&distro=bookworm"


def main(manifest, version, arch):
    components = []
    for line in open(manifest):
        words = line.split()
        if len(words) == 2 and words[0] in LICENCES:
            name, release = words
            components.append({"type": "library", "name": name, "version": release,
                               "purl": purl(name, release, {"x86_64": "amd64"}.get(arch, "arm64")),
                               "licenses": [{"license": {"id": LICENCES[name]}}]})
    if {c["name"] for c in components} != set(LICENCES):
        sys.exit(f"sbom: {manifest} does not name {sorted(LICENCES)}")
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
                "metadata": {"component": {"type": "application", "name": "weir", "version": version,
                                           "licenses": [{"license": {"id": "Apache-2.0"}}]}},
                "components": components}
    json.dump(document, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])

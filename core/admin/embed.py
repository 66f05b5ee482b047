"""embed.py PAGE OUT: a page with one style and one script as a C file, with the hashes of both for its
Content-Security-Policy."""
import base64
import hashlib
import re
import sys


def source_hash(page, tag):
    found = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.S)
    if len(found) != 1:
        sys.exit(f"{sys.argv[1]}: {len(found)} plain <{tag}> elements, want one")
    return "'sha256-" + base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode() + "'"


def literal(line):
    escaped = "".join(f"\\{c}" if c in '\\"?' else c if " " <= c <= "~" else
                      "".join(f"\\{byte:03o}" for byte in c.encode()) for c in line)
    return f'    "{escaped}\\n"'


def main():
    page = open(sys.argv[1], encoding="utf-8").read()
    policy = ("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
              f"connect-src 'self'; img-src data:; style-src {source_hash(page, 'style')}; "
              f"script-src {source_hash(page, 'script')}")
    # Bytes, not a string: compilers need not take longer ones than 4095 characters.
    # ASCII alone: whether a char above it is negative is the machine's choice.
    data = page.encode("ascii")
    rows = [", ".join(str(byte) for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write('#include "admin/page.h"\n\nconst char admin_page[] = {\n    ')
        out.write(",\n    ".join(rows))
        out.write("};\nconst size_t admin_page_len = sizeof admin_page;\nconst char admin_page_headers[] =\n")
        out.write(literal(f"Content-Security-Policy: {policy}")[:-3] + '\\r\\n";\n')


main()

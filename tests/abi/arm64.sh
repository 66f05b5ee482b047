#!/bin/sh
# arm64.sh INCLUDE_DIR: the frozen layouts hold on arm64, too; and a layout that does not is not compiled.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile="aarch64-linux-gnu-gcc -std=c11 -ffreestanding -Wall -Wextra -Werror -fsyntax-only"
for file in "$here"/layout_*.c; do
    $compile -I "$1" "$file"
done
cp -r "$1/weir" "$work/weir"
sed -i 's/^    void (\*log)/    void (*sooner)(void);\n&/' "$work/weir/plugin.h"
if $compile -I "$work" "$here/layout_1_0.c" 2>/dev/null; then
    echo "FAILED: an inserted member is not seen" >&2
    exit 1
fi
echo "the layouts hold on arm64"

#!/bin/sh
# abidiff.sh INCLUDE_DIR [--update]: the plugin ABI of the headers against the stored one, which was made from
# a released minor: whatever it holds must be unchanged but for what was appended. First it shows that it
# would see a change. --update stores the ABI of today's headers: at the release of a new minor, and only then.
set -eu
include=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stored=$here/plugin-1.1.abi

# surface INCLUDE_DIR NAME: a library through which every public type can be reached.
surface() {
    {
        echo '#include <weir/plugin.h>'
        for header in "$1"/weir/ext/*.h; do
            name=$(basename "$header" .h)
            echo "#include <weir/ext/$name.h>"
            echo "WEIR_EXPORT const weir_$name *weir_ext_$name(void);"
            echo "const weir_$name *weir_ext_$name(void) { return 0; }"
        done
        echo 'const weir_plugin *weir_plugin_entry(uint32_t host_abi) { (void)host_abi; return 0; }'
        echo 'WEIR_EXPORT weir_entry weir_surface_entry; weir_entry weir_surface_entry;'
    } >"$work/surface.c"
    ${CC:-cc} -std=c11 -g -O0 -shared -fPIC -fvisibility=hidden -I "$1" -o "$work/$2.so" "$work/surface.c"
}

# differs NEW: 0 when there is a change that is not an append. A suppression also hides structs without any
# insertion, so what else is said of a member is looked for without it.
differs() {
    diff="abidiff --leaf-changes-only --no-added-syms"
    ! $diff --suppressions "$here/append-only.abignore" "$stored" "$work/$1.so" >"$work/report" 2>&1 ||
        { $diff "$stored" "$work/$1.so" >"$work/report" 2>&1 || true
          grep -qE 'data member (change|deletion)|[1-9][0-9]* Removed' "$work/report"; }
}

surface "$include" today
if [ "${2:-}" = --update ]; then
    abidw --no-corpus-path --no-comp-dir-path --no-show-locs "$work/today.so" | sed "s, path='[^']*',,; s, filepath='[^']*/weir/, filepath='weir/,; s, filepath='/[^']*', filepath=''," >"$stored"
    exit
fi

variant() { # NAME, FILE below weir/, SED SCRIPT
    mkdir -p "$work/$1"
    cp -r "$include/weir" "$work/$1/"
    sed -i "$3" "$work/$1/weir/$2"
    ! cmp -s "$include/weir/$2" "$work/$1/weir/$2" || { echo "FAILED: the variant $1 changes nothing" >&2; exit 1; }
    surface "$work/$1" "$1"
}

failed=0
variant appended plugin.h 's/^} weir_host;/    void (*later)(void);\n&/; s/^} weir_plugin;/    uint32_t later;\n&/'
! differs appended || { cat "$work/report"; echo "FAILED: an append is taken for a change" >&2; failed=1; }
variant inserted plugin.h 's/^    void (\*log)/    void (*sooner)(void);\n&/'
differs inserted || { echo "FAILED: an inserted member is not seen" >&2; failed=1; }
variant retyped plugin.h 's/int64_t (\*remaining_ms)/int32_t (*remaining_ms)/'
differs retyped || { echo "FAILED: another type is not seen" >&2; failed=1; }
variant grown plugin.h 's/^} weir_option;/    int32_t later;\n&/'
differs grown || { echo "FAILED: a frozen struct that grew is not seen" >&2; failed=1; }
variant extension ext/timer.h 's/^    int64_t (\*now_ms)/    void (*sooner)(void);\n&/'
differs extension || { echo "FAILED: an extension that changed is not seen" >&2; failed=1; }

if differs today; then
    cat "$work/report"
    echo "FAILED: the headers change the ABI of $(basename "$stored") in place of appending to it" >&2
    failed=1
fi
[ "$failed" -eq 0 ] && echo "the plugin ABI is that of $(basename "$stored"), or more; 5 variants judged right"
exit $failed

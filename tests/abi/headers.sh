#!/bin/sh
# headers.sh INCLUDE_DIR: each public header stands alone and may be included twice, as C11 and C++11 to
# C++20, with gcc and clang, without a warning.
set -u
include=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
checked=0

check() { # header, language, standard, compiler
    printf '#include <%s>\n#include <%s>\nextern int checked;\n' "$1" "$1" >"$work/twice.$2"
    checked=$((checked + 1))
    "$4" "-std=$3" -Wall -Wextra -pedantic -Wshadow -Werror -fsyntax-only -I "$include" "$work/twice.$2" ||
        { echo "FAILED: $1 as $3 by $4" >&2; failed=1; }
}

for header in $(cd "$include" && find weir -name '*.h' | sort); do
    for compiler in gcc clang; do
        check "$header" c c11 "$compiler"
        for standard in c++11 c++14 c++17 c++20; do
            case $compiler in gcc) cxx=g++ ;; *) cxx=clang++ ;; esac
            check "$header" cpp "$standard" "$cxx"
        done
    done
done
echo "$checked checks"
[ "$checked" -ge 60 ] || { echo "FAILED: too few headers were found under $include" >&2; exit 1; }
exit $failed

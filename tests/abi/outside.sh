#!/bin/sh
# outside.sh BUILD_FOLDER: installs the plugin kit into an empty folder, moves that, and builds a plugin
# against it: by the CMake package, and by pkg-config and the compiler alone.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" --component weir-plugin-dev >/dev/null
mv "$work/first" "$work/kit"
cmake -S "$here/outside" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/kit" >/dev/null
cmake --build "$work/build" >/dev/null
"$here/../../scripts/check-exports" "$work/build/outside.so"

PKG_CONFIG_PATH=$(dirname "$(find "$work/kit" -name weir-plugin.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -fvisibility=hidden -Wl,-z,noexecstack \
    $(pkg-config --cflags weir-plugin) -o "$work/plain.so" "$here/outside/outside.c"
"$here/../../scripts/check-exports" "$work/plain.so"
case $(pkg-config --variable=plugindir weir-plugin) in
*/weir/plugins) ;;
*) echo "weir-plugin.pc names no plugindir" >&2; exit 1 ;;
esac
echo "an outside plugin builds against the installed kit"
